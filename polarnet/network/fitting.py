"""How the weights are found: the head on kept features, then, if wished, the last block."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.std import tqdm

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.network.features import Features, in_batches, trunk_features
from polarnet.network.inputs import Inputs, input_maps
from polarnet.network.model import HIDDEN, POOLED, above, head_name, standardise
from polarnet.network.pipeline import Varied, recorded_log_loss, training_batches
from polarnet.network.prediction import frozen_end, side_by_side
from polarnet.network.progress import keep_progress, progress_folder, take_up
from polarnet.progressbar import progress_bar

LOG_LOSS: Final = "val_log_loss"
"""Mean binary cross-entropy over traits and recorded labels of the validation studies."""

_KEEP_EVERY_S: Final = 1.0
"""Seconds of work that a stopped training may lose where epochs are shorter than that."""

_IN_MEMORY: Final = 2**27
"""Bytes of kept features that are held in memory: those of 15,000 maps at the default settings.
More are read from the disk batch by batch, so that they need not fit into memory."""

Rows = np.ndarray | Features
TrainingRows = Rows | list[Rows] | Inputs


@dataclass(frozen=True)
class Stage:
    """One go of training: what it is called, its L2 penalty in each epoch, and when it ends."""

    name: str
    learning_rate: float
    penalties: list[float]
    patience: int

    def is_over(self, losses: Sequence[float]) -> bool:
        """Whether training ends after epochs with these validation losses."""
        since_best = len(losses) - 1 - int(np.nanargmin(losses)) if losses else 0
        return len(losses) == len(self.penalties) or since_best >= max(1, self.patience)


def fit(
    model: keras.Model,
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    cache: Path,
    show_progress: bool,
) -> tuple[pd.DataFrame, Path]:
    """Train a model of `build_model` in place.

    A training that was stopped goes on after its last finished epoch, from what it kept in
    `cache`, and ends with the same bytes as one that was not.

    Returns
    -------
    History, one row an epoch: stage, epoch, l2 (penalty), loss (with it), val_log_loss in nats;
    and the folder of what was kept, to be removed once the result is safe. The model is left with
    the weights of the epoch with the lowest val_log_loss.
    """
    end = frozen_end(config)
    maps = input_maps(train, config)
    kept, kept_val = (
        trunk_features(model, end, of_part, cache, show_progress=show_progress)
        for of_part in (maps, input_maps(val, config))
    )
    views = [
        trunk_features(
            model, end, Varied(maps, view, config.seed), cache, show_progress=show_progress
        )
        for view in range(config.views if config.augment else 0)
    ]
    seen = [(train, kept), (val, kept_val), *((train, view) for view in views)]
    progress = progress_folder(model, seen, cache)

    def trained(stage: Stage, cut: str, rows: TrainingRows, val_rows: Rows) -> pd.DataFrame:
        return _train_stage(
            model, cut, stage, rows, val_rows, train, val, config, progress, show_progress
        )

    def through(cut: str) -> TrainingRows:
        """What the part above a layer is trained on: features, views of them, or whole maps."""
        if views:
            return [_through(model, end, cut, view) for view in views]
        return maps if config.augment else _through(model, end, cut, kept)

    if config.mode == "scratch":
        weights = penalties(replace(config, epochs=config.finetune_epochs), len(train))
        stage = Stage("scratch", config.learning_rate, weights, config.finetune_patience)
        return trained(stage, end, through(end), kept_val), progress
    pooled, pooled_val = (_through(model, end, POOLED, part) for part in (kept, kept_val))
    standardise(model, pooled)
    stage = Stage("head", config.learning_rate, penalties(config, len(train)), config.patience)
    head = trained(stage, POOLED, through(POOLED) if config.augment else pooled, pooled_val)
    if config.mode == "frozen":
        return head, progress
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
    block = trained(stage, end, through(end), kept_val)
    if block[LOG_LOSS].min() >= head[LOG_LOSS].min():
        model.set_weights(before)
    return pd.concat([head, block], ignore_index=True), progress


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
    inputs: TrainingRows,
    val_inputs: Rows,
    train: Cohort,
    val: Cohort,
    config: ExperimentConfig,
    progress: Path,
    show_progress: bool,
) -> pd.DataFrame:
    """Train what lies above `cut` until validation stops improving; keep the best epoch.

    What is read are features at `cut`, kept before, or maps, which are changed and pass through
    the whole model.
    """
    is_whole = isinstance(inputs, Inputs)
    traits = list(config.traits)
    upper = above(model, cut)
    # A variable, because a number would be frozen into the compiled training step.
    strength = keras.Variable(stage.penalties[0], trainable=False, name="l2")
    penalised = [model.get_layer(name) for name in (HIDDEN, *map(head_name, traits))]
    for layer in penalised:
        layer.kernel_regularizer.l2 = strength
    bottom = model if is_whole else upper
    # One output and one loss: a loss a head costs more in bookkeeping than in arithmetic.
    heads = [bottom.output[trait] for trait in traits]
    trainee = keras.Model(bottom.input, keras.ops.concatenate(heads, axis=1))
    steps = math.ceil(len(train) / config.batch_size)
    trainee.compile(
        optimizer=keras.optimizers.Adam(stage.learning_rate),
        loss=recorded_log_loss(train.traits[traits]),
        steps_per_execution=steps,
    )
    with progress_bar(
        total=len(stage.penalties),
        desc=f"Training ({stage.name}, at most)",
        unit="epoch",
        disable=not show_progress,
    ) as bar:
        watch = _Watch(upper, val_inputs, val.traits[traits], stage, strength, progress, bar)
        first_epoch = watch.take_up(trainee)
        if not stage.is_over(watch.losses):
            batches = training_batches(
                inputs,
                train.traits[traits],
                batch_size=config.batch_size,
                epochs=len(stage.penalties),
                seed=config.seed,
                first_epoch=first_epoch,
                augment=config if is_whole else None,
            )
            trainee.fit(
                batches,
                epochs=len(stage.penalties),
                initial_epoch=first_epoch,
                steps_per_epoch=steps,
                callbacks=[watch],
                shuffle=False,
                verbose=0,
            )
    for variable, value in zip(trainee.trainable_variables, watch.best, strict=True):
        variable.assign(value)
    rows = pd.DataFrame(watch.rows)
    for layer in penalised:
        layer.kernel_regularizer.l2 = float(rows.loc[rows[LOG_LOSS].idxmin(), "l2"])
    return rows


class _Watch(keras.callbacks.Callback):
    """Sets the L2 penalty, scores the validation studies (their loss is without it), keeps the
    best weights and what a stopped training needs to go on, and ends the stage.
    """

    def __init__(
        self,
        upper: keras.Model,
        inputs: Rows,
        traits: pd.DataFrame,
        stage: Stage,
        strength: keras.Variable,
        progress: Path,
        bar: tqdm,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, str | float]] = []
        self.best: list[np.ndarray] = []
        self._inputs, self._traits, self._stage, self._strength = inputs, traits, stage, strength
        self._forward = tf.function(
            lambda rows: side_by_side(upper(rows, training=False), list(traits.columns))
        )
        self._path, self._bar = progress / f"{stage.name}.npz", bar

    @property
    def losses(self) -> list[float]:
        return [float(row[LOG_LOSS]) for row in self.rows]

    def take_up(self, trainee: keras.Model) -> int:
        """Put the model where an earlier training was stopped; returns its finished epochs."""
        trainee.optimizer.build(trainee.trainable_variables)
        weights = {id(weight) for weight in trainee.weights}
        self._state = [
            *trainee.trainable_variables,
            *(v for v in trainee.variables if id(v) not in weights),  # dropout's random numbers
            *trainee.optimizer.variables,
        ]
        self.best, self.rows = take_up(self._path, self._state)
        self._bar.update(len(self.rows))
        self._kept_at = time.monotonic()
        return len(self.rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._strength.assign(self._stage.penalties[epoch])

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        scores = in_batches(self._forward, self._inputs)
        loss = log_loss(self._traits.to_numpy(), scores)
        self.rows.append(
            {"stage": self._stage.name, "epoch": epoch + 1, "l2": self._stage.penalties[epoch],
             "loss": float(logs["loss"]), LOG_LOSS: loss}
        )  # fmt: skip
        if int(np.nanargmin(self.losses)) == epoch:
            self.best = [np.array(v.value) for v in self.model.trainable_variables]
        self.model.stop_training = self._stage.is_over(self.losses)
        if self.model.stop_training or time.monotonic() - self._kept_at > _KEEP_EVERY_S:
            keep_progress(self._path, self._state, self.best, self.rows)
            self._kept_at = time.monotonic()
        self._bar.set_postfix(val_log_loss=f"{loss:.4f}", refresh=False)
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


def _through(model: keras.Model, start: str, end: str, inputs: Features) -> Rows:
    """Output of layer `end` for features kept at layer `start`.

    In memory, unless it is the kept features themselves and they are large.
    """
    if start == end:
        return inputs[:] if inputs.n_bytes <= _IN_MEMORY else inputs
    between = keras.Model(model.get_layer(start).output, model.get_layer(end).output)
    return in_batches(tf.function(lambda rows: between(rows, training=False)), inputs)
