"""The command that explains a run, from a run folder to a page."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.explain.attribution import attribution
from polarnet.explanation import explain_run
from polarnet.rundata import parts_of


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
def short(monkeypatch):
    """Few patients are checked, in one random order; no cascade is followed."""
    steps = pd.DataFrame({"layer": ["heads"], "n": 2, "value": 0.0, "low": 0.0, "high": 0.0})
    for name, value in (("CHECKED", 4), ("RANDOM_ORDERS", 1),
                        ("cascade", lambda *given, **_: (steps, given[4]))):  # fmt: skip
        monkeypatch.setattr(f"polarnet.explanation.{name}", value)


def page_of(folder):
    return (folder / "explanation.html").read_text(encoding="utf-8")


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
    expected = pn.explain.wide_contribution(runs / "seed5", cohort, "sex")
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
    page = page_of(out)
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
    run, phantom, tmp_path, short
):
    out = tmp_path / "few"
    checks = explain_run(run, phantom, out, trait="sex", patients=6, seed=2, show_progress=False)
    segments = pd.read_csv(out / "segments.csv", index_col="study_id")
    drawn = phantom[segments.index.tolist()]
    assert drawn.patients.nunique() == len(drawn) == 6
    unseen = phantom[parts_of(run.seen, phantom) == "test"]
    first = unseen.patients.index[~unseen.patients.duplicated()]
    assert segments.index.isin(first).all()
    # In the order of the cohort, and not merely its beginning.
    places = phantom.patients.index.get_indexer(segments.index)
    assert (np.diff(places) > 0).all()
    assert places[-1] > 5
    np.testing.assert_array_equal(
        np.load(out / "attribution.npy"), attribution(run, drawn, "sex", "occlusion")
    )
    assert {check.n for check in checks if check.n} == {4}
    told = f"the first study of 6 of {len(first)} test patients, drawn at random (seed 2)"
    assert told in page_of(out)
    assert "What each segment adds to the score" in page_of(out)
    with pytest.raises(ValueError, match="At least one patient"):
        explain_run(run, phantom, tmp_path / "none", trait="sex", patients=0)


@pytest.mark.parametrize("odd", ["0", "many", "1.5"])
def test_how_many_patients_is_a_number_or_all(runs, tmp_path, capsys, odd):
    with pytest.raises(SystemExit) as caught:
        explain(runs, "--trait", "sex", "--patients", odd, "--out", str(tmp_path / "new"))
    told = capsys.readouterr().err
    assert caught.value.code == 2
    assert "give a number, 1 or more" in told
    assert told.count("\n") == 1


def test_a_trait_without_trunk_is_explained_by_its_bullseye_and_the_page_says_so(
    run, phantom, tmp_path, monkeypatch
):
    monkeypatch.setattr("polarnet.explanation.CHECKED", 12)
    monkeypatch.setattr("polarnet.explanation.RANDOM_ORDERS", 1)
    alone = dataclasses.replace(run, heads=run.heads.assign(share=0.0))
    few = phantom.select(np.arange(20))
    with pytest.raises(ValueError, match="share 0 in sex"):
        explain_run(alone, few, tmp_path / "cam", trait="sex", method="gradcam")
    assert not (tmp_path / "cam").exists()
    out = tmp_path / "out"
    explain_run(alone, few, out, trait="sex", show_progress=False)
    assert "<dt>share of the trunk</dt><dd>0 (bullseye alone)</dd>" in page_of(out)
    # Only the heads can forget.
    assert pd.read_csv(out / "cascade.csv")["layer"].tolist() == ["heads"]


def test_score_cam_says_that_it_looks_at_the_strongest_channels(run, phantom, tmp_path, short):
    few = phantom.select(np.arange(2))
    explain_run(run, few, tmp_path / "out", trait="sex", method="scorecam", show_progress=False)
    assert "the 32 whose activations vary most" in page_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("labels", "told"),
    [(np.ones, "12 have the trait and 0 have not"), (None, "0 have the trait and 0 have not"),
     (lambda n: np.r_[1, np.zeros(n - 1)], "1 have the trait and 11 have not")],
)  # fmt: skip
def test_a_trait_of_one_class_is_explained_without_groups(
    run, phantom, tmp_path, monkeypatch, short, labels, told
):
    """Nor is one that the cohort does not have."""
    for drawn in ("plot_overlays", "plot_cascade"):
        monkeypatch.setattr(f"polarnet.explanation.{drawn}", lambda *_, **__: Figure((1, 1)))
    few = phantom.select(np.flatnonzero(~phantom.patients.duplicated().to_numpy())[:12])
    traits = few.traits.drop(columns="sex") if labels is None else few.traits.assign(sex=labels(12))
    out, few = tmp_path / "out", dataclasses.replace(few, traits=traits)
    explain_run(run, few, out, trait="sex", method="gradient", patients=None,
                show_progress=False)  # fmt: skip
    assert np.load(out / "attribution.npy").shape == (12, 32, 32)
    assert len(pd.read_csv(out / "checks.csv")) == 6
    assert not (out / "groups.csv").exists()
    assert told in page_of(out)


def test_what_cannot_be_explained_is_told_before_the_work(runs, phantom, tmp_path, monkeypatch):
    """The second seed, and the network of shuffled labels, are opened before the first is used."""
    monkeypatch.setattr("polarnet.explanation.attribution", pytest.fail)
    few = phantom.select(np.arange(4))
    for words in ({"other_seeds": [tmp_path / "none"]}, {"permuted": tmp_path / "none"}):
        with pytest.raises(FileNotFoundError, match="No run folder"):
            explain_run(runs / "seed5", few, tmp_path / "out", trait="sex", **words)
    with pytest.raises(ValueError, match="method must be one of"):
        explain_run(runs / "seed5", few, tmp_path / "out", trait="sex", method="lime")
    same = {"trait": "sex", "other_seeds": [runs / "seed5"]}  # would agree with itself
    with pytest.raises(ValueError, match=r"the same seed \(\[5, 5\]\)"):
        explain_run(runs / "seed5", few, tmp_path / "out", **same)
    other = pn.load_run(runs / "seed6")
    other = dataclasses.replace(other, config=dataclasses.replace(other.config, epochs=99))
    with pytest.raises(ValueError, match="The runs differ in epochs"):
        explain_run(runs / "seed5", few, tmp_path / "out", trait="sex", other_seeds=[other])
    assert not (tmp_path / "out").exists()


def test_a_misspelt_trait_is_one_line_and_nothing_is_left(runs, tmp_path, capsys):
    assert explain(runs, "--trait", "sxe", "--out", str(tmp_path / "new")) == 2
    told = capsys.readouterr().err
    assert "did you mean 'sex'" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
