"""Where a network looks: attribution of single studies, of groups, and by segment."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from polarnet.anatomy import disc_mask, in_segment_order
from polarnet.explain.checks import Level
from polarnet.labels import read_labels
from polarnet.plotting.maps import HEAT, add_colorbar, map_label, plot_polar_map, segment_middles
from polarnet.plotting.style import (
    COLOURS,
    GREY,
    SMALL,
    TINY,
    TWO_COLUMNS,
    check_columns,
    new_axes,
    new_figure,
    new_panels,
    tidy,
)

TOP: Final = 0.15
"""Share of the disc that is outlined as what a map points at (our choice)."""

BRIGHTEST: Final = 99
"""Percentile of a study's own attribution that gets the brightest colour (our choice)."""

ALPHA: Final = 0.05
"""p-values below it are marked (our choice, the usual one)."""

_LETTERS: Final = 24
"""Characters per line of a row's title, beside a map of 1.6 inches."""

_PANEL: Final = 2.4
"""Inches of a bullseye, two in a row: its numbers can be read, on a phone too."""

_DIFFERENCE: Final = "difference\nwith minus without"


def plot_overlays(
    maps: np.ndarray,
    heat: np.ndarray,
    *,
    rows: Sequence[int],
    titles: Sequence[str],
    map_type: str,
    unit: str,
    randomised: np.ndarray | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw single studies: the map, its attribution, and where the attribution is highest.

    The attribution of each study is scaled to its own 99th percentile within the disc, so its
    brightness cannot be compared between studies; where it is below 0, it is drawn as 0.

    Parameters
    ----------
    maps, heat
        Maps and their attribution, both of shape (n, size, size), anterior up, septum left.
    rows
        Positions of the studies to be drawn, one per row.
    titles
        One per study drawn, printed as they are: no id of a patient or study.
    map_type, unit
        As for `plot_polar_map`.
    randomised
        Attribution of the same studies by a network with random weights.
    figure
        Figure or SubFigure to draw in, with `layout="constrained"`. Default: a new one.

    Raises
    ------
    ValueError: the arrays differ in shape, there is no row, or another number of titles.
    """
    for name, other in (("heat", heat), ("randomised", randomised)):
        if other is not None and other.shape != maps.shape:
            raise ValueError(f"{name} must have the shape of maps {maps.shape}, not {other.shape}.")
    if not len(rows) or len(rows) != len(titles):
        raise ValueError(
            f"Each row needs a title, but {len(rows)} rows and {len(titles)} titles came."
        )
    of_map, of_heat = (
        map_label(map_type, unit),
        f"share of the study's own\n{BRIGHTEST}th percentile",
    )
    columns = {
        f"{map_type} map": of_map,
        "attribution": of_heat,
        f"highest {100 * TOP:.0f} % outlined": of_map,
    }
    if randomised is not None:
        columns["random weights"] = of_heat
    width, height = TWO_COLUMNS * len(columns) / 4 + 0.2, 0.9 + 1.65 * len(rows)
    drawn = new_figure(width, height, figure)
    axes = drawn.subplots(len(rows), len(columns), squeeze=False)
    flow: dict[str, Any] = {"map_type": map_type, "unit": unit, "show_means": False}
    flow |= {"colorbar": False}
    for line, k, title in zip(axes, rows, titles, strict=True):
        plot_polar_map(maps[k], line[0], **flow)
        plot_polar_map(maps[k], line[2], cmap="gray", edgecolor="0.5", **flow)
        _outline(line[2], heat[k])
        _draw_attribution(line[1], heat[k])
        if randomised is not None:
            _draw_attribution(line[3], randomised[k])
        look: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "ma": "center"}
        line[0].text(-1.3, 0, fill(title, _LETTERS), fontsize=SMALL, **look)
    for column, (head, label) in zip(axes.T, columns.items(), strict=True):
        column[0].set_title(head, fontsize=SMALL, pad=12)
        add_colorbar(list(column), label, location="bottom")
    return drawn


def _draw_attribution(ax: Axes, heat: np.ndarray) -> None:
    """Attribution of one study as a share of its own 99th percentile."""
    brightest = np.percentile(heat[disc_mask(len(heat))], BRIGHTEST)
    shares = heat / brightest if brightest > 0 else np.zeros_like(heat)
    plot_polar_map(shares, ax, vmin=0.0, vmax=1.0, cmap=HEAT, show_means=False, colorbar=False)
    if brightest <= 0:
        behind = {"fc": "w", "ec": "none", "pad": 1}
        ax.text(0, 0, "no attribution", fontsize=TINY, ha="center", va="center", bbox=behind)


def _outline(ax: Axes, heat: np.ndarray) -> None:
    """The border of the pixels with the highest attribution, visible on dark and on bright."""
    disc = disc_mask(len(heat))
    is_top = disc & (heat > 0) & (heat >= np.quantile(heat[disc], 1 - TOP))
    if not is_top.any():
        return
    # A pixel of nothing around, so that the line closes where the disc touches the map's side.
    padded, reach = np.pad(is_top.astype(float), 1), 1 + 2 / len(heat)
    place: dict[str, Any] = {"origin": "upper", "extent": (-reach, reach, -reach, reach)}
    for colour, width in (("w", 2.2), (COLOURS[2], 1.2)):
        ax.contour(padded, [0.5], colors=colour, linewidths=width, **place)
    ax.set(xlim=(-1, 1), ylim=(-1, 1))


def plot_group_bullseyes(
    table: pd.DataFrame,
    *,
    label: str = "",
    randomised: ArrayLike | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the mean attribution of patients with and without a trait, and the difference.

    A filled dot marks segments whose difference has p < 0.05 after max-T over the 17 segments,
    a small hollow one those that reach it by Benjamini-Hochberg only.

    Parameters
    ----------
    table
        As from `compare_groups`: one row per segment, with segment (1 to 17), n_pos, n_neg,
        mean_pos and mean_neg (area-corrected shares, each summing to 1), p_max_t, p_bh.
    label
        What follows "with", such as "impaired MFR" or "female sex".
    randomised
        Shape (17,): mean shares of a network with random weights, drawn on the first one's scale.
    figure
        Figure or SubFigure to draw in, with `layout="constrained"`. Default: a new one.

    Raises
    ------
    ValueError: a column is missing, or the rows are not segments 1 to 17.
    """
    check_columns(table, "segment", "n_pos", "n_neg", "mean_pos", "mean_neg", "p_max_t", "p_bh")
    if sorted(pd.to_numeric(table["segment"], errors="coerce")) != list(range(1, 18)):
        raise ValueError(
            "The table needs one row for each of the segments 1 to 17, "
            f"but has {', '.join(map(str, table['segment']))}."
        )
    rows = table.sort_values("segment", key=pd.to_numeric)
    positive, negative = 100 * rows[["mean_pos", "mean_neg"]].to_numpy(float).T
    n_pos, n_neg = rows[["n_pos", "n_neg"]].iloc[0]
    panels = {
        f"with {label or 'the trait'}\nn = {n_pos:.0f}": positive,
        f"without\nn = {n_neg:.0f}": negative,
        _DIFFERENCE: positive - negative,
    }
    if randomised is not None:
        panels["random weights\nnothing learnt"] = 100 * in_segment_order(randomised)
    share = f"share of attribution (%)\neven: {100 / 17:.1f}"
    # As many lines on each bar, so that they line up.
    drawn, axes = _draw_groups(panels, share, "percentage points\n", figure)
    is_sure = rows["p_max_t"].to_numpy() < ALPHA
    is_likely = (rows["p_bh"].to_numpy() < ALPHA) & ~is_sure
    below, mark = segment_middles() - (0, 0.085), axes[2].plot
    sure, likely = (
        f"p < {ALPHA} by max-T over 17 segments",
        f"p < {ALPHA} by Benjamini-Hochberg only",
    )
    mark(*below[is_sure].T, "o", ms=3, mfc="k", mec="w", mew=0.4, gid="max-T", label=sure)
    mark(*below[is_likely].T, "o", ms=2, mfc="w", mec="k", mew=0.5, gid="BH", label=likely)
    drawn.legend(loc="outside lower center", fontsize=TINY, frameon=False)
    return drawn


def plot_difference_map(
    heat: np.ndarray,
    labels: ArrayLike,
    *,
    label: str = "",
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the mean attribution of each pixel with and without a trait, and the difference.

    Each study counts the same: its absolute attribution is divided by its mean over the disc. A
    study without any attribution is left out.

    Parameters
    ----------
    heat
        Attribution of shape (n, size, size), one study per patient, anterior up, septum left.
    labels
        Shape (n,): 1, 0, or NaN for not recorded, which is left out.
    label, figure
        As for `plot_group_bullseyes`.

    Raises
    ------
    ValueError: as many labels as maps are needed, and a study of each class.
    """
    labels = read_labels(labels)
    if labels.shape != heat.shape[:1]:
        raise ValueError(f"{len(heat)} maps need as many labels, but {labels.shape} came.")
    disc = disc_mask(heat.shape[-1])
    sizes = np.abs(heat[:, disc]).mean(axis=1)
    panels = {}
    for value, words in ((1, f"with {label or 'the trait'}"), (0, "without")):
        chosen = (labels == value) & (sizes > 0)
        if not chosen.any():
            raise ValueError(
                f"No study with label {value} has any attribution: there is nothing to compare."
            )
        mean = (np.abs(heat[chosen]) / sizes[chosen, None, None]).mean(axis=0)
        panels[f"{words}\nn = {chosen.sum()}"] = mean * disc
    with_, without = panels.values()
    panels[_DIFFERENCE] = with_ - without
    return _draw_groups(panels, "times the mean of the disc", "difference of the two", figure)[0]


def _draw_groups(
    panels: Mapping[str, np.ndarray], label: str, difference: str, figure: Figure | SubFigure | None
) -> tuple[Figure, list[Axes]]:
    """Maps or bullseyes on one scale, and their difference on a symmetric one; a bar below each."""
    brightest = max(v.max() for title, v in panels.items() if title != _DIFFERENCE)
    drawn, axes = new_panels(len(panels), 2, width=2 * _PANEL, height=_PANEL + 1.1, figure=figure)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        reach = float(np.abs(values).max()) or 1.0
        scale: dict[str, Any] = {"vmin": 0.0, "vmax": brightest, "cmap": HEAT}
        if title == _DIFFERENCE:
            scale = {"vmin": -reach, "vmax": reach}
        plot_polar_map(values, ax, show_means=values.ndim == 1, colorbar=False, **scale)
        ax.set_title(title, fontsize=SMALL, pad=12)
        text = difference if title == _DIFFERENCE else label
        add_colorbar([ax], text, location="bottom", extend="neither")
    return drawn, axes


def plot_contributions(
    panels: Mapping[str, ArrayLike], *, figure: Figure | SubFigure | None = None
) -> Figure:
    """Draw what each segment adds to a score, on one scale for all panels, white at 0.

    Parameters
    ----------
    panels
        Title -> 17 values in logits, such as means of `wide_contribution`.
    figure
        Figure or SubFigure to draw in, with `layout="constrained"`. Default: a new one.
    """
    values = {title: in_segment_order(panel) for title, panel in panels.items()}
    reach = max(float(np.abs(panel).max()) for panel in values.values()) or 1.0
    columns = min(2, len(values))
    drawn, axes = new_panels(
        len(values), columns, width=columns * _PANEL, height=_PANEL + 0.6, figure=figure
    )
    for ax, (title, panel) in zip(axes, values.items(), strict=True):
        plot_polar_map(panel, ax, vmin=-reach, vmax=reach, colorbar=False, digits=2)
        ax.set_title(title, fontsize=SMALL, pad=12)
    text = "logits added beside the usual level (red: for the trait)"
    add_colorbar(axes, text, location="bottom", extend="neither")
    return drawn


def plot_cascade(
    table: pd.DataFrame, ax: Axes | None = None, *, level: Level | None = None
) -> Axes:
    """Draw how attribution changes as the network's layers are randomised from the top.

    Parameters
    ----------
    table
        One row per step, in order: layer (the last one randomised), value (median rank correlation
        with the trained network's attribution), low, high (95 % interval).
    ax
        Axes to draw on. Default: new ones of one column's width.
    level
        Agreement between different patients: median, low, high. A map that depends on what was
        learnt falls to it.

    Raises
    ------
    ValueError: a column is missing, or there is no row.

    References
    ----------
    Adebayo et al., NeurIPS 2018, arXiv:1810.03292 (cascading randomisation).
    Arun et al., Radiol Artif Intell 2021;3:e200267 (level of random pairs).
    """
    check_columns(table, "layer", "value", "low", "high")
    ax = ax or new_axes(2.8)
    steps = np.arange(len(table))
    if level is not None:
        ax.axhspan(level.low, level.high, color=GREY, alpha=0.3, lw=0, gid="level")
        ax.axhline(level.median, color=GREY, lw=0.8, ls="--", label="maps of two patients")
    ax.fill_between(steps, table["low"], table["high"], color=COLOURS[1], alpha=0.25, lw=0)
    look: dict[str, Any] = {"color": COLOURS[1], "lw": 1.2, "ms": 3.5, "mew": 0, "gid": "value"}
    ax.plot(steps, table["value"], "o-", label="trained and randomised network", **look)
    ax.set_xticks(steps, table["layer"], rotation=40, ha="right", rotation_mode="anchor")
    ax.set_ylim(min(-0.05, np.nanmin(table[["value", "low"]].to_numpy(float)) - 0.05), 1.02)
    tidy(ax, "randomised from the top down to this layer", "rank correlation [95 % interval]")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=TINY, frameon=False)
    return ax
