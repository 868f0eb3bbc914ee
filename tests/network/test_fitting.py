"""Fine-tuning that pays is kept, and moves no more than it should."""

import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.network import fitting


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
        run = pn.train(*splits[:2], config, out, cache=cache, show_progress=False)
        facts = json.loads((out / "environment.json").read_text(encoding="utf-8"))
        stages = set(pd.read_csv(out / "history.csv")["stage"])
        return run, facts["finetuning"], stages, gains

    return train


def test_fine_tuning_moves_the_last_block_only(tuned):
    run, said, _, _ = tuned(is_gain=True)
    before = pn.network.build_model(run.config)
    for layer in before.layers:
        if "_conv" in layer.name:
            after = run.model.get_layer(layer.name).get_weights()[0]
            same = np.array_equal(layer.get_weights()[0], after)
            assert same != layer.name.startswith("block2"), layer.name
    assert said == "kept"
    assert pn.load_run(run.folder).trust.endswith("; fine-tuning: kept")


def test_fine_tuning_gives_the_same_bytes_again(tuned):
    settings = {"augment": True, "trunk": "block1", "finetune_epochs": 2}
    runs = [tuned(is_gain=True, **settings)[0] for _ in range(2)]
    assert all(map(np.array_equal, *(run.model.get_weights() for run in runs)))
    assert len({(run.folder / "history.csv").read_bytes() for run in runs}) == 1


def test_fine_tuning_that_gains_nothing_is_not_kept(tuned):
    """The network is then the frozen one, weight by weight; it began there, so that the gain of a
    stage that cannot move is 0."""
    run, said, stages, _ = tuned(is_gain=False)
    frozen, said_frozen, _, _ = tuned(is_gain=False, mode="frozen")
    for one, other in zip(run.model.get_weights(), frozen.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert (stages, said, said_frozen) == ({"heads", "block"}, "not kept", "")
    assert "fine-tuning: not kept" in pn.load_run(run.folder)._repr_html_()
    *_, (gain,) = tuned(is_gain=False, finetune_learning_rate=1e-9)
    np.testing.assert_allclose(gain, 0, atol=1e-5)


def test_without_a_share_of_the_trunk_nothing_is_fine_tuned(tuned):
    run, said, stages, gains = tuned(is_gain=True, share=0.0)
    assert (gains, stages, said) == ([], {"heads"}, "no share of the trunk")
    assert str(run).endswith(
        "sex 0 (bullseye alone), diabetes 0 (bullseye alone); fine-tuning: no share of the trunk"
    )


def test_fine_tuning_is_pulled_towards_its_start(tuned):
    """By hand: .1 / 2 of the squared distance, 3^2 + 4^2. And the stronger, the nearer."""
    pull = fitting._TowardsStart(np.array([1.0, 2.0], np.float32), strength=0.1)
    away = keras.ops.convert_to_tensor(np.array([4.0, -2.0], np.float32))
    assert float(pull(away)) == pytest.approx(1.25)
    moved = []
    for anchor in (0.0, 1000.0):
        run = tuned(is_gain=True, anchor=anchor, finetune_epochs=5)[0]
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
    losses = []
    for augment in (False, True):
        config = dataclasses.replace(tiny, mode=mode, share=None, augment=augment)
        out = tmp_path / str(augment)
        pn.train(train, val, config, out, cache=cache, show_progress=False)
        losses.append(pd.read_csv(out / "history.csv")["loss"])
    assert (losses[1] / losses[0] - 1).abs().max() > 1e-5  # repeats are equal to the byte
