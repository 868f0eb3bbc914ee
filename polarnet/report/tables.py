"""How a study's tables and figures are written: cells, and the files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from polarnet.evaluation.roc import NOT_ESTIMABLE
from polarnet.evaluation.table import FIRST_STUDIES
from polarnet.files import csv_text, new_file
from polarnet.report.style import plain_text
from polarnet.traits import IMPAIRED_MFR

PHANTOM_NOTE: Final = "Phantom, not patients."
"""The note of a table whose cohort was simulated; it becomes a banner."""

NOT_REPORTED: Final = "not reported"

TRAIT_NAMES: Final = {IMPAIRED_MFR: "impaired MFR"}
"""Traits whose name in print is not their name in a file, underscores apart."""

DECIMALS: Final = 3
"""Of a number in print (our choice); the CSV beside it has six digits."""

DOTS_PER_INCH: Final = 200

_NUMBER: Final = re.compile(
    rf"|[<>]?[+-]?\d[\d.,e%/()\[\] +-]*(\[{NOT_ESTIMABLE}\])?|{NOT_REPORTED}|{NOT_ESTIMABLE}"
)


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


def short_note(note: Any) -> str:
    """A row's note without what the footnote says of all rows; empty where there is none."""
    parts = [] if pd.isna(note) else str(note).split("; ")
    return "; ".join(part for part in parts if not part.startswith(FIRST_STUDIES))


def write_table(
    table: pd.DataFrame, stem: str | Path, *, title: str, notes: Sequence[str] = ()
) -> list[Path]:
    """Write a table for machines, for readers and for a manuscript.

    Parameters
    ----------
    table
        One row a line; its index is not written. In print numbers have three decimals, counts
        none, and columns named `p`, `p_...` or `..._p` are p-values.
    stem
        Path without ending; files from before are replaced.
    title
        What the table shows, in one line.
    notes
        Sentences below the table. "Phantom, not patients." becomes a banner above it.

    Returns
    -------
    Paths of `stem`.csv (numbers with six digits, text made `harmless`), `stem`.html (stands alone)
    and `stem`.tex (a booktabs tabular with the notes below it, to be put into a table environment).

    Raises
    ------
    ValueError: two columns have the same name.
    """
    if table.columns.has_duplicates:
        raise ValueError(f"Columns must have different names, not {', '.join(table.columns)}.")
    printed, is_right = print_cells(table)
    paths = [Path(f"{stem}.{ending}") for ending in ("csv", "html", "tex")]
    texts = [
        csv_text(table, float_format="%.6g"),
        _html(printed, is_right, title, notes),
        _latex(printed, is_right, title, notes),
    ]
    for path, text in zip(paths, texts, strict=True):
        with new_file(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return paths


def print_cells(table: pd.DataFrame) -> tuple[pd.DataFrame, list[bool]]:
    """A table as readers see it.

    Parameters
    ----------
    table
        As for `write_table`.

    Returns
    -------
    The cells as text, and for each column whether all of it are numbers, to be set right.
    """
    printed = pd.DataFrame({name: _printed(table[name]) for name in table})
    is_right = [
        any(printed[name]) and all(map(_NUMBER.fullmatch, printed[name])) for name in printed
    ]
    return printed, is_right


def save_figure(figure: Figure, stem: str | Path) -> list[Path]:
    """Write a figure for print and for screens, at the size it has.

    Parameters
    ----------
    stem
        Path without ending; files from before are replaced.

    Returns
    -------
    Paths of `stem`.svg (text stays text, no date within: the same figure gives the same file)
    and `stem`.png (200 dots an inch).
    """
    paths = [Path(f"{stem}.svg"), Path(f"{stem}.png")]
    plain_text(figure)
    with mpl.rc_context({"svg.hashsalt": "polarnet", "svg.fonttype": "none"}):
        # A stream of bytes: matplotlib would write a path with the line ends of the system.
        with new_file(paths[0]) as partial, partial.open("wb") as stream:
            figure.savefig(stream, format="svg", metadata={"Date": None})
        with new_file(paths[1]) as partial:
            figure.savefig(partial, format="png", dpi=DOTS_PER_INCH)
    return paths


def _printed(column: pd.Series) -> list[str]:
    """Cells of one column as readers see them; the decimals are those of the whole column."""
    name = str(column.name)
    if pd.api.types.is_bool_dtype(column):
        return ["yes" if value else "no" for value in column]
    if not pd.api.types.is_numeric_dtype(column):
        return ["" if pd.isna(value) else str(value) for value in column]
    if name == "p" or name.startswith("p_") or name.endswith("_p"):
        return [p_text(p) for p in column]
    # A count with a gap in its column is a float, and still has no decimals.
    known = column.dropna().to_numpy(float)
    decimals = 0 if np.array_equal(known, np.round(known)) else DECIMALS
    return ["" if pd.isna(value) else _decimal(float(value), decimals) for value in column]


def _decimal(value: float, decimals: int) -> str:
    """A number with fixed decimals; one that would come out as zero keeps its first digit."""
    text = f"{value:.{decimals}f}"
    return f"{value:.1g}" if value and float(text) == 0 else text


def _html(printed: pd.DataFrame, is_right: list[bool], title: str, notes: Sequence[str]) -> str:
    """The page of one table."""
    banners = [note for note in notes if note == PHANTOM_NOTE]
    return (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("table.html")
        .render(
            title=title,
            banners=banners,
            notes=[note for note in notes if note not in banners],
            columns=list(zip(printed.columns, is_right, strict=True)),
            rows=[list(zip(row, is_right, strict=True)) for row in printed.to_numpy()],
        )
    )


def _latex(printed: pd.DataFrame, is_right: list[bool], title: str, notes: Sequence[str]) -> str:
    """A booktabs tabular, its title as a comment, its notes as small text below."""
    tabular = printed.to_latex(
        index=False, escape=True, column_format="".join("r" if r else "l" for r in is_right)
    )
    below = "".join(f"\n{{\\footnotesize {_escaped(note)}\\par}}\n" for note in notes)
    comment = " ".join(title.split())
    # LaTeX's first font encoding prints < and > as other signs, and pandas lets them pass.
    body = (tabular + below).replace("<", r"\textless{}").replace(">", r"\textgreater{}")
    return f"% {comment}\n{body}"


def _escaped(text: str) -> str:
    """Text with LaTeX's special signs escaped by pandas, which does so only within a table."""
    lines = pd.DataFrame([" ".join(text.split())]).to_latex(index=False, header=False, escape=True)
    return next(line for line in lines.splitlines() if line.endswith(r"\\")).removesuffix(r" \\")
