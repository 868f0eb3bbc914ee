"""What is drawn on a polar map (lines, text, markers): found, and filled from the neighbours."""

from typing import Final

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    find_objects,
    gaussian_filter,
    grey_opening,
    label,
)

JUMPS: Final = (0.06, 0.10, 0.15, 0.22, 0.30)
"""Shares of full scale by which an overlay differs from the map around it, the finest first (our
choice): JPEG spreads lines so far that the finest can take more of the map than is needed."""

RIM_JUMP: Final = 0.15
"""The same near the basal edge, where flow falls steeply (our choice)."""

OFF_TABLE: Final = 40.0
"""Levels from the colour table, beyond which a colour is not of the map (our choice)."""

_STAINED: Final = 0.4
"""Share of the jump by which a pixel beside an overlay may differ from its neighbours."""

_STAIN: Final = 2
"""Pixels beside an overlay that smoothing and JPEG stain (4:2:0 halves the colours)."""

_THIN: Final = 5, 1 / 20
"""Widest line or stroke that is seen as one: in pixels at least, as a share of the radius."""

_PLAIN: Final = 32
"""Levels from black or white that JPEG leaves inside a patch of it (our choice)."""

_ISLAND: Final = 0.25
"""Share of full scale by which a white or black patch differs from all around it (our choice)."""


def find_overlays(
    values: np.ndarray, distance: np.ndarray, colours: np.ndarray, radius: float, jump: np.ndarray
) -> np.ndarray:
    """Pixels of a map that are drawn over.

    White and black lie on most colour tables, so an overlay is known by its shape: thin, and
    different from the map on both sides; or a white or black patch, different from all around it.

    Parameters
    ----------
    values
        (rows, columns) of the map as a share of full scale, continued beyond the disc.
    distance
        (rows, columns) of each colour from the colour table, in levels.
    colours
        (rows, columns, 3).
    radius
        Of the disc, in pixels.
    jump
        (rows, columns), share of full scale by which an overlay differs.

    Returns
    -------
    Boolean array (rows, columns).
    """
    width = max(_THIN[0], round(radius * _THIN[1]))
    off_table = distance > OFF_TABLE
    # Between two white lines the map looks like a black one: the order that takes less is right.
    orders = [_thin(values, off_table, order, width, jump) for order in ((1, -1), (-1, 1))]
    found = min(orders, key=np.count_nonzero)
    known = filled(values, off_table)
    for contrast in (255 - colours.astype(int), colours):
        is_plain = np.asarray((contrast <= _PLAIN).all(axis=2))
        found |= _patches(known, found, is_plain, width)
    for _ in range(_STAIN):
        beside = binary_dilation(found, np.ones((3, 3), bool)) & ~found
        stained = beside & (np.abs(filled(known, found | beside) - known) > _STAINED * jump)
        if not stained.any():
            break
        found |= stained
    return found


def filled(values: np.ndarray, is_missing: np.ndarray) -> np.ndarray:
    """Values with the missing ones taken from the nearest others, weighted by distance.

    >>> filled(np.array([[1.0, 9.0, 1.0]]), np.array([[False, True, False]])).tolist()
    [[1.0, 1.0, 1.0]]
    """
    if is_missing.all():
        return values
    # Beyond the reach of the last round: the mean of what there is.
    result = np.where(is_missing, values[~is_missing].mean(), values)
    todo, sigma = is_missing, 1.5
    while todo.any() and sigma < max(values.shape):
        weight = gaussian_filter((~is_missing).astype(float), sigma, mode="nearest")
        total = gaussian_filter(np.where(is_missing, 0, values), sigma, mode="nearest")
        reached = todo & (weight > 0.02)
        result[reached] = total[reached] / weight[reached]
        todo, sigma = todo & ~reached, 2 * sigma
    return result


def _thin(
    values: np.ndarray, off_table: np.ndarray, order: tuple[int, int], width: int, jump: np.ndarray
) -> np.ndarray:
    """Thin things brighter (1) or darker (-1) than the map, each filled before the next."""
    found = off_table
    for sign in order:
        known = sign * filled(values, found)
        found = found | (known - grey_opening(known, size=(width, width)) > jump)
    return found


def _patches(values: np.ndarray, found: np.ndarray, is_plain: np.ndarray, width: int) -> np.ndarray:
    """Patches of white or black, too wide for a line, that differ from nearly all around them."""
    patches = np.zeros_like(found)
    # Closed: a label's patch is full of holes, the letters on it.
    closed = binary_closing(is_plain & ~found, np.ones((width, width), bool))
    labels, _ = label(closed)
    for k, place in enumerate(find_objects(labels), start=1):
        around = tuple(slice(max(s.start - 6, 0), s.stop + 6) for s in place)
        patch = labels[around] == k
        if patch.sum() < width**2 / 2:
            continue
        near = binary_dilation(patch, iterations=_STAIN)
        ring = binary_dilation(near, iterations=3) & ~near & ~found[around]
        if not ring.any():
            continue
        inner = np.median(values[around][patch & is_plain[around]])
        differs = np.abs(values[around][ring] - inner) > _ISLAND
        if differs.mean() > 0.9:
            patches[around] |= near
    return patches
