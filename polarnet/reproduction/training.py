"""Which networks are still missing, and training them; nothing here reads the hold-out."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation.table import read_scores
from polarnet.progressbar import progress_bar
from polarnet.reproduction.arms import Arm, Model, all_arms
from polarnet.reproduction.opening import Reproduction
from polarnet.rundata import ENVIRONMENT_FILE, is_of


def train_models(study: Reproduction, models: Iterable[Model]) -> None:
    """Train every network that has no run folder yet.

    Raises
    ------
    ValueError, FileExistsError, ConnectionError: as for `train`.
    """
    missing = [arm for arm in all_arms(models) if not is_trained(study, arm)]
    if not missing:
        return
    train_arms(missing, study.train, study.val, study.folder / "runs", study.cache)


def train_arms(arms: Sequence[Arm], train: Cohort, val: Cohort, runs: Path, cache: Path) -> None:
    """Train networks on these studies, each into its folder below `runs`."""
    from polarnet.network import train as train_network

    for arm in progress_bar(arms, desc="Networks", unit="network"):
        part = share_of(train, arm.share, seed=arm.config.seed)
        train_network(part, val, arm.config, runs / arm.name, cache=cache, show_progress=False)


def score_run(folder: Path, cohort: Cohort, cache: Path, out: Path | None = None) -> None:
    """Write a run's scores of a cohort; the column `warning` says where that differs from its own.

    Parameters
    ----------
    out
        File to be written. None: scores_test.csv in the run's folder.
    """
    from polarnet.network import predict
    from polarnet.network.training import write_scores

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in the file
        write_scores(predict(folder, cohort, cache=cache), out or folder / "scores_test.csv")


def share_of(cohort: Cohort, share: float, *, seed: int) -> Cohort:
    """The studies of a share of the patients; a smaller share is part of a larger one."""
    if share == 1:
        return cohort
    patients = np.random.default_rng(seed).permutation(sorted(set(cohort.patients)))
    kept = set(patients[: round(share * len(patients))])
    return cohort.select(cohort.patients.isin(kept).to_numpy())


def is_trained(study: Reproduction, arm: Arm) -> bool:
    """True where the arm's run folder is there; it appears whole or not at all.

    Raises
    ------
    ValueError: it is of other data.
    """
    train = share_of(study.train, arm.share, seed=arm.config.seed)
    return is_made(study, study.run_folder(arm.name), arm.config, train, study.val)


def is_made(
    study: Reproduction, folder: Path, config: ExperimentConfig, train: Cohort, val: Cohort
) -> bool:
    """True where a run folder is there that was trained on these studies, labels and maps.

    Raises
    ------
    ValueError: it was trained on others.
    """
    if not (folder / ENVIRONMENT_FILE).is_file():
        return False
    if not is_of(folder, train, val, config, study.pixels):
        raise ValueError(
            f"{folder} was trained on other studies, labels or maps than this study has. Delete "
            "it, or choose another --out."
        )
    return True


def val_scores(study: Reproduction, model: Model) -> pd.DataFrame:
    """Mean probability over the model's networks, validation studies."""
    return mean_scores(study, model, "scores_val.csv")


def mean_scores(study: Reproduction, model: Model, file: str) -> pd.DataFrame:
    """Mean over the model's networks of one file of scores.

    Raises
    ------
    FileNotFoundError: a network was not trained, or not scored, yet.
    """
    parts = [read_scores(study.run_folder(arm.name) / file) for arm in model.arms]
    return sum(parts[1:], start=parts[0]) / len(parts)
