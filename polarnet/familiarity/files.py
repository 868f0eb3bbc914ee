"""Familiarity as a file of a run folder."""

import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.familiarity.distance import Familiarity
from polarnet.familiarity.features import RINGS, SECTORS, STEPS
from polarnet.familiarity.readings import N_READINGS
from polarnet.familiarity.usual import Usual
from polarnet.traits import MAP_TYPES

FILE: Final = "familiarity.npz"

_LARGEST: Final = 2**24
"""Bytes, unpacked; ours have 60 kB (our choice)."""


def write_familiarity(familiarity: Familiarity, folder: Path) -> None:
    """Write the file into a run folder."""
    arrays = {
        "map_types": np.array(familiarity.map_types),
        "numbers": np.array([familiarity.size, familiarity.n_train, familiarity.n_val]),
        "threshold": np.array([familiarity.threshold, familiarity.rate]),
    }
    for map_type in familiarity.map_types:
        for kind in ("patterns", "textures"):
            usual = getattr(familiarity, kind)[map_type]
            arrays[f"{map_type}_{kind}_centre"] = usual.centre
            arrays[f"{map_type}_{kind}_precision"] = usual.precision
        arrays[f"{map_type}_scales"] = familiarity.scales[map_type]
    np.savez(folder / FILE, **arrays)  # type: ignore[arg-type]


def read_familiarity(folder: Path) -> Familiarity | None:
    """The file of a run folder, or None where the run has none.

    Raises
    ------
    ValueError: the file is damaged, or is something else.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("larger than any of ours")
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        map_types = tuple(str(name) for name in arrays["map_types"])
        size, n_train, n_val = (int(number) for number in arrays["numbers"])
        threshold, rate = (float(number) for number in arrays["threshold"])
        patterns, textures = (
            {m: Usual(arrays[f"{m}_{kind}_centre"], arrays[f"{m}_{kind}_precision"])
             for m in map_types}
            for kind in ("patterns", "textures")
        )  # fmt: skip
        scales = {m: arrays[f"{m}_scales"] for m in map_types}
        for usual, n in (
            *((usual, RINGS * SECTORS) for usual in patterns.values()),
            *((usual, 1 + len(STEPS)) for usual in textures.values()),
        ):
            if usual.centre.shape != (n,) or usual.precision.shape != (n, n):
                raise ValueError("features of another version")
        if not map_types or not set(map_types) <= set(MAP_TYPES) or not 0 < threshold < np.inf:
            raise ValueError("no map types, or no threshold")
        if any(s.shape != (N_READINGS,) or not (s > 0).all() for s in scales.values()):
            raise ValueError("scales of another version")
        if size < 1 or min(n_train, n_val) < 0 or not 0 <= rate <= 1:
            raise ValueError("impossible numbers")
        if not all(np.isfinite(a).all() for name, a in arrays.items() if name != "map_types"):
            raise ValueError("numbers that are not finite")
    except (ValueError, LookupError, OSError, EOFError, TypeError, AttributeError, OverflowError,
            MemoryError, NotImplementedError, RuntimeError, zlib.error,
            zipfile.BadZipFile) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} cannot be read: {reason}. Copy the run again, or delete the file: scores then "
            "carry no warning on unlike maps."
        ) from None
    return Familiarity(map_types, size, patterns, textures, scales, threshold, n_train, n_val, rate)
