"""Scores: one probability per study and trait."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from polarnet.cachefolder import cache_folder
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig
from polarnet.familiarity import Shares
from polarnet.network.determinism import deterministic
from polarnet.network.features import BATCH, Maps, in_batches, padded, trunk_features
from polarnet.network.inputs import input_maps
from polarnet.network.model import DEEP, WIDE, above, below
from polarnet.network.run import Run, as_run
from polarnet.progressbar import progress_bar
from polarnet.rundata import PART_COLUMN, parts_of
from polarnet.suitability import check_prediction, difference


def predict(
    run: Any,
    cohort: Cohort,
    *,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Score every study.

    Parameters
    ----------
    run
        A Run, a run folder, or a Bundle, whose mean score is given.
    cohort
        In the unit and map size that the model was trained with.
    cache
        Folder of trunk features to use and to fill, or "user" for the user's cache folder. None:
        nothing is kept.

    Returns
    -------
    DataFrame, index study_id, one column per trait, probabilities in [0, 1]. Its
    `attrs["warning"]` says where tracer, stress agent or software differ from the training
    cohort, or that the model was trained on a phantom; empty otherwise. Where the run has a
    `distribution`, `attrs["unfamiliar"]` is a Series study_id -> distance of the study's maps from
    the training maps, as a share of what validation maps keep: above 1 is unlike them.
    `attrs["part"]` is a Series study_id -> what the study is to the run: "train", "val", "test"
    or "new", by patient or, under another id, by its map; empty where the run does not know. Of a
    Bundle, `attrs["spread"]` is the standard deviation over its members.

    Raises
    ------
    ValueError: the cohort has another unit or map size than the model was trained with, or lacks
        the map type, or a map has NaN, infinite, negative or impossibly high values; or `run` is
        something else, such as a bare Keras model.
    """
    if members := getattr(run, "members", None):
        return _mean_scores(members, cohort, cache, show_progress)
    run = as_run(run)
    config = run.config
    check_prediction(config, cohort)
    if cache is None:
        scores = _through_all(run, cohort, show_progress)
    else:
        scores = _through_kept(run, cohort, cache_folder(cache), show_progress)
    table = pd.DataFrame(
        scores.astype(float), index=cohort.patients.index, columns=list(config.traits)
    )
    table.attrs["warning"] = difference(config, cohort)
    if table.attrs["warning"] and not (cohort.is_phantom and config.software == PHANTOM):
        warnings.warn(table.attrs["warning"], stacklevel=2)
    if run.distribution is not None:
        distances = run.distribution.distances(cohort.maps) / run.distribution.threshold
        table.attrs["unfamiliar"] = Shares(distances, table.index)
    table.attrs[PART_COLUMN] = Shares(parts_of(run.seen, cohort))
    return table


def _through_all(run: Run, cohort: Cohort, show_progress: bool) -> np.ndarray:
    """Scores (n, n_traits) by sending every map through the whole model."""
    maps, model, traits = input_maps(cohort, run.config), run.model, run.config.traits
    forward = tf.function(lambda rows: side_by_side(model(rows, training=False), traits))
    scores = []
    bar = progress_bar(total=len(cohort), desc="Scoring", unit="study", disable=not show_progress)
    with deterministic(), bar:
        for start in range(0, len(cohort), BATCH):
            rows = maps[start : start + BATCH]
            scores.append(padded(forward, rows))
            bar.update(len(rows))
    return np.concatenate(scores)


def _through_kept(run: Run, cohort: Cohort, cache: Path, show_progress: bool) -> np.ndarray:
    """The same by way of kept features."""
    maps, traits, end = input_maps(cohort, run.config), run.config.traits, kept_end(run.config)
    if end is None:
        return _through_all(run, cohort, show_progress)
    with deterministic():
        kept = trunk_features(run.model, run.config, end, maps, cache, show_progress=show_progress)
        upper = above(run.model, (WIDE, end))
        forward = tf.function(lambda rows: side_by_side(upper(rows, training=False), traits))
        return in_batches(forward, wide_features(run.model, maps), kept)


def wide_features(model: keras.Model, maps: Maps) -> np.ndarray:
    """What a bullseye shows of every study, (n, n_features) float32, as the model computes it."""
    lower = below(model, WIDE)
    return in_batches(tf.function(lambda rows: lower(rows, training=False)), maps)


def kept_end(config: ExperimentConfig) -> str | None:
    """The last layer below which nothing is ever trained: what a cache may hold."""
    if config.mode == "frozen":
        return DEEP
    if config.mode == "scratch":
        return None
    block = int(config.last_block.removeprefix("block"))
    return f"block{block - 1}_pool" if block > 1 else None


def side_by_side(heads: dict[str, tf.Tensor], traits: Sequence[str]) -> tf.Tensor:
    """Heads side by side, each addressed by its name."""
    return tf.concat([heads[trait] for trait in traits], axis=1)


def _mean_scores(
    members: Sequence[Run], cohort: Cohort, cache: str | Path | None, show_progress: bool
) -> pd.DataFrame:
    """Mean over the members of a bundle, with the attributes of the first."""
    tables = [predict(members[0], cohort, cache=cache, show_progress=show_progress)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the first member said it
        tables += [
            predict(member, cohort, cache=cache, show_progress=show_progress)
            for member in members[1:]
        ]
    attributes = tables[0].attrs
    for table in tables:
        table.attrs = {}  # pandas compares them, which is costly for tables
    stacked = pd.concat(tables).groupby(level=0, sort=False)
    mean = stacked.mean().loc[tables[0].index]
    spread = stacked.std(ddof=1).loc[tables[0].index]
    mean.attrs = {**attributes, "spread": spread}
    return mean
