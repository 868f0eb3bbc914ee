"""What do cells say that a workbook shows as one? Cells merged over rows hold for each of them."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import Final

from polarnet.readers.tables import limits
from polarnet.readers.tables.sheets import Sheet

MAX_MERGED: Final = 100_000
"""Most merged ranges of a workbook (our choice)."""

_RANGE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})")


def merged_range(reference: str) -> tuple[int, int, int, int] | None:
    """First and last row (from 1), first and last column (from 0); None for no range.

    >>> merged_range("B2:C5")
    (2, 5, 1, 2)
    """
    match = _RANGE.fullmatch(reference)
    if match is None:
        return None
    first, last = _column(match[1]), _column(match[3])
    return int(match[2]), int(match[4]), first, last


def _column(letters: str) -> int:
    """Place of a column from 0: A is 0, AA is 26."""
    place = 0
    for letter in letters:
        place = 26 * place + ord(letter) - ord("A") + 1
    return place - 1


def filled_down(sheet: Sheet, name: str) -> Sheet:
    """The sheet with the text of cells merged over rows in each row, and a note of how many.

    Raises
    ------
    ValueError: so many cells are merged that the table would be larger than tables are.
    """
    rows = [list(row) for row in sheet.rows]
    dates = set(sheet.dates)
    n_ranges = n_cells = 0
    for first, last, column, _ in sheet.merged:
        start = bisect_left(sheet.row_numbers, first)
        end = bisect_right(sheet.row_numbers, last)
        is_there = start < end and sheet.row_numbers[start] == first
        text = rows[start][column] if is_there and column < len(rows[start]) else ""
        if not text or end - start < 2:
            continue
        n_ranges += 1
        for k in range(start + 1, end):
            n_cells += 1 + max(0, column + 1 - len(rows[k]))
            limits.check_table(name, 0, 0, n_cells)
            rows[k] += [""] * (column + 1 - len(rows[k]))
            rows[k][column] = rows[k][column] or text
            dates |= {(k, column)} if (start, column) in dates else set()
    if not n_ranges:
        return sheet
    note = f"{n_ranges} cells that are merged over rows hold for each of these rows"
    note = f"{sheet.note}; {note}" if sheet.note else note
    return replace(sheet, rows=rows, dates=frozenset(dates), note=note)
