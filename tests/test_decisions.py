import numpy as np
import pytest
from test_evaluation import FIRST, LABELS

from polarnet.evaluation.decisions import net_benefit

SMALL = [1, 0, 1, 0, 0], [0.9, 0.8, 0.5, 0.2, 0.1]


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


def test_a_model_that_calls_all_is_treat_all_and_one_that_calls_none_is_treat_none():
    table = net_benefit(LABELS, FIRST, [0.05, 0.95], seed=0)
    assert table["model"][0] == pytest.approx(table["treat_all"][0])
    assert table.loc[1, ["model", "low", "high"]].to_list() == [0, 0, 0]


def test_a_perfect_model_gains_the_prevalence_and_varies_with_it():
    """2.5 % and 97.5 % quantiles of a binomial of 30 patients and 12 / 30, over 30:
    R: qbinom(c(0.025, 0.975), 30, 0.4) / 30, which are 7/30 and 17/30
    """
    table = net_benefit(LABELS, LABELS, [0.3], seed=1, n_resamples=4000)
    assert table["model"][0] == pytest.approx(12 / 30)
    assert (table["low"][0], table["high"][0]) == pytest.approx((7 / 30, 17 / 30), abs=0.5 / 30)


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


def test_what_is_no_threshold_is_refused():
    for odd in ([0.0], [1.0], [0.2, np.nan]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            net_benefit(*SMALL, odd, seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        net_benefit(*SMALL, [0.5], seed=0, n_resamples=0)
    with pytest.raises(ValueError, match="all 2 patients are negative"):
        net_benefit([0, 0], [0.1, 0.2], [0.5], seed=0)
