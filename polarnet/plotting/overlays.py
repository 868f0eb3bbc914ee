"""Where a network looks: attribution of single studies, of groups, and by method."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from polarnet.anatomy import disc_mask, in_segment_order
from polarnet.labels import read_labels
from polarnet.plotting.maps import HEAT, add_colorbar, map_label, plot_polar_map, segment_middles
from polarnet.plotting.style import COLOURS, SMALL, TINY, TWO_COLUMNS, check_columns, new_panels

TOP: Final = 0.15
"""Share of the disc that is outlined as what a map points at (our choice)."""

BRIGHTEST: Final = 99
"""Percentile of a study's own attribution that gets the brightest colour (our choice)."""

ALPHA: Final = 0.05
"""p-values below it are marked (our choice, the usual one)."""

_BELOW: Final = -1.3  # radii: below the name of the inferior wall

_LETTERS: Final = 24
"""Characters per line of a row's title, beside a map of 1.6 inches."""

_OWN_SCALE: Final = f"share of the study's own\n{BRIGHTEST}th percentile"

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
    heads = [f"{map_type} map", "attribution", f"highest {100 * TOP:.0f} % outlined"]
    heads += ["random weights"] if randomised is not None else []
    figure, axes = _rows(heads, len(rows), width=TWO_COLUMNS * len(heads) / 4 + 0.2,
                         height=1.65, below=0.9)  # fmt: skip
    flow: dict[str, Any] = {"map_type": map_type, "unit": unit, "show_means": False,
                            "colorbar": False}  # fmt: skip
    for line, k, title in zip(axes, rows, titles, strict=True):
        plot_polar_map(maps[k], line[0], **flow)
        plot_polar_map(maps[k], line[2], cmap="gray", edgecolor="0.5", **flow)
        _outline(line[2], heat[k])
        _draw_attribution(line[1], heat[k])
        if randomised is not None:
            _draw_attribution(line[3], randomised[k])
        line[0].text(-1.3, 0, fill(title, _LETTERS), fontsize=SMALL, rotation=90, ha="right",
                     va="center", ma="center")  # fmt: skip
    labels = [map_label(map_type, unit), _OWN_SCALE, map_label(map_type, unit), _OWN_SCALE]
    for column, label in zip(axes.T, labels, strict=False):
        add_colorbar(list(column), label, location="bottom")
    return figure


def plot_methods(
    maps: np.ndarray,
    heats: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str],
    notes: Mapping[str, Sequence[str]],
    map_type: str,
    unit: str,
) -> Figure:
    """Draw single studies, one per row, beside what several methods attribute to each place.

    Parameters
    ----------
    maps
        Shape (n, size, size), anterior up, septum left.
    heats
        Method -> attribution of the same studies, scaled as in `plot_overlays`.
    titles
        One per study, printed as they are: no id of a patient or study.
    notes
        Method -> a few words per study, printed below its attribution, such as the vessel it names.
    map_type, unit
        As for `plot_polar_map`.
    """
    heads = [f"{map_type} map", *heats]
    figure, axes = _rows(heads, len(maps), width=1.35 * len(heads), height=1.85, below=1.0)
    below: dict[str, Any] = {"fontsize": SMALL, "ha": "center", "va": "top"}
    for k, line in enumerate(axes):
        plot_polar_map(maps[k], line[0], map_type=map_type, unit=unit, show_means=False,
                       colorbar=False)  # fmt: skip
        line[0].text(0, _BELOW, titles[k], **below)
        for ax, (method, heat) in zip(line[1:], heats.items(), strict=True):
            _draw_attribution(ax, heat[k])
            ax.text(0, _BELOW, notes[method][k], **below)
    add_colorbar(list(axes[:, 0]), map_label(map_type, unit), location="bottom")
    add_colorbar(list(axes[:, 1:].ravel()), _OWN_SCALE.replace("\n", " "), location="bottom")
    return figure


def plot_group_bullseyes(
    table: pd.DataFrame, *, label: str = "", randomised: ArrayLike | None = None
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
    figure = _draw_groups(panels, share, "percentage points\n", 3.4 if len(panels) == 3 else 2.9)
    _mark_segments(figure.axes[2], rows)
    figure.legend(loc="outside lower center", ncols=2, fontsize=TINY, frameon=False)
    return figure


def plot_difference_map(heat: np.ndarray, labels: ArrayLike, *, label: str = "") -> Figure:
    """Draw the mean attribution of each pixel with and without a trait, and the difference.

    Each study counts the same: its absolute attribution is divided by its mean over the disc. A
    study without any attribution is left out.

    Parameters
    ----------
    heat
        Attribution of shape (n, size, size), one study per patient, anterior up, septum left.
    labels
        Shape (n,): 1, 0, or NaN for not recorded, which is left out.
    label
        As for `plot_group_bullseyes`.

    Raises
    ------
    ValueError: as many labels as maps are needed, and a study of each class.
    """
    labels = read_labels(labels)
    if labels.shape != heat.shape[:1]:
        raise ValueError(f"{len(heat)} maps need as many labels, but {labels.shape} came.")
    sizes = np.abs(heat[:, disc_mask(heat.shape[-1])]).mean(axis=1)
    panels = {}
    for value, words in ((1, f"with {label or 'the trait'}"), (0, "without")):
        chosen = (labels == value) & (sizes > 0)
        if not chosen.any():
            raise ValueError(
                f"No study with label {value} has any attribution: there is nothing to compare."
            )
        mean = (np.abs(heat[chosen]) / sizes[chosen, None, None]).mean(axis=0)
        panels[f"{words}\nn = {chosen.sum()}"] = mean * disc_mask(len(mean))
    with_, without = panels.values()
    panels[_DIFFERENCE] = with_ - without
    return _draw_groups(panels, "times the mean of the disc", "difference of the two", 3.1)


def plot_contributions(panels: Mapping[str, ArrayLike]) -> Figure:
    """Draw what each segment adds to a score, on one scale for all panels, white at 0.

    Parameters
    ----------
    panels
        Title -> 17 values in logits, such as means of `wide_contribution`.
    """
    values = {title: in_segment_order(panel) for title, panel in panels.items()}
    reach = max(float(np.abs(panel).max()) for panel in values.values()) or 1.0
    figure, axes = new_panels(
        len(values), len(values), width=TWO_COLUMNS * len(values) / 4 + 0.2, height=2.7
    )
    for ax, (title, panel) in zip(axes, values.items(), strict=True):
        plot_polar_map(panel, ax, vmin=-reach, vmax=reach, colorbar=False, digits=2)
        ax.set_title(title, fontsize=SMALL, pad=12)
    add_colorbar(axes, "logits added beside the usual level (red: for the trait)",
                 location="bottom", extend="neither")  # fmt: skip
    return figure


def _rows(
    heads: Sequence[str], n: int, *, width: float, height: float, below: float
) -> tuple[Figure, np.ndarray]:
    """A figure of n rows, and its axes of shape (n, columns) with a head above each column."""
    figure = Figure(figsize=(width, below + height * n), layout="constrained")
    axes = figure.subplots(n, len(heads), squeeze=False)
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=SMALL, pad=12)
    return figure, axes


def _draw_groups(
    panels: Mapping[str, np.ndarray], label: str, difference: str, height: float
) -> Figure:
    """Maps or bullseyes on one scale, and their difference on a symmetric one; a bar below each."""
    brightest = max(v.max() for title, v in panels.items() if title != _DIFFERENCE)
    figure, axes = new_panels(len(panels), len(panels), width=TWO_COLUMNS, height=height)
    for ax, (title, values) in zip(axes, panels.items(), strict=True):
        is_difference = title == _DIFFERENCE
        reach = float(np.abs(values).max()) or 1.0
        plot_polar_map(
            values, ax, vmin=-reach if is_difference else 0.0,
            vmax=reach if is_difference else brightest, cmap=None if is_difference else HEAT,
            colorbar=False, show_means=values.ndim == 1,
        )  # fmt: skip
        ax.set_title(title, fontsize=SMALL, pad=12)
        add_colorbar([ax], difference if is_difference else label, location="bottom",
                     extend="neither")  # fmt: skip
    return figure


def _mark_segments(ax: Axes, rows: pd.DataFrame) -> None:
    """Dots below the numbers of segments that differ."""
    is_sure = rows["p_max_t"].to_numpy() < ALPHA
    is_likely = (rows["p_bh"].to_numpy() < ALPHA) & ~is_sure
    below = segment_middles() - (0, 0.085)
    ax.plot(*below[is_sure].T, "o", ms=3, mfc="k", mec="w", mew=0.4, gid="max-T",
            label=f"p < {ALPHA} by max-T over 17 segments")  # fmt: skip
    ax.plot(*below[is_likely].T, "o", ms=2, mfc="w", mec="k", mew=0.5, gid="BH",
            label=f"p < {ALPHA} by Benjamini-Hochberg only")  # fmt: skip


def _draw_attribution(ax: Axes, heat: np.ndarray) -> None:
    """Attribution of one study as a share of its own 99th percentile."""
    brightest = np.percentile(heat[disc_mask(len(heat))], BRIGHTEST)
    shares = heat / brightest if brightest > 0 else np.zeros_like(heat)
    plot_polar_map(shares, ax, vmin=0.0, vmax=1.0, cmap=HEAT, show_means=False, colorbar=False)
    if brightest <= 0:
        ax.text(0, 0, "no attribution", fontsize=TINY, ha="center", va="center",
                bbox={"fc": "w", "ec": "none", "pad": 1})  # fmt: skip


def _outline(ax: Axes, heat: np.ndarray) -> None:
    """The border of the pixels with the highest attribution, visible on dark and on bright."""
    disc = disc_mask(len(heat))
    is_top = disc & (heat > 0) & (heat >= np.quantile(heat[disc], 1 - TOP))
    if not is_top.any():
        return
    # A pixel of nothing around, so that the line closes where the disc touches the map's side.
    padded, reach = np.pad(is_top.astype(float), 1), 1 + 2 / len(heat)
    for colour, width in (("w", 2.2), (COLOURS[2], 1.2)):
        ax.contour(padded, [0.5], colors=colour, linewidths=width, origin="upper",
                   extent=(-reach, reach, -reach, reach))  # fmt: skip
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
