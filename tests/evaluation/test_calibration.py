"""Expected values from R 4.2.2, rms 6.5-0, with y, a, b being LABELS, FIRST, SECOND and
ctl <- glm.control(epsilon = 1e-14, maxit = 100).
"""

import numpy as np
import pytest
from thirty_patients import FIRST, LABELS, SECOND

from polarnet.evaluation.calibration import (
    fit_recalibration,
    measure_calibration,
    smooth_calibration,
)

SPACED = np.linspace(0.05, 0.95, 101)
"""The curve's grid then falls on every second of them."""

OUTCOMES = np.array(
    [int(digit) for digit in "0001000100010001000100010001000101010101010101"
     "0101010101010111101110111011101110111011101110111011101"]
)  # fmt: skip

MARKS = [0, 12, 25, 37, 49]
"""Points of the grid that are SPACED[[1, 25, 51, 75, 99]]."""


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (FIRST, [-0.377826875, -1.218406553, 0.462752803, 1.950639714, 0.543003689, 3.358275739]),
        (SECOND, [-0.237495314, -1.050297005, 0.575306378, 1.794711143, 0.450273933, 3.139148354]),
        # R: q <- a; q[c(1, 2)] <- c(1, 0); q <- pmin(pmax(q, 1e-6), 1 - 1e-6)
        ([1, 0, *FIRST[2:]],
         [-0.376523116, -1.236616071, 0.483569839, 1.892957576, 0.458757686, 3.327157467]),
    ],
)  # fmt: skip
def test_intercept_and_slope_equal_glm(scores, expected):
    """R: g <- glm(y ~ 1, offset = qlogis(p), family = binomial, control = ctl)
    s <- glm(y ~ qlogis(p), family = binomial, control = ctl)
    c(coef(g), confint.default(g)); c(coef(s)[2], confint.default(s)[2, ])
    """
    found = measure_calibration(LABELS, scores)
    intervals = (found.intercept, found.slope)
    numbers = [number for of in intervals for number in (of.value, of.low, of.high)]
    assert numbers == pytest.approx(expected, abs=1e-7)
    assert found.intercept.method == found.slope.method == "Wald, 95 %"


def test_brier_score_equals_val_prob():
    """R: val.prob(a, y, pl = FALSE)["Brier"]; 1 - mean((a - y)^2) / (mean(y) * (1 - mean(y)))"""
    found = measure_calibration(LABELS, FIRST)
    assert found.brier == pytest.approx(0.141666666666667, abs=1e-14)
    assert found.scaled_brier == pytest.approx(0.409722222222222, abs=1e-14)
    assert (found.n_pos, found.n_neg) == (12, 18)
    assert (found.observed, found.expected) == pytest.approx((12 / 30, 14.1 / 30))


def test_predicting_the_prevalence_has_no_slope_and_no_skill():
    found = measure_calibration(LABELS, np.full(30, 0.4))
    assert found.intercept.value == pytest.approx(0, abs=1e-9)
    assert found.scaled_brier == pytest.approx(0)
    assert found.slope.method == "not estimable"
    assert np.isnan([found.slope.value, found.slope.low, found.slope.high]).all()


@pytest.mark.parametrize(
    "scores", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]]
)
def test_separated_classes_have_no_slope(scores):
    found = measure_calibration([0, 0, 1, 1], scores)
    assert found.slope.method == "not estimable"
    assert np.isfinite(found.intercept.value)
    almost = measure_calibration([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.8, 0.9])
    assert np.isfinite([almost.slope.low, almost.slope.high]).all()


def test_a_hopeless_intercept_is_not_estimable():
    """All certain and nearly all wrong: the likelihood is flat, the iterations run away."""
    labels = np.repeat([0, 1], [14, 16])
    found = measure_calibration(labels, np.repeat([1.0, 0.0], [13, 17]))
    assert found.intercept.method == "not estimable"


def test_recalibration_equals_glm_and_calibrates_where_it_was_fitted():
    """R: s <- glm(y ~ qlogis(a), family = binomial, control = ctl); coef(s)"""
    line = fit_recalibration(LABELS, FIRST)
    expected = (-0.419517637801412, 1.950639714096135)
    assert (line.intercept, line.slope) == pytest.approx(expected, abs=1e-7)
    found = measure_calibration(LABELS, line.apply(FIRST))
    assert (found.intercept.value, found.slope.value) == pytest.approx((0, 1), abs=1e-7)


def test_what_cannot_be_recalibrated_is_refused():
    with pytest.raises(ValueError, match="give more validation patients"):
        fit_recalibration([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    with pytest.raises(ValueError, match="within"):
        fit_recalibration(LABELS, FIRST).apply([0.5, np.nan])


def test_smooth_curve_equals_lowess_without_iterations():
    """R: l <- lowess(x, y, f = 2/3, iter = 0, delta = 0); l$y[c(2, 26, 52, 76, 100)]
    x and y being SPACED and OUTCOMES.
    """
    curve = smooth_calibration(OUTCOMES, SPACED, seed=0, n_resamples=1).iloc[MARKS]
    assert curve["predicted"].to_numpy() == pytest.approx(SPACED[[1, 25, 51, 75, 99]])
    expected = [
        0.156353228001847, 0.334628518189037, 0.572532811823084, 0.717233230781193,
        0.774576870841775,
    ]  # fmt: skip
    assert curve["observed"].to_numpy() == pytest.approx(expected, abs=1e-9)


def test_band_of_the_curve_agrees_with_a_bootstrap_in_r():
    """R: replicate(4000, {i <- sample(101, replace = TRUE)
      l <- lowess(x[i], y[i], f = 2/3, iter = 0, delta = 0)
      approx(l$x, l$y, x[c(2, 26, 52, 76, 100)], rule = 2, ties = "ordered")$y})
    quantiles 0.025 and 0.975 by row; chance moves them by about 0.01. Below 0 and above 1 are cut.
    """
    band = smooth_calibration(OUTCOMES, SPACED, seed=0).iloc[MARKS]
    low = [0, 0.2078, 0.4269, 0.5864, 0.5352]
    high = [0.3905, 0.4655, 0.7082, 0.8365, 1]
    assert band["low"].to_numpy() == pytest.approx(low, abs=0.04)
    assert band["high"].to_numpy() == pytest.approx(high, abs=0.04)
    assert band.equals(smooth_calibration(OUTCOMES, SPACED, seed=0).iloc[MARKS])


@pytest.mark.parametrize("scores", [[0.5] * 30, [0.3] * 29 + [0.4]])
def test_too_few_different_predictions_draw_no_curve(scores):
    assert smooth_calibration(LABELS, scores, seed=0, n_resamples=10).empty
