"""Who the phantom's patients are: age, traits, pressure, diseased vessels."""

import numpy as np
import pandas as pd
from scipy.stats import truncnorm

from polarnet.phantom import physiology as known

VESSELS = tuple(known.DISEASED_TO_NORMAL)
SEGMENT_DROPS = tuple(f"drop_{segment}" for segment in range(1, 18))


def draw_patients(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Traits and circulation of n patients, one row each.

    Returns
    -------
    Columns `age` (years), `sex` (1 = female), `bmi` (kg/m2), `diabetes`, `hypertension`,
    `dyslipidemia`, `smoking`, `diseased`, `known_cad` (1 or 0), and, as factors on what is
    expected of such a patient, `hr_factor` and `sbp_factor`.
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
    """Diseased vessels and what they do to stress flow.

    Parameters
    ----------
    diseased
        Shape (n,), 1 where a patient has epicardial disease.

    Returns
    -------
    `lad`, `rca`, `lcx`: drop of stress flow in the core of the territory, 0 to 1; `scar`: the
    fixed share of the drops; `drop_1` to `drop_17`: drop of stress flow by AHA segment. A shared
    segment belongs to one of its two vessels, a distal lesion reaches fewer segments; the core
    always suffers the whole drop.
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
        reach = _draw_reach(rng, vessel, n)
        owners[vessel][:, _core(vessel)] = 1
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


def _core(vessel: str) -> np.ndarray:
    """Positions of the segments at the core of a vessel's territory."""
    return np.array(known.CORE[vessel]) - 1


def _draw_reach(rng: np.random.Generator, vessel: str, n: int) -> np.ndarray:
    """Share (n, 17) of the core's drop that each segment suffers; its mean gives group means."""
    loss = 1 - np.array(known.DISEASED_TO_NORMAL[vessel])
    share = ownership_share(vessel)
    core = _core(vessel)
    share[core] = 1
    wanted = np.divide(loss, share, out=np.zeros(17), where=share > 0)
    wanted = np.minimum(wanted / wanted[core].min(), 1)
    # From proximal (0: all segments) to distal (1: the core alone), smoothed at the rim.
    site = rng.random((n, 1))
    rim = known.LESION_RIM * (1 - np.abs(2 * wanted - 1))
    return np.clip((wanted - site) / np.maximum(rim, 1e-6) + 0.5, 0, 1)
