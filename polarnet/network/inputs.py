"""The maps that a network reads, as one stack: a single map type, or all three as channels."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from polarnet.cohort import Cohort, MapStack
from polarnet.config import ExperimentConfig


class Rows(Protocol):
    """Rows (n, ...) of maps or features, float32, in memory or read where they are looked at."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray | slice, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of maps (n, size, size, channels), float32, read where they are looked at."""

    stacks: tuple[np.ndarray | MapStack, ...]

    def __len__(self) -> int:
        return len(self.stacks[0])

    def __getitem__(self, rows: np.ndarray | slice | int) -> np.ndarray:
        return np.stack([np.asarray(stack[rows], np.float32) for stack in self.stacks], axis=-1)


def input_maps(cohort: Cohort, config: ExperimentConfig) -> Inputs:
    """The maps of a cohort that a network of these settings reads."""
    return Inputs(tuple(cohort.maps[map_type] for map_type in config.map_types))
