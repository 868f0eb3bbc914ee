import dataclasses
import json

import keras
import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation import table as tables
from polarnet.grid import run_experiment
from polarnet.network import fitting, heads
from polarnet.suitability import check_training


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
    assert set(pd.read_csv(run.folder / "metrics.csv")["data"]) == {"phantom, not patients"}
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
    before = pn.build_model(run.config)
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


def test_a_gain_counts_that_is_larger_than_its_standard_error():
    """By hand: 1, 2, 3 have mean 2 and standard error 1 / sqrt 3; -1, 1 have mean 0; 0, 0, 3 have
    mean 1 and standard error sqrt 3 / sqrt 3 = 1, which is not exceeded."""
    assert heads.is_gain(np.array([1.0, 2.0, 3.0]))
    for gain in ([-1.0, 1.0], [0.0, 0.0, 3.0], [-1.0, -2.0, -3.0], [0.0, 0.0], [1.0]):
        assert not heads.is_gain(np.array(gain))


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
                   for m in (run.model, pn.build_model(run.config))]  # fmt: skip
        moved.append(np.abs(kernels[0] - kernels[1]).mean())
    assert moved[1] < 0.7 * moved[0]


def test_heads_keep_the_last_epoch_as_they_have_one_optimum(finished_run):
    run, (_, val, _) = finished_run
    history = pd.read_csv(run.folder / "history.csv")
    assert of_scores(run, val) == pytest.approx(history["val_log_loss"].iloc[-1], abs=1e-5)


def of_scores(run, val):
    """Log-loss of the validation scores as written."""
    scores = pd.read_csv(run.folder / "scores_val.csv", index_col="study_id")
    traits = list(run.config.traits)
    return fitting.log_loss(val.traits[traits].to_numpy(), scores[traits].to_numpy())


def test_an_interruption_leaves_nothing(phantom, tiny, cache, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Watch, "on_epoch_end", stop)
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    with pytest.raises(KeyboardInterrupt):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"traits": ("gender",)}, "No trait gender in this cohort; it has impaired_mfr, sex"),
        ({"map_type": "reserve"}, None),
    ],
)
def test_what_cannot_be_trained_is_said_first(phantom, tiny, tmp_path, cache, change, message):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    config = dataclasses.replace(tiny, **change)
    if message is None:
        train = dataclasses.replace(train, unit="percent", maps=dict(list(train.maps.items())[:2]))
        message = "No reserve maps in this cohort; it has rest, stress in percent"
    with pytest.raises(ValueError, match=message):
        pn.train(train, val, config, tmp_path / "run", cache=cache)
    assert not (tmp_path / "run").exists()


def test_a_trait_with_one_class_is_refused(phantom, tiny, tmp_path, cache):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    train = dataclasses.replace(train, traits=train.traits.assign(diabetes=0.0))
    with pytest.raises(ValueError, match=r"both classes of diabetes, but all \d+ training studies"):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache)


def test_a_trait_that_validation_lacks_is_refused(phantom, tiny, tmp_path, cache):
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    val = dataclasses.replace(val, traits=val.traits.assign(diabetes=np.nan))
    with pytest.raises(ValueError, match="No validation study has diabetes recorded"):
        pn.train(train, val, tiny, tmp_path / "run", cache=cache)


def test_a_test_cohort_that_does_not_fit_is_refused_before_training(phantom, tiny, tmp_path, cache):
    train, val, test = pn.split_by_patient(phantom, seed=5)
    bare = dataclasses.replace(test, traits=test.traits[["sex"]])
    with pytest.raises(ValueError, match="test cohort has no trait diabetes"):
        run_experiment(train, val, bare, tiny, tmp_path / "run", cache=cache)
    with pytest.raises(ValueError, match="Patients in test and in training"):
        run_experiment(train, val, train, tiny, tmp_path / "run", cache=cache)


def test_a_trait_cannot_have_the_name_of_a_layer(phantom, tiny, tmp_path, cache):
    named = dataclasses.replace(phantom, traits=phantom.traits.rename(columns={"sex": "wide"}))
    train, val, _ = pn.split_by_patient(named, seed=5)
    config = dataclasses.replace(tiny, traits=("wide",))
    with pytest.raises(ValueError, match="wide cannot name a trait"):
        pn.train(train, val, config, tmp_path / "run", cache=cache)


def test_the_table_counts_the_first_study_of_each_patient_and_states_no_area_of_few(finished_run):
    run, (_, _, test) = finished_run
    metrics = pd.read_csv(run.folder / "metrics.csv")
    of_network = metrics[metrics["model"] == "network"].set_index("trait")
    first = test.traits.loc[test.patients.drop_duplicates().index]
    for trait, row in of_network.iterrows():
        assert (row["n_pos"], row["n_neg"]) == (
            (first[trait] == 1).sum(),
            (first[trait] == 0).sum(),
        )
        assert np.isnan(row["auroc"]) == (min(row["n_pos"], row["n_neg"]) < 10)


def test_the_table_follows_from_the_scores_as_written(finished_run):
    """AUROC is the share of pairs in which the study with the trait has the higher score."""
    run, (_, _, test) = finished_run
    metrics = pd.read_csv(run.folder / "metrics.csv")
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


def test_a_shared_patient_is_refused(phantom, tiny, tmp_path, cache):
    with pytest.raises(ValueError, match="Patients in training and validation: P3-"):
        pn.train(phantom, phantom, tiny, tmp_path / "run", cache=cache)


@pytest.mark.parametrize("changes", [{"map_type": "combined"}, {"mode": "scratch"}])
def test_a_run_of_another_kind_scores_the_same_from_its_folder(
    phantom, tiny, cache, tmp_path, changes
):
    """And a network from scratch trains its convolutions, and keeps the best epoch."""
    config = dataclasses.replace(tiny, epochs=2, finetune_epochs=2, **changes)
    train, val, _ = pn.split_by_patient(phantom, seed=5)
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    loaded = pn.load_run(run.folder)
    kept = tables.read_scores(run.folder / "scores_val.csv")
    np.testing.assert_allclose(pn.predict(loaded, val), kept, atol=1e-5)
    assert pn.load_config(run.folder / "config.yaml") == run.config
    if config.mode == "scratch":
        history = pd.read_csv(run.folder / "history.csv")
        assert of_scores(run, val) == pytest.approx(history["val_log_loss"].min(), abs=1e-5)
        model, before = loaded.model, pn.build_model(run.config)
        for name in ("small_conv1", "small_conv3"):
            weights = [m.get_layer(name).get_weights()[0] for m in (model, before)]
            assert not np.array_equal(*weights)
        assert not [layer for layer in model.layers if layer.name.startswith("block")]


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


def test_a_formula_cannot_name_a_trait(phantom, tiny):
    traits = phantom.traits[["sex"]].rename(columns={"sex": "=cmd()"})
    train, val, _ = pn.split_by_patient(dataclasses.replace(phantom, traits=traits), seed=5)
    with pytest.raises(ValueError, match="take it for a formula"):
        check_training(train, val, dataclasses.replace(tiny, traits=("=cmd()",)))
