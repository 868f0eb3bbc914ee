"""AUROCs of traits, map types and models in one forest plot."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator
from matplotlib.transforms import blended_transform_factory

from polarnet.report.style import COLOURS, GREY, MARKERS, ONE_COLUMN, SMALL, TINY, new_axes, tidy
from polarnet.report.tables import short_note, trait_name

COLUMNS: Final = (
    "map_type", "trait", "series", "auroc", "ci_low", "ci_high", "n_pos", "n_neg",
    "is_circular", "note",
)  # fmt: skip

CIRCULAR_SIGN: Final = "\N{DAGGER}"

_LINE = 0.085
"""Inches from one series to the next, the unit of the vertical axis."""


def plot_forest(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    published: Mapping[tuple[str, str], tuple[float, float, float]] | None = None,
) -> Axes:
    """Draw one row a trait, grouped by map type, the series below one another in it.

    Parameters
    ----------
    table
        One row a map type, trait and series, in the order to be drawn: map_type, trait, series
        (what was scored with), auroc, ci_low, ci_high, n_pos, n_neg, is_circular (the label was
        derived from the flow shown), note. Where auroc is NaN the note is written.
    ax
        Axes to draw on. Default: new ones of one column's width and the height it takes.
    published
        (map type, trait) -> value, low, high; drawn hollow. Keys without a row are left out.

    Returns
    -------
    The axes; one unit of y is one series, and the ticks stand in the middle of the rows.

    Raises
    ------
    ValueError: a column is missing, there is no row, or a map type, trait and series is there
        twice.
    """
    _check(table)
    published = published or {}
    names = list(dict.fromkeys(table["series"]))
    if len(names) > len(MARKERS):
        raise ValueError(f"At most {len(MARKERS)} series can be told apart, not {len(names)}.")
    n_lines = len(names) + bool(published)
    height = max(n_lines + 0.8, 2.0)
    cells = list(dict.fromkeys(zip(table["map_type"], table["trait"], strict=True)))
    groups = list(dict.fromkeys(map_type for map_type, _ in cells))
    rows = [(m, t) for m in groups for t in (None, *(t for g, t in cells if g == m))]
    heights = np.array([height if trait else 2.0 for _, trait in rows])
    middles = heights.cumsum() - heights / 2
    ax = ax or new_axes(ONE_COLUMN, 0.9 + _LINE * heights.sum())
    ax.axvline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set_ylim(heights.sum(), 0)
    offsets = {name: k - (len(names) - 1) / 2 for k, name in enumerate(names)}
    by_cell = {key: some for key, some in table.groupby(["map_type", "trait"], sort=False)}
    for y, key in zip(middles, rows, strict=True):
        if key[1] is None:
            continue
        _draw_cell(ax, by_cell[key], y, offsets)
        if key in published:
            value, low, high = published[key]
            at = y + (len(names) + 1) / 2
            ax.plot([low, high], [at, at], color="0.3", lw=0.5, gid="published")
            ax.plot(value, at, "D", ms=3.5, mfc="w", mec="0.3", mew=0.7, gid="published")
    _label_rows(ax, rows, middles, by_cell)
    _label_series(ax, names, published, table["is_circular"].any())
    return ax


def _check(table: pd.DataFrame) -> None:
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(f"A forest plot needs the columns {', '.join(missing)} too.")
    if table.empty:
        raise ValueError("A forest plot needs at least one row, but the table is empty.")
    if (again := table.duplicated(["map_type", "trait", "series"])).any():
        first = table.loc[again, ["map_type", "trait", "series"]].iloc[0]
        raise ValueError(f"{', '.join(map(str, first))} is there twice; give each series a name.")


def _draw_cell(ax: Axes, cell: pd.DataFrame, y: float, offsets: Mapping[str, float]) -> None:
    """Mark and interval of every series; the note where there is no number."""
    series = list(offsets)
    written: set[str] = set()
    for row in cell.itertuples():
        at = y + offsets[row.series]
        if np.isnan(row.auroc):
            note = short_note(row.note) or "not reported"
            if note not in written:
                place = blended_transform_factory(ax.transAxes, ax.transData)
                whole = cell["auroc"].isna().all() and cell["note"].nunique() == 1
                ax.text(0.02, y if whole else at, note, transform=place, fontsize=TINY - 0.5,
                        color="0.45", style="italic", va="center",
                        bbox={"fc": "w", "ec": "none", "pad": 0.5})  # fmt: skip
                written.add(note)
            continue
        k = series.index(row.series)
        colour = GREY if row.is_circular else COLOURS[k]
        ax.plot([row.ci_low, row.ci_high], [at, at], color=colour, lw=1, gid="interval")
        ax.plot(row.auroc, at, MARKERS[k], color=colour, ms=3.5, mew=0, gid="value")


def _label_rows(
    ax: Axes,
    rows: list[tuple[str, str | None]],
    middles: np.ndarray,
    by_cell: Mapping[tuple[str, str | None], pd.DataFrame],
) -> None:
    """Names of map types and traits on the left, counts on the right."""
    labels = []
    place = blended_transform_factory(ax.transAxes, ax.transData)
    for y, (map_type, trait) in zip(middles, rows, strict=True):
        if trait is None:
            labels.append(f"{map_type} maps")  # of whatever unit
            continue
        cell = by_cell[map_type, trait]
        sign = CIRCULAR_SIGN if cell["is_circular"].any() else ""
        labels.append(trait_name(trait) + sign)
        counts = dict.fromkeys(zip(cell["n_pos"], cell["n_neg"], strict=True))
        text = "\n".join(f"{n_pos:.0f} / {n_neg:.0f}" for n_pos, n_neg in counts)
        ax.text(1.03, y, text, transform=place, fontsize=TINY, va="center", linespacing=1)
    ax.text(1.03, middles[0], "n with /\nwithout", transform=place, fontsize=TINY, va="center",
            color="0.35", linespacing=1)  # fmt: skip
    ax.set_yticks(middles, labels)
    tidy(ax).spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=SMALL)
    for label, (_, trait) in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if trait is None else "normal")


def _label_series(ax: Axes, names: list[str], published: Mapping, has_circular: bool) -> None:
    """Legend above, axis label and the meaning of the sign below."""
    for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
        ax.plot([], [], marker, color=colour, ms=3.5, mew=0, label=name)
    if published:
        ax.plot([], [], "D", ms=3.5, mfc="w", mec="0.3", mew=0.7, label="published")
    ends = np.concatenate([line.get_xdata() for line in ax.lines])
    low = min(0.4, np.floor(np.nanmin(ends) * 10) / 10) if len(ends) else 0.4
    ax.set_xlim(low, 1.02)
    ax.xaxis.set_major_locator(MultipleLocator(0.1 if low > 0.25 else 0.2))
    sign = f"\n{CIRCULAR_SIGN} label derived from the flow shown" if has_circular else ""
    ax.set_xlabel(f"AUROC [95 % interval]{sign}")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=TINY, frameon=False,
              handletextpad=0.2, columnspacing=1)  # fmt: skip
