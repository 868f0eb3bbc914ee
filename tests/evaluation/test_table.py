"""The table of results, and files of scores as spreadsheets saved them."""

import numpy as np
import pandas as pd
import pytest

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


def test_order_of_scores_does_not_matter():
    scores, labels = _table(20, 20)
    assert pn.evaluate(scores.iloc[::-1], labels).equals(pn.evaluate(scores, labels))


def test_scores_of_another_cohort_are_refused():
    scores, labels = _table(20, 20)
    with pytest.raises(ValueError, match=r"1 of 40 scored studies are not in the cohort \(S0\)"):
        pn.evaluate(scores, labels.iloc[1:])
    with pytest.raises(ValueError, match="None of the scored traits"):
        pn.evaluate(scores, labels.rename(columns={"sex": "age_group"}))


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


# === Files of scores ============================================================================


@pytest.mark.parametrize(
    "text",
    [
        "study_id,sex,diabetes\nS1,0.25,0.5\nS2,0.75,1\n",
        "\ufeffstudy_id;sex;diabetes\r\nS1;0,25;0,5\r\nS2;0,75;1\r\n",
        "study_id,sex,diabetes,warning\nS1,0.25,0.5,another tracer\nS2,0.75,1,\n,,,\n",
        "study_id\tsex\tdiabetes\nS1\t0.25\t0.5\nS2\t0.75\t1\n",
        "study_id, sex, diabetes\n S1 ,0.25, 0.5\nS2 , 0.75,1\n",
    ],
)
def test_scores_are_read_however_a_spreadsheet_saved_them(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8", newline="")
    scores = read_scores(path)
    assert list(scores.index) == ["S1", "S2"]
    np.testing.assert_array_equal(scores, [[0.25, 0.5], [0.75, 1]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("study_id,sex,comment\nS1,0.2,ok\nS2,0.3,\n", "column 'comment' holds no scores.*'ok'"),
        ("study_id,sex\nS1,20.6%\nS2,17%\n", r"column 'sex' holds no scores.*'20\.6%'"),
        ("study_id,sex\nS1,\nS2,0.3\n", "column 'sex' has no score for S1"),
        ("study_id,sex,empty\nS1,0.1,\nS2,0.3,\n", "column 'empty' has no score for S1, S2"),
        ("study_id,sex\nS1,inf\nS2,0.3\n", "'sex' must lie between 0 and 1: S1"),
        (",sex\nS1,0.1\nS2,0.3\n", "without a heading"),
        ("id,sex\nS1,0.1\nS2,0.3\n", "no column study_id, but id, sex"),
        ("study_id,sex\n1,0.1\n1.0,0.3\n", "names studies twice: 1"),
        ("study_id,sex\nS1,0.1\n,0.3\n", "1 of 2 rows have no study_id"),
        ("study_id,sex\nS1,0.1\nS2\n", r"line 3 \(1\)"),
        ("study_id,sex\nS1,0.1,\nS2,0.2\n", r"line 2 \(3\)"),
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


def test_scores_without_parts_are_counted_as_they_are(make_cohort):
    cohort = make_cohort(n=40)
    scores = pd.DataFrame({"sex": np.linspace(0.1, 0.9, 40)}, index=cohort.patients.index)
    plain = pn.evaluate(scores, cohort.traits)
    assert plain[["n_pos", "n_neg", "note"]].iloc[0].tolist() == [20, 20, ""]
    unknown = pn.evaluate(scores.assign(part=""), cohort.traits)
    assert unknown["n_pos"].iloc[0] == 20
    assert "not known whether patients of the training" in unknown["note"].iloc[0]
    all_seen = pn.evaluate(scores.assign(part="val"), cohort.traits)
    assert np.isnan(all_seen["auroc"].iloc[0])
    assert "40 of 40 studies left out" in all_seen["note"].iloc[0]


def test_the_part_is_read_as_people_write_it_and_other_words_are_refused(make_cohort):
    """Taken for new patients, those of the training would be results."""
    cohort = make_cohort(n=80)
    index = cohort.patients.index
    scores = pd.DataFrame({"sex": np.linspace(0.1, 0.9, 80), "part": ["new"] * 80}, index)
    scores.loc[index[:40], "part"] = ["Train", " val ", "TRAIN", "Val"] * 10
    table = pn.evaluate(scores, cohort.traits)
    assert table[["n_pos", "n_neg"]].iloc[0].tolist() == [20, 20]
    assert (
        "40 of 80 studies left out: patients of the training (20 train, 20 val)"
        in (table["note"].iloc[0])
    )
    for word in ("training", "validation", "learn", "0", "x" * 1000):
        scores.loc[index[7], "part"] = word
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
    table = pn.evaluation.compare(
        {"network": (network[["sex"]], network), "mean": (baseline, baseline)},
        cohort, cohort, "stress",
    ).set_index("model")  # fmt: skip
    assert table[["n_pos", "n_neg"]].to_numpy().tolist() == [[20, 20], [20, 20]]
    assert table.loc["network", "auroc"] == 0.5
    assert table.loc["mean", "difference"] == -0.5
