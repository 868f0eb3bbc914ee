"""What makes a cohort sound: every offender is found before anything is said."""

import hashlib
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort.stack import MapStack
from polarnet.files import MISSING
from polarnet.ids import listing

UNITS: Final = ("mL/min/g", "percent")

HIGHEST: Final = {"mL/min/g": 10.0, "percent": 101.0}
"""Values above these are taken for a wrong unit (our choice)."""

HIGHEST_RESERVE: Final = 100.0
"""A stored flow reserve above this is none (our choice, far above any)."""

_SHOWN: Final = 6
"""Characters of a wrong cell that a message repeats."""

BATCH: Final = 1024
"""Maps in memory at once where a whole cohort is gone through."""

TRUTH_PREFIX: Final = "truth_"
"""Marks columns of what was planted in a phantom."""


def _shown(value: object) -> str:
    """A cell's content, cut: what was typed into a wrong column may be a name."""
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def map_digest(values: np.ndarray) -> bytes:
    """Fingerprint of one map's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()


def as_labels(column: pd.Series) -> pd.Series:
    """1.0, 0.0 or NaN for each cell of a trait; what is none of these, infinity.

    Text is read where it is certain: "1", "0,0", "TRUE", and NA or an empty cell for what was not
    recorded.
    """
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.astype(float)
        return numbers.where(numbers.isin([0, 1]) | numbers.isna(), np.inf)
    known = {"true": 1.0, "false": 0.0} | dict.fromkeys(MISSING, np.nan)

    def label(cell: object) -> float:
        text = "" if pd.isna(cell) else str(cell).strip().lower()
        if text in known:
            return known[text]
        try:
            number = float(text.replace(",", "."))
        except ValueError:
            return np.inf
        return number if number in (0, 1) else np.inf

    return pd.Series([label(cell) for cell in column], index=column.index, dtype=float)


def table_problems(traits: pd.DataFrame, patients: pd.Series) -> list[str]:
    """What is wrong with ids and labels, one text for each kind of problem."""
    problems = []
    ids = patients.index
    if unnamed := int((ids == "").sum()):
        problems.append(f"no study_id in {unnamed} rows" if unnamed > 1 else "no study_id in a row")
    if twice := [study for study in dict.fromkeys(ids[ids.duplicated()]) if study != ""]:
        problems.append(f"study_id given twice: {listing(twice)}")
    if unnamed_patients := list(ids[(patients == "").to_numpy()]):
        problems.append(f"no patient_id: {listing(unnamed_patients)}")
    for trait in traits.columns:
        odd = np.isinf(as_labels(traits[trait]))
        if odd.any():
            pairs = [f"{study} ({_shown(value)})" for study, value in traits[trait][odd].items()]
            problems.append(f"{trait} must be 0, 1 or empty: {listing(pairs)}")
    return problems


def map_problems(
    maps: Mapping[str, np.ndarray | MapStack], patients: pd.Series, unit: str, *, twins: bool
) -> list[str]:
    """What is wrong with the pixels, one text for each kind of problem and map type.

    Parameters
    ----------
    maps
        Stacks that are 0 outside the disc.
    twins
        Also whether two patients share a map.
    """
    problems = []
    for map_type, stack in maps.items():
        highest = HIGHEST_RESERVE if map_type == "reserve" else HIGHEST[unit]
        of_unit = "" if map_type == "reserve" else f" {unit}"
        found: dict[str, list[str]] = {"NaN": [], "negative": [], "too high": [], "twin": []}
        owner: dict[bytes, tuple[str, str]] = {}
        for start in range(0, len(stack), BATCH):
            batch = np.asarray(stack[start : start + BATCH])
            low, high = batch.min(axis=(1, 2)), batch.max(axis=(1, 2))
            is_finite = np.isfinite(low) & np.isfinite(high)
            some = patients.iloc[start : start + BATCH]
            found["NaN"] += list(some.index[~is_finite])
            found["negative"] += list(some.index[is_finite & (low < 0)])
            found["too high"] += [
                f"{some.index[k]} ({high[k]:.4g})"
                for k in np.flatnonzero(is_finite & (high > highest))
            ]
            for k in np.flatnonzero(is_finite) if twins else ():
                study, patient = some.index[k], some.iloc[k]
                first_study, first_patient = owner.setdefault(
                    map_digest(batch[k]), (study, patient)
                )
                if first_patient != patient:
                    found["twin"].append(f"{first_study} and {study}")
        texts = {
            "NaN": f"{map_type} has NaN or infinite values inside the disc",
            "negative": f"{map_type} has negative values inside the disc",
            "too high": f"{map_type} is above {highest:g}{of_unit}, is the unit right?",
            "twin": f"{map_type} is pixel for pixel the same under two patients",
        }
        problems += [f"{texts[kind]}: {listing(ids)}" for kind, ids in found.items() if ids]
    return problems
