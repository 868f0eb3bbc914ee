"""Scores: one probability a study and trait."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from polarnet.cachefolder import cache_folder
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig
from polarnet.familiarity import Familiarity, Shares
from polarnet.network.determinism import deterministic
from polarnet.network.encoding import encode
from polarnet.network.features import BATCH, Features, padded, trunk_features
from polarnet.network.inputs import Inputs, input_maps
from polarnet.network.model import POOLED, above, settings_of
from polarnet.progressbar import progress_bar
from polarnet.rundata import PART_COLUMN, parts_of
from polarnet.suitability import check_prediction, difference


def predict(
    model: keras.Model,
    cohort: Cohort,
    *,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Score every study.

    Parameters
    ----------
    model
        From `load_model`, or a trained one of `build_model`.
    cohort
        In the unit and map size that the model was trained with.
    cache
        Folder of trunk features to use and to fill, or "user" for the user's cache folder. None:
        nothing is kept.

    Returns
    -------
    DataFrame, index study_id, one column a trait, probabilities in [0, 1]. Its
    `attrs["warning"]` says where tracer, stress agent or software differ from the training
    cohort, or that the model was trained on a phantom; empty otherwise. Where the model has a
    `familiarity`, `attrs["unfamiliar"]` is a Series study_id -> distance of the study's maps from
    the training maps, as a share of what validation maps keep: above 1 is unlike them.
    `attrs["part"]` is a Series study_id -> what the study is to the run: "train", "val", "test"
    or "new", by patient or, under another id, by its map; empty where the run does not know.

    Raises
    ------
    ValueError: the cohort has another unit or map size than the model was trained with, or lacks
        the map type, or a map has NaN, infinite, negative or impossibly high values.
    """
    config = settings_of(model)
    check_prediction(config, cohort)
    upper: keras.Model = model
    stack: Inputs | Features = input_maps(cohort, config)
    if cache is not None:
        layer = frozen_end(config)
        upper = above(model, layer)
        folder = cache_folder(cache)
        with deterministic():
            stack = trunk_features(model, layer, stack, folder, show_progress=show_progress)
    forward = tf.function(lambda inputs: side_by_side(upper(inputs, training=False), config.traits))
    scores = []
    with (
        deterministic(),
        progress_bar(
            total=len(cohort), desc="Scoring", unit="study", disable=not show_progress
        ) as bar,
    ):
        for start in range(0, len(cohort), BATCH):
            rows = stack[start : start + BATCH]
            scores.append(padded(forward, encode(rows, config) if cache is None else rows))
            bar.update(len(rows))
    table = pd.DataFrame(
        np.concatenate(scores).astype(float),
        index=cohort.patients.index,
        columns=list(config.traits),
    )
    table.attrs["warning"] = difference(config, cohort)
    if table.attrs["warning"] and not (cohort.is_phantom and config.software == PHANTOM):
        warnings.warn(table.attrs["warning"], stacklevel=2)
    familiarity: Familiarity | None = getattr(model, "familiarity", None)
    if familiarity is not None:
        distances = familiarity.distances(cohort.maps) / familiarity.threshold
        table.attrs["unfamiliar"] = Shares(distances, table.index)
    table.attrs[PART_COLUMN] = Shares(parts_of(getattr(model, "seen", None), cohort))
    return table


def frozen_end(config: ExperimentConfig) -> str:
    """The last layer below which nothing is ever trained: what a cache may hold."""
    if config.mode == "frozen":
        return POOLED
    if config.mode == "scratch":
        return config.map_type
    block = int(config.last_block.removeprefix("block"))
    return f"block{block - 1}_pool" if block > 1 else config.map_type


def side_by_side(heads: dict[str, tf.Tensor], traits: Sequence[str]) -> tf.Tensor:
    """Heads side by side, each addressed by its name."""
    return tf.concat([heads[trait] for trait in traits], axis=1)
