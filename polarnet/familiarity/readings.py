"""How far a map is: in pattern, in texture, and in favour of another reading of it."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np

from polarnet.familiarity.features import RINGS, SECTORS
from polarnet.familiarity.usual import Usual, fit_usual

N_READINGS: Final = 10
"""Distances of a map: pattern, texture, 7 ways of turning and mirroring, flat."""

_FOLDS: Final = 5

_FAR: Final = 0.998
_TURNED_FAR: Final = 0.99
"""Quantiles of the training maps where a distance in pattern or texture, or in favour of one way of
turning, counts as 1 (our choice): false alarms are spent on turned maps, as foreign pictures are
far away in pattern or texture."""

_LEAST_GAP: Final = 4.0
"""Twice the logarithm of how much likelier a turned pattern must be to count as 1, at least (our
choice: e squared)."""


def readings(
    pattern: Usual, texture: Usual, of_pattern: np.ndarray, of_texture: np.ndarray
) -> np.ndarray:
    """Distances (n, 10) before scaling: pattern, texture, in favour of each other reading."""
    surprise = pattern.surprise(of_pattern)
    squares = [
        pattern.squares(of_pattern),
        texture.squares(of_texture),
        *(surprise - pattern.surprise(of_pattern[:, cells]) for cells in _turned()),
        # As far from a flat map as the pattern is: noise has the spread of patterns, but no centre.
        surprise - pattern.surprise(of_pattern - 1 + pattern.centre),
    ]
    return np.sqrt(np.maximum(np.stack(squares, axis=1), 0))


def usual_readings(pattern: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """High quantiles of the distances of training maps from the other training maps, (10,)."""
    fold = np.arange(len(pattern)) % _FOLDS
    parts = []
    for k in range(_FOLDS):
        others, these = fold != k, fold == k
        usual = fit_usual(pattern[others]), fit_usual(texture[others])
        parts.append(readings(*usual, pattern[these], texture[these]))
    distances = np.concatenate(parts)
    far = np.maximum(np.quantile(distances[:, :2], _FAR, axis=0), 1)
    turned = np.quantile(distances[:, 2:], _TURNED_FAR, axis=0)
    return np.concatenate([far, np.maximum(turned, np.sqrt(_LEAST_GAP))])


@lru_cache(maxsize=1)
def _turned() -> list[np.ndarray]:
    """Cells of a map after each quarter turn and mirroring, but for the map as it is."""
    ring, sector = np.divmod(np.arange(RINGS * SECTORS), SECTORS)
    quarter = SECTORS // 4
    ways: list[Callable[[np.ndarray], np.ndarray]] = [lambda s: s, lambda s: -s]
    return [
        ring * SECTORS + (way(sector) + turns * quarter) % SECTORS
        for way in ways for turns in range(4)
    ][1:]  # fmt: skip
