"""Where things are on a polar map: the disc, the 17 AHA segments, the coronary territories.

The map is a square raster seen from the apex: row 0 at the top, anterior wall up, inferior wall
down, septum left, lateral wall right, apex in the centre, basal edge on the inscribed circle.
"""

import re
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd

SEGMENTS: Final = (
    "basal anterior", "basal anteroseptal", "basal inferoseptal",
    "basal inferior", "basal inferolateral", "basal anterolateral",
    "mid anterior", "mid anteroseptal", "mid inferoseptal",
    "mid inferior", "mid inferolateral", "mid anterolateral",
    "apical anterior", "apical septal", "apical inferior", "apical lateral", "apex",
)  # fmt: skip
"""Names of AHA segments 1 to 17 (Cerqueira et al., Circulation 2002;105:539-542)."""

TERRITORIES: Final = {
    "LAD": (1, 2, 7, 8, 13, 14, 17),
    "RCA": (3, 4, 9, 10, 15),
    "LCx": (5, 6, 11, 12, 16),
}
"""AHA default assignment of segments to coronary arteries (Cerqueira et al. 2002)."""

RING_ENDS: Final = (0.25, 0.50, 0.75, 1.0)
"""Outer edge of apex, apical, mid and basal ring as a share of the disc radius (our choice)."""


@lru_cache(maxsize=16)
def polar_coordinates(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Radius and angle of every pixel centre of a map with `size` rows and columns.

    Two read-only arrays of shape (size, size): the radius as a share of the disc radius (0 at the
    apex, 1 at the basal edge), and the angle in degrees, [0, 360), counter-clockwise from the
    lateral wall, so that 90 is anterior and 180 the septum.

    >>> radius, angle = polar_coordinates(2)
    >>> angle.tolist()
    [[135.0, 45.0], [225.0, 315.0]]
    """
    centre = (np.arange(size) + 0.5 - size / 2) / (size / 2)
    x, y = np.meshgrid(centre, -centre)
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(y, x)) % 360
    radius.flags.writeable = angle.flags.writeable = False
    return radius, angle


@lru_cache(maxsize=16)
def disc_mask(size: int) -> np.ndarray:
    """Pixels of the left ventricle: read-only (size, size), True inside the inscribed disc.

    >>> disc_mask(4).sum()
    np.int64(12)
    """
    mask = polar_coordinates(size)[0] <= 1
    mask.flags.writeable = False
    return mask


def nearest_inside(
    radius: np.ndarray, angle: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels at given places of a map with `size` rows.

    `radius` and `angle` are as `polar_coordinates` gives them. A place beyond the basal edge gets
    the nearest pixel inside it.

    >>> row, column = nearest_inside(np.array([2.0]), np.array([0.0]), 64)
    >>> int(row[0]), int(column[0])
    (32, 63)
    """
    inside = np.minimum(radius, 1 - 1.5 / size)
    row = ((1 - inside * np.sin(np.radians(angle))) * size / 2).astype(int)
    column = ((inside * np.cos(np.radians(angle)) + 1) * size / 2).astype(int)
    return row, column


@lru_cache(maxsize=16)
def segment_map(size: int) -> np.ndarray:
    """AHA segment of every pixel: read-only integers (size, size), 1 to 17 inside the disc, 0
    outside.

    Cerqueira et al., Circulation 2002;105:539-542: segments 1 and 7 are anterior (60 to 120 degrees
    here), 13 is apical anterior (45 to 135), numbering runs counter-clockwise.

    >>> int(segment_map(64)[1, 32]), int(segment_map(64)[32, 1]), int(segment_map(64)[32, 32])
    (1, 3, 17)
    """
    radius, angle = polar_coordinates(size)
    sixth = ((angle - 60) % 360 // 60).astype(int)
    quarter = ((angle - 45) % 360 // 90).astype(int)
    apex, apical, mid, _ = RING_ENDS
    segments = np.where(radius <= mid, 7 + sixth, 1 + sixth)
    segments = np.where(radius <= apical, 13 + quarter, segments)
    segments = np.where(radius <= apex, 17, segments)
    segments = np.where(disc_mask(size), segments, 0)
    segments.flags.writeable = False
    return segments


@lru_cache(maxsize=16)
def _segment_members(size: int) -> np.ndarray:
    """Matrix (size * size, 17): 1 where a pixel belongs to a segment, else 0."""
    members = (segment_map(size).reshape(-1, 1) == np.arange(1, 18)).astype(float)
    if (members.sum(axis=0) == 0).any():
        raise ValueError(f"A map of {size} x {size} is too small for 17 segments; use at least 8.")
    return members


def segment_means(values: np.ndarray) -> np.ndarray:
    """Mean of a polar map in each of the 17 AHA segments.

    Parameters
    ----------
    values
        One map of shape (size, size) or several of shape (n, size, size), apex at the centre,
        anterior wall up, septum left. MBF in mL/min/g, MFR without unit, or percent.

    Returns
    -------
    Array of shape (17,) or (n, 17) in the unit of `values`; element k is segment k + 1.

    Raises
    ------
    ValueError: `values` is not square, or too small for 17 segments.

    References
    ----------
    Cerqueira et al., Circulation 2002;105:539-542 (segments and their territories).

    >>> float(segment_means(np.ones((48, 48)))[16])     # segment 17, the apex
    1.0
    """
    values = np.asarray(values)
    if values.ndim not in (2, 3) or values.shape[-1] != values.shape[-2]:
        raise ValueError(
            f"segment_means needs maps of shape (size, size) or (n, size, size), "
            f"but received {values.shape}."
        )
    size = values.shape[-1]
    members = _segment_members(size)
    # Sums first: the mean of a constant map is then exactly that constant.
    return values.reshape(*values.shape[:-2], size * size) @ members / members.sum(axis=0)


def disc_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the disc of maps (..., size, size), in their unit: the global value, float64.

    >>> float(disc_mean(np.full((48, 48), 2.5)))
    2.5
    """
    values = np.asarray(values)
    return values[..., disc_mask(values.shape[-1])].mean(axis=-1, dtype=np.float64)


@lru_cache(maxsize=16)
def segment_basis(size: int) -> np.ndarray:
    """Smooth maps, one per segment, whose weighted sum has given segment means.

    Read-only, shape (17, size, size), 0 outside the disc.

    Angles are interpolated linearly between the middles of neighbouring segments, radii between the
    middles of neighbouring rings; the weights are then solved for exact segment means.

    >>> smooth = np.tensordot(np.arange(1, 18), segment_basis(64), 1)
    >>> segment_means(smooth).round(6).tolist()[:3]
    [1.0, 2.0, 3.0]
    """
    radius, angle = polar_coordinates(size)
    rings = []
    for first, n_sectors, first_middle in ((17, 1, 0), (13, 4, 90), (7, 6, 90), (1, 6, 90)):
        ring = np.zeros((18, size, size))
        position = ((angle - first_middle) % 360) / (360 / n_sectors)
        for sector in range(n_sectors):
            distance = np.abs(position - sector)
            distance = np.minimum(distance, n_sectors - distance)
            ring[first + sector] = np.clip(1 - distance, 0, 1) if n_sectors > 1 else 1
        rings.append(ring)
    # Ring middles: the apex reaches from 0 to .25, the others are .25 wide.
    place = np.clip((radius - 0.125) / 0.25, 0, 3)
    raw = sum(np.clip(1 - np.abs(place - k), 0, 1) * ring for k, ring in enumerate(rings))
    raw = raw[1:] * disc_mask(size)
    basis = np.tensordot(np.linalg.inv(segment_means(raw)), raw, 1)
    basis.flags.writeable = False
    return basis


def in_segment_order(values: Any) -> np.ndarray:
    """Values of the 17 segments, shape (17,) or (n, 17), as an array, segment 1 first.

    An array or list is in segment order; a Series, or the columns of a DataFrame, are named by
    segment: 1 to 17 as numbers or text ("1", "segment_1"), or `SEGMENTS`. A Series made of an
    array, without names of its own, counts as that array. ValueError: the names are not those of
    the segments.

    >>> in_segment_order(pd.Series(range(17), index=[str(k) for k in range(17, 0, -1)]))[0].item()
    16.0
    """
    if not isinstance(values, pd.Series | pd.DataFrame):
        return np.asarray(values, float)
    names = values.index if isinstance(values, pd.Series) else values.columns
    if len(names) != len(SEGMENTS):
        return values.to_numpy(float)
    numbers = [_segment_number(name) for name in names]
    unnamed = list(range(len(SEGMENTS)))
    if sorted(numbers) not in (unnamed, [k + 1 for k in unnamed]):
        raise ValueError(
            "Values of segments must be named 1 to 17, each once, but are named "
            f"{', '.join(str(name)[:20] for name in names)}. Give an array in segment order."
        )
    return values.to_numpy(float)[..., np.argsort(numbers)]


def _segment_number(name: Any) -> int:
    """1 to 17 of the name of a segment; -1 where it is none."""
    text = str(name).strip().lower()
    if text in SEGMENTS:
        return SEGMENTS.index(text) + 1
    found = re.fullmatch(r"(?:(?:aha|segment|seg)[ _.-]*)*(\d{1,2})(?:\.0)?", text)
    return int(found[1]) if found else -1
