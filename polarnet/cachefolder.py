"""The folder of kept trunk features: its place, its size limit, and what is removed first."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from platformdirs import user_cache_path

LIMIT_VARIABLE: Final = "POLARNET_CACHE_GB"
"""Environment variable with the size that the folder may have."""

DEFAULT_LIMIT_GB: Final = 50.0
"""Features of 100,000 maps at the default settings take 0.9 GB a map type; activations for
fine-tuning at 224 px 40 GB for 100,000 (our choice)."""

USER_CACHE: Final = "user"
"""Stands for the user's cache folder. A folder of that name here is "./user"."""

_SPARED_S: Final = 3600.0  # another process may be reading what was used this lately

_KEY: Final = re.compile("[0-9a-f]{24}")


class Kept(NamedTuple):
    """Features, or the state of a stopped training; `used` in seconds since 1970."""

    folder: Path
    n_bytes: int
    used: float


def cache_folder(folder: str | Path = USER_CACHE) -> Path:
    """Where features are kept: the folder given, or the user's cache folder."""
    if folder == USER_CACHE:
        return user_cache_path("polarnet", appauthor=False) / "features"
    return Path(folder)


@contextmanager
def kept_in(folder: str | Path | None) -> Iterator[Path]:
    """The folder in which features are kept; None: one that is gone after the block."""
    if folder is not None:
        yield cache_folder(folder)
        return
    with tempfile.TemporaryDirectory(prefix="polarnet_", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def kept_folders(cache: Path) -> list[Kept]:
    """All that this package keeps below a folder, least lately used first; nothing else."""
    found = []
    for folder in (*cache.glob("*"), *cache.glob("progress/*")):
        if not _KEY.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        # Another process may remove it meanwhile; what may not be looked at is not ours.
        with contextlib.suppress(OSError):
            n_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            found.append(Kept(folder, n_bytes, folder.stat().st_mtime))
    return sorted(found, key=lambda kept: kept.used)


def mark_used(folder: Path) -> None:
    """Note that a folder is in use now, where that may be noted."""
    with contextlib.suppress(OSError):
        if folder.is_dir():
            os.utime(folder)


def limit_bytes() -> float:
    """The size that the folder may have. ValueError: the variable is no number above 0."""
    text = os.environ.get(LIMIT_VARIABLE, "").strip() or str(DEFAULT_LIMIT_GB)
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ValueError(
            f"{LIMIT_VARIABLE} must be a number of gigabytes above 0, not '{text[:40]}'."
        )
    return limit * 1e9


def trim(cache: Path, limit: float, *, spared_s: float = _SPARED_S) -> list[Kept]:
    """Remove what was not used for longest until the rest fits; returns what was removed. What was
    used within the last `spared_s` seconds stays, even if it does not fit.
    """
    kept = kept_folders(cache)
    total, removed = sum(part.n_bytes for part in kept), []
    for part in kept:
        if total <= limit or part.used > time.time() - spared_s:
            break
        shutil.rmtree(part.folder, ignore_errors=True)
        total -= part.n_bytes
        removed.append(part)
    return removed


def clear(cache: Path) -> int:
    """Remove all that this package keeps below a folder; returns the bytes that were freed."""
    return sum(part.n_bytes for part in trim(cache, -1, spared_s=-float("inf")))
