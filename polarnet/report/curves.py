"""Curves of how good scores are, on matplotlib axes."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from polarnet.evaluation import auroc
from polarnet.evaluation.roc import checked_scores
from polarnet.report.style import COLOURS, GREY, MARKERS, ONE_COLUMN, TINY, new_axes, tidy


def plot_roc(
    labels: ArrayLike, scores: ArrayLike, ax: Axes | None = None, *, name: str = ""
) -> Axes:
    """Draw the ROC curve of one score, its AUROC with interval in the legend.

    Parameters
    ----------
    labels, scores
        As for `auroc`: 0/1 and finite numbers, one entry a patient.
    name
        What was scored.
    """
    is_positive, (values,) = checked_scores(labels, scores)
    ax = ax or plt.gca()
    false_rate, true_rate, _ = roc_curve(is_positive, values)
    ax.plot(false_rate, true_rate, lw=1.6, label=f"{name} {auroc(is_positive, values)!r}".strip())
    if not any(line.get_gid() == "chance" for line in ax.lines):
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, zorder=0, gid="chance")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity")
    ax.set_ylabel("sensitivity")
    ax.legend(loc="lower right", fontsize=7, frameon=False, title="AUROC [95 % interval]",
              title_fontsize=7)  # fmt: skip
    return ax


def plot_net_benefit(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the decision curve: net benefit over the threshold probability.

    Parameters
    ----------
    table
        threshold (0-1), model with low and high (95 % band), treat_all, treat_none; net benefit
        in true positives a patient. NaN is left open.
    ax
        Axes to draw on. Default: new ones of one column's width.

    Raises
    ------
    ValueError: a column is missing.

    References
    ----------
    Vickers & Elkin, Med Decis Making 2006;26:565-574.
    """
    _check(table, "threshold", "model", "low", "high", "treat_all", "treat_none")
    ax = ax or new_axes(ONE_COLUMN, 2.6)
    x = table["threshold"]
    ax.fill_between(x, table["low"], table["high"], color=GREY, alpha=0.3, lw=0)
    ax.plot(x, table["treat_none"], color=GREY, lw=0.8, label="treat none")
    ax.plot(x, table["treat_all"], color=GREY, lw=1, ls="--", label="treat all")
    ax.plot(x, table["model"], color=COLOURS[0], lw=1.6, label="model")
    top = float(np.nanmax(table[["model", "high", "treat_all", "treat_none"]].to_numpy(float)))
    # Treating all falls without end where thresholds are high; the model would be flattened.
    ax.set(xlim=(x.min(), x.max()), ylim=(-0.25 * max(top, 0.02), 1.08 * max(top, 0.02)))
    ax.set_xlabel("threshold probability")
    ax.set_ylabel("net benefit")
    ax.legend(loc="upper right", fontsize=TINY, frameon=False, reverse=True)
    return tidy(ax)


def plot_learning_curve(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the AUROC over the number of training patients, one line a model.

    Parameters
    ----------
    table
        n_train (patients), model, auroc, low, high (95 % interval). Five models at most.
    ax
        Axes to draw on. Default: new ones of one column's width.

    Raises
    ------
    ValueError: a column is missing, or there are more than five models.
    """
    _check(table, "n_train", "model", "auroc", "low", "high")
    groups = list(table.groupby("model", sort=False))
    if len(groups) > len(MARKERS):
        raise ValueError(f"At most {len(MARKERS)} models can be told apart, not {len(groups)}.")
    ax = ax or new_axes(ONE_COLUMN, 2.6)
    for k, (model, group) in enumerate(groups):
        rows = group.sort_values("n_train")
        # Moved by points on paper, so that intervals stand side by side and the data stay true.
        aside = ScaledTranslation(
            (k - (len(groups) - 1) / 2) * 3 / 72, 0, ax.figure.dpi_scale_trans
        )
        lengths = [rows["auroc"] - rows["low"], rows["high"] - rows["auroc"]]
        ax.errorbar(rows["n_train"], rows["auroc"], lengths, transform=ax.transData + aside,
                    color=COLOURS[k], marker=MARKERS[k], ms=3.5, mew=0, lw=1, elinewidth=0.6,
                    label=model)  # fmt: skip
    sizes = np.unique(table["n_train"])
    margin = 0.06 * (sizes[-1] - sizes[0]) or 1
    ends = table[["auroc", "low", "high"]].to_numpy(float)
    ax.axhline(0.5, color=GREY, lw=0.6, zorder=0, gid="chance")
    ax.set(xlim=(sizes[0] - margin, sizes[-1] + margin), xticks=sizes)
    ax.set_ylim(min(0.48, np.nanmin(ends) - 0.02), min(1.02, np.nanmax(ends) + 0.02))
    ax.set_xlabel("patients trained on")
    ax.set_ylabel("AUROC [95 % interval]")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=TINY, frameon=False)
    return tidy(ax)


def _check(table: pd.DataFrame, *columns: str) -> None:
    """Raise ValueError where a column is missing."""
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"The table needs the columns {', '.join(missing)} too.")
