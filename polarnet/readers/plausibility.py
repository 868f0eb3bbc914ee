"""Checks that numbers can be a polar map: impossible ones are refused, unlikely ones warned of."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, polar_coordinates, segment_means
from polarnet.cohort import RESERVE_RANGE
from polarnet.readers.exportedmap import ExportedMap

# mL/min/g, below which no ventricle's mean lies (our choice; scars have 0.25 to 0.4)
_LEAST_FLOW: Final = 0.1
# A map of relative counts that reaches no more than this is none (our choice)
_LEAST_PERCENT: Final = 10.0
# Share of the mean, below which the edge is taken to lie outside the ventricle (our choice)
_EMPTY_EDGE: Final = 0.5
# Share of pixels without value, from which a DICOM image is no map (our choice): in a slice of the
# chest the heart fills less; of FlowQuant's picture read as if it filled it, a third is empty
_EMPTY_DISC: Final = 0.5
_ABSURD: Final = 1e6  # Above this, numbers are none of a map in any unit (our choice)
# Share of half the side, beyond which no product draws flow (our choice; FlowQuant ends at 1)
_CORNERS: Final = 1.25
# Share of a segment's pixels that are exactly 0, from which it has no value (our choice)
_LOST_SEGMENT: Final = 0.5
# Share of a flow map that is exactly 0: said from the first, refused from the second on (our
# choice). Neither the simulator nor the real maps that were looked at have a single one.
_ZEROS: Final = (0.02, 0.25)
# Ratio of mean stress to mean rest flow: refused below the first and above the last, said outside
# the two between. A ventricle that does not respond has 1.0, measured with a coefficient of
# reproducibility of 0.29 (PMID 23447656); steal lowers single walls, not the whole. Healthy people
# under 50 have 4.1 +/- 0.9 (doi 10.1161/01.cir.88.1.62).
_GLOBAL_MFR: Final = (0.7, 1.0, 6.0, 8.0)
_USUAL_MEAN: Final = {"rest": (0.3, 3.0), "stress": (0.4, 6.0)}
"""mL/min/g, between which the mean flow of a ventricle lies (our choice, wider than published)."""

_USUAL_MEDIAN: Final = {"rest": (0.4, 2.0), "stress": (0.8, 5.0)}
"""mL/min/g, between which the median of a cohort lies (our choice; published means are 0.6 to 1.5
at rest and 1.2 to 4 at stress)."""

# What pictures of 8 to 16 bits reach
_TOPS_OF_BITS: Final = (255, 256, 1023, 1024, 4095, 4096, 16383, 32767, 65535, 65536)
# Share of the maps of one type that reach the very same value, from which each was brought to it
# (our choice)
_MANY_ALIKE: Final = 0.5

Doubt = tuple[bool, str]
"""Whether it is certain, so that the map is refused, and what to say."""


# === One map ===


def range_of(values: np.ndarray) -> tuple[float, float, float]:
    """Lowest, highest and mean value of the disc of a map (size, size), in its unit.

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


def lost_segments(is_zero: np.ndarray) -> tuple[tuple[int, ...], float]:
    """Segments without value, and the share of the disc that has none; `is_zero` (size, size) is
    where the file has exactly 0.
    """
    zeros = float(is_zero[disc_mask(len(is_zero))].mean())
    shares = segment_means(is_zero.astype(float)) if zeros else np.zeros(17)
    return tuple(int(k) + 1 for k in np.flatnonzero(shares >= _LOST_SEGMENT)), zeros


def doubts_of_square(
    picture: np.ndarray, values: np.ndarray, mean: float, is_image: bool
) -> list[str]:
    """What should be looked at in a square matrix: `picture` as in the file, the map (size, size)
    made of it, and the mean of its disc.

    ValueError: a DICOM image with the right numbers is a slice or a projection, and no map.
    """
    if is_image and (values[disc_mask(len(values))] == 0).mean() > _EMPTY_DISC:
        raise ValueError("is empty in most of its disc: a slice, not a polar map?")
    doubts = []
    corners = picture[_beyond(len(picture), _CORNERS)]
    if len(corners) and not np.isnan(corners).any() and np.ptp(corners) > 0:
        if is_image:
            raise ValueError("has a picture in its corners, where a polar map has none")
        doubts.append("has values in its corners, where a polar map has none: is it a picture?")
    outermost = disc_mask(len(values)) & _beyond(len(values), 0.9)
    if values[outermost].mean() < _EMPTY_EDGE * mean:
        doubts.append("its edge is nearly empty: does the ventricle fill the picture? Look at it")
    return doubts


def check_range(mean: float, highest: float, unit: str, map_type: str) -> str:
    """Raise where the numbers cannot be what they are said to be; a note where it is unlikely."""
    if map_type == "reserve" and mean > RESERVE_RANGE[1]:
        raise ValueError(f"its mean is {mean:.3g}, far too high for a flow reserve")
    if unit == "mL/min/g" and mean < _LEAST_FLOW:
        raise ValueError(f"its mean is {mean:.2g} mL/min/g: is it in that unit already?")
    if unit == "percent" and highest <= _LEAST_PERCENT:
        return f"reaches {highest:.3g} percent only: is it flow in mL/min/g?"
    return ""


@lru_cache(maxsize=32)
def _beyond(size: int, radius: float) -> np.ndarray:
    return polar_coordinates(size)[0] > radius


# === One study ===


def doubts_of_study(maps: Mapping[str, ExportedMap], unit: str) -> list[Doubt]:
    """What cannot be, or hardly can be, in one study of these maps, whose cohort has this unit."""
    doubts = [doubt for map_type, of in maps.items() for doubt in _of_map(map_type, of, unit)]
    if unit == "mL/min/g" and {"rest", "stress"} <= maps.keys():
        doubts += _of_pair(maps["rest"], maps["stress"])
    return doubts


def _of_map(map_type: str, found: ExportedMap, unit: str) -> Iterator[Doubt]:
    is_flow = unit == "mL/min/g"
    its = f"its {map_type}"
    if found.lost:
        where = f"segment{'s' * (len(found.lost) > 1)} {', '.join(map(str, found.lost))}"
        why = "is a missing value written as 0, or does the ventricle not fill the picture?"
        yield is_flow, f"{its} is exactly 0 in {where}: {why}"
    elif found.zeros >= _ZEROS[0]:
        told = f"{its} is exactly 0 in {100 * found.zeros:.0f} % of the disc"
        yield is_flow and found.zeros >= _ZEROS[1], told
    if map_type == "reserve":
        low, usual_low, usual_high, _ = _GLOBAL_MFR
        if not usual_low <= found.mean <= usual_high:
            yield found.mean < low, f"its mean flow reserve is {found.mean:.2f}"
    elif is_flow:
        if not found.lost and found.lowest_segment < _LEAST_FLOW:
            lowest = f"{its} is {found.lowest_segment:.2g} mL/min/g in a segment"
            yield False, f"{lowest}, and scars have 0.25 to 0.4"
        low, high = _USUAL_MEAN[map_type]
        if not low <= found.mean <= high:
            yield False, f"its mean {map_type} is {found.mean:.2g} mL/min/g: is the unit right?"
        if found.bits or is_full_scale(found.top, _TOPS_OF_BITS):
            what = f" is a picture of {found.bits} bits that says no unit and" if found.bits else ""
            told = f"{its}{what} ends at {found.top:g}: was it scaled to its own maximum?"
            yield bool(found.bits) and is_full_scale(found.top), told


def _of_pair(rest: ExportedMap, stress: ExportedMap) -> Iterator[Doubt]:
    # Lossy pictures of 8 bits end near 255.
    is_lossy = all(250 <= m.top <= 255 and m.top == round(m.top) for m in (rest, stress))
    if is_lossy or math.isclose(rest.top, stress.top, rel_tol=1e-9):
        is_certain = is_lossy or is_full_scale(rest.top) or (rest.bits > 0 and stress.bits > 0)
        tops = f"at {rest.top:g}" if rest.top == stress.top else f"near {stress.top:g}"
        yield is_certain, f"rest and stress both end {tops}: was each scaled to its own maximum?"
    low, usual_low, usual_high, high = _GLOBAL_MFR
    ratio = stress.mean / rest.mean
    means = f"mean {rest.mean:.2f} and {stress.mean:.2f} mL/min/g, ratio {ratio:.2f}"
    if ratio < usual_low:
        why = "are rest and stress exchanged, or in different units?"
        yield ratio < low, f"its rest flow is above its stress flow ({means}): {why}"
    elif ratio > usual_high:
        why = "are both in the same unit?"
        yield ratio > high, f"its stress flow is far above its rest flow ({means}): {why}"


# === The whole cohort ===


def doubts_of_cohort(
    maps: Mapping[str, Sequence[ExportedMap]],
) -> Iterator[tuple[str, float, Doubt]]:
    """Flow maps of different studies that all reach the very same value: map type, that number as
    in the file, and what to say of each such map.
    """
    for map_type, of_type in maps.items():
        for top, n in Counter(found.top for found in of_type).most_common(1):
            if n > 1 and n >= _MANY_ALIKE * len(of_type):
                told = f"{n} of {len(of_type)} {map_type} maps end at {top:g}"
                # Reserve may be cut off at 10.
                is_certain = map_type != "reserve" and is_full_scale(top)
                why = "was each scaled to its own maximum, or cut off there?"
                yield map_type, top, (is_certain, f"{told}: {why}")


def doubts_of_unit(maps: Mapping[str, Sequence[ExportedMap]]) -> list[str]:
    """Lines about a cohort whose flow as a whole is not that of people."""
    lines = []
    for map_type, (low, high) in _USUAL_MEDIAN.items():
        if of_type := maps.get(map_type):
            median = float(np.median([one.mean for one in of_type]))
            if not low <= median <= high:
                lines.append(
                    f"Median of mean {map_type} flow is {median:.2g} mL/min/g, and is usually "
                    f"between {low:g} and {high:g}: is the unit right?"
                )
    return lines


def is_full_scale(top: float, tops: Sequence[int] = (1, *_TOPS_OF_BITS)) -> bool:
    """Whether numbers end where a picture or a share does: 255, 4095, 100, 1, or a tenth of it."""
    powers = [math.log10(top / full) for full in tops]
    return any(math.isclose(power, round(power), abs_tol=1e-7) for power in powers)
