"""How results are written for people: intervals, p-values, names of traits, whole results."""

import html
from typing import Final

import pandas as pd

NOT_ESTIMABLE: Final = "not estimable"
NOT_REPORTED: Final = "not reported"

TRAIT_NAMES: Final = {"impaired_mfr": "impaired MFR"}
"""Traits whose name in print is not their name in a file, underscores apart."""


def interval_text(
    value: float, low: float, high: float, digits: int = 2, *, is_signed: bool = False
) -> str:
    """A value and its interval as one cell; NaN where there is no number. With `is_signed`,
    positive numbers get their sign too, as differences need.

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


class Result:
    """A result that shows itself: in one line as text, as a small table in a notebook."""

    @property
    def summary(self) -> pd.Series:
        """What there is to be read, numbers and texts under their names; the name is a heading."""
        raise NotImplementedError

    def __repr__(self) -> str:
        rows = self.summary
        return f"{rows.name}: " + "; ".join(f"{name} {value}" for name, value in rows.items())

    def _repr_html_(self) -> str:
        rows = self.summary
        cells = "".join(
            f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        return f"<p>{html.escape(str(rows.name))}</p><table>{cells}</table>"
