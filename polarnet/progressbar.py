"""Progress with time left, for a terminal, a notebook or a log file."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any, Final, TextIO

from tqdm.std import tqdm

LOG_EVERY_S: Final = 30.0
"""Seconds between two lines of a log file (our choice)."""

LOG_AFTER_S: Final = 5.0
"""Work that takes less leaves no line in a log file (our choice)."""


class _Lines:
    """A text stream that gets each state of a bar as a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._last = stream, ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line and line != self._last:
            self._stream.write(line + "\n")
            self._last = line

    def flush(self) -> None:
        self._stream.flush()


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> tqdm:
    """A tqdm bar, with tqdm's options; where a bar cannot move, a line now and then.

    A log file, where stderr is no terminal, gets a line every 30 seconds of work that takes longer
    than 5. Without `items`, call `update`.
    """
    if sys.stderr is None:  # a Windows program without console
        return tqdm(items, **options | {"disable": True})
    if "ipykernel" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets, it shows its bar as text
            from tqdm.auto import tqdm as notebook_bar

        return notebook_bar(items, **options)
    if sys.stderr.isatty():
        return tqdm(items, **options)
    in_log: dict[str, Any] = {"file": _Lines(sys.stderr), "ascii": True, "ncols": 100}
    in_log |= {"mininterval": LOG_EVERY_S, "maxinterval": LOG_EVERY_S, "delay": LOG_AFTER_S}
    return tqdm(items, **in_log | options)
