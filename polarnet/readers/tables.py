"""Any table file as rows of text: text, XLSX, SPSS or Stata."""

import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.readers import sheets
from polarnet.readers.apart import read_apart
from polarnet.readers.sheets import Sheet, sheet_of_rows
from polarnet.readers.textfiles import read_text
from polarnet.readers.workbooks import damaged, import_library, read_workbook

SECONDS: Final = 60.0
"""Longest time for a file of SPSS or Stata (our choice): five million cells take half of it."""


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
    is_text = _READERS[kind] is read_text
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


def _read_spss(path: Path) -> Sheet:
    import_library("pyreadstat", path, "spss")
    return _read_frame(_spss_as_json, path)


def _read_stata(path: Path) -> Sheet:
    return _read_frame(_stata_as_json, path)


_READERS: Final[dict[str, Callable[[Path], Sheet]]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".dat", ".asc"), read_text),
    ".xlsx": read_workbook,
    ".sav": _read_spss,
    ".dta": _read_stata,
}


def _read_frame(function: Callable[[Path], bytes], path: Path) -> Sheet:
    """The sheet that a function of the process apart makes: damaged files end their readers."""
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
