"""Batches for training: order, labels, weights and legal augmentation, all from the seed."""

from collections.abc import Callable

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from polarnet.anatomy import disc_mask
from polarnet.config import ExperimentConfig
from polarnet.network.encoding import encode

TURN_DEG = 10.0
"""Largest rotation: the uncertainty of the septal landmark (our choice, a sixth of a segment)."""
STRETCH = 0.03
"""Largest radial stretch or shrinkage, as a share (our choice)."""
GRAIN = 0.03
"""SD of multiplicative pixel noise (our choice)."""


def labels_and_weights(
    traits: pd.DataFrame,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels without NaN, and weights that make the loss a mean over recorded labels.

    Returns
    -------
    Two dicts, trait -> float32 array (n, 1). A label that was not recorded becomes 0 with weight
    0; the others weigh n / n_recorded, so that the mean over all studies is theirs.

    >>> labels, weights = labels_and_weights(pd.DataFrame({"sex": [1.0, np.nan]}))
    >>> labels["sex"].ravel().tolist(), weights["sex"].ravel().tolist()
    ([1.0, 0.0], [2.0, 0.0])
    """
    labels, weights = {}, {}
    for trait in traits.columns:
        is_recorded = traits[trait].notna().to_numpy()
        share = is_recorded.mean()
        labels[trait] = traits[trait].fillna(0).to_numpy(np.float32)[:, None]
        weights[trait] = (is_recorded / share if share else is_recorded).astype(np.float32)[:, None]
    return labels, weights


def training_batches(
    read: Callable[[np.ndarray], np.ndarray],
    traits: pd.DataFrame,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    augment: ExperimentConfig | None = None,
) -> tf.data.Dataset:
    """All epochs in one stream, each in an order that depends on seed and epoch alone.

    Parameters
    ----------
    read
        Positions (k,) -> features or maps (k, ...), float32.
    augment
        Where given, `read` gives maps, which are changed slightly and then encoded.

    Returns
    -------
    Dataset of (inputs, dict of labels, dict of weights); ceil(n / batch_size) batches an epoch.
    """
    n = len(traits)
    labels, weights = labels_and_weights(traits)

    def order() -> object:
        for epoch in range(epochs):
            drawn = np.random.default_rng((seed, epoch)).permutation(n)
            for start in range(0, n, batch_size):
                yield epoch, drawn[start : start + batch_size]

    def load(epoch: tf.Tensor, rows: tf.Tensor) -> tuple:
        inputs = tf.numpy_function(read, [rows], tf.float32)
        inputs.set_shape([None, *read(np.array([0])).shape[1:]])
        if augment is not None:
            inputs = encode(vary(inputs, rows, epoch, seed), augment)
        pick = {
            kind: {trait: tf.gather(values[trait], rows) for trait in values}
            for kind, values in (("labels", labels), ("weights", weights))
        }
        return inputs, pick["labels"], pick["weights"]

    signature = (tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.int64))
    stream = tf.data.Dataset.from_generator(order, output_signature=signature)
    return stream.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)


def vary(maps: tf.Tensor, rows: tf.Tensor, epoch: tf.Tensor, seed: int) -> tf.Tensor:
    """Turn, stretch and grain maps (k, size, size, channels) a little; a wall stays in its place.

    All maps of a study turn together. The change depends on seed, epoch and study alone, never on
    the batch a map came in.
    """
    size, channels = maps.shape[1], maps.shape[-1]

    def draw(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        key = tf.stack([tf.cast(seed, tf.int64) * 1_000_003 + epoch, row])
        return (
            tf.random.stateless_uniform((2,), key, -1, 1),
            # A key of its own, so that the grain knows nothing of the turn.
            tf.random.stateless_normal((size, size, channels), key + tf.constant([1 << 40, 0], tf.int64)),
        )

    both, grain = tf.map_fn(draw, rows, fn_output_signature=(tf.float32, tf.float32))
    angle, factor = both[:, 0] * (TURN_DEG * np.pi / 180), 1 + both[:, 1] * STRETCH
    cos, sin = tf.cos(angle) / factor, tf.sin(angle) / factor
    middle = (size - 1) / 2
    zero = tf.zeros_like(cos)
    transform = tf.stack(
        [cos, -sin, middle * (1 - cos + sin), sin, cos, middle * (1 - sin - cos), zero, zero],
        axis=1,
    )
    # The edge of the disc is warped too, and divided by: what lies outside must not leak in.
    inner = disc_mask(size)[..., None]
    disc = tf.broadcast_to(tf.cast(inner, tf.float32), tf.shape(maps))
    turned, share = (
        keras.ops.image.affine_transform(
            values, transform, interpolation="bilinear", fill_mode="constant"
        )
        for values in (maps * disc, disc)
    )
    # Where a shrunken disc does not reach, the study keeps its own pixels.
    inside = tf.where(share > 0.5, tf.math.divide_no_nan(turned, share), maps)
    return tf.where(inner, tf.maximum(inside * (1 + GRAIN * grain), 0), 0)
