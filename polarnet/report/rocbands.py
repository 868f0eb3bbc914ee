"""ROC curves with the band that chance leaves around them."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from polarnet.evaluation import auroc
from polarnet.evaluation.roc import checked_scores
from polarnet.evaluation.table import SUPPRESSED_BELOW
from polarnet.report.style import COLOURS, GREY, SMALL, TINY, TWO_COLUMNS, tidy
from polarnet.report.tables import trait_name

RESAMPLES: Final = 500
"""Of the patients, with and without the trait apart (our choice)."""

COLUMNS: Final = 3
"""Panels in a row, or one more where no place is left empty by it."""

_RATES: Final = np.linspace(0, 1, 101)


def roc_band(labels: ArrayLike, scores: ArrayLike, *, seed: int) -> pd.DataFrame:
    """The ROC curve with pointwise 95 % limits of its sensitivity.

    Parameters
    ----------
    labels, scores
        0/1 and finite numbers, shape (n,), one entry a patient.
    seed
        Of the bootstrap: patients of each class are drawn with replacement, 500 times, and the
        2.5 and 97.5 % percentiles taken.

    Returns
    -------
    false_rate (0 to 1 in steps of 0.01), true_rate, low, high.

    References
    ----------
    Fawcett, Pattern Recognit Lett 2006;27:861-874 (vertical averaging).
    """
    is_positive, (values,) = checked_scores(labels, scores)
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(is_positive), np.flatnonzero(~is_positive)]
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(some, len(some)) for some in classes])
        drawn.append(_sensitivity(is_positive[rows], values[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return pd.DataFrame({"false_rate": _RATES, "true_rate": _sensitivity(is_positive, values),
                         "low": low, "high": high})  # fmt: skip


def plot_roc_bands(
    labels: Mapping[str, pd.Series], scores: pd.DataFrame, *, title: str, seed: int = 0
) -> Figure | None:
    """Draw a panel a trait: its ROC curve with band, AUROC with interval, and counts.

    Parameters
    ----------
    labels
        Trait -> recorded labels, index study_id, one row a patient.
    scores
        Index study_id, one column a trait.
    title
        Above all panels.

    Returns
    -------
    None where no trait has ten patients in its smaller class.
    """
    shown = {
        trait: recorded
        for trait, recorded in labels.items()
        if trait in scores and recorded.eq(1).sum() >= SUPPRESSED_BELOW <= recorded.eq(0).sum()
    }
    if not shown:
        return None
    n_columns = COLUMNS + 1 if len(shown) % (COLUMNS + 1) == 0 else COLUMNS
    n_rows = -(-len(shown) // n_columns)
    figure = Figure(figsize=(TWO_COLUMNS, 0.4 + 7.8 / n_columns * n_rows), layout="constrained")
    figure.suptitle(title, fontsize=SMALL + 1)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, (trait, recorded) in zip(axes, shown.items(), strict=False):
        _draw(ax, trait, recorded, scores.loc[recorded.index, trait], seed)
    for ax in axes[len(shown) :]:
        ax.axis("off")
    return figure


def _draw(ax: Axes, trait: str, labels: pd.Series, scores: pd.Series, seed: int) -> None:
    band = roc_band(labels, scores, seed=seed)
    ax.fill_between(band["false_rate"], band["low"], band["high"], step="post", lw=0, alpha=0.25,
                    color=COLOURS[1], gid="band")  # fmt: skip
    false_rate, true_rate, _ = roc_curve(labels, scores)
    ax.plot(false_rate, true_rate, color=COLOURS[1], lw=1.3, gid="curve")
    ax.plot([0, 1], [0, 1], color=GREY, lw=0.7, zorder=0, gid="chance")
    n_pos, n_neg = int(labels.eq(1).sum()), int(labels.eq(0).sum())
    ax.set_title(trait_name(trait), fontsize=SMALL)
    ax.text(0.98, 0.03, f"{auroc(labels, scores)!r}\nn {n_pos} / {n_neg}", fontsize=TINY,
            ha="right", transform=ax.transAxes)  # fmt: skip
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity")
    ax.set_ylabel("sensitivity")
    tidy(ax)


def _sensitivity(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The largest sensitivity at each rate of false positives."""
    false_rate, true_rate, _ = roc_curve(is_positive, scores, drop_intermediate=False)
    return true_rate[np.searchsorted(false_rate, _RATES + 1e-12, side="right") - 1]
