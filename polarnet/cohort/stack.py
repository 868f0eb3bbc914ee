"""A stack of maps that is read, or computed, only where it is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from polarnet.anatomy import disc_mask

REST_FLOOR: Final = 0.1
"""Rest MBF in mL/min/g below which it is not divided by (our choice)."""

RESERVE_RANGE: Final = (0.0, 10.0)
"""Flow reserve is clipped to this range (our choice)."""


def flow_reserve(stress: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Pixelwise stress / rest, guarded where rest flow vanishes.

    Parameters
    ----------
    stress, rest
        MBF in mL/min/g, arrays of the same shape.

    Returns
    -------
    float32 array of that shape, no unit, clipped to [0, 10]; rest below 0.1 counts as 0.1.

    >>> flow_reserve(np.array([3.0, 2.0, 0.0]), np.array([1.0, 0.0, 0.0])).tolist()
    [3.0, 10.0, 0.0]
    """
    return np.clip(stress / np.maximum(rest, REST_FLOOR), *RESERVE_RANGE).astype(np.float32)


def low_rest_pixels(rest: np.ndarray) -> np.ndarray:
    """How many pixels of each map lie inside the disc and below what is divided by."""
    return (rest[..., disc_mask(rest.shape[-1])] < REST_FLOOR).sum(axis=-1)


@dataclass(frozen=True, eq=False, repr=False)
class MapStack(np.lib.mixins.NDArrayOperatorsMixin):
    """Maps of some studies, shape (n, size, size), float32, behind an array's face.

    Indexing along the first axis reads only the studies asked for; NumPy functions and
    operators work on the whole stack, which then is read into memory.

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

    @property
    def is_computed(self) -> bool:
        """True for a flow reserve that follows from two other stacks."""
        return self.rest is not None

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.rows), *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        return 3

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

    def mean(self, *arguments: Any, **keywords: Any) -> Any:
        """As of an array; reads the whole stack, like min and max."""
        return np.asarray(self).mean(*arguments, **keywords)

    def min(self, *arguments: Any, **keywords: Any) -> Any:
        """As of an array."""
        return np.asarray(self).min(*arguments, **keywords)

    def max(self, *arguments: Any, **keywords: Any) -> Any:
        """As of an array."""
        return np.asarray(self).max(*arguments, **keywords)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        arrays = [np.asarray(x) if isinstance(x, MapStack) else x for x in inputs]
        return getattr(ufunc, method)(*arrays, **keywords)

    def __repr__(self) -> str:
        return f"MapStack of {len(self)} maps, {self.shape[1]} x {self.shape[2]}, read on demand"

    def select(self, rows: np.ndarray) -> "MapStack":
        """The stack of the studies at these positions; nothing is read."""
        return MapStack(self.values, self.rows[rows], self.rest)
