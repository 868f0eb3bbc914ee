"""AUROC of a cross-validation, and of differences over folds."""

import numpy as np
import pandas as pd
import pytest

from polarnet.evaluation import cross_validated_auroc


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
    """pROC 1.18, twelve of each class, with ties; DeLong divides by 11 where the curve has 12:

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
    low_and_high = [0.2, 0.1, 0.3, 0.8, 0.9, 0.7]
    area = cross_validated_auroc(labels, low_and_high, folds)
    assert area.value == 1
    assert area.method == "not estimable"


def test_a_fold_of_one_class_is_named():
    with pytest.raises(ValueError, match="Fold b holds one class only \\(2 patients\\)"):
        cross_validated_auroc([1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4], list("aabb"))
    with pytest.raises(ValueError, match="4 scores need a fold each, but 3 are named"):
        cross_validated_auroc([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], ["a", "a", "a", None])


LABELS = [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1]
FIRST = [.9, .2, .4, .7, .1, .6, .5, .3, .8, .4, .5, .9, .2, .6, .7,
         .1, .3, .4, .5, .2, .8, .3, .7, .1, .6, .4, .9, .2, .5, .3]  # fmt: skip
SECOND = [.6, .3, .5, .5, .2, .4, .6, .1, .9, .2, .7, .3, .4, .5, .8,
          .6, .2, .7, .1, .3, .4, .5, .2, .6, .7, .3, .5, .4, .1, .8]  # fmt: skip


def pairs(who):
    """Both scores of 120 patients, those of 30 four times."""
    table = pd.DataFrame({"label": LABELS * 4, "first": FIRST * 4, "second": SECOND * 4})
    return table.set_index(pd.Index([f"{who}{k}" for k in range(120)]))


def test_the_bootstrapped_difference_agrees_with_paired_delong():
    """pROC 1.18 on the 120 rows: roc.test(roc(y, a), roc(y, b), paired = TRUE)
    AUROC 0.8912037 and 0.8425926, interval of the difference -0.0526412 to 0.1498634."""
