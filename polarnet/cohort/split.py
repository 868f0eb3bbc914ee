"""Splits and folds of a cohort, drawn by patient and balanced on the traits."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from polarnet.ids import listing

SPLITS: Final = ("train", "val", "test")


def stated_split(part: pd.Series, patients: pd.Series) -> np.ndarray:
    """Name of the split of every study, from the user's column `part`."""
    if (odd := ~part.isin(SPLITS)).any():
        pairs = [f"{study} ({word})" for study, word in part[odd].items()]
        raise ValueError(f"Column split must say train, val or test: {listing(pairs)}.")
    if missing := [name for name in SPLITS if name not in set(part)]:
        raise ValueError(f"Column split leaves {listing(missing)} empty. Name studies for each.")
    n_splits = part.groupby(patients).nunique()
    if several := list(n_splits.index[n_splits > 1]):
        raise ValueError(f"Column split puts patients into two splits: {listing(several)}.")
    return part.to_numpy()


def drawn_split(
    traits: pd.DataFrame, patients: pd.Series, val: float, test: float, *, seed: int
) -> np.ndarray:
    """Name of the split of every study, drawn by patient and balanced on every trait."""
    if not (0 < val < 1 and 0 < test < 1 and val + test < 1):
        raise ValueError(f"val ({val}) and test ({test}) must be shares with a sum below 1.")
    names, labels = _patient_labels(traits, patients)
    if min(val, test, 1 - val - test) * len(names) < 1:
        raise ValueError(
            f"{len(names)} patients are too few for shares of {val} (validation) and {test} "
            "(test). Ask for larger shares, or collect more patients."
        )
    # It loads scikit-learn, which reading and saving a cohort do without.
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    part = pd.Series("train", index=names)
    rows = np.arange(len(names))
    for name, share in (("test", test), ("val", val / (1 - test))):
        draw = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=share, random_state=seed)
        kept, drawn = next(draw.split(labels[rows], labels[rows]))
        part.iloc[rows[drawn]] = name
        rows = rows[kept]
    return part[patients].to_numpy()


def drawn_folds(
    traits: pd.DataFrame, patients: pd.Series, k: int, *, seed: int
) -> Iterator[np.ndarray]:
    """For each of k folds, which studies are held out, (n,) of True and False."""
    names, labels = _patient_labels(traits, patients)
    if len(names) < k:
        raise ValueError(f"{len(names)} patients cannot be put into {k} folds. Ask for fewer.")
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    folds = MultilabelStratifiedKFold(n_splits=k, shuffle=True, random_state=seed)
    for _, rows in folds.split(labels, labels):
        yield patients.isin(names[rows]).to_numpy()


def _patient_labels(traits: pd.DataFrame, patients: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Patient ids, and for each whether a trait is ever 1 and whether it was recorded."""
    by_patient = traits.groupby(patients.to_numpy(), sort=True).max()
    labels = pd.concat([by_patient == 1, by_patient.notna()], axis=1).to_numpy().astype(int)
    # The library wants at least two columns; constant ones stratify nothing.
    return by_patient.index.to_numpy(), np.c_[labels, np.ones((len(labels), 2), int)]
