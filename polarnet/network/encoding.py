"""From a polar map to the image that VGG16 expects: the first layers of every model."""

from typing import Final

import keras
import numpy as np

from polarnet.anatomy import disc_mask
from polarnet.config import ExperimentConfig
from polarnet.files import shown
from polarnet.network.inputs import Rows

ENCODING_VERSION: Final = 3
"""To be raised with every change of the image, so that kept features are not reused."""

_MEANS_BGR: Final = np.array([103.939, 116.779, 123.68])
"""Mean of ImageNet's channels, which VGG16 expects to be taken away (keras.applications.vgg16)."""

_SHARD: Final = 1024  # maps in memory at once where a whole cohort is gone through


def encoded(maps: keras.KerasTensor, config: ExperimentConfig) -> keras.KerasTensor:
    """Scale, enlarge and colour maps, then apply VGG16's own preprocessing; standard layers only.

    Parameters
    ----------
    maps
        Shape (n, size, size, channels), 0 outside the disc: one channel for one map type, in the
        unit of the cohort; three for combined maps (rest, stress, reserve).
    config
        A resolved configuration: its `windows` say what is darkest and brightest.

    Returns
    -------
    Image of shape (n, input_size, input_size, 3): blue, green, red minus the ImageNet means. One
    map in grey stands in all three channels; of combined maps rest is blue, stress green and
    reserve red.

    References
    ----------
    Simonyan & Zisserman, arXiv 1409.1556; preprocessing by keras.applications.vgg16.
    """
    layers, side, channels = keras.layers, config.input_size, maps.shape[-1]
    if config.scaling == "relative":
        brightest = layers.GlobalMaxPooling2D(keepdims=True, name="brightest")(maps)
        share = keras.ops.divide_no_nan(maps, brightest)
    else:
        low, high = np.transpose(config.windows)
        share = layers.Rescaling(
            (1 / (high - low)).tolist(), (-low / (high - low)).tolist(), name="window"
        )(maps)
    share = layers.ReLU(max_value=1.0, name="clipped")(share)
    share = layers.Resizing(side, side, interpolation="bilinear", name="enlarged")(share)
    if config.palette == "grey":
        if channels == 1:
            share = layers.Concatenate(name="channels")([share, share, share])
        return layers.Rescaling(255.0, (-_MEANS_BGR).tolist(), name="image")(share)
    # Embedding takes the whole part of a number: 8 bits, rounded.
    levels = layers.Rescaling(255.0, 0.5, name="levels")(share)
    colours = layers.Embedding(256, 3, trainable=False, name="colours")
    coloured = colours(levels)
    colours.set_weights([_colours(config.palette)])
    return layers.Reshape((side, side, 3), name="image")(coloured)


def clipped_share(maps: Rows, config: ExperimentConfig) -> float:
    """Share of the pixels inside the disc that lie outside their window, 0 to 1.

    Parameters
    ----------
    maps
        Shape (n, size, size, channels), as a model of these settings reads them.
    """
    if config.scaling == "relative":
        return 0.0
    low, high = np.transpose(config.windows)
    n_pixels = n_clipped = 0
    for start in range(0, len(maps), _SHARD):
        part = maps[start : start + _SHARD]
        inside = part[:, disc_mask(part.shape[1])]
        n_pixels += inside.size
        n_clipped += int(((inside < low) | (inside > high)).sum())
    return n_clipped / n_pixels


def _colours(palette: str) -> np.ndarray:
    """The 256 colours of a matplotlib colour map as VGG16 takes them, (256, 3) float32."""
    from matplotlib import colormaps

    if palette not in colormaps:
        raise ValueError(
            f"palette must be 'grey' or a matplotlib colour map, not {shown(palette)}."
        )
    rgba = colormaps[palette].resampled(256)(np.arange(256), bytes=True)
    return (rgba[:, 2::-1] - _MEANS_BGR).astype(np.float32)
