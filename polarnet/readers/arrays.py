"""What arrays does a file of numbers hold: .csv, .npy, .npz and .mat, fast where it is plain."""

import warnings
import zipfile
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from polarnet.readers.apart import read_apart

_LARGEST_PLAIN: Final = 16 * 2**20
"""Bytes of the largest text file taken in one go (our choice); larger ones go cell by cell."""

_MAY_BE_HALVES: Final = 2**20
"""Bytes up to which whole numbers between commas are looked at cell by cell (our choice)."""

MAX_ARRAY_BYTES: Final = 64 * 2**20
"""Largest array file, unpacked (our choice): a map of 512 x 512 has 2 MB."""

_HEADER_BYTES: Final = 64 * 1024
"""Most that the header of an array may have; NumPy itself refuses longer ones than 10,000."""

_REAL: Final = (
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32",
)  # fmt: skip
"""Kinds of MATLAB array that may be maps."""

_DEEPEST: Final = 5
"""Structures within structures that are looked into (our choice)."""

_PLAIN: Final = b"0123456789eE+-.,;\t \r\n"
"""All that a text file of numbers holds."""

_DELIMITERS: Final = (b"\t", b";", b",")


def read_plain_matrix(path: Path) -> np.ndarray | None:
    """Matrix of a text file that holds numbers and nothing else, or None for any other file.

    Returns
    -------
    float64 array (rows, columns), or None: letters, an encoding other than ASCII, rows of
    different length, or separators that could also be decimal commas.
    """
    if path.stat().st_size > _LARGEST_PLAIN:
        return None
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").strip(b"\r\n")
    if not data or data.translate(None, _PLAIN):
        return None
    delimiter = next((d for d in _DELIMITERS if d in data), b" ")
    if delimiter != b"," and b"," in data:
        data = data.replace(b",", b".") if b"." not in data else b""
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if delimiter == b" ":
        lines = [b" ".join(line.split()) for line in lines]
    counts = {line.count(delimiter) for line in lines if line}
    if len(counts) != 1 or (delimiter == b"," and b"." not in data and len(data) < _MAY_BE_HALVES):
        return None
    # A cell for every separator: an empty one is no number.
    cells = delimiter.join(line for line in lines if line).split(delimiter)
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return values.reshape(-1, counts.pop() + 1) if np.isfinite(values).all() else None


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npy, .npz or .mat file by name ("" for the only one of an .npy).

    Raises
    ------
    ValueError: the file is damaged or too large, or holds something else than real numbers.
    """
    readers = {".npy": _read_npy, ".npz": _read_npz, ".mat": _read_mat}
    try:
        arrays = readers[path.suffix.lower()](path)
    except Exception as error:  # a damaged file may trip any library in any way
        known = str(error) if isinstance(error, ValueError) and str(error)[:4] == "has " else ""
        kind = path.suffix.lower()
        raise ValueError(known or f"is not a readable {kind} file") from None
    numeric = {name: values for name, values in arrays.items() if values.dtype.kind in "fiu"}
    if not numeric:
        raise ValueError("holds no array of real numbers")
    return {
        name: np.atleast_1d(np.squeeze(values)).astype(float) for name, values in numeric.items()
    }


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        data = file.read(MAX_ARRAY_BYTES + _HEADER_BYTES)
    shape, is_fortran, dtype, start = _read_header(data[:_HEADER_BYTES])
    # One byte more or less within it, and every value behind is another one.
    lacking = start + int(np.prod(shape, dtype=object)) * dtype.itemsize - path.stat().st_size
    if lacking:
        told = f"{abs(lacking)} bytes {'fewer' if lacking > 0 else 'more'}"
        raise ValueError(f"has {told} than its array of {' x '.join(map(str, shape))} takes")
    values = np.frombuffer(data, dtype, int(np.prod(shape, dtype=object)), start)
    return {"": values.reshape(shape, order="F" if is_fortran else "C")}


def _read_header(data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, order and type of an array that fits, and where in the file it begins."""
    shape, is_fortran, dtype, start = _parse_header(data[: _header_end(data)])
    if any(n < 0 for n in shape):
        raise ValueError("has an array of a negative size")
    if dtype.hasobject:
        raise ValueError("has Python objects in it, which are never loaded")
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > MAX_ARRAY_BYTES:
        raise ValueError(f"has an array of {' x '.join(map(str, shape))}, too large for a map")
    return shape, is_fortran, dtype, start


def _header_end(data: bytes) -> int:
    """Byte where the header ends: its length stands behind magic word and version."""
    version, _ = np.lib.format.read_magic(BytesIO(data))
    length = slice(8, 10) if version == 1 else slice(8, 12)
    return length.stop + int.from_bytes(data[length], "little")


@lru_cache(maxsize=64)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """NumPy's own reading of a header, which takes longer than reading the map.

    Kept, because the files of one export have the same header.
    """
    file = BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    with warnings.catch_warnings():
        # NumPy warns of headers that Python 2 wrote, which it reads all the same.
        warnings.simplefilter("ignore")
        shape, is_fortran, dtype = read(file)
    return shape, is_fortran, dtype, file.tell()


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_ARRAY_BYTES:
            raise ValueError(f"has more than {MAX_ARRAY_BYTES // 2**20} MB unpacked")
    with np.load(path, allow_pickle=False) as archive:
        # Whatever else is packed with them comes as bytes.
        arrays = {name: archive[name] for name in archive.files}
        return {name: a for name, a in arrays.items() if isinstance(a, np.ndarray)}


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    if path.stat().st_size > MAX_ARRAY_BYTES:
        raise ValueError(f"has more than {MAX_ARRAY_BYTES // 2**20} MB")
    with path.open("rb") as file:
        start = file.read(128)
    if start[:10] == b"MATLAB 7.3" or start[:8] == b"\x89HDF\r\n\x1a\n":
        raise ValueError("has the format of MATLAB 7.3; save it by save(..., '-v7')")
    with np.load(BytesIO(read_apart(_mat_as_npz, path)), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _mat_as_npz(path: Path) -> bytes:
    """In the other process: the numeric arrays of a .mat file as .npz."""
    import scipy.io  # no other reader needs it, and it takes a quarter of a second

    fits = {
        name: kind
        for name, shape, kind in scipy.io.whosmat(path)
        if (kind in _REAL or kind == "struct")
        and int(np.prod(shape, dtype=object)) * 8 <= MAX_ARRAY_BYTES
    }
    found = (
        scipy.io.loadmat(path, variable_names=list(fits), struct_as_record=False) if fits else {}
    )
    named: dict[str, Any] = {}
    for name, kind in fits.items():
        named |= _within(name, found[name]) if kind == "struct" else {name: found[name]}
    if sum(values.nbytes for values in named.values()) > MAX_ARRAY_BYTES:
        raise ValueError(f"has more than {MAX_ARRAY_BYTES // 2**20} MB unpacked")
    archive = BytesIO()
    np.savez(archive, **named)
    return archive.getvalue()


def _within(name: str, values: Any, depth: int = 0) -> dict[str, np.ndarray]:
    """Numeric arrays within a structure, and within those in it, by "outer.inner"."""
    if not isinstance(values, np.ndarray):
        return {}
    if values.dtype.hasobject and values.size == 1 and depth < _DEEPEST:
        values = values.item()
        found: dict[str, np.ndarray] = {}
        for field in getattr(values, "_fieldnames", []):
            found |= _within(f"{name}.{field}", getattr(values, field), depth + 1)
        return found
    return {name: values} if values.dtype.kind in "fiu" and values.size else {}
