"""The simulated cohort with known truth, which is marked as a phantom wherever it goes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mean
from polarnet.cohort import HIGHEST, PHANTOM, Cohort, write_cohorts
from polarnet.phantom import physiology as known
from polarnet.phantom.patients import (
    SEGMENT_DROPS,
    VESSELS,
    draw_circulation,
    draw_disease,
    draw_flow,
    draw_levels,
    draw_patients,
)
from polarnet.phantom.rendering import (
    ARTEFACTS,
    Canvas,
    add_noise,
    draw_artefacts,
    make_canvas,
    render_signal,
)
from polarnet.progressbar import progress_bar
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD, TRAITS

_BLOCK: Final = 500  # patients simulated at once
_LONG: Final = 5000  # patients from which on progress is shown
_STEP: Final = 2**-14
"""mL/min/g. Maps are rounded to it, and computed finer, so that another processor or number of
threads gives the same bytes."""

_CLINICAL: Final = ["age", "bmi", "known_cad", "hr_rest", "hr_stress", "sbp_rest", "sbp_stress"]
_DECIMALS: Final = {"age": 1, "bmi": 1} | dict.fromkeys(_CLINICAL[2:], 0)
_TRUTH: Final = [
    *(vessel.lower() for vessel in VESSELS), "scar", *SEGMENT_DROPS, "uneven", "small_ventricle",
    *ARTEFACTS, "motion_direction",
]  # fmt: skip


def make_phantom_cohort(
    n_patients: int = 1200,
    *,
    seed: int,
    size: int = 64,
    out: str | Path | None = None,
    tracer: str = "N-13 ammonia",
    sex_in_pattern: bool = True,
    scale: float = 1.0,
    noise_only: bool = False,
) -> Cohort:
    """Simulate rest and stress maps of patients from published physiology.

    Traits act on the flow; noise, artefacts, missing labels and the order of the studies are drawn
    apart from them. `polarnet.phantom.physiology` lists every number with its source.

    Parameters
    ----------
    n_patients
        At least 1; about 7 % of them get a second study.
    seed
        Whole number. Same arguments and versions, same bytes. A larger phantom of the same seed
        begins with the smaller one, in steps of 500 patients.
    size
        Rows (and columns) of a map, at least 16.
    out
        Folder to write the cohort to, block by block in little memory; the maps then stay there.
    tracer
        "N-13 ammonia" or "Rb-82": how the lateral wall looks. Stated by the cohort.
    sex_in_pattern
        Whether women's smaller ventricles show in the pattern, beside their level of flow.
    scale
        Factor on all flow, 0.5 to 2, as between two sites or two programs, which differ by up to
        1.6 (Tahari et al. 2013, PMC3849220). Flow is cut at 10 mL/min/g.
    noise_only
        Draw the same patients, but give every study the mean pattern and level with its noise and
        artefacts: maps from which no trait can be read, and no disease in `truth`.

    Returns
    -------
    Cohort in mL/min/g with the six traits. `clinical`: age (years), BMI (kg/m2), CAD on record,
    heart rate (beats/min) and systolic pressure (mmHg) at rest and stress. `truth`, in shares: drop
    of stress flow in the core of each territory (`lad`, `rca`, `lcx`), the fixed part of all of
    them (`scar`), the drop by segment (`drop_1` ...), artefacts of either map; `uneven` (1: uneven
    stress flow of hypertension); `small_ventricle` in SDs.

    Raises
    ------
    ValueError: an argument is out of range, or `seed` is no whole number.
    FileExistsError: `out` exists and is not empty.

    >>> cohort = make_phantom_cohort(20, seed=1, size=32)
    >>> cohort.maps["stress"].dtype, cohort.is_phantom
    (dtype('float32'), True)
    """
    if n_patients < 1 or size < 16:
        raise ValueError(f"Need n_patients >= 1 and size >= 16, got {n_patients} and {size}.")
    if tracer not in known.LATERAL_FACTOR:
        raise ValueError(f"No tracer '{tracer}'; use {' or '.join(known.LATERAL_FACTOR)}.")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number from 0 on, got {seed}.")
    if not 0.5 <= scale <= 2:
        raise ValueError(f"scale must lie between 0.5 and 2, got {scale}.")
    canvas = make_canvas(size, tracer)

    def blocks() -> Iterator[Cohort]:
        n_before = 0
        starts = range(0, n_patients, _BLOCK)
        bar = progress_bar(starts, desc="Simulating", unit="block", disable=n_patients < _LONG)
        for number, start in enumerate(bar):
            streams = _streams(seed, number)
            patients = _draw_patients(streams, min(_BLOCK, n_patients - start), sex_in_pattern)
            patients["patient_id"] = [f"P{seed}-{start + k + 1:06d}" for k in patients.index]
            studies = _draw_studies(streams, patients)
            if noise_only:
                studies = _without_signal(studies)
            names = [f"S{seed}-{n_before + k + 1:06d}" for k in studies.index]
            studies.index = pd.Index(names, name="study_id")
            n_before += len(studies)
            maps = _draw_maps(streams, studies, canvas)
            yield _as_cohort(studies, {m: _stored(scale * v) for m, v in maps.items()}, tracer)

    if out is None:
        return Cohort.concat(blocks())
    return write_cohorts(blocks(), out)


def _streams(seed: int, block: int) -> dict[str, np.random.Generator]:
    """A random stream for each part, so that no draw of one can change another."""
    parts = ("people", "disease", "lasting", "repeats", "today", "shape", "artefacts", "noise")
    source = np.random.SeedSequence(seed, spawn_key=(block,))
    return {
        part: np.random.default_rng(child)
        for part, child in zip((*parts, "gaps"), source.spawn(len(parts) + 1), strict=True)
    }


def _draw_patients(
    streams: dict[str, np.random.Generator], n: int, sex_in_pattern: bool
) -> pd.DataFrame:
    """What lasts: traits, disease, levels, size of the ventricle, and which labels are missing."""
    people = draw_patients(streams["people"], n)
    disease = draw_disease(streams["disease"], people["diseased"].to_numpy())
    patients = pd.concat([people, disease, draw_levels(streams["lasting"], n)], axis=1)
    small = streams["lasting"].standard_normal(n)
    if sex_in_pattern:
        small += known.SMALL_VENTRICLE_OF_WOMEN * (people["sex"] - known.WOMEN)
    patients["small_ventricle"] = small
    share, _ = known.HETEROGENEOUS_HYPERTENSION
    is_uneven = streams["lasting"].random(n) < share
    patients["uneven"] = is_uneven * people["hypertension"]
    for trait, missing in known.NOT_RECORDED.items():
        patients[f"no_{trait}"] = streams["gaps"].random(n) < missing
    return patients


def _draw_studies(streams: dict[str, np.random.Generator], patients: pd.DataFrame) -> pd.DataFrame:
    """One row a study: the patient's columns, the day's circulation and flow, artefacts."""
    n = len(patients)
    is_repeated = streams["repeats"].random(n) < known.SECOND_STUDY
    years = streams["repeats"].uniform(*known.SECOND_STUDY_AFTER, n)
    order = np.sort(np.r_[np.arange(n), np.flatnonzero(is_repeated)], kind="stable")
    studies = patients.iloc[order].reset_index(names="patient")
    studies["anatomy"], studies["state"] = known.ANATOMY_SD, known.STATE_SD
    is_second = studies["patient"].duplicated()
    studies["age"] += np.where(is_second, years[order], 0)
    circulation = draw_circulation(studies, streams["today"])
    flow = draw_flow(studies, circulation["relative_rpp"], streams["today"])
    artefacts = draw_artefacts(streams["artefacts"], len(studies))
    return pd.concat([studies, circulation, pd.DataFrame(flow), artefacts], axis=1)


def _draw_maps(
    streams: dict[str, np.random.Generator], studies: pd.DataFrame, canvas: Canvas
) -> dict[str, np.ndarray]:
    """Rest and stress maps (n, size, size), mL/min/g."""
    n, k = len(studies), len(canvas.departures)
    drops = studies[list(SEGMENT_DROPS)].to_numpy()
    # Coefficients of smooth departures from the normal pattern: of the patient, and of the map.
    anatomy = streams["shape"].standard_normal((studies["patient"].max() + 1, k))
    anatomy = anatomy[studies["patient"]] * studies["anatomy"].to_numpy()[:, None]
    uneven = known.HETEROGENEOUS_HYPERTENSION[1] * studies["uneven"].to_numpy()
    maps = {}
    for map_type, share, unevenness in (
        ("rest", studies["scar"].to_numpy(), np.zeros(n)),
        ("stress", np.ones(n), uneven),
    ):
        own = streams["shape"].standard_normal((n, k))
        own *= np.hypot(studies["state"].to_numpy(), unevenness)[:, None]
        signal = render_signal(
            canvas,
            map_type,
            level=studies[map_type].to_numpy(),
            drops=drops * share[:, None],
            departures=anatomy + own,
            small_ventricle=studies["small_ventricle"].to_numpy(),
            artefacts=studies,
        )
        maps[map_type] = add_noise(signal, streams["noise"])
    return maps


def _without_signal(studies: pd.DataFrame) -> pd.DataFrame:
    """The same studies with nothing planted and the same flow in each."""
    nothing = [*(vessel.lower() for vessel in VESSELS), "scar", *SEGMENT_DROPS]
    levels = {"rest": known.REST_MBF, "stress": known.STRESS_MBF}
    return studies.assign(
        **levels, **dict.fromkeys([*nothing, "uneven", "small_ventricle", "anatomy", "state"], 0.0)
    )


def _stored(flow: np.ndarray) -> np.ndarray:
    """Flow in mL/min/g as it is kept: rounded, cut at what a cohort takes for a wrong unit."""
    return (np.rint(np.minimum(flow, HIGHEST["mL/min/g"]) / _STEP) * _STEP).astype(np.float32)


def _as_cohort(studies: pd.DataFrame, maps: dict[str, np.ndarray], tracer: str) -> Cohort:
    """The block as others see it: recorded labels, rounded clinic, what was planted."""
    mfr = disc_mean(maps["stress"]) / disc_mean(maps["rest"])
    traits = studies[list(TRAITS[1:])].copy()
    for trait in known.NOT_RECORDED:
        traits.loc[studies[f"no_{trait}"], trait] = np.nan
    traits.insert(0, IMPAIRED_MFR, (mfr < MFR_THRESHOLD).astype(float))
    return Cohort(
        maps=maps,
        traits=traits,
        patients=studies["patient_id"],
        clinical=studies[_CLINICAL].round(_DECIMALS).assign(impaired_mfr_source="maps"),
        truth=studies[_TRUTH].round(4),
        unit="mL/min/g",
        tracer=tracer,
        software=PHANTOM,
    )
