"""The vessel that the hottest part of a map names, for vessel_naming.py and the scripts beside it.

Only a phantom knows which vessel is diseased.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

import polarnet as pn

TOP: Final = 0.15
"""Share of the disc that counts as what a map points at (our choice)."""

UNNAMED: Final = ""
"""Where a map is the same everywhere, or two vessels get the same share."""

VESSELS: Final = tuple(pn.anatomy.TERRITORIES)

RESAMPLES: Final = 2000


def name_vessel(heat: np.ndarray, *, top: float = TOP) -> np.ndarray:
    """The vessel whose territory holds most of a map's hottest pixels, for its area.

    Parameters
    ----------
    heat
        Shape (n, size, size); only the order of its values within the disc matters.
    top
        Share of the pixels of the disc that count, 0 to 1.

    Returns
    -------
    Array of n names, "LAD", "RCA", "LCx", or "" where no vessel has more than another. Pixels
    that tie for the last places share them.
    """
    inside = pn.anatomy.disc_mask(heat.shape[-1])
    values = heat[:, inside]
    k = max(1, round(top * values.shape[1]))
    threshold = np.partition(values, -k, axis=1)[:, [-k]]
    is_above, is_at = values > threshold, values == threshold
    left = (k - is_above.sum(axis=1, keepdims=True)) / is_at.sum(axis=1, keepdims=True)
    segments = pn.anatomy.segment_map(heat.shape[-1])[inside]
    members = np.stack(
        [np.isin(segments, pn.anatomy.TERRITORIES[v]) for v in VESSELS], axis=1
    ).astype(float)
    density = (is_above + left * is_at) @ members / members.sum(axis=0)
    names = np.array(VESSELS, object)[density.argmax(axis=1)]
    ordered = np.sort(density, axis=1)
    names[ordered[:, -1] - ordered[:, -2] < 1e-9] = UNNAMED
    return names


def diseased_vessels(truth: pd.DataFrame) -> pd.DataFrame:
    """Planted drop of stress flow in the core of each territory: columns LAD, RCA, LCx, 0 to 1.

    Raises
    ------
    ValueError: the cohort is no phantom, and its truth is not known.
    """
    columns = [vessel.lower() for vessel in VESSELS]
    if not set(columns) <= set(truth.columns):
        raise ValueError("Only a phantom knows which vessel is diseased; this cohort does not.")
    return truth[columns].set_axis(list(VESSELS), axis=1)


def macro_f1(truth: np.ndarray, named: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """F1 of each vessel, and their mean, over studies with one diseased vessel.

    Parameters
    ----------
    truth, named
        n names each.
    counts
        Shape (b, n): how often each study counts in b resamples. None: once.

    Returns
    -------
    Array of shape (b, 4), b = 1 without counts: F1 of LAD, RCA and LCx, and their mean. A vessel
    that is neither there nor named gives NaN.

    >>> macro_f1(np.array(["LAD", "LAD", "RCA", "LCx"]), np.array(["LAD", "RCA", "RCA", "LCx"]))
    array([[0.66666667, 0.66666667, 1.        , 0.77777778]])
    """
    counts = np.ones((1, len(truth))) if counts is None else counts
    is_true = np.stack([truth == vessel for vessel in VESSELS], axis=1)
    is_named = np.stack([named == vessel for vessel in VESSELS], axis=1)
    both = counts @ (2 * (is_true & is_named))
    either = counts @ (is_true.astype(int) + is_named)
    f1 = np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)
    return np.c_[f1, f1.mean(axis=1)]


def compare_naming(
    truth: np.ndarray,
    named: Mapping[str, np.ndarray],
    reference: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Macro F1 of several ways to name the vessel, each against one of them.

    Parameters
    ----------
    truth
        The diseased vessel of n patients with one, one study each.
    named
        Way -> n names.
    reference
        The way that all others are compared with.
    resamples
        Of the patients, the same for all ways (paired).

    Returns
    -------
    DataFrame, one row per way: method, n, f1_lad, f1_rca, f1_lcx, macro_f1 with ci_low and ci_high,
    difference to the reference with diff_low and diff_high (percentile bootstrap, 95 %).
    """
    rng = np.random.default_rng(seed)
    n = len(truth)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    resampled = {way: macro_f1(truth, names, counts)[:, -1] for way, names in named.items()}
    rows = []
    for way, names in named.items():
        value = macro_f1(truth, names)[0]
        difference = value[-1] - macro_f1(truth, named[reference])[0, -1]
        rows.append(
            {"method": way, "n": n}
            | dict(zip(("f1_lad", "f1_rca", "f1_lcx", "macro_f1"), value, strict=True))
            | dict(zip(("ci_low", "ci_high"), _middle(resampled[way]), strict=True))
            | {"difference": difference}
            | dict(zip(("diff_low", "diff_high"),
                       _middle(resampled[way] - resampled[reference]), strict=True))
        )  # fmt: skip
    return pd.DataFrame(rows)


def _middle(values: np.ndarray) -> np.ndarray:
    """The middle 95 %; NaN where no resample has all vessels."""
    known = values[~np.isnan(values)]
    return np.quantile(known, (0.025, 0.975)) if len(known) else np.full(2, np.nan)
