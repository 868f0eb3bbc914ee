"""Thresholds and decisions, against R 4.2.2 and pROC 1.18.0."""

import numpy as np
import pytest
from thirty_patients import FIRST, LABELS

from polarnet.evaluation.thresholds import (
    choose_thresholds,
    classify,
    net_benefit,
    predictive_intervals,
)

SMALL = [1, 0, 1, 0, 0], [0.9, 0.8, 0.5, 0.2, 0.1]


def test_chosen_thresholds_are_those_of_proc():
    """R 4.2.2, pROC 1.18.0, y and a being LABELS and FIRST:
    coords(roc(y, a, direction = "<"), "best")   threshold 0.55, the middle of 0.5 and 0.6
    coords(roc(y, a, direction = "<"), "all")    0.35 (sensitivity 0.917) is the last above 0.9
    """
    assert choose_thresholds(LABELS, FIRST) == {"youden": 0.6, "sensitive": 0.4}


def test_a_sensitivity_that_is_just_met_counts():
    """By hand: nine of ten positives lie at or above 0.2."""
    labels, scores = [1] * 10 + [0], [0.1, *[0.2 + k / 100 for k in range(9)], 0.15]
    assert choose_thresholds(labels, scores)["sensitive"] == 0.2
    assert choose_thresholds([1, *labels], [0.1, *scores])["sensitive"] == 0.1  # nine of eleven


def test_of_thresholds_that_tie_the_largest_is_taken():
    """By hand: at 0.8 and at 0.4 Youden's index is 1/2. Then 3 of 10 positives and 2 of 10
    negatives tie with 8 and 7, although 0.3 - 0.2 < 0.8 - 0.7 in floating point.
    """
    assert choose_thresholds([1, 0, 1, 0], [0.8, 0.6, 0.4, 0.2])["youden"] == 0.8
    scores = np.repeat([0.9, 0.7, 0.1], [5, 10, 5])
    labels = [1] * 3 + [0] * 2 + [1, 0] * 5 + [1] * 2 + [0] * 3
    assert choose_thresholds(labels, scores)["youden"] == 0.9


def test_shares_and_likelihood_ratios_equal_r():
    """R: prop.test(x, n, correct = FALSE)$conf.int, x/n being 9/12, 16/18, 9/11, 16/19
    called <- a >= 0.6; g <- glm(called ~ y, family = binomial("log"), start = c(-1, 0.5))
    exp(c(coef(g)[2], confint.default(g)[2, ])), and the same of !called
    """
    found = classify(LABELS, FIRST, 0.6)
    # FIRST has scores of exactly 0.6, which are positive.
    assert (found.tp, found.fp, found.fn, found.tn) == (9, 2, 3, 16)
    for share, expected in (
        (found.sensitivity, (9 / 12, 0.467694665066434, 0.911058331605945)),
        (found.specificity, (16 / 18, 0.672002348698212, 0.968980477354388)),
        (found.ppv, (9 / 11, 0.523019438039156, 0.948632310253915)),
        (found.npv, (16 / 19, 0.624345247296709, 0.944795283614658)),
    ):
        assert (share.value, share.low, share.high) == pytest.approx(expected, abs=1e-13)
        assert share.method == "Wilson, 95 %"

    for ratio, expected in (
        (found.lr_positive, (6.75, 1.75538127350903, 25.95589954592597)),
        (found.lr_negative, (0.28125, 0.104140852662121, 0.759563230739435)),
    ):
        assert (ratio.value, ratio.low, ratio.high) == pytest.approx(expected, rel=1e-7)


def test_a_share_of_nobody_is_not_estimable():
    nobody = classify([0, 1], [0.1, 0.2], 0.9)
    assert nobody.ppv.method == nobody.lr_positive.method == "not estimable"
    assert np.isnan([nobody.ppv.value, nobody.lr_positive.value]).all()
    assert (nobody.npv.value, nobody.lr_negative.value) == (0.5, 1.0)
    row = predictive_intervals(nobody, 0.2).iloc[0]
    assert np.isnan(row["ppv"])
    assert row["npv"] == 0.8
    everybody = classify([0, 1], [0.1, 0.2], 0.0)
    assert everybody.npv.method == everybody.lr_negative.method == "not estimable"
    none_right = classify([0, 0, 1], [0.1, 0.9, 0.2], 0.5).lr_positive
    assert (none_right.value, none_right.method) == (0, "not estimable")


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="must lie within"):
        predictive_intervals(classify(LABELS, FIRST, 0.6), [0.1, np.nan])
    with pytest.raises(ValueError, match=r"but 1\.2 was given"):
        classify(LABELS, FIRST, 1.2)
    for odd in ([0.0], [1.0], [0.2, np.nan]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            net_benefit(*SMALL, odd, seed=0)


def test_predictive_values_elsewhere_equal_r():
    """R: p <- .2; l <- (26/30) / (19/70); s <- sqrt(1/26 - 1/30 + 1/19 - 1/70)
    plogis(qlogis(p) + log(l) + c(0, -1, 1) * qnorm(.975) * s), and for the negative ratio
    1 - plogis(qlogis(p) + log((4/30) / (51/70)) + c(0, 1, -1) * qnorm(.975) *
    sqrt(1/4 - 1/30 + 1/51 - 1/70))
    """
    labels = [1] * 30 + [0] * 70
    called = [1.0] * 26 + [0.0] * 4 + [1.0] * 19 + [0.0] * 51
    found = predictive_intervals(classify(labels, called, 0.5), 0.2).iloc[0]
    expected = (0.443902439024390, 0.346604107249658, 0.545702603236744, 0.956250000000000,
                0.896699378970782, 0.982154167245141)  # fmt: skip
    names = ("ppv", "ppv_low", "ppv_high", "npv", "npv_low", "npv_high")
    assert [found[name] for name in names] == pytest.approx(expected, abs=1e-12)


# === Net benefit ================================================================================


def test_net_benefit_equals_a_hand_worked_table():
    """By hand, 5 patients, TP/n - FP/n * t / (1 - t):
    t = 0.2: 2 true, 2 false positives: 2/5 - 2/5 / 4; all: 2/5 - 3/5 / 4
    t = 0.5: 2 true, 1 false: 2/5 - 1/5; all: 2/5 - 3/5
    t = 0.9: 1 true, none false: 1/5; all: 2/5 - 3/5 * 9
    """
    table = net_benefit(*SMALL, [0.2, 0.5, 0.9], seed=0)
    assert table["threshold"].to_list() == [0.2, 0.5, 0.9]
    assert table["model"].to_list() == pytest.approx([0.3, 0.2, 0.2])
    assert table["treat_all"].to_list() == pytest.approx([0.25, -0.2, -5.0])
    assert (table["treat_none"] == 0).all()


def test_band_is_that_of_a_mean_in_many_patients():
    """Net benefit is a mean over patients, so its interval nears mean -+ 1.96 SD / sqrt(n)."""
    labels, scores = np.tile(LABELS, 20), np.tile(FIRST, 20)
    gain = (scores >= 0.4) * np.where(labels == 1, 1, -0.4 / 0.6)
    row = net_benefit(labels, scores, 0.4, seed=0, n_resamples=4000).iloc[0]
    half = 1.959964 * gain.std() / np.sqrt(600)
    assert (row["low"], row["high"]) == pytest.approx(
        (gain.mean() - half, gain.mean() + half), abs=0.003
    )


def test_the_seed_decides_the_band():
    first, again, other = (net_benefit(LABELS, FIRST, [0.3], seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
