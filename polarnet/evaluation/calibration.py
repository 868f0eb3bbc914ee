"""Calibration of predicted probabilities: intercept, slope, Brier score, smooth curve."""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.special import expit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM, GLMResultsWrapper
from statsmodels.nonparametric.smoothers_lowess import lowess
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

from polarnet.display import Result
from polarnet.evaluation.resampling import ENDS
from polarnet.evaluation.roc import Interval, Z, checked_pairs, clipped_logit, not_estimable
from polarnet.labels import read_numbers

GRID_SIZE: Final = 50
GRID_ENDS: Final = (1, 99)
"""The smooth curve: evenly spaced points, and percentiles of the predictions between which it is
drawn (our choice)."""

LOWESS_SHARE: Final = 2 / 3
"""Share of the patients in each local fit: the default of R's lowess."""

_TOLERANCE: Final = 1e-3  # above what the linear programme leaves of rounding, below any separation


@dataclass(frozen=True, repr=False)
class Calibration(Result):
    """Agreement of predicted probabilities with what was observed in `n_pos` and `n_neg` patients.

    Attributes
    ----------
    intercept
        Calibration in the large: intercept of a logistic model whose offset is logit(p). 0 is
        right, above 0 means that the predictions are too low.
    slope
        Coefficient of logit(p) in a logistic model without penalty. 1 is right, below 1 too
        extreme.
    brier, scaled_brier
        Mean squared error of the probabilities (0 is perfect), and 1 minus its ratio to that of the
        prevalence (1 is perfect, 0 no better than the prevalence, negative worse).
    observed, expected
        Share of positives and mean predicted probability.
    """

    n_pos: int
    n_neg: int
    intercept: Interval
    slope: Interval
    brier: float
    scaled_brier: float
    observed: float
    expected: float

    @property
    def summary(self) -> pd.Series:
        """The numbers as they are printed."""
        rows = {
            "intercept (0 is right)": self.intercept,
            "slope (1 is right)": self.slope,
            "Brier score": f"{self.brier:.3f}, scaled {self.scaled_brier:.3f}",
            "observed, expected share": f"{self.observed:.3f}, {self.expected:.3f}",
            "positives, negatives": f"{self.n_pos}, {self.n_neg}",
        }
        return pd.Series(rows, name="Calibration")


@dataclass(frozen=True)
class Recalibration:
    """Logistic recalibration: logit of the new probability = intercept + slope * logit(p)."""

    intercept: float
    slope: float

    def apply(self, probabilities: ArrayLike) -> np.ndarray | pd.Series:
        """Recalibrated probabilities, shape (n,); a Series keeps its index.

        ValueError: a probability is not finite or outside [0, 1].
        """
        values = read_numbers(probabilities, "Probabilities")
        if not ((values >= 0) & (values <= 1)).all():  # NaN is refused too
            raise ValueError("Probabilities must lie within [0, 1]; drop patients without a score.")
        found = expit(self.intercept + self.slope * clipped_logit(values))
        if isinstance(probabilities, pd.Series):
            return pd.Series(found, index=probabilities.index, name=probabilities.name)
        return found


def measure_calibration(labels: ArrayLike, probabilities: ArrayLike) -> Calibration:
    """Calibration in the large, slope and Brier score.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each, one entry a patient.
    probabilities
        Shape (n,), within [0, 1]. Clipped to [1e-6, 1 - 1e-6] before their logit; the Brier
        score takes them as they are. Where both are Series they are aligned by their index.

    Returns
    -------
    Calibration. The slope is "not estimable" where the probabilities are all equal or separate
    the classes; the intercept where its iterations fail.

    Raises
    ------
    ValueError: the studies differ, a class is absent, a label is not 0 or 1, a probability is not
        finite or outside [0, 1].

    References
    ----------
    Cox, Biometrika 1958;45:562-565. Van Calster et al., BMC Medicine 2019;17:230.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    in_large = fit_logistic(is_positive, np.ones((len(values), 1)), offset=clipped_logit(values))
    prevalence = float(is_positive.mean())
    brier = float(np.mean((values - is_positive) ** 2))
    return Calibration(
        n_pos=int(is_positive.sum()),
        n_neg=int((~is_positive).sum()),
        intercept=coefficient(in_large, 0),
        slope=coefficient(_fit_line(is_positive, values), 1),
        brier=brier,
        scaled_brier=1 - brier / (prevalence * (1 - prevalence)),
        observed=prevalence,
        expected=float(values.mean()),
    )


def smooth_calibration(
    labels: ArrayLike, probabilities: ArrayLike, *, seed: int, n_resamples: int = 500
) -> pd.DataFrame:
    """Observed share along the predicted probability, smoothed, with a 95 % band.

    DataFrame with predicted (50 points between the 1st and the 99th percentile of the predictions),
    observed, low, high. The curve is a lowess without robustness iterations, which would take the
    rarer class for outliers, cut at 0 and 1; the band is pointwise, by the percentiles of a
    bootstrap of the patients. No rows where so many predictions are equal that nothing can be
    smoothed. Below about 200 positives the curve is a rough guide. Arguments and errors are those
    of `measure_calibration`. Cleveland, J Am Stat Assoc 1979;74:829-836.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    start, end = np.percentile(values, GRID_ENDS)
    grid = np.linspace(start, end, GRID_SIZE)
    curve = _smooth(is_positive, values, grid)
    if start == end or np.isnan(curve).any():
        return pd.DataFrame(columns=["predicted", "observed", "low", "high"], dtype=float)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(values), size=(n_resamples, len(values)))
    curves = [_smooth(is_positive[drawn], values[drawn], grid) for drawn in draws]
    low, high = np.nanquantile(curves, ENDS, axis=0)
    return pd.DataFrame({"predicted": grid, "observed": curve, "low": low, "high": high})


def _smooth(is_positive: np.ndarray, values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Lowess at the points of the grid; NaN where all neighbours have the same prediction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        curve = lowess(is_positive.astype(float), values, frac=LOWESS_SHARE, it=0, xvals=grid)
    return np.clip(curve, 0, 1)


def fit_recalibration(labels: ArrayLike, probabilities: ArrayLike) -> Recalibration:
    """Fit a logistic recalibration (Platt scaling on the logit) without penalty.

    Arguments are those of `measure_calibration`, of *validation* patients only: fitted on the test
    patients it would always look well calibrated. A negative slope turns the ranking round.
    ValueError: as there, or the probabilities are all equal or separate the classes. Platt,
    Advances in Large Margin Classifiers 1999:61-74.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    fit = _fit_line(is_positive, values)
    if fit is None:
        raise ValueError(
            f"No recalibration can be fitted to {len(values)} patients: their probabilities are "
            "all equal or separate the classes. Keep the probabilities as they are, or give more "
            "validation patients."
        )
    return Recalibration(float(fit.params[0]), float(fit.params[1]))


# === Logistic regression without penalty =========================================================


def _fit_line(is_positive: np.ndarray, values: np.ndarray) -> GLMResultsWrapper | None:
    """Logistic model of the labels on an intercept and the logits of probabilities."""
    return fit_logistic(is_positive, np.column_stack([np.ones(len(values)), clipped_logit(values)]))


def fit_logistic(
    is_positive: np.ndarray, design: np.ndarray, offset: np.ndarray | None = None
) -> GLMResultsWrapper | None:
    """Maximum-likelihood fit of boolean labels (n,) on columns (n, k), offset in logits.

    None where no finite estimate exists: columns depend on one another, the classes are separated
    (Albert & Anderson, Biometrika 1984;71:1-10), or the iterations fail.
    """
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    if offset is None and _is_separated(is_positive, design):
        return None
    model = GLM(is_positive.astype(float), design, Binomial(), offset=offset)
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"), warnings.catch_warnings():
            warnings.simplefilter("error", PerfectSeparationWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            return model.fit(tol=1e-12)
    except (FloatingPointError, PerfectSeparationWarning, ConvergenceWarning):
        return None


def coefficient(fit: GLMResultsWrapper | None, column: int) -> Interval:
    """One coefficient with its Wald interval; "not estimable" where there is no fit."""
    if fit is None:
        return not_estimable()
    value, half = float(fit.params[column]), Z * float(fit.bse[column])
    return Interval(value, value - half, value + half, "Wald, 95 %")


def _is_separated(is_positive: np.ndarray, design: np.ndarray) -> bool:
    """True where a combination of the columns never puts a patient on the wrong side of zero."""
    signed = design / np.abs(design).max(axis=0) * np.where(is_positive, 1, -1)[:, None]
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
    return bool(-best.fun > _TOLERANCE)
