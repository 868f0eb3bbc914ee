"""A training writes a whole run folder, always the same, or nothing."""

import dataclasses
import json
import random
import shutil
from contextlib import contextmanager, nullcontext

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

import polarnet as pn
from polarnet.evaluation import table as tables
from polarnet.grid import run_experiment
from polarnet.network import training
from polarnet.network.run import deterministic
from polarnet.rundata import labels_of_run


def test_the_journey_writes_every_file_of_a_run(finished_run):
    run, (_, val, test) = finished_run
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "config.yaml", "model.keras", "history.csv", "scores_val.csv", "scores_test.csv",
        "metrics.csv", "environment.json", "figures", "training_segments.csv", "familiarity.npz",
        "patients.json", "labels.csv", "heads.csv", "participants.csv",
    }  # fmt: skip
    for part, cohort in (("val", val), ("test", test)):
        firsts = cohort.first_studies()
        expected = firsts.traits[list(run.config.traits)]
        pd.testing.assert_frame_equal(
            labels_of_run(run.folder, part),
            expected,
            check_names=False,
            check_dtype=False,
            check_index_type=False,
        )
    scores = pd.read_csv(run.folder / "scores_test.csv")
    assert list(scores["study_id"]) == list(test.patients.index)
    assert scores["warning"].str.startswith("trained on a phantom, not on patients").all()
    assert len(pd.read_csv(run.folder / "scores_val.csv")) == len(val)
    # Heads keep the last epoch, as they have one optimum.
    history = pd.read_csv(run.folder / "history.csv")
    assert of_scores(run, val) == pytest.approx(history["val_log_loss"].iloc[-1], abs=1e-5)


def test_same_seed_same_bytes(finished_run, tmp_path):
    """With a cache of its own."""
    run, splits = finished_run
    run_experiment(
        *splits, run.config, tmp_path / "again", cache=tmp_path / "c", show_progress=False
    )
    for file in (
        "scores_test.csv", "scores_val.csv", "metrics.csv", "history.csv", "heads.csv",
    ):  # fmt: skip
        again = (tmp_path / "again" / file).read_bytes()
        assert (run.folder / file).read_bytes() == again, file


def of_scores(run, val):
    """Log-loss of the validation scores as written."""
    scores = pd.read_csv(run.folder / "scores_val.csv", index_col="study_id")
    traits = list(run.config.traits)
    return training.log_loss(val.traits[traits].to_numpy(), scores[traits].to_numpy())


def test_an_interruption_leaves_nothing(splits, tiny, cache, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Watch, "on_epoch_end", stop)
    train, val, _ = splits
    with pytest.raises(KeyboardInterrupt):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def splits(phantom):
    return pn.split_by_patient(phantom, seed=5)


def changed(cohort, **changes):
    return dataclasses.replace(cohort, **changes)


def with_traits(cohort, **columns):
    return changed(cohort, traits=cohort.traits.assign(**columns))


def percent(cohort):
    return changed(cohort, unit="percent", maps=dict(list(cohort.maps.items())[:2]))


REFUSED = {
    "unknown trait": (
        lambda *parts: parts, {"traits": ("gender",)},
        "No trait gender in this cohort; it has impaired_mfr"),
    "no such maps": (
        lambda train, val, test: (percent(train), val, test), {"map_type": "reserve"},
        "reads reserve maps; this cohort has rest"),
    "one class": (
        lambda train, val, test: (with_traits(train, diabetes=0.0), val, test), {},
        r"both classes of diabetes, but all \d+ train"),
    "nothing recorded": (
        lambda train, val, test: (train, with_traits(val, diabetes=np.nan), test), {},
        "No validation study has diabetes recorded"),
    "name of a layer": (
        lambda *parts: [with_traits(part, wide=part.traits["sex"]) for part in parts],
        {"traits": ("wide",)}, "wide cannot name a trait"),
    "a shared patient": (
        lambda train, val, test: (train, train, test), {},
        "Patients in training and in validation: P3-"),
    "a shared patient of the test": (
        lambda train, val, test: (train, val, train), {}, "Patients in training and in test"),
    "a test without the trait": (
        lambda train, val, test: (train, val, changed(test, traits=test.traits[["sex"]])), {},
        "No trait diabetes in the test cohort"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "settings", "told"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trained_or_tested_is_said_first(
    splits, tiny, tmp_path, cache, change, settings, told
):
    config = dataclasses.replace(tiny, **settings)
    with pytest.raises(ValueError, match=told):
        run_experiment(*change(*splits), config, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_formula_cannot_name_a_trait(tiny):
    with pytest.raises(ValueError, match="take it for a formula"):
        dataclasses.replace(tiny, traits=("=cmd()",))


def test_the_table_follows_from_the_scores_as_written(finished_run):
    """AUROC is the share of pairs in which the study with the trait has the higher score; of the
    first study of each patient, and not of fewer than ten of a class."""
    run, (_, _, test) = finished_run
    metrics = pd.read_csv(run.folder / "metrics.csv")
    assert set(metrics["data"]) == {"phantom, not patients"}
    stated = metrics[metrics["model"] == "network"].set_index("trait")
    scores = pd.read_csv(run.folder / "scores_test.csv", index_col="study_id")
    first = ~test.patients.duplicated()
    for trait in ("sex", "diabetes"):
        labels = test.traits.loc[first, trait].dropna()
        with_it, without = (scores.loc[labels.index[labels == k], trait] for k in (1, 0))
        assert stated.loc[trait, ["n_pos", "n_neg"]].tolist() == [len(with_it), len(without)]
        if min(len(with_it), len(without)) < 10:
            assert np.isnan(stated.loc[trait, "auroc"])
            continue
        pairs = np.sign(with_it.to_numpy()[:, None] - without.to_numpy())
        assert stated.loc[trait, "auroc"] == pytest.approx((pairs.mean() + 1) / 2, rel=1e-5)


@pytest.mark.parametrize("changes", [{"map_type": "combined"}, {"mode": "scratch"}])
def test_a_run_of_another_kind_scores_the_same_from_its_folder(
    splits, tiny, cache, tmp_path, changes
):
    """And a network from scratch trains its convolutions, and keeps the best epoch."""
    config = dataclasses.replace(tiny, epochs=2, finetune_epochs=2, **changes)
    train, val, _ = splits
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    loaded = pn.load_run(run.folder)
    kept = tables.read_scores(run.folder / "scores_val.csv")
    np.testing.assert_allclose(pn.predict(loaded, val), kept, atol=1e-5)
    assert pn.ExperimentConfig.load(run.folder / "config.yaml") == run.config
    if config.mode == "scratch":
        history = pd.read_csv(run.folder / "history.csv")
        assert of_scores(run, val) == pytest.approx(history["val_log_loss"].min(), abs=1e-5)
        model, before = loaded.model, pn.network.build_model(run.config)
        for name in ("small_conv1", "small_conv3"):
            weights = [m.get_layer(name).get_weights()[0] for m in (model, before)]
            assert not np.array_equal(*weights)
        assert not [layer for layer in model.layers if layer.name.startswith("block")]


def test_a_trait_may_be_called_what_its_column_is_called(phantom, tiny, tmp_path):
    """TensorFlow takes few letters in the name of a layer; a spreadsheet takes any."""
    names = ("known CAD", "Übergewicht", "<b>x", "a$b")
    traits = pd.DataFrame({name: phantom.traits["sex"] for name in names})
    train, val, test = pn.split_by_patient(dataclasses.replace(phantom, traits=traits), seed=5)
    config = dataclasses.replace(tiny, traits=names, epochs=1)
    pn.train(train, val, config, tmp_path / "run", show_progress=False, cache=tmp_path / "c")
    run, few = pn.load_run(tmp_path / "run"), test.select(np.arange(3))
    assert list(pn.predict(run, few).columns) == list(names)
    for name in names:
        assert np.abs(pn.attribution(run, few, name, "gradient")).max() > 0


# === Stopped, and begun again ===

STOPPED = {
    "frozen": ({}, [2]),
    "in the heads and in the block": (
        {"mode": "finetuned", "trunk": "block1", "finetune_epochs": 2, "augment": True}, [2, 4]),
    "from scratch, and when patience had ended it": (
        {"mode": "scratch", "finetune_epochs": 9, "finetune_patience": 1, "learning_rate": 1.0},
        [2, 3]),
}  # fmt: skip
"""What is trained, and after how many epochs in all it is stopped, each time."""


@contextmanager
def stopped_after(epochs=None):
    """Every epoch is kept; after so many, the process is stopped. Gives the epochs as they end."""
    done, finish = [], training._Watch.on_epoch_end

    def end(watch, epoch, logs):
        finish(watch, epoch, logs)
        done.append(epoch)
        if len(done) == epochs:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Watch, "on_epoch_end", end)
        patch.setattr(training, "_KEEP_EVERY_S", -1.0)
        patch.setattr(training, "VIEWS", 2)
        patch.setattr(training, "is_gain", lambda _: True)
        with pytest.raises(KeyboardInterrupt) if epochs else nullcontext():
            yield done


def trained(cohorts, config, out, cache):
    run = pn.train(*cohorts[:2], config, out, cache=cache, show_progress=False)
    files = [(out / name).read_bytes() for name in ("history.csv", "scores_val.csv")]
    return [weights.tobytes() for weights in run.model.get_weights()], files


@pytest.mark.parametrize(("changes", "stops"), STOPPED.values(), ids=STOPPED)
def test_a_stopped_training_goes_on_and_ends_with_the_same_bytes(tiny, tmp_path, changes, stops):
    config = dataclasses.replace(tiny, finetune_learning_rate=1e-3, **changes)
    cohorts = pn.split_by_patient(pn.make_phantom_cohort(40, seed=3, size=32), seed=5)
    cache, out = tmp_path / "cache", tmp_path / "run"
    with stopped_after() as epochs:
        expected = trained(cohorts, config, tmp_path / "whole", cache)
    for before, stop_at in zip([0, *stops], stops, strict=False):
        with stopped_after(stop_at - before):
            trained(cohorts, config, out, cache)
    with stopped_after() as left:
        assert trained(cohorts, config, out, cache) == expected
    assert left == epochs[stops[-1] :]  # what was done is not done twice
    assert not list((cache / "progress").iterdir())


@pytest.fixture(scope="module")
def stopped_cache(finished_run, tiny, tmp_path_factory):
    """What is kept of the training of the finished run, had it been stopped after two epochs."""
    folder = tmp_path_factory.mktemp("stopped")
    with stopped_after(2):
        trained(finished_run[1], tiny, folder / "run", folder / "cache")
    return folder / "cache"


class Code:
    """Ends the test where a file with it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code of a file was run",)


def damage(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[:-200])
    elif how == "changed":
        path.write_bytes(content[:300] + bytes([255] * 4) + content[304:])
    elif how == "foreign":
        np.savez(path, np.zeros(3), history=np.array("[]"))
    else:
        np.savez(path, np.array([Code()]), history=np.array("[]"))


@pytest.mark.parametrize("how", ["cut", "changed", "foreign", "pickled"])
def test_what_was_damaged_is_trained_anew(finished_run, stopped_cache, tiny, tmp_path, how):
    run, cohorts = finished_run
    cache = shutil.copytree(stopped_cache, tmp_path / "cache")
    (state,) = (cache / "progress").glob("*/heads.npz")
    damage(state, how)
    with stopped_after() as epochs:
        _, files = trained(cohorts, tiny, tmp_path / "run", cache)
    assert (epochs, files[0]) == ([0, 1, 2], (run.folder / "history.csv").read_bytes())


OTHERS = {
    "settings": lambda train, tiny: (train, dataclasses.replace(tiny, learning_rate=1e-4)),
    "labels": lambda train, tiny: (changed(train, traits=1 - train.traits), tiny),
    "maps": lambda train, tiny: (
        changed(train, maps={name: 0.9 * maps for name, maps in train.maps.items()}), tiny),
    "order": lambda train, tiny: (train.select(np.arange(len(train))[::-1]), tiny),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_another_training_does_not_take_it_up(finished_run, stopped_cache, tiny, tmp_path, other):
    train, val, _ = finished_run[1]
    train, config = other(train, tiny)
    cache = shutil.copytree(stopped_cache, tmp_path / "cache")
    with stopped_after() as epochs:
        trained((train, val), config, tmp_path / "run", cache)
    assert epochs == [0, 1, 2]


# === The process and the device ===


def test_random_numbers_of_the_user_stay_as_they_would_be(splits, tiny, tmp_path, cache):
    def draws(between=lambda: None):
        keras.utils.set_random_seed(4)
        between()
        return (
            random.random(), np.random.random(), float(keras.random.uniform(())),  # noqa: NPY002
            float(tf.random.uniform(())), next(iter(tf.data.Dataset.range(50).shuffle(50))).numpy(),
        )  # fmt: skip

    def use():
        train, val, test = splits
        pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
        pn.predict(tmp_path / "run", test)

    assert draws(use) == draws()


def test_determinism_that_was_on_stays_on():
    tf.config.experimental.enable_op_determinism()
    try:
        with deterministic():
            pass
        with pytest.raises(RuntimeError, match="determinism is enabled"):
            tf.random.Generator.from_non_deterministic_state()
    finally:
        disable_op_determinism()


def test_unseeded_code_works_after_the_block():
    with deterministic(), deterministic():
        pass
    drawn = tf.random.Generator.from_non_deterministic_state().normal((3,))
    assert np.isfinite(drawn.numpy()).all()


# === Fine-tuning ===


@pytest.fixture
def tuned(phantom, tiny, cache, tmp_path, monkeypatch):
    """Trains a fine-tuned network whose gain on validation studies is said to be real, or not."""

    def train(is_gain, **changes):
        gains = []
        monkeypatch.setattr(training, "is_gain", lambda gain: gains.append(gain) or is_gain)
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
    pull = training._TowardsStart(np.array([1.0, 2.0], np.float32), strength=0.1)
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
    monkeypatch.setattr(training, "_IN_MEMORY", 0)
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
