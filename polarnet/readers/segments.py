"""Which 17 numbers does a table hold: one study a file, or one study a row."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from polarnet.anatomy import SEGMENTS
from polarnet.readers.identity import header_words
from polarnet.readers.profiles import Profile
from polarnet.readers.tables.cells import is_missing, parse_number, uses_decimal_comma
from polarnet.readers.tables.sheets import Sheet
from polarnet.readers.units import conversion, is_unit, unit_within

_NUMBERED: Final = re.compile(r"^(?:aha|seg(?:ment)?|s)?[ _.-]*0?(\d{1,2})(?:\.0)?$", re.IGNORECASE)
_SUMMARY: Final = {
    "lad", "lcx", "cx", "rca", "global", "total", "mean", "lv", "all", "average", "mittelwert",
    "sd", "median", "min", "max",
}  # fmt: skip
_BESIDE_A_NUMBER: Final = {"aha", "seg", "segment", "s", "mbf", "flow", "k"}
_STUDY: Final = {
    "study", "study id", "exam", "exam id", "examination", "scan", "scan id", "untersuchung",
    "studie", "examen", "etude", "onderzoek", "estudio",
}  # fmt: skip
_PHASE: Final = {"map", "map type", "state", "phase", "condition"}

WRONG_COUNT: Final = {
    16: "16 segments, without an apex (older AHA model)",
    20: "20 segments, another division of the ventricle (ASNC)",
}
"""Divisions that are recognised, and refused because a 17-segment map cannot be made of them."""


@dataclass(frozen=True, eq=False)
class SegmentValues:
    """17 numbers of one map, or why there are none.

    Attributes
    ----------
    study, map_type, unit
        "" where the table does not say them.
    values
        Shape (17,).
    problem
        Why the row cannot be used, "" for nothing.
    """

    study: str
    map_type: str
    values: np.ndarray
    unit: str
    problem: str = ""


def read_segments(sheet: Sheet, profile: Profile, study_heading: str = "") -> list[SegmentValues]:
    """Maps of a segment table.

    Parameters
    ----------
    sheet
        Rows labelled 1 to 17, or by the AHA names, with a column for each map; or a row a study
        with 17 columns for each map, numbered 1 to 17.
    profile
        Tells the words for the map types.
    study_heading
        Of the column with the study, where it is none of the usual ones.

    Raises
    ------
    ValueError: segments are missing, doubled or of another division, or the study or the map is
        not told.
    """
    headings = [_Heading.of(cell, profile) for cell in sheet.rows[0]]
    columns: dict[str, dict[int, int]] = {}
    for place, heading in enumerate(headings):
        if heading.segment is None:
            continue
        if heading.segment in columns.setdefault(heading.map_type, {}):
            raise ValueError(f"has two columns for segment {heading.segment}")
        columns[heading.map_type][heading.segment] = place
    columns = {m: numbers for m, numbers in columns.items() if len(numbers) >= 10}
    if columns:
        return _from_rows(sheet, profile, headings, columns, study_heading)
    return _from_columns(sheet, profile)


def in_order(values: np.ndarray) -> np.ndarray:
    """17 bare numbers, in the order of the AHA.

    Raises
    ------
    ValueError: there are more or fewer.
    """
    if values.size != 17:
        raise ValueError(f"has {WRONG_COUNT.get(values.size, f'{values.size} values, not 17')}")
    return values.ravel()


@dataclass(frozen=True)
class _Heading:
    """What the name of a column says; `segment` is None where it is no segment's."""

    map_type: str
    segment: int | None
    unit: str

    @classmethod
    def of(cls, text: str, profile: Profile) -> "_Heading":
        unit = unit_within(text)
        rest = text.replace(unit, " ") if unit else text
        words = [word.casefold() for word in re.findall(r"[^\W\d_]+", rest)]
        numbers = re.findall(r"\d+", rest)
        map_types = {m for word in words if (m := profile.map_type(word))}
        if len(map_types) > 1:
            raise ValueError(f"names several maps in one column: {', '.join(sorted(map_types))}")
        # "HbA1c", "dose (GBq) 3" or "N13" are no segments: only known words stand by the number.
        others = [w for w in words if w not in _BESIDE_A_NUMBER and not profile.map_type(w)]
        is_segment = len(numbers) == 1 and len(numbers[0]) <= 2 and not others
        return cls(next(iter(map_types), ""), int(numbers[0]) if is_segment else None, unit)


def _check_numbers(numbers: set[int]) -> None:
    """Segments 1 to 17, each once; other known divisions are named."""
    if numbers == set(range(1, 18)):
        return
    if numbers == set(range(1, len(numbers) + 1)) and len(numbers) in WRONG_COUNT:
        raise ValueError(f"has {WRONG_COUNT[len(numbers)]}")
    lacking = sorted(set(range(1, 18)) - numbers)
    beyond = sorted(numbers - set(range(1, 18)))
    told = [
        f"{what} {', '.join(map(str, found))}"
        for what, found in (("lacks", lacking), ("has", beyond))
        if found
    ]
    raise ValueError(f"has not the 17 AHA segments: {'; '.join(told)}")


def _from_rows(
    sheet: Sheet,
    profile: Profile,
    headings: Sequence[_Heading],
    columns: dict[str, dict[int, int]],
    study_heading: str,
) -> list[SegmentValues]:
    """One study a row."""
    words = [header_words(cell) for cell in sheet.rows[0]]
    named = [place for place, name in enumerate(words) if name == header_words(study_heading)]
    studies = named or [place for place, name in enumerate(words) if name in _STUDY]
    if len(studies) != 1:
        raise ValueError(
            "does not say in which one column the study is: call it study_id, or name it in the "
            "column map"
        )
    for numbers in columns.values():
        _check_numbers(set(numbers))
    phase = next((place for place, name in enumerate(words) if name in _PHASE), None)
    rows, numbered = sheet.rows[1:], sheet.row_numbers[1:]
    written: dict[int, str] = {}
    if rows and any(is_unit(cell) for cell in rows[0]):
        written = {place: cell for place, cell in enumerate(rows[0]) if is_unit(cell)}
        rows, numbered = rows[1:], numbered[1:]
    units = {
        m: _only(headings[place].unit or written.get(place, "") for place in numbers.values())
        for m, numbers in columns.items()
    }
    taken = {place for numbers in columns.values() for place in numbers.values()}
    decimal_comma = uses_decimal_comma(
        [cell for row in rows for place, cell in enumerate(row) if place in taken]
    )
    found = []
    for number, short_row in zip(numbered, rows, strict=True):
        row = [*short_row, *[""] * (len(headings) - len(short_row))]
        study = row[studies[0]]
        if study.strip().casefold() in _SUMMARY:
            continue
        said = (profile.map_type(row[phase]) if phase is not None else None) or ""
        for map_type, numbers in columns.items():
            cells = [row[numbers[k]] for k in range(1, 18)]
            values, problem = _numbers(cells, decimal_comma)
            problem = "no study id" if is_missing(study) else problem
            found.append(
                SegmentValues(
                    study, map_type or said, values, units[map_type],
                    f"row {number}: {problem}" if problem else "",
                )
            )  # fmt: skip
    return found


def _from_columns(sheet: Sheet, profile: Profile) -> list[SegmentValues]:
    """One study in the file: a row a segment, a column a map."""
    labelled: dict[int, list[str]] = {}
    others = []
    for row in sheet.rows:
        number = _segment(row[0])
        if number is None:
            if row[0].strip().casefold() not in _SUMMARY:
                others.append(row)
        elif number in labelled:
            raise ValueError(f"has segment {number} twice")
        else:
            labelled[number] = row
    if not labelled:
        raise ValueError("is neither a matrix of numbers nor a table of AHA segments")
    _check_numbers(set(labelled))
    width = max(len(row) for row in labelled.values())
    header = [*(others[0] if others else []), *[""] * width][:width]
    names: dict[int, str] = {}
    for place in range(1, width):
        if map_type := _Heading.of(header[place], profile).map_type:
            if map_type in names.values():
                raise ValueError(f"has two columns for {map_type}")
            names[place] = map_type
    if not names:
        if width != 2:
            raise ValueError(
                "does not say which column is rest, stress or reserve: give the columns a heading"
            )
        names = {1: ""}
    cells = {k: [*row, *[""] * (width - len(row))] for k, row in labelled.items()}
    decimal_comma = uses_decimal_comma([row[p] for row in cells.values() for p in names])
    found = []
    for place, map_type in names.items():
        below = [row[place] for row in others[1:] if place < len(row) and is_unit(row[place])]
        unit = _only([_Heading.of(header[place], profile).unit, *below])
        values, problem = _numbers([cells[k][place] for k in range(1, 18)], decimal_comma)
        found.append(SegmentValues("", map_type, values, unit, problem))
    return found


def _segment(label: str) -> int | None:
    """Number of a segment from its label, a number or an AHA name."""
    label = label.strip().casefold()
    if match := _NUMBERED.match(label):
        return int(match[1])
    named = re.sub(r"[\s_-]+", " ", re.sub(r"^\d+[.)]?\s+", "", label))
    return SEGMENTS.index(named) + 1 if named in SEGMENTS else None


def _numbers(cells: Sequence[str], decimal_comma: bool) -> tuple[np.ndarray, str]:
    """17 values, and why they cannot be used."""
    values = np.full(17, np.nan)
    for place, cell in enumerate(cells):
        try:
            values[place] = parse_number(cell, decimal_comma)
        except ValueError as error:
            return values, f"segment {place + 1}: {error}"
    if lacking := [str(k + 1) for k in np.flatnonzero(np.isnan(values))]:
        return values, f"no value for segment {', '.join(lacking)}"
    return values, ""


def _only(units: Iterable[str]) -> str:
    """The one unit of a map's columns."""
    written = list(dict.fromkeys(unit for unit in units if unit))
    if len({conversion(unit) for unit in written}) > 1:
        raise ValueError(f"has one map in different units: {', '.join(written)}")
    return written[0] if written else ""
