"""Which cells may a message repeat, because they name nobody?"""

import re
from collections.abc import Callable, Iterable
from typing import Final

_VALUES_SHOWN: Final = 8
"""Values that a message repeats (our choice)."""

_LONGEST_CODE: Final = 3

_LONGEST_WORD: Final = 12

_NUMBER: Final = re.compile(r"[<>=~+-]{0,2}\d{1,4}([.,]\d{1,3})?( ?%)?", re.ASCII)

_CODED: Final = re.compile(r"\d{1,2} ?[=,:.)-] ?(?=[^\W\d_])", re.ASCII)
"""The number before a word that says what it means, as in 1=yes."""

_WORDS: Final = frozenset((
    "yes", "no", "ja", "nein", "nee", "oui", "non", "si", "true", "false", "wahr", "falsch",
    "male", "female", "man", "woman", "men", "women", "ex", "former", "current", "never",
    "always", "past", "unknown", "unbekannt", "positive", "negative", "positiv", "negativ",
    "checked", "unchecked", "raucher", "nichtraucher", "weiblich", "absent", "present", "active",
    "inactive", "smoker", "nonsmoker", "none", "normal", "abnormal", "other", "ehemals", "nie",
    "aktuell", "keine", "kein",
))  # fmt: skip
"""Words that name nobody, in capitals too (our choice)."""


def may_be_shown(cell: str) -> bool:
    """True for short numbers, short codes and words such as yes; false for what may be a name.

    >>> [may_be_shown(cell) for cell in ("2", "T2D", "Former", "hoch", "Bob", "Dr. X", "4711000")]
    [True, True, True, True, False, False, False]
    """
    cell = _CODED.sub("", cell, count=1) if _CODED.match(cell) else cell
    if cell.casefold() in _WORDS or _NUMBER.fullmatch(cell):
        return True
    # A name has a capital and small letters, unless somebody typed all of them so.
    is_one_case = cell in (cell.upper(), cell.lower())
    is_code = len(cell) <= _LONGEST_CODE and is_one_case
    return is_code or (len(cell) <= _LONGEST_WORD and cell.isalpha() and cell.islower())


def shown_values(values: Iterable[str], written: Callable[[str], str] = str) -> str:
    """Values in one line, those that may name a person only counted.

    >>> shown_values(["ex", "Maier"])
    'ex, 1 other value (not shown, it may identify patients)'
    """
    values = list(values)
    shown = [written(cell) for cell in values if may_be_shown(cell)]
    n_more, n_hidden = len(shown) - _VALUES_SHOWN, len(values) - len(shown)
    told = shown[:_VALUES_SHOWN] + ([f"{n_more} more values"] if n_more > 0 else [])
    if n_hidden:
        noun, they = ("value", "it") if n_hidden == 1 else ("values", "they")
        other = "other " if told else ""
        told.append(f"{n_hidden} {other}{noun} (not shown, {they} may identify patients)")
    return ", ".join(told)
