"""Scripts that repeat whole trainings, by made-up scores: nothing is trained here."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import polarnet as pn


def test_a_cross_validation_is_the_mean_over_repeats_and_the_better_bullseye_its_bar(
    script, make_cohort
):
    """Known answer: scikit-learn. Two repeats of each model, the later the better but for "wide",
    which is the best baseline; ties are in the made-up scores."""
    cohort = make_cohort(60)
    labels, rng, files = cohort.traits["sex"], np.random.default_rng(0), {}
    repeats_of = {}
    for k, name in enumerate(
        ["global mean", "lowest segment", "17 segments", "frozen", "frozen_block1", "wide"]
    ):
        for map_type in ("rest", "stress"):
            tables = {r: 0.1 * k * labels + rng.random(60).round(1) for r in (0, 1)}
            files |= {(map_type, name, r): scores for r, scores in tables.items()}
            scores = pd.concat(tables, names=["repeat", "study_id"]) / 4
            repeats_of[map_type, name] = scores.to_frame("sex")
    module = script("statistics/cross_validate")
    areas, differences = module.summarise(repeats_of, cohort.traits, ("sex",), ["frozen"])
    area = areas.set_index(["map_type", "model"])["auroc"]
    assert set(areas["map_type"]) == {"rest", "stress", "both"}
    for name in ("17 segments", "frozen", "frozen_block1"):
        repeats = [files["stress", name, k] for k in range(2)]
        expected = np.mean([roc_auc_score(labels, scores) for scores in repeats])
        assert area["stress", name] == pytest.approx(expected)
    assert set(differences["model"]) == {"frozen"}
    for row in differences.itertuples():
        expected = area[row.map_type, row.model] - area[row.map_type, row.minus]
        assert row.difference == pytest.approx(expected)
        assert row.low < row.difference < row.high
    bars = differences[differences["is_bar"]]
    assert bars["map_type"].tolist() == ["rest", "stress", "both"]
    assert set(bars["minus"]) == {"wide"}


def test_the_interval_of_a_difference_is_that_of_drawn_patients(script):
    """Known answer: patients drawn one by one, and scikit-learn's AUROC of those drawn."""
    module, rng = script("statistics/cross_validate"), np.random.default_rng(1)
    is_positive = np.arange(70) < 30
    strong, weak = (shift * is_positive + rng.standard_normal((1, 70)) for shift in (1.5, 0.5))
    wins = [module.wins_of(is_positive, scores) for scores in (strong, weak)]
    _, low, high = module.bootstrapped(wins[0] - wins[1])
    drawn = []
    for _ in range(300):
        rows = np.r_[rng.integers(0, 30, 30), rng.integers(30, 70, 40)]
        areas = [roc_auc_score(is_positive[rows], scores[0, rows]) for scores in (strong, weak)]
        drawn.append(areas[0] - areas[1])
    np.testing.assert_allclose([low, high], np.percentile(drawn, [2.5, 97.5]), atol=0.03)


def test_phantom_cohorts_have_the_t_interval_and_requirements_look_at_its_bounds(script):
    """Known answer: SciPy's one-sample t test. `compare_with_baselines` has the first minus the
    further mode; the table of modes has it the other way round."""
    module, rng, rows = script("phantom/replications"), np.random.default_rng(2), []
    for cohort in range(4):
        for map_type, is_circular in (("stress", False), ("reserve", True)):
            for model in ("network", "global mean", "17 segments", "finetuned"):
                difference = np.nan if model == "network" else rng.normal(0.02, 0.01)
                rows.append(
                    {"cohort": cohort, "map_type": map_type, "trait": "sex", "model": model,
                     "is_circular": is_circular, "is_comparator": model == "17 segments",
                     "auroc": 0.7, "difference": difference}
                )  # fmt: skip
    cohorts = pd.DataFrame(rows)
    table = module.summarise(cohorts)
    assert table["is_circular"].tolist() == [False, True]
    of = cohorts[cohorts["map_type"] == "stress"].set_index("model")["difference"]
    for name, model in (
        ("difference", "17 segments"), ("to_segments", "17 segments"), ("to_level", "global mean")
    ):  # fmt: skip
        expected = [of[model].mean(), *ttest_1samp(of[model], 0).confidence_interval()]
        found = table.loc[0, [name, f"{name}_low", f"{name}_high"]].tolist()
        assert found == pytest.approx(expected)
    modes = module.compare_modes(cohorts, ["finetuned"])
    assert modes["map_type"].tolist() == ["all", "stress"]
    expected = ttest_1samp(-of["finetuned"], 0).confidence_interval()
    assert modes.loc[0, ["low", "high"]].tolist() == pytest.approx([*expected])
    assert list(module.requirements(table).values()) == [True, True, False]
    table.loc[0, "to_segments"] = 0.03
    assert all(module.requirements(table).values())
    table.loc[0, "difference_low"] = -0.011
    assert list(module.requirements(table).values()) == [False, True, True]


def test_what_age_and_bmi_add_is_the_mean_over_cohorts_and_the_ceiling_is_met(script):
    """Known answers: SciPy's interval; a logistic regression on age and the logarithm of BMI, which
    has the form of the simulator's own probability of diabetes, of 3,000 patients."""
    module, rng = script("phantom/clinical_columns"), np.random.default_rng(3)
    models = {"network": 0.7, "maps alone": 0.6, "clinical columns alone": 0.65}
    gains = 0.1 + 0.01 * rng.random(4)
    rows = [
        {"trait": "sex", "model": model, "auroc": area, "oracle": 0.5, "cohort": k,
         "difference": np.nan if model == "network" else gains[k]}
        for model, area in models.items() for k in range(4)
    ]  # fmt: skip
    found = module.summarise(pd.DataFrame(rows)).iloc[0]
    expected = ttest_1samp(gains, 0).confidence_interval()
    assert found[["minus_maps_low", "minus_maps_high"]].tolist() == pytest.approx([*expected])
    assert found["both"] == pytest.approx(0.7)
    cohort = pn.make_phantom_cohort(3000, seed=5, size=16).first_studies()
    labels = cohort.traits["diabetes"].dropna()
    columns = cohort.clinical.loc[labels.index, ["age", "bmi"]].assign(bmi=lambda t: np.log(t.bmi))
    fitted = LogisticRegression(C=1e6, max_iter=1000).fit(columns, labels)
    area = roc_auc_score(labels, fitted.decision_function(columns))
    assert module.oracle(cohort)["diabetes"] == pytest.approx(area, abs=0.005)
