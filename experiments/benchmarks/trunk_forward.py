"""The VGG16 trunk forward here, against ONNX Runtime, OpenVINO and PyTorch on the same weights.

    python experiments/benchmarks/trunk_forward.py --out trunk_forward.json

Random weights and images at 224 px (times do not depend on them), in batches of 8, by all cores.
Each repeat times every program once, one after the other; peers that are not installed (extra
`bench`) are left out and named. All must give the same features. Beside it the rate of this
machine's own matrix product (the best of several sizes and of TensorFlow and PyTorch), of which the
trunk's share is told: 30.7e9 operations an image. bf16 is timed where the processor computes in it.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from polarnet.network.model import resolve_precision

SIZE, BATCH = 224, 8
Program = Callable[[], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).normal(size=(BATCH, SIZE, SIZE, 3)).astype(np.float32)
    vgg = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    kernels = [layer.get_weights() for layer in vgg.layers if "conv" in layer.name]
    rows = []
    for precision in ("float32", "bfloat16"):
        if precision == "bfloat16" and resolve_precision("auto") == "float32":
            print("This processor does not compute in bf16.")
            continue
        programs: dict[str, Program] = {"polarnet": here(vgg, images, precision)}
        for name, make in {
            "onnxruntime": onnxruntime,
            "openvino": openvino,
            "torch": torch,
        }.items():
            try:
                version(name)
            except PackageNotFoundError:
                print(f"{name} is not installed: left out.")
                continue
            if program := make(kernels, images, precision):
                programs[name] = program
        rows.append(compared(programs, precision, arguments.repeats))
    Path(arguments.out).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        print(row)


def compared(programs: dict[str, Program], precision: str, repeats: int) -> dict[str, object]:
    """Medians, ratios and the share of the matrix product."""
    features = {name: program() for name, program in programs.items()}
    expected = features["polarnet"]
    differences = {
        name: float(np.abs(values - expected).max() / np.abs(expected).max())
        for name, values in features.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    rates = []
    for _ in tqdm(range(repeats), desc=precision):
        for name, program in programs.items():
            began = time.perf_counter()
            program()
            seconds[name].append((time.perf_counter() - began) / BATCH)
        rates.append(product_rate(precision))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    peers = [medians[name] for name in medians if name != "polarnet"]
    return {
        "precision": precision, "size": SIZE, "batch": BATCH, "repeats": repeats,
        "seconds_an_image": medians,
        "fastest_peer_over_polarnet": min(peers) / medians["polarnet"] if peers else None,
        "share_of_matrix_product": 30.7e9 / medians["polarnet"] / statistics.median(rates),
        "largest_difference": differences,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": os.cpu_count(), "system": platform.platform()},
    }  # fmt: skip


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


ENDS = (1, 3, 6, 9, 12)
"""Convolutions after which VGG16 halves its image."""


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
    main()
