"""One square matrix a file, .csv or .npy, in the orientation of the cohort."""

from pathlib import Path

import numpy as np

from polarnet.anatomy import disc_mask


def read_matrix(path: Path) -> np.ndarray:
    """Read one polar map.

    Returns
    -------
    float32 array of shape (size, size), set to 0 outside the inscribed disc. Values inside are
    as in the file.

    Raises
    ------
    ValueError: the file is not a square matrix of numbers; says what it is instead.
    """
    values = _read_npy(path) if path.suffix.lower() == ".npy" else _read_csv(path)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or len(values) < 8:
        shape = " x ".join(map(str, values.shape))
        raise ValueError(f"{path.name} is {shape}, expected a square matrix of at least 8 x 8")
    return np.where(disc_mask(len(values)), values, 0).astype(np.float32)


def _read_npy(path: Path) -> np.ndarray:
    """Numbers of a .npy file, never a pickle."""
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, MemoryError) as error:
        raise ValueError(f"{path.name} is not a readable .npy file ({error})") from None
    if not isinstance(values, np.ndarray):
        raise ValueError(f"{path.name} is an archive of arrays, expected one array")
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        raise ValueError(f"{path.name} holds {values.dtype} values, expected real numbers")
    return values


def _read_csv(path: Path) -> np.ndarray:
    """Numbers of a comma-separated file; an odd cell is named by row and column."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is not a text file") from None
    rows = [line.split(",") for line in lines if line.strip()]
    if not rows:
        raise ValueError(f"{path.name} is empty")
    if len({len(row) for row in rows}) > 1:
        lengths = sorted({len(row) for row in rows})
        raise ValueError(f"{path.name} has rows of {lengths[0]} and of {lengths[-1]} values")
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        row, column, cell = next(
            (r, c, cell)
            for r, cells in enumerate(rows, start=1)
            for c, cell in enumerate(cells, start=1)
            if not _is_number(cell)
        )
        raise ValueError(
            f"{path.name} row {row} column {column}: '{cell.strip()[:20]}' is not a number"
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
