"""Meaning of a column heading or row label: map, segment, quantity, unit."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from polarnet.anatomy import SEGMENTS
from polarnet.readers.identity import header_words
from polarnet.readers.profiles import Profile
from polarnet.readers.units import looks_like_unit, says_no_unit, unit_within
from polarnet.readers.words import section

ENOUGH: Final = 10
"""Numbered columns, or labelled rows, that make a table one of segments (our choice)."""

_QUANTITIES: Final = {what: frozenset(words) for what, words in section("quantities").items()}
_FLOW: Final = _QUANTITIES["flow"]
_OTHER: Final = _QUANTITIES["other"]
_ROWS: Final = {what: frozenset(words) for what, words in section("rows").items()}
_SEGMENT: Final = _ROWS["segment"]
_SAID: Final = _QUANTITIES["neutral"] | _OTHER | _SEGMENT
"""Words that may be repeated, because they name no person."""

_NOT_KNOWN: Final = "a quantity that is not known here"

_LONGEST: Final = 200
"""Characters of a heading, beyond which it is none (our choice); patterns take long on such."""

_LONGEST_LABEL: Final = 100  # the same of the name of a segment
_LONGEST_SHOWN: Final = 60  # characters of a heading that a message repeats (our choice)


@dataclass(frozen=True)
class Heading:
    """What the name of a column says; "" and None for what it does not."""

    map_type: str = ""
    segment: int | None = None
    unit: str = ""  # as written, known here or not
    other: str = ""  # word of another quantity than flow
    is_flow: bool = False
    is_label: bool = False  # segments stand below
    problem: str = ""  # why it cannot be used, such as two maps in one column
    is_plain: bool = False  # all its words are known here, so that a message may repeat it
    is_bare: bool = False  # a number and nothing else


@lru_cache(maxsize=4096)
def read_heading(text: str, profile: Profile) -> Heading:
    """What a heading says, by the words of the vocabulary and of a profile."""
    if len(text) > _LONGEST:
        return Heading(other=_NOT_KNOWN)
    unit, words, numbers = _parts(text)
    meant = {word: profile.map_type(word) for word in words}
    map_types = {map_type for map_type in meant.values() if map_type}
    others = [word for word in words if word in _OTHER and not meant[word]]
    is_quotient = bool(re.search(r"stress\w*\s*(mbf|flow)?\s*(/|to|:)\s*rest", text.casefold()))
    if "reserve" in map_types or (is_quotient and map_types == {"rest", "stress"}):
        # The reserve is of stress over rest, and may say so.
        map_types = {"reserve"} if map_types != {"reserve", "rest"} else map_types
        others = [word for word in others if word != "ratio"]
    beside = _ROWS["beside a number"] | _FLOW
    strange = [word for word in words if not meant[word] and word not in beside]
    segment = None
    if len(numbers) == 1 and len(numbers[0]) <= 2 and _OTHER.issuperset(strange):
        # "HbA1c", "dose (GBq) 3" or "N13" are no segments: only known words stand by the number.
        segment = int(numbers[0])
    elif strange and not others:
        # A name may have its number beside it: "rest 4 - basal inferior (RCA)".
        named = segment_of(" ".join(strange))
        is_numbered = len(numbers) == 1 and numbers[0].lstrip("0") == str(named)
        segment = named if not numbers or is_numbered else None
    problem = ""
    if len(map_types) > 1:
        problem = f"names several maps in one column: {', '.join(sorted(map_types))}"
    is_flow = any(word in _FLOW or word.endswith("mbf") for word in words)
    is_unknown = not _SAID.issuperset(strange)
    if map_types and is_unknown and segment is None and not is_flow and not others:
        # "Stress strain" is no flow; what it is instead need not be known here.
        others = [_NOT_KNOWN]
    return Heading(
        map_type="" if problem else next(iter(map_types), ""),
        segment=segment,
        unit=unit,
        other=others[0] if others else "",
        is_flow=is_flow,
        is_label=bool(words) and _SEGMENT.issuperset(words) and not map_types,
        problem=problem,
        is_plain=bool(words) and not is_unknown and len(text) <= _LONGEST_SHOWN,
        is_bare=not words,
    )


def check_letters(headings: Sequence[str]) -> None:
    """Raise ValueError for columns R1 and S1: S alone is a segment, beside R it is stress."""
    count: Counter[str] = Counter()
    for heading in headings:
        _, words, numbers = _parts(heading[:_LONGEST])
        letters = [word for word in words if len(word) == 1]
        if len(numbers) == len(letters) == 1:
            count[letters[0].upper()] += 1
    often = sorted(letter for letter, n in count.items() if n >= ENOUGH)
    if "S" in often and len(often) > 1:
        raise ValueError(f"marks its columns by {' and '.join(often)}: call them rest and stress")


def _parts(text: str) -> tuple[str, list[str], list[str]]:
    """Unit of a heading, as written; its words in small letters, of which K1, R2 and rMBF are one
    each; and its numbers.
    """
    unit = unit_within(text)
    rest = text.replace(unit, " ") if unit else text
    apart = re.sub(r"(?<=[a-z]{2})(?=[A-Z])|(?<=(?<![A-Z])LV)(?=[A-Z][a-z])", " ", rest)
    pattern = re.compile(r"(?<![^\W_])(?:[kK]\s?[1-4]|[rR]2|chi2)(?![^\W_])")
    named = [constant.replace(" ", "").casefold() for constant in pattern.findall(apart)]
    apart = pattern.sub(" ", apart)
    words = [word.casefold() for word in re.findall(r"[^\W\d_]+", apart)]
    return unit, [*named, *words], re.findall(r"\d+", apart)


def shown(text: str, place: int, heading: Heading) -> str:
    """A column as a message names it: its heading only where no name can stand in it."""
    return f"'{text}'" if heading.is_plain else f"column {place + 1}"


def is_title(row: Sequence[str], profile: Profile) -> bool:
    """Whether a row above the headings speaks of maps and quantities, and of nothing else."""
    cells = [read_heading(cell, profile) for cell in row if cell.strip()]
    return (
        bool(cells)
        and all(cell.is_plain or cell.unit for cell in cells)
        and any(cell.map_type or cell.is_flow or cell.other for cell in cells)
    )


def is_headed(rows: Sequence[Sequence[str]], profile: Profile) -> bool:
    """Whether one of the rows heads a table of segments, so that no matrix stands below."""
    for row in rows:
        headings = [read_heading(cell, profile) for cell in row if cell]
        n_segments = sum(h.segment is not None and not h.is_bare for h in headings)
        n_maps = sum(h.map_type != "" for h in headings)
        if headings and (headings[0].is_label or n_segments >= ENOUGH or n_maps > 1):
            return True
    return False


def says_segments(heading: str) -> bool:
    """Whether a heading says that segments stand below."""
    words = header_words(heading).split()
    return any("segm" in word or word[:3] == "aha" or word in _SEGMENT for word in words)


def is_unit_row(cells: Sequence[str]) -> bool:
    """Whether a row holds the units of the columns, known here or not."""
    filled = [cell for cell in cells if cell.strip()]
    are_units = all(looks_like_unit(cell) or says_no_unit(cell) for cell in filled)
    return are_units and any(map(looks_like_unit, filled))


# === Names of segments ===

_NUMBERED: Final = re.compile(
    r"(?:aha|seg(?:ment)?|s)?[ _.-]*(?:nr\.?|no\.?|#)?[ _.-]*0?(\d{1,2})(?:\.0)?", re.IGNORECASE
)
_NAME_AND_NUMBER: Final = re.compile(
    r"(?:(?:aha|seg(?:ment)?|s)?[ _#.-]*(?P<before>\d{1,2})(?:[.):]\s*|[\s_-]+)(?P<name>\D+)"
    r"|(?P<first>\D+?)\s*[(\[#]\s*(?P<behind>\d{1,2})\s*[)\]]?)",
    re.IGNORECASE,
)
_WALL: Final = re.compile(
    r"(?P<front>(?:ant|inf)(?:er)?(?:i?o|iore?|ieur)?)?"
    r"(?P<side>sep(?:t|tal|tale|taal|tum)?|settale|lat(?:eral|erale|eraal)?)?"
)
"""A wall in one word, as anterior, antsept, inferolat, laterale; or a part of one, as antero."""

_SIDES: Final = {"sep": "septal", "set": "septal", "lat": "lateral", "": ""}
_NAMES: Final = section("segments")
_LEVEL_OF: Final = {
    word: level for level in ("basal", "mid", "apical", "apex") for word in _NAMES[level]
}


def segment_of(label: str) -> int | None:
    """Number of the segment that a label names, beyond 17 too, or None where it names none.

    ValueError: its name and its number are of different segments.
    """
    label = label.strip()
    if len(label) > _LONGEST_LABEL:
        return None
    if match := _NUMBERED.fullmatch(label):
        return int(match[1])
    match = _NAME_AND_NUMBER.fullmatch(label)
    if match is None:
        return _by_name(label)
    number, named = (
        int(match["before"] or match["behind"]),
        _by_name(match["name"] or match["first"]),
    )
    if named not in (None, number):
        raise ValueError(
            f"has a label with the number {number} and the name of segment {named}. Its numbers "
            "are not those of the AHA: leave only the names"
        )
    return named


def _by_name(name: str) -> int | None:
    """Segment by level and walls in whatever order, a vessel beside them: LVBasalAntSept_LAD."""
    if re.search(r"\d", name):
        return None
    words = [word for word in header_words(name).split() if word not in _NAMES["beside"]]
    n_vessels = sum(word in _NAMES["vessel"] for word in words)
    words = [word for word in words if word not in _NAMES["vessel"]]
    levels = [_LEVEL_OF[word] for word in words if word in _LEVEL_OF]
    walls = [_WALL.fullmatch(word) for word in words if word not in _LEVEL_OF]
    if n_vessels > 1 or len(levels) != 1 or not all(walls):
        # "apical cap" is the only name of two words that has no wall.
        return 17 if words in (["apical", "cap"], ["apikale", "kappe"]) else None
    fronts = [match["front"] for match in walls if match and match["front"]]
    sides = [_SIDES[match["side"][:3]] for match in walls if match and match["side"]]
    if len(fronts) > 1 or len(sides) > 1 or (not sides and fronts in (["antero"], ["infero"])):
        return None
    front, side = "".join(fronts)[:3], "".join(sides)
    wall = f"{front}ero{side}" if front and side else f"{front}erior" if front else side
    standard = f"{levels[0]} {wall}".strip()
    return SEGMENTS.index(standard) + 1 if standard in SEGMENTS else None


def is_summary(label: str) -> bool:
    """Whether a row is a mean, a spread or a vessel, and no segment or study."""
    text = label.strip().casefold()
    if re.fullmatch(r"n\s*=?\s*\d*", text) and text != "n":
        return "=" in text
    words = re.findall(r"[^\W\d_]+", text)
    return bool(words) and _ROWS["summary"].issuperset(words) and not re.search(r"\d", text)


def is_bare(label: str) -> bool:
    """Whether a label is a number, or S or Nr. and a number, that may count anything."""
    match = _NUMBERED.fullmatch(label.strip()[:_LONGEST_LABEL])
    return match is not None and not re.match(r"aha|seg", label.strip(), re.IGNORECASE)
