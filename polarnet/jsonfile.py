"""The one way a JSON file of facts is read and written: bounded, an object, whole."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from polarnet.folders import new_file

MAX_JSON_BYTES: Final = 2**24
"""Largest file of facts (our choice; environment.json of a run has 2 kB)."""


def read_facts(path: str | Path) -> dict[str, Any]:
    """The names and values of a JSON file.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is larger than 16 MB, not UTF-8, not JSON, or no object.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file {path}.")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ValueError(f"{path.name} is larger than {MAX_JSON_BYTES // 2**20} MB.")
    try:
        return checked_facts(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} {error}. Get the file again.") from None


def checked_facts(content: bytes) -> dict[str, Any]:
    """The same of the bytes of a file.

    Raises
    ------
    ValueError: says, without the name of a file, what is wrong.
    """
    try:
        facts = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(facts, dict):
        raise ValueError("holds no names and values in { }")
    return facts


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write a mapping as a JSON file."""
    with new_file(path) as partial:
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        partial.write_text(text, encoding="utf-8", newline="\n")
