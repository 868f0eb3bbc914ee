"""How many patients a model needs, and how sure an AUROC can be."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.integrate import quad
from scipy.special import rel_entr
from scipy.stats import norm

from polarnet.evaluation.roc import LEVEL

SHRINKAGE: Final = 0.9
"""Criterion 1: least expected shrinkage factor (Riley 2020)."""

OPTIMISM: Final = 0.05
"""Criterion 2: largest optimism in Nagelkerke's R2 (Riley 2020)."""

MARGIN: Final = 0.05
"""Criterion 3: half-width of the 95 % interval of the overall risk (Riley 2020)."""

_Z: Final = float(norm.ppf(0.5 + LEVEL / 2))
_FAR: Final = 10  # standard deviations beyond which a normal density adds nothing


@dataclass(frozen=True)
class SampleSize:
    """Patients needed to develop a prediction model.

    Attributes
    ----------
    n, n_pos
        Patients by the strictest criterion, and the positives among them.
    n_shrinkage, n_optimism, n_overall_risk
        Patients by each criterion.
    cox_snell_r2
        R2 that the C statistic stands for.
    """

    n: int
    n_pos: int
    n_shrinkage: int
    n_optimism: int
    n_overall_risk: int
    cox_snell_r2: float


def development_sample_size(c_statistic: float, prevalence: float, n_parameters: int) -> SampleSize:
    """Least size for developing a regression model with a binary outcome.

    A floor for regression: a fine-tuned network has far more parameters and needs far more
    patients.

    Parameters
    ----------
    c_statistic
        Expected AUROC, strictly between 0.5 and 1.
    prevalence
        Share of positives, strictly between 0 and 1.
    n_parameters
        Candidate parameters, at least 1.

    Raises
    ------
    ValueError: an argument is out of range.

    References
    ----------
    Riley et al., BMJ 2020;368:m441 (the three criteria).
    """
    r2 = cox_snell_r2(c_statistic, prevalence)
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be at least 1, but {n_parameters} was given.")
    largest = 1 - math.exp(2 * _entropy(prevalence))
    criteria = (
        _for_shrinkage(n_parameters, r2, SHRINKAGE),
        _for_shrinkage(n_parameters, r2, r2 / (r2 + OPTIMISM * largest)),
        math.ceil((_Z / MARGIN) ** 2 * prevalence * (1 - prevalence)),
    )
    n = max(criteria)
    return SampleSize(n, math.ceil(n * prevalence), *criteria, r2)


def cox_snell_r2(c_statistic: float, prevalence: float) -> float:
    """Cox-Snell R2 of a model with this C statistic.

    The linear predictor is taken as normal in both classes, with the same variance. Riley et al.
    simulate a large sample from that; here its limit is integrated, without chance.

    Raises
    ------
    ValueError: as for `development_sample_size`.

    References
    ----------
    Riley, Van Calster & Collins, Stat Med 2021;40:859-864.
    """
    if not 0.5 < c_statistic < 1:
        raise ValueError(f"c_statistic must lie between 0.5 and 1, but {c_statistic} was given.")
    if not 0 < prevalence < 1:
        raise ValueError(f"prevalence must lie between 0 and 1, but {prevalence} was given.")
    distance = math.sqrt(2) * float(norm.ppf(c_statistic))

    def gain(x: float) -> float:
        """Density of the log-likelihood ratio of model and prevalence, per patient."""
        parts = np.array([prevalence * norm.pdf(x, distance), (1 - prevalence) * norm.pdf(x)])
        shares = np.array([prevalence, 1 - prevalence])
        return float(rel_entr(parts, shares * parts.sum()).sum())

    return 1 - math.exp(-2 * quad(gain, -_FAR, distance + _FAR)[0])


def auroc_half_width(auroc: float, n_pos: int, n_neg: int) -> float:
    """Half-width of the 95 % interval that an AUROC would have, for planning.

    Parameters
    ----------
    auroc
        Expected, within [0.5, 1].
    n_pos, n_neg
        Patients of each class, at least 1.

    Raises
    ------
    ValueError: an argument is out of range.

    References
    ----------
    Hanley & McNeil, Radiology 1982;143:29-36.

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
    return _Z * math.sqrt(spread / (n_pos * n_neg))


def _for_shrinkage(n_parameters: int, r2: float, shrinkage: float) -> int:
    """Patients at which the expected shrinkage factor is this."""
    return math.ceil(n_parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))


def _entropy(prevalence: float) -> float:
    """Log-likelihood of the prevalence alone, per patient."""
    return prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
