"""Many runs: what is finished stays, and who did it does not matter."""

import dataclasses
import os
import shutil
import signal
import threading
import time

import numpy as np
import pandas as pd
import psutil
import pytest

import polarnet as pn
from polarnet import cli, grid, workers

TEXT = """
cohort: cohort
map_types: [rest, stress]
seeds: [1, 2]
traits: [sex, diabetes]
input_size: 32
weights: none
trunk: block1
epochs: 2
precision: float32
"""


@pytest.fixture
def grid_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Cohort folder, runs, and the folder of two finished runs, made one after the other."""
    place = tmp_path_factory.mktemp("serial")
    pn.make_phantom_cohort(60, seed=3, size=32).save(place / "cohort")
    text = TEXT.replace("[rest, stress]", "[stress]")
    (place / "study.yaml").write_text(text, encoding="utf-8")
    folder, runs = grid.read_grid(place / "study.yaml")
    grid.run_grid(folder, runs, place / "runs", cache=place / "cache")
    return folder, runs, place / "runs"


def results(out):
    """All that a run says, by file; weights by value, as a Keras file holds the time."""
    files = sorted(p for p in out.rglob("*.csv") if p.name != "grid.csv")
    weights = [
        pn.load_model(folder.parent).get_weights() for folder in sorted(out.glob("*/model.keras"))
    ]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}, weights


def test_the_product_of_all_settings_is_run_and_folds_test_every_patient_once(phantom, grid_file):
    more = "modes: [frozen, finetuned]\nsingle_task: true\nfolds: 3\n"
    grid_file.write_text(TEXT + more, encoding="utf-8")
    folder, runs = grid.read_grid(grid_file)
    assert folder == grid_file.parent / "cohort"
    assert len(runs) == 2 * 2 * 2 * 3 * 3
    assert runs[0].name == "rest-frozen-seed1-fold0"
    assert runs[-1].name == "stress-finetuned-only-diabetes-seed2-fold2"
    assert runs[-1].config.traits == ("diabetes",)
    parts = [run.parts(phantom) for run in runs[:3]]
    tested = np.concatenate([test.patients.unique() for _, _, test in parts])
    assert sorted(tested) == sorted(phantom.patients.unique())
    for train, val, test in parts:
        shared = [set(a.patients) & set(b.patients) for a in (train, val) for b in (val, test)]
        assert shared[0] == shared[1] == shared[3] == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cohort: c\nseedz: [1]\n", "unknown setting 'seedz'; did you mean 'seeds'?"),
        ("cohort: c\nmap_types: stress\n", "map_types must be a list, as 'map_types: [stress]'"),
        ("cohort: c\nmap_types: [strss]\n", "map_type must be one of rest, stress"),
        ("cohort: c\nseeds: [1, 1]\n", "two runs would have the same folder"),
        ("cohort: c\nfolds: 1\n", "folds must be 2 or more, but 1 was given"),
        ("map_types: [rest]\n", "name the cohort folder"),
    ],
)
def test_a_grid_file_with_a_slip_is_refused_in_one_line(tmp_path, capsys, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["grid", str(path), "--out", str(tmp_path / "runs")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_is_final_and_a_failed_one_stops_no_other(serial, tmp_path, monkeypatch):
    """The networks of this test are those of the fixture, laid down anew."""
    folder, runs, made = serial
    out, done, broken = tmp_path / "runs", [], []

    def lay_down(train, val, test, config, out, **_):
        done.append(out.name)
        if out.name in broken:
            raise OSError(28, "No space left on device")
        shutil.copytree(made / out.name, out)

    monkeypatch.setattr("polarnet.grid.run_experiment", lay_down)
    first, second = (run.name for run in runs)
    (out / first).mkdir(parents=True)
    (out / first / "notes.txt").touch()  # not a run
    with pytest.raises((ValueError, FileNotFoundError), match=first):
        grid.run_grid(folder, runs, out, cache=tmp_path / "cache")
    shutil.rmtree(out / first)
    broken.append(first)
    with pytest.raises(ValueError, match=f"1 failed, the others are kept: {first}: .*No space"):
        grid.run_grid(folder, runs, out, cache=tmp_path / "cache")
    assert done == [first, second]
    broken.clear()
    before = (out / second / "model.keras").stat().st_mtime_ns
    table = grid.run_grid(folder, runs, out, cache=tmp_path / "cache")
    assert done == [first, second, first]
    assert (out / second / "model.keras").stat().st_mtime_ns == before
    assert list(table["run"].unique()) == [first, second]
    assert len(pd.read_csv(out / "grid.csv")) == len(table)
    changed = tmp_path / "other.yaml"
    text = TEXT.replace("epochs: 2", "epochs: 3").replace("[rest, stress]", "[stress]")
    changed.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="a run of other settings"):
        grid.run_grid(folder, grid.read_grid(changed)[1][:1], out, cache=tmp_path / "cache")
    other = pn.make_phantom_cohort(60, seed=4, size=32).save(tmp_path / "other")
    with pytest.raises(ValueError, match="made from other data"):
        grid.run_grid(other, runs, out, cache=tmp_path / "cache")
    assert done == [first, second, first]


def test_a_finished_run_of_another_split_or_cohort_is_refused(serial, tmp_path):
    """Folders that an earlier grid with other folds left, or that were copied from elsewhere."""
    folder, runs, made = serial
    out = tmp_path / "runs"
    shutil.copytree(made / runs[0].name, out / runs[0].name)
    fold = dataclasses.replace(runs[0], fold=0, folds=3)
    other = pn.make_phantom_cohort(60, seed=4, size=32).save(tmp_path / "other")
    for cohort, run in ((folder, fold), (other, runs[0])):
        with pytest.raises(ValueError, match="a run of other studies, labels or maps"):
            grid.run_grid(cohort, [run], out, cache=tmp_path / "cache")
        (out / "data.json").unlink()


def test_killed_workers_change_nothing(serial, tmp_path):
    folder, runs, made = serial
    killed = []

    def kill_one():
        """The first worker that is seen at work on a run."""
        while not list((tmp_path / "cluster").glob(".*.partial")):
            time.sleep(0.05)
        worker = next(
            process for process in psutil.Process().children(recursive=True)
            if "spawn_main" in " ".join(process.cmdline())
        )  # fmt: skip
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker.pid)

    killer = threading.Thread(target=kill_one, daemon=True)
    before = signal.getsignal(signal.SIGINT)
    with workers.client_for(2) as client:
        # Two clusters of one machine do not meet, at whatever port: warnings are errors here.
        with workers.client_for(2) as other:
            assert other.submit(sum, [1, 2]).result() == 3
        # Ctrl-C in a terminal reaches them too; this process ends them, in one line.
        assert client.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == before
        killer.start()
        grid.run_grid(folder, runs, tmp_path / "cluster", cache=tmp_path / "cache2", client=client)
    killer.join(timeout=60)
    assert killed
    files, weights = results(made)
    files_again, weights_again = results(tmp_path / "cluster")
    assert files == files_again
    for before, after in zip(weights, weights_again, strict=True):
        assert all(map(np.array_equal, before, after))
    assert not list((tmp_path / "cluster").glob(".*.partial"))
