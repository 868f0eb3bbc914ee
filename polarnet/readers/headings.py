"""What does the heading of a column promise: which map, segment, quantity and unit?"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from polarnet.readers.identity import header_words, names_a_person
from polarnet.readers.profiles import Profile
from polarnet.readers.segmentlabels import segment_of
from polarnet.readers.units import looks_like_unit, says_no_unit, unit_within, without_doses

ENOUGH: Final = 10
"""Numbered columns that make a table one with a row a study; fewer than 17 are an error."""

_FLOW: Final = {"mbf", "flow", "fluss", "blutfluss", "debit", "flujo"}
_OTHER: Final = {
    # spread and limits of a flow
    "sd", "std", "stdev", "stddev", "sem", "se", "cv", "ci", "variance", "var", "error", "limit",
    "limits", "normal", "min", "max", "minimum", "maximum", "median", "percentile", "upper",
    "lower", "z", "zscore", "p", "n", "rank", "r2", "chi2",
    # scores and what is drawn from them
    "score", "scores", "sss", "srs", "sds", "extent", "tpd", "defect", "severity", "grade",
    "abnormal", "reversibility", "reversible", "mismatch", "viability", "diff", "difference",
    "delta", "change", "ratio",
    # other measurements
    "suv", "suvmax", "suvmean", "suvpeak", "counts", "count", "cts", "activity", "bq", "kbq", "k1",
    "k2", "k3", "k4", "va", "vb", "fdg", "ptf",
    "motion", "thickening", "wallmotion", "wallthickening", "volume", "edv", "esv", "ef", "lvef",
    "dose", "time", "pixels", "voxels", "resistance", "cvr", "hr", "bp", "rpp",
}  # fmt: skip
"""Words of other quantities than flow: beside "stress", they make no map of stress flow."""

_BESIDE_A_NUMBER: Final = {"aha", "seg", "segment", "segments", "s"}
_SEGMENT: Final = {
    "segment", "segments", "seg", "aha", "segmentnr", "segmentno", "segmente", "wall", "level",
    "region",
}  # fmt: skip
_NUMBERS: Final = {"nr", "no", "num", "number", "nummer", "numero", "n", "nro"}
_PEOPLE: Final = {
    # whose row it is
    "patient", "patients", "patienten", "patientin", "paciente", "paziente", "pat", "person",
    "subject", "subjects", "sujet", "sujeto", "proband", "probanden", "teilnehmer", "participant",
    "case", "cases", "fall", "cas", "caso", "animal", "id", "ids", "code", "pseudonym", "record",
    "study", "studie", "etude", "estudio", "studio", "onderzoek", "exam", "examination", "examen",
    "untersuchung", "visit", "visite", "besuch", "scan", "session", "age", "alter", "edad", "eta",
    "leeftijd", "sex", "gender", "geschlecht", "sexe", "sexo", "sesso", "geslacht",
    # when
    "frame", "frames", "time", "zeit", "zeitpunkt", "temps", "tiempo", "tempo", "tijd", "start",
    "date", "datum", "fecha", "day", "tag", "jour", "dia", "week", "woche", "year", "jahr",
    # what a person has, and a segment has not
    "bmi", "ef", "lvef", "edv", "esv", "hr", "bp", "rpp", "weight", "gewicht", "height", "diabetes",
    "hypertension", "group", "gruppe", "diagnosis", "diagnose", "outcome",
}  # fmt: skip
"""Words over columns of patients, examinations and times, which may be numbered 1 to 17 too."""
_NEUTRAL: Final = {
    "mean", "average", "avg", "mittelwert", "value", "values", "absolute", "myocardial", "blood",
    "coronary", "pet", "polar", "map", "maps", "table", "the", "of", "and", "to", "by", "in", "lv",
    "uptake", "perfusion", "relative", "corrected", "limit", "results", "model", "global", "k", "r",
    "result", "data", "image", "img", "array", "matrix", "export", "study", "state", "scan",
    "minus", "vs", "per", "no", "nr", "index", "name", "summed", "peak", "wall",
}  # fmt: skip
"""Words that say nothing about a map, and name no person either."""


@dataclass(frozen=True)
class Heading:
    """What the name of a column says.

    Attributes
    ----------
    map_type
        "rest", "stress" or "reserve", "" where it names none.
    segment
        None where it is no segment's.
    unit
        As written, known here or not.
    other
        Word of another quantity than flow, "" for none.
    is_flow, is_label
        Whether it says that flow, or that segments stand below.
    problem
        Why it cannot be used, such as two maps in one column.
    is_plain
        Whether all its words are known here, so that it may be repeated in a message.
    is_bare
        Whether it is a number and nothing else.
    """

    map_type: str = ""
    segment: int | None = None
    unit: str = ""
    other: str = ""
    is_flow: bool = False
    is_label: bool = False
    problem: str = ""
    is_plain: bool = False
    is_bare: bool = False


_NOT_KNOWN: Final = "a quantity that is not known here"

_LONGEST: Final = 200
"""Characters of a heading, beyond which it is none (our choice); patterns take long on such."""

_LONGEST_SHOWN: Final = 60
"""Characters of a heading that a message repeats (our choice)."""


@lru_cache(maxsize=4096)
def read_heading(text: str, profile: Profile, letters: bool = False) -> Heading:
    """What a heading says.

    Parameters
    ----------
    letters
        Whether R and S stand for rest and stress, as they do where a table has both.

    >>> from polarnet.readers.profiles import load_profile
    >>> found = read_heading("Rest K1 [ml/min/ml]", load_profile("aha17"))
    >>> found.map_type, found.other, found.unit
    ('rest', 'k1', 'ml/min/ml')
    """
    if len(text) > _LONGEST:
        return Heading(other=_NOT_KNOWN)
    unit = unit_within(text)
    rest = without_doses(text.replace(unit, " ") if unit else text)
    words, numbers = _words(rest, letters)
    meaning = _meaning(profile, letters)
    map_types = {m for word in words if (m := meaning(word))}
    others = [word for word in words if word in _OTHER and not meaning(word)]
    is_quotient = bool(re.search(r"stress\w*\s*(mbf|flow)?\s*(/|to|:)\s*rest", rest.casefold()))
    if "reserve" in map_types or (is_quotient and map_types == {"rest", "stress"}):
        # The reserve is of stress over rest, and may say so.
        map_types = {"reserve"} if map_types != {"reserve", "rest"} else map_types
        others = [word for word in others if word != "ratio"]
    known = [w for w in words if w in _BESIDE_A_NUMBER or meaning(w) or w in _FLOW]
    strange = [w for w in words if w not in known]
    segment = None
    if len(numbers) == 1 and len(numbers[0]) <= 2 and all(w in _OTHER for w in strange):
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
    unknown = [w for w in strange if w not in _OTHER and w not in _NEUTRAL and w not in _SEGMENT]
    is_flow = any(word in _FLOW or word.endswith("mbf") for word in words)
    if map_types and unknown and segment is None and not is_flow and not others:
        # "Stress strain" is no flow; what it is instead need not be known here.
        others = [_NOT_KNOWN]
    is_known = all(w in known or w in _OTHER or w in _NEUTRAL or w in _SEGMENT for w in words)
    return Heading(
        map_type="" if problem else next(iter(map_types), ""),
        segment=segment,
        unit=unit,
        other=others[0] if others else "",
        is_flow=is_flow,
        is_label=bool(words) and set(words) <= _SEGMENT and not map_types,
        problem=problem,
        is_plain=bool(words) and is_known and len(text) <= _LONGEST_SHOWN,
        is_bare=not words,
    )


def letters_mark_maps(headings: Sequence[str]) -> bool:
    """Whether columns MBF_R_1 and MBF_S_1 mean rest and stress.

    Raises
    ------
    ValueError: S stands beside another letter, so that it does not mean segment, nor clearly
        stress.
    """
    count: dict[str, int] = {}
    for heading in headings:
        words, numbers = _words(heading)
        single = [word for word in words if len(word) == 1]
        if len(numbers) == 1 and len(single) == 1 and set(words) <= {*single, *_FLOW}:
            count[single[0]] = count.get(single[0], 0) + 1
    often = sorted(letter for letter, n in count.items() if n >= 10)
    if "s" in often and len(often) > 1 and often != ["r", "s"]:
        told = " and ".join(letter.upper() for letter in often)
        raise ValueError(f"marks its columns by {told}: call them rest and stress")
    return often == ["r", "s"]


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
    return any(_heads_table([read_heading(c, profile) for c in row if c]) for row in rows)


def _heads_table(headings: Sequence[Heading]) -> bool:
    n_segments = sum(h.segment is not None and not h.is_bare for h in headings)
    n_maps = sum(h.map_type != "" for h in headings)
    return bool(headings) and (headings[0].is_label or n_segments >= ENOUGH or n_maps > 1)


def says_segments(heading: str) -> bool:
    """Whether a heading says that segments stand below.

    >>> [says_segments(heading) for heading in ("Segment-Nr.", "AHA", "#", "Patient segment")]
    [True, True, False, False]
    """
    words = header_words(heading).split()
    is_said = any("segm" in word or word[:3] == "aha" or word in _SEGMENT for word in words)
    return is_said and not set(words) & (_PEOPLE - {"id", "ids", "code"})


def says_number(heading: str) -> bool:
    """Whether a heading says no more than that numbers stand below, or nothing.

    >>> [says_number(heading) for heading in ("", "#", "Nr.", "Patient no")]
    [True, True, True, False]
    """
    return set(header_words(heading).split()) <= _NUMBERS


def is_unit_row(cells: Sequence[str]) -> bool:
    """Whether a row holds the units of the columns, known here or not."""
    filled = [cell for cell in cells if cell.strip()]
    are_units = all(looks_like_unit(cell) or says_no_unit(cell) for cell in filled)
    return are_units and any(map(looks_like_unit, filled))


def counts_people(heading: str) -> bool:
    """Whether the rows below a heading are patients, examinations, days or times."""
    return names_a_person(heading) or bool(_PEOPLE & set(header_words(heading).split()))


def _words(text: str, letters: bool = False) -> tuple[list[str], list[str]]:
    """Words of a heading in small letters, and its numbers; K1 is a word, and so is R2.

    Where `letters` stand for rest and stress, R2 is segment 2 at rest.
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=(?<![A-Z])LV)(?=[A-Z][a-z])", " ", text)
    symbols = r"[kK]\s?[1-4]" if letters else r"[kK]\s?[1-4]|[rR]2|chi2"
    constants = re.findall(rf"(?<![^\W_])(?:{symbols})(?![^\W_])", apart)
    for constant in constants:
        apart = apart.replace(constant, " ", 1)
    words = [word.casefold() for word in re.findall(r"[^\W\d_]+", apart)]
    named = [constant.replace(" ", "").casefold() for constant in constants]
    return [*named, *words], re.findall(r"\d+", apart)


def _meaning(profile: Profile, letters: bool) -> Callable[[str], str]:
    """Map type of a word, "" for none."""
    marks = {"r": "rest", "s": "stress"} if letters else {}
    return lambda word: marks.get(word) or profile.map_type(word) or ""
