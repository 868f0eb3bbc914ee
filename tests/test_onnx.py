import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

import polarnet as pn
from polarnet import cli
from polarnet.network.pipeline import clinical_input, input_maps
from polarnet.onnx import write_onnx


def _scores(path, maps, config, **clinical):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {config.map_type: maps} | clinical
    assert {one.name for one in session.get_inputs()} == set(given)
    assert sorted(out.name for out in session.get_outputs()) == sorted(config.traits)
    return np.hstack(session.run(list(config.traits), given))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"mode": "finetuned", "trunk": "block5", "pooling": "global"},
        {"mode": "scratch"},
        {"scaling": "relative", "input_size": 48},
        {"map_type": "combined", "scaling": "relative"},
        {"palette": "viridis", "map_type": "rest"},
        {"map_type": "combined", "precision": "mixed_bfloat16"},
        {"clinical": ("age", "bmi")},
    ],
    ids=lambda changes: " ".join(map(str, changes.values())) or "usual",
)
def test_onnx_runtime_scores_as_the_run(few, drawn, tmp_path, changes):
    """To 1e-4, of maps as they are, and of one without any flow."""
    run = drawn(traits=("sex", "known CAD"), **changes)
    maps = {m: np.array(stack[:]) for m, stack in few.maps.items() if m != "reserve"}
    for stack in maps.values():
        stack[0] = 0
    cohort = dataclasses.replace(few, maps=maps)
    expected = pn.predict(run, cohort)
    path = write_onnx(run, tmp_path / "Modell ä.onnx")
    clinical = clinical_input(cohort, run.config)
    scores = _scores(path, input_maps(cohort, run.config)[:], run.config, **clinical)
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
