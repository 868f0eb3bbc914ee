"""What is looked at in a map: its pattern over walls and rings, and its texture."""

from functools import lru_cache
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, polar_coordinates

RINGS, SECTORS = 4, 8  # more cells tell turned maps no better (tried to 8 x 24)
STEPS: Final = (64, 24, 8)  # neighbours are this share of the map's side apart
_TINY: Final = 1e-6


def map_features(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pattern (n, rings * sectors) and texture (n, 1 + steps) of maps."""
    size = maps.shape[-1]
    inside = maps[:, disc_mask(size)]
    mean = np.maximum(inside.mean(axis=1, keepdims=True), _TINY)
    with np.errstate(invalid="ignore", over="ignore"):
        shares = maps / mean[:, :, None]
        pattern = shares[:, disc_mask(size)] @ _cells(size)
        rough = [_roughness(shares, max(1, round(size / step))) for step in STEPS]
    return pattern, np.log(np.concatenate([mean, np.stack(rough, axis=1)], axis=1))


def _roughness(shares: np.ndarray, step: int) -> np.ndarray:
    """Root mean square of the differences of pixels `step` apart, both inside the disc."""
    disc = disc_mask(shares.shape[-1])
    squares, n = np.zeros(len(shares)), 0
    for one, other in (
        ((slice(step, None), slice(None)), (slice(None, -step), slice(None))),
        ((slice(None), slice(step, None)), (slice(None), slice(None, -step))),
    ):
        both = disc[one] & disc[other]
        difference = (shares[(slice(None), *one)] - shares[(slice(None), *other)])[:, both]
        squares += (difference**2).sum(axis=1)
        n += both.sum()
    return np.sqrt(squares / n) + _TINY**0.5


@lru_cache(maxsize=8)
def _cells(size: int) -> np.ndarray:
    """Weights (pixels, rings * sectors) that average the disc's pixels over each cell.

    Sectors are centred on 0, 45, ... degrees, so that no pixel lies on their edges, and a map that
    is turned by 90 degrees or mirrored has the same values in other cells.
    """
    radius, angle = (grid[disc_mask(size)] for grid in polar_coordinates(size))
    ring = np.minimum((radius * RINGS).astype(int), RINGS - 1)
    width = 360 / SECTORS
    sector = ((angle + width / 2) % 360 // width).astype(int)
    members = np.zeros((len(radius), RINGS * SECTORS))
    members[np.arange(len(radius)), ring * SECTORS + sector] = 1
    return members / np.maximum(members.sum(axis=0), 1)
