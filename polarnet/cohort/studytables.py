"""The tables of a cohort: brought to one form, checked, and asked for some of their studies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from polarnet.cohort.stack import kind_of
from polarnet.files import MISSING
from polarnet.ids import cut, listing, normal_ids
from polarnet.labels import label_of


def tables_of(patients: Any, **given: Any) -> dict[str, pd.DataFrame | pd.Series]:
    """The tables of a cohort: ids in their normal form, columns named once, values as given.

    ValueError: a table is of another kind or length, has other studies, or a column comes up twice.
    """
    for name, table in given.items():
        if isinstance(table, pd.Series) and table.name is not None:
            given[name] = table.to_frame()
        elif table is not None and not isinstance(table, pd.DataFrame):
            raise ValueError(
                f"'{name}' must be a DataFrame (index study_id, columns with names), but "
                f"a {kind_of(table)} was given."
            )
    people = pd.Series(patients) if isinstance(patients, Mapping) else patients
    named = [t for t in (people, *given.values()) if isinstance(t, pd.Series | pd.DataFrame)]
    index = named[0].index if named else pd.Index([])
    if np.ndim(people) != 1 or len(people) != len(index):
        raise ValueError(
            "'patients' must be a Series (study_id -> patient_id), or a list in the order of the "
            f"{len(index)} studies of the traits, but a {kind_of(patients)} was given."
        )
    ids = pd.Index(normal_ids(index), name="study_id", dtype=object).infer_objects()
    found: dict[str, pd.DataFrame | pd.Series] = {
        "patients": pd.Series(normal_ids(people), index=ids, name="patient_id")
    }
    for name, table in given.items():
        if table is None:
            found[name] = pd.DataFrame(index=ids)
            continue
        if not table.index.equals(index) and (names := normal_ids(table.index)) != list(ids):
            unlike = _unlike(ids, pd.Index(names))
            raise ValueError(
                f"Table '{name}' must have the same study ids, in order, as 'patients': "
                f"it {unlike or 'has another order'}."
            )
        columns = pd.Index([str(column).strip() for column in table.columns])
        if columns.has_duplicates:
            twice = listing(columns[columns.duplicated()].unique())
            raise ValueError(f"Table '{name}' has a column twice: {twice}.")
        found[name] = table.set_axis(ids).set_axis(columns, axis=1)
    return found


def _unlike(wanted: pd.Index, names: pd.Index) -> str:
    """How some ids differ from those wanted: which are lacking, which unknown; else nothing."""
    lacking, unknown = wanted[~wanted.isin(names)], names[~names.isin(wanted)]
    told = [f"lacks {listing(lacking)}"] * bool(len(lacking))
    return ", ".join(told + [f"has unknown {listing(unknown)}"] * bool(len(unknown)))


def as_labels(column: pd.Series) -> pd.Series:
    """1.0, 0.0 or NaN for each cell of a trait; what is none of these, infinity.

    Text is read where it is certain: "1", "0,0", "TRUE", and NA or an empty cell for what was not
    recorded.
    """
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.astype(float)
        return numbers.where(numbers.isin([0, 1]) | numbers.isna(), np.inf)
    labels = [label_of(cell, MISSING) for cell in column]
    return pd.Series(labels, index=column.index, dtype=float)


def table_problems(traits: pd.DataFrame, patients: pd.Series) -> list[str]:
    """What is wrong with ids and labels, one text for each kind of problem."""
    ids = patients.index
    twice = dict.fromkeys(ids[ids.duplicated() & (ids != "")])
    found = {
        "no study_id in rows": np.flatnonzero(ids == "") + 1,
        "study_id given twice": twice,
        "no patient_id": ids[(patients == "").to_numpy()],
    }
    problems = [f"{text}: {listing(odd)}" for text, odd in found.items() if len(odd)]
    for trait in traits.columns:
        if (odd := np.isinf(as_labels(traits[trait]))).any():
            problems.append(f"{trait} must be 0, 1 or empty: {cells_told(traits[trait][odd])}")
    return problems


def cells_told(cells: pd.Series) -> str:
    """Studies and what was found in their cells, cut.

    >>> cells_told(pd.Series({"S1": 2, "S2": "Johannes"}))
    'S1 (2), S2 (Johann...)'
    """
    return listing(f"{study} ({cut(cell)})" for study, cell in cells.items())


# === Which studies are meant ===


def rows_of(ids: pd.Index, key: Any) -> int | np.ndarray:
    """Position of one study, or positions of several, in the order asked for.

    `key` is an id or a position for one study; for several a slice of positions, ids or positions,
    or a mask, which is aligned by its index if it is a Series. KeyError, IndexError: ids or
    positions that the cohort does not have. ValueError: a study is asked for twice, a mask does
    not fit, nothing is chosen, or `key` is none of these.
    """
    if isinstance(key, str | int | np.integer) and not isinstance(key, bool):
        return int(_found(ids, [key])[0])
    kind = _kind_of_key(key)
    if kind in ("string", "integer"):
        rows = _found(ids, list(key))
    elif kind == "boolean":
        mask = np.array(list(key), bool)
        if isinstance(key, pd.Series):
            names = pd.Index(normal_ids(key.index))
            if (unlike := _unlike(ids, names)) or names.has_duplicates:
                raise ValueError(
                    "The index of the mask does not name this cohort's studies: it "
                    f"{unlike or 'names a study twice'}. Give a mask of this cohort, or an array "
                    "to go by position."
                )
            mask = mask[names.get_indexer(ids)]
        elif len(mask) != len(ids):
            raise ValueError(f"A mask of {len(mask)} was given for {len(ids)} studies.")
        rows = np.flatnonzero(mask)
    elif kind in ("slice", "empty"):
        rows = np.arange(len(ids))[key if kind == "slice" else []]
    else:
        raise ValueError(
            "Choose studies by an id ('S001'), a position (5), a slice of positions, a list of ids "
            "or positions, or a mask of True and False, such as cohort.traits['sex'] == 1; "
            f"a {kind_of(key)} ({kind}) is none of these."
        )
    if not len(rows):
        raise ValueError("No study is chosen; a cohort needs at least one.")
    if len(twice := np.flatnonzero(np.bincount(rows, minlength=len(ids)) > 1)):
        raise ValueError(f"Asked for twice: {listing(ids[twice])}. A cohort has each study once.")
    return rows


def _kind_of_key(key: Any) -> str:
    """What a key holds, in pandas' words; "slice", or why it is no key."""
    if isinstance(key, slice):
        is_plain = all(
            isinstance(k, int | np.integer | None) for k in (key.start, key.stop, key.step)
        )
        return "slice" if is_plain else "slices go by position"
    if isinstance(key, tuple) or np.ndim(key) != 1:
        return "not one row of values"
    kind = pd.api.types.infer_dtype(pd.Series(list(key), dtype=object), skipna=False)
    # Numbers of a table, such as labels 0 and 1, would be taken for positions.
    is_labels = isinstance(key, pd.Series) and not isinstance(key.index, pd.RangeIndex)
    return "labels" if kind == "integer" and is_labels else kind


def _found(ids: pd.Index, wanted: list[Any]) -> np.ndarray:
    """Positions of ids, or positions that are counted from the start or, negative, from the end."""
    if isinstance(wanted[0], str):
        names = normal_ids(wanted)
        rows = ids.get_indexer(pd.Index(names, dtype=ids.dtype))
        if unknown := [name for name, row in zip(names, rows, strict=True) if row < 0]:
            raise KeyError(
                f"No study {listing(unknown)} in this cohort; cohort.patients lists them."
            )
        return rows
    n = len(ids)
    if beyond := [k for k in map(int, wanted) if not -n <= k < n]:
        raise IndexError(f"No study at position {listing(beyond)}; this cohort has {n} studies.")
    return np.array(wanted, int) % n
