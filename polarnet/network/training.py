"""A training from cohorts to a run folder that a stranger can repeat.

The heads are trained on kept features, then, if wished, the last block of the trunk. A training
that was stopped goes on after the last epoch that was kept, and ends with the same bytes.
"""

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.std import tqdm

from polarnet import __version__, rundata
from polarnet.cachefolder import USER_CACHE, kept_in
from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig, resolve_config, settings_of
from polarnet.files import new_file, new_folder, write_csv, write_json
from polarnet.network.features import (
    Features,
    compiled,
    in_batches,
    kept_end,
    trunk_features,
    weights_digest,
    wide_features,
)
from polarnet.network.heads import choose_heads, fitted_heads, is_gain
from polarnet.network.model import (
    CLINICAL,
    DEEP,
    WIDE,
    above,
    build_model,
    cut_at,
    head_name,
    in_precision,
    resolve_precision,
    standards_of_features,
)
from polarnet.network.pipeline import (
    Rows,
    Varied,
    clinical_input,
    clipped_share,
    input_maps,
    recorded_log_loss,
    training_batches,
)
from polarnet.network.run import MODEL_FILE, Run, deterministic, predict
from polarnet.ood import fit_distribution, ood_note, write_distribution
from polarnet.progressbar import progress_bar
from polarnet.suitability import STATED, check_training

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
        Cohorts that share no patient. The validation cohort decides when fine-tuning stops, and
        whether it is kept.
    cache
        Folder of trunk features, and of what a stopped training needs to go on. Default: "user",
        the user's cache folder. None: nothing is kept beyond the training.

    Returns
    -------
    Run. TensorFlow's operations are deterministic during the training, not afterwards.

    Raises
    ------
    ValueError: a trait is unknown or has one class in training, the cohorts share a patient or
        differ in unit, size or map type, a label is not 0, 1 or NaN, a map is unsound, or a
        clinical column is unknown, holds no numbers, or leaks the label of a trait.
    FileExistsError: `out` is not empty.
    """
    train, val = (cohort.with_traits(config.traits) for cohort in (train, val))
    check_training(train, val, config)
    config = resolved_config(config, train)
    parts = {"train": train, "val": val}
    pixels = {k: rundata.pixel_digests(part, config.map_types) for k, part in parts.items()}
    data = {
        k: rundata.data_facts(v, pixels[k], config.traits, config.clinical)
        for k, v in parts.items()
    }
    facts = environment(config)
    with new_folder(out) as folder, kept_in(cache) as kept, deterministic():
        config.save(folder / "config.yaml")
        rundata.write_patients(folder, {k: (part, pixels[k]) for k, part in parts.items()})
        base = build_model(config)
        known = json.dumps([asdict(config), facts, data, weights_digest(base)])
        progress = kept / "progress" / hashlib.sha256(known.encode()).hexdigest()[:24]
        model, heads, history, finetuning = _fit(
            base, train, val, config, kept, progress, show_progress
        )
        exact = replace(config, precision="float32")
        if config != exact:
            model = in_precision(model, exact)
        model.save(folder / MODEL_FILE)
        path = folder / rundata.HEADS_FILE
        write_csv(heads, path, index_label="trait", float_format="%.9g")
        write_csv(history, folder / "history.csv")
        segments = rundata.training_segments(train, config)
        rundata.write_segments(segments, folder)
        distribution = fit_distribution(train, val, config)
        if distribution is not None:
            write_distribution(distribution, folder)
        seen = rundata.read_patients(folder)
        run = Run(Path(out), config, model, heads, segments, distribution, seen, finetuning)
        write_scores(predict(run, val, cache=kept), folder / "scores_val.csv")
        rundata.write_labels(folder, parts, config.traits)
        facts |= {
            "model_sha256": weights_digest(model),
            "finetuning": finetuning,
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
    shutil.rmtree(progress, ignore_errors=True)
    return run


def scores_of_maps_alone(
    learnt: tuple[Cohort, Cohort], others: Sequence[Cohort], config: ExperimentConfig, cache: Path
) -> list[pd.DataFrame]:
    """Scores of other cohorts by the same network, trained in the same way on the same studies
    (training, validation) without its clinical columns: what these add is measured against it.
    """
    plain = replace(config, clinical=())
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said of the network itself
        run = train(*learnt, plain, Path(folder) / "run", cache=cache, show_progress=False)
        return [predict(run, cohort, cache=cache) for cohort in others]


def resolved_config(config: ExperimentConfig, cohort: Cohort) -> ExperimentConfig:
    """The settings with what a cohort and this machine decide."""
    return resolve_config(
        replace(config, precision=resolve_precision(config.precision)),
        unit=cohort.unit,
        map_size=cohort.size,
        **{name: getattr(cohort, name) for name in STATED},
    )


def kept_features(config: ExperimentConfig, cohort: Cohort, cache: Path) -> Features:
    """Trunk features of a cohort for these settings; computed if they are not kept yet."""
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


# === How the weights are found ===


def _fit(
    base: keras.Model, train: Cohort, val: Cohort, config: ExperimentConfig, cache: Path,
    progress: Path, show_progress: bool,
) -> tuple[keras.Model, pd.DataFrame, pd.DataFrame, str]:  # fmt: skip
    """The trained model, its heads, its history, and what became of fine-tuning, which is kept only
    where it lowers the validation loss by more than its standard error.
    """
    maps, of_val = input_maps(train, config), input_maps(val, config)
    views = [Varied(maps, k, config.seed) for k in range(VIEWS)] if config.augment else [maps]
    traits = train.traits[list(config.traits)]
    labels = val.traits[traits.columns].to_numpy()
    if config.mode == "scratch":
        heads = pd.DataFrame(
            {"n": traits.notna().sum(), "share": 1.0, "penalty": SCRATCH_PENALTY,
             "log_loss": np.nan, "log_loss_bullseye": np.nan},
        ).rename_axis("trait")  # fmt: skip
        stages = _Trainer(base, heads["penalty"], traits, labels, config, progress, show_progress)
        name = config.map_type
        history = stages.run(
            "scratch", (name,), [{name: view} for view in views], {name: of_val},
            rate=config.learning_rate, epochs=config.finetune_epochs,
            patience=config.finetune_patience,
        )  # fmt: skip
        return base, heads, history, ""

    end = kept_end(config) or config.map_type

    def read(rows: Rows, cohort: Cohort) -> Kept:
        kept = rows
        if end != config.map_type:
            kept = trunk_features(base, config, end, rows, cache, show_progress=show_progress)
        of_maps = {WIDE: wide_features(base, rows), end: kept, DEEP: _deep(base, end, kept)}
        return of_maps | clinical_input(cohort, config)

    plain, val_kept = read(maps, train), read(of_val, val)
    also = (CLINICAL,) if config.clinical else ()
    groups = {g: plain[g][:] for g in (WIDE, DEEP, *also)}
    heads = choose_heads(
        groups, traits, train.patients, seed=config.seed, share=config.share,
        show_progress=show_progress,
    )  # fmt: skip
    standards = standards_of_features(groups, heads["share"], heads.get("clinical_weight"))
    model = build_model(config, standards)
    model.set_weights(base.get_weights())
    for trait, solution in fitted_heads(groups, standards, traits, heads, seed=config.seed).items():
        # Few digits, so that the last ones, which depend on the machine, do not count.
        start = [np.round(part, 3) for part in (solution[0][:, None], np.array([solution[1]]))]
        model.get_layer(head_name(trait)).set_weights(start)
    stages = _Trainer(model, heads["penalty"], traits, labels, config, progress, show_progress)
    seen = [read(view, train) for view in views] if config.augment else [plain]
    history = stages.run(
        "heads", (WIDE, DEEP, *also), seen, val_kept, rate=config.learning_rate,
        epochs=config.epochs,
    )  # fmt: skip
    # The bullseye comes from the maps, too.
    cut = (*((end,) if end == config.map_type else (WIDE, end)), *also)
    if config.mode == "frozen":
        return model, _with_groups(heads, model, plain, cut), history, ""
    if not heads["share"].any():
        return model, _with_groups(heads, model, plain, cut), history, rundata.NO_SHARE
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
    heads = _with_groups(heads, model, plain, cut)
    return model, heads, history, rundata.KEPT if is_better else rundata.NOT_KEPT


def _with_groups(
    heads: pd.DataFrame, model: keras.Model, kept: Kept, cut: Sequence[str]
) -> pd.DataFrame:
    """The heads with what each group has in their logits, where there are clinical columns."""
    if CLINICAL not in cut:
        return heads
    inputs = cut_at(model, cut)
    ends = np.cumsum([model.get_layer(group).output.shape[-1] for group in (WIDE, DEEP)])
    parts = {}
    for trait in heads.index:
        head = model.get_layer(head_name(trait))
        features = in_batches(
            compiled(keras.Model(inputs, head.input)), *(kept[layer] for layer in cut)
        )
        added = features.astype(float) * head.get_weights()[0][:, 0]
        groups = np.stack([part.sum(axis=1) for part in np.split(added, ends, axis=1)])
        shares = np.cov(groups)
        parts[trait] = shares.sum(axis=1) / max(shares.sum(), np.finfo(float).tiny)
    table = pd.DataFrame.from_dict(parts, orient="index", columns=list(rundata.GROUPS))
    return heads.join(table)


@dataclass(frozen=True)
class _Trainer:
    """Stages of training of one model; `traits` are those of training, `labels` of validation."""

    model: keras.Model
    penalties: pd.Series
    traits: pd.DataFrame
    labels: np.ndarray
    config: ExperimentConfig
    progress: Path
    show_progress: bool

    def run(
        self, name: str, cut: Sequence[str], seen: Sequence[Kept], of_val: Kept, *, rate: float,
        epochs: int, patience: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Train what lies above some layers, on what is kept of their outputs in one or more views
        that epochs take in turn; returns the history.

        Training ends after `patience` epochs without a lower validation loss, and the epoch with
        the lowest is kept. None: there is one optimum, which the last epoch is nearest to.
        """
        config = self.config
        # One output and one loss: a loss per head costs more in bookkeeping than in arithmetic.
        trainee = above(self.model, cut, config.traits)
        self._penalise()
        steps = math.ceil(len(self.traits) / config.batch_size)
        # Falls to zero, so that the last epoch is near the optimum whatever the order was.
        falling = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
        trainee.compile(
            optimizer=keras.optimizers.Adam(falling if patience is None else rate),
            loss=recorded_log_loss(self.traits),
            steps_per_execution=steps,
        )
        trainee.optimizer.build(trainee.trainable_variables)
        forward, inputs = compiled(trainee), [of_val[layer] for layer in cut]
        with progress_bar(
            total=epochs, desc=f"Training ({name})", unit="epoch", disable=not self.show_progress
        ) as bar:
            watch = _Watch(
                name, lambda: log_loss(self.labels, in_batches(forward, *inputs)), epochs, patience,
                self.progress / f"{name}.npz", trainee, bar,
            )  # fmt: skip
            first_epoch = len(watch.rows)
            if not watch.is_over():
                batches = training_batches(
                    [[view[layer] for view in seen] for layer in cut], self.traits,
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
        forward = compiled(above(self.model, cut, self.config.traits))
        scores = in_batches(forward, *(of_val[layer] for layer in cut))
        losses = np.nanmean(_losses(self.labels, scores), axis=1)
        return losses[~np.isnan(losses)]

    def _penalise(self, is_on: bool = True) -> None:
        """Hold the heads back while they are trained; the saved model knows no penalty."""
        for trait, penalty in self.penalties.items():
            # The loss is a mean over patients and traits, the penalty stands beside their sum.
            strength = penalty / (2 * int(self.traits[trait].notna().sum()) * len(self.penalties))
            kernel = self.model.get_layer(head_name(str(trait))).kernel
            kernel.regularizer = keras.regularizers.L2(strength) if is_on else None


class _TowardsStart(keras.regularizers.Regularizer):
    """L2-SP: squared distance from where training begins (Li et al., arXiv 1802.01483)."""

    def __init__(self, start: np.ndarray, strength: float) -> None:
        self.start, self.strength = start, strength

    def __call__(self, weights: keras.KerasTensor) -> keras.KerasTensor:
        return self.strength / 2 * keras.ops.sum(keras.ops.square(weights - self.start))


class _Watch(keras.callbacks.Callback):
    """Scores the validation studies after each epoch (their loss is without penalties), keeps the
    weights of the best or, without `patience`, of the last, and ends the stage. Writes to `path`
    what a stopped training needs to go on: the order of studies follows from seed and epoch.
    """

    def __init__(
        self, name: str, score: Callable[[], float], epochs: int, patience: int | None, path: Path,
        trainee: keras.Model, bar: tqdm,
    ) -> None:  # fmt: skip
        super().__init__()
        self._name, self._score, self._epochs, self._patience = name, score, epochs, patience
        self._path, self._bar, self._kept_at = path, bar, time.monotonic()
        self._trained = trainee.trainable_variables
        self._state = [*self._trained, *trainee.optimizer.variables]
        self.rows, self.best = self._take_up()
        bar.update(len(self.rows))

    def _take_up(self) -> tuple[list[dict[str, str | float]], list[np.ndarray]]:
        """Go on from the last epoch that was kept; a file that is damaged or foreign is none."""
        try:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                rows = json.loads(str(kept["history"]))
                arrays = [kept[f"arr_{k}"] for k in range(len(kept.files) - 1)]
        except (OSError, ValueError, LookupError, TypeError, EOFError, zipfile.BadZipFile):
            return [], []
        if [a.shape for a in arrays] != [v.shape for v in (*self._state, *self._trained)]:
            return [], []
        for variable, value in zip(self._state, arrays, strict=False):  # the best come after
            variable.assign(value)
        return rows, arrays[len(self._state) :]

    def is_over(self) -> bool:
        """Whether the stage ends after the epochs that there were."""
        is_patient = self._patience is None or self._since_best() < self._patience
        return len(self.rows) == self._epochs or not is_patient

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        loss = self._score()
        self.rows.append(
            {"stage": self._name, "epoch": epoch + 1, "loss": float(logs["loss"]), LOG_LOSS: loss}
        )
        if self._patience is None or not self._since_best():
            self.best = [np.array(v.value) for v in self._trained]
        self.model.stop_training = self.is_over()
        if self.model.stop_training or time.monotonic() - self._kept_at > _KEEP_EVERY_S:
            now = [np.asarray(v.value) for v in self._state]
            with new_file(self._path) as unfinished, unfinished.open("wb") as file:
                np.savez(file, *now, *self.best, history=np.array(json.dumps(self.rows)))
            self._kept_at = time.monotonic()
        self._bar.set_postfix(val_log_loss=f"{loss:.4f}", refresh=False)
        self._bar.update()

    def _since_best(self) -> int:
        """Epochs since the lowest loss of validation."""
        losses = [row[LOG_LOSS] for row in self.rows]
        return len(losses) - 1 - int(np.nanargmin(losses)) if losses else 0


def log_loss(labels: np.ndarray, scores: np.ndarray) -> float:
    """Binary cross-entropy in nats: mean over recorded labels, then over traits with any.

    >>> round(log_loss(np.array([[1.0, np.nan]]), np.array([[0.5, 0.1]])), 4)
    0.6931
    """
    is_recorded = ~np.isnan(labels).all(axis=0)
    return float(np.nanmean(_losses(labels, scores)[:, is_recorded], axis=0).mean())


def _losses(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Cross-entropy of each study and trait; NaN where the label was not recorded."""
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    of_label = -np.where(labels == 1, np.log(scores), np.log(1 - scores))
    return np.where(np.isnan(labels), np.nan, of_label)


def _deep(model: keras.Model, end: str, kept: Rows) -> Rows:
    """The pooled features, from what is kept at layer `end`: in memory, unless they are large."""
    if end == DEEP:
        return kept if len(kept) * kept[:1].nbytes > _IN_MEMORY else kept[:]
    between = keras.Model(model.get_layer(end).output, model.get_layer(DEEP).output)
    return in_batches(compiled(between), kept)
