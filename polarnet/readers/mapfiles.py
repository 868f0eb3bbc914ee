"""Which polar maps does one export file hold: numbers, geometry, unit, study and map type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, segment_map
from polarnet.cohort import RECOVERED
from polarnet.readers.filenames import NO_MAP_TYPE, ROWS_WITHOUT_MAP_TYPE, name_tells, study_in_name
from polarnet.readers.geometry import rings_to_disc, segments_to_disc, square_to_disc, upright
from polarnet.readers.matrices import SMALLEST
from polarnet.readers.numbers import Numbers
from polarnet.readers.plausibility import (
    Levels,
    check_image,
    check_range,
    doubts_of_square,
    levels_of,
    range_of,
)
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
    levels
        By which it is compared with the other maps of its study and cohort.
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
    levels: Levels
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
    picture, is_square = numbers.values, profile.layout == "square"
    lowest, highest, mean = range_of(values)
    if numbers.source == "DICOM":
        check_image(np.asarray(picture), values, is_square)
    notes = doubts_of_square(np.asarray(picture), values, mean) if is_square else []
    if highest - lowest <= 1e-9 * highest:
        notes.append("all its values are the same")
    unit, factor, text, note = _unit(numbers.unit, map_type, stated, profile)
    is_zero = _zeros(numbers.values, values, profile)
    top = max(float(np.nanmax(ring)) for ring in _rings(numbers.values))
    lowest, highest, mean = factor * lowest, factor * highest, factor * mean
    notes = [note, check_range(mean, highest, unit, map_type), *notes]
    return FoundMap(
        study=study,
        map_type=map_type,
        values=(factor * values).astype(np.float32),
        low=lowest,
        high=highest,
        levels=levels_of(values, is_zero, factor, top, numbers.bits),
        unit=unit,
        unit_text=text,
        shape=f"{shape}, {numbers.source}" if numbers.source else shape,
        profile=profile.name,
        ids=numbers.ids,
        origin=numbers.origin,
        source=numbers.source,
        note="; ".join(filter(None, (*notes, numbers.note))),
    )


def _rings(values: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    return values if isinstance(values, list) else [np.asarray(values)]


def _zeros(
    numbers: np.ndarray | list[np.ndarray], values: np.ndarray, profile: Profile
) -> np.ndarray:
    """Where a map has no value but 0; between rings and sectors a lone 0 is drawn as a slope.

    Between segments of little flow and their neighbours a smooth map touches 0, and they are not.
    """
    if profile.layout == "segments":
        is_lost = [False, *(np.ravel(numbers) == 0)]
        return np.array(is_lost)[segment_map(len(values))] & disc_mask(len(values))
    if profile.layout != "rings" or not any((ring == 0).any() for ring in _rings(numbers)):
        return values == 0
    if isinstance(numbers, list):
        return _on_disc([(ring == 0).astype(float) for ring in numbers], profile)[0] >= 0.5
    return _on_disc((numbers == 0).astype(float), profile)[0] >= 0.5


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
