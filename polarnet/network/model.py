"""The model from a polar map to probabilities: encoding, VGG16 beside a bullseye, heads.

Each head is a logistic regression on what a bullseye shows, on the pooled features of the trunk
and, where asked for, on clinical columns. One flat graph of standard layers, so that Keras
alone can load, copy and export it.
"""

import hashlib
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from polarnet.anatomy import segment_map
from polarnet.config import ExperimentConfig
from polarnet.files import shown
from polarnet.network.weights import BLOCKS, vgg16_trunk

BLOCK_ENDS: Final = {f"block{k}": f"block{k}_conv{n}" for k, (n, _) in enumerate(BLOCKS, start=1)}
"""Last convolution of each VGG16 block: its features are pooled (names of Keras' own layers)."""

SMALL_FILTERS: Final = (16, 32, 64)
"""3 x 3 convolutions of the network that is trained from scratch: 24,000 weights (our choice)."""

WIDE: Final = "wide"
"""Layer that gives what a bullseye shows of a study: segment means, lowest, highest, mean."""

DEEP: Final = "deep"  # layer that gives the pooled features of the trunk, one vector per study
CLINICAL: Final = "clinical"  # input of clinical columns, and the group that is made of them
ENCODING_VERSION: Final = 3
"""To be raised with every change of the image, so that kept features are not reused."""

_MEANS_BGR: Final = np.array([103.939, 116.779, 123.68])
"""Mean of ImageNet's channels, which VGG16 expects to be subtracted (keras.applications.vgg16)."""

_BF16_PROCESSOR: Final = {"avx512_bf16", "amx_bf16"}
_BF16_GPU: Final = (8, 0)
"""Compute capability from which NVIDIA GPUs multiply in bf16 (Ampere; NVIDIA documentation)."""

_ROWS: Final = 4096  # of features in memory at once
_FINE: Final = 32  # sub-pixels per side when segment shares of a coarse cell are counted


@dataclass(frozen=True, eq=False)
class Standards:
    """What the training patients decide about the graph: for each group of features (`WIDE`,
    `DEEP`, `CLINICAL`) what each is multiplied by, and what is then added (lacking: features are as
    they are); for each trait the weights of the deep and the clinical group, 0 to 10 (lacking: 1).
    """

    factors: Mapping[str, list[float]] = field(default_factory=dict)
    offsets: Mapping[str, list[float]] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)

    def apply(self, group: str, features: np.ndarray) -> np.ndarray:
        """Features (n, n_features) of a group, standardised, in float64; of k clinical columns also
        k indicators of what was not recorded, (n, 2 k).
        """
        scaled = features * np.array(self.factors[group]) + self.offsets[group]
        return np.hstack([np.nan_to_num(scaled), np.isnan(scaled)]) if group == CLINICAL else scaled


def standards_of_features(
    groups: Mapping[str, np.ndarray],
    shares: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Standards:
    """Standards by which each group (n, n_features) has mean 0, and length 1 on average.

    A feature that hardly varies in training gets a variance that keeps it small elsewhere too.
    Clinical columns, whose units differ, get mean 0 and SD 1 each over what was recorded, and 0
    where they do not vary.
    """
    factors, offsets = {}, {}
    for name, features in groups.items():
        if name == CLINICAL:
            recorded = np.ma.masked_invalid(np.asarray(features, np.float64))
            mean, sd = recorded.mean(axis=0).filled(0), recorded.std(axis=0).filled(0)
            factor = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6 * np.abs(mean))
            factors[name], offsets[name] = factor.tolist(), (-mean * factor).tolist()
            continue
        n = len(features)
        parts = [features[start : start + _ROWS] for start in range(0, n, _ROWS)]
        mean = np.sum([part.sum(axis=0, dtype=np.float64) for part in parts], axis=0) / n
        variance = np.sum([((part - mean) ** 2).sum(axis=0) for part in parts], axis=0) / n
        variance = np.maximum(variance, max(1e-3 * float(variance.mean()), 1e-12))
        factor = (len(mean) * variance) ** -0.5
        factors[name], offsets[name] = factor.tolist(), (-mean * factor).tolist()
    return Standards(
        factors,
        offsets,
        dict({} if shares is None else shares),
        dict({} if weights is None else weights),
    )


def standards_of(layers: Mapping[str, Mapping[str, Any]], traits: Sequence[str]) -> Standards:
    """What `build_model` was given, read from Keras' configuration of each layer, by its name."""
    groups = {
        group: layers[name]
        for group in (WIDE, DEEP, CLINICAL)
        if (name := f"{group}_standardised") in layers
    }
    return Standards(
        {group: layer["scale"] for group, layer in groups.items()},
        {group: layer["offset"] for group, layer in groups.items()},
        {t: layers[name]["scale"] for t in traits if (name := _share_name(t)) in layers},
        {t: layers[name]["scale"] for t in traits if (name := _weight_name(t)) in layers},
    )


@contextmanager
def users_random() -> Iterator[None]:
    """Leave Python's random state, from which Keras draws for each layer it makes, as it was."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@users_random()
def build_model(config: ExperimentConfig, standards: Standards | None = None) -> keras.Model:
    """The multi-task model before its training, with the trunk's weights loaded.

    Parameters
    ----------
    config
        Resolved settings: map type, map size, window, traits, trunk, pooling, weights, precision.
    standards
        How features are standardised and weighed. None: as they are, share 1.

    Returns
    -------
    A functional model: one input named by the map type, maps (n, size, size, channels) in the unit
    of the cohort; outputs a dict, trait -> probability (n, 1), float32. Heads are zero. With
    clinical columns there are two inputs, as a dict of that name and "clinical", (n, k), in the
    units of the cohort's table, NaN where not recorded.

    Raises
    ------
    ValueError, FileNotFoundError, ConnectionError: the settings are not resolved, or the weights
        cannot be had.

    References
    ----------
    Simonyan & Zisserman, arXiv 1409.1556 (VGG16). Cheng et al., arXiv 1606.07792 (wide and deep).
    Pooling by AHA segment and the groups of features are our choice.
    """
    if config.map_size is None:
        raise ValueError("These settings are not resolved: a cohort decides size and window.")
    standards = standards or Standards()
    size, channels = config.map_size, len(config.map_types)
    maps = keras.Input((size, size, channels), name=config.map_type, dtype="float32")
    features = _convolved(encoded(maps, config), config)
    # From here in float32: averages and probabilities lose digits in bf16.
    deep = _standardised(_pooled(features, config.pooling), DEEP, standards)
    wide = None
    if config.mode != "scratch":
        wide = _standardised(_bullseye(maps), WIDE, standards)
    inputs, clinical = maps, None
    if config.clinical:
        values = keras.Input((len(config.clinical),), name=CLINICAL, dtype="float32")
        inputs, clinical = {config.map_type: maps, CLINICAL: values}, _encoded(values, standards)
    heads = {t: _head(t, wide, deep, clinical, standards) for t in config.traits}
    model = keras.Model(inputs, heads, name="polarnet")
    if config.mode == "scratch" or config.weights is None:
        _draw_weights(model, config.seed)
    model(model.input)  # Keras exports only what was called; this computes nothing
    return model


def head_name(trait: str) -> str:
    """Name of a trait's layer: the trait itself, where TensorFlow takes it as a name."""
    if re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.-]*", trait):
        return trait
    return f"head_{hashlib.sha256(trait.encode()).hexdigest()[:12]}"


def in_precision(model: keras.Model, config: ExperimentConfig) -> keras.Model:
    """The same weights in a model of these settings, which differ in their precision alone."""
    layers = {layer.name: layer.get_config() for layer in model.layers}
    twin = build_model(replace(config, weights=None), standards_of(layers, config.traits))
    twin.set_weights(model.get_weights())
    return twin


def below(model: keras.Model, layer: str) -> keras.Model:
    """The part of the model from the maps to the output of one layer."""
    return keras.Model(maps_of(model), model.get_layer(layer).output)


def maps_of(model: keras.Model) -> keras.KerasTensor:
    """The input for maps, beside which there may be one for clinical columns."""
    return next(given for given in model.inputs if given.name != CLINICAL)


def above(model: keras.Model, layers: Sequence[str], traits: Sequence[str]) -> keras.Model:
    """From the outputs of layers (or the inputs) to the heads side by side, (n, n_traits)."""
    cut = cut_at(model, layers)
    upper = keras.Model(cut if len(cut) > 1 else cut[0], model.output)
    heads = [upper.output[trait] for trait in traits]
    return keras.Model(upper.input, keras.ops.concatenate(heads, axis=1))


def cut_at(model: keras.Model, layers: Sequence[str]) -> list[keras.KerasTensor]:
    """Outputs of layers, where a part of the model may begin. Beside inner layers that is just
    above the input of clinical columns: a real input among them Keras 3 would lose from the model.
    """
    is_inner = not set(layers) <= {given.name for given in model.inputs}
    names = [f"{CLINICAL}_given" if is_inner and name == CLINICAL else name for name in layers]
    return [model.get_layer(name).output for name in names]


def resolve_precision(precision: str) -> str:
    """Let "auto" be bf16 where the first GPU, or else the processor (on Linux), computes in it."""
    if precision != "auto":
        return precision
    if gpus := tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        is_able = tuple(details.get("compute_capability") or ()) >= _BF16_GPU
    else:
        is_able = _processor_has_bf16()
    return "mixed_bfloat16" if is_able else "float32"


def encoded(maps: keras.KerasTensor, config: ExperimentConfig) -> keras.KerasTensor:
    """Scale, enlarge and colour maps, then apply VGG16's own preprocessing; standard layers only.

    Maps (n, size, size, channels) become images (n, input_size, input_size, 3): blue, green, red
    minus the ImageNet means. Of combined maps rest is blue, stress green and reserve red.
    """
    layers, side = keras.layers, config.input_size
    if config.scaling == "relative":
        brightest = layers.GlobalMaxPooling2D(keepdims=True, name="brightest")(maps)
        share = keras.ops.divide_no_nan(maps, brightest)
    else:
        low, high = np.transpose(config.windows)
        share = layers.Rescaling(
            (1 / (high - low)).tolist(), (-low / (high - low)).tolist(), name="window"
        )(maps)
    share = layers.ReLU(max_value=1.0, name="clipped")(share)
    share = layers.Resizing(side, side, interpolation="bilinear", name="enlarged")(share)
    if config.palette == "grey":
        if share.shape[-1] == 1:
            share = layers.Concatenate(name="channels")([share, share, share])
        return layers.Rescaling(255.0, (-_MEANS_BGR).tolist(), name="image")(share)
    # Embedding takes the whole part of a number: 8 bits, rounded.
    levels = layers.Rescaling(255.0, 0.5, name="levels")(share)
    colours = layers.Embedding(256, 3, trainable=False, name="colours")
    coloured = colours(levels)
    colours.set_weights([_colours(config.palette)])
    return layers.Reshape((side, side, 3), name="image")(coloured)


@cache
def segment_shares(cells: int) -> np.ndarray:
    """Weights (cells * cells, 17) that average a square grid over each AHA segment, by area."""
    fine = segment_map(cells * _FINE).reshape(cells, _FINE, cells, _FINE)
    shares = np.stack([(fine == k).mean(axis=(1, 3)).ravel() for k in range(1, 18)], axis=1)
    return (shares / shares.sum(axis=0)).astype(np.float32)


def _colours(palette: str) -> np.ndarray:
    """The 256 colours of a matplotlib colour map as VGG16 takes them, (256, 3) float32."""
    from matplotlib import colormaps

    if palette not in colormaps:
        raise ValueError(
            f"palette must be 'grey' or a matplotlib colour map, not {shown(palette)}."
        )
    rgba = colormaps[palette].resampled(256)(np.arange(256), bytes=True)
    return (rgba[:, 2::-1] - _MEANS_BGR).astype(np.float32)


def _convolved(image: keras.KerasTensor, config: ExperimentConfig) -> keras.KerasTensor:
    """Output of the last convolution: of VGG16, not trainable yet, or of the small network."""
    dtype = resolve_precision(config.precision)
    if config.mode != "scratch":
        trunk = vgg16_trunk(image, config.weights, config.last_block, dtype)
        return trunk[BLOCK_ENDS[config.last_block]].output
    features = keras.layers.Rescaling(1 / 128, name="small_scaled", dtype=dtype)(image)
    for k, filters in enumerate(SMALL_FILTERS, start=1):
        if k > 1:
            features = keras.layers.MaxPooling2D(name=f"small_pool{k - 1}", dtype=dtype)(features)
        features = keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", name=f"small_conv{k}", dtype=dtype
        )(features)
    return features


def _pooled(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """One vector per study of the trunk's features."""
    if pooling == "global":
        return keras.layers.GlobalAveragePooling2D(name=DEEP, dtype="float32")(features)
    by_segment = _by_segment(features, "trunk", segment_shares(features.shape[1]))
    return keras.layers.Flatten(name=DEEP, dtype="float32")(by_segment)


def _bullseye(maps: keras.KerasTensor) -> keras.KerasTensor:
    """Means of the AHA segments of each map, with the lowest, the highest and their mean."""
    layers = keras.layers
    members = segment_map(maps.shape[1]).ravel() == np.arange(1, 18)[:, None]
    shares = (members / members.sum(axis=1, keepdims=True)).T.astype(np.float32)
    segments = _by_segment(maps, "map", shares)
    by_segment = layers.Permute((2, 1), name="map_segments_last")(segments)
    # The lowest is the highest of the negative.
    negative = layers.Rescaling(-1.0, name="map_negative")(by_segment)
    highest_negative = layers.GlobalMaxPooling1D(name="highest_negative")(negative)
    lowest = layers.Rescaling(-1.0, name="lowest_segment")(highest_negative)
    return layers.Concatenate(name=WIDE)(
        [
            layers.Flatten(name="segments")(segments),
            lowest,
            layers.GlobalMaxPooling1D(name="highest_segment")(by_segment),
            layers.GlobalAveragePooling1D(name="mean_segment")(by_segment),
        ]
    )


def _by_segment(values: keras.KerasTensor, name: str, shares: np.ndarray) -> keras.KerasTensor:
    """Average of each channel over the AHA segments: (n, rows, columns, k) to (n, k, 17)."""
    layers = keras.layers
    _, rows, columns, channels = values.shape
    flat = layers.Reshape((rows * columns, channels), name=f"{name}_cells", dtype="float32")
    by_channel = layers.Permute((2, 1), name=f"{name}_channels", dtype="float32")(flat(values))
    average = layers.Dense(
        17, use_bias=False, trainable=False, name=f"{name}_segments", dtype="float32"
    )
    segments = average(by_channel)
    average.set_weights([shares])
    return segments


def _standardised(group: keras.KerasTensor, name: str, standards: Standards) -> keras.KerasTensor:
    """Features of a group on the scale of the training. Constants, so that copies keep them."""
    n = group.shape[-1]
    factors = list(standards.factors.get(name, [1.0] * n))
    offsets = list(standards.offsets.get(name, [0.0] * n))
    if not len(factors) == len(offsets) == n:
        raise ValueError(
            f"{n} {name} features cannot be standardised by {len(factors)} factors and "
            f"{len(offsets)} offsets"
        )
    scale = keras.layers.Rescaling(factors, offsets, name=f"{name}_standardised", dtype="float32")
    return scale(group)


def _encoded(values: keras.KerasTensor, standards: Standards) -> keras.KerasTensor:
    """Clinical columns (n, k): standardised, 0 where not recorded, which further columns mark."""
    values = keras.layers.Identity(name=f"{CLINICAL}_given", dtype="float32")(values)
    is_missing = keras.ops.isnan(values)
    known = keras.ops.where(is_missing, 0.0, _standardised(values, CLINICAL, standards))
    marks = keras.ops.cast(is_missing, "float32")
    return keras.layers.Concatenate(name=f"{CLINICAL}_encoded", dtype="float32")([known, marks])


def _head(
    trait: str,
    wide: keras.KerasTensor | None,
    deep: keras.KerasTensor,
    clinical: keras.KerasTensor | None,
    standards: Standards,
) -> keras.KerasTensor:
    """Probability of a trait from all groups."""
    name, layers, groups = head_name(trait), keras.layers, deep
    if wide is not None:
        share = standards.shares.get(trait, 1.0)
        weighed = layers.Rescaling(share, name=_share_name(trait), dtype="float32")(deep)
        groups = layers.Concatenate(name=f"groups_of_{name}", dtype="float32")([wide, weighed])
    if clinical is not None:
        weight = standards.weights.get(trait, 1.0)
        weighed = layers.Rescaling(weight, name=_weight_name(trait), dtype="float32")(clinical)
        groups = layers.Concatenate(name=f"all_of_{name}", dtype="float32")([groups, weighed])
    return layers.Dense(
        1, activation="sigmoid", kernel_initializer="zeros", name=name, dtype="float32"
    )(groups)


def _share_name(trait: str) -> str:
    return f"share_of_trunk_{head_name(trait)}"


def _weight_name(trait: str) -> str:
    return f"weight_of_clinical_{head_name(trait)}"


def _draw_weights(model: keras.Model, seed: int) -> None:
    """First weights of a trunk from the seed alone; Keras' own state is that of all threads."""
    draws = random.Random(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            glorot = keras.initializers.GlorotUniform(draws.randint(1, 10**9))
            layer.kernel.assign(glorot(layer.kernel.shape))


def _processor_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    if not cpuinfo.is_file():
        return False
    text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _BF16_PROCESSOR.isdisjoint(flags.split())
