"""Expected values from R 4.2.2, pROC 1.18.0. Two groups of 30: women have LABELS and FIRST, men
LABELS and SECOND (y, a, b).
"""

import numpy as np
import pandas as pd
import pytest
from thirty_patients import FIRST, LABELS, SECOND

from polarnet.evaluation.subgroups import adjusted_association, evaluate_subgroups, tertiles

STUDIES = [f"S{k}" for k in range(60)]
BOTH = pd.Series(LABELS * 2, index=STUDIES), pd.Series(FIRST + SECOND, index=STUDIES)
SEX = pd.Series(["women"] * 30 + ["men"] * 30, index=STUDIES)


def test_each_group_equals_r():
    """The interval is the one of test_roc, the test that of test_roc, the calibration intercept
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
    coded = pd.Series([0, 1, None] * 20, index=STUDIES, dtype="Int64")
    table = evaluate_subgroups(*BOTH, coded)
    assert table["group"].to_list() == ["0", "1", "not recorded"]
    assert (table["n_pos"] + table["n_neg"]).to_list() == [20, 20, 20]


def test_groups_without_names_of_studies_are_refused():
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


# === Adjustment =================================================================================
# y and b being LABELS and SECOND:
# age <- 40 + (seq_along(y) * 7) %% 31; sex <- rep(c(0, 1, 1), 10); z <- qlogis(b); z <- z / sd(z)
# f0 <- glm(y ~ age + sex, family = binomial); f1 <- glm(y ~ age + sex + z, family = binomial)
# with glm.control(epsilon = 1e-14, maxit = 100).

THIRTY = [f"S{k}" for k in range(30)]
Y, P = pd.Series(LABELS, index=THIRTY), pd.Series(SECOND, index=THIRTY)
COVARIATES = pd.DataFrame(
    {"age": [40 + (7 * k) % 31 for k in range(1, 31)], "sex": [0.0, 1.0, 1.0] * 10}, index=THIRTY
)


WHOLE = (9.44761617364932, 1.57290151373016, 56.74700582678238)
WITHOUT = (10.09621976292437, 1.40448268231446, 72.57736587630042)


@pytest.mark.parametrize(
    ("missing", "odds", "chi2", "counts"),
    [((), WHOLE, 13.5632152572587, (12, 18, 0)), ((0, 1), WITHOUT, 12.521093880126, (11, 17, 2))],
)
def test_odds_ratio_and_likelihood_ratio_equal_glm(missing, odds, chi2, counts):
    """R: exp(c(coef(f1)["z"], confint.default(f1)["z", ])); anova(f0, f1, test = "LRT")
    The second: patients without a covariate left out, the same on y[3:30], z <- qlogis(b[3:30])
    """
    covariates = COVARIATES.copy()
    for k in missing:
        covariates.iloc[k, k] = np.nan
    for table in (covariates, covariates.astype("Float64")):
        found = adjusted_association(Y, P, table)
        ratio = found.odds_ratio
        assert (ratio.value, ratio.low, ratio.high) == pytest.approx(odds, rel=1e-7)
        assert found.chi2 == pytest.approx(chi2, abs=1e-9)
        assert (found.n_pos, found.n_neg, found.n_left_out) == counts


def test_auroc_of_the_covariates_equals_proc():
    """R: anova(f0, f1, test = "LRT"); r <- roc(y, fitted(f0)); A <- auc(r)
    s <- sqrt(var(r)) / (A * (1 - A))
    plogis(qlogis(A) + c(-1, 1) * qt(.975, min(table(y)) - 1) * s)
    """
    found = adjusted_association(Y, P, COVARIATES)
    area = found.covariates_auroc
    expected = (0.643518518518519, 0.38774081664217, 0.837283813279894)
    assert (area.value, area.low, area.high) == pytest.approx(expected, abs=1e-10)
    assert found.p_value == pytest.approx(0.000230661635319586, rel=1e-8)


def test_units_of_the_covariates_do_not_matter():
    in_days = COVARIATES.assign(age=COVARIATES["age"] * 365.25)
    there, back = (adjusted_association(Y, P, table) for table in (COVARIATES, in_days))
    assert there.odds_ratio.value == pytest.approx(back.odds_ratio.value, rel=1e-7)


@pytest.mark.parametrize(
    ("probabilities", "covariates"),
    [
        (Y * 0.8 + 0.1, COVARIATES),  # the network separates the classes
        (P * 0 + 0.3, COVARIATES),  # it tells nothing
        (P, COVARIATES.assign(site=1)),  # a covariate is constant
        (P, COVARIATES.assign(label=Y)),  # a covariate separates the classes
    ],
)
def test_no_finite_estimate_is_not_estimable(probabilities, covariates):
    found = adjusted_association(Y, probabilities, covariates)
    assert found.odds_ratio.method == "not estimable"
    assert np.isnan([found.odds_ratio.value, found.chi2, found.p_value]).all()


def test_covariates_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"but sex is not\. Code it as 0 and 1"):
        adjusted_association(Y, P, COVARIATES.assign(sex="female"))
    with pytest.raises(ValueError, match="do not fit 30 patients"):
        adjusted_association(Y, P, COVARIATES[[]])
    covariates = COVARIATES.assign(age=COVARIATES["age"].where(Y == 0))
    with pytest.raises(ValueError, match=r"12 patients lack .*all 18 patients are neg"):
        adjusted_association(Y, P, covariates)
