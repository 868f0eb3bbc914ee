"""AUROC and DeLong's tests, against R 4.2.2 and pROC 1.18.0 with y, a, b being LABELS, FIRST,
SECOND; ra <- roc(y, a, direction = "<"), rb <- roc(y, b, direction = "<").
"""

import numpy as np
import pytest
from thirty_patients import FIRST, LABELS, SECOND

import polarnet as pn
from polarnet.evaluation import auroc_half_width, cross_validated_auroc, unpaired_delong_test
from polarnet.evaluation.roc import chance_p_value


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (FIRST, (0.775168778503134, 0.891203703703704, 1.0)),
        (SECOND, (0.703466906813217, 0.842592592592593, 0.981718278371968)),
    ],
)
def test_delong_interval_equals_proc(scores, expected):
    """R: ci.auc(ra, method = "delong")"""
    area = pn.auroc(LABELS, scores, method="delong")
    assert (area.low, area.value, area.high) == pytest.approx(expected, abs=1e-13)


def test_default_interval_is_delong_on_the_logit_scale():
    """R: A <- auc(ra); s <- sqrt(var(ra)) / (A * (1 - A))
    plogis(qlogis(A) + c(-1, 1) * qt(.975, min(table(y)) - 1) * s)
    """
    area = pn.auroc(LABELS, FIRST)
    expected = (0.6811792932694473, 0.969141393002795)
    assert (area.low, area.high) == pytest.approx(expected, abs=1e-13)
    assert repr(area) == "0.89 [0.68, 0.97]"


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
    found = unpaired_delong_test(LABELS, FIRST, LABELS, SECOND)
    expected = (0.525913054876598, 0.598948617941244, -0.132551965452198, 0.229774187674420)
    assert (found.z, found.p_value, found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert found.method == "unpaired DeLong"


def test_p_value_equals_wilcox_test():
    """R: wilcox.test(a[y == 1], a[y == 0], correct = FALSE, exact = FALSE)$p.value"""
    assert chance_p_value(LABELS, FIRST) == pytest.approx(0.000318132911599674, rel=1e-10)
    assert chance_p_value(LABELS, SECOND) == pytest.approx(0.00159404598430892, rel=1e-10)


def test_order_of_patients_does_not_matter_and_no_score_is_turned():
    order = np.random.default_rng(0).permutation(len(LABELS))
    shuffled = pn.auroc(np.array(LABELS)[order], np.array(FIRST)[order])
    assert shuffled.low == pytest.approx(pn.auroc(LABELS, FIRST).low, abs=1e-12)
    assert pn.auroc(LABELS, -np.array(FIRST)).value == pytest.approx(1 - 0.891203703703704)


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.5] * 4])
def test_no_variance_is_not_estimable(scores):
    area = pn.auroc([0, 0, 1, 1], scores)
    assert np.isnan(area.low)
    assert area.method == "not estimable"
    assert "not estimable" in repr(area)


def test_tests_without_variance_are_not_estimable_but_for_equal_ranks():
    alike = pn.delong_test(LABELS, FIRST, np.array(FIRST) / 2)
    assert (alike.p_value, alike.difference) == (1.0, 0.0)
    assert alike.method == "both rank the patients alike"
    labels, good = [0, 0, 1, 1], [1, 2, 3, 4]
    for found, difference in ((pn.delong_test(labels, good, good[::-1]), 1),
                              (unpaired_delong_test(labels, good, labels, good), 0)):  # fmt: skip
        assert (found.difference, found.method) == (difference, "not estimable")
        assert np.isnan(found.p_value)
    with pytest.raises(ValueError, match="two patients of each class in each group"):
        unpaired_delong_test([0, 1, 0], [1, 2, 3], LABELS, FIRST)
    with pytest.raises(ValueError, match="at least two patients of each class"):
        pn.delong_test([0, 1, 0], [1, 2, 3], [3, 2, 1])


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


# === Over folds =================================================================================


def test_a_cross_validated_auroc_equals_the_one_worked_by_hand():
    """Fold A: AUROC 2/3, fold B: 3/4, three of eight positive.

    Squared influence, positives weighted by 8/3 and negatives by 8/5, mean of each fold:
    A: 64/25 (1/9 + 1/9 + 4/9) / 4 = 0.426667; B: (64/9 / 8 + 64/25 / 8) / 4 = 0.302222.
    Standard error: sqrt((0.426667 + 0.302222) / 2 / 8) = 0.213438.
    """
    labels = [1, 0, 0, 0, 1, 1, 0, 0]
    scores = [0.9, 0.5, 0.1, 0.95, 0.7, 0.2, 0.1, 0.4]
    area = cross_validated_auroc(labels, scores, list("AAAABBBB"))
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
    area = cross_validated_auroc([1, 0] * 12, scores, np.zeros(24))
    assert area.value == pytest.approx(0.7916666666666666)
    error = (area.high - area.low) / 2 / 1.9599639845
    assert error == pytest.approx(0.09559652706900142, abs=1e-9)


def test_scores_of_two_folds_are_never_compared():
    labels, folds = [1, 0, 1, 0, 1, 0], [1, 1, 1, 2, 2, 2]
    area = cross_validated_auroc(labels, [0.2, 0.1, 0.3, 0.8, 0.9, 0.7], folds)
    assert area.value == 1
    assert area.method == "not estimable"


def test_a_fold_of_one_class_is_named():
    with pytest.raises(ValueError, match="Fold b holds one class only \\(2 patients\\)"):
        cross_validated_auroc([1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], list("aabb"))
    with pytest.raises(ValueError, match="4 scores need a fold each, but 3 are named"):
        cross_validated_auroc([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], ["a", "a", "a", None])


# === Half-width for planning ====================================================================


@pytest.mark.parametrize(
    ("auroc", "n", "share", "half_width"),
    [
        (0.80, 120, 0.3, 0.094), (0.80, 200, 0.3, 0.073), (0.80, 300, 0.3, 0.059),
        (0.65, 120, 0.1, 0.176), (0.65, 200, 0.1, 0.136), (0.65, 300, 0.1, 0.111),
    ],
)  # fmt: skip
def test_half_widths_are_those_of_hanley_and_mcneil(auroc, n, share, half_width):
    """Worked separately from the formulas of Radiology 1982;143:29-36."""
    n_pos = round(share * n)
    assert auroc_half_width(auroc, n_pos, n - n_pos) == pytest.approx(half_width, abs=0.0005)


def test_one_patient_of_each_class_is_a_coin_and_none_is_refused():
    """By hand: one pair is won with probability A, so the variance is A (1 - A)."""
    assert auroc_half_width(0.8, 1, 1) == pytest.approx(1.959964 * 0.4, abs=1e-6)
    with pytest.raises(ValueError, match="auroc must lie"):
        auroc_half_width(0.4, 10, 10)
    with pytest.raises(ValueError, match="Both classes are needed"):
        auroc_half_width(0.8, 0, 10)
