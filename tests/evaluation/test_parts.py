"""Scores know which patients the training has seen, and evaluation leaves those out."""

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation.table import read_scores
from polarnet.network.training import write_scores


def test_scores_carry_the_part_and_evaluation_counts_new_and_test_patients(
    finished_run, phantom, tmp_path
):
    """84 of the 120 phantom patients train and 18 validate: 18 are left."""
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
