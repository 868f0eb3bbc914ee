"""Training: the head on kept features, then, if wished, the trunk's last block."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from polarnet import __version__
from polarnet.cohort import Cohort
from polarnet.cohort.checks import listing
from polarnet.config import ExperimentConfig, resolve_config, save_config
from polarnet.folders import new_folder
from polarnet.network.encoding import clipped_share
from polarnet.network.features import (
    Features,
    cache_folder,
    in_batches,
    trunk_features,
    weights_digest,
)
from polarnet.network.model import POOLED, STANDARDISED, above, build_model, standardise
from polarnet.network.pipeline import training_batches
from polarnet.network.prediction import frozen_end, predict
from polarnet.network.precision import resolve_precision

LOG_LOSS: Final = "val_log_loss"
"""Mean binary cross-entropy over traits and recorded labels of the validation studies."""

_SHARD: Final = 1024  # maps in memory at once where a whole cohort is gone through

_PACKAGES: Final = ("tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes
    ----------
    folder
        Holds config.yaml, model.keras, history.csv, scores_val.csv and environment.json.
    config
        The settings with everything resolved.
    val_log_loss
        Of the epoch that was kept: mean over traits, in nats.
    """

    folder: Path
    config: ExperimentConfig
    val_log_loss: float

    def __repr__(self) -> str:
        return (
            f"Run {self.folder}: {self.config.mode} VGG16 on {self.config.map_type} maps, "
            f"{len(self.config.traits)} traits, validation log-loss {self.val_log_loss:.4f}"
        )


def train(
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    out: str | Path,
    *,
    cache: str | Path | None = None,
    show_progress: bool = True,
) -> Run:
    """Train one model and write its run folder: whole, or not at all.

    Parameters
    ----------
    train, val
        Cohorts that share no patient. The validation cohort decides when to stop.
    cache
        Folder of trunk features; default: the user's cache folder.

    Returns
    -------
    Run. The seed, deterministic operations and the random state are set for this process.

    Raises
    ------
    ValueError: a trait is unknown or has one class in training, the cohorts share a patient or
        differ in unit, size or map type.
    FileExistsError: `out` is not empty.
    """
    _check_cohorts(train, val, config)
    config = resolve_config(
        replace(config, precision=resolve_precision(config.precision)),
        unit=train.unit,
        map_size=train.size,
        **{name: getattr(train, name) for name in ("tracer", "stress_agent", "software")},
    )
    cache = cache_folder(cache)
    with new_folder(out) as folder:
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
        model = build_model(config)
        model.experiment = config
        history = _fit(model, train, val, config, cache, show_progress)
        model = _in_float32(model, config)
        save_config(config, folder / "config.yaml")
        model.save(folder / "model.keras")
        history.to_csv(folder / "history.csv", index=False, lineterminator="\n")
        write_scores(predict(model, val, cache=cache), folder / "scores_val.csv")
        facts = environment(config) | {
            "model_sha256": weights_digest(model),
            "n_train": len(train),
            "n_val": len(val),
            "clipped_share_train": round(_clipped(train, config), 6),
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        (folder / "environment.json").write_text(text, encoding="utf-8")
    kept = history[LOG_LOSS].min()
    return Run(Path(out), config, float(kept))


def write_scores(scores: pd.DataFrame, path: str | Path) -> None:
    """Write scores with 6 decimals, and a column `warning` where there is one to give."""
    table = scores.copy()
    if warning := scores.attrs.get("warning"):
        table["warning"] = warning
    table.to_csv(path, index_label="study_id", float_format="%.6f", lineterminator="\n")


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


def _check_cohorts(train: Cohort, val: Cohort, config: ExperimentConfig) -> None:
    """Raise for everything that would spoil a training, before anything is computed."""
    if unknown := [t for t in config.traits if t not in train.traits or t not in val.traits]:
        beside = [t for t in unknown if t in train.clinical]
        hint = f" ({listing(beside)} has other values than 0 and 1.)" if beside else ""
        raise ValueError(
            f"No trait {listing(unknown)} in this cohort; it has "
            f"{listing(train.traits.columns) or 'none'}.{hint} Name yours by --traits."
        )
    for trait in config.traits:
        recorded = train.traits[trait].dropna()
        if recorded.nunique() < 2:
            what = f"coded {recorded.iloc[0]:.0f}" if len(recorded) else "not recorded"
            raise ValueError(
                f"Training needs both classes of {trait}, but all {len(train)} training studies "
                f"are {what}. Drop the trait, or add studies."
            )
    if config.map_type not in train.maps:
        raise ValueError(
            f"No {config.map_type} maps in this cohort; it has {', '.join(train.maps)} "
            f"in {train.unit}."
        )
    if (train.unit, train.size) != (val.unit, val.size) or config.map_type not in val.maps:
        raise ValueError("Training and validation cohort differ in unit, map size or map type.")
    if shared := sorted(set(train.patients) & set(val.patients)):
        raise ValueError(f"Patients in training and validation: {listing(shared)}.")


def _fit(
    model: keras.Model,
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    cache: Path,
    show_progress: bool,
) -> pd.DataFrame:
    """Train all stages in place; one history row an epoch."""
    end = frozen_end(config)
    kept, kept_val = (
        trunk_features(model, end, part, cache, show_progress=show_progress)
        for part in (train, val)
    )
    pooled, pooled_val = (_through(model, end, POOLED, part) for part in (kept, kept_val))
    standardise(model, pooled)
    head = _train_stage(
        model, POOLED, pooled.__getitem__, pooled_val, train, val, config, show_progress,
        stage="head", rate=config.learning_rate, epochs=config.epochs, patience=config.patience,
    )  # fmt: skip
    if config.mode == "frozen":
        return head
    for layer in model.layers:
        layer.trainable = layer.trainable or layer.name.startswith(f"{config.last_block}_conv")
    before = [weight.numpy() for weight in model.weights]
    block = _train_stage(
        model, end, kept.__getitem__, kept_val, train, val, config, show_progress,
        stage="finetune", rate=config.finetune_learning_rate, epochs=config.finetune_epochs,
        patience=config.finetune_patience,
    )  # fmt: skip
    if block[LOG_LOSS].min() >= head[LOG_LOSS].min():
        for weight, value in zip(model.weights, before, strict=True):
            weight.assign(value)
    return pd.concat([head, block], ignore_index=True)


def _train_stage(
    model: keras.Model,
    cut: str,
    read: Callable[[np.ndarray], np.ndarray],
    val_inputs: Sequence[np.ndarray],
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    show_progress: bool,
    *,
    stage: str,
    rate: float,
    epochs: int,
    patience: int,
) -> pd.DataFrame:
    """Train what lies above `cut` until validation stops improving; keep the best epoch.

    With augmentation the images pass through the whole model; otherwise what is read are the
    kept features at `cut`.
    """
    traits = list(config.traits)
    upper = above(model, cut)
    trainee = model if config.augment else upper
    batches = training_batches(
        _map_reader(train, config) if config.augment else read,
        train.traits[traits],
        batch_size=config.batch_size,
        epochs=epochs,
        seed=config.seed,
        augment=config if config.augment else None,
    )
    trainee.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss=dict.fromkeys(traits, "binary_crossentropy"),
        loss_weights=dict.fromkeys(traits, 1 / len(traits)),
    )
    watch = _Watch(upper, val_inputs, val.traits[traits], stage, epochs, show_progress)
    stop = keras.callbacks.EarlyStopping(
        monitor=LOG_LOSS, mode="min", patience=patience, restore_best_weights=True
    )
    trainee.fit(
        batches,
        epochs=epochs,
        steps_per_epoch=math.ceil(len(train) / config.batch_size),
        callbacks=[watch, stop],
        shuffle=False,
        verbose=0,
    )
    return pd.DataFrame(watch.rows)


class _Watch(keras.callbacks.Callback):
    """Adds the validation log-loss, without the L2 penalty, to the logs, and shows progress."""

    def __init__(
        self,
        upper: keras.Model,
        inputs: Sequence[np.ndarray],
        traits: pd.DataFrame,
        stage: str,
        epochs: int,
        show_progress: bool,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, object]] = []
        self._inputs, self._traits, self._stage = inputs, traits, stage
        names = list(traits.columns)
        self._forward = tf.function(
            lambda rows: tf.concat([upper(rows, training=False)[t] for t in names], axis=1)
        )
        self._bar = tqdm(
            total=epochs, desc=f"Training ({stage}, at most)", unit="epoch",
            disable=not show_progress,
        )  # fmt: skip

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        scores = in_batches(self._forward, self._inputs)
        logs[LOG_LOSS] = log_loss(self._traits.to_numpy(), scores)
        self.rows.append(
            {"stage": self._stage, "epoch": epoch + 1, "loss": logs["loss"],
             LOG_LOSS: logs[LOG_LOSS]}
        )  # fmt: skip
        self._bar.set_postfix(val_log_loss=f"{logs[LOG_LOSS]:.4f}", refresh=False)
        self._bar.update()

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.close()


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    """Binary cross-entropy in nats: mean over recorded labels, then over traits with any.

    Parameters
    ----------
    labels
        (n, n_traits): 1, 0 or NaN.
    scores
        (n, n_traits): probabilities, clipped to [1e-7, 1 - 1e-7].

    >>> round(log_loss(np.array([[1.0, np.nan]]), np.array([[0.5, 0.1]])), 4)
    0.6931
    """
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    losses = np.where(
        np.isnan(labels), np.nan, -np.where(labels == 1, np.log(scores), np.log(1 - scores))
    )
    is_recorded = ~np.isnan(labels).all(axis=0)
    return float(np.nanmean(losses[:, is_recorded], axis=0).mean())


def _through(model: keras.Model, start: str, end: str, inputs: Features) -> np.ndarray:
    """Output of layer `end` for features kept at layer `start`, in memory."""
    if start == end:
        return inputs[:]
    between = keras.Model(model.get_layer(start).output, model.get_layer(end).output)
    return in_batches(tf.function(lambda rows: between(rows, training=False)), inputs)


def _map_reader(
    cohort: Cohort, config: ExperimentConfig
) -> Callable[[np.ndarray], np.ndarray]:
    stack = cohort.maps[config.map_type]
    return lambda rows: np.asarray(stack[rows], np.float32)


def _in_float32(model: keras.Model, config: ExperimentConfig) -> keras.Model:
    """The same weights in a float32 model: what is saved, and what scores."""
    if config.precision == "float32":
        return model
    twin = build_model(replace(config, precision="float32", weights=None))
    twin.set_weights(model.get_weights())
    twin.get_layer(STANDARDISED).finalize_state()
    twin.experiment = replace(config, precision="float32")
    return twin


def _clipped(cohort: Cohort, config: ExperimentConfig) -> float:
    """Share of disc pixels of the cohort that lie outside the window."""
    stack = cohort.maps[config.map_type]
    shares = [
        clipped_share(stack[start : start + _SHARD], config) * len(stack[start : start + _SHARD])
        for start in range(0, len(cohort), _SHARD)
    ]
    return sum(shares) / len(cohort)


def _commit() -> str | None:
    """The git commit of this package's source, where it is a checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
