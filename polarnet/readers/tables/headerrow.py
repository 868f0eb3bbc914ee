"""In which row do the names of a table's columns stand, and does the first column have one?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from polarnet.readers.identity import is_date
from polarnet.readers.tables.cells import is_number
from polarnet.readers.tables.sheets import Sheet

_SEARCHED: Final = 20
"""Rows in which the names of the columns are looked for (our choice)."""


def from_header(sheet: Sheet, name: str) -> Sheet:
    """The sheet from the names of its columns on, without a column of row numbers.

    A title above the names is skipped, and so is a first column without name, as R and pandas
    write it. Where no row can be told to hold the names, the sheet stays as it is.

    Parameters
    ----------
    name
        Of the file, for the note, which never repeats what is skipped.
    """
    start = next((k for k in range(min(_SEARCHED, len(sheet.rows))) if _is_header(sheet, k)), 0)
    notes = [sheet.note] if sheet.note else []
    if start:
        lines = "1 line" if start == 1 else f"{start} lines"
        notes.append(f"skipped {lines} above the names of the columns")
    rows = sheet.rows[start:]
    n_unnamed = 1 if rows[0][0] == "" and _are_names(rows[0][1:]) else 0
    if n_unnamed:
        notes.append("skipped column 1, which has no name, as row numbers")
    return replace(
        sheet,
        rows=[row[n_unnamed:] for row in rows],
        dates=frozenset(
            (row - start, column - n_unnamed)
            for row, column in sheet.dates
            if row >= start and column >= n_unnamed
        ),
        row_numbers=sheet.row_numbers[start:],
        note="; ".join(notes),
    )


def _is_header(sheet: Sheet, start: int) -> bool:
    """Whether a row can name the columns of all rows below; the first one need not be words."""
    row, below = sheet.rows[start], sheet.rows[start + 1 :]
    names = row if row[0] else row[1:]
    if not _are_names(names) or any(len(other) > len(row) for other in below):
        return False
    if start == 0:
        return True
    # The first line of a table without names is a patient's: never taken for them.
    is_title = all(2 * sum(map(bool, other)) <= len(names) for other in sheet.rows[:start])
    has_values = any(is_number(cell) or is_date(cell) for cell in names)
    return is_title and bool(below) and not has_values


def _are_names(cells: Sequence[str]) -> bool:
    """Whether each cell has content, and none that of another."""
    return bool(cells) and all(cells) and len(set(cells)) == len(cells)
