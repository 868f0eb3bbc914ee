"""The networks of a plan, and what is decided before the hold-out is read."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest

import networks
import polarnet as pn
from baselines import load_baselines
from holdout import (
    comparator,
    first_labels,
    freeze,
    frozen_decisions,
    network_cells,
    read_hold_out,
    score_hold_out,
)
from networks import DEPTHS, main_model, run_folder, share_of, val_scores
from plan import Plan

# === The networks ===============================================================================


def test_no_two_networks_of_one_name_differ():
    plan = Plan(weights=None)
    makers = (networks.main_models, networks.single_task_models, networks.encoding_models,
              networks.depth_models, networks.learning_models, networks.scratch_models)  # fmt: skip
    seen = {}
    for make in makers:
        for model in make(plan):
            for network in model.networks:
                assert seen.setdefault(network.name, network) == network
    assert "stress-frozen-seed1" in seen
    # By hand: 4 maps x 2 modes, 3 x 6 single, 3 x 3 shares and 4 scratch, 3 seeds each; 3 x 3
    # encodings and 3 x 9 depths beside the main ones.
    assert len(seen) == 3 * (4 * 2 + 3 * 6 + 3 * 3 + 4) + 3 * 3 + 3 * 9


def test_depths_that_need_a_download_are_left_to_those_who_have_the_file():
    trunks = {
        weights: {m.config.last_block for m in networks.depth_models(Plan(weights=weights))}
        for weights in ("imagenet", "vgg16.h5", None)
    }
    assert trunks["imagenet"] == {"block1", "block2"}
    assert trunks["vgg16.h5"] == trunks[None] == set(DEPTHS)


def test_only_a_full_project_fine_tunes_its_side_studies():
    assert {m.config.mode for m in networks.single_task_models(Plan())} == {"frozen"}
    full = Plan(full=True)
    assert {m.config.mode for m in networks.learning_models(full)} == {"frozen", "finetuned"}
    assert full.input_size == 224


def test_the_small_network_sees_no_more_pixels_than_the_maps_have():
    for plan, size in ((Plan(), 64), (Plan(full=True), 64), (Plan(input_size=32), 32)):
        assert {m.config.input_size for m in networks.scratch_models(plan)} == {size}


def test_a_smaller_share_is_part_of_a_larger_one_and_keeps_patients_whole(project):
    quarter, half = (share_of(project.train, share, seed=3) for share in (0.25, 0.5))
    assert set(quarter.patients) < set(half.patients)
    assert half.patients.nunique() == round(0.5 * project.train.patients.nunique())
    counts = half.patients.value_counts()
    assert counts.equals(project.train.patients.value_counts().loc[counts.index])


def test_a_model_is_the_mean_of_its_networks(project, plan, write_model):
    model = main_model(plan, "stress")
    write_model(project, model)
    first, second = (
        pd.read_csv(run_folder(project, network) / "scores_val.csv", index_col=0)
        for network in model.networks
    )
    np.testing.assert_allclose(val_scores(project, model), (first + second) / 2)


# === The hold-out ===============================================================================


def test_the_hold_out_is_closed_until_something_is_frozen(project):
    with pytest.raises(ValueError, match="nothing was frozen yet"):
        read_hold_out(project, "a test")
    assert not (project.folder / "test_reads.csv").exists()


def test_every_read_is_logged_with_the_freeze_it_relied_on(project):
    freeze(project, [])
    for by in ("a_script", "another"):
        test = read_hold_out(project, by)
    assert list(test.patients.index) == list(project.part.index[project.part == "test"])
    rows = pd.read_csv(project.folder / "test_reads.csv")
    assert rows["by"].tolist() == ["a_script", "another"]
    assert rows["freeze_sha256"].nunique() == 1
    assert set(rows["studies"]) == {len(test)}


def test_what_was_frozen_cannot_change(project, plan, write_model, cohort_folder):
    model = main_model(plan, "stress")
    write_model(project, model)
    freeze(project, [model])
    before = (project.folder / "freeze.json").read_bytes()
    freeze(project, [model])
    assert (project.folder / "freeze.json").read_bytes() == before
    write_model(project, model, shift=1)
    with pytest.raises(ValueError, match="stress-frozen was frozen with other validation scores"):
        freeze(project, [model])
    other = dataclasses.replace(project, plan=dataclasses.replace(plan, epochs=7))
    with pytest.raises(ValueError, match="for another plan or split"):
        freeze(other, [])
    assert (project.folder / "freeze.json").read_bytes() == before


def test_thresholds_are_those_of_validation_patients(project, plan, write_model):
    """A perfect score on validation: any threshold between the classes, sensitivity 1."""
    model = main_model(plan, "stress")
    write_model(project, model)
    for network in model.networks:
        path = run_folder(project, network) / "scores_val.csv"
        scores = pd.read_csv(path, index_col=0)
        scores["sex"] = 0.2 + 0.5 * project.val.traits["sex"]
        scores.to_csv(path, index_label="study_id")
    freeze(project, [model])
    frozen = frozen_decisions(project, "stress-frozen")
    assert frozen["sex"]["thresholds"]["youden"] == pytest.approx(0.7)
    assert frozen["sex"]["recalibration"] is None  # classes apart: nothing to fit
    assert set(frozen) == set(plan.traits)
    with pytest.raises(KeyError, match="rest-frozen is not in"):
        frozen_decisions(project, "rest-frozen")
    with pytest.raises(KeyError, match="freeze it first"):
        score_hold_out(project, [main_model(plan, "reserve")], by="a test")


def test_the_comparator_has_the_lowest_validation_log_loss(project):
    labels = project.val.traits["sex"].fillna(0)
    good, poor = (pd.DataFrame({"sex": 0.5 + s * (labels - 0.5)}) for s in (0.6, 0.1))
    freeze(project, [], {"rest: global mean": poor, "rest: 17 segments": good})
    assert comparator(project, "rest", "sex", ("global mean", "17 segments")) == "17 segments"
    with pytest.raises(ValueError, match="No baseline of rest maps scores smoking"):
        comparator(project, "rest", "smoking", ("global mean",))


def test_the_comparator_of_a_table_is_the_frozen_one_where_studies_are_repeated(
    project, random_scores
):
    """The first study of each patient decides; the later ones speak for the other baseline."""
    is_later = project.val.patients.duplicated()
    labels = project.val.traits["sex"]
    right, wrong = 0.5 + 0.4 * (labels - 0.5), 0.5 - 0.99 * (labels - 0.5)
    one = right.where(~is_later, wrong).to_frame()
    other = (0.5 + 0.39 * (labels - 0.5)).to_frame()
    scores = {"network": one, "one": one, "other": other}
    freeze(project, [], {f"stress: {name}": scores[name] for name in ("one", "other")})
    test = read_hold_out(project, "a test")
    of_test = random_scores(test, ["sex"], seed=1)
    pairs = {name: (some, of_test) for name, some in scores.items()}
    table = pn.evaluation.compare(pairs, project.val, test, "stress")
    assert is_later.any()
    assert comparator(project, "stress", "sex", ["one", "other"]) == "one"
    assert table.loc[table["is_comparator"], "model"].tolist() == ["one"]


def test_labels_count_one_study_per_patient(project):
    labels = first_labels(project.cohort, "diabetes")
    assert not project.cohort.patients[labels.index].duplicated().any()
    assert labels.notna().all()


def test_a_freeze_names_the_commit_of_its_runs(project):
    folder = project.folder / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "environment.json").write_text(json.dumps({"commit": "abc"}), encoding="utf-8")
    freeze(project, [])
    frozen = json.loads((project.folder / "freeze.json").read_text(encoding="utf-8"))
    assert frozen["commit"] == ["abc"]
    assert frozen["n_test"] == int((project.part == "test").sum())


def test_a_cell_holds_mean_scores_of_first_studies_with_a_label(project, plan, write_model):
    """An intercept of log 2 doubles the odds."""
    model = main_model(plan, "stress")
    write_model(project, model)
    freeze(project, [model])
    path = project.folder / "freeze.json"
    frozen = json.loads(path.read_text(encoding="utf-8"))
    decided = frozen["models"]["stress-frozen"]["traits"]["sex"]
    decided["recalibration"] = {"intercept": math.log(2), "slope": 1.0}
    path.write_text(json.dumps(frozen), encoding="utf-8")
    test = project.studies("test")
    cell = network_cells(project, test, "stress")["sex"]
    assert cell.labels.equals(first_labels(test, "sex"))
    mean = networks.hold_out_scores(project, model)["sex"]
    pd.testing.assert_series_equal(cell.scores, mean[cell.labels.index])
    odds, doubled = (p / (1 - p) for p in (cell.scores, cell.recalibrated()))
    np.testing.assert_allclose(doubled, 2 * odds)
    assert cell.row == {"map_type": "stress", "trait": "sex", "n_pos": cell.counts[0],
                        "n_neg": cell.counts[1]}  # fmt: skip
    small = dataclasses.replace(cell, labels=cell.labels[:3], scores=cell.scores[:3])
    assert "suppressed" in small.note
    assert not small.is_reportable


def test_baselines_of_a_part_are_those_that_were_written(project, plan, write_model):
    write_model(project, networks.scratch_models(plan)[0])
    folder = project.folder / "baselines" / "stress"
    folder.mkdir(parents=True)
    (folder / "clinical_and_segments_val.csv").write_text("study_id,sex\nS1,0.5\n", "utf-8")
    assert list(load_baselines(project, "stress", "val")) == [
        "clinical + segments", "small network",
    ]  # fmt: skip
