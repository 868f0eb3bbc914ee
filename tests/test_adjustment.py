"""Expected values from R 4.2.2, pROC 1.18.0, with y and b being LABELS and SECOND:
age <- 40 + (seq_along(y) * 7) %% 31; sex <- rep(c(0, 1, 1), 10); z <- qlogis(b); z <- z / sd(z)
f0 <- glm(y ~ age + sex, family = binomial); f1 <- glm(y ~ age + sex + z, family = binomial)
with glm.control(epsilon = 1e-14, maxit = 100).
"""

import numpy as np
import pandas as pd
import pytest
from test_evaluation import LABELS, SECOND

from polarnet.evaluation.adjustment import adjusted_association

STUDIES = [f"S{k}" for k in range(30)]
Y, P = pd.Series(LABELS, index=STUDIES), pd.Series(SECOND, index=STUDIES)
COVARIATES = pd.DataFrame(
    {"age": [40 + (7 * k) % 31 for k in range(1, 31)], "sex": [0.0, 1.0, 1.0] * 10}, index=STUDIES
)


def test_odds_ratio_and_likelihood_ratio_equal_glm():
    """R: exp(c(coef(f1)["z"], confint.default(f1)["z", ])); anova(f0, f1, test = "LRT")"""
    found = adjusted_association(Y, P, COVARIATES)
    odds = (found.odds_ratio.value, found.odds_ratio.low, found.odds_ratio.high)
    expected = (9.44761617364932, 1.57290151373016, 56.74700582678238)
    assert odds == pytest.approx(expected, rel=1e-7)
    assert found.chi2 == pytest.approx(13.5632152572587, abs=1e-9)
    assert found.p_value == pytest.approx(0.000230661635319586, rel=1e-8)
    assert (found.n_pos, found.n_neg, found.n_left_out) == (12, 18, 0)


def test_auroc_of_the_covariates_equals_proc():
    """R: r <- roc(y, fitted(f0)); A <- auc(r); s <- sqrt(var(r)) / (A * (1 - A))
    plogis(qlogis(A) + c(-1, 1) * qt(.975, min(table(y)) - 1) * s)
    """
    area = adjusted_association(Y, P, COVARIATES).covariates_auroc
    expected = (0.643518518518519, 0.38774081664217, 0.837283813279894)
    assert (area.value, area.low, area.high) == pytest.approx(expected, abs=1e-10)


def test_patients_without_a_covariate_are_left_out():
    """R: the same on y[3:30], z <- qlogis(b[3:30]); z <- z / sd(z)"""
    covariates = COVARIATES.copy()
    covariates.iloc[0, 0] = covariates.iloc[1, 1] = np.nan
    for table in (covariates, covariates.astype("Float64")):
        found = adjusted_association(Y, P, table)
        odds = (found.odds_ratio.value, found.odds_ratio.low, found.odds_ratio.high)
        expected = (10.09621976292437, 1.40448268231446, 72.57736587630042)
        assert odds == pytest.approx(expected, rel=1e-7)
        assert found.chi2 == pytest.approx(12.521093880126, abs=1e-9)
        assert (found.n_pos, found.n_neg, found.n_left_out) == (11, 17, 2)


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
    with pytest.raises(ValueError, match="one table only: S0, S1"):
        adjusted_association(Y, P, COVARIATES.iloc[2:])
    with pytest.raises(ValueError, match="do not fit 30 patients"):
        adjusted_association(Y, P, COVARIATES[[]])
    covariates = COVARIATES.assign(age=COVARIATES["age"].where(Y == 0))
    with pytest.raises(ValueError, match=r"12 patients lack .*all 18 patients are neg"):
        adjusted_association(Y, P, covariates)
