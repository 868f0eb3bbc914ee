"""Which reader reads this table file: text, XLSX, SPSS or Stata?"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from polarnet.readers.tables import limits
from polarnet.readers.tables.sheets import Sheet
from polarnet.readers.tables.statfiles import read_spss, read_stata
from polarnet.readers.tables.textfiles import read_text
from polarnet.readers.tables.workbooks import read_workbook

_READERS: Final[dict[str, Callable[[Path], Sheet]]] = {
    ".csv": read_text,
    ".tsv": read_text,
    ".txt": read_text,
    ".dat": read_text,
    ".asc": read_text,
    ".xlsx": read_workbook,
    ".sav": read_spss,
    ".dta": read_stata,
}


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
    limit = limits.MAX_TEXT_BYTES if is_text else limits.MAX_WORKBOOK_BYTES
    size = path.stat().st_size
    if size > limit:
        raise ValueError(
            f"{path.name} has {size / limits.MB:,.0f} MB, more than the "
            f"{limit / limits.MB:.0f} MB that a {kind} table may have. Is it the right file?"
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
