"""From a polar map to the image that VGG16 expects; the same for training and prediction."""

from typing import Final

import keras
import numpy as np
import tensorflow as tf

from polarnet.anatomy import disc_mask
from polarnet.config import ExperimentConfig
from polarnet.yamlfile import shown

ENCODING_VERSION: Final = 2
"""To be raised with every change of what `encode` gives, so that kept features are not reused."""


def encode(maps: np.ndarray | tf.Tensor, config: ExperimentConfig) -> tf.Tensor:
    """Scale, enlarge and colour maps, then apply VGG16's own preprocessing.

    Parameters
    ----------
    maps
        Shape (n, size, size, channels), float32, 0 outside the disc: one channel for one map
        type, in the unit of the cohort; three for combined maps (rest, stress, reserve).
    config
        A resolved configuration: its `windows` say what is darkest and brightest.

    Returns
    -------
    Tensor of shape (n, input_size, input_size, 3), float32: BGR minus the ImageNet means.

    References
    ----------
    Simonyan & Zisserman, arXiv 1409.1556; preprocessing by keras.applications.vgg16.
    """
    maps = tf.convert_to_tensor(maps, tf.float32)
    if config.scaling == "relative":
        low, high = 0.0, tf.reduce_max(maps, axis=(1, 2), keepdims=True)
    else:
        low, high = tf.unstack(tf.constant(config.windows), axis=1)
    share = tf.clip_by_value(tf.math.divide_no_nan(maps - low, high - low), 0, 1)
    share = tf.image.resize(share, (config.input_size, config.input_size), method="bilinear")
    if config.palette == "grey":
        image = tf.repeat(share * 255, 3 // maps.shape[-1], axis=-1)
    else:
        level = tf.cast(tf.round(share[..., 0] * 255), tf.int32)
        image = tf.gather(tf.constant(_colours(config.palette)), level)
    return keras.applications.vgg16.preprocess_input(image)


def clipped_share(maps: np.ndarray, config: ExperimentConfig) -> float:
    """Share of the pixels inside the disc that lie outside their window, 0 to 1.

    Parameters
    ----------
    maps
        As for `encode`.
    """
    if config.scaling == "relative":
        return 0.0
    low, high = np.transpose(config.windows)
    inside = maps[:, disc_mask(maps.shape[1])]
    return float(((inside < low) | (inside > high)).mean())


def _colours(palette: str) -> np.ndarray:
    """The 256 colours of a matplotlib colour map, (256, 3) float32, 0 to 255."""
    from matplotlib import colormaps

    if palette not in colormaps:
        raise ValueError(
            f"palette must be 'grey' or a matplotlib colour map, not {shown(palette)}."
        )
    rgba = colormaps[palette].resampled(256)(np.arange(256), bytes=True)
    return rgba[:, :3].astype(np.float32)
