"""What does one cell of a table say: a number, or that nothing is recorded?"""

import math
import re
from collections.abc import Iterable
from typing import Final

_MISSING: Final = frozenset(
    ("", "-", "–", "—", "n/a", "na", "nan", "k.a.", "k.a", ".", "#n/a", "null", "<na>", "nat")  # noqa: RUF001
)
"""Cells that mean: not recorded. Spreadsheets turn a hyphen into the longer dashes."""

_NUMBER: Final = re.compile(
    r"[+-]?(\d+(\.\d*|,\d+)?|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE
)
"""A plain number; the decimal separator is a point or a comma."""


_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)
"""A number whose thousands are apart, or one of three decimals after a comma."""

_FORMULA: Final = re.compile(r"[=@\t\r]|\+(?![+-]*$)|-(?![+-]*$|[\d.,])|-.*([|!=]|\w\()", re.DOTALL)
"""How cells begin that a spreadsheet would compute.

Signs may stand alone, and a minus before a digit, unless a call or a link to a program comes
after it.
"""


def is_missing(cell: str) -> bool:
    """True where a cell means: not recorded.

    >>> [is_missing(cell) for cell in ("", "-", "k. A.", "0")]
    [True, True, True, False]
    """
    return cell.replace(" ", "").casefold() in _MISSING


def is_number(cell: str) -> bool:
    """True where a cell is a plain number, with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(cell) is not None


def is_formula(cell: str) -> bool:
    """True for what a spreadsheet would compute, a plain number excepted.

    >>> [is_formula(cell) for cell in ("=1+1", "@x", "+A1", "+", "-3", "a=b")]
    [True, True, True, False, False, False]
    """
    return _FORMULA.match(cell) is not None and not is_number(cell)


def has_thousands(cell: str) -> bool:
    """True where the commas of a number may separate thousands.

    >>> [has_thousands(cell) for cell in ("1,234", "1,234,567.8", "2,54", "0,123")]
    [True, True, False, False]
    """
    return _GROUPED.fullmatch(cell) is not None


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
