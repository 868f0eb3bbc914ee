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


def test_the_notebook_ships_with_its_outputs_alone_and_imports_public_names_alone():
    """No start-up messages, paths or states of a progress bar; small enough for a page of git."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 300_000
    assert not re.search(r"absl|oneDNN|cuda|Traceback|[^o]Warning|/home/|/tmp/|C:\\\\", text)
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    with_outputs = {cell["id"] for cell in code if cell["outputs"]}
    assert with_outputs >= {"look", "look-mean", "train", "judge", "roc", "explain", "overlays"}
    bars = [line for cell in code for output in cell["outputs"] if output.get("name") == "stderr"
            for line in "".join(output["text"]).splitlines()]  # fmt: skip
    assert all("100%" in line for line in bars)
    imports = re.findall(r"^.*import.*polarnet.*$|^.*polarnet.*import.*$",
                         "\n".join("".join(cell["source"]) for cell in code),
                         flags=re.MULTILINE)  # fmt: skip
    assert imports == ["import polarnet as pn", "from polarnet.grid import run_experiment"]


MARK = "<script>alert(1)</script>"


def test_a_hostile_name_is_only_text_in_a_notebook(make_cohort):
    index = pd.Index([MARK, *(f"S{k}" for k in range(1, 6))], name="study_id")
    cohort = make_cohort(
        traits=pd.DataFrame({MARK: [0.0, 1.0, np.nan] * 2}, index=index),
        patients=pd.Series([f"P{k}" for k in range(6)], index=index),
        clinical=pd.DataFrame(index=index), truth=pd.DataFrame(index=index), software=MARK,
    )  # fmt: skip
    config = pn.ExperimentConfig(traits=(MARK,), weights=MARK)
    heads = pd.DataFrame({"share": {MARK: 0.3}})
    for result in (cohort, cohort[0], pn.network.Run(Path(MARK), config, None, heads),
                   pn.evaluation.Interval(0.81, 0.73, 0.88, MARK)):  # fmt: skip
        drawn = result._repr_html_()
        assert MARK not in drawn
        assert "&lt;script&gt;" in drawn


def test_results_draw_themselves(make_cohort):
    """Flat maps of 1 and 2 mL/min/g have these means; their reserve, 2, has no unit. A p-value is
    never printed as 0, and what cannot be estimated is never nan."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    good, bad = labels + rng.normal(0, 0.5, 400), rng.normal(0, 1, 400)
    likely = np.clip(0.4 + 0.2 * labels + rng.normal(0, 0.1, 400), 0.01, 0.99)
    ages = pd.DataFrame({"age": rng.normal(60, 9, 400)})
    difference = pn.delong_test(labels, good, bad)
    halves = [0, 0, 1, 1], [1, 2, 3, 4]
    for result, words in (
        (make_cohort(6)[0], ("<th>rest, mean</th><td>1.00 mL/min/g</td>",
                             "<th>stress, mean</th><td>2.00 mL/min/g</td>",
                             "<th>reserve, mean</th><td>2.00</td>", "<th>sex</th><td>0</td>")),
        (difference, ("<td>&lt;0.001</td>", f"{difference.low:+.3f} to {difference.high:+.3f}")),
        (pn.evaluation.unpaired_delong_test(*halves, *halves), ("not estimable",)),
        (pn.evaluation.measure_calibration(labels, likely), ("<th>slope (1 is right)</th>",)),
        (pn.evaluation.classify(labels, likely, 0.5), ("<th>sensitivity</th>",)),
        (pn.evaluation.adjusted_association(labels, likely, ages),
         ("<th>odds ratio per SD</th>",)),
    ):  # fmt: skip
        drawn = result._repr_html_()
        assert all(some in drawn for some in words), drawn
        assert "nan" not in drawn
