"""Scores of a finished run on further studies, beside its own files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.network.features import Features, trunk_features
from polarnet.network.inputs import input_maps
from polarnet.network.model import DEEP, build_model
from polarnet.network.prediction import kept_end, predict
from polarnet.network.training import resolved_config, write_scores


def score_run(folder: Path, cohort: Cohort, cache: Path, out: Path | None = None) -> None:
    """Write a run's scores of a cohort.

    Parameters
    ----------
    out
        File to be written. None: scores_test.csv in the run's folder.

    The file's column `warning` says where the cohort differs from that of the training.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in the file
        write_scores(predict(folder, cohort, cache=cache), out or folder / "scores_test.csv")


def frozen_features(
    config: ExperimentConfig, cohorts: Sequence[Cohort], cache: Path
) -> list[np.ndarray]:
    """What a frozen trunk of these settings gives for each cohort, (n, n_features) float32."""
    return [kept_features(config, cohort, cache)[:] for cohort in cohorts]


def kept_features(config: ExperimentConfig, cohort: Cohort, cache: Path) -> Features:
    """What a training with these settings would read of a cohort; computed if it is not there."""
    resolved = resolved_config(config, cohort)
    end = kept_end(resolved) or DEEP
    return trunk_features(build_model(resolved), resolved, end, input_maps(cohort, resolved), cache)
