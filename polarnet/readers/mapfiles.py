"""The polar maps of one export file: numbers, study, map type, unit and geometry."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.anatomy import disc_mask, segment_map, segment_means
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
    is_nearly_matrix,
    odd_cell,
    read_matrix,
    read_plain_matrix,
    read_sectors,
    without_counts,
)
from polarnet.readers.profiles import Profile, Reading
from polarnet.readers.segmenttables import SMALLEST_DIVISION, in_order, read_segments
from polarnet.readers.tables import read_sheet
from polarnet.readers.units import conversion

LARGEST: Final = 1024
"""Rows of a square map (our choice): no workstation exports more."""


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
    except MemoryError:
        return [], ["is too large for this machine's memory"]
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
    from polarnet.readers.pictures import NO_SCALE, read_picture

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
    named = {name: h.map_type for name, h in usable.items() if h.map_type}
    if not named:
        if len(usable) > 1:
            raise ValueError(f"holds {len(usable)} arrays, none named rest, stress or reserve")
        named = dict.fromkeys(usable, "")
    found = []
    for map_type in dict.fromkeys(named.values()):
        names = [name for name, named_type in named.items() if named_type == map_type]
        flows = [name for name in names if usable[name].is_flow] if len(names) > 1 else names
        if len(flows) != 1:
            raise ValueError(f"holds {len(names)} arrays for {map_type}, and one is needed")
        values = arrays[flows[0]]
        problem = ""
        if values.ndim > 2:
            shape = " x ".join(map(str, values.shape))
            problem = (
                f"is a stack of {shape}, whose order is not known: save each map as an array of "
                "its own, named rest, stress or reserve"
            )
        found.append(ExportedMap(values, map_type=map_type, problem=problem))
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
    if (rings := read_sectors(sheet, reading.profiles)) is not None:
        return [rings]
    if (matrix := read_matrix(sheet, (tables or reading.profiles)[0], is_ragged)) is not None:
        return [matrix]
    if not tables:
        raise ValueError(odd_cell(sheet) or "holds no matrix of numbers")
    try:
        return read_segments(sheet, tables[0], reading.study_heading)
    except ValueError as error:
        # A matrix with a word in it; a table with headings has a reason of its own.
        is_matrix = is_nearly_matrix(sheet) and not is_headed(sheet.rows[:SEARCHED], tables[0])
        raise ValueError((is_matrix and odd_cell(sheet)) or str(error)) from None


# === The map in the frame of polarnet ===


def _as_map(path: Path, numbers: ExportedMap, reading: Reading, is_one: bool) -> ExportedMap:
    """The map in our orientation and a cohort's unit, measured; sound, or ValueError."""
    if numbers.problem:
        raise ValueError(numbers.problem)
    profile = _fitting(numbers, reading.profiles)
    study, map_type = _named(path, numbers, profile, is_one)
    disc, shape = _on_disc(numbers.values, profile)
    is_square = profile.layout == "square"
    low, high, mean = plausibility.range_of(disc)
    if numbers.source == "DICOM":
        plausibility.check_image(np.asarray(numbers.values), disc, is_square)
    notes = (
        plausibility.doubts_of_square(np.asarray(numbers.values), disc, mean) if is_square else []
    )
    if high - low <= 1e-9 * high:
        notes.append("all its values are the same")
    unit, factor, text, note = _unit(numbers.unit, map_type, reading.unit, profile)
    notes = [note, plausibility.check_range(factor * mean, factor * high, unit, map_type), *notes]
    is_zero = _zeros(numbers.values, disc, profile)
    lost, zeros = plausibility.lost_segments(is_zero)
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


def _fits(numbers: ExportedMap, profile: Profile) -> bool:
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
