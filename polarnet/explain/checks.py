"""Whether an attribution map can be believed: checks with a verdict in words.

A check passes only where its whole 95 % interval lies on the good side of the reference.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.explain.agreement import Level, random_pair_level, rank_correlation
from polarnet.explain.regions import disc_values
from polarnet.explain.verdicts import Check, judged, over_patients

INPUT_LIMIT: Final = 0.9
"""A map that correlates with the flow map more than this shows the flow map (our choice)."""

EDGE_FROM: Final = 0.9
"""The edge is the ring from this share of the disc radius on (our choice)."""

EDGE_LIMIT: Final = 2.0
"""The edge may hold this many times the attribution that its area would (our choice)."""

SHUFFLED: Final = "shuffled labels"
OTHER_SEEDS: Final = "other seeds"
FAITHFUL: Final = "the score follows the map"
"""Names of checks that need more than the maps of one network."""

_SAME_LOGIT: Final = 1e-3  # two curves of a study start and end alike, but for float32 rounding


def check_randomised(
    heat: np.ndarray,
    randomised: np.ndarray,
    level: Level,
    *,
    patients: ArrayLike | None = None,
    seed: int = 0,
) -> Check:
    """Does the map change when the trained weights are replaced by random ones?

    Parameters
    ----------
    heat
        Maps of the trained network, (n, size, size).
    randomised
        Maps of the fully randomised network for the same studies, of the same shape; or of several,
        (n_networks, n, size, size), over which the correlation is averaged.
    level
        As from `random_pair_level` of `heat`.
    patients
        Shape (n,), who each study is of; the first study that can be compared counts. None: all
        different.

    Returns
    -------
    Check of the median rank correlation of the two maps. It passes if the interval's upper end
    is not above that of the random-pair level, or 0 where that is lower: what two patients share
    any two maps may share, and whatever exceeds it comes from the input and the architecture, not
    from training.

    References
    ----------
    Adebayo et al., NeurIPS 2018 (arXiv 1810.03292). Arun et al., Radiol Artif Intell
    2021;3:e200267.
    """
    networks = randomised if randomised.ndim == 4 else randomised[None]
    agreement = np.mean([rank_correlation(heat, maps) for maps in networks], axis=0).round(9)
    return _check_changed(
        "random weights", "the trained weights are replaced by random ones",
        agreement, level, patients, seed,
    )  # fmt: skip


def check_permuted(
    heat: np.ndarray,
    permuted: np.ndarray,
    level: Level,
    *,
    patients: ArrayLike | None = None,
    seed: int = 0,
) -> Check:
    """Does the map change when the head is trained on shuffled labels?

    As `check_randomised`; `permuted` holds the maps of a network whose head was trained again
    after the labels had been permuted between patients.
    """
    return _check_changed(
        SHUFFLED, "the head is trained on shuffled labels",
        rank_correlation(heat, permuted), level, patients, seed,
    )  # fmt: skip


def check_repeatable(
    heats: Sequence[np.ndarray], *, patients: ArrayLike | None = None, seed: int = 0
) -> Check:
    """Do networks trained alike with several seeds give the same map?

    Parameters
    ----------
    heats
        One array a seed, two at least, each (n, size, size), same studies.
    patients
        As for `check_randomised`.

    Returns
    -------
    Check of the median over studies of the mean rank correlation over all pairs of seeds. It
    passes if the interval lies above that of the random-pair level of the first seed's maps.

    Raises
    ------
    ValueError: there are fewer than two seeds.
    """
    if len(heats) < 2:
        raise ValueError(f"Repeatability needs the maps of two seeds, but {len(heats)} was given.")
    agreement = np.mean([rank_correlation(a, b) for a, b in combinations(heats, 2)], axis=0)
    level = random_pair_level(heats[0], patients=patients, seed=seed)
    median, n = over_patients(agreement, patients, seed)
    return judged(
        OTHER_SEEDS, median, n, level.high, median.low > level.high,
        f"two trainings give more alike maps of a patient ({median.median:.2f}) than two "
        f"patients share ({level.median:.2f})",
        f"two trainings give maps of a patient hardly more alike ({median.median:.2f}) than those "
        f"of two patients ({level.median:.2f})",
    )  # fmt: skip


def check_not_input(
    heat: np.ndarray, maps: np.ndarray, *, patients: ArrayLike | None = None, seed: int = 0
) -> Check:
    """Does the map show more than the flow map itself?

    Parameters
    ----------
    heat, maps
        Attribution and the flow maps it explains, both (n, size, size).
    patients
        As for `check_randomised`.

    Returns
    -------
    Check of the median absolute rank correlation of the two. It passes if the interval lies at
    or below 0.9.
    """
    median, n = over_patients(np.abs(rank_correlation(heat, maps)), patients, seed)
    return judged(
        "not the flow map itself", median, n, INPUT_LIMIT, median.high <= INPUT_LIMIT,
        f"the map is not a copy of the flow map (rank correlation {median.median:.2f})",
        "it shows the flow map itself, not what the network made of it (rank correlation "
        f"{median.median:.2f})",
    )  # fmt: skip


def check_not_edge(heat: np.ndarray, *, patients: ArrayLike | None = None, seed: int = 0) -> Check:
    """Does the map show more than the edge of the disc?

    Parameters
    ----------
    heat
        Shape (n, size, size).
    patients
        As for `check_randomised`.

    Returns
    -------
    Check of the median ratio of the share of absolute attribution in the outermost tenth of the
    radius to that ring's share of the disc's area; 1 for an even map. It passes if the interval
    lies at or below 2. The verdict gives the median rank correlation with the radius beside it.
    """
    values = np.abs(disc_values(heat)).astype(float)
    size = heat.shape[-1]
    radius = polar_coordinates(size)[0]
    is_edge = radius[disc_mask(size)] >= EDGE_FROM
    total = values.sum(axis=1)
    share = np.divide(
        values[:, is_edge].sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0
    )
    median, n = over_patients(share / is_edge.mean(), patients, seed)
    outwards, _ = over_patients(
        rank_correlation(np.abs(heat), np.broadcast_to(radius, heat.shape)), patients, seed
    )
    beside = "" if np.isnan(outwards.median) else (
        f"; rank correlation with the distance from the apex {outwards.median:.2f}"
    )  # fmt: skip
    return judged(
        "not the edge of the disc", median, n, EDGE_LIMIT, median.high <= EDGE_LIMIT,
        f"the edge of the disc holds {median.median:.1f} times the attribution due to its "
        f"area{beside}",
        f"the edge of the disc holds {median.median:.1f} times the attribution due to its "
        f"area{beside}",
    )  # fmt: skip


def check_faithful(
    curve: np.ndarray,
    random_curve: np.ndarray,
    *,
    steps: Sequence[int] = range(18),
    patients: ArrayLike | None = None,
    seed: int = 0,
) -> Check:
    """Does the score follow the segments that the map marks?

    Parameters
    ----------
    curve
        Logits of shape (n, 18): element k after the k most attributed segments were replaced by
        their training means.
    random_curve
        The same with segments replaced in random order; best a mean over several orders.
    steps
        How many segments were replaced in each column, where it is not 0, 1, ... 17: from 0 to 17,
        rising. The area between is taken by trapezia.
    patients
        As for `check_randomised`.

    Returns
    -------
    Check of the median over studies of the area between the two curves, divided by 17: the
    mean number of logits by which the marked order runs ahead of the random one. Both curves of
    a study lead from its own logit to that of the mean map; ahead means nearer that end, which
    is below for a study with a high score and above for one with a low score. It passes if the
    interval lies above 0.

    Raises
    ------
    ValueError: a curve is not of shape (n, number of steps) and finite, the steps do not rise from
        0 to 17, or the two curves do not start and end alike.

    References
    ----------
    Samek et al., IEEE Trans Neural Netw Learn Syst 2017;28:2660-2673 (area under the curve of
    replaced regions, against random order).
    """
    curve, random_curve = np.asarray(curve, float), np.asarray(random_curve, float)
    if curve.shape != random_curve.shape or curve.ndim != 2 or curve.shape[1] != len(steps):
        raise ValueError(
            f"Curves of shapes {curve.shape} and {random_curve.shape}: give two of "
            f"(n, {len(steps)}), from no segment replaced to all 17."
        )
    if (steps[0], steps[-1]) != (0, 17) or (np.diff(steps) <= 0).any():
        raise ValueError(f"The steps must rise from 0 to 17 segments replaced, not {[*steps]}.")
    ends, random_ends = curve[:, [0, -1]], random_curve[:, [0, -1]]
    is_finite = np.isfinite(curve).all() and np.isfinite(random_curve).all()
    if not is_finite or not np.allclose(ends, random_ends, rtol=_SAME_LOGIT, atol=_SAME_LOGIT):
        raise ValueError(
            "The two curves of a study must be finite, and start and end with the same logit: "
            "replace the segments of the same studies by the same means."
        )
    direction = np.sign(curve[:, -1] - curve[:, 0])
    ahead = direction * np.trapezoid(curve - random_curve, steps, axis=1) / 17
    median, n = over_patients(ahead, patients, seed)
    return judged(
        FAITHFUL, median, n, 0.0, median.low > 0,
        "replacing the segments that the map marks moves the score sooner than replacing "
        "segments at random",
        "replacing the segments that the map marks moves the score no sooner than replacing "
        "segments at random",
    )  # fmt: skip


def _check_changed(
    name: str,
    change: str,
    agreement: np.ndarray,
    level: Level,
    patients: ArrayLike | None,
    seed: int,
) -> Check:
    """Check that two maps of a study agree no more than those of two patients."""
    median, n = over_patients(agreement, patients, seed)
    reference = max(level.high, 0.0)  # maps without anything in common agree by 0
    beside = f"(rank correlation {median.median:.2f}; two patients share {level.median:.2f})"
    return judged(
        name, median, n, reference, median.high <= reference,
        f"the map changes when {change} {beside}",
        f"the map hardly changes when {change} {beside}",
    )  # fmt: skip
