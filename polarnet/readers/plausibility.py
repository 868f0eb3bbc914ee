"""Can these numbers be a polar map? What cannot is refused, what hardly can is said."""

from functools import lru_cache
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort.stack import RESERVE_RANGE

_LEAST_FLOW: Final = 0.1
"""mL/min/g, below which no ventricle's mean lies (our choice; scars have 0.25 to 0.4)."""

_LEAST_PERCENT: Final = 10.0
"""A map of relative counts that reaches no more than this is none (our choice)."""

_EMPTY_EDGE: Final = 0.5
"""Share of the mean, below which the edge is taken to lie outside the ventricle (our choice)."""

_EMPTY_DISC: Final = 0.5
"""Share of pixels without value, from which a DICOM image is no map (our choice): in a slice of the
chest the heart fills less; of FlowQuant's picture read as if it filled it, a third is empty."""

_ABSURD: Final = 1e6
"""Above this, numbers are none of a map in any unit (our choice)."""

_CORNERS: Final = 1.25
"""Share of half the side, beyond which no product draws flow (our choice; FlowQuant ends at 1)."""


def range_of(values: np.ndarray) -> tuple[float, float, float]:
    """Lowest, highest and mean value of the disc of a map (size, size), in its unit.

    Raises
    ------
    ValueError: there are NaN, infinite, negative or absurd values in it, or nothing at all.
    """
    inside = values[disc_mask(len(values))]
    lowest, highest, mean = float(inside.min()), float(inside.max()), float(inside.mean())
    # A NaN anywhere makes all three NaN.
    if not np.isfinite([lowest, highest, mean]).all():
        raise ValueError("has NaN or infinite values inside the disc")
    if lowest < 0:
        raise ValueError(f"has negative values inside the disc (lowest {lowest:.3g})")
    if highest > _ABSURD:
        raise ValueError(f"reaches {highest:.3g}, which is no flow in any unit")
    if highest == 0:
        raise ValueError("is empty: 0 everywhere inside the disc")
    return lowest, highest, mean


def doubts_of_square(picture: np.ndarray, values: np.ndarray, mean: float) -> list[str]:
    """What should be looked at in a square matrix.

    Parameters
    ----------
    picture
        As in the file.
    values
        The map made of it, (size, size).
    mean
        Of its disc.
    """
    doubts = []
    if _has_corners(picture):
        doubts.append("has values in its corners, where a polar map has none: is it a picture?")
    if _edge(values) < _EMPTY_EDGE * mean:
        doubts.append("its edge is nearly empty: does the ventricle fill the picture? Look at it")
    return doubts


def check_image(picture: np.ndarray, values: np.ndarray, is_square: bool) -> None:
    """Raise where a DICOM image with the right numbers is a slice or a projection, and no map."""
    if (values[disc_mask(len(values))] == 0).mean() > _EMPTY_DISC:
        raise ValueError("is empty in most of its disc: a slice, not a polar map?")
    if is_square and _has_corners(picture):
        raise ValueError("has a picture in its corners, where a polar map has none")


def _has_corners(picture: np.ndarray) -> bool:
    """Whether a square picture goes on where no product draws flow."""
    corners = picture[_beyond(len(picture))]
    return len(corners) > 0 and not np.isnan(corners).any() and float(np.ptp(corners)) > 0


@lru_cache(maxsize=16)
def _beyond(size: int) -> np.ndarray:
    return polar_coordinates(size)[0] > _CORNERS


def check_range(mean: float, highest: float, unit: str, map_type: str) -> str:
    """Raise where the numbers cannot be what they are said to be; a note where it is unlikely."""
    if map_type == "reserve" and mean > RESERVE_RANGE[1]:
        raise ValueError(f"its mean is {mean:.3g}, far too high for a flow reserve")
    if unit == "mL/min/g" and mean < _LEAST_FLOW:
        raise ValueError(f"its mean is {mean:.2g} mL/min/g: is it in that unit already?")
    if unit == "percent" and highest <= _LEAST_PERCENT:
        return f"reaches {highest:.3g} percent only: is it flow in mL/min/g?"
    return ""


def _edge(values: np.ndarray) -> float:
    """Mean of the outermost tenth of the radius."""
    return float(values[_outermost(len(values))].mean())


@lru_cache(maxsize=16)
def _outermost(size: int) -> np.ndarray:
    return disc_mask(size) & (polar_coordinates(size)[0] > 0.9)
