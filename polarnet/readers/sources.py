"""Which numbers does one export file hold, whatever its format?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from polarnet.readers.apart import read_apart
from polarnet.readers.arrays import read_arrays, read_plain_matrix
from polarnet.readers.beginnings import disguise, is_dicom
from polarnet.readers.filenames import NO_MAP_TYPE, name_tells
from polarnet.readers.headings import Heading, is_headed, read_heading
from polarnet.readers.matrices import (
    SEARCHED,
    is_nearly_matrix,
    odd_cell,
    read_matrix,
    without_counts,
)
from polarnet.readers.numbers import Asked, Numbers, unpacked
from polarnet.readers.profiles import Profile
from polarnet.readers.sectors import read_sectors
from polarnet.readers.segments.cells import SMALLEST_DIVISION
from polarnet.readers.segments.table import read_segments
from polarnet.readers.tables import read_sheet

ARRAY_FILES: Final = (".npy", ".npz", ".mat")
TABLE_FILES: Final = (".csv", ".tsv", ".txt", ".dat", ".asc", ".xlsx")
PICTURE_FILES: Final = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Reading:
    """How files are to be read.

    Attributes
    ----------
    profiles
        Tried in order; the first whose geometry fits is used.
    unit
        As stated by the user; "" where file or profile say it.
    study_heading
        Of the column with the study, in tables with a row a study.
    series
        UID, number or description of a DICOM series, in small letters -> map type.
    """

    profiles: tuple[Profile, ...]
    unit: str = ""
    study_heading: str = ""
    series: Mapping[str, str] = field(default_factory=dict)


def read_numbers(path: Path, reading: Reading) -> list[Numbers]:
    """Numbers of every map of a file, each with what the file itself says of it.

    Raises
    ------
    ValueError: the file as a whole holds no map; no message repeats the name of the file.
    """
    kind = path.suffix.lower()
    if kind in ARRAY_FILES:
        return _from_arrays(path, reading.profiles)
    if kind in TABLE_FILES and not is_dicom(path):
        if kind != ".xlsx" and (what := disguise(path)):
            raise ValueError(what)
        return _from_table(path, reading)
    # Only here, because they load pydicom, Pillow and SciPy.
    from polarnet.readers.pictures import NO_SCALE, read_dicom, read_picture

    asked = _asked(reading)
    if kind in PICTURE_FILES:
        if not asked.scale:
            raise ValueError(NO_SCALE)
        screen = next(p for p in reading.profiles if p.layout == "screen")
        _, map_type = name_tells(path, screen)
        if not map_type:
            raise ValueError(NO_MAP_TYPE)
        return unpacked(read_apart(read_picture, path, map_type, asked))
    return unpacked(read_apart(read_dicom, path, asked))


def _asked(reading: Reading) -> Asked:
    """What the process apart needs to know of it."""
    words: dict[str, tuple[str, ...]] = {}
    for profile in reading.profiles:
        for map_type, some in profile.map_words:
            # In a series description MPR is a way to cut a volume.
            words[map_type] = (*words.get(map_type, ()), *(word for word in some if word != "mpr"))
    screen = next((p for p in reading.profiles if p.layout == "screen"), None)
    return Asked(
        unit=reading.unit,
        words=words,
        series=reading.series,
        scale=dict(screen.scale) if screen else {},
        disc=screen.disc or None if screen else None,
        bar=screen.bar or None if screen else None,
    )


def _from_arrays(path: Path, profiles: Sequence[Profile]) -> list[Numbers]:
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
        found.append(Numbers(values, map_type=map_type, problem=problem))
    return found


def _array_heading(name: str, profiles: Sequence[Profile]) -> Heading:
    """What an array's name says by the words of the profiles: "MBF_rest", "result.stress"."""
    headings = [read_heading(name.replace(".", " "), profile) for profile in profiles]
    return next((h for h in headings if h.map_type), headings[0])


def _from_table(path: Path, reading: Reading) -> list[Numbers]:
    """A matrix, or a table of segments."""
    if path.suffix.lower() != ".xlsx" and (plain := read_plain_matrix(path)) is not None:
        values, note = without_counts(plain)
        return [Numbers(values, note=note)]
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
        segments = read_segments(sheet, tables[0], reading.study_heading)
    except ValueError as error:
        # A matrix with a word in it; a table with headings has a reason of its own.
        is_matrix = is_nearly_matrix(sheet) and not is_headed(sheet.rows[:SEARCHED], tables[0])
        raise ValueError((is_matrix and odd_cell(sheet)) or str(error)) from None
    return [
        Numbers(
            s.values, s.study, s.map_type, s.unit, s.problem,
            "; ".join(filter(None, (sheet.note, s.note))),
        )
        for s in segments
    ]  # fmt: skip
