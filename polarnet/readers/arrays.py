"""The arrays of an .npy, .npz or .mat file."""

import math
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from polarnet.readers.apart import read_apart

MAX_ARRAY_BYTES: Final = 64 * 2**20
"""Largest array file, unpacked (our choice): a map of 512 x 512 has 2 MB."""

_REAL: Final = (
    "double", "single", "int8", "uint8", "int16", "uint16", "int32", "uint32",
)  # fmt: skip
"""Kinds of MATLAB array that may be maps."""

_DEEPEST: Final = 5
"""Structures within structures that are looked into (our choice)."""


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npy, .npz or .mat file by name ("" for the only one of an .npy).

    Raises
    ------
    ValueError: the file is damaged or too large, or holds something else than real numbers.
    """
    kind = path.suffix.lower()
    try:
        arrays = {".npy": _read_npy, ".npz": _read_npz, ".mat": _read_mat}[kind](path)
    except Exception as error:  # a damaged file may trip any library in any way
        is_ours = isinstance(error, ValueError) and str(error).startswith("has ")
        raise ValueError(str(error) if is_ours else f"is not a readable {kind} file") from None
    numeric = {name: values for name, values in arrays.items() if values.dtype.kind in "fiu"}
    if not numeric:
        raise ValueError("holds no array of real numbers")
    return {
        name: np.atleast_1d(np.squeeze(values)).astype(float) for name, values in numeric.items()
    }


def _read_npy(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        first = np.lib.format.read_magic(file) == (1, 0)
        read_header = getattr(np.lib.format, f"read_array_header_{1 if first else 2}_0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NumPy reads headers that Python 2 wrote, and warns
            shape, is_fortran, dtype = read_header(file)
        told = " x ".join(map(str, shape))
        n_bytes = math.prod(shape) * dtype.itemsize
        if any(n < 0 for n in shape):
            raise ValueError("has an array of a negative size")
        if dtype.hasobject:
            raise ValueError("has Python objects in it, which are never loaded")
        if n_bytes > MAX_ARRAY_BYTES:
            raise ValueError(f"has an array of {told}, too large for a map")
        # One byte more or less within it, and every value behind is another one.
        if lacking := file.tell() + n_bytes - path.stat().st_size:
            how = "fewer" if lacking > 0 else "more"
            raise ValueError(f"has {abs(lacking)} bytes {how} than its array of {told} takes")
        values = np.frombuffer(file.read(n_bytes), dtype)
    return {"": values.reshape(shape, order="F" if is_fortran else "C")}


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
    named: dict[str, Any] = {}
    for name in fits:
        named |= _within(name, found[name])
    if sum(values.nbytes for values in named.values()) > MAX_ARRAY_BYTES:
        raise ValueError(f"has more than {MAX_ARRAY_BYTES // 2**20} MB unpacked")
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
