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
    check_count(name, n_rows, MAX_ROWS, "rows")
    check_count(name, n_columns, MAX_COLUMNS, "columns")
    check_count(name, n_cells, MAX_CELLS, "cells")


def check_count(name: str, n: int, limit: int, what: str) -> None:
    """Raise ValueError where there are more than `limit` rows, columns or whatever else."""
    if n > limit:
        raise ValueError(f"{name} has more than {limit:,} {what}. Is it the right file?")


# === Rows ===

SHOWN: Final = 5
"""Offending cells, rows or columns that a message names; the rest are counted (our choice)."""

_AS_TEXT: Final = re.compile(r'\s*="([^"]*)"\s*')
"""How spreadsheet users keep a number or an id as text in a text file."""


@dataclass(frozen=True, repr=False)
class Sheet:
    """The cells of one table file, as text without surrounding space.

    Empty cells at the end of a row are dropped, and so are rows without content.
    """

    rows: list[list[str]]
    delimiter: str  # "," ";" tab or " " (any run of spaces); "" for one column or a workbook
    row_numbers: list[int]  # line of the file, or row of the worksheet, from 1
    note: str = ""  # what the user should know, such as worksheets that were not read
    formulas: str = ""  # how many cells a spreadsheet would compute, and where they are
    widths: tuple[int, ...] = ()  # cells of each row of a text, empty ones at its end too
    # Cells that a workbook shows as one: first and last row from 1, first and last column from 0.
    merged: tuple[tuple[int, int, int, int], ...] = ()

    def __repr__(self) -> str:
        # Never the cells: they may name people.
        return f"Sheet({len(self.rows)} rows, up to {max(map(len, self.rows), default=0)} columns)"

    def part(self, places: Iterable[int]) -> "Sheet":
        """The same sheet with some of its rows."""
        places = list(places)
        return replace(
            self,
            rows=[self.rows[k] for k in places],
            row_numbers=[self.row_numbers[k] for k in places],
            widths=tuple(self.widths[k] for k in places) if self.widths else (),
        )


def sheet_of_rows(
    name: str, numbered: Iterable[tuple[int, Sequence[Any]]], delimiter: str = "", note: str = ""
) -> Sheet:
    """Rows of a file by their number, from 1, as text; formulas are noted.

    Values are text, numbers, dates or None; rows that are too many, too long or without content
    raise ValueError.
    """
    rows, row_numbers, widths, formulas = [], [], [], []
    n_cells = n_characters = 0
    for number, values in numbered:
        # Whatever a row holds, a reader that goes on for ever ends here.
        check_table(name, number, len(values), n_cells)
        texts = [_text(value) for value in values]
        # Before any copy is made: a workbook may show one long text in every cell.
        n_characters += sum(map(len, texts))
        if max(map(len, texts), default=0) > MAX_CELL_CHARACTERS:
            raise ValueError(f"{name} row {number}: a cell holds more text than any cell can.")
        check_count(name, n_characters, MAX_CHARACTERS, "characters")
        cells = [text.strip() for text in texts]
        formulas += [
            f"row {number} column {column}"
            for column, (text, cell) in enumerate(zip(texts, cells, strict=True), start=1)
            if cell and (is_formula(text) or is_formula(cell)) and not is_number(cell)
        ]
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
    what = f"{len(formulas)} cells are formulas, or begin like one (= + - @)"
    where = f"{what}: {listing(formulas, SHOWN)}" if formulas else ""
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
    odd = [n for n, row in zip(numbers, body, strict=True) if len(row) > width]
    widths = sheet.widths[1:]
    # One separator more at the end of every line, or of the header alone, does no harm.
    if not odd and not (len(widths) > 1 and len(set(widths)) == 1 and widths[0] >= width):
        odd = [n for n, w in zip(numbers, widths, strict=False) if w != sheet.widths[0]]
    if odd:
        raise ValueError(
            f"{name}: more or fewer cells than the {width} names in line {first}, in line "
            f"{listing(odd, SHOWN)}. Where a cell is lost, or one too many, values stand under the "
            "wrong name: mend these lines, and put quotation marks around cells that hold the "
            "separator."
        )
    filled = [row + [""] * (width - len(row)) for row in body]
    index = pd.Index(numbers, name="line", dtype="int64")
    return pd.DataFrame(filled, columns=header, index=index, dtype=str)


# === The row with the names of the columns ===

_SEARCHED: Final = 20  # rows in which the names of the columns are looked for (our choice)


def from_header(
    sheet: Sheet, name: str, is_same: Callable[[str, str], bool] = lambda long, short: True
) -> Sheet:
    """The sheet from the names of its columns on, without a column of row numbers.

    Cells merged over rows hold for each of them. A title above the names is skipped, and so is a
    first column without name, as R and pandas write it. Names in two rows, groups above and names
    below, are joined as "group: name" where the lower one alone is not enough, as `is_same` tells.
    Where no row can be told to hold the names, the sheet stays as it is.
    """
    sheet, n_ranges = _filled_down(sheet, name)
    found = (_names_in(sheet, k, is_same) for k in range(min(_SEARCHED, len(sheet.rows))))
    start, names, n_joined, n_used = next(filter(None, found), (0, sheet.rows[0], 0, 1))
    notes = [sheet.note] if sheet.note else []
    if n_ranges:
        notes.append(f"{n_ranges} cells that are merged over rows hold for each of these rows")
    if n_above := start + 1 - n_used:
        lines = "1 line" if n_above == 1 else f"{n_above} lines"
        notes.append(f"skipped {lines} above the names of the columns")
    if n_used > 1:
        called = f"; {n_joined} are called GROUP: NAME" if n_joined else ""
        notes.append(f"two lines hold the names of the columns{called}")
    n_unnamed = 1 if not names[0] and _are_names(names[1:]) else 0
    if n_unnamed:
        notes.append("skipped column 1, which has no name, as row numbers")
    below = sheet.part(range(start, len(sheet.rows)))
    return replace(
        below,
        rows=[row[n_unnamed:] for row in (names, *below.rows[1:])],
        widths=tuple(width - n_unnamed for width in below.widths),
        note="; ".join(notes),
    )


def _filled_down(sheet: Sheet, name: str) -> tuple[Sheet, int]:
    """The sheet with the text of cells merged over rows in each row, and how many there are."""
    rows = [list(row) for row in sheet.rows]
    n_ranges = n_cells = 0
    for first, last, column, _ in sheet.merged:
        start, end = bisect_left(sheet.row_numbers, first), bisect_right(sheet.row_numbers, last)
        top, *below = rows[start:end] or [[]]
        text = top[column] if column < len(top) else ""
        if not (text and below and sheet.row_numbers[start] == first):
            continue
        n_ranges += 1
        for row in below:
            n_added = max(0, column + 1 - len(row))
            n_cells += 1 + n_added
            check_table(name, 0, 0, n_cells)
            row.extend([""] * n_added)
            row[column] = row[column] or text
    return replace(sheet, rows=rows), n_ranges


def _names_in(
    sheet: Sheet, place: int, is_same: Callable[[str, str], bool]
) -> tuple[int, list[str], int, int] | None:
    """The names of the columns in a row, with groups in the one above it where they are needed.

    `place`, the names, how many are "group: name", and how many rows hold them; None where the row
    cannot name the columns of all rows below.
    """
    names, below = sheet.rows[place], sheet.rows[place + 1 :]
    n_joined, n_rows = 0, 1
    if place:
        above, lower = sheet.rows[place - 1 : place + 1]
        number, n_columns = sheet.row_numbers[place - 1], max(len(above), len(lower))
        above, lower = ([*row, *[""] * n_columns][:n_columns] for row in (above, lower))
        ranges = [(left, right) for first, _, left, right in sheet.merged if first == number]
        # The first line of a table without names is a patient's: never taken for them.
        is_above = ranges or lower[0] in ("", above[0]) or _are_titles([above], n_columns)
        is_below = below and _are_titles(sheet.rows[: place - 1], n_columns)
        if not (is_above and is_below) or any(is_number(c) or is_date(c) for c in lower):
            return None
        if sum(map(bool, above)) > 1:  # else a title
            names, n_joined = _joined(above, lower, ranges, is_same)
            is_title = _are_titles([above], n_columns) and names == lower
            n_rows = 1 if is_title and not n_joined else 2
    if any(len(row) > len(names) for row in below):
        return None
    return (place, names, n_joined, n_rows) if _are_names(names[not names[0] :]) else None


def _joined(
    above: Sequence[str],
    lower: Sequence[str],
    ranges: Sequence[tuple[int, int]],
    is_same: Callable[[str, str], bool],
) -> tuple[list[str], int]:
    """The names of the columns from two rows, and how many are "group: name"."""
    # Groups stand over the columns that they were merged over; else up to the next one.
    groups = list(above)
    for left, right in ranges or [(k, k + 1) for k in range(len(groups) - 1)]:
        for column in range(left + 1, min(right + 1, len(groups))):
            groups[column] = groups[column] or groups[left]
    n_with = Counter(lower)
    joined, n_joined = [], 0
    for group, text, upper in zip(groups, lower, above, strict=True):
        both = f"{group}: {text}"
        is_group = text and group and text != upper
        is_needed = is_group and (n_with[text] > 1 or not is_same(both, text))
        joined.append(both if is_needed else text or upper)
        n_joined += bool(is_needed)
    return joined, n_joined


def _are_titles(rows: Sequence[Sequence[str]], n_columns: int) -> bool:
    """Whether none of the rows fills more than half of the columns."""
    return all(2 * sum(map(bool, row)) <= n_columns for row in rows)


def _are_names(cells: Sequence[str]) -> bool:
    """Whether each cell has content, and none that of another."""
    return bool(cells) and all(cells) and len(set(cells)) == len(cells)
