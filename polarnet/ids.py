"""Study and patient ids: one normal form wherever an id comes from, and how messages list them."""

import numbers
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

_INVISIBLE: Final = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
"""Characters without width that spreadsheets and web pages leave in cells."""

_LONGEST: Final = 6
"""Characters of a wrong cell that a message repeats: it may be a name in a wrong column."""


def normal_id(value: Any) -> str:
    """An id as text: the same person or study gets the same text, whatever wrote it.

    Accented letters are composed (macOS writes them decomposed in file names), white space is
    single, characters without width are dropped, and a number that was read as a decimal is its
    integer. A missing value gives "".

    >>> [normal_id(value) for value in (1.0, "1.0", " 1 ", "007", "NA", None)]
    ['1', '1', '1', '007', 'NA', '']
    """
    if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
        return ""
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return f"{float(value):.0f}"
    text = " ".join(normal_text(str(value)).split())
    return text[:-2] if re.fullmatch(r"\d+[.,]0", text) else text


def normal_text(text: str) -> str:
    """Text with composed letters and plain spaces, without characters that have no width."""
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE)).replace("\u00a0", " ").strip()


def normal_ids(values: Iterable[Any]) -> list[str]:
    """`normal_id` of each value, in order."""
    return [normal_id(value) for value in values]


def listing(names: Iterable[object], most: int = 50) -> str:
    """Names in one line: the first `most`, then how many more.

    >>> listing(["S1", "S2"]), listing("abc", most=2)
    ('S1, S2', 'a, b and 1 more')
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def cut(cell: object) -> str:
    """A wrong cell as a message repeats it."""
    text = str(cell)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
