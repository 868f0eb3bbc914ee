"""A training writes a whole run folder, always the same, or nothing."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from tensorflow.python.framework.config import disable_op_determinism

import polarnet as pn
from polarnet.evaluation import table as tables
from polarnet.grid import run_experiment
from polarnet.network import fitting
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


# === The process and the device ===


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
