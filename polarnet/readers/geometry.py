"""From the geometry of an export to our square raster: resampling in float, walls in place."""

import numpy as np

from polarnet.anatomy import (
    disc_mask,
    nearest_inside,
    polar_coordinates,
    segment_basis,
    segment_map,
    segment_means,
)
from polarnet.readers.profiles import Profile

RASTER = 64  # Rows of the raster that rings and segments are drawn on (our choice)
_TURNS = {"top": 0, "right": 1, "bottom": 2, "left": 3}
"""Quarter turns counter-clockwise that bring this side of a picture up."""


def upright(picture: np.ndarray, profile: Profile) -> np.ndarray:
    """A square picture (size, size) turned, and mirrored if need be: anterior up, septum left."""
    picture = np.rot90(picture, _TURNS[profile.anterior])
    septum = (_TURNS[profile.septum] - _TURNS[profile.anterior]) % 4
    return picture if septum == _TURNS["left"] else picture[:, ::-1]


def square_to_disc(picture: np.ndarray, profile: Profile) -> np.ndarray:
    """A square picture as a polar map of the same size, its ventricle filling the disc.

    0 outside the disc; the very values where no resampling is needed.
    """
    picture = upright(picture, profile)
    if profile.disc_radius != 1:
        picture = resampled(picture, len(picture), profile.disc_radius)
    return np.where(disc_mask(len(picture)), picture, 0)


def resampled(picture: np.ndarray, size: int, disc_radius: float = 1.0) -> np.ndarray:
    """A square picture on `size` x `size` pixels, bilinear, its central part filling the raster."""
    radius, angle = polar_coordinates(size)
    side = len(picture)
    x = (side - 1) / 2 + disc_radius * side / 2 * radius * np.cos(np.radians(angle))
    y = (side - 1) / 2 - disc_radius * side / 2 * radius * np.sin(np.radians(angle))
    x, y = np.clip(x, 0, side - 1), np.clip(y, 0, side - 1)
    left, top = np.minimum(x.astype(int), side - 2), np.minimum(y.astype(int), side - 2)
    fx, fy = x - left, y - top
    upper = (1 - fx) * picture[top, left] + fx * picture[top, left + 1]
    lower = (1 - fx) * picture[top + 1, left] + fx * picture[top + 1, left + 1]
    return (1 - fy) * upper + fy * lower


def disc_resampled(values: np.ndarray, size: int) -> np.ndarray:
    """A polar map, 0 outside its disc, on another raster; the 0 does not bleed into the edge."""
    side = len(values)
    nearest = values[nearest_inside(*polar_coordinates(side), side)]
    filled = np.where(disc_mask(side), values, nearest)
    return np.where(disc_mask(size), resampled(filled, size), 0)


def rings_to_disc(rings: list[np.ndarray], profile: Profile) -> np.ndarray:
    """Rings of sectors, in the order of the file, as a polar map (64, 64), 0 outside the disc.

    Linear along angle and radius; rings may differ in length.
    """
    if profile.first_ring == "base":
        rings = rings[::-1]
    ends = np.array(profile.ring_ends or np.arange(1, len(rings) + 1) / len(rings))
    if len(ends) != len(rings):
        raise ValueError(f"has {len(rings)} rings, profile {profile.name} has {len(ends)}")
    middles = (ends + np.concatenate([[0], ends[:-1]])) / 2
    radius, angle = polar_coordinates(RASTER)
    way = 1 if profile.direction == "counterclockwise" else -1
    turned = (way * (angle - profile.first_sector_deg)) % 360
    around = np.stack(
        [
            np.interp(turned, np.arange(len(ring) + 1) * 360 / len(ring), [*ring, ring[0]])
            for ring in rings
        ]
    )
    place = np.interp(radius, middles, np.arange(len(rings)))
    inner = np.minimum(place.astype(int), max(len(rings) - 2, 0))
    outer = np.minimum(inner + 1, len(rings) - 1)
    share = place - inner
    inner_values, outer_values = (
        np.take_along_axis(around, ring[None], axis=0)[0] for ring in (inner, outer)
    )
    return np.where(disc_mask(RASTER), (1 - share) * inner_values + share * outer_values, 0)


def segments_to_disc(values: np.ndarray, size: int = RASTER) -> np.ndarray:
    """A polar map (size, size) whose 17 segment means are `values`, never below 0.

    Smooth; where neighbours differ so much that a smooth map would dip below 0, flat in each
    segment.
    """
    drawn = np.tensordot(values, segment_basis(size), 1)
    for _ in range(20):
        drawn = np.maximum(drawn, 0)
        shown = segment_means(drawn)
        if np.allclose(shown, values, rtol=2e-3, atol=1e-6):
            return np.where(disc_mask(size), drawn, 0)
        correction = values / np.maximum(shown, 1e-9)
        drawn *= np.maximum(np.tensordot(correction, segment_basis(size), 1), 0)
    return np.concatenate([[0.0], values])[segment_map(size)]
