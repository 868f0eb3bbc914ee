"""Attribution by segment and territory, and where it differs between patients with and without."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaln
from statsmodels.stats.multitest import multipletests

from polarnet.anatomy import SEGMENTS, TERRITORIES, disc_mask, in_segment_order, segment_means
from polarnet.labels import aligned, read_labels, read_patients

RESAMPLES: Final = 2000  # resamples behind an interval, of an effect or of a median (our choice)
AT_ONCE: Final = 1_000_000  # numbers in a batch of resamples: 8 MB
FEWEST_PERMUTATIONS: Final = 999  # fewer cannot give a p-value of 0.001 (our choice)
_ROUNDING: Final = 1e-9  # smaller differences, of shares or of correlations, are rounding


def segment_attribution(heat: np.ndarray) -> np.ndarray:
    """Attribution of each AHA segment as a share of its study's.

    Parameters
    ----------
    heat
        Attribution maps of shape (n, size, size), no unit.

    Returns
    -------
    Array of shape (n, 17), float64: the mean absolute attribution of each segment, divided by
    the sum of the 17 means. Each segment counts alike, however large: an even map gives 1/17
    everywhere. The row of a study whose map is zero everywhere is NaN.

    Raises
    ------
    ValueError: `heat` is not of shape (n, size, size), or not finite within the disc.

    >>> segment_attribution(np.ones((1, 48, 48))).round(4)[0, :2].tolist()
    [0.0588, 0.0588]
    """
    disc_values(heat)
    means = segment_means(np.abs(np.where(disc_mask(heat.shape[-1]), heat, 0)))
    total = means.sum(axis=1, keepdims=True)
    return np.divide(means, total, out=np.full_like(means, np.nan), where=total > 0)


def territory_shares(segments: np.ndarray) -> pd.DataFrame:
    """Attribution of each coronary territory relative to the others, corrected for its area.

    Parameters
    ----------
    segments
        Shape (n, 17), as from `segment_attribution`, or a table whose columns name the segments.

    Returns
    -------
    Columns LAD, RCA, LCx, one row per study: the mean over the territory's segments, divided by
    the sum of the three means; 1/3 each where the attribution is even, NaN where there is none.

    Raises
    ------
    ValueError: `segments` is not of shape (n, 17).

    References
    ----------
    Cerqueira et al., Circulation 2002;105:539-542 (segments and their territories).

    >>> territory_shares(np.full((1, 17), 1 / 17)).round(3).values.tolist()
    [[0.333, 0.333, 0.333]]
    """
    index = segments.index if isinstance(segments, pd.DataFrame) else None
    segments = read_segments(segments)
    density = pd.DataFrame(
        {
            name: segments[:, np.array(members) - 1].mean(axis=1)
            for name, members in TERRITORIES.items()
        },
        index=index,
    )
    return density.div(density.sum(axis=1, skipna=False), axis=0)


def read_segments(segments: np.ndarray | pd.DataFrame) -> np.ndarray:
    """Shares of the 17 segments in their order, (n, 17)."""
    values = in_segment_order(segments)
    if values.ndim != 2 or values.shape[1] != len(SEGMENTS):
        raise ValueError(
            f"Segments of shape {values.shape}: give (n, 17), as from segment_attribution."
        )
    return values


def disc_values(heat: np.ndarray) -> np.ndarray:
    """Attribution within the disc, (n, pixels); ValueError where it is no stack, or not finite."""
    heat = np.asarray(heat)
    if heat.ndim != 3 or heat.shape[1] != heat.shape[2]:
        raise ValueError(
            f"Maps of shape {heat.shape}: give (n, size, size); one map is heat[None]."
        )
    values = heat[:, disc_mask(heat.shape[-1])]
    if odd := np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist():
        raise ValueError(
            f"{len(odd)} of {len(heat)} maps hold NaN or infinity within the disc, the first in "
            f"row {odd[0]}. Leave them out."
        )
    return values


def average_seeds(heats: Sequence[np.ndarray]) -> np.ndarray:
    """Mean attribution over networks trained alike with several seeds.

    Parameters
    ----------
    heats
        One array (n, size, size) per seed, of the same studies in the same order.

    Returns
    -------
    Array of shape (n, size, size), float32, zero outside the disc. Before the mean each map is
    divided by the sum of its absolute values: gradients of one network may be many times larger.

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
    """Positions of the first study of at most `n` patients, drawn at random (None: all), rising."""
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
        Shape (n, 17), shares as from `segment_attribution`; a row of NaN is left out.
    labels
        Shape (n,): 1, 0, or NaN, which is left out. Series and tables are aligned by their index.
    patients
        Shape (n,), who each study is of; the first left of each counts. None: all different.
    permutations
        Of patients, at least 999; the 17 segments of a patient stay together.

    Returns
    -------
    One row per segment: segment (1 to 17), name, n_pos, n_neg, mean_pos, mean_neg (shares),
    effect (mean_pos - mean_neg in pooled standard deviations, Hedges' g), ci_low, ci_high
    (95 % percentile bootstrap over patients within each class, unadjusted), p_raw (two-sided
    permutation of the pooled t), p_max_t (step-down max-T of Westfall and Young: the chance of one
    false finding or more among 17), p_bh (Benjamini-Hochberg: the share of false findings). All
    NaN where a segment varies within neither class; the others are adjusted without it.

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
    """Difference of two means in pooled SD, corrected for small samples; NaN without spread."""
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
        raise ValueError(f"{len(shares)} studies, {len(labels)} labels: give one label per study.")
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
    at_once = max(1, AT_ONCE // (positive.size + negative.size))
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
