"""From cohorts to the network: its maps, their small changes, and the batches of a training."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from polarnet.anatomy import disc_mask
from polarnet.clinical import clinical_values
from polarnet.cohort import Cohort, MapStack
from polarnet.config import ExperimentConfig
from polarnet.network.model import CLINICAL

NOT_RECORDED: Final = -1.0
"""Stands for a label that was not recorded: NaN would spoil every sum that it enters."""

TURN_DEG = 10.0
"""Largest rotation: the uncertainty of the septal landmark (our choice, a sixth of a segment)."""
STRETCH = 0.03  # largest radial stretch or shrinkage, as a share (our choice)
GRAIN = 0.03  # SD of multiplicative pixel noise (our choice)


class Rows(Protocol):
    """Rows (n, ...) of maps or features, float32, in memory or read where they are looked at."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray | slice, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of maps (n, size, size, channels), float32, read where they are looked at."""

    stacks: tuple[np.ndarray | MapStack, ...]

    def __len__(self) -> int:
        return len(self.stacks[0])

    def __getitem__(self, rows: np.ndarray | slice | int) -> np.ndarray:
        return np.stack([np.asarray(stack[rows], np.float32) for stack in self.stacks], axis=-1)


def input_maps(cohort: Cohort, config: ExperimentConfig) -> Inputs:
    """The maps of a cohort that a network of these settings reads."""
    return Inputs(tuple(cohort.maps[map_type] for map_type in config.map_types))


def clinical_input(cohort: Cohort, config: ExperimentConfig) -> dict[str, np.ndarray]:
    """The clinical columns of a cohort that a network of these settings reads, if any, by the name
    of their input: (n, k) float32, NaN where not recorded.
    """
    return {CLINICAL: clinical_values(cohort, config.clinical)} if config.clinical else {}


def clipped_share(cohort: Cohort, config: ExperimentConfig) -> float:
    """Share of the pixels inside the disc of the maps that lie outside their window, 0 to 1."""
    if config.scaling == "relative":
        return 0.0
    inside, shares = disc_mask(cohort.size), []
    for map_type, (low, high) in zip(config.map_types, config.windows, strict=True):

        def outside(maps: np.ndarray, low: float = low, high: float = high) -> np.ndarray:
            return ((maps[:, inside] < low) | (maps[:, inside] > high)).mean(axis=1)

        shares.append(cohort.in_batches(outside, map_type).mean())
    return float(np.mean(shares))


def recorded_log_loss(traits: pd.DataFrame) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Loss of a batch: cross-entropy in nats, over recorded labels, mean over traits.

    A recorded label weighs n / n_recorded of the training studies, whose labels are given here, so
    that the mean over all batches of an epoch is that over the recorded labels.
    """
    share = traits.notna().mean().to_numpy(np.float32)
    weight = np.divide(1, share, out=np.zeros_like(share), where=share > 0)

    def loss(labels: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
        scores = tf.clip_by_value(scores, 1e-7, 1 - 1e-7)
        likelihood = tf.where(labels == 1, scores, 1 - scores)
        is_recorded = tf.cast(labels != NOT_RECORDED, tf.float32)
        return -tf.reduce_mean(is_recorded * weight * tf.math.log(likelihood), axis=-1)

    return loss


@dataclass(frozen=True, eq=False)
class Varied:
    """Maps, each changed slightly: the same way at every look, another way in another view."""

    maps: Inputs
    view: int
    seed: int

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        place = np.arange(len(self))[rows]
        maps = self.maps[place]
        change = _compiled_vary(maps.shape[1:])
        view = tf.constant(self.view, tf.int64)
        return change(tf.constant(maps), tf.constant(place), view, self.seed).numpy()


def vary(maps: tf.Tensor, rows: tf.Tensor, epoch: tf.Tensor, seed: int) -> tf.Tensor:
    """Turn, stretch and grain maps (k, size, size, channels) a little; a wall stays in its place.

    All maps of a study turn together. The change depends on seed, epoch and study alone, never on
    the batch a map came in.
    """
    size, channels = maps.shape[1], maps.shape[-1]

    def draw(row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        key = tf.stack([tf.cast(seed, tf.int64) * 1_000_003 + epoch, row])
        # A key of its own, so that the grain knows nothing of the turn.
        key_of_grain = key + tf.constant([1 << 40, 0], tf.int64)
        return (
            tf.random.stateless_uniform((2,), key, -1, 1),
            tf.random.stateless_normal((size, size, channels), key_of_grain),
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


@lru_cache(maxsize=8)
def _compiled_vary(shape: tuple[int, int, int]) -> Callable[..., tf.Tensor]:
    """`vary` for maps (size, size, channels), traced for any number of them."""
    return tf.function(vary, reduce_retracing=True)


def training_batches(
    inputs: Sequence[Sequence[Rows]],
    traits: pd.DataFrame,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """The epochs from `first_epoch` on in one stream of (inputs, labels), each in its own order.

    Each input of the model comes in one or more views, rows (n, ...) of the same studies, which the
    epochs take in turn. An epoch has ceil(n / batch_size) batches, of equal size as far as n
    allows: a small last one would weigh as much as a full one.
    """
    n, labels = len(traits), traits.fillna(NOT_RECORDED).to_numpy(np.float32)
    even_size = math.ceil(n / math.ceil(n / batch_size))

    def inner(values: Sequence[Any]) -> Any:
        return tuple(values) if len(values) > 1 else values[0]

    def batches() -> Iterator[tuple[Any, np.ndarray]]:
        for epoch in range(first_epoch, epochs):
            order = np.random.default_rng((seed, epoch)).permutation(n)
            for start in range(0, n, even_size):
                rows = order[start : start + even_size]
                yield inner([views[epoch % len(views)][rows] for views in inputs]), labels[rows]

    shapes = [(None, *views[0][:1].shape[1:]) for views in inputs]
    given = inner([tf.TensorSpec(shape, tf.float32) for shape in shapes])
    told = tf.TensorSpec((None, labels.shape[1]), tf.float32)
    return tf.data.Dataset.from_generator(batches, output_signature=(given, told)).prefetch(2)
