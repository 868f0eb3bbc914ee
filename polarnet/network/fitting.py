"""How the weights are found: the heads on kept features, then, if wished, the last block."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.std import tqdm

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.network.features import Features, Maps, in_batches, trunk_features
from polarnet.network.heads import choose_heads, fitted_heads
from polarnet.network.inputs import Inputs, input_maps
from polarnet.network.model import (
    DEEP,
    WIDE,
    above,
    below,
    build_model,
    head_name,
    standards_of_features,
)
from polarnet.network.pipeline import Source, Varied, recorded_log_loss, training_batches
from polarnet.network.prediction import kept_end, side_by_side, wide_features
from polarnet.network.progress import keep_progress, progress_folder, take_up
from polarnet.progressbar import progress_bar
from polarnet.rundata import KEPT, NO_SHARE, NOT_KEPT

LOG_LOSS: Final = "val_log_loss"
"""Mean binary cross-entropy over traits and recorded labels of the validation studies."""

SCRATCH_PENALTY: Final = 1.0
"""L2 penalty of the heads of the network without VGG16, as of `PENALTIES` (our choice)."""

_KEEP_EVERY_S: Final = 1.0
"""Seconds of work that a stopped training may lose where epochs are shorter than that."""

_IN_MEMORY: Final = 2**27
"""Bytes of kept features that are held in memory: those of 15,000 maps at the default settings.
More are read from the disk batch by batch, so that they need not fit into memory."""

Inner = Sequence[Sequence[Source]]
"""For each input of a model rows of the training studies, in one or more views that the epochs take
in turn."""

VIEWS: Final = 8
"""Changed copies of each map, with `augment`: the trunk sees each of them once (our choice)."""


class _Read(NamedTuple):
    """What is kept of some maps, and both groups of features."""

    kept: Source
    wide: np.ndarray
    deep: Source


@dataclass(frozen=True)
class Stage:
    """One go of training.

    Attributes
    ----------
    is_convex
        Whether it has one optimum, which the last epoch is nearest to; otherwise the epoch with
        the lowest validation loss is kept.
    patience
        Epochs without a lower validation loss after which a stage that is not convex ends.
    """

    name: str
    learning_rate: float
    epochs: int
    patience: int
    is_convex: bool

    def is_over(self, losses: Sequence[float]) -> bool:
        """Whether training ends after epochs with these validation losses."""
        if self.is_convex or not losses:
            return len(losses) == self.epochs
        since_best = len(losses) - 1 - int(np.nanargmin(losses))
        return len(losses) == self.epochs or since_best >= max(1, self.patience)


@dataclass(frozen=True)
class Fitted:
    """What a training gives: the model, its heads, its history, where its progress lies, and what
    became of fine-tuning (empty where there was none).
    """

    model: keras.Model
    heads: pd.DataFrame
    history: pd.DataFrame
    progress: Path
    finetuning: str = ""


def fit(
    train: Cohort, val: Cohort, config: ExperimentConfig, cache: Path, show_progress: bool
) -> Fitted:
    """Train a model of `build_model`.

    A training that was stopped goes on after its last finished epoch, from what it kept in
    `cache`, and ends with the same bytes as one that was not.

    Returns
    -------
    Fitted. Its history has one row per epoch: stage, epoch, loss (with penalties), val_log_loss in
    nats. Fine-tuning is kept only where it lowers the validation loss by more than its standard
    error; otherwise, and where no head trusts the trunk, the model is the frozen one.
    """
    base = build_model(config)
    if config.mode == "scratch":
        return _from_scratch(base, train, val, config, cache, show_progress)
    end = kept_end(config) or config.map_type
    maps, val_maps = input_maps(train, config), input_maps(val, config)

    def read(rows: Maps) -> _Read:
        kept: Source = rows
        if end != config.map_type:
            kept = trunk_features(base, config, end, rows, cache, show_progress=show_progress)
        return _Read(kept, wide_features(base, rows), _through(base, end, DEEP, kept))

    plain, of_val = read(maps), read(val_maps)
    groups, traits = {WIDE: plain.wide, DEEP: plain.deep[:]}, train.traits[list(config.traits)]
    heads = choose_heads(
        groups, traits, train.patients, seed=config.seed, share=config.share,
        show_progress=show_progress,
    )  # fmt: skip
    standards = standards_of_features(groups, heads["share"])
    model = build_model(config, standards)
    model.set_weights(base.get_weights())
    for trait, solution in fitted_heads(groups, standards, traits, heads, seed=config.seed).items():
        # Few digits, so that the last ones, which depend on the machine, do not count.
        start = [np.round(part, 3) for part in (solution[0][:, None], np.array([solution[1]]))]
        model.get_layer(head_name(trait)).set_weights(start)
    progress = progress_folder(model, config, [(train, maps), (val, val_maps)], cache)
    trainer = _Trainer(model, heads["penalty"], train, val, config, progress, show_progress)
    seen = [read(view) for view in _views(maps, config)] if config.augment else [plain]
    history = trainer.run(
        Stage("heads", config.learning_rate, config.epochs, config.epochs, is_convex=True),
        (WIDE, DEEP), [[r.wide for r in seen], [r.deep for r in seen]], [of_val.wide, of_val.deep],
    )  # fmt: skip
    if config.mode == "frozen":
        return Fitted(model, heads, history, progress)
    if not heads["share"].any():
        return Fitted(model, heads, history, progress, NO_SHARE)
    cut: tuple[str, ...] = (WIDE, end)
    whole: Inner = [[r.wide for r in seen], [r.kept for r in seen]]
    whole_val: Sequence[Source] = [of_val.wide, of_val.kept]
    if end == config.map_type:  # which the bullseye comes from, too
        cut, whole, whole_val = cut[1:], whole[1:], whole_val[1:]
    before = model.get_weights()
    frozen = trainer.losses_of_validation(whole_val, cut)
    for layer in model.layers:
        if layer.name.startswith(f"{config.last_block}_conv"):
            layer.trainable = True
            layer.kernel.regularizer = _TowardsStart(layer.kernel.numpy(), config.anchor)
    stage = Stage(
        "block", config.finetune_learning_rate, config.finetune_epochs,
        config.finetune_patience, is_convex=False,
    )  # fmt: skip
    block = trainer.run(stage, cut, whole, whole_val)
    gain = frozen - trainer.losses_of_validation(whole_val, cut)
    is_better = _is_gain(gain)
    if not is_better:
        model.set_weights(before)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.regularizer = None
    history = pd.concat([history, block], ignore_index=True)
    return Fitted(model, heads, history, progress, KEPT if is_better else NOT_KEPT)


def _from_scratch(
    model: keras.Model, train: Cohort, val: Cohort, config: ExperimentConfig, cache: Path,
    show_progress: bool,
) -> Fitted:  # fmt: skip
    """Train the small network, all of it at once, on its maps alone."""
    heads = pd.DataFrame(
        {"n": train.traits[list(config.traits)].notna().sum(), "share": 1.0,
         "penalty": SCRATCH_PENALTY, "log_loss": np.nan, "log_loss_bullseye": np.nan},
    ).rename_axis("trait")  # fmt: skip
    maps, val_maps = input_maps(train, config), input_maps(val, config)
    progress = progress_folder(model, config, [(train, maps), (val, val_maps)], cache)
    trainer = _Trainer(model, heads["penalty"], train, val, config, progress, show_progress)
    stage = Stage(
        "scratch", config.learning_rate, config.finetune_epochs, config.finetune_patience,
        is_convex=False,
    )  # fmt: skip
    views = _views(maps, config) if config.augment else [maps]
    history = trainer.run(stage, (config.map_type,), [views], [val_maps])
    return Fitted(model, heads, history, progress)


def _views(maps: Inputs, config: ExperimentConfig) -> list[Source]:
    """The same maps, changed slightly in several ways."""
    return [Varied(maps, k, config.seed) for k in range(VIEWS)]


def _is_gain(gains: np.ndarray) -> bool:
    """Whether losses fell on average by more than the standard error of that average."""
    return len(gains) > 1 and bool(gains.mean() > gains.std(ddof=1) / len(gains) ** 0.5)


@dataclass(frozen=True)
class _Trainer:
    """Stages of training of one model on the same studies."""

    model: keras.Model
    penalties: pd.Series
    train: Cohort
    val: Cohort
    config: ExperimentConfig
    progress: Path
    show_progress: bool

    def run(
        self, stage: Stage, cut: Sequence[str], inputs: Inner, val_inputs: Sequence[Source]
    ) -> pd.DataFrame:
        """Train what lies above some layers, on what stands at their outputs."""
        config, traits = self.config, list(self.config.traits)
        upper = above(self.model, cut)
        # One output and one loss: a loss per head costs more in bookkeeping than in arithmetic.
        heads = keras.ops.concatenate([upper.output[trait] for trait in traits], axis=1)
        trainee = keras.Model(upper.input, heads)
        self._penalise()
        steps = math.ceil(len(self.train) / config.batch_size)
        # Falls to zero, so that the last epoch is near the optimum whatever the order was.
        rate = keras.optimizers.schedules.CosineDecay(stage.learning_rate, stage.epochs * steps)
        trainee.compile(
            optimizer=keras.optimizers.Adam(rate if stage.is_convex else stage.learning_rate),
            loss=recorded_log_loss(self.train.traits[traits]),
            steps_per_execution=steps,
        )
        with progress_bar(
            total=stage.epochs, desc=f"Training ({stage.name})", unit="epoch",
            disable=not self.show_progress,
        ) as bar:  # fmt: skip
            watch = _Watch(upper, val_inputs, self.val.traits[traits], stage, self.progress, bar)
            first_epoch = watch.take_up(trainee)
            if not stage.is_over(watch.losses):
                batches = training_batches(
                    inputs, self.train.traits[traits], batch_size=config.batch_size,
                    epochs=stage.epochs, seed=config.seed, first_epoch=first_epoch,
                )  # fmt: skip
                trainee.fit(
                    batches, epochs=stage.epochs, initial_epoch=first_epoch, steps_per_epoch=steps,
                    callbacks=[watch], shuffle=False, verbose=0,
                )  # fmt: skip
        for variable, value in zip(trainee.trainable_variables, watch.best, strict=True):
            variable.assign(value)
        self._penalise(is_on=False)
        return pd.DataFrame(watch.rows)

    def losses_of_validation(self, rows: Sequence[Source], cut: Sequence[str]) -> np.ndarray:
        """Log-loss of each validation study, mean over its recorded traits, in nats."""
        traits = list(self.config.traits)
        upper = above(self.model, cut)
        scores = in_batches(
            tf.function(lambda given: side_by_side(upper(given, training=False), traits)), *rows
        )
        losses = np.nanmean(_losses(self.val.traits[traits].to_numpy(), scores), axis=1)
        return losses[~np.isnan(losses)]

    def _penalise(self, is_on: bool = True) -> None:
        """Hold the heads back while they are trained; the saved model knows no penalty."""
        for trait, penalty in self.penalties.items():
            n = int(self.train.traits[trait].notna().sum())
            # The loss is a mean over patients and traits, the penalty stands beside their sum.
            strength = penalty / (2 * n * len(self.penalties))
            kernel = self.model.get_layer(head_name(str(trait))).kernel
            kernel.regularizer = keras.regularizers.L2(strength) if is_on else None


class _TowardsStart(keras.regularizers.Regularizer):
    """L2-SP: squared distance from the weights that training begins at.

    References
    ----------
    Li, Grandvalet & Davoine, ICML 2018 (arXiv 1802.01483).
    """

    def __init__(self, start: np.ndarray, strength: float) -> None:
        self.start, self.strength = start, strength

    def __call__(self, weights: keras.KerasTensor) -> keras.KerasTensor:
        return self.strength / 2 * keras.ops.sum(keras.ops.square(weights - self.start))


class _Watch(keras.callbacks.Callback):
    """Scores the validation studies after each epoch (their loss is without penalties), keeps the
    best weights and what a stopped training needs to go on, and ends the stage.
    """

    def __init__(
        self,
        upper: keras.Model,
        inputs: Sequence[Source],
        traits: pd.DataFrame,
        stage: Stage,
        progress: Path,
        bar: tqdm,
    ) -> None:
        super().__init__()
        self.rows: list[dict[str, str | float]] = []
        self.best: list[np.ndarray] = []
        self._inputs, self._traits, self._stage = inputs, traits, stage
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
        self._state = [*trainee.trainable_variables, *trainee.optimizer.variables]
        self.best, self.rows = take_up(self._path, self._state)
        self._bar.update(len(self.rows))
        self._kept_at = time.monotonic()
        return len(self.rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        scores = in_batches(self._forward, *self._inputs)
        loss = log_loss(self._traits.to_numpy(), scores)
        self.rows.append(
            {"stage": self._stage.name, "epoch": epoch + 1, "loss": float(logs["loss"]),
             LOG_LOSS: loss}
        )  # fmt: skip
        if self._stage.is_convex or int(np.nanargmin(self.losses)) == epoch:
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
    is_recorded = ~np.isnan(labels).all(axis=0)
    return float(np.nanmean(_losses(labels, scores)[:, is_recorded], axis=0).mean())


def _losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Binary cross-entropy of each study and trait; NaN where the label was not recorded."""
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    of_label = -np.where(labels == 1, np.log(scores), np.log(1 - scores))
    return np.where(np.isnan(labels), np.nan, of_label)


def _through(model: keras.Model, start: str, end: str, inputs: Source) -> Source:
    """Output of layer `end` for features kept at layer `start`.

    In memory, unless it is the kept features themselves and they are large.
    """
    if start == end:
        is_large = isinstance(inputs, Features) and inputs.n_bytes > _IN_MEMORY
        return inputs if is_large else inputs[:]
    if start == model.input.name:
        between = below(model, end)
    else:
        between = keras.Model(model.get_layer(start).output, model.get_layer(end).output)
    return in_batches(tf.function(lambda rows: between(rows, training=False)), inputs)
