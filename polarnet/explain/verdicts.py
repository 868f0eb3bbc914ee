"""What a check of an attribution method found: a number with its interval, and a verdict."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from polarnet.explain.agreement import Level, median_level
from polarnet.explain.groups import first_per_patient

FEWEST_PATIENTS: Final = 10
"""Nothing is judged from fewer patients (our choice)."""


@dataclass(frozen=True)
class Check:
    """Result of one check of an attribution method.

    Parameters
    ----------
    name
        What was varied or compared, in a few words.
    is_passed
        None where it cannot be judged; the verdict says why.
    value, low, high
        Median over studies, with its 95 % interval; NaN where it cannot be judged.
    reference
        What the interval is held against.
    n
        Patients behind `value`, one study each.
    verdict
        One sentence, beginning with "passes", "fails" or "cannot be judged".
    """

    name: str
    is_passed: bool | None
    value: float
    low: float
    high: float
    reference: float
    n: int
    verdict: str


def not_judged(name: str, reason: str) -> Check:
    """A check that was not made, so that its absence is read too."""
    nan = float("nan")
    return Check(name, None, nan, nan, nan, nan, 0, f"cannot be judged: {reason}")


def over_patients(values: np.ndarray, patients: ArrayLike | None, seed: int) -> tuple[Level, int]:
    """Median and interval of the first finite value of each patient, and how many there are."""
    is_known = np.isfinite(values)
    who = None if patients is None else np.asarray(patients)[is_known]
    counted = first_per_patient(values[is_known], who)
    return median_level(counted, seed=seed), len(counted)


def judged(
    name: str, median: Level, n: int, reference: float, is_passed: bool, good: str, bad: str
) -> Check:
    """The check with its verdict; None where patients are few or the reference is unknown."""
    reason = ""
    if n < FEWEST_PATIENTS:
        reason = f"{n} patients have maps to compare, and {FEWEST_PATIENTS} are needed"
    elif not np.isfinite(reference):
        reason = "it is not known what the maps of two patients share"
    if reason:
        verdict, result = f"cannot be judged: {reason}", None
    else:
        result = bool(is_passed)
        verdict = f"passes: {good}" if result else f"fails: {bad}"
    return Check(name, result, median.median, median.low, median.high, reference, n, verdict)
