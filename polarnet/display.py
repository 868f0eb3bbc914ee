"""How results are written for people: intervals, p-values, names of traits, whole results."""

import html
from typing import Final

import pandas as pd

NOT_ESTIMABLE: Final = "not estimable"
NOT_REPORTED: Final = "not reported"

_WIDTH: Final = 80  # columns of a terminal

TRAIT_NAMES: Final = {"impaired_mfr": "impaired MFR"}
"""Traits whose name in print is not their name in a file, underscores apart."""


def interval_text(
    value: float, low: float, high: float, *, digits: int = 2, is_signed: bool = False
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


class ResultTable(pd.DataFrame):
    """A table of results that prints within 80 columns: interval and value in one cell, no notes.

    All else is that of a DataFrame, and what is made of it (rows, columns, joins) is a plain one.

    >>> ResultTable({"trait": ["sex"], "n_pos": [41], "n_neg": [56], "auroc": [0.812],
    ...              "ci_low": [0.731], "ci_high": [0.884], "note": [""]})
    trait n with / without             AUROC
      sex          41 / 56 0.81 [0.73, 0.88]
    """

    def __repr__(self) -> str:
        names = [name for name in ("trait", "model", "run", "threshold") if name in self]
        cells = {name: self[name].astype(str) for name in names}
        if "n_pos" in self:
            cells["n with / without"] = (
                self["n_pos"].astype(str) + " / " + self["n_neg"].astype(str)
            )
        for name, heading, low in (
            ("auroc", "AUROC", "ci"), ("difference", "difference", "difference"),
        ):  # fmt: skip
            if name in self:
                ends = self[[name, f"{low}_low", f"{low}_high"]].to_numpy(float)
                texts = [interval_text(*row, is_signed=name == "difference") for row in ends]
                is_gap = self[name].isna() & (name == "difference")
                cells[heading] = ["" if gap else t for gap, t in zip(is_gap, texts, strict=True)]
        for name, heading in (("p_adjusted", "p adjusted"), ("p_chance", "p of chance")):
            if name in self:
                cells[heading] = [p_text(p) for p in self[name]]
        if len(cells) == len(names):  # columns were taken away
            return pd.DataFrame(self).to_string()
        text = pd.DataFrame(cells).to_string(index=False)
        while len(text.split("\n", 1)[0]) > _WIDTH and len(cells) > len(names) + 2:
            cells.popitem()
            text = pd.DataFrame(cells).to_string(index=False)
        return text


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
