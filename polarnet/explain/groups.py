"""Where the attribution of those with a trait differs from that of those without."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.linalg import orth
from scipy.special import gammaln
from statsmodels.stats.multitest import multipletests

from polarnet.anatomy import SEGMENTS, disc_mask, in_segment_order
from polarnet.explain.regions import disc_values
from polarnet.labels import aligned, read_labels, read_numbers, read_patients

RESAMPLES: Final = 2000
"""Resamples behind the interval of an effect (our choice)."""

FEWEST_PERMUTATIONS: Final = 999
"""Fewer cannot give a p-value of 0.001 (our choice)."""

_AT_ONCE: Final = 1_000_000  # numbers in a batch of resamples or permutations: 8 MB
_ROUNDING: Final = 1e-9  # smaller differences, of shares or of correlations, are rounding


def average_seeds(heats: Sequence[np.ndarray]) -> np.ndarray:
    """Mean attribution over networks trained alike with several seeds.

    Parameters
    ----------
    heats
        One array a seed, each of shape (n, size, size), of the same studies in the same order.

    Returns
    -------
    Array of shape (n, size, size), float32, zero outside the disc. Before the mean each map is
    divided by the sum of its absolute values over the disc: the gradients of one network may be
    many times those of another. A map that is zero everywhere stays so.

    Raises
    ------
    ValueError: there is no seed, the shapes differ, or a map is not finite within the disc.
    """
    if len({heat.shape for heat in heats}) != 1:
        raise ValueError(
            "The maps of at least one seed are needed, all of one shape, but "
            f"{[heat.shape for heat in heats]} were given."
        )
    inside = disc_mask(heats[0].shape[-1])
    mean = np.zeros(heats[0].shape, np.float32)
    for heat in heats:
        values = disc_values(heat)
        total = np.abs(values).sum(axis=1, dtype=np.float64, keepdims=True)
        mean[:, inside] += values / np.where(total > 0, total, 1) / len(heats)
    return mean


def drawn_patients(patients: ArrayLike, n: int | None, *, seed: int) -> np.ndarray:
    """The first study of at most `n` patients, drawn at random.

    Parameters
    ----------
    patients
        Shape (n_studies,), who each study is of.
    n
        None: of every patient.

    Returns
    -------
    Positions of the studies, in their own order.

    >>> drawn_patients(["A", "A", "B", "C"], None, seed=0).tolist()
    [0, 2, 3]
    """
    first = np.flatnonzero(~pd.Series(np.asarray(patients)).duplicated().to_numpy())
    return np.sort(np.random.default_rng(seed).permutation(first)[:n])


def first_per_patient(values: np.ndarray, patients: ArrayLike | None) -> np.ndarray:
    """Rows of `values` that are the first of their patient; all of them where `patients` is None.

    Raises
    ------
    ValueError: a study has no patient.

    >>> first_per_patient(np.array([5, 6, 7]), ["A", "A", "B"]).tolist()
    [5, 7]
    """
    if patients is None:
        return values
    who = pd.Series(read_patients(patients, len(values)))
    return values[~who.duplicated().to_numpy()]


def compare_groups(
    segments: np.ndarray,
    labels: ArrayLike,
    *,
    patients: ArrayLike | None = None,
    adjust_for: pd.DataFrame | None = None,
    permutations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the segment shares of those with a trait and those without.

    Parameters
    ----------
    segments
        Shape (n, 17), shares as from `segment_attribution`; average over seeds first. A row of
        NaN is left out.
    labels
        Shape (n,): 1, 0, or NaN where not recorded, which is left out. Series and tables are
        aligned by their index.
    patients
        Shape (n,), who each study is of; the first study left of each counts. None: all
        different.
    adjust_for
        Numbers such as age and sex, one row a study, rows as in `segments`. Means and effects are
        then those at the covariates' mean, from a linear model of the share on trait and
        covariates, and the permutations are Freedman and Lane's. A study that lacks a number is
        left out.
    permutations
        Of patients, at least 999; the 17 segments of a patient stay together.

    Returns
    -------
    One row a segment: segment (1 to 17), name, n_pos, n_neg, mean_pos, mean_neg (shares),
    effect (mean_pos - mean_neg in pooled standard deviations, Hedges' g), ci_low, ci_high
    (95 % percentile bootstrap over patients within each class, unadjusted for 17 segments; the
    adjustment for covariates is taken as known), p_raw (two-sided permutation of the pooled t),
    p_max_t (step-down max-T of Westfall and Young: the chance of one false finding or more among
    17), p_bh (Benjamini-Hochberg: the share of false findings). Where a segment varies within
    neither class, effect, interval and p-values are NaN, and the others are adjusted without it.

    Raises
    ------
    ValueError: the lengths differ, a label is not 0, 1 or NaN, a class has fewer than two
        patients, the covariates explain the trait fully, or too few permutations.

    References
    ----------
    Hedges, J Educ Stat 1981;6:107-128. Westfall & Young, Resampling-Based Multiple Testing, 1993
    (algorithm 4.1). Freedman & Lane, J Bus Econ Stat 1983;1:292-298. Phipson & Smyth, Stat Appl
    Genet Mol Biol 2010;9:39 (p-values (b + 1) / (B + 1)).
    """
    if permutations < FEWEST_PERMUTATIONS:
        raise ValueError(
            f"{permutations} permutations were asked for; {FEWEST_PERMUTATIONS} or more are needed."
        )
    shares, is_positive, covariates = _usable(segments, labels, patients, adjust_for)
    shares = _at_mean_covariates(shares, is_positive, covariates)
    positive, negative = shares[is_positive].T, shares[~is_positive].T
    table = pd.DataFrame(
        {
            "segment": np.arange(1, len(SEGMENTS) + 1), "name": SEGMENTS,
            "n_pos": positive.shape[1], "n_neg": negative.shape[1],
            "mean_pos": positive.mean(axis=1), "mean_neg": negative.mean(axis=1),
        }
    )  # fmt: skip
    columns = ["effect", "ci_low", "ci_high", "p_raw", "p_max_t", "p_bh"]
    table[columns] = np.nan
    varies = (positive.var(axis=1) + negative.var(axis=1)) > _ROUNDING**2
    if varies.any():
        positive, negative = positive[varies], negative[varies]
        p_raw, p_max_t = _permutation_p_values(
            shares[:, varies], is_positive, covariates, permutations, seed
        )
        table.loc[varies, columns] = np.column_stack([
            hedges_g(positive, negative), *_effect_interval(positive, negative, seed),
            p_raw, p_max_t, multipletests(p_raw, method="fdr_bh")[1],
        ])  # fmt: skip
    return table


def hedges_g(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
    """Difference of two means in pooled standard deviations, corrected for small samples.

    NaN where neither group varies.

    >>> float(hedges_g(np.array([1.0, 3.0]), np.array([1.0, 3.0])))
    0.0
    """
    m, n = positive.shape[axis], negative.shape[axis]
    freedom = m + n - 2
    pooled = ((m - 1) * positive.var(axis, ddof=1) + (n - 1) * negative.var(axis, ddof=1)) / freedom
    difference = np.asarray(positive.mean(axis) - negative.mean(axis))
    ratio = np.full(difference.shape, np.nan)
    np.divide(difference, np.sqrt(pooled), out=ratio, where=pooled > _ROUNDING**2)
    small_sample = gammaln(freedom / 2) - gammaln((freedom - 1) / 2) - np.log(freedom / 2) / 2
    return ratio * np.exp(small_sample)


def _usable(
    segments: np.ndarray,
    labels: ArrayLike,
    patients: ArrayLike | None,
    adjust_for: pd.DataFrame | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares (k, 17), who has the trait (k,), covariates (k, c) of the patients that count."""
    segments, labels, patients, adjust_for = aligned(segments, labels, patients, adjust_for)
    shares, labels = in_segment_order(segments), read_labels(labels)
    covariates = np.empty((len(shares), 0))
    if adjust_for is not None:
        covariates = read_numbers(adjust_for, "Covariates")
    if shares.ndim != 2 or shares.shape[1] != len(SEGMENTS):
        raise ValueError(
            f"Segments of shape {shares.shape}: give (n, 17), as from segment_attribution."
        )
    if not labels.shape == (len(shares),) == (len(covariates),):
        raise ValueError(
            f"{len(shares)} studies, labels of shape {labels.shape} and {len(covariates)} rows of "
            "covariates: give one label a study, and one row of covariates if any."
        )
    is_whole = np.isfinite(np.column_stack([shares, labels, covariates])).all(axis=1)
    who = np.arange(len(shares)) if patients is None else np.asarray(patients)
    rows = first_per_patient(np.flatnonzero(is_whole), who[is_whole])
    is_positive = labels[rows] == 1
    n_pos, n_neg = int(is_positive.sum()), int((~is_positive).sum())
    if min(n_pos, n_neg) < 2:
        raise ValueError(
            f"Two patients of each class are needed, but {n_pos} have the trait and {n_neg} have "
            "not. Enlarge the cohort or drop the trait."
        )
    return shares[rows], is_positive, covariates[rows]


def _at_mean_covariates(
    shares: np.ndarray, is_positive: np.ndarray, covariates: np.ndarray
) -> np.ndarray:
    """Shares less what a linear model on trait and covariates gives to the latter."""
    centred = covariates - covariates.mean(axis=0)
    design = np.column_stack([centred, is_positive, np.ones(len(shares))])
    coefficients = np.linalg.lstsq(design, shares, rcond=None)[0]
    return shares - centred @ coefficients[: centred.shape[1]]


def _effect_interval(positive: np.ndarray, negative: np.ndarray, seed: int) -> np.ndarray:
    """Ends of the interval of Hedges' g, (2, segments), from shares (segments, patients)."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _AT_ONCE // (positive.size + negative.size))
    draws = []
    for start in range(0, RESAMPLES, at_once):
        size = min(at_once, RESAMPLES - start)
        one, other = (
            values[:, rng.integers(values.shape[1], size=(size, values.shape[1]))]
            for values in (positive, negative)
        )
        draws.append(hedges_g(one, other))
    # A resample in which neither class varies has no effect; it is left out.
    return np.nanquantile(np.concatenate(draws, axis=1), [0.025, 0.975], axis=1)


def _permutation_p_values(
    shares: np.ndarray,
    is_positive: np.ndarray,
    covariates: np.ndarray,
    permutations: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Raw and max-T p-value of each segment, from permuted residuals of the covariates."""
    n = len(shares)
    spread = covariates.std(axis=0)
    scaled = (covariates - covariates.mean(axis=0)) / np.where(spread > 0, spread, 1)
    basis = orth(np.column_stack([np.ones(n), scaled]))
    trait, left = (
        values - basis @ (basis.T @ values) for values in (is_positive.astype(float), shares)
    )
    if n <= basis.shape[1] + 1 or (trait**2).sum() < _ROUNDING:
        raise ValueError(
            f"The covariates tell the trait of all {n} patients: nothing is left to compare. "
            "Leave out those that define the trait."
        )
    left /= np.sqrt((left**2).sum(axis=0))

    def strength(orders: np.ndarray) -> np.ndarray:
        """Partial correlation with the trait, up to a factor; it rises with |t|: (b, segments)."""
        by_covariates = (np.tensordot(basis[orders], left, (1, 0)) ** 2).sum(axis=1)
        return np.abs(trait[orders] @ left) / np.sqrt(1 - by_covariates)

    observed = strength(np.arange(n)[None])[0]
    downwards = np.argsort(-observed)
    observed, left = observed[downwards] * (1 - _ROUNDING), left[:, downwards]
    rng = np.random.default_rng(seed)
    exceeded, exceeded_by_max = np.ones_like(observed), np.ones_like(observed)
    at_once = max(1, _AT_ONCE // (n * basis.shape[1]))
    for start in range(0, permutations, at_once):
        size = min(at_once, permutations - start)
        drawn = strength(rng.permuted(np.tile(np.arange(n), (size, 1)), axis=1))
        # Step down: each segment against the largest among itself and the weaker ones.
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
        exceeded += (drawn >= observed).sum(axis=0)
        exceeded_by_max += (largest >= observed).sum(axis=0)
    exceeded_by_max = np.maximum.accumulate(exceeded_by_max)
    upwards = np.argsort(downwards)
    return exceeded[upwards] / (permutations + 1), exceeded_by_max[upwards] / (permutations + 1)
