"""What commands say, and how TensorFlow starts without saying anything."""

import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SHOWN: Final = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value", "p_adjusted", "note")
"""Columns of a printed table of AUROCs."""


def print_table(table: Any) -> None:
    """Three decimals, empty where there is no number; no p-value is ever 0."""

    def p_value(p: float) -> str:
        if math.isnan(p):
            return ""
        return "<0.001" if p < 0.001 else f"{p:.3f}"

    small = {name: p_value for name in table if str(name).startswith("p_")}
    print(
        table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}", formatters=small)
    )


@contextmanager
def notes() -> Iterator[None]:
    """What the library warns of inside the block is said in a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for note in caught:
        print(f"Note: {note.message}", file=sys.stderr)


def wrote(*paths: str | Path) -> None:
    print("Wrote " + ", ".join(str(path) for path in paths))


def split_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def load_tensorflow() -> None:
    """Import TensorFlow without its start-up messages, which are not for clinicians.

    Some of them are written by C++ code before any log level applies, so stderr itself is put
    aside for the seconds of the import.
    """
    print("Starting TensorFlow ...", flush=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
