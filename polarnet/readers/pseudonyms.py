"""Ids that say nothing: the same patient gets the same one, whoever lacks the key cannot tell."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from platformdirs import user_config_path

from polarnet.ids import normal_id

KEY_BYTES: Final = 32
"""As long as SHA-256's result, which RFC 2104 recommends for HMAC."""

LENGTH: Final = 12
"""Characters after the letter, 60 bits (our choice): among a million ids two are the same with
a probability of 4 in ten million."""

_KEY_FILE: Final = re.compile(rb"([0-9a-f]{64})\r?\n?")

_PATIENCE: Final = 2.0
"""Seconds that another process may take to write the key that it has begun (our choice)."""


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed pseudonyms: HMAC-SHA256 of an id, cut to 60 bits and written in base32.

    Attributes
    ----------
    key
        32 secret bytes. They are never shown: with them, a list of all hospital numbers tells
        whose pseudonym is whose.

    Raises
    ------
    ValueError: the key has another length.

    References
    ----------
    RFC 2104 (HMAC); RFC 4648, section 6 (base32).
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"A key has {KEY_BYTES} bytes, but {len(self.key)} were given.")

    def patient(self, id: str) -> str:
        """Pseudonym of a patient: P and 12 characters of a-z and 2-7.

        Raises
        ------
        ValueError: the id is empty.

        >>> Pseudonyms(bytes(32)).patient(" 4711 ") == Pseudonyms(bytes(32)).patient("4711")
        True
        """
        return "P" + self._digest("patient", id)

    def study(self, id: str) -> str:
        """Pseudonym of a study: S and 12 characters of a-z and 2-7.

        Raises
        ------
        ValueError: the id is empty.
        """
        return "S" + self._digest("study", id)

    def _digest(self, domain: str, id: str) -> str:
        text = normal_id(id)
        if not text:
            raise ValueError(f"An empty {domain} id has no pseudonym. Give every row an id.")
        # The domain keeps a patient and a study of the same number apart.
        code = hmac.new(self.key, f"{domain}\0{text}".encode(), hashlib.sha256).digest()
        return base64.b32encode(code).decode("ascii").lower()[:LENGTH]


def load_key(path: str | Path | None = None) -> tuple[Pseudonyms, Path, bool]:
    """Pseudonyms from the user's key file, which is made where there is none.

    Parameters
    ----------
    path
        File of 64 hexadecimal characters. None: `pseudonym.key` in the user's configuration
        folder.

    Returns
    -------
    The pseudonyms, the file, and whether it was made just now.

    Raises
    ------
    ValueError: the file is damaged, or cannot be read or made. It is never overwritten, because
        with a new key known patients would become others.
    """
    if path is None:
        path = user_config_path("polarnet", appauthor=False) / "pseudonym.key"
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = _make(path)
        content = _read(path)
    except OSError as error:
        raise ValueError(
            f"The key file {path} cannot be read or made ({error.strerror}). Name another file, or "
            "ask for access to this one."
        ) from None
    match = _KEY_FILE.fullmatch(content)
    if match is None:
        raise ValueError(
            f"{path} is not a key: it has {len(content)} characters, expected 64 of 0-9 and a-f. "
            "Put your copy of it back. If you have none and no cohort was made with it, delete it."
        )
    return Pseudonyms(bytes.fromhex(match[1].decode())), path, is_new


def _make(path: Path) -> bool:
    """Write a new key, readable by its owner alone, unless there is a file; whether it did."""
    if path.exists():
        return False
    key = secrets.token_hex(KEY_BYTES).encode() + b"\n"
    partial = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        _write_new(partial, key)
        try:
            # Whole or not at all; of several processes, one makes it and the others find it.
            os.link(partial, path)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # a drive without hard links
            _write_new(path, key)
    except FileExistsError:
        return False
    finally:
        partial.unlink(missing_ok=True)
    return True


def _write_new(path: Path, content: bytes) -> None:
    """Write a file for its owner alone; FileExistsError if there is one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    """The file's first bytes, once another process that is making it has finished."""
    end = time.monotonic() + _PATIENCE
    while True:
        with path.open("rb") as file:
            content = file.read(4 * KEY_BYTES)
        # Whole with its line end, so that a key half written is not taken for a shorter one.
        if len(content) > 2 * KEY_BYTES or time.monotonic() > end:
            return content
        time.sleep(0.02)
