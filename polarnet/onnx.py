"""A run as an ONNX file, for programs without Python or TensorFlow."""

import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path

from polarnet import __version__
from polarnet.cohort import PHANTOM
from polarnet.config import ExperimentConfig
from polarnet.files import new_file
from polarnet.network.run import Run, as_run


def write_onnx(run: Run | str | Path, out: str | Path) -> Path:
    """Write the model of a run as ONNX, from maps to probabilities, by Keras' own export.

    Parameters
    ----------
    run
        A Run or run folder.
    out
        The file; replaced if it exists.

    Returns
    -------
    `out`. The file takes maps as they are in a cohort: one input named by the map type, float32,
    shape (n, size, size, channels), in the unit of the training, 0 outside the disc; combined
    networks read rest, stress and reserve as three channels. With clinical columns there is a
    second input, "clinical", float32, (n, k), in their order and the units of the cohort's table,
    NaN where not recorded. One output per trait, named by it: probability (n, 1). Its metadata say
    traits, map types, clinical columns, unit, window, size, scaling, palette and version. Unlike
    `predict`, the file cannot refuse maps of another unit: whoever runs it has to.

    Raises
    ------
    FileNotFoundError: the folder is not a run.
    ValueError: its model is damaged, or the packages of the extra `onnx` are not installed.
    """
    found = as_run(run)
    config = found.config
    try:
        import onnx
        import tf2onnx  # noqa: F401  (Keras imports it by itself, with another message)
    except ModuleNotFoundError:
        raise ValueError(
            "ONNX files are written by onnx and tf2onnx, which are not installed. Install them "
            "with: pip install polarnet[onnx]"
        ) from None
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
        made = Path(folder) / "model.onnx"
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", FutureWarning)  # Keras asks NumPy for np.object
            found.model.export(made, format="onnx", verbose=False)
        content = onnx.load(made)
    content.producer_name, content.producer_version = "polarnet", __version__
    clinical = f", and clinical columns {', '.join(config.clinical)}" if config.clinical else ""
    content.doc_string = (
        f"{'Phantom, not patients. ' if config.software == PHANTOM else ''}Probabilities of "
        f"{', '.join(config.traits)} from {', '.join(config.map_types)} polar maps, "
        f"{config.map_size} x {config.map_size}, {config.unit}, 0 outside the disc; apex at the "
        f"centre, anterior wall up, septum left{clinical}. The encoding is part of the graph. "
        "Research only."
    )
    onnx.helper.set_model_props(content, _facts(config))
    onnx.checker.check_model(content, full_check=True)
    with new_file(out) as partial:
        partial.write_bytes(content.SerializeToString(deterministic=True))
    return Path(out)


def _facts(config: ExperimentConfig) -> dict[str, str]:
    """What a program needs to know to give the right maps."""
    names = ("traits", "map_types", "unit", "scaling", "palette", "input_size", "mode", "seed",
             "software", "tracer", "stress_agent")  # fmt: skip
    facts = {name: getattr(config, name) for name in names}
    facts |= {"clinical": config.clinical} if config.clinical else {}
    facts |= {"size": config.map_size, "window": config.windows}
    facts |= {"polarnet_version": __version__, "use": "Research only, not a medical device"}
    facts |= {"data": "Phantom, not patients"} if config.software == PHANTOM else {}
    return {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False)
            for k, v in facts.items()}  # fmt: skip
