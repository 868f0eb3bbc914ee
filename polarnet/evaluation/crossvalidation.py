"""AUROC of a cross-validation: averaged over folds, never pooled."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from polarnet.evaluation.roc import LEVEL, NOT_ESTIMABLE, Interval, checked_scores
from polarnet.labels import aligned

METHOD: Final = "mean over folds, influence curve, 95 %"

_Z: Final = float(norm.ppf(0.5 + LEVEL / 2))


def cross_validated_auroc(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> Interval:
    """Mean over folds of the AUROC within each, with the interval of its influence curve.

    Scores of different folds come from different models and are never compared with one another.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each in every fold. One entry a patient: the interval
        assumes independence.
    scores
        Shape (n,), out of fold; higher means more likely 1.
    folds
        Shape (n,), in which fold each was held out; any names. Series are aligned by their index.

    Returns
    -------
    Interval, cut at 0 and 1. The interval speaks of models trained on parts of this size, and
    takes the folds' models as given. Ties count one half, in the AUROC and in its influence curve.
    Where every fold is ranked perfectly the ends are NaN and "not estimable".

    Raises
    ------
    ValueError: lengths differ, a fold lacks a class (it is named), or as for `auroc`.

    References
    ----------
    LeDell, Petersen & van der Laan, Electron J Stat 2015;9:1583-1607.
    """
    labels, scores, folds = aligned(labels, scores, folds)
    is_positive, (values,) = checked_scores(labels, scores)
    which, names = pd.factorize(np.asarray(folds))
    if which.shape != values.shape or (which < 0).any():
        raise ValueError(
            f"{len(values)} scores need a fold each, but {int((which >= 0).sum())} are named."
        )
    shares = {True: is_positive.mean(), False: 1 - is_positive.mean()}
    areas, variances = [], []
    for fold, name in enumerate(names):
        here = which == fold
        if is_positive[here].all() or not is_positive[here].any():
            raise ValueError(
                f"Fold {name} holds one class only ({here.sum()} patients). Take fewer folds, or "
                "drop the trait."
            )
        placements = _placements(is_positive[here], values[here])
        area = placements[is_positive[here]].mean()
        weights = np.where(is_positive[here], 1 / shares[True], 1 / shares[False])
        areas.append(area)
        variances.append(np.mean((weights * (placements - area)) ** 2))
    value, variance = float(np.mean(areas)), float(np.mean(variances)) / len(values)
    if not variance > 0:
        return Interval(value, np.nan, np.nan, NOT_ESTIMABLE)
    half = _Z * np.sqrt(variance)
    low, high = np.clip([value - half, value + half], 0, 1)
    return Interval(value, float(low), float(high), METHOD)


def _placements(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Share of the other class that each patient stands on the right side of; ties one half."""
    ranks = rankdata(scores)
    placed = np.empty(len(scores))
    for members, sign in ((is_positive, 1), (~is_positive, -1)):
        below = (ranks[members] - rankdata(scores[members])) / (~members).sum()
        placed[members] = below if sign > 0 else 1 - below
    return placed
