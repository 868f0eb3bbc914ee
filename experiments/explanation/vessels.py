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

    `heat` has the shape (n, size, size); only the order of its values within the disc matters.
    Pixels that tie for the last places share them; "" where no vessel has more than another.
    """
    inside = pn.anatomy.disc_mask(heat.shape[-1])
    values = heat[:, inside]
    k = max(1, round(top * values.shape[1]))
    threshold = np.partition(values, -k, axis=1)[:, [-k]]
    is_above, is_at = values > threshold, values == threshold
    left = (k - is_above.sum(axis=1, keepdims=True)) / is_at.sum(axis=1, keepdims=True)
    segments = pn.anatomy.segment_map(heat.shape[-1])[inside]
    members = [np.isin(segments, pn.anatomy.TERRITORIES[vessel]) for vessel in VESSELS]
    members = np.stack(members, axis=1).astype(float)
    density = (is_above + left * is_at) @ members / members.sum(axis=0)
    names = np.array(VESSELS, object)[density.argmax(axis=1)]
    ordered = np.sort(density, axis=1)
    names[ordered[:, -1] - ordered[:, -2] < 1e-9] = UNNAMED
    return names


def diseased_vessels(truth: pd.DataFrame) -> pd.DataFrame:
    """Planted drop of stress flow in the core of LAD, RCA, LCx, 0 to 1; phantoms only."""
    columns = [vessel.lower() for vessel in VESSELS]
    if not set(columns) <= set(truth.columns):
        raise ValueError("Only a phantom knows which vessel is diseased; this cohort does not.")
    return truth[columns].set_axis(list(VESSELS), axis=1)


def macro_f1(truth: np.ndarray, named: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """F1 of each vessel, and their mean, in b resamples: shape (b, 4).

    `counts`, shape (b, n), says how often each study counts; without, all count once. A vessel
    that is neither there nor named gives NaN.
    """
    counts = np.ones((1, len(truth))) if counts is None else counts
    is_true, is_named = (
        np.stack([names == vessel for vessel in VESSELS], axis=1) for names in (truth, named)
    )
    both = counts @ (2 * (is_true & is_named))
    either = counts @ (is_true.astype(int) + is_named)
    f1 = np.divide(both, either, out=np.full(both.shape, np.nan), where=either > 0)
    return np.c_[f1, f1.mean(axis=1)]


def compare_naming(
    truth: np.ndarray, named: Mapping[str, np.ndarray], reference: str
) -> pd.DataFrame:
    """Macro F1 of several ways to name the vessel, and its difference to that of a reference.

    Intervals: 95 % percentile bootstrap over patients, the same resamples for all ways.
    """
    n = len(truth)
    counts = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    resampled = {way: macro_f1(truth, names, counts)[:, -1] for way, names in named.items()}
    whole = {way: macro_f1(truth, names)[0] for way, names in named.items()}
    rows = []
    for way, values in whole.items():
        low, high = _middle(resampled[way])
        diff_low, diff_high = _middle(resampled[way] - resampled[reference])
        rows.append({
            "method": way, "n": n, "f1_lad": values[0], "f1_rca": values[1], "f1_lcx": values[2],
            "macro_f1": values[3], "ci_low": low, "ci_high": high,
            "difference": values[3] - whole[reference][3],
            "diff_low": diff_low, "diff_high": diff_high,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _middle(values: np.ndarray) -> np.ndarray:
    """The middle 95 %; NaN where no resample has all vessels."""
    known = values[~np.isnan(values)]
    return np.quantile(known, (0.025, 0.975)) if len(known) else np.full(2, np.nan)
