"""Every file of a folder read once: several at a time, and kept until the import is finished."""

import hashlib
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import numpy as np

from polarnet import __version__
from polarnet.cohort import map_digest
from polarnet.ids import normal_id
from polarnet.progressbar import progress_bar
from polarnet.readers.beginnings import disguise, is_dicom
from polarnet.readers.mapfiles import MAP_FILES, FoundMap, read_map_file
from polarnet.readers.plausibility import Levels
from polarnet.readers.sources import Reading

CHUNK: Final = 64
"""Files read at once, and lost at most by an interruption (our choice)."""

MANY: Final = 1000
"""Files from which on several processes pay (our choice)."""

_PATIENCE: Final = 2.0
"""Seconds after which a bar shows progress (our choice)."""

_CHANGED: Final = (
    "What was read was changed before it was put together: is another program at work in the "
    "user's cache? Run the import again."
)

_OTHER_ENDINGS: Final = (
    ".pdf", ".dcm", ".ima", ".tif", ".tiff", ".bmp", ".gif", ".doc", ".docx", ".xls", ".json",
    ".xml", ".zip", ".html", ".sav", ".dta", ".nii", ".gz", ".log", ".md",
)  # fmt: skip
"""Endings that a message may repeat."""

_IGNORED: Final = (
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin",
    "system volume information", "lost+found", "#recycle", "#snapshot",
)  # fmt: skip

_TOLD: Final = (*_IGNORED[:3], "__macosx", "@eadir", ".ds_store", ".ipynb_checkpoints", ".git")
"""Hidden names that a message repeats."""


@dataclass(frozen=True)
class ReadMap:
    """A map that was read; its pixels wait in the store.

    Attributes
    ----------
    file
        Number of the file in the sorted list, from 1.
    chunk, start, size
        Where its size * size pixels are.
    low, high
        Over the disc, in `unit`.
    digest
        Fingerprint of the pixels.
    levels, ids, origin, source
        As of `FoundMap`.
    note
        What the user should know, "" for nothing.
    folder
        Fingerprint of the folder that the file lies in.
    """

    file: int
    study: str
    map_type: str
    unit: str
    unit_text: str
    shape: str
    profile: str
    low: float
    high: float
    levels: Levels
    digest: str
    chunk: int
    start: int
    size: int
    ids: dict[str, str]
    origin: dict[str, str]
    source: str
    note: str
    folder: str


@dataclass(frozen=True)
class ReadFile:
    """A file that was met: its maps, and why there are no others."""

    number: int
    problems: tuple[str, ...]
    maps: tuple[ReadMap, ...]


@dataclass(frozen=True)
class Store:
    """Folder where pixels wait."""

    folder: Path

    def pixels(self, maps: Sequence[ReadMap]) -> list[np.ndarray]:
        """The maps, each (size, size), float32; every chunk is opened once.

        Raises
        ------
        ValueError: the pixels that wait are not those that were read.
        """
        pictures: dict[int, np.ndarray] = {}
        in_place = sorted(range(len(maps)), key=lambda k: (maps[k].chunk, maps[k].start))
        for chunk, places in groupby(in_place, key=lambda k: maps[k].chunk):
            try:
                file = (self.folder / f"{chunk:06d}.f4").open("rb")
            except FileNotFoundError:
                raise ValueError(_CHANGED) from None
            with file:
                for place in places:
                    size = maps[place].size
                    file.seek(4 * maps[place].start)
                    flat = np.frombuffer(file.read(4 * size * size), "<f4")
                    if map_digest(flat).hex() != maps[place].digest:
                        raise ValueError(_CHANGED)
                    pictures[place] = flat.reshape(size, size)
        return [pictures[place] for place in range(len(maps))]


def list_files(folder: Path, tell: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Files of a folder and of the folders in it, sorted; a single file stands for itself.

    Hidden files and folders, and those of the system, are skipped and counted.

    Parameters
    ----------
    tell
        Receives one line of how many were skipped.

    Raises
    ------
    FileNotFoundError: there is no such folder, or no file in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}.")
    found = [*_files_below(folder)]
    files = sorted((path for path, is_hidden in found if not is_hidden), key=Path.as_posix)
    hidden = Counter(name for _, name in found if name)
    n_hidden = hidden.total()
    if n_hidden:
        # Any other name may be a person's.
        known = sorted({n if n in _TOLD else "others" for n in map(str.casefold, hidden)})
        noun = "file" if n_hidden == 1 else "files"
        tell(f"Skipped {n_hidden} hidden {noun} ({', '.join(known)})")
    if not files:
        raise FileNotFoundError(
            f"{folder} holds hidden files alone." if n_hidden else f"{folder} is empty."
        )
    return files


def _files_below(folder: Path, hidden: str = "") -> Iterator[tuple[Path, str]]:
    """Files of a folder, and of those in it, and the hidden name above each ("" for none).

    Links to folders are not followed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            name = hidden or (entry.name if _is_of_the_system(entry.name) else "")
            if entry.is_dir(follow_symlinks=False):
                yield from _files_below(Path(entry.path), name)
            elif entry.is_file():
                yield Path(entry.path), name


def _is_of_the_system(name: str) -> bool:
    """Whether no person exported it: hidden, of a system or server, or of an open workbook."""
    return name.casefold() in _IGNORED or name.startswith((".", "~$"))


def read_files(
    files: Sequence[Path],
    reading: Reading,
    store: Store,
    *,
    jobs: int = 1,
    show_progress: bool = False,
) -> list[ReadFile]:
    """Read every file; what an interrupted import has read before is not read again.

    Parameters
    ----------
    jobs
        Processes; more than one only for many files.

    Returns
    -------
    One entry a file, in order.
    """
    store.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    chunks = [
        (number, start, list(files[start : start + CHUNK]))
        for number, start in enumerate(range(0, len(files), CHUNK))
    ]
    arguments = [(store.folder, number, start, some, reading) for number, start, some in chunks]
    results: list[ReadFile] = []
    with progress_bar(
        total=len(files), desc="Reading", unit="file", delay=_PATIENCE,
        disable=not show_progress or len(chunks) == 1,
    ) as bar:  # fmt: skip
        for part in _in_order(arguments, jobs if len(files) >= MANY else 1):
            results += part
            bar.update(len(part))
    return results


def _in_order(arguments: list[tuple], jobs: int) -> Iterator[list[ReadFile]]:
    """Results of the chunks in order, in this process or in several."""
    if jobs == 1:
        yield from (_read_chunk(some) for some in arguments)
        return
    # Spawned, never forked: a fork copies the threads' locks of whatever is loaded here.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        try:
            yield from pool.map(_read_chunk, arguments)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read_chunk(arguments: tuple) -> list[ReadFile]:
    """Read some files, or find what was read of them before."""
    folder, number, start, files, reading = arguments
    key = _key(files, reading)
    note = folder / f"{number:06d}.json"
    if (kept := _kept(note, key)) is not None:
        return kept
    pixels: list[np.ndarray] = []
    results = []
    place = 0
    for position, path in enumerate(files):
        file = start + position + 1
        maps: list[ReadMap] = []
        found_maps, problems = read_one(path, reading)
        for found in found_maps:
            maps.append(_noted(found, file, number, place, path))
            pixels.append(found.values.ravel())
            place += found.values.size
        results.append(ReadFile(file, tuple(problems), tuple(maps)))
    flat = np.concatenate(pixels) if pixels else np.zeros(0, np.float32)
    # First, so that no note of other settings ever stands beside these pixels.
    note.unlink(missing_ok=True)
    partial = folder / f"{number:06d}.{os.getpid()}.partial"
    flat.astype("<f4").tofile(partial)
    partial.replace(folder / f"{number:06d}.f4")
    content = {"key": key, "files": [asdict(result) for result in results]}
    partial.write_text(json.dumps(content), encoding="utf-8")
    partial.replace(note)
    return results


def read_one(path: Path, reading: Reading) -> tuple[list[FoundMap], list[str]]:
    """Maps of a file and what is wrong with it; whatever happens, the other files are read."""
    ending = path.suffix.lower()
    try:
        if ending not in MAP_FILES and not is_dicom(path):
            if ending in (".xls", ".xlsb", ".xlsm", ".ods"):
                return [], [f"{ending} workbooks are not read: save it as .xlsx"]
            if ending == ".bin":
                return [], [".bin files do not say their rows and columns: export a table instead"]
            if ending in (".zip", ".gz", ".rar", ".7z", ".tar"):
                return [], [f"{ending} is an archive: unpack it and import the folder"]
            is_called_dicom = ending in (".dcm", ".ima")
            if (is_called_dicom or ending not in _OTHER_ENDINGS) and (what := disguise(path)):
                return [], [what]
            if is_called_dicom:
                return [], ["has the ending of DICOM and is none: was it cut short or encrypted?"]
            # Any other ending may be part of a name.
            what = ending if ending in _OTHER_ENDINGS else "a file of this ending"
            return [], [f"{what} is no export of maps"]
        return read_map_file(path, reading)
    except OSError as error:
        return [], [f"cannot be read ({error.strerror or type(error).__name__})"]
    except ValueError as error:
        # Messages of deeper readers begin with the file's name, which may be a person's.
        return [], [str(error).removeprefix(path.name).lstrip(": ").rstrip(".")]
    except MemoryError:
        return [], ["is too large for this machine's memory"]
    except Exception as error:
        # A damaged file may trip any library in any way; it must not end the import.
        return [], [f"cannot be read ({type(error).__name__})"]


def _noted(found: FoundMap, file: int, chunk: int, place: int, path: Path) -> ReadMap:
    return ReadMap(
        file=file,
        study=normal_id(found.study),
        map_type=found.map_type,
        unit=found.unit,
        unit_text=found.unit_text,
        shape=found.shape,
        profile=found.profile,
        low=found.low,
        high=found.high,
        levels=found.levels,
        digest=map_digest(found.values).hex(),
        chunk=chunk,
        start=place,
        size=len(found.values),
        ids={name: normal_id(id) for name, id in found.ids.items()},
        origin=dict(found.origin),
        source=found.source,
        note=found.note,
        folder=_folder_digest(path.parent),
    )


@lru_cache(maxsize=16)
def _folder_digest(folder: Path) -> str:
    return hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def _from_json(noted: dict[str, Any]) -> ReadMap:
    levels = noted.pop("levels")
    return ReadMap(**noted, levels=Levels(**levels | {"lost": tuple(levels["lost"])}))


def _key(files: Sequence[Path], reading: Reading) -> str:
    """Fingerprint of all that the result depends on, short of the files' content."""
    stats = [path.stat() for path in files]
    facts = [
        (str(p), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for p, s in zip(files, stats, strict=True)
    ]
    return hashlib.sha256(repr((__version__, facts, reading)).encode()).hexdigest()


def _kept(note: Path, key: str) -> list[ReadFile] | None:
    """Results noted under the same key, or None."""
    try:
        content = json.loads(note.read_text(encoding="utf-8"))
        if content["key"] != key or not note.with_suffix(".f4").is_file():
            return None
        return [
            ReadFile(f["number"], tuple(f["problems"]), tuple(map(_from_json, f["maps"])))
            for f in content["files"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
