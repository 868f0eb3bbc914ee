"""Familiarity as a file of a run folder."""

import zipfile
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.familiarity.distance import Familiarity
from polarnet.familiarity.features import RINGS, SECTORS, STEPS
from polarnet.familiarity.readings import N_READINGS
from polarnet.familiarity.usual import Usual

FILE: Final = "familiarity.npz"


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
        if (
            not map_types
            or not threshold > 0
            or any(s.shape != (N_READINGS,) for s in scales.values())
        ):
            raise ValueError("no map types, or no threshold")
    except (ValueError, KeyError, OSError, EOFError, TypeError, AttributeError,
            zipfile.BadZipFile) as error:  # fmt: skip
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} cannot be read: {reason}. Copy the run again, or delete the file: scores then "
            "carry no warning on unlike maps."
        ) from None
    return Familiarity(map_types, size, patterns, textures, scales, threshold, n_train, n_val, rate)
