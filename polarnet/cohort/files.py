"""The cohort folder on disk: cohort.csv, one .npy a map type, cohort.json."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort.checks import listing, table_problems
from polarnet.cohort.stack import MapStack
from polarnet.folders import new_folder

FORMAT: Final = 1
"""Version of the folder's layout."""

TRUTH_PREFIX: Final = "truth_"
"""Marks columns of what was planted in a phantom."""

# As converters, not as types: an id such as NA is no empty cell.
_AS_TEXT: Final = {"study_id": str, "patient_id": str}

_FACTS: Final = (
    "unit", "tracer", "stress_agent", "software", "traits", "clinical", "truth", "study_ids",
)  # fmt: skip

_BATCH: Final = 1024  # maps in memory at once while writing


def write_folder(
    folder: Path,
    stacks: Mapping[str, np.ndarray | MapStack],
    table: pd.DataFrame,
    facts: Mapping[str, Any],
) -> None:
    """Write a cohort folder: whole, or not at all.

    Parameters
    ----------
    stacks
        Measured maps by type, (n, size, size).
    table
        Index study_id; patient_id, traits, clinical columns, truth.
    facts
        Unit, what is stated of the cohort, and which columns are what.
    """
    with new_folder(folder) as partial:
        files = {}
        for map_type, stack in stacks.items():
            path = partial / f"{map_type}.npy"
            digest = _write_stack(stack, path)
            files[path.name] = {"bytes": path.stat().st_size, "sha256": digest}
        table.to_csv(partial / "cohort.csv", index_label="study_id", lineterminator="\n")
        size = next(iter(stacks.values())).shape[-1]
        description = {
            "format": FORMAT, "n_studies": len(table), "size": size, **facts, "files": files,
            # In the order of the maps, because people sort tables.
            "study_ids": [str(study) for study in table.index],
        }  # fmt: skip
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        # Last, because a folder without it is not a cohort.
        (partial / "cohort.json").write_text(text, encoding="utf-8")


def read_folder(
    folder: Path, verify: bool
) -> tuple[dict[str, np.ndarray], pd.DataFrame, dict[str, Any]]:
    """Memory maps by type, the checked table, and the facts of a cohort folder.

    Raises
    ------
    FileNotFoundError: the folder is not a cohort.
    ValueError: a file is missing, cut short or changed, or the edited table is unsound.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a cohort folder (no cohort.json). "
            "Make one with `polarnet import` or cohort.save()."
        )
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        shape = (int(facts["n_studies"]), int(facts["size"]), int(facts["size"]))
        files = dict(facts["files"])
        if lacking := [name for name in _FACTS if name not in facts]:
            raise KeyError(*lacking)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Import the cohort again.") from None
    if facts.get("format") != FORMAT:
        raise ValueError(f"{path}: format {facts.get('format')}, this version reads {FORMAT}.")
    maps = {
        Path(name).stem: _open_stack(folder / name, of_file, shape, verify)
        for name, of_file in files.items()
    }
    return maps, _read_table(folder / "cohort.csv", facts), facts


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
        table = pd.read_csv(path, converters=_AS_TEXT, low_memory=False)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a table ({error}).") from None
    expected = ["study_id", "patient_id", *description["traits"], *description["clinical"]]
    expected += [TRUTH_PREFIX + name for name in description["truth"]]
    if lacking := [name for name in expected if name not in table]:
        raise ValueError(f"{path} lacks the columns {listing(lacking)}.")
    table = table.set_index("study_id")
    if problems := table_problems(table[description["traits"]], table["patient_id"]):
        raise ValueError(f"{path}: {'; '.join(problems)}")
    ids = pd.Index(description["study_ids"], name="study_id")
    if len(lost := ids.difference(table.index)) or len(added := table.index.difference(ids)):
        changed = f"lacks {listing(lost)}" if len(lost) else f"has unknown {listing(added)}"
        raise ValueError(
            f"{path} {changed} ({len(table)} rows, {len(ids)} studies): it was cut short, or ids "
            "were changed. Import the cohort again to change its studies."
        )
    return table.loc[ids]
