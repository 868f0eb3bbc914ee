"""VGG16's convolutions, and their weights: of the package, of a file, or downloaded."""

import io
import socket
from importlib import resources
from pathlib import Path
from typing import Final

import h5py
import keras
import numpy as np

IMAGENET_URL: Final = (
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
"""The file that Keras downloads for weights="imagenet" without the top (58.9 MB)."""

BLOCKS: Final = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Convolutions of each block, and their filters."""

PACKAGED: Final = "vgg16_blocks_1_2.npz"
"""ImageNet weights of VGG16's blocks 1 and 2, which are part of this package: 260,160 numbers,
1.04 MB. By the Visual Geometry Group, University of Oxford, CC BY 4.0."""

PACKAGED_BLOCKS: Final = ("block1", "block2")

_LARGEST: Final = 10**8
"""Bytes of a file of weights: ours has 58.9 MB, that of VGG16 with its top 553 MB (our choice)."""

_DEEPEST: Final = 8  # groups within groups of an HDF5 file; Keras makes four

_PATIENCE_S: Final = 8.0  # a firewall that drops packets would otherwise hold us for minutes


def vgg16_trunk(
    inputs: keras.KerasTensor,
    weights: str | None,
    last_block: str = "block5",
    dtype: str | None = None,
) -> dict[str, keras.layers.Layer]:
    """VGG16 without its top and without what lies above a block, in the same graph as `inputs`: its
    layers by Keras' names for them, not trainable.

    `weights` are "imagenet" (of the package up to block 2, otherwise Keras' download and cache),
    the path of a file for VGG16(include_top=False), or None: kernels are then zero.

    FileNotFoundError: no such file. ConnectionError: the download was not possible; says how to
    fetch the file elsewhere. ValueError: the file does not hold VGG16 weights.
    """
    is_packaged = weights == "imagenet" and last_block in PACKAGED_BLOCKS
    given = _packaged() if is_packaged else _read(weights)
    layers: dict[str, keras.layers.Layer] = {}
    values = inputs
    for block, (n_convolutions, filters) in enumerate(BLOCKS, start=1):
        for k in range(1, n_convolutions + 1):
            name = f"block{block}_conv{k}"
            layers[name] = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", kernel_initializer="zeros",
                trainable=False, name=name, dtype=dtype,
            )  # fmt: skip
            values = layers[name](values)
            if given:
                layers[name].set_weights(given[name])
        if last_block == f"block{block}":
            break
        name = f"block{block}_pool"
        layers[name] = keras.layers.MaxPooling2D(name=name, dtype=dtype)
        values = layers[name](values)
    return layers


def _packaged() -> dict[str, list[np.ndarray]]:
    """Kernel and bias of the convolutions that are part of the package."""
    file = resources.files("polarnet.network").joinpath(PACKAGED)
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
        names = {name.rsplit("_", 1)[0] for name in kept.files}
        return {name: [kept[f"{name}_kernel"], kept[f"{name}_bias"]] for name in names}


def _read(weights: str | None) -> dict[str, list[np.ndarray]]:
    """Kernel and bias of each convolution from a file or the download; empty for None."""
    if weights is None:
        return {}
    if weights == "imagenet":
        trunk = _downloaded()
    elif not (path := Path(weights)).is_file():
        raise FileNotFoundError(
            f"No weights file {path}. Pass 'imagenet', 'none', or the path of a VGG16 file."
        )
    else:
        try:
            if path.stat().st_size > _LARGEST:
                raise ValueError("larger than VGG16")
            check_weights(path.read_bytes())
            trunk = keras.applications.VGG16(include_top=False, weights=str(path))
        except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError):
            raise ValueError(
                f"{path} does not hold weights of VGG16 without its top. The right file is "
                f"{IMAGENET_URL.rsplit('/', 1)[-1]} (58.9 MB)."
            ) from None
    return {layer.name: layer.get_weights() for layer in trunk.layers}


def _downloaded() -> keras.Model:
    """ImageNet's by Keras' download, which is given up after some seconds of silence."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE_S)
    try:
        return keras.applications.VGG16(include_top=False, weights="imagenet")
    except Exception as error:
        # Keras wraps every failure of a download in a bare Exception.
        reason = str(error).rsplit("--", 1)[-1].strip() or type(error).__name__
        raise ConnectionError(
            f"The ImageNet weights could not be downloaded ({reason}). On a computer "
            f"with internet access fetch {IMAGENET_URL}, copy the file here, and pass "
            "its path as weights (--weights PATH). Blocks 1 and 2 need no download."
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def check_weights(content: bytes) -> None:
    """Refuse an HDF5 file whose arrays, made before use, are larger than it, or lie elsewhere."""
    arrays: list[h5py.Dataset] = []

    def leads_away(name: str, link: object) -> bool | None:
        """True ends the visit, before what the link leads to is looked at."""
        return None if isinstance(link, h5py.HardLink) and name.count("/") <= _DEEPEST else True

    def note(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            arrays.append(item)

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if file.visititems_links(leads_away):
                raise ValueError("its arrays lie in another file, or too deep")
            file.visititems(note)
            if any(array.is_virtual or array.external for array in arrays):
                raise ValueError("its arrays lie in another file")
            if sum(array.nbytes for array in arrays) > len(content):
                raise ValueError(
                    f"its arrays say to be larger than the file, which has {len(content)} bytes"
                )
    except (OSError, KeyError, RuntimeError, TypeError, AttributeError):
        raise ValueError("its weights are not a whole HDF5 file") from None
