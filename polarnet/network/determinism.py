"""Deterministic operations for the time of a training; afterwards the process is as before."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

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
    generator: Any = global_state.get_global_attribute(_GENERATOR)  # None: not made yet
    drawn_keras = None if generator is None else np.array(generator.state.value)
    try:
        yield
    finally:
        random.setstate(drawn)
        np.random.set_state(drawn_numpy)  # noqa: NPY002
        global_state.set_global_attribute(_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(drawn_keras)
        with _lock:
            was_enabled = _before[0]
            _before.pop()
            if not _before and not was_enabled:
                disable_op_determinism()
