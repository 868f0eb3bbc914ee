"""What cells does a file of a statistics program hold, SPSS or Stata?"""

import json
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

import pandas as pd
from pandas.io.stata import StataReader

from polarnet.readers.apart import read_apart
from polarnet.readers.tables import limits
from polarnet.readers.tables.libraries import damaged, import_library
from polarnet.readers.tables.sheets import Sheet, sheet_of_rows

SECONDS: Final = 60.0
"""Longest time for one of these files (our choice): five million cells take half of it."""


def read_spss(path: Path) -> Sheet:
    """Cells of an SPSS file.

    Raises
    ------
    ValueError: pyreadstat is not installed; the file is damaged, compressed or too large; or its
        rows make no sheet.
    """
    import_library("pyreadstat", path, "spss")
    return _read_apart(_spss_as_json, path)


def read_stata(path: Path) -> Sheet:
    """Cells of a Stata file.

    Raises
    ------
    ValueError: the file is damaged or too large, or its rows make no sheet.
    """
    return _read_apart(_stata_as_json, path)


def _read_apart(function: Callable[[Path], bytes], path: Path) -> Sheet:
    """The sheet that a function of the process apart makes: damaged files end their readers."""
    try:
        content = json.loads(read_apart(function, path, seconds=SECONDS))
    except ValueError as error:
        ours = str(error).startswith(path.name)
        told = "" if ours else f"{path.name} "
        hint = "" if ours else ". Open it in the program that wrote it and save it again."
        raise ValueError(f"{told}{error}{hint}") from None
    dates = frozenset((row, column) for row, column in content["dates"])
    formulas = content["formulas"]
    return Sheet(content["rows"], dates, "", content["row_numbers"], formulas=formulas)


def _as_json(sheet: Sheet) -> bytes:
    content = {
        "rows": sheet.rows,
        "dates": [*sheet.dates],
        "row_numbers": sheet.row_numbers,
        "formulas": sheet.formulas,
    }
    return json.dumps(content).encode()


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
    limits.check_table(path.name, n_rows, n_columns, n_rows * n_columns)
    # The number of rows may be stated wrongly, or not at all.
    most = min(limits.MAX_ROWS, limits.MAX_CELLS // max(n_columns, 1)) + 1
    try:
        frame, _ = pyreadstat.read_sav(
            path, apply_value_formats=True, formats_as_category=False, row_limit=most
        )
    except Exception:  # as above
        raise damaged(path) from None
    return _as_json(_frame_sheet(path.name, frame))


def _stata_as_json(path: Path) -> bytes:
    """In the process apart: cells of a Stata file."""
    with warnings.catch_warnings():
        # pandas warns of values without label; they stay what they are.
        warnings.simplefilter("ignore")
        try:
            # Not as categories, of which pandas wants each label once.
            with pd.read_stata(path, convert_categoricals=False, iterator=True) as reader:
                frame = reader.read()
                labels = _labels(reader)
        except Exception:  # ValueError, struct.error, KeyError, UnicodeDecodeError, ...
            raise damaged(path) from None
    for column, texts in labels.items():
        codes = frame[column]
        frame[column] = [texts.get(c, c) for c in codes] if set(codes) & set(texts) else codes
    return _as_json(_frame_sheet(path.name, frame))


def _labels(reader: StataReader) -> dict[str, dict[float, str]]:
    """Labels of each variable's values; pandas tells them by set, and by variable in private."""
    sets = reader.value_labels()
    names = zip(reader._varlist, reader._lbllist, strict=True)
    return {variable: sets[name] for variable, name in names if name in sets}


def _frame_sheet(name: str, frame: pd.DataFrame) -> Sheet:
    """A sheet of a table with typed columns; its first row has the variables' names."""
    limits.check_table(name, len(frame), frame.shape[1], frame.size)
    columns = [
        # NumPy's own scalars print a float32 as 2.54 and not as 2.5399999618530273.
        list(column.to_numpy() if column.dtype.kind == "f" else column)
        for _, column in frame.items()
    ]
    rows = zip(*columns, strict=True) if columns else ()
    return sheet_of_rows(name, enumerate([tuple(map(str, frame.columns)), *rows], start=1))
