"""A finished training: opened from its folder, which is checked, and used to score studies."""

import json
import lzma
import re
import tempfile
import threading
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism, is_op_determinism_enabled

from polarnet import rundata
from polarnet.cachefolder import cache_folder
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import LARGEST_SHARE, ExperimentConfig
from polarnet.display import Result
from polarnet.network.features import (
    compiled,
    in_batches,
    kept_end,
    trunk_features,
    wide_features,
)
from polarnet.network.model import (
    CLINICAL,
    WIDE,
    Standards,
    above,
    build_model,
    standards_of,
)
from polarnet.network.pipeline import Rows, clinical_input, input_maps
from polarnet.network.weights import check_weights
from polarnet.ood import FILE as DISTRIBUTION_FILE
from polarnet.ood import MapDistribution, Shares, read_distribution
from polarnet.progressbar import progress_bar
from polarnet.suitability import check_prediction, difference

MODEL_FILE: Final = "model.keras"
FAR: Final = 5  # SD of a clinical column from its training mean that are warned of (our choice)
FAR_NOTE: Final = f"studies with values more than {FAR} SD from the training mean:"

_PARTS: Final = {"metadata.json", "config.json", "model.weights.h5"}
_LARGEST_GRAPH: Final = 2**22  # bytes of config.json: 30 kB, and 1 kB more for each trait
_ROOM: Final = 2**22  # bytes that a file of weights may have beside them: names and directories
_LARGEST_NUMBER: Final = 1e30  # of those that standardise features; float32 ends at 3.4e38
_NO_MATTER: Final = {"trainable", "build_config"}  # of a layer, once it is trained

_lock = threading.Lock()
_before: list[bool] = []  # for each deterministic block that is open, the switch as it was


@dataclass(frozen=True, eq=False, repr=False)
class Run(Result):
    """A finished training.

    Attributes
    ----------
    folder
        Holds config.yaml, model.keras, heads.csv, history.csv, scores_val.csv and more.
    config
        The settings with everything resolved.
    model
        The plain Keras model: maps in, a dict of probabilities out, float32. With clinical columns
        a dict goes in, see `load_model`.
    heads
        Index trait: `share` of the trunk, `penalty`, `log_loss` and `log_loss_bullseye` (without
        the trunk) in cross-validation over the training patients; with clinical columns also
        their `clinical_weight`, and `rundata.GROUPS`.
    segments
        Mean of each AHA segment over training studies, see `training_segments`; None if unknown.
    distribution
        What the training maps look like; None where there were too few.
    seen
        Digests of its patients and maps; None for a run that does not know them.
    finetuning
        "kept", "not kept" or "no share of the trunk"; empty where there was none, or it is unknown.
    """

    folder: Path
    config: ExperimentConfig
    model: keras.Model
    heads: pd.DataFrame
    segments: pd.DataFrame | None = None
    distribution: MapDistribution | None = None
    seen: rundata.Seen | None = None
    finetuning: str = ""

    @property
    def trust(self) -> str:
        """In words, how much each head trusts the trunk, and whether fine-tuning was kept."""
        if self.config.mode == "scratch":
            return "a small network without VGG16"
        return rundata.trust_words(self.heads, self.finetuning)

    @property
    def summary(self) -> pd.Series:
        """What was trained."""
        phantom = " (phantom, not patients)" if self.config.software == PHANTOM else ""
        rows = {
            "network": f"{self.config.mode} VGG16, {self.config.input_size} px",
            "maps": self.config.map_type,
            **({"clinical": ", ".join(self.config.clinical)} if self.config.clinical else {}),
            "weights": Path(self.config.weights or "untrained").name,
            "traits": ", ".join(self.config.traits),
            "seed": self.config.seed,
            "heads": self.trust,
        }
        return pd.Series(rows, name=f"Run {self.folder}{phantom}")


def load_run(folder: str | Path) -> Run:
    """Open the run of a folder.

    Raises
    ------
    FileNotFoundError: the folder is not a run, or its model is missing.
    ValueError: a file is damaged, or is not the one that the training wrote.
    """
    folder = Path(folder)
    config = rundata.load_run_config(folder)
    rundata.check_files(folder)
    run = Run(
        folder,
        config,
        _read_model(folder / MODEL_FILE, config),
        rundata.read_heads(folder, config.traits),
        rundata.read_segments(folder, config),
        read_distribution(folder),
        rundata.read_patients(folder),
        rundata.read_finetuning(folder),
    )
    if run.distribution is not None and run.distribution.size != config.map_size:
        raise ValueError(
            f"{folder}: {DISTRIBUTION_FILE} is that of another run. Copy the run again."
        )
    return run


def load_model(folder: str | Path) -> keras.Model:
    """The trained model of a run folder: a plain keras.Model in float32.

    Maps (n, size, size, channels) in the unit of the training cohort in, a dict trait ->
    probability (n, 1) out. With clinical columns the input is a dict, {map type: maps, "clinical":
    (n, k) numbers in the order of the settings, NaN where not recorded}. Keras alone loads the file
    as well. Errors are those of `load_run`.
    """
    return load_run(folder).model


def as_run(run: Any) -> Run:
    """A Run, or that of a run folder; ValueError for anything else, such as a bare Keras model."""
    if isinstance(run, Run):
        return run
    if isinstance(run, str | Path):
        return load_run(run)
    if hasattr(run, "members"):
        raise ValueError("One network is needed: give a member of the Bundle, bundle.members[0].")
    raise ValueError(
        f"A Run, a run folder or a Bundle is needed, but a {type(run).__name__} was given. A bare "
        "Keras model does not know its unit, traits and patients: use pn.load_run(folder), or "
        "model.predict(maps) for maps in the unit of its training."
    )


def predict(
    run: Any,
    cohort: Cohort,
    *,
    cache: str | Path | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Score every study.

    Parameters
    ----------
    run
        A Run, a run folder, or a Bundle, whose mean score is given.
    cohort
        In the unit and map size that the model was trained with, with its clinical columns.
    cache
        Folder of trunk features to use and to fill, or "user" for the user's cache folder. None:
        nothing is kept.

    Returns
    -------
    DataFrame, index study_id, one column per trait, probabilities in [0, 1]. Its attrs: "warning"
    says where tracer, stress agent or software differ from the training cohort, that the model was
    trained on a phantom, or that clinical values lie more than 5 SD from the training mean; "ood"
    (where the run has a `distribution`) is a Series study_id -> distance from the training maps, as
    a share of what validation maps keep: above 1 is out of distribution; "part" is a Series
    study_id -> what the study is to the run: "train", "val", "test" or "new", by patient or by its
    map, empty where unknown; of a Bundle, "spread" is the standard deviation over its members.

    Raises
    ------
    ValueError: the cohort has another unit, map size or map type than the model was trained with,
        or lacks a clinical column, a map has impossible values, or `run` is something else, such as
        a bare Keras model.
    """
    if members := getattr(run, "members", None):
        return _mean_scores(members, cohort, cache, show_progress)
    run = as_run(run)
    config = run.config
    check_prediction(config, cohort)
    folder = None if cache is None else cache_folder(cache)
    scores = _scores(run, cohort, folder, show_progress).astype(float)
    table = pd.DataFrame(scores, index=cohort.patients.index, columns=list(config.traits))
    notes = [difference(config, cohort), far := _far(run, cohort)]
    table.attrs["warning"] = "; ".join(filter(None, notes))
    part = rundata.parts_of(run.seen, cohort)
    is_own = part.isin(rundata.PARTS).all()  # patients of the run itself: the files say it
    is_phantom = cohort.is_phantom and config.software == PHANTOM
    if (notes[0] and not is_phantom) or (far and not is_own):
        warnings.warn(table.attrs["warning"], stacklevel=2)
    if run.distribution is not None:
        distances = run.distribution.distances(cohort.maps) / run.distribution.threshold
        table.attrs["ood"] = Shares(distances, table.index)
    table.attrs[rundata.PART_COLUMN] = Shares(part)
    return table


@contextmanager
def deterministic() -> Iterator[None]:
    """Let TensorFlow's operations be deterministic inside the block.

    The switch is of the whole process: left on, any code without seeds raises "Random ops require a
    seed". TensorFlow has no public way to turn it off, so its private one is used.
    """
    with _lock:
        _before.append(bool(is_op_determinism_enabled()))
        tf.config.experimental.enable_op_determinism()
    try:
        yield
    finally:
        with _lock:
            was_enabled = _before[0]
            _before.pop()
            if not _before and not was_enabled:
                disable_op_determinism()


def _scores(run: Run, cohort: Cohort, cache: Path | None, show_progress: bool) -> np.ndarray:
    """Scores (n, n_traits) by the whole model, or by way of kept features."""
    config, maps = run.config, input_maps(cohort, run.config)
    end = None if cache is None else kept_end(config)
    bar = progress_bar(
        total=len(cohort), desc="Scoring", unit="study", disable=not show_progress or bool(end)
    )
    clinical = clinical_input(cohort, config)
    cut: tuple[str, ...] = (config.map_type,)
    rows: tuple[Rows, ...] = (maps,)
    with deterministic(), bar:
        if cache is not None and end is not None:
            kept = trunk_features(run.model, config, end, maps, cache, show_progress=show_progress)
            cut, rows = (WIDE, end), (wide_features(run.model, maps), kept)
        scorer = compiled(above(run.model, (*cut, *clinical), config.traits))
        return in_batches(scorer, *rows, *clinical.values(), bar=bar)


def _far(run: Run, cohort: Cohort) -> str:
    """Which clinical columns have values that the training can say little about."""
    notes = []
    for values in clinical_input(cohort, run.config).values():
        scale = run.model.get_layer(f"{CLINICAL}_standardised")
        n_far = (np.abs(values * np.array(scale.scale) + scale.offset) > FAR).sum(axis=0)
        notes = [f"{c} ({n})" for c, n in zip(run.config.clinical, n_far, strict=True) if n]
    return f"{FAR_NOTE} {', '.join(notes)}" if notes else ""


def _mean_scores(
    members: Sequence[Run], cohort: Cohort, cache: str | Path | None, show_progress: bool
) -> pd.DataFrame:
    """Mean over the members of a bundle, with the attributes of the first."""
    tables: list[pd.DataFrame] = []
    for member in members:
        with warnings.catch_warnings():
            if tables:
                warnings.simplefilter("ignore", UserWarning)  # the first member said it
            tables.append(predict(member, cohort, cache=cache, show_progress=show_progress))
    attributes = tables[0].attrs
    for table in tables:
        table.attrs = {}  # pandas compares them, which is costly for tables
    by_study = pd.concat(tables).groupby(level=0, sort=False)
    mean, spread = (part.loc[tables[0].index] for part in (by_study.mean(), by_study.std(ddof=1)))
    mean.attrs = {**attributes, "spread": spread}
    return mean


def _read_model(path: Path, config: ExperimentConfig) -> keras.Model:
    """The model of a file in float32: built from its settings, then given the numbers of the file.

    The graph that the file describes is compared with that of the model, and never made: a file of
    a kilobyte can describe layers of gigabytes, or code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            if set(sizes) != _PARTS or sizes["config.json"] > _LARGEST_GRAPH:
                raise ValueError("it has other parts than polarnet writes, or larger ones")
            graph = _graph(archive.read("config.json"))
            exact = replace(config, precision="float32", weights=None)
            model = build_model(exact, _standards(graph, config))
            _check_graph(graph, _graph(model.to_json().encode()))
            n_bytes, expected = sizes["model.weights.h5"], 4 * model.count_params()
            if not expected <= n_bytes <= expected + _ROOM:
                raise ValueError(
                    f"it has {n_bytes:,} bytes of weights, but its settings make {expected:,}"
                )
            content = archive.read("model.weights.h5")
        check_weights(content)
        with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
            # From the archive itself Keras reads slowly.
            weights = Path(folder) / "model.weights.h5"
            weights.write_bytes(content)
            model.load_weights(weights)
        if not all(np.isfinite(weight.numpy()).all() for weight in model.weights):
            raise ValueError("its weights hold numbers that are not finite")
    except (ValueError, OSError, LookupError, TypeError, AttributeError, RuntimeError, EOFError,
            ArithmeticError, MemoryError, zipfile.BadZipFile, zlib.error,
            lzma.LZMAError) as error:  # fmt: skip
        reason = "it is cut short, or not as polarnet writes it"
        if isinstance(error, ValueError) and str(error):
            reason = str(error).splitlines()[0][:300].rstrip(".")
        raise ValueError(f"{path} cannot be loaded: {reason}. Copy the run again.") from None
    return model


def _graph(content: bytes) -> dict[str, Any]:
    """Keras' description of a model. Names of operations count up within a process."""
    plain = re.sub(rb'"(divide_no_nan|isnan|where|cast)_\d+"', rb'"\1"', content)
    return json.loads(plain)["config"]


def _standards(graph: dict[str, Any], config: ExperimentConfig) -> Standards:
    """How features are standardised and weighed in the description of a model."""

    def numbers(values: Any) -> list[float]:
        checked = np.array(values, float)
        if checked.ndim != 1 or not (np.abs(checked) <= _LARGEST_NUMBER).all():
            raise ValueError("its features are standardised by something else than numbers")
        return checked.tolist()

    layers = {layer["config"]["name"]: layer["config"] for layer in graph["layers"]}
    found = standards_of(layers, config.traits)
    weights = numbers([*found.shares.values(), *found.weights.values()])
    if not all(0 <= weight <= LARGEST_SHARE for weight in weights):
        raise ValueError("it has a share of the trunk that is none")
    return Standards(
        {group: numbers(values) for group, values in found.factors.items()},
        {group: numbers(values) for group, values in found.offsets.items()},
        dict(zip(found.shares, weights, strict=False)),
        dict(zip(found.weights, weights[len(found.shares) :], strict=True)),
    )


def _check_graph(found: dict[str, Any], ours: dict[str, Any]) -> None:
    """Refuse a description of other layers, or of the same otherwise connected."""
    pairs = zip(found["layers"], ours["layers"], strict=False)
    odd = [our["config"]["name"] for layer, our in pairs if not _agree(layer, our)]
    if len(found["layers"]) != len(ours["layers"]):
        odd.append(f"{len(found['layers'])} layers in place of {len(ours['layers'])}")
    if found["output_layers"] != ours["output_layers"]:
        odd.append("outputs")
    if odd:
        raise ValueError(f"it describes what no model of its settings has ({odd[0]})")


def _agree(found: Any, ours: Any) -> bool:
    """Whether two descriptions are the same in all that both tell: other versions tell more."""
    if isinstance(found, dict) and isinstance(ours, dict):
        shared = (found.keys() & ours.keys()) - _NO_MATTER
        return all(_agree(found[name], ours[name]) for name in shared)
    if isinstance(found, list) and isinstance(ours, list):
        return len(found) == len(ours) and all(map(_agree, found, ours))
    return found == ours
