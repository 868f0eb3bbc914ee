"""Nested cross-validation of the development studies: every choice is made again in each fold."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.cohort import Cohort
from polarnet.evaluation import baseline_scores
from polarnet.evaluation.table import read_scores
from polarnet.files import write_csv
from polarnet.progressbar import progress_bar
from polarnet.reproduction.arms import main_model
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.training import is_made, score_run

BASELINE: Final = "17 segments"
NETWORK: Final = "network"

_SCORES: Final = "scores_held_out.csv"
"""Last file of a network's folder: where it is, training and scoring are done."""


def train_nested(study: Reproduction, map_types: list[str]) -> None:
    """Train and score what is missing, frozen networks and the baseline, in nested/.

    Outer folds divide the training and validation studies by patient. In each, the rest is
    divided again: one network trains on all inner folds but one, which chooses its epoch and
    penalty. The hold-out is not touched.

    Parameters
    ----------
    map_types
        Such as ["rest", "stress", "reserve"].
    """
    folds = study.plan.folds
    with progress_bar(total=len(map_types) * folds * folds, desc="Nested", unit="network") as bar:
        for map_type in map_types:
            for fold, rest, held_out in _outer_folds(study):
                folder = _folder(study, map_type, fold)
                _fit_baseline(study, map_type, rest, held_out, folder / f"{_slug(BASELINE)}.csv")
                for k, (train, val) in enumerate(_inner_folds(study, rest), start=1):
                    _train_and_score(study, map_type, train, val, held_out, folder / f"network{k}")
                    bar.update()


def nested_scores(study: Reproduction, map_type: str) -> pd.DataFrame:
    """Out-of-fold scores of every development study.

    Returns
    -------
    DataFrame, index study_id; columns (model, trait) with model "network" (mean of a fold's inner
    networks) or "17 segments", and ("fold", "") with the outer fold, 1 to k.

    Raises
    ------
    FileNotFoundError: a network was not trained yet.
    """
    tables = []
    for fold in range(1, study.plan.folds + 1):
        folder = _folder(study, map_type, fold)
        inner = [
            read_scores(folder / f"network{k}" / _SCORES) for k in range(1, study.plan.folds + 1)
        ]
        models = {
            NETWORK: sum(inner[1:], start=inner[0]) / len(inner),
            BASELINE: read_scores(folder / f"{_slug(BASELINE)}.csv"),
        }
        table = pd.concat(models, axis=1)
        table["fold", ""] = fold
        tables.append(table)
    return pd.concat(tables)


def _train_and_score(
    study: Reproduction, map_type: str, train: Cohort, val: Cohort, held_out: Cohort, folder: Path
) -> None:
    """One inner network; a folder without scores was interrupted between training and scoring."""
    if (folder / _SCORES).is_file():
        return
    from polarnet.network import train as train_network

    config = main_model(study.plan, map_type).arms[0].config
    if not is_made(study, folder, config, train, val):
        train_network(train, val, config, folder, cache=study.cache, show_progress=False)
    score_run(folder, held_out, study.cache, folder / _SCORES)


def _fit_baseline(
    study: Reproduction, map_type: str, rest: Cohort, held_out: Cohort, path: Path
) -> None:
    if path.is_file():
        return
    scores = baseline_scores(
        rest, [held_out], map_type=map_type, traits=study.plan.traits, seed=study.plan.seeds[0],
        models=[BASELINE],
    )[BASELINE][0]  # fmt: skip
    write_csv(scores, path, index_label="study_id", float_format="%.9g")


def _outer_folds(study: Reproduction) -> Iterator[tuple[int, Cohort, Cohort]]:
    """Number, the rest and the held-out studies of each outer fold; no test study in any."""
    known = study.cohort.select((study.part != "test").to_numpy())
    folds = known.folds(study.plan.folds, seed=study.plan.split_seed)
    for fold, (rest, held_out) in enumerate(folds, start=1):
        yield fold, rest, held_out


def _inner_folds(study: Reproduction, rest: Cohort) -> Iterator[tuple[Cohort, Cohort]]:
    return rest.folds(study.plan.folds, seed=study.plan.split_seed)


def _folder(study: Reproduction, map_type: str, fold: int) -> Path:
    return study.folder / "nested" / map_type / f"fold{fold}"


def _slug(name: str) -> str:
    return name.replace(" ", "_")
