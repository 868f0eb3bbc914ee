"""Folders and files that appear whole or not at all."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_vacant(target: str | Path) -> None:
    """Raise FileExistsError if `target` is a file, or a folder with something in it."""
    target = Path(target)
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise FileExistsError(
            f"{target} exists and is not empty; nothing was changed. "
            "Choose another --out, or move it away."
        )


@contextmanager
def new_folder(target: str | Path) -> Iterator[Path]:
    """Fill a hidden sibling folder, then give it its name in one step.

    An error or an interruption inside the block removes the sibling; a killed process leaves
    it behind under a name that begins with a dot and ends in `.partial`.

    Parameters
    ----------
    target
        The folder to make. Its parents are made as needed; an empty folder is replaced.

    Raises
    ------
    FileExistsError: `target` is a file, or a folder with something in it.
    """
    target = Path(target)
    check_vacant(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(
        tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    )
    try:
        yield partial
        # mkdtemp's folders are their owner's alone; this one gets what the user's others have.
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o777 & ~umask)
        check_vacant(target)  # another program may have been there meanwhile
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


@contextmanager
def new_file(target: str | Path) -> Iterator[Path]:
    """Fill a hidden sibling file, then give it its name in one step; an older file is replaced.

    Every process fills a file of its own, so that of two writers each leaves a whole one.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
