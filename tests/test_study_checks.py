"""Parts of the study that look closely at its frozen networks; nothing is trained here."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.anatomy import TERRITORIES, segment_map
from polarnet.cohort import Cohort
from polarnet.evaluation import Recalibration, classify, predictive_intervals
from polarnet.reproduction import ceiling
from polarnet.reproduction.arms import main_model
from polarnet.reproduction.cells import Cell, hold_out_cells
from polarnet.reproduction.mfrlabels import corrected_mfr, mfr_labels, territory_mfr
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.plan import Plan

SIZE = 32
SEGMENTS = segment_map(SIZE)


def cohort_of(stress, clinical=None, patients=None, unit="mL/min/g", **traits):
    """Studies S0, S1, ... whose rest flow is 1 (or 50 percent) all over."""
    n = len(stress)
    index = pd.Index([f"S{k}" for k in range(n)], name="study_id")
    disc = (SEGMENTS > 0).astype(np.float32)
    rest = np.stack([disc * (1 if unit == "mL/min/g" else 50)] * n)
    # Two patients do not share a map.
    own = np.float32(1e-4) * np.arange(n, dtype=np.float32)[:, None, None] * disc
    return Cohort(
        maps={"rest": rest + own, "stress": np.stack(stress).astype(np.float32) + own},
        traits=pd.DataFrame(traits, index=index),
        patients=pd.Series(patients or [f"P{k}" for k in range(n)], index=index),
        clinical=pd.DataFrame(clinical or {}, index=index),
        truth=pd.DataFrame(index=index),
        unit=unit,
    )


def flow(level, **by_territory):
    """Stress map of one level, other levels in the territories named."""
    values = np.where(SEGMENTS > 0, float(level), 0)
    for name, other in by_territory.items():
        values[np.isin(SEGMENTS, TERRITORIES[name])] = other
    return values


def cell_of(n_pos, n_neg, scores, **changes):
    index = pd.Index([f"S{k}" for k in range(n_pos + n_neg)])
    labels = pd.Series([1.0] * n_pos + [0.0] * n_neg, index=index)
    whole = {
        "map_type": "stress", "trait": "sex", "labels": labels,
        "scores": pd.Series(scores, index=index, dtype=float), "is_circular": False,
        "recalibration": None, "thresholds": {"youden": 0.5, "sensitive": 0.3},
    }  # fmt: skip
    return Cell(**(whole | changes))


# === Other definitions of impaired MFR ==========================================================
def test_one_territory_below_two_impairs_though_the_global_reserve_does_not():
    """Rest 1 everywhere: the reserve of a territory is its stress flow."""
    cohort = cohort_of([flow(3, LCx=1.5), flow(3), flow(1.9)], impaired_mfr=[0.0, 0.0, 1.0])
    assert cohort.global_mfr()["S0"] > 2
    assert territory_mfr(cohort).loc["S0"].to_dict() == pytest.approx(
        {"LAD": 3, "RCA": 3, "LCx": 1.5}
    )
    assert mfr_labels(cohort)["any territory"].tolist() == [1, 0, 1]


def test_lowest_territory_is_never_above_the_global_reserve(phantom):
    lowest, highest = territory_mfr(phantom).min(axis=1), territory_mfr(phantom).max(axis=1)
    assert (lowest <= phantom.global_mfr() + 1e-9).all()
    assert (highest >= phantom.global_mfr() - 1e-9).all()


def test_rest_flow_is_normalised_to_a_product_of_ten_thousand():
    """By hand: 60 x 120 = 7,200, so rest flow grows by 10,000 / 7,200 and 2.5 becomes 1.8;
    at 100 x 150 = 15,000 it shrinks, and 1.6 becomes 2.4.
    """
    mfr = pd.Series([2.5, 1.6, 2.5, 2.5])
    rate, systolic = pd.Series([60, 100, 0, 60.0]), pd.Series([120, 150, 120, np.nan])
    found = corrected_mfr(mfr, rate, systolic)
    assert found[:2].tolist() == pytest.approx([1.8, 2.4])
    assert found[2:].isna().all()


def test_correction_needs_heart_rate_and_pressure():
    stress = [flow(2.5), flow(1.6), flow(2.5)]
    clinic = {"hr_rest": [60, 100, np.nan], "sbp_rest": [120, 150, 120]}
    whole = cohort_of(stress, clinic, impaired_mfr=[0.0, 1.0, 0.0])
    found = mfr_labels(whole)["rate-pressure corrected"]
    assert found[:2].tolist() == [1, 0]
    assert np.isnan(found.iloc[2])
    without = cohort_of(stress, {"hr_rest": [60, 100, 70]}, impaired_mfr=[0.0, 1.0, 0.0])
    assert "no sbp_rest" in mfr_labels(without)["rate-pressure corrected"]


def test_grey_zone_includes_its_ends_and_takes_the_workstations_number_first():
    clinic = {"mfr": [1.9, 2.1, 1.89, 2.11, np.nan, np.nan]}
    labels = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    cohort = cohort_of([flow(2.0)] * 4 + [flow(2.05), flow(3)], clinic, impaired_mfr=labels)
    found = mfr_labels(cohort)["without 1.9-2.1"]
    assert found.isna().tolist() == [True, True, False, False, True, False]
    assert found.dropna().tolist() == [1, 0, 0]


def test_relative_counts_say_why_there_is_no_other_definition():
    found = mfr_labels(cohort_of([flow(60)], unit="percent", sex=[1.0]))
    assert all("mL/min/g" in why for why in found.values())
    assert len(found) == 3


# === Cells of the hold-out =======================================================================
@pytest.fixture
def study(tmp_path):
    """A study by hand: two networks, four test studies of three patients."""
    plan = Plan(traits=("sex",), map_types=("stress",), seeds=(1, 2), weights=None, input_size=32,
                primaries=(("stress", "sex"),))  # fmt: skip
    cohort = cohort_of([flow(2 + k) for k in range(4)], patients=["A", "A", "B", "C"],
                       sex=[1.0, 1.0, 0.0, np.nan], impaired_mfr=[0.0] * 4)  # fmt: skip
    for arm, scores in zip(
        main_model(plan, "stress").arms, ([0.2, 0.9, 0.5, 0.5], [0.4, 0.9, 0.3, 0.5]), strict=True
    ):
        folder = tmp_path / "runs" / arm.name
        folder.mkdir(parents=True)
        table = pd.DataFrame({"sex": scores}, index=cohort.patients.index)
        table.to_csv(folder / "scores_test.csv")
    decided = {"recalibration": {"intercept": math.log(2), "slope": 1.0},
               "thresholds": {"youden": 0.35}}  # fmt: skip
    frozen = {"models": {"stress-frozen": {"traits": {"sex": decided}}}}
    (tmp_path / "freeze.json").write_text(json.dumps(frozen), encoding="utf-8")
    return Reproduction(tmp_path, plan, cohort, pd.Series("test", index=cohort.patients.index))


def test_cell_holds_mean_scores_of_first_studies_with_a_label(study):
    """Mean of two networks: 0.3 and 0.4. An intercept of log 2 doubles the odds: 3/7 becomes 6/7,
    2/3 becomes 4/3.
    """
    cell = hold_out_cells(study, study.cohort, "stress")["sex"]
    assert cell.labels.to_dict() == {"S0": 1, "S2": 0}
    assert cell.scores.to_dict() == pytest.approx({"S0": 0.3, "S2": 0.4})
    assert cell.recalibrated().to_dict() == pytest.approx({"S0": 6 / 13, "S2": 4 / 7})
    assert cell.row == {"map_type": "stress", "trait": "sex", "n_pos": 1, "n_neg": 1}
    assert "suppressed: 1 positives" in cell.note
    assert not cell.is_reportable


# === The scripts =================================================================================
def test_predictive_values_elsewhere_equal_r():
    """R: p <- .2; l <- (26/30) / (19/70); s <- sqrt(1/26 - 1/30 + 1/19 - 1/70)
    plogis(qlogis(p) + log(l) + c(0, -1, 1) * qnorm(.975) * s), and for the negative ratio
    1 - plogis(qlogis(p) + log((4/30) / (51/70)) + c(0, 1, -1) * qnorm(.975) *
    sqrt(1/4 - 1/30 + 1/51 - 1/70))
    """
    labels = [1] * 30 + [0] * 70
    called = [1.0] * 26 + [0.0] * 4 + [1.0] * 19 + [0.0] * 51
    found = predictive_intervals(classify(labels, called, 0.5), 0.2).iloc[0]
    expected = (0.443902439024390, 0.346604107249658, 0.545702603236744, 0.956250000000000,
                0.896699378970782, 0.982154167245141)  # fmt: skip
    names = ("ppv", "ppv_low", "ppv_high", "npv", "npv_low", "npv_high")
    assert [found[name] for name in names] == pytest.approx(expected, abs=1e-12)


def test_thresholds_table_counts_at_the_frozen_thresholds(script):
    """At 0.5: 6 of 10 with the trait, 2 of 10 without; at 0.3: 10 and 5. Small cells are empty."""
    scores = [0.5] * 6 + [0.3] * 4 + [0.6] * 2 + [0.4] * 3 + [0.1] * 5
    table = script("decisions").thresholds_table([cell_of(10, 10, scores)]).set_index("point")
    assert table.loc["youden", ["tp", "fp", "fn", "tn"]].tolist() == [6, 2, 4, 8]
    assert table.loc["sensitive", ["tp", "fp", "fn", "tn"]].tolist() == [10, 5, 0, 5]
    assert table.loc["youden", "sensitivity"].startswith("0.60 [")
    small = script("decisions").thresholds_table([cell_of(9, 11, scores)])
    assert small["tp"].isna().all()
    assert small["note"].str.contains("suppressed: 9 positives").all()


def test_calibration_has_a_row_before_and_one_after(script):
    """Half of those at 0.5 are positive: as good as the prevalence. A line that makes every
    probability 1/3 misses by 1/9 and 4/9, so Brier 5/18, and 1 - (5/18) / (1/4) = -1/9.
    """
    line = Recalibration(intercept=-math.log(2), slope=0.0)
    cells = [cell_of(10, 10, [0.5] * 20, recalibration=line), cell_of(10, 10, [0.5] * 20)]
    table = script("calibration").calibration_table(cells)
    assert table["probabilities"].tolist() == ["as predicted", "recalibrated"] * 2
    assert table["brier"].tolist()[:3] == pytest.approx([1 / 4, 5 / 18, 1 / 4])
    assert table["scaled_brier"].tolist()[:2] == pytest.approx([0, -1 / 9])
    assert table["intercept"].tolist()[:2] == pytest.approx([0, math.log(2)])
    assert np.isnan(table["brier"][3])
    assert table["note"][3].endswith("no recalibration could be fitted")


def test_surest_errors_come_first_and_bear_no_id(script):
    scores = [0.9, 0.49, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.95, 0.05]
    cell = cell_of(7, 3, scores)
    words = pd.Series("", index=cell.labels.index)
    found = script("failures").surest_errors(cell, words)
    by_error = {name: part["probability"].tolist() for name, part in found.groupby("error")}
    assert by_error == {"false positive": [0.95, 0.5], "false negative": [0.1, 0.2, 0.3, 0.4]}
    assert found.groupby("error")["n_errors"].first().to_dict() == {
        "false positive": 2, "false negative": 6,
    }  # fmt: skip
    assert not {"study_id", "patient_id"} & set(found.columns)


def test_what_was_planted_is_said_in_words(script):
    planted = script("failures").planted
    assert planted({"lad": 0, "rca": 0.1, "lcx": 0, "scar": 0.9}) == "no defect"
    told = planted({"lad": 0.4, "rca": 0.2, "lcx": 0.0, "scar": 0.6, "small_ventricle": -1.5,
                    "uneven": 1, "motion_rest": 0.2, "misregistration_stress": 0.0})  # fmt: skip
    assert told == (
        "LAD -40 %, RCA -20 %, fixed part 60 %, large ventricle, uneven stress flow, motion"
    )


def test_planned_sizes_come_from_validation(script):
    """pmsampsize 0.1.0 (C 0.80, prevalence 0.25): 649 patients for 17 parameters, 1,946 for 51.
    Hanley-McNeil 1982 at 0.80 with 60 and 140 patients: half-width 0.073. Validation has 30 and 90
    of its 150 patients, so 200 test patients are expected to hold 40 and 120.
    """
    planned_row = script("sample_size").planned_row
    of_val = pd.Series({"n_pos": 30, "n_neg": 90, "auroc": 0.80})
    row = planned_row(of_val, pd.Series([1.0, 0.0, 1.0]), n_test=200, n_val=150)
    assert row["n_needed_17"] == pytest.approx(649, rel=0.005)
    assert row["n_needed_51"] == pytest.approx(1946, rel=0.005)
    assert row["expected_width"] == pytest.approx(2 * pn.auroc_half_width(0.80, 40, 120))
    assert (row["n_train"], row["events_train"], row["val_prevalence"]) == (3, 2, 0.25)
    half = planned_row(of_val.replace({30: 60, 90: 140}), pd.Series([1.0]), n_test=9, n_val=9)
    assert half["expected_width"] / 2 == pytest.approx(0.073, abs=5e-4)
    chance = planned_row(of_val.replace({0.80: 0.49}), pd.Series([1.0]), n_test=9, n_val=9)
    assert np.isnan(chance["n_needed_17"])
    assert chance["why"]


def test_widths_of_the_paper_stand_beside_ours(script):
    """Abstract: 0.87-0.98, 0.73-0.88, 0.58-0.85."""
    measured_row = script("sample_size").measured_row
    cells = [("reserve", "impaired_mfr"), ("stress", "sex"), ("rest", "smoking"), ("rest", "sex")]
    widths = [
        measured_row(cell_of(1, 1, [0, 1], map_type=m, trait=t))["published_width"]
        for m, t in cells
    ]
    assert widths[:3] == pytest.approx([0.11, 0.15, 0.27])
    assert np.isnan(widths[3])


def test_groups_are_those_of_the_who_and_sex_is_adjusted_for_age_alone(script):
    subgroups = script("subgroups")
    clinic = {"bmi": [24.9, 25, 29.9, 30.0], "age": [50, 60, 70, 80], "site": ["x", "x", "y", None]}
    cohort = cohort_of([flow(k + 1) for k in range(4)], clinic, sex=[1.0, 0.0, 0.0, np.nan])
    groups = subgroups.known_groups(cohort)
    assert groups["BMI (kg/m2)"].tolist() == [
        "below 25", "25 to below 30", "25 to below 30", "30 or above",
    ]  # fmt: skip
    assert groups["sex"].tolist()[:3] == ["female", "male", "male"]
    assert "site" in groups
    assert "known CAD" not in groups
    assert list(subgroups.covariates_of(cohort, "sex")) == ["age"]
    assert list(subgroups.covariates_of(cohort, "diabetes")) == ["age", "sex"]


def test_sex_is_never_stratified_by_sex(script):
    index = [f"S{k}" for k in range(24)]
    groups = {
        "sex": pd.Series(["female"] * 12 + ["male"] * 12, index=index),
        "site": pd.Series(["x"] * 24, index=index),
    }
    scores = np.linspace(0.9, 0.1, 24)
    variables = {
        trait: [t["variable"][0] for t in script("subgroups").group_tables(cell, groups)]
        for trait in ("sex", "diabetes")
        for cell in [cell_of(12, 12, scores, trait=trait)]
    }
    assert variables == {"sex": ["site"], "diabetes": ["sex", "site"]}


def test_distance_is_reader_minus_ceiling(script, monkeypatch):
    """By hand: of the network's 100 pairs 10 are right and 90 tie, (10 + 45) / 100; of the
    ceiling's 144 one is wrong, 143 / 144.
    """
    truth = script("truth")
    cell = cell_of(10, 10, [0.5] * 19 + [0.4])
    many = cell_of(12, 12, [*range(24, 13, -1), 12, 13, *range(11, 0, -1)])
    monkeypatch.setattr(truth.rp, "hold_out_cells", lambda *names: {"sex": cell})
    monkeypatch.setattr(truth.rp, "comparator", lambda *names: "pattern")
    monkeypatch.setattr(
        truth.rp, "load_ceiling", lambda *names: {"sex": ("a reader", many.labels, many.scores)}
    )
    table = truth.truth_table(None, None, "stress").set_index("series")
    assert table.loc[truth.CEILING, "auroc"] == pytest.approx(143 / 144)
    assert table.loc["network", "auroc"] == pytest.approx(0.55)
    assert table.loc["network", "difference"] == pytest.approx(0.55 - 143 / 144)
    assert table.index[table["is_comparator"]].tolist() == ["pattern"]


def test_definition_that_cannot_be_made_says_why(script, study):
    """The study's networks score sex; here they stand for impaired MFR."""
    module = script("sensitivity")
    module.MFR = "sex"
    rows = module.definition_rows(study, study.cohort, "stress")
    reasons = {row["what"]: row["note"] for row in rows}
    assert "needs clinical columns hr_rest and sbp_rest" in reasons["rate-pressure corrected"]


def test_patients_have_no_table_of_the_truth(script, study, capsys):
    truth = script("truth")
    truth.develop(study)
    truth.report(study)
    assert capsys.readouterr().out == truth.NO_TRUTH + "\n"
    assert not (study.folder / "results").exists()
    assert not (study.folder / "truth").exists()


def test_ceiling_is_made_once_from_patients_of_its_own(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr(ceiling, "READERS", ("global mean", "17 segments"))
    plan = Plan(traits=("sex",), map_types=("stress",), weights=None, truth_patients=60,
                primaries=())  # fmt: skip
    part = pd.Series("test", index=phantom.patients.index)
    study = Reproduction(tmp_path, plan, phantom, part)
    ceiling.make_ceiling(study)
    reader, labels, scores = ceiling.load_ceiling(study, "stress")["sex"]
    assert reader in ceiling.READERS
    assert labels.index.equals(scores.index)
    assert all(name.startswith(f"S{ceiling.TESTING_SEED}-") for name in labels.index)
    assert len(labels) <= 60  # first studies only
    assert scores.between(0, 1).all()
    before = (tmp_path / "truth" / "labels.csv").stat().st_mtime_ns
    ceiling.make_ceiling(study)
    assert (tmp_path / "truth" / "labels.csv").stat().st_mtime_ns == before


def test_ceiling_refuses_a_study_of_its_own_patients(tmp_path):
    own = pn.make_phantom_cohort(20, seed=ceiling.TESTING_SEED, size=16)
    part = pd.Series("test", index=own.patients.index)
    study = Reproduction(tmp_path, replace(Plan(), truth_patients=60), own, part)
    with pytest.raises(ValueError, match="kept for the ceiling"):
        ceiling.make_ceiling(study)
