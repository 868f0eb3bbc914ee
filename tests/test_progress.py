"""A training that was stopped goes on, and ends as if it had not been."""

import dataclasses

import numpy as np
import pytest

import polarnet as pn
from polarnet.network import fitting

SETTINGS = {
    "head": {},
    "augmented": {"augment": True, "views": 0},
    "views": {"augment": True, "views": 2},
    "fine-tuned, in the head": {"mode": "finetuned", "trunk": "block1", "finetune_epochs": 3},
    "fine-tuned, in the block": {
        "mode": "finetuned", "trunk": "block1", "finetune_epochs": 3, "stop_at": 5,
    },
    "from scratch": {"mode": "scratch", "finetune_epochs": 3},
}  # fmt: skip


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


@pytest.mark.parametrize("name", SETTINGS)
def test_a_stopped_training_ends_with_the_same_bytes(phantom, tiny, tmp_path, monkeypatch, name):
    changes = dict(SETTINGS[name])
    stop_at = changes.pop("stop_at", 2)
    config = dataclasses.replace(tiny, finetune_learning_rate=1e-3, dropout=0.5, **changes)
    cohorts = pn.split_by_patient(phantom, seed=5)[:2]
    weights, files = trained(cohorts, config, tmp_path / "whole", tmp_path / "cache")
    with monkeypatch.context() as patch:
        stop_after(patch, stop_at)
        with pytest.raises(KeyboardInterrupt):
            trained(cohorts, config, tmp_path / "stopped", tmp_path / "cache")
    with monkeypatch.context() as patch:
        epochs = stop_after(patch, None)
        again, files_again = trained(cohorts, config, tmp_path / "stopped", tmp_path / "cache")
    assert files == files_again
    assert len(epochs) == files[0].count(b"\n") - 1 - stop_at  # what was done is not done twice
    for before, after in zip(weights, again, strict=True):
        assert np.array_equal(before, after)
    assert not list((tmp_path / "cache" / "progress").iterdir())


def test_other_labels_begin_anew(phantom, tiny, tmp_path, monkeypatch):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    other = dataclasses.replace(train, traits=1 - train.traits)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            trained((train, val), tiny, tmp_path / "stopped", tmp_path / "cache")
    beside = trained((other, val), tiny, tmp_path / "other", tmp_path / "cache")
    alone = trained((other, val), tiny, tmp_path / "alone", tmp_path / "another cache")
    assert beside[1] == alone[1]


def test_a_damaged_state_is_not_read(phantom, tiny, tmp_path, monkeypatch):
    cohorts = pn.split_by_patient(phantom, seed=5)[:2]
    _, files = trained(cohorts, tiny, tmp_path / "whole", tmp_path / "cache")
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            trained(cohorts, tiny, tmp_path / "stopped", tmp_path / "cache")
    (state,) = (tmp_path / "cache" / "progress").glob("*/head.npz")
    state.write_bytes(state.read_bytes()[:-200])
    assert trained(cohorts, tiny, tmp_path / "stopped", tmp_path / "cache")[1] == files
