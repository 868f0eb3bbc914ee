"""Tables of the project, by made-up scores: nothing is trained here."""

import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import baselines
import calibration
import cohort_table
import decisions
import encoding_ablation
import external
import failures
import learning_curve
import main_results
import nested_cross_validation as nested
import polarnet as pn
import run
import sample_size
import sensitivity
import single_task
import subgroups
import truth
from holdout import Cell, first_labels, freeze, frozen_decisions
from networks import main_model, scores_pair, share_of, single_task_models
from plan import Plan
from project import Project

NAN = np.nan
SIZE = 32
SEGMENTS = pn.anatomy.segment_map(SIZE)


def cohort_of(stress, clinical=None, unit="mL/min/g", **traits):
    """Studies S0, S1, ... whose rest flow is 1 (or 50 percent) all over."""
    index = pd.Index([f"S{k}" for k in range(len(stress))], name="study_id")
    disc = (SEGMENTS > 0).astype(np.float32)
    # Two patients do not share a map.
    own = np.float32(1e-4) * np.arange(len(stress), dtype=np.float32)[:, None, None] * disc
    rest = disc * (1 if unit == "mL/min/g" else 50)
    return pn.Cohort(
        maps={"rest": rest + own, "stress": np.stack(stress).astype(np.float32) + own},
        traits=pd.DataFrame(traits, index=index), patients=index.to_series(),
        clinical=pd.DataFrame(clinical or {}, index=index), truth=pd.DataFrame(index=index),
        unit=unit,
    )  # fmt: skip


def flow(level, **by_territory):
    """Stress map of one level, other levels in the territories named."""
    values = np.where(SEGMENTS > 0, float(level), 0)
    for name, other in by_territory.items():
        values[np.isin(SEGMENTS, pn.anatomy.TERRITORIES[name])] = other
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


# === Cohort table ===============================================================================


def test_a_standardised_difference_is_austin_s():
    """By hand. Shares 1/2 and 1/4: 0.25 / sqrt((0.25 + 0.1875) / 2) = 0.534522. Means 4 and 2,
    variances 4 and 1: 2 / sqrt(2.5) = 1.264911."""
    for a, b, expected in (
        ([1, 0, 1, 0.0], [1, 0, 0, 0, NAN], 0.534522), ([2, 4, 6.0], [1, NAN, 2, 3], 1.264911),
        ([1, NAN, 2, 3], [2, 4, 6.0], -1.264911), ([1.0], [1, 2, 3.0], NAN),
        ([5.0, 5], [5.0, 5], NAN),
    ):  # fmt: skip
        found = cohort_table.standardised_difference(pd.Series(a), pd.Series(b))
        assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_the_cohort_table_counts_what_is_missing_and_only_first_studies(project):
    values = cohort_table.patient_values(project.cohort, ("sex",))
    assert len(values) == project.cohort.patients.nunique() < len(project.cohort)
    train = pd.DataFrame({"sex": [1, 1, 0, NAN], "age": [50, 60, 70, 80.0]})
    parts = {"train": train, "val": train, "test": train.assign(sex=NAN)}
    rows = cohort_table.cohort_table(parts).set_index("variable")
    sex = rows.loc["sex, n (%)"]
    assert sex[["train", "test", "missing_train", "missing_test"]].tolist() == [
        "2 (66.7)", "not recorded", 1, 4,
    ]  # fmt: skip
    assert rows.loc["age, mean (SD)", "val"] == "65.0 (12.9)"
    assert rows.loc["patients", "test"] == "4"
    values = pd.DataFrame(
        {"smoking": [1, 0, NAN, NAN], "sex": [1, 0, 1, 0], "age": [40, 50, 70, 80.0]}
    )
    without = cohort_table.missing_labels(values, ("sex", "smoking")).set_index("variable")
    assert without["trait"].unique().tolist() == ["smoking"]
    expected = ["smoking", 2, 2, 45, 75, pytest.approx(30 / np.sqrt(50))]
    assert without.loc["age"].tolist() == expected


# === Main results, baselines, ablations =========================================================


def test_the_main_results_have_one_family_of_primaries():
    """By hand: Holm over .02 and .03 gives .04 .04; Benjamini-Hochberg over .01 and .5, .02 .5. The
    circular cell is in neither."""
    table = pd.DataFrame({
        "map_type": ["stress"] * 4 + ["reserve"],
        "trait": ["sex", "smoking", "sex", "smoking", "impaired_mfr"],
        "series": ["frozen", "frozen", "fine-tuned", "fine-tuned", "frozen"],
        "p_value": [0.02, 0.01, 0.03, 0.5, 0.0001], "is_circular": [False] * 4 + [True],
    })  # fmt: skip
    primaries = [("stress", "frozen", "sex"), ("stress", "finetuned", "sex"),
                 ("reserve", "frozen", "impaired_mfr")]  # fmt: skip
    found = main_results.adjusted(table, primaries)
    assert found["p_adjusted"].tolist() == pytest.approx([0.04, 0.02, 0.04, 0.5, NAN], nan_ok=True)
    assert found["family"].str[:4].tolist()[:4] == ["prim", "seco", "prim", "seco"]


def test_a_circular_cell_counts_in_no_mean(project, plan, write_model):
    model = main_model(plan, "reserve")
    singles = [m for m in single_task_models(plan) if m.name.startswith("reserve-frozen-only")]
    for made in (model, *singles):
        write_model(project, made)
    test = project.studies("test")
    pairs = {"network": scores_pair(project, model),
             "single": single_task.singles(project, model)}  # fmt: skip
    assert list(pairs["single"][1]) == list(plan.traits)
    cells = single_task.cells_of(project, model, pairs, test)
    of_mfr = cells.set_index("trait").loc["impaired_mfr"]
    assert of_mfr["is_circular"]
    assert of_mfr["difference"] == pytest.approx(of_mfr["auroc_multi"] - of_mfr["auroc_single"])
    row = single_task.mean_row(cells, pairs["network"][1], pairs["single"][1], test).iloc[0]
    counted = cells[(cells["trait"] != "impaired_mfr") & cells["auroc_multi"].notna()]
    assert row["note"].startswith(f"traits: {len(counted)}, ")
    for name in ("auroc_multi", "difference"):
        assert row[name] == pytest.approx(counted[name].mean())


def test_proxies_that_a_cohort_has_are_named(plan):
    cohort = pn.make_phantom_cohort(40, seed=3, size=16)
    cohort.clinical["hba1c"] = np.linspace(5, 9, len(cohort))
    found = baselines.proxies_of(cohort, plan)
    assert found["diabetes"] == ["hba1c"]
    assert found["hypertension"] == ["sbp_rest", "sbp_stress"]
    assert "smoking" not in found


@pytest.mark.parametrize(
    ("area", "is_circular", "said"),
    [(0.98, True, " reaches 0.98"), (0.979, True, "does NOT reach"), (0.99, False, "No circular")],
)
def test_the_ceiling_is_said_of_the_circular_cell_alone(area, is_circular, said):
    table = pd.DataFrame({"map_type": ["reserve"], "trait": ["impaired_mfr"], "n_pos": [30],
                          "n_neg": [70], "encoding": ["absolute"], "auroc": [area],
                          "is_circular": [is_circular]})  # fmt: skip
    line = encoding_ablation.ceiling_line(table)
    assert said in line
    assert ("30 with, 70 without" in line) == is_circular


# === Learning curve and nested cross-validation =================================================


def test_a_baseline_on_a_share_sees_the_patients_that_the_network_saw(project, monkeypatch):
    """Every share is fitted once for either part; the test studies are scored with the penalties
    that were chosen for the validation studies."""
    chosen = []

    def fit(train, others, **settings):
        value = settings["seed"] / 10
        chosen.append(settings["chosen"].get("17 segments", {}).get("sex"))
        assert chosen[-1] in (None, value)
        assert set(train.patients) == set(
            share_of(project.train, 0.5, seed=settings["seed"]).patients
        )
        table = pd.DataFrame({"sex": value}, index=others[0].patients.index)
        table.attrs["chosen"] = {"sex": value}
        return {"17 segments": [table]}

    monkeypatch.setattr(pn.evaluation, "baseline_scores", fit)
    found = learning_curve.fit_on_shares(project)
    assert list(found) == [f"{m}: 17 segments, 50%, seed {s}"
                           for m in ("stress", "reserve") for s in (1, 2)]  # fmt: skip
    learning_curve._score_missing(project, "test", project.studies("test"))
    model = learning_curve.curve_models(project.plan)[0]
    assert (model.map_type, model.share) == ("stress", 0.5)
    first, second = learning_curve.segment_scores(project, model, "test")
    assert (first["sex"].unique(), second["sex"].unique()) == (0.1, 0.2)
    assert set(first.index) == set(project.part.index[project.part == "test"])
    learning_curve.fit_on_shares(project)
    assert chosen == [None] * 4 + [0.1, 0.2] * 2


def test_nested_folds_never_touch_the_hold_out_and_hold_everyone_out_once(project, monkeypatch):
    known = project.studies("train", "val")

    def train_and_score(project, map_type, train, val, held_out, folder):
        groups = [set(cohort.patients) for cohort in (train, val, held_out)]
        assert sum(map(len, groups)) == len(set.union(*groups)) == known.patients.nunique()
        folder.mkdir(parents=True)
        value = int(folder.name.removeprefix("network")) / 10
        table = pd.DataFrame({"sex": value}, index=held_out.patients.index)
        table.to_csv(folder / nested.SCORES, index_label="study_id")

    def fit(train, others, **settings):
        return {"17 segments": [pd.DataFrame({"sex": 0.5}, index=others[0].patients.index)]}

    monkeypatch.setattr(nested, "train_and_score", train_and_score)
    monkeypatch.setattr(pn.evaluation, "baseline_scores", fit)
    nested.train_nested(project, ["stress"])
    scores = nested.nested_scores(project, "stress")
    assert sorted(scores.index) == sorted(known.patients.index)
    np.testing.assert_allclose(scores["network", "sex"], 0.2)  # mean of 0.1, 0.2, 0.3
    assert set(scores["fold", ""]) == {1, 2, 3}


# === Another site ===============================================================================


def test_a_second_site_is_of_other_patients_and_made_once_for_a_phantom_alone(
    project, cohort_folder, monkeypatch
):
    same = replace(project, plan=replace(project.plan, external=str(cohort_folder)))
    with pytest.raises(ValueError, match=r"Patients of the project are in .* too"):
        external.open_external(same)
    monkeypatch.setitem(external.PHANTOM_SITE, "n_patients", 12)
    made = external.open_external(project)
    assert (made.tracer, made.size) == ("Rb-82", project.cohort.size)
    when = (project.folder / "external" / "stress.npy").stat().st_mtime_ns
    assert len(external.open_external(project)) == len(made)
    assert (project.folder / "external" / "stress.npy").stat().st_mtime_ns == when
    of_patients = replace(project, cohort=replace(project.cohort, software="a workstation"))
    assert external.open_external(of_patients) is None


def test_thresholds_are_the_frozen_ones_and_a_refit_is_judged_on_others(
    project, plan, write_model, random_scores
):
    model = main_model(plan, "stress")
    write_model(project, model)
    site = pn.make_phantom_cohort(200, seed=5, size=32)
    with pytest.raises(KeyError, match="not in"):
        external.score_external(project, [model], site)
    freeze(project, [model])
    folder = project.folder / "external_scores"
    external.score_external(project, [], site)  # notes which maps are scored
    for network in model.networks:
        scores = random_scores(site, plan.traits, seed=network.config.seed)
        scores.to_csv(folder / f"{network.name}.csv", index_label="study_id")
    external.score_external(project, [model], site)  # all there: nothing is loaded
    table = external.threshold_table(project, model, site).set_index(["trait", "chosen_by"])
    decided = frozen_decisions(project, model.name)
    found = external.external_scores(project, model)
    for (trait, name), row in table.iterrows():
        assert row["threshold"] == decided[trait]["thresholds"][name]
        labels = first_labels(site, trait)
        called = found.loc[labels.index, trait] >= row["threshold"]
        assert row["tp"] == (called & (labels == 1)).sum()
        assert row["fp"] == (called & (labels == 0)).sum()
    sex = external.model_table(project, model, site).query("trait == 'sex'")
    sex = sex.set_index("recalibration")
    counts = sex["n_pos"] + sex["n_neg"]
    assert counts["none"] == counts["frozen"] == site.patients.nunique()
    assert abs(2 * counts["refitted on half"] - counts["none"]) <= 2
    # Fitted and judged on the same patients, it would be 0 exactly.
    assert abs(sex.loc["refitted on half", "intercept"]) > 1e-3
    with pytest.raises(ValueError, match=r"different studies or their patients.* Delete"):
        external.score_external(project, [model], site.select(np.arange(100)))


# === Other definitions of impaired MFR ==========================================================


def test_one_territory_below_two_impairs_though_the_global_reserve_does_not(phantom):
    """Rest 1 everywhere: the reserve of a territory is its stress flow. The global one lies
    between those of the territories."""
    cohort = cohort_of([flow(3, LCx=1.5), flow(3), flow(1.9)], impaired_mfr=[0.0, 0.0, 1.0])
    assert cohort.global_mfr()["S0"] > 2
    found = sensitivity.territory_mfr(cohort).loc["S0"].to_dict()
    assert found == pytest.approx({"LAD": 3, "RCA": 3, "LCx": 1.5})
    assert sensitivity.mfr_labels(cohort)["any territory"].tolist() == [1, 0, 1]
    of_territories = sensitivity.territory_mfr(phantom)
    assert (of_territories.min(axis=1) <= phantom.global_mfr() + 1e-9).all()
    assert (of_territories.max(axis=1) >= phantom.global_mfr() - 1e-9).all()


def test_rest_flow_is_normalised_to_a_product_of_ten_thousand():
    """By hand: 60 x 120 = 7,200, so rest flow grows by 10,000 / 7,200 and 2.5 becomes 1.8;
    at 100 x 150 = 15,000 it shrinks, and 1.6 becomes 2.4.
    """
    mfr = pd.Series([2.5, 1.6, 2.5, 2.5])
    rate, systolic = pd.Series([60, 100, 0, 60.0]), pd.Series([120, 150, 120, NAN])
    found = sensitivity.corrected_mfr(mfr, rate, systolic).tolist()
    assert found == pytest.approx([1.8, 2.4, NAN, NAN], nan_ok=True)
    clinic = {"hr_rest": [60, 100, NAN], "sbp_rest": [120, 150, 120]}
    whole = cohort_of([flow(2.5), flow(1.6), flow(2.5)], clinic, impaired_mfr=[0.0, 1.0, 0.0])
    labels = sensitivity.mfr_labels(whole)["rate-pressure corrected"].tolist()
    assert labels == pytest.approx([1, 0, NAN], nan_ok=True)


def test_grey_zone_includes_its_ends_and_takes_the_workstations_number_first():
    clinic = {"mfr": [1.9, 2.1, 1.89, 2.11, NAN, NAN]}
    labels = [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    cohort = cohort_of([flow(2.0)] * 4 + [flow(2.05), flow(3)], clinic, impaired_mfr=labels)
    found = sensitivity.mfr_labels(cohort)["without 1.9-2.1"].tolist()
    assert found == pytest.approx([NAN, NAN, 1, 0, NAN, 0], nan_ok=True)


def test_a_definition_that_cannot_be_made_says_why(project, plan, write_model, monkeypatch):
    """The networks score sex; here they stand for impaired MFR."""
    found = sensitivity.mfr_labels(cohort_of([flow(60)], unit="percent", sex=[1.0]))
    assert len(found) == 3
    assert all("mL/min/g" in why for why in found.values())
    write_model(project, main_model(plan, "stress"))
    monkeypatch.setattr(sensitivity, "MFR", "sex")
    test = project.studies("test")
    bare = replace(test, clinical=test.clinical[["hr_rest"]])
    rows = sensitivity.definition_rows(project, bare, "stress")
    reasons = {row["what"]: row["note"] for row in rows}
    expected = "needs clinical columns hr_rest and sbp_rest; no sbp_rest"
    assert reasons["rate-pressure corrected"] == expected


# === Closer looks at the frozen networks ========================================================


def test_thresholds_table_counts_at_the_frozen_thresholds():
    """At 0.5: 6 of 10 with the trait, 2 of 10 without; at 0.3: 10 and 5. Small cells are empty."""
    scores = [0.5] * 6 + [0.3] * 4 + [0.6] * 2 + [0.4] * 3 + [0.1] * 5
    table = decisions.thresholds_table([cell_of(10, 10, scores)]).set_index("point")
    assert table.loc["youden", ["tp", "fp", "fn", "tn"]].tolist() == [6, 2, 4, 8]
    assert table.loc["sensitive", ["tp", "fp", "fn", "tn"]].tolist() == [10, 5, 0, 5]
    assert table.loc["youden", "sensitivity"].startswith("0.60 [")
    small = decisions.thresholds_table([cell_of(9, 11, scores)])
    assert small["tp"].isna().all()
    assert small["note"].str.contains("suppressed: 9 positives").all()


def test_calibration_has_a_row_before_and_one_after():
    """Half of those at 0.5 are positive: as good as the prevalence. A line that makes every
    probability 1/3 misses by 1/9 and 4/9, so Brier 5/18, and 1 - (5/18) / (1/4) = -1/9.
    """
    line = pn.evaluation.Recalibration(intercept=-math.log(2), slope=0.0)
    cells = [cell_of(10, 10, [0.5] * 20, recalibration=line), cell_of(10, 10, [0.5] * 20)]
    table = calibration.calibration_table(cells)
    assert table["probabilities"].tolist() == ["as predicted", "recalibrated"] * 2
    assert table["brier"].tolist()[:3] == pytest.approx([1 / 4, 5 / 18, 1 / 4])
    assert table["scaled_brier"].tolist()[:2] == pytest.approx([0, -1 / 9])
    assert table["intercept"].tolist()[:2] == pytest.approx([0, math.log(2)])
    assert np.isnan(table["brier"][3])
    assert table["note"][3].endswith("no recalibration could be fitted")


def test_surest_errors_come_first_and_bear_no_id():
    cell = cell_of(7, 3, [0.9, 0.49, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.95, 0.05])
    found = failures.surest_errors(cell, pd.Series("", index=cell.labels.index))
    assert {
        name: (part["probability"].tolist(), part["n_errors"].iloc[0])
        for name, part in found.groupby("error")
    } == {"false positive": ([0.95, 0.5], 2), "false negative": ([0.1, 0.2, 0.3, 0.4], 6)}
    assert not {"study_id", "patient_id"} & set(found.columns)


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ({"lad": 0, "rca": 0.1, "lcx": 0, "scar": 0.9}, "no defect"),
        ({"lad": 0.4, "rca": 0.2, "lcx": 0.05, "scar": 0.6, "small_ventricle": -1.5, "uneven": 1,
          "motion_rest": 0.2, "misregistration_stress": 0.0},
         "LAD -40 %, RCA -20 %, fixed part 60 %, large ventricle, uneven stress flow, motion"),
    ],
)  # fmt: skip
def test_what_was_planted_is_said_in_words(truth, told):
    assert failures.planted(truth) == told


def test_expected_widths_come_from_validation_and_stand_beside_those_of_the_paper():
    """Validation has 30 and 90 of its 150 patients, so 200 test patients are expected to hold 40
    and 120. Abstract of the paper: 0.87-0.98."""
    of_val = pd.Series({"n_pos": 30, "n_neg": 90, "auroc": 0.80})
    train = pd.Series([1.0, 0.0, 1.0])
    row = sample_size.planned_row(of_val, train, n_test=200, n_val=150)
    assert row["expected_width"] / 2 == pn.evaluation.auroc_half_width(0.80, 40, 120)
    assert (row["n_train"], row["events_train"], row["val_prevalence"]) == (3, 2, 0.25)
    chance = sample_size.planned_row(of_val.replace({0.80: 0.49}), train, n_test=9, n_val=9)
    assert np.isnan(chance["expected_width"])
    assert chance["why"]
    cell = cell_of(1, 1, [0, 1], map_type="reserve", trait="impaired_mfr")
    assert sample_size.measured_row(cell)["published_width"] == pytest.approx(0.11)


def test_groups_are_those_of_the_who_and_sex_is_adjusted_for_age_alone():
    clinic = {"bmi": [24.9, 25, 29.9, 30.0], "age": [50, 60, 70, 80], "site": ["x", "x", "y", None]}
    cohort = cohort_of([flow(k + 1) for k in range(4)], clinic, sex=[1.0, 0.0, 0.0, NAN])
    groups = subgroups.known_groups(cohort)
    assert set(groups) == {"BMI (kg/m2)", "age (years)", "sex", "site"}
    middle = "25 to below 30"
    assert groups["BMI (kg/m2)"].tolist() == ["below 25", middle, middle, "30 or above"]
    assert groups["sex"].tolist()[:3] == ["female", "male", "male"]
    assert list(subgroups.covariates_of(cohort, "sex")) == ["age"]
    assert list(subgroups.covariates_of(cohort, "diabetes")) == ["age", "sex"]


@pytest.mark.parametrize(("trait", "by"), [("sex", ["site"]), ("diabetes", ["sex", "site"])])
def test_sex_is_never_stratified_by_sex(trait, by):
    cell = cell_of(12, 12, np.linspace(0.9, 0.1, 24), trait=trait)
    groups = {
        "sex": cell.labels.map({1: "female", 0: "male"}),
        "site": cell.labels.map(lambda _: "x"),
    }
    assert [table["variable"][0] for table in subgroups.group_tables(cell, groups)] == by


# === The ceiling of a phantom ===================================================================


def test_distance_is_reader_minus_ceiling(monkeypatch):
    """By hand: of the network's 100 pairs 10 are right and 90 tie, (10 + 45) / 100; of the
    ceiling's 144 one is wrong, 143 / 144.
    """
    cell = cell_of(10, 10, [0.5] * 19 + [0.4])
    many = cell_of(12, 12, [*range(24, 13, -1), 12, 13, *range(11, 0, -1)])
    known = {"sex": ("a reader", many.labels, many.scores)}
    for name, value in (("network_cells", {"sex": cell}), ("baseline_cells", {"sex": cell}),
                        ("comparator", "pattern"), ("load_ceiling", known)):  # fmt: skip
        monkeypatch.setattr(truth, name, lambda *names, value=value: value)
    table = truth.truth_table(None, None, "stress").set_index("series")
    assert table.loc[truth.CEILING, "auroc"] == pytest.approx(143 / 144)
    assert table.loc["network", "auroc"] == pytest.approx(0.55)
    assert table.loc["network", "difference"] == pytest.approx(0.55 - 143 / 144)
    assert table.index[table["is_comparator"]].tolist() == ["pattern"]


def test_patients_have_no_table_of_the_truth(project, capsys):
    project = replace(project, cohort=replace(project.cohort, software="a workstation"))
    truth.develop(project)
    truth.report(project)
    assert capsys.readouterr().out == truth.NO_TRUTH + "\n"
    assert not {"results", "truth"} & {path.name for path in project.folder.iterdir()}


def test_ceiling_is_made_once_from_patients_of_its_own(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr(truth, "READERS", ("global mean", "17 segments"))
    plan = Plan(traits=("sex",), map_types=("stress",), weights=None, truth_patients=60,
                primaries=())  # fmt: skip
    project = Project(tmp_path, plan, phantom, pd.Series("test", index=phantom.patients.index))
    truth.make_ceiling(project)
    reader, labels, scores = truth.load_ceiling(project, "stress")["sex"]
    assert reader in truth.READERS
    assert labels.index.equals(scores.index)
    assert all(name.startswith(f"S{truth.TESTING_SEED}-") for name in labels.index)
    assert len(labels) <= 60  # first studies only
    assert scores.between(0, 1).all()
    before = (tmp_path / "truth" / "labels.csv").stat().st_mtime_ns
    truth.make_ceiling(project)
    assert (tmp_path / "truth" / "labels.csv").stat().st_mtime_ns == before
    own = pn.make_phantom_cohort(20, seed=truth.TESTING_SEED, size=16)
    with pytest.raises(ValueError, match="kept for the ceiling"):
        truth.make_ceiling(replace(project, folder=tmp_path / "other", cohort=own))


# === The whole project ==========================================================================


def test_everything_is_developed_before_the_first_read_of_the_hold_out(monkeypatch, project):
    steps = []
    monkeypatch.delitem(sys.modules, "keras", raising=False)  # forgetting graphs takes long
    for name in run.SCRIPTS:
        module = __import__(name)
        for step in ("develop", "report"):
            monkeypatch.setattr(module, step, lambda _, told=(step, name): steps.append(told))
    run.develop(project)
    run.report(project)
    n = len(run.SCRIPTS)
    assert [step for step, _ in steps] == ["develop"] * n + ["report"] * n
    assert (project.folder / "checklist.html").is_file()
