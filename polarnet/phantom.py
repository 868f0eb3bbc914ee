"""A simulated cohort with known truth. It is not patients, and says so wherever it goes.

First version: flow level, wall pattern, territory defects and noise are built from published
numbers, but heart rate, blood pressure, tracer and scanner are not modelled. Nothing here was
chosen by looking at what a network makes of it.
"""

from typing import Final

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from polarnet.anatomy import disc_mask, disc_mean, polar_coordinates, segment_basis
from polarnet.cohort import PHANTOM, Cohort
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD, TRAITS

# --- Flow ---------------------------------------------------------------------------------------
REST_MBF: Final = 1.02
"""mL/min/g, mean of 'no CAD' N-13 studies. Opstal et al. 2018, doi 10.1186/s41824-018-0029-z."""
STRESS_MBF: Final = 2.54
"""mL/min/g, same source."""
REST_LOG_SD, STRESS_LOG_SD = 0.20, 0.15
"""Spread between studies beside what sex and age add: SDs 0.22 and 0.41 mL/min/g, same source."""
LEVEL_CORRELATION: Final = 0.25
"""Of rest and stress level, so that flow reserve has the SD 0.61 of the same source."""
REST_REPEAT_SD, STRESS_REPEAT_SD = 0.14, 0.10
"""Part of that spread within a patient. After Nagamachi et al., J Nucl Med 1996;37:1626."""
WOMEN_TO_MEN_REST, WOMEN_TO_MEN_STRESS = 1.15, 1.09
"""After Brown et al. (0.69/0.58, 2.41/2.13; MFR about .95), Leicester figshare 24721752."""
STRESS_PER_DECADE: Final = -0.07
"""mL/min/g per decade of age, from age 65. Metzinger et al., Circulation abstract 17801."""
STRESS_FACTOR: Final = {"diabetes": 0.88, "hypertension": 0.95, "dyslipidemia": 0.97}
"""Our choice, weaker than the selected groups of Yokoyama et al., JACC 1997;30:1472 and Gimelli
et al., JACC 1998;31:366; smoking has no entry (Campisi et al., Circulation 1998;98:119: no
difference in resting or hyperemic flow)."""

# --- Pattern: segment mean / mean of the ventricle, normal Rb-82 studies ------------------------
REST_PATTERN: Final = (
    .98, .86, .85, .98, 1.03, 1.08, 1.03, 1.08, 1.10, 1.15, 1.13, 1.23, .92, .96, .96, 1.06, .77,
)  # fmt: skip
STRESS_PATTERN: Final = (
    .95, .85, .83, .96, 1.00, 1.01, 1.05, 1.17, 1.17, 1.13, 1.11, 1.17, .96, 1.07, .98, 1.07, .81,
)  # fmt: skip
"""Read from mean maps in the figures of mitre/BayesGrad (Ottawa); reading error about 0.02."""
DISEASED_TO_NORMAL: Final = {
    "LAD": (.87, .85, 1, 1, 1, .97, .74, .80, .95, 1, 1, .89, .69, .77, .96, .90, .71),
    "RCA": (1, .98, .75, .57, .86, 1, 1, 1, .83, .58, .83, .99, 1, .96, .70, .96, .93),
    "LCx": (1, 1, 1, .89, .63, .79, .98, 1, 1, .86, .63, .80, .96, .98, .87, .73, .93),
}  # fmt: skip
"""Stress, mean of patients with that diseased territory / normal mean; same figures, cut at 1."""
EDGE_FALL: Final = 0.3
"""Fall of counts in the outermost 15 % of the radius; after the mean radial profile there."""

# --- Disease ------------------------------------------------------------------------------------
DISEASED_SHARE: Final = 0.25
"""Share of patients with a diseased territory: our choice."""
VESSEL_COUNTS: Final = {
    ("LAD",): 88, ("RCA",): 56, ("LCx",): 39, ("LAD", "RCA"): 39, ("LAD", "LCx"): 41,
    ("RCA", "LCx"): 38, ("LAD", "RCA", "LCx"): 28,
}  # fmt: skip
"""Test set of the same repository, 329 diseased of 649."""
DEPTH_RANGE: Final = (0.15, 0.6)
"""Drop of stress flow in the core of a diseased territory: our choice."""
SCAR_SHARE, SCAR_TO_DEPTH = 0.35, 0.5
"""Share of diseased patients with a fixed part in their defects, and how deep it is: our choice."""

# --- Patients: our choice, inside the ranges of the published cohorts ---------------------------
AGE_MEAN, AGE_SD, AGE_RANGE = 66.0, 11.0, (30.0, 92.0)
WOMEN: Final = 0.45
LOG_ODDS: Final = {  # intercept, per decade from the mean age, female
    "diabetes": (-1.70, 0.10, 0.0),
    "hypertension": (-0.15, 0.35, 0.1),
    "dyslipidemia": (0.00, 0.15, 0.0),
    "smoking": (-1.65, -0.45, -0.4),
}
HYPERTENSION_IF_DIABETIC: Final = 0.8
NOT_RECORDED: Final = {
    "diabetes": 0.02, "hypertension": 0.03, "dyslipidemia": 0.05, "smoking": 0.08,
}  # fmt: skip
SECOND_STUDY: Final = 0.07

# --- Noise: the same for every study, whatever its traits ---------------------------------------
NOISE_SD: Final = 0.07
NOISE_WIDTH: Final = 1 / 8
"""Multiplicative, correlated over this share of the disc radius: our choice."""

_CHUNK: Final = 1000  # studies rendered at once


def make_phantom_cohort(n_patients: int = 1200, *, seed: int, size: int = 64) -> Cohort:
    """Simulate rest and stress maps with traits and planted territory defects.

    Parameters
    ----------
    n_patients
        At least 1; about 7 % of them get a second study.
    seed
        Same arguments, same bytes.
    size
        Rows (and columns) of a map, at least 16.

    Returns
    -------
    Cohort in mL/min/g with the six traits, `clinical` (age in years) and `truth`: the drop of
    stress flow in the core of each territory (`lad`, `rca`, `lcx`: 0 to 1) and the share of it
    that is fixed (`scar`).

    Raises
    ------
    ValueError: `n_patients` or `size` is too small.

    >>> cohort = make_phantom_cohort(20, seed=1, size=32)
    >>> cohort.maps["stress"].dtype, cohort.is_phantom
    (dtype('float32'), True)
    """
    if n_patients < 1 or size < 16:
        raise ValueError(f"Need n_patients >= 1 and size >= 16, got {n_patients} and {size}.")
    # One stream for each part, so that noise can never depend on a trait.
    streams = np.random.SeedSequence(seed).spawn(5)
    people, disease, level, noise, gaps = (np.random.default_rng(s) for s in streams)
    patients = _draw_patients(people, n_patients)
    patients = pd.concat([patients, _draw_disease(disease, n_patients)], axis=1)
    rest_level, own = level.normal(size=(2, n_patients))
    patients["rest_level"] = rest_level
    patients["stress_level"] = _correlated(rest_level, own)

    repeated = np.flatnonzero(people.random(n_patients) < SECOND_STUDY)
    order = np.sort(np.r_[np.arange(n_patients), repeated], kind="stable")
    studies = patients.iloc[order].reset_index(drop=True)
    rest_mbf, stress_mbf = _flow_levels(studies, level)
    maps = _render(studies, rest_mbf, stress_mbf, noise, size)

    studies.index = pd.Index([f"S{k:06d}" for k in range(1, len(studies) + 1)], name="study_id")
    mfr = disc_mean(maps["stress"]) / disc_mean(maps["rest"])
    traits = studies[list(TRAITS[1:])].copy()
    for trait, share in NOT_RECORDED.items():
        traits.loc[(gaps.random(n_patients) < share)[order], trait] = np.nan
    traits.insert(0, IMPAIRED_MFR, (mfr < MFR_THRESHOLD).astype(float))
    return Cohort(
        maps=maps,
        traits=traits,
        patients=pd.Series([f"P{seed}-{k + 1:06d}" for k in order], index=studies.index),
        clinical=studies[["age"]].round(1).assign(impaired_mfr_source="maps"),
        truth=studies[["lad", "rca", "lcx", "scar"]],
        unit="mL/min/g",
        software=PHANTOM,
    )


def _draw_patients(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Age in years and the five patient traits, correlated through age, sex and diabetes."""
    age = np.clip(rng.normal(AGE_MEAN, AGE_SD, n), *AGE_RANGE)
    patients = pd.DataFrame({"age": age, "sex": (rng.random(n) < WOMEN).astype(float)})
    for trait, (intercept, per_decade, female) in LOG_ODDS.items():
        odds = intercept + per_decade * (age - AGE_MEAN) / 10 + female * patients["sex"]
        if trait == "hypertension":
            odds += HYPERTENSION_IF_DIABETIC * patients["diabetes"]
        patients[trait] = (rng.random(n) < 1 / (1 + np.exp(-odds))).astype(float)
    return patients


def _draw_disease(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Depth of the defect in each territory, and the fixed share of it."""
    combinations, counts = list(VESSEL_COUNTS), np.array(list(VESSEL_COUNTS.values()))
    drawn = rng.choice(len(combinations), size=n, p=counts / counts.sum())
    is_diseased = rng.random(n) < DISEASED_SHARE
    truth = pd.DataFrame()
    for vessel in DISEASED_TO_NORMAL:
        has_vessel = np.array([vessel in combinations[k] for k in drawn]) & is_diseased
        truth[vessel.lower()] = np.where(has_vessel, rng.uniform(*DEPTH_RANGE, n), 0.0)
    has_scar = is_diseased & (rng.random(n) < SCAR_SHARE)
    truth["scar"] = np.where(has_scar, SCAR_TO_DEPTH, 0.0)
    return truth


def _correlated(first: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Standard normal values that share `LEVEL_CORRELATION` with the first ones."""
    return LEVEL_CORRELATION * first + np.sqrt(1 - LEVEL_CORRELATION**2) * own


def _flow_levels(studies: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Undiseased mean rest and stress MBF of each study, mL/min/g."""
    sex = studies["sex"].to_numpy()
    rest = REST_MBF * WOMEN_TO_MEN_REST ** (sex - WOMEN)
    stress = STRESS_MBF * WOMEN_TO_MEN_STRESS ** (sex - WOMEN)
    stress = stress + STRESS_PER_DECADE * (studies["age"].to_numpy() - 65) / 10
    for trait, factor in STRESS_FACTOR.items():
        stress = stress * factor ** studies[trait].to_numpy()
    rest_repeat, own = rng.normal(size=(2, len(studies)))
    stress_repeat = _correlated(rest_repeat, own)
    rest = rest * _spread(studies["rest_level"], rest_repeat, REST_LOG_SD, REST_REPEAT_SD)
    stress = stress * _spread(
        studies["stress_level"], stress_repeat, STRESS_LOG_SD, STRESS_REPEAT_SD
    )
    return rest.astype(np.float32), stress.astype(np.float32)


def _spread(
    patient: pd.Series, repeat: np.ndarray, total_sd: float, within_sd: float
) -> np.ndarray:
    """Log-normal factors with mean 1, partly shared by the studies of a patient."""
    between_sd = np.sqrt(total_sd**2 - within_sd**2)
    return np.exp(between_sd * patient.to_numpy() + within_sd * repeat - total_sd**2 / 2)


def _render(
    studies: pd.DataFrame,
    rest_mbf: np.ndarray,
    stress_mbf: np.ndarray,
    rng: np.random.Generator,
    size: int,
) -> dict[str, np.ndarray]:
    """Maps (n, size, size) in mL/min/g: level x pattern x defects x noise."""
    basis, disc = segment_basis(size), disc_mask(size)
    radius = polar_coordinates(size)[0]
    edge = 1 - EDGE_FALL * np.clip((radius - 0.85) / 0.15, 0, 1)
    patterns = {}
    for name, values in (("rest", REST_PATTERN), ("stress", STRESS_PATTERN)):
        pattern = np.tensordot(values, basis, 1) * edge
        patterns[name] = (pattern / disc_mean(pattern)).astype(np.float32)
    # Shape of a defect: 1 in its core, 0 in the walls that keep their flow.
    loss = 1 - np.array(list(DISEASED_TO_NORMAL.values()))
    shapes = np.clip(np.tensordot(loss / loss.max(axis=1, keepdims=True), basis, 1), 0, 1)
    shapes = shapes.astype(np.float32)
    depths = studies[[vessel.lower() for vessel in DISEASED_TO_NORMAL]].to_numpy(np.float32)
    scar = studies["scar"].to_numpy(np.float32)

    width = NOISE_WIDTH * size / 2
    # A smoothed field loses variance; filtering a unit impulse tells by how much.
    impulse = np.zeros((size, size))
    impulse[size // 2, size // 2] = 1
    shrink = np.sqrt((gaussian_filter(impulse, width, mode="wrap", truncate=3) ** 2).sum())
    maps = {name: np.empty((len(studies), size, size), np.float32) for name in patterns}
    for start in range(0, len(studies), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for name, level, depth in (
            ("rest", rest_mbf, depths * scar[:, None]),
            ("stress", stress_mbf, depths),
        ):
            grain = rng.standard_normal((len(level[rows]), size, size), dtype=np.float32)
            flow = gaussian_filter(grain, (0, width, width), mode="wrap", truncate=3)
            flow = (1 + (NOISE_SD / shrink) * flow) * patterns[name]
            flow *= level[rows, None, None]
            for vessel, shape in enumerate(shapes):
                is_diseased = depth[rows, vessel] > 0
                flow[is_diseased] *= 1 - depth[rows, vessel][is_diseased, None, None] * shape
            maps[name][rows] = np.where(disc, np.maximum(flow, 0), 0)
    return maps
