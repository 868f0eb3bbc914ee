"""Any table file as rows of text: text, XLSX, SPSS or Stata."""

import codecs
import csv
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.readers import sheets
from polarnet.readers.apart import read_apart
from polarnet.readers.sheets import Sheet, sheet_of_rows
from polarnet.readers.words import is_number
from polarnet.readers.workbooks import damaged, import_library, read_workbook


def read_sheet(path: str | Path, *, with_formulas: bool = False) -> Sheet:
    """Read a table file, whatever it is, as text.

    Parameters
    ----------
    path
        `.csv`, `.tsv`, `.txt`, `.dat` or `.asc` (separator and encoding are found: UTF-8, UTF-16 or
        Windows-1252), `.xlsx` (its first visible worksheet), `.sav` or `.dta` (labels in place of
        the values that have one, the names of the variables as first row).
    with_formulas
        Whether cells that a spreadsheet would compute are given as text, for a caller that looks
        at those which it takes over (`is_formula`). Else one of them refuses the file. What a
        workbook's formula has given is a value, and no formula.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: the file is of another kind, damaged, encrypted, empty or too large; has cells
        that a spreadsheet would compute; or a package that reads it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No table {path}.")
    kind = path.suffix.lower()
    if kind not in _READERS:
        raise ValueError(
            f"{path.name}: tables are read from {', '.join(_READERS)}. "
            "Open it in the program that wrote it and save it as .xlsx or .csv."
        )
    is_text = _READERS[kind] is _read_text
    limit = sheets.MAX_TEXT_BYTES if is_text else sheets.MAX_WORKBOOK_BYTES
    size = path.stat().st_size
    if size > limit:
        raise ValueError(
            f"{path.name} has {size / sheets.MB:,.0f} MB, more than the "
            f"{limit / sheets.MB:.0f} MB that a {kind} table may have. Is it the right file?"
        )
    if size == 0:
        raise ValueError(f"{path.name} is empty.")
    sheet = _READERS[kind](path)
    if sheet.formulas and not with_formulas:
        compute = "Save it in the spreadsheet program, which computes them; or put"
        raise ValueError(
            f"{path.name}: {sheet.formulas}. {compute if kind == '.xlsx' else 'Put'} values in "
            "their place (copy, then paste as values), or take that first character away."
        )
    return sheet


# === Text ===

_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
"""Characters that no table in a text file has."""

_PADDING: Final = "\0\x1a"
"""What old programs put after the end of a text: NUL, and the Ctrl-Z of DOS."""

_SEPARATORS: Final = "\t;|"
"""What separates columns, beside the comma, which may also be a decimal one."""

_SAMPLE: Final = 64 * 1024
"""Bytes or characters at the beginning of a file by which it is judged."""


def _read_text(path: Path) -> Sheet:
    """Cells of a text file; separator and encoding are found."""
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


# === SPSS and Stata ===

SECONDS: Final = 60.0
"""Longest time for a file of SPSS or Stata (our choice): five million cells take half of it."""


def _read_frame(function: Callable[[Path], bytes], path: Path) -> Sheet:
    """The sheet that a function of the process apart makes: damaged files end their readers."""
    if function is _spss_as_json:
        import_library("pyreadstat", path, "spss")
    try:
        return Sheet(**json.loads(read_apart(function, path, seconds=SECONDS)))
    except ValueError as error:
        if str(error).startswith(path.name):
            raise
        raise ValueError(
            f"{path.name} {error}. Open it in the program that wrote it and save it again."
        ) from None


def _spss_as_json(path: Path) -> bytes:
    """In the process apart: cells of an SPSS file."""
    pyreadstat = import_module("pyreadstat")
    with path.open("rb") as file:
        if file.read(4) == b"$FL3":
            # Compressed like a zip file, but nothing says how much it unpacks to.
            raise ValueError(f"{path.name} is compressed. Save it as plain .sav, not .zsav.")
    try:
        _, facts = pyreadstat.read_sav(path, metadataonly=True)
    except Exception:  # readstat's own, and whatever a damaged dictionary causes
        raise damaged(path) from None
    n_rows, n_columns = facts.number_rows or 0, facts.number_columns
    sheets.check_table(path.name, n_rows, n_columns, n_rows * n_columns)
    # The number of rows may be stated wrongly, or not at all.
    most = min(sheets.MAX_ROWS, sheets.MAX_CELLS // max(n_columns, 1)) + 1
    try:
        frame, _ = pyreadstat.read_sav(
            path, apply_value_formats=True, formats_as_category=False, row_limit=most
        )
    except Exception:  # as above
        raise damaged(path) from None
    return _as_json(path.name, frame)


def _stata_as_json(path: Path) -> bytes:
    """In the process apart: cells of a Stata file, with labels in place of values."""
    with warnings.catch_warnings():
        # pandas warns of values without label; they stay what they are.
        warnings.simplefilter("ignore")
        try:
            # Not as categories, of which pandas wants each label once.
            with pd.read_stata(path, convert_categoricals=False, iterator=True) as reader:
                frame = reader.read()
                # pandas tells the labels by set, and which variable has which set in private.
                sets = reader.value_labels()
                named = dict(zip(reader._varlist, reader._lbllist, strict=True))
        except Exception:  # ValueError, struct.error, KeyError, UnicodeDecodeError, ...
            raise damaged(path) from None
    for variable, name in named.items():
        texts, codes = sets.get(name, {}), frame[variable]
        if set(codes) & set(texts):
            frame[variable] = [texts.get(code, code) for code in codes]
    return _as_json(path.name, frame)


def _as_json(name: str, frame: pd.DataFrame) -> bytes:
    """The sheet of a table with typed columns; its first row has the variables' names."""
    sheets.check_table(name, len(frame), frame.shape[1], frame.size)
    columns = [
        # NumPy's own scalars print a float32 as 2.54 and not as 2.5399999618530273.
        list(column.to_numpy() if column.dtype.kind == "f" else column)
        for _, column in frame.items()
    ]
    rows = zip(*columns, strict=True) if columns else ()
    sheet = sheet_of_rows(name, enumerate([tuple(map(str, frame.columns)), *rows], start=1))
    return json.dumps(vars(sheet)).encode()


_READERS: Final[dict[str, Callable[[Path], Sheet]]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".asc"), _read_text),
    ".xlsx": read_workbook,
    ".sav": partial(_read_frame, _spss_as_json),
    ".dta": partial(_read_frame, _stata_as_json),
}
