"""The graph of a model in ONNX, layer by layer.

Written by hand, as the model has eleven kinds of layers: what Keras exports by way of tf2onnx 1.17
asks for mean and variance of the Normalization layer as further inputs, and does not run.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any, Final

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from polarnet import __version__
from polarnet.cohort import PHANTOM
from polarnet.config import ExperimentConfig
from polarnet.network.encoding import encode
from polarnet.network.model import head_name, in_float32

OPSET: Final = 18
"""The first in which Resize takes the sizes of some axes alone."""

IR_VERSION: Final = 10
"""Read by ONNX Runtime 1.18 and later."""

_LEVELS: Final = 255.0


@dataclass
class _Graph:
    """Nodes and constants so far; names of our own begin with a slash, as no trait does."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        name = out or f"/{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name


def onnx_model(model: keras.Model) -> onnx.ModelProto:
    """The float32 model, with its encoding, as a checked ONNX model; see `write_onnx`."""
    model = in_float32(model)
    config: ExperimentConfig = model.experiment
    graph = _Graph()
    _add_layers(graph, model, _add_encoding(graph, config))
    shape = ["n", config.map_size, config.map_size]
    whole = helper.make_graph(
        graph.nodes,
        "polarnet",
        [helper.make_tensor_value_info(m, TensorProto.FLOAT, shape) for m in config.map_types],
        [helper.make_tensor_value_info(t, TensorProto.FLOAT, ["n", 1]) for t in config.traits],
        graph.constants,
    )
    made = helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="polarnet",
        producer_version=__version__,
        doc_string=_note(config),
    )
    helper.set_model_props(made, _facts(config))
    onnx.checker.check_model(made, full_check=True)
    return made


def _add_encoding(graph: _Graph, config: ExperimentConfig) -> str:
    """What `encode` does, from maps (n, size, size) to images (n, 3, input_size, input_size)."""
    shares = []
    for map_type, (low, high) in zip(config.map_types, config.windows, strict=True):
        values = graph.add("Unsqueeze", map_type, graph.constant([1], np.int64))
        if config.scaling == "relative":
            axes = graph.constant([1, 2, 3], np.int64)
            brightest = graph.add("ReduceMax", values, axes, keepdims=1)
            is_dark = graph.add("Equal", brightest, graph.constant(0))
            divisor = graph.add("Where", is_dark, graph.constant(1), brightest)
            share = graph.add("Div", values, divisor)
            share = graph.add("Where", is_dark, graph.constant(0), share)
        else:
            above = graph.add("Sub", values, graph.constant(low))
            share = graph.add("Div", above, graph.constant(np.float32(high) - np.float32(low)))
        share = graph.add("Clip", share, graph.constant(0), graph.constant(1))
        sizes = graph.constant([config.input_size] * 2, np.int64)
        shares.append(
            graph.add(
                "Resize", share, "", "", sizes, axes=[2, 3], mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        )  # fmt: skip
    encoded = _encoded_levels(config)
    if config.palette == "grey":
        three = shares[::-1] if len(shares) == 3 else shares * 3  # blue, green, red
        image = graph.add("Concat", *three, axis=1)
        image = graph.add("Mul", image, graph.constant(_LEVELS))
        return graph.add("Add", image, graph.constant(encoded[0].reshape(1, 3, 1, 1)))
    level = graph.add("Round", graph.add("Mul", shares[0], graph.constant(_LEVELS)))
    level = graph.add("Squeeze", level, graph.constant([1], np.int64))
    level = graph.add("Cast", level, to=TensorProto.INT64)
    image = graph.add("Gather", graph.constant(encoded), level)
    return graph.add("Transpose", image, perm=[0, 3, 1, 2])


def _encoded_levels(config: ExperimentConfig) -> np.ndarray:
    """What `encode` makes of the levels 0 to 255 of the first map, (256, 3): blue, green, red."""
    side = config.input_size  # a map of this size is not resized
    levels = np.resize(np.arange(256) / _LEVELS, (1, side, side, 1)).astype(np.float32)
    alone = replace(config, map_type=config.map_types[0], scaling="absolute", window=(0.0, 1.0))
    return np.asarray(encode(levels, alone))[0].reshape(-1, 3)[:256]


def _add_layers(graph: _Graph, model: keras.Model, image: str) -> None:
    """Every layer once; images are (n, channels, rows, columns) here, the rest as in Keras."""
    done = {id(model.inputs[0]): image}
    heads = {head_name(trait): trait for trait in model.experiment.traits}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        out = heads.get(layer.name)
        done[id(layer.output)] = _add_layer(graph, layer, done[id(layer.input)], out)


def _add_layer(graph: _Graph, layer: keras.Layer, given: str, out: str | None) -> str:
    """One layer; the name of its output."""
    layers = keras.layers
    if isinstance(layer, layers.Conv2D):
        kernel, bias = (np.asarray(weight) for weight in layer.weights)
        name = graph.add(
            "Conv", given, graph.constant(kernel.transpose(3, 2, 0, 1)), graph.constant(bias),
            auto_pad={"same": "SAME_UPPER", "valid": "VALID"}[layer.padding],
            kernel_shape=layer.kernel_size, strides=layer.strides,
        )  # fmt: skip
        return _activated(graph, layer, name, None)
    if isinstance(layer, layers.MaxPooling2D):
        return graph.add("MaxPool", given, kernel_shape=layer.pool_size, strides=layer.strides)
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return graph.add("Flatten", graph.add("GlobalAveragePool", given))
    if isinstance(layer, layers.Rescaling):
        scaled = graph.add("Mul", given, graph.constant(layer.scale))
        return graph.add("Add", scaled, graph.constant(layer.offset))
    if isinstance(layer, layers.Reshape):  # the only one is after a convolution: channels last
        last = graph.add("Transpose", given, perm=[0, 2, 3, 1])
        return graph.add("Reshape", last, graph.constant([0, *layer.target_shape], np.int64))
    if isinstance(layer, layers.Permute):
        return graph.add("Transpose", given, perm=[0, *layer.dims])
    if isinstance(layer, layers.Flatten):
        return graph.add("Flatten", given)
    if isinstance(layer, layers.Dropout):
        return given
    if isinstance(layer, layers.Normalization):
        spread = np.maximum(np.sqrt(np.asarray(layer.variance)), keras.config.epsilon())
        centred = graph.add("Sub", given, graph.constant(np.asarray(layer.mean)))
        return graph.add("Div", centred, graph.constant(spread))
    if isinstance(layer, layers.Dense):
        kernel, *rest = (np.asarray(weight) for weight in layer.weights)
        name = graph.add("MatMul", given, graph.constant(kernel))
        for bias in rest:
            name = graph.add("Add", name, graph.constant(bias))
        return _activated(graph, layer, name, out)
    raise ValueError(f"No ONNX form of layer {layer.name} ({type(layer).__name__}) is written yet.")


def _activated(graph: _Graph, layer: keras.Layer, given: str, out: str | None) -> str:
    """The activation of a layer."""
    kind = {"relu": "Relu", "sigmoid": "Sigmoid", "linear": "Identity"}[layer.activation.__name__]
    return given if kind == "Identity" and out is None else graph.add(kind, given, out=out)


def _facts(config: ExperimentConfig) -> dict[str, str]:
    """What a program needs to know to give the right maps."""
    facts = {
        "polarnet_version": __version__,
        "use": "Research only, not a medical device",
        "traits": config.traits,
        "map_types": config.map_types,
        "unit": config.unit,
        "size": config.map_size,
        "window": config.windows,
        "scaling": config.scaling,
        "palette": config.palette,
        "input_size": config.input_size,
        "mode": config.mode,
        "seed": config.seed,
        "software": config.software,
        "tracer": config.tracer,
        "stress_agent": config.stress_agent,
    }
    if config.software == PHANTOM:
        facts["data"] = "Phantom, not patients"
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
            for k, v in facts.items()}  # fmt: skip


def _note(config: ExperimentConfig) -> str:
    """What the file is, in words."""
    where = "Phantom, not patients. " if config.software == PHANTOM else ""
    return (
        f"{where}Probabilities of {', '.join(config.traits)} from {', '.join(config.map_types)} "
        f"polar maps, {config.map_size} x {config.map_size}, {config.unit}, 0 outside the disc; "
        "apex at the centre, anterior wall up, septum left. The encoding is part of the graph. "
        "Research only."
    )
