"""Baselines, against scikit-learn's own search; what they see, and label leakage."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import polarnet as pn
from polarnet.evaluation import baselines
from polarnet.evaluation.baselines import (
    BASELINES,
    CLINICAL,
    OF_THE_MAP,
    baseline_scores,
    clinical_features,
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
    """A cohort of stress maps with given segment means."""

    def make(segments):
        painted = np.insert(segments, 0, 0.0, axis=1)[:, pn.anatomy.segment_map(SIZE)]
        return make_cohort(len(segments), size=SIZE, maps={"stress": painted.astype(np.float32)})

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


@pytest.mark.parametrize("name", ["gradient boosting", "random forest"])
def test_trees_are_those_of_a_grid_search_on_patient_folds(phantom, monkeypatch, name):
    """Known answer: HistGradientBoostingClassifier, every length fitted anew, or
    RandomForestClassifier in GridSearchCV."""
    rounds = list(range(1, 9))
    monkeypatch.setattr(baselines, "ROUNDS", rounds)
    monkeypatch.setattr(baselines, "LEARNING_RATES", (0.02, 0.5))
    monkeypatch.setattr(baselines, "TREES", 15)
    monkeypatch.setattr(baselines, "TREES_TO_CHOOSE", 15)

    def found(seed):
        asked = {"map_type": "reserve", "traits": ["impaired_mfr"], "models": [name]}
        return baseline_scores(phantom, [phantom], seed=seed, **asked)[name][0]["impaired_mfr"]

    maps = map_features(phantom, "reserve")
    if name == "random forest":
        trees, grid = RandomForestClassifier(15, random_state=0), {"min_samples_leaf": [5, 15, 50]}
        features = maps["segments"]
        assert not found(0).equals(found(1))
    else:
        trees = HistGradientBoostingClassifier(max_depth=3, early_stopping=False, random_state=0)
        grid = {"learning_rate": [0.02, 0.5], "max_iter": rounds}
        features = np.hstack([maps["segments"], maps["deviation"], maps["lowest territory"]])
    expected = _searched(trees, grid, phantom, features, "impaired_mfr")
    np.testing.assert_allclose(found(0), expected, atol=1e-12)
    pd.testing.assert_series_equal(found(0), found(0))


@pytest.mark.usefixtures("few_tries")
def test_planted_signals_are_found_by_the_models_that_can_see_them(from_segments):
    """A low segment anywhere, which no sum of segments tells; and the fifth segment alone."""
    rng = np.random.default_rng(4)
    segments = 2 + 0.3 * rng.standard_normal((400, 17))
    is_low = segments[:, 4] + 0.1 * rng.standard_normal(400) < 1.9
    is_ill = np.arange(400) % 3 == 0
    segments[is_ill, rng.integers(0, 17, 400)[is_ill]] = 0.5
    cohort = from_segments(segments)
    cohort = dataclasses.replace(cohort, traits=_traits(cohort, anywhere=is_ill, fifth=is_low))
    train, test = _halves(cohort)
    scores = baseline_scores(
        train, [test], map_type="stress", traits=["anywhere", "fifth"], seed=0, models=OF_THE_MAP
    )
    area = pd.DataFrame({name: {t: _auroc(test, table, t) for t in table}
                         for name, (table,) in scores.items()})  # fmt: skip
    assert area.loc["anywhere", ["lowest segment", "wide"]].min() > 0.98
    assert area.loc["anywhere", ["global mean", "17 segments"]].max() < 0.85
    blind = ["global mean", "lowest segment"]
    assert area.loc["fifth", blind].max() < 0.75
    assert area.loc["fifth"].drop(blind).min() > 0.85
    assert area.shape == (2, 7)


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
    percent = dataclasses.replace(phantom, unit="percent", maps={"stress": phantom.maps["stress"]})
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
    others, pressure = (
        ["age", "bmi", "known_cad", "hr_rest", "hr_stress"],
        ["sbp_rest", "sbp_stress"],
    )
    assert list(clinical_features(phantom, "hypertension")) == [*others, "sex"]
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
def test_every_model_chooses_on_the_same_patient_folds_and_what_was_chosen_stays(
    phantom, monkeypatch
):
    """Fitted once more with what was chosen, as from a file, no model tries anything again."""
    given = []
    for name, (see, (choose_as_before, fit)) in baselines._MODELS.items():

        def choose(features, labels, folds, seed, choose_as_before=choose_as_before):
            given.append(folds)
            return choose_as_before(features, labels, folds, seed)

        monkeypatch.setitem(baselines._MODELS, name, (see, (choose, fit)))
    asked = {"map_type": "rest", "traits": ["diabetes"], "seed": 4, "models": BASELINES}
    found = baseline_scores(phantom, [phantom], **asked)
    patients = phantom.patients[phantom.traits["diabetes"].notna()].to_numpy()
    assert pd.Series(patients).duplicated().any()
    assert len(given) == len(BASELINES)
    assert all(folds is given[0] for folds in given)
    for seen, held in given[0]:
        assert not set(patients[seen]) & set(patients[held])
    held_once = np.concatenate([held for _, held in given[0]])
    assert (len(given[0]), sorted(held_once)) == (5, list(range(len(patients))))

    chosen = {name: tables[0].attrs["chosen"] for name, tables in found.items()}
    chosen = json.loads(json.dumps(chosen))
    again = baseline_scores(phantom, [phantom], **asked, chosen=chosen)
    assert len(given) == len(BASELINES)
    for name, (table,) in found.items():
        pd.testing.assert_frame_equal(table, again[name][0])


def test_ridge_on_wide_features_of_the_caller_is_that_of_a_grid_search(phantom):
    """Known answer: scikit-learn's Newton solver on all 300 standardised columns."""
    rng = np.random.default_rng(5)
    hidden = rng.standard_normal((len(phantom), 5))
    hidden[:, 0] += 3 * phantom.traits["sex"]
    features = hidden @ rng.standard_normal((5, 300)) + rng.standard_normal((len(phantom), 300))
    scores = baseline_scores(
        phantom, [phantom], map_type="stress", traits=["sex"], seed=0, models=[],
        features={"own": [features, features]},
    )  # fmt: skip
    newton = LogisticRegression(solver="newton-cholesky", tol=1e-8, max_iter=1000)
    grid = {"logisticregression__C": np.logspace(-4, 2, 13)}
    expected = _searched(make_pipeline(StandardScaler(), newton), grid, phantom, features, "sex")
    np.testing.assert_allclose(scores["own"][0]["sex"], expected, atol=1e-4)
    assert 1e-4 < scores["own"][0].attrs["chosen"]["sex"] < 100


def test_unknown_models_and_features_that_do_not_fit_the_studies_are_refused(make_cohort):
    cohort = make_cohort(6)
    asked = {"map_type": "rest", "traits": ["sex"], "seed": 0}
    with pytest.raises(ValueError, match="Unknown baselines: 17 segment; use global mean, lowest"):
        baseline_scores(cohort, [cohort], **asked, models=["17 segment"])
    whole, others = np.ones((6, 3)), (np.ones((4, 3)), np.ones((6, 2)), np.ones(6))
    for arrays in (*([whole, other] for other in others), [others[-1]] * 2, [whole[:5], whole]):
        with pytest.raises(ValueError, match=r"of training, \(6, p\), but have shape \(\d"):
            baseline_scores(cohort, [cohort], **asked, models=[], features={"own": arrays})


@pytest.mark.usefixtures("few_tries")
@pytest.mark.parametrize("rows", [[3], [1, 3, 5]], ids=["one study", "three studies"])
def test_one_positive_patient_or_column_of_few_cells_breaks_no_model(make_cohort, rows):
    """The rare column is of one patient: where there are folds, one is fitted without it."""
    has_it = np.isin(np.arange(20), rows)
    table = {"age": np.arange(20.0), "rare": [1.0, 2.0] + [np.nan] * 18}
    cohort = _with(make_cohort(20), table, abnormal=has_it, common=[0, 1] * 10)
    patients = cohort.patients.where(~has_it, "P1").where(cohort.clinical["rare"].isna(), "P1")
    cohort = dataclasses.replace(cohort, patients=patients)
    scores = baseline_scores(
        cohort, [cohort], map_type="combined", traits=["abnormal", "common"], seed=0,
        models=BASELINES,
    )  # fmt: skip
    assert list(scores) == list(BASELINES)
    for (table,) in scores.values():
        assert table.stack().between(0, 1).all()
