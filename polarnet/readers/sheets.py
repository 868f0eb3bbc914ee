"""What cells does this table file hold? Text, XLSX, SPSS and Stata, as rows of text."""

import codecs
import csv
import json
import math
import re
import sys
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from xml.parsers import expat

import pandas as pd

from polarnet.readers.apart import read_apart

_MB: Final = 2**20

MAX_TEXT_BYTES: Final = 64 * _MB
"""Largest text table (our choice; 10,000 studies with 400 columns are about 20 MB)."""

MAX_WORKBOOK_BYTES: Final = 32 * _MB
"""Largest workbook, SPSS or Stata file, as it lies on disk (our choice)."""

MAX_UNPACKED_BYTES: Final = 256 * _MB
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

_DATES: Final = (date, time, timedelta)

_SHOWN: Final = 5
"""Offending cells or rows named by position; the rest are counted."""

_MISSING: Final = frozenset(("", "-", "–", "—", "n/a", "na", "nan", "k.a.", "k.a", ".", "#n/a"))  # noqa: RUF001
"""Cells that mean: not recorded. Spreadsheets turn a hyphen into the longer dashes."""

_NUMBER: Final = re.compile(
    r"[+-]?(\d+(\.\d*|,\d+)?|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE
)
"""A plain number; the decimal separator is a point or a comma."""

_FORMULA: Final = re.compile(r"[=+@\t\r]|-(?!$|[\d.,])|-.*([|!=]|\w\()", re.DOTALL)
"""How cells begin that a spreadsheet would compute.

A minus may stand before a digit, unless a call or a link to a program comes after it.
"""

_FIRST: Final = frozenset("=+-@\t\r")
"""First characters after which a cell is looked at more closely."""

_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
"""Characters that no table in a text file has."""


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
    """

    rows: list[list[str]]
    dates: frozenset[tuple[int, int]]
    delimiter: str
    row_numbers: list[int]
    note: str = ""

    def __repr__(self) -> str:
        # Never the cells: they may name people.
        return f"Sheet({len(self.rows)} rows, up to {max(map(len, self.rows), default=0)} columns)"


def read_sheet(path: str | Path) -> Sheet:
    """Read a table file, whatever it is, as text.

    Parameters
    ----------
    path
        `.csv`, `.tsv` or `.txt` (separator and encoding are found: UTF-8, UTF-16 with byte order
        mark, or Windows-1252), `.xlsx` (its first visible worksheet), `.sav` or `.dta` (labels in
        place of the values that have one, the names of the variables as first row).

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
    size, limit = path.stat().st_size, MAX_TEXT_BYTES if is_text else MAX_WORKBOOK_BYTES
    if size > limit:
        raise ValueError(
            f"{path.name} has {size / _MB:,.0f} MB, more than the {limit / _MB:.0f} MB that a "
            f"{kind} table may have. Is it the right file?"
        )
    if size == 0:
        raise ValueError(f"{path.name} is empty.")
    return _READERS[kind](path)


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
    ValueError: a header is empty or occurs twice, or a row is longer than the header.
    """
    header, body = sheet.rows[0], sheet.rows[1:]
    n_with = Counter(header)
    unclear = [p for p, cell in enumerate(header, start=1) if not cell or n_with[cell] > 1]
    if unclear:
        # By position, because the first line of a table without header is a patient's.
        raise ValueError(
            f"{name} line {sheet.row_numbers[0]}: no name, or that of another column, over column "
            f"{_some(unclear)}. Give every column a name of its own."
        )
    width = len(header)
    if long := [n for n, row in zip(sheet.row_numbers[1:], body, strict=True) if len(row) > width]:
        raise ValueError(
            f"{name}: more cells than the {width} names in the first line, in line {_some(long)}. "
            "Put quotation marks around cells that hold the separator, or name all columns."
        )
    filled = [row + [""] * (width - len(row)) for row in body]
    index = pd.Index(sheet.row_numbers[1:], name="line", dtype="int64")
    return pd.DataFrame(filled, columns=header, index=index, dtype=str)


def is_missing(cell: str) -> bool:
    """True where a cell means: not recorded.

    >>> [is_missing(cell) for cell in ("", "-", "k. A.", "0")]
    [True, True, True, False]
    """
    return cell.replace(" ", "").casefold() in _MISSING


def is_number(cell: str) -> bool:
    """True where a cell is a plain number, with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(cell) is not None


def parse_number(cell: str, decimal_comma: bool) -> float:
    """The number in a cell, NaN where it is not recorded.

    Raises
    ------
    ValueError: the cell is no finite number, or has the other decimal separator. The text does
        not repeat the cell.

    >>> parse_number("2,5", decimal_comma=True)
    2.5
    """
    text = cell.strip().replace("\N{MINUS SIGN}", "-")
    if is_missing(text):
        return math.nan
    if not is_number(text):
        raise ValueError("not a number")
    if (other := "." if decimal_comma else ",") in text:
        usual = "comma" if decimal_comma else "point"
        raise ValueError(f"a decimal '{other}' where the table has a decimal {usual}")
    value = float(text.replace(",", "."))
    if math.isinf(value):
        raise ValueError("not a finite number")
    return value


def uses_decimal_comma(cells: Iterable[str]) -> bool:
    """True if the numbers among a table's cells have a decimal comma.

    Raises
    ------
    ValueError: some have a comma, others a point.
    """
    numbers = [cell for cell in map(str.strip, cells) if is_number(cell)]
    n_comma = sum("," in cell for cell in numbers)
    n_point = sum("." in cell for cell in numbers)
    if n_comma and n_point:
        raise ValueError(
            f"{n_comma} numbers have a comma (as 2,54) and {n_point} have a point (as 2.54). "
            "Write all of them in one way"
        )
    return n_comma > 0


# === One sheet out of rows, whatever they came from ===


def _sheet(
    name: str, numbered: Iterable[tuple[int, Sequence[Any]]], delimiter: str = "", note: str = ""
) -> Sheet:
    """Rows of a file, with their numbers, as text; limits and formulas are looked at."""
    rows: list[list[str]] = []
    row_numbers, dates = [], set()
    formulas: list[str] = []
    n_formulas = n_cells = 0
    for number, values in numbered:
        # Whatever a row holds, a reader that goes on for ever ends here.
        _check_limits(name, number, len(values), n_cells)
        texts = [value if isinstance(value, str) else _cell_text(value) for value in values]
        cells = [text.strip() for text in texts]
        for column, (text, cell) in enumerate(zip(texts, cells, strict=True), start=1):
            if cell and (cell[0] in _FIRST or text[0] in _FIRST) and _is_formula(text, cell):
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
        n_cells += len(cells)
    _check_limits(name, 0, 0, n_cells)
    if formulas:
        raise ValueError(
            f"{name}: {n_formulas} cells are formulas, or begin like one (= + - @): "
            f"{_some(formulas, n_formulas)}. Put values in their place (copy, then paste as "
            "values), or take that first character away."
        )
    if not rows:
        raise ValueError(f"{name} is empty.")
    return Sheet(rows, frozenset(dates), delimiter, row_numbers, note)


def _check_limits(name: str, n_rows: int, n_columns: int, n_cells: int) -> None:
    """Raise ValueError where a table is larger than tables are."""
    if n_rows > MAX_ROWS:
        raise _too_many(name, MAX_ROWS, "rows")
    if n_columns > MAX_COLUMNS:
        raise _too_many(name, MAX_COLUMNS, "columns")
    if n_cells > MAX_CELLS:
        raise _too_many(name, MAX_CELLS, "cells")


def _too_many(name: str, limit: int, what: str) -> ValueError:
    return ValueError(f"{name} has more than {limit:,} {what}. Is it the right file?")


def _is_formula(text: str, cell: str) -> bool:
    """True for what a spreadsheet would compute, a plain number excepted."""
    return not is_number(cell) and bool(_FORMULA.match(text) or _FORMULA.match(cell))


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


def _library(package: str, path: Path, extra: str) -> ModuleType:
    """A package that only some users need."""
    try:
        return import_module(package)
    except ImportError:
        raise ValueError(
            f"{path.name}: {path.suffix} files are read by {package}, which is not installed. "
            f"Install it with: pip install polarnet[{extra}]"
        ) from None


def _damaged(path: Path) -> ValueError:
    # Without the library's own words, which repeat the cell that it stumbled over.
    return ValueError(
        f"{path.name} is damaged, or no {path.suffix} file. Open it in the program that wrote it "
        "and save it again."
    )


# === Text ===


def _read_text(path: Path) -> Sheet:
    """Cells of a text file."""
    encoding, sample = _decoded(path)
    delimiter, n_skipped = _delimiter(path.name, sample)
    split = _spaced_rows if delimiter == " " else _delimited_rows
    with path.open(encoding=encoding, newline="") as file:
        rows = split(path.name, file, delimiter)
        return _sheet(path.name, (row for row in rows if row[0] > n_skipped), delimiter)


def _decoded(path: Path) -> tuple[str, str]:
    """Encoding of the whole file, and its first lines."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif data.startswith(codecs.BOM_UTF8):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _BINARY.search(text):
            break
        sample = text[: 64 * 1024]
        # A line that is cut has fewer separators than it should have.
        return encoding, sample if len(sample) == len(text) else sample[: sample.rfind("\n")]
    raise ValueError(
        f"{path.name} is not a text file. Save the table as CSV in UTF-8, and workbooks as .xlsx."
    )


def _delimiter(name: str, sample: str) -> tuple[str, int]:
    """What separates columns, and how many lines at the top say so and nothing else."""
    if stated := re.match(r'"?sep=([,;\t])"?[\r\n]', sample):
        return stated[1], 1
    # Line ends of any system; never the rarer ones of Unicode, which occur inside cells.
    lines = [line for line in re.split(r"[\r\n]+", _unquoted(sample)) if line.strip()][:50]
    shares = {
        delimiter: _consistency([line.count(delimiter) for line in lines]) for delimiter in "\t;,"
    }
    for delimiter in "\t;":
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


def _unquoted(sample: str) -> str:
    return re.sub(r'"[^"]*"', '""', sample)


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

    def is_pair(row: Sequence[str]) -> bool:
        return len(row) == 1 and re.fullmatch(r"-?\d+,\d+", row[0]) is not None

    if not all(map(is_pair, tokens[1:])):
        return False
    if is_pair(tokens[0]):
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
            _check_limits(name, number, n_columns, n_cells)
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
        row = line.split(None, MAX_COLUMNS)
        n_cells += len(row)
        _check_limits(name, number, len(row), n_cells)
        yield number, row


# === XLSX ===


def _read_xlsx(path: Path) -> Sheet:
    """Cells of the first visible worksheet."""
    openpyxl = _library("openpyxl", path, "excel")
    _check_zip(path)
    # Opened here: openpyxl leaves it open where reading ends early, and Windows locks open files.
    with path.open("rb") as file, warnings.catch_warnings():
        # openpyxl warns of drawings and styles that it will not write back; we never write.
        warnings.simplefilter("ignore")
        try:
            workbook = openpyxl.load_workbook(file, read_only=True, keep_links=False)
        except Exception:  # it has no error class for what its XML trips over
            raise _damaged(path) from None
        visible = [s for s in workbook.worksheets if s.sheet_state == "visible"]
        if not visible:
            raise ValueError(f"{path.name} has no visible worksheet. Unhide the one to read.")
        # Some programs state a size that is not that of the table.
        visible[0].reset_dimensions()
        rows = enumerate(visible[0].iter_rows(values_only=True), start=1)
        n_others = len(workbook.worksheets) - 1
        note = f"{path.name}: the first visible worksheet was read, {n_others} more were not"
        return _sheet(path.name, _unharmed(path, rows), note=note if n_others else "")


def _unharmed(
    path: Path, rows: Iterator[tuple[int, tuple[Any, ...]]]
) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows, as long as the library can read them and they stay within the limits."""
    n_cells = 0
    while True:
        try:
            number, values = next(rows)
        except StopIteration:
            return
        except Exception:  # as above
            raise _damaged(path) from None
        # Empty cells too: one cell far to the right in every row makes a library slow.
        n_cells += len(values)
        if n_cells > MAX_ELEMENTS * 2:
            raise ValueError(
                f"{path.name} has too many empty cells between or beside those with content. Copy "
                "the table into a new workbook."
            )
        if any(isinstance(value, str) and len(value) > csv.field_size_limit() for value in values):
            raise ValueError(f"{path.name} row {number}: a cell holds more text than any cell can.")
        yield number, values


def _check_zip(path: Path) -> None:
    """Raise ValueError for what is no workbook, before anything of it is unpacked at length."""
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path.name} is no .xlsx workbook, or has a password. Open it in the spreadsheet "
            "program and save it as .xlsx without a password."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            # The stated size is also the most that Python's zipfile unpacks of an entry.
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > MAX_UNPACKED_BYTES:
                raise ValueError(
                    f"{path.name} unpacks to {unpacked / _MB:,.0f} MB, more than "
                    f"{MAX_UNPACKED_BYTES / _MB:.0f} MB. Copy the table into a new workbook."
                )
            if any(entry.flag_bits & 1 for entry in entries):
                raise ValueError(f"{path.name} is encrypted. Save it without a password.")
            if any(_is_archive(entry.filename) for entry in entries):
                raise ValueError(
                    f"{path.name} holds another file inside. Copy the table into a new workbook."
                )
            _check_xml(path.name, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
        raise _damaged(path) from None


def _is_archive(filename: str) -> bool:
    return filename.lower().endswith((".zip", ".gz", ".7z", ".rar", ".xlsx", ".xlsm", ".xlsb"))


def _check_xml(name: str, archive: zipfile.ZipFile) -> None:
    """Count elements with a parser that keeps none of them, as openpyxl keeps a row of them."""
    n_elements = n_cells = n_columns = 0

    def begin(tag: str, _: dict[str, str]) -> None:
        nonlocal n_elements, n_cells, n_columns
        n_elements += 1
        if tag == "c" or tag.endswith(":c"):
            n_columns += 1
            n_cells += 1
            if n_columns > MAX_COLUMNS:
                raise _too_many(name, MAX_COLUMNS, "columns")
            if n_cells > MAX_WORKBOOK_CELLS:
                raise _too_many(name, MAX_WORKBOOK_CELLS, "cells")
        elif tag == "row" or tag.endswith(":row"):
            n_columns = 0
        if n_elements > MAX_ELEMENTS:
            raise _too_many(name, MAX_ELEMENTS, "XML elements")

    def refuse_doctype(*_: object) -> None:
        raise ValueError(f"{name} defines XML entities, which no spreadsheet program does.")

    for entry in archive.infolist():
        parser = expat.ParserCreate()
        parser.StartElementHandler = begin
        parser.StartDoctypeDeclHandler = refuse_doctype
        n_columns = 0
        with archive.open(entry) as part:
            try:
                while chunk := part.read(_MB):
                    parser.Parse(chunk)
            except expat.ExpatError:
                continue  # a picture; or openpyxl, with the same parser, stops here too


# === SPSS and Stata ===


def _read_sav(path: Path) -> Sheet:
    """Cells of an SPSS file, read by a process of its own.

    Some damaged files end the process that reads them, without an error that could be caught.
    """
    _library("pyreadstat", path, "spss")
    try:
        content = json.loads(read_apart(__name__, "_print_sav", path))
    except ValueError:
        raise _damaged(path) from None
    if "error" in content:
        raise ValueError(content["error"])
    dates = frozenset((row, column) for row, column in content["dates"])
    return Sheet(content["rows"], dates, "", content["row_numbers"])


def _print_sav() -> None:
    """The other process: write a sheet, or why there is none, to standard output."""
    try:
        sheet = _sav_sheet(Path(sys.argv[1]))
        content = {"rows": sheet.rows, "dates": [*sheet.dates], "row_numbers": sheet.row_numbers}
    except ValueError as error:
        content = {"error": str(error)}
    sys.stdout.write(json.dumps(content))


def _sav_sheet(path: Path) -> Sheet:
    """Cells of an SPSS file that does no harm."""
    pyreadstat = import_module("pyreadstat")
    with path.open("rb") as file:
        if file.read(4) == b"$FL3":
            # Compressed like a zip file, but nothing says how much it unpacks to.
            raise ValueError(f"{path.name} is compressed. Save it as plain .sav, not .zsav.")
    try:
        _, facts = pyreadstat.read_sav(path, metadataonly=True)
    except Exception:  # readstat's own, and whatever a damaged dictionary causes
        raise _damaged(path) from None
    n_rows, n_columns = facts.number_rows or 0, facts.number_columns
    _check_limits(path.name, n_rows, n_columns, n_rows * n_columns)
    # The number of rows may be stated wrongly, or not at all.
    most = min(MAX_ROWS, MAX_CELLS // max(n_columns, 1)) + 1
    try:
        frame, _ = pyreadstat.read_sav(
            path, apply_value_formats=True, formats_as_category=False, row_limit=most
        )
    except Exception:  # as above
        raise _damaged(path) from None
    return _frame_sheet(path.name, frame)


def _read_dta(path: Path) -> Sheet:
    """Cells of a Stata file."""
    with warnings.catch_warnings():
        # pandas warns of values without label; they stay what they are.
        warnings.simplefilter("ignore")
        try:
            frame = pd.read_stata(path, order_categoricals=False)
        except Exception:  # ValueError, struct.error, KeyError, UnicodeDecodeError, ...
            raise _damaged(path) from None
    return _frame_sheet(path.name, frame)


def _frame_sheet(name: str, frame: pd.DataFrame) -> Sheet:
    """A sheet of a table with typed columns; its first row has the variables' names."""
    _check_limits(name, len(frame), frame.shape[1], frame.size)
    columns = [
        # NumPy's own scalars print a float32 as 2.54 and not as 2.5399999618530273.
        list(column.to_numpy() if column.dtype.kind == "f" else column)
        for _, column in frame.items()
    ]
    rows = zip(*columns, strict=True) if columns else ()
    return _sheet(name, enumerate([tuple(map(str, frame.columns)), *rows], start=1))


_READERS: Final[dict[str, Callable[[Path], Sheet]]] = {
    ".csv": _read_text,
    ".tsv": _read_text,
    ".txt": _read_text,
    ".xlsx": _read_xlsx,
    ".sav": _read_sav,
    ".dta": _read_dta,
}
