"""Bootstraps, against R 4.2.2."""

import numpy as np
import pandas as pd
import pytest
from thirty_patients import FIRST, SECOND
from thirty_patients import LABELS as LABELS_30

import polarnet as pn
from polarnet.evaluation.resampling import (
    bootstrap_auroc,
    cluster_bootstrap_auroc,
    mean_auroc_difference,
    seeds_and_patients_auroc,
)

# Integers that R makes as well: i <- 0:119; y <- as.integer(i %% 3 == 0); see each docstring.
ROWS = np.arange(120)
LABELS = (ROWS % 3 == 0).astype(int)
SCORES = (ROWS * 37) % 50 + 12 * LABELS
PATIENTS = ROWS // 4
OF_PATIENT = (PATIENTS % 3 == 0).astype(int)  # labels that all studies of a patient share
OF_STUDY = (PATIENTS * 17) % 30 + ROWS % 4 + 8 * OF_PATIENT
MANY = 20_000  # resamples that bring the error of an end near 0.001


@pytest.mark.parametrize(
    ("distance", "value", "low", "high"),
    [(12, 0.7098437, 0.6061, 0.7974), (38, 0.9726562, 0.9386, 0.9889)],
)
def test_stratified_bca_equals_r_boot(distance, value, low, high):
    """R 4.2.2, boot 1.3-28.1, distance d, s <- (i * 37) %% 50 + d * y:
    A <- function(y, s) { r <- rank(s); m <- sum(y)
      (mean(r[y == 1]) - (m + 1) / 2) / (length(y) - m) }
    b <- boot(data.frame(y, s), function(d, k) A(d$y[k], d$s[k]), R = 40000, strata = y)
    boot.ci(b, type = "bca")
    d = 12: 0.6061 0.7974, mean over set.seed(1) to (4)
    d = 38: 0.9386 0.9889 with set.seed(1) (percentiles there: 0.9462 0.9916)
    """
    scores = (ROWS * 37) % 50 + distance * LABELS
    area = bootstrap_auroc(LABELS, scores, seed=1, n_resamples=MANY)
    assert area.value == pytest.approx(value, abs=1e-7)
    assert (area.low, area.high) == pytest.approx((low, high), abs=0.003)
    assert area.method == "stratified bootstrap, BCa, 95 %, 20000 resamples"


def test_bootstrap_of_patients_equals_one_written_in_r():
    """R 4.2.2: p <- i %/% 4; y <- as.integer(p %% 3 == 0); s <- (p * 17) %% 30 + i %% 4 + 8 * y
    rows <- split(seq_along(p), p)                                   # A as above
    d <- replicate(40000, { k <- unlist(rows[sample(length(rows), replace = TRUE)])
      A(y[k], s[k]) })
    quantile(d, c(.025, .975))
    0.474759 0.878282 (DeLong, as if studies were patients: 0.5942 0.7914)
    """
    area = cluster_bootstrap_auroc(OF_PATIENT, OF_STUDY, PATIENTS, seed=1, n_resamples=MANY)
    assert area.value == pn.auroc(OF_PATIENT, OF_STUDY).value
    assert (area.low, area.high) == pytest.approx((0.474759, 0.878282), abs=0.006)
    assert area.method == "bootstrap of patients, percentile, 95 %, 20000 resamples"


def test_seeds_and_patients_equal_a_two_way_bootstrap_written_in_r():
    """R 4.2.2: S <- rbind(s, s + 3 * (i %% 7), s - 12 * y + 9 * (i %% 5))   # s with d = 12
    pos <- which(y == 1); neg <- which(y == 0)
    d <- replicate(40000, { k <- c(sample(pos, replace = TRUE), sample(neg, replace = TRUE))
      mean(apply(S[sample(3, replace = TRUE), k], 1, function(x) A(y[k], x))) })
    quantile(d, c(.025, .975))
    0.482812 0.769689; the three AUROCs are 0.7098437 0.6954688 0.5009375
    """
    by_seed = [SCORES, SCORES + 3 * (ROWS % 7), SCORES - 12 * LABELS + 9 * (ROWS % 5)]
    area = seeds_and_patients_auroc(LABELS, by_seed, seed=1, n_resamples=MANY)
    assert area.value == pytest.approx((0.7098437 + 0.6954688 + 0.5009375) / 3, abs=1e-7)
    assert (area.low, area.high) == pytest.approx((0.482812, 0.769689), abs=0.006)
    assert area.method.startswith("two-way bootstrap of 3 seeds and of patients in each class")


def test_studies_twice_add_nothing_to_a_bootstrap_of_patients():
    """A copy of each study wins and ties as often as the study: the same interval, exactly."""
    once = cluster_bootstrap_auroc(LABELS, SCORES, ROWS, seed=3)
    twice = cluster_bootstrap_auroc(
        np.tile(LABELS, 2), np.tile(SCORES, 2), np.tile(ROWS, 2), seed=3
    )
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))
    as_if_patients = pn.auroc(np.tile(LABELS, 2), np.tile(SCORES, 2))
    assert as_if_patients.high - as_if_patients.low < 0.8 * (twice.high - twice.low)


def test_resamples_without_a_class_are_dropped_and_counted():
    """By hand: neither of 2 positives among 10 is drawn with (8 / 10) ** 10 = 0.107; the error of
    that share over 20,000 resamples is 0.0022.
    """
    labels = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    area = cluster_bootstrap_auroc(
        labels, [5, 9, 1, 2, 3, 4, 6, 7, 8, 0], list("abcdefghij"), seed=0, n_resamples=MANY
    )  # fmt: skip
    words = area.method.split()
    assert area.method.endswith("without both classes dropped")
    assert int(words[words.index("resamples,") + 1]) / MANY == pytest.approx(0.8**10, abs=0.007)
    assert 0 <= area.low < area.value < area.high <= 1


def test_both_classes_are_in_every_resample_of_seeds_and_patients():
    """By hand: two positives that beat 4 and 8 of 8 negatives; a resample that draws either one
    twice, a quarter each, has an AUROC near one half or of 1, which is thus the upper end.
    """
    labels, scores = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0], [4.5, 9, 1, 2, 3, 4, 5, 6, 7, 8]
    area = seeds_and_patients_auroc(labels, [scores, scores], seed=0)
    assert area.value == 0.75
    assert area.low < 0.5
    assert area.high == 1


def test_all_positive_studies_of_one_patient_are_not_estimable():
    area = cluster_bootstrap_auroc([1, 1, 0, 0, 0], [3, 5, 1, 4, 2], list("aaabc"), seed=0)
    assert area.method == "not estimable"


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    for of_seed in (
        lambda seed: bootstrap_auroc(LABELS, SCORES, seed=seed),
        lambda seed: cluster_bootstrap_auroc(OF_PATIENT, OF_STUDY, PATIENTS, seed=seed),
        lambda seed: seeds_and_patients_auroc(LABELS, [SCORES, OF_STUDY], seed=seed),
    ):
        assert of_seed(1) == of_seed(1)
        assert of_seed(1) != of_seed(2)


def test_one_seed_and_few_resamples_are_refused():
    for scores in ([SCORES], SCORES):
        with pytest.raises(ValueError, match="belong to bootstrap_auroc"):
            seeds_and_patients_auroc(LABELS, scores, seed=0)
    with pytest.raises(ValueError, match="200 resamples were asked for"):
        bootstrap_auroc(LABELS, SCORES, seed=0, n_resamples=200)


# === Differences over traits or folds ===========================================================


def pairs(who):
    """Both scores of 120 patients, those of 30 four times."""
    table = {"label": LABELS_30 * 4, "first": FIRST * 4, "second": SECOND * 4}
    return pd.DataFrame(table, [f"{who}{k}" for k in range(120)])


def test_the_bootstrapped_difference_agrees_with_paired_delong():
    """pROC 1.18 on the 120 rows: roc.test(roc(y, a), roc(y, b), paired = TRUE)
    AUROC 0.8912037 and 0.8425926, interval of the difference -0.0526412 to 0.1498634."""
    found = mean_auroc_difference([pairs("p")], seed=1)
    assert found.value == pytest.approx(0.8912037 - 0.8425926, abs=1e-6)
    assert found.low == pytest.approx(-0.0526412, abs=0.015)
    assert found.high == pytest.approx(0.1498634, abs=0.015)


def test_other_patients_narrow_the_mean_difference_and_the_same_ones_do_not():
    def width(*parts):
        found = mean_auroc_difference(parts, seed=1)
        return found.high - found.low

    one = width(pairs("p"))
    assert width(pairs("p"), pairs("p")) == pytest.approx(one)
    assert width(pairs("p"), pairs("q")) == pytest.approx(one / np.sqrt(2), rel=0.1)
