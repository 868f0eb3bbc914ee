import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

import polarnet as pn
from polarnet import cli
from polarnet.network import build_model
from polarnet.network.model import DEEP, WIDE, below, standards_of_features
from polarnet.network.training import resolved_config
from polarnet.onnx import write_onnx

TRAITS = ("sex", "known CAD")


@pytest.fixture
def untrained(phantom, tiny, tmp_path):
    """A network that was never trained, with heads that spread its scores."""

    def make(**changes):
        config = dataclasses.replace(tiny, **{"traits": TRAITS, "seed": 3} | changes)
        config = resolved_config(config, phantom)
        maps = np.stack([np.asarray(phantom.maps[m][:20]) for m in config.map_types], axis=-1)
        groups = [DEEP] if config.mode == "scratch" else [WIDE, DEEP]
        bare = build_model(config)
        standards = standards_of_features({g: np.asarray(below(bare, g)(maps)) for g in groups})
        model = build_model(dataclasses.replace(config, precision="float32"), standards)
        for k, head in enumerate(model.layers[-2:]):
            kernel, bias = head.get_weights()
            drawn = np.random.default_rng(k).normal(0, 3, kernel.shape)
            head.set_weights([drawn, bias + 0.3])
        heads = pd.DataFrame({"share": 1.0}, index=pd.Index(TRAITS, name="trait"))
        return pn.network.Run(tmp_path, config, model, heads)

    return make


def _scores(path, maps, config):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [given.name for given in session.get_inputs()] == [config.map_type]
    assert sorted(out.name for out in session.get_outputs()) == sorted(config.traits)
    return np.hstack(session.run(list(config.traits), {config.map_type: maps}))


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
def test_onnx_runtime_scores_as_the_run(untrained, phantom, tmp_path, changes):
    """To 1e-4, of maps as they are, and of one without any flow."""
    run = untrained(**changes)
    maps = {m: np.array(stack[:8]) for m, stack in phantom.maps.items() if m != "reserve"}
    for stack in maps.values():
        stack[0] = 0
    cohort = dataclasses.replace(phantom.select(np.arange(8)), maps=maps)
    expected = pn.predict(run, cohort)
    path = write_onnx(run, tmp_path / "Modell ä.onnx")
    given = np.stack([np.asarray(cohort.maps[m][:]) for m in run.config.map_types], axis=-1)
    scores = _scores(path, given, run.config)
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
    scores = _scores(path, np.asarray(test.maps["stress"][:])[..., None], run.config)
    np.testing.assert_allclose(scores, pn.predict(run, test), atol=1e-4)


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
def test_without_its_packages_it_says_what_to_install(finished_run, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=r"pip install polarnet\[onnx\]"):
        write_onnx(finished_run[0], tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
