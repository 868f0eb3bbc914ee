import pytest

from polarnet.evaluation import samplesize
from polarnet.evaluation.samplesize import (
    auroc_half_width,
    cox_snell_r2,
    development_sample_size,
)


@pytest.mark.parametrize(
    ("c_statistic", "prevalence", "n_parameters", "n"),
    [
        (0.89, 0.174, 24, 660),
        (0.70, 0.30, 17, 1398),
        (0.70, 0.30, 5, 411),
        (0.65, 0.30, 2, 323),
        (0.80, 0.25, 17, 649),
        (0.80, 0.25, 51, 1946),
    ],
)
def test_sizes_agree_with_pmsampsize(c_statistic, prevalence, n_parameters, n):
    """pmsampsize 0.1.0 (the first is the example of its page). It simulates a million patients
    where we integrate, which moves the size by up to half a per cent.
    """
    found = development_sample_size(c_statistic, prevalence, n_parameters)
    assert found.n == pytest.approx(n, rel=0.005)


def test_criteria_equal_the_published_example(monkeypatch):
    """Riley et al., BMJ 2020;368:m441: Cox-Snell R2 0.288, prevalence 0.174, 24 parameters:
    623 patients by shrinkage, 662 by optimism.
    By hand: 1.96^2 / 0.05^2 * 0.174 * 0.826 = 220.9, and 662 * 0.174 = 115.2.
    """
    monkeypatch.setattr(samplesize, "cox_snell_r2", lambda c_statistic, prevalence: 0.288)
    found = development_sample_size(0.89, 0.174, 24)
    assert (found.n_shrinkage, found.n_optimism, found.n_overall_risk) == (623, 662, 221)
    assert (found.n, found.n_pos) == (662, 116)


@pytest.mark.parametrize(
    ("c_statistic", "prevalence", "simulated"),
    [(0.89, 0.174, 0.2905), (0.70, 0.30, 0.1028), (0.65, 0.30, 0.0583), (0.80, 0.25, 0.2072)],
)
def test_r2_is_the_limit_of_the_simulation(c_statistic, prevalence, simulated):
    """R: set.seed(1); y <- rbinom(1e6, 1, prev); x <- rnorm(1e6, y * sqrt(2) * qnorm(C))
    g <- glm(y ~ x, family = binomial); 1 - exp(-(g$null.deviance - g$deviance) / 1e6)
    """
    assert cox_snell_r2(c_statistic, prevalence) == pytest.approx(simulated, abs=0.001)


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


def test_one_patient_of_each_class_is_a_coin():
    """By hand: one pair is won with probability A, so the variance is A (1 - A)."""
    assert auroc_half_width(0.8, 1, 1) == pytest.approx(1.959964 * 0.4, abs=1e-6)


def test_more_parameters_need_more_patients():
    sizes = [development_sample_size(0.7, 0.3, k).n for k in (10, 20, 40)]
    assert sizes == sorted(sizes)
    assert sizes[2] > 1.9 * sizes[1]


def test_numbers_out_of_range_are_refused():
    for arguments, message in (
        ((0.5, 0.3, 5), "c_statistic"),
        ((1.0, 0.3, 5), "c_statistic"),
        ((0.7, 1.0, 5), "prevalence"),
        ((0.7, 0.3, 0), "n_parameters"),
    ):
        with pytest.raises(ValueError, match=message):
            development_sample_size(*arguments)
    with pytest.raises(ValueError, match="auroc must lie"):
        auroc_half_width(0.4, 10, 10)
    with pytest.raises(ValueError, match="Both classes are needed"):
        auroc_half_width(0.8, 0, 10)
