"""How the weights are found: the head on kept features, then, if wished, the last block."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.network.features import Features, in_batches, trunk_features
from polarnet.network.inputs import input_maps
from polarnet.network.model import HIDDEN, POOLED, above, standardise
from polarnet.network.pipeline import recorded_log_loss, training_batches
from polarnet.network.prediction import frozen_end, side_by_side

LOG_LOSS: Final = "val_log_loss"
"""Mean binary cross-entropy over traits and recorded labels of the validation studies."""

Rows = np.ndarray | Features


@dataclass(frozen=True)
class Stage:
    """One go of training: what it is called, its L2 penalty in each epoch, and when it ends."""

    name: str
    learning_rate: float
    penalties: list[float]
    patience: int


def fit(
    model: keras.Model,
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    cache: Path,
    show_progress: bool,
) -> pd.DataFrame:
    """Train a model of `build_model` in place.

    Returns
    -------
    History, one row an epoch: stage, epoch, l2 (penalty), loss (with it), val_log_loss in nats.
    The model is left with the weights of the epoch with the lowest val_log_loss.
    """
    end = frozen_end(config)
    kept, kept_val = (
        trunk_features(model, end, part, cache, show_progress=show_progress)
        for part in (train, val)
    )
    if config.mode == "scratch":
        stage = Stage(
            "scratch",
            config.learning_rate,
            penalties(replace(config, epochs=config.finetune_epochs), len(train)),
            config.finetune_patience,
        )
        return _train_stage(model, end, stage, kept, kept_val, train, val, config, show_progress)
    pooled, pooled_val = (_through(model, end, POOLED, part) for part in (kept, kept_val))
    standardise(model, pooled)
    stage = Stage("head", config.learning_rate, penalties(config, len(train)), config.patience)
    head = _train_stage(model, POOLED, stage, pooled, pooled_val, train, val, config, show_progress)
    if config.mode == "frozen":
        return head
    for layer in model.layers:
        layer.trainable = layer.trainable or layer.name.startswith(f"{config.last_block}_conv")
    before = model.get_weights()
    kept_penalty = float(head.loc[head[LOG_LOSS].idxmin(), "l2"])
    stage = Stage(
        "finetune",
        config.finetune_learning_rate,
        [kept_penalty] * config.finetune_epochs,
        config.finetune_patience,
    )
    block = _train_stage(model, end, stage, kept, kept_val, train, val, config, show_progress)
    if block[LOG_LOSS].min() >= head[LOG_LOSS].min():
        model.set_weights(before)
    return pd.concat([head, block], ignore_index=True)


def penalties(config: ExperimentConfig, n_train: int) -> list[float]:
    """L2 penalty of each epoch of the head: from strong to weak, by the same factor each time.

    >>> config = ExperimentConfig(l2=8, l2_end=2, epochs=3)
    >>> penalties(config, 100)
    [0.08, 0.04, 0.02]
    """
    weakening = config.l2_end / config.l2 if config.l2 else 0.0
    share = np.linspace(0, 1, config.epochs)
    return [float(strength) for strength in config.l2 / n_train * weakening**share]


def _train_stage(
    model: keras.Model,
    cut: str,
    stage: Stage,
    inputs: Rows,
    val_inputs: Rows,
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    show_progress: bool,
) -> pd.DataFrame:
    """Train what lies above `cut` until validation stops improving; keep the best epoch.

    With augmentation the images pass through the whole model; otherwise what is read are the
    kept features at `cut`.
    """
    traits = list(config.traits)
    upper = above(model, cut)
    # A variable, because a number would be frozen into the compiled training step.
    strength = keras.Variable(stage.penalties[0], trainable=False, name="l2")
    penalised = [model.get_layer(name) for name in (HIDDEN, *traits)]
    for layer in penalised:
        layer.kernel_regularizer.l2 = strength
    bottom = model if config.augment else upper
    # One output and one loss: a loss a head costs more in bookkeeping than in arithmetic.
    heads = [bottom.output[trait] for trait in traits]
    trainee = keras.Model(bottom.input, keras.ops.concatenate(heads, axis=1))
    steps = math.ceil(len(train) / config.batch_size)
    batches = training_batches(
        input_maps(train, config) if config.augment else inputs,
        train.traits[traits],
        batch_size=config.batch_size,
        epochs=len(stage.penalties),
        seed=config.seed,
        augment=config if config.augment else None,
    )
    trainee.compile(
        optimizer=keras.optimizers.Adam(stage.learning_rate),
        loss=recorded_log_loss(train.traits[traits]),
        steps_per_execution=steps,
    )
    stop = keras.callbacks.EarlyStopping(
        monitor=LOG_LOSS, mode="min", patience=stage.patience, restore_best_weights=True
    )
    with tqdm(
        total=len(stage.penalties),
        desc=f"Training ({stage.name}, at most)",
        unit="epoch",
        disable=not show_progress,
    ) as bar:
        watch = _Watch(upper, val_inputs, val.traits[traits], stage, strength, bar)
        trainee.fit(
            batches,
            epochs=len(stage.penalties),
            steps_per_epoch=steps,
            callbacks=[watch, stop],
            shuffle=False,
            verbose=0,
        )
    rows = pd.DataFrame(watch.rows)
    for layer in penalised:
        layer.kernel_regularizer.l2 = float(rows.loc[rows[LOG_LOSS].idxmin(), "l2"])
    return rows


class _Watch(keras.callbacks.Callback):
    """Sets the L2 penalty; adds the validation log-loss, which is without it, to logs and bar."""

    def __init__(
        self,
        upper: keras.Model,
        inputs: Rows,
        traits: pd.DataFrame,
        stage: Stage,
        strength: keras.Variable,
        bar: tqdm,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, object]] = []
        self._inputs, self._traits, self._stage, self._strength = inputs, traits, stage, strength
        self._forward = tf.function(
            lambda rows: side_by_side(upper(rows, training=False), list(traits.columns))
        )
        self._bar = bar

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._strength.assign(self._stage.penalties[epoch])

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        scores = in_batches(self._forward, self._inputs)
        logs[LOG_LOSS] = log_loss(self._traits.to_numpy(), scores)
        self.rows.append(
            {"stage": self._stage.name, "epoch": epoch + 1, "l2": self._stage.penalties[epoch],
             "loss": logs["loss"], LOG_LOSS: logs[LOG_LOSS]}
        )  # fmt: skip
        self._bar.set_postfix(val_log_loss=f"{logs[LOG_LOSS]:.4f}", refresh=False)
        self._bar.update()


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
