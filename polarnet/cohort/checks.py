"""What makes a cohort sound: every offender is found before anything is said."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mask
from polarnet.cohort.stack import MapStack

UNITS: Final = ("mL/min/g", "percent")

HIGHEST: Final = {"mL/min/g": 10.0, "percent": 101.0}
"""Values above these are taken for a wrong unit (our choice)."""

_SHOWN: Final = 6
"""Characters of a wrong cell that a message repeats."""

_LISTED: Final = 50
"""Offenders named one by one; the rest are counted."""


def listing(names: Iterable[object]) -> str:
    """Names in one line: the first 50, then how many more.

    >>> listing(["S1", "S2"])
    'S1, S2'
    """
    names = list(names)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(str, names[:_LISTED])) + more


def _shown(value: object) -> str:
    """A cell's content, cut: what was typed into a wrong column may be a name."""
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def map_digest(values: np.ndarray) -> bytes:
    """Fingerprint of one map's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()


def table_problems(traits: pd.DataFrame, patients: pd.Series) -> list[str]:
    """What is wrong with ids and labels, one text for each kind of problem."""
    problems = []
    ids = patients.index
    if twice := list(dict.fromkeys(ids[ids.duplicated()])):
        problems.append(f"study_id given twice: {listing(twice)}")
    is_unnamed = patients.isna() | (patients.astype(str).str.strip() == "")
    if unnamed := list(ids[is_unnamed.to_numpy()]):
        problems.append(f"no patient_id: {listing(unnamed)}")
    for trait in traits.columns:
        column = traits[trait]
        numbers = pd.to_numeric(column, errors="coerce")
        empty = column.isna() | (column.astype(str).str.strip() == "")
        odd = ~(empty | numbers.isin([0, 1]))
        if odd.any():
            pairs = [f"{study} ({_shown(value)})" for study, value in column[odd].items()]
            problems.append(f"{trait} must be 0, 1 or empty: {listing(pairs)}")
    return problems


def map_problems(
    maps: Mapping[str, np.ndarray | MapStack], patients: pd.Series, unit: str
) -> list[str]:
    """What is wrong with the pixels, one text for each kind of problem and map type."""
    problems = []
    for map_type, stack in maps.items():
        disc = disc_mask(stack.shape[-1])
        found: dict[str, list[str]] = {"NaN": [], "negative": [], "too high": [], "twin": []}
        owner: dict[bytes, tuple[str, str]] = {}
        for values, (study, patient) in zip(stack, patients.items(), strict=True):
            inside = values[disc]
            if not np.isfinite(inside).all():
                found["NaN"].append(str(study))
                continue
            if (inside < 0).any():
                found["negative"].append(str(study))
            if map_type != "reserve" and inside.max() > HIGHEST[unit]:
                found["too high"].append(f"{study} ({inside.max():.4g})")
            first_study, first_patient = owner.setdefault(
                map_digest(values), (str(study), str(patient))
            )
            if first_patient != str(patient):
                found["twin"].append(f"{first_study} and {study}")
        texts = {
            "NaN": f"{map_type} has NaN or infinite values inside the disc",
            "negative": f"{map_type} has negative values inside the disc",
            "too high": f"{map_type} is above {HIGHEST[unit]:g} {unit}, is the unit right?",
            "twin": f"{map_type} is pixel for pixel the same under two patients",
        }
        problems += [f"{texts[kind]}: {listing(ids)}" for kind, ids in found.items() if ids]
    return problems
