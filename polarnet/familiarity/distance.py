"""How far the maps of a study are from those of a training, and how far is far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.familiarity.features import map_features
from polarnet.familiarity.readings import readings, usual_readings
from polarnet.familiarity.usual import Usual, fit_usual

RATE: Final = 0.035
"""Share of maps like those of validation that is to be marked all the same (our choice)."""

FEWEST: Final = 10
"""Fewer training studies describe nothing: only their mean level could be told (our choice)."""

_MOST: Final = 5000  # studies of a cohort that are looked at, evenly spaced
_BATCH: Final = 1024  # maps in memory at once


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What the maps of a training look like, and how far from them validation maps lie.

    Attributes
    ----------
    map_types
        Looked at: those that the network reads, and rest and stress where they are at hand.
    size
        Rows (and columns) of a map.
    patterns, textures
        Map type -> distribution of the features in training.
    scales
        Map type -> distance in pattern, in texture, and in favour of each of 7 ways of turning and
        mirroring and of a flat map, that counts as 1, (10,).
    threshold
        A distance above it is unlike the training maps.
    n_train, n_val
        Studies that were looked at.
    rate
        Share of studies like those of validation that lie beyond the threshold (at most, and on
        average over cohorts). Few validation studies make it larger than `RATE`.
    """

    map_types: tuple[str, ...]
    size: int
    patterns: Mapping[str, Usual]
    textures: Mapping[str, Usual]
    scales: Mapping[str, np.ndarray]
    threshold: float
    n_train: int
    n_val: int
    rate: float

    def distances(self, maps: Mapping[str, Any]) -> np.ndarray:
        """Distance of each study from the training maps.

        Parameters
        ----------
        maps
            Map type -> (n, size, size), in the unit of the training; such as `cohort.maps`. Map
            types that are not known here are not looked at.

        Returns
        -------
        Array of shape (n,): the largest over map types, pattern, texture and orientation;
        infinite where a map has pixels that are no numbers.

        Raises
        ------
        ValueError: no map type is known here, or the maps have another size.
        """
        known = [map_type for map_type in self.map_types if map_type in maps]
        if not known:
            raise ValueError(
                f"Familiarity is of {', '.join(self.map_types)} maps, but "
                f"{', '.join(maps) or 'nothing'} was given."
            )
        for map_type in known:
            if maps[map_type].shape[1:] != (self.size, self.size):
                raise ValueError(
                    f"Familiarity is of maps of {self.size} x {self.size} pixels, but the "
                    f"{map_type} maps have shape {maps[map_type].shape}."
                )
        found = np.stack([self._of_type(map_type, maps[map_type]) for map_type in known])
        return found.max(axis=0)

    def _of_type(self, map_type: str, stack: Any) -> np.ndarray:
        parts = [
            readings(self.patterns[map_type], self.textures[map_type], *map_features(maps))
            for maps in _in_batches(stack, np.arange(len(stack)))
        ]
        largest = (np.concatenate(parts) / self.scales[map_type]).max(axis=1)
        return np.where(np.isfinite(largest), largest, np.inf)


def fit_familiarity(train: Cohort, val: Cohort, config: ExperimentConfig) -> Familiarity | None:
    """Learn what training maps look like; validation maps say how far is far.

    Parameters
    ----------
    train, val
        Cohorts that share no patient. At most 5,000 studies of each are looked at.
    config
        Says which map types the network reads; rest and stress are looked at beside them.

    Returns
    -------
    Familiarity. Its threshold is a conformal quantile: a study like those of validation is beyond
    it with a probability of `RATE` at most. None for fewer than 10 training studies.

    References
    ----------
    Ledoit & Wolf, J Multivar Anal 2004;88:365 (covariance); Lange et al., J Am Stat Assoc
    1989;84:881 (t distribution); Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World
    (conformal quantile).
    """
    if len(train) < FEWEST:
        return None
    # Rest and stress of a study come from one export: what is turned in one is in the other, where
    # it may show better; and a turned reserve map hardly shows it, its parts do.
    wanted = {"rest", "stress", *config.map_types}
    map_types = tuple(m for m in train.maps if m in wanted and m in val.maps)
    rows = _spread(len(train))
    patterns, textures, scales = {}, {}, {}
    for map_type in map_types:
        found = [map_features(maps) for maps in _in_batches(train.maps[map_type], rows)]
        pattern, texture = (np.concatenate(part) for part in zip(*found, strict=True))
        patterns[map_type], textures[map_type] = fit_usual(pattern), fit_usual(texture)
        scales[map_type] = usual_readings(pattern, texture)
    of_val = _spread(len(val))
    unfixed = Familiarity(
        map_types, train.size, patterns, textures, scales, np.inf, len(rows), len(of_val), RATE
    )
    distances = np.sort(unfixed.distances({m: _Rows(val.maps[m], of_val) for m in map_types}))
    n = len(distances)
    rank = min(int(np.ceil((n + 1) * (1 - RATE))), n)
    return Familiarity(
        map_types, train.size, patterns, textures, scales, float(distances[rank - 1]),
        len(rows), n, 1 - rank / (n + 1),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some maps of a stack, read where they are looked at."""

    stack: Any
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.stack.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: np.ndarray) -> np.ndarray:
        return np.asarray(self.stack[self.rows[at]])


def _spread(n: int) -> np.ndarray:
    """Positions of all studies, or of as many as are looked at, evenly spaced."""
    return np.arange(n) if n <= _MOST else np.linspace(0, n - 1, _MOST).round().astype(int)


def _in_batches(stack: Any, rows: np.ndarray) -> list[np.ndarray] | Any:
    """Maps of these rows in float64, a batch at a time."""
    return (
        np.asarray(stack[rows[start : start + _BATCH]], np.float64)
        for start in range(0, len(rows), _BATCH)
    )
