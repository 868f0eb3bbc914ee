"""Thresholds chosen on validation patients, what they do to others, and net benefit."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import confusion_matrix, roc_curve
from statsmodels.stats.proportion import proportion_confint

from polarnet.display import Result
from polarnet.evaluation.resampling import ENDS, drawn_counts
from polarnet.evaluation.roc import LEVEL, Interval, Z, checked_pairs, not_estimable

LEAST_SENSITIVITY: Final = 0.90
"""Of the threshold "sensitive" (our choice)."""


@dataclass(frozen=True, repr=False)
class Classification(Result):
    """A two-by-two table and its shares, each with 95 % interval.

    A probability at or above `threshold` is called positive; tp, fp, fn, tn are patients.
    Sensitivity, specificity, ppv and npv have Wilson intervals; predictive values hold at the
    prevalence of these patients (see `predictive_intervals` for others). lr_positive and
    lr_negative are likelihood ratios with Simel's interval on the log scale. A share with nothing
    below the line is NaN and "not estimable".
    """

    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    lr_positive: Interval
    lr_negative: Interval

    @property
    def summary(self) -> pd.Series:
        """The counts and shares as they are printed."""
        rows = {
            "true, false positives": f"{self.tp}, {self.fp}",
            "true, false negatives": f"{self.tn}, {self.fn}",
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "positive predictive value": self.ppv,
            "negative predictive value": self.npv,
            "likelihood ratio +": self.lr_positive,
            "likelihood ratio -": self.lr_negative,
        }
        return pd.Series(rows, name=f"Positive from a probability of {self.threshold:.3f}")


def choose_thresholds(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Choose two operating points.

    Arguments and errors are those of `measure_calibration`, of *validation* patients: a threshold
    picked on the test patients looks better than it is. "youden" is the threshold with the largest
    sensitivity + specificity - 1 (Youden, Cancer 1950;3:32-35), "sensitive" the largest with a
    sensitivity of at least 0.90. Both are observed probabilities; a patient at or above (>=) the
    threshold is called positive; of several that tie, the largest is taken.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    # The first threshold of roc_curve is infinite: nobody is called positive.
    false_positive, true_positive, thresholds = (
        column[1:] for column in roc_curve(is_positive, values, drop_intermediate=False)
    )
    # Thresholds fall, so the first of a tie is the largest; rounding makes ties of equal shares.
    youden = np.round(true_positive - false_positive, 12).argmax()
    sensitive = (true_positive >= LEAST_SENSITIVITY).argmax()
    return {"youden": float(thresholds[youden]), "sensitive": float(thresholds[sensitive])}


def classify(labels: ArrayLike, probabilities: ArrayLike, threshold: float) -> Classification:
    """Call patients at or above (>=) a threshold within [0, 1] positive, and count.

    Labels and probabilities are those of `measure_calibration`, of patients that did not choose the
    threshold. ValueError: as there, or the threshold is out of range. Wilson, J Am Stat Assoc
    1927;22:209-212. Simel et al., J Clin Epidemiol 1991;44:763-770.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold must lie within [0, 1], but {threshold} was given.")
    counts = confusion_matrix(is_positive, values >= threshold, labels=[False, True])
    tn, fp, fn, tp = counts.ravel().tolist()
    return Classification(
        float(threshold), tp, fp, fn, tn,
        sensitivity=_share(tp, tp + fn), specificity=_share(tn, tn + fp),
        ppv=_share(tp, tp + fp), npv=_share(tn, tn + fn),
        lr_positive=_ratio(tp, tp + fn, fp, fp + tn),
        lr_negative=_ratio(fn, tp + fn, tn, fp + tn),
    )  # fmt: skip


def _share(count: int, total: int) -> Interval:
    """A proportion with Wilson's interval."""
    if total == 0:
        return not_estimable()
    low, high = proportion_confint(count, total, alpha=1 - LEVEL, method="wilson")
    return Interval(count / total, float(low), float(high), "Wilson, 95 %")


def _ratio(positive: int, n_pos: int, negative: int, n_neg: int) -> Interval:
    """A share of the positives over that of the negatives; no interval where either is 0."""
    if negative == 0:
        return not_estimable()
    value = (positive / n_pos) / (negative / n_neg)
    if positive == 0:
        return not_estimable(value)
    half = Z * np.sqrt(1 / positive - 1 / n_pos + 1 / negative - 1 / n_neg)
    low, high = float(value * np.exp(-half)), float(value * np.exp(half))
    return Interval(value, low, high, "log method, 95 %")


def predictive_intervals(found: Classification, prevalence: ArrayLike) -> pd.DataFrame:
    """Predictive values of a two-by-two table at other prevalences, with 95 % intervals.

    By Bayes' rule: sensitivity and specificity of `classify` are assumed to be the same at every
    prevalence; these, one or several within [0, 1] (else ValueError), are taken as known. DataFrame
    with prevalence, ppv, ppv_low, ppv_high, npv, npv_low, npv_high; NaN where nobody would be
    called so. The odds before, times an end of Simel's interval of the likelihood ratio, are the
    odds after; NaN where that ratio is not estimable.
    """
    prevalences = pd.Series(np.atleast_1d(np.asarray(prevalence, float)))
    if not prevalences.between(0, 1).all():
        raise ValueError(f"Prevalences must lie within [0, 1]: {list(prevalences)}.")
    sensitivity, specificity = found.sensitivity.value, found.specificity.value
    positive, negative = prevalences * sensitivity, (1 - prevalences) * specificity

    def after(ratio: float) -> pd.Series:
        odds = prevalences / (1 - prevalences) * ratio
        return odds / (1 + odds)

    return pd.DataFrame({
        "prevalence": prevalences,
        "ppv": positive / (positive + (1 - prevalences) * (1 - specificity)),
        "ppv_low": after(found.lr_positive.low),
        "ppv_high": after(found.lr_positive.high),
        "npv": negative / (negative + prevalences * (1 - sensitivity)),
        "npv_low": 1 - after(found.lr_negative.high),
        "npv_high": 1 - after(found.lr_negative.low),
    })  # fmt: skip


def net_benefit(
    labels: ArrayLike,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    *,
    seed: int,
    n_resamples: int = 500,
) -> pd.DataFrame:
    """Net benefit of treating those at or above (>=) each threshold probability.

    Only where a decision exists, such as for impaired MFR; predicting sex serves none. Labels and
    probabilities are those of `measure_calibration`; `thresholds`, shape (k,), strictly between 0
    and 1, are probabilities at which one would just act. DataFrame with threshold, model, low, high
    (pointwise 95 % percentiles of `model` over a bootstrap of patients, prevalence not held),
    treat_all, treat_none; in true positives per patient, one row per threshold in the order given.
    ValueError: as there, or a threshold is out of range. Vickers & Elkin, Med Decis Making
    2006;26:565-574.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"Thresholds must lie between 0 and 1 (excluded), not {thresholds}.")
    # What a patient adds when treated: 1 if positive, minus the odds of the threshold if not.
    gains = np.where(is_positive[:, None], 1, -thresholds / (1 - thresholds))
    model = np.where(values[:, None] >= thresholds, gains, 0)
    n = len(values)
    counts = drawn_counts(np.random.default_rng(seed), n, n_resamples)
    low, high = np.quantile(counts @ model / n, ENDS, axis=0)
    return pd.DataFrame({
        "threshold": thresholds, "model": model.mean(axis=0), "low": low, "high": high,
        "treat_all": gains.mean(axis=0), "treat_none": 0.0,
    })  # fmt: skip
