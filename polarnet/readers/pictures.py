"""Which maps does a DICOM image, or a picture of a screen, show? Runs in the process apart."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from polarnet.cohort import RECOVERED
from polarnet.readers.dicom.facts import identity, map_type_of, origin, series_keys
from polarnet.readers.dicom.file import (
    MAX_BYTES,
    MAX_VALUES,
    frame_shape,
    kind_of,
    read_frames,
    read_header,
    whole,
)
from polarnet.readers.dicom.numbers import numbers_of_frame
from polarnet.readers.exportedmap import ExportedMap, packed
from polarnet.readers.profiles import Reading
from polarnet.readers.screens import recover_map

NO_SCALE: Final = (
    "is a screen: numbers can be recovered from its colours only where you state what the ends of "
    "its colour bar mean, by --scale LOW,HIGH"
)
"""What is said of every screen that nobody states a scale for."""

MOST_FRAMES: Final = 8
"""More frames than this are slices or beats (our choice): a study has three maps."""


def read_dicom(path: Path, reading: Reading) -> bytes:
    """Maps of a DICOM file, packed.

    Raises
    ------
    ValueError: it holds none; says why.
    """
    header = read_header(path)
    n_frames, *_, n_samples = frame_shape(header)
    kind = kind_of(header)
    is_screen = n_samples == 3 or header.get("PhotometricInterpretation") == "PALETTE COLOR"
    if n_frames > 1 and (is_screen or kind in ("NM", "PT", "Secondary Capture")):
        raise ValueError(f"is a volume or a film of {n_frames} frames, not a polar map")
    if n_frames > MOST_FRAMES:
        raise ValueError(f"is a volume of {n_frames} frames, not a polar map")
    if is_screen and not reading.screen:
        raise ValueError(NO_SCALE)
    stored = read_frames(path, header)
    ids, source = identity(header), origin(header)
    listed = next((reading.series[k] for k in series_keys(header) if k in reading.series), "")
    if is_screen:
        picture = stored[0]
        if n_samples == 3 and picture.dtype != np.uint8:
            raise ValueError("is a screen with more than 8 bits a colour: export it with 8")
        if n_samples == 1:
            picture = _eight_bits(apply_color_lut(picture, header))
        map_type = _decided(map_type_of(header, 0, "", False, reading.words), listed, header)
        return packed([replace(_recovered(picture, map_type, reading), ids=ids, origin=source)])
    several = []
    for frame in range(n_frames):
        found = numbers_of_frame(header, stored[frame], frame, reading.unit)
        map_type = map_type_of(
            header, frame, found.words, found.is_reserve, reading.words, found.unit
        )
        map_type = _decided(map_type, listed, header) if n_frames == 1 else map_type
        if found.unit == "1" and map_type in ("rest", "stress"):
            raise ValueError(f"is described as {map_type}, but its numbers have no unit")
        if map_type == "reserve" and found.unit not in ("", "1"):
            raise ValueError(f"is described as reserve, but its numbers are {found.unit}")
        several.append(
            ExportedMap(
                found.values,
                map_type=map_type,
                unit="" if found.unit == "1" else found.unit,
                ids=ids,
                origin=source,
                source="DICOM",
                bits=0 if found.unit else _bits_of_picture(header, stored[frame]),
            )
        )
    types = [numbers.map_type for numbers in several]
    if n_frames > 1 and (len(set(types)) < n_frames or "" in types):
        raise ValueError(f"is a volume of {n_frames} frames, or does not say which is rest")
    return packed(several)


def read_picture(path: Path, map_type: str, reading: Reading) -> bytes:
    """The map on a screen shot (PNG or JPEG), packed.

    Raises
    ------
    ValueError: the picture is damaged or too large, or no map can be recovered from it.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES // 2**20} MB, too large for a screen")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                width, height = image.size
                if 3 * width * height > MAX_VALUES:
                    raise ValueError(f"has {width} x {height} pixels, too large for a screen")
                if getattr(image, "n_frames", 1) > 1:
                    raise ValueError("is a film, not a screen")
                picture = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        if str(error).startswith(("has ", "is ")):
            raise
        raise ValueError(f"is a damaged picture ({type(error).__name__})") from None
    return packed([_recovered(picture, map_type, reading)])


def _bits_of_picture(header: Dataset, stored: np.ndarray) -> int:
    """Bits of whole numbers, where they are 8 at most or the highest is all that they can hold."""
    if stored.dtype.kind not in "iu":
        return 0
    bits = whole(header.get("BitsStored"), "number of stored bits")
    highest = 2 ** (bits - (stored.dtype.kind == "i")) - 1
    return bits if bits <= 8 or int(stored.max()) == highest else 0


def _recovered(picture: np.ndarray, map_type: str, reading: Reading) -> ExportedMap:
    """The map on a screen; nothing else of the picture is kept, because it may name people."""
    screen = reading.screen
    scale = dict(screen.scale) if screen else {}
    if screen is None or map_type not in scale:
        raise ValueError(
            f"no scale is stated for {map_type} screens: state it in a profile, as "
            f"scale: {{{map_type}: [0, 5]}}"
        )
    low, high = scale[map_type]
    found = recover_map(
        picture, low=low, high=high, disc=screen.disc or None, bar=screen.bar or None
    )
    covered = f"{100 * found.filled:.1f} % of it was covered and is filled"
    way = f"{RECOVERED}, low end of the bar at its bottom or left"
    notes = "; ".join(part for part in (way, covered, found.note) if part)
    return ExportedMap(found.values, map_type=map_type, note=notes, source=RECOVERED)


def _decided(said: str, listed: str, header: Dataset) -> str:
    """Map type as the file says, else as the user's table of series; they never contradict."""
    number = str(header.get("SeriesNumber") or "none").strip()
    shown = number if number.isdigit() and len(number) <= 6 else "none"
    if said and listed and said != listed:
        raise ValueError(
            f"says that it is {said}, and --series that its series is {listed} (series number "
            f"{shown}): name the series by UID or description where numbers mean different things"
        )
    if not said and not listed:
        raise ValueError(
            f"does not say whether it is rest, stress or reserve (series number {shown}): list its "
            "series in a table, by --series"
        )
    return said or listed


def _eight_bits(colours: np.ndarray) -> np.ndarray:
    """Colours of a palette as 0 to 255; palettes have 8 or 16 bits."""
    return colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
