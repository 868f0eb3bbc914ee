"""A DICOM file as a dataset and its frames, once nothing in it can do harm.

Runs in the process apart.
"""

import math
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from pydicom import uid
from pydicom.dataset import Dataset

# Largest file (our choice): a polar map of 512 x 512 in three frames of 64 bits has 6 MB
MAX_BYTES: Final = 64 * 2**20
# Most values of all frames (our choice): a screen of 2,048 x 2,048 in colour has 12 million
MAX_VALUES: Final = 16 * 2**20
# More frames than this are slices or beats (our choice): a study has three maps
MOST_FRAMES: Final = 8
_KINDS: Final = (
    uid.ParametricMapStorage,
    uid.PositronEmissionTomographyImageStorage,
    uid.NuclearMedicineImageStorage,
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
)
"""SOP classes that can hold a polar map (PS3.4, table B.5-1). The frames of the first can be one
each; those of the others are slices or a film."""

# Transfer syntax that unpacks to any size and is newer than pydicom's list
_DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"
_UNDEFINED: Final = 0xFFFFFFFF  # Length of an element that comes in fragments
_STATED_SIZES: Final = re.compile(
    rb"\xff\x4f\xff\x51.{4}(.{16})"
    rb"|\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf\xf7]\x00[\x0b\x0e\x11\x14].(.{4})",
    re.DOTALL,
)
"""Where compressed frames state their size: SIZ of JPEG 2000 (ISO 15444-1, A.5.1), and the frame
headers SOF of JPEG and JPEG-LS with 1 to 4 components (ISO 10918-1, B.2.2; 14495-1)."""


def read_dataset(path: Path) -> Dataset:
    """A file that may hold polar maps, its pixels not yet unpacked.

    ValueError: the file is too large, damaged, deflated, or of a kind that holds no polar map.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES // 2**20} MB, too large for a polar map")
    # In memory, where an element that says it has 4 GB gets no more than there is.
    data = path.read_bytes()
    with _said_as("is a damaged DICOM file"):
        # Group 2 alone: a deflated file is never begun.
        meta = pydicom.filereader.read_dataset(
            BytesIO(data[132:]), False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2
        )
        syntax = uid.UID(str(meta.get("TransferSyntaxUID", "")))
        if "Deflate" in syntax.name or syntax == _DEFLATED_FRAMES:
            raise ValueError("has a deflated transfer syntax; export it without compression")
        dataset = pydicom.dcmread(BytesIO(data))
        stated = dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID")
        kind = uid.UID(str(stated or ""))
    if kind not in _KINDS:
        name = kind.name.removesuffix(" Storage")
        what = name if name != kind else "of a private kind" if kind else "of no kind"
        raise ValueError(f"is DICOM, {what}: not one of the kinds that hold a polar map")
    with _said_as("has a damaged header"):
        _check_header(dataset, kind)
    return dataset


def is_screen(dataset: Dataset) -> bool:
    """Whether an image is in colour."""
    is_palette = dataset.get("PhotometricInterpretation") == "PALETTE COLOR"
    return is_palette or _shape(dataset)[3] == 3


def read_frames(dataset: Dataset) -> np.ndarray:
    """Stored values, (frames, rows, columns) or, in colour, (frames, rows, columns, 3).

    ValueError: the pixels are missing, cut short, damaged, or compressed in a way that no installed
    package decodes.
    """
    n_frames, n_rows, n_columns, n_samples = _shape(dataset)
    shape = (n_frames, n_rows, n_columns, *([n_samples] if n_samples > 1 else []))
    with _said_as("has damaged or missing pixels"):
        _check_pixels(dataset, math.prod(shape))
        # Where pixels are damaged, decoders warn at best, and hand out what they have.
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*Number of Frames.*")
        try:
            values = dataset.pixel_array
        except RuntimeError as error:
            syntax = uid.UID(str(dataset.file_meta.get("TransferSyntaxUID", ""))).name
            if "missing dependencies" in str(error):
                raise ValueError(
                    f"is compressed ({syntax}): install what decodes it, "
                    "pip install polarnet[dicom]"
                ) from None
            if "available plugins" in str(error):
                raise ValueError(
                    f"has damaged pixels, or such as no installed package decodes ({syntax})"
                ) from None
            raise
    if values.size != math.prod(shape):
        raise ValueError("has pixels of another size than its header says")
    return values.reshape(shape)


def finite(value: Any, what: str) -> float:
    """A number of the header, which pydicom may hand out as text; ValueError: it is none."""
    try:
        # Python would read 1_0 as 10.
        number = float(str(value).strip().replace("_", "?"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"has a {what} that is no number")
    return number


def whole(value: Any, what: str) -> int:
    """A whole number of the header, not negative; ValueError: it is none."""
    if value is None or value == "":
        raise ValueError(f"has no {what}: its header is cut short, or it is no image")
    number = finite(value, what)
    if number < 0 or not number.is_integer():
        raise ValueError(f"has a {what} that cannot be")
    return int(number)


def _shape(dataset: Dataset) -> tuple[int, int, int, int]:
    """Frames, rows, columns and samples (1, or 3 in colour) as the header says."""
    return (
        max(whole(dataset.get("NumberOfFrames", 1), "number of frames"), 1),
        whole(dataset.get("Rows"), "number of rows"),
        whole(dataset.get("Columns"), "number of columns"),
        whole(dataset.get("SamplesPerPixel", 1), "number of samples"),
    )


@contextmanager
def _said_as(otherwise: str) -> Iterator[None]:
    """Errors of libraries by their kind alone, because their texts may repeat the header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except MemoryError:
        raise
    except Exception as error:  # a damaged file may trip any library in any way
        if isinstance(error, ValueError) and str(error).startswith(("has ", "is ")):
            raise
        raise ValueError(f"{otherwise} ({type(error).__name__})") from None


def _check_header(dataset: Dataset, kind: str) -> None:
    """Raise ValueError for what is no polar map, before anything is unpacked."""
    shape = n_frames, n_rows, n_columns, n_samples = _shape(dataset)
    if n_samples not in (1, 3):
        raise ValueError(f"has {n_samples} samples a pixel, expected 1 or 3")
    if 0 in shape:
        raise ValueError("has no pixels")
    if math.prod(shape) > MAX_VALUES:
        told = f"{n_frames} frames of {n_rows} x {n_columns}"
        raise ValueError(f"has {told}, too large for a polar map")
    # A slice or a beat: of a polar map there is one (PS3.3, C.8.9.1).
    n_slices = dataset.get("NumberOfSlices")
    if n_frames == 1 and n_slices not in (None, "") and whole(n_slices, "number of slices") > 1:
        raise ValueError(f"is one of {n_slices} slices of a volume, not a polar map")
    series_type = str((dataset.get("SeriesType") or [""])[0]).upper()
    if series_type in ("DYNAMIC", "GATED", "WHOLE BODY"):
        raise ValueError(f"is of a {series_type.lower()} series, not a polar map")
    if n_frames > (MOST_FRAMES if kind == _KINDS[0] and not is_screen(dataset) else 1):
        raise ValueError(f"is a volume or a film of {n_frames} frames, not a polar map")


def _check_pixels(dataset: Dataset, n_values: int) -> None:
    """Raise ValueError where the file holds fewer bytes than it says, or a larger picture."""
    bits_of = {"PixelData": 0, "FloatPixelData": 32, "DoubleFloatPixelData": 64}
    keyword = next((keyword for keyword in bits_of if keyword in dataset), "")
    if not keyword:
        raise ValueError("has no pixels")
    raw = dataset.get_item(keyword)
    data = raw.value or b""
    length = getattr(raw, "length", len(data))
    syntax = uid.UID(dataset.file_meta.TransferSyntaxUID)
    expected = 0
    if not syntax.is_compressed:
        bits = bits_of[keyword] or whole(dataset.get("BitsAllocated"), "number of bits")
        expected = n_values * bits // 8
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            expected = expected * 2 // 3  # two pixels share their colour (PS3.3, C.7.6.3.1.2)
    if length not in (_UNDEFINED, len(data)) or len(data) < expected:
        raise ValueError("is cut short: it has fewer pixels than it says")
    if not syntax.is_compressed or syntax == uid.RLELossless:
        return
    # Decoders allocate what a frame itself states, whatever the header of the file says.
    for jpeg_2000, jpeg in _STATED_SIZES.findall(data):
        right, lower, left, upper = struct.unpack(">4I", jpeg_2000) if jpeg_2000 else (0, 0, 0, 0)
        size = (lower - upper, right - left) if jpeg_2000 else struct.unpack(">2H", jpeg)
        if size != (dataset.Rows, dataset.Columns):
            raise ValueError("has pixels of another size than its header says")
