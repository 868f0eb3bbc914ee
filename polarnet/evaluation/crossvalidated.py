"""AUROC over repeated cross-validation, and differences of two models in the same folds."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import t

from polarnet.evaluation.roc import LEVEL, NOT_ESTIMABLE, Interval, auroc, checked_scores

OVER_REPEATS: Final = "mean over folds and repeats, corrected t on the logit scale, 95 %"
DIFFERENCE_OVER_REPEATS: Final = "mean over folds and repeats, corrected t, 95 %"


def repeated_auroc(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> Interval:
    """Mean AUROC over the folds of all repeats, with the corrected resampled t interval.

    Scores of different folds come from different models and are never compared with one another.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), one entry per patient.
    scores
        Shape (r, n): out-of-fold scores of r repeats; higher means more likely 1.
    folds
        Shape (r, n): in which fold each patient was held out. Both classes are in every fold.

    Returns
    -------
    Interval for the AUROC expected of a model that is trained in the same way on as many patients
    as in a training part. The variance over folds is enlarged by the correction of Nadeau and
    Bengio, because training parts overlap. Where all folds agree the ends are NaN.

    Raises
    ------
    ValueError: shapes differ, a fold lacks a class, or as for `auroc`.

    References
    ----------
    Nadeau & Bengio, Machine Learning 2003;52:239-281. The logit scale is our choice.
    """
    areas, share = _areas_of_folds(labels, scores, folds)
    mean = float(areas.mean())
    half = _half_width(areas, share)
    if not 0 < mean < 1 or not half > 0:
        return Interval(mean, np.nan, np.nan, NOT_ESTIMABLE)
    half /= mean * (1 - mean)
    low, high = expit(logit(mean) + np.array([-half, half]))
    return Interval(mean, float(low), float(high), OVER_REPEATS)


def repeated_auroc_difference(
    labels: ArrayLike, scores: ArrayLike, others: ArrayLike, folds: ArrayLike
) -> Interval:
    """Mean over folds and repeats of AUROC(scores) - AUROC(others), with its corrected t interval.

    Parameters are those of `repeated_auroc`; `others` are scores of another model, trained in the
    same folds. ValueError: as there.
    """
    first, share = _areas_of_folds(labels, scores, folds)
    differences = first - _areas_of_folds(labels, others, folds)[0]
    mean, half = float(differences.mean()), _half_width(differences, share)
    return Interval(mean, mean - half, mean + half, DIFFERENCE_OVER_REPEATS)


def _half_width(values: np.ndarray, share: float) -> float:
    """Of the t interval of a mean over folds, whose training parts overlap."""
    n = len(values)
    error = np.sqrt((1 / n + share) * values.var(ddof=1))
    return float(t.ppf(0.5 + LEVEL / 2, n - 1) * error)


def _areas_of_folds(
    labels: ArrayLike, scores: ArrayLike, folds: ArrayLike
) -> tuple[np.ndarray, float]:
    """AUROC of every fold, and how many patients are held out for one that is trained on."""
    scores, folds = np.atleast_2d(np.asarray(scores, float)), np.atleast_2d(np.asarray(folds))
    is_positive, rows = checked_scores(labels, *scores)
    if folds.shape != rows.shape:
        raise ValueError(f"Scores of shape {rows.shape} need as many folds, not {folds.shape}.")
    areas, k = [], 0
    for values, which in zip(rows, folds, strict=True):
        names = np.unique(which)
        k = max(k, len(names))
        for name in names:
            here = which == name
            if is_positive[here].all() or not is_positive[here].any():
                raise ValueError(
                    f"Fold {name} holds one class only ({here.sum()} patients). Take fewer folds, "
                    "or drop the trait."
                )
            areas.append(auroc(is_positive[here], values[here]).value)
    if k < 2:
        raise ValueError("Cross-validation needs two folds or more.")
    return np.array(areas), 1 / (k - 1)
