"""Area under the ROC curve with interval, and tests of two of them, paired and unpaired."""

import html
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import mannwhitneyu, norm, rankdata, t

from polarnet.display import NOT_ESTIMABLE as NOT_ESTIMABLE
from polarnet.display import Result, p_text
from polarnet.labels import aligned, read_labels, read_numbers

LEVEL: Final = 0.95
"""Confidence level of every interval."""

METHODS: Final = {
    "logit": "DeLong on the logit scale, t quantile, 95 %",
    "delong": "DeLong, 95 %",
}

_Z: Final = float(norm.ppf(0.5 + LEVEL / 2))
_NO_VARIANCE: Final = 1e-15  # equal ranks leave a variance of rounding errors


@dataclass(frozen=True)
class Interval:
    """A value with its confidence interval and how that was made; NaN where not estimable."""

    value: float
    low: float
    high: float
    method: str

    def __repr__(self) -> str:
        if np.isnan(self.low):
            return f"{self.value:.2f} [{NOT_ESTIMABLE}]"
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def _repr_html_(self) -> str:
        return f"<span title='{html.escape(self.method)}'>{html.escape(repr(self))}</span>"


@dataclass(frozen=True, repr=False)
class DeLongResult(Result):
    """AUROC of the first minus the second score, or of the first minus the second group.

    Attributes
    ----------
    difference, low, high
        With 95 % Wald interval.
    z, p_value
        Two-sided test of no difference.
    method
        "paired DeLong" or "unpaired DeLong", or why z and interval are missing.
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
        a patient: the interval assumes independence.
    scores
        Shape (n,); higher means more likely 1. The direction is never turned. Where labels and
        scores are both Series they are aligned by their index, here as everywhere; arrays and
        lists go by position.
    method
        "logit": DeLong's variance on the logit scale, with the t quantile for the smaller class's
        size less one degrees of freedom, because the variance is estimated from so few. It
        covers 94 to 96 % where the smaller class has 30 or more
        (`experiments/statistics/interval_coverage.py`); the normal quantile falls to 92.7 % at an
        AUROC of 0.94. The quantile is our choice.
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
        return Interval(value, np.nan, np.nan, NOT_ESTIMABLE)
    error = np.sqrt(variance)
    if method == "delong":
        low, high = np.clip([value - _Z * error, value + _Z * error], 0, 1)
    else:
        smaller = min(is_positive.sum(), (~is_positive).sum())
        half = float(t.ppf(0.5 + LEVEL / 2, smaller - 1)) * error / (value * (1 - value))
        low, high = expit(logit(value) + np.array([-half, half]))
    return Interval(value, float(low), float(high), METHODS[method])


def chance_p_value(labels: ArrayLike, scores: ArrayLike) -> float:
    """Two-sided Mann-Whitney test of an AUROC of one half, with ties, without continuity.

    Equals R's wilcox.test(correct = FALSE, exact = FALSE).
    """
    is_positive, (values,) = checked_scores(labels, scores)
    positive, negative = values[is_positive], values[~is_positive]
    if np.ptp(values) == 0:
        return 1.0  # all scores equal: nothing is ranked
    test = mannwhitneyu(positive, negative, use_continuity=False, method="asymptotic")
    return float(test.pvalue)


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike) -> DeLongResult:
    """Compare two scores on the same patients.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least two of each.
    scores_a, scores_b
        Shape (n,); higher means more likely 1.

    Raises
    ------
    ValueError: as for `auroc`, or a class has fewer than two members.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837-845.
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

    Parameters
    ----------
    labels_a, labels_b
        0 and 1, shapes (n,) and (m,), at least two of each in each group.
    scores_a, scores_b
        Shapes (n,) and (m,); higher means more likely 1.

    Returns
    -------
    DeLongResult: group a minus group b, z test with DeLong's variances added (pROC takes the
    same statistic and a t distribution). "not estimable" where both groups are ranked perfectly.

    Raises
    ------
    ValueError: as for `delong_test`.
    """
    value_a, variance_a = _delong(*checked_scores(labels_a, scores_a))
    value_b, variance_b = _delong(*checked_scores(labels_b, scores_b))
    variance = float(variance_a[0, 0] + variance_b[0, 0])
    if np.isnan(variance):
        raise ValueError("The unpaired DeLong test needs two patients of each class in each group.")
    return _wald(float(value_a[0] - value_b[0]), variance, "unpaired DeLong")


def _wald(difference: float, variance: float, method: str) -> DeLongResult:
    """Interval and z test; without variance, not estimable."""
    if variance <= _NO_VARIANCE:
        return DeLongResult(difference, np.nan, np.nan, np.nan, np.nan, NOT_ESTIMABLE)
    error = np.sqrt(variance)
    z = difference / error
    return DeLongResult(
        difference, difference - _Z * error, difference + _Z * error, z,
        float(2 * norm.sf(abs(z))), method,
    )  # fmt: skip


def checked_scores(labels: ArrayLike, *scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and k scores of the same patients: boolean (n,), and finite numbers (k, n).

    Raises
    ------
    ValueError: lengths or studies differ, a label is missing or not 0 or 1, a class is absent, or
        a score is not finite.
    """
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
    if not np.isfinite(values).all():
        n_odd = int((~np.isfinite(values)).any(axis=0).sum())
        raise ValueError(f"{n_odd} scores are not finite.")
    is_positive = known == 1
    if is_positive.all() or not is_positive.any():
        which = "positive" if len(known) and is_positive.all() else "negative"
        raise ValueError(
            f"Both classes are needed, but all {len(known)} patients are {which}. "
            "Enlarge the split or drop the trait."
        )
    return is_positive, values


def _delong(is_positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC of k scores, shape (k, n), and their covariance (k, k) from placement values."""
    positive, negative = scores[:, is_positive], scores[:, ~is_positive]
    m, n = positive.shape[1], negative.shape[1]
    ranks = rankdata(np.hstack([positive, negative]), axis=1)
    of_positive = (ranks[:, :m] - rankdata(positive, axis=1)) / n
    of_negative = 1 - (ranks[:, m:] - rankdata(negative, axis=1)) / m
    values = of_positive.mean(axis=1)
    if min(m, n) < 2:
        return values, np.full((len(scores), len(scores)), np.nan)
    spread = np.atleast_2d(np.cov(of_positive)) / m + np.atleast_2d(np.cov(of_negative)) / n
    return values, spread
