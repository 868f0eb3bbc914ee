"""Training that goes on where it was stopped: what has to be kept to end with the same bytes.

Kept at the end of an epoch: the weights that are trained, the optimiser's moments and step, the
weights of the best epoch, and the history. The order of the studies and their augmentation depend
on seed and epoch alone, so they need no keeping.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from polarnet import __version__
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.files import new_file
from polarnet.network.features import map_digests, weights_digest
from polarnet.network.inputs import input_maps


def progress_folder(
    model: keras.Model,
    config: ExperimentConfig,
    cohorts: Sequence[Cohort],
    cache: Path,
) -> Path:
    """The folder for one training, named by everything that its result depends on.

    Parameters
    ----------
    model, config
        As built, before any training, and its settings.
    cohorts
        Of training and validation.
    """
    digest = hashlib.sha256(weights_digest(model).encode())
    versions = {"polarnet": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}
    digest.update(json.dumps(asdict(config) | versions, sort_keys=True, default=str).encode())
    for cohort in cohorts:
        digest.update(cohort.traits[list(config.traits)].to_csv().encode())
        digest.update(b"".join(map_digests(input_maps(cohort, config))))
    return cache / "progress" / digest.hexdigest()[:24]


def keep_progress(
    path: Path,
    variables: Sequence[keras.Variable],
    best: Sequence[np.ndarray],
    rows: Sequence[dict[str, str | float]],
) -> None:
    """Write the state at the end of an epoch: whole, or not at all."""
    now = [np.asarray(variable.value) for variable in variables]
    with new_file(path) as partial, partial.open("wb") as file:
        np.savez(file, *now, *best, allow_pickle=False, history=np.array(json.dumps(list(rows))))


def take_up(
    path: Path, variables: Sequence[keras.Variable]
) -> tuple[list[np.ndarray], list[dict[str, str | float]]]:
    """Set the variables to what was kept; returns the best weights and the history, if any."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            rows = json.loads(str(kept["history"]))
            arrays = [kept[f"arr_{k}"] for k in range(len(kept.files) - 1)]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return [], []  # nothing there, or not whole: the training starts anew
    for variable, value in zip(variables, arrays, strict=False):  # the best weights come after
        variable.assign(value)
    return arrays[len(variables) :], rows
