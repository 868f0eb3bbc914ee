"""AUROC and DeLong's tests, against R 4.2.2 and pROC 1.18.0 with y, a, b being LABELS, FIRST,
SECOND; ra <- roc(y, a, direction = "<"), rb <- roc(y, b, direction = "<").
"""

import numpy as np
import pandas as pd
import pytest
from thirty_patients import FIRST, LABELS, SECOND

import polarnet as pn
from polarnet import evaluation as ev


@pytest.mark.parametrize(
    ("scores", "method", "expected"),
    [
        (FIRST, "delong", (0.775168778503134, 0.891203703703704, 1.0)),
        (SECOND, "delong", (0.703466906813217, 0.842592592592593, 0.981718278371968)),
        (FIRST, "logit", (0.6811792932694473, 0.891203703703704, 0.969141393002795)),
    ],
)
def test_intervals_equal_proc(scores, method, expected):
    """R: ci.auc(ra, method = "delong"); on the logit scale, the default:
    A <- auc(ra); s <- sqrt(var(ra)) / (A * (1 - A))
    plogis(qlogis(A) + c(-1, 1) * qt(.975, min(table(y)) - 1) * s)
    """
    area = pn.auroc(LABELS, scores, method=method)
    assert (area.low, area.value, area.high) == pytest.approx(expected, abs=1e-13)


def test_paired_test_equals_proc():
    """R: roc.test(ra, rb, method = "delong", paired = TRUE)"""
    result = pn.delong_test(LABELS, FIRST, SECOND)
    found = (result.z, result.p_value, result.low, result.high)
    expected = (0.456721465416585, 0.647871260146711, -0.159997492251443, 0.257219714473665)
    assert found == pytest.approx(expected, abs=1e-12)
    back = pn.delong_test(LABELS, SECOND, FIRST)
    assert (back.z, back.low, back.high) == (-result.z, -result.high, -result.low)


def test_unpaired_test_equals_proc():
    """R: t <- roc.test(ra, rb, method = "delong", paired = FALSE); z <- t$statistic
    2 * pnorm(-abs(z)); d <- auc(ra) - auc(rb); d + c(-1, 1) * qnorm(.975) * sqrt(var(ra) + var(rb))
    """
    found = ev.unpaired_delong_test(LABELS, FIRST, LABELS, SECOND)
    expected = (0.525913054876598, 0.598948617941244, -0.132551965452198, 0.229774187674420)
    assert (found.z, found.p_value, found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.method == "unpaired DeLong"


def test_order_of_patients_does_not_matter_and_no_score_is_turned():
    order = np.random.default_rng(0).permutation(len(LABELS))
    shuffled = pn.auroc(np.array(LABELS)[order], np.array(FIRST)[order])
    assert shuffled.low == pytest.approx(pn.auroc(LABELS, FIRST).low, abs=1e-12)
    assert pn.auroc(LABELS, -np.array(FIRST)).value == pytest.approx(1 - 0.891203703703704)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]),
        ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1]),
        ([0, 0, 1, 1], [0.5] * 4),
        ([0, 0, 0, 1], [0.1, 0.5, 0.2, 0.3]),
    ],
    ids=["perfect", "reversed", "equal", "a class of one"],
)
def test_what_never_varies_is_not_estimable(labels, scores):
    value = pn.auroc(labels, scores).value
    for area in (
        pn.auroc(labels, scores),
        ev.bootstrap_auroc(labels, scores, seed=0),
        ev.cluster_bootstrap_auroc(labels, scores, list("abcd"), seed=0),
        ev.seeds_and_patients_auroc(labels, [scores, scores], seed=0),
    ):
        assert (area.value, area.method) == (value, "not estimable")
        assert np.isnan([area.low, area.high]).all()
        assert repr(area) == f"{value:.2f} [not estimable]"


def test_tests_without_variance_are_not_estimable_but_for_equal_ranks():
    alike = pn.delong_test(LABELS, FIRST, np.array(FIRST) / 2)
    assert (alike.p_value, alike.difference) == (1.0, 0.0)
    assert alike.method == "both rank the patients alike"
    labels, good = [0, 0, 1, 1], [1, 2, 3, 4]
    opposite = pn.delong_test(labels, good, good[::-1])
    same = ev.unpaired_delong_test(labels, good, labels, good)
    for found, difference in ((opposite, 1), (same, 0)):
        assert (found.difference, found.method) == (difference, "not estimable")
        assert np.isnan(found.p_value)
    with pytest.raises(ValueError, match="two patients of each class in each group"):
        ev.unpaired_delong_test([0, 1, 0], [1, 2, 3], LABELS, FIRST)
    with pytest.raises(ValueError, match="at least two patients of each class"):
        pn.delong_test([0, 1, 0], [1, 2, 3], [3, 2, 1])


# === What no function takes ======================================================================

OF_SCORES = {
    "auroc": pn.auroc,
    "delong_test": lambda y, s: pn.delong_test(y, s, s),
    "bootstrap_auroc": lambda y, s: ev.bootstrap_auroc(y, s, seed=0),
    "cluster_bootstrap_auroc": lambda y, s: ev.cluster_bootstrap_auroc(
        y, s, getattr(s, "index", range(len(s))), seed=0
    ),
    "seeds_and_patients_auroc": lambda y, s: ev.seeds_and_patients_auroc(y, [s, s], seed=0),
}
OF_PROBABILITIES = {
    "measure_calibration": ev.measure_calibration,
    "fit_recalibration": ev.fit_recalibration,
    "smooth_calibration": lambda y, s: ev.smooth_calibration(y, s, seed=0),
    "choose_thresholds": ev.choose_thresholds,
    "classify": lambda y, s: ev.classify(y, s, 0.5),
    "net_benefit": lambda y, s: ev.net_benefit(y, s, [0.5], seed=0),
}


def _series(values, first=0):
    return pd.Series(values, index=[f"S{first + k}" for k in range(len(values))])


@pytest.mark.parametrize("function", (OF_SCORES | OF_PROBABILITIES).values(),
                         ids=OF_SCORES | OF_PROBABILITIES)  # fmt: skip
@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([0, 0, 0], [0.1, 0.2, 0.3], "all 3 patients are negative"),
        ([1, 1], [0.1, 0.2], "all 2 patients are positive"),
        ([0, 1, np.nan], [0.1, 0.2, 0.3], "drop patients whose label was not recorded"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "must be 0 or 1"),
        ([0, 1], [0.1, np.nan], "1 scores are not finite"),
        ([0, 1, 1], [0.1, 0.2], "do not fit"),
        (_series([0, 1]), _series([0.1, 0.2], 1), "2 studies are in one table only: S0, S2"),
        (_series([0, 1]), pd.Series([0.1, 0.2], ["S0", "S0"]), "S0 come twice"),
    ],
)
def test_what_are_no_labels_and_scores_is_refused(function, labels, scores, message):
    with pytest.raises(ValueError, match=message):
        function(labels, scores)


@pytest.mark.parametrize("function", OF_PROBABILITIES.values(), ids=OF_PROBABILITIES)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([-0.5, 1.5], r"2 of 2 probabilities lie outside \[0, 1\], such as -0.5"),
        ([[0.1, 0.2], [0.3, 0.4]], "give one trait"),
    ],
)
def test_what_are_no_probabilities_is_refused(function, scores, message):
    with pytest.raises(ValueError, match=message):
        function([0, 1], scores)


# === Over folds =================================================================================


def test_a_cross_validated_auroc_equals_the_one_worked_by_hand():
    """Fold A: AUROC 2/3, fold B: 3/4, three of eight positive.

    Squared influence, positives weighted by 8/3 and negatives by 8/5, mean of each fold:
    A: 64/25 (1/9 + 1/9 + 4/9) / 4 = 0.426667; B: (64/9 / 8 + 64/25 / 8) / 4 = 0.302222.
    Standard error: sqrt((0.426667 + 0.302222) / 2 / 8) = 0.213438.
    """
    labels = [1, 0, 0, 0, 1, 1, 0, 0]
    scores = [0.9, 0.5, 0.1, 0.95, 0.7, 0.2, 0.1, 0.4]
    area = ev.cross_validated_auroc(labels, scores, list("AAAABBBB"))
    assert area.value == pytest.approx(17 / 24)
    assert area.low == pytest.approx(17 / 24 - 1.959964 * 0.213438, abs=1e-5)
    assert area.high == 1


def test_with_one_fold_the_influence_curve_is_delong_s_variance():
    """pROC, twelve of each class, with ties; DeLong divides by 11 where the curve has 12:

    y <- rep(c(1, 0), 12)
    s <- c(.9,.2,.4,.4,.8,.6,.5,.3,.8,.4,.5,.1,.2,.6,.7,.1,.6,.4,.5,.2,.8,.3,.7,.9)
    r <- roc(y, s, direction = "<"); c(auc(r), sqrt(var(r) * 11 / 12))
    """
    scores = [.9, .2, .4, .4, .8, .6, .5, .3, .8, .4, .5, .1,
              .2, .6, .7, .1, .6, .4, .5, .2, .8, .3, .7, .9]  # fmt: skip
    area = ev.cross_validated_auroc([1, 0] * 12, scores, np.zeros(24))
    assert area.value == pytest.approx(0.7916666666666666)
    error = (area.high - area.low) / 2 / 1.9599639845
    assert error == pytest.approx(0.09559652706900142, abs=1e-9)


def test_scores_of_two_folds_are_never_compared():
    labels, folds = [1, 0, 1, 0, 1, 0], [1, 1, 1, 2, 2, 2]
    area = ev.cross_validated_auroc(labels, [0.2, 0.1, 0.3, 0.8, 0.9, 0.7], folds)
    assert (area.value, area.method) == (1, "not estimable")


def test_a_fold_of_one_class_is_named():
    with pytest.raises(ValueError, match=r"Fold b holds one class only \(2 patients\)"):
        ev.cross_validated_auroc([1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], list("aabb"))
    with pytest.raises(ValueError, match="4 scores need a fold each, but 3 are named"):
        ev.cross_validated_auroc([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], ["a", "a", "a", None])


# === Half-width for planning ====================================================================


@pytest.mark.parametrize(
    ("auroc", "n_pos", "n_neg", "half_width"),
    [
        (0.80, 36, 84, 0.094), (0.80, 90, 210, 0.059), (0.65, 12, 108, 0.176),
        (0.65, 30, 270, 0.111), (0.8, 1, 1, 1.959964 * 0.4),
    ],
)  # fmt: skip
def test_half_widths_are_those_of_hanley_and_mcneil(auroc, n_pos, n_neg, half_width):
    """Worked separately from the formulas of Radiology 1982;143:29-36. The last by hand: one pair
    is won with probability A, so the variance is A (1 - A)."""
    assert ev.auroc_half_width(auroc, n_pos, n_neg) == pytest.approx(half_width, abs=0.0005)


def test_half_widths_out_of_range_are_refused():
    with pytest.raises(ValueError, match="auroc must lie"):
        ev.auroc_half_width(0.4, 10, 10)
    with pytest.raises(ValueError, match="Both classes are needed"):
        ev.auroc_half_width(0.8, 0, 10)
