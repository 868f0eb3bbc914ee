"""Tables of a study: written for machines, readers and a manuscript, and read back from CSV."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.display import NOT_ESTIMABLE, NOT_REPORTED, interval_text, p_text, trait_name
from polarnet.evaluation.table import FIRST_STUDIES, short_note
from polarnet.files import csv_text, new_file, read_json, without_apostrophes, write_json
from polarnet.plotting.performance import CIRCULAR_SIGN
from polarnet.report.pages import render

PHANTOM_NOTE: Final = "Phantom, not patients."
"""The note of a table whose cohort was simulated; it becomes a banner."""

DECIMALS: Final = 3
"""Of a number in print (our choice); the CSV beside it has six digits."""

SHORT: Final = 24
"""Letters of a cell that is never broken into lines (our choice)."""

WIDE: Final = 12
"""A table with more columns shows each row as a block; on a phone, with more than four."""

FIRST: Final = ("map_type", "trait", "series")
"""Columns that say what a row is about."""

VALUES: Final = {
    "ci": "auroc",
    "two_way": "seed_mean",
    "odds": "odds_ratio",
    "covariates": "covariates_auroc",
    "seed": "seed_mean",
    "diff": "difference",
    "": "prevalence",
}
"""Columns ..._low and ..._high -> the value they belong to, where it has another name."""

_NUMBER: Final = re.compile(
    rf"|[<>]?[+-]?\d[\d.,e%/()\[\] +-]*(\[{NOT_ESTIMABLE}\])?|{NOT_REPORTED}|{NOT_ESTIMABLE}"
)


def write_table(
    table: pd.DataFrame, stem: str | Path, *, title: str, notes: Sequence[str] = ()
) -> list[Path]:
    """Write a table for machines, for readers and for a manuscript.

    Parameters
    ----------
    table
        Its index is not written. In print numbers have three decimals, counts none, and columns
        named `p`, `p_...` or `..._p` are p-values.
    stem
        Path without ending; older files are replaced.
    title
        What the table shows, in one line.
    notes
        Sentences below the table. "Phantom, not patients." becomes a banner above it.

    Returns
    -------
    Paths of `stem`.csv (numbers with six digits, text made `harmless`), `stem`.json (title and
    notes), `stem`.html (stands alone) and `stem`.tex (a booktabs tabular with the notes below it,
    to be put into a table environment).

    Raises
    ------
    ValueError: two columns have the same name.
    """
    if table.columns.has_duplicates:
        raise ValueError(f"Columns must have different names, not {', '.join(table.columns)}.")
    paths = [Path(f"{stem}.{ending}") for ending in ("csv", "json", "html", "tex")]
    csv, json, html, tex = paths
    texts = {
        csv: csv_text(table, float_format="%.6g"),
        html: render("table", table=page_table(table, title, notes)),
        tex: _latex(table, title, notes),
    }
    write_json(json, {"title": title, "notes": list(notes)})
    for path, text in texts.items():
        with new_file(path) as partial:
            partial.write_text(text, encoding="utf-8", newline="\n")
    return paths


def read_table(stem: Path) -> tuple[pd.DataFrame, str, list[str]]:
    """A table that `write_table` wrote, its title and its notes. ValueError: it cannot be read."""
    path, facts = Path(f"{stem}.csv"), Path(f"{stem}.json")
    try:
        # Only the empty cell is a gap: a trait may be called "NA" or "null".
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}). Make it again.") from None
    found = read_json(facts) if facts.is_file() else {}
    title = str(found.get("title") or stem.name.replace("_", " "))
    return without_apostrophes(table), title, [str(note) for note in found.get("notes", [])]


def page_table(table: pd.DataFrame, title: str, notes: Sequence[str] = ()) -> dict[str, Any]:
    """A table as the templates show it: its cells as text, each with the look of its column."""
    printed, is_right = print_cells(table)
    printed = printed.astype(str)  # without rows, pandas takes a column for one of numbers
    looks = [
        "number" if is_number else "long" if printed[name].str.len().max() > SHORT else "short"
        for name, is_number in zip(printed, is_right, strict=True)
    ]
    return {
        "title": title,
        "shape": "many" if len(looks) > WIDE else "stack" if len(looks) > 4 else "",
        "headings": list(zip(map(str, printed.columns), looks, strict=True)),
        "rows": [list(zip(row, looks, strict=True)) for row in printed.to_numpy()],
        "is_phantom": PHANTOM_NOTE in notes,
        "notes": [note for note in notes if note != PHANTOM_NOTE],
    }


def print_cells(table: pd.DataFrame) -> tuple[pd.DataFrame, list[bool]]:
    """The cells of a table as readers see them, and for each column whether it holds numbers."""
    printed = pd.DataFrame({name: _printed(table[name]) for name in table})
    return printed, [
        any(printed[name]) and all(map(_NUMBER.fullmatch, printed[name])) for name in printed
    ]


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
    texts = ["" if pd.isna(value) else f"{value:.{decimals}f}" for value in column]
    # A number that would come out as zero keeps its first digit.
    return [
        f"{value:.1g}" if text and value and float(text) == 0 else text
        for value, text in zip(column, texts, strict=True)
    ]


def condensed(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table as text to print, value and interval in one cell and both counts in one; and what is
    the same for all its rows, as notes.
    """
    table, notes = table.copy(), []
    for low in [str(name) for name in table if str(name).endswith("low")]:
        high, stem = low.removesuffix("low") + "high", low.removesuffix("low").removesuffix("_")
        known = [name for name in (stem, VALUES.get(stem, ""), f"auroc_{stem}") if name in table]
        if not known or high not in table:
            continue
        value = known[0]
        ends = table[[value, low, high]].apply(pd.to_numeric, errors="coerce")
        is_signed = "difference" in value
        digits = 3 if is_signed else 2  # differences are small
        rows = ends.to_numpy(float)
        cells = [interval_text(*row, digits=digits, is_signed=is_signed) for row in rows]
        is_gap = ends[value].isna() & (value != "auroc")
        table[value] = pd.Series(cells, table.index).mask(is_gap, "")
        table = table.drop(columns=[low, high]).rename(columns={value: f"{value} [95 %]"})
    if {"n_pos", "n_neg"} <= set(table):
        counts = table[["n_pos", "n_neg"]].astype("Int64").astype(str)
        table["n_pos"] = counts["n_pos"] + " / " + counts["n_neg"]
        table = table.drop(columns="n_neg").rename(columns={"n_pos": "n with / without"})
    if "trait" in table:
        table["trait"] = [trait_name(str(trait)) for trait in table["trait"]]
        is_circular = table.get("is_circular", pd.Series(dtype=str)).astype(str) == "True"
        if is_circular.any():
            table.loc[is_circular, "trait"] += CIRCULAR_SIGN
            notes.append(f"{CIRCULAR_SIGN} circular: the label is derived from the flow shown.")
    table = table.drop(columns="is_circular", errors="ignore")
    for name in ("method", "data"):
        if name in table and table[name].dropna().nunique() <= 1:
            notes += [f"{name.capitalize()}: {text}." for text in table[name].dropna().unique()]
            table = table.drop(columns=name)
    if "note" in table:
        texts = table.pop("note")
        if texts.dropna().astype(str).str.contains(FIRST_STUDIES).any():
            notes.append(f"Counted: {FIRST_STUDIES}.")
        table["note"] = [short_note(text) or None for text in texts]  # the last column
    table = table.dropna(axis="columns", how="all")
    first = [name for name in FIRST if name in table]
    table = table[[*first, *(name for name in table if name not in first)]]
    return print_cells(table)[0].rename(columns=_heading), notes


def _heading(name: object) -> str:
    """A column as it is printed.

    >>> _heading("comparator_auroc")
    'comparator AUROC'
    """
    return re.sub(r"\b(auroc|smd)\b", lambda m: m[0].upper(), str(name).replace("_", " "))


def _latex(table: pd.DataFrame, title: str, notes: Sequence[str]) -> str:
    """A booktabs tabular, its title as a comment, its notes as small text below."""
    printed, is_right = print_cells(table)
    look = "".join("r" if is_number else "l" for is_number in is_right)
    tabular = printed.to_latex(index=False, escape=True, column_format=look)
    below = "".join(f"\n{{\\footnotesize {_escaped(note)}\\par}}\n" for note in notes)
    # LaTeX's first font encoding prints < and > as other signs, and pandas lets them pass.
    body = (tabular + below).replace("<", r"\textless{}").replace(">", r"\textgreater{}")
    return f"% {' '.join(title.split())}\n{body}"


def _escaped(text: str) -> str:
    """Text with LaTeX's special signs escaped by pandas, which does so only within a table."""
    lines = pd.DataFrame([" ".join(text.split())]).to_latex(index=False, header=False, escape=True)
    return next(line for line in lines.splitlines() if line.endswith(r"\\")).removesuffix(r" \\")
