"""A training that was stopped goes on, and ends as if it had not been."""

import dataclasses
import shutil

import numpy as np
import pytest

import polarnet as pn
from polarnet.network import fitting

STOPPED = {
    "augmented": ({"augment": True}, [2]),
    "fine-tuned, augmented, in the head and in the block": (
        {"mode": "finetuned", "trunk": "block1", "finetune_epochs": 2, "augment": True},
        [2, 4],
    ),
    "from scratch": ({"mode": "scratch", "finetune_epochs": 3}, [2]),
}  # fmt: skip
"""What is trained, and after how many epochs in all it is stopped, each time."""


def trained(cohorts, config, out, cache):
    pn.train(*cohorts, config, out, cache=cache, show_progress=False)
    weights = pn.load_model(out).get_weights()
    files = [(out / name).read_bytes() for name in ("history.csv", "scores_val.csv")]
    return weights, files


def stop_after(monkeypatch, epochs):
    """Every epoch is kept; after so many, the process is stopped."""
    kept, done = fitting.keep_progress, []

    def keep(*arguments):
        kept(*arguments)
        done.append(None)
        if len(done) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "keep_progress", keep)
    monkeypatch.setattr(fitting, "_KEEP_EVERY_S", -1.0)
    return done


@pytest.mark.parametrize("name", STOPPED)
def test_a_stopped_training_ends_with_the_same_bytes(tiny, tmp_path, monkeypatch, name):
    changes, stops = STOPPED[name]
    config = dataclasses.replace(tiny, finetune_learning_rate=1e-3, **changes)
    cohorts = pn.split_by_patient(pn.make_phantom_cohort(40, seed=3, size=32), seed=5)[:2]
    weights, files = trained(cohorts, config, tmp_path / "whole", tmp_path / "cache")
    for before, stop_at in zip([0, *stops], stops, strict=False):
        with monkeypatch.context() as patch:
            stop_after(patch, stop_at - before)
            with pytest.raises(KeyboardInterrupt):
                trained(cohorts, config, tmp_path / "stopped", tmp_path / "cache")
    with monkeypatch.context() as patch:
        epochs = stop_after(patch, None)
        again, files_again = trained(cohorts, config, tmp_path / "stopped", tmp_path / "cache")
    assert files == files_again
    assert len(epochs) == files[0].count(b"\n") - 1 - stops[-1]  # what was done is not done twice
    for before, after in zip(weights, again, strict=True):
        assert np.array_equal(before, after)
    assert not list((tmp_path / "cache" / "progress").iterdir())


@pytest.fixture(scope="module")
def kept(finished_run, tiny, tmp_path_factory):
    """A cache with what was kept of the finished run, had it been stopped after two epochs."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            trained(finished_run[1][:2], tiny, folder / "run", folder / "cache")
    return folder / "cache"


def of_run(run):
    files = [(run.folder / name).read_bytes() for name in ("history.csv", "scores_val.csv")]
    return pn.load_model(run.folder).get_weights(), files


def test_a_stopped_head_ends_with_the_same_bytes(finished_run, kept, tiny, tmp_path, monkeypatch):
    run, cohorts = finished_run
    cache = shutil.copytree(kept, tmp_path / "cache")
    epochs = stop_after(monkeypatch, None)
    weights, files = trained(cohorts[:2], tiny, tmp_path / "again", cache)
    expected, files_of_run = of_run(run)
    assert files == files_of_run
    assert len(epochs) == files[0].count(b"\n") - 1 - 2
    assert all(map(np.array_equal, weights, expected))
    assert not list((cache / "progress").iterdir())


def test_other_labels_begin_anew(finished_run, kept, tiny, tmp_path):
    train, val, _ = finished_run[1]
    other = dataclasses.replace(train, traits=1 - train.traits)
    cache = shutil.copytree(kept, tmp_path / "cache")
    beside = trained((other, val), tiny, tmp_path / "other", cache)
    shutil.rmtree(cache / "progress")
    alone = trained((other, val), tiny, tmp_path / "alone", cache)
    assert beside[1] == alone[1]


def test_a_damaged_state_is_not_read(finished_run, kept, tiny, tmp_path):
    run, cohorts = finished_run
    cache = shutil.copytree(kept, tmp_path / "cache")
    (state,) = (cache / "progress").glob("*/heads.npz")
    state.write_bytes(state.read_bytes()[:-200])
    assert trained(cohorts[:2], tiny, tmp_path / "stopped", cache)[1] == of_run(run)[1]
