"""How large may a table file be? Used as `limits.MAX_ROWS`, so that each is in one place."""

from typing import Final

MB: Final = 2**20
"""Bytes of a megabyte."""

MAX_TEXT_BYTES: Final = 64 * MB
"""Largest text table (our choice; 10,000 studies with 400 columns are about 20 MB)."""

MAX_WORKBOOK_BYTES: Final = 32 * MB
"""Largest workbook, SPSS or Stata file, as it lies on disk (our choice)."""

MAX_UNPACKED_BYTES: Final = 256 * MB
"""Largest sum of what a workbook's zip entries unpack to (our choice)."""

MAX_ROWS: Final = 1_000_000
"""Most lines or rows (our choice, about what a spreadsheet program shows)."""

MAX_COLUMNS: Final = 20_000
"""Most columns (our choice; a spreadsheet program has 16,384)."""

MAX_CELLS: Final = 5_000_000
"""Most cells (our choice): about 350 MB of memory."""

MAX_WORKBOOK_CELLS: Final = 2_000_000
"""Most cells in a workbook, empty ones with a format too (our choice): 10 s of reading."""

MAX_ELEMENTS: Final = 2 * MAX_WORKBOOK_CELLS
"""Most XML elements in a workbook: a cell, and its value."""

MAX_FORMULAS: Final = 200_000
"""Most formulas in a workbook (our choice): a workbook with formulas is read twice."""


MAX_CELL_CHARACTERS: Final = 131_072
"""Most characters of a cell: as in Python's own reader of CSV; spreadsheets have fewer."""

MAX_CHARACTERS: Final = 64 * MB
"""Most characters of all cells (our choice): as many as a text table may have."""


def check_table(name: str, n_rows: int, n_columns: int, n_cells: int) -> None:
    """Refuse a table that is larger than tables are.

    Parameters
    ----------
    name
        Of the file, for messages.
    n_rows, n_columns, n_cells
        What there is, or has been met so far.

    Raises
    ------
    ValueError: one of them is above its limit.
    """
    if n_rows > MAX_ROWS:
        raise too_many(name, MAX_ROWS, "rows")
    if n_columns > MAX_COLUMNS:
        raise too_many(name, MAX_COLUMNS, "columns")
    if n_cells > MAX_CELLS:
        raise too_many(name, MAX_CELLS, "cells")


def too_many(name: str, limit: int, what: str) -> ValueError:
    """The error, to be raised, for more than `limit` rows, columns or whatever `what` names."""
    return ValueError(f"{name} has more than {limit:,} {what}. Is it the right file?")
