"""The tables of a cohort: brought to one form, checked, and asked for some of their studies."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort.stack import kind_of
from polarnet.files import MISSING
from polarnet.ids import cut, listing, normal_id, normal_ids
from polarnet.labels import label_of

_WAYS: Final = (
    "Choose studies by an id ('S001'), a position (5), a slice, a list of ids or positions, or a "
    "mask of True and False"
)


# === Tables as they are given ===


def tables_of(
    patients: Any, traits: Any, clinical: Any, truth: Any
) -> dict[str, pd.DataFrame | pd.Series]:
    """The tables of a cohort: ids in their normal form, columns named once, values as given.

    ValueError: a table is of another kind or length, has other studies, or a column comes up twice.
    """
    given = {"traits": traits, "clinical": clinical, "truth": truth}
    tables = {name: _frame(name, table) for name, table in given.items()}
    index = _study_ids(patients, tables)
    people = _patients(patients, index)
    ids = pd.Index(normal_ids(index), name="study_id", dtype=object).infer_objects()
    found: dict[str, pd.DataFrame | pd.Series] = {
        "patients": pd.Series(normal_ids(people), index=ids, name="patient_id")
    }
    for name, table in tables.items():
        if table is None:
            found[name] = pd.DataFrame(index=ids)
            continue
        if not table.index.equals(index) and normal_ids(table.index) != list(ids):
            unlike = _unlike(ids, pd.Index(normal_ids(table.index)), "it ")
            raise ValueError(
                f"Table '{name}' must have the same study ids, in order, as 'patients': "
                f"{unlike or 'they are in another order'}."
            )
        columns = [str(column).strip() for column in table.columns]
        if twice := [c for c in dict.fromkeys(columns) if columns.count(c) > 1]:
            raise ValueError(f"Table '{name}' has a column twice: {listing(twice)}.")
        found[name] = table.set_axis(ids).set_axis(columns, axis=1)
    return found


def _frame(name: str, table: Any) -> pd.DataFrame | None:
    if table is None or isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, pd.Series) and table.name is not None:
        return table.to_frame()
    raise ValueError(
        f"'{name}' must be a DataFrame (index study_id, columns with names), but "
        f"{kind_of(table)} was given."
    )


def _study_ids(patients: Any, tables: Mapping[str, pd.DataFrame | None]) -> pd.Index:
    """The study ids as given: of the patients, or of the first table that there is."""
    if isinstance(patients, pd.Series):
        return patients.index
    if isinstance(patients, Mapping):
        return pd.Index(list(patients))
    for table in tables.values():
        if table is not None:
            return table.index
    raise ValueError("No study ids: give 'patients' as a Series whose index is study_id.")


def _patients(patients: Any, index: pd.Index) -> list[Any]:
    """Patient ids in the order of the studies; a list or an array goes by position."""
    if isinstance(patients, Mapping):
        return list(patients.values())
    is_row = isinstance(patients, Sequence | np.ndarray | pd.Series | pd.Index)
    if isinstance(patients, str) or not is_row or np.ndim(patients) != 1:
        raise ValueError(
            "'patients' must be a Series (study_id -> patient_id), or a list in the order of the "
            f"studies, but {kind_of(patients)} was given."
        )
    if len(patients) != len(index):
        raise ValueError(f"'patients' has {len(patients)} entries for {len(index)} studies.")
    return list(patients)


def _unlike(wanted: pd.Index, names: pd.Index, it: str = "") -> str:
    """How some ids differ from those wanted: which are lacking, which unknown; else nothing."""
    lacking, unknown = wanted[~wanted.isin(names)], names[~names.isin(wanted)]
    told = [f"{it}lacks {listing(lacking)}"] * bool(len(lacking))
    told += [f"{it}has unknown {listing(unknown)}"] * bool(len(unknown))
    return ", ".join(told)


# === What makes them sound ===


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
    problems = []
    ids = patients.index
    if unnamed := int((ids == "").sum()):
        problems.append(f"no study_id in {unnamed} rows" if unnamed > 1 else "no study_id in a row")
    if twice := [study for study in dict.fromkeys(ids[ids.duplicated()]) if study != ""]:
        problems.append(f"study_id given twice: {listing(twice)}")
    if unnamed_patients := list(ids[(patients == "").to_numpy()]):
        problems.append(f"no patient_id: {listing(unnamed_patients)}")
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
    or a mask, which is aligned by its index if it is a Series.

    Raises
    ------
    KeyError: ids that the cohort does not have.
    IndexError: positions beyond the cohort.
    ValueError: a study is asked for twice, a mask does not fit, nothing is chosen, or `key` is none
        of these.
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
        return _rows_of_mask(ids, key, values.astype(bool))
    if kind == "string":
        return _positions_of_ids(ids, values)
    # Numbers of a table, such as labels 0 and 1, would be taken for positions.
    is_counted = not isinstance(key, pd.Series) or isinstance(key.index, pd.RangeIndex)
    if kind == "integer" and is_counted:
        return _checked_positions(values, len(ids))
    raise ValueError(
        f"{_WAYS}; this {type(key).__name__} holds {kind} values. Compare labels first (== 1)."
    )


def _rows_of_mask(ids: pd.Index, mask: Any, values: np.ndarray) -> np.ndarray:
    """Positions where a mask is True; one that is a Series goes by its index."""
    if not isinstance(mask, pd.Series):
        if len(values) != len(ids):
            raise ValueError(f"A mask of {len(values)} was given for {len(ids)} studies.")
        return np.flatnonzero(values)
    names = pd.Index(normal_ids(mask.index))
    if (unlike := _unlike(ids, names)) or names.has_duplicates:
        raise ValueError(
            "The index of the mask does not name this cohort's studies: it "
            f"{unlike or 'names a study twice'}. Give a mask of this cohort, or an array to go by "
            "position."
        )
    return np.flatnonzero(values[names.get_indexer(ids)])


def _positions_of_ids(ids: pd.Index, wanted: Any) -> np.ndarray:
    names = [normal_id(study) for study in wanted]
    rows = ids.get_indexer(pd.Index(names, dtype=ids.dtype))
    if unknown := [name for name, row in zip(names, rows, strict=True) if row < 0]:
        raise KeyError(f"No study {listing(unknown)} in this cohort; cohort.patients lists them.")
    return rows


def _checked_positions(positions: np.ndarray, n: int) -> np.ndarray:
    """Positions from 0 on; negative ones count from the end."""
    if beyond := [k for k in positions if not -n <= k < n]:
        raise IndexError(f"No study at position {listing(beyond)}; this cohort has {n} studies.")
    return positions.astype(int) % n
