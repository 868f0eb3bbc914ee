"""The notebook runs as a user would run it, and results draw themselves there."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

import polarnet as pn

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "experiments" / "quickstart.ipynb"

SMALL = {"n_patients": 80, "input_size": 32, "epochs": 2, "out": "quickstart"}
"""In place of the cell tagged "parameters"."""


@pytest.fixture
def run_notebook(tmp_path, monkeypatch, cache):
    """Runs a notebook in an empty folder, in a kernel of this Python, with this package."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, sys.path)]))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("LOCALAPPDATA", str(cache))
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))

    def run(notebook):
        place = tmp_path / "Ort mit Umlaut ä"
        place.mkdir()
        nbformat.write(notebook, place / "given.ipynb")
        # In a process of its own, whose sockets end with it.
        done = subprocess.run(
            [sys.executable, "-c", "from nbclient.cli import main; main()",
             "--output=done.ipynb", "--timeout=1800", "given.ipynb"],
            cwd=place, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return place, nbformat.read(place / "done.ipynb", as_version=4)

    return run


def _printed(notebook, stream):
    return "".join(
        output["text"]
        for cell in notebook.cells if cell.cell_type == "code"
        for output in cell.outputs if output.output_type == "stream" and output.name == stream
    )  # fmt: skip


def _cell(notebook, name):
    (cell,) = [cell for cell in notebook.cells if cell.id == name]
    return cell


def test_the_notebook_runs_from_phantom_to_report(run_notebook):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (parameters,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    names = re.findall(r"^(\w+) = ", parameters.source, flags=re.MULTILINE)
    assert names == list(SMALL)
    parameters.source = "\n".join(f"{name} = {value!r}" for name, value in SMALL.items())
    place, done = run_notebook(notebook)
    assert (place / "quickstart" / "run" / "model.keras").is_file()
    assert "Phantom, not patients" in (place / "quickstart" / "report.html").read_text("utf-8")
    assert "Phantom, not patients" in (place / "quickstart" / "patient.html").read_text("utf-8")
    metrics = pd.read_csv(place / "quickstart" / "run" / "metrics.csv")
    assert set(metrics["trait"]) == set(pn.TRAITS)
    for name in ("look", "look-mean", "roc", "explain", "overlays"):
        kinds = {kind for output in _cell(done, name).outputs for kind in output.get("data", {})}
        assert "image/png" in kinds, name
    for name in ("load", "look", "split", "train", "judge", "delong", "calibration"):
        kinds = {kind for output in _cell(done, name).outputs for kind in output.get("data", {})}
        assert "text/html" in kinds, name
    said = _printed(done, "stderr")
    assert "Training (heads)" in said
    assert "Warning" not in said


def test_the_notebook_is_kept_without_outputs_and_imports_public_names_alone():
    """Outputs would be numbers of another version, and figures in every difference of git."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    imports = re.findall(r"^.*import.*polarnet.*$|^.*polarnet.*import.*$",
                         "\n".join("".join(cell["source"]) for cell in code),
                         flags=re.MULTILINE)  # fmt: skip
    assert imports == ["import polarnet as pn", "from polarnet.grid import run_experiment"]


MARK = "<script>alert(1)</script>"


def _results(make_cohort):
    """One of each result, with a hostile name wherever a name of the user is shown."""
    index = pd.Index([MARK, *(f"S{k}" for k in range(1, 6))], name="study_id")
    cohort = make_cohort()
    hostile = pn.Cohort(
        maps={m: cohort.maps[m] for m in ("rest", "stress")},
        traits=pd.DataFrame({MARK: [0.0, 1.0, np.nan] * 2}, index=index),
        patients=pd.Series([f"P{k}" for k in range(6)], index=index),
        clinical=pd.DataFrame(index=index),
        truth=pd.DataFrame(index=index),
        unit="mL/min/g",
        software=MARK,
    )
    config = pn.ExperimentConfig(traits=(MARK,), weights=MARK)
    return {
        "cohort": hostile,
        "study": hostile[0],
        "run": pn.network.Run(Path(MARK), config, None, pd.DataFrame({"share": {MARK: 0.3}})),
        "interval": pn.evaluation.Interval(0.81, 0.73, 0.88, MARK),
    }


@pytest.mark.parametrize("kind", ["cohort", "study", "run", "interval"])
def test_a_hostile_name_is_only_text_in_a_notebook(kind, make_cohort):
    drawn = _results(make_cohort)[kind]._repr_html_()
    assert MARK not in drawn
    assert "&lt;script&gt;" in drawn


def test_a_study_shows_means_with_unit_and_labels(make_cohort):
    """Flat maps of 1 and 2 mL/min/g have these means; their reserve, 2, has no unit."""
    drawn = make_cohort(6)[0]._repr_html_()
    for name, value in (("rest, mean", "1.00 mL/min/g"), ("stress, mean", "2.00 mL/min/g"),
                        ("reserve, mean", "2.00"), ("sex", "0")):  # fmt: skip
        assert f"<tr><th>{name}</th><td>{value}</td></tr>" in drawn


def test_a_difference_shows_its_interval_and_never_a_p_of_0():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    good, bad = labels + rng.normal(0, 0.5, 400), rng.normal(0, 1, 400)
    result = pn.delong_test(labels, good, bad)
    drawn = result._repr_html_()
    assert "<td>&lt;0.001</td>" in drawn
    assert f"{result.low:+.3f} to {result.high:+.3f}" in drawn
    perfect = pn.evaluation.unpaired_delong_test(
        [0, 0, 1, 1], [1, 2, 3, 4], [0, 0, 1, 1], [1, 2, 3, 4]
    )
    assert "not estimable" in perfect._repr_html_()
    assert "nan" not in perfect._repr_html_()


def test_other_results_draw_themselves():
    rng = np.random.default_rng(0)
    labels = pd.Series(np.repeat([0, 1], 50))
    scores = pd.Series(np.clip(0.4 + 0.2 * labels + rng.normal(0, 0.1, 100), 0.01, 0.99))
    table = pd.DataFrame({"age": rng.normal(60, 9, 100)})
    for result, word in (
        (pn.evaluation.measure_calibration(labels, scores), "slope (1 is right)"),
        (pn.evaluation.classify(labels, scores, 0.5), "sensitivity"),
        (pn.evaluation.adjusted_association(labels, scores, table), "odds ratio per SD"),
    ):
        assert f"<th>{word}</th>" in result._repr_html_()
