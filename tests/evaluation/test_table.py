"""The table of results, and files of scores as spreadsheets saved them."""

import numpy as np
import pandas as pd
import pytest
from thirty_patients import FIRST, LABELS, SECOND

import polarnet as pn
from polarnet.evaluation import read_scores


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


def test_scores_that_do_not_fit_are_refused():
    scores, labels = _table(20, 20)
    with pytest.raises(ValueError, match=r"1 of 40 scored studies are not in the cohort \(S0\)"):
        pn.evaluate(scores, labels.iloc[1:])
    with pytest.raises(ValueError, match="None of the scored traits"):
        pn.evaluate(scores, labels.rename(columns={"sex": "age_group"}))
    scores.iloc[3] = np.nan
    with pytest.raises(ValueError, match="Scores of sex are not all finite"):
        pn.evaluate(scores, labels)


def test_p_value_equals_wilcox_test():
    """R: wilcox.test(a[y == 1], a[y == 0], correct = FALSE, exact = FALSE)$p.value, the same of b;
    equal scores rank nothing."""
    scores = pd.DataFrame({"a": FIRST, "b": SECOND, "flat": 0.5})
    table = pn.evaluate(scores, pd.DataFrame(dict.fromkeys(scores, LABELS)))
    expected = [0.000318132911599674, 0.00159404598430892, 1]
    assert table["p_value"].tolist() == pytest.approx(expected, rel=1e-10)


def test_p_values_are_adjusted_within_the_table():
    """Benjamini-Hochberg by hand for two p-values: max(p1 * 2 / 1, p2) and p2."""
    scores, labels = _table(20, 20)
    scores["age"], labels["age"] = scores["sex"] + labels["sex"] / 4, labels["sex"]
    table = pn.evaluate(scores, labels).sort_values("p_value")
    small, large = table["p_value"]
    assert table["p_adjusted"].tolist() == pytest.approx([min(2 * small, large), large])


# === Files of scores ============================================================================


def test_scores_are_read_as_a_spreadsheet_saved_them(tmp_path):
    text = "\ufeffstudy_id; sex;diabetes;warning\r\n S1 ;0,25;0,5;another tracer\r\nS2;0,75;1;\r\n"
    (tmp_path / "scores.csv").write_text(text, encoding="utf-8", newline="")
    scores = read_scores(tmp_path / "scores.csv")
    assert list(scores.index) == ["S1", "S2"]
    np.testing.assert_array_equal(scores, [[0.25, 0.5], [0.75, 1]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("study_id,sex,comment\nS1,0.2,ok\nS2,0.3,\n", "'comment' has no score .* for S1, S2"),
        ("study_id,sex\nS1,20.6%\nS2,17%\n", "'sex' has no score between 0 and 1 for S1, S2"),
        ("study_id,sex\nS1,\nS2,0.3\n", "'sex' has no score between 0 and 1 for S1"),
        ("study_id,sex\nS1,inf\nS2,0.3\n", "'sex' has no score between 0 and 1 for S1"),
        ("id,sex\nS1,0.1\nS2,0.3\n", "no column study_id, but id, sex"),
        ("study_id,sex\n1,0.1\n1.0,0.3\n", "own, unlike '1'"),
        ("study_id,sex\nS1,0.1\n,0.3\n", "own, unlike ''"),
        ("study_id,sex\n", "no scores"),
        ("study_id\nS1\n", "no scores"),
    ],
)
def test_scores_that_are_none_say_why(tmp_path, text, told):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_scores(path)


# === Patients of the training ===================================================================


def test_scores_carry_the_part_and_evaluation_counts_new_and_test_patients(
    finished_run, phantom, tmp_path
):
    """84 of the 120 phantom patients train and 18 validate: 18 are left."""
    from polarnet.network.training import write_scores

    run, (train, val, test) = finished_run
    scores = pn.predict(run, phantom)
    assert scores.attrs["part"].value_counts().to_dict() == {
        "train": len(train), "val": len(val), "test": len(test),
    }  # fmt: skip
    write_scores(scores, tmp_path / "scores.csv")
    written = pd.read_csv(tmp_path / "scores.csv", index_col="study_id")
    assert set(written.loc[train.patients.index, "part"]) == {"train"}
    assert written.loc[val.patients.index, "warning"].str.contains("validation").all()
    n = len(train) + len(val)
    for given in (scores, read_scores(tmp_path / "scores.csv"), written):
        table = pn.evaluate(given, phantom.traits, phantom.patients).set_index("trait")
        counted = table.loc["sex", ["n_pos", "n_neg"]].sum()
        assert counted == test.traits["sex"].notna().sum()
        assert f"{n} of {len(phantom)} studies left out" in table.loc["sex", "note"]


@pytest.mark.parametrize(
    ("parts", "n_pos", "note"),
    [
        (None, 40, ""),
        ([""] * 80, 40, "not known whether patients of the training are among them"),
        (["val"] * 80, 0, "80 of 80 studies left out: patients of the training (80 val)"),
        (["Train", " val ", "TRAIN", "Val"] * 10 + ["new"] * 40, 20,
         "40 of 80 studies left out: patients of the training (20 train, 20 val)"),
    ],
    ids=["none", "unknown", "all seen", "as people write them"],
)  # fmt: skip
def test_patients_of_the_training_are_left_out_by_their_part(make_cohort, parts, n_pos, note):
    cohort = make_cohort(n=80)
    scores = pd.DataFrame({"sex": np.linspace(0.1, 0.9, 80)}, cohort.patients.index)
    table = pn.evaluate(scores if parts is None else scores.assign(part=parts), cohort.traits)
    assert table[["n_pos", "n_neg"]].iloc[0].tolist() == [n_pos, n_pos]
    assert np.isnan(table["auroc"].iloc[0]) == (n_pos == 0)
    assert note in table["note"].iloc[0]
    assert bool(note) == bool(table["note"].iloc[0])


@pytest.mark.parametrize("word", ["training", "validation", "learn", "0", "x" * 1000])
def test_another_word_for_the_part_is_refused(make_cohort, word):
    """Taken for new patients, those of the training would be results."""
    cohort = make_cohort(n=40)
    scores = pd.DataFrame({"sex": 0.5, "part": "new"}, cohort.patients.index)
    scores.iloc[7, 1] = word
    with pytest.raises(ValueError, match=r"Column part says .* must say train, val, test") as e:
        pn.evaluate(scores, cohort.traits)
    assert len(str(e.value)) < 200


def test_a_comparison_leaves_patients_of_the_training_out_of_every_row(make_cohort):
    """The network ranks the 40 others at random, which the 40 of the training would hide."""
    cohort = make_cohort(n=80)
    index = cohort.patients.index
    sex = cohort.traits["sex"].to_numpy()
    of_network = np.where(np.arange(80) < 40, 0.2 + 0.6 * sex, np.resize([0.4, 0.4, 0.6, 0.6], 80))
    network = pd.DataFrame({"sex": of_network, "part": ["train"] * 40 + ["new"] * 40}, index)
    baseline = pd.DataFrame({"sex": 0.2 + 0.6 * sex}, index)
    table = pn.evaluation.compare_with_baselines(
        {"network": (network[["sex"]], network), "mean": (baseline, baseline)},
        cohort, cohort, "stress",
    ).set_index("model")  # fmt: skip
    assert table[["n_pos", "n_neg"]].to_numpy().tolist() == [[20, 20], [20, 20]]
    assert table.loc["network", "auroc"] == 0.5
    assert table.loc["mean", "difference"] == -0.5
