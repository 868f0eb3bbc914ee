"""Cells of an XLSX workbook, which is searched for what may harm before it is unpacked."""

import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from xml.parsers import expat

from polarnet.readers import sheets
from polarnet.readers.sheets import Sheet, sheet_of_rows, too_many

_HARMFUL: Final = re.compile(
    r"\||\b(cmd|dde|msexcel|call|exec|register(\.id)?|webservice|importdata)\s*\(", re.IGNORECASE
)
"""Links to programs, and calls of them."""

_ARCHIVES: Final = (".zip", ".gz", ".7z", ".rar", ".xlsx", ".xlsm", ".xlsb")


def import_library(package: str, path: Path, extra: str) -> ModuleType:
    """A package that only some users need; ValueError, which names the extra, where it lacks."""
    try:
        return import_module(package)
    except ImportError:
        raise ValueError(
            f"{path.name}: {path.suffix} files are read by {package}, which is not installed. "
            f"Install it with: pip install polarnet[{extra}]"
        ) from None


def damaged(path: Path) -> ValueError:
    """The error for a file that a library cannot read, without its words, which repeat cells."""
    return ValueError(
        f"{path.name} is damaged, or no {path.suffix} file. Open it in the program that wrote it "
        "and save it again."
    )


def read_workbook(path: Path) -> Sheet:
    """Cells of the first visible worksheet; ValueError where they cannot or should not be read."""
    openpyxl = import_library("openpyxl", path, "excel")
    search = _searched(path, openpyxl)
    # Opened here: openpyxl leaves it open where reading ends early, and Windows locks open files.
    with path.open("rb") as file, warnings.catch_warnings():
        # openpyxl warns of drawings and styles that it will not write back; we never write.
        warnings.simplefilter("ignore")
        try:
            workbook = openpyxl.load_workbook(file, True, keep_links=False, data_only=True)
        except Exception:  # it has no error class for what its XML trips over
            raise damaged(path) from None
        visible = [s for s in workbook.worksheets if s.sheet_state == "visible"]
        if not visible:
            raise ValueError(f"{path.name} has no visible worksheet. Unhide the one to read.")
        part = visible[0]._worksheet_path
        # Some programs state a size that is not that of the table.
        visible[0].reset_dimensions()
        rows = _rows(path, visible[0].iter_rows(values_only=True), search.formulas.get(part, {}))
        n_others = len(workbook.worksheets) - 1
        note = f"the first visible worksheet was read, {n_others} more were not"
        sheet = sheet_of_rows(path.name, rows, note=note if n_others else "")
        return replace(sheet, merged=tuple(search.merged.get(part, ())))


def _rows(
    path: Path, rows: Iterator[tuple[Any, ...]], formulas: dict[tuple[int, int], str]
) -> Iterator[tuple[int, list[Any]]]:
    """The rows, as long as the library can read them and they stay within the limits.

    Formulas whose value may not be used stand in its place.
    """
    n_cells = number = 0
    while True:
        number += 1
        try:
            values = list(next(rows))
        except StopIteration:
            return
        except Exception:  # as above
            raise damaged(path) from None
        # Empty cells too: one cell far to the right in every row makes a library slow.
        n_cells += len(values)
        if n_cells > sheets.MAX_ELEMENTS * 2:
            raise ValueError(
                f"{path.name} has too many empty cells between or beside those with content. Copy "
                "the table into a new workbook."
            )
        if formulas:
            values = [formulas.get((number, k), value) for k, value in enumerate(values)]
        yield number, values


def _searched(path: Path, openpyxl: ModuleType) -> "_Search":
    """What the workbook's XML holds; ValueError for what is no workbook, before it is unpacked."""
    name = path.name
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{name} is no .xlsx workbook, or has a password. Open it in the spreadsheet "
            "program and save it as .xlsx without a password."
        )
    try:
        with zipfile.ZipFile(path) as archive:
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
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError):
        raise damaged(path) from None


@dataclass
class _Search:
    """Counts XML elements with a parser that keeps none of them, as openpyxl keeps a row of them.

    Attributes
    ----------
    formulas
        Part of the archive -> row (from 1) and column (from 0) -> a formula that calls a program,
        or has given nothing because no program has computed it yet.
    merged
        Part of the archive -> its merged cells, as in `Sheet`.
    """

    name: str
    places: ModuleType
    formulas: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    merged: dict[str, list[tuple[int, int, int, int]]] = field(default_factory=dict)
    n_elements: int = 0
    n_cells: int = 0
    n_formulas: int = 0

    def read(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        """Search one part of the archive."""
        self.part, self.row, self.column = entry.filename, 0, 0
        self.cell: dict[str, str] = {}
        self.said: dict[str, str] = {}
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

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; only those of a formula's cell are listened to."""
        self.n_elements += 1
        self.check(self.n_elements, sheets.MAX_ELEMENTS, "XML elements")
        tag = tag.rpartition(":")[2]
        if tag == "c":
            self.end_cell()
            self.cell = attributes
            self.column += 1
            self.n_cells += 1
            self.check(self.column, sheets.MAX_COLUMNS, "columns")
            self.check(self.n_cells, sheets.MAX_WORKBOOK_CELLS, "cells")
        elif tag == "row":
            self.end_cell()
            self.row, self.column = self.row + 1, 0
        elif tag == "f":
            self.n_formulas += 1
            self.check(self.n_formulas, sheets.MAX_FORMULAS, "formulas")
            self.listen(tag)
        elif tag == "v" and self.said:
            self.listen(tag)
        elif tag == "mergeCell":
            ranges = self.merged.setdefault(self.part, [])
            with suppress(ValueError):
                place = self.places.range_boundaries(attributes.get("ref", ""))
                left, first, right, last = place
                ranges.append((first, last, left - 1, right - 1))
            self.check(len(ranges), sheets.MAX_MERGED, "merged cells")

    def check(self, n: int, limit: int, what: str) -> None:
        if n > limit:
            raise too_many(self.name, limit, what)

    def listen(self, tag: str) -> None:
        """Keep the text of a formula (f) or of what it has given (v)."""
        self.said[tag] = ""

        def hear(text: str) -> None:
            self.said[tag] += text
            # Text comes line by line: of millions, each would copy all before it.
            self.check(len(self.said[tag]), sheets.MAX_CELL_CHARACTERS, "characters in a formula")

        self.parser.CharacterDataHandler = hear

    def end_cell(self) -> None:
        """Note the formula of a cell that ends, where its value may not be used."""
        if not self.said:
            return
        self.parser.CharacterDataHandler = None
        formula, given = self.said["f"], self.said.get("v", "")
        self.said = {}
        # A formula that gave an empty text has a type, and no value.
        is_lacking = not given.strip() and self.cell.get("t") != "str"
        if is_lacking or _HARMFUL.search(formula):
            row, column = self.row, self.column
            with suppress(ValueError):
                row, column = self.places.coordinate_to_tuple(self.cell.get("r", ""))
            self.formulas.setdefault(self.part, {})[row, column - 1] = f"={formula}"
