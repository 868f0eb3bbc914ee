"""What does a DICOM file say, once nothing in it can do harm? Runs in the process apart."""

import math
import struct
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from polarnet.readers.filenames import lacks_preamble

MAX_BYTES: Final = 64 * 2**20
"""Largest file (our choice): a polar map of 512 x 512 in three frames of 64 bits has 6 MB."""

MAX_VALUES: Final = 16 * 2**20
"""Most values of all frames (our choice): a screen of 2,048 x 2,048 in colour has 12 million."""

MAPS: Final = {
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "Enhanced PT",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.30": "Parametric Map",
    "1.2.840.10008.5.1.4.1.1.7": "Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.2": "Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.3": "Secondary Capture",
    "1.2.840.10008.5.1.4.1.1.7.4": "Secondary Capture",
}
"""SOP classes that can hold a polar map (PS3.4, table B.5-1)."""

_DEFLATED: Final = (
    "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205",
    "1.2.840.10008.1.2.8.1",
)  # fmt: skip
"""Explicit VR, JPIP twice, single frames: they unpack to any size."""

_FAILURES: Final = (
    InvalidDicomError, AttributeError, ValueError, NotImplementedError, RuntimeError, TypeError,
    KeyError, IndexError, EOFError, OSError, OverflowError, ArithmeticError, zlib.error,
    struct.error, RecursionError, AssertionError, Warning,
)  # fmt: skip
"""What pydicom 3.0.2 and its decoders were seen to raise on damaged files, and their like."""


def read_header(path: Path) -> Dataset:
    """Everything but the pixels, of a file that may hold a polar map.

    Raises
    ------
    ValueError: the file is too large, damaged, deflated, or of a kind that holds no polar map.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"has more than {MAX_BYTES // 2**20} MB, too large for a polar map")
    try:
        # Group 2 alone: a deflated file is never begun.
        meta = _file_elements(path)
        syntax = UID(str(meta.get("TransferSyntaxUID", "")))
        if syntax in _DEFLATED:
            raise ValueError("has a deflated transfer syntax; export it without compression")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(_in_memory(path), stop_before_pixels=True)
            kind = _sop_class(header)
    except _FAILURES as error:
        raise _refused(error, "is a damaged DICOM file") from None
    if kind not in MAPS:
        known = UID(kind).name if UID(kind).is_valid and UID(kind).name != kind else ""
        what = known.removesuffix(" Storage") or ("of a private kind" if kind else "of no kind")
        raise ValueError(f"is DICOM, {what}: not one of the kinds that hold a polar map")
    try:
        _check_size(header)
        _check_series(header)
    except _FAILURES as error:
        raise _refused(error, "has a damaged header") from None
    return header


def kind_of(header: Dataset) -> str:
    """Our word for the kind of an image that `read_header` has let through."""
    return MAPS[_sop_class(header)]


def _sop_class(header: Dataset) -> str:
    """As the image says, or, where its header is cut short, the file."""
    return str(header.get("SOPClassUID", "") or header.file_meta.get("MediaStorageSOPClassUID", ""))


def read_frames(path: Path, header: Dataset) -> np.ndarray:
    """Stored values, (frames, rows, columns) or, in colour, (frames, rows, columns, 3).

    Raises
    ------
    ValueError: the pixels are missing, cut short, damaged, or compressed in a way that no
        installed package decodes.
    """
    n_frames, n_rows, n_columns, n_samples = frame_shape(header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(_in_memory(path))
            _check_pixels(dataset, n_frames * n_rows * n_columns * n_samples)
            # Where pixels are damaged, decoders warn at best, and hand out what they have.
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message=".*Number of Frames.*")
            values = dataset.pixel_array
    except _FAILURES as error:
        name = UID(str(header.file_meta.get("TransferSyntaxUID", ""))).name
        if "missing dependencies" in str(error):
            raise ValueError(
                f"is compressed ({name}): install what decodes it, pip install polarnet[dicom]"
            ) from None
        if "available plugins" in str(error):
            raise ValueError(
                f"has damaged pixels, or such as no installed package decodes ({name})"
            ) from None
        raise _refused(error, "has damaged or missing pixels") from None
    shape = (n_frames, n_rows, n_columns, *([n_samples] if n_samples > 1 else []))
    if values.size != math.prod(shape):
        raise ValueError("has pixels of another size than its header says")
    return values.reshape(shape)


def _file_elements(path: Path) -> Dataset:
    """Group 2, whether there is a preamble before it or not."""
    if not lacks_preamble(path):
        return pydicom.filereader.read_file_meta_info(path)
    return pydicom.filereader.read_dataset(
        BytesIO(path.read_bytes()),
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, vr, length: tag >> 16 != 2,
    )


def _in_memory(path: Path) -> BytesIO:
    """The file in memory, with a preamble.

    Where an element says that it has 4 GB, no more than there is is read.
    """
    preamble = bytes(128) + b"DICM" if lacks_preamble(path) else b""
    return BytesIO(preamble + path.read_bytes())


def frame_shape(header: Dataset) -> tuple[int, int, int, int]:
    """Frames, rows, columns and samples (1, or 3 in colour) as the header says."""
    return (
        max(whole(header.get("NumberOfFrames", 1), "number of frames"), 1),
        whole(header.get("Rows"), "number of rows"),
        whole(header.get("Columns"), "number of columns"),
        whole(header.get("SamplesPerPixel", 1), "number of samples"),
    )


def finite(value: Any, what: str) -> float:
    """A number of the header, which pydicom may hand out as text.

    Raises
    ------
    ValueError: it is none, or not finite.
    """
    text = str(value).strip()
    try:
        # Python would read 1_0 as 10.
        number = math.nan if "_" in text else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"has a {what} that is no number")
    return number


def whole(value: Any, what: str) -> int:
    """A whole number of the header, not negative.

    Raises
    ------
    ValueError: it is none.
    """
    if value is None or value == "":
        raise ValueError(f"has no {what}: its header is cut short, or it is no image")
    number = finite(value, what)
    if number < 0 or not number.is_integer():
        raise ValueError(f"has a {what} that cannot be")
    return int(number)


def _check_series(header: Dataset) -> None:
    """Raise ValueError for a slice or a beat: of a polar map there is one (PS3.3, C.8.9.1)."""
    n_slices = header.get("NumberOfSlices")
    is_single = frame_shape(header)[0] == 1
    if is_single and n_slices not in (None, "") and whole(n_slices, "number of slices") > 1:
        raise ValueError(f"is one of {n_slices} slices of a volume, not a polar map")
    series_type = str((header.get("SeriesType") or [""])[0]).upper()
    if series_type in ("DYNAMIC", "GATED", "WHOLE BODY"):
        raise ValueError(f"is of a {series_type.lower()} series, not a polar map")


def _check_size(header: Dataset) -> None:
    """Raise ValueError before anything is unpacked that could not be a map or a screen."""
    shape = frame_shape(header)
    if shape[3] not in (1, 3):
        raise ValueError(f"has {shape[3]} samples a pixel, expected 1 or 3")
    if 0 in shape:
        raise ValueError("has no pixels")
    if math.prod(shape) > MAX_VALUES:
        told = f"{shape[0]} frames of {shape[1]} x {shape[2]}"
        raise ValueError(f"has {told}, too large for a polar map")


def _check_pixels(dataset: Dataset, n_values: int) -> None:
    """Raise ValueError where the file holds fewer bytes than it says, or a larger picture."""
    keyword = next(
        (k for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if k in dataset), ""
    )
    if not keyword:
        raise ValueError("has no pixels")
    raw = dataset.get_item(keyword)
    data = raw.value or b""
    # 0xFFFFFFFF is no length: the pixels come in fragments.
    length = getattr(raw, "length", len(data))
    if length != 0xFFFFFFFF and length != len(data):
        raise ValueError("is cut short: it has fewer pixels than it says")
    syntax = UID(dataset.file_meta.TransferSyntaxUID)
    if not syntax.is_compressed:
        bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword)
        expected = n_values * (bits or whole(dataset.get("BitsAllocated"), "number of bits")) // 8
        if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
            expected = expected * 2 // 3  # two pixels share their colour (PS3.3, C.7.6.3.1.2)
        if len(data) < expected:
            raise ValueError("is cut short: it has fewer pixels than it says")
    elif sizes := _codestream_sizes(data):
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        if any(size != (rows, columns) for size in sizes):
            raise ValueError("has pixels of another size than its header says")


def _codestream_sizes(data: bytes) -> set[tuple[int, int]]:
    """Rows and columns that compressed frames themselves state: JPEG, JPEG-LS and JPEG 2000.

    Decoders allocate what these say, whatever the header of the file says.
    """
    sizes = set()
    # JPEG 2000: SIZ behind SOC, width and height less the offsets (ISO 15444-1, A.5.1).
    start = data.find(b"\xff\x4f\xff\x51")
    while start >= 0:
        if len(found := data[start + 8 : start + 24]) == 16:
            x1, y1, x0, y0 = struct.unpack(">4I", found)
            sizes.add((y1 - y0, x1 - x0))
        start = data.find(b"\xff\x4f\xff\x51", start + 4)
    # JPEG and JPEG-LS: markers from SOI on, until a frame header (ISO 10918-1, B.2.2; 14495-1).
    start = data.find(b"\xff\xd8\xff")
    while start >= 0:
        place = start + 2
        while place + 9 <= len(data) and data[place] == 0xFF:
            marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
            if marker in _FRAME_HEADERS:
                rows, columns = struct.unpack(">2H", data[place + 5 : place + 9])
                sizes.add((rows, columns))
                break
            if marker == 0xDA or length < 2:
                break
            place += 2 + length
        start = data.find(b"\xff\xd8\xff", max(place, start + 3))
    return sizes


_FRAME_HEADERS: Final = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), 0xCD, 0xCE,
                         0xCF, 0xF7)  # fmt: skip
"""Markers SOF0 to SOF15, which are not DHT, JPG or DAC, and SOF55 of JPEG-LS."""


def _refused(error: Exception, otherwise: str) -> ValueError:
    """Our own error as it is; of any other only its kind, because texts may repeat the header."""
    ours = isinstance(error, ValueError) and str(error).startswith(("has ", "is "))
    return ValueError(str(error) if ours else f"{otherwise} ({type(error).__name__})")
