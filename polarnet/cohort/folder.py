"""The cohort folder on disk: cohort.csv, one .npy per map type, cohort.json."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort.stack import BATCH, map_digest
from polarnet.cohort.studytables import table_problems
from polarnet.files import new_folder, parse_json, read_csv, shown, write_csv
from polarnet.ids import listing, normal_ids
from polarnet.traits import MAP_TYPES

TRUTH_PREFIX: Final = "truth_"
"""Marks columns of what was planted in a phantom."""

FORMAT: Final = 1
"""Version of the folder's layout."""

STATED: Final = ("tracer", "stress_agent", "software")
"""What a user may state about a whole cohort, and what prediction compares."""

_AGAIN: Final = "Copy the cohort folder again, with all its files."

Piece = tuple[Mapping[str, np.ndarray], pd.DataFrame, Mapping[str, Any]]
"""Some studies of a cohort: measured maps by type, (n, size, size); the table, index study_id, with
patient_id, traits, clinical columns and truth; and the facts of the cohort: unit, what else is
stated, and which columns are what."""


def write_folder(
    folder: Path, pieces: Iterable[Piece], beside: Callable[[Path], None] | None = None
) -> None:
    """Write a cohort folder: whole, or not at all. `beside` may write further files into it.

    FileExistsError: the folder exists and is not empty. ValueError: there is no piece, pieces
    differ in map types, size or facts, or a study_id occurs twice.
    """
    with new_folder(folder) as partial, ExitStack() as open_files:
        stacks: dict[str, _StackWriter] = {}
        tables = []
        for maps, piece_table, of_piece in of_one_kind(pieces):
            facts, size = of_piece, next(iter(maps.values())).shape[-1]
            for map_type, values in maps.items():
                if map_type not in stacks:
                    stacks[map_type] = _StackWriter(partial / f"{map_type}.npy", size)
                    open_files.callback(stacks[map_type].file.close)
                stacks[map_type].append(values)
            tables.append(piece_table)
        table = pd.concat(tables)
        if problems := table_problems(table[facts["traits"]], table["patient_id"]):
            raise ValueError("Not a sound cohort: " + "; ".join(problems))
        write_csv(table, partial / "cohort.csv", index_label="study_id")
        description = {
            "format": FORMAT, "n_studies": len(table), "size": size, **facts,
            "text": [name for name in table if _is_text(table[name])],
            "table": _table_digests((partial / "cohort.csv").read_bytes()),
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


def _is_text(column: pd.Series) -> bool:
    """True where cells must not be taken for numbers when they are read again."""
    is_number = pd.api.types.is_numeric_dtype(column)
    return not is_number and pd.api.types.infer_dtype(column, skipna=True) != "boolean"


def _table_digests(content: bytes) -> dict[str, str]:
    """Fingerprint of a table, and of its rows but the last; line ends at its end do not count."""
    content = content.rstrip(b"\r\n")
    parts = {"sha256": content, "sha256_but_last_row": content.rpartition(b"\n")[0]}
    return {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}


class _StackWriter:
    """An .npy file of maps that grows.

    Not a memory map: a full disk then ends the process instead of raising an error.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size, self.n = path, size, 0
        self.digest, self.first_map = hashlib.sha256(), ""
        self.file = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # NumPy pads it, so that the first axis may become longer in the same space.
        shape = (self.n, self.size, self.size)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.file, header)

    def append(self, maps: np.ndarray) -> None:
        values = np.ascontiguousarray(maps, dtype="<f4")
        self.file.write(values.data)
        self.digest.update(values.data)
        self.first_map = self.first_map or map_digest(values[0]).hex()
        self.n += len(values)

    def finish(self) -> dict[str, Any]:
        """Put the number of maps into the header; size and fingerprint of the file."""
        self.file.seek(0)
        self._write_header()
        self.file.close()
        return {
            "bytes": self.path.stat().st_size,
            "sha256": self.digest.hexdigest(),
            "first_map": self.first_map,
        }


# === Reading ===


def read_folder(
    folder: Path, verify: bool
) -> tuple[dict[str, np.ndarray], pd.DataFrame, dict[str, Any]]:
    """Memory maps by type, the checked table, and the facts of a cohort folder; raises as
    `read_cohort` says."""
    path = folder / "cohort.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a cohort folder (no cohort.json). "
            "Make one with `polarnet import` or cohort.save()."
        )
    facts = _read_facts(path)
    for name in ("cohort.csv", *facts["files"]):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing. {_AGAIN}")
    shape = (facts["n_studies"], facts["size"], facts["size"])
    maps = {
        Path(name).stem: _open_stack(folder / name, of_file, shape, verify)
        for name, of_file in facts["files"].items()
    }
    return maps, _read_table(folder / "cohort.csv", facts, verify), facts


def _read_facts(path: Path) -> dict[str, Any]:
    """What cohort.json says, after the kind of every entry was looked at."""
    try:
        facts = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} {error}. Import the cohort again.") from None
    if facts.get("format") != FORMAT:
        raise ValueError(
            f"{path}: format {shown(facts.get('format'))}, this version reads {FORMAT}."
        )
    facts = {"text": [], "table": {}} | facts  # folders of version 0.1 may lack these
    checks: dict[str, Callable[[Any], bool]] = {
        **dict.fromkeys(("n_studies", "size"), _is_count),
        **dict.fromkeys(("unit", *STATED), lambda value: isinstance(value, str)),
        **dict.fromkeys(("traits", "clinical", "truth", "study_ids", "text"), _is_names),
        "table": lambda value: value == {} or _has_texts(value, "sha256", "sha256_but_last_row"),
        "files": _is_files,
    }
    odd = [name for name, is_right in checks.items() if not is_right(facts.get(name))]
    if not odd and len(facts["study_ids"]) != facts["n_studies"]:
        odd = ["study_ids"]
    if odd:
        raise ValueError(
            f"{path} is damaged (missing or wrong: {', '.join(odd)}). Import the cohort again."
        )
    return facts


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _has_texts(value: Any, *names: str) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)


def _is_files(value: Any) -> bool:
    """Nothing but the maps beside it: no other folder, no path."""
    return isinstance(value, dict) and all(
        Path(name).suffix == ".npy" and name[:-4] in MAP_TYPES
        and _has_texts(of_file, "sha256") and _is_count(of_file.get("bytes"))
        for name, of_file in value.items()
    )  # fmt: skip


def _open_stack(
    path: Path, facts: dict[str, Any], shape: tuple[int, ...], verify: bool
) -> np.ndarray:
    """Memory-map one stack after its size, and on request its content, was compared."""
    n_bytes = path.stat().st_size
    if n_bytes != facts["bytes"]:
        raise ValueError(
            f"{path} has {n_bytes} bytes instead of {facts['bytes']}: the file was cut short or "
            f"changed. {_AGAIN}"
        )
    try:
        stack = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, OverflowError, EOFError, SyntaxError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_AGAIN}") from None
    if stack.shape != shape or stack.dtype != np.float32:
        raise ValueError(f"{path} holds {stack.dtype} {stack.shape}, expected float32 {shape}.")
    first = map_digest(stack[0]).hex()  # tells exchanged files cheaply
    is_in_order = stack.flags.c_contiguous and stack.offset + stack.nbytes == n_bytes
    if not is_in_order or facts.get("first_map", first) != first:
        raise ValueError(f"{path} holds other maps than those written under its name. {_AGAIN}")
    if verify:
        digest = hashlib.sha256()
        for start in range(0, len(stack), BATCH):
            digest.update(np.ascontiguousarray(stack[start : start + BATCH]).data)
        if digest.hexdigest() != facts["sha256"]:
            raise ValueError(f"{path} is not what was written. {_AGAIN}")
    return stack


def _read_table(path: Path, facts: dict[str, Any], verify: bool) -> pd.DataFrame:
    """Read cohort.csv, which a user may have edited, and check ids and labels again."""
    content, written = path.read_bytes(), facts["table"]
    found = _table_digests(content)
    is_as_written = found["sha256"] == written.get("sha256")
    if written and not is_as_written:
        is_cut = found["sha256_but_last_row"] == written["sha256_but_last_row"]
        if is_cut and not content.endswith((b"\n", b"\r")):
            raise ValueError(
                f"{path} was cut within its last row. Copy the cohort folder again; if you edited "
                "this row, end it with a line break."
            )
        if verify:
            warnings.warn(
                f"{path} was edited since it was written; its maps are as written.", stacklevel=3
            )
    expected = ["study_id", "patient_id", *facts["traits"], *facts["clinical"]]
    expected += [TRUTH_PREFIX + name for name in facts["truth"]]
    table = read_csv(path, text=("study_id", "patient_id", *facts["traits"], *facts["text"]))
    if lacking := [name for name in expected if name not in table]:
        raise ValueError(f"{path} lacks the columns {listing(lacking)}.")
    for name in ("study_id", "patient_id"):
        table[name] = normal_ids(table[name])
    table = table.set_index("study_id")
    if problems := table_problems(table[facts["traits"]], table["patient_id"]):
        raise ValueError(f"{path}: {'; '.join(problems)}")
    ids = pd.Index(normal_ids(facts["study_ids"]), name="study_id")
    if len(lost := ids.difference(table.index)) or len(added := table.index.difference(ids)):
        changed = f"lacks {listing(lost)}" if len(lost) else f"has unknown {listing(added)}"
        raise ValueError(
            f"{path} {changed} ({len(table)} rows, {len(ids)} studies): it was cut short, or ids "
            "were changed. Import the cohort again to change its studies."
        )
    if is_as_written and not ids.equals(table.index):
        raise ValueError(
            f"{path.with_name('cohort.json')} names the studies in another order than the table "
            f"that was written with it. {_AGAIN}"
        )
    return table.loc[ids]
