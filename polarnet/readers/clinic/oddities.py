"""Do the numbers of a column look right? What is told of each, and what is odd about it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from polarnet.ids import listing
from polarnet.readers.identity import header_words

_CODES: Final = frozenset(
    (-1, 7, 8, 9, 77, 88, 97, 98, 99, 777, 888, 998, 999, 7777, 8888, 9999, 99999)
)
"""Numbers, beside negative ones, that often mean: not recorded."""

_RARE: Final = 0.2
"""Up to this share of negative numbers in a column, they are odd (our choice)."""

_LIMITS: Final = (
    (r"\b(age|alter|leeftijd|edad)\b", ((1, 110),)),
    (r"\b(bmi|imc)\b|body mass", ((10, 80),)),
    (r"\b(lv|rv)? ?ef\b|\b(lv|rv)ef\b|ejection fraction", ((5, 95), (0.05, 0.95))),
    (r"\b(body)?weight\b|\bgewicht\b|\bpoids\b", ((25, 300),)),
    (r"\bheight\b|\bgrosse\b|\btaille\b", ((100, 230), (1, 2.3))),
    (r"\bbsa\b|body surface", ((0.8, 3.5),)),
    (r"\bhr\b|heart rate|\bpulse?\b|herzfrequenz", ((25, 250),)),
    (r"\bsbp\b|systol\w*", ((50, 300),)),
    (r"\bdbp\b|diastol\w*", ((20, 200),)),
    (r"\bhb ?a1c\b", ((20, 200), (3, 20))),
    (r"\be?gfr\b", ((1, 250),)),
    (r"\bcrea\w*|\bkreatinin\w*", ((15, 2000), (0.1, 20))),
    (r"\b(ldl|hdl|chol\w*|triglycerides?)\b", ((5, 2000), (0.1, 30))),
    (r"\bh(ae?mo|b|g)+globin\b|\bh[bg]b?\b", ((3, 25), (30, 250))),
    (r"\b(mfr|cfr|mpr)\b", ((0.3, 8),)),
)  # fmt: skip
"""Words in a heading, and between what its values lie in an adult, by unit (our choice)."""

_MAY_BE_ANY: Final = r"delta|change|diff\w*|differenz|score|log|reserve"
"""Words beside them that make it another number."""


def is_far(value: float, others: Collection[float]) -> bool:
    """Whether a number lies far outside the range of the others, or is the only negative one.

    >>> [is_far(value, [55.0, 60.0, 71.0]) for value in (99, 999, -9)]
    [False, True, True]
    """
    if not others:
        return False
    low, high = min(others), max(others)
    width = max(high - low, max(abs(low), abs(high)) / 2)
    return value < low - width or value > high + width or (value < 0 <= low)


def may_be_value(column: str, value: float, others: Collection[float]) -> bool:
    """Whether a code may be a value of a column: near the others, or possible by its heading.

    >>> [may_be_value("HbA1c", value, [38.0, 61.0]) for value in (99, 999, -9)]
    [True, False, False]
    """
    if not others:
        return False
    limits = _limits([column], others)
    is_possible = limits is not None and limits[0] <= value <= limits[1]
    return is_possible or 0 <= value <= 2 * max(others) or not is_far(value, others)


def odd_numbers(names: Sequence[str], values: Mapping[int, float]) -> dict[int, float]:
    """Numbers that cannot be, or that look like a code for: not recorded.

    Parameters
    ----------
    names
        Of the column, in the cohort and in the table.
    values
        Line of the file -> number.
    """
    odd = {}
    if limits := _limits(names, values.values()):
        odd = {k: v for k, v in values.items() if not limits[0] <= v <= limits[1]}
    usual = [v for v in values.values() if v not in _CODES and v >= 0]
    codes = {k: v for k, v in values.items() if v in _CODES and is_far(v, usual)}
    negative = {k: v for k, v in values.items() if v < 0}
    few = negative if len(negative) <= _RARE * len(values) else {}
    return dict(sorted((odd | codes | few | _thousandths(values)).items()))


def _thousandths(values: Mapping[int, float]) -> dict[int, float]:
    """Numbers such as 1.234 beside whole ones of three figures: their point may mark thousands."""
    whole = [v for v in values.values() if v == round(v)]
    others = {k: v for k, v in values.items() if v != round(v)}
    are_many = len(whole) > len(others) and np.median(whole) >= 100
    if not are_many:
        return {}
    are_few = all(1 <= v < min(whole) and np.isclose(v, round(v, 3)) for v in others.values())
    return others if are_few else {}


def told_of_numbers(name: str, column: str, values: pd.Series, n_studies: int) -> str:
    """One line of a column of numbers.

    Parameters
    ----------
    values
        Index: line of the file; NaN where nothing is recorded.
    """
    known = {int(line): float(v) for line, v in values.items() if not np.isnan(v)}
    if not known:
        return f"{name}: nothing recorded in {n_studies} studies"
    low, high = min(known.values()), max(known.values())
    told = (
        f"{name}: {len(known)} recorded, {low:g} to {high:g}, median "
        f"{np.median(list(known.values())):g}; {n_studies - len(known)} not recorded"
    )
    if not (odd := odd_numbers([name, column], known)):
        return told
    lines: dict[float, list[int]] = {}
    for line, value in odd.items():
        lines.setdefault(value, []).append(line)
    shown = [f"{value:g} (line {listing(some)})" for value, some in sorted(lines.items())]
    return f"{told}. Odd, is that right: {listing(shown)}"


def _limits(names: Sequence[str], values: Collection[float]) -> tuple[float, float] | None:
    """Between what the values of a column of this name lie; of several units, the likeliest."""
    for name in names:
        words = header_words(name)
        if re.search(rf"\b({_MAY_BE_ANY})\b", words):
            return None
        for pattern, choices in _LIMITS:
            if re.search(pattern, words):
                return max(choices, key=lambda c: sum(c[0] <= v <= c[1] for v in values))
    return None
