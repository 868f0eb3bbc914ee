"""One file of many parts that notices every changed byte: a stored zip, sealed by its comment."""

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from polarnet.files import new_file, parse_json

MANIFEST: Final = "manifest.json"

FORMAT: Final = 2
"""To be raised when a file can no longer be read by the code before."""

LARGEST_PART: Final = 2**30
"""Bytes of one part, unpacked: VGG16 without its top has 59 MB (our choice)."""

LARGEST_TEXT: Final = 2**22
"""Bytes of a part that is text (our choice)."""

MOST_PARTS: Final = 250

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,40}\.[a-z]{1,8}")
_SEAL: Final = "polarnet bundle, format %4d, sha256 of all bytes before this comment "
_SEALED: Final = re.compile(_SEAL.replace("%4d", "( *[0-9]+)").encode() + rb"([0-9a-f]{64})")
_LENGTH: Final = len(_SEAL % FORMAT) + 64
_END: Final = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE 4.3.16
_LONG_END: Final = b"PK\x06\x07"  # locator of the zip64 end, 20 bytes
_LARGEST_DIRECTORY: Final = MOST_PARTS * 256
_CHUNK: Final = 2**20


def write_sealed(path: str | Path, facts: Mapping[str, Any], parts: Mapping[str, bytes]) -> None:
    """Write parts, what they are, and the seal; the same input gives the same bytes.

    Parameters
    ----------
    facts
        Goes into manifest.json, with the format and the sha256 of every part.
    parts
        Name -> content. Names are small letters, digits and one dot, never a path.
    """
    whole = {
        "format": FORMAT,
        **facts,
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()},
    }
    manifest = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with new_file(path) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = _seal("0" * 64)
            for name, content in {MANIFEST: manifest.encode(), **parts}.items():
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system = 3  # the same on every system
                entry.external_attr = 0o600 << 16
                archive.writestr(entry, content)
        with partial.open("r+b") as file:
            end = partial.stat().st_size - _LENGTH
            digest = _digest(file, end)
            file.seek(end)
            file.write(_seal(digest))


def read_sealed(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Facts and parts of a file made by `write_sealed`; nothing is parsed before the seal is tried.

    The seal finds accidents, not forgers: whoever makes a file can seal it. So sizes and names are
    checked as well, and no part is ever written under a name of the file's choice.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is no such file, changed, cut short, of another format, or has other parts than
        its manifest says.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No model bundle {path}.")
    with path.open("rb") as file:
        _check_seal(file, path)
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                _check_entries(entries, path)
                parts = {entry.filename: archive.read(entry) for entry in entries}
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError):
            raise _refused(path, "its directory does not fit its content") from None
    facts = _facts(parts.pop(MANIFEST), path)
    stated = facts["sha256"]
    if set(stated) != set(parts):
        odd = sorted(set(map(str, stated)) ^ set(parts))
        raise _refused(path, f"parts missing or not in its manifest ({', '.join(odd)[:200]})")
    for name, content in parts.items():
        if hashlib.sha256(content).hexdigest() != stated[name]:
            raise _refused(path, f"{name} is not what the manifest says")
    return facts, parts


def check_inner(content: bytes, what: str) -> None:
    """Refuse a zip within a part by its directory: too many parts, or too large unpacked.

    Raises
    ------
    ValueError: says so.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError):
        raise ValueError(f"{what} is cut short") from None
    if len(entries) > MOST_PARTS:
        raise ValueError(f"{what} has more than {MOST_PARTS} parts")
    if sum(entry.file_size for entry in entries) > LARGEST_PART:
        raise ValueError(f"{what} would unpack to more than {LARGEST_PART // 2**20} MB")


def _seal(digest: str) -> bytes:
    return (_SEAL % FORMAT + digest).encode()


def _digest(file: BinaryIO, end: int) -> str:
    """sha256 of the first bytes of a file."""
    file.seek(0)
    digest = hashlib.sha256()
    while end > 0:
        chunk = file.read(min(_CHUNK, end))
        if not chunk:
            break
        digest.update(chunk)
        end -= len(chunk)
    return digest.hexdigest()


def _check_seal(file: BinaryIO, path: Path) -> None:
    """Refuse what is no bundle, of another format, or changed; then a directory of odd size."""
    size = file.seek(0, 2)
    end = size - _LENGTH
    file.seek(max(end, 0))
    found = _SEALED.fullmatch(file.read())
    if found is None:
        file.seek(0)
        why = "cut short, or changed" if file.read(4) == b"PK\x03\x04" else "no model bundle"
        raise _refused(path, why)
    if int(found[1]) != FORMAT:
        raise ValueError(
            f"{path} is a bundle of format {int(found[1])}, this polarnet reads {FORMAT}. "
            "Install the version of polarnet that wrote it."
        )
    if found[0] != _seal(_digest(file, end)):
        raise _refused(path, "changed since it was written")
    file.seek(max(end - _END.size - 20, 0))
    tail = file.read(min(end, _END.size + 20))
    last = _END.unpack(tail[-_END.size :]) if len(tail) >= _END.size else (b"",) * 8
    signature, n_parts, directory = last[0], last[4], last[5]
    if (
        signature != b"PK\x05\x06" or tail.startswith(_LONG_END)
        or n_parts > MOST_PARTS or directory > _LARGEST_DIRECTORY
    ):  # fmt: skip
        raise _refused(path, "its directory has not the form of a bundle")


def _check_entries(entries: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse names and sizes that no bundle has, by the directory alone."""
    names = [entry.filename for entry in entries]
    if odd := [name for name in names if not _NAME.fullmatch(name)]:
        raise _refused(path, f"a part has the name {odd[0][:60]!r}")
    if len(set(names)) < len(names) or MANIFEST not in names:
        raise _refused(path, "a part comes twice, or there is no manifest")
    for entry in entries:
        is_text = not entry.filename.endswith((".keras", ".npz"))
        largest = LARGEST_TEXT if is_text else LARGEST_PART
        is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
        if not is_plain or entry.file_size != entry.compress_size or entry.file_size > largest:
            raise _refused(
                path, f"{entry.filename} is packed, or has more than {largest // 2**20} MB"
            )
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _refused(path, "its parts overlap")


def _facts(content: bytes, path: Path) -> dict[str, Any]:
    """The manifest, as far as its form goes."""
    try:
        facts = parse_json(content)
    except ValueError as error:
        raise _refused(path, f"its manifest {error}") from None
    if not isinstance(facts.get("sha256"), dict):
        raise _refused(path, "its manifest lacks the digests of its parts")
    if facts.get("format") != FORMAT:
        raise _refused(path, f"its manifest is of format {facts.get('format')!r:.40}")
    return facts


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(f"{path} is not a whole model bundle: {why}. Get the file again.")
