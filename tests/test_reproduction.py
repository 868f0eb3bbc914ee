import dataclasses
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

import polarnet as pn
from polarnet.evaluation import baselines
from polarnet.reproduction import arms, holdout, opening, training
from polarnet.reproduction.leaks import refuse_leaks
from polarnet.reproduction.plan import Plan, load_plan, plan_as_text

SMALL = Plan(weights=None, input_size=32, seeds=(1, 2), val=0.2, test=0.25)


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "cohort"
    pn.make_phantom_cohort(150, seed=11, size=32).save(folder)
    return folder


@pytest.fixture
def study(cohort_folder, tmp_path):
    return opening.open_reproduction(cohort_folder, tmp_path / "study", SMALL)


def write_scores(study, model, seed=0, shift=0.0):
    """Made-up scores of every network of a model, validation and test."""
    rng = np.random.default_rng(seed)
    for arm in model.arms:
        folder = study.run_folder(arm.name)
        folder.mkdir(parents=True, exist_ok=True)
        for file, part in (("scores_val.csv", "val"), ("scores_test.csv", "test")):
            index = study.part.index[study.part == part]
            scores = pd.DataFrame(
                rng.uniform(0.1, 0.8, (len(index), len(arm.config.traits))) + shift,
                index=index, columns=list(arm.config.traits),
            )  # fmt: skip
            scores.to_csv(folder / file, index_label="study_id")


# === The plan ===================================================================================


def test_a_plan_survives_its_file(tmp_path):
    plan = Plan(seeds=(4,), proxies={"sex": ("height",)}, primaries=[("rest", "smoking")])
    (tmp_path / "study.yaml").write_text(plan_as_text(plan), encoding="utf-8")
    assert load_plan(tmp_path / "study.yaml") == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sedes: [1]", "unknown setting 'sedes'; did you mean 'seeds'"),
        ("primaries: [[stress, gender]]", "are not among map_types, modes and traits"),
        ("primaries: [[stress, tuned, sex]]", "are not among map_types, modes and traits"),
        ("primaries: [[stress, sex, frozen]]", "are not among map_types, modes and traits"),
        ("primaries: [[stress, sex], [stress, frozen, sex]]", "each primary endpoint once"),
        ("primaries: [stress]", "is .map type, mode, trait., not 'stress'"),
        ("seeds: [1, 1]", "each once"),
        ("shares: [1.5]", "between 0 and 1"),
        ("input_size: 50", "multiple of 16"),
        ("[1]", "must hold lines like"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(tmp_path, text, message):
    (tmp_path / "plan.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_plan(tmp_path / "plan.yaml")


def test_a_primary_without_mode_is_of_the_first_mode():
    assert Plan().primaries == (("stress", "frozen", "impaired_mfr"), ("stress", "frozen", "sex"))
    other = Plan(modes=("finetuned", "frozen"), primaries=[["rest", "sex"]])
    assert other.primaries == (("rest", "finetuned", "sex"),)


def test_own_proxies_stand_beside_the_built_in_ones():
    plan = Plan(proxies={"sex": ("height",)})
    assert "height" in plan.all_proxies["sex"]
    assert any("hba1c" in pattern for pattern in plan.all_proxies["diabetes"])


# === The networks ===============================================================================


def test_no_two_arms_of_one_name_differ():
    plan = Plan(weights=None)
    makers = (arms.main_models, arms.single_task_models, arms.encoding_models, arms.depth_models,
              arms.learning_models, arms.scratch_models)  # fmt: skip
    seen = {}
    for make in makers:
        for model in make(plan):
            for arm in model.arms:
                assert seen.setdefault(arm.name, arm) == arm
    assert "stress-frozen-seed1" in seen
    # By hand: 4 maps x 2 modes, 3 x 6 single, 3 x 3 shares and 4 scratch, 3 seeds each; 3 x 3
    # encodings and 3 x 9 depths beside the main arms.
    assert len(seen) == 3 * (4 * 2 + 3 * 6 + 3 * 3 + 4) + 3 * 3 + 3 * 9


def test_depths_that_need_a_download_are_left_to_those_who_have_the_file():
    trunks = {
        weights: {m.arms[0].config.last_block for m in arms.depth_models(Plan(weights=weights))}
        for weights in ("imagenet", "vgg16.h5", None)
    }
    assert trunks["imagenet"] == {"block1", "block2"}
    assert trunks["vgg16.h5"] == trunks[None] == set(arms.DEPTHS)


def test_only_a_full_study_fine_tunes_its_side_studies():
    assert {m.arms[0].config.mode for m in arms.single_task_models(Plan())} == {"frozen"}
    full = Plan(full=True)
    assert {m.arms[0].config.mode for m in arms.learning_models(full)} == {"frozen", "finetuned"}
    assert full.input_size == 224


def test_the_small_network_sees_no_more_pixels_than_the_maps_have():
    for plan, size in ((Plan(), 64), (Plan(full=True), 64), (Plan(input_size=32), 32)):
        assert {m.arms[0].config.input_size for m in arms.scratch_models(plan)} == {size}


def test_a_smaller_share_is_part_of_a_larger_one_and_keeps_patients_whole(study):
    quarter = training.share_of(study.train, 0.25, seed=3)
    half = training.share_of(study.train, 0.5, seed=3)
    assert set(quarter.patients) < set(half.patients)
    n_patients = study.train.patients.nunique()
    assert half.patients.nunique() == round(0.5 * n_patients)
    for patient in set(half.patients):
        assert (half.patients == patient).sum() == (study.train.patients == patient).sum()


def test_a_model_is_the_mean_of_its_networks(study):
    model = arms.main_model(SMALL, "stress")
    write_scores(study, model)
    first, second = (
        pd.read_csv(study.run_folder(arm.name) / "scores_val.csv", index_col=0)
        for arm in model.arms
    )
    np.testing.assert_allclose(training.val_scores(study, model), (first + second) / 2)


# === The split ==================================================================================


def test_opening_again_gives_the_same_split(study, cohort_folder):
    again = opening.open_reproduction(cohort_folder, study.folder, SMALL)
    assert again.split_digest == study.split_digest
    counted = study.part.groupby(study.cohort.patients).nunique()
    assert (counted == 1).all()


def test_another_plan_or_cohort_is_refused(study, cohort_folder, tmp_path):
    other = dataclasses.replace(SMALL, epochs=7)
    trained = study.run_folder("stress-frozen-seed1")
    trained.mkdir(parents=True)
    (trained / "environment.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"another plan \(epochs: 50 there, 7 here\)"):
        opening.open_reproduction(cohort_folder, study.folder, other)
    pn.make_phantom_cohort(60, seed=12, size=32).save(tmp_path / "other")
    with pytest.raises(ValueError, match="of another cohort"):
        opening.open_reproduction(tmp_path / "other", study.folder, SMALL)


def test_a_plan_that_trained_nothing_yet_may_be_changed(study, cohort_folder):
    other = dataclasses.replace(SMALL, weights="a/slip.weights.h5", split_seed=8)
    again = opening.open_reproduction(cohort_folder, study.folder, other)
    assert load_plan(study.folder / opening.PLAN_FILE) == other
    assert again.split_digest != study.split_digest


def test_a_split_by_date_tests_the_latest_patients(study):
    whole = study.cohort
    dates = pd.Series(pd.date_range("2015-01-01", periods=len(whole)), index=whole.patients.index)
    whole = dataclasses.replace(
        whole, clinical=whole.clinical.assign(scanned=dates.dt.strftime("%Y-%m-%d"))
    )
    plan = dataclasses.replace(SMALL, split_by="scanned")
    part = opening.assign_split(whole, plan).clinical["split"]
    first = dates.groupby(whole.patients).min()
    testing = set(whole.patients[part == "test"])
    assert len(testing) == round(0.25 * whole.patients.nunique())
    assert first[list(testing)].min() > first[~first.index.isin(testing)].max()


def test_a_split_by_site_tests_that_site(study):
    whole = study.cohort
    sites = np.where(whole.patients.str[-1] == "7", "Nord", "Süd")
    whole = dataclasses.replace(whole, clinical=whole.clinical.assign(site=sites))
    plan = dataclasses.replace(SMALL, split_by="site", test_site="Nord")
    part = opening.assign_split(whole, plan).clinical["split"]
    assert set(whole.clinical.loc[part == "test", "site"]) == {"Nord"}
    assert set(whole.clinical.loc[part != "test", "site"]) == {"Süd"}
    with pytest.raises(ValueError, match="No study has 'West'"):
        opening.assign_split(whole, dataclasses.replace(plan, test_site="West"))
    with pytest.raises(ValueError, match="No column 'clinic'"):
        opening.assign_split(whole, dataclasses.replace(plan, split_by="clinic"))


# === Leaks ======================================================================================


def save_and_open(cohort, tmp_path, plan=SMALL):
    cohort.save(tmp_path / "changed")
    return opening.open_reproduction(tmp_path / "changed", tmp_path / "out", plan)


def test_a_study_twice_under_two_patients_is_refused(study, tmp_path):
    """The copy has a hair more flow, so that not a pixel is the same."""
    whole = study.cohort
    a = int(np.flatnonzero(study.part == "train")[0])
    b = int(np.flatnonzero(study.part == "test")[0])
    maps = {m: np.array(whole.maps[m][:]) for m in ("rest", "stress")}
    for stack in maps.values():
        stack[b] = 1.01 * stack[a]
    clinical = whole.clinical.assign(split=study.part)
    twin = dataclasses.replace(whole, maps=maps, clinical=clinical)
    with pytest.raises(ValueError, match="all but the same") as caught:
        save_and_open(twin, tmp_path)
    assert whole.patients.index[a] in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_twin_among_20_000_studies_is_found_in_little_memory():
    """All pairs at once are 20,000 x 20,000 numbers, 3,200 MB."""
    n, rng = 20_000, np.random.default_rng(0)
    maps = rng.uniform(1, 3, (n, 8, 8)).astype(np.float32) * pn.anatomy.disc_mask(8)
    maps[17_003] = 1.01 * maps[41]
    index = pd.Index([f"S{k}" for k in range(n)], name="study_id")
    many = pn.Cohort(
        maps={"stress": maps}, traits=pd.DataFrame({"sex": rng.integers(0, 2, n) * 1.0}, index),
        patients=pd.Series([f"P{k}" for k in range(n)], index), unit="mL/min/g",
        clinical=pd.DataFrame(index=index), truth=pd.DataFrame(index=index),
    )  # fmt: skip
    part = pd.Series(np.repeat(["train", "val", "test"], (14_000, 2_500, 3_500)), index)
    tracemalloc.start()
    with pytest.raises(ValueError, match="maps of S41 and S17003 are all but the same"):
        refuse_leaks(many, part, Plan(traits=("sex",), primaries=(), map_types=("stress",)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150e6


def test_a_column_that_is_the_label_is_refused_unless_named_a_proxy(study, tmp_path):
    whole = study.cohort
    noise = np.random.default_rng(0).normal(0, 0.1, len(whole))
    leaky = dataclasses.replace(
        whole, clinical=whole.clinical.assign(marker=whole.traits["smoking"] + noise)
    )
    with pytest.raises(ValueError, match=r"'marker' alone tells smoking.*proxies"):
        save_and_open(leaky, tmp_path)
    plan = dataclasses.replace(SMALL, proxies={"smoking": ("marker",)})
    assert opening.open_reproduction(tmp_path / "changed", tmp_path / "out", plan)


def test_a_mark_burned_into_the_maps_is_refused(study, tmp_path):
    whole = study.cohort
    maps = {m: np.array(whole.maps[m][:]) for m in ("rest", "stress")}
    maps["stress"][whole.traits["diabetes"].to_numpy() == 1, 20, 9] = 9.0
    marked = dataclasses.replace(whole, maps=maps)
    with pytest.raises(ValueError, match="row 20, column 9 of stress maps alone tells diabetes"):
        save_and_open(marked, tmp_path)


# === The hold-out ===============================================================================


def test_the_hold_out_is_closed_until_something_is_frozen(study):
    with pytest.raises(ValueError, match="nothing was frozen yet"):
        holdout.read_hold_out(study, by="test", what_for="labels")
    assert not (study.folder / "test_reads.csv").exists()


def test_every_read_is_logged_with_the_freeze_it_relied_on(study):
    holdout.freeze(study, [])
    for what_for in ("maps", "labels"):
        test = holdout.read_hold_out(study, by="a_script", what_for=what_for)
    assert list(test.patients.index) == list(study.part.index[study.part == "test"])
    rows = pd.read_csv(study.folder / "test_reads.csv")
    assert rows["by"].tolist() == ["a_script", "a_script"]
    assert rows["what_for"].tolist() == ["maps", "labels"]
    assert rows["freeze_sha256"].nunique() == 1
    assert set(rows["studies"]) == {len(test)}


def test_what_was_frozen_cannot_change(study):
    model = arms.main_model(SMALL, "stress")
    write_scores(study, model)
    holdout.freeze(study, [model])
    before = (study.folder / "freeze.json").read_bytes()
    holdout.freeze(study, [model])
    assert (study.folder / "freeze.json").read_bytes() == before
    write_scores(study, model, shift=0.1)
    with pytest.raises(ValueError, match="stress-frozen was frozen with other validation scores"):
        holdout.freeze(study, [model])
    assert (study.folder / "freeze.json").read_bytes() == before


def test_thresholds_are_those_of_validation_patients(study):
    """A perfect score on validation: any threshold between the classes, sensitivity 1."""
    model = arms.main_model(SMALL, "stress")
    write_scores(study, model)
    labels = study.val.traits["sex"]
    for arm in model.arms:
        path = study.run_folder(arm.name) / "scores_val.csv"
        scores = pd.read_csv(path, index_col=0)
        scores["sex"] = 0.2 + 0.5 * labels
        scores.to_csv(path, index_label="study_id")
    holdout.freeze(study, [model])
    frozen = holdout.frozen_decisions(study, "stress-frozen")
    assert frozen["sex"]["thresholds"]["youden"] == pytest.approx(0.7)
    assert frozen["sex"]["recalibration"] is None  # classes apart: nothing to fit
    assert set(frozen) == set(SMALL.traits)
    with pytest.raises(KeyError, match="rest-frozen is not in"):
        holdout.frozen_decisions(study, "rest-frozen")


def test_the_comparator_has_the_lowest_validation_log_loss(study):
    labels = study.val.traits["sex"].fillna(0)
    good, poor = (pd.DataFrame({"sex": 0.5 + s * (labels - 0.5)}) for s in (0.6, 0.1))
    holdout.freeze(study, [], {"rest: global mean": poor, "rest: 17 segments": good})
    assert holdout.comparator(study, "rest", "sex", ("global mean", "17 segments")) == "17 segments"
    with pytest.raises(ValueError, match="No baseline of rest maps scores smoking"):
        holdout.comparator(study, "rest", "smoking", ("global mean",))


def test_a_network_that_was_not_frozen_scores_no_test_study(study):
    with pytest.raises(KeyError, match="freeze it first"):
        holdout.score_hold_out(study, [arms.main_model(SMALL, "rest")], by="test")


def test_labels_count_one_study_a_patient(study):
    labels = holdout.first_labels(study.cohort, "diabetes")
    assert not study.cohort.patients[labels.index].duplicated().any()
    assert labels.notna().all()


def test_a_freeze_names_the_commit_of_its_runs(study):
    folder = study.run_folder("a")
    folder.mkdir(parents=True)
    (folder / "environment.json").write_text(json.dumps({"commit": "abc"}), encoding="utf-8")
    holdout.freeze(study, [])
    frozen = json.loads((study.folder / "freeze.json").read_text(encoding="utf-8"))
    assert frozen["commit"] == ["abc"]
    assert frozen["n_test"] == int((study.part == "test").sum())


def test_baselines_of_a_cohort_without_clinic_are_those_of_maps(study, monkeypatch):
    monkeypatch.setattr(baselines, "ROUNDS", (2,))
    for name in ("TREES", "TREES_TO_CHOOSE"):
        monkeypatch.setattr(baselines, name, 2)
    bare = dataclasses.replace(study.train, clinical=study.train.clinical.iloc[:, :0])
    scores = pn.baseline_scores(
        bare, [bare], map_type="stress", traits=("diabetes",), seed=1, models=pn.BASELINES
    )
    assert tuple(scores) == pn.OF_THE_MAP


def test_the_plan_with_every_setting_states_the_defaults():
    path = Path(__file__).parents[1] / "experiments" / "configs" / "study.yaml"
    assert load_plan(path) == Plan()
    assert set(yaml.safe_load(path.read_text(encoding="utf-8"))) == set(vars(Plan())) - {
        "weights", "full",
    }  # fmt: skip
