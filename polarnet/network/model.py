"""The model: VGG16, pooling by wall or over the image, a dense layer, one head a trait."""

import hashlib
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import keras
import numpy as np

from polarnet.anatomy import segment_map
from polarnet.config import ExperimentConfig, load_run_config
from polarnet.familiarity import read_familiarity
from polarnet.network.modelfile import take_weights
from polarnet.network.precision import resolve_precision
from polarnet.network.reference import read_reference
from polarnet.network.weights import vgg16_trunk
from polarnet.rundata import check_files, read_patients

BLOCK_ENDS: Final = {
    "block1": "block1_conv2",
    "block2": "block2_conv2",
    "block3": "block3_conv3",
    "block4": "block4_conv3",
    "block5": "block5_conv3",
}
"""Last convolution of each VGG16 block: its features are pooled (names of Keras' own layers)."""

_VGG16: Final = [
    f"block{block}_conv{k}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for k in range(1, n + 1)
]

SMALL_FILTERS: Final = (16, 32, 64)
"""3 x 3 convolutions of the network that is trained from scratch: 24,000 weights (our choice)."""

POOLED: Final = "pooled"
"""Layer that gives one vector a study."""

HIDDEN: Final = "hidden"
"""The dense layer between trunk and heads."""

STANDARDISED: Final = "standardised"
"""Layer that holds mean and variance of the training features."""

_ROWS: Final = 4096  # of features in memory at once

_FINE: Final = 32  # sub-pixels a side when segment shares of a coarse cell are counted


class Rows(Protocol):
    """Rows of numbers, in memory or read where they are looked at."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> np.ndarray: ...


def build_model(config: ExperimentConfig) -> keras.Model:
    """The untrained multi-task model, with the trunk's weights loaded.

    Parameters
    ----------
    config
        Map type, traits, trunk, pooling, weights and precision.

    Returns
    -------
    A functional model: one input named by the map type, images (n, input_size, input_size, 3)
    as made by the package's encoding; outputs a dict, trait -> probability (n, 1), float32.
    All layers stand in one flat graph. `model.experiment` is the configuration.

    Raises
    ------
    ValueError, FileNotFoundError, ConnectionError: the weights cannot be had.

    References
    ----------
    Simonyan & Zisserman, arXiv 1409.1556 (VGG16). Pooling by AHA segment, and a
    dense layer without activation (on 160 real studies better than with ReLU), are our choice.
    """
    config = replace(config, precision=resolve_precision(config.precision))
    with _dtype_policy(config.precision):
        image = keras.Input((config.input_size, config.input_size, 3), name=config.map_type)
        features = _features(image, config)
    # From here in float32: averages and probabilities lose digits in bf16.
    pooled = _pool(features, config.pooling)
    standardised = keras.layers.Normalization(name=STANDARDISED, dtype="float32")(pooled)
    # Unit length on average, so that one learning rate and one L2 fit any number of features.
    scaled = keras.layers.Rescaling(pooled.shape[-1] ** -0.5, name="scaled", dtype="float32")
    penalty = keras.regularizers.L2(config.l2)  # per study; training divides by their number
    hidden = keras.layers.Dense(
        config.hidden_units, activation=None, name=HIDDEN,
        kernel_regularizer=penalty, dtype="float32",
    )(scaled(standardised))  # fmt: skip
    kept = keras.layers.Dropout(config.dropout, name="dropout", dtype="float32")(hidden)
    heads = {
        trait: keras.layers.Dense(
            1,
            activation="sigmoid",
            name=head_name(trait),
            kernel_regularizer=penalty,
            dtype="float32",
        )(kept)
        for trait in config.traits
    }
    model = keras.Model(image, heads, name="polarnet")
    model.experiment = config
    _draw_weights(model, config)
    return model


def _draw_weights(model: keras.Model, config: ExperimentConfig) -> None:
    """First weights and the state of dropout, from the seed alone.

    Left to itself, Keras draws from Python's global random state, which another thread may use at
    the same time: those of a Dask worker do. Draws in the order in which Keras would.
    """
    draws = random.Random(config.seed)
    here = {layer.name: layer for layer in model.layers}
    is_small = config.mode == "scratch"
    trunk = [f"small_conv{k + 1}" for k in range(len(SMALL_FILTERS))] if is_small else _VGG16
    averages = ["aha_segments"] if config.pooling == "aha" else []
    dropout = ["dropout"] if config.dropout else []
    for name in (*trunk, *averages, HIDDEN, *dropout, *map(head_name, config.traits)):
        seed = draws.randint(1, 10**9)
        is_given = name in averages or (name in _VGG16 and config.weights is not None)
        if is_given or name not in here:
            continue
        if name in dropout:
            here[name].seed_generator.state.assign([seed, 0])
        else:
            kernel = here[name].kernel
            kernel.assign(keras.initializers.GlorotUniform(seed)(kernel.shape))


def _features(image: keras.KerasTensor, config: ExperimentConfig) -> keras.KerasTensor:
    """Output of the last convolution: of VGG16, not trainable yet, or of the small network."""
    if config.mode == "scratch":
        features = keras.layers.Rescaling(1 / 128, name="small_scaled")(image)
        for k, filters in enumerate(SMALL_FILTERS, start=1):
            if k > 1:
                features = keras.layers.MaxPooling2D(name=f"small_pool{k - 1}")(features)
            features = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"small_conv{k}"
            )(features)
        return features
    trunk = vgg16_trunk(image, config.weights, config.last_block)
    return trunk[BLOCK_ENDS[config.last_block]].output


def head_name(trait: str) -> str:
    """Name of a trait's layer: the trait itself, where TensorFlow takes it as a name.

    >>> head_name("sex"), head_name("known CAD")
    ('sex', 'head_1777238e6e35')
    """
    if re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.-]*", trait):
        return trait
    return f"head_{hashlib.sha256(trait.encode()).hexdigest()[:12]}"


def load_model(folder: str | Path) -> keras.Model:
    """The trained float32 model of a run folder.

    Returns
    -------
    keras.Model as made by `build_model`; `model.experiment` is the run's configuration,
    `model.training_segments` the mean of each AHA segment in its training, `model.familiarity` what
    its training maps look like, `model.seen` its patients (None in runs that have no such file).

    Raises
    ------
    FileNotFoundError: the folder is not a run, or its model is missing.
    ValueError: a file is damaged, or is not the one that the training wrote.
    """
    folder = Path(folder)
    config = load_run_config(folder)
    check_files(folder)
    path = folder / "model.keras"
    model = build_model(replace(config, precision="float32", weights=None))
    try:
        take_weights(model, path)
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError,
            RecursionError, MemoryError) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0][:300].rstrip(".")
        raise ValueError(f"{path} cannot be loaded: {reason}. Copy the run again.") from None
    model.get_layer(STANDARDISED).finalize_state()
    model.experiment = config
    model.training_segments = read_reference(folder, config)
    model.familiarity = read_familiarity(folder)
    model.seen = read_patients(folder)
    if model.familiarity is not None and model.familiarity.size != config.map_size:
        raise ValueError(f"{folder}: the familiarity is that of another run. Copy the run again.")
    return model


def settings_of(model: keras.Model) -> ExperimentConfig:
    """The settings that a model was trained with.

    Raises
    ------
    ValueError: it has none, as a model that Keras itself loaded or copied, a path or a Bundle.
    """
    config = getattr(model, "experiment", None)
    if not isinstance(config, ExperimentConfig):
        raise ValueError(
            f"This {type(model).__name__} does not carry the settings of its training. Use "
            "pn.load_model(folder) with the run folder; of a bundle, use bundle.predict(cohort) or "
            "one of bundle.members."
        )
    return config


def in_float32(model: keras.Model) -> keras.Model:
    """The same weights in a float32 model; the model itself where it is one already."""
    config = settings_of(model)
    if {layer.compute_dtype for layer in model.layers} == {"float32"}:
        return model
    twin = build_model(replace(config, precision="float32", weights=None))
    twin.set_weights(model.get_weights())
    twin.get_layer(STANDARDISED).finalize_state()
    twin.experiment = replace(config, precision="float32")
    return twin


def below(model: keras.Model, layer: str) -> keras.Model:
    """The part of the model from the image to the output of one layer."""
    return keras.Model(model.input, model.get_layer(layer).output)


def above(model: keras.Model, layer: str) -> keras.Model:
    """The part of the model from the output of one layer to the heads; it shares the weights."""
    return keras.Model(model.get_layer(layer).output, model.output)


def standardise(model: keras.Model, features: Rows) -> None:
    """Set mean and variance of the training features, shape (n, n_features).

    A feature that hardly varies in training gets a variance that keeps it small elsewhere too.
    """
    mean, variance = _moments(features)
    variance = np.maximum(variance, max(1e-3 * float(variance.mean()), 1e-12))
    layer = model.get_layer(STANDARDISED)
    layer.adapt_mean.assign(mean)
    layer.adapt_variance.assign(variance)
    layer.finalize_state()


def _moments(features: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column in float64, a part of the rows in memory at once."""
    n = len(features)
    parts = [slice(start, start + _ROWS) for start in range(0, n, _ROWS)]
    mean = np.sum([features[part].sum(axis=0, dtype=np.float64) for part in parts], axis=0) / n
    squares = [((features[part] - mean) ** 2).sum(axis=0) for part in parts]
    return mean, np.sum(squares, axis=0) / n


def segment_shares(cells: int) -> np.ndarray:
    """Weights that average a grid of trunk features over each AHA segment.

    Parameters
    ----------
    cells
        Cells a side of the feature grid, laid over the whole map.

    Returns
    -------
    Array of shape (cells * cells, 17), float32; each column sums to 1. A cell counts for a
    segment by the share of its area there.

    >>> segment_shares(14).sum(axis=0).round(5).tolist() == [1.0] * 17
    True
    """
    fine = segment_map(cells * _FINE).reshape(cells, _FINE, cells, _FINE)
    shares = np.stack([(fine == k).mean(axis=(1, 3)).ravel() for k in range(1, 18)], axis=1)
    return (shares / shares.sum(axis=0)).astype(np.float32)


def _pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """One vector a study, made of standard layers only so that any Keras can load the file."""
    if pooling == "global":
        return keras.layers.GlobalAveragePooling2D(name=POOLED, dtype="float32")(features)
    _, rows, columns, channels = features.shape
    flat = keras.layers.Reshape((rows * columns, channels), dtype="float32")(features)
    channels_first = keras.layers.Permute((2, 1), dtype="float32")(flat)
    average = keras.layers.Dense(
        17, use_bias=False, trainable=False, name="aha_segments", dtype="float32"
    )
    by_segment = average(channels_first)
    average.set_weights([segment_shares(rows)])
    return keras.layers.Flatten(name=POOLED, dtype="float32")(by_segment)


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Let VGG16, which takes no dtype, be built in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
