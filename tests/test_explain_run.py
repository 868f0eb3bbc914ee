"""The command that explains a run, from a run folder to a page."""

import copy
import dataclasses
import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_files
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.explain.randomisation import cascade, randomised_models
from polarnet.network.encoding import encode


@pytest.fixture(scope="module")
def runs(tmp_path_factory, phantom, finished_run, cache):
    """A folder of 30 studies and two trainings of different seeds."""
    folder = tmp_path_factory.mktemp("explained")
    phantom.select(np.arange(30)).save(folder / "cohort")
    run, (train, val, _) = finished_run
    shutil.copytree(run.folder, folder / "seed5")
    config = dataclasses.replace(run.config, seed=6)
    pn.train(train, val, config, folder / "seed6", cache=cache, show_progress=False)
    return folder


@pytest.fixture(scope="module")
def model(runs):
    return pn.load_model(runs / "seed5")


@pytest.fixture
def copied(runs, tmp_path, model, monkeypatch):
    """A copy of a run to be damaged; its network is built only once, however often it is loaded."""
    twin = keras.models.clone_model(model)
    monkeypatch.setattr("polarnet.network.model.build_model", lambda _: twin)
    folder = shutil.copytree(runs / "seed5", tmp_path / "run")
    exchange_files(folder)
    return folder


def explain(folder, *words):
    return main(["explain", str(folder / "seed5"), str(folder / "cohort"), *words])


def test_a_run_is_explained_in_one_command(runs, tmp_path, capsys, monkeypatch):
    for name, value in (("CHECKED", 12), ("RANDOM_ORDERS", 2), ("SHOWN", 1)):
        monkeypatch.setattr(f"polarnet.explanation.{name}", value)
    out = tmp_path / "explained"
    code = explain(runs, "--trait", "sex", "--method", "gradient", "--other-seeds",
                   str(runs / "seed6"), "--out", str(out))  # fmt: skip
    told = capsys.readouterr().out
    assert code == 0
    cohort = pn.read_cohort(runs / "cohort")
    assert np.load(out / "attribution.npy").shape == (len(cohort), 32, 32)
    segments = pd.read_csv(out / "segments.csv", index_col="study_id")
    assert segments.index.tolist() == cohort.patients.index.tolist()
    np.testing.assert_allclose(segments.filter(like="segment_").sum(axis=1), 1, atol=1e-4)
    checks = pd.read_csv(out / "checks.csv").set_index("name")
    assert np.isnan(checks.loc["shuffled labels", "is_passed"])
    # Passed exactly where the whole interval lies above what the maps of two patients share.
    seeds = checks.loc["other seeds"]
    assert seeds["n"] == 12 < cohort.patients.nunique()
    assert str(seeds["is_passed"]) == str(seeds["low"] > seeds["reference"])
    assert seeds["verdict"].startswith("passes" if seeds["low"] > seeds["reference"] else "fails")
    groups = pd.read_csv(out / "groups.csv")
    first = ~cohort.patients.duplicated()
    assert set(groups["n_pos"]) == {(cohort.traits.loc[first, "sex"] == 1).sum()}
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "Phantom, not patients." in told
    for verdict in checks["verdict"]:
        assert verdict in told
    for study in cohort.patients.index[:20]:
        assert study not in page
    assert "polarnet explain" in page


@pytest.mark.parametrize(
    ("labels", "told"),
    [(np.ones, "12 have the trait and 0 have not"),
     (lambda n: np.full(n, np.nan), "0 have the trait and 0 have not"),
     (lambda n: np.r_[1, np.zeros(n - 1)], "1 have the trait and 11 have not"), (None, "no such")],
)  # fmt: skip
def test_a_trait_of_one_class_is_explained_without_groups(
    runs, phantom, tmp_path, monkeypatch, labels, told
):
    monkeypatch.setattr("polarnet.explanation.CHECKED", 4)
    monkeypatch.setattr("polarnet.explanation.RANDOM_ORDERS", 1)
    for drawn in ("plot_overlays", "plot_cascade", "plot_checks"):
        monkeypatch.setattr(f"polarnet.explanation.{drawn}", lambda *_, **__: Figure((1, 1)))
    steps = pd.DataFrame({"layer": ["heads"], "value": 0.0, "low": 0.0, "high": 0.0})
    monkeypatch.setattr("polarnet.explanation.cascade", lambda *given, **_: (steps, given[4]))
    few = phantom.select(np.flatnonzero(~phantom.patients.duplicated().to_numpy())[:12])
    changed = (
        few.traits.drop(columns="sex") if labels is None else few.traits.assign(sex=labels(12))
    )
    out = tmp_path / "out"
    pn.explain_run(
        runs / "seed5", dataclasses.replace(few, traits=changed), out, trait="sex",
        method="gradient", show_progress=False,
    )  # fmt: skip
    assert np.load(out / "attribution.npy").shape == (12, 32, 32)
    assert len(pd.read_csv(out / "checks.csv")) == 6
    assert not (out / "groups.csv").exists()
    assert told in (out / "explanation.html").read_text(encoding="utf-8")


def test_what_cannot_be_explained_is_told_before_the_work(runs, phantom, tmp_path, monkeypatch):
    """The second seed, and the network of shuffled labels, are opened before the first is used."""
    monkeypatch.setattr("polarnet.explanation.attribution", pytest.fail)
    few = phantom.select(np.arange(4))
    for words in ({"other_seeds": [tmp_path / "none"]}, {"permuted": tmp_path / "none"}):
        with pytest.raises(FileNotFoundError, match="No run folder"):
            pn.explain_run(runs / "seed5", few, tmp_path / "out", trait="sex", **words)
    with pytest.raises(ValueError, match="method must be one of"):
        pn.explain_run(runs / "seed5", few, tmp_path / "out", trait="sex", method="lime")
    assert not (tmp_path / "out").exists()


def test_layers_of_equal_shape_forget_independently(resolved):
    """The first two convolutions of blocks 3 and 5 have the same shape; so have all heads."""
    config = resolved(mode="finetuned", traits=("sex", "diabetes", "smoking"))
    model = pn.build_model(config)
    model.experiment, model.training_segments = config, None
    *_, (_, first) = randomised_models(model, seed=1)
    by_shape = {}
    for layer in first.layers:
        if layer.name not in ("aha_segments", "standardised") and layer.weights:
            by_shape.setdefault(layer.kernel.shape, []).append(np.ravel(layer.kernel))
    assert len(by_shape[3, 3, 512, 512]) == 5
    assert len(by_shape[32, 1]) == 3
    for kernels in by_shape.values():
        if len(kernels) > 1:
            apart = np.corrcoef(kernels)[np.triu_indices(len(kernels), 1)]
            assert np.abs(apart).max() < (0.95 if len(kernels[0]) < 100 else 0.05)


def test_forgetting_leaves_the_random_state_of_the_user_alone(model):
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    next(randomised_models(model, seed=1))
    assert np.random.rand() == expected  # noqa: NPY002


_MODEL_FIRST = {
    "predict": pn.predict,
    "attribution": lambda m, c: pn.attribution(m, c, "sex"),
    "segment_occlusion": lambda m, c: pn.segment_occlusion(m, c, "sex"),
    "removal_curve": lambda m, c: pn.removal_curve(m, c, "sex", np.ones((2, 17), int)),
    "cascade": lambda m, c: pn.cascade(m, c, "sex", "gradient", np.zeros((len(c), 32, 32))),
}


@pytest.fixture(scope="module")
def strangers(runs, model):
    """What Keras itself loads or copies, a path, and nothing."""
    loaded = keras.saving.load_model(runs / "seed5" / "model.keras", compile=False)
    return [loaded, copy.deepcopy(model), str(runs / "seed5"), None]


@pytest.mark.parametrize("use", _MODEL_FIRST.values(), ids=_MODEL_FIRST)
def test_what_is_no_model_of_ours_is_told_to_use_load_model(strangers, phantom, use):
    few = phantom.select(np.arange(2))
    for stranger in strangers:
        with pytest.raises(ValueError, match=r"Use pn\.load_model\(folder\)") as caught:
            use(stranger, few)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("use", [u for n, u in _MODEL_FIRST.items() if n != "cascade"])
def test_what_is_no_cohort_is_told_to_be_made_one(model, phantom, use):
    for given in (phantom[0], np.asarray(phantom.maps["stress"][:2]), phantom.traits):
        with pytest.raises(ValueError, match="A Cohort is needed, but a"):
            use(model, given)


def test_the_file_of_a_model_is_told_to_be_in_a_folder(runs):
    with pytest.raises(FileNotFoundError, match=r"is a file\. Give the run folder"):
        pn.load_model(runs / "seed5" / "model.keras")


def _npz(folder, **changes):
    with np.load(folder / "familiarity.npz") as file:
        arrays = dict(file) | changes
    np.savez(folder / "familiarity.npz", **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    "changes",
    [{"numbers": np.array([32, 5])}, {"numbers": np.array([np.inf, 1, 1])}, {"threshold": None},
     {"threshold": np.array([np.nan, 0.1])}, {"threshold": np.array(["a", "b"])},
     {"map_types": np.array(["../x"])}, {"map_types": np.array(5)},
     {"numbers": np.array([0, 1, 1])},
     {"stress_scales": np.full(10, np.nan)}, {"stress_scales": np.zeros(10)},
     {"stress_patterns_precision": np.full((32, 32), np.inf)},
     {"stress_patterns_centre": np.array(["x"] * 32)}, {"numbers": np.array([64, 50, 50])}],
)  # fmt: skip
def test_a_changed_familiarity_is_one_clear_line(copied, changes):
    _npz(copied, **changes)
    with pytest.raises(ValueError, match="Copy the run again") as caught:
        pn.load_model(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["familiarity.npz", "training_segments.csv", "model.keras"])
def test_bytes_inserted_into_a_file_of_a_run_are_one_clear_line_or_change_nothing(copied, name):
    """Cut short, bytes inserted, emptied: at places drawn by a fixed seed."""
    good = (copied / name).read_bytes()
    rng = np.random.default_rng(3)
    places = [0, len(good) // 2, len(good) - 1, *rng.integers(len(good), size=3)]
    bad = [good[:k] for k in places] + [good[:k] + b"\x00\xff;," + good[k:] for k in places]
    for content in bad:
        (copied / name).write_bytes(content)
        try:
            pn.load_model(copied)
        except ValueError as error:
            assert "Copy the run again" in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    (copied / name).write_bytes(good)
    assert pn.load_model(copied).experiment.seed == 5


@pytest.mark.parametrize(
    "change",
    [lambda text: "", lambda text: text.replace("stress", "rest"),
     lambda text: text.replace("no sex", "no age"), lambda text: text[: len(text) // 2],
     lambda text: text.replace("map_type", "type"), lambda text: text.replace(",", ",-", 5),
     lambda text: text + "stress,more" + ",1" * 17 + "\n", lambda text: text.replace(",", ";"),
     lambda text: text.replace("1", "1e9")],
)  # fmt: skip
def test_training_segments_of_another_form_are_one_clear_line(copied, change):
    path = copied / "training_segments.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=r"training_segments\.csv cannot be read") as caught:
        pn.load_model(copied)
    assert "\n" not in str(caught.value)


def test_a_misspelt_trait_is_one_line_and_nothing_is_left(runs, tmp_path, capsys):
    assert explain(runs, "--trait", "sxe", "--out", str(tmp_path / "new")) == 2
    told = capsys.readouterr().err
    assert "did you mean 'sex'" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_layers_are_forgotten_from_the_heads_down_and_the_model_stays_as_it_was(model, phantom):
    before = [weight.numpy() for weight in model.weights]
    image = encode(phantom.maps["stress"][:1][..., None], model.experiment)
    names, outputs = [], []
    for name, forgot in randomised_models(model, seed=1):
        names.append(name)
        outputs.append(forgot.get_layer("block1_conv1")(image).numpy())
    assert names == ["heads", "hidden", "block2_conv2", "block2_conv1", "block1_conv2",
                     "block1_conv1"]  # fmt: skip
    intact = model.get_layer("block1_conv1")(image).numpy()
    np.testing.assert_array_equal(outputs[-2], intact)
    assert np.abs(outputs[-1] - intact).max() > 1
    for weight, kept in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), kept)


def test_a_method_that_ignores_the_weights_does_not_fall_in_the_cascade(
    model, phantom, monkeypatch
):
    """An explanation that only shows the input agrees with itself whatever the network forgot."""
    few = phantom.select(np.arange(12))
    shown = few.maps["stress"][:]
    monkeypatch.setattr(
        "polarnet.explain.randomisation.attribution", lambda *_, **__: few.maps["stress"][:]
    )
    table, _ = cascade(model, few, "sex", "gradient", shown)
    assert table["value"].tolist() == [1.0] * 6


def test_the_run_remembers_what_its_training_studies_looked_like(runs, model):
    facts = json.loads((runs / "seed5" / "environment.json").read_text(encoding="utf-8"))
    assert facts["n_train"] > 50
    assert model.training_segments.loc[("stress", "all")].between(1, 4).all()
