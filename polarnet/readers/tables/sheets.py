"""What sheet do the rows of a file make: text without formulas, and a table with a header?"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import pandas as pd

from polarnet.ids import normal_text
from polarnet.readers.tables import limits
from polarnet.readers.tables.cells import is_formula, is_number

_DATES: Final = (date, time, timedelta)

_SHOWN: Final = 5
"""Offending cells or rows named by position; the rest are counted."""

_FIRST: Final = frozenset("=+-@\t\r")
"""First characters after which a cell is looked at more closely."""

_AS_TEXT: Final = re.compile(r'="([^"]*)"')
"""How spreadsheet users keep a number or an id as text in a text file."""


@dataclass(frozen=True, repr=False)
class Sheet:
    """The cells of one table file.

    Attributes
    ----------
    rows
        Text of each cell without surrounding space, "" for an empty one. Rows may differ in
        length: empty cells at their end are dropped, and so are rows without content.
    dates
        Positions in `rows` (row, column, both from 0) of cells that a workbook holds as a date
        or a time of day.
    delimiter
        What separates the columns of a text file: "," ";" tab or " " (any run of spaces). ""
        for a workbook, and for a text file with a single column.
    row_numbers
        Line of the file, or row of the worksheet, of each of `rows`, from 1.
    note
        What the user should know, such as worksheets that were not read; "" for nothing.
    formulas
        How many cells a spreadsheet would compute, and where they are; "" for none.
    widths
        Cells of each of `rows` as a text file writes it, empty ones at its end too; empty where
        that says nothing.
    merged
        Cells that a workbook shows as one: first and last row (from 1, as `row_numbers`), first
        and last column (from 0).
    """

    rows: list[list[str]]
    dates: frozenset[tuple[int, int]]
    delimiter: str
    row_numbers: list[int]
    note: str = ""
    formulas: str = ""
    widths: tuple[int, ...] = ()
    merged: tuple[tuple[int, int, int, int], ...] = ()

    def __repr__(self) -> str:
        # Never the cells: they may name people.
        return f"Sheet({len(self.rows)} rows, up to {max(map(len, self.rows), default=0)} columns)"


def sheet_of_rows(
    name: str, numbered: Iterable[tuple[int, Sequence[Any]]], delimiter: str = "", note: str = ""
) -> Sheet:
    """Rows of a file, whatever it is, as text; limits are looked at, and formulas are noted.

    Parameters
    ----------
    name
        Of the file, for messages.
    numbered
        Number of each row in the file, from 1, and its values: text, numbers, dates, or None.
    delimiter, note
        As in `Sheet`.

    Raises
    ------
    ValueError: the rows are too many or too long, or hold nothing.
    """
    rows: list[list[str]] = []
    row_numbers, dates, widths = [], set(), []
    formulas: list[str] = []
    n_formulas = n_cells = n_characters = 0
    for number, values in numbered:
        # Whatever a row holds, a reader that goes on for ever ends here.
        limits.check_table(name, number, len(values), n_cells)
        texts = [_typed(value) if isinstance(value, str) else _cell_text(value) for value in values]
        # Before any copy is made: a workbook may show one long text in every cell.
        longest, n_characters = max(map(len, texts), default=0), n_characters + sum(map(len, texts))
        if longest > limits.MAX_CELL_CHARACTERS:
            raise ValueError(f"{name} row {number}: a cell holds more text than any cell can.")
        if n_characters > limits.MAX_CHARACTERS:
            raise limits.too_many(name, limits.MAX_CHARACTERS, "characters")
        cells = [text.strip() for text in texts]
        for column, (text, cell) in enumerate(zip(texts, cells, strict=True), start=1):
            is_near = cell and (cell[0] in _FIRST or text[0] in _FIRST)
            if is_near and not is_number(cell) and (is_formula(text) or is_formula(cell)):
                n_formulas += 1
                if len(formulas) < _SHOWN:
                    formulas.append(f"row {number} column {column}")
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            continue
        for column, value in enumerate(values):
            # NaT is a date to Python, and an empty cell to us.
            if isinstance(value, _DATES) and value == value:
                dates.add((len(rows), column))
        rows.append(cells)
        row_numbers.append(number)
        widths.append(len(values))
        n_cells += len(cells)
    limits.check_table(name, 0, 0, n_cells)
    if not rows:
        raise ValueError(f"{name} is empty.")
    where = f"{n_formulas} cells are formulas, or begin like one (= + - @): " if formulas else ""
    where += _some(formulas, n_formulas)
    written = tuple(widths) if delimiter else ()
    return Sheet(rows, frozenset(dates), delimiter, row_numbers, note, where, written)


def as_table(sheet: Sheet, name: str) -> pd.DataFrame:
    """The sheet as a table, its first row as header.

    Parameters
    ----------
    name
        Of the file, for messages.

    Returns
    -------
    DataFrame of text, "" for an empty cell; the index is the line in the file.

    Raises
    ------
    ValueError: a header is empty or occurs twice, or a row is longer or shorter than the header.
    """
    header = [normal_text(cell) for cell in sheet.rows[0]]
    body = sheet.rows[1:]
    n_with = Counter(header)
    unclear = [p for p, cell in enumerate(header, start=1) if not cell or n_with[cell] > 1]
    if unclear:
        # By position, because the first line of a table without header is a patient's.
        raise ValueError(
            f"{name} line {sheet.row_numbers[0]}: no name, or that of another column, over column "
            f"{_some(unclear)}. Give every column a name of its own, in one line: where two lines "
            "hold the names (cells merged above others), join them into one."
        )
    width = len(header)
    if long := [n for n, row in zip(sheet.row_numbers[1:], body, strict=True) if len(row) > width]:
        raise ValueError(
            f"{name}: more cells than the {width} names in the first line, in line {_some(long)}. "
            "Put quotation marks around cells that hold the separator, or name all columns."
        )
    if odd := _of_other_length(sheet):
        raise ValueError(
            f"{name}: more or fewer cells than in line {sheet.row_numbers[0]}, which names "
            f"{width} columns, in line {_some(odd)}. Where a cell is lost, or one too many, values "
            "stand under the wrong name: mend these lines, and put quotation marks around cells "
            "that hold the separator."
        )
    filled = [row + [""] * (width - len(row)) for row in body]
    index = pd.Index(sheet.row_numbers[1:], name="line", dtype="int64")
    return pd.DataFrame(filled, columns=header, index=index, dtype=str)


def _of_other_length(sheet: Sheet) -> list[int]:
    """Lines of a text file with more or fewer cells than its header, empty ones counted.

    Where all of them have the same number, as with a separator at the end of each line or of the
    header alone, the cells that differ are empty ones at the end.
    """
    if not sheet.widths:
        return []
    header, *body = sheet.widths
    if len(body) > 1 and len(set(body)) == 1 and body[0] >= len(sheet.rows[0]):
        return []
    return [n for n, w in zip(sheet.row_numbers[1:], body, strict=True) if w != header]


def _typed(text: str) -> str:
    """Text as it was meant: ="007" is 007."""
    match = _AS_TEXT.fullmatch(text.strip()) if '="' in text else None
    return match[1] if match else text


def _cell_text(value: Any) -> str:
    """A workbook's cell as text: 12.0 is "12", a date is 2026-12-03."""
    if value is None or value != value:  # NaN and NaT alone differ from themselves
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) or hasattr(value, "is_integer"):
        # Beyond 1e15 a float no longer holds every digit, so it is not written as if it did.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if type(value).__module__.startswith("openpyxl"):
        return "="  # a formula over several cells
    return str(value)


def _some(offenders: Sequence[object], n: int | None = None) -> str:
    """The first few, and how many more of `n` there are."""
    n_more = (len(offenders) if n is None else n) - _SHOWN
    more = f" and {n_more} more" if n_more > 0 else ""
    return ", ".join(map(str, offenders[:_SHOWN])) + more
