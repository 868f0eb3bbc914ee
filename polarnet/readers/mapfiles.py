"""Which polar maps does one export file hold: numbers, geometry, unit, study and map type."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort.stack import RESERVE_RANGE
from polarnet.readers.arrays import read_arrays, read_plain_matrix
from polarnet.readers.cells import is_missing, is_number, parse_number, uses_decimal_comma
from polarnet.readers.geometry import rings_to_disc, segments_to_disc, square_to_disc
from polarnet.readers.profiles import Profile
from polarnet.readers.segments import in_order, read_segments
from polarnet.readers.sheets import Sheet
from polarnet.readers.tablefiles import read_sheet
from polarnet.readers.units import conversion
from polarnet.traits import MAP_TYPES

ARRAY_FILES: Final = (".npy", ".npz", ".mat")
TABLE_FILES: Final = (".csv", ".tsv", ".txt", ".xlsx")
MAP_FILES: Final = (*TABLE_FILES, *ARRAY_FILES)

_LEAST_FLOW: Final = 0.1
"""mL/min/g, below which no ventricle's mean lies (our choice; scars have 0.25 to 0.4)."""

_LEAST_PERCENT: Final = 10.0
"""A map of relative counts that reaches no more than this is none (our choice)."""

_EMPTY_EDGE: Final = 0.5
"""Share of the mean, below which the edge is taken to lie outside the ventricle (our choice)."""

_INFINITE: Final = ("inf", "infinity")

SMALLEST, LARGEST = 8, 1024
"""Rows of a square map (our choice): 17 segments need 8, no workstation exports more than 1,024."""


@dataclass(frozen=True, eq=False)
class FoundMap:
    """One polar map of a file.

    Attributes
    ----------
    study
        Id as the file or its name gives it.
    map_type
        "rest", "stress" or "reserve".
    values
        (size, size) float32 in `unit`, our orientation, 0 outside the disc.
    unit
        "mL/min/g", "percent", or "" for reserve.
    unit_text
        As written by the file, the profile or the user.
    shape
        Of the numbers in the file, for people to read: "48 x 48", "20 rings", "17 segments".
    profile
        Name of the profile that the file was read with.
    low, high
        Over the disc, in `unit`.
    note
        What the user should know of it, "" for nothing.
    """

    study: str
    map_type: str
    values: np.ndarray
    low: float
    high: float
    unit: str
    unit_text: str
    shape: str
    profile: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Numbers before they are a map; what the file does not say is ""."""

    values: np.ndarray | list[np.ndarray]
    study: str = ""
    map_type: str = ""
    unit: str = ""
    problem: str = ""
    note: str = ""


def read_map_file(
    path: Path, profiles: Sequence[Profile], unit: str, study_heading: str = ""
) -> tuple[list[FoundMap], list[str]]:
    """Every polar map of a file.

    Parameters
    ----------
    profiles
        Tried in order; the first whose geometry fits is used.
    unit
        As stated by the user; "" where file or profile say it.
    study_heading
        Of the column with the study, in tables with a row a study.

    Returns
    -------
    The maps, and why others in the file cannot be used.

    Raises
    ------
    ValueError: the file as a whole holds no map; no message repeats the name of the file.
    """
    found: list[FoundMap] = []
    problems: list[str] = []
    for numbers in _read_numbers(path, profiles, study_heading):
        try:
            if numbers.problem:
                raise ValueError(numbers.problem)
            profile = _fitting(numbers, profiles)
            study, map_type = _named(path, numbers, profile)
            values, shape = _as_map(numbers.values, profile)
            one = _in_unit(values, shape, study, map_type, numbers.unit, unit, profile)
            notes = "; ".join(note for note in (one.note, numbers.note) if note)
            found.append(replace(one, note=notes))
        except ValueError as error:
            problems.append(str(error).rstrip("."))
    return found, problems


def _read_numbers(path: Path, profiles: Sequence[Profile], study_heading: str) -> list[_Numbers]:
    """Arrays of the file, each with what the file itself says of it."""
    kind = path.suffix.lower()
    if kind in ARRAY_FILES:
        arrays = read_arrays(path)
        words = {name: _map_word(name, profiles) for name in arrays}
        if len(arrays) > 1 and not all(words.values()):
            if not any(words.values()):
                raise ValueError(f"holds {len(arrays)} arrays, none named rest, stress or reserve")
            arrays = {name: values for name, values in arrays.items() if words[name]}
        return [_Numbers(values, map_type=words[name]) for name, values in arrays.items()]
    if kind != ".xlsx" and (plain := read_plain_matrix(path)) is not None:
        return [_Numbers(plain)]
    sheet = read_sheet(path)
    if all(is_number(cell) for row in sheet.rows for cell in row):
        return [_Numbers(_matrix(sheet), note=sheet.note)]
    tables = [p for p in profiles if p.layout == "segments"]
    if not tables:
        raise ValueError(_odd_cell(sheet))
    try:
        segments = read_segments(sheet, tables[0], study_heading)
    except ValueError as error:
        raise ValueError(_odd_cell(sheet) if _is_nearly_matrix(sheet) else str(error)) from None
    return [
        _Numbers(s.values, s.study, s.map_type, s.unit, s.problem, sheet.note) for s in segments
    ]


def _map_word(name: str, profiles: Sequence[Profile]) -> str:
    """Map type that an array's name stands for in one of the profiles, or ""."""
    return next((m for profile in profiles if (m := profile.map_type(name))), "")


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


def _fitting(numbers: _Numbers, profiles: Sequence[Profile]) -> Profile:
    """First profile whose geometry the numbers have."""
    for profile in profiles:
        if _fits(numbers.values, profile):
            return profile
    shape = _shape(numbers.values)
    choices = ", ".join(f"{p.name} ({p.layout})" for p in profiles)
    if not isinstance(numbers.values, list) and numbers.values.size in (16, 20):
        in_order(numbers.values)
    raise ValueError(
        f"is {shape}, which fits no profile in use: {choices}. Choose one by --profile"
    )


def _fits(values: np.ndarray | list[np.ndarray], profile: Profile) -> bool:
    if isinstance(values, list):
        return (
            profile.layout == "rings"
            and profile.rings_are == "rows"
            and profile.rings in (0, len(values))
            and profile.sectors == 0
        )
    if profile.layout == "segments":
        return values.size == 17
    if values.ndim != 2:
        return False
    n_rows, n_columns = values.shape if profile.rings_are == "rows" else values.shape[::-1]
    if profile.layout == "square":
        return (
            n_rows == n_columns
            and SMALLEST <= n_rows <= LARGEST
            and (not profile.sides or n_rows in profile.sides)
        )
    return (
        profile.rings in (0, n_rows)
        and profile.sectors in (0, n_columns)
        and 2 <= n_rows <= LARGEST
        and 1 <= n_columns <= LARGEST
    )


def _shape(values: np.ndarray | list[np.ndarray]) -> str:
    if isinstance(values, list):
        lengths = [len(row) for row in values]
        return f"{len(values)} rows of {min(lengths)} to {max(lengths)} values"
    return " x ".join(map(str, values.shape)) + (" values" if values.ndim == 1 else "")


def _named(path: Path, numbers: _Numbers, profile: Profile) -> tuple[str, str]:
    """Study and map type: from the file where it says so, else from its name."""
    study, map_type = numbers.study, numbers.map_type
    if study and map_type:
        return study, map_type
    match = re.fullmatch(profile.files, path.stem, re.IGNORECASE)
    groups = match.groupdict() if match else {}
    in_name = profile.map_type(groups.get("map") or "")
    if map_type and in_name and not study and map_type != in_name:
        raise ValueError(f"its name says {in_name}, its content {map_type}")
    if not map_type:
        if in_name is None:
            words = ", ".join(MAP_TYPES)
            raise ValueError(
                f"its name does not tell the map type ({words}); it should be like S001_rest"
            )
        map_type = in_name
    if not study:
        study = groups["study"] if in_name else path.stem
    return study.strip(), map_type


def _as_map(values: np.ndarray | list[np.ndarray], profile: Profile) -> tuple[np.ndarray, str]:
    """Polar map in our orientation, and the shape it came from."""
    if profile.layout == "segments":
        values = in_order(np.asarray(values))
        if (values < 0).any():
            raise ValueError("has negative values")
        return segments_to_disc(values), "17 segments"
    if profile.layout == "square":
        picture = np.asarray(values)
        return square_to_disc(picture, profile), _shape(picture)
    if not isinstance(values, list):
        values = list(values if profile.rings_are == "rows" else values.T)
    return rings_to_disc(values, profile), f"{len(values)} rings"


def _in_unit(
    values: np.ndarray,
    shape: str,
    study: str,
    map_type: str,
    in_file: str,
    stated: str,
    profile: Profile,
) -> FoundMap:
    """The map in a cohort's unit; sound, or refused."""
    inside = values[disc_mask(len(values))]
    lowest, highest, mean = float(inside.min()), float(inside.max()), float(inside.mean())
    # A NaN anywhere makes all three NaN.
    if not np.isfinite([lowest, highest, mean]).all():
        raise ValueError("has NaN or infinite values inside the disc")
    if lowest < 0:
        raise ValueError(f"has negative values inside the disc (lowest {lowest:.3g})")
    if highest == 0:
        raise ValueError("is empty: 0 everywhere inside the disc")
    unit, factor, text = "", 1.0, ""
    notes = []
    if map_type != "reserve":
        # What the file itself says is nearest to the numbers; then the user, then the product.
        text = in_file or stated or profile.unit
        unit, factor = conversion(text)
        if not unit:
            raise ValueError("its unit is not known; state it by --unit")
        if stated and conversion(stated)[0] != unit:
            raise ValueError(f"its unit is {text}, not {stated} as stated by --unit")
        if stated and conversion(stated) != conversion(text):
            notes.append(f"the file says {text}, which was used instead of {stated} (--unit)")
    lowest, highest, mean = factor * lowest, factor * highest, factor * mean
    notes.append(_check_range(mean, highest, unit, map_type))
    if profile.layout == "square" and _edge(values) < _EMPTY_EDGE * mean / factor:
        notes.append("its edge is nearly empty: does the ventricle fill the picture? Look at it")
    return FoundMap(
        study=study,
        map_type=map_type,
        values=(factor * values).astype(np.float32),
        low=lowest,
        high=highest,
        unit=unit,
        unit_text=text,
        shape=shape,
        profile=profile.name,
        note="; ".join(filter(None, notes)),
    )


def _check_range(mean: float, highest: float, unit: str, map_type: str) -> str:
    """Raise where the numbers cannot be what they are said to be; a note where it is unlikely."""
    if map_type == "reserve" and mean > RESERVE_RANGE[1]:
        raise ValueError(f"its mean is {mean:.3g}, far too high for a flow reserve")
    if unit == "mL/min/g" and mean < _LEAST_FLOW:
        raise ValueError(f"its mean is {mean:.2g} mL/min/g: is it in that unit already?")
    if unit == "percent" and highest <= _LEAST_PERCENT:
        return f"reaches {highest:.3g} percent only: is it flow in mL/min/g?"
    return ""


def _edge(values: np.ndarray) -> float:
    """Mean of the outermost tenth of the radius."""
    return float(values[_outermost(len(values))].mean())


@lru_cache(maxsize=16)
def _outermost(size: int) -> np.ndarray:
    return disc_mask(size) & (polar_coordinates(size)[0] > 0.9)
