"""Bootstrap: intervals of an AUROC over patients, over their studies, over training seeds."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import bootstrap, rankdata

from polarnet.evaluation.roc import (
    LEVEL,
    NOT_ESTIMABLE,
    Interval,
    auroc,
    checked_scores,
    not_estimable,
)
from polarnet.ids import normal_ids
from polarnet.labels import aligned, read_numbers, read_patients

FEWEST_RESAMPLES: Final = 1000
"""Fewer leave less than 25 resamples beyond an end of the interval (our choice)."""

ENDS: Final = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
"""Quantiles of the resamples that are the ends of an interval."""

_AT_ONCE: Final = 1_000_000  # numbers in a batch of resamples: 8 MB an array


def bootstrap_auroc(
    labels: ArrayLike, scores: ArrayLike, *, seed: int, n_resamples: int = 9999
) -> Interval:
    """AUROC with the BCa interval of a bootstrap stratified by class: a sensitivity analysis beside
    the default interval of `auroc`, with the same labels and scores, one of each patient.

    "not estimable" where all resamples agree (an AUROC of 0 or 1, equal scores) or a class has one
    member: BCa is undefined there, and percentiles would have no width. ValueError: as for `auroc`,
    or fewer than 1,000 resamples. Efron, J Am Stat Assoc 1987;82:171-185 (BCa).
    """
    _refuse_few(n_resamples)
    is_positive, (values,) = checked_scores(labels, scores)
    area = auroc(is_positive, values)
    if area.method == NOT_ESTIMABLE:
        return area
    ends = bootstrap(
        (values[is_positive], values[~is_positive]), _auroc_along, paired=False, vectorized=True,
        n_resamples=n_resamples, batch=_batch_size(len(values)), confidence_level=LEVEL,
        method="BCa", rng=seed,
    ).confidence_interval  # fmt: skip
    method = f"stratified bootstrap, BCa, 95 %, {n_resamples} resamples"
    return Interval(area.value, float(ends.low), float(ends.high), method)


def cluster_bootstrap_auroc(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: ArrayLike,
    *,
    seed: int,
    n_resamples: int = 2000,
) -> Interval:
    """AUROC over all studies, with the percentile interval of a bootstrap of patients.

    Labels and scores are those of `auroc`, one of each study; `patients`, shape (n,), says who each
    study is of, and a patient drawn brings all studies. Resamples without both classes are dropped
    and counted in `method`. "not estimable" as for `bootstrap_auroc`, and where fewer than two
    patients have a study of a class. ValueError: as for `bootstrap_auroc`, or a study has no
    patient. Field & Welsh, J R Stat Soc B 2007;69:369-390 (bootstrap of clusters).
    """
    _refuse_few(n_resamples)
    labels, scores, patients = aligned(labels, scores, patients)
    is_positive, (values,) = checked_scores(labels, scores)
    area = auroc(is_positive, values)
    who = read_patients(patients, len(values))
    fewest = min(len(set(who[is_positive])), len(set(who[~is_positive])))
    if area.method == NOT_ESTIMABLE or fewest < 2:
        return not_estimable(area.value)
    rng = np.random.default_rng(seed)

    def draw(size: int) -> np.ndarray:
        counts = drawn_counts(rng, who.max() + 1, size)
        return _weighted_auroc(is_positive, values, counts[:, who])

    return _percentiles(area.value, draw, len(values), n_resamples, "bootstrap of patients")


def seeds_and_patients_auroc(
    labels: ArrayLike, scores_by_seed: ArrayLike, *, seed: int, n_resamples: int = 2000
) -> Interval:
    """Mean AUROC of models trained alike, with an interval over training seeds and patients.

    `scores_by_seed` has shape (k, n), k >= 2: row s holds the scores of the model trained with the
    s-th seed. The columns of a DataFrame, or the index of Series in a list, are aligned with the
    labels'. Each resample draws seeds, and patients within each class, independently of one
    another. The value is the mean of the k AUROCs, not the AUROC of mean scores; with k seeds the
    part of the spread that comes from training is understated by about 1 / k. ValueError: as for
    `bootstrap_auroc`, or fewer than two seeds. Owen, Ann Appl Stat 2007;1:386-411 (two-way
    bootstrap).
    """
    _refuse_few(n_resamples)
    if isinstance(scores_by_seed, pd.DataFrame):
        scores_by_seed = [row for _, row in scores_by_seed.iterrows()]
    if not isinstance(scores_by_seed, list | tuple):
        scores_by_seed = list(np.atleast_1d(np.asarray(scores_by_seed)))
    seeds = list(scores_by_seed)
    if len(seeds) < 2 or any(read_numbers(scores).ndim != 1 for scores in seeds):
        raise ValueError(
            f"Scores of two seeds or more are needed, shape (seeds, patients), but "
            f"{np.shape(scores_by_seed)} was given. The scores of one model belong to "
            "bootstrap_auroc."
        )
    is_positive, by_seed = checked_scores(labels, *seeds)
    areas = [auroc(is_positive, scores) for scores in by_seed]
    value = float(np.mean([area.value for area in areas]))
    if all(area.method == NOT_ESTIMABLE for area in areas):
        return not_estimable(value)
    rng_patients, rng_seeds = np.random.default_rng(seed).spawn(2)

    def draw(size: int) -> np.ndarray:
        counts = np.empty((size, len(is_positive)))
        for members in (is_positive, ~is_positive):
            counts[:, members] = drawn_counts(rng_patients, int(members.sum()), size)
        drawn = np.stack([_weighted_auroc(is_positive, scores, counts) for scores in by_seed])
        shares = drawn_counts(rng_seeds, len(by_seed), size) / len(by_seed)
        return (shares * drawn.T).sum(axis=1)

    what = f"two-way bootstrap of {len(by_seed)} seeds and of patients in each class"
    return _percentiles(value, draw, by_seed.shape[1], n_resamples, what)


def mean_auroc_difference(
    parts: Sequence[pd.DataFrame], *, seed: int, n_resamples: int = 2000
) -> Interval:
    """Mean over several parts of AUROC(first) - AUROC(second), with a bootstrap of patients.

    The parts are the traits of one model, whose patients are the same, or the folds of a
    cross-validation, whose patients are not: tables with index patient_id and columns label (0 or
    1), first, second (scores; higher means more likely 1). A patient drawn comes into every part.
    Resamples where a part lacks a class are dropped and counted in `method`. ValueError: as for
    `bootstrap_auroc`, or there is no part.
    """
    _refuse_few(n_resamples)
    if not parts:
        raise ValueError("Nothing to average: give the table of one trait, or fold, at least.")
    # Rows of a table belong together, whatever its index.
    read = [checked_scores(part["label"].array, part["first"].array, part["second"].array)
            for part in parts]  # fmt: skip
    lengths = np.cumsum([len(part) for part in parts])
    names = normal_ids(name for part in parts for name in part.index)
    read_patients(names, lengths[-1])
    who = np.unique(names, return_inverse=True)[1]
    members = np.split(who, lengths[:-1])
    rng = np.random.default_rng(seed)

    def draw(size: int) -> np.ndarray:
        counts = drawn_counts(rng, who.max() + 1, size)
        differences = []
        for (is_positive, values), drawn_by in zip(read, members, strict=True):
            weights = counts[:, drawn_by]
            of_first, of_second = (_weighted_auroc(is_positive, row, weights) for row in values)
            differences.append(of_first - of_second)
        return np.mean(differences, axis=0)

    areas = [[auroc(is_positive, row).value for row in values] for is_positive, values in read]
    value = float(np.mean([first - second for first, second in areas]))
    return _percentiles(value, draw, who.max() + 1, n_resamples, "bootstrap of patients")


def drawn_counts(rng: np.random.Generator, n: int, size: int) -> np.ndarray:
    """How often each of n is drawn in each of `size` resamples, shape (size, n)."""
    return rng.multinomial(n, np.full(n, 1 / n), size=size).astype(float)


def _percentiles(
    value: float, draw: Callable[[int], np.ndarray], n: int, n_resamples: int, what: str
) -> Interval:
    """Interval between percentiles of resamples of n numbers, drawn in batches; lost ones drop."""
    at_once = _batch_size(n)
    starts = range(0, n_resamples, at_once)
    draws = np.concatenate([draw(min(at_once, n_resamples - start)) for start in starts])
    is_lost = np.isnan(draws)
    remark = f", {int(is_lost.sum())} without both classes dropped" if is_lost.any() else ""
    low, high = np.quantile(draws[~is_lost], ENDS)
    method = f"{what}, percentile, 95 %, {n_resamples} resamples{remark}"
    return Interval(value, float(low), float(high), method)


def _refuse_few(n_resamples: int) -> None:
    if n_resamples < FEWEST_RESAMPLES:
        raise ValueError(
            f"{n_resamples} resamples were asked for; a 95 % interval needs {FEWEST_RESAMPLES} "
            "or more."
        )


def _auroc_along(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
    """AUROC of every row of scores, (..., m) and (..., n), from mid-ranks."""
    m, n = positive.shape[axis], negative.shape[axis]
    ranks = rankdata(np.concatenate([positive, negative], axis=axis), axis=axis)
    return (np.take(ranks, range(m), axis).mean(axis) - (m + 1) / 2) / n


def _weighted_auroc(is_positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUROC, shape (B,), with each study counted as often as its row of weights (B, n) says; NaN
    where a class has no weight."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    # Weight of each class at each distinct score, (B, distinct), from the lowest on.
    positive, negative = (
        np.add.reduceat((weights * members)[:, order], starts, axis=1)
        for members in (is_positive, ~is_positive)
    )
    won = (positive * (negative.cumsum(axis=1) - negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0)


def _batch_size(n: int) -> int:
    return max(1, _AT_ONCE // n)
