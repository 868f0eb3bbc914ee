"""What is taken over of a table without a column map?"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import pandas as pd

from polarnet.ids import listing
from polarnet.readers.clinic.answers import are_boxes, tells_completeness
from polarnet.readers.clinic.columns import PROVENANCE, ColumnMap, TraitCoding
from polarnet.readers.identity import header_words, names_a_person, tells_a_day
from polarnet.readers.words import has_thousands, is_formula, is_missing, is_number
from polarnet.traits import IMPAIRED_MFR, TRAITS

_IDS: Final = ("study_id", "patient_id")

_MEANT_AS_TRAIT: Final = 0.8
"""A column with this share of 0 and 1 among its values is taken for a trait (our choice)."""

_WELL_KNOWN: Final = re.compile(
    r"age|alter|bmi|bodymassindex|bsa|bodysurfacearea|weight|bodyweight|gewicht|height|grosse"
    r"|waist|waistcircumference|packyears|hr|heartrate|pulse|herzfrequenz|sbp|dbp|map|bp|rpp"
    r"|systolic|diastolic|bloodpressure|systolicbp|diastolicbp|systolicbloodpressure"
    r"|diastolicbloodpressure|meanbloodpressure|blutdruck|rateproduct|ratepressureproduct|ef"
    r"|lvef|rvef|ejectionfraction|edv|esv|edvi|esvi|lvedv|lvesv|tid|lvmass|lvmassindex|gls|sss"
    r"|srs|sds|tpd|cac|cacs|calcium|agatston|hba1c|glucose|cholesterol|totalcholesterol|chol|ldl"
    r"|ldlc|hdl|hdlc|ldlcholesterol|hdlcholesterol|triglycerides|triglyceride|tg|lpa|creatinine"
    r"|kreatinin|crea|egfr|gfr|urea|bun|haemoglobin|hemoglobin|hb|hgb|haematocrit|hematocrit|hct"
    r"|platelets|wbc|leukocytes|leucocytes|crp|hscrp|troponin|troponini|troponint|hstroponin"
    r"|hstroponini|hstroponint|tni|tnt|hstni|hstnt|bnp|ntprobnp|ferritin|tsh|sodium|potassium"
    r"|albumin|uricacid"
)
"""Numbers that tell of a heart and of nobody, as headings without spaces (our choice)."""

_BEFORE: Final = re.compile(
    r"rest|resting|stress|peak|max|mean|baseline|ruhe|belastung|gated|lv|rv"
)

_AFTER: Final = re.compile(
    r"rest|stress|peak|baseline|at|scan|study|exam|years|year|yrs|yr|y|kg|cm|m|m2|bpm|min|mmhg"
    r"|percent|pct|ml|g|score|index|mmol|mg|ng|pg|umol|mol|l|dl|1|73"
)
"""Words and units that may stand around them."""

_LONGEST_HEADING: Final = 8
"""Words of a heading that may be well known (our choice)."""


def default_columns(
    table: pd.DataFrame,
    traits: Sequence[str] | None,
    name: str,
    tell: Callable[[str], None],
) -> ColumnMap:
    """The map of a table whose columns are called as the cohort calls them.

    Beside ids, labels, mfr, split and provenance, only numbers under a well-known heading are
    taken over. Text, dates and numbers of another name may identify a patient; a column map can
    name them.

    Parameters
    ----------
    traits
        Those of its columns that are traits. None: the traits of the paper, and columns of 0 and 1.
    name
        Of the file, for messages.
    tell
        Receives one line for what is left out.

    Raises
    ------
    ValueError: a column is absent, or its name is written in capitals.
    """
    for column in _IDS:
        if column not in table:
            raise ValueError(
                f"{name} has no column {column}. Call it so in the first line, or say by a column "
                "map which columns are what: --suggest-columns writes a first one."
            )
    others = [column for column in table if column not in (*_IDS, "mfr", "split", *PROVENANCE)]
    if traits is not None:
        if absent := [trait for trait in traits if trait not in others and trait != IMPAIRED_MFR]:
            raise ValueError(f"{name} has no column {listing(absent)} for a trait.")
        labelled = [trait for trait in traits if trait in others]
    else:
        if cased := [c for c in others if c not in TRAITS and c.lower() in TRAITS]:
            raise ValueError(f"{name}: write the trait columns in lower case: {listing(cased)}.")
        boxes = [c for c in others if c not in TRAITS and _is_box(c, table[c])]
        labelled = [
            c for c in others if c in TRAITS or (_looks_binary(c, table[c]) and c not in boxes)
        ]
        others = [c for c in others if c not in boxes]
        if boxes:
            tell(
                "Left out, because a box on a form that nobody filled is 0 too: columns "
                f"{listing(boxes)}. Name in a column map those of which 0 means no"
            )
    persons = [c for c in others if c not in labelled and names_a_person(c)]
    rest = [c for c in others if c not in (*labelled, *persons)]
    well_known = [c for c in rest if _is_well_known(c)]
    unknown = [c for c in rest if c not in well_known]
    usable = table[~(table["study_id"].map(is_missing) | table["patient_id"].map(is_missing))]
    known = [c for c in well_known if _are_numbers(usable[c])]
    if persons:
        tell(f"Left out, because they may name a person: columns {listing(persons)}")
    if unknown:
        tell(
            "Left out, because without a column map only labels of 0 and 1 and well-known numbers "
            f"such as age are taken over: columns {listing(unknown)}. Name those that are needed "
            "in a column map; --suggest-columns writes a first one"
        )
    if odd := [c for c in well_known if c not in known]:
        tell(f"Left out, because not all of their cells are plain numbers: columns {listing(odd)}")
    try:
        return ColumnMap(
            study_id="study_id",
            patient_id="patient_id",
            mfr="mfr" if "mfr" in table else "",
            split="split" if "split" in table else "",
            traits={t: TraitCoding(column=t, one=("1",), zero=("0",)) for t in labelled},
            clinical={column: column for column in known},
            provenance={column: column for column in PROVENANCE if column in table},
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}.") from None


def _is_box(heading: str, cells: pd.Series) -> bool:
    """True for a box of a form, and for the column that says whether the form was filled."""
    return are_boxes(heading, ()) or tells_completeness(heading, cells)


def _looks_binary(heading: str, cells: pd.Series) -> bool:
    """True where nearly all values are 0 or 1, so that the others must be slips."""
    recorded = [cell for cell in cells if not is_missing(cell)]
    binary = sum(cell in ("0", "1", "0.0", "1.0", "0,0", "1,0") for cell in recorded)
    is_meant = bool(recorded) and binary / len(recorded) >= _MEANT_AS_TRAIT
    return is_meant and not is_formula(heading)


def _is_well_known(heading: str) -> bool:
    """True for the heading of a number that needs no explanation, words and units around it."""
    words = header_words(heading).split()
    return len(words) <= _LONGEST_HEADING and any(
        _WELL_KNOWN.fullmatch("".join(words[start:end]))
        and all(map(_BEFORE.fullmatch, words[:start]))
        and all(map(_AFTER.fullmatch, words[end:]))
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
    )


def _are_numbers(cells: pd.Series) -> bool:
    """True where most recorded cells are numbers, and none is a day; the others are an error."""
    recorded = [cell for cell in cells if not is_missing(cell)]
    n_numbers = sum(is_number(cell) or has_thousands(cell) for cell in recorded)
    is_numeric = n_numbers > len(recorded) / 2 or not recorded
    return is_numeric and not any(map(tells_a_day, recorded))
