"""What cells does a file of a statistics program hold, SPSS or Stata?"""

import json
import sys
import warnings
from importlib import import_module
from pathlib import Path

import pandas as pd

from polarnet.readers import limits
from polarnet.readers.apart import read_apart
from polarnet.readers.libraries import damaged, import_library
from polarnet.readers.sheets import Sheet, sheet_of_rows


def read_spss(path: Path) -> Sheet:
    """Cells of an SPSS file, read by a process of its own.

    Some damaged files end the process that reads them, without an error that could be caught.

    Raises
    ------
    ValueError: pyreadstat is not installed; the file is damaged, compressed or too large; or its
        rows make no sheet.
    """
    import_library("pyreadstat", path, "spss")
    try:
        content = json.loads(read_apart(__name__, "_print_sav", path))
    except ValueError:
        raise damaged(path) from None
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
    return _frame_sheet(path.name, frame)


def read_stata(path: Path) -> Sheet:
    """Cells of a Stata file.

    Raises
    ------
    ValueError: the file is damaged or too large, or its rows make no sheet.
    """
    with warnings.catch_warnings():
        # pandas warns of values without label; they stay what they are.
        warnings.simplefilter("ignore")
        try:
            frame = pd.read_stata(path, order_categoricals=False)
        except Exception:  # ValueError, struct.error, KeyError, UnicodeDecodeError, ...
            raise damaged(path) from None
    return _frame_sheet(path.name, frame)


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
