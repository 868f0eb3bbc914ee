"""Who trains, who validates, who tests: patients, never studies, are drawn."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort.cohort import Cohort
from polarnet.ids import listing

SPLITS: Final = ("train", "val", "test")


def split_by_patient(
    cohort: Cohort, val: float = 0.15, test: float = 0.15, *, seed: int
) -> tuple[Cohort, Cohort, Cohort]:
    """Training, validation and test cohorts that share no patient.

    A column `split` in `cohort.clinical` ("train", "val" or "test" in each row) is honoured;
    otherwise patients are drawn so that every trait, and how often it was recorded, is balanced
    (iterative stratification).

    Parameters
    ----------
    val, test
        Shares of the patients, each in (0, 1).
    seed
        Same cohort, shares and seed: same split.

    Raises
    ------
    ValueError: a share is out of range, there are too few patients, or the `split` column has
        other words in it, leaves a split empty, or puts one patient in two.

    References
    ----------
    Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011:145-158 (iterative stratification).
    """
    cohort.check(pixels=False)
    if "split" in cohort.clinical:
        part = _stated_split(cohort)
    else:
        part = _drawn_split(cohort, val, test, seed)
    train, validation, held_out = (cohort.select(part == name) for name in SPLITS)
    return train, validation, held_out


def fold_by_patient(cohort: Cohort, k: int = 5, *, seed: int) -> Iterator[tuple[Cohort, Cohort]]:
    """Cross-validation: k pairs of cohorts (rest, held out) that share no patient.

    Parameters
    ----------
    k
        Number of folds; balanced on the traits like `split_by_patient`.

    Raises
    ------
    ValueError: fewer patients than folds.
    """
    cohort.check(pixels=False)
    patients, labels = _patient_labels(cohort)
    if len(patients) < k:
        raise ValueError(f"{len(patients)} patients cannot be put into {k} folds.")
    # It loads scikit-learn, which reading and saving a cohort do without.
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    folds = MultilabelStratifiedKFold(n_splits=k, shuffle=True, random_state=seed)
    for _, rows in folds.split(labels, labels):
        held_out = cohort.patients.isin(patients[rows]).to_numpy()
        yield cohort.select(~held_out), cohort.select(held_out)


def _patient_labels(cohort: Cohort) -> tuple[np.ndarray, np.ndarray]:
    """Patient ids, and for each whether a trait is ever 1 and whether it was recorded."""
    by_patient = cohort.traits.groupby(cohort.patients.to_numpy(), sort=True).max()
    labels = pd.concat([by_patient == 1, by_patient.notna()], axis=1).to_numpy().astype(int)
    # The library wants at least two columns; constant ones stratify nothing.
    return by_patient.index.to_numpy(), np.c_[labels, np.ones((len(labels), 2), int)]


def _drawn_split(cohort: Cohort, val: float, test: float, seed: int) -> np.ndarray:
    """Name of the split for every study, drawn by patient."""
    if not (0 < val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(f"val ({val}) and test ({test}) must be shares with a sum below 1.")
    patients, labels = _patient_labels(cohort)
    if min(val, test, 1 - val - test) * len(patients) < 1:
        raise ValueError(f"{len(patients)} patients are too few to be split by {val} and {test}.")
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    part = pd.Series("train", index=patients)
    rows = np.arange(len(patients))
    for name, share in (("test", test), ("val", val / (1 - test))):
        draw = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
        kept, drawn = next(draw.split(labels[rows], labels[rows]))
        part.iloc[rows[drawn]] = name
        rows = rows[kept]
    return part[cohort.patients].to_numpy()


def _stated_split(cohort: Cohort) -> np.ndarray:
    """Name of the split for every study, from the user's column."""
    part = cohort.clinical["split"]
    if (odd := ~part.isin(SPLITS)).any():
        pairs = [f"{study} ({word})" for study, word in part[odd].items()]
        raise ValueError(f"Column split must say train, val or test: {listing(pairs)}.")
    if missing := [name for name in SPLITS if name not in set(part)]:
        raise ValueError(f"Column split leaves {listing(missing)} empty. Name studies for each.")
    in_several = part.groupby(cohort.patients).nunique() > 1
    if in_several.any():
        names = listing(in_several.index[in_several])
        raise ValueError(f"Column split puts patients into two splits: {names}.")
    return part.to_numpy()
