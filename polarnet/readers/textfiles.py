"""Cells of a text file: its encoding and what separates its columns are found."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from polarnet.readers import sheets
from polarnet.readers.sheets import Sheet, sheet_of_rows
from polarnet.readers.words import is_number

_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
"""Characters that no table in a text file has."""

_PADDING: Final = "\0\x1a"
"""What old programs put after the end of a text: NUL, and the Ctrl-Z of DOS."""

_SEPARATORS: Final = "\t;|"
"""What separates columns, beside the comma, which may also be a decimal one."""

_SAMPLE: Final = 64 * 1024
"""Bytes or characters at the beginning of a file by which it is judged."""


def read_text(path: Path) -> Sheet:
    """Cells of a text file; separator and encoding are found.

    Raises
    ------
    ValueError: the file is no text, its separator is unclear, quotation marks do not pair up, or
        its rows make no sheet.
    """
    encoding, sample, is_padded = _decoded(path)
    delimiter, n_skipped = _delimiter(path.name, sample)
    split = _spaced_rows if delimiter == " " else _delimited_rows
    with path.open(encoding=encoding, newline="") as file:
        lines = (line.rstrip(_PADDING) for line in file) if is_padded else file
        rows = split(path.name, lines, delimiter)
        return sheet_of_rows(path.name, (row for row in rows if row[0] > n_skipped), delimiter)


def _decoded(path: Path) -> tuple[str, str, bool]:
    """Encoding of the whole file, its first lines, and whether its end is padded."""
    data = path.read_bytes()
    for encoding in _encodings(data[:_SAMPLE]):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        n_characters = len(text)
        text = text.rstrip(_PADDING)
        if _BINARY.search(text):
            break
        sample = text[:_SAMPLE]
        if len(sample) < len(text):
            # A line that is cut has fewer separators than it should have.
            sample = sample[: max(sample.rfind("\n"), sample.rfind("\r"))]
        return encoding, sample, len(text) < n_characters
    raise ValueError(
        f"{path.name} is not a text file. Save the table as CSV in UTF-8, and workbooks as .xlsx."
    )


def _encodings(start: bytes) -> list[str]:
    """Encodings to try, by the byte order mark, or where the zeros of UTF-16 stand."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    even, odd = start[::2], start[1::2]
    for encoding, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(high) > 1 and high.count(0) > 0.8 * len(high) and low.count(0) < 0.1 * len(low):
            return [encoding]
    return ["utf-8-sig"] if start.startswith(codecs.BOM_UTF8) else ["utf-8", "cp1252"]


def _delimiter(name: str, sample: str) -> tuple[str, int]:
    """What separates columns, and how many lines at the top say so and nothing else."""
    if stated := re.match(r'"?sep=([,;|\t])"?[\r\n]', sample):
        return stated[1], 1
    # Line ends of any system; never the rarer ones of Unicode, which occur inside cells.
    unquoted = re.sub(r'"[^"]*"', '""', sample)
    lines = [line for line in re.split(r"[\r\n]+", unquoted) if line.strip()][:50]
    shares = {s: _consistency([line.count(s) for line in lines]) for s in f"{_SEPARATORS},"}
    for delimiter in _SEPARATORS:
        if shares[delimiter] and _commas_are_decimal(lines, delimiter):
            return delimiter, 0
    best = max(shares, key=lambda delimiter: shares[delimiter])
    tokens = [line.split() for line in lines]
    is_numeric = all(is_number(token) for row in tokens[1:] for token in row)
    is_spaced = _consistency([len(row) - 1 for row in tokens])
    if is_numeric and is_spaced and _commas_are_decimal(lines, None):
        return " ", 0
    if best == "," and shares[","] and _is_one_column(name, tokens):
        return "", 0
    if shares[best]:
        return best, 0
    return (" " if is_spaced >= 0.9 else ""), 0


def _consistency(counts: Sequence[int]) -> float:
    """Share of lines with the usual number of separators; 0 if most lines have none."""
    present = [n for n in counts if n > 0]
    if not present or len(present) < len(counts) / 2:
        return 0.0
    return Counter(present).most_common(1)[0][1] / len(counts)


def _commas_are_decimal(lines: Sequence[str], delimiter: str | None) -> bool:
    """True if every comma left by this separator is one in a number."""
    return all(
        is_number(cell.strip()) for line in lines for cell in line.split(delimiter) if "," in cell
    )


def _is_one_column(name: str, tokens: Sequence[Sequence[str]]) -> bool:
    """True for a heading above numbers with decimal comma, which look like two columns."""
    pairs = [len(row) == 1 and re.fullmatch(r"-?\d+,\d+", row[0]) is not None for row in tokens]
    if not all(pairs[1:]):
        return False
    if pairs[0]:
        raise ValueError(
            f"{name}: lines such as 2,54 may be two columns, or one with a decimal comma. Save it "
            "with semicolons between the columns, or with a heading in the first line."
        )
    return len(tokens) > 1 and "," not in "".join(tokens[0])


def _delimited_rows(
    name: str, file: Iterable[str], delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Cells between separators; a line end within quotation marks belongs to its cell."""
    # A text file with a single column has no tabs.
    separator = delimiter or "\t"

    def lines() -> Iterator[str]:
        # Before the split, which makes a list of all cells of a line, however long.
        n_cells = 0
        for number, line in enumerate(file, start=1):
            n_columns = line.count(separator) + 1
            n_cells += n_columns
            sheets.check_table(name, number, n_columns, n_cells)
            yield line

    rows = csv.reader(lines(), delimiter=separator, skipinitialspace=True, strict=True)
    number = 1
    try:
        for row in rows:
            yield number, row
            number = rows.line_num + 1
    except csv.Error:
        raise ValueError(
            f"{name} line {number}: quotation marks do not pair up. Put one at either end of the "
            "cell, and write one within a cell twice."
        ) from None


def _spaced_rows(name: str, file: Iterable[str], _: str) -> Iterator[tuple[int, list[str]]]:
    """Cells between runs of spaces."""
    n_cells = 0
    for number, line in enumerate(file, start=1):
        # One more than allowed, at most: the rest of a hostile line is never split.
        row = line.split(None, sheets.MAX_COLUMNS)
        n_cells += len(row)
        sheets.check_table(name, number, len(row), n_cells)
        yield number, row
