"""Predicted against observed: the calibration plot."""

from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from polarnet.labels import aligned, read_labels, read_numbers
from polarnet.report.style import COLOURS, GREY, ONE_COLUMN, SMALL, TINY, new_axes, tidy

SMOOTH_FROM: Final = 100
"""With fewer positives a smooth curve shows mostly noise, and the line is the main curve (our
choice; a flexible curve is said to need some 200 of each class: Van Calster et al., J Clin
Epidemiol 2016;74:167-176)."""

_BINS: Final = np.linspace(0, 1, 26)
_BAND: Final = (0.03, 0.17)
"""Nearest and farthest end of the histograms outside 0 and 1, in units of the axis."""


def plot_calibration(
    curve: pd.DataFrame,
    ax: Axes | None = None,
    *,
    probabilities: ArrayLike,
    labels: ArrayLike,
    name: str = "",
    line: tuple[float, float] | None = None,
) -> Axes:
    """Draw the observed share over the predicted probability.

    Parameters
    ----------
    curve
        Smooth curve with its 95 % band: predicted, observed, low, high, all in 0-1. Grey where
        there are fewer than 100 positives.
    ax
        Axes to draw on. Default: new ones of one column's width.
    probabilities, labels
        Shape (n,), in 0-1, and 0/1; their histograms stand at the bottom (without the trait) and
        hang from the top (with it), as shares of their class on one scale. Series are aligned.
    name
        What was predicted.
    line
        Intercept and slope of the logistic regression of the label on logit(probability), fitted
        together. Dashed, or the main curve where there are fewer than 100 positives.

    Raises
    ------
    ValueError: a column of `curve` is missing, the lengths differ, a label is not 0 or 1, or a
        probability is outside 0-1.
    """
    if missing := {"predicted", "observed", "low", "high"} - set(curve):
        raise ValueError(f"The curve needs the columns {', '.join(sorted(missing))} too.")
    probabilities, is_positive = _checked(probabilities, labels)
    ax = ax or new_axes(ONE_COLUMN, 3.9)
    is_small = is_positive.sum() < SMOOTH_FROM
    smooth = GREY if is_small else COLOURS[0]
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.6, ls=":", zorder=0, gid="ideal")
    ax.fill_between(curve["predicted"], curve["low"], curve["high"], color=GREY, alpha=0.3, lw=0)
    ax.plot(curve["predicted"], curve["observed"], color=smooth, lw=1 if is_small else 1.6,
            label="smooth, 95 % band", gid="smooth")  # fmt: skip
    if line is not None:
        # Only over what was predicted: nothing is extrapolated.
        x = np.linspace(probabilities.min(), probabilities.max(), 200).clip(1e-6, 1 - 1e-6)
        ax.plot(x, expit(line[0] + line[1] * logit(x)), color=COLOURS[1], gid="line",
                lw=1.6 if is_small else 1, ls="-" if is_small else "--",
                label="logistic recalibration")  # fmt: skip
    _draw_histograms(ax, probabilities, is_positive)
    ticks = np.linspace(0, 1, 6)
    ax.set(xlim=(-0.02, 1.02), ylim=(-_BAND[1] - 0.02, 1 + _BAND[1] + 0.02))
    ax.set(xticks=ticks, yticks=ticks, aspect="equal")
    ax.set_xlabel("predicted probability")
    ax.set_ylabel("observed share")
    ax.set_title(name, loc="left", fontsize=SMALL)
    ax.legend(loc="lower right", bbox_to_anchor=(1.02, 0), bbox_transform=ax.transData,
              fontsize=TINY, frameon=False, handlelength=1.2, borderpad=0.2)  # fmt: skip
    return tidy(ax)


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and boolean labels of the same length, or one clear error."""
    labels, probabilities = aligned(labels, probabilities)
    probabilities, labels = read_numbers(probabilities, "Probabilities"), read_labels(labels)
    if probabilities.shape != labels.shape or probabilities.ndim != 1 or not len(labels):
        raise ValueError(f"{labels.shape} labels do not fit {probabilities.shape} probabilities.")
    if np.isnan(labels).any():
        raise ValueError("Labels must be 0 or 1; drop patients whose label was not recorded.")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("Probabilities must lie between 0 and 1.")
    return probabilities, labels == 1


def _draw_histograms(ax: Axes, probabilities: np.ndarray, is_positive: np.ndarray) -> None:
    """One class at the bottom, the other at the top, outside 0-1, with their counts."""
    shares = [
        np.histogram(probabilities[chosen], _BINS)[0] / max(chosen.sum(), 1)
        for chosen in (~is_positive, is_positive)
    ]
    height = (_BAND[1] - _BAND[0]) / max(share.max() for share in shares)
    place = blended_transform_factory(ax.transAxes, ax.transData)
    for share, foot, sign, word, n in (
        (shares[0], -_BAND[1], 1, "without", (~is_positive).sum()),
        (shares[1], 1 + _BAND[1], -1, "with", is_positive.sum()),
    ):
        ax.bar(_BINS[:-1], sign * share * height, np.diff(_BINS), bottom=foot, align="edge",
               color="0.45", lw=0, gid=word)  # fmt: skip
        ax.text(1.02, foot + sign * 0.07, f"{word}\nn = {n}", transform=place, fontsize=TINY,
                va="center", color="0.35", linespacing=1)  # fmt: skip
