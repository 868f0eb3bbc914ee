import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation import table as tables
from polarnet.evaluation.baselines import QUICK
from polarnet.evaluation.comparison import read_metrics
from polarnet.evaluation.roc import chance_p_value

LABELS = [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1]
FIRST = [
    .9, .2, .4, .7, .1, .6, .5, .3, .8, .4, .5, .9, .2, .6, .7,
    .1, .3, .4, .5, .2, .8, .3, .7, .1, .6, .4, .9, .2, .5, .3,
]  # fmt: skip
SECOND = [
    .6, .3, .5, .5, .2, .4, .6, .1, .9, .2, .7, .3, .4, .5, .8,
    .6, .2, .7, .1, .3, .4, .5, .2, .6, .7, .3, .5, .4, .1, .8,
]  # fmt: skip


def test_delong_interval_equals_proc():
    """R 4.2.2, pROC 1.18.0, y, a, b being the three lists above:
    ra <- roc(y, a, direction = "<"); ci.auc(ra, method = "delong")
    0.775168778503134 0.891203703703704 1
    rb <- roc(y, b, direction = "<"); ci.auc(rb, method = "delong")
    0.703466906813217 0.842592592592593 0.981718278371968
    """
    for scores, expected in (
        (FIRST, (0.775168778503134, 0.891203703703704, 1.0)),
        (SECOND, (0.703466906813217, 0.842592592592593, 0.981718278371968)),
    ):
        area = pn.auroc(LABELS, scores, method="delong")
        assert (area.low, area.value, area.high) == pytest.approx(expected, abs=1e-13)


def test_default_interval_is_delong_on_the_logit_scale():
    """R: A <- auc(ra); s <- sqrt(var(ra)) / (A * (1 - A))
    plogis(qlogis(A) + c(-1, 1) * qt(.975, min(table(y)) - 1) * s)
    0.6811792932694473 0.9691413930027950
    """
    area = pn.auroc(LABELS, FIRST)
    assert (area.low, area.high) == pytest.approx(
        (0.6811792932694473, 0.969141393002795), abs=1e-13
    )
    assert repr(area) == "0.89 [0.68, 0.97]"


def test_paired_test_equals_proc():
    """R: roc.test(ra, rb, method = "delong", paired = TRUE)
    Z = 0.456721465416585, p = 0.647871260146711, 95 % CI -0.159997492251443 0.257219714473665
    """
    result = pn.delong_test(LABELS, FIRST, SECOND)
    found = (result.z, result.p_value, result.low, result.high)
    expected = (0.456721465416585, 0.647871260146711, -0.159997492251443, 0.257219714473665)
    assert found == pytest.approx(expected, abs=1e-12)


def test_p_value_equals_wilcox_test():
    """R: wilcox.test(a[y == 1], a[y == 0], correct = FALSE, exact = FALSE)$p.value
    0.000318132911599674 for a, 0.00159404598430892 for b
    """
    assert chance_p_value(LABELS, FIRST) == pytest.approx(0.000318132911599674, rel=1e-10)
    assert chance_p_value(LABELS, SECOND) == pytest.approx(0.00159404598430892, rel=1e-10)


def test_swapping_the_models_turns_the_sign():
    there, back = pn.delong_test(LABELS, FIRST, SECOND), pn.delong_test(LABELS, SECOND, FIRST)
    assert there.z == -back.z
    assert (there.low, there.high) == (-back.high, -back.low)


def test_order_of_patients_does_not_matter():
    order = np.random.default_rng(0).permutation(len(LABELS))
    shuffled = pn.auroc(np.array(LABELS)[order], np.array(FIRST)[order])
    assert shuffled.low == pytest.approx(pn.auroc(LABELS, FIRST).low, abs=1e-12)


def test_an_inverted_score_stays_below_one_half():
    assert pn.auroc(LABELS, -np.array(FIRST)).value == pytest.approx(1 - 0.891203703703704)


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.5] * 4])
def test_no_variance_is_not_estimable(scores):
    area = pn.auroc([0, 0, 1, 1], scores)
    assert np.isnan(area.low)
    assert area.method == "not estimable"
    assert "not estimable" in repr(area)


def test_identical_ranks_have_p_one():
    result = pn.delong_test(LABELS, FIRST, np.array(FIRST) / 2)
    assert (result.p_value, result.difference) == (1.0, 0.0)
    assert result.method == "both rank the patients alike"


def test_two_perfect_and_inverted_models_are_not_estimable():
    result = pn.delong_test([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1])
    assert result.difference == 1.0
    assert np.isnan(result.p_value)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "all 3 patients are negative"),
        ([1, 1], [0.1, 0.2], "all 2 patients are positive"),
        ([0, 1, np.nan], [0.1, 0.2, 0.3], "drop patients whose label was not recorded"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "must be 0 or 1"),
        ([0, 1], [0.1, np.nan], "1 scores are not finite"),
        ([0, 1, 1], [0.1, 0.2], "do not fit"),
    ],
)
def test_what_cannot_be_ranked_is_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        pn.auroc(labels, scores)


def _table(n_pos, n_neg, **columns):
    rng = np.random.default_rng(1)
    index = pd.Index([f"S{k}" for k in range(n_pos + n_neg)], name="study_id")
    labels = pd.DataFrame({"sex": [1.0] * n_pos + [0.0] * n_neg, **columns}, index=index)
    return pd.DataFrame({"sex": rng.random(len(index))}, index=index), labels


@pytest.mark.parametrize(
    ("n_pos", "note", "is_given"),
    [(9, "suppressed: 9 positives", False), (10, "exploratory", True), (15, "", True)],
)
def test_small_classes_are_suppressed_or_marked(n_pos, note, is_given):
    row = pn.evaluate(*_table(n_pos, 40)).iloc[0]
    assert (row["n_pos"], row["n_neg"]) == (n_pos, 40)
    assert row["note"].startswith(note)
    assert np.isfinite(row["auroc"]) == is_given


def test_unrecorded_labels_are_dropped_trait_by_trait():
    scores, labels = _table(20, 20)
    labels.iloc[:3] = np.nan
    row = pn.evaluate(scores, labels).iloc[0]
    assert (row["n_pos"], row["n_neg"]) == (17, 20)
    assert row["auroc"] == pn.auroc(labels["sex"].dropna(), scores["sex"].iloc[3:]).value


def test_first_study_of_each_patient_counts_and_is_said():
    scores, labels = _table(20, 20)
    patients = pd.Series([f"P{k}" for k in range(40)], index=labels.index)
    patients.iloc[1] = "P0"
    row = pn.evaluate(scores, labels, patients=patients).iloc[0]
    assert (row["n_pos"], row["n_neg"]) == (19, 20)
    assert "1 later ones left out" in row["note"]


def test_order_of_scores_does_not_matter():
    scores, labels = _table(20, 20)
    assert pn.evaluate(scores.iloc[::-1], labels).equals(pn.evaluate(scores, labels))


def test_scores_of_another_cohort_are_refused():
    scores, labels = _table(20, 20)
    with pytest.raises(ValueError, match=r"1 of 40 scored studies are not in the cohort \(S0\)"):
        pn.evaluate(scores, labels.iloc[1:])
    with pytest.raises(ValueError, match="None of the scored traits"):
        pn.evaluate(scores, labels.rename(columns={"sex": "age_group"}))


def test_scores_out_of_range_are_refused(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("study_id,sex\nS1,0.2\nS2,1.2\n")
    with pytest.raises(ValueError, match="between 0 and 1: S2"):
        tables.read_scores(path)


def test_a_score_that_is_no_number_names_its_trait():
    scores, labels = _table(20, 20)
    scores.iloc[3] = np.nan
    with pytest.raises(ValueError, match="Scores of sex are not all finite"):
        pn.evaluate(scores, labels)


def test_p_values_are_adjusted_within_the_table():
    """Benjamini-Hochberg by hand for two p-values: max(p1 * 2 / 1, p2) and p2."""
    scores, labels = _table(20, 20)
    scores["age"], labels["age"] = scores["sex"] + labels["sex"] / 4, labels["sex"]
    table = pn.evaluate(scores, labels).sort_values("p_value")
    small, large = table["p_value"]
    assert table["p_adjusted"].tolist() == pytest.approx([min(2 * small, large), large])


def test_one_patient_with_all_positives_does_not_break_the_ridge(make_cohort):
    cohort = make_cohort(20)
    patients = cohort.patients.copy()
    patients.iloc[[1, 3, 5]] = "P1"
    traits = pd.DataFrame({"sex": 0.0}, index=patients.index)
    traits.iloc[[1, 3, 5]] = 1.0
    cohort = dataclasses.replace(cohort, patients=patients, traits=traits)
    scores = pn.evaluation.baseline_scores(
        cohort, [cohort], map_type="rest", traits=["sex"], seed=0
    )
    assert scores["17 segments"][0]["sex"].between(0, 1).all()


def test_baselines_find_a_signal_that_is_there(phantom):
    """Impaired MFR is nearly the mean of the reserve map: the global mean must rank it."""
    train, val, test = pn.split_by_patient(phantom, seed=1)
    scores = pn.evaluation.baseline_scores(
        train, (val, test), map_type="reserve", traits=("impaired_mfr",), seed=0
    )
    table = pn.evaluate(scores["global mean"][0], phantom.traits)
    labels = val.traits["impaired_mfr"]
    assert pn.auroc(labels, scores["global mean"][0]["impaired_mfr"]).value > 0.95
    assert list(scores) == list(QUICK)
    assert table["n_pos"].iloc[0] == (labels == 1).sum()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text[: len(text) // 2], "metrics.csv"),
        (lambda text: text.replace("auroc", "auc"), "lacks the columns auroc"),
        (lambda text: text.replace(",0.", ",x."), "metrics.csv has text in the columns"),
        (lambda text: text.replace("False", "no"), "metrics.csv has text in .*is_circular"),
        (lambda _: "", "metrics.csv is empty"),
    ],
    ids=["cut", "renamed", "text", "words", "empty"],
)
def test_a_damaged_table_of_results_is_refused_in_one_line(finished_run, tmp_path, change, told):
    text = (finished_run[0].folder / "metrics.csv").read_text(encoding="utf-8")
    (tmp_path / "metrics.csv").write_text(change(text), encoding="utf-8")
    with pytest.raises(ValueError, match=told) as caught:
        read_metrics(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_of_results_is_read_with_semicolons(finished_run, tmp_path):
    cells = pd.read_csv(finished_run[0].folder / "metrics.csv")
    cells.to_csv(tmp_path / "metrics.csv", sep=";", index=False)
    assert read_metrics(tmp_path)["auroc"].tolist() == pytest.approx(
        cells["auroc"].tolist(), nan_ok=True
    )


def test_the_comparator_is_the_baseline_with_the_lower_validation_loss(finished_run):
    run, _ = finished_run
    metrics = pd.read_csv(run.folder / "metrics.csv")
    for _, rows in metrics[metrics["model"] != "network"].groupby("trait"):
        chosen = rows.loc[rows["val_log_loss"].idxmin()]
        assert rows["is_comparator"].sum() == 1
        assert chosen["is_comparator"]
