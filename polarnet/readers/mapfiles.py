"""The polar maps of one export file: numbers, study, map type, unit and geometry."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.anatomy import segment_means
from polarnet.cohort import RECOVERED
from polarnet.readers import plausibility
from polarnet.readers.apart import read_apart
from polarnet.readers.arrays import read_arrays
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.filenames import (
    NO_MAP_TYPE,
    ROWS_WITHOUT_MAP_TYPE,
    file_kind,
    name_tells,
    study_in_name,
)
from polarnet.readers.geometry import rings_to_disc, segments_to_disc, square_to_disc, upright
from polarnet.readers.headings import Heading, is_headed, read_heading
from polarnet.readers.matrices import (
    SEARCHED,
    SMALLEST,
    odd_cell,
    read_matrix,
    read_plain_matrix,
    without_counts,
)
from polarnet.readers.profiles import Profile, Reading
from polarnet.readers.segmenttables import SMALLEST_DIVISION, in_order, read_segments
from polarnet.readers.tables import read_sheet
from polarnet.readers.units import conversion

LARGEST: Final = 1024  # Rows of a square map (our choice): no workstation exports more

Numbers = np.ndarray | list[np.ndarray]
"""An array, or rings that differ in length."""


def read_maps(path: Path, reading: Reading) -> tuple[list[ExportedMap], list[str]]:
    """Every polar map of a file in the frame of polarnet, and why the file, or others in it, cannot
    be used. Whatever a file does, the others are read; no reason repeats its name, which may be a
    person's.
    """
    found: list[ExportedMap] = []
    problems: list[str] = []
    try:
        several = read_numbers(path, reading)
        for numbers in several:
            try:
                found.append(_as_map(path, numbers, reading, is_one=len(several) == 1))
            except ValueError as error:
                problems.append(str(error).rstrip("."))
        return found, problems
    except OSError as error:
        return [], [f"cannot be read ({error.strerror or type(error).__name__})"]
    except ValueError as error:
        # Messages of deeper readers begin with the file's name.
        return [], [str(error).removeprefix(path.name).lstrip(": ").rstrip(".")]
    except Exception as error:
        # A damaged file may trip any library in any way; it must not end the import.
        return [], [f"cannot be read ({type(error).__name__})"]


# === Numbers, and what the file says of them ===


def read_numbers(path: Path, reading: Reading) -> list[ExportedMap]:
    """Numbers of every map of a file, each with what the file itself says of it.

    ValueError: the file as a whole holds no map.
    """
    kind = file_kind(path)
    if kind == "array":
        return _from_arrays(path, reading.profiles)
    if kind == "table":
        return _from_table(path, reading)
    # Only here, because they load pydicom and Pillow.
    from polarnet.readers.dicom import read_dicom
    from polarnet.readers.screens import NO_SCALE, read_picture

    if kind == "dicom":
        return read_apart(read_dicom, path, reading)
    if reading.screen is None:
        raise ValueError(NO_SCALE)
    _, map_type = name_tells(path, reading.screen)
    if not map_type:
        raise ValueError(NO_MAP_TYPE)
    return [read_apart(read_picture, path, map_type, reading)]


def _from_arrays(path: Path, profiles: Sequence[Profile]) -> list[ExportedMap]:
    """Arrays that are named after a map, or the only one."""
    arrays = read_arrays(path)
    # Pixel sizes, angles and limits stand beside the maps.
    arrays = {n: a for n, a in arrays.items() if a.size >= SMALLEST_DIVISION} or arrays
    headings = {name: _array_heading(name, profiles) for name in arrays}
    usable = {name: h for name, h in headings.items() if not h.other and not h.problem}
    if not usable:
        other = next((h.other for h in headings.values() if h.other), "several maps at once")
        raise ValueError(f"holds arrays of {other}, and none of flow")
    named = {name: h for name, h in usable.items() if h.map_type}
    if not named and len(usable) > 1:
        raise ValueError(f"holds {len(usable)} arrays, none named rest, stress or reserve")
    found = []
    for map_type in dict.fromkeys(h.map_type for h in (named or usable).values()):
        names = [name for name, h in usable.items() if h.map_type == map_type]
        flows = [name for name in names if usable[name].is_flow] if len(names) > 1 else names
        if len(flows) != 1:
            raise ValueError(f"holds {len(names)} arrays for {map_type}, and one is needed")
        values = arrays[flows[0]]
        stack = (
            f"is a stack of {_shape(values)}, whose order is not known: save each map as an array "
            "of its own, named rest, stress or reserve"
        )
        found.append(ExportedMap(values, map_type=map_type, problem=stack * (values.ndim > 2)))
    return found


def _array_heading(name: str, profiles: Sequence[Profile]) -> Heading:
    """What an array's name says by the words of the profiles: "MBF_rest", "result.stress"."""
    headings = [read_heading(name.replace(".", " "), profile) for profile in profiles]
    return next((h for h in headings if h.map_type), headings[0])


def _from_table(path: Path, reading: Reading) -> list[ExportedMap]:
    """A matrix, or a table of segments."""
    if path.suffix.lower() != ".xlsx" and (plain := read_plain_matrix(path)) is not None:
        values, note = without_counts(plain)
        return [ExportedMap(values, note=note)]
    sheet = read_sheet(path)
    tables = [p for p in reading.profiles if p.layout == "segments"]
    is_ragged = any(
        p.layout == "rings" and p.rings_are == "rows" and not p.sectors for p in reading.profiles
    )
    if (matrix := read_matrix(sheet, (tables or reading.profiles)[0], is_ragged)) is not None:
        return [matrix]
    if not tables:
        raise ValueError(odd_cell(sheet) or "holds no matrix of numbers")
    try:
        return read_segments(sheet, tables[0], reading.study_heading)
    except ValueError as error:
        # A matrix with a word in it; a table with headings has a reason of its own.
        where = "" if is_headed(sheet.rows[:SEARCHED], tables[0]) else odd_cell(sheet)
        raise ValueError(where or str(error)) from None


# === The map in the frame of polarnet ===


def _as_map(path: Path, numbers: ExportedMap, reading: Reading, is_one: bool) -> ExportedMap:
    """The map in our orientation and a cohort's unit, measured; sound, or ValueError."""
    if numbers.problem:
        raise ValueError(numbers.problem)
    profile = _fitting(numbers, reading.profiles)
    study, map_type = _named(path, numbers, profile, is_one)
    disc, shape = _on_disc(numbers.values, profile)
    low, high, mean = plausibility.range_of(disc)
    notes: list[str] = []
    if profile.layout == "square":
        is_image = numbers.source == "DICOM"
        notes += plausibility.doubts_of_square(numbers.values, disc, mean, is_image)
    if high - low <= 1e-9 * high:
        notes.append("all its values are the same")
    unit, factor, text, note = _unit(numbers.unit, map_type, reading.unit, profile)
    notes = [note, plausibility.check_range(factor * mean, factor * high, unit, map_type), *notes]
    lost, zeros = plausibility.lost_segments(_zeros(numbers.values, profile))
    return replace(
        numbers,
        study=study,
        map_type=map_type,
        values=(factor * disc).astype(np.float32),
        unit=unit,
        note="; ".join(filter(None, (*notes, numbers.note))),
        unit_in_file=text,
        shape=f"{shape}, {numbers.source}" if numbers.source else shape,
        profile=profile.name,
        low=factor * low,
        high=factor * high,
        mean=factor * mean,
        lowest_segment=factor * float(segment_means(disc).min()),
        top=max(float(np.nanmax(ring)) for ring in _rings(numbers.values)),
        lost=lost,
        zeros=zeros,
    )


def _fitting(numbers: ExportedMap, profiles: Sequence[Profile]) -> Profile:
    """First profile whose geometry the numbers have."""
    values = numbers.values
    is_screen = numbers.source == RECOVERED
    for profile in profiles:
        if (profile.layout == "screen") == is_screen and (is_screen or _fits(values, profile)):
            return profile
    if not isinstance(values, list) and values.size in (16, 20):
        in_order(values)
    choices = ", ".join(f"{p.name} ({p.layout})" for p in profiles)
    raise ValueError(
        f"is {_shape(values)}, which fits no profile in use: {choices}. Choose one by --profile"
    )


def _fits(values: Numbers, profile: Profile) -> bool:
    if isinstance(values, list):
        is_ragged = profile.layout == "rings" and profile.rings_are == "rows"
        return is_ragged and profile.rings in (0, len(values)) and not profile.sectors
    if profile.layout == "segments" or values.ndim != 2:
        return profile.layout == "segments" and values.size == 17
    n_rows, n_columns = values.shape if profile.rings_are == "rows" else values.shape[::-1]
    if profile.layout == "square":
        is_side = not profile.sides or n_rows in profile.sides
        return n_rows == n_columns and is_side and SMALLEST <= n_rows <= LARGEST
    is_ring = profile.rings in (0, n_rows) and profile.sectors in (0, n_columns)
    return is_ring and 2 <= n_rows <= LARGEST and 1 <= n_columns <= LARGEST


def _shape(values: Numbers) -> str:
    if isinstance(values, list):
        lengths = [len(row) for row in values]
        return f"{len(values)} rows of {min(lengths)} to {max(lengths)} values"
    return " x ".join(map(str, values.shape)) + (" values" if values.ndim == 1 else "")


def _named(path: Path, numbers: ExportedMap, profile: Profile, is_one: bool) -> tuple[str, str]:
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


def _on_disc(values: Numbers, profile: Profile) -> tuple[np.ndarray, str]:
    """Polar map in our orientation, and the shape it came from."""
    if profile.layout == "rings":
        if not isinstance(values, list):
            values = list(values if profile.rings_are == "rows" else values.T)
        return rings_to_disc(values, profile), f"{len(values)} rings"
    values = np.asarray(values)
    if profile.layout == "square":
        return square_to_disc(values, profile), _shape(values)
    if profile.layout == "screen":
        return upright(values, profile), "screen"
    values = in_order(values)
    if (values < 0).any():
        raise ValueError("has negative values")
    return segments_to_disc(values), "17 segments"


def _rings(values: Numbers) -> list[np.ndarray]:
    return values if isinstance(values, list) else [np.asarray(values)]


def _zeros(numbers: Numbers, profile: Profile) -> np.ndarray:
    """Where (size, size) the numbers are exactly 0. In the map drawn of them a lone 0 is a slope,
    and between segments of little flow there is a 0 that nobody wrote.
    """
    is_zero = [(np.asarray(ring) == 0).astype(float) for ring in _rings(numbers)]
    return _on_disc(is_zero if isinstance(numbers, list) else is_zero[0], profile)[0] >= 0.5


def _unit(
    in_file: str, map_type: str, stated: str, profile: Profile
) -> tuple[str, float, str, str]:
    """Unit of the cohort, the factor to it, the unit as written, and what is to be said of it."""
    if map_type == "reserve":
        if in_file not in ("", "1") and conversion(in_file)[0]:
            raise ValueError(
                f"is a reserve in {in_file[:20]}; a flow reserve is a ratio without unit"
            )
        return "", 1.0, "", ""
    # What the file itself says is nearest to the numbers; then the user, then the product.
    text = in_file or stated or profile.unit
    unit, factor = conversion(text)
    if not unit:
        met = f"its unit '{text}' is none of flow" if text else "its unit is not known"
        raise ValueError(f"{met}; state it by --unit (mL/min/g, or percent for relative counts)")
    if stated and conversion(stated)[0] != unit:
        raise ValueError(f"its unit is {text}, not {stated} as stated by --unit")
    is_other = bool(stated) and conversion(stated) != (unit, factor)
    note = f"the file says {text}, which was used instead of {stated} (--unit)" if is_other else ""
    return unit, factor, text, note
