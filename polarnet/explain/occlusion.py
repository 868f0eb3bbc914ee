"""What a score loses when a segment of the map is brought to the level that is usual there."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from polarnet.anatomy import segment_map, segment_means
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.explain.logits import check_trait, fast_run, logit_model
from polarnet.network.inputs import input_maps
from polarnet.network.run import Run, as_run
from polarnet.progressbar import progress_bar
from polarnet.rundata import group_without
from polarnet.suitability import check_prediction

Filling = Mapping[str, np.ndarray]
"""Map type -> (17,): the level that a segment is brought to, in the unit of the map."""

SOFTNESS: Final = 0.1
"""SD of the border between segments, as a share of the map's width: most of a ring (our choice, on
simulated patients that occur in no result; `experiments/NOTES.md`)."""

_LARGEST_GAIN: Final = 20.0  # a segment without any flow cannot be brought to flow by a factor

_STUDIES: Final = 4  # each goes through the network 18 times at once


def usual_segments(run: Run, trait: str) -> dict[str, np.ndarray]:
    """The filling of a run: mean of each segment over training studies without the trait.

    Raises
    ------
    ValueError: the run does not know its training segments.
    """
    if run.segments is None:
        raise ValueError(
            "The run does not say what its training studies looked like (training_segments.csv "
            "in the run folder). Pass filling={map type: the 17 means of the training cohort}, or "
            "train again."
        )
    check_trait(run, trait)
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
    run = as_run(run)
    config = run.config
    check_prediction(config, cohort)
    filling = filling or usual_segments(run, trait)
    logits = _logits_of(run, trait)
    alone = [[k] for k in range(1, 18)]
    lost = np.empty((len(cohort), 17), np.float32)
    starts = range(0, len(cohort), _STUDIES)
    for start in progress_bar(starts, desc="Occlusion", unit="batch", disable=not show_progress):
        maps = input_maps(cohort, config)[start : start + _STUDIES]
        variants = [maps, *(replaced(maps, segments, filling, config) for segments in alone)]
        found = logits(variants)
        lost[start : start + _STUDIES] = (found[0] - found[1:]).T
    return lost


def removal_curve(
    run: Run | str | Path,
    cohort: Cohort,
    trait: str,
    order: np.ndarray,
    *,
    steps: Sequence[int] = range(18),
    filling: Filling | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Logits while segments are brought to their usual level one by one, and stay so.

    Parameters
    ----------
    order
        Shape (n, 17): segments 1 to 17 of each study, in the order in which they go. The reverse
        order read backwards inserts them into a map that has all usual levels.
    steps
        Numbers of replaced segments at which the logit is taken, 0 to 17.

    Returns
    -------
    Array of shape (n, number of steps).
    """
    run = as_run(run)
    config = run.config
    check_prediction(config, cohort)
    filling = filling or usual_segments(run, trait)
    logits = _logits_of(run, trait)
    curves = np.empty((len(cohort), len(steps)), np.float32)
    starts = range(0, len(cohort), _STUDIES)
    for start in progress_bar(starts, desc="Removal", unit="batch", disable=not show_progress):
        maps = input_maps(cohort, config)[start : start + _STUDIES]
        here = order[start : start + _STUDIES]
        variants = [replaced(maps, here[:, :k], filling, config) for k in steps]
        curves[start : start + _STUDIES] = logits(variants).T
    return curves


def replaced(
    maps: np.ndarray, segments: np.ndarray | list[int], filling: Filling, config: ExperimentConfig
) -> np.ndarray:
    """Maps (k, size, size, channels) with some segments brought to the level of the filling.

    Every pixel is multiplied, by the ratio of filling and own mean within a segment, fading to 1
    over its neighbours. The noise of the map stays, and no edge is drawn: a network takes flat
    patches and edges for findings of their own.

    Parameters
    ----------
    segments
        Numbers 1 to 17, the same for all maps, shape (j,), or each map's own, (k, j).
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


def _logits_of(run: Run, trait: str) -> Callable[[list[np.ndarray]], np.ndarray]:
    """Logits (variants, k) of several versions of the same k maps, in one pass.

    In the precision of the training, which may be several times as fast as float32.
    """
    has_trunk = run.heads.loc[trait, "share"] > 0
    logit = logit_model(fast_run(run) if has_trunk else run, trait)
    forward = tf.function(lambda maps: logit([maps], training=False), reduce_retracing=True)

    def logits(variants: list[np.ndarray]) -> np.ndarray:
        return forward(np.concatenate(variants)).numpy().reshape(len(variants), -1)

    return logits
