"""Where the attribution of those with a trait differs from that of those without."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln
from statsmodels.stats.multitest import multipletests

from polarnet.anatomy import SEGMENTS, disc_mask
from polarnet.explain.regions import disc_values, read_segments
from polarnet.labels import aligned, read_labels, read_patients

RESAMPLES: Final = 2000
"""Resamples behind the interval of an effect (our choice)."""

FEWEST_PERMUTATIONS: Final = 999
"""Fewer cannot give a p-value of 0.001 (our choice)."""

_AT_ONCE: Final = 1_000_000  # numbers in a batch of resamples: 8 MB
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
    """The first study of at most `n` patients, drawn at random (None: of every patient).

    Parameters
    ----------
    patients
        Shape (n_studies,), who each study is of.

    Returns
    -------
    Positions of the studies, in their own order.

    >>> drawn_patients(["A", "A", "B", "C"], None, seed=0).tolist()
    [0, 2, 3]
    """
    first = np.flatnonzero(~pd.Series(np.asarray(patients)).duplicated().to_numpy())
    return np.sort(np.random.default_rng(seed).permutation(first)[:n])


def compare_groups(
    segments: np.ndarray,
    labels: ArrayLike,
    *,
    patients: ArrayLike | None = None,
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
    permutations
        Of patients, at least 999; the 17 segments of a patient stay together.

    Returns
    -------
    One row a segment: segment (1 to 17), name, n_pos, n_neg, mean_pos, mean_neg (shares),
    effect (mean_pos - mean_neg in pooled standard deviations, Hedges' g), ci_low, ci_high
    (95 % percentile bootstrap over patients within each class, unadjusted for 17 segments), p_raw
    (two-sided permutation of the pooled t), p_max_t (step-down max-T of Westfall and Young: the
    chance of one false finding or more among 17), p_bh (Benjamini-Hochberg: the share of false
    findings). Where a segment varies within neither class, effect, interval and p-values are NaN,
    and the others are adjusted without it.

    Raises
    ------
    ValueError: the lengths differ, a label is not 0, 1 or NaN, a class has fewer than two
        patients, or too few permutations.

    References
    ----------
    Hedges, J Educ Stat 1981;6:107-128. Westfall & Young, Resampling-Based Multiple Testing, 1993
    (algorithm 4.1). Phipson & Smyth, Stat Appl Genet Mol Biol 2010;9:39 (p-values
    (b + 1) / (B + 1)).
    """
    if permutations < FEWEST_PERMUTATIONS:
        raise ValueError(
            f"{permutations} permutations were asked for; {FEWEST_PERMUTATIONS} or more are needed."
        )
    shares, is_positive = _usable(segments, labels, patients)
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
        p_raw, p_max_t = _p_values(shares[:, varies], is_positive, permutations, seed)
        table.loc[varies, columns] = np.column_stack([
            hedges_g(positive, negative), *_effect_interval(positive, negative, seed),
            p_raw, p_max_t, multipletests(p_raw, method="fdr_bh")[1],
        ])  # fmt: skip
    return table


def hedges_g(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """Difference of two means in pooled standard deviations, corrected for small samples.

    NaN where neither group varies.

    >>> float(hedges_g(np.array([1.0, 3.0]), np.array([1.0, 3.0])))
    0.0
    """
    m, n = positive.shape[-1], negative.shape[-1]
    freedom = m + n - 2
    pooled = ((m - 1) * positive.var(-1, ddof=1) + (n - 1) * negative.var(-1, ddof=1)) / freedom
    difference = np.asarray(positive.mean(-1) - negative.mean(-1))
    ratio = np.full(difference.shape, np.nan)
    np.divide(difference, np.sqrt(pooled), out=ratio, where=pooled > _ROUNDING**2)
    small_sample = gammaln(freedom / 2) - gammaln((freedom - 1) / 2) - np.log(freedom / 2) / 2
    return ratio * np.exp(small_sample)


def _usable(
    segments: np.ndarray, labels: ArrayLike, patients: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Shares (k, 17) and who has the trait (k,), of the first known study of each patient."""
    segments, labels, patients = aligned(segments, labels, patients)
    shares, labels = read_segments(segments), read_labels(labels)
    if len(labels) != len(shares):
        raise ValueError(f"{len(shares)} studies, {len(labels)} labels: give one label a study.")
    rows = np.flatnonzero(np.isfinite(np.column_stack([shares, labels])).all(axis=1))
    if patients is not None:
        who = pd.Series(read_patients(np.asarray(patients)[rows], len(rows)))
        rows = rows[~who.duplicated().to_numpy()]
    is_positive = labels[rows] == 1
    n_pos, n_neg = int(is_positive.sum()), int((~is_positive).sum())
    if min(n_pos, n_neg) < 2:
        raise ValueError(
            f"Two patients of each class are needed, but {n_pos} have the trait and {n_neg} have "
            "not. Enlarge the cohort or drop the trait."
        )
    return shares[rows], is_positive


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


def _p_values(
    shares: np.ndarray, is_positive: np.ndarray, permutations: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Raw and max-T p-value of each segment; its correlation with the trait rises with |t|."""
    trait, spread = is_positive - is_positive.mean(), shares - shares.mean(axis=0)
    spread /= np.linalg.norm(spread, axis=0)
    rng = np.random.default_rng(seed)
    drawn = np.abs([rng.permutation(trait) @ spread for _ in range(permutations)])
    observed = np.abs(trait @ spread) * (1 - _ROUNDING)
    downwards = np.argsort(-observed)
    # Step down: each segment against the largest among itself and the weaker ones.
    largest = np.maximum.accumulate(drawn[:, downwards[::-1]], axis=1)[:, ::-1]
    n_raw, n_max_t = (drawn >= observed).sum(axis=0), np.empty(len(observed))
    n_max_t[downwards] = np.maximum.accumulate((largest >= observed[downwards]).sum(axis=0))
    return (n_raw + 1) / (permutations + 1), (n_max_t + 1) / (permutations + 1)
