"""Scripts that repeat whole trainings, by made-up scores: nothing is trained here."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import roc_auc_score


@pytest.fixture
def cross_validated(script, make_cohort, tmp_path):
    """The script's two tables of made-up scores: two repeats of each model, the later the better
    but for "wide", which is the best baseline; and the files themselves."""
    cohort = make_cohort(60)
    labels, rng, files = cohort.traits["sex"], np.random.default_rng(0), {}
    for k, name in enumerate(
        ["global_mean", "lowest_segment", "17_segments", "frozen", "frozen_block1", "wide"]
    ):
        for map_type in ("rest", "stress"):
            for repeat in range(2):
                scores = 0.1 * k * labels + rng.random(60).round(1)
                files[map_type, name, repeat] = scores
                path = tmp_path / f"{map_type}-{name}-{repeat:02d}.csv"
                (scores / 4).to_frame("sex").to_csv(path, index_label="study_id")
    module = script("statistics/cross_validate")
    return (*module.summarise(tmp_path, cohort, ("sex",), ["frozen"]), files, labels)


def test_the_area_of_a_cross_validation_is_the_mean_over_repeats(cross_validated):
    """Known answer: scikit-learn; ties are in the made-up scores."""
    areas, _, files, labels = cross_validated
    table = areas.set_index(["map_type", "model"])["auroc"]
    assert set(areas["map_type"]) == {"rest", "stress", "both"}
    for name in ("17 segments", "frozen", "frozen_block1"):
        expected = np.mean(
            [roc_auc_score(labels, files["stress", name.replace(" ", "_"), k]) for k in range(2)]
        )
        assert table["stress", name] == pytest.approx(expected)


def test_differences_are_those_of_the_areas_and_the_better_bullseye_is_the_bar(cross_validated):
    areas, differences, *_ = cross_validated
    area = areas.set_index(["map_type", "model"])["auroc"]
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
    wins = [module.wins_of(is_positive, list(scores)) for scores in (strong, weak)]
    _, low, high = module.bootstrapped(wins[0] - wins[1])
    drawn = []
    for _ in range(300):
        rows = np.r_[rng.integers(0, 30, 30), rng.integers(30, 70, 40)]
        areas = [roc_auc_score(is_positive[rows], scores[0, rows]) for scores in (strong, weak)]
        drawn.append(areas[0] - areas[1])
    np.testing.assert_allclose([low, high], np.percentile(drawn, [2.5, 97.5]), atol=0.03)


@pytest.fixture
def cohorts():
    """Rows of four phantom cohorts and two cells, as `compare` would give them."""
    rng, rows = np.random.default_rng(2), []
    for cohort in range(4):
        for map_type, is_circular in (("stress", False), ("reserve", True)):
            for model in ("network", "global mean", "17 segments", "finetuned"):
                difference = np.nan if model == "network" else rng.normal(0.02, 0.01)
                rows.append(
                    {"cohort": cohort, "map_type": map_type, "trait": "sex", "model": model,
                     "is_circular": is_circular, "is_comparator": model == "17 segments",
                     "auroc": 0.7, "difference": difference}
                )  # fmt: skip
    return pd.DataFrame(rows)


def test_differences_over_phantom_cohorts_have_the_t_interval(script, cohorts):
    """Known answer: SciPy's one-sample t test."""
    table = script("phantom/replications").summarise(cohorts).set_index("map_type")
    cell = cohorts[cohorts["map_type"] == "stress"].set_index("model")["difference"]
    for name, model in (
        ("difference", "17 segments"), ("to_segments", "17 segments"), ("to_level", "global mean")
    ):  # fmt: skip
        expected = ttest_1samp(cell[model], 0).confidence_interval()
        found = table.loc["stress", [name, f"{name}_low", f"{name}_high"]].tolist()
        assert found == pytest.approx([cell[model].mean(), *expected])
    assert table["is_circular"].tolist() == [False, True]


def test_a_further_mode_is_compared_with_the_first_outside_circular_cells(script, cohorts):
    """`compare` has the first minus the further mode; the table has it the other way round."""
    table = script("phantom/replications").compare_modes(cohorts, ["finetuned"])
    assert table["map_type"].tolist() == ["all", "stress"]
    rows = cohorts[(cohorts["model"] == "finetuned") & (cohorts["map_type"] == "stress")]
    expected = ttest_1samp(-rows["difference"], 0).confidence_interval()
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([*expected])


def test_what_the_network_must_show_is_judged_by_its_bounds(script, cohorts):
    module = script("phantom/replications")
    table = module.summarise(cohorts)
    assert list(module.requirements(table).values()) == [True, True, False]
    table.loc[table["map_type"] == "stress", "to_segments"] = 0.03
    assert all(module.requirements(table).values())
    table.loc[table["map_type"] == "stress", "difference_low"] = -0.011
    assert list(module.requirements(table).values()) == [False, True, True]
