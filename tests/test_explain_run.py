"""The command that explains a run, from a run folder to a page."""

import copy
import dataclasses
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_files
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.explain.attribution import attribution
from polarnet.explain.randomisation import cascade, layers_down, randomised_runs
from polarnet.network.model import below


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
def run(runs):
    return pn.load_run(runs / "seed5")


@pytest.fixture
def copied(runs, tmp_path, run, monkeypatch):
    """A copy of a run to be damaged; its network is built only once, however often it is loaded."""
    twin = keras.models.clone_model(run.model)
    monkeypatch.setattr("polarnet.network.run.build_model", lambda *_: twin)
    folder = shutil.copytree(runs / "seed5", tmp_path / "run")
    exchange_files(folder)
    return folder


STEPS = pd.DataFrame({"layer": ["heads"], "n": 2, "value": 0.0, "low": 0.0, "high": 0.0})
"""What a cascade that was left out gave."""


def explain(folder, *words):
    return main(["explain", str(folder / "seed5"), str(folder / "cohort"), *words])


def test_a_run_is_explained_in_one_command(runs, tmp_path, capsys, monkeypatch):
    for name, value in (("CHECKED", 12), ("RANDOM_ORDERS", 2), ("SHOWN", 1)):
        monkeypatch.setattr(f"polarnet.explanation.{name}", value)
    out = tmp_path / "explained"
    code = explain(runs, "--trait", "sex", "--method", "gradient", "--patients", "all",
                   "--other-seeds", str(runs / "seed6"), "--out", str(out))  # fmt: skip
    told = capsys.readouterr().out
    assert code == 0
    cohort = pn.read_cohort(runs / "cohort")
    assert np.load(out / "attribution.npy").shape == (len(cohort), 32, 32)
    segments = pd.read_csv(out / "segments.csv", index_col="study_id")
    assert segments.index.tolist() == cohort.patients.index.tolist()
    np.testing.assert_allclose(segments.filter(like="segment_").sum(axis=1), 1, atol=1e-4)
    wide = pd.read_csv(out / "wide.csv", index_col="study_id")
    expected = pn.wide_contribution(runs / "seed5", cohort, "sex")
    np.testing.assert_allclose(wide, expected, rtol=1e-4, atol=1e-6)
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
    n_patients = cohort.patients.nunique()
    assert f"all 30 studies of {n_patients} patients" in page
    assert "<dt>share of the trunk</dt><dd>1, 1</dd>" in page


def test_the_first_studies_of_a_few_patients_are_explained_and_the_page_says_so(
    runs, run, phantom, tmp_path, monkeypatch
):
    monkeypatch.setattr("polarnet.explanation.CHECKED", 4)
    monkeypatch.setattr("polarnet.explanation.RANDOM_ORDERS", 1)
    out = tmp_path / "few"
    checks = pn.explain_run(run, phantom, out, trait="sex", patients=6, seed=2, show_progress=False)
    segments = pd.read_csv(out / "segments.csv", index_col="study_id")
    drawn = phantom[segments.index.tolist()]
    assert drawn.patients.nunique() == len(drawn) == 6
    first = phantom.patients.index[~phantom.patients.duplicated()]
    assert segments.index.isin(first).all()
    # In the order of the cohort, and not merely its beginning.
    places = phantom.patients.index.get_indexer(segments.index)
    assert (np.diff(places) > 0).all()
    assert places[-1] > 5
    np.testing.assert_array_equal(
        np.load(out / "attribution.npy"), attribution(run, drawn, "sex", "occlusion")
    )
    assert {check.n for check in checks if check.n} == {4}
    page = (out / "explanation.html").read_text(encoding="utf-8")
    n_patients = phantom.patients.nunique()
    assert f"the first study of 6 of {n_patients} patients, drawn at random (seed 2)" in page
    assert "What each segment adds to the score" in page
    with pytest.raises(ValueError, match="At least one patient"):
        pn.explain_run(run, phantom, tmp_path / "none", trait="sex", patients=0)


def test_how_many_patients_is_a_number_or_all(runs, tmp_path, capsys):
    for odd in ("0", "-1", "many", "1.5"):
        with pytest.raises(SystemExit) as caught:
            explain(runs, "--trait", "sex", "--patients", odd, "--out", str(tmp_path / "new"))
        assert caught.value.code == 2
        told = capsys.readouterr().err
        assert "give a number of patients, or all" in told
        assert told.count("\n") == 1


def test_a_trait_without_trunk_is_explained_by_its_bullseye_and_the_page_says_so(
    run, phantom, tmp_path, monkeypatch
):
    monkeypatch.setattr("polarnet.explanation.CHECKED", 12)
    monkeypatch.setattr("polarnet.explanation.RANDOM_ORDERS", 1)
    alone = dataclasses.replace(run, heads=run.heads.assign(share=0.0))
    few = phantom.select(np.arange(20))
    with pytest.raises(ValueError, match="share 0 in sex"):
        pn.explain_run(alone, few, tmp_path / "cam", trait="sex", method="gradcam")
    assert not (tmp_path / "cam").exists()
    out = tmp_path / "out"
    pn.explain_run(alone, few, out, trait="sex", show_progress=False)
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "<dt>share of the trunk</dt><dd>0 (bullseye alone)</dd>" in page
    # Only the heads can forget.
    assert pd.read_csv(out / "cascade.csv")["layer"].tolist() == ["heads"]


def test_score_cam_says_that_it_looks_at_the_strongest_channels(
    run, phantom, tmp_path, monkeypatch
):
    monkeypatch.setattr("polarnet.explanation.cascade", lambda *given, **_: (STEPS, given[4]))
    few = phantom.select(np.arange(2))
    out = tmp_path / "out"
    pn.explain_run(run, few, out, trait="sex", method="scorecam", show_progress=False)
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "the 32 whose activations vary most" in page


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
    monkeypatch.setattr("polarnet.explanation.cascade", lambda *given, **_: (STEPS, given[4]))
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


def test_layers_of_equal_shape_forget_independently(run, resolved):
    """Convolutions 2 and 3 of blocks 3 to 5 have the same shape; so have all heads."""
    config = resolved(mode="finetuned", trunk="block5", traits=("sex", "diabetes", "smoking"))
    heads = pd.DataFrame({"share": 1.0}, index=list(config.traits))
    large = dataclasses.replace(run, config=config, model=pn.build_model(config), heads=heads)
    *_, (_, last) = randomised_runs(large, "sex", seed=1)
    by_shape = {}
    for layer in last.model.layers:
        if isinstance(layer, keras.layers.Conv2D) or layer.name in config.traits:
            by_shape.setdefault(layer.kernel.shape, []).append(np.ravel(layer.kernel))
    assert len(by_shape[3, 3, 512, 512]) == 5
    assert len(by_shape[20 + 17 * 512, 1]) == 3
    for kernels in by_shape.values():
        if len(kernels) > 1:
            apart = np.corrcoef(kernels)[np.triu_indices(len(kernels), 1)]
            assert np.abs(apart).max() < 0.05


def test_forgetting_leaves_the_random_state_of_the_user_alone(run):
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    next(randomised_runs(run, "sex", seed=1))
    assert np.random.rand() == expected  # noqa: NPY002


_RUN_FIRST = {
    "predict": pn.predict,
    "attribution": lambda r, c: pn.attribution(r, c, "sex"),
    "segment_occlusion": lambda r, c: pn.segment_occlusion(r, c, "sex"),
    "removal_curve": lambda r, c: pn.removal_curve(r, c, "sex", np.ones((2, 17), int)),
    "cascade": lambda r, c: pn.cascade(r, c, "sex", "gradient", np.zeros((len(c), 32, 32))),
    "wide_contribution": lambda r, c: pn.wide_contribution(r, c, "sex"),
}


@pytest.mark.parametrize("use", _RUN_FIRST.values(), ids=_RUN_FIRST)
def test_a_bare_model_is_told_to_be_a_run(run, phantom, use):
    few = phantom.select(np.arange(2))
    for stranger in (run.model, copy.deepcopy(run.model), None):
        with pytest.raises(ValueError, match="A Run, a run folder or a Bundle is needed") as caught:
            use(stranger, few)
        assert "pn.load_run(folder)" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_of_a_bundle_one_member_is_asked_for(run, phantom):
    """Where a mean over members would not be what is asked: a curve, a cascade."""
    bundle = SimpleNamespace(members=(run,))
    with pytest.raises(ValueError, match=r"give a member of the Bundle, bundle\.members\[0\]"):
        pn.segment_occlusion(bundle, phantom.select(np.arange(2)), "sex")


def test_a_run_and_its_folder_give_the_same(runs, run, phantom):
    few = phantom.select(np.arange(2))
    for use in (_RUN_FIRST["predict"], _RUN_FIRST["segment_occlusion"],
                _RUN_FIRST["wide_contribution"]):  # fmt: skip
        np.testing.assert_array_equal(use(run, few), use(str(runs / "seed5"), few))


@pytest.mark.parametrize("use", [u for n, u in _RUN_FIRST.items() if n != "cascade"])
def test_what_is_no_cohort_is_told_to_be_made_one(run, phantom, use):
    for given in (phantom[0], np.asarray(phantom.maps["stress"][:2]), phantom.traits):
        with pytest.raises(ValueError, match="A Cohort is needed, but a"):
            use(run, given)


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
    assert pn.load_run(copied).config.seed == 5


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


def test_layers_are_forgotten_from_the_heads_down_and_the_model_stays_as_it_was(run, phantom):
    before = [weight.numpy() for weight in run.model.weights]
    maps = phantom.maps["stress"][:1][..., None]
    names, outputs, kernels = [], [], []
    for name, forgot in randomised_runs(run, "sex", seed=1):
        names.append(name)
        outputs.append(below(forgot.model, "block1_conv1")(maps).numpy())
        kernels.append(forgot.model.get_layer("diabetes").kernel.numpy())
    assert names == layers_down(run, "sex")
    assert names == ["heads", "block2_conv2", "block2_conv1", "block1_conv2", "block1_conv1"]
    assert np.abs(kernels[0] - run.model.get_layer("diabetes").kernel.numpy()).max() > 0.01
    intact = below(run.model, "block1_conv1")(maps).numpy()
    np.testing.assert_array_equal(outputs[-2], intact)
    assert np.abs(outputs[-1] - intact).max() > 1
    for weight, kept in zip(run.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), kept)


def test_a_method_that_ignores_the_weights_does_not_fall_in_the_cascade(run, phantom, monkeypatch):
    """An explanation that only shows the input agrees with itself whatever the network forgot."""
    few = phantom.select(np.arange(12))
    shown = few.maps["stress"][:]
    monkeypatch.setattr(
        "polarnet.explain.randomisation.attribution",
        lambda _, some, *__, **___: some.maps["stress"][:],
    )
    table, forgot = cascade(run, few, "sex", "gradient", shown, between=4)
    assert table["value"].tolist() == [1.0] * 5
    assert table["n"].tolist() == [4, 4, 4, 4, few.patients.nunique()]
    assert forgot.shape == shown.shape


def test_the_run_remembers_what_its_training_studies_looked_like(runs, run):
    facts = json.loads((runs / "seed5" / "environment.json").read_text(encoding="utf-8"))
    assert facts["n_train"] > 50
    assert run.segments.loc[("stress", "all")].between(1, 4).all()
