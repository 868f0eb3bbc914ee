"""Rows of any table file as text, within limits; and the table below the names of its columns."""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any, Final

import pandas as pd

from polarnet.ids import listing, normal_text
from polarnet.readers.identity import is_date
from polarnet.readers.words import is_formula, is_number

# === Limits ===

MB: Final = 2**20  # bytes

# The largest files as they lie on disk, and workbooks when they are unpacked (our choice: 10,000
# studies with 400 columns are about 20 MB).
MAX_TEXT_BYTES: Final = 64 * MB
MAX_WORKBOOK_BYTES: Final = 32 * MB
MAX_UNPACKED_BYTES: Final = 256 * MB

# Any table (our choice): about what a spreadsheet program shows, and 350 MB of memory.
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 20_000
MAX_CELLS: Final = 5_000_000
MAX_CELL_CHARACTERS: Final = 131_072  # as in Python's own reader of CSV
MAX_CHARACTERS: Final = 64 * MB  # of all cells

# Workbooks (our choice): 10 s of reading, cells without content but with a format counted too.
MAX_WORKBOOK_CELLS: Final = 2_000_000
MAX_ELEMENTS: Final = 2 * MAX_WORKBOOK_CELLS  # of XML: a cell, and its value
MAX_FORMULAS: Final = 200_000
MAX_MERGED: Final = 100_000


def check_table(name: str, n_rows: int, n_columns: int, n_cells: int) -> None:
    """Raise ValueError where rows, columns or cells, or those met so far, are above their limit."""
    for n, limit, what in (
        (n_rows, MAX_ROWS, "rows"),
        (n_columns, MAX_COLUMNS, "columns"),
        (n_cells, MAX_CELLS, "cells"),
    ):
        if n > limit:
            raise too_many(name, limit, what)


def too_many(name: str, limit: int, what: str) -> ValueError:
    """The error, to be raised, for more than `limit` rows, columns or whatever `what` names."""
    return ValueError(f"{name} has more than {limit:,} {what}. Is it the right file?")


# === Rows ===

SHOWN: Final = 5
"""Offending cells, rows or columns that a message names; the rest are counted (our choice)."""

_AS_TEXT: Final = re.compile(r'\s*="([^"]*)"\s*')
"""How spreadsheet users keep a number or an id as text in a text file."""


@dataclass(frozen=True, repr=False)
class Sheet:
    """The cells of one table file.

    Attributes
    ----------
    rows
        Text of each cell without surrounding space, "" for an empty one. Rows may differ in
        length: empty cells at their end are dropped, and so are rows without content.
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
    """Rows of a file by their number, from 1, as text; formulas are noted.

    Values are text, numbers, dates or None; rows that are too many, too long or without content
    raise ValueError.
    """
    rows: list[list[str]] = []
    row_numbers, widths = [], []
    formulas: list[str] = []
    n_formulas = n_cells = n_characters = 0
    for number, values in numbered:
        # Whatever a row holds, a reader that goes on for ever ends here.
        check_table(name, number, len(values), n_cells)
        texts = [_text(value) for value in values]
        # Before any copy is made: a workbook may show one long text in every cell.
        n_characters += sum(map(len, texts))
        if max(map(len, texts), default=0) > MAX_CELL_CHARACTERS:
            raise ValueError(f"{name} row {number}: a cell holds more text than any cell can.")
        if n_characters > MAX_CHARACTERS:
            raise too_many(name, MAX_CHARACTERS, "characters")
        cells = [text.strip() for text in texts]
        for column, (text, cell) in enumerate(zip(texts, cells, strict=True), start=1):
            if cell and (is_formula(text) or is_formula(cell)) and not is_number(cell):
                n_formulas += 1
                if len(formulas) < SHOWN:
                    formulas.append(f"row {number} column {column}")
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            rows.append(cells)
            row_numbers.append(number)
            widths.append(len(values))
            n_cells += len(cells)
    check_table(name, 0, 0, n_cells)
    if not rows:
        raise ValueError(f"{name} is empty.")
    where = ""
    if formulas:
        more = f" and {n_formulas - SHOWN} more" if n_formulas > SHOWN else ""
        what = f"{n_formulas} cells are formulas, or begin like one (= + - @)"
        where = f"{what}: {listing(formulas)}{more}"
    return Sheet(rows, delimiter, row_numbers, note, where, tuple(widths) if delimiter else ())


def _text(value: Any) -> str:
    """A cell as text as it was meant: 12.0 is "12", ="007" is 007, a date is 2026-12-03."""
    if isinstance(value, str):
        match = _AS_TEXT.fullmatch(value) if '="' in value else None
        return match[1] if match else value
    if value is None or value != value:  # NaN and NaT alone differ from themselves
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) or hasattr(value, "is_integer"):
        # Beyond 1e15 a float no longer holds every digit, so it is not written as if it did.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    return str(value)


def as_table(sheet: Sheet, name: str) -> pd.DataFrame:
    """The sheet as a table of text, its first row as header; the index is the line in the file.

    A header that is empty or occurs twice, and a row that is longer or shorter than the header,
    raise ValueError.
    """
    header = [normal_text(cell) for cell in sheet.rows[0]]
    first, *numbers = sheet.row_numbers
    body, width = sheet.rows[1:], len(header)
    n_with = Counter(header)
    if unclear := [p for p, cell in enumerate(header, start=1) if not cell or n_with[cell] > 1]:
        # By position, because the first line of a table without header is a patient's.
        raise ValueError(
            f"{name} line {first}: no name, or that of another column, over column "
            f"{listing(unclear, SHOWN)}. Give every column a name of its own, in one line: where "
            "two lines hold the names (cells merged above others), join them into one."
        )
    if long := [n for n, row in zip(numbers, body, strict=True) if len(row) > width]:
        raise ValueError(
            f"{name}: more cells than the {width} names in the first line, in line "
            f"{listing(long, SHOWN)}. Put quotation marks around cells that hold the separator, or "
            "name all columns."
        )
    widths = sheet.widths[1:]
    # One separator more at the end of every line, or of the header alone, does no harm.
    is_even = len(widths) > 1 and len(set(widths)) == 1 and widths[0] >= width
    odd = [n for n, w in zip(numbers, widths, strict=False) if w != sheet.widths[0]]
    if odd and not is_even:
        raise ValueError(
            f"{name}: more or fewer cells than in line {first}, which names {width} columns, in "
            f"line {listing(odd, SHOWN)}. Where a cell is lost, or one too many, values stand "
            "under the wrong name: mend these lines, and put quotation marks around cells that "
            "hold the separator."
        )
    filled = [row + [""] * (width - len(row)) for row in body]
    index = pd.Index(numbers, name="line", dtype="int64")
    return pd.DataFrame(filled, columns=header, index=index, dtype=str)


# === The row with the names of the columns ===

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
    told to hold the names, the sheet stays as it is. The note never repeats what is skipped.

    `is_same` tells whether "group: name" says the same as the name alone.
    """
    sheet = _filled_down(sheet, name)
    places = range(min(_SEARCHED, len(sheet.rows)))
    single = next((k for k in places if _is_header(sheet, k)), None)
    double = next((k for k in places[1:] if _are_two(sheet, k)), 0)
    start = double if single is None else single
    names, n_joined = _joined(sheet, start, is_same) if start else (sheet.rows[0], 0)
    are_two = start > 0 and (n_joined > 0 or single is None)
    n_below = 0 if single is None else _rows_of_units(sheet, start)
    notes = [sheet.note] if sheet.note else []
    for n, where in ((start - are_two, "above"), (n_below, "below")):
        lines = "1 line" if n == 1 else f"{n} lines"
        notes += [f"skipped {lines} {where} the names of the columns"] if n else []
    if are_two:
        called = f"; {n_joined} are called GROUP: NAME" if n_joined else ""
        notes.append(f"two lines hold the names of the columns{called}")
    n_unnamed = 1 if names[0] == "" and _are_names(names[1:]) else 0
    if n_unnamed:
        notes.append("skipped column 1, which has no name, as row numbers")
    kept = [start, *range(start + 1 + n_below, len(sheet.rows))]
    return replace(
        sheet,
        rows=[row[n_unnamed:] for row in (names, *(sheet.rows[k] for k in kept[1:]))],
        row_numbers=[sheet.row_numbers[k] for k in kept],
        widths=tuple(sheet.widths[k] - n_unnamed for k in kept) if sheet.widths else (),
        note="; ".join(notes),
    )


def _filled_down(sheet: Sheet, name: str) -> Sheet:
    """The sheet with the text of cells merged over rows in each row, and a note of how many."""
    rows = [list(row) for row in sheet.rows]
    n_ranges = n_cells = 0
    for first, last, column, _ in sheet.merged:
        start = bisect_left(sheet.row_numbers, first)
        end = bisect_right(sheet.row_numbers, last)
        is_there = start < end and sheet.row_numbers[start] == first
        text = rows[start][column] if is_there and column < len(rows[start]) else ""
        if not text or end - start < 2:
            continue
        n_ranges += 1
        for row in rows[start + 1 : end]:
            n_added = max(0, column + 1 - len(row))
            n_cells += 1 + n_added
            check_table(name, 0, 0, n_cells)
            row.extend([""] * n_added)
            row[column] = row[column] or text
    if not n_ranges:
        return sheet
    note = f"{n_ranges} cells that are merged over rows hold for each of these rows"
    return replace(sheet, rows=rows, note=f"{sheet.note}; {note}" if sheet.note else note)


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
    are_titles = _are_titles(sheet.rows[:start], len(names))
    return start == 0 or (are_titles and bool(below) and _are_words(names))


def _are_two(sheet: Sheet, lower: int) -> bool:
    """Whether a row and the one above it name the columns together."""
    above, names = _pair(sheet, lower)
    below, n_columns = sheet.rows[lower + 1 :], len(names)
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


def _pair(sheet: Sheet, lower: int) -> list[list[str]]:
    """A row and the one above it, the upper one first, in one length."""
    rows = sheet.rows[lower - 1 : lower + 1]
    n_columns = max(map(len, rows))
    return [row + [""] * (n_columns - len(row)) for row in rows]


def _joined(sheet: Sheet, lower: int, is_same: Callable[[str, str], bool]) -> tuple[list[str], int]:
    """The names of the columns from two rows, and how many are "group: name"."""
    above, names = _pair(sheet, lower)
    if sum(map(bool, above)) < 2:
        return sheet.rows[lower], 0  # a title
    # Groups stand over the columns that they were merged over; else up to the next one.
    groups, number = list(above), sheet.row_numbers[lower - 1]
    ranges = [(left, right) for first, _, left, right in sheet.merged if first == number]
    for left, right in ranges or [(k, k + 1) for k in range(len(groups) - 1)]:
        for column in range(left + 1, min(right + 1, len(groups))):
            groups[column] = groups[column] or groups[left]
    n_with = Counter(names)
    joined, n_joined = [], 0
    for group, text, upper in zip(groups, names, above, strict=True):
        both = f"{group}: {text}"
        is_group = text and group and text != upper
        is_needed = is_group and (n_with[text] > 1 or not is_same(both, text))
        joined.append(both if is_needed else text or upper)
        n_joined += bool(is_needed)
    return joined, n_joined


def _are_titles(rows: Sequence[Sequence[str]], n_columns: int) -> bool:
    """Whether none of the rows fills more than half of the columns."""
    return all(2 * sum(map(bool, row)) <= n_columns for row in rows)


def _are_words(cells: Sequence[str]) -> bool:
    """Whether no cell is a number or a day."""
    return not any(is_number(cell) or is_date(cell) for cell in cells)


def _are_names(cells: Sequence[str]) -> bool:
    """Whether each cell has content, and none that of another."""
    return bool(cells) and all(cells) and len(set(cells)) == len(cells)
