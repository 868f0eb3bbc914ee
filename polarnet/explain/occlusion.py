"""What a score loses when a segment of the map is replaced by what is usual there."""

from collections.abc import Mapping
from typing import Final

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from polarnet.anatomy import segment_map
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.explain.logits import logit_model
from polarnet.network.encoding import encode
from polarnet.network.inputs import input_maps
from polarnet.network.reference import group_without

Filling = Mapping[str, np.ndarray]
"""Map type -> (17,): the value that replaces a segment, in the unit of the map."""

_STUDIES: Final = 4  # each goes through the network 18 times at once


def usual_segments(model: keras.Model, trait: str) -> dict[str, np.ndarray]:
    """The filling of a run: mean of each segment over training studies without the trait.

    Raises
    ------
    ValueError: the model does not know its training segments.
    """
    known: pd.DataFrame | None = getattr(model, "training_segments", None)
    if known is None:
        raise ValueError(
            "The model does not say what its training studies looked like (training_segments.csv "
            "in the run folder). Pass filling={map type: the 17 means of the training cohort}, or "
            "train again."
        )
    group = group_without(trait)
    return {m: known.loc[(m, group)].to_numpy(float) for m in model.experiment.map_types}


def segment_occlusion(
    model: keras.Model,
    cohort: Cohort,
    trait: str,
    *,
    filling: Filling | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Loss of the logit when one AHA segment after the other is replaced.

    Parameters
    ----------
    filling
        Default: `usual_segments`.

    Returns
    -------
    Array of shape (n, 17): positive where what the segment showed spoke for the trait. Combined
    maps lose the segment in all three.
    """
    logit, config = logit_model(model, trait), model.experiment
    filling = filling or usual_segments(model, trait)
    alone = [[k] for k in range(1, 18)]
    lost = np.empty((len(cohort), 17), np.float32)
    starts = range(0, len(cohort), _STUDIES)
    for start in tqdm(starts, desc="Occlusion", unit="batch", disable=not show_progress):
        maps = input_maps(cohort, config)[start : start + _STUDIES]
        variants = [maps, *(replaced(maps, segments, filling, config) for segments in alone)]
        logits = _logits(logit, variants, config)
        lost[start : start + _STUDIES] = (logits[0] - logits[1:]).T
    return lost


def removal_curve(
    model: keras.Model,
    cohort: Cohort,
    trait: str,
    order: np.ndarray,
    *,
    filling: Filling | None = None,
    show_progress: bool = False,
) -> np.ndarray:
    """Logits while segments are replaced one by one, and stay so.

    Parameters
    ----------
    order
        Shape (n, 17): segments 1 to 17 of each study, in the order in which they go. The reverse
        order read backwards inserts them into a map that is all filling.

    Returns
    -------
    Array of shape (n, 18): with none, 1, ... 17 segments replaced.
    """
    logit, config = logit_model(model, trait), model.experiment
    filling = filling or usual_segments(model, trait)
    curves = np.empty((len(cohort), 18), np.float32)
    starts = range(0, len(cohort), _STUDIES)
    for start in tqdm(starts, desc="Removal", unit="batch", disable=not show_progress):
        maps = input_maps(cohort, config)[start : start + _STUDIES]
        here = order[start : start + _STUDIES]
        variants = [replaced(maps, here[:, :k], filling, config) for k in range(18)]
        curves[start : start + _STUDIES] = _logits(logit, variants, config).T
    return curves


def replaced(
    maps: np.ndarray, segments: np.ndarray | list[int], filling: Filling, config: ExperimentConfig
) -> np.ndarray:
    """Maps (k, size, size, channels) with some segments replaced.

    Parameters
    ----------
    segments
        Numbers 1 to 17, the same for all maps, shape (j,), or each map's own, (k, j).
    """
    place = segment_map(maps.shape[1])
    chosen = np.broadcast_to(np.asarray(segments, int), (len(maps), np.shape(segments)[-1]))
    is_replaced = np.zeros((len(maps), 18), bool)
    np.put_along_axis(is_replaced, chosen, True, axis=1)
    values = np.stack([np.r_[0, filling[map_type]][place] for map_type in config.map_types], -1)
    return np.where(is_replaced[:, place][..., None], values, maps).astype(np.float32)


def _logits(logit: keras.Model, variants: list[np.ndarray], config: ExperimentConfig) -> np.ndarray:
    """Logits (variants, k) of several versions of the same k maps, in one pass."""
    image = encode(np.concatenate(variants), config)
    return logit([image], training=False).numpy().reshape(len(variants), -1)
