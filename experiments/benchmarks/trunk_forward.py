"""The VGG16 trunk forward here, against ONNX Runtime, OpenVINO and PyTorch on the same weights.

    python experiments/benchmarks/trunk_forward.py --out trunk_forward.json

Random weights and images at 224 px (times do not depend on them), in batches of 8, by all cores.
Each repeat times every program once, one after the other; peers that are not installed (extra
`bench`) are left out and named. All must give the same features. Beside it the rate of TensorFlow's
own matrix product, of which the trunk's share is told: 30.7e9 operations an image. The rows in bf16
mean something where the processor computes in it.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench import medians, run_benchmark

SIZE, BATCH = 224, 8
OPERATIONS = 30.7e9
"""Of the trunk, for an image."""
ENDS = (1, 3, 6, 9, 12)
"""Convolutions after which VGG16 halves its image."""
AGREED = {"float32": 1e-4, "bfloat16": 2e-2}
"""Largest difference of features, as a share of the largest one (our choice)."""

Program = Callable[[], np.ndarray]


def measure(arguments: argparse.Namespace) -> list[dict]:
    images = np.random.default_rng(0).normal(size=(BATCH, SIZE, SIZE, 3)).astype(np.float32)
    vgg = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    kernels = [layer.get_weights() for layer in vgg.layers if "conv" in layer.name]
    rows = []
    for precision in ("float32", "bfloat16"):
        programs = {"polarnet": here(vgg, images, precision)}
        for make in (onnxruntime, openvino, torch):
            if find_spec(make.__name__) is None:
                print(f"{make.__name__} is not installed: left out.")
            elif program := make(kernels, images, precision):
                programs[make.__name__] = program
        features = {name: program() for name, program in programs.items()}
        expected = features.pop("polarnet")
        rates: list[float] = []
        product = {"matrix product": lambda p=precision, r=rates: r.append(product_rate(p))}
        seconds = medians(programs | product, arguments.repeats)
        what = f"trunk forward, {SIZE} px, {precision}"
        own = seconds["polarnet"]
        for peer, values in features.items():
            difference = float(np.abs(values - expected).max() / np.abs(expected).max())
            rows.append({"what": what, "peer": peer, "ratio": seconds[peer] / own,
                         "difference": difference,
                         "is_same": difference < AGREED[precision]})  # fmt: skip
        share = OPERATIONS * BATCH / own / statistics.median(rates)
        rows.append({"what": what, "peer": "matrix product", "ratio": share,
                     "seconds_an_image": own / BATCH})  # fmt: skip
    return rows


def product_rate(precision: str) -> float:
    """Operations a second of TensorFlow's matrix product, the best of some sizes."""
    best = 0.0
    for n in (1024, 2048):
        matrix = tf.cast(tf.random.stateless_normal((n, n), (1, 2)), precision)
        tf.matmul(matrix, matrix).numpy()
        began = time.perf_counter()
        for _ in range(3):
            product = tf.matmul(matrix, matrix)
        product.numpy()
        best = max(best, 3 * 2 * n**3 / (time.perf_counter() - began))
    return best


def here(vgg: keras.Model, images: np.ndarray, precision: str) -> Program:
    """The trunk as training and prediction run it."""
    if precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
        twin = keras.applications.VGG16(
            include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
        )
        keras.config.set_dtype_policy("float32")
        twin.set_weights(vgg.get_weights())
        vgg = twin
    forward = tf.function(lambda batch: tf.cast(vgg(batch, training=False), tf.float32))
    return lambda: forward(images).numpy()


def onnx_file(kernels: list, folder: Path) -> Path:
    """The same convolutions as an ONNX graph, channels first."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, last = [], [], "image"
    for k, (kernel, bias) in enumerate(kernels):
        weights += [numpy_helper.from_array(np.transpose(kernel, (3, 2, 0, 1)).copy(), f"w{k}"),
                    numpy_helper.from_array(bias, f"b{k}")]  # fmt: skip
        nodes += [
            helper.make_node("Conv", [last, f"w{k}", f"b{k}"], [f"c{k}"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{k}"], [f"r{k}"]),
        ]
        last = f"r{k}"
        if k in ENDS:
            nodes.append(helper.make_node("MaxPool", [last], [f"p{k}"], kernel_shape=[2, 2],
                                          strides=[2, 2]))  # fmt: skip
            last = f"p{k}"
    shape = [BATCH, 3, SIZE, SIZE]
    graph = helper.make_graph(
        nodes, "vgg16", [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)], weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "vgg16.onnx"
    onnx.save(model, path)
    return path


def onnxruntime(kernels: list, images: np.ndarray, precision: str) -> Program | None:
    if precision == "bfloat16":
        return None  # its processors' kernels are of float32
    import onnxruntime as ort

    with tempfile.TemporaryDirectory() as folder:
        session = ort.InferenceSession(
            onnx_file(kernels, Path(folder)), providers=["CPUExecutionProvider"]
        )
    batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return lambda: session.run(None, {"image": batch})[0].transpose(0, 2, 3, 1)


def openvino(kernels: list, images: np.ndarray, precision: str) -> Program:
    import openvino as ov

    hint = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32"}
    core = ov.Core()
    with tempfile.TemporaryDirectory() as folder:
        compiled = core.compile_model(
            core.read_model(onnx_file(kernels, Path(folder))), "CPU",
            hint | {"PERFORMANCE_HINT": "LATENCY"},
        )  # fmt: skip
    batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return lambda: compiled(batch)[0].transpose(0, 2, 3, 1)


def torch(kernels: list, images: np.ndarray, precision: str) -> Program:
    import torch as pt

    layers: list[pt.nn.Module] = []
    for k, (kernel, bias) in enumerate(kernels):
        convolution = pt.nn.Conv2d(kernel.shape[2], kernel.shape[3], 3, padding=1)
        with pt.no_grad():
            convolution.weight.copy_(pt.tensor(np.transpose(kernel, (3, 2, 0, 1)).copy()))
            convolution.bias.copy_(pt.tensor(bias))
        layers += [convolution, pt.nn.ReLU(inplace=True)]
        if k in ENDS:
            layers.append(pt.nn.MaxPool2d(2))
    dtype = pt.bfloat16 if precision == "bfloat16" else pt.float32
    model = pt.nn.Sequential(*layers).eval().to(dtype=dtype, memory_format=pt.channels_last)
    batch = pt.tensor(images.transpose(0, 3, 1, 2)).to(dtype=dtype, memory_format=pt.channels_last)

    def run() -> np.ndarray:
        with pt.inference_mode():
            return model(batch).float().numpy().transpose(0, 2, 3, 1)

    return run


if __name__ == "__main__":
    run_benchmark(__doc__, measure, repeats=5)
