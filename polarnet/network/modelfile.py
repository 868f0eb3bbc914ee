"""A model file is compared with its settings before anything is made of it."""

import json
import re
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np

from polarnet.config import LARGEST_SHARE, ExperimentConfig
from polarnet.files import shown
from polarnet.network.model import Standards, build_model, standards_of
from polarnet.network.weights import check_weights

_PARTS: Final = {"metadata.json", "config.json", "model.weights.h5"}

_LARGEST_GRAPH: Final = 2**22
"""Bytes of config.json; ours have 30 kB, and 1 kB more for each trait (our choice)."""

_ROOM: Final = 2**22
"""Bytes that a file of weights may have beside the weights: names and directories (our choice)."""

_WIDEST: Final = 17 * 512
"""Features of the widest group: those of block 5 in each segment."""

_LARGEST_NUMBER: Final = 1e30
"""Of those that standardise features: float32 holds no more than 3.4e38."""

_SETTINGS: Final = (
    "activation", "axis", "batch_shape", "data_format", "dilation_rate", "dims", "filters",
    "groups", "height", "input_dim", "interpolation", "keepdims", "kernel_size", "max_value",
    "negative_slope", "offset", "output_dim", "padding", "pool_size", "scale", "strides",
    "target_shape", "threshold", "units", "use_bias", "width",
)  # fmt: skip
"""What decides the size of a layer, and what it computes."""

_GIVEN: Final = re.compile(r'"keras_history": \["([^"]*)"')
"""Where the description of a layer names another one that it is given."""


def read_model(path: Path, config: ExperimentConfig) -> keras.Model:
    """The model of a file in float32: built from its settings, then given the numbers of the file.

    The graph that the file describes is compared with that of the model, and never made: a file of
    a kilobyte can describe layers of gigabytes, or code.

    Raises
    ------
    ValueError: the file is damaged, describes another model, or holds other numbers than ours.
    """
    try:
        model, content = _opened(path, config)
        check_weights(content)
        with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
            # From the archive itself Keras reads slowly.
            weights = Path(folder) / "model.weights.h5"
            weights.write_bytes(content)
            model.load_weights(weights)
        if odd := [w.path for w in model.weights if not np.isfinite(w.numpy()).all()]:
            raise ValueError(
                f"{len(odd)} of its arrays hold numbers that are not finite ({odd[0]})"
            )
    except (ValueError, OSError, KeyError, TypeError, AttributeError, RuntimeError,
            RecursionError, MemoryError, OverflowError) as error:  # fmt: skip
        reason = (str(error) or type(error).__name__).splitlines()[0][:300].rstrip(".")
        raise ValueError(f"{path} cannot be loaded: {reason}. Copy the run again.") from None
    return model


def _opened(path: Path, config: ExperimentConfig) -> tuple[keras.Model, bytes]:
    """The model without its weights, and the file of weights."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            if set(sizes) != _PARTS:
                raise ValueError("it has other parts than a Keras file")
            if sizes["config.json"] > _LARGEST_GRAPH:
                raise ValueError("its config.json is larger than any of ours")
            tree = json.loads(archive.read("config.json"))
            exact = replace(config, precision="float32", weights=None)
            model = build_model(exact, _standards(tree, config))
            _check_graph(tree, json.loads(model.to_json()))
            n_bytes, expected = sizes["model.weights.h5"], 4 * model.count_params()
            if not expected <= n_bytes <= expected + _ROOM:
                raise ValueError(
                    f"it has {n_bytes:,} bytes of weights, but its settings make {expected:,}"
                )
            return model, archive.read("model.weights.h5")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError):
        raise ValueError("cut short, or not a Keras file") from None
    except (KeyError, TypeError, AttributeError, IndexError):
        raise ValueError("its config.json has not the form of ours") from None


def _standards(tree: Any, config: ExperimentConfig) -> Standards:
    """How features are standardised and weighed in the description of a model."""
    layers = {
        layer["config"]["name"]: layer["config"]
        for layer in tree["config"]["layers"]
        if layer["class_name"] == "Rescaling"
    }
    standards = standards_of(layers, config.traits)
    shares = list(standards.shares.values())
    for values in (*standards.factors.values(), *standards.offsets.values(), shares):
        if not isinstance(values, list) or len(values) > _WIDEST:
            raise ValueError("its features are not standardised as ours are")
        if not all(type(value) is float and abs(value) <= _LARGEST_NUMBER for value in values):
            raise ValueError("its features are standardised by something else than numbers")
    if odd := [share for share in shares if not 0 <= share <= LARGEST_SHARE]:
        raise ValueError(f"it has {shown(odd[0])} as a share of the trunk")
    return standards


def _check_graph(found: Any, expected: dict[str, Any]) -> None:
    """Refuse a description of other layers, or of the same otherwise connected."""
    ours, our_outputs = _described(expected)
    classes = [layer["class_name"] for layer in found["config"]["layers"]]
    if len(classes) != len(ours):
        beyond = f" ({shown(classes[len(ours)])})" if len(classes) > len(ours) else ""
        raise ValueError(
            f"it has {len(classes)} layers{beyond}, which no model made here has: its settings "
            f"make {len(ours)}"
        )
    layers, outputs = _described(found)
    for layer, our in zip(layers, ours, strict=True):
        if odd := [name for name in layer if layer[name] != our.get(name)]:
            raise ValueError(
                f"its layer {our['name']} has {odd[0]} {shown(layer[odd[0]])}, which no model made "
                f"here has: its settings make {shown(our.get(odd[0]))}"
            )
    if outputs != our_outputs:
        raise ValueError("its outputs are not those of its settings")


def _described(tree: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What each layer is, and is given by which others; and the layer of each output.

    Layers are called by their position: some have names that count up within a process.
    """
    layers = tree["config"]["layers"]
    place = {layer["config"]["name"]: k for k, layer in enumerate(layers)}
    described = []
    for layer in layers:
        class_name = layer["class_name"]
        auto = layer["config"]["name"].startswith("divide_no_nan")
        given = _GIVEN.findall(json.dumps(layer["inbound_nodes"]))
        described.append(
            {
                "class": class_name,
                "module": layer["module"],
                "registered_name": layer["registered_name"] or class_name,
                "name": class_name.lower() if auto else layer["config"]["name"],
                "inputs": [place[name] for name in given],
                **{k: v for k, v in layer["config"].items() if k in _SETTINGS},
            }
        )
    outputs = tree["config"]["output_layers"]
    return described, {trait: place[output[0]] for trait, output in outputs.items()}
