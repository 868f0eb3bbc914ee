import dataclasses
import json

import numpy as np
import onnx
import onnxruntime
import pytest

import polarnet as pn
from polarnet import cli
from polarnet.config import save_config
from polarnet.network.model import below, in_float32, standardise
from polarnet.network.training import resolved_config

TRAITS = ("sex", "known_cad")


@pytest.fixture
def saved(phantom, tiny, tmp_path):
    """Saves an untrained network as a run folder: heads large, so that scores spread."""

    def save(**changes):
        config = dataclasses.replace(tiny, **{"traits": TRAITS, "seed": 3} | changes)
        config = resolved_config(config, phantom)
        model = pn.build_model(config)
        model.experiment = config
        maps = np.random.default_rng(0).normal(0, 60, (20, *model.input_shape[1:]))
        standardise(model, np.asarray(below(model, "pooled")(maps.astype(np.float32))))
        for trait in TRAITS:
            kernel, bias = model.get_layer(trait).get_weights()
            model.get_layer(trait).set_weights([kernel * 3, bias + 0.3])
        folder = tmp_path / "run"
        folder.mkdir()
        save_config(config, folder / "config.yaml")
        in_float32(model).save(folder / "model.keras")
        return folder

    return save


def _run(path, cohort, config):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == list(config.map_types)
    assert [out.name for out in session.get_outputs()] == list(config.traits)
    maps = {m: np.asarray(cohort.maps[m], np.float32) for m in config.map_types}
    return np.hstack(session.run(list(config.traits), maps)), session


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "finetuned", "trunk": "block5", "pooling": "global"},
        {"mode": "scratch"},
        {"scaling": "relative", "input_size": 48, "trunk": "block1"},
        {"map_type": "combined", "scaling": "relative", "trunk": "block1"},
        {"palette": "viridis", "map_type": "rest", "trunk": "block1"},
        {"map_type": "combined", "precision": "mixed_bfloat16", "trunk": "block1"},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())) or "usual",
)
def test_onnx_runtime_scores_as_the_float32_model(saved, phantom, tmp_path, changes):
    """To 1e-4, of maps as they are, and of one without any flow."""
    folder = saved(**changes)
    maps = {m: np.array(stack[:8]) for m, stack in phantom.maps.items() if m != "reserve"}
    for stack in maps.values():
        stack[0] = 0
    cohort = dataclasses.replace(phantom.select(np.arange(8)), maps=maps)
    expected = pn.predict(pn.load_model(folder), cohort)
    path = pn.write_onnx(folder, tmp_path / "Modell ä.onnx")
    scores, _ = _run(path, cohort, pn.load_config(folder / "config.yaml"))
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-4)
    assert expected.std().min() > 1e-3  # scores that were all equal would show nothing


def test_the_file_says_what_it_takes_and_that_it_is_a_phantom(finished_run, tmp_path):
    run, (_, _, test) = finished_run
    path = tmp_path / "model.onnx"
    assert cli.main(["export", "onnx", str(run.folder), "--out", str(path)]) == 0
    made = onnx.load(path)
    facts = {prop.key: prop.value for prop in made.metadata_props}
    assert json.loads(facts["traits"]) == ["sex", "diabetes"]
    assert json.loads(facts["window"]) == [[0.0, 6.0]]
    assert (facts["unit"], facts["size"]) == ("mL/min/g", "32")
    assert facts["polarnet_version"] == pn.__version__
    assert facts["data"] == "Phantom, not patients"
    assert made.doc_string.startswith("Phantom, not patients.")
    scores, _ = _run(path, test, run.config)
    np.testing.assert_allclose(scores, pn.predict(pn.load_model(run.folder), test), atol=1e-4)


def test_without_onnx_it_says_what_to_install(finished_run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "polarnet.writers.onnxgraph", None)
    with pytest.raises(ValueError, match=r"pip install polarnet\[onnx\]"):
        pn.write_onnx(finished_run[0].folder, tmp_path / "model.onnx")
