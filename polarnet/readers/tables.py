"""Any table file as rows of text: text, XLSX, SPSS or Stata."""

import codecs
import csv
import json
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from xml.parsers import expat

import numpy as np

from polarnet.readers import sheets
from polarnet.readers.apart import read_apart
from polarnet.readers.sheets import Sheet, check_count, sheet_of_rows
from polarnet.readers.words import is_number


def read_sheet(path: str | Path, *, with_formulas: bool = False) -> Sheet:
    """Read a table file, whatever it is, as text.

    A workbook is its first visible worksheet; a formula in it is the value that it has given. SPSS
    and Stata files have labels in place of the values that have one, and the names of the variables
    as first row. `with_formulas`: give cells that a spreadsheet would compute as text, for a caller
    that looks at those which it takes over (`is_formula`); else one of them refuses the file.

    FileNotFoundError: no such file. ValueError: the file is of another kind, damaged, encrypted,
    empty or too large, or a package that reads it is not installed.
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

_SEPARATORS: Final = "\t;|"
"""What separates columns, beside the comma, which may also be a decimal one."""

_SAMPLE: Final = 64 * 1024  # characters at the beginning of a file by which it is judged


def _read_text(path: Path) -> Sheet:
    """Cells of a text file; separator and encoding are found."""
    encoding, sample = _decoded(path)
    delimiter, n_skipped = _delimiter(path.name, sample)
    with path.open(encoding=encoding, newline="") as file:
        rows = _rows(path.name, file, delimiter)
        return sheet_of_rows(path.name, (row for row in rows if row[0] > n_skipped), delimiter)


def _decoded(path: Path) -> tuple[str, str]:
    """Encoding of the whole file, and its first lines."""
    data = path.read_bytes()
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ["utf-16"] if is_wide else ["utf-8-sig", "cp1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _BINARY.search(text):
            break
        sample = text[:_SAMPLE]
        if len(sample) < len(text):
            # A line that is cut has fewer separators than it should have.
            sample = sample[: max(sample.rfind("\n"), sample.rfind("\r"))]
        return encoding, sample
    raise ValueError(
        f"{path.name} is not a text file. Save the table as CSV in UTF-8, and workbooks as .xlsx."
    )


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
    tokens = [line.split() for line in lines]
    is_numeric = all(is_number(token) for row in tokens[1:] for token in row)
    is_spaced = _consistency([len(row) - 1 for row in tokens])
    if is_numeric and is_spaced and _commas_are_decimal(lines, None):
        return " ", 0
    best = max(shares, key=lambda delimiter: shares[delimiter])
    if best == "," and shares[","] and all(re.fullmatch(r"-?\d+,\d+", s) for s in lines[1:]):
        if re.fullmatch(r"-?\d+,\d+", lines[0]):
            raise ValueError(
                f"{name}: lines such as 2,54 may be two columns, or one with a decimal comma. Save "
                "it with semicolons between the columns, or with a heading in the first line."
            )
        if len(lines) > 1 and "," not in lines[0]:
            return "", 0  # a heading above numbers with decimal comma
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


def _rows(name: str, file: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row and the line where it begins; quotation marks may hold a line end."""
    separator = delimiter or "\t"  # a text file with a single column has no tabs

    def lines() -> Iterator[str]:
        # Before the split, which makes a list of all cells of a line, however long.
        n_cells = 0
        for number, line in enumerate(file, start=1):
            n_columns = line.count(separator) + 1
            n_cells += n_columns
            sheets.check_table(name, number, n_columns, n_cells)
            yield " ".join(line.split()) if separator == " " else line

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


def _import_library(package: str, path: Path, extra: str) -> ModuleType:
    """A package that only some users need; ValueError, which names the extra, where it lacks."""
    try:
        return import_module(package)
    except ImportError:
        raise ValueError(
            f"{path.name}: {path.suffix} files are read by {package}, which is not installed. "
            f"Install it with: pip install polarnet[{extra}]"
        ) from None


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Whatever a library raises becomes one error without its words, which repeat cells."""
    try:
        yield
    except Exception as error:  # there is no class for what libraries trip over
        if str(error).startswith(path.name):
            raise  # it says already what is wrong
        raise ValueError(
            f"{path.name} is damaged, or no {path.suffix} file. Open it in the program that wrote "
            "it and save it again."
        ) from None


# === SPSS and Stata ===

SECONDS: Final = 60.0
"""Longest time for a file of SPSS or Stata (our choice): five million cells take half of it."""


def _read_statistics(path: Path) -> Sheet:
    """The sheet that a process apart makes: damaged files end their readers."""
    _import_library("pyreadstat", path, "spss")
    try:
        return Sheet(**json.loads(read_apart(_as_json, path, seconds=SECONDS)))
    except ValueError as error:
        if str(error).startswith(path.name):
            raise
        raise ValueError(
            f"{path.name} {error}. Open it in the program that wrote it and save it again."
        ) from None


def _as_json(path: Path) -> bytes:
    """In the process apart: cells, with labels in place of values, below the variables' names."""
    pyreadstat = import_module("pyreadstat")
    read = pyreadstat.read_sav if path.suffix.lower() == ".sav" else pyreadstat.read_dta
    with path.open("rb") as file:
        if file.read(4) == b"$FL3":
            # Compressed like a zip file, but nothing says how much it unpacks to.
            raise ValueError(f"{path.name} is compressed. Save it as plain .sav, not .zsav.")
    with _damage_told(path):
        _, facts = read(path, metadataonly=True)
        n_rows, n_columns = facts.number_rows or 0, facts.number_columns
        sheets.check_table(path.name, n_rows, n_columns, n_rows * n_columns)
        # The number of rows may be stated wrongly, or not at all.
        most = min(sheets.MAX_ROWS, sheets.MAX_CELLS // max(n_columns, 1)) + 1
        frame, _ = read(path, apply_value_formats=True, formats_as_category=False, row_limit=most)
    sheets.check_table(path.name, len(frame), frame.shape[1], frame.size)
    columns = []
    for name, column in frame.items():
        # A float32 prints as 2.54, and as 2.5399999618530273 once it is a double.
        is_single = facts.readstat_variable_types.get(name) == "float"
        is_single = is_single and column.dtype.kind == "f"
        columns.append(list(column.to_numpy(np.float32) if is_single else column))
    rows = [tuple(map(str, frame.columns)), *zip(*columns, strict=True)]
    return json.dumps(vars(sheet_of_rows(path.name, enumerate(rows, start=1)))).encode()


# === Workbooks, which are searched for what may harm before they are unpacked ===

_HARMFUL: Final = re.compile(
    r"\||\b(cmd|dde|msexcel|call|exec|register(\.id)?|webservice|importdata)\s*\(", re.IGNORECASE
)
"""Links to programs, and calls of them."""

_ARCHIVES: Final = (".zip", ".gz", ".7z", ".rar", ".xlsx", ".xlsm", ".xlsb")


def _read_workbook(path: Path) -> Sheet:
    """Cells of the first visible worksheet; ValueError where they cannot or should not be read."""
    openpyxl = _import_library("openpyxl", path, "excel")
    search = _searched(path, openpyxl)
    # Opened here: openpyxl leaves it open where reading ends early, and Windows locks open files.
    with _damage_told(path), path.open("rb") as file, warnings.catch_warnings():
        # openpyxl warns of drawings and styles that it will not write back; we never write.
        warnings.simplefilter("ignore")
        workbook = openpyxl.load_workbook(file, True, keep_links=False, data_only=True)
        visible = [s for s in workbook.worksheets if s.sheet_state == "visible"]
        if not visible:
            raise ValueError(f"{path.name} has no visible worksheet. Unhide the one to read.")
        part = visible[0]._worksheet_path
        # Some programs state a size that is not that of the table.
        visible[0].reset_dimensions()
        cells, formulas = visible[0].iter_rows(values_only=True), search.formulas.get(part, {})
        n_others = len(workbook.worksheets) - 1
        note = f"the first visible worksheet was read, {n_others} more were not"
        rows = _filled(path.name, cells, formulas)
        sheet = sheet_of_rows(path.name, rows, note=note if n_others else "")
        return replace(sheet, merged=tuple(search.merged.get(part, ())))


def _filled(
    name: str, rows: Iterable[tuple[Any, ...]], formulas: dict[tuple[int, int], str]
) -> Iterator[tuple[int, list[Any]]]:
    """The rows by number; formulas whose value may not be used stand in its place."""
    n_cells = 0
    for number, values in enumerate(rows, start=1):
        # Empty cells too: one cell far to the right in every row makes a library slow.
        n_cells += len(values)
        if n_cells > sheets.MAX_ELEMENTS * 2:
            raise ValueError(
                f"{name} has too many empty cells between or beside those with content. Copy "
                "the table into a new workbook."
            )
        yield number, [formulas.get((number, k), value) for k, value in enumerate(values)]


def _searched(path: Path, openpyxl: ModuleType) -> "_Search":
    """What the workbook's XML holds; ValueError for what is no workbook, before it is unpacked."""
    name = path.name
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{name} is no .xlsx workbook, or has a password. Open it in the spreadsheet "
            "program and save it as .xlsx without a password."
        )
    with _damage_told(path), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        # The stated size is also the most that Python's zipfile unpacks of an entry.
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > sheets.MAX_UNPACKED_BYTES:
            raise ValueError(
                f"{name} unpacks to {unpacked / sheets.MB:,.0f} MB, more than "
                f"{sheets.MAX_UNPACKED_BYTES / sheets.MB:.0f} MB. Copy the table into a new "
                "workbook."
            )
        if any(entry.flag_bits & 1 for entry in entries):
            raise ValueError(f"{name} is encrypted. Save it without a password.")
        if any(entry.filename.lower().endswith(_ARCHIVES) for entry in entries):
            raise ValueError(
                f"{name} holds another file inside. Copy the table into a new workbook."
            )
        search = _Search(name, openpyxl.utils.cell)
        for entry in entries:
            search.read(archive, entry)
        return search


@dataclass
class _Search:
    """Counts XML elements with a parser that keeps none of them, as openpyxl keeps a row of them.

    `formulas` has, for a part of the archive, row (from 1) and column (from 0) of the formulas that
    call a program, or have given nothing because no program has computed them yet; `merged` its
    merged cells, as in `Sheet`.
    """

    name: str
    places: ModuleType
    formulas: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    merged: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    n: Counter[str] = field(default_factory=Counter)

    def read(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        """Search one part of the archive."""
        self.part, self.row, self.column = entry.filename, 0, 0
        self.cell: dict[str, str] = {}
        self.said: dict[str, str] = {}  # text of a formula (f) and of what it has given (v)
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.begin
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype
        with archive.open(entry) as part:
            try:
                while chunk := part.read(sheets.MB):
                    self.parser.Parse(chunk)
            except expat.ExpatError:
                pass  # a picture; or openpyxl, with the same parser, stops here too
        self.end_cell()

    def refuse_doctype(self, *_: object) -> None:
        raise ValueError(f"{self.name} defines XML entities, which no spreadsheet program does.")

    def count(self, what: str, limit: int) -> None:
        self.n[what] += 1
        if self.n[what] > limit:
            check_count(self.name, self.n[what], limit, what)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; only those of a formula's cell are listened to."""
        self.count("XML elements", sheets.MAX_ELEMENTS)
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.end_cell()
            self.cell, self.column = attributes, self.column + 1
            check_count(self.name, self.column, sheets.MAX_COLUMNS, "columns")
            self.count("cells", sheets.MAX_WORKBOOK_CELLS)
        elif tag == "row":
            self.end_cell()
            self.row, self.column = self.row + 1, 0
        elif tag == "f" or (tag == "v" and self.said):
            if tag == "f":
                self.count("formulas", sheets.MAX_FORMULAS)
            self.heard, self.said[tag] = tag, ""
            self.parser.CharacterDataHandler = self.hear
        elif tag == "mergeCell":
            self.count("merged cells", sheets.MAX_MERGED)
            with suppress(ValueError):
                left, first, right, last = self.places.range_boundaries(attributes.get("ref", ""))
                cells = (first, last, left - 1, right - 1)
                self.merged.setdefault(self.part, []).append(cells)

    def hear(self, text: str) -> None:
        self.said[self.heard] += text
        # Text comes line by line: of millions, each would copy all before it.
        n = len(self.said[self.heard])
        check_count(self.name, n, sheets.MAX_CELL_CHARACTERS, "characters in a formula")

    def end_cell(self) -> None:
        """Note the formula of a cell that ends, where its value may not be used."""
        if not self.said:
            return
        said, self.said, self.parser.CharacterDataHandler = self.said, {}, None
        # A formula that gave an empty text has a type, and no value.
        is_lacking = not said.get("v", "").strip() and self.cell.get("t") != "str"
        if is_lacking or _HARMFUL.search(said["f"]):
            row, column = self.row, self.column
            with suppress(ValueError):
                row, column = self.places.coordinate_to_tuple(self.cell.get("r", ""))
            self.formulas.setdefault(self.part, {})[row, column - 1] = f"={said['f']}"


_READERS: Final[dict[str, Callable[[Path], Sheet]]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".asc"), _read_text),
    ".xlsx": _read_workbook,
    ".sav": _read_statistics,
    ".dta": _read_statistics,
}
