"""Tables and pages that were written before, read back for a larger page."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.evaluation.table import FIRST_STUDIES
from polarnet.files import without_apostrophes
from polarnet.report.tables import interval_text, print_cells, short_note, trait_name

CIRCULAR: Final = "\N{DAGGER}"
"""Beside a trait that was derived from the flow that the map shows."""

FIRST: Final = ("map_type", "trait", "series")
"""Columns that say what a row is about."""

VALUES: Final = {
    "ci": "auroc", "two_way": "seed_mean", "odds": "odds_ratio", "covariates": "covariates_auroc",
    "seed": "seed_mean", "diff": "difference", "": "prevalence",
}  # fmt: skip
"""Columns ..._low and ..._high -> the value they belong to, where it has another name."""


@dataclass
class Written(HTMLParser):
    """What a page of ours says beside its cells.

    Attributes
    ----------
    caption
        Of its first table.
    banners, notes
        Sentences above and below the table.
    alternatives
        Texts of its pictures, in order.
    facts
        Term -> text of its list of facts.
    command
        The line by which it can be made again.
    """

    caption: str = ""
    banners: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    alternatives: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    command: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._text, self._term, self._is_below, self._is_banner = "", "", False, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "img":
            self.alternatives.append(named.get("alt") or "")
        if tag == "div":
            self._is_below = named.get("class") == "notes"
        if tag in ("p", "caption", "dt", "dd", "pre"):
            self._text = ""
            self._is_banner = "banner" in (named.get("class") or "")

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        text = " ".join(self._text.split())
        if tag == "p" and self._is_banner:
            self.banners.append(text)
        elif tag == "p" and self._is_below:
            self.notes.append(text)
        elif tag == "caption":
            self.caption = self.caption or text
        elif tag == "dt":
            self._term = text
        elif tag == "dd":
            self.facts[self._term] = text
        elif tag == "pre":
            self.command = text


def read_page(path: Path) -> Written:
    """A page that `write_table` or `write_explanation` wrote; nothing of a page that is not."""
    found = Written()
    if path.is_file():
        found.feed(path.read_text(encoding="utf-8", errors="replace"))
        found.close()
    return found


def read_table(stem: Path) -> tuple[pd.DataFrame, Written]:
    """A table that `write_table` wrote, with its title and notes.

    Raises
    ------
    ValueError: the CSV file cannot be read.
    """
    path = stem.with_name(f"{stem.name}.csv")
    try:
        # Only the empty cell is a gap: a trait may be called "NA" or "null".
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}). Make it again.") from None
    return without_apostrophes(table), read_page(stem.with_name(f"{stem.name}.html"))


def condensed(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """A table with value and interval in one cell, and counts in one.

    Parameters
    ----------
    table
        As `write_table` got it: value columns beside ..._low and ..._high; n_pos and n_neg;
        is_circular; method; note.

    Returns
    -------
    The table as text to print, and what is the same for all its rows, as notes.
    """
    table, notes = table.copy(), []
    for low in [name for name in table if str(name).endswith("low")]:
        stem = str(low).removesuffix("low").removesuffix("_")
        high = str(low).removesuffix("low") + "high"
        named = (stem, VALUES.get(stem, ""), f"auroc_{stem}")
        value = next((name for name in named if name in table), "")
        if not value or high not in table:
            continue
        ends = table[[value, low, high]].apply(pd.to_numeric, errors="coerce")
        is_signed = "difference" in value
        cells = [interval_text(*row, is_signed=is_signed) for row in ends.to_numpy(float)]
        is_gap = ends[value].isna().to_numpy() & ~np.full(len(ends), value == "auroc")
        table[value] = ["" if gap else cell for gap, cell in zip(is_gap, cells, strict=True)]
        table = table.drop(columns=[low, high]).rename(columns={value: f"{value} [95 %]"})
    if {"n_pos", "n_neg"} <= set(table):
        counts = table[["n_pos", "n_neg"]].astype("Int64").astype(str)
        table["n_pos"] = counts["n_pos"] + " / " + counts["n_neg"]
        table = table.drop(columns="n_neg").rename(columns={"n_pos": "n with / without"})
    if "trait" in table:
        table["trait"] = [trait_name(str(trait)) for trait in table["trait"]]
        if "is_circular" in table:
            is_circular = table["is_circular"].astype(str) == "True"
            table.loc[is_circular, "trait"] += CIRCULAR
            if is_circular.any():
                notes.append(f"{CIRCULAR} circular: the label is derived from the flow shown.")
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
    table = table.drop(columns=[name for name in table if table[name].isna().all()])
    first = [name for name in FIRST if name in table]
    table = table[[*first, *(name for name in table if name not in first)]]
    printed, _ = print_cells(table)
    return printed.rename(columns=_heading), notes


def _heading(name: object) -> str:
    """A column as it is printed.

    >>> _heading("comparator_auroc")
    'comparator AUROC'
    """
    words = str(name).replace("_", " ").split(" ")
    return " ".join({"auroc": "AUROC", "smd": "SMD"}.get(word, word) for word in words)
