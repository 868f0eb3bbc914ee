"""The polar map on a picture of a screen: PNG, JPEG, or what a DICOM file shows.

Runs in the process apart.
"""

import warnings
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from polarnet.cohort import RECOVERED
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.profiles import Reading

NO_SCALE: Final = (
    "is a screen: numbers can be recovered from its colours only where you state what the ends of "
    "its colour bar mean, by --scale LOW,HIGH"
)
"""What is said of every screen that nobody states a scale for."""

_MAX_BYTES: Final = 64 * 2**20
"""Largest picture file (our choice)."""

_MAX_PIXELS: Final = 16 * 2**20 // 3
"""Most pixels of a screen (our choice): one of 2,048 x 2,048 has 4 million."""


def read_picture(path: Path, map_type: str, reading: Reading) -> ExportedMap:
    """The map on a screen shot (PNG or JPEG).

    Raises
    ------
    ValueError: the picture is damaged or too large, or no map can be recovered from it.
    """
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"has more than {_MAX_BYTES // 2**20} MB, too large for a screen")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                width, height = image.size
                if width * height > _MAX_PIXELS:
                    raise ValueError(f"has {width} x {height} pixels, too large for a screen")
                if getattr(image, "n_frames", 1) > 1:
                    raise ValueError("is a film, not a screen")
                picture = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        if str(error).startswith(("has ", "is ")):
            raise
        raise ValueError(f"is a damaged picture ({type(error).__name__})") from None
    return recovered(picture, map_type, reading)


def recovered(picture: np.ndarray, map_type: str, reading: Reading) -> ExportedMap:
    """The map on a screen; nothing else of the picture is kept, because it may name people.

    Parameters
    ----------
    picture
        (rows, columns, 3) uint8.

    Raises
    ------
    ValueError: scikit-image is not installed, no scale is stated, or no map can be recovered.
    """
    try:
        from polarnet.readers.screens import recover_map
    except ModuleNotFoundError:
        raise ValueError(
            "is a screen, which needs scikit-image: pip install polarnet[screens]"
        ) from None
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
    note = "; ".join(part for part in (way, covered, found.note) if part)
    return ExportedMap(found.values.astype(float), map_type=map_type, note=note, source=RECOVERED)
