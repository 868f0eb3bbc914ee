"""The matrix of numbers that a text file or worksheet holds, whatever stands around it."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import is_headed, is_title, read_heading
from polarnet.readers.profiles import Profile
from polarnet.readers.segmenttables import cell_count, has_decimal_comma, how_to_mend
from polarnet.readers.sheets import Sheet
from polarnet.readers.words import is_missing, is_number, parse_number

SMALLEST: Final = 8  # Rows of the smallest square map (our choice): 17 segments need as many
SEARCHED: Final = 40  # Rows above a matrix that may hold something else (our choice)
_ECAT: Final = {1, 9, 18, 32}
"""Sectors of the rings of an ECAT 7 polar map, in the header of that format."""

_INFINITE: Final = ("inf", "infinity")

# Bytes of the largest text file taken in one go (our choice); larger ones go cell by cell
_LARGEST_PLAIN: Final = 16 * 2**20
_PLAIN: Final = b"0123456789eE+-.,;\t \r\n"  # All that a text file of numbers holds
_SECTOR: Final = re.compile(r"sector\s?\d{1,3}", re.IGNORECASE)


def read_plain_matrix(path: Path) -> np.ndarray | None:
    """Matrix of a text file that holds numbers and nothing else, or None for any other file, and
    where rows differ in length or separators could also be decimal commas.
    """
    if path.stat().st_size > _LARGEST_PLAIN:
        return None
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not data.strip() or data.translate(None, _PLAIN):
        return None
    delimiter = next((d for d in (b"\t", b";", b",") if d in data), b" ")
    if delimiter == b"," and b"." not in data:
        return None
    if delimiter != b"," and b"," in data:
        data = data.replace(b",", b".") if b"." not in data else b""
    lines = data.decode().splitlines()
    try:
        values = np.loadtxt(lines, delimiter=delimiter.decode().strip(" ") or None, ndmin=2)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def read_matrix(sheet: Sheet, profile: Profile, is_ragged: bool = False) -> ExportedMap | None:
    """The matrix of a sheet, or None where it holds something else; `is_ragged`: rows may differ in
    length, as rings do. Titles above it, and rows and columns that only count, are left out.

    ValueError: it is of another quantity than flow, the decimal separator is unclear, or a row is
    longer or shorter than the others.
    """
    _check_no_sectors(sheet)
    start = _first_row(sheet)
    rows = [list(row) for row in sheet.rows[start:]]
    above = sheet.rows[:start]
    if is_headed(above, profile) or any(_names_columns(row, len(rows[0])) for row in above):
        return None
    corner = rows[0][0] if rows else ""
    if corner and not is_number(corner) and _is_count(rows[0][1:]):
        rows[0][0] = ""
    cells = [cell for row in rows for cell in row]
    n_missing = sum(map(is_missing, cells))
    if not cells or n_missing > len(cells) / 2:
        return None
    if not all(is_number(cell) or is_missing(cell) for cell in cells):
        return None
    if start and (len(rows) < SMALLEST or len(rows[0]) < SMALLEST):
        return None
    said = [cell for row in above if is_title(row, profile) for cell in row]
    headings = [read_heading(cell, profile) for cell in said if cell.strip()]
    if other := next((h.other for h in headings if h.other), ""):
        raise ValueError(f"is a matrix of {other}, which is no flow")
    _check_lengths(sheet, start, has_blanks=n_missing > 0, is_ragged=is_ragged)
    decimal_comma = has_decimal_comma(cells, sheet.delimiter)
    found = [np.array([parse_number(cell, decimal_comma) for cell in row]) for row in rows]
    lengths = [len(ring) for ring in found]
    values: np.ndarray | list[np.ndarray] = found
    note = f"its rings have {min(lengths)} to {max(lengths)} sectors"
    if n_missing or min(lengths) == max(lengths):
        # Outside the disc cells are empty; a sheet drops those at the end of rows.
        pads = [np.pad(row, (0, max(lengths) - len(row)), constant_values=np.nan) for row in found]
        values, note = without_counts(np.stack(pads))
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


def odd_cell(sheet: Sheet) -> str:
    """Where the first cell is that is no number, in a sheet that was meant to be a matrix: many
    cells, hardly any of them words. "" for any other sheet.
    """
    start = _first_row(sheet)
    rows, numbers = sheet.rows[start:], sheet.row_numbers[start:]
    cells = [cell for row in rows for cell in row]
    n_meant = sum(
        is_number(cell) or is_missing(cell) or cell.casefold().lstrip("+-") in _INFINITE
        for cell in cells
    )
    if len(cells) < SMALLEST**2 or n_meant <= 0.9 * len(cells):
        return ""
    return next(
        (
            f"row {number} column {column} is not a number"
            for number, row in zip(numbers, rows, strict=True)
            for column, cell in enumerate(row, start=1)
            if not is_number(cell)
        ),
        "",
    )


def _check_no_sectors(sheet: Sheet) -> None:
    """Refuse the sectors and the smoothed pictures of Medviso Segment, which do not say where their
    first sector lies.
    """
    is_table = any(sum(map(bool, map(_SECTOR.fullmatch, row))) >= 4 for row in sheet.rows[:5])
    top = sheet.rows[0] if sheet.rows else []
    is_picture = len(top) == 4 and re.search(r"[^\W\d_]", top[0]) and top[2].isdigit()
    if is_table or (is_picture and top[3].isdigit() and len(sheet.rows) >= SMALLEST):
        raise ValueError(
            "is a table or a smoothed picture of slices and sectors, which does not say where its "
            "first sector lies: export the 17 AHA segments instead"
        )


def _first_row(sheet: Sheet) -> int:
    """First of the rows whose cells are mostly numbers, or empty."""
    for place, row in enumerate(sheet.rows[:SEARCHED]):
        cells = [cell for cell in row if not is_missing(cell)]
        if not cells or sum(map(is_number, cells)) > len(cells) / 2:
            return place
    return 0


def _check_lengths(sheet: Sheet, start: int, has_blanks: bool, is_ragged: bool) -> None:
    """Raise where a row may be shifted: a cell is lost, or there is one too many."""
    rows, numbers = sheet.rows[start:], sheet.row_numbers[start:]
    for row, number in zip(sheet.rows[:start], sheet.row_numbers, strict=False):
        text = " ".join(row)
        if len(re.findall(r"\d+", text)) >= SMALLEST and not re.search(r"[^\W\d_eE]", text):
            raise ValueError(f"row {number} is not a row of numbers as those below it are")
    lengths: Sequence[int] = [len(row) for row in rows]
    is_disc = has_blanks and not sheet.delimiter
    if is_ragged and not has_blanks:
        if not _are_rings(lengths):
            raise ValueError(
                f"its rows have {min(lengths)} to {max(lengths)} cells, as no rings have: a cell "
                "is lost or one too many"
            )
    elif is_disc:
        # Empty cells around a disc are as many on either side of every row.
        filled = [[k for k, cell in enumerate(row) if not is_missing(cell)] for row in rows]
        lengths = [places[0] + places[-1] + 1 if places else -1 for places in filled]
    else:
        lengths = sheet.widths[start:] or lengths
    usual = Counter(lengths).most_common(1)[0][0]
    odd = [] if is_ragged and not has_blanks else [k for k, n in enumerate(lengths) if n != usual]
    if odd and not (is_disc and len(odd) > 0.2 * len(rows)):
        many = f"{cell_count(lengths[odd[0]])}, most rows {usual}"
        told = "is shifted against the others" if is_disc else many
        mend = how_to_mend(sheet, lengths[odd[0]] > usual)
        raise ValueError(f"row {numbers[odd[0]]} {told}{mend}")
    if sheet.delimiter == "," and _may_be_halves(rows):
        raise ValueError(
            "has whole numbers only, which may be the halves of numbers with a decimal comma: save "
            "it with decimal points, or with semicolons between the columns"
        )


def _are_rings(counts: Sequence[int]) -> bool:
    """Whether rows of so many cells may be rings: from ring to ring sectors stay, or are multiples
    of the fewest, and never fall towards the base. One unlike all others lost its line break.
    """
    fewest, n_alike = min(counts), max(Counter(counts).values())
    is_rising = list(counts) in (sorted(counts), sorted(counts, reverse=True))
    is_even = fewest >= 3 and all(n % fewest == 0 for n in counts)
    is_one = n_alike == len(counts) - 1 and len(counts) >= SMALLEST
    is_known = n_alike == len(counts) or set(counts) <= _ECAT
    return is_known or (is_rising and is_even and not is_one)


def _may_be_halves(rows: Sequence[Sequence[str]]) -> bool:
    """Whether 2,1 in two cells may be one number, in every pair of cells."""
    whole = [cell for row in rows for cell in row[::2]]
    decimals = [cell for row in rows for cell in row[1::2]]
    if len(whole) != len(decimals) or not all(map(str.isdigit, (*whole, *decimals))):
        return False
    has_zeros = any(cell[0] == "0" and len(cell) > 1 for cell in decimals)
    return has_zeros or (len({*map(len, decimals)}) == 1 and {*map(len, whole)} == {1})


def _names_columns(row: Sequence[str], width: int) -> bool:
    """Whether a row names most columns: a table of something else; c0, c1, c2 are no names."""
    filled = [cell for cell in row if cell]
    running = [re.fullmatch(r"[^\W\d]{0,6}[ _.]?(\d{1,4})", cell) for cell in filled]
    # The first may stand over the names of rows.
    counted = [match[1] for match in running[not running[0] :] if match] if filled else []
    is_running = len(counted) >= len(filled) - 1 and _is_count(counted)
    return len(filled) > width / 2 and not is_running


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
