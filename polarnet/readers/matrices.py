"""The matrix of numbers that a text file or worksheet holds, whatever stands around it.

Also tables of slices by sectors, as Medviso Segment writes them: rings in the order of a profile.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.headings import is_headed, is_title, read_heading
from polarnet.readers.profiles import Profile
from polarnet.readers.segmenttables import cell_count, has_decimal_comma, how_to_mend, uneven
from polarnet.readers.sheets import Sheet
from polarnet.readers.units import conversion
from polarnet.readers.words import is_missing, is_number, parse_number

SMALLEST: Final = 8
"""Rows of the smallest square map (our choice): 17 segments need as many."""

SEARCHED: Final = 40
"""Rows above a matrix that may hold something else (our choice)."""

_ECAT: Final = {1, 9, 18, 32}
"""Sectors of the rings of an ECAT 7 polar map, in the header of that format."""

_INFINITE: Final = ("inf", "infinity")

_LARGEST_PLAIN: Final = 16 * 2**20
"""Bytes of the largest text file taken in one go (our choice); larger ones go cell by cell."""

_MOST_HALVES: Final = 2**20
"""Bytes up to which whole numbers between commas are looked at cell by cell (our choice)."""

_PLAIN: Final = b"0123456789eE+-.,;\t \r\n"
"""All that a text file of numbers holds."""

_SECTOR: Final = re.compile(r"sector\s?(\d{1,3})", re.IGNORECASE)
_SLICE: Final = re.compile(r"(?:slice\s?)?(\d{1,2})(?:\s\((basal|apical)\))?", re.IGNORECASE)


def read_plain_matrix(path: Path) -> np.ndarray | None:
    """Matrix of a text file that holds numbers and nothing else, or None for any other file.

    Returns
    -------
    float64 array (rows, columns), or None: letters, an encoding other than ASCII, rows of
    different length, or separators that could also be decimal commas.
    """
    if path.stat().st_size > _LARGEST_PLAIN:
        return None
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
    if not data or data.translate(None, _PLAIN):
        return None
    delimiter = next((d for d in (b"\t", b";", b",") if d in data), b" ")
    if delimiter != b"," and b"," in data:
        data = data.replace(b",", b".") if b"." not in data else b""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if delimiter == b" ":
        lines = [b" ".join(line.split()) for line in lines]
    counts = {line.count(delimiter) for line in lines if line}
    if len(counts) != 1 or (delimiter == b"," and b"." not in data and len(data) < _MOST_HALVES):
        return None
    # A cell for every separator: an empty one is no number.
    cells = delimiter.join(line for line in lines if line).split(delimiter)
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return values.reshape(-1, counts.pop() + 1) if np.isfinite(values).all() else None


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
    rows, numbers, written = sheet.rows[start:], sheet.row_numbers[start:], sheet.widths[start:]
    for row, number in zip(sheet.rows[:start], sheet.row_numbers, strict=False):
        text = " ".join(row)
        if len(re.findall(r"\d+", text)) >= SMALLEST and not re.search(r"[^\W\d_eE]", text):
            raise ValueError(f"row {number} is not a row of numbers as those below it are")
    has_blanks = any(is_missing(cell) for row in rows for cell in row)
    lengths: Sequence[int] = [len(row) for row in rows]
    if is_ragged and not has_blanks:
        odd = _odd_ring(lengths)
        if odd is None and written:  # empty cells at the end of some rows only
            odd = _odd_one([n - length for n, length in zip(written, lengths, strict=True)])
    elif has_blanks and not sheet.delimiter:
        # Empty cells around the disc are as many on either side, or as many more in every row.
        left = [next((k for k, c in enumerate(row) if not is_missing(c)), 0) for row in rows]
        sides = [n + length for n, length in zip(left, lengths, strict=True)]
        shifted, odd = _odd_one(sides), None
        if shifted is not None and Counter(sides).most_common(1)[0][1] >= 0.8 * len(rows):
            raise ValueError(
                f"row {numbers[shifted]} is shifted against the others: export the map again"
            )
    else:
        lengths = written if sheet.delimiter else lengths
        odd = _odd_one(lengths)
    if odd is not None:
        usual = Counter(lengths).most_common(1)[0][0]
        mend = how_to_mend(sheet, lengths[odd] > usual)
        raise ValueError(f"row {numbers[odd]} {cell_count(lengths[odd])}, most rows {usual}{mend}")
    if sheet.delimiter == "," and _may_be_halves(rows):
        raise ValueError(
            "has whole numbers only, which may be the halves of numbers with a decimal comma: save "
            "it with decimal points, or with semicolons between the columns"
        )


def _odd_one(counts: Sequence[int]) -> int | None:
    """Place of the first count that is not the usual one, None where there is none."""
    usual = Counter(counts).most_common(1)[0][0]
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
    is_rising = counts[0] <= counts[-1]
    rising, fewest = counts if is_rising else counts[::-1], min(counts)
    for place, (before, n) in enumerate(zip([rising[0], *rising], rising, strict=False)):
        if n % fewest or not before <= n <= 3 * before or n - fewest in (1, 2):
            return place if is_rising else len(counts) - 1 - place
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


# === Slices by sectors ===


def read_sectors(sheet: Sheet, profiles: Sequence[Profile]) -> ExportedMap | None:
    """The rings of a sheet with columns Sector1, Sector2 ..., or None for any other sheet.

    Sectors are put in ascending order whatever theirs is, and rings in the order of the profile.

    Raises
    ------
    ValueError: no profile tells where the sectors lie; the quantity is no flow; or slices or
        sectors are lacking.
    """
    named = [sum(_SECTOR.fullmatch(c) is not None for c in row) for row in sheet.rows[:5]]
    head = int(np.argmax(named))
    if named[head] < 4:
        top = sheet.rows[0]
        is_headed = len(top) == 4 and re.search(r"[^\W\d_]", top[0]) is not None
        if is_headed and top[2].isdigit() and top[3].isdigit() and len(sheet.rows) >= SMALLEST:
            raise ValueError(
                "is a smoothed picture of slices and sectors: export the 17 AHA segments instead"
            )
        return None
    sectors = {
        int(m[1]): k for k, cell in enumerate(sheet.rows[head]) if (m := _SECTOR.fullmatch(cell))
    }
    if set(sectors) != set(range(1, named[head] + 1)):
        raise ValueError("has sectors that are not numbered from 1 on, each once")
    for place in range(head + 1, len(sheet.rows)):
        if problem := uneven(sheet, head, place):
            raise ValueError(f"row {sheet.row_numbers[place]} {problem}")
    below, first = sheet.rows[head + 1 :], min(sectors.values())
    names = [row[first - 1] if first else "" for row in below]
    told = [f"{m[1]} {m[2] or ''}".strip().lower() for n in names if (m := _SLICE.fullmatch(n))]
    plain = [str(k) for k in range(1, len(below) + 1)]
    ends = ["1 basal", *plain[1:-1], f"{len(below)} apical"]
    if len(below) < 2 or told not in (plain, ends):
        raise ValueError(
            "does not number its slices from the basal one to the apical one: export the 17 AHA "
            "segments instead"
        )
    map_type, unit = _parameter(sheet, head, profiles[0])
    cells = [[row[sectors[k]] if sectors[k] < len(row) else "" for k in sorted(sectors)]
             for row in below]  # fmt: skip
    decimal_comma = has_decimal_comma((c for row in cells for c in row), sheet.delimiter)
    values = np.array([[parse_number(c, decimal_comma) for c in row] for row in cells])
    if _profile(values.shape, profiles).first_ring == "base":
        return ExportedMap(values, map_type=map_type, unit=unit)
    if told == plain:
        raise ValueError(
            "does not say which of its slices is basal: state first_ring: base in the profile "
            "if it is the first, or export the 17 AHA segments instead"
        )
    return ExportedMap(values[::-1], map_type=map_type, unit=unit)


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
    raise ValueError(
        "is a table of slices and sectors, which does not say where its first sector lies: export "
        "the 17 AHA segments instead, or state it in a profile of layout rings"
    )
