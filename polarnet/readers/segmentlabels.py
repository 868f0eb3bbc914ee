"""Which AHA segment does a label name: by number, by level and wall, or by both?"""

import re
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
    "basal": ("basal", "base", "basis", "basale", "basaal"),
    "mid": ("mid", "middle", "midventricular", "midcavity", "mittventrikulär", "mittventrikulaer",
            "mittventrikular", "medioventrikulär", "medioventricular"),
    "apical": ("apical", "apikal", "apicale"),
    "apex": ("apex", "spitze", "apikalkappe"),
}  # fmt: skip
_WALLS: Final = (
    "anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral",
    "septal", "lateral",
)  # fmt: skip
_LEVEL_OF: Final = {word: level for level, words in _LEVELS.items() for word in words}
_BESIDE: Final = {"wall", "wand", "segment", "seg", "aha", "ventricular", "cavity"}
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


def _by_name(name: str) -> int | None:
    """Segment by the set of its words, in whatever order."""
    if re.search(r"\d", name):
        return None
    text = re.sub(r"\b(antero|infero)[\s_-]+(septal|lateral)", r"\1\2", name.casefold())
    words = [word for word in re.findall(r"[^\W\d_]+", text) if word not in _BESIDE]
    levels = {_LEVEL_OF[word] for word in words if word in _LEVEL_OF}
    walls = {word for word in words if word in _WALLS}
    if len(levels) + len(walls) != len(words) or len(levels) != 1 or len(walls) > 1:
        # "apical cap" is the only name of two words that has no wall.
        return 17 if words in (["apical", "cap"], ["apikale", "kappe"]) else None
    standard = " ".join([*levels, *walls])
    return SEGMENTS.index(standard) + 1 if standard in SEGMENTS else None
