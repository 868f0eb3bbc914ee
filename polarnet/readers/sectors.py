"""Tables of slices by sectors, as Medviso Segment writes them: rings in the order of a profile."""

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import read_heading
from polarnet.readers.matrices import SMALLEST
from polarnet.readers.profiles import Profile
from polarnet.readers.segmenttables import has_decimal_comma, uneven
from polarnet.readers.sheets import Sheet
from polarnet.readers.units import conversion
from polarnet.readers.words import parse_number

_SECTOR: Final = re.compile(r"sector\s?(\d{1,3})", re.IGNORECASE)
_SLICE: Final = re.compile(r"(?:slice\s?)?(\d{1,2})(?:\s\((basal|apical)\))?", re.IGNORECASE)
_SEARCHED: Final = 5
"""Rows among which the headings stand (our choice)."""

_FEWEST: Final = 4
"""Columns named after sectors that make such a table (our choice)."""

_ADVICE: Final = (
    "is a table of slices and sectors, which does not say where its first sector lies: export the "
    "17 AHA segments instead, or state it in a profile of layout rings"
)


def read_sectors(sheet: Sheet, profiles: Sequence[Profile]) -> ExportedMap | None:
    """The rings of a sheet with columns Sector1, Sector2 ..., or None for any other sheet.

    Sectors are put in ascending order whatever theirs is, and rings in the order of the profile.

    Raises
    ------
    ValueError: no profile tells where the sectors lie; the quantity is no flow; or slices or
        sectors are lacking.
    """
    named = [sum(_SECTOR.fullmatch(c) is not None for c in row) for row in sheet.rows[:_SEARCHED]]
    head = int(np.argmax(named))
    if named[head] < _FEWEST:
        top = sheet.rows[0]
        is_headed = len(top) == 4 and re.search(r"[^\W\d_]", top[0]) is not None
        if is_headed and top[2].isdigit() and top[3].isdigit() and len(sheet.rows) >= SMALLEST:
            raise ValueError(
                "is a smoothed picture of slices and sectors: export the 17 AHA segments instead"
            )
        return None
    row = sheet.rows[head]
    sectors = {int(m[1]): k for k, cell in enumerate(row) if (m := _SECTOR.fullmatch(cell))}
    if set(sectors) != set(range(1, named[head] + 1)):
        raise ValueError("has sectors that are not numbered from 1 on, each once")
    first = min(sectors.values())
    below = sheet.rows[head + 1 :]
    for place in range(head + 1, len(sheet.rows)):
        if problem := uneven(sheet, head, place):
            raise ValueError(f"row {sheet.row_numbers[place]} {problem}")
    slices = [_SLICE.fullmatch(cells[first - 1]) if first else None for cells in below]
    told = [(int(m[1]), (m[2] or "").casefold()) for m in slices if m]
    ends = ["basal", *[""] * (len(below) - 2), "apical"]
    is_plain = told == [(k, "") for k in range(1, len(below) + 1)]
    if len(below) < 2 or not (is_plain or told == list(enumerate(ends, start=1))):
        raise ValueError(
            "does not number its slices from the basal one to the apical one: export the 17 AHA "
            "segments instead"
        )
    map_type, unit = _parameter(sheet, head, profiles[0])
    cells = [[cells[sectors[k]] if sectors[k] < len(cells) else "" for k in sorted(sectors)]
             for cells in below]  # fmt: skip
    decimal_comma = has_decimal_comma((c for row in cells for c in row), sheet.delimiter)
    values = np.array([[parse_number(c, decimal_comma) for c in row] for row in cells])
    profile = _profile(values.shape, profiles)
    if profile.first_ring == "apex":
        if is_plain:
            raise ValueError(
                "does not say which of its slices is basal: state first_ring: base in the profile "
                "if it is the first, or export the 17 AHA segments instead"
            )
        values = values[::-1]
    return ExportedMap(values, map_type=map_type, unit=unit)


def _parameter(sheet: Sheet, head: int, profile: Profile) -> tuple[str, str]:
    """Map type and unit that the table says, or ValueError for no flow."""
    is_below = sheet.rows[head][0].casefold() == "parameter"
    said = sheet.rows[head + 1 if is_below else max(head - 1, 0)]
    heading = read_heading(said[0], profile)
    unit = heading.unit or ("" if is_below or len(said) < 2 else said[1])
    is_flow = heading.map_type or heading.is_flow or conversion(unit)[0] == "mL/min/g"
    if heading.other or heading.problem or not is_flow:
        raise ValueError("is a table of sectors whose quantity is not called flow")
    return heading.map_type, unit


def _profile(shape: tuple[int, ...], profiles: Sequence[Profile]) -> Profile:
    """The profile by which the rings will be read."""
    n_rings, n_sectors = shape
    for profile in profiles:
        if profile.layout == "square" and n_rings == n_sectors:
            break
        is_one = profile.layout == "rings" and profile.rings_are == "rows"
        if is_one and profile.rings in (0, n_rings) and profile.sectors in (0, n_sectors):
            return profile
    raise ValueError(_ADVICE)
