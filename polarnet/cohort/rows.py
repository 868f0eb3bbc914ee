"""Which studies of a cohort are meant: by position, by a mask, or by their ids."""

from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.ids import listing, normal_id, normal_ids

_WAYS: Final = (
    "Choose studies by an id ('S001'), a position (5), a slice, a list of ids or positions, or a "
    "mask of True and False"
)


def rows_of(ids: pd.Index, key: Any) -> int | np.ndarray:
    """Position of one study, or positions of several.

    Parameters
    ----------
    ids
        Study ids of the cohort, each in its normal form.
    key
        An id or a position for one study; for several a slice of positions, ids or positions in
        the wanted order, or a mask. A mask that is a Series is aligned by its index.

    Raises
    ------
    KeyError: ids that the cohort does not have.
    IndexError: positions beyond the cohort.
    ValueError: a study is asked for twice, a mask does not fit, nothing is chosen, or `key` is
        none of these.
    """
    n = len(ids)
    if isinstance(key, slice):
        if any(not isinstance(k, int | np.integer | None) for k in (key.start, key.stop, key.step)):
            raise ValueError("Slices go by position, such as cohort[:5]; give ids as a list.")
        rows = np.arange(n)[key]
    elif isinstance(key, str):
        return int(_positions_of_ids(ids, [key])[0])
    elif isinstance(key, int | np.integer) and not isinstance(key, bool):
        return int(_checked_positions(np.array([key]), n)[0])
    elif isinstance(key, tuple | set | dict | pd.DataFrame) or not (
        isinstance(key, list | range) or np.ndim(key) == 1
    ):
        raise ValueError(f"{_WAYS}; a {type(key).__name__} is none of these.")
    else:
        rows = _several(ids, key)
    if not len(rows):
        raise ValueError("No study is chosen; a cohort needs at least one.")
    if len(twice := np.flatnonzero(np.bincount(rows, minlength=n) > 1)):
        raise ValueError(f"Asked for twice: {listing(ids[twice])}. A cohort has each study once.")
    return rows


def _several(ids: pd.Index, key: Any) -> np.ndarray:
    """Positions that a list, an array, an index or a Series stands for."""
    values = pd.Series(list(key), dtype=object).to_numpy()
    kind = pd.api.types.infer_dtype(values, skipna=False)
    if kind == "empty":
        return np.array([], int)
    if kind == "boolean":
        if isinstance(key, pd.Series):
            return _aligned_mask(ids, key)
        if len(values) != len(ids):
            raise ValueError(f"A mask of {len(values)} was given for {len(ids)} studies.")
        return np.flatnonzero(values.astype(bool))
    if kind == "string":
        return _positions_of_ids(ids, values)
    # Numbers of a table, such as labels 0 and 1, would be taken for positions.
    if kind == "integer" and (not isinstance(key, pd.Series) or _is_counted(key.index)):
        return _checked_positions(values, len(ids))
    raise ValueError(
        f"{_WAYS}; this {type(key).__name__} holds {kind} values. Compare labels first (== 1)."
    )


def _is_counted(index: pd.Index) -> bool:
    return isinstance(index, pd.RangeIndex)


def _aligned_mask(ids: pd.Index, mask: pd.Series) -> np.ndarray:
    """Positions where a mask is True, whatever the order of its rows."""
    names = pd.Index(normal_ids(mask.index))
    lacking, unknown = ids.difference(names), names.difference(ids)
    if len(lacking) or len(unknown) or names.has_duplicates:
        told = [f"lacks {listing(lacking)}"] * bool(len(lacking))
        told += [f"has unknown {listing(unknown)}"] * bool(len(unknown))
        told += ["names a study twice"] * bool(names.has_duplicates)
        raise ValueError(
            f"The index of the mask does not name this cohort's studies: it {', '.join(told)}. "
            "Give a mask of this cohort, or an array to go by position."
        )
    by_name = pd.Series(mask.to_numpy(bool), names)
    return np.flatnonzero(by_name.loc[ids].to_numpy())


def _positions_of_ids(ids: pd.Index, wanted: Any) -> np.ndarray:
    names = [normal_id(study) for study in wanted]
    rows = ids.get_indexer(pd.Index(names, dtype=ids.dtype))
    if unknown := [name for name, row in zip(names, rows, strict=True) if row < 0]:
        raise KeyError(f"No study {listing(unknown)} in this cohort; cohort.patients lists them.")
    return rows


def _checked_positions(positions: np.ndarray, n: int) -> np.ndarray:
    """Positions from 0 on; negative ones count from the end."""
    beyond = [k for k in positions if not -n <= k < n]
    if beyond:
        raise IndexError(f"No study at position {listing(beyond)}; this cohort has {n} studies.")
    return positions.astype(int) % n
