"""How results are written for people: intervals, p-values, names of traits, small tables."""

import html
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

NOT_ESTIMABLE: Final = "not estimable"
NOT_REPORTED: Final = "not reported"

TRAIT_NAMES: Final = {"impaired_mfr": "impaired MFR"}
"""Traits whose name in print is not their name in a file, underscores apart."""


def interval_text(
    value: float, low: float, high: float, digits: int = 2, *, is_signed: bool = False
) -> str:
    """A value and its interval as one cell.

    Parameters
    ----------
    value, low, high
        In one unit; NaN where there is no number.
    digits
        Decimals.
    is_signed
        Positive numbers get their sign too, as differences need.

    >>> interval_text(0.812, 0.731, 0.884)
    '0.81 [0.73, 0.88]'
    >>> interval_text(1.0, float("nan"), float("nan"))
    '1.00 [not estimable]'
    """
    if pd.isna(value):
        return NOT_REPORTED
    sign = "+" if is_signed else ""
    if pd.isna(low) or pd.isna(high):
        return f"{value:{sign}.{digits}f} [{NOT_ESTIMABLE}]"
    return f"{value:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def p_text(p: float) -> str:
    """A p-value with three decimals, never 0; empty for NaN.

    >>> p_text(0.00002)
    '<0.001'
    """
    if pd.isna(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def trait_name(trait: str) -> str:
    """A trait as it is written for readers.

    >>> trait_name("impaired_mfr")
    'impaired MFR'
    """
    return TRAIT_NAMES.get(trait, trait.replace("_", " "))


def html_table(title: str, rows: Mapping[str, Any]) -> str:
    """A small table of names and values for a notebook, every text escaped.

    >>> html_table("Run", {"traits": "<b>"})
    '<p>Run</p><table><tr><th>traits</th><td>&lt;b&gt;</td></tr></table>'
    """
    cells = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<p>{html.escape(title)}</p><table>{cells}</table>"
