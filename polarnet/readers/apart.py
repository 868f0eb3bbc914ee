"""Files whose readers can end the whole program are read by a process of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

SECONDS: Final = 120
"""Longest time for one file (our choice)."""


def read_apart(module: str, function: str, path: Path) -> bytes:
    """What a function of ours writes to standard output, given the path as its only argument.

    Some damaged files end the process that reads them, without an error that could be caught.

    Raises
    ------
    ValueError: the process ended, or took too long.
    """
    command = [sys.executable, "-P", "-c", f"from {module} import {function}; {function}()"]
    # The same packages as here, and none from the folder that we happen to be in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        return subprocess.run(
            [*command, str(path)], env=environment, capture_output=True, timeout=SECONDS, check=True
        ).stdout
    except (subprocess.SubprocessError, OSError):
        raise ValueError("the process that read it ended") from None
