"""Expected values from R 4.2.2, pROC 1.18.0. Two groups of 30: women have LABELS and FIRST, men
LABELS and SECOND (y, a, b).
"""

import numpy as np
import pandas as pd
import pytest
from test_evaluation import FIRST, LABELS, SECOND

from polarnet.evaluation.roc import unpaired_delong_test
from polarnet.evaluation.subgroups import evaluate_subgroups, tertiles

STUDIES = [f"S{k}" for k in range(60)]
BOTH = pd.Series(LABELS * 2, index=STUDIES), pd.Series(FIRST + SECOND, index=STUDIES)
SEX = pd.Series(["women"] * 30 + ["men"] * 30, index=STUDIES)


def test_unpaired_test_equals_proc():
    """R: t <- roc.test(roc(y, a), roc(y, b), method = "delong", paired = FALSE); z <- t$statistic
    2 * pnorm(-abs(z)); d <- auc(ra) - auc(rb); d + c(-1, 1) * qnorm(.975) * sqrt(var(ra) + var(rb))
    """
    found = unpaired_delong_test(LABELS, FIRST, LABELS, SECOND)
    expected = (0.525913054876598, 0.598948617941244, -0.132551965452198, 0.229774187674420)
    assert (found.z, found.p_value, found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.method == "unpaired DeLong"


def test_unpaired_test_without_variance_is_not_estimable():
    found = unpaired_delong_test([0, 0, 1, 1], [1, 2, 3, 4], [0, 0, 1, 1], [1, 2, 3, 4])
    assert (found.difference, found.method) == (0, "not estimable")
    assert np.isnan(found.p_value)
    with pytest.raises(ValueError, match="two patients of each class in each group"):
        unpaired_delong_test([0, 1, 0], [1, 2, 3], LABELS, FIRST)


def test_each_group_equals_r():
    """The interval is the one of test_evaluation, the test that above, the calibration intercept
    R: g <- glm(y ~ 1, offset = qlogis(a), family = binomial); c(coef(g), confint.default(g))
    """
    table = evaluate_subgroups(*BOTH, SEX).set_index("group")
    assert table.index.to_list() == ["men", "women"]
    women = table.loc["women"]
    assert (women["n_pos"], women["n_neg"]) == (12, 18)
    area = (0.891203703703704, 0.6811792932694473, 0.969141393002795)
    assert women[["auroc", "ci_low", "ci_high"]].to_list() == pytest.approx(area, abs=1e-12)
    intercept = (-0.377826875058427, -1.218406552845703, 0.462752802728848)
    columns = ["calibration_intercept", "calibration_low", "calibration_high"]
    assert women[columns].to_list() == pytest.approx(intercept, abs=1e-7)
    difference = (0.891203703703704 - 0.842592592592593, -0.132551965452198, 0.229774187674420)
    columns = ["difference", "difference_low", "difference_high"]
    assert women[columns].to_list() == pytest.approx(difference, abs=1e-12)
    assert table["p_value"].to_list() == pytest.approx([0.598948617941244] * 2, abs=1e-12)
    assert table.loc["men", "difference"] == -women["difference"]
    assert women["note"].startswith("exploratory")


def test_a_small_group_is_counted_but_gives_no_number():
    """By hand: the first 22 have 9 positives, one too few; the first 25 have 10."""
    labels = BOTH[0]
    for first, n_pos, is_given in ((22, 9, False), (25, 10, True)):
        groups = pd.Series(["A"] * first + ["B"] * (60 - first), index=STUDIES)
        row = evaluate_subgroups(*BOTH, groups).iloc[0]
        assert (row["group"], row["n_pos"]) == ("A", n_pos) == ("A", labels.iloc[:first].sum())
        numbers = row.drop(["group", "n_pos", "n_neg", "note"]).astype(float)
        assert np.isfinite(numbers).all() == is_given
        assert np.isnan(numbers).all() == (not is_given)
        assert row["note"].startswith("suppressed: 9 positives" if not is_given else "exploratory")


def test_no_difference_to_others_that_are_too_few():
    groups = pd.Series(["A"] * 55 + ["B"] * 5, index=STUDIES)
    row = evaluate_subgroups(*BOTH, groups).iloc[0]
    assert np.isfinite(row["auroc"])
    assert np.isnan(row["p_value"])
    assert "no difference" in row["note"]


@pytest.mark.parametrize("kind", ["object", "category", "str"])
def test_missing_groups_are_a_group_of_their_own(kind):
    groups = SEX.where(SEX == "women").astype(kind)
    table = evaluate_subgroups(*BOTH, groups)
    assert table["group"].to_list() == ["women", "not recorded"]
    known = evaluate_subgroups(*BOTH, SEX).set_index("group").loc["men"]
    assert table.iloc[1].drop("group").equals(known)


def test_coded_groups_with_missing_ones_are_counted():
    groups = pd.Series([0, 1, None] * 20, index=STUDIES, dtype="Int64")
    table = evaluate_subgroups(*BOTH, groups)
    assert table["group"].to_list() == ["0", "1", "not recorded"]
    assert (table["n_pos"] + table["n_neg"]).to_list() == [20, 20, 20]


def test_other_studies_are_refused_by_name():
    renamed = SEX.rename(index={"S3": "S99"})
    with pytest.raises(ValueError, match="2 studies are in one table only: S3, S99"):
        evaluate_subgroups(*BOTH, renamed)
    with pytest.raises(ValueError, match="S3, S99"):
        evaluate_subgroups(BOTH[0], BOTH[1].rename(index={"S3": "S99"}), SEX)
    with pytest.raises(ValueError, match="groups must be a pandas Series"):
        evaluate_subgroups(*BOTH, SEX.to_list())


def test_tertiles_cut_at_observed_values():
    """By hand: nine ages, three in each third; the missing one stays missing."""
    ages = pd.Series([70, 41, 52, 63, 44, np.nan, 85, 56, 67, 48], index=list("abcdefghij"))
    groups = tertiles(ages)
    assert groups.cat.categories.to_list() == ["up to 48", "above 48, up to 63", "above 63"]
    assert groups.loc[["b", "e", "j"]].eq("up to 48").all()
    assert groups.loc[["a", "g", "i"]].eq("above 63").all()
    assert groups.isna().to_list() == ages.isna().to_list()


@pytest.mark.parametrize("values", [[1, 1, 1, 1, 2, 3], [0, 1, 0, 1], [0, 1, 2, 2, 2, 2], [np.nan]])
def test_what_has_no_thirds_is_refused(values):
    with pytest.raises(ValueError, match="do not fall into thirds"):
        tertiles(pd.Series(values, dtype=float))
