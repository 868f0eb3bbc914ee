"""Fine-tuning that pays is kept; a training that was stopped ends as if it had not been."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pandas as pd
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


# === Fine-tuning ================================================================================


@pytest.fixture
def tuned(phantom, tiny, cache, tmp_path, monkeypatch):
    """Trains a fine-tuned network whose gain on validation studies is said to be real, or not."""

    def train(is_gain, **changes):
        gains = []
        monkeypatch.setattr(fitting, "is_gain", lambda gain: gains.append(gain) or is_gain)
        settings = {"mode": "finetuned", "finetune_learning_rate": 1e-3, "epochs": 1} | changes
        splits = pn.split_by_patient(phantom, seed=5)
        out = tmp_path / f"run {len(list(tmp_path.iterdir()))}"
        config = dataclasses.replace(tiny, **settings)
        return pn.train(*splits[:2], config, out, cache=cache, show_progress=False), gains

    return train


def facts(run):
    return json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))


def test_fine_tuning_moves_the_last_block_only(tuned):
    run, _ = tuned(is_gain=True)
    before = pn.network.build_model(run.config)
    for layer in before.layers:
        if "_conv" in layer.name:
            same = np.array_equal(
                layer.get_weights()[0], run.model.get_layer(layer.name).get_weights()[0]
            )
            assert same != layer.name.startswith("block2"), layer.name
    assert facts(run)["finetuning"] == "kept"
    assert pn.load_run(run.folder).trust.endswith("; fine-tuning: kept")


def test_fine_tuning_that_gains_nothing_is_not_kept(tuned):
    """The network is then the frozen one, weight by weight; it began there, so that the gain of a
    stage that cannot move is 0."""
    run, _ = tuned(is_gain=False)
    frozen, _ = tuned(is_gain=False, mode="frozen")
    for one, other in zip(run.model.get_weights(), frozen.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(pd.read_csv(run.folder / "history.csv")["stage"]) == {"heads", "block"}
    assert facts(run)["finetuning"] == "not kept"
    assert "fine-tuning: not kept" in pn.load_run(run.folder)._repr_html_()
    assert facts(frozen)["finetuning"] == ""
    _, (gain,) = tuned(is_gain=False, finetune_learning_rate=1e-9)
    np.testing.assert_allclose(gain, 0, atol=1e-5)


def test_without_a_share_of_the_trunk_nothing_is_fine_tuned(tuned):
    run, gains = tuned(is_gain=True, share=0.0)
    assert gains == []
    assert set(pd.read_csv(run.folder / "history.csv")["stage"]) == {"heads"}
    assert facts(run)["finetuning"] == "no share of the trunk"
    assert str(run).endswith(
        "sex 0 (bullseye alone), diabetes 0 (bullseye alone); fine-tuning: no share of the trunk"
    )


def test_fine_tuning_is_pulled_towards_its_start(tuned):
    """By hand: .1 / 2 of the squared distance, 3^2 + 4^2. And the stronger, the nearer."""
    start = np.array([1.0, 2.0], np.float32)
    pull = fitting._TowardsStart(start, strength=0.1)
    away = keras.ops.convert_to_tensor(np.array([4.0, -2.0], np.float32))
    assert float(pull(away)) == pytest.approx(1.25)
    moved = []
    for anchor in (0.0, 1000.0):
        run, _ = tuned(is_gain=True, anchor=anchor, finetune_epochs=5)
        kernels = [m.get_layer("block2_conv2").get_weights()[0]
                   for m in (run.model, pn.network.build_model(run.config))]  # fmt: skip
        moved.append(np.abs(kernels[0] - kernels[1]).mean())
    assert moved[1] < 0.7 * moved[0]


def test_features_read_from_disk_train_the_same_network(
    finished_run, tiny, cache, tmp_path, monkeypatch
):
    run, (train, val, _) = finished_run
    monkeypatch.setattr(fitting, "_IN_MEMORY", 0)
    pn.train(train, val, tiny, tmp_path / "disk", cache=cache, show_progress=False)
    for file in ("history.csv", "scores_val.csv"):
        assert (tmp_path / "disk" / file).read_bytes() == (run.folder / file).read_bytes()


@pytest.mark.parametrize("mode", ["frozen", "scratch"])
def test_augmentation_changes_what_is_learnt(phantom, tiny, cache, tmp_path, mode):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    losses = {}
    for augment in (False, True):
        config = dataclasses.replace(tiny, mode=mode, share=None, augment=augment)
        out = tmp_path / str(augment)
        pn.train(train, val, config, out, cache=cache, show_progress=False)
        losses[augment] = pd.read_csv(out / "history.csv")["loss"]
    assert (losses[True] / losses[False] - 1).abs().max() > 1e-5  # repeats are equal to the byte
