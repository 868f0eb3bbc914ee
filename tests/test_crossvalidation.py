"""Cross-validation of a network: who is scored by whom, resumption, refusals."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet import crossvalidation
from polarnet.cli import main
from polarnet.crossvalidation import cross_validate
from polarnet.evaluation.crossvalidated import load_cross_validation


@pytest.fixture(scope="module")
def cohort():
    return pn.make_phantom_cohort(60, seed=3, size=32)


@pytest.fixture(scope="module")
def settings(tiny):
    return replace(tiny, traits=("sex",), trunk="block1", epochs=2)


@pytest.fixture(scope="module")
def finished(cohort, settings, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("validated") / "out"
    options = {"folds": 2, "repeats": 2, "cache": cache, "show_progress": False}
    return cross_validate(cohort, settings, out, **options), options


def test_every_study_is_scored_once_in_each_repeat_by_a_network_that_did_not_see_its_patient(
    cohort, finished, settings
):
    scores = finished[0].scores
    of_network = scores[scores["model"] == "network"]
    for repeat, rows in of_network.groupby("repeat"):
        assert sorted(rows["study_id"]) == sorted(cohort.patients.index)
        folds = cohort.folds(2, seed=settings.seed + repeat)
        for fold, (rest, held) in enumerate(folds):
            named = rows.loc[rows["fold"] == fold, "study_id"]
            assert set(named) == set(held.patients.index)
            assert not set(held.patients) & set(rest.patients)


def test_baselines_stand_beside_the_network_in_the_same_folds(cohort, finished):
    table = finished[0].metrics.set_index("model")
    assert list(table.index) == ["network", *pn.evaluation.QUICK]
    firsts = cohort.traits.loc[~cohort.patients.duplicated(), "sex"]
    assert set(table["n_pos"]) == {(firsts == 1).sum()}
    assert set(table["n_neg"]) == {(firsts == 0).sum()}
    assert (table["data"] == "phantom, not patients").all()
    pairs = table.drop(index="network")
    expected = table.loc["network", "auroc"] - pairs["auroc"]
    assert pairs["difference"].to_numpy() == pytest.approx(expected.to_numpy())


def test_a_stopped_call_is_resumed_to_the_same_bytes(
    cohort, settings, finished, tmp_path, monkeypatch
):
    real, calls = crossvalidation._of_fold, []

    def stops(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(crossvalidation, "_of_fold", stops)
    first, options = finished
    with pytest.raises(KeyboardInterrupt):
        cross_validate(cohort, settings, tmp_path / "out", **options)
    with pytest.raises(FileNotFoundError, match="to finish it"):
        load_cross_validation(tmp_path / "out")
    cross_validate(cohort, settings, tmp_path / "out", **options)
    assert len(calls) == 5  # two kept, one lost, two more
    names = {path.name for path in first.folder.iterdir()}
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (first.folder / name).read_bytes()


def test_a_finished_folder_gives_its_numbers_again_without_training(
    cohort, settings, finished, monkeypatch
):
    monkeypatch.setattr(crossvalidation, "_of_fold", None)
    first, options = finished
    again = cross_validate(cohort, settings, first.folder, **options)
    pd.testing.assert_frame_equal(again.metrics, first.metrics, rtol=1e-6)


def halves(whole):
    """Two folds, of which one holds the men."""
    is_man = (whole.traits["sex"] == 0).to_numpy()
    is_mixed = ~is_man | (np.cumsum(is_man) <= 10)
    return [(whole.select(is_mixed), whole.select(~is_mixed)),
            (whole.select(~is_mixed), whole.select(is_mixed))]  # fmt: skip


def test_what_does_not_belong_together_is_refused(
    cohort, settings, finished, tmp_path, monkeypatch
):
    first, options = finished
    with pytest.raises(ValueError, match="other settings or studies"):
        cross_validate(cohort, replace(settings, epochs=1), first.folder, **options)
    with pytest.raises(ValueError, match="other settings or studies"):
        cross_validate(cohort[:-1], settings, first.folder, **options)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError, match="nothing was changed"):
        cross_validate(cohort, settings, tmp_path / "mine", **options)
    rare = cohort.traits.assign(rare=np.arange(len(cohort)) < 9).astype(float)
    with pytest.raises(ValueError, match=r"rare \(9\).*needs 10"):
        cross_validate(
            replace(cohort, traits=rare), replace(settings, traits=("rare",)), tmp_path / "no",
            **options,
        )  # fmt: skip
    monkeypatch.setattr(pn.Cohort, "folds", lambda whole, k, *, seed: halves(whole))
    with pytest.raises(ValueError, match="hold one class of sex only"):
        cross_validate(cohort, settings, tmp_path / "no", **options)
    with pytest.raises(ValueError, match="2 folds and 1 repeat"):
        cross_validate(cohort, settings, tmp_path / "no", folds=1)
    assert not (tmp_path / "no").exists()


def test_the_command_and_the_page_say_what_came_out(cohort, settings, finished, tmp_path, capsys):
    cohort.save(tmp_path / "cohort")
    shutil.copytree(finished[0].folder, tmp_path / "out")
    settings.save(tmp_path / "settings.yaml")
    line = ["cross-validate", str(tmp_path / "cohort"), "--config", str(tmp_path / "settings.yaml"),
            "--out", str(tmp_path / "out"), "--folds", "2", "--repeats", "2"]  # fmt: skip
    assert main(line) == 0
    told = "In a phantom, not in patients, stress maps told women from men with an AUROC of"
    assert told in capsys.readouterr().out
    assert main(["report", str(tmp_path / "out"), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.index(told) < page.index("<img")
    assert "2 folds, 2 repeats" in page
    assert main([*line[:-4], "--folds", "1"]) == 2
    assert "--folds must be 2 or more" in capsys.readouterr().err
