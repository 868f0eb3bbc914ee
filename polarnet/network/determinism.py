"""Deterministic operations for the time of a training; afterwards the process is as before."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled

_GENERATOR: Final = "global_seed_generator"  # Keras' own name

_lock = threading.Lock()
_before: list[bool] = []  # for each block that is open, in any thread, the switch as it was


@contextmanager
def deterministic() -> Iterator[None]:
    """Let TensorFlow's operations be deterministic inside the block.

    The switch is of the whole process: left on, any code without seeds raises "Random ops require a
    seed". TensorFlow has no public way to turn it off, so its private one is used. Global random
    states of Python, NumPy and Keras are put back, too.
    """
    with _lock:
        _before.append(bool(is_op_determinism_enabled()))
        tf.config.experimental.enable_op_determinism()
    drawn, drawn_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (not ours to choose)
    drawn_keras = _keras_state()
    try:
        yield
    finally:
        random.setstate(drawn)
        np.random.set_state(drawn_numpy)  # noqa: NPY002
        _put_back(drawn_keras)
        with _lock:
            was_enabled = _before[0]
            _before.pop()
            if not _before and not was_enabled:
                disable_op_determinism()


def _keras_state() -> tuple[object, np.ndarray | None]:
    """Keras' global generator of seeds, if it has been made, and its state."""
    generator = global_state.get_global_attribute(_GENERATOR)
    return generator, None if generator is None else np.array(generator.state.value)


def _put_back(kept: tuple[object, np.ndarray | None]) -> None:
    generator, state = kept
    global_state.set_global_attribute(_GENERATOR, generator)
    if state is not None:
        generator.state.assign(state)  # type: ignore[attr-defined]
