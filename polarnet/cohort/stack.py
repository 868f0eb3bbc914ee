"""Stacks of maps: read or computed only where they are looked at, and checked pixel by pixel."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mask
from polarnet.ids import listing
from polarnet.traits import MAP_TYPES

HIGHEST: Final = {"mL/min/g": 10.0, "percent": 101.0}
"""The units of a cohort; values above these are taken for a wrong unit (our choice)."""

HIGHEST_RESERVE: Final = 100.0
"""A stored flow reserve above this is none (our choice, far above any)."""

REST_FLOOR: Final = 0.1
"""Rest MBF in mL/min/g below which it is not divided by (our choice)."""

RESERVE_RANGE: Final = (0.0, 10.0)
"""Flow reserve is clipped to this range (our choice)."""

TWINS: Final = "is pixel for pixel the same under two patients"

BATCH: Final = 1024
"""Maps in memory at once where a whole cohort is gone through."""


def flow_reserve(stress: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Pixelwise stress / rest (mL/min/g), float32 without unit, clipped to [0, 10]; rest below 0.1
    counts as 0.1.

    >>> flow_reserve(np.array([3.0, 2.0, 0.5]), np.array([1.0, 0.0, 0.05])).tolist()
    [3.0, 10.0, 5.0]
    """
    return np.clip(stress / np.maximum(rest, REST_FLOOR), *RESERVE_RANGE).astype(np.float32)


def map_digest(values: np.ndarray) -> bytes:
    """Fingerprint of one map's pixels."""
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()


@dataclass(frozen=True, eq=False, repr=False)
class MapStack(np.lib.mixins.NDArrayOperatorsMixin):
    """Maps of some studies, shape (n, size, size), float32, that behave like an array.

    Indexing along the first axis reads only the studies asked for; NumPy functions, operators and
    an array's methods read the whole stack into memory.

    Attributes
    ----------
    values
        Maps of all studies of the source, shape (n_source, size, size), usually a memory map.
    rows
        Positions in the source, one for each study of this stack.
    rest
        Where given, `values` is stress flow, and the stack is the flow reserve of both.
    """

    values: np.ndarray
    rows: np.ndarray
    rest: np.ndarray | None = None

    ndim = 3
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.rows), *self.values.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, key: Any) -> np.ndarray:
        first, *inner = key if isinstance(key, tuple) else (key,)
        is_rows = isinstance(first, int | np.integer | slice) or np.ndim(first) == 1
        if not is_rows or any(not isinstance(k, int | np.integer | slice) for k in inner):
            # Anything beyond rows, and a window in them, NumPy knows best.
            return np.asarray(self)[key]
        rows = self.rows[first]
        maps = np.asarray(self.values[rows])
        if self.rest is not None:
            maps = flow_reserve(maps, np.asarray(self.rest[rows]))
        return maps[(slice(None),) * np.ndim(rows) + tuple(inner)] if inner else maps

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, MapStack) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __repr__(self) -> str:
        return f"MapStack of {len(self)} maps, {self.shape[1]} x {self.shape[2]}, read on demand"


Stack = np.ndarray | MapStack


def select_maps(stack: Stack, rows: np.ndarray) -> Stack:
    """Rows of a stack: copied from memory, referred to on disk."""
    if isinstance(stack, MapStack):
        return MapStack(stack.values, stack.rows[rows])
    return MapStack(stack, rows) if isinstance(stack, np.memmap) else stack[rows]


def measured(maps: Mapping[str, Stack]) -> dict[str, Stack]:
    """The stacks without a flow reserve that follows from two others."""
    return {m: stack for m, stack in maps.items() if getattr(stack, "rest", None) is None}


def stacks_of(maps: Any, unit: str, n: int, *, cut: bool) -> dict[str, Stack]:
    """Maps as they are given to a cohort of n studies, as stacks in float32, in the order of
    `MAP_TYPES`, with the flow reserve computed from rest and stress flow.

    With `cut` they are also made 0 outside the disc, where they are not yet; this looks at every
    map. ValueError: no mapping of map types to arrays of numbers, (n, size, size).
    """
    if unit not in HIGHEST:
        raise ValueError(f"Unit must be one of {', '.join(HIGHEST)}, but '{unit}' was given.")
    if not isinstance(maps, Mapping):
        raise ValueError(
            "'maps' must be a dict, such as {'stress': array (n, size, size)}, but "
            f"a {kind_of(maps)} was given."
        )
    given = measured(maps)
    if not given or n == 0:
        raise ValueError("A cohort needs at least one study and one map type.")
    if unknown := [map_type for map_type in given if map_type not in MAP_TYPES]:
        raise ValueError(f"Unknown map type {listing(unknown)}; use {', '.join(MAP_TYPES)}.")
    stacks = {map_type: _stack(map_type, stack) for map_type, stack in given.items()}
    size = next(iter(stacks.values())).shape[-1]
    shapes = {map_type: stack.shape for map_type, stack in stacks.items()}
    if any(shape != (n, size, size) for shape in shapes.values()):
        raise ValueError(f"Every stack must have shape ({n}, {size}, {size}), got {shapes}.")
    if unit == "percent" and "reserve" in stacks:
        raise ValueError("Relative counts in percent have no flow reserve; leave reserve out.")
    if cut:
        stacks = {map_type: _cut_out(stack) for map_type, stack in stacks.items()}
    if unit == "mL/min/g" and {"rest", "stress"} <= stacks.keys():
        stress, rest = stacks["stress"], stacks["rest"]
        if isinstance(stress, MapStack) and isinstance(rest, MapStack):
            stacks["reserve"] = MapStack(stress.values, stress.rows, rest.values)
        else:
            stacks["reserve"] = MapStack(np.asanyarray(stress), np.arange(n), np.asanyarray(rest))
    return {map_type: stacks[map_type] for map_type in MAP_TYPES if map_type in stacks}


def _stack(map_type: str, given: Any) -> Stack:
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
            f"a {kind_of(given)} was given."
        )
    with np.errstate(over="ignore"):  # what becomes infinite is found as such
        return stack if stack.dtype == np.float32 else np.asarray(stack).astype(np.float32)


def _cut_out(stack: Stack) -> Stack:
    """A stack that is 0 outside the disc; no copy of one that is so already."""
    outside = ~disc_mask(stack.shape[-1])
    starts = range(0, len(stack), BATCH)
    if not any(np.asarray(stack[k : k + BATCH])[:, outside].any() for k in starts):
        return stack
    return np.where(outside, np.float32(0), np.asarray(stack))


def map_problems(
    maps: Mapping[str, Stack], patients: pd.Series, unit: str, *, twins: bool
) -> list[str]:
    """What is wrong with the pixels of stacks that are 0 outside the disc: one text for each kind
    of problem and map type. With `twins`, also whether two patients share a map."""
    problems = []
    for map_type, stack in measured(maps).items():
        highest = HIGHEST_RESERVE if map_type == "reserve" else HIGHEST[unit]
        of_unit = "" if map_type == "reserve" else f" {unit}"
        found: dict[str, list[str]] = {
            "has NaN or infinite values inside the disc": [],
            "has negative values inside the disc": [],
            f"is above {highest:g}{of_unit}, is the unit right?": [],
            TWINS: [],
        }
        nan, negative, high_ones, same = found.values()
        owners: dict[bytes, tuple[str, str]] = {}
        for start in range(0, len(stack), BATCH):
            batch = np.asarray(stack[start : start + BATCH])
            some = patients.iloc[start : start + BATCH]
            extremes = zip(some.index, batch.min(axis=(1, 2)), batch.max(axis=(1, 2)), strict=True)
            for study, low, high in extremes:
                if not (np.isfinite(low) and np.isfinite(high)):
                    nan.append(study)
                    continue
                negative += [study] * bool(low < 0)
                high_ones += [f"{study} ({high:.4g})"] * bool(high > highest)
            same += find_twins(batch, some, owners) if twins else []
        problems += [f"{map_type} {text}: {listing(odd)}" for text, odd in found.items() if odd]
    return problems


def find_twins(
    maps: np.ndarray, patients: pd.Series, owners: dict[bytes, tuple[str, str]]
) -> list[str]:
    """Pairs of studies of two patients that share a map. `owners` has study and patient of every
    map seen so far; those of `maps` are added."""
    found = []
    for values, study, patient in zip(maps, patients.index, patients, strict=True):
        first, owner = owners.setdefault(map_digest(values), (study, patient))
        found += [f"{first} and {study}"] if owner != patient else []
    return found


def kind_of(given: Any) -> str:
    """What something is, for a message: its type, and its shape where it has one.

    >>> kind_of(np.ones((2, 3)))
    'ndarray of shape (2, 3)'
    """
    shape = getattr(given, "shape", None)
    return type(given).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
