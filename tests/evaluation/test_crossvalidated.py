"""AUROC over repeated folds: hand-worked intervals, and that folds are never mixed."""

import numpy as np
import pytest

from polarnet.evaluation.crossvalidated import (
    chance_p_value,
    repeated_auroc,
    repeated_auroc_difference,
)

LABELS = [1, 1, 0, 0, 1, 1, 0, 0]
FOLDS = [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]]
FIRST = [[4, 3, 2, 1, 4, 2, 3, 1], [4, 1, 3, 2, 4, 2, 3, 1]]
"""Areas of the four folds: 1, 3/4, 3/4 and 1/2."""

SECOND = [[4, 2, 3, 1, 4, 2, 3, 1], [4, 1, 3, 2, 4, 3, 2, 1]]
"""Areas 3/4, 3/4, 1 and 1/2."""


def test_interval_is_the_corrected_t_interval_worked_by_hand():
    """Mean 3/4, variance 1/24, correction 1/4 + 1/1: error 0.2282; t(3) 3.1824; logit scale."""
    found = repeated_auroc(LABELS, FIRST, FOLDS)
    assert found.value == 0.75
    assert (found.low, found.high) == pytest.approx((0.0587, 0.9931), abs=2e-4)


def test_p_value_is_that_of_the_same_statistic():
    """logit(3/4) = 1.0986, error 0.2282 / (3/4 * 1/4) = 1.2172: t(3) = 0.9026, above it 0.2167."""
    assert chance_p_value(LABELS, FIRST, FOLDS) == pytest.approx(0.2167, abs=2e-4)
    turned = chance_p_value(LABELS, -np.array(FIRST), FOLDS)
    assert turned == pytest.approx(1 - 0.2167, abs=2e-4)
    assert np.isnan(chance_p_value(LABELS, [[4, 3, 2, 1] * 2] * 2, FOLDS))


def test_difference_is_that_of_each_fold():
    """Differences 1/4, 0, -1/4, 0: mean 0, variance 1/24, half 3.1824 * 0.2282 = 0.7263."""
    found = repeated_auroc_difference(LABELS, FIRST, SECOND, FOLDS)
    assert (found.value, found.low, found.high) == pytest.approx((0, -0.7263, 0.7263), abs=2e-4)
    turned = repeated_auroc_difference(LABELS, SECOND, FIRST, FOLDS)
    assert turned.high == pytest.approx(-found.low)


def test_scores_of_different_folds_are_never_compared():
    moved = np.array(FIRST, float)
    moved[np.array(FOLDS) == 1] += 100
    assert repeated_auroc(LABELS, moved, FOLDS) == repeated_auroc(LABELS, FIRST, FOLDS)


def test_folds_that_agree_have_no_interval():
    found = repeated_auroc(LABELS, [[4, 3, 2, 1] * 2] * 2, FOLDS)
    assert found.value == 1
    assert np.isnan(found.low)
    assert found.method == "not estimable"


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([[0, 0, 1, 1, 0, 0, 1, 1]] * 2, "one class only"),
        ([[0] * 8] * 2, "two folds or more"),
        (FOLDS[:1], "need as many folds"),
    ],
)
def test_folds_that_tell_nothing_are_refused(folds, words):
    with pytest.raises(ValueError, match=words):
        repeated_auroc(LABELS, FIRST, folds)
