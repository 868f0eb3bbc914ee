"""Curves of how good scores are, on matplotlib axes."""

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from polarnet.evaluation import auroc


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
    ax = ax or plt.gca()
    false_rate, true_rate, _ = roc_curve(labels, scores)
    ax.plot(false_rate, true_rate, lw=1.6, label=f"{name} {auroc(labels, scores)!r}".strip())
    if not any(line.get_gid() == "chance" for line in ax.lines):
        ax.plot([0, 1], [0, 1], color="0.7", lw=0.8, zorder=0, gid="chance")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity")
    ax.set_ylabel("sensitivity")
    ax.legend(loc="lower right", fontsize=7, frameon=False, title="AUROC [95 % interval]",
              title_fontsize=7)  # fmt: skip
    return ax
