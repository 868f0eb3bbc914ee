"""How the weights are found: the heads on kept features, then, if wished, the last block.

A training that was stopped goes on after its last finished epoch and ends with the same bytes.
Kept at the end of an epoch: the weights that are trained, the optimiser's moments and step, the
weights of the best epoch, and the history. The order of the studies and their augmentation depend
on seed and epoch alone, so they need no keeping.
"""

import hashlib
import json
import math
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.std import tqdm

from polarnet import __version__
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.files import new_file
from polarnet.network.features import (
    Features,
    compiled,
    in_batches,
    kept_end,
    map_digests,
    trunk_features,
    weights_digest,
    wide_features,
)
from polarnet.network.heads import choose_heads, fitted_heads, is_gain
from polarnet.network.model import DEEP, WIDE, above, build_model, head_name, standards_of_features
from polarnet.network.pipeline import (
    Rows,
    Varied,
    input_maps,
    recorded_log_loss,
    training_batches,
)
from polarnet.progressbar import progress_bar
from polarnet.rundata import KEPT, NO_SHARE, NOT_KEPT

LOG_LOSS: Final = "val_log_loss"
"""Mean binary cross-entropy over traits and recorded labels of the validation studies."""

SCRATCH_PENALTY: Final = 1.0
"""L2 penalty of the heads of the network without VGG16; see `PENALTIES` (our choice)."""

VIEWS: Final = 8
"""Changed copies of each map, with `augment`: the trunk sees each of them once (our choice)."""

_KEEP_EVERY_S: Final = 1.0
"""Seconds of work that a stopped training may lose where epochs are shorter than that."""

_IN_MEMORY: Final = 2**27
"""Bytes of kept features that are held in memory: those of 15,000 maps at the default settings.
More are read from the disk batch by batch, so that they need not fit into memory."""

Kept = Mapping[str, Rows]
"""Layer -> its output for every study."""

History = list[dict[str, str | float]]
"""One row per epoch: stage, epoch, loss (with penalties), val_log_loss in nats."""


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

    Fine-tuning is kept only where it lowers the validation loss by more than its standard error;
    otherwise, and where no head trusts the trunk, the model is the frozen one.
    """
    maps, of_val = input_maps(train, config), input_maps(val, config)
    views = [Varied(maps, k, config.seed) for k in range(VIEWS)] if config.augment else [maps]
    base, traits = build_model(config), train.traits[list(config.traits)]

    def trainer(model: keras.Model, heads: pd.DataFrame) -> _Trainer:
        progress = _progress_folder(model, config, (train, val), cache)
        return _Trainer(model, heads["penalty"], train, val, config, progress, show_progress)

    if config.mode == "scratch":
        heads = pd.DataFrame(
            {"n": traits.notna().sum(), "share": 1.0, "penalty": SCRATCH_PENALTY,
             "log_loss": np.nan, "log_loss_bullseye": np.nan},
        ).rename_axis("trait")  # fmt: skip
        scratch, name = trainer(base, heads), config.map_type
        history = scratch.run(
            "scratch", (name,), [{name: view} for view in views], {name: of_val},
            rate=config.learning_rate, epochs=config.finetune_epochs,
            patience=config.finetune_patience,
        )  # fmt: skip
        return Fitted(base, heads, history, scratch.progress)

    end = kept_end(config) or config.map_type

    def read(rows: Rows) -> Kept:
        kept = rows
        if end != config.map_type:
            kept = trunk_features(base, config, end, rows, cache, show_progress=show_progress)
        deep = _through(base, end, DEEP, kept)
        return {WIDE: wide_features(base, rows), end: kept, DEEP: deep}

    plain, val_kept = read(maps), read(of_val)
    groups = {g: plain[g][:] for g in (WIDE, DEEP)}
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
    stages = trainer(model, heads)
    seen = [read(view) for view in views] if config.augment else [plain]
    history = stages.run(
        "heads", (WIDE, DEEP), seen, val_kept, rate=config.learning_rate, epochs=config.epochs
    )
    if config.mode == "frozen":
        return Fitted(model, heads, history, stages.progress)
    if not heads["share"].any():
        return Fitted(model, heads, history, stages.progress, NO_SHARE)
    # The bullseye comes from the maps, too.
    cut = (end,) if end == config.map_type else (WIDE, end)
    before, frozen = model.get_weights(), stages.losses_of_validation(val_kept, cut)
    block = [layer for layer in model.layers if layer.name.startswith(f"{config.last_block}_conv")]
    for layer in block:
        layer.trainable = True
        layer.kernel.regularizer = _TowardsStart(layer.kernel.numpy(), config.anchor)
    tuned = stages.run(
        "block", cut, seen, val_kept, rate=config.finetune_learning_rate,
        epochs=config.finetune_epochs, patience=config.finetune_patience,
    )  # fmt: skip
    is_better = is_gain(frozen - stages.losses_of_validation(val_kept, cut))
    if not is_better:
        model.set_weights(before)
    for layer in block:
        layer.kernel.regularizer = None
    history = pd.concat([history, tuned], ignore_index=True)
    return Fitted(model, heads, history, stages.progress, KEPT if is_better else NOT_KEPT)


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
        self, name: str, cut: Sequence[str], seen: Sequence[Kept], of_val: Kept, *, rate: float,
        epochs: int, patience: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Train what lies above some layers, on what is kept of their outputs in one or more views
        that epochs take in turn.

        Training ends after `patience` epochs without a lower validation loss, and the epoch with
        the lowest is kept. None: there is one optimum, which the last epoch is nearest to.
        """
        config, traits = self.config, list(self.config.traits)
        # One output and one loss: a loss per head costs more in bookkeeping than in arithmetic.
        trainee = above(self.model, cut, traits)
        self._penalise()
        steps = math.ceil(len(self.train) / config.batch_size)
        # Falls to zero, so that the last epoch is near the optimum whatever the order was.
        falling = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        trainee.compile(
            optimizer=keras.optimizers.Adam(falling if patience is None else rate),
            loss=recorded_log_loss(self.train.traits[traits]),
            steps_per_execution=steps,
        )
        forward, labels = compiled(trainee), self.val.traits[traits].to_numpy()
        val_inputs = [of_val[layer] for layer in cut]
        with progress_bar(
            total=epochs, desc=f"Training ({name})", unit="epoch", disable=not self.show_progress
        ) as bar:
            watch = _Watch(
                name, lambda: log_loss(labels, in_batches(forward, *val_inputs)), epochs, patience,
                self.progress, bar,
            )  # fmt: skip
            first_epoch = watch.take_up(trainee)
            if not watch.is_over():
                batches = training_batches(
                    [[view[layer] for view in seen] for layer in cut], self.train.traits[traits],
                    batch_size=config.batch_size, epochs=epochs, seed=config.seed,
                    first_epoch=first_epoch,
                )  # fmt: skip
                trainee.fit(
                    batches, epochs=epochs, initial_epoch=first_epoch, steps_per_epoch=steps,
                    callbacks=[watch], shuffle=False, verbose=0,
                )  # fmt: skip
        for variable, value in zip(trainee.trainable_variables, watch.best, strict=True):
            variable.assign(value)
        self._penalise(is_on=False)
        return pd.DataFrame(watch.rows)

    def losses_of_validation(self, of_val: Kept, cut: Sequence[str]) -> np.ndarray:
        """Log-loss of each validation study, mean over its recorded traits, in nats."""
        traits = list(self.config.traits)
        forward = compiled(above(self.model, cut, traits))
        scores = in_batches(forward, *(of_val[layer] for layer in cut))
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
        self, name: str, score: Callable[[], float], epochs: int, patience: int | None,
        progress: Path, bar: tqdm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.rows: History = []
        self.best: list[np.ndarray] = []
        self._name, self._score, self._epochs, self._patience = name, score, epochs, patience
        self._path, self._bar = progress / f"{name}.npz", bar

    def take_up(self, trainee: keras.Model) -> int:
        """Put the model where an earlier training was stopped; returns its finished epochs."""
        trainee.optimizer.build(trainee.trainable_variables)
        self._state = [*trainee.trainable_variables, *trainee.optimizer.variables]
        self.best, self.rows = _take_up(self._path, self._state)
        self._bar.update(len(self.rows))
        self._kept_at = time.monotonic()
        return len(self.rows)

    def is_over(self) -> bool:
        """Whether training ends after the epochs that there were."""
        if self._patience is None or not self.rows:
            return len(self.rows) == self._epochs
        since_best = len(self.rows) - 1 - self._best_epoch()
        return len(self.rows) == self._epochs or since_best >= max(1, self._patience)

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        loss = self._score()
        self.rows.append(
            {"stage": self._name, "epoch": epoch + 1, "loss": float(logs["loss"]), LOG_LOSS: loss}
        )
        if self._patience is None or self._best_epoch() == epoch:
            self.best = [np.array(v.value) for v in self.model.trainable_variables]
        self.model.stop_training = self.is_over()
        if self.model.stop_training or time.monotonic() - self._kept_at > _KEEP_EVERY_S:
            keep_progress(self._path, self._state, self.best, self.rows)
            self._kept_at = time.monotonic()
        self._bar.set_postfix(val_log_loss=f"{loss:.4f}", refresh=False)
        self._bar.update()

    def _best_epoch(self) -> int:
        return int(np.nanargmin([row[LOG_LOSS] for row in self.rows]))


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    """Binary cross-entropy in nats: mean over recorded labels, then over traits with any.

    Labels (n, n_traits) are 1, 0 or NaN; scores are probabilities, clipped to [1e-7, 1 - 1e-7].

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


def _through(model: keras.Model, start: str, end: str, inputs: Rows) -> Rows:
    """Output of layer `end` for features kept at layer `start`.

    In memory, unless it is the kept features themselves and they are large.
    """
    if start == end:
        is_large = isinstance(inputs, Features) and inputs.n_bytes > _IN_MEMORY
        return inputs if is_large else inputs[:]
    between = keras.Model(model.get_layer(start).output, model.get_layer(end).output)
    return in_batches(compiled(between), inputs)


def _progress_folder(
    model: keras.Model, config: ExperimentConfig, cohorts: Sequence[Cohort], cache: Path
) -> Path:
    """The folder for one training, named by everything that its result depends on."""
    digest = hashlib.sha256(weights_digest(model).encode())
    versions = {"polarnet": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}
    digest.update(json.dumps(asdict(config) | versions, sort_keys=True, default=str).encode())
    for cohort in cohorts:
        digest.update(cohort.traits[list(config.traits)].to_csv().encode())
        digest.update(b"".join(map_digests(input_maps(cohort, config))))
    return cache / "progress" / digest.hexdigest()[:24]


def keep_progress(
    path: Path, variables: Sequence[keras.Variable], best: Sequence[np.ndarray], rows: History
) -> None:
    """Write the state at the end of an epoch: whole, or not at all."""
    now = [np.asarray(variable.value) for variable in variables]
    with new_file(path) as partial, partial.open("wb") as file:
        np.savez(file, *now, *best, allow_pickle=False, history=np.array(json.dumps(rows)))


def _take_up(path: Path, variables: Sequence[keras.Variable]) -> tuple[list[np.ndarray], History]:
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
