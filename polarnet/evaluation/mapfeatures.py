"""Which few numbers describe a polar map?"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from polarnet.anatomy import SEGMENTS, TERRITORIES, disc_mask, disc_mean, segment_means
from polarnet.cohort import Cohort
from polarnet.traits import COMBINED, MAP_TYPES

_BATCH: Final = 1024  # maps in memory at once


@dataclass(frozen=True)
class MapFeatures:
    """Numbers of n studies, for k map types: one, or three where they are combined.

    Attributes
    ----------
    means, deviations
        Shape (n, k): mean and standard deviation over the disc, in the unit of the map.
    segments
        Shape (n, 17 k): means of the AHA segments 1 to 17, in the unit of the map.
    pattern
        Shape (n, 17 k): `segments` of each map rescaled to mean 1, without unit.
    lowest_territory
        Shape (n, k): mean of the segments of the territory where it is lowest, in the unit of
        the map.
    """

    means: np.ndarray
    deviations: np.ndarray
    segments: np.ndarray
    pattern: np.ndarray
    lowest_territory: np.ndarray

    @property
    def lowest_segment(self) -> np.ndarray:
        """Shape (n, k): the lowest of the 17 segment means, in the unit of the map."""
        return self._by_map.min(axis=2)

    @property
    def wide(self) -> np.ndarray:
        """Shape (n, 20 k): `segments` with lowest, highest and mean of each map's 17."""
        maps = self._by_map
        return np.hstack([self.segments, maps.min(axis=2), maps.max(axis=2), maps.mean(axis=2)])

    @property
    def _by_map(self) -> np.ndarray:
        """`segments` in shape (n, k, 17)."""
        return self.segments.reshape(len(self.segments), -1, len(SEGMENTS))


def map_features(cohort: Cohort, map_type: str) -> MapFeatures:
    """Describe the maps of a cohort; every map is read once.

    Parameters
    ----------
    map_type
        "rest", "stress", "reserve", or "combined" for all three side by side.

    Raises
    ------
    ValueError: the cohort lacks a map type.
    """
    wanted = MAP_TYPES if map_type == COMBINED else (map_type,)
    if missing := [name for name in wanted if name not in cohort.maps]:
        raise ValueError(
            f"'{map_type}' needs {', '.join(wanted)} maps, but this cohort has "
            f"{', '.join(cohort.maps)} in {cohort.unit}: {', '.join(missing)} missing."
        )
    parts = [_of_one_type(cohort, name) for name in wanted]
    names = MapFeatures.__dataclass_fields__
    return MapFeatures(**{n: np.hstack([getattr(p, n) for p in parts]) for n in names})


def _of_one_type(cohort: Cohort, map_type: str) -> MapFeatures:
    """Features of one map type, some maps in memory at a time."""
    stack, disc = cohort.maps[map_type], disc_mask(cohort.size)
    means, deviations, segments = [], [], []
    for start in range(0, len(cohort), _BATCH):
        maps = stack[start : start + _BATCH]
        means.append(disc_mean(maps)[:, None])
        deviations.append(maps[:, disc].std(axis=1, dtype=np.float64)[:, None])
        segments.append(segment_means(maps))
    mean, segment = np.concatenate(means), np.concatenate(segments)
    territories = [segment[:, np.array(of) - 1].mean(axis=1) for of in TERRITORIES.values()]
    return MapFeatures(
        means=mean,
        deviations=np.concatenate(deviations),
        segments=segment,
        # A map of nothing but 0 has no pattern; a flat one stands in for it.
        pattern=np.divide(segment, mean, out=np.ones_like(segment), where=mean > 0),
        lowest_territory=np.min(territories, axis=0)[:, None],
    )
