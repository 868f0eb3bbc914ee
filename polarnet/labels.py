"""Labels, scores and patients as users give them: aligned by study, and read as numbers."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.ids import listing, normal_ids

TRUTH: Final = {"false": 0.0, "true": 1.0}
EMPTY: Final = ("", "nan", "<na>")
"""Text that can only mean a truth value, or nothing. "yes", "m" or "none" depend on the writer."""

_LONGEST: Final = 20  # letters of a label in a message


def aligned(*given: Any) -> list[Any]:
    """The arguments with their pandas objects in one order: that of the first of them.

    Arrays and lists go by position, and None stays. ValueError: the pandas objects name different
    studies, or one twice; or they come in different orders and an array beside them leaves open
    which order it follows.

    >>> aligned(pd.Series([1, 0], ["a", "b"]), pd.Series([0.2, 0.9], ["b", "a"]))[1].tolist()
    [0.9, 0.2]
    """
    tables = [value for value in given if _is_table(value)]
    if len(tables) < 2:
        return list(given)
    index = tables[0].index
    if all(index.equals(table.index) for table in tables[1:]):
        _refuse_twice(index)
        return list(given)
    names = [pd.Index(normal_ids(table.index)) for table in tables]
    for other in names:
        _refuse_twice(other)
        if strangers := list(names[0].symmetric_difference(other)):
            raise ValueError(
                f"{len(strangers)} studies are in one table only: {listing(strangers, most=10)}. "
                "Select the same studies from both with .loc."
            )
    is_moved = not all(names[0].equals(other) for other in names[1:])
    if is_moved and any(value is not None and not _is_table(value) for value in given):
        raise ValueError(
            "The pandas objects name the studies in different orders, and the array beside them "
            "names none. Give all of them as Series with the same index, or all as arrays."
        )
    orders = iter([other.get_indexer(names[0]) for other in names])
    return [
        value.iloc[next(orders)].set_axis(index) if _is_table(value) else value for value in given
    ]


def read_labels(labels: Any, name: str = "Labels") -> np.ndarray:
    """Labels of one trait, shape (n,), as numbers: 1.0, 0.0, or NaN where not recorded.

    ValueError, which begins with `name`: not one-dimensional, or a label is neither 0 nor 1.

    >>> read_labels(["1", "0.0", True, None]).tolist()
    [1.0, 0.0, 1.0, nan]
    """
    if isinstance(labels, np.ma.MaskedArray):
        labels = np.ma.filled(labels.astype(object), np.nan)
    values = np.asarray(labels)
    if values.ndim != 1:
        raise ValueError(f"{name} of shape {values.shape}: give one trait, shape (n,).")
    if values.dtype.kind in "biuf":
        read = values.astype(float)
        is_odd = ~(np.isnan(read) | (read == 0) | (read == 1))
    else:
        values = np.asarray(labels, object)
        read = np.array([label_of(value) for value in values], float)
        is_odd = np.isinf(read)
    if is_odd.any():
        counts = pd.Series([str(value)[:_LONGEST] for value in values[~pd.isna(values)]])
        found = [f"{kind!r} ({n})" for kind, n in counts.value_counts(sort=False).items()]
        raise ValueError(
            f"{name} must be 0 or 1, but there are {listing(found, most=10)}. Code 1 for "
            "those with the trait and 0 for those without, and leave the others empty."
        )
    return read


def read_numbers(values: Any, name: str = "Scores") -> np.ndarray:
    """Numbers as an array of float; NaN where missing. ValueError: something is no number."""
    try:
        if isinstance(values, np.ma.MaskedArray):
            return np.ma.filled(values.astype(float), np.nan)
        if _is_table(values) or isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
            return values.to_numpy(dtype=float, na_value=np.nan)
        if isinstance(values, np.ndarray) and values.dtype != object:
            return np.asarray(values, float)
        whole = np.asarray(values)
        if whole.dtype == object:
            whole = np.where(pd.isna(whole), np.nan, whole)
        return np.asarray(whole, float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers of one shape ({error}).") from None


def read_patients(patients: Any, n: int) -> np.ndarray:
    """Which patient each of n studies is of: 0 for the first named, and so on; ValueError where a
    study has no patient.

    >>> read_patients(["P1", "P2", "P1"], 3).tolist()
    [0, 1, 0]
    """
    if np.ndim(patients) != 1:
        raise ValueError(
            f"{n} studies need a patient each, but a {type(patients).__name__} was given. Name "
            "them in a Series, a list or an array."
        )
    names = np.array(normal_ids(patients), object)
    is_missing = names == ""
    if len(names) != n or is_missing.any():
        which = ""
        if isinstance(patients, pd.Series) and is_missing.any():
            which = f": {listing(patients.index[is_missing], most=10)} have none"
        raise ValueError(
            f"{n} studies need a patient each, but {int((~is_missing).sum())} are named{which}."
        )
    return pd.factorize(names)[0]


def _is_table(value: Any) -> bool:
    return isinstance(value, pd.Series | pd.DataFrame)


def label_of(value: Any, missing: Collection[str] = EMPTY) -> float:
    """1.0, 0.0, NaN for missing, as `missing` says in small letters, infinite for anything else."""
    is_missing = value is None or (pd.api.types.is_scalar(value) and pd.isna(value))
    text = "" if is_missing else str(value).strip().lower()
    if text in missing:
        return np.nan
    if text in TRUTH:
        return TRUTH[text]
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return np.inf
    return number if number in (0, 1) else np.inf


def _refuse_twice(index: pd.Index) -> None:
    if twice := list(map(str, index[index.duplicated()].unique())):
        raise ValueError(f"Name each study once; {listing(twice, most=10)} come twice.")
