"""How much flow each simulated study has before disease, and its pressure and heart rate."""

import numpy as np
import pandas as pd

from polarnet.phantom import physiology as known
from polarnet.phantom.patients import decades

_RPP_BETWEEN_SD = float(np.hypot(known.HR_BETWEEN_SD, known.SBP_BETWEEN_SD))
_RPP_WITHIN_SD = float(np.hypot(known.HR_WITHIN_SD, known.SBP_WITHIN_SD))


def draw_levels(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """What is lasting in the flow of n patients, standard normal.

    Returns
    -------
    `rest_level` and `stress_level`, correlated, and `other_drive`: what sets resting flow where
    the rate-pressure product does not.
    """
    rest_level, stress_level = _correlated_pair(rng, n)
    return pd.DataFrame(
        {
            "rest_level": rest_level,
            "stress_level": stress_level,
            "other_drive": rng.standard_normal(n),
        }
    )


def draw_circulation(studies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Heart rate (beats/min) and systolic pressure (mmHg) of each study.

    Returns
    -------
    `hr_rest`, `hr_stress`, `sbp_rest`, `sbp_stress`, and `relative_rpp`: resting rate-pressure
    product as a share of what is expected at that age, sex and with those traits.
    """
    n = len(studies)
    hr_today = studies["hr_factor"] * np.exp(known.HR_WITHIN_SD * rng.standard_normal(n))
    sbp_today = studies["sbp_factor"] * np.exp(known.SBP_WITHIN_SD * rng.standard_normal(n))
    hr_rest = known.HR_REST * hr_today
    for trait, factor in known.HR_FACTOR.items():
        hr_rest = hr_rest * factor ** studies[trait]
    sbp_rest = known.SBP_REST * sbp_today * known.SBP_IF_HYPERTENSIVE ** studies["hypertension"]
    sbp_rest = sbp_rest * known.SBP_PER_DECADE ** decades(studies["age"], known.AGE_MEAN)
    return pd.DataFrame(
        {
            "hr_rest": hr_rest,
            "hr_stress": hr_rest + rng.normal(*known.HR_RISE, n),
            "sbp_rest": sbp_rest,
            "sbp_stress": sbp_rest + rng.normal(*known.SBP_RISE, n),
            "relative_rpp": hr_today * sbp_today,
        }
    )


def draw_flow(
    studies: pd.DataFrame, relative_rpp: pd.Series, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Mean MBF of each study as it would be without epicardial disease.

    Parameters
    ----------
    studies
        One row a study: traits, age in years, and the columns of `draw_levels`.
    relative_rpp
        Resting rate-pressure product as a share of the expected one.

    Returns
    -------
    "rest" and "stress", each of shape (n,), mL/min/g.
    """
    n = len(studies)
    women = studies["sex"].to_numpy() - known.WOMEN
    # Where pressure and rate do not drive flow, something else does with the same spread, so
    # that diabetes and smoking do not show in how much flow varies.
    other = _RPP_BETWEEN_SD * studies["other_drive"] + _RPP_WITHIN_SD * rng.standard_normal(n)
    is_uncoupled = (studies["diabetes"] == 1) | (studies["smoking"] == 1)
    drive = np.where(is_uncoupled, other, np.log(relative_rpp))

    rest_today, stress_today = _correlated_pair(rng, n)
    log_rest = (
        known.RPP_ELASTICITY * drive
        + known.REST_BETWEEN_SD * studies["rest_level"].to_numpy()
        + known.REST_WITHIN_SD * rest_today
        + np.log(known.WOMEN_TO_MEN_REST) * women
    )
    log_stress = (
        known.STRESS_BETWEEN_SD * studies["stress_level"].to_numpy()
        + known.STRESS_WITHIN_SD * stress_today
        + np.log(known.WOMEN_TO_MEN_STRESS) * women
        + np.log(known.STRESS_PER_DECADE) * decades(studies["age"], known.AGE_OF_LEVEL)
    )
    for trait, factor in known.STRESS_FACTOR.items():
        log_stress = log_stress + np.log(factor) * studies[trait].to_numpy()
    return {
        "rest": known.REST_MBF * np.exp(log_rest),
        "stress": known.STRESS_MBF * np.exp(log_stress),
    }


def _correlated_pair(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two rows of n standard normal values that correlate by `LEVEL_CORRELATION`."""
    first, own = rng.standard_normal((2, n))
    share = known.LEVEL_CORRELATION
    return np.stack([first, share * first + np.sqrt(1 - share**2) * own])
