"""What cells does an XLSX workbook hold, and is it safe to unpack?"""

import lzma
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.parsers import expat

from polarnet.readers.tables import limits
from polarnet.readers.tables.formulas import Formulas
from polarnet.readers.tables.libraries import damaged, import_library
from polarnet.readers.tables.merged import MAX_MERGED, merged_range
from polarnet.readers.tables.sheets import Sheet, sheet_of_rows

_Merged = dict[str, list[tuple[int, int, int, int]]]
"""Part of the archive -> its merged ranges, as of `Sheet`."""


def read_workbook(path: Path) -> Sheet:
    """Cells of the first visible worksheet.

    Raises
    ------
    ValueError: openpyxl is not installed; the workbook is damaged, encrypted, too large or has
        no visible worksheet; or its rows make no sheet.
    """
    openpyxl = import_library("openpyxl", path, "excel")
    formulas, merged = _check_zip(path)
    # Opened here: openpyxl leaves it open where reading ends early, and Windows locks open files.
    with path.open("rb") as file, warnings.catch_warnings():
        # openpyxl warns of drawings and styles that it will not write back; we never write.
        warnings.simplefilter("ignore")

        def load(*, data_only: bool) -> Any:
            try:
                return openpyxl.load_workbook(
                    file, read_only=True, keep_links=False, data_only=data_only
                )
            except Exception:  # it has no error class for what its XML trips over
                raise damaged(path) from None

        workbook = load(data_only=True)
        visible = [k for k, s in enumerate(workbook.worksheets) if s.sheet_state == "visible"]
        if not visible:
            raise ValueError(f"{path.name} has no visible worksheet. Unhide the one to read.")
        worksheet = workbook.worksheets[visible[0]]
        rows = _rows(worksheet)
        if formulas.n:
            # What a formula gave and what it is are told by two readings alone.
            texts = _rows(load(data_only=False).worksheets[visible[0]])
            rows = formulas.filled(rows, texts)
        n_others = len(workbook.worksheets) - 1
        note = f"the first visible worksheet was read, {n_others} more were not"
        unharmed = _unharmed(path, enumerate(rows, start=1))
        sheet = sheet_of_rows(path.name, unharmed, note=note if n_others else "")
        # The library tells of merged cells only where it reads a whole workbook at once.
        return replace(sheet, merged=tuple(merged.get(worksheet._worksheet_path, ())))


def _rows(sheet: Any) -> Iterator[tuple[Any, ...]]:
    # Some programs state a size that is not that of the table.
    sheet.reset_dimensions()
    return sheet.iter_rows(values_only=True)


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
            raise damaged(path) from None
        # Empty cells too: one cell far to the right in every row makes a library slow.
        n_cells += len(values)
        if n_cells > limits.MAX_ELEMENTS * 2:
            raise ValueError(
                f"{path.name} has too many empty cells between or beside those with content. Copy "
                "the table into a new workbook."
            )
        yield number, values


def _check_zip(path: Path) -> tuple[Formulas, _Merged]:
    """Its formulas and merged cells; ValueError for what is no workbook, before it is unpacked."""
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
            if unpacked > limits.MAX_UNPACKED_BYTES:
                raise ValueError(
                    f"{path.name} unpacks to {unpacked / limits.MB:,.0f} MB, more than "
                    f"{limits.MAX_UNPACKED_BYTES / limits.MB:.0f} MB. Copy the table into a new "
                    "workbook."
                )
            if any(entry.flag_bits & 1 for entry in entries):
                raise ValueError(f"{path.name} is encrypted. Save it without a password.")
            if any(_is_archive(entry.filename) for entry in entries):
                raise ValueError(
                    f"{path.name} holds another file inside. Copy the table into a new workbook."
                )
            return _check_xml(path.name, archive)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError):
        raise damaged(path) from None


def _is_archive(filename: str) -> bool:
    return filename.lower().endswith((".zip", ".gz", ".7z", ".rar", ".xlsx", ".xlsm", ".xlsb"))


def _check_xml(name: str, archive: zipfile.ZipFile) -> tuple[Formulas, _Merged]:
    """Count elements with a parser that keeps none of them, as openpyxl keeps a row of them."""
    n_elements = n_cells = n_columns = 0
    formulas = Formulas()
    merged: _Merged = {}
    part_name = ""

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal n_elements, n_cells, n_columns
        n_elements += 1
        tag = tag.rpartition(":")[2]
        if tag == "c":
            formulas.end_cell(attributes.get("t", ""))
            n_columns += 1
            n_cells += 1
            if n_columns > limits.MAX_COLUMNS:
                raise limits.too_many(name, limits.MAX_COLUMNS, "columns")
            if n_cells > limits.MAX_WORKBOOK_CELLS:
                raise limits.too_many(name, limits.MAX_WORKBOOK_CELLS, "cells")
        elif tag == "row":
            n_columns = 0
        elif tag == "mergeCell":
            if (found := merged_range(attributes.get("ref", ""))) is not None:
                ranges = merged.setdefault(part_name, [])
                ranges.append(found)
                if len(ranges) > MAX_MERGED:
                    raise limits.too_many(name, MAX_MERGED, "merged cells")
        elif tag in ("f", "v"):
            formulas.begin(tag, parser)
            if formulas.n > limits.MAX_FORMULAS:
                raise limits.too_many(name, limits.MAX_FORMULAS, "formulas")
        if n_elements > limits.MAX_ELEMENTS:
            raise limits.too_many(name, limits.MAX_ELEMENTS, "XML elements")

    def refuse_doctype(*_: object) -> None:
        raise ValueError(f"{name} defines XML entities, which no spreadsheet program does.")

    for entry in archive.infolist():
        formulas.end_cell("")
        parser = expat.ParserCreate()
        parser.StartElementHandler = begin
        parser.StartDoctypeDeclHandler = refuse_doctype
        n_columns = 0
        part_name = entry.filename
        with archive.open(entry) as part:
            try:
                while chunk := part.read(limits.MB):
                    parser.Parse(chunk)
            except expat.ExpatError:
                continue  # a picture; or openpyxl, with the same parser, stops here too
    formulas.end_cell("")
    return formulas, merged
