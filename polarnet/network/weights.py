"""Where the weights of the trunk come from, and what to do where no download is possible."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import keras
import numpy as np

from polarnet.network.modelfile import check_weights

IMAGENET_URL: Final = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
"""The file that Keras downloads for weights="imagenet" without the top (58.9 MB)."""

BLOCKS: Final = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions of each block, and their filters."""

_LARGEST: Final = 10**8
"""Bytes of a file of weights: ours has 58.9 MB, that of VGG16 with its top 553 MB (our choice)."""

_PATIENCE_S: Final = 8.0  # a firewall that drops packets would otherwise hold us for minutes


def vgg16_trunk(
    inputs: keras.KerasTensor, weights: str | None, last_block: str = "block5"
) -> dict[str, keras.layers.Layer]:
    """VGG16 without its top and without what lies above a block, in the same graph as `inputs`.

    Parameters
    ----------
    inputs
        Image, (n, rows, columns, 3).
    weights
        "imagenet" (Keras' download and cache), the path of a weights file for
        VGG16(include_top=False), or None: the kernels are then zero, to be drawn by the caller.
    last_block
        "block1" to "block5".

    Returns
    -------
    Its layers by Keras' names for them, not trainable.

    Raises
    ------
    FileNotFoundError: no such file.
    ConnectionError: the download was not possible; says how to fetch the file elsewhere.
    ValueError: the file does not hold VGG16 weights.

    References
    ----------
    Simonyan & Zisserman, arXiv 1409.1556, table 1, column D.
    """
    given = _weights(weights)
    layers: dict[str, keras.layers.Layer] = {}
    values = inputs
    for block, (n_convolutions, filters) in enumerate(BLOCKS, start=1):
        for k in range(1, n_convolutions + 1):
            name = f"block{block}_conv{k}"
            layers[name] = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer="zeros",
                trainable=False, name=name,
            )  # fmt: skip
            values = layers[name](values)
            if given:
                layers[name].set_weights(given[name])
        if last_block == f"block{block}":
            break
        layers[f"block{block}_pool"] = keras.layers.MaxPooling2D(name=f"block{block}_pool")
        values = layers[f"block{block}_pool"](values)
    return layers


def _weights(weights: str | None) -> dict[str, list[np.ndarray]]:
    """Kernel and bias of each convolution; nothing where there are none to be had."""
    if weights is None:
        return {}
    if weights == "imagenet":
        with _impatient():
            try:
                return _by_name(keras.applications.VGG16(include_top=False, weights="imagenet"))
            except Exception as error:
                # Keras wraps every failure of a download in a bare Exception.
                reason = str(error).rsplit("--", 1)[-1].strip() or type(error).__name__
                raise ConnectionError(
                    f"The ImageNet weights could not be downloaded ({reason}). On a computer "
                    f"with internet access fetch {IMAGENET_URL}, copy the file here, and pass "
                    "its path as weights (--weights PATH)."
                ) from None
    path = Path(weights)
    if not path.is_file():
        raise FileNotFoundError(
            f"No weights file {path}. Pass 'imagenet', 'none', or the path of a VGG16 file."
        )
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("larger than VGG16")
        check_weights(path.read_bytes())
        return _by_name(keras.applications.VGG16(include_top=False, weights=str(path)))
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError):
        raise ValueError(
            f"{path} does not hold weights of VGG16 without its top. The right file is "
            f"{IMAGENET_URL.rsplit('/', 1)[-1]} (58.9 MB)."
        ) from None


def _by_name(vgg16: keras.Model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in vgg16.layers}


def weights_at_hand() -> str | None:
    """ "imagenet" where Keras has the file already, so that nothing is downloaded; else None."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return "imagenet" if (home / "models" / IMAGENET_URL.rsplit("/", 1)[-1]).is_file() else None


@contextmanager
def _impatient() -> Iterator[None]:
    """Give up a connection that does not answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
