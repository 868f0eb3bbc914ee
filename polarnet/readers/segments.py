"""Which 17 numbers does a table hold: one study a file, or one study a row."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from polarnet.anatomy import SEGMENTS
from polarnet.readers.profiles import Profile
from polarnet.readers.sheets import Sheet, parse_number, uses_decimal_comma
from polarnet.readers.units import is_unit, unit_within

_NUMBERED: Final = re.compile(r"^(?:aha|seg(?:ment)?|s)?[ _.-]*0?(\d{1,2})(?:\.0)?$", re.IGNORECASE)
_COLUMN: Final = re.compile(
    r"^(?P<before>.*?)[ _.-]*(?:(?<![^\W\d_])(?:aha|seg(?:ment)?|s))?[ _.-]*"
    r"0?(?P<number>\d{1,2})(?P<after>\D*)$",
    re.IGNORECASE,
)
_SUMMARY: Final = {
    "lad", "lcx", "cx", "rca", "global", "total", "mean", "lv", "all", "average", "mittelwert",
}  # fmt: skip
_ID_HEADERS: Final = ("study_id", "study", "exam", "examination", "id", "patient_id", "patient")
_MAP_HEADERS: Final = ("map", "map_type", "state", "phase", "condition")

WRONG_COUNT: Final = {
    16: "16 segments, without an apex (older AHA model)",
    20: "20 segments, another division of the ventricle (ASNC)",
}
"""Divisions that are recognised, and refused because a 17-segment map cannot be made of them."""


@dataclass(frozen=True, eq=False)
class SegmentValues:
    """17 numbers of one map; `study` and `map_type` are "" where the table does not say them."""

    study: str
    map_type: str
    values: np.ndarray
    unit: str


def read_segments(sheet: Sheet, profile: Profile) -> list[SegmentValues]:
    """Maps of a segment table.

    Parameters
    ----------
    sheet
        Rows labelled 1 to 17, or by the AHA names, with a column for each map; or a row a study
        with 17 columns for each map, numbered 1 to 17.
    profile
        Tells the words for the map types.

    Raises
    ------
    ValueError: segments are missing, doubled or of another division, or a cell is no number.
    """
    rows = sheet.rows
    header = rows[0]
    columns = _numbered_columns(header, profile)
    if max((len(numbers) for numbers in columns.values()), default=0) >= 10:
        return _from_rows(sheet, profile, columns)
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


def _numbered_columns(header: list[str], profile: Profile) -> dict[str, dict[int, int]]:
    """Map type ("" where not said) -> segment -> column."""
    columns: dict[str, dict[int, int]] = {}
    for place, name in enumerate(header):
        if match := _COLUMN.match(name):
            map_type = _map_type(match["before"] + " " + match["after"], profile)
            columns.setdefault(map_type, {}).setdefault(int(match["number"]), place)
    return columns


def _map_type(text: str, profile: Profile) -> str:
    """Map type that one of the words of a text stands for, or ""."""
    words = re.findall(r"[^\W\d_]+", text)
    found = {m for word in words if (m := profile.map_type(word))}
    if len(found) > 1:
        raise ValueError(f"names several maps in one column: {', '.join(sorted(found))}")
    return next(iter(found), "")


def _check_numbers(numbers: set[int]) -> None:
    """Segments 1 to 17, each once; other known divisions are named."""
    if numbers == set(range(1, 18)):
        return
    if numbers == set(range(1, len(numbers) + 1)) and len(numbers) in WRONG_COUNT:
        raise ValueError(f"has {WRONG_COUNT[len(numbers)]}")
    lacking = sorted(set(range(1, 18)) - numbers)
    beyond = sorted(numbers - set(range(1, 18)))
    raise ValueError(
        "has not the 17 AHA segments: "
        + "; ".join(
            f"{what} {', '.join(map(str, found))}"
            for what, found in (("lacks", lacking), ("has", beyond))
            if found
        )
    )


def _from_rows(
    sheet: Sheet, profile: Profile, columns: dict[str, dict[int, int]]
) -> list[SegmentValues]:
    """One study a row."""
    header = [name.strip().casefold() for name in sheet.rows[0]]
    taken = {place for numbers in columns.values() for place in numbers.values()}
    id_place = next(
        (header.index(name) for name in _ID_HEADERS if name in header and name not in taken),
        next((k for k in range(len(header)) if k not in taken), None),
    )
    if id_place is None:
        raise ValueError("has 17 columns but none that names the study")
    map_place = next((header.index(name) for name in _MAP_HEADERS if name in header), None)
    columns = {m: numbers for m, numbers in columns.items() if len(numbers) >= 10}
    for numbers in columns.values():
        _check_numbers(set(numbers))
    rows = sheet.rows[1:]
    unit = unit_within(" ".join(sheet.rows[0]))
    if rows and (units := {cell for cell in rows[0] if cell and is_unit(cell)}):
        unit, rows = _only(units), rows[1:]
    decimal_comma = uses_decimal_comma(
        [cell for row in rows for k, cell in enumerate(row) if k in taken]
    )
    found = []
    for short_row in rows:
        row = [*short_row, *[""] * (len(header) - len(short_row))]
        said = profile.map_type(row[map_place]) if map_place is not None else None
        for map_type, numbers in columns.items():
            values = _numbers([row[numbers[k]] for k in range(1, 18)], decimal_comma)
            found.append(SegmentValues(row[id_place], map_type or said or "", values, unit))
    return found


def _from_columns(sheet: Sheet, profile: Profile) -> list[SegmentValues]:
    """One study in the file: a row a segment, a column a map."""
    labelled, others = {}, []
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
    header = others[0] if others else []
    unit = unit_within(" ".join(header))
    for row in others[1:]:
        if units := {cell for cell in row if cell and is_unit(cell)}:
            unit = _only(units)
    names: dict[int, str] = {}
    for place in range(1, width):
        title = header[place] if place < len(header) else ""
        if map_type := _map_type(title, profile):
            if map_type in names.values():
                raise ValueError(f"has two columns for {map_type}")
            names[place] = map_type
    if not names:
        if width != 2:
            raise ValueError("does not say which column is rest, stress or reserve")
        names = {1: ""}
    cells = {k: [*row, *[""] * (width - len(row))] for k, row in labelled.items()}
    decimal_comma = uses_decimal_comma([row[p] for row in cells.values() for p in names])
    return [
        SegmentValues(
            "", map_type, _numbers([cells[k][place] for k in range(1, 18)], decimal_comma), unit
        )
        for place, map_type in names.items()
    ]


def _segment(label: str) -> int | None:
    """Number of a segment from its label, a number or an AHA name."""
    label = label.strip().casefold()
    if match := _NUMBERED.match(label):
        return int(match[1])
    named = re.sub(r"[\s_-]+", " ", label)
    return SEGMENTS.index(named) + 1 if named in SEGMENTS else None


def _numbers(cells: list[str], decimal_comma: bool) -> np.ndarray:
    """17 values; a missing one is NaN, which makes the map unusable later on."""
    return np.array([parse_number(cell, decimal_comma) for cell in cells])


def _only(units: set[str]) -> str:
    """The one unit of a table."""
    if len(units) > 1:
        raise ValueError(f"has columns in different units: {', '.join(sorted(units))}")
    return next(iter(units))
