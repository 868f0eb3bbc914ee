"""Which flow reserve is impaired: other definitions than the global one."""

from typing import Final

import numpy as np
import pandas as pd

from polarnet.anatomy import TERRITORIES, segment_map
from polarnet.cohort import Cohort
from polarnet.evaluation.comparison import MFR_COLUMN
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD

HEART_RATE: Final = "hr_rest"
"""Clinical column: beats/min during the rest scan."""

SYSTOLIC: Final = "sbp_rest"
"""Clinical column: mmHg during the rest scan."""

REFERENCE_RPP: Final = 10_000.0
"""Rate-pressure product in mmHg/min to which rest flow is normalised: about 1 mL/min/g there.
Campisi et al., Circulation 1998, doi 10.1161/01.cir.98.2.119; Czernin et al., Circulation 1993,
doi 10.1161/01.cir.88.1.62."""

GREY_ZONE: Final = (1.9, 2.1)
"""Flow reserves, ends included, that are too near to 2.0 to call (our choice)."""

_BATCH: Final = 1024  # maps in memory at once


def mfr_labels(cohort: Cohort) -> dict[str, pd.Series | str]:
    """Impaired flow reserve by other definitions.

    Returns
    -------
    Definition -> labels 1.0, 0.0 or NaN (cannot be told), index study_id; or, where the cohort
    lacks what it needs, a sentence that says why.

    Raises
    ------
    ValueError: the mean rest flow of a study is 0.
    """
    if cohort.unit != "mL/min/g" or not {"rest", "stress"} <= cohort.maps.keys():
        why = f"needs rest and stress maps in mL/min/g; there are {', '.join(cohort.maps)}"
        return dict.fromkeys(("any territory", "rate-pressure corrected", "without 1.9-2.1"), why)
    mfr = cohort.global_mfr()
    return {
        "any territory": _impaired(territory_mfr(cohort).min(axis=1, skipna=False)),
        "rate-pressure corrected": _corrected(cohort, mfr),
        "without 1.9-2.1": outside_grey_zone(cohort, mfr),
    }


def territory_mfr(cohort: Cohort) -> pd.DataFrame:
    """Flow reserve of each territory: mean stress flow over its pixels / mean rest flow.

    Returns
    -------
    Index study_id, columns LAD, RCA, LCx, no unit; NaN where the territory's rest flow is 0. As
    the global reserve is a mean of these, weighted by rest flow, the lowest is never above it.
    """
    segments = segment_map(cohort.size)
    found = {}
    for name, members in TERRITORIES.items():
        pixels = np.isin(segments, members)
        stress, rest = (_means(cohort, map_type, pixels) for map_type in ("stress", "rest"))
        found[name] = np.divide(stress, rest, out=np.full(len(rest), np.nan), where=rest > 0)
    return pd.DataFrame(found, index=cohort.patients.index)


def corrected_mfr(mfr: pd.Series, heart_rate: pd.Series, systolic: pd.Series) -> pd.Series:
    """Stress flow / (rest flow x 10,000 / rate-pressure product of rest).

    Parameters
    ----------
    mfr
        Stress flow / rest flow, no unit.
    heart_rate, systolic
        At rest: beats/min and mmHg. NaN where one is missing or not above 0.
    """
    product = heart_rate.where(heart_rate > 0) * systolic.where(systolic > 0)
    return mfr * product / REFERENCE_RPP


def outside_grey_zone(cohort: Cohort, mfr: pd.Series) -> pd.Series:
    """The cohort's own labels, NaN where the flow reserve is within 1.9-2.1.

    Parameters
    ----------
    mfr
        Of the maps, no unit; a workstation's number in the clinical table goes before it.
    """
    if MFR_COLUMN in cohort.clinical:
        mfr = pd.to_numeric(cohort.clinical[MFR_COLUMN], errors="coerce").fillna(mfr)
    return cohort.traits[IMPAIRED_MFR].mask(mfr.between(*GREY_ZONE))


def _corrected(cohort: Cohort, mfr: pd.Series) -> pd.Series | str:
    table = cohort.clinical
    if missing := [name for name in (HEART_RATE, SYSTOLIC) if name not in table]:
        return f"needs clinical columns {HEART_RATE} and {SYSTOLIC}; no {', '.join(missing)}"
    rate, systolic = (pd.to_numeric(table[n], errors="coerce") for n in (HEART_RATE, SYSTOLIC))
    return _impaired(corrected_mfr(mfr, rate, systolic))


def _impaired(mfr: pd.Series) -> pd.Series:
    """1.0 strictly below 2.0, else 0.0; NaN stays NaN."""
    return (mfr < MFR_THRESHOLD).astype(float).where(mfr.notna())


def _means(cohort: Cohort, map_type: str, pixels: np.ndarray) -> np.ndarray:
    """Mean of each study's map over some pixels, few maps in memory at once."""
    stack = cohort.maps[map_type]
    starts = range(0, len(cohort), _BATCH)
    return np.concatenate(
        [stack[s : s + _BATCH][:, pixels].mean(axis=1, dtype=np.float64) for s in starts]
    )
