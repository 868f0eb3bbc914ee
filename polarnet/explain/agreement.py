"""How far two attribution maps of the same study agree, and how far those of two patients do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter
from scipy.stats import bootstrap, rankdata

from polarnet.anatomy import disc_mask
from polarnet.explain.groups import first_per_patient
from polarnet.explain.regions import disc_values

RESAMPLES: Final = 2000
"""Resamples behind an interval of a median (our choice)."""

SCALE_PERCENTILE: Final = 99.0
"""Each map is divided by this percentile of its own disc, then clipped (our choice)."""

# Wang et al. 2004: an 11 x 11 Gaussian window of 1.5 pixels, K1, K2; the range of values is 1.
_WINDOW_SD: Final = 1.5
_WINDOW_REACH: Final = 5
_C1: Final = 0.01**2
_C2: Final = 0.03**2

_AT_ONCE: Final = 1_000_000  # numbers in a batch of resamples: 8 MB


@dataclass(frozen=True)
class Level:
    """A median with its 95 % interval; NaN where it cannot be estimated."""

    median: float
    low: float
    high: float


def rank_correlation(heat_a: np.ndarray, heat_b: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two maps of each study, over the pixels of the disc.

    Parameters
    ----------
    heat_a, heat_b
        Maps of the same studies in the same order, both of shape (n, size, size). The values
        are ranked with their sign.

    Returns
    -------
    Array of shape (n,), -1 to 1; tied pixels share their mean rank. NaN where one of the two
    maps is constant.

    Raises
    ------
    ValueError: the shapes differ, or a map is not finite within the disc.

    >>> rank_correlation(np.eye(8)[None], np.eye(8)[None]).tolist()
    [1.0]
    """
    _check_same_shape(heat_a, heat_b)
    ranks = [rankdata(disc_values(heat), axis=1) for heat in (heat_a, heat_b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    shared = (a * b).sum(axis=1)
    return np.divide(shared, spread, out=np.full(len(a), np.nan), where=spread > 0)


def structural_similarity(heat_a: np.ndarray, heat_b: np.ndarray) -> np.ndarray:
    """Mean structural similarity (SSIM) of two maps of each study, over the disc.

    Parameters
    ----------
    heat_a, heat_b
        As for `rank_correlation`. Each map is divided by the 99th percentile of its absolute
        values within the disc and clipped to [-1, 1], so that only the pattern counts.

    Returns
    -------
    Array of shape (n,), -1 to 1; 1 for equal patterns. NaN where a map's 99th percentile is 0.
    At the edge the window weighs only the pixels within the disc: the zeros around it, which
    all maps share, would pass for agreement.

    Raises
    ------
    ValueError: as for `rank_correlation`.

    References
    ----------
    Wang et al., IEEE Trans Image Process 2004;13:600-612.
    """
    _check_same_shape(heat_a, heat_b)
    inside = disc_mask(heat_a.shape[-1])
    pairs = zip(_scaled(heat_a), _scaled(heat_b), strict=True)
    return np.array([_similarity_map(a, b, inside)[inside].mean() for a, b in pairs])


def random_pair_level(
    heat: np.ndarray,
    *,
    patients: ArrayLike | None = None,
    pairs: int = 50,
    seed: int = 0,
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray] = rank_correlation,
) -> Level:
    """Agreement between the maps of different patients: what any two maps share.

    A trained network's map and another's of the same study say the same only as far as they
    agree better than this.

    Parameters
    ----------
    heat
        Shape (n, size, size).
    patients
        Shape (n,), who each study is of; the first study of each counts. None: all different.
    pairs
        Pairs drawn at random, each of two different patients; 50 as in Arun et al.
    measure
        `rank_correlation` or `structural_similarity`.

    Returns
    -------
    Level: the median over pairs and its 95 % percentile bootstrap interval. Pairs without an
    agreement (a constant map) are left out.

    Raises
    ------
    ValueError: fewer than two patients, or no pair.

    References
    ----------
    Arun et al., Radiol Artif Intell 2021;3:e200267.
    """
    rows = first_per_patient(np.arange(len(heat)), patients)
    if len(rows) < 2 or pairs < 1:
        raise ValueError(
            f"The random-pair level needs two patients and one pair, but there are {len(rows)} "
            f"patients and {pairs} pairs."
        )
    rng = np.random.default_rng(seed)
    first, second = np.array([rng.choice(rows, 2, replace=False) for _ in range(pairs)]).T
    return median_level(measure(heat[first], heat[second]), seed=seed)


def median_level(values: ArrayLike, *, seed: int) -> Level:
    """Median with a 95 % percentile bootstrap interval; NaN values are left out.

    All NaN where fewer than two values are left.
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return Level(np.nan, np.nan, np.nan)
    ends = bootstrap(
        (known,), np.median, method="percentile", n_resamples=RESAMPLES,
        batch=max(1, _AT_ONCE // len(known)), vectorized=True, rng=seed,
    ).confidence_interval  # fmt: skip
    return Level(float(np.median(known)), float(ends.low), float(ends.high))


def _check_same_shape(heat_a: np.ndarray, heat_b: np.ndarray) -> None:
    if heat_a.shape != heat_b.shape:
        raise ValueError(
            f"Maps of shapes {heat_a.shape} and {heat_b.shape} cannot be compared: give two maps "
            "of the same studies, in the same order and size."
        )


def _scaled(heat: np.ndarray) -> np.ndarray:
    """Maps divided by their own 99th percentile, within [-1, 1]; NaN where that is 0."""
    top = np.percentile(np.abs(disc_values(heat)), SCALE_PERCENTILE, axis=1)[:, None, None]
    scaled = np.divide(heat, top, out=np.full(heat.shape, np.nan), where=top > 0)
    return np.clip(scaled, -1, 1)


def _similarity_map(a: np.ndarray, b: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """SSIM at every pixel, (size, size), from the pixels `inside`; 0 outside."""

    def local_mean(values: np.ndarray) -> np.ndarray:
        smooth = gaussian_filter(
            np.where(inside, values, 0), _WINDOW_SD, radius=_WINDOW_REACH, mode="constant"
        )
        return np.divide(smooth, weight, out=np.zeros_like(smooth), where=inside)

    weight = gaussian_filter(
        inside.astype(float), _WINDOW_SD, radius=_WINDOW_REACH, mode="constant"
    )
    mean_a, mean_b = local_mean(a), local_mean(b)
    variance_a, variance_b = local_mean(a * a) - mean_a**2, local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    return (
        (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
        / ((mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)) * inside
    )  # fmt: skip
