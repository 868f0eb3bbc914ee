"""Which numbers does one export file hold, whatever its format?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.readers.apart import read_apart
from polarnet.readers.arrays import read_arrays, read_plain_matrix
from polarnet.readers.filenames import NO_MAP_TYPE, name_tells
from polarnet.readers.numbers import Asked, Numbers, unpacked
from polarnet.readers.profiles import Profile
from polarnet.readers.segments import read_segments
from polarnet.readers.tables.cells import is_missing, is_number, parse_number, uses_decimal_comma
from polarnet.readers.tables.files import read_sheet
from polarnet.readers.tables.sheets import Sheet

ARRAY_FILES: Final = (".npy", ".npz", ".mat")
TABLE_FILES: Final = (".csv", ".tsv", ".txt", ".xlsx")
PICTURE_FILES: Final = (".png", ".jpg", ".jpeg")

SMALLEST: Final = 8
"""Rows of the smallest square map (our choice): 17 segments need as many."""

_INFINITE: Final = ("inf", "infinity")


@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    Attributes
    ----------
    profiles
        Tried in order; the first whose geometry fits is used.
    unit
        As stated by the user; "" where file or profile say it.
    study_heading
        Of the column with the study, in tables with a row a study.
    series
        UID, number or description of a DICOM series, in small letters -> map type.
    """

    profiles: tuple[Profile, ...]
    unit: str = ""
    study_heading: str = ""
    series: Mapping[str, str] = field(default_factory=dict)


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM: `DICM` behind 128 bytes (PS3.10, 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_numbers(path: Path, reading: Reading) -> list[Numbers]:
    """Numbers of every map of a file, each with what the file itself says of it.

    Raises
    ------
    ValueError: the file as a whole holds no map; no message repeats the name of the file.
    """
    kind = path.suffix.lower()
    if kind in ARRAY_FILES:
        return _from_arrays(path, reading.profiles)
    if kind in TABLE_FILES:
        return _from_table(path, reading)
    # Only here, because they load pydicom, Pillow and SciPy.
    from polarnet.readers.pictures import NO_SCALE, read_dicom, read_picture

    asked = _asked(reading)
    if kind in PICTURE_FILES:
        if not asked.scale:
            raise ValueError(NO_SCALE)
        screen = next(p for p in reading.profiles if p.layout == "screen")
        _, map_type = name_tells(path, screen)
        if not map_type:
            raise ValueError(NO_MAP_TYPE)
        return unpacked(read_apart(read_picture, path, map_type, asked))
    return unpacked(read_apart(read_dicom, path, asked))


def _asked(reading: Reading) -> Asked:
    """What the process apart needs to know of it."""
    words: dict[str, tuple[str, ...]] = {}
    for profile in reading.profiles:
        for map_type, some in profile.map_words:
            words[map_type] = (*words.get(map_type, ()), *some)
    screen = next((p for p in reading.profiles if p.layout == "screen"), None)
    return Asked(
        unit=reading.unit,
        words=words,
        series=reading.series,
        scale=dict(screen.scale) if screen else {},
        disc=screen.disc or None if screen else None,
        bar=screen.bar or None if screen else None,
    )


def _from_arrays(path: Path, profiles: Sequence[Profile]) -> list[Numbers]:
    """Arrays that are named after a map, or the only one."""
    arrays = read_arrays(path)
    words = {name: _map_word(name, profiles) for name in arrays}
    if len(arrays) > 1 and not all(words.values()):
        if not any(words.values()):
            raise ValueError(f"holds {len(arrays)} arrays, none named rest, stress or reserve")
        arrays = {name: values for name, values in arrays.items() if words[name]}
    return [Numbers(values, map_type=words[name]) for name, values in arrays.items()]


def _map_word(name: str, profiles: Sequence[Profile]) -> str:
    """Map type that an array's name stands for in one of the profiles, or ""."""
    return next((m for profile in profiles if (m := profile.map_type(name))), "")


def _from_table(path: Path, reading: Reading) -> list[Numbers]:
    """A matrix, or a table of segments."""
    if path.suffix.lower() != ".xlsx" and (plain := read_plain_matrix(path)) is not None:
        return [Numbers(plain)]
    sheet = read_sheet(path)
    if all(is_number(cell) for row in sheet.rows for cell in row):
        return [Numbers(_matrix(sheet), note=sheet.note)]
    tables = [p for p in reading.profiles if p.layout == "segments"]
    if not tables:
        raise ValueError(_odd_cell(sheet))
    try:
        segments = read_segments(sheet, tables[0], reading.study_heading)
    except ValueError as error:
        raise ValueError(_odd_cell(sheet) if _is_nearly_matrix(sheet) else str(error)) from None
    return [Numbers(s.values, s.study, s.map_type, s.unit, s.problem, sheet.note) for s in segments]


def _matrix(sheet: Sheet) -> np.ndarray | list[np.ndarray]:
    """Numbers of a sheet: an array, or a list where its rows differ in length."""
    decimal_comma = uses_decimal_comma(cell for row in sheet.rows for cell in row)
    rows = [np.array([parse_number(cell, decimal_comma) for cell in row]) for row in sheet.rows]
    return np.stack(rows) if len({len(row) for row in rows}) == 1 else rows


def _is_nearly_matrix(sheet: Sheet) -> bool:
    """Whether a sheet was meant to be a matrix: many cells, hardly any of them words."""
    cells = [cell for row in sheet.rows for cell in row]
    n_meant = sum(
        is_number(cell) or is_missing(cell) or cell.casefold().lstrip("+-") in _INFINITE
        for cell in cells
    )
    return len(cells) >= SMALLEST**2 and n_meant > 0.9 * len(cells)


def _odd_cell(sheet: Sheet) -> str:
    """Where the first cell is that is no number."""
    for row, number in zip(sheet.rows, sheet.row_numbers, strict=True):
        for column, cell in enumerate(row, start=1):
            if not is_number(cell):
                return f"row {number} column {column} is not a number"
    return "holds no matrix of numbers"
