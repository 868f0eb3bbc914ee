"""The cohort folder: cohort.csv, one .npy a map type, cohort.json."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort.checks import listing, table_problems
from polarnet.cohort.cohort import Cohort
from polarnet.cohort.stack import MapStack
from polarnet.folders import new_folder

FORMAT: Final = 1
"""Version of the folder's layout."""

_STATED: Final = ("tracer", "stress_agent", "software")
_BATCH: Final = 1024  # maps in memory at once while writing


def write_cohort(cohort: Cohort, folder: str | Path) -> Path:
    """Write a cohort folder: whole, or not at all.

    `cohort.json` is written last, so a folder without it is not a cohort.
    """
    folder = Path(folder)
    with new_folder(folder) as partial:
        files = {}
        for map_type, stack in cohort.maps.items():
            if isinstance(stack, MapStack) and stack.rest is not None:
                continue  # reserve is computed from the other two when it is looked at
            path = partial / f"{map_type}.npy"
            digest = _write_stack(stack, path)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
        table = pd.concat(
            [
                cohort.patients.rename("patient_id"),
                cohort.traits,
                cohort.clinical,
                cohort.truth.add_prefix("truth_"),
            ],
            axis=1,
        )
        table.to_csv(partial / "cohort.csv", index_label="study_id", lineterminator="\n")
        description = {
            "format": FORMAT,
            "n_studies": len(cohort),
            "size": cohort.size,
            "unit": cohort.unit,
            **{name: getattr(cohort, name) for name in _STATED},
            "traits": list(cohort.traits.columns),
            "clinical": list(cohort.clinical.columns),
            "truth": list(cohort.truth.columns),
            "files": files,
        }
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        (partial / "cohort.json").write_text(text, encoding="utf-8")
    return folder


def read_cohort(folder: str | Path, verify: bool = False) -> Cohort:
    """Open a cohort folder; the maps stay on disk until they are looked at.

    Parameters
    ----------
    folder
        Written by `Cohort.save` or `polarnet import`.
    verify
        Also read every map and compare it with the checksum it was written with.

    Returns
    -------
    Cohort whose maps are memory maps of shape (n, size, size), float32.

    Raises
    ------
    FileNotFoundError: the folder is not a cohort.
    ValueError: a file is missing, cut short or changed, or the edited table is unsound.
    """
    folder = Path(folder)
    path = folder / "cohort.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a cohort folder (no cohort.json). "
            "Make one with `polarnet import` or cohort.save()."
        )
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        n, size = int(description["n_studies"]), int(description["size"])
        files = description["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Import the cohort again.") from None
    if description.get("format") != FORMAT:
        raise ValueError(
            f"{path}: format {description.get('format')}, this version reads {FORMAT}."
        )
    maps = {
        Path(name).stem: _open_stack(folder / name, facts, (n, size, size), verify)
        for name, facts in files.items()
    }
    table = _read_table(folder / "cohort.csv", description)
    return Cohort(
        maps=maps,
        traits=table[description["traits"]].astype(float),
        patients=table["patient_id"],
        clinical=table[description["clinical"]],
        truth=table[[f"truth_{name}" for name in description["truth"]]].rename(
            columns=lambda name: name.removeprefix("truth_")
        ),
        unit=description["unit"],
        is_checked=True,
        **{name: description[name] for name in _STATED},
    )


def _write_stack(stack: np.ndarray | MapStack, path: Path) -> str:
    """Write a stack in pieces and return its sha256.

    Not through a memory map: a full disk then ends the process instead of raising an error.
    """
    digest = hashlib.sha256()
    header = {"descr": "<f4", "fortran_order": False, "shape": stack.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(stack), _BATCH):
            piece = np.ascontiguousarray(stack[start : start + _BATCH], dtype="<f4")
            file.write(piece.data)
            digest.update(piece.data)
    return digest.hexdigest()


def _open_stack(
    path: Path, facts: dict[str, Any], shape: tuple[int, ...], verify: bool
) -> np.ndarray:
    """Memory-map one stack after its size, and on wish its content, was compared."""
    if not path.is_file():
        raise ValueError(f"{path} is missing. Copy the cohort folder again, with all its files.")
    if path.stat().st_size != facts["bytes"]:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes instead of {facts['bytes']}: the file was "
            "cut short or changed. Copy the cohort folder again."
        )
    stack = np.load(path, mmap_mode="r", allow_pickle=False)
    if stack.shape != shape or stack.dtype != np.float32:
        raise ValueError(f"{path} holds {stack.dtype} {stack.shape}, expected float32 {shape}.")
    if verify:
        digest = hashlib.sha256()
        for start in range(0, len(stack), _BATCH):
            digest.update(np.ascontiguousarray(stack[start : start + _BATCH]).data)
        if digest.hexdigest() != facts["sha256"]:
            raise ValueError(f"{path} is not what was written. Copy the cohort folder again.")
    return stack


def _read_table(path: Path, description: dict[str, Any]) -> pd.DataFrame:
    """Read cohort.csv, which a user may have edited, and check ids and labels again."""
    if not path.is_file():
        raise ValueError(f"{path} is missing. Copy the cohort folder again, with all its files.")
    try:
        table = pd.read_csv(path, dtype={"study_id": str, "patient_id": str}, low_memory=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}).") from None
    expected = ["study_id", "patient_id", *description["traits"], *description["clinical"]]
    expected += [f"truth_{name}" for name in description["truth"]]
    if lacking := [name for name in expected if name not in table]:
        raise ValueError(f"{path} lacks the columns {listing(lacking)}.")
    if len(table) != description["n_studies"]:
        raise ValueError(
            f"{path} has {len(table)} rows instead of {description['n_studies']}: it was cut "
            "short, or rows were added or removed. Import the cohort again to change its studies."
        )
    table = table.set_index("study_id")
    problems = table_problems(table[description["traits"]], table["patient_id"].fillna(""))
    if problems:
        raise ValueError(f"{path}: {'; '.join(problems)}")
    return table
