"""In which rows do the names of a table's columns stand, and does the first column have one?"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from polarnet.readers.identity import is_date
from polarnet.readers.tables.cells import is_number
from polarnet.readers.tables.merged import filled_down
from polarnet.readers.tables.sheets import Sheet

_SEARCHED: Final = 20
"""Rows in which the names of the columns are looked for (our choice)."""


_TALL: Final = 3
"""Rows below the first one that a name may be merged over (our choice)."""


def from_header(
    sheet: Sheet, name: str, is_same: Callable[[str, str], bool] = lambda long, short: True
) -> Sheet:
    """The sheet from the names of its columns on, without a column of row numbers.

    Cells merged over rows hold for each of them. A title above the names is skipped, and so is a
    first column without name, as R and pandas write it. Names in two rows, groups above and names
    below, are joined as "group: name" where the lower one alone is not enough. Where no row can be
    told to hold the names, the sheet stays as it is.

    Parameters
    ----------
    name
        Of the file, for messages; the note never repeats what is skipped.
    is_same
        Whether "group: name" says the same as the name alone.

    Raises
    ------
    ValueError: so many cells are merged that the table would be larger than tables are.
    """
    sheet = filled_down(sheet, name)
    places = range(min(_SEARCHED, len(sheet.rows)))
    start = next((k for k in places if _is_header(sheet, k)), None)
    is_single = start is not None
    if start is None:
        start = next((k for k in places[1:] if _are_two(sheet, k)), 0)
    names, n_joined = _joined(sheet, start, is_same) if start else (sheet.rows[0], 0)
    n_above = start - 1 if start and (n_joined or not is_single) else start
    n_below = _rows_of_units(sheet, start) if is_single else 0
    notes = [sheet.note] if sheet.note else []
    for n, where in ((n_above, "above"), (n_below, "below")):
        lines = "1 line" if n == 1 else f"{n} lines"
        notes += [f"skipped {lines} {where} the names of the columns"] if n else []
    if n_joined or (start and not is_single):
        called = f"; {n_joined} are called GROUP: NAME" if n_joined else ""
        notes.append(f"two lines hold the names of the columns{called}")
    n_unnamed = 1 if names[0] == "" and _are_names(names[1:]) else 0
    if n_unnamed:
        notes.append("skipped column 1, which has no name, as row numbers")
    kept = [start, *range(start + 1 + n_below, len(sheet.rows))]
    place = {row: k for k, row in enumerate(kept)}
    rows = [names, *[sheet.rows[k] for k in kept[1:]]]
    return replace(
        sheet,
        rows=[row[n_unnamed:] for row in rows],
        dates=frozenset(
            (place[row], column - n_unnamed)
            for row, column in sheet.dates
            if row in place and column >= n_unnamed
        ),
        row_numbers=[sheet.row_numbers[k] for k in kept],
        widths=tuple(sheet.widths[k] - n_unnamed for k in kept) if sheet.widths else (),
        note="; ".join(notes),
    )


def _rows_of_units(sheet: Sheet, header: int) -> int:
    """Rows below the names that belong to them, because some of the names are merged over them."""
    number = sheet.row_numbers[header]
    last = max((end for first, end, _, _ in sheet.merged if first == number), default=number)
    below = sheet.row_numbers[header + 1 :]
    return sum(n <= last for n in below) if last <= number + _TALL else 0


def _is_header(sheet: Sheet, start: int) -> bool:
    """Whether a row can name the columns of all rows below; the first one need not be words."""
    row, below = sheet.rows[start], sheet.rows[start + 1 :]
    names = row if row[0] else row[1:]
    if not _are_names(names) or any(len(other) > len(row) for other in below):
        return False
    if start == 0:
        return True
    return _are_titles(sheet.rows[:start], len(names)) and bool(below) and _are_words(names)


def _are_two(sheet: Sheet, lower: int) -> bool:
    """Whether a row and the one above it name the columns together."""
    below = sheet.rows[lower + 1 :]
    n_columns = max(len(sheet.rows[lower - 1]), len(sheet.rows[lower]))
    above, names = (_padded(sheet.rows[k], n_columns) for k in (lower - 1, lower))
    if not below or any(len(other) > n_columns for other in below) or not _are_words(names):
        return False
    if not all(map(any, zip(above, names, strict=True))) or not any(above):
        return False
    number = sheet.row_numbers[lower - 1]
    is_merged = any(first == last == number for first, last, _, _ in sheet.merged)
    # The first line of a table without names is a patient's: never taken for them.
    is_below = names[0] in ("", above[0]) and any(names)
    is_grouped = _are_titles([above], n_columns) and sum(map(bool, above)) > 1
    return (is_merged or is_below or is_grouped) and _are_titles(sheet.rows[: lower - 1], n_columns)


def _joined(sheet: Sheet, lower: int, is_same: Callable[[str, str], bool]) -> tuple[list[str], int]:
    """The names of the columns from two rows, and how many are "group: name"."""
    n_columns = max(len(sheet.rows[lower - 1]), len(sheet.rows[lower]))
    above, names = (_padded(sheet.rows[k], n_columns) for k in (lower - 1, lower))
    if sum(map(bool, above)) < 2:
        return sheet.rows[lower], 0  # a title
    groups = _spread(above, sheet.row_numbers[lower - 1], sheet)
    n_with = Counter(names)
    joined, n_joined = [], 0
    for group, text, upper in zip(groups, names, above, strict=True):
        if not text or not group or text == upper:
            joined.append(text or upper)
            continue
        both = f"{group}: {text}"
        is_needed = n_with[text] > 1 or not is_same(both, text)
        joined.append(both if is_needed else text)
        n_joined += is_needed
    return joined, n_joined


def _spread(above: list[str], number: int, sheet: Sheet) -> list[str]:
    """The upper names, each over the columns that it was merged over; else up to the next one."""
    ranges = [(left, right) for first, _, left, right in sheet.merged if first == number]
    groups = list(above)
    if ranges:
        for left, right in ranges:
            for column in range(left + 1, min(right + 1, len(groups))):
                groups[column] = groups[column] or groups[left]
        return groups
    for column in range(1, len(groups)):
        groups[column] = groups[column] or groups[column - 1]
    return groups


def _padded(row: list[str], n: int) -> list[str]:
    return row + [""] * (n - len(row))


def _are_titles(rows: Sequence[Sequence[str]], n_columns: int) -> bool:
    """Whether none of the rows fills more than half of the columns."""
    return all(2 * sum(map(bool, row)) <= n_columns for row in rows)


def _are_words(cells: Sequence[str]) -> bool:
    """Whether no cell is a number or a day."""
    return not any(is_number(cell) or is_date(cell) for cell in cells)


def _are_names(cells: Sequence[str]) -> bool:
    """Whether each cell has content, and none that of another."""
    return bool(cells) and all(cells) and len(set(cells)) == len(cells)
