"""Baselines, against scikit-learn's own search; what they see, and what gives a label away."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import polarnet as pn
from polarnet.evaluation import baselines
from polarnet.evaluation.baselines import (
    BASELINES,
    CLINICAL,
    DEFAULT_PROXIES,
    QUICK,
    baseline_scores,
    choose_strength,
    clinical_features,
    fit_ridge,
    inner_folds,
    map_features,
)
from polarnet.traits import MAP_TYPES

SIZE = 16


@pytest.fixture
def few_tries(monkeypatch):
    """Three penalties and few trees, where the best of many is not the point."""
    monkeypatch.setattr(baselines, "STRENGTHS", np.array([0.01, 1.0, 100.0]))
    monkeypatch.setattr(baselines, "ROUNDS", (5, 30))
    monkeypatch.setattr(baselines, "TREES", 20)
    monkeypatch.setattr(baselines, "TREES_TO_CHOOSE", 5)
    monkeypatch.setattr(baselines, "LEAVES", (5, 15))


@pytest.fixture
def from_segments(make_cohort):
    """A cohort of stress maps with given segment means, and of rest maps that are 1 throughout."""

    def make(segments, **changes):
        n = len(segments)
        of_pixel = pn.anatomy.segment_map(SIZE)
        painted = np.concatenate([np.zeros((n, 1)), segments], axis=1)[:, of_pixel]
        rest = np.broadcast_to(pn.anatomy.disc_mask(SIZE), painted.shape).astype(np.float32)
        # Studies that share a rest map are taken for one patient's.
        rest = rest * (1 + np.arange(n)[:, None, None] / 1e5)
        maps = {"rest": rest.astype(np.float32), "stress": painted.astype(np.float32)}
        return make_cohort(n, size=SIZE, maps=maps, **changes)

    return make


def _traits(cohort, **labels):
    return pd.DataFrame(labels, index=cohort.patients.index).astype(float)


def _with(cohort, clinical, **labels):
    clinical = pd.DataFrame(clinical, index=cohort.patients.index)
    return dataclasses.replace(cohort, clinical=clinical, traits=_traits(cohort, **labels))


def _halves(cohort):
    return cohort.select(np.arange(0, len(cohort), 2)), cohort.select(np.arange(1, len(cohort), 2))


def _auroc(cohort, scores, trait):
    return pn.auroc(cohort.traits[trait], scores[trait]).value


def _searched(model, grid, cohort, features, trait):
    """Scores of the model that scikit-learn's own grid search picks on grouped folds."""
    is_known = cohort.traits[trait].notna().to_numpy()
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    search = GridSearchCV(model, grid, scoring="neg_log_loss", cv=folds, error_score="raise")
    labels = cohort.traits[trait].to_numpy()[is_known]
    search.fit(features[is_known], labels, groups=cohort.patients.to_numpy()[is_known])
    return search.predict_proba(features)[:, 1]


def test_the_quick_baselines_are_those_of_a_grid_search(phantom):
    """Known answer: StandardScaler and LogisticRegression in scikit-learn's GridSearchCV, with its
    default solver run to the end."""
    scores = baseline_scores(phantom, [phantom], map_type="stress", traits=["diabetes"], seed=0)
    found = {name: tables[0]["diabetes"] for name, tables in scores.items()}
    assert list(found) == ["global mean", "lowest segment", "17 segments", "wide"]
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=10_000, tol=1e-8))
    grid = {"logisticregression__C": np.logspace(-4, 2, 13)}
    segments = phantom.segment_means("stress")
    lowest, highest, mean = (f(segments, axis=1)[:, None] for f in (np.min, np.max, np.mean))
    for name, features in {
        "17 segments": segments, "wide": np.hstack([segments, lowest, highest, mean])
    }.items():  # fmt: skip
        expected = _searched(plain, grid, phantom, features, "diabetes")
        np.testing.assert_allclose(found[name], expected, atol=1e-5)
    labels = phantom.traits["diabetes"].to_numpy()
    means, is_known = phantom.global_means("stress").to_numpy()[:, None], ~np.isnan(labels)
    for name, number in {"global mean": means, "lowest segment": lowest}.items():
        single = make_pipeline(StandardScaler(), LogisticRegression(C=1e4))
        expected = single.fit(number[is_known], labels[is_known]).predict_proba(number)[:, 1]
        np.testing.assert_array_equal(found[name], expected)


def test_boosted_trees_are_those_of_a_grid_search_on_patient_folds(phantom, monkeypatch):
    """Known answer: HistGradientBoostingClassifier in GridSearchCV, every length fitted anew."""
    rounds = list(range(1, 9))
    monkeypatch.setattr(baselines, "ROUNDS", rounds)
    monkeypatch.setattr(baselines, "LEARNING_RATES", (0.02, 0.5))
    scores = baseline_scores(
        phantom, [phantom], map_type="reserve", traits=["impaired_mfr"], seed=0,
        models=["gradient boosting"],
    )  # fmt: skip
    found = scores["gradient boosting"][0]["impaired_mfr"]
    maps = map_features(phantom, "reserve")
    features = np.hstack([maps["segments"], maps["deviation"], maps["lowest territory"]])
    trees = HistGradientBoostingClassifier(max_depth=3, early_stopping=False, random_state=0)
    grid = {"learning_rate": [0.02, 0.5], "max_iter": rounds}
    expected = _searched(trees, grid, phantom, features, "impaired_mfr")
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_forest_is_that_of_a_grid_search_on_patient_folds_and_of_its_seed(phantom, monkeypatch):
    """Known answer: RandomForestClassifier in GridSearchCV."""
    monkeypatch.setattr(baselines, "TREES", 15)
    monkeypatch.setattr(baselines, "TREES_TO_CHOOSE", 15)

    def scores(seed):
        return baseline_scores(
            phantom, [phantom], map_type="rest", traits=["sex"], seed=seed,
            models=["random forest"],
        )["random forest"][0]  # fmt: skip

    found = scores(0)
    trees = RandomForestClassifier(15, random_state=0)
    grid = {"min_samples_leaf": [5, 15, 50]}
    expected = _searched(trees, grid, phantom, phantom.segment_means("rest"), "sex")
    np.testing.assert_array_equal(found["sex"], expected)
    pd.testing.assert_frame_equal(found, scores(0))
    assert not found.equals(scores(1))


@pytest.mark.usefixtures("few_tries")
def test_disease_that_may_sit_anywhere_is_found_by_the_lowest_segment(from_segments):
    """No sum of segments tells which patients have one that is low."""
    rng = np.random.default_rng(4)
    segments, is_ill = 2 + 0.2 * rng.standard_normal((300, 17)), np.arange(300) % 3 == 0
    segments[is_ill, rng.integers(0, 17, 300)[is_ill]] = 1.0
    cohort = from_segments(segments)
    cohort = dataclasses.replace(cohort, traits=_traits(cohort, abnormal=is_ill))
    train, test = _halves(cohort)
    scores = baseline_scores(train, [test], map_type="stress", traits=["abnormal"], seed=0)
    area = {name: _auroc(test, table, "abnormal") for name, (table,) in scores.items()}
    assert min(area["lowest segment"], area["wide"]) > 0.98
    assert max(area["global mean"], area["17 segments"]) < 0.85


@pytest.mark.usefixtures("few_tries")
def test_a_signal_planted_in_one_segment_is_found_by_ridge_and_by_trees(from_segments):
    rng = np.random.default_rng(0)
    cohort = from_segments(2 + 0.3 * rng.standard_normal((400, 17)))
    planted = cohort.segment_means("stress")[:, 4] + 0.1 * rng.standard_normal(400)
    cohort = dataclasses.replace(cohort, traits=_traits(cohort, abnormal=planted < 1.9))
    train, test = _halves(cohort)
    scores = baseline_scores(
        train, [test], map_type="stress", traits=["abnormal"], seed=0,
        models=pn.evaluation.OF_THE_MAP,
    )  # fmt: skip
    area = {name: _auroc(test, table, "abnormal") for name, (table,) in scores.items()}
    assert max(area.pop("global mean"), area.pop("lowest segment")) < 0.75
    assert len(area) == 5
    assert min(area.values()) > 0.9


@pytest.mark.usefixtures("few_tries")
def test_pattern_is_blind_to_a_factor_of_the_whole_map(from_segments):
    """Doubling is exact in binary numbers, so the score is the very same."""
    rng = np.random.default_rng(1)
    segments = 1 + rng.random((120, 17))
    cohort = from_segments(segments)
    cohort = dataclasses.replace(cohort, traits=_traits(cohort, sex=segments[:, 2] > 1.5))
    doubled, stretched = from_segments(2 * segments), from_segments(1.7 * segments)
    scores = baseline_scores(
        cohort, [cohort, doubled, stretched], map_type="stress", traits=["sex"], seed=0,
        models=["pattern", "17 segments"],
    )  # fmt: skip
    of_cohort, of_doubled, of_stretched = (table["sex"] for table in scores["pattern"])
    assert of_cohort.nunique() > 100
    assert of_cohort.equals(of_doubled)
    np.testing.assert_allclose(of_cohort, of_stretched, atol=1e-5)
    assert not scores["17 segments"][0]["sex"].equals(scores["17 segments"][1]["sex"])


def test_map_features_of_hand_made_maps(from_segments):
    """All segments 2 but for the five of LCx, which are 1 (AHA: 5, 6, 11, 12, 16); and a map of
    nothing but 0, whose pattern is flat."""
    segments = np.full((4, 17), 2.0)
    segments[1, [4, 5, 10, 11, 15]] = 1
    segments[2], segments[3] = 0, 3
    cohort = from_segments(segments)
    of_maps = map_features(cohort, "stress")
    np.testing.assert_allclose(of_maps["segments"], segments)
    inside = cohort.maps["stress"][1][pn.anatomy.disc_mask(SIZE)].astype(float)
    share = (inside == 1).mean()
    for name, values in {
        "lowest territory": [2, 1, 0, 3], "lowest segment": [2, 1, 0, 3],
        "highest segment": [2, 2, 0, 3], "mean of segments": [2, (12 * 2 + 5) / 17, 0, 3],
        "mean": [2, 2 - share, 0, 3], "deviation": [0, np.sqrt(share * (1 - share)), 0, 0],
    }.items():  # fmt: skip
        assert of_maps[name].ravel() == pytest.approx(values), name
    np.testing.assert_allclose(of_maps["pattern"][1], segments[1] / (2 - share))
    assert of_maps["pattern"][2].tolist() == [1] * 17


def test_combined_puts_three_maps_side_by_side(phantom):
    of_maps = map_features(phantom, "combined")
    for k, map_type in enumerate(MAP_TYPES):
        segments = of_maps["segments"][:, 17 * k : 17 * (k + 1)]
        np.testing.assert_array_equal(of_maps["mean"][:, k], phantom.global_means(map_type))
        np.testing.assert_array_equal(segments, phantom.segment_means(map_type))
        np.testing.assert_array_equal(of_maps["lowest segment"][:, k], segments.min(axis=1))
    percent = dataclasses.replace(
        phantom, unit="percent", maps={"stress": np.minimum(phantom.maps["stress"], 9)}
    )
    with pytest.raises(ValueError, match=r"'combined' needs rest, stress, reserve maps.*: rest, r"):
        map_features(percent, "combined")


@pytest.mark.usefixtures("few_tries")
def test_what_gives_a_label_away_never_predicts_it(make_cohort):
    rng = np.random.default_rng(2)
    has_it = rng.random(300) < 0.4
    table = {"HbA1c": 5 + 2.0 * has_it, "age": rng.normal(60, 10, 300)}
    cohort = _with(make_cohort(300), table, diabetes=has_it)
    train, test = _halves(cohort)
    asked = {"map_type": "stress", "traits": ["diabetes"], "seed": 0, "models": CLINICAL}
    for name, (table,) in baseline_scores(train, [test], **asked).items():
        assert _auroc(test, table, "diabetes") < 0.65, name
    for name, (table,) in baseline_scores(train, [test], **asked, proxies={}).items():
        assert _auroc(test, table, "diabetes") == 1, name


@pytest.mark.parametrize(
    ("trait", "names"),
    [
        ("diabetes", ["Fasting glucose", "insulin.units", "metformin_mg", "Type-2-diabetes"]),
        ("hypertension", ["sbp_rest", "DBP", "Blood Pressure", "antihypertensive", "hypertension"]),
        ("dyslipidemia", ["LDL", "hdl_mmol", "Total cholesterol", "triglycerides", "Atorvastatin"]),
        ("smoking", ["pack years", "cotinine", "ex_smoker"]),
        ("sex", ["gender", "Sex", "is_female"]),
        ("impaired_mfr", ["mfr", "Coronary flow reserve", "CFR", "stress_mbf"]),
        ("abnormal", ["Abnormal"]),
    ],
)
def test_proxies_of_each_trait_are_known(make_cohort, trait, names):
    cohort = make_cohort(4)
    table = {name: [1.0, 2.0, 3.0, 4.0] for name in [*names, "age"]}
    cohort = _with(cohort, table, **{trait: [0, 1, 0, 1]})
    assert list(clinical_features(cohort, trait)) == ["age"]


def test_sex_predicts_other_traits_only_and_pressure_all_but_hypertension(phantom):
    others = ["age", "bmi", "known_cad", "hr_rest", "hr_stress"]
    assert list(clinical_features(phantom, "hypertension")) == [*others, "sex"]
    pressure = ["sbp_rest", "sbp_stress"]
    assert list(clinical_features(phantom, "smoking")) == [*others, *pressure, "sex"]
    assert "sex" not in clinical_features(phantom, "sex", proxies={})


def test_only_numbers_that_vary_and_describe_the_patient_count(make_cohort):
    cohort = make_cohort(4)
    numbers = [1.0, 2.0, 3.0, 4.0]
    left_out = dict.fromkeys(
        ["patient_nr_id", "split", "dose_source", "scan date", "birth_year", "mfr"], numbers
    )
    table = left_out | {
        "age": numbers,
        "known_cad": pd.array([True, False, None, True], dtype="boolean"),
        "children": pd.array([0, None, 2, 1], dtype="Int64"),
        "troponin": [1.0, np.inf, 2.0, np.nan],
        "hospital": ["a", "b", "a", "b"],
        "visit": pd.to_datetime(["2020-01-01"] * 3 + ["2021-01-01"]),
        "constant": 7.0,
        "hardly": [np.nan, 3.0, np.nan, np.nan],
        "empty": np.nan,
    }
    clinical = pd.DataFrame(table).set_axis(cohort.patients.index)
    cohort = dataclasses.replace(cohort, clinical=clinical)
    found = clinical_features(cohort, "diabetes")
    assert list(found) == ["age", "known_cad", "children", "troponin", "sex"]
    assert {str(dtype) for dtype in found.dtypes} == {"float64"}
    assert found["known_cad"].isna().tolist() == [False, False, True, False]
    assert found["troponin"].isna().tolist() == [False, True, False, True]


@pytest.mark.usefixtures("few_tries")
def test_missing_clinical_values_become_the_median_and_a_flag(make_cohort):
    """The flag alone carries this label; a column that a later cohort lacks is all missing."""
    rng = np.random.default_rng(3)
    bnp = rng.normal(100, 10, 200)
    is_missing = rng.random(200) < 0.4
    table = {"bnp": np.where(is_missing, np.nan, bnp), "age": rng.normal(60, 9, 200)}
    cohort = _with(make_cohort(200), table, abnormal=is_missing)
    train, test = _halves(cohort)
    without = dataclasses.replace(test, clinical=test.clinical[["age"]])
    scores = baseline_scores(
        train, [test, without], map_type="stress", traits=["abnormal"], seed=0, models=["clinical"]
    )["clinical"]
    assert _auroc(test, scores[0], "abnormal") == 1
    assert (scores[1]["abnormal"] > 0.5).all()


@pytest.mark.usefixtures("few_tries")
def test_a_column_that_one_fold_lacks_altogether_does_no_harm(make_cohort):
    table = {"age": np.arange(20.0) % 7, "rare": [1.0, 2.0] + [np.nan] * 18}
    cohort = _with(make_cohort(20), table, abnormal=[0, 1] * 10)
    patients = cohort.patients.copy()
    patients.iloc[:2] = "P0"  # both of one patient: some fold is fitted without them
    cohort = dataclasses.replace(cohort, patients=patients)
    scores = baseline_scores(
        cohort, [cohort], map_type="stress", traits=["abnormal"], seed=0, models=CLINICAL
    )
    assert scores["clinical"][0]["abnormal"].between(0, 1).all()


@pytest.mark.usefixtures("few_tries")
def test_without_clinical_columns_there_is_no_clinical_model(make_cohort):
    asked = {"map_type": "rest", "seed": 0, "models": BASELINES}
    cohort = make_cohort(20)
    labels = {"sex": [0, 1] * 10, "smoking": [0, 0, 1, 1] * 5}
    cohort = dataclasses.replace(cohort, traits=_traits(cohort, **labels))
    # Sex alone is no clinical model of smoking.
    scores = baseline_scores(cohort, [cohort], traits=["sex", "smoking"], **asked)
    assert list(scores) == [name for name in BASELINES if name not in CLINICAL]
    table = {"hba1c": np.arange(20.0)}
    cohort = _with(cohort, table, diabetes=[0, 1] * 10, smoking=[1, 0] * 10)
    scores = baseline_scores(cohort, [cohort], traits=["diabetes", "smoking"], **asked)
    assert list(scores) == list(BASELINES)
    assert list(scores["clinical"][0]) == ["smoking"]
    assert list(scores["pattern"][0]) == ["diabetes", "smoking"]


@pytest.mark.usefixtures("few_tries")
def test_no_patient_is_in_two_inner_folds_of_any_model(phantom, monkeypatch):
    given = []
    for name, (see, (choose_as_before, fit)) in baselines._MODELS.items():

        def choose(features, labels, folds, seed, choose_as_before=choose_as_before):
            given.append(folds)
            return choose_as_before(features, labels, folds, seed)

        monkeypatch.setitem(baselines._MODELS, name, (see, (choose, fit)))
    baseline_scores(
        phantom, [phantom], map_type="rest", traits=["diabetes"], seed=4, models=BASELINES
    )
    is_known = phantom.traits["diabetes"].notna()
    patients = phantom.patients[is_known].to_numpy()
    assert pd.Series(patients).duplicated().any()
    assert len(given) == len(BASELINES)
    first = given[0]
    assert len(first) == 5
    assert all(folds is first for folds in given)
    for seen, held in first:
        assert not set(patients[seen]) & set(patients[held])
        assert len(seen) + len(held) == len(patients)
    held_once = np.concatenate([held for _, held in first])
    assert sorted(held_once) == list(range(len(patients)))


@pytest.mark.usefixtures("few_tries")
def test_what_was_chosen_once_is_not_tried_again_and_gives_the_same_scores(phantom, monkeypatch):
    asked = {"map_type": "rest", "traits": ["sex", "diabetes"], "seed": 4, "models": BASELINES}
    first = baseline_scores(phantom, [phantom], **asked)
    # As from a file.
    chosen = json.loads(json.dumps({name: tables[0].attrs["chosen"]
                                    for name, tables in first.items()}))  # fmt: skip
    for name, (see, (_, fit)) in baselines._MODELS.items():
        silent = (lambda *_: pytest.fail("tried again"), fit)
        monkeypatch.setitem(baselines._MODELS, name, (see, silent))
    again = baseline_scores(phantom, [phantom], **asked, chosen=chosen)
    for name, (table,) in first.items():
        pd.testing.assert_frame_equal(table, again[name][0])


@pytest.mark.parametrize("strength", [1e-3, 1.0, 100.0])
def test_ridge_on_the_row_space_is_the_ridge_on_all_columns(strength):
    """Known answer: scikit-learn's Newton solver on all 300 standardised columns."""
    rng = np.random.default_rng(5)
    hidden = rng.standard_normal((150, 5))
    features = hidden @ rng.standard_normal((5, 300)) + rng.standard_normal((150, 300))
    labels = (hidden[:, 0] + rng.standard_normal(150) > 0).astype(float)
    model = fit_ridge(features[:100], labels[:100], strength)
    assert model[-1].coef_.shape == (1, 100)
    newton = LogisticRegression(C=strength, solver="newton-cg", tol=1e-10, max_iter=1000)
    plain = make_pipeline(StandardScaler(), newton).fit(features[:100], labels[:100])
    expected = plain.predict_proba(features[100:])
    np.testing.assert_allclose(model.predict_proba(features[100:]), expected, atol=1e-4)


def test_the_penalty_is_the_one_with_the_lowest_loss_over_the_folds():
    """Every fold and penalty fitted one by one on wide features, standardised within the fold."""
    rng = np.random.default_rng(6)
    features, labels = rng.standard_normal((60, 90)), np.arange(60) % 2.0
    features[:, 0] += 2 * labels
    folds, losses = inner_folds(labels, np.arange(60) // 2, seed=1), []
    for strength in baselines.STRENGTHS:
        loss = 0.0
        for seen, held in folds:
            plain = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8)
            plain = make_pipeline(StandardScaler(), plain).fit(features[seen], labels[seen])
            loss += log_loss(labels[held], plain.predict_proba(features[held]))
        losses.append(loss)
    best = int(np.argmin(losses))
    assert baselines.STRENGTHS[best] == choose_strength(features, labels, folds)
    assert 0 < best < len(losses) - 1


@pytest.mark.usefixtures("few_tries")
def test_ridge_on_features_of_the_caller_has_the_folds_of_the_baselines(phantom):
    train, test = _halves(phantom)
    own = [c.segment_means("stress") for c in (train, test)]
    scores = baseline_scores(
        train, [test], map_type="stress", traits=["sex", "diabetes"], seed=7,
        models=["17 segments"], features={"own": own},
    )  # fmt: skip
    pd.testing.assert_frame_equal(scores["own"][0], scores["17 segments"][0])


@pytest.mark.parametrize(
    ("of_train", "of_other"),
    [((6, 3), (4, 3)), ((6, 3), (6, 2)), ((6, 3), (6,)), ((6,), (6,)), ((5, 3), (6, 3))],
)
def test_features_that_do_not_fit_the_studies_are_refused(make_cohort, of_train, of_other):
    cohort, own = make_cohort(6), {"own": [np.ones(of_train), np.ones(of_other)]}
    with pytest.raises(ValueError, match=r"width of training, \(6, p\), but have shape \(\d"):
        baseline_scores(
            cohort, [cohort], map_type="rest", traits=["sex"], seed=0, models=[], features=own
        )


def test_an_unknown_baseline_is_named_with_those_that_exist(phantom):
    with pytest.raises(ValueError, match="Unknown baselines: 17 segment; use global mean, lowest"):
        baseline_scores(
            phantom, [phantom], map_type="rest", traits=["sex"], seed=0, models=["17 segment"]
        )


@pytest.mark.usefixtures("few_tries")
@pytest.mark.parametrize("rows", [[3], [1, 3, 5]], ids=["one study", "three studies"])
def test_one_positive_patient_breaks_no_model(make_cohort, rows):
    has_it = np.isin(np.arange(20), rows)
    cohort = _with(make_cohort(20), {"age": np.arange(20.0)}, abnormal=has_it)
    patients = cohort.patients.where(~has_it, "P1")
    cohort = dataclasses.replace(cohort, patients=patients)
    scores = baseline_scores(
        cohort, [cohort], map_type="combined", traits=["abnormal"], seed=0, models=BASELINES
    )
    assert list(scores) == list(BASELINES)
    assert all(table["abnormal"].between(0, 1).all() for (table,) in scores.values())


def test_default_proxies_are_names_as_they_are_compared():
    patterns = [pattern for of_trait in DEFAULT_PROXIES.values() for pattern in of_trait]
    assert set(DEFAULT_PROXIES) == set(pn.TRAITS)
    assert all(pattern == pattern.lower() and " " not in pattern for pattern in patterns)


def test_baselines_find_a_signal_that_is_there(phantom):
    """Impaired MFR is nearly the mean of the reserve map: the global mean must rank it."""
    train, val, test = pn.split_by_patient(phantom, seed=1)
    scores = baseline_scores(
        train, (val, test), map_type="reserve", traits=("impaired_mfr",), seed=0
    )
    table = pn.evaluate(scores["global mean"][0], phantom.traits)
    labels = val.traits["impaired_mfr"]
    assert pn.auroc(labels, scores["global mean"][0]["impaired_mfr"]).value > 0.95
    assert list(scores) == list(QUICK)
    assert table["n_pos"].iloc[0] == (labels == 1).sum()
