"""The arrays of an .npy, .npz or .mat file."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from polarnet.readers.apart import read_apart

# Largest array file, unpacked (our choice): a map of 512 x 512 has 2 MB
MAX_ARRAY_BYTES: Final = 64 * 2**20
_TOO_LARGE: Final = f"has more than {MAX_ARRAY_BYTES // 2**20} MB"

_REAL: Final = (
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32",
)  # fmt: skip
"""Kinds of MATLAB array that may be maps."""

_DEEPEST: Final = 5  # Structures within structures that are looked into (our choice)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npy, .npz or .mat file by name ("" for the only one of an .npy).

    ValueError: the file is damaged or too large, or holds something else than real numbers.
    """
    kind = path.suffix.lower()
    try:
        arrays = {".npy": _read_npy, ".npz": _read_npz, ".mat": _read_mat}[kind](path)
    except Exception as error:  # a damaged file may trip any library in any way
        told = f"is not a readable {kind} file"
        if "Python objects" in str(error):
            told = "has Python objects in it, which are never loaded"
        elif isinstance(error, ValueError) and str(error).startswith("has "):
            told = str(error)
        raise ValueError(told) from None
    numeric = {name: values for name, values in arrays.items() if values.dtype.kind in "fiu"}
    if not numeric:
        raise ValueError("holds no array of real numbers")
    return {name: np.array(np.atleast_1d(np.squeeze(a)), float) for name, a in numeric.items()}


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy reads headers that Python 2 wrote, and warns
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    if values.nbytes > MAX_ARRAY_BYTES:
        raise ValueError(_TOO_LARGE)
    # One byte more within it, and every value behind is another one.
    if path.stat().st_size > values.offset + values.nbytes:
        raise ValueError("has more bytes than its array takes")
    return {"": values}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_ARRAY_BYTES:
            raise ValueError(f"{_TOO_LARGE} unpacked")
    with np.load(path, allow_pickle=False) as archive:
        # Whatever else is packed with them comes as bytes.
        arrays = {name: archive[name] for name in archive.files}
        return {name: a for name, a in arrays.items() if isinstance(a, np.ndarray)}


def _read_mat(path: Path) -> dict[str, np.ndarray]:
    if path.stat().st_size > MAX_ARRAY_BYTES:
        raise ValueError(_TOO_LARGE)
    with path.open("rb") as file:
        start = file.read(128)
    if start[:10] == b"MATLAB 7.3" or start[:8] == b"\x89HDF\r\n\x1a\n":
        raise ValueError("has the format of MATLAB 7.3; save it by save(..., '-v7')")
    return read_apart(_numbers_of_mat, path)


def _numbers_of_mat(path: Path) -> dict[str, np.ndarray]:
    """In the other process: the numeric arrays of a .mat file."""
    import scipy.io  # no other reader needs it, and it takes a quarter of a second

    fits = [
        name
        for name, shape, kind in scipy.io.whosmat(path)
        if kind in (*_REAL, "struct") and math.prod(shape) * 8 <= MAX_ARRAY_BYTES
    ]
    found = scipy.io.loadmat(path, variable_names=fits, struct_as_record=False) if fits else {}
    named = {k: v for name in fits for k, v in _within(name, found[name]).items()}
    if sum(values.nbytes for values in named.values()) > MAX_ARRAY_BYTES:
        raise ValueError(f"{_TOO_LARGE} unpacked")
    return named


def _within(name: str, values: Any, depth: int = 0) -> dict[str, np.ndarray]:
    """An array, or those within a structure and the structures in it, by "outer.inner"."""
    if not isinstance(values, np.ndarray):
        return {}
    if values.dtype.hasobject and values.size == 1 and depth < _DEEPEST:
        values = values.item()
        found: dict[str, np.ndarray] = {}
        for field in getattr(values, "_fieldnames", []):
            found |= _within(f"{name}.{field}", getattr(values, field), depth + 1)
        return found
    return {name: values} if values.dtype.kind in "fiu" and values.size else {}
