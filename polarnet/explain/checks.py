"""Whether an attribution map can be believed: checks with a verdict in words.

A check passes only where its whole 95 % interval lies on the good side of the reference. All take
the maps of one study per patient: `n` patients count as independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import bootstrap, rankdata

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.explain.groups import AT_ONCE, RESAMPLES, disc_values

PAIRS: Final = 50  # pairs of patients whose maps are compared (Arun et al.)
FEWEST_PATIENTS: Final = 10  # nothing is judged from fewer patients (our choice)
INPUT_LIMIT: Final = 0.9
"""A map that correlates with the flow map more than this shows the flow map (our choice)."""

EDGE_FROM: Final = 0.9  # the edge is the ring from this share of the disc radius on (our choice)
EDGE_LIMIT: Final = 2.0
"""The edge may hold this many times the attribution that its area would (our choice)."""

SHUFFLED: Final = "shuffled labels"
OTHER_SEEDS: Final = "other seeds"
FAITHFUL: Final = "the score follows the map"
"""Names of checks that need more than the maps of one network."""

_SAME_LOGIT: Final = 1e-3  # two curves of a study start and end alike, but for float32 rounding


@dataclass(frozen=True)
class Level:
    """A median of `n` values with its 95 % interval; NaN where it cannot be estimated."""

    median: float
    low: float
    high: float
    n: int = 0


@dataclass(frozen=True)
class Check:
    """One check of an attribution method: a median over `n` patients with its 95 % interval, what
    that is held against, and a verdict in words (`is_passed` is None where it cannot be judged).
    """

    name: str
    is_passed: bool | None
    value: float
    low: float
    high: float
    reference: float
    n: int
    verdict: str


def rank_correlation(heat_a: np.ndarray, heat_b: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two maps of each study, in the disc: (n,), NaN if one is flat."""
    if heat_a.shape != heat_b.shape:
        raise ValueError(
            f"Maps of shapes {heat_a.shape} and {heat_b.shape} cannot be compared: give two maps "
            "of the same studies, in the same order and size."
        )
    ranks = [rankdata(disc_values(heat), axis=1) for heat in (heat_a, heat_b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    shared = (a * b).sum(axis=1)
    return np.divide(shared, spread, out=np.full(len(a), np.nan), where=spread > 0)


def median_level(values: ArrayLike, *, seed: int) -> Level:
    """Median with a 95 % percentile bootstrap interval of the values that are no NaN."""
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if len(known) < 2:
        return Level(np.nan, np.nan, np.nan, len(known))
    ends = bootstrap(
        (known,), np.median, method="percentile", n_resamples=RESAMPLES,
        batch=max(1, AT_ONCE // len(known)), vectorized=True, rng=seed,
    ).confidence_interval  # fmt: skip
    return Level(float(np.median(known)), float(ends.low), float(ends.high), len(known))


def random_pair_level(heat: np.ndarray, *, seed: int = 0) -> Level:
    """Rank correlation between the maps (n, size, size) of different patients, one study each: two
    networks say the same of a study only as far as their maps agree better than this.

    The median over 50 random pairs, as in Arun et al. (Radiol Artif Intell 2021;3:e200267).
    """
    if len(heat) < 2:
        raise ValueError(f"The random-pair level needs two patients, but {len(heat)} was given.")
    rng = np.random.default_rng(seed)
    first, second = np.array([rng.choice(len(heat), 2, replace=False) for _ in range(PAIRS)]).T
    return median_level(rank_correlation(heat[first], heat[second]), seed=seed)


def check_randomised(
    heat: np.ndarray, randomised: np.ndarray, level: Level, *, seed: int = 0
) -> Check:
    """Does the map change when the trained weights are replaced by random ones?

    `heat` and `randomised` are (n, size, size) of the same studies; or `randomised` those of
    several random networks, (n_networks, n, size, size), over which the size of the correlation is
    averaged: the negative of such a network is as likely as the network itself. The check passes if
    the interval of the median rank correlation ends at or below the upper end of the random-pair
    level, or 0 where that is lower: more comes from the input and the architecture, not from
    training (Adebayo et al., NeurIPS 2018, arXiv 1810.03292; Arun et al., Radiol Artif Intell
    2021;3:e200267).
    """
    if randomised.ndim == 3:
        agreement = rank_correlation(heat, randomised)
    else:
        agreement = np.mean([np.abs(rank_correlation(heat, maps)) for maps in randomised], axis=0)
    change = "the trained weights are replaced by random ones"
    return _check_changed("random weights", change, agreement, level, seed)


def check_permuted(heat: np.ndarray, permuted: np.ndarray, level: Level, *, seed: int = 0) -> Check:
    """Does the map change when the head is trained on labels permuted between patients?

    As `check_randomised`; `permuted` holds the maps of the network with that head.
    """
    agreement = rank_correlation(heat, permuted)
    return _check_changed(
        SHUFFLED, "the head is trained on shuffled labels", agreement, level, seed
    )


def check_repeatable(heats: Sequence[np.ndarray], *, seed: int = 0) -> Check:
    """Do networks trained alike with several seeds give the same map (n, size, size, of each)?

    The check passes if the interval of the median over studies of the mean rank correlation over
    all pairs of seeds lies above that of the random-pair level of the first seed's maps.
    """
    if len(heats) < 2:
        raise ValueError(f"Repeatability needs the maps of two seeds, but {len(heats)} was given.")
    agreement = np.mean([rank_correlation(a, b) for a, b in combinations(heats, 2)], axis=0)
    median, level = median_level(agreement, seed=seed), random_pair_level(heats[0], seed=seed)
    return _judged(
        OTHER_SEEDS, median, level.high, median.low > level.high,
        f"two trainings give more alike maps of a patient ({median.median:.2f}) than two "
        f"patients share ({level.median:.2f})",
        f"two trainings give maps of a patient hardly more alike ({median.median:.2f}) than those "
        f"of two patients ({level.median:.2f})",
    )  # fmt: skip


def check_not_input(heat: np.ndarray, maps: np.ndarray, *, seed: int = 0) -> Check:
    """Does the map show more than the flow map that it explains? Both are (n, size, size).

    The check passes if the interval of the median absolute rank correlation lies at or below 0.9.
    """
    median = median_level(np.abs(rank_correlation(heat, maps)), seed=seed)
    return _judged(
        "not the flow map itself", median, INPUT_LIMIT, median.high <= INPUT_LIMIT,
        f"the map is not a copy of the flow map (rank correlation {median.median:.2f})",
        "it shows the flow map itself, not what the network made of it (rank correlation "
        f"{median.median:.2f})",
    )  # fmt: skip


def check_not_edge(heat: np.ndarray, *, seed: int = 0) -> Check:
    """Does the map (n, size, size) show more than the edge of the disc?

    The share of absolute attribution in the outermost tenth of the radius is divided by that ring's
    share of the area. The check passes if the interval of the median lies at or below 2.
    """
    values = np.abs(disc_values(heat)).astype(float)
    size = heat.shape[-1]
    is_edge = polar_coordinates(size)[0][disc_mask(size)] >= EDGE_FROM
    total = values.sum(axis=1)
    share = np.divide(
        values[:, is_edge].sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0
    )
    median = median_level(share / is_edge.mean(), seed=seed)
    found = f"the edge of the disc holds {median.median:.1f} times the attribution due to its area"
    is_passed = median.high <= EDGE_LIMIT
    return _judged("not the edge of the disc", median, EDGE_LIMIT, is_passed, found, found)


def check_faithful(
    curve: np.ndarray,
    random_curve: np.ndarray,
    *,
    steps: Sequence[int] = range(18),
    seed: int = 0,
) -> Check:
    """Does the score follow the segments that the map marks?

    `curve` holds logits (n, number of steps), after the most attributed segments of each study were
    replaced by their training means, as many as `steps` says; `random_curve` the same in random
    order, best a mean over several. Checked is the area between them (trapezia), divided by 17: the
    mean number of logits by which the marked order runs ahead, towards the logit of the mean map.
    It passes if the interval of the median over studies lies above 0 (Samek et al., IEEE Trans
    Neural Netw Learn Syst 2017;28:2660-2673).
    """
    curve, random_curve = np.asarray(curve, float), np.asarray(random_curve, float)
    is_rising = (steps[0], steps[-1]) == (0, 17) and (np.diff(steps) > 0).all()
    is_shaped = curve.shape == random_curve.shape == (len(curve), len(steps))
    if not is_rising or not is_shaped:
        raise ValueError(
            f"Curves of shapes {curve.shape} and {random_curve.shape} at steps {[*steps]}: give "
            f"two of (n, {len(steps)}), at steps that rise from no segment replaced to all 17."
        )
    apart = curve - random_curve
    if not np.isfinite(apart).all() or not np.allclose(
        curve[:, [0, -1]], random_curve[:, [0, -1]], rtol=_SAME_LOGIT, atol=_SAME_LOGIT
    ):
        raise ValueError(
            "The two curves of a study must be finite, and start and end with the same logit."
        )
    direction = np.sign(curve[:, -1] - curve[:, 0])
    median = median_level(direction * np.trapezoid(apart, steps, axis=1) / 17, seed=seed)
    good, bad = (
        f"replacing the segments that the map marks moves the score {when} than replacing segments "
        "at random"
        for when in ("sooner", "no sooner")
    )
    return _judged(FAITHFUL, median, 0.0, median.low > 0, good, bad)


def not_judged(name: str, reason: str) -> Check:
    """A check that was not made, so that its absence is read too."""
    return Check(name, None, np.nan, np.nan, np.nan, np.nan, 0, f"cannot be judged: {reason}")


def _check_changed(name: str, change: str, agreement: np.ndarray, level: Level, seed: int) -> Check:
    """Check that two maps of a study agree no more than those of two patients."""
    median = median_level(agreement, seed=seed)
    reference = max(level.high, 0.0)  # maps without anything in common agree by 0
    good, bad = (
        f"the map {verb} when {change} (rank correlation {median.median:.2f}; two patients share "
        f"{level.median:.2f})"
        for verb in ("changes", "hardly changes")
    )
    return _judged(name, median, reference, median.high <= reference, good, bad)


def _judged(
    name: str, median: Level, reference: float, is_passed: bool, good: str, bad: str
) -> Check:
    """The check with its verdict; None where patients are few or the reference is unknown."""
    result = None
    if median.n < FEWEST_PATIENTS:
        verdict = (
            f"cannot be judged: {median.n} patients have maps to compare, and {FEWEST_PATIENTS} "
            "are needed"
        )
    elif not np.isfinite(reference):
        verdict = "cannot be judged: it is not known what the maps of two patients share"
    else:
        result = bool(is_passed)
        verdict = f"passes: {good}" if result else f"fails: {bad}"
    return Check(name, result, median.median, median.low, median.high, reference, median.n, verdict)
