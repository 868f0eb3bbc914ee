"""Scores: one probability per study and trait."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from polarnet.cachefolder import cache_folder
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig
from polarnet.familiarity import Shares
from polarnet.network.determinism import deterministic
from polarnet.network.features import compiled, in_batches, trunk_features
from polarnet.network.inputs import Rows, input_maps
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
    folder = None if cache is None else cache_folder(cache)
    scores = _scores(run, cohort, folder, show_progress)
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


def _scores(run: Run, cohort: Cohort, cache: Path | None, show_progress: bool) -> np.ndarray:
    """Scores (n, n_traits) by the whole model, or by way of kept features."""
    config, maps = run.config, input_maps(cohort, run.config)
    end = None if cache is None else kept_end(config)
    bar = progress_bar(
        total=len(cohort), desc="Scoring", unit="study", disable=not show_progress or bool(end)
    )
    cut: tuple[str, ...] = (config.map_type,)
    rows: tuple[Rows, ...] = (maps,)
    with deterministic(), bar:
        if cache is not None and end is not None:
            kept = trunk_features(run.model, config, end, maps, cache, show_progress=show_progress)
            cut, rows = (WIDE, end), (wide_features(run.model, maps), kept)
        return in_batches(compiled(above(run.model, cut, config.traits)), *rows, bar=bar)


def wide_features(model: keras.Model, maps: Rows) -> np.ndarray:
    """What a bullseye shows of every study, (n, n_features) float32, as the model computes it."""
    return in_batches(compiled(below(model, WIDE)), maps)


def kept_end(config: ExperimentConfig) -> str | None:
    """The last layer below which nothing is ever trained: what a cache may hold."""
    if config.mode == "frozen":
        return DEEP
    if config.mode == "scratch":
        return None
    block = int(config.last_block.removeprefix("block"))
    return f"block{block - 1}_pool" if block > 1 else None


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
