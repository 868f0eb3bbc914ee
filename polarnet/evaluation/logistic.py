"""Logistic regression without penalty, or None where the data do not determine it."""

import warnings
from typing import Final

import numpy as np
from scipy.optimize import linprog
from scipy.stats import norm
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM, GLMResultsWrapper
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

from polarnet.evaluation.roc import LEVEL, NOT_ESTIMABLE, Interval

WALD: Final = "Wald, 95 %"

_Z: Final = float(norm.ppf(0.5 + LEVEL / 2))
_TOLERANCE: Final = 1e-3  # above what the linear programme leaves of rounding, below any separation


def fit_logistic(
    is_positive: np.ndarray, design: np.ndarray, offset: np.ndarray | None = None
) -> GLMResultsWrapper | None:
    """Maximum-likelihood fit of a logistic model.

    Parameters
    ----------
    is_positive
        Boolean, shape (n,).
    design
        Shape (n, k); a column of ones is the intercept.
    offset
        Shape (n,), in logits; its coefficient is 1.

    Returns
    -------
    The fit, or None where no finite estimate exists: columns depend on one another, the classes
    are separated (wholly or but for ties), or the iterations fail.

    References
    ----------
    Albert & Anderson, Biometrika 1984;71:1-10 (when estimates exist).
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
    """One coefficient with its Wald interval; NaN and "not estimable" where there is no fit."""
    if fit is None:
        return Interval(np.nan, np.nan, np.nan, NOT_ESTIMABLE)
    value, half = float(fit.params[column]), _Z * float(fit.bse[column])
    return Interval(value, value - half, value + half, WALD)


def _is_separated(is_positive: np.ndarray, design: np.ndarray) -> bool:
    """True where a combination of the columns never puts a patient on the wrong side of zero."""
    signed = design / np.abs(design).max(axis=0) * np.where(is_positive, 1, -1)[:, None]
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
    return bool(-best.fun > _TOLERANCE)
