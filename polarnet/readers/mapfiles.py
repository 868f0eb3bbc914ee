"""Which polar maps does one export file hold: numbers, geometry, unit, study and map type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort import RECOVERED
from polarnet.cohort.stack import RESERVE_RANGE
from polarnet.readers.filenames import NO_MAP_TYPE, ROWS_WITHOUT_MAP_TYPE, name_tells, study_in_name
from polarnet.readers.geometry import rings_to_disc, segments_to_disc, square_to_disc, upright
from polarnet.readers.matrices import SMALLEST
from polarnet.readers.numbers import Numbers
from polarnet.readers.profiles import Profile
from polarnet.readers.segments.cells import in_order
from polarnet.readers.sources import (
    ARRAY_FILES,
    PICTURE_FILES,
    TABLE_FILES,
    Reading,
    read_numbers,
)
from polarnet.readers.units import conversion

MAP_FILES: Final = (*TABLE_FILES, *ARRAY_FILES, *PICTURE_FILES)

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

LARGEST: Final = 1024
"""Rows of a square map (our choice): no workstation exports more."""


@dataclass(frozen=True, eq=False)
class FoundMap:
    """One polar map of a file.

    Attributes
    ----------
    study
        Id as the file or its name gives it; "" for a DICOM file, which has `ids`.
    map_type
        "rest", "stress" or "reserve".
    values
        (size, size) float32 in `unit`, our orientation, 0 outside the disc.
    unit
        "mL/min/g", "percent", or "" for reserve.
    unit_text
        As written by the file, the profile or the user.
    shape
        Of the numbers in the file, for people to read: "48 x 48", "20 rings", "17 segments".
    profile
        Name of the profile that the file was read with.
    low, high
        Over the disc, in `unit`.
    ids, origin, source
        As of `Numbers`.
    note
        What the user should know of it, "" for nothing.
    """

    study: str
    map_type: str
    values: np.ndarray
    low: float
    high: float
    unit: str
    unit_text: str
    shape: str
    profile: str
    ids: Mapping[str, str]
    origin: Mapping[str, str]
    source: str
    note: str


def read_map_file(path: Path, reading: Reading) -> tuple[list[FoundMap], list[str]]:
    """Every polar map of a file.

    Returns
    -------
    The maps, and why others in the file cannot be used.

    Raises
    ------
    ValueError: the file as a whole holds no map; no message repeats the name of the file.
    """
    found: list[FoundMap] = []
    problems: list[str] = []
    several = read_numbers(path, reading)
    for numbers in several:
        try:
            if numbers.problem:
                raise ValueError(numbers.problem)
            profile = _fitting(numbers, reading.profiles)
            study, map_type = _named(path, numbers, profile, is_one=len(several) == 1)
            found.append(_as_map(numbers, study, map_type, reading.unit, profile))
        except ValueError as error:
            problems.append(str(error).rstrip("."))
    return found, problems


def _fitting(numbers: Numbers, profiles: Sequence[Profile]) -> Profile:
    """First profile whose geometry the numbers have."""
    for profile in profiles:
        if _fits(numbers, profile):
            return profile
    shape = _shape(numbers.values)
    choices = ", ".join(f"{p.name} ({p.layout})" for p in profiles)
    if not isinstance(numbers.values, list) and numbers.values.size in (16, 20):
        in_order(numbers.values)
    raise ValueError(
        f"is {shape}, which fits no profile in use: {choices}. Choose one by --profile"
    )


def _fits(numbers: Numbers, profile: Profile) -> bool:
    values = numbers.values
    if numbers.source == RECOVERED or profile.layout == "screen":
        return numbers.source == RECOVERED and profile.layout == "screen"
    if isinstance(values, list):
        return (
            profile.layout == "rings"
            and profile.rings_are == "rows"
            and profile.rings in (0, len(values))
            and profile.sectors == 0
        )
    if profile.layout == "segments":
        return values.size == 17
    if values.ndim != 2:
        return False
    n_rows, n_columns = values.shape if profile.rings_are == "rows" else values.shape[::-1]
    if profile.layout == "square":
        return (
            n_rows == n_columns
            and SMALLEST <= n_rows <= LARGEST
            and (not profile.sides or n_rows in profile.sides)
        )
    return (
        profile.rings in (0, n_rows)
        and profile.sectors in (0, n_columns)
        and 2 <= n_rows <= LARGEST
        and 1 <= n_columns <= LARGEST
    )


def _shape(values: np.ndarray | list[np.ndarray]) -> str:
    if isinstance(values, list):
        lengths = [len(row) for row in values]
        return f"{len(values)} rows of {min(lengths)} to {max(lengths)} values"
    return " x ".join(map(str, values.shape)) + (" values" if values.ndim == 1 else "")


def _named(path: Path, numbers: Numbers, profile: Profile, is_one: bool) -> tuple[str, str]:
    """Study and map type: from the file where it says so, else from its name."""
    study, map_type = numbers.study, numbers.map_type
    if (study and map_type) or numbers.ids:
        return study, map_type
    if map_type and not is_one:
        return study or study_in_name(path, profile), map_type
    left, type_in_name = name_tells(path, profile)
    if map_type and type_in_name and not study and map_type != type_in_name:
        raise ValueError(f"its name says {type_in_name}, its content {map_type}")
    map_type = map_type or type_in_name
    if not map_type:
        raise ValueError(ROWS_WITHOUT_MAP_TYPE if study else NO_MAP_TYPE)
    return (study or left or path.stem).strip(), map_type


def _on_disc(values: np.ndarray | list[np.ndarray], profile: Profile) -> tuple[np.ndarray, str]:
    """Polar map in our orientation, and the shape it came from."""
    if profile.layout == "segments":
        values = in_order(np.asarray(values))
        if (values < 0).any():
            raise ValueError("has negative values")
        return segments_to_disc(values), "17 segments"
    if profile.layout in ("square", "screen"):
        picture = np.asarray(values)
        is_square = profile.layout == "square"
        disc = square_to_disc(picture, profile) if is_square else upright(picture, profile)
        return disc, _shape(picture) if is_square else "screen"
    if not isinstance(values, list):
        values = list(values if profile.rings_are == "rows" else values.T)
    return rings_to_disc(values, profile), f"{len(values)} rings"


def _as_map(numbers: Numbers, study: str, map_type: str, stated: str, profile: Profile) -> FoundMap:
    """The map in our orientation and a cohort's unit; sound, or refused."""
    values, shape = _on_disc(numbers.values, profile)
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
    if numbers.source == "DICOM":
        _check_picture(numbers.values, inside, profile)
    unit, factor, text, note = _unit(numbers.unit, map_type, stated, profile)
    lowest, highest, mean = factor * lowest, factor * highest, factor * mean
    notes = [note, _check_range(mean, highest, unit, map_type)]
    if profile.layout == "square" and _has_corners(np.asarray(numbers.values)):
        notes.append("has values in its corners, where a polar map has none: is it a picture?")
    if np.isclose(lowest, highest):
        notes.append("all its values are the same")
    if profile.layout == "square" and _edge(values) < _EMPTY_EDGE * mean / factor:
        notes.append("its edge is nearly empty: does the ventricle fill the picture? Look at it")
    return FoundMap(
        study=study,
        map_type=map_type,
        values=(factor * values).astype(np.float32),
        low=lowest,
        high=highest,
        unit=unit,
        unit_text=text,
        shape=f"{shape}, {numbers.source}" if numbers.source else shape,
        profile=profile.name,
        ids=numbers.ids,
        origin=numbers.origin,
        source=numbers.source,
        note="; ".join(filter(None, (*notes, numbers.note))),
    )


def _unit(
    in_file: str, map_type: str, stated: str, profile: Profile
) -> tuple[str, float, str, str]:
    """Unit of the cohort, the factor to it, the unit as written, and what is to be said of it."""
    if map_type == "reserve" and in_file not in ("", "1") and conversion(in_file)[0]:
        raise ValueError(f"is a reserve in {in_file[:20]}; a flow reserve is a ratio without unit")
    if map_type == "reserve":
        if conversion(in_file)[0] == "percent":
            raise ValueError("its unit is percent, and a flow reserve has none")
        return "", 1.0, "", ""
    # What the file itself says is nearest to the numbers; then the user, then the product.
    text = in_file or stated or profile.unit
    unit, factor = conversion(text)
    if not unit:
        met = f"its unit '{text}' is none of flow" if text else "its unit is not known"
        raise ValueError(f"{met}; state it by --unit")
    if stated and conversion(stated)[0] != unit:
        raise ValueError(f"its unit is {text}, not {stated} as stated by --unit")
    is_other = bool(stated) and conversion(stated) != (unit, factor)
    note = f"the file says {text}, which was used instead of {stated} (--unit)" if is_other else ""
    return unit, factor, text, note


def _check_picture(
    values: np.ndarray | list[np.ndarray], inside: np.ndarray, profile: Profile
) -> None:
    """Raise where a DICOM image with the right numbers is a slice or a projection, and no map."""
    if (inside == 0).mean() > _EMPTY_DISC:
        raise ValueError("is empty in most of its disc: a slice, not a polar map?")
    if profile.layout == "square" and _has_corners(np.asarray(values)):
        raise ValueError("has a picture in its corners, where a polar map has none")


def _has_corners(picture: np.ndarray) -> bool:
    """Whether a square picture goes on where no product draws flow."""
    corners = picture[polar_coordinates(len(picture))[0] > _CORNERS]
    return len(corners) > 0 and not np.isnan(corners).any() and float(np.ptp(corners)) > 0


def _check_range(mean: float, highest: float, unit: str, map_type: str) -> str:
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
