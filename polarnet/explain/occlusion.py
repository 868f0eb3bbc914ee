"""Contribution of each segment to the logit of one trait, compared with its usual level."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from polarnet.anatomy import segment_map, segment_means
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.files import did_you_mean
from polarnet.network.features import wide_features
from polarnet.network.model import WIDE, head_name, in_precision, maps_of, users_random
from polarnet.network.pipeline import input_maps
from polarnet.network.run import Run, as_run
from polarnet.progressbar import progress_bar
from polarnet.rundata import group_without
from polarnet.suitability import check_prediction

Filling = Mapping[str, np.ndarray]
"""Map type -> (17,), or (n, 17) where each study has its own: the level that a segment is brought
to, in the unit of the map."""

SOFTNESS: Final = 0.1
"""SD of the border between segments, as a share of the map's width: most of a ring (our choice, on
simulated patients that occur in no result; `experiments/NOTES.md`)."""

_LARGEST_GAIN: Final = 20.0  # a segment without any flow cannot be brought to flow by a factor

_STUDIES: Final = 4  # each goes through the network 18 times at once


def fitting_run(run: Any, cohort: Cohort, trait: str) -> Run:
    """The Run of a run or run folder; ValueError where the cohort or the trait does not fit it."""
    run = as_run(run)
    check_prediction(run.config, cohort)
    if trait not in run.config.traits:
        hint = did_you_mean(trait, run.config.traits) or "."
        raise ValueError(
            f"The model has no trait '{trait}'{hint} It has {', '.join(run.config.traits)}."
        )
    return run


@users_random()
def logit_model(run: Run, trait: str) -> keras.Model:
    """The part of a model that gives 0 and the logit of one trait, (n, 2), as Score-CAM wants; from
    the map alone, without what clinical columns add to it."""
    head = run.model.get_layer(head_name(trait))
    features, (kernel, bias) = head.input, head.get_weights()
    if run.config.clinical:
        # Held at the study's own values, they add a constant: the part of the map is explained.
        features = run.model.get_layer(f"groups_of_{head.name}").output
    if not run.heads.loc[trait, "share"]:
        # What a share of 0 multiplies need not be computed.
        features = run.model.get_layer(f"{WIDE}_standardised").output
    kernel = kernel[: features.shape[-1]]
    linear = keras.layers.Dense(2, name="logit", dtype="float32")
    logit = linear(features)
    linear.set_weights([np.c_[np.zeros_like(kernel), kernel], np.r_[0, bias]])
    # A list of inputs: that is how tf-keras-vis calls a model.
    return keras.Model([maps_of(run.model)], logit)


def fast_run(run: Run) -> Run:
    """The run with its model in the precision of its training: for many forward passes."""
    if run.config.precision == "float32":
        return run
    return replace(run, model=in_precision(run.model, run.config))


def usual_segments(run: Run, trait: str) -> dict[str, np.ndarray]:
    """The filling of a run: mean of each segment over training studies without the trait."""
    if run.segments is None:
        raise ValueError(
            "The run does not say what its training studies looked like (training_segments.csv). "
            "Pass filling={map type: the 17 means of the training cohort}, or train again."
        )
    group = group_without(trait)
    return {m: run.segments.loc[(m, group)].to_numpy(float) for m in run.config.map_types}


def segment_occlusion(
    run: Run | str | Path,
    cohort: Cohort,
    trait: str,
    *,
    filling: Filling | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Loss of the logit when one AHA segment after the other is brought to its usual level.

    Parameters
    ----------
    filling
        Default: `usual_segments`.

    Returns
    -------
    Array of shape (n, 17): positive where what the segment showed spoke for the trait. Combined
    maps lose the segment in all three.
    """
    run = fitting_run(run, cohort, trait)
    segments = np.tile(np.arange(1, 18), (len(cohort), 1))
    variants = [segments[:, :0], *np.split(segments, 17, axis=1)]
    logits = _logits(run, cohort, trait, variants, filling, show_progress)
    return logits[:, :1] - logits[:, 1:]


def removal_curve(
    run: Run | str | Path,
    cohort: Cohort,
    trait: str,
    order: np.ndarray,
    *,
    steps: Sequence[int] = range(18),
    filling: Filling | None = None,
) -> np.ndarray:
    """Logits (n, number of steps) while segments are brought to their usual level and stay so: in
    `order` (n, 17), segments 1 to 17 of each study; at `steps`, 0 to 17 replaced.
    """
    run = fitting_run(run, cohort, trait)
    variants = [order[:, :k] for k in steps]
    return _logits(run, cohort, trait, variants, filling)


def wide_contribution(
    run: Run | str | Path, cohort: Cohort, trait: str, *, filling: Filling | None = None
) -> np.ndarray:
    """What each AHA segment adds to the logit by its own mean, beside its usual level.

    Parameters
    ----------
    run, cohort
        As for `predict`.
    filling
        The usual levels; default: `usual_segments`, as for `segment_occlusion`.

    Returns
    -------
    Array of shape (n, 17), in logits; combined maps are summed. A segment gets its weight in the
    head times the difference of its mean from the usual level; 1/17 of what the mean over segments
    adds for each unit of that difference; and, where it is the lowest (highest) of its study, all
    that the lowest (highest) value adds beside the lowest (highest) of the usual levels. Nothing is
    estimated: the logit is the sum of the row, plus what the trunk and clinical columns add, plus
    one constant.

    Raises
    ------
    ValueError: as for `segment_occlusion`; or the network has no bullseye (mode "scratch").
    """
    run = fitting_run(run, cohort, trait)
    if run.config.mode == "scratch":
        raise ValueError("A network trained from scratch has no bullseye beside it.")
    filling = filling or usual_segments(run, trait)
    n_maps, size = len(run.config.map_types), (len(cohort), 17)
    usual = np.stack(
        [np.broadcast_to(filling[map_type], size) for map_type in run.config.map_types], axis=1
    )
    shown = wide_features(run.model, input_maps(cohort, run.config))
    own = shown[:, : 17 * n_maps].reshape(-1, n_maps, 17).astype(float)
    factors = np.array(run.model.get_layer(f"{WIDE}_standardised").scale)
    weights = run.model.get_layer(head_name(trait)).get_weights()[0][: len(factors), 0] * factors
    by_segment = weights[: 17 * n_maps].reshape(n_maps, 17)
    lowest, highest, mean = weights[17 * n_maps :].reshape(3, n_maps)
    added = (by_segment + mean[:, None] / 17) * (own - usual)
    studies, maps = np.arange(len(own))[:, None], np.arange(n_maps)
    added[studies, maps, own.argmin(axis=2)] += lowest * (own.min(axis=2) - usual.min(axis=2))
    added[studies, maps, own.argmax(axis=2)] += highest * (own.max(axis=2) - usual.max(axis=2))
    return added.sum(axis=1)


def replaced(
    maps: np.ndarray, segments: np.ndarray | list[int], filling: Filling, config: ExperimentConfig
) -> np.ndarray:
    """Maps (k, size, size, channels) with some segments, (j,) or each map's own (k, j), brought to
    the level of the filling.

    Every pixel is multiplied, by the ratio of filling and own mean within a segment, fading to 1
    over its neighbours: a network takes flat patches and edges for findings of their own.
    """
    chosen = np.broadcast_to(np.asarray(segments, int), (len(maps), np.shape(segments)[-1]))
    is_chosen = np.zeros((len(maps), 17))
    np.put_along_axis(is_chosen, chosen - 1, 1, axis=1)
    shares = _segment_shares(maps.shape[1])
    out = np.empty(maps.shape, np.float32)
    for channel, map_type in enumerate(config.map_types):
        own = np.maximum(segment_means(maps[..., channel]), 1e-6)
        gain = np.clip(filling[map_type] / own, 1 / _LARGEST_GAIN, _LARGEST_GAIN)
        field = np.tensordot(is_chosen * np.log(gain), shares, axes=1)
        out[..., channel] = maps[..., channel] * np.exp(field)
    return out


@lru_cache(maxsize=16)
def _segment_shares(size: int) -> np.ndarray:
    """How much of each pixel belongs to each segment, soft at the borders: (17, size, size)."""
    members = segment_map(size) == np.arange(1, 18)[:, None, None]
    soft = gaussian_filter(members.astype(float), (0, SOFTNESS * size, SOFTNESS * size))
    return soft / np.maximum(soft.sum(axis=0), 1e-9)


def _logits(
    run: Run, cohort: Cohort, trait: str, variants: Sequence[np.ndarray],
    filling: Filling | None, show_progress: bool = False,
) -> np.ndarray:  # fmt: skip
    """Logits (n, variants), other segments (n, j) replaced in each, in the training's precision."""
    filling = filling or usual_segments(run, trait)
    has_trunk = run.heads.loc[trait, "share"] > 0
    logit = logit_model(fast_run(run) if has_trunk else run, trait)
    forward = tf.function(lambda maps: logit([maps], training=False)[:, 1], reduce_retracing=True)
    every = input_maps(cohort, run.config)
    logits = np.empty((len(cohort), len(variants)), np.float32)
    starts = range(0, len(cohort), _STUDIES)
    for start in progress_bar(
        starts, desc="Occlusion", unit="batch", leave=None, disable=not show_progress
    ):
        rows = slice(start, start + _STUDIES)
        maps, here = every[rows], {m: np.atleast_2d(level) for m, level in filling.items()}
        here = {m: level[rows] if len(level) > 1 else level for m, level in here.items()}
        changed = [replaced(maps, segments[rows], here, run.config) for segments in variants]
        logits[rows] = forward(np.concatenate(changed)).numpy().reshape(len(variants), -1).T
    return logits
