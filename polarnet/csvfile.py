"""The one way tables are written as CSV: UTF-8, whole or not at all, and no cell is a formula."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.folders import new_file

_FORMULA_SIGNS: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""How a cell begins that a spreadsheet program takes for a formula, full-width signs included."""

_PLAIN: Final = r"[+-]?(\d[\d.,]*|\.\d+|nan|inf)(e[+-]?\d+)?%?"

_NO_FORMULA: Final = re.compile(rf"{_PLAIN}( \[({_PLAIN}, {_PLAIN}|not estimable)\])?|[+-]+")
"""Numbers, intervals and lone dashes."""


def write_csv(
    table: pd.DataFrame,
    path: str | Path,
    *,
    index_label: str | None = None,
    float_format: str | None = None,
) -> None:
    """Write a table: whole or not at all, made `harmless`; an older file is replaced.

    Parameters
    ----------
    index_label
        Heading of the index, which is written first. None: the index is not written.
    float_format
        Of numbers, such as "%.6g". None: every digit.
    """
    with new_file(path) as partial:
        text = csv_text(table, index_label=index_label, float_format=float_format)
        partial.write_text(text, encoding="utf-8", newline="")


def csv_text(
    table: pd.DataFrame, *, index_label: str | None = None, float_format: str | None = None
) -> str:
    """The text that `write_csv` writes: lines end in a line feed on every system."""
    if index_label is not None:
        table = table.rename_axis(index_label).reset_index()
    return harmless(table).to_csv(index=False, float_format=float_format, lineterminator="\n")


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """A table that no spreadsheet program takes for formulas.

    Text that begins with = + - @, a tab or a line end gets an apostrophe before it, in cells and
    in headings, unless it is a number or an interval. `without_apostrophes` takes it away again.

    References
    ----------
    OWASP, CSV injection, owasp.org/www-community/attacks/CSV_Injection.

    >>> list(harmless(pd.DataFrame({"trait": ["=cmd()", "-0.02 [-0.10, 0.06]"]}))["trait"])
    ["'=cmd()", '-0.02 [-0.10, 0.06]']
    """
    return _each_text(table, lambda text: f"'{text}" if _is_formula(text.lstrip("'")) else text)


def without_apostrophes(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it was before `harmless`."""
    return _each_text(table, without_apostrophe)


def without_apostrophe(text: str) -> str:
    """A cell as it was before `harmless`."""
    return text[1:] if text[:1] == "'" and _is_formula(text.lstrip("'")) else text


def _is_formula(text: str) -> bool:
    begins = text.startswith(_FORMULA_SIGNS) or text.lstrip().startswith(_FORMULA_SIGNS)
    return begins and not _NO_FORMULA.fullmatch(text)


def _each_text(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Every text of a table changed, its headings too."""

    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else value

    columns = [table.iloc[:, k] for k in range(table.shape[1])]
    new = [c if pd.api.types.is_numeric_dtype(c) else c.map(changed) for c in columns]
    whole = pd.concat(new, axis=1) if new else table
    return whole.set_axis([changed(name) for name in table.columns], axis=1)
