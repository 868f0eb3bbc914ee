"""The cohort folder on disk: cohort.csv, one .npy a map type, cohort.json."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort.checks import listing, table_problems
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

Piece = tuple[Mapping[str, np.ndarray], pd.DataFrame, Mapping[str, Any]]
"""Some studies of a cohort: maps, table, facts."""

_BATCH: Final = 1024  # maps in memory at once


def write_folder(
    folder: Path, pieces: Iterable[Piece], beside: Callable[[Path], None] | None = None
) -> None:
    """Write a cohort folder: whole, or not at all.

    Parameters
    ----------
    pieces
        Studies in order, some at a time, so that few maps are in memory at once. Each piece has
        its measured maps by type, (n, size, size); its table, index study_id, with patient_id,
        traits, clinical columns and truth; and the facts of the cohort: unit, what else is
        stated, and which columns are what.
    beside
        Is given the folder, while it is made, to write further files into it.

    Raises
    ------
    FileExistsError: the folder exists and is not empty.
    ValueError: there is no piece, pieces differ in map types, size or facts, or a study_id
        occurs twice.
    """
    with new_folder(folder) as partial, ExitStack() as open_files:
        stacks: dict[str, _StackWriter] = {}
        tables = []
        for maps, piece_table, of_piece in of_one_kind(pieces):
            facts, size = of_piece, next(iter(maps.values())).shape[-1]
            for map_type, values in maps.items():
                if map_type not in stacks:
                    writer = _StackWriter(partial / f"{map_type}.npy", size)
                    stacks[map_type] = open_files.enter_context(writer)
                stacks[map_type].append(values)
            tables.append(piece_table)
        table = pd.concat(tables)
        if problems := table_problems(table[facts["traits"]], table["patient_id"]):
            raise ValueError("Not a sound cohort: " + "; ".join(problems))
        table.to_csv(partial / "cohort.csv", index_label="study_id", lineterminator="\n")
        description = {
            "format": FORMAT, "n_studies": len(table), "size": size, **facts,
            "files": {stack.path.name: stack.finish() for stack in stacks.values()},
            # In the order of the maps, because people sort tables.
            "study_ids": [str(study) for study in table.index],
        }  # fmt: skip
        if beside:
            beside(partial)
        text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
        # Last, because a folder without it is not a cohort.
        (partial / "cohort.json").write_text(text, encoding="utf-8", newline="\n")


def of_one_kind(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, as long as there is one and each has the first one's map types, size, facts."""
    first = None
    for maps, table, facts in pieces:
        kind = {m: values.shape[1:] for m, values in maps.items()} | dict(facts)
        first = first or kind
        if unlike := [name for name in first | kind if first.get(name) != kind.get(name)]:
            told = ", ".join(f"{name} {first.get(name)} and {kind.get(name)}" for name in unlike)
            raise ValueError(f"Studies of two kinds cannot be one cohort: {told}.")
        yield maps, table, facts
    if first is None:
        raise ValueError("There are no studies to put together.")


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


class _StackWriter:
    """An .npy file of maps that grows.

    Not a memory map: a full disk then ends the process instead of raising an error.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size, self.n = path, size, 0
        self.digest = hashlib.sha256()
        self.file = path.open("wb")
        self._write_header()

    def __enter__(self) -> "_StackWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _write_header(self) -> None:
        # NumPy pads it, so that the first axis may become longer in the same space.
        shape = (self.n, self.size, self.size)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)

    def append(self, maps: np.ndarray) -> None:
        """Write maps (n, size, size) behind those already there."""
        values = np.ascontiguousarray(maps, dtype="<f4")
        self.file.write(values.data)
        self.digest.update(values.data)
        self.n += len(values)

    def finish(self) -> dict[str, Any]:
        """Put the number of maps into the header; size and fingerprint of the file."""
        self.file.seek(0)
        self._write_header()
        self.file.close()
        return {"bytes": self.path.stat().st_size, "sha256": self.digest.hexdigest()}


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
