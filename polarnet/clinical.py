"""Clinical columns of a cohort: which of them may predict a trait, and their numbers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib import resources
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.files import did_you_mean, parse_yaml, shown
from polarnet.ids import listing
from polarnet.traits import IMPAIRED_MFR

_PATTERNS: Final = parse_yaml(
    resources.files("polarnet").joinpath("proxies.yaml").read_text("utf-8"), "proxies.yaml"
)

DEFAULT_PROXIES: Final[Mapping[str, Sequence[str]]] = {
    trait: tuple(text.split(", "))
    for trait, text in {IMPAIRED_MFR: _PATTERNS["from the maps"], **_PATTERNS["traits"]}.items()
}
"""Trait -> patterns of columns that measure or treat it: predictors that would leak its label."""

NOT_CLINICAL: Final = (*_PATTERNS["not clinical"].split(", "), *DEFAULT_PROXIES[IMPAIRED_MFR])
"""Patterns of columns that never predict: ids, days, how the study was read, what the maps say."""


MAPS_ALONE: Final = "maps alone"
CLINICAL_ALONE: Final = "clinical columns alone"
"""Baselines beside a network with clinical columns: the same network without them, and logistic
ridge on them alone."""


def is_barred(name: str, patterns: Iterable[str]) -> bool:
    """Whether a column has a name of these patterns: `*` stands for anything; case does not
    matter, and a blank, hyphen or full stop is an underscore.

    >>> is_barred("Systolic BP", ["bp", "*_bp"])
    True
    """
    return any(fnmatchcase(plain_name(name), plain_name(pattern)) for pattern in patterns)


def plain_name(name: object) -> str:
    """A name without case, its words joined by underscores."""
    return re.sub(r"[\s.\-]+", "_", str(name).strip().casefold())


def clinical_columns(cohort: Cohort, names: Iterable[str]) -> pd.DataFrame:
    """Columns of a cohort by name, as they are: its traits, or else of its clinical table. Index
    study_id; ValueError: it lacks one.
    """
    known = {**cohort.clinical, **cohort.traits}
    if lacking := [name for name in names if name not in known]:
        raise ValueError(
            f"No clinical column {listing(lacking)} in this cohort"
            f"{did_you_mean(lacking[0], known) or '.'} It has {listing(known) or 'none'}."
        )
    return pd.DataFrame({name: known[name] for name in names}, index=cohort.patients.index)


def clinical_values(cohort: Cohort, names: Sequence[str]) -> np.ndarray:
    """Numbers (n, k) of k clinical columns, float32, in the units of the table; NaN: not recorded.

    ValueError: the cohort lacks a column, or a cell is infinite or no number.
    """
    table = clinical_columns(cohort, names)
    values = np.empty((len(table), len(names)), np.float32)
    for k, name in enumerate(names):
        with np.errstate(over="ignore"):
            values[:, k] = pd.to_numeric(table[name], errors="coerce").to_numpy(
                float, na_value=np.nan
            )
        is_odd = np.isinf(values[:, k]) | (np.isnan(values[:, k]) & table[name].notna().to_numpy())
        if is_odd.any():
            first = shown(str(table[name][is_odd].iloc[0]))
            raise ValueError(
                f"Clinical column {name} must hold numbers, but {first} "
                f"stands in {listing(table.index[is_odd], most=5)}. Correct the cells, or leave "
                "them empty."
            )
    return values


def check_predictors(train: Cohort, names: Sequence[str], traits: Sequence[str]) -> None:
    """Raise ValueError where a clinical column cannot be a predictor, or leaks a label."""
    for name in names:
        if is_barred(name, NOT_CLINICAL):
            raise ValueError(
                f"{shown(name)} cannot be a clinical column: by its name it is an id, a date, or "
                "was read off the maps. Leave it out of clinical, or rename it."
            )
        if told := [t for t in traits if is_barred(name, (t, *DEFAULT_PROXIES.get(t, ())))]:
            raise ValueError(
                f"Clinical column {name} measures or treats {listing(told)}, and would give the "
                f"label away. Leave it out of clinical, or {listing(told)} out of the traits."
            )
    values = clinical_values(train, names)
    for k, name in enumerate(names):
        if len(found := np.unique(values[~np.isnan(values[:, k]), k])) < 2:
            what = f"{found[0]:g} in every" if len(found) else "not recorded in any"
            raise ValueError(
                f"Clinical column {name} is {what} training study, so nothing can be learnt from "
                "it. Leave it out of clinical."
            )
