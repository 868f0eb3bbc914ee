"""A training from cohorts to a run folder that a stranger can repeat."""

import os
import platform
import subprocess
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pandas as pd
import tensorflow as tf

from polarnet import __version__, rundata
from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig, resolve_config, settings_of
from polarnet.files import new_folder, write_csv, write_json
from polarnet.network.features import Features, kept_end, trunk_features, weights_digest
from polarnet.network.fitting import fit
from polarnet.network.model import DEEP, build_model, in_precision, resolve_precision
from polarnet.network.pipeline import clipped_share, input_maps
from polarnet.network.run import MODEL_FILE, Run, deterministic, predict
from polarnet.ood import fit_distribution, ood_note, write_distribution
from polarnet.suitability import STATED, check_training

_OF_TRAINING: Final = {
    "train": "patient of the training",
    "val": "patient of the validation, which chose the network",
    "": "not known whether the patient was in the training",
}
"""What to say of a study by its part."""

_PACKAGES: Final = ("tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn")


def train(
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    out: str | Path,
    *,
    cache: str | Path | None = USER_CACHE,
    show_progress: bool = True,
) -> Run:
    """Train one model and write its run folder: whole, or not at all.

    Parameters
    ----------
    train, val
        Cohorts that share no patient. The validation cohort decides when to stop.
    cache
        Folder of trunk features. Default: "user", the user's cache folder. None: nothing is kept
        beyond the training.

    Returns
    -------
    Run. TensorFlow's operations are deterministic during the training, not afterwards.

    Raises
    ------
    ValueError: a trait is unknown or has one class in training, the cohorts share a patient or
        differ in unit, size or map type, a label is not 0, 1 or NaN, or a map is unsound.
    FileExistsError: `out` is not empty.
    """
    train, val = (cohort.with_traits(config.traits) for cohort in (train, val))
    check_training(train, val, config)
    config = resolved_config(config, train)
    parts = {"train": train, "val": val}
    pixels = {k: rundata.pixel_digests(part, config.map_types) for k, part in parts.items()}
    data = {k: rundata.data_facts(v, pixels[k], config.traits) for k, v in parts.items()}
    with new_folder(out) as folder, kept_in(cache) as kept, deterministic():
        config.save(folder / "config.yaml")
        rundata.write_patients(folder, {k: (part, pixels[k]) for k, part in parts.items()})
        fitted = fit(train, val, config, kept, show_progress)
        model, exact = fitted.model, replace(config, precision="float32")
        if config != exact:
            model = in_precision(model, exact)
        model.save(folder / MODEL_FILE)
        heads = folder / rundata.HEADS_FILE
        write_csv(fitted.heads, heads, index_label="trait", float_format="%.9g")
        write_csv(fitted.history, folder / "history.csv")
        segments = rundata.training_segments(train, config)
        rundata.write_segments(segments, folder)
        distribution = fit_distribution(train, val, config)
        if distribution is not None:
            write_distribution(distribution, folder)
        seen = rundata.read_patients(folder)
        run = Run(
            Path(out), config, model, fitted.heads, segments, distribution, seen, fitted.finetuning
        )
        write_scores(predict(run, val, cache=kept), folder / "scores_val.csv")
        facts = environment(config) | {
            "model_sha256": weights_digest(model),
            "finetuning": fitted.finetuning,
            "n_train": len(train),
            "n_val": len(val),
            "train_studies_sha256": rundata.studies_digest(train),
            "val_studies_sha256": rundata.studies_digest(val),
            "clipped_share_train": round(clipped_share(train, config), 6),
            "settings": settings_of(config),
            "data": data,
            "files": rundata.file_digests(folder),
        }
        write_json(folder / rundata.ENVIRONMENT_FILE, facts)
    return run


def resolved_config(config: ExperimentConfig, cohort: Cohort) -> ExperimentConfig:
    """The settings with what a cohort and this machine decide."""
    return resolve_config(
        replace(config, precision=resolve_precision(config.precision)),
        unit=cohort.unit,
        map_size=cohort.size,
        **{name: getattr(cohort, name) for name in STATED},
    )


def kept_features(config: ExperimentConfig, cohort: Cohort, cache: Path) -> Features:
    """What a training with these settings would read of a cohort; computed if it is not there."""
    resolved = resolved_config(config, cohort)
    end = kept_end(resolved) or DEEP
    return trunk_features(build_model(resolved), resolved, end, input_maps(cohort, resolved), cache)


def write_scores(scores: pd.DataFrame, path: str | Path) -> None:
    """Write scores with 9 digits, more than float32 has, and what `predict` knows of each study.

    `part` says what a study is to the run: train, val, test or new; empty where that is not known.
    `warning` says what `predict` warned of, that maps are out of distribution, and that a patient
    was in the training; empty where there is nothing to say.
    """
    table = scores.copy()
    table.attrs = {}  # pandas compares them, and tables have no truth value
    warning, shares, part = map(scores.attrs.get, ("warning", "ood", rundata.PART_COLUMN))
    notes = [[warning or ""] * len(scores)]
    if shares is not None:
        notes.append([ood_note(share) for share in shares.loc[scores.index]])
    if part is not None:
        table[rundata.PART_COLUMN] = part.loc[scores.index].to_numpy()
        notes.append([_OF_TRAINING.get(name, "") for name in table[rundata.PART_COLUMN]])
    if warning or len(notes) > 1:
        table["warning"] = ["; ".join(filter(None, note)) for note in zip(*notes, strict=True)]
    write_csv(table, path, index_label="study_id", float_format="%.9g")


def environment(config: ExperimentConfig) -> dict[str, object]:
    """What a stranger needs to know to get the same numbers."""
    return {
        "polarnet": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "commit": _commit(),
        "seed": config.seed,
        "precision": config.precision,
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "intra_op_threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
    }


def _commit() -> str | None:
    """The git commit of this package's source, where git tracks it; "+" marks changes since."""
    here = Path(__file__)
    git = partial(
        subprocess.run, cwd=here.parent, capture_output=True, text=True, check=True, timeout=10
    )
    try:
        git(["git", "ls-files", "--error-unmatch", here.name])
        commit = git(["git", "rev-parse", "HEAD"]).stdout.strip()
        return commit + ("+" if git(["git", "status", "--porcelain", "."]).stdout.strip() else "")
    except (OSError, subprocess.SubprocessError):
        return None
