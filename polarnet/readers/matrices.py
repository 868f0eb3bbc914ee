"""Which matrix of numbers does a text file or worksheet hold, whatever stands around it?"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import is_headed, is_title, read_heading
from polarnet.readers.profiles import Profile
from polarnet.readers.segmenttables import cell_count, has_decimal_comma, how_to_mend
from polarnet.readers.sheets import Sheet
from polarnet.readers.words import is_missing, is_number, parse_number

SMALLEST: Final = 8
"""Rows of the smallest square map (our choice): 17 segments need as many."""

SEARCHED: Final = 40
"""Rows above a matrix that may hold something else (our choice)."""

_ECAT: Final = {1, 9, 18, 32}
"""Sectors of the rings of an ECAT 7 polar map, in the header of that format."""

_INFINITE: Final = ("inf", "infinity")


def read_matrix(sheet: Sheet, profile: Profile, is_ragged: bool = False) -> ExportedMap | None:
    """The matrix of a sheet, or None where it holds something else than one.

    Titles above it are left out, and so are rows and columns that only count; empty cells and NaN
    are NaN, which no map may have inside its disc.

    Parameters
    ----------
    is_ragged
        Whether rows may differ in length, as rings do.

    Raises
    ------
    ValueError: a title says that the numbers are another quantity than flow, the decimal
        separator is unclear, or a row is longer or shorter than the others.
    """
    start = _first_row(sheet)
    rows = [list(row) for row in sheet.rows[start:]]
    above = sheet.rows[:start]
    if is_headed(above, profile) or any(_names_columns(row, len(rows[0])) for row in above):
        return None
    corner = rows[0][0] if rows else ""
    if corner and not is_number(corner) and _is_count(rows[0][1:]):
        rows[0][0] = ""
    if not rows or not all(is_number(c) or is_missing(c) for row in rows for c in row):
        return None
    n_cells = sum(map(len, rows))
    n_missing = sum(is_missing(cell) for row in rows for cell in row)
    if n_missing > n_cells / 2 or (start and (len(rows) < SMALLEST or len(rows[0]) < SMALLEST)):
        return None
    said = [cell for row in above if is_title(row, profile) for cell in row]
    headings = [read_heading(cell, profile) for cell in said if cell.strip()]
    if other := next((h.other for h in headings if h.other), ""):
        raise ValueError(f"is a matrix of {other}, which is no flow")
    _check_lengths(sheet, start, is_ragged)
    decimal_comma = has_decimal_comma((c for row in rows for c in row), sheet.delimiter)
    values = _values(rows, sheet.row_numbers[start:], decimal_comma)
    if isinstance(values, list):
        lengths = [len(ring) for ring in values]
        note = f"its rings have {min(lengths)} to {max(lengths)} sectors"
    else:
        values, note = without_counts(values)
    maps = {h.map_type for h in headings if h.map_type}
    return ExportedMap(
        values,
        map_type=maps.pop() if len(maps) == 1 else "",
        unit=next((h.unit for h in headings if h.unit), ""),
        note="; ".join(filter(None, (sheet.note, note))),
    )


def without_counts(values: np.ndarray) -> tuple[np.ndarray, str]:
    """A matrix without a first row or column that numbers the others, and a note of it.

    >>> without_counts(np.array([[k, *[2.5] * 8] for k in range(8)]))[1]
    'its first column only counts and was left out'
    """
    dropped = []
    if values.ndim == 2 and min(values.shape) > 1:
        corner = values[0, 0]
        is_row = _counts(values[0]) or (np.isnan(corner) and _counts(values[0, 1:]))
        # A matrix of nothing but whole numbers in even steps was made so, and is left as it is.
        if is_row and not _counts(values[1]):
            values, dropped = values[1:], ["row"]
        if _counts(values[:, 0]) and not _counts(values[:, 1]):
            values, dropped = values[:, 1:], [*dropped, "column"]
    told = " and ".join(dropped)
    only = "only counts and was" if len(dropped) == 1 else "only count and were"
    return values, f"its first {told} {only} left out" if dropped else ""


def is_nearly_matrix(sheet: Sheet) -> bool:
    """Whether a sheet was meant to be a matrix: many cells, hardly any of them words."""
    cells = [cell for row in sheet.rows[_first_row(sheet) :] for cell in row]
    n_meant = sum(
        is_number(cell) or is_missing(cell) or cell.casefold().lstrip("+-") in _INFINITE
        for cell in cells
    )
    return len(cells) >= SMALLEST**2 and n_meant > 0.9 * len(cells)


def odd_cell(sheet: Sheet) -> str:
    """Where the first cell is that is no number, "" for nowhere."""
    start = _first_row(sheet)
    rows = zip(sheet.rows[start:], sheet.row_numbers[start:], strict=True)
    for row, number in rows:
        for column, cell in enumerate(row, start=1):
            if not is_number(cell):
                return f"row {number} column {column} is not a number"
    return ""


def _first_row(sheet: Sheet) -> int:
    """First of the rows whose cells are mostly numbers, or empty."""
    for place, row in enumerate(sheet.rows[:SEARCHED]):
        cells = [cell for cell in row if not is_missing(cell)]
        if not cells or sum(map(is_number, cells)) > len(cells) / 2:
            return place
    return 0


def _check_lengths(sheet: Sheet, start: int, is_ragged: bool) -> None:
    """Raise where a row may be shifted: a cell is lost, or there is one too many."""
    rows, numbers = sheet.rows[start:], sheet.row_numbers[start:]
    for row, number in zip(sheet.rows[:start], sheet.row_numbers, strict=False):
        text = " ".join(row)
        if len(re.findall(r"\d+", text)) >= SMALLEST and not re.search(r"[^\W\d_eE]", text):
            raise ValueError(f"row {number} is not a row of numbers as those below it are")
    has_blanks = any(is_missing(cell) for row in rows for cell in row)
    if is_ragged and not has_blanks:
        place = _odd_ring([len(row) for row in rows])
        widths: Sequence[int] = [len(row) for row in rows]
        written = sheet.widths[start:]
        if len({*written}) > 1 and place is None:
            # Empty cells at the end of some rows only.
            ends = [n - width for n, width in zip(written, widths, strict=True)]
            place = _odd_one(ends)
    elif sheet.delimiter:
        widths = sheet.widths[start:]
        place = _odd_one(widths)
    elif has_blanks:
        widths = [len(row) for row in rows]
        # Empty cells around the disc are as many on either side, or as many more in every row.
        left = [next((k for k, c in enumerate(row) if not is_missing(c)), 0) for row in rows]
        place = _odd_one([n + len(row) for n, row in zip(left, rows, strict=True)], most=0.8)
        if place is not None:
            raise ValueError(
                f"row {numbers[place]} is shifted against the others: export the map again"
            )
    else:
        widths = [len(row) for row in rows]
        place = _odd_one(widths)
    if place is not None:
        usual = Counter(widths).most_common(1)[0][0]
        told = f"{cell_count(widths[place])}, most rows {usual}"
        mend = how_to_mend(sheet, widths[place] > usual)
        raise ValueError(f"row {numbers[place]} {told}{mend}")
    if sheet.delimiter == "," and _may_be_halves(rows):
        raise ValueError(
            "has whole numbers only, which may be the halves of numbers with a decimal comma: save "
            "it with decimal points, or with semicolons between the columns"
        )


def _odd_one(counts: Sequence[int], most: float = 0.0) -> int | None:
    """Place of the first count that is not the usual one, None where there is none.

    Parameters
    ----------
    most
        Share that must have the usual one; with fewer, none is odd.
    """
    usual, n_usual = Counter(counts).most_common(1)[0]
    if n_usual < most * len(counts):
        return None
    return next((place for place, n in enumerate(counts) if n != usual), None)


def _odd_ring(counts: Sequence[int]) -> int | None:
    """Place of a ring whose sectors may not be whole, None where there is none.

    From ring to ring sectors stay, or are multiples of the fewest, at most three times as many.
    """
    shares = Counter(counts)
    if len(counts) >= SMALLEST and max(shares.values()) == len(counts) - 1:
        return _odd_one(counts)
    if set(counts) <= _ECAT or len(shares) == 1:
        return None
    rising = counts if counts[0] <= counts[-1] else counts[::-1]
    for place, n in enumerate(rising):
        before = rising[max(place - 1, 0)]
        if n % min(counts) or not before <= n <= 3 * before or (n - min(counts)) in (1, 2):
            return place if rising is counts else len(counts) - 1 - place
    return None


def _may_be_halves(rows: Sequence[Sequence[str]]) -> bool:
    """Whether 2,1 in two cells may be one number, in every pair of cells."""
    cells = [cell for row in rows for cell in row]
    if any(len(row) % 2 for row in rows) or not all(map(str.isdigit, cells)):
        return False
    whole, decimals = cells[::2], cells[1::2]
    has_zeros = any(cell[0] == "0" and len(cell) > 1 for cell in decimals)
    is_even = len({*map(len, decimals)}) == 1 and {*map(len, whole)} == {1}
    return has_zeros or is_even


def _names_columns(row: Sequence[str], width: int) -> bool:
    """Whether a row names most columns: a table of something else; c0, c1, c2 are no names."""
    filled = [cell for cell in row if cell]
    running = [re.fullmatch(r"[^\W\d]{0,6}[ _.]?(\d{1,4})", cell) for cell in filled]
    # The first may stand over the names of rows.
    counted = [match[1] for match in running[not running[0] :] if match] if filled else []
    is_running = len(counted) >= len(filled) - 1 and _is_count(counted)
    return len(filled) > width / 2 and not is_running


def _values(
    rows: Sequence[Sequence[str]], numbers: Sequence[int], decimal_comma: bool
) -> np.ndarray | list[np.ndarray]:
    """Numbers of the rows: an array, or a list of rings where rows differ in length."""
    found = [np.array([parse_number(cell, decimal_comma) for cell in row]) for row in rows]
    width = max(map(len, found))
    if not any(np.isnan(row).any() for row in found):
        return np.stack(found) if len({len(row) for row in found}) == 1 else found
    # Outside the disc cells are empty; a sheet drops those at the end of rows, and rows of them.
    places = [number - numbers[0] for number in numbers]
    n_rows = places[-1] + 1 if places[-1] < width else len(found)
    places = places if n_rows > len(found) else list(range(len(found)))
    values = np.full((max(n_rows, len(found)), width), np.nan)
    for place, row in zip(places, found, strict=True):
        values[place, : len(row)] = row
    lacking = width - len(values)
    # Empty rows above and below the disc, as many on either side.
    if 0 < lacking <= width / 4 and lacking % 2 == 0:
        values = np.pad(values, ((lacking // 2, lacking // 2), (0, 0)), constant_values=np.nan)
    return values


def _counts(values: np.ndarray) -> bool:
    """Whether values are whole numbers in even steps, such as slices or angles; few may lack."""
    places = np.flatnonzero(~np.isnan(values))
    if len(places) < max(SMALLEST, 0.75 * len(values)):
        return False
    found = values[places]
    step = (found[-1] - found[0]) / (places[-1] - places[0])
    is_even = bool((found == found[0] + step * (places - places[0])).all())
    return bool(step) and is_even and bool((found == np.round(found)).all())


def _is_count(cells: Sequence[str]) -> bool:
    return all(map(str.isdigit, cells)) and _counts(np.array(cells, dtype=float))
