"""A training writes a whole run folder, always the same, or nothing."""

import dataclasses
import random

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.evaluation import table as tables
from polarnet.grid import run_experiment
from polarnet.network import fitting, model
from polarnet.network.run import deterministic


def test_the_journey_writes_every_file_of_a_run(finished_run):
    run, (_, val, test) = finished_run
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "config.yaml", "model.keras", "history.csv", "scores_val.csv", "scores_test.csv",
        "metrics.csv", "environment.json", "figures", "training_segments.csv", "familiarity.npz",
        "patients.json", "heads.csv",
    }  # fmt: skip
    scores = pd.read_csv(run.folder / "scores_test.csv")
    assert list(scores["study_id"]) == list(test.patients.index)
    assert scores["warning"].str.startswith("trained on a phantom, not on patients").all()
    assert len(pd.read_csv(run.folder / "scores_val.csv")) == len(val)


def test_same_seed_same_bytes(finished_run, tmp_path):
    """With a cache of its own. What was fine-tuned ends with the same bytes after a stop too."""
    run, splits = finished_run
    run_experiment(
        *splits, run.config, tmp_path / "again", cache=tmp_path / "c", show_progress=False
    )
    for file in (
        "scores_test.csv", "scores_val.csv", "metrics.csv", "history.csv", "heads.csv",
    ):  # fmt: skip
        again = (tmp_path / "again" / file).read_bytes()
        assert (run.folder / file).read_bytes() == again, file


def test_heads_keep_the_last_epoch_as_they_have_one_optimum(finished_run):
    run, (_, val, _) = finished_run
    history = pd.read_csv(run.folder / "history.csv")
    assert of_scores(run, val) == pytest.approx(history["val_log_loss"].iloc[-1], abs=1e-5)


def of_scores(run, val):
    """Log-loss of the validation scores as written."""
    scores = pd.read_csv(run.folder / "scores_val.csv", index_col="study_id")
    traits = list(run.config.traits)
    return fitting.log_loss(val.traits[traits].to_numpy(), scores[traits].to_numpy())


def test_an_interruption_leaves_nothing(splits, tiny, cache, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Watch, "on_epoch_end", stop)
    train, val, _ = splits
    with pytest.raises(KeyboardInterrupt):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def splits(phantom):
    return pn.split_by_patient(phantom, seed=5)


def changed(cohort, **changes):
    return dataclasses.replace(cohort, **changes)


def named(cohort, name):
    return changed(cohort, traits=cohort.traits.rename(columns={"sex": name}))


def diabetes(cohort, value):
    return changed(cohort, traits=cohort.traits.assign(diabetes=value))


def percent(cohort):
    return changed(cohort, unit="percent", maps=dict(list(cohort.maps.items())[:2]))


def alike(cohort):
    return cohort


@pytest.mark.parametrize(
    ("of_train", "of_val", "settings", "told"),
    [(alike, alike, {"traits": ("gender",)}, "No trait gender in this cohort; it has impaired_mfr"),
     (percent, alike, {"map_type": "reserve"}, "reads reserve maps; this cohort has rest"),
     (lambda c: diabetes(c, 0.0), alike, {}, r"both classes of diabetes, but all \d+ train"),
     (alike, lambda c: diabetes(c, np.nan), {}, "No validation study has diabetes recorded"),
     (lambda c: named(c, "wide"), lambda c: named(c, "wide"), {"traits": ("wide",)},
      "wide cannot name a trait")],
    ids=["unknown trait", "no such maps", "one class", "nothing recorded", "name of a layer"],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_first(
    splits, tiny, tmp_path, cache, of_train, of_val, settings, told
):
    train, val, _ = splits
    config = dataclasses.replace(tiny, **settings)
    with pytest.raises(ValueError, match=told):
        pn.train(of_train(train), of_val(val), config, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_shared_patient_is_refused(phantom, splits, tiny, tmp_path, cache):
    with pytest.raises(ValueError, match="Patients in training and in validation: P3-"):
        pn.train(phantom, phantom, tiny, tmp_path / "run", cache=cache)
    train, val, _ = splits
    with pytest.raises(ValueError, match="Patients in training and in test"):
        run_experiment(train, val, train, tiny, tmp_path / "run", cache=cache)


def test_a_test_cohort_that_lacks_a_trait_is_refused_before_training(splits, tiny, tmp_path, cache):
    train, val, test = splits
    bare = changed(test, traits=test.traits[["sex"]])
    with pytest.raises(ValueError, match="No trait diabetes in the test cohort"):
        run_experiment(train, val, bare, tiny, tmp_path / "run", cache=cache)


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


# === The process and the device ===


def test_a_training_leaves_the_process_as_it_was(phantom, tiny, tmp_path, cache):
    train, val, _ = pn.split_by_patient(phantom, seed=5)

    def draws():
        return (
            random.random(), np.random.random(), float(keras.random.uniform(())),  # noqa: NPY002
            float(tf.random.uniform(())), next(iter(tf.data.Dataset.range(50).shuffle(50))).numpy(),
        )  # fmt: skip

    def seeded():
        keras.utils.set_random_seed(4)

    seeded()
    expected = draws()
    seeded()
    pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    assert draws() == expected
    tf.config.experimental.enable_op_determinism()
    try:
        with deterministic():
            pass
        with pytest.raises(RuntimeError, match="determinism is enabled"):
            tf.random.Generator.from_non_deterministic_state()
    finally:
        from tensorflow.python.framework.config import disable_op_determinism

        disable_op_determinism()


def test_unseeded_code_works_after_the_block():
    with deterministic(), deterministic():
        pass
    drawn = tf.random.Generator.from_non_deterministic_state().normal((3,))
    assert np.isfinite(drawn.numpy()).all()


@pytest.mark.parametrize(
    ("capability", "processor", "chosen"),
    [((7, 5), True, "float32"), ((8, 0), False, "mixed_bfloat16"), (None, True, "float32"),
     ("no GPU", True, "mixed_bfloat16"), ("no GPU", False, "float32")],
)  # fmt: skip
def test_the_device_that_works_chooses_the_precision(monkeypatch, capability, processor, chosen):
    """A GPU of capability 7.5 (Turing) has no bf16, whatever the processor beside it has."""
    gpus = [] if capability == "no GPU" else ["GPU:0", "GPU:1"]
    details = {"compute_capability": capability} if capability else {}
    found = {"GPU:0": details, "GPU:1": {"compute_capability": (9, 0)}}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", found.__getitem__)
    monkeypatch.setattr(model, "_processor_has_bf16", lambda: processor)
    assert model.resolve_precision("auto") == chosen
    assert model.resolve_precision("float32") == "float32"
