"""Where a network looks: groups of patients set against each other."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from polarnet.anatomy import disc_mask, in_segment_order
from polarnet.labels import read_labels
from polarnet.report.maps import (
    DIFFERENCES,
    HEAT,
    draw_scale,
    plot_bullseye,
    plot_polar_map,
    segment_middles,
)
from polarnet.report.style import SMALL, TINY, TWO_COLUMNS

ALPHA: Final = 0.05
"""p-values below it are marked (our choice, the usual one)."""

BY_GROUP: Final = "Mean attribution with and without"
ADDED: Final = "What each segment adds to the score"
"""How captions of the figures begin, by which a report finds them."""

_GROUP_COLUMNS: Final = ("segment", "n_pos", "n_neg", "mean_pos", "mean_neg", "p_max_t", "p_bh")


def plot_group_bullseyes(
    table: pd.DataFrame, *, label: str = "", randomised: ArrayLike | None = None
) -> Figure:
    """Draw the mean attribution of patients with and without a trait, and the difference.

    A filled dot marks segments whose difference has p < 0.05 after max-T over the 17 segments,
    a small hollow one those that reach it by Benjamini-Hochberg only.

    Parameters
    ----------
    table
        As from `compare_groups`: one row a segment, with segment (1 to 17), n_pos, n_neg,
        mean_pos and mean_neg (area-corrected shares, each summing to 1), p_max_t, p_bh.
    label
        What follows "with", such as "impaired MFR" or "female sex".
    randomised
        Shape (17,): mean shares of a network with random weights, drawn on the first one's scale.

    Raises
    ------
    ValueError: a column is missing, or the rows are not segments 1 to 17.
    """
    _check_segments(table)
    rows = table.sort_values("segment", key=pd.to_numeric)
    positive, negative = 100 * rows[["mean_pos", "mean_neg"]].to_numpy(float).T
    n_pos, n_neg = rows[["n_pos", "n_neg"]].iloc[0]
    panels = [
        (f"with {label or 'the trait'}\nn = {n_pos:.0f}", positive),
        (f"without\nn = {n_neg:.0f}", negative),
    ]
    if randomised is not None:
        panels.append(("random weights\nnothing learnt", 100 * in_segment_order(randomised)))
    brightest = max(values.max() for _, values in panels)
    panels.insert(2, ("difference\nwith minus without", positive - negative))
    figure = Figure(figsize=(TWO_COLUMNS, 2.9 if len(panels) == 4 else 3.4), layout="constrained")
    axes = figure.subplots(1, len(panels))
    for k, (ax, (title, values)) in enumerate(zip(axes, panels, strict=True)):
        _draw_bullseye(ax, values, title, brightest, is_difference=k == 2)
    _mark_segments(axes[2], rows)
    figure.legend(loc="outside lower center", ncols=2, fontsize=TINY, frameon=False)
    return figure


def plot_difference_map(heat: np.ndarray, labels: ArrayLike, *, label: str = "") -> Figure:
    """Draw the mean attribution of each pixel with and without a trait, and the difference.

    Each study counts the same: its absolute attribution is divided by its mean over the disc. A
    study without any attribution is left out.

    Parameters
    ----------
    heat
        Attribution of shape (n, size, size), one study a patient, anterior up, septum left.
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
    disc = disc_mask(heat.shape[-1])
    sizes = np.abs(heat[:, disc]).mean(axis=1)
    means, counts = [], []
    for value in (1, 0):
        chosen = (labels == value) & (sizes > 0)
        if not chosen.any():
            raise ValueError(
                f"No study with label {value} has any attribution: there is nothing to compare."
            )
        means.append((np.abs(heat[chosen]) / sizes[chosen, None, None]).mean(axis=0))
        counts.append(int(chosen.sum()))
    figure = Figure(figsize=(TWO_COLUMNS, 3.1), layout="constrained")
    axes = figure.subplots(1, 3)
    brightest = max(mean[disc].max() for mean in means)
    titles = [f"with {label or 'the trait'}\nn = {counts[0]}", f"without\nn = {counts[1]}"]
    for ax, mean, title in zip(axes, means, titles, strict=False):
        _draw_map(ax, mean, HEAT, (0.0, brightest), "w")
        ax.set_title(title, fontsize=SMALL, pad=12)
        draw_scale(ax.images[0], [ax], label="times the mean of the disc",
                   location="bottom", extend="neither")  # fmt: skip
    difference = means[0] - means[1]
    reach = float(np.abs(difference[disc]).max()) or 1.0
    _draw_map(axes[2], difference, DIFFERENCES, (-reach, reach), "0.4")
    axes[2].set_title("difference\nwith minus without", fontsize=SMALL, pad=12)
    draw_scale(axes[2].images[0], [axes[2]], label="difference of the two",
               location="bottom", extend="neither")  # fmt: skip
    return figure


def plot_contributions(panels: Mapping[str, ArrayLike]) -> Figure:
    """Draw what each segment adds to a score, on one scale for all panels, white at 0.

    Parameters
    ----------
    panels
        Title -> 17 values in logits, such as means of `wide_contribution`.
    """
    values = {title: in_segment_order(panel) for title, panel in panels.items()}
    reach = max(float(np.abs(panel).max()) for panel in values.values()) or 1.0
    figure = Figure(figsize=(TWO_COLUMNS * len(values) / 4 + 0.2, 2.7), layout="constrained")
    axes = figure.subplots(1, len(values), squeeze=False)[0]
    for ax, (title, panel) in zip(axes, values.items(), strict=True):
        plot_bullseye(panel, ax, limits=(-reach, reach), show_scale=False, colours=DIFFERENCES,
                      edges="0.4", digits=2)  # fmt: skip
        ax.set_title(title, fontsize=SMALL, pad=12)
    draw_scale(ScalarMappable(Normalize(-reach, reach), DIFFERENCES), list(axes),
               location="bottom", extend="neither",
               label="logits added beside the usual level (red: for the trait)")  # fmt: skip
    return figure


def _check_segments(table: pd.DataFrame) -> None:
    """Raise ValueError where the table is not that of a comparison of 17 segments."""
    if missing := [name for name in _GROUP_COLUMNS if name not in table]:
        raise ValueError(f"The table needs the columns {', '.join(missing)} too.")
    if sorted(pd.to_numeric(table["segment"], errors="coerce")) != list(range(1, 18)):
        raise ValueError(
            "The table needs one row for each of the segments 1 to 17, "
            f"but has {', '.join(map(str, table['segment']))}."
        )


def _draw_bullseye(
    ax: Axes, values: np.ndarray, title: str, brightest: float, *, is_difference: bool
) -> None:
    """One bullseye of shares, or of their difference, with its colour bar below."""
    reach = float(np.abs(values).max()) or 1.0
    limits = (-reach, reach) if is_difference else (0.0, brightest)
    share = f"share of attribution (%)\neven: {100 / 17:.1f}"
    text = "percentage points\n" if is_difference else share  # as many lines, so they line up
    colours, edges = (DIFFERENCES, "0.4") if is_difference else (HEAT, "w")
    plot_bullseye(values, ax, unit="%", limits=limits, show_scale=False, colours=colours,
                  edges=edges)  # fmt: skip
    ax.set_title(title, fontsize=SMALL, pad=12)
    draw_scale(ScalarMappable(Normalize(*limits), colours), [ax], location="bottom",
               extend="neither", label=text)  # fmt: skip


def _mark_segments(ax: Axes, rows: pd.DataFrame) -> None:
    """Dots below the numbers of segments that differ."""
    is_sure = rows["p_max_t"].to_numpy() < ALPHA
    is_likely = (rows["p_bh"].to_numpy() < ALPHA) & ~is_sure
    below = segment_middles() - (0, 0.085)
    ax.plot(*below[is_sure].T, "o", ms=3, mfc="k", mec="w", mew=0.4, gid="max-T",
            label=f"p < {ALPHA} by max-T over 17 segments")  # fmt: skip
    ax.plot(*below[is_likely].T, "o", ms=2, mfc="w", mec="k", mew=0.5, gid="BH",
            label=f"p < {ALPHA} by Benjamini-Hochberg only")  # fmt: skip


def _draw_map(
    ax: Axes, values: np.ndarray, colours: str, limits: tuple[float, float], edges: str
) -> None:
    """One map that is not flow, without numbers and without its colour bar."""
    plot_polar_map(values, ax, limits=limits, colours=colours, edges=edges, show_means=False,
                   show_scale=False)  # fmt: skip
