"""Range of a clinical column, and its odd values."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from polarnet.ids import listing
from polarnet.readers.identity import header_words
from polarnet.readers.words import entry, section

_CODES: Final = frozenset(
    (-1, 7, 8, 9, 77, 88, 97, 98, 99, 777, 888, 998, 999, 7777, 8888, 9999, 99999)
)
"""Numbers, beside negative ones, that often mean: not recorded."""

_RARE: Final = 0.2  # Up to this share of negative numbers in a column, they are odd (our choice)
_LIMITS: Final = {
    pattern: [tuple(map(float, limits.split("-"))) for limits in choices]
    for pattern, choices in section("usual values").items()
}
"""Pattern of a heading -> between what its values lie in an adult, by unit."""

_ANY_VALUE: Final = entry("any value")[0]


def _is_far(value: float, others: Collection[float]) -> bool:
    """Whether a number lies far outside the range of the others, or is the only negative one."""
    if not others:
        return False
    low, high = min(others), max(others)
    width = max(high - low, max(abs(low), abs(high)) / 2)
    return value < low - width or value > high + width or (value < 0 <= low)


def odd_numbers(names: Sequence[str], values: Mapping[int, float]) -> dict[int, float]:
    """Numbers, by line, that cannot be or look like a code for: not recorded.

    `names` of the column in the cohort and in the table; `values` by line of the file.
    """
    low, high = _limits(names, values.values()) or (-np.inf, np.inf)
    whole = [v for v in values.values() if v == round(v)]
    are_large = 2 * len(whole) > len(values) and np.median(whole) >= 100
    usual = [v for v in values.values() if v not in _CODES and v >= 0]
    has_few_negative = sum(v < 0 for v in values.values()) <= _RARE * len(values)
    return {
        line: v
        for line, v in sorted(values.items())
        if not low <= v <= high
        or (v in _CODES and _is_far(v, usual))
        or (v < 0 and has_few_negative)
        # Beside whole numbers of three figures, 1.250 may be 1250.
        or (are_large and v != round(v) and 1 <= v < min(whole))
    }


def told_of_numbers(name: str, column: str, values: pd.Series, n_studies: int) -> str:
    """One line of a column of numbers; `values` by line of the file, NaN for not recorded."""
    known = {int(line): float(v) for line, v in values.dropna().items()}
    if not known:
        return f"{name}: nothing recorded in {n_studies} studies"
    numbers = list(known.values())
    told = (
        f"{name}: {len(known)} recorded, {min(numbers):g} to {max(numbers):g}, median "
        f"{np.median(numbers):g}; {n_studies - len(known)} not recorded"
    )
    lines: dict[float, list[int]] = {}
    for line, value in odd_numbers([name, column], known).items():
        lines.setdefault(value, []).append(line)
    odd = [f"{value:g} (line {listing(some)})" for value, some in sorted(lines.items())]
    return f"{told}. Odd, is that right: {listing(odd)}" if odd else told


def _limits(names: Sequence[str], values: Collection[float]) -> tuple[float, ...] | None:
    """Between what the values of a column of this name lie; of several units, the likeliest."""
    for name in names:
        words = header_words(name)
        if re.search(_ANY_VALUE, words):
            return None
        for pattern, choices in _LIMITS.items():
            if re.search(pattern, words):
                return max(choices, key=lambda c: sum(c[0] <= v <= c[1] for v in values))
    return None
