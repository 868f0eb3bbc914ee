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
from networks import DEPTHS, main_model, run_folder, share_of
from plan import Plan

# === The networks ===============================================================================


def test_no_two_networks_of_one_name_differ():
    plan = Plan(weights=None)
    makers = (networks.main_models, networks.single_task_models, networks.encoding_models,
              networks.depth_models, networks.learning_models, networks.scratch_models)  # fmt: skip
    seen = {}
    for network in (n for make in makers for model in make(plan) for n in model.networks):
        assert seen.setdefault(network.name, network) == network
    assert "stress-frozen-seed1" in seen
    # By hand: 4 maps x 2 modes, 3 x 6 single, 3 x 3 shares and 4 scratch, 3 seeds each; 3 x 3
    # encodings and 3 x 9 depths beside the main ones.
    assert len(seen) == 3 * (4 * 2 + 3 * 6 + 3 * 3 + 4) + 3 * 3 + 3 * 9


def test_a_plan_trains_what_its_weights_and_pixels_allow():
    """Depths that need a download are left to those who have the file; only a full project
    fine-tunes its side studies; the small network sees no more pixels than the maps have."""
    for weights, expected in (("imagenet", DEPTHS[:2]), ("vgg16.h5", DEPTHS), (None, DEPTHS)):
        models = networks.depth_models(Plan(weights=weights))
        assert {model.config.last_block for model in models} == set(expected)
    full = Plan(full=True)
    assert full.input_size == 224
    for plan, modes in ((Plan(), {"frozen"}), (full, {"frozen", "finetuned"})):
        assert {m.config.mode for m in networks.learning_models(plan)} == modes
    for plan, size in ((Plan(), 64), (full, 64), (Plan(input_size=32), 32)):
        assert {m.config.input_size for m in networks.scratch_models(plan)} == {size}


def test_a_smaller_share_is_part_of_a_larger_one_and_keeps_patients_whole(project):
    quarter, half = (share_of(project.train, share, seed=3) for share in (0.25, 0.5))
    assert set(quarter.patients) < set(half.patients)
    assert half.patients.nunique() == round(0.5 * project.train.patients.nunique())
    counts = half.patients.value_counts()
    assert counts.equals(project.train.patients.value_counts().loc[counts.index])


# === The hold-out ===============================================================================


def test_the_hold_out_is_closed_until_something_is_frozen_and_every_read_is_logged(project):
    with pytest.raises(ValueError, match="nothing was frozen yet"):
        read_hold_out(project, "a test")
    assert not (project.folder / "test_reads.csv").exists()
    freeze(project, [])
    for by in ("a_script", "another"):
        test = read_hold_out(project, by)
    assert list(test.patients.index) == list(project.part.index[project.part == "test"])
    rows = pd.read_csv(project.folder / "test_reads.csv")
    assert rows["by"].tolist() == ["a_script", "another"]
    assert rows["freeze_sha256"].nunique() == 1
    assert set(rows["studies"]) == {len(test)}


def test_what_was_frozen_cannot_change_and_names_the_commit_of_its_runs(project, plan, write_model):
    model = main_model(plan, "stress")
    write_model(project, model)
    environment = run_folder(project, model.networks[0]) / "environment.json"
    environment.write_text(json.dumps({"commit": "abc"}), encoding="utf-8")
    freeze(project, [model])
    before = (project.folder / "freeze.json").read_bytes()
    assert json.loads(before)["commit"] == ["abc"]
    assert json.loads(before)["n_test"] == int((project.part == "test").sum())
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
    with pytest.raises(KeyError, match=r"reserve-frozen is not in .*freeze it first"):
        score_hold_out(project, [main_model(plan, "reserve")], by="a test")


def test_the_comparator_has_the_lowest_log_loss_of_first_studies_in_tables_too(
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
    table = pn.evaluation.compare_with_baselines(pairs, project.val, test, "stress")
    assert is_later.any()
    assert comparator(project, "stress", "sex", ["one", "other"]) == "one"
    assert table.loc[table["is_comparator"], "model"].tolist() == ["one"]
    with pytest.raises(ValueError, match="No baseline of stress maps scores smoking"):
        comparator(project, "stress", "smoking", ["one"])


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
    assert cell.labels.notna().all()
    assert not test.patients[cell.labels.index].duplicated().any()
    first, second = (
        pd.read_csv(run_folder(project, network) / "scores_test.csv", index_col=0)["sex"]
        for network in model.networks
    )
    np.testing.assert_allclose(cell.scores, ((first + second) / 2)[cell.labels.index])
    odds, doubled = (p / (1 - p) for p in (cell.scores, cell.recalibrated()))
    np.testing.assert_allclose(doubled, 2 * odds)
    n_pos, n_neg = cell.counts
    assert cell.row == {"map_type": "stress", "trait": "sex", "n_pos": n_pos, "n_neg": n_neg}
    small = dataclasses.replace(cell, labels=cell.labels[:3], scores=cell.scores[:3])
    assert "suppressed" in small.note
    assert not small.is_reportable


def test_baselines_of_a_part_are_those_that_were_written(project, plan, write_model):
    write_model(project, networks.scratch_models(plan)[0])
    folder = project.folder / "baselines" / "stress"
    folder.mkdir(parents=True)
    (folder / "clinical_and_segments_val.csv").write_text("study_id,sex\nS1,0.5\n", "utf-8")
    found = load_baselines(project, "stress", "val")
    assert list(found) == ["clinical + segments", "small network"]
