"""Scripts of the study, by made-up scores: nothing is trained here."""

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation import cross_validated_auroc, mean_auroc_difference
from polarnet.reproduction import arms, external, holdout, nested, opening, shares, training
from polarnet.reproduction.plan import Plan

NAN = np.nan
PLAN = Plan(
    weights=None, input_size=32, seeds=(1, 2), val=0.2, test=0.3, shares=(0.5,), folds=3,
    map_types=("stress", "reserve"),
)  # fmt: skip


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "cohort"
    pn.make_phantom_cohort(200, seed=11, size=32).save(folder)
    return folder


@pytest.fixture
def study(cohort_folder, tmp_path):
    return opening.open_reproduction(cohort_folder, tmp_path / "study", PLAN)


def random_scores(cohort, traits, seed):
    values = np.random.default_rng(seed).uniform(0.05, 0.95, (len(cohort), len(traits)))
    return pd.DataFrame(values, index=cohort.patients.index, columns=list(traits))


def write_scores(study, model):
    """Made-up scores of every network of a model, validation and test."""
    for arm in model.arms:
        folder = study.run_folder(arm.name)
        folder.mkdir(parents=True)
        for part in ("val", "test"):
            cohort = study.cohort.select((study.part == part).to_numpy())
            scores = random_scores(cohort, arm.config.traits, seed=arm.config.seed)
            scores.to_csv(folder / f"scores_{part}.csv", index_label="study_id")


# === AUROC of a cross-validation ================================================================


def test_a_cross_validated_auroc_equals_the_one_worked_by_hand():
    """Fold A: AUROC 2/3, fold B: 3/4, three of eight positive.

    Squared influence, positives weighted by 8/3 and negatives by 8/5, mean of each fold:
    A: 64/25 (1/9 + 1/9 + 4/9) / 4 = 0.426667; B: (64/9 / 8 + 64/25 / 8) / 4 = 0.302222.
    Standard error: sqrt((0.426667 + 0.302222) / 2 / 8) = 0.213438.
    """
    labels = [1, 0, 0, 0, 1, 1, 0, 0]
    scores = [0.9, 0.5, 0.1, 0.95, 0.7, 0.2, 0.1, 0.4]
    area = cross_validated_auroc(labels, scores, list("AAAABBBB"))
    assert area.value == pytest.approx(17 / 24)
    assert area.low == pytest.approx(17 / 24 - 1.959964 * 0.213438, abs=1e-5)
    assert area.high == 1


def test_with_one_fold_the_influence_curve_is_delong_s_variance():
    """pROC 1.18, twelve of each class, with ties; DeLong divides by 11 where the curve has 12:

    y <- rep(c(1, 0), 12)
    s <- c(.9,.2,.4,.4,.8,.6,.5,.3,.8,.4,.5,.1,.2,.6,.7,.1,.6,.4,.5,.2,.8,.3,.7,.9)
    r <- roc(y, s, direction = "<"); c(auc(r), sqrt(var(r) * 11 / 12))
    """
    scores = [.9, .2, .4, .4, .8, .6, .5, .3, .8, .4, .5, .1,
              .2, .6, .7, .1, .6, .4, .5, .2, .8, .3, .7, .9]  # fmt: skip
    area = cross_validated_auroc([1, 0] * 12, scores, np.zeros(24))
    assert area.value == pytest.approx(0.7916666666666666)
    error = (area.high - area.low) / 2 / 1.9599639845
    assert error == pytest.approx(0.09559652706900142, abs=1e-9)


def test_scores_of_two_folds_are_never_compared():
    labels, folds = [1, 0, 1, 0, 1, 0], [1, 1, 1, 2, 2, 2]
    low_and_high = [0.2, 0.1, 0.3, 0.8, 0.9, 0.7]
    area = cross_validated_auroc(labels, low_and_high, folds)
    assert area.value == 1
    assert area.method == "not estimable"


def test_a_fold_of_one_class_is_named():
    with pytest.raises(ValueError, match="Fold b holds one class only \\(2 patients\\)"):
        cross_validated_auroc([1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], list("aabb"))
    with pytest.raises(ValueError, match="4 scores need a fold each, but 3 are named"):
        cross_validated_auroc([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], ["a", "a", "a", None])


LABELS = [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1]
FIRST = [.9, .2, .4, .7, .1, .6, .5, .3, .8, .4, .5, .9, .2, .6, .7,
         .1, .3, .4, .5, .2, .8, .3, .7, .1, .6, .4, .9, .2, .5, .3]  # fmt: skip
SECOND = [.6, .3, .5, .5, .2, .4, .6, .1, .9, .2, .7, .3, .4, .5, .8,
          .6, .2, .7, .1, .3, .4, .5, .2, .6, .7, .3, .5, .4, .1, .8]  # fmt: skip


def pairs(who):
    """Both scores of 120 patients, those of 30 four times."""
    table = pd.DataFrame({"label": LABELS * 4, "first": FIRST * 4, "second": SECOND * 4})
    return table.set_index(pd.Index([f"{who}{k}" for k in range(120)]))


def test_the_bootstrapped_difference_agrees_with_paired_delong():
    """pROC 1.18 on the 120 rows: roc.test(roc(y, a), roc(y, b), paired = TRUE)
    AUROC 0.8912037 and 0.8425926, interval of the difference -0.0526412 to 0.1498634."""
    found = mean_auroc_difference([pairs("p")], seed=1)
    assert found.value == pytest.approx(0.8912037 - 0.8425926, abs=1e-6)
    assert found.low == pytest.approx(-0.0526412, abs=0.015)
    assert found.high == pytest.approx(0.1498634, abs=0.015)


def test_other_patients_narrow_the_mean_difference_and_the_same_ones_do_not():
    def width(*parts):
        found = mean_auroc_difference(parts, seed=1)
        return found.high - found.low

    one = width(pairs("p"))
    assert width(pairs("p"), pairs("p")) == pytest.approx(one)
    assert width(pairs("p"), pairs("q")) == pytest.approx(one / np.sqrt(2), rel=0.1)


# === Cohort table ===============================================================================


def test_a_standardised_difference_is_austin_s(script):
    """By hand. Shares 1/2 and 1/4: 0.25 / sqrt((0.25 + 0.1875) / 2) = 0.534522. Means 4 and 2,
    variances 4 and 1: 2 / sqrt(2.5) = 1.264911."""
    smd = script("cohort_table").standardised_difference
    shares_of = pd.Series([1, 0, 1, 0.0]), pd.Series([1, 0, 0, 0, NAN])
    assert smd(*shares_of) == pytest.approx(0.534522, abs=1e-6)
    numbers = pd.Series([2, 4, 6.0]), pd.Series([1, NAN, 2, 3])
    assert smd(*numbers) == pytest.approx(1.264911, abs=1e-6)
    assert smd(*numbers[::-1]) == pytest.approx(-1.264911, abs=1e-6)
    assert np.isnan(smd(pd.Series([1.0]), numbers[1]))
    assert np.isnan(smd(pd.Series([5.0, 5]), pd.Series([5.0, 5])))


def test_the_cohort_table_counts_what_is_missing_and_only_first_studies(script):
    module = script("cohort_table")
    cohort = pn.make_phantom_cohort(60, seed=3, size=16)
    values = module.patient_values(cohort, ("sex",))
    assert len(values) == cohort.patients.nunique() < len(cohort)
    train = pd.DataFrame({"sex": [1, 1, 0, NAN], "age": [50, 60, 70, 80.0]})
    rows = module.cohort_table({"train": train, "val": train, "test": train.assign(sex=NAN)})
    rows = rows.set_index("variable")
    assert rows.loc["sex, n (%)", "train"] == "2 (66.7)"
    assert rows.loc["age, mean (SD)", "val"] == "65.0 (12.9)"
    assert rows.loc["sex, n (%)", ["missing_train", "missing_test"]].tolist() == [1, 4]
    assert rows.loc["sex, n (%)", "test"] == "not recorded"
    assert rows.loc["patients", "test"] == "4"


def test_patients_without_a_label_are_set_against_those_with_one(script):
    values = pd.DataFrame(
        {"smoking": [1, 0, NAN, NAN], "sex": [1, 0, 1, 0], "age": [40, 50, 70, 80.0]}
    )
    table = script("cohort_table").missing_labels(values, ("sex", "smoking"))
    assert table["trait"].unique().tolist() == ["smoking"]
    age = table.set_index("variable").loc["age"]
    assert age[["n_labelled", "n_unlabelled", "mean_labelled", "mean_unlabelled"]].tolist() == [
        2, 2, 45, 75,
    ]  # fmt: skip
    assert age["smd"] == pytest.approx(30 / np.sqrt(50))


# === Comparisons on the hold-out ================================================================


def test_a_circular_cell_counts_in_no_mean(script, study):
    module = script("single_task")
    model = arms.main_model(PLAN, "reserve")
    singles = [m for m in arms.single_task_models(PLAN) if m.name.startswith("reserve-frozen-only")]
    for made in (model, *singles):
        write_scores(study, made)
    holdout.freeze(study, [])
    test = holdout.read_hold_out(study, by="a test", what_for="labels")
    single = module.single_scores(study, model, holdout.hold_out_scores)
    assert list(single) == list(PLAN.traits)
    cells = module.cells_of(study, model, single, test)
    of_mfr = cells.set_index("trait").loc["impaired_mfr"]
    assert of_mfr["is_circular"]
    assert of_mfr["difference"] == pytest.approx(of_mfr["auroc_multi"] - of_mfr["auroc_single"])
    row = module.mean_row(cells, holdout.hold_out_scores(study, model), single, test).iloc[0]
    counted = cells[(cells["trait"] != "impaired_mfr") & cells["auroc_multi"].notna()]
    assert row["note"].startswith(f"traits: {len(counted)}, ")
    assert row["auroc_multi"] == pytest.approx(counted["auroc_multi"].mean())
    assert row["difference"] == pytest.approx(counted["difference"].mean())


def test_the_comparator_of_a_table_is_the_frozen_one_where_studies_are_repeated(study):
    """The first study of each patient decides; the later ones speak for the other baseline."""
    is_later = study.val.patients.duplicated()
    labels = study.val.traits["sex"]
    right, wrong = 0.5 + 0.4 * (labels - 0.5), 0.5 - 0.99 * (labels - 0.5)
    one = right.where(~is_later, wrong).to_frame()
    other = (0.5 + 0.39 * (labels - 0.5)).to_frame()
    scores = {"network": one, "one": one, "other": other}
    holdout.freeze(study, [], {f"stress: {name}": scores[name] for name in ("one", "other")})
    test = holdout.read_hold_out(study, by="a test", what_for="labels")
    of_test = random_scores(test, ["sex"], seed=1)
    table = pn.compare({name: (some, of_test) for name, some in scores.items()}, study.val, test,
                       "stress")  # fmt: skip
    assert is_later.any()
    assert holdout.comparator(study, "stress", "sex", ["one", "other"]) == "one"
    assert table.loc[table["is_comparator"], "model"].tolist() == ["one"]


def test_proxies_that_a_cohort_has_are_named(script):
    cohort = pn.make_phantom_cohort(40, seed=3, size=16)
    cohort.clinical["hba1c"] = np.linspace(5, 9, len(cohort))
    found = script("baselines").proxies_of(cohort, PLAN)
    assert found["diabetes"] == ["hba1c"]
    assert found["hypertension"] == ["sbp_rest", "sbp_stress"]
    assert "smoking" not in found


@pytest.mark.parametrize(
    ("area", "is_circular", "said"),
    [(0.98, True, " reaches 0.98"), (0.979, True, "does NOT reach"), (0.99, False, "No circular")],
)
def test_the_ceiling_is_said_of_the_circular_cell_alone(script, area, is_circular, said):
    table = pd.DataFrame({"map_type": ["reserve"], "trait": ["impaired_mfr"], "n_pos": [30],
                          "n_neg": [70], "encoding": ["absolute"], "auroc": [area],
                          "is_circular": [is_circular]})  # fmt: skip
    line = script("encoding_ablation").ceiling_line(table)
    assert said in line
    assert ("30 with, 70 without" in line) == is_circular


def test_a_baseline_on_a_share_sees_the_patients_that_the_network_saw(study, monkeypatch):
    seen, again = [], []

    def fit(train, others, **settings):
        seen.append((settings["map_type"], settings["seed"], set(train.patients)))
        value = settings["seed"] / 10
        if settings["chosen"]:
            again.append(settings["chosen"]["17 segments"]["sex"])
            assert again[-1] == value
        (table,) = (pd.DataFrame({"sex": value}, index=c.patients.index) for c in others)
        table.attrs["chosen"] = {"sex": value}
        return {"17 segments": [table]}

    monkeypatch.setattr(shares, "baseline_scores", fit)
    found = shares.fit_on_shares(study)
    assert list(found) == [f"{m}: 17 segments, 50%, seed {s}"
                           for m in ("stress", "reserve") for s in (1, 2)]  # fmt: skip
    for _, seed, patients in seen:
        assert patients == set(training.share_of(study.train, 0.5, seed=seed).patients)
    with pytest.raises(ValueError, match="nothing was frozen"):
        shares.score_on_shares(study, by="a test")
    holdout.freeze(study, [], found)
    shares.score_on_shares(study, by="a test")
    first, second = shares.load_on_shares(study, "stress", 0.5)
    assert (first["sex"].unique(), second["sex"].unique()) == (0.1, 0.2)
    assert set(first.index) == set(study.part.index[study.part == "test"])
    shares.fit_on_shares(study)
    assert len(seen) == 8  # twice 2 maps x 2 seeds, and nothing again
    assert len(again) == 4  # the test studies are scored with the penalties that were chosen


# === Nested cross-validation ====================================================================


def test_nested_folds_never_touch_the_hold_out_and_hold_everyone_out_once(study, monkeypatch):
    held = []

    def train_and_score(study, map_type, train, val, held_out, folder):
        groups = [set(cohort.patients) for cohort in (train, val, held_out)]
        assert sum(map(len, groups)) == len(set.union(*groups)) == n_patients
        held.append(held_out.patients.index)
        folder.mkdir(parents=True, exist_ok=True)
        value = int(folder.name.removeprefix("network")) / 10
        table = pd.DataFrame({"sex": value}, index=held_out.patients.index)
        table.to_csv(folder / "scores_held_out.csv", index_label="study_id")

    def fit(train, others, **settings):
        scores = pd.DataFrame({"sex": 0.5}, index=others[0].patients.index)
        return {"17 segments": [scores]}

    known = study.part.index[study.part != "test"]
    n_patients = study.cohort.patients[known].nunique()
    monkeypatch.setattr(nested, "_train_and_score", train_and_score)
    monkeypatch.setattr(nested, "baseline_scores", fit)
    nested.train_nested(study, ["stress"])
    assert len(held) == 3 * 3
    scores = nested.nested_scores(study, "stress")
    assert sorted(scores.index) == sorted(known)
    np.testing.assert_allclose(scores["network", "sex"], 0.2)  # mean of 0.1, 0.2, 0.3
    assert set(scores["fold", ""]) == {1, 2, 3}


# === Another site ===============================================================================


def test_a_patient_of_the_study_is_no_external_patient(study, cohort_folder):
    same = opening.Reproduction(
        study.folder, Plan(weights=None, external=str(cohort_folder)), study.cohort, study.part
    )
    with pytest.raises(ValueError, match=r"Patients of the study are in .* too"):
        external.open_external(same)


def test_a_phantom_gets_a_second_site_once_and_patients_get_none(study, monkeypatch):
    monkeypatch.setitem(external.PHANTOM_SITE, "n_patients", 12)
    made = external.open_external(study)
    assert made.tracer == "Rb-82"
    assert made.size == study.cohort.size
    monkeypatch.setattr(external, "make_phantom_cohort", None)
    assert len(external.open_external(study)) == len(made)
    object.__setattr__(study.cohort, "software", "a workstation")
    assert external.open_external(study) is None


def test_thresholds_are_the_frozen_ones_and_a_refit_is_judged_on_others(script, study):
    module = script("external")
    model = arms.main_model(PLAN, "stress")
    write_scores(study, model)
    site = pn.make_phantom_cohort(200, seed=5, size=32)
    with pytest.raises(KeyError, match="not in"):
        external.score_external(study, [model], site)
    holdout.freeze(study, [model])
    external._same_data(study, site)  # as scoring would note
    folder = study.folder / "external_scores"
    for arm in model.arms:
        scores = random_scores(site, PLAN.traits, seed=arm.config.seed)
        scores.to_csv(folder / f"{arm.name}.csv", index_label="study_id")
    external.score_external(study, [model], site)  # all there: nothing is loaded
    table = module.threshold_table(study, model, site).set_index(["trait", "chosen_by"])
    decided = holdout.frozen_decisions(study, model.name)
    for (trait, name), row in table.iterrows():
        assert row["threshold"] == decided[trait]["thresholds"][name]
        labels = holdout.first_labels(site, trait)
        called = external.external_scores(study, model).loc[labels.index, trait] >= row["threshold"]
        assert row["tp"] == (called & (labels == 1)).sum()
        assert row["fp"] == (called & (labels == 0)).sum()
    sex = module.model_table(study, model, site).query("trait == 'sex'")
    sex = sex.set_index("recalibration")
    counts = sex["n_pos"] + sex["n_neg"]
    assert counts["none"] == counts["frozen"] == site.patients.nunique()
    assert abs(2 * counts["refitted on half"] - counts["none"]) <= 2
    # Fitted and judged on the same patients, it would be 0 exactly.
    assert abs(sex.loc["refitted on half", "intercept"]) > 1e-3


# === The whole study =============================================================================


def made_by(scripts, script, study, monkeypatch):
    """What the develop steps of these scripts make, each named."""
    made = set()

    def note(name):
        def call(_, what=(), *others):
            made.update((name, getattr(part, "name", part)) for part in [None, *what])

        return call

    for name in ("train_models", "freeze", "freeze_baselines", "make_ceiling", "train_nested",
                 "fit_on_shares"):  # fmt: skip
        monkeypatch.setattr(pn.reproduction, name, note(name))
    rp = pn.reproduction
    models = rp.frozen_models(study.plan)
    monkeypatch.setattr(
        rp, "develop_frozen", lambda s: (rp.train_models(s, models), rp.freeze(s, models))
    )
    for name in scripts:
        script(name).develop(study)
    return made


def test_all_that_a_table_needs_is_made_before_the_hold_out_is_scored(script, study, monkeypatch):
    whole = script("study")
    needed = made_by(whole.REPORTS, script, study, monkeypatch)
    assert {("make_ceiling", None), ("train_nested", "stress"), ("fit_on_shares", None)} <= needed
    assert needed <= made_by(whole.TRAINING, script, study, monkeypatch)
