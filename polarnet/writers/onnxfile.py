"""A run as an ONNX file, for programs without Python or TensorFlow."""

from pathlib import Path

from polarnet.folders import new_file
from polarnet.network import load_model


def write_onnx(run: str | Path, out: str | Path) -> Path:
    """Write the model of a run folder as ONNX, from maps to probabilities.

    Parameters
    ----------
    run
        Run folder.
    out
        The file; replaced if it exists.

    Returns
    -------
    `out`. The file takes maps as they are in a cohort, not images: one input a map type that the
    network reads ("stress", or "rest", "stress" and "reserve" of a combined network), float32,
    shape (n, size, size), in the unit of the training, 0 outside the disc. Scaling, colours and
    VGG16's preprocessing are part of the graph. One output a trait, named by it: probability
    (n, 1). Its metadata say traits, map types, unit, window, size, scaling, palette and version.
    Unlike `predict`, the file cannot refuse maps of another unit: whoever runs it has to.

    Raises
    ------
    FileNotFoundError: the folder is not a run.
    ValueError: its model is damaged, or the package onnx is not installed.
    """
    try:
        from polarnet.writers.onnxgraph import onnx_model
    except ModuleNotFoundError:
        raise ValueError(
            "ONNX files are written by onnx, which is not installed. Install it with: "
            "pip install polarnet[onnx]"
        ) from None
    content = onnx_model(load_model(run)).SerializeToString(deterministic=True)
    with new_file(out) as partial:
        partial.write_bytes(content)
    return Path(out)
