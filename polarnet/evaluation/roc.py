"""Area under the ROC curve: intervals, tests of two of them, and the mean over folds."""

import html
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import norm, rankdata, t

from polarnet.display import NOT_ESTIMABLE as NOT_ESTIMABLE
from polarnet.display import Result, p_text
from polarnet.labels import aligned, read_labels, read_numbers

LEVEL: Final = 0.95
"""Confidence level of every interval."""

METHODS: Final = {
    "logit": "DeLong on the logit scale, t quantile, 95 %",
    "delong": "DeLong, 95 %",
}

CLIP: Final = 1e-6
"""Before a logit, probabilities are clipped to [1e-6, 1 - 1e-6] (our choice)."""

Z: Final = float(norm.ppf(0.5 + LEVEL / 2))
"""Normal quantile of every Wald interval."""

_NO_VARIANCE: Final = 1e-15  # equal ranks leave a variance of rounding errors


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval and how that was made; NaN where not estimable."""

    value: float
    low: float
    high: float
    method: str

    def __repr__(self) -> str:
        ends = NOT_ESTIMABLE if np.isnan(self.low) else f"{self.low:.2f}, {self.high:.2f}"
        return f"{self.value:.2f} [{ends}]"

    def _repr_html_(self) -> str:
        return f"<span title='{html.escape(self.method)}'>{html.escape(repr(self))}</span>"


def not_estimable(value: float = np.nan) -> Interval:
    """A value without an interval, or nothing at all."""
    return Interval(value, np.nan, np.nan, NOT_ESTIMABLE)


@dataclass(frozen=True, repr=False)
class DeLongResult(Result):
    """AUROC of the first minus the second score, or group: `difference`, the 95 % Wald interval
    `low` to `high`, `z` and `p_value` of the two-sided test of no difference, and `method` ("paired
    DeLong", "unpaired DeLong"), which says why z and interval are missing where they are NaN.
    """

    difference: float
    low: float
    high: float
    z: float
    p_value: float
    method: str

    @property
    def summary(self) -> pd.Series:
        """Difference, interval and p-value as they are printed."""
        rows = {"difference": f"{self.difference:+.3f}"}
        if not np.isnan(self.low):
            rows["95 % interval"] = f"{self.low:+.3f} to {self.high:+.3f}"
            rows["p"] = p_text(self.p_value)
        return pd.Series(rows | {"test": self.method}, name="AUROC difference")


def auroc(labels: ArrayLike, scores: ArrayLike, method: str = "logit") -> Interval:
    """Area under the ROC curve with 95 % interval.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each; "0", "1", True and False are read too. One entry
        per patient: the interval assumes independence.
    scores
        Shape (n,); higher means more likely 1. The direction is never turned. Where labels and
        scores are both Series they are aligned by their index, here as everywhere; arrays and
        lists go by position.
    method
        "logit": DeLong's variance on the logit scale, with the t quantile for the smaller class's
        size less one degrees of freedom (our choice). It covers 94 to 96 % where the smaller class
        has 30 or more (`experiments/statistics/interval_coverage.py`).
        "delong": what pROC prints; its ends are cut at 0 and 1.

    Returns
    -------
    Interval. An AUROC of 0 or 1, a class of one, or no variance leaves the ends NaN and
    "not estimable" in `method`.

    Raises
    ------
    ValueError: a class is absent, a label is not 0 or 1, a score is not finite, or the studies of
        two Series differ.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837-845.

    >>> auroc([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9])
    0.89 [0.01, 1.00]
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but '{method}' was given.")
    is_positive, rows = checked_scores(labels, scores)
    values, covariance = _delong(is_positive, rows)
    value, variance = float(values[0]), float(covariance[0, 0])
    if not 0 < value < 1 or not variance > 0:
        return not_estimable(value)
    error = np.sqrt(variance)
    if method == "delong":
        low, high = np.clip([value - Z * error, value + Z * error], 0, 1)
    else:
        smaller = min(is_positive.sum(), (~is_positive).sum())
        half = float(t.ppf(0.5 + LEVEL / 2, smaller - 1)) * error / (value * (1 - value))
        low, high = expit(logit(value) + np.array([-half, half]))
    return Interval(value, float(low), float(high), METHODS[method])


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> DeLongResult:
    """Compare two scores on the same patients.

    Labels and scores are those of `auroc`, with at least two patients of each class; otherwise
    ValueError. DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837-845.
    """
    values, covariance = _delong(*checked_scores(labels, scores_a, scores_b))
    if np.isnan(covariance).any():
        raise ValueError("The paired DeLong test needs at least two patients of each class.")
    difference = float(values[0] - values[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= _NO_VARIANCE and abs(difference) < 1e-12:
        return DeLongResult(0.0, 0.0, 0.0, 0.0, 1.0, "both rank the patients alike")
    return _wald(difference, variance, "paired DeLong")


def unpaired_delong_test(
    labels_a: ArrayLike, scores_a: ArrayLike, labels_b: ArrayLike, scores_b: ArrayLike
) -> DeLongResult:
    """Compare one score between two groups that share no patient, such as women and men.

    Labels and scores of each group are those of `auroc`, with at least two patients of each class;
    otherwise ValueError. The result is group a minus group b, with DeLong's variances added and a z
    test (pROC takes a t distribution); "not estimable" where both groups are ranked perfectly.
    """
    value_a, variance_a = _delong(*checked_scores(labels_a, scores_a))
    value_b, variance_b = _delong(*checked_scores(labels_b, scores_b))
    variance = float(variance_a[0, 0] + variance_b[0, 0])
    if np.isnan(variance):
        raise ValueError("The unpaired DeLong test needs two patients of each class in each group.")
    return _wald(float(value_a[0] - value_b[0]), variance, "unpaired DeLong")


def auroc_half_width(auroc: float, n_pos: int, n_neg: int) -> float:
    """Half-width of the 95 % interval that an AUROC within [0.5, 1] would have, for planning.

    ValueError: the AUROC is out of range, or a class has no patient. Hanley & McNeil, Radiology
    1982;143:29-36.

    >>> round(auroc_half_width(0.80, 60, 140), 3)
    0.073
    """
    if not 0.5 <= auroc <= 1:
        raise ValueError(f"auroc must lie within [0.5, 1], but {auroc} was given.")
    if min(n_pos, n_neg) < 1:
        raise ValueError(f"Both classes are needed, but {n_pos} and {n_neg} patients were given.")
    two_positives = auroc / (2 - auroc) - auroc**2
    two_negatives = 2 * auroc**2 / (1 + auroc) - auroc**2
    spread = auroc * (1 - auroc) + (n_pos - 1) * two_positives + (n_neg - 1) * two_negatives
    return Z * math.sqrt(spread / (n_pos * n_neg))


def cross_validated_auroc(labels: ArrayLike, scores: ArrayLike, folds: ArrayLike) -> Interval:
    """Mean over folds of the AUROC within each, with the interval of its influence curve.

    Labels and scores (out of fold) are those of `auroc`, with both classes in every fold; `folds`,
    shape (n,), names the fold in which each patient was held out. Scores of different folds come
    from different models and are never compared with one another. The interval, cut at 0 and 1,
    takes the folds' models as given; "not estimable" where every fold is ranked perfectly.
    ValueError: lengths differ, a fold lacks a class (it is named), or as for `auroc`. LeDell,
    Petersen & van der Laan, Electron J Stat 2015;9:1583-1607.
    """
    labels, scores, folds = aligned(labels, scores, folds)
    is_positive, (values,) = checked_scores(labels, scores)
    which, names = pd.factorize(np.asarray(folds))
    if which.shape != values.shape or (which < 0).any():
        raise ValueError(
            f"{len(values)} scores need a fold each, but {int((which >= 0).sum())} are named."
        )
    weights = np.where(is_positive, 1 / is_positive.mean(), 1 / (1 - is_positive.mean()))
    areas, variances = [], []
    for fold, name in enumerate(names):
        here = which == fold
        if is_positive[here].all() or not is_positive[here].any():
            raise ValueError(
                f"Fold {name} holds one class only ({here.sum()} patients). Take fewer folds, or "
                "drop the trait."
            )
        area, placements = _placements(is_positive[here], values[here])
        areas.append(area)
        variances.append(np.mean((weights[here] * (placements - area)) ** 2))
    value, variance = float(np.mean(areas)), float(np.mean(variances)) / len(values)
    if not variance > 0:
        return not_estimable(value)
    half = Z * np.sqrt(variance)
    low, high = np.clip([value - half, value + half], 0, 1)
    return Interval(value, float(low), float(high), "mean over folds, influence curve, 95 %")


# === What all of them share ======================================================================


def checked_scores(labels: ArrayLike, *scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and k scores of the same patients: boolean (n,), and finite numbers (k, n)."""
    first, *others = aligned(labels, *scores)
    known = read_labels(first)
    rows = [read_numbers(some) for some in others]
    if odd := [row.shape for row in rows if row.shape != known.shape]:
        raise ValueError(f"{known.shape} labels do not fit scores of shape {odd[0]}.")
    if (is_missing := np.isnan(known)).any():
        raise ValueError(
            f"Labels must be 0 or 1; drop patients whose label was not recorded "
            f"({int(is_missing.sum())} of {len(known)})."
        )
    values = np.stack(rows)
    if n_odd := int((~np.isfinite(values)).any(axis=0).sum()):
        raise ValueError(f"{n_odd} scores are not finite.")
    is_positive = known == 1
    if is_positive.all() or not is_positive.any():
        which = "positive" if len(known) and is_positive.all() else "negative"
        raise ValueError(
            f"Both classes are needed, but all {len(known)} patients are {which}. "
            "Enlarge the split or drop the trait."
        )
    return is_positive, values


def checked_pairs(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels, True for positive, and probabilities of the same patients, both (n,).

    ValueError: the studies differ, a class is absent, a label is not 0 or 1, a probability is not
    finite or outside [0, 1].
    """
    shape = read_numbers(probabilities, "Probabilities").shape
    if len(shape) != 1:
        raise ValueError(f"Probabilities of shape {shape}: give one trait, shape (n,).")
    is_positive, (values,) = checked_scores(labels, probabilities)
    if (is_outside := (values < 0) | (values > 1)).any():
        raise ValueError(
            f"{int(is_outside.sum())} of {len(values)} probabilities lie outside [0, 1], such as "
            f"{values[is_outside][0]:g}. Give probabilities, not logits."
        )
    return is_positive, values


def clipped_logit(probabilities: np.ndarray | pd.Series) -> np.ndarray | pd.Series:
    """Logit of probabilities, which are first clipped to [1e-6, 1 - 1e-6]."""
    return logit(np.clip(probabilities, CLIP, 1 - CLIP))


def _wald(difference: float, variance: float, method: str) -> DeLongResult:
    """Interval and z test; without variance, not estimable."""
    if variance <= _NO_VARIANCE:
        return DeLongResult(difference, np.nan, np.nan, np.nan, np.nan, NOT_ESTIMABLE)
    error = np.sqrt(variance)
    z, half = difference / error, Z * error
    p_value = float(2 * norm.sf(abs(z)))
    return DeLongResult(difference, difference - half, difference + half, z, p_value, method)


def _delong(is_positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of k scores, shape (k, n), and their covariance (k, k) from placement values."""
    values, placed = _placements(is_positive, scores)
    m, n = int(is_positive.sum()), int((~is_positive).sum())
    if min(m, n) < 2:
        return values, np.full((len(scores), len(scores)), np.nan)
    # As rows, so that sums do not depend on how NumPy lays out a selection.
    of_positive = np.ascontiguousarray(placed[:, is_positive])
    of_negative = np.ascontiguousarray(placed[:, ~is_positive])
    spread = np.atleast_2d(np.cov(of_positive)) / m + np.atleast_2d(np.cov(of_negative)) / n
    return values, spread


def _placements(is_positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of scores, shape (..., n), and the share of the other class that each patient stands
    on the right side of; ties count one half.
    """
    ranks, placed = rankdata(scores, axis=-1), np.empty(scores.shape)
    for members, others in ((is_positive, ~is_positive), (~is_positive, is_positive)):
        own = rankdata(scores[..., members], axis=-1)
        placed[..., members] = (ranks[..., members] - own) / others.sum()
    placed[..., ~is_positive] = 1 - placed[..., ~is_positive]
    return np.ascontiguousarray(placed[..., is_positive]).mean(axis=-1), placed
