"""The files of a folder, each read once: several at a time, kept until the import is finished."""

import hashlib
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from polarnet.cohort import map_digest
from polarnet.ids import normal_id
from polarnet.progressbar import progress_bar
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading
from polarnet.readers.words import entry

CHUNK: Final = 64  # Files read at once (our choice)
MANY: Final = 1000  # Files from which on several processes pay (our choice)
_IGNORED: Final = (*entry("files of systems"), "icon\r")

_TOLD: Final = (*_IGNORED, *entry("hidden files to name"))
"""Hidden names that a message repeats; any other may be a person's."""


@dataclass(frozen=True)
class Read:
    """Maps whose pixels wait in the store; and numbers of files, each with the reason why it, or a
    map in it, cannot be used. In the order of the files.
    """

    maps: list[ExportedMap]
    problems: list[tuple[int, str]]


def list_files(folder: Path, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Files of a folder and of the folders in it, sorted; a single file stands for itself.

    `tell` receives one line of how many hidden files, and files of the system, were skipped.
    FileNotFoundError: there is no such folder, or no file in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}.")
    hidden: Counter[str] = Counter()
    files: list[Path] = []
    for place, _, names in os.walk(folder, onerror=_fail):
        skipped = next(filter(_is_hidden, Path(place).relative_to(folder).parts), "")
        for name in names:
            path = Path(place, name)
            if known := skipped or (name if _is_hidden(name) else ""):
                hidden[known.casefold()] += 1
            elif path.is_file():
                files.append(path)
    if n_hidden := hidden.total():
        told = sorted({name if name in _TOLD else "others" for name in hidden})
        noun = "file" if n_hidden == 1 else "files"
        tell(f"Skipped {n_hidden} hidden {noun} ({', '.join(told)})")
    if not files:
        why = "holds hidden files alone" if n_hidden else "is empty"
        raise FileNotFoundError(f"{folder} {why}.")
    return sorted(files, key=Path.as_posix)


def _fail(error: OSError) -> None:
    """A folder that cannot be read is not left out in silence."""
    raise error


def _is_hidden(name: str) -> bool:
    """Nobody exported it: hidden, of a system or server, or of an open workbook."""
    return name.casefold() in _IGNORED or name.startswith((".", "~$"))


def read_files(
    files: Sequence[Path],
    reading: Reading,
    store: Path,
    *,
    jobs: int = 1,
    show_progress: bool = False,
) -> Read:
    """Read every file, in `jobs` processes where there are many, and let pixels wait in the folder
    `store`.
    """
    store.mkdir(parents=True, exist_ok=True, mode=0o700)
    chunks = [
        (_place(store, start), start, files[start : start + CHUNK], reading)
        for start in range(0, len(files), CHUNK)
    ]
    read = Read([], [])
    with progress_bar(
        total=len(files), desc="Reading", unit="file", delay=2.0,
        disable=not show_progress or len(chunks) == 1,
    ) as bar:  # fmt: skip
        parts = _in_order(chunks, jobs if len(files) >= MANY else 1)
        for (_, _, some, _), part in zip(chunks, parts, strict=True):
            read.maps.extend(part.maps)
            read.problems.extend(part.problems)
            bar.update(len(some))
    return read


def _in_order(chunks: list[tuple], jobs: int) -> Iterator[Read]:
    """Results of the chunks in order, in this process or in several."""
    if jobs == 1:
        yield from map(_read_chunk, chunks)
        return
    # Spawned, never forked: a fork copies the threads' locks of whatever is loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        try:
            yield from pool.map(_read_chunk, chunks)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read_chunk(chunk: tuple[Path, int, Sequence[Path], Reading]) -> Read:
    """Read some files; their pixels go one behind the other into the store."""
    place, start, files, reading = chunk
    read = Read([], [])
    pixels = [np.zeros(0, np.float32)]
    n_before = 0
    for number, path in enumerate(files, start=start + 1):
        maps, problems = read_maps(path, reading)
        read.problems.extend((number, problem) for problem in problems)
        for found in maps:
            pixels.append(found.values.ravel())
            noted = replace(
                found,
                values=None,
                study=normal_id(found.study),
                ids={name: normal_id(id) for name, id in found.ids.items()},
                file=number,
                folder=hashlib.sha256(str(path.parent).encode()).hexdigest()[:16],
                digest=map_digest(found.values).hex(),
                size=len(found.values),
                start=n_before,
            )
            read.maps.append(noted)
            n_before += found.values.size
    np.save(place, np.concatenate(pixels))
    return read


def _place(store: Path, file: int) -> Path:
    """Where pixels of a chunk wait; `file` is any of its files, counted from 0."""
    return store / f"{file // CHUNK:06d}.npy"


def pixels_of(maps: Sequence[ExportedMap], store: Path) -> list[np.ndarray]:
    """The maps, each (size, size), float32; every chunk is opened once."""
    pictures: dict[int, np.ndarray] = {}
    in_place = sorted(range(len(maps)), key=lambda k: maps[k].file)
    for place, several in groupby(in_place, key=lambda k: _place(store, maps[k].file - 1)):
        pixels = np.load(place)
        for k in several:
            size, start = maps[k].size, maps[k].start
            pictures[k] = pixels[start : start + size * size].reshape(size, size)
    return [pictures[k] for k in range(len(maps))]
