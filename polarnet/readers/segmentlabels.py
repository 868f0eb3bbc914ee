"""Which AHA segment does a label name: by number, by level and wall, or by both?"""

import re
import unicodedata
from typing import Final

from polarnet.anatomy import SEGMENTS

_NUMBERED: Final = re.compile(
    r"(?:aha|seg(?:ment)?|s)?[ _.-]*(?:nr\.?|no\.?|#)?[ _.-]*0?(\d{1,2})(?:\.0)?", re.IGNORECASE
)
_NAME_AND_NUMBER: Final = re.compile(
    r"(?:(?:aha|seg(?:ment)?|s)?[ _#.-]*(?P<before>\d{1,2})(?:[.):]\s*|[\s_-]+)(?P<name>\D+)"
    r"|(?P<name_first>\D+?)\s*[(\[#]\s*(?P<behind>\d{1,2})\s*[)\]]?)",
    re.IGNORECASE,
)

_LEVELS: Final = {
    "basal": ("basal", "bas", "base", "basis", "basale", "basaal"),
    "mid": (
        "mid", "middle", "medial", "median", "medio", "media", "moyen", "midden", "mittel",
        "midventricular", "midcavity", "mittventrikular", "mittventrikulaer", "medioventrikular",
        "medioventricular", "mitt",
    ),
    "apical": (
        "apical", "ap", "api", "apic", "apikal", "apicale", "apicaal", "distal", "dist", "distale",
    ),
    "apex": ("apex", "spitze", "apikalkappe", "apice"),
}  # fmt: skip
_LEVEL_OF: Final = {word: level for level, words in _LEVELS.items() for word in words}
_WALL: Final = re.compile(
    r"(?P<front>(?:ant|inf)(?:er)?(?:i?o|iore?|ieur)?)?"
    r"(?P<side>sep(?:t|tal|tale|taal|tum)?|settale|lat(?:eral|erale|eraal)?)?"
)
"""A wall in one word, as anterior, antsept, inferolat, laterale; or a part of one, as antero."""

_WALLS: Final = {
    ("ant", ""): "anterior", ("ant", "sep"): "anteroseptal", ("ant", "lat"): "anterolateral",
    ("inf", ""): "inferior", ("inf", "sep"): "inferoseptal", ("inf", "lat"): "inferolateral",
    ("", "sep"): "septal", ("", "lat"): "lateral",
}  # fmt: skip
"""Front and side of a wall -> its name."""

_PREFIXES: Final = {"lv", "lvmyo", "myo", "myocardium", "left", "ventricle"}
_VESSELS: Final = {"lad", "lcx", "rca", "cx", "rcx", "riva"}
_BESIDE: Final = {"wall", "wand", "segment", "seg", "aha", "ventricular", "cavity"} | _PREFIXES
"""Words that stand in a name without changing it."""

_LONGEST: Final = 100
"""Characters of a label, beyond which it is none (our choice); patterns take long on such."""

_SUMMARY: Final = {
    "lad", "lcx", "cx", "rca", "global", "total", "mean", "lv", "all", "average", "mittelwert",
    "sd", "std", "median", "min", "max", "stdev", "sem", "sum", "maximum", "minimum", "overall",
    "moyenne", "media", "gemiddelde", "and", "und",
}  # fmt: skip


def segment_of(label: str) -> int | None:
    """Number of the segment that a label names, or None where it names none.

    Numbers beyond 17 come back as they are: other divisions are refused by name.

    Raises
    ------
    ValueError: name and number of one label name different segments.

    >>> [segment_of(label) for label in ("Seg 04", "#4", "Basal inferior (4)", "Inferior basal")]
    [4, 4, 4, 4]
    >>> segment_of("Mid-ventricular antero-septal"), segment_of("Total"), segment_of("Apex")
    (8, None, 17)
    >>> segment_of("LVBasalAnterior"), segment_of("Bas antsep"), segment_of("Distal Lat [LCx]")
    (1, 2, 16)
    """
    label = label.strip()
    if len(label) > _LONGEST:
        return None
    if match := _NUMBERED.fullmatch(label):
        return int(match[1])
    number, name = None, label
    if match := _NAME_AND_NUMBER.fullmatch(label):
        number = int(match["before"] or match["behind"])
        name = match["name"] or match["name_first"]
    named = _by_name(name)
    if number is not None and named is not None and number != named:
        raise ValueError(
            f"has a label with the number {number} and the name of segment {named}. Its numbers "
            "are not those of the AHA: leave only the names"
        )
    return named


def is_summary(label: str) -> bool:
    """Whether a row is a mean, a spread or a vessel, and no segment or study.

    >>> [is_summary(label) for label in ("Mean ± SD", "LAD", "N = 23", "SD-01")]
    [True, True, True, False]
    """
    text = label.strip().casefold()
    if re.fullmatch(r"n\s*=?\s*\d*", text) and text != "n":
        return "=" in text
    words = re.findall(r"[^\W\d_]+", text)
    return bool(words) and set(words) <= _SUMMARY and not re.search(r"\d", text)


def is_bare(label: str) -> bool:
    """Whether a label is a number, or S and a number, that may count anything.

    >>> [is_bare(label) for label in ("4", "S004", "Nr. 4", "Seg 4", "AHA 4", "Basal inferior")]
    [True, True, True, False, False, False]
    """
    match = _NUMBERED.fullmatch(label.strip()[:_LONGEST])
    return match is not None and not re.match(r"aha|seg", label.strip(), re.IGNORECASE)


def _by_name(name: str) -> int | None:
    """Segment by level and walls in whatever order, a vessel beside them: LVBasalAntSept_LAD."""
    if re.search(r"\d", name):
        return None
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=LV)(?=[A-Z][a-z])", " ", name)
    letters = unicodedata.normalize("NFKD", apart.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = [word for word in re.findall(r"[^\W\d_]+", plain) if word not in _BESIDE]
    vessels = [word for word in words if word in _VESSELS]
    words = [word for word in words if word not in _VESSELS]
    levels = [_LEVEL_OF[word] for word in words if word in _LEVEL_OF]
    found = [_WALL.fullmatch(word) for word in words if word not in _LEVEL_OF]
    if len(vessels) > 1 or len(levels) != 1 or not all(found):
        # "apical cap" is the only name of two words that has no wall.
        return 17 if words in (["apical", "cap"], ["apikale", "kappe"]) else None
    fronts = [m["front"][:3] for m in found if m and m["front"]]
    sides = [m["side"][:3].replace("set", "sep") for m in found if m and m["side"]]
    if len(fronts) > 1 or len(sides) > 1:
        return None
    front, side = "".join(fronts), "".join(sides)
    if front and not side and any(m and m["front"] in ("antero", "infero") for m in found):
        return None
    standard = f"{levels[0]} {_WALLS.get((front, side), '')}".strip()
    return SEGMENTS.index(standard) + 1 if standard in SEGMENTS else None
