"""The words of tables: the vocabulary, and what one cell says."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from importlib import resources
from typing import Any, Final

from polarnet.files import parse_yaml


@cache
def _vocabulary() -> dict[str, Any]:
    text = resources.files("polarnet.readers").joinpath("vocabulary.yaml").read_text("utf-8")
    return parse_yaml(text, "vocabulary.yaml", has_numbers=False)


def section(name: str) -> dict[str, tuple[str, ...]]:
    """A section of vocabulary.yaml: what is meant -> words for it."""
    return {meant: tuple(re.split(r",\s+", text)) for meant, text in _vocabulary()[name].items()}


def entry(name: str) -> tuple[str, ...]:
    """Words of an entry of vocabulary.yaml that stands in no section."""
    return tuple(re.split(r",\s+", _vocabulary()[name]))


_CELLS: Final = section("cells")
_MISSING: Final = frozenset(("", *_CELLS["not recorded"]))
_HARMLESS: Final = frozenset(_CELLS["harmless"])

# === Numbers, and what is none ===

_NUMBER: Final = re.compile(
    r"[+-]?(\d+(\.\d*|,\d+)?|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE
)
"""A plain number; the decimal separator is a point or a comma."""

_GROUPED: Final = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII)
"""A number whose thousands are apart, or one of three decimals after a comma."""

_FORMULA: Final = re.compile(r"[=@\t\r]|\+(?![+-]*$)|-(?![+-]*$|[\d.,])|-.*([|!=]|\w\()", re.DOTALL)
"""How cells begin that a spreadsheet would compute; signs may stand alone, or before a digit."""


def is_missing(cell: str) -> bool:
    """True where a cell means: not recorded."""
    return cell.replace(" ", "").casefold() in _MISSING


def is_number(cell: str) -> bool:
    """True where a cell is a plain number, with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(cell) is not None


def is_formula(cell: str) -> bool:
    """True for what a spreadsheet would compute, a plain number excepted."""
    return cell[:1] in "=+-@\t\r" and _FORMULA.match(cell) is not None and not is_number(cell)


def has_thousands(cell: str) -> bool:
    """True where the commas of a number may separate thousands, as in 1,234 and not in 0,123."""
    return _GROUPED.fullmatch(cell) is not None


def parse_number(cell: str, decimal_comma: bool) -> float:
    """The number in a cell, NaN where it is not recorded; ValueError, which never repeats the cell,
    for no finite number, or one with the other decimal separator.
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
    """True if the numbers among a table's cells have a decimal comma; ValueError for both kinds."""
    numbers = [cell for cell in map(str.strip, cells) if is_number(cell)]
    n_comma = sum("," in cell for cell in numbers)
    n_point = sum("." in cell for cell in numbers)
    if n_comma and n_point:
        raise ValueError(
            f"{n_comma} numbers have a comma (as 2,54) and {n_point} have a point (as 2.54). "
            "Write all of them in one way"
        )
    return n_comma > 0


def cell_key(cell: str) -> str | float:
    """What two cells have in common that mean the same: 1, 1.0 and 1,0; Ja and ja."""
    text = unicodedata.normalize("NFC", cell.strip())
    return float(text.replace(",", ".")) if is_number(text) else text.casefold()


# === What messages may repeat (our choice) ===

_VALUES_SHOWN: Final = 8
_LONGEST_CODE: Final = 3
_LONGEST_WORD: Final = 12
_SHORT_NUMBER: Final = re.compile(r"[<>=~+-]{0,2}\d{1,4}([.,]\d{1,3})?( ?%)?", re.ASCII)

_CODED: Final = re.compile(r"\d{1,2} ?[=,:.)-] ?(?=[^\W\d_])", re.ASCII)
"""The number before a word that says what it means, as in 1=yes."""


def may_be_shown(cell: str) -> bool:
    """True for short numbers, short codes and words such as yes; false for what may be a name.

    >>> [may_be_shown(cell) for cell in ("2", "T2D", "Former", "hoch", "Bob", "Dr. X", "4711000")]
    [True, True, True, True, False, False, False]
    """
    cell = _CODED.sub("", cell, count=1) if _CODED.match(cell) else cell
    if cell.casefold() in _HARMLESS or _SHORT_NUMBER.fullmatch(cell):
        return True
    # A name has a capital and small letters, unless somebody typed all of them so.
    is_code = len(cell) <= _LONGEST_CODE and cell in (cell.upper(), cell.lower())
    return is_code or (len(cell) <= _LONGEST_WORD and cell.isalpha() and cell.islower())


def shown_values(values: Iterable[str], written: Callable[[str], str] = str) -> str:
    """Values in one line, those that may name a person only counted."""
    values = list(values)
    shown = [written(cell) for cell in values if may_be_shown(cell)]
    n_more, n_hidden = len(shown) - _VALUES_SHOWN, len(values) - len(shown)
    told = shown[:_VALUES_SHOWN] + ([f"{n_more} more values"] if n_more > 0 else [])
    if n_hidden:
        noun, they = ("value", "it") if n_hidden == 1 else ("values", "they")
        other = "other " if told else ""
        told.append(f"{n_hidden} {other}{noun} (not shown, {they} may identify patients)")
    return ", ".join(told)
