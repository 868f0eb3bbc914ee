"""Tables and maps as they are given to a cohort, brought to one form or refused by name."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mask
from polarnet.cohort.checks import BATCH
from polarnet.cohort.stack import MapStack
from polarnet.ids import listing, normal_ids


def tables_of(
    patients: Any, traits: Any, clinical: Any, truth: Any
) -> dict[str, pd.DataFrame | pd.Series]:
    """The tables of a cohort: ids in their normal form, columns named once, values as given.

    Raises
    ------
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
            raise ValueError(
                f"Table '{name}' must have the same study ids, in order, as 'patients'"
                f"{_unlike(table.index, index)}."
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
        f"{_told(table)} was given."
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
            f"studies, but {_told(patients)} was given."
        )
    if len(patients) != len(index):
        raise ValueError(f"'patients' has {len(patients)} entries for {len(index)} studies.")
    return list(patients)


def _unlike(index: pd.Index, wanted: pd.Index) -> str:
    """How the ids of a table differ from those wanted."""
    names, known = dict.fromkeys(normal_ids(index)), dict.fromkeys(normal_ids(wanted))
    lacking = [study for study in known if study not in names]
    unknown = [study for study in names if study not in known]
    told = [f"it lacks {listing(lacking)}"] * bool(lacking)
    told += [f"it has unknown {listing(unknown)}"] * bool(unknown)
    return ": " + ", ".join(told) if told else ": they are in another order"


def stacks_of(maps: Any, *, cut: bool) -> dict[str, np.ndarray | MapStack]:
    """Stacks of maps in float32, without what is computed from others.

    Parameters
    ----------
    cut
        Also make them 0 outside the disc, where they are not yet; this looks at every map.

    Raises
    ------
    ValueError: not a mapping of map types to arrays of numbers, (n, size, size).
    """
    if not isinstance(maps, Mapping):
        raise ValueError(
            "'maps' must be a dict, such as {'stress': array (n, size, size)}, but "
            f"{_told(maps)} was given."
        )
    stacks = {
        map_type: _stack(map_type, stack)
        for map_type, stack in maps.items()
        if not (isinstance(stack, MapStack) and stack.is_computed)
    }
    return {m: _cut_out(stack) for m, stack in stacks.items()} if cut else stacks


def _stack(map_type: str, given: Any) -> np.ndarray | MapStack:
    if isinstance(given, MapStack):
        return given
    try:
        # A masked pixel has no value; without its mask it would get one.
        is_masked = isinstance(given, np.ma.MaskedArray)
        stack = given.astype(float).filled(np.nan) if is_masked else np.asanyarray(given)
    except (ValueError, TypeError):  # rows of unequal length
        stack = np.array(None)
    if stack.dtype.kind not in "fiu" or stack.ndim != 3 or stack.shape[1] != stack.shape[2]:
        raise ValueError(
            f"maps['{map_type}'] must have shape (n, size, size) and hold numbers, but "
            f"{_told(given)} was given."
        )
    with np.errstate(over="ignore"):  # what becomes infinite is found as such
        return stack if stack.dtype == np.float32 else np.asarray(stack).astype(np.float32)


def _cut_out(stack: np.ndarray | MapStack) -> np.ndarray | MapStack:
    """A stack that is 0 outside the disc; no copy of one that is so already."""
    outside = ~disc_mask(stack.shape[-1])
    starts = range(0, len(stack), BATCH)
    if not any(np.asarray(stack[k : k + BATCH])[:, outside].any() for k in starts):
        return stack
    return np.where(outside, np.float32(0), np.asarray(stack))


def _told(given: Any) -> str:
    """What something is, for a message."""
    kind = f"a {type(given).__name__}"
    shape = getattr(given, "shape", None)
    if shape is not None:
        return f"{kind} of shape {tuple(shape)}"
    return f"{kind} of {len(given)}" if hasattr(given, "__len__") else kind
