"""The phantom's patients: traits, diseased vessels, circulation and flow."""

import numpy as np
import pandas as pd
from scipy.stats import truncnorm

from polarnet.phantom import physiology as known

VESSELS = tuple(known.DISEASED_TO_NORMAL)
SEGMENT_DROPS = tuple(f"drop_{segment}" for segment in range(1, 18))

_RPP_BETWEEN_SD = float(np.hypot(known.HR_BETWEEN_SD, known.SBP_BETWEEN_SD))
_RPP_WITHIN_SD = float(np.hypot(known.HR_WITHIN_SD, known.SBP_WITHIN_SD))


def draw_patients(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Traits (1 or 0), age, BMI and, as factors on what is expected of such a patient, `hr_factor`
    and `sbp_factor`, one row for each of n patients.
    """
    low, high = (np.array(known.AGE_RANGE) - known.AGE_MEAN) / known.AGE_SD
    age = known.AGE_MEAN + known.AGE_SD * truncnorm.rvs(low, high, size=n, random_state=rng)
    patients = pd.DataFrame({"age": age, "sex": (rng.random(n) < known.WOMEN).astype(float)})
    for trait, log_odds in known.LOG_ODDS.items():
        total = log_odds["all"] + log_odds["age"] * decades(age, known.AGE_MEAN)
        for other in ("sex", "diabetes"):
            if other in log_odds:
                total = total + log_odds[other] * patients[other]
        patients[trait] = (rng.random(n) < 1 / (1 + np.exp(-total))).astype(float)
    bmi = known.BMI_MEAN * np.exp(known.BMI_LOG_SD * rng.standard_normal(n))
    patients["bmi"] = bmi * known.BMI_IF_DIABETIC ** patients["diabetes"]
    recorded_share = np.where(
        patients["diseased"] == 1, known.KNOWN_CAD_IF_DISEASED, known.KNOWN_CAD_IF_NOT
    )
    patients["known_cad"] = (rng.random(n) < recorded_share).astype(float)
    patients["hr_factor"] = np.exp(known.HR_BETWEEN_SD * rng.standard_normal(n))
    patients["sbp_factor"] = np.exp(known.SBP_BETWEEN_SD * rng.standard_normal(n))
    return patients


def decades(age: np.ndarray | pd.Series, reference: float) -> np.ndarray:
    """Decades of age since the reference, both in years."""
    return (np.asarray(age) - reference) / 10


def draw_disease(rng: np.random.Generator, diseased: np.ndarray) -> pd.DataFrame:
    """Diseased vessels, and what they do to stress flow; `diseased` is 1 where a patient has
    epicardial disease.

    `lad`, `rca`, `lcx`: drop of stress flow in the core of the territory, 0 to 1; `scar`: the fixed
    share of the drops; `drop_1` to `drop_17`: drop of stress flow by AHA segment. A shared segment
    belongs to one of its two vessels, a distal lesion reaches fewer segments; the core always
    suffers the whole drop.
    """
    n = len(diseased)
    combinations, counts = list(known.VESSEL_COUNTS), np.array(list(known.VESSEL_COUNTS.values()))
    drawn = rng.choice(len(combinations), size=n, p=counts / counts.sum())
    has_scar_below = rng.random(n)
    owners = _draw_owners(rng, n)
    truth: dict[str, np.ndarray] = {}
    kept, scar_share = np.ones((n, 17)), np.zeros(n)
    for vessel in VESSELS:
        involved = np.array([vessel in combination for combination in combinations])[drawn]
        involved &= diseased == 1
        low, high = known.DEPTH_RANGE[vessel]
        depth = low + (high - low) * rng.beta(known.DEPTH_SHAPE, known.DEPTH_SHAPE, n)
        truth[vessel.lower()] = depth = np.where(involved, depth, 0.0)
        core = np.array(known.CORE[vessel]) - 1
        reach = _draw_reach(rng, vessel, core, n)
        owners[vessel][:, core] = 1
        # Where two diseased vessels meet, the worse one tells.
        kept = np.minimum(kept, 1 - depth[:, None] * reach * owners[vessel])
        scar_share = np.maximum(scar_share, known.SCAR_SHARE[vessel] * involved)
    scar = rng.uniform(*known.SCAR_RANGE, n)
    truth["scar"] = np.where(has_scar_below < scar_share, scar, 0.0)
    return pd.DataFrame(truth | dict(zip(SEGMENT_DROPS, (1 - kept).T, strict=True)))


def ownership_share(vessel: str) -> np.ndarray:
    """How often a vessel supplies each of the 17 segments, shape (17,), 1 where not shared."""
    share = np.ones(17)
    loss = {name: 1 - np.array(values) for name, values in known.DISEASED_TO_NORMAL.items()}
    for pair, segments in known.SHARED_SEGMENTS.items():
        at = np.array(segments) - 1
        if vessel in pair:
            share[at] = loss[vessel][at] / (loss[pair[0]][at] + loss[pair[1]][at])
    return share


def _draw_owners(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Vessel -> (n, 17): 1 where it supplies the segment, or where no other contests it."""
    owners = {vessel: np.ones((n, 17)) for vessel in VESSELS}
    for (first, second), segments in known.SHARED_SEGMENTS.items():
        # One draw a pair: a dominant vessel takes the segments from the likeliest on.
        extent = rng.random((n, 1))
        at = np.array(segments) - 1
        is_of_first = extent < ownership_share(first)[at]
        owners[first][:, at] = is_of_first
        owners[second][:, at] = ~is_of_first
    return owners


def _draw_reach(rng: np.random.Generator, vessel: str, core: np.ndarray, n: int) -> np.ndarray:
    """Share (n, 17) of the core's drop that each segment suffers; its mean gives group means."""
    loss = 1 - np.array(known.DISEASED_TO_NORMAL[vessel])
    share = ownership_share(vessel)
    share[core] = 1
    wanted = np.divide(loss, share, out=np.zeros(17), where=share > 0)
    wanted = np.minimum(wanted / wanted[core].min(), 1)
    # From proximal (0: all segments) to distal (1: the core alone), smoothed at the rim.
    site = rng.random((n, 1))
    rim = known.LESION_RIM * (1 - np.abs(2 * wanted - 1))
    return np.clip((wanted - site) / np.maximum(rim, 1e-6) + 0.5, 0, 1)


# === Circulation, and flow before disease ===


def draw_levels(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """What is lasting in the flow of n patients, standard normal: `rest_level` and `stress_level`,
    correlated, and `other_drive`, which sets resting flow where the rate-pressure product does not.
    """
    rest_level, stress_level = _correlated_pair(rng, n)
    other_drive = rng.standard_normal(n)
    levels = {"rest_level": rest_level, "stress_level": stress_level, "other_drive": other_drive}
    return pd.DataFrame(levels)


def draw_circulation(studies: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Heart rate (beats/min) and systolic pressure (mmHg) of each study at rest and stress, and
    `relative_rpp`: resting rate-pressure product as a share of what is expected.
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
    """Mean MBF in mL/min/g, (n,), of "rest" and "stress" as it would be without epicardial
    disease.
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
