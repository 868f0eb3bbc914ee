"""What share of an attribution map falls on each segment and on each coronary territory."""

import numpy as np
import pandas as pd

from polarnet.anatomy import SEGMENTS, TERRITORIES, disc_mask, in_segment_order, segment_means


def segment_attribution(heat: np.ndarray) -> np.ndarray:
    """Attribution of each AHA segment as a share of its study's.

    Parameters
    ----------
    heat
        Attribution maps of shape (n, size, size), zero outside the disc, no unit. Of signed maps
        the absolute value counts.

    Returns
    -------
    Array of shape (n, 17), float64: the mean absolute attribution of each segment, divided by
    the sum of the 17 means. Each segment counts alike, however large: an even map gives 1/17
    everywhere. A study whose map is zero everywhere has no shares; its row is NaN, and the
    caller drops it.

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
    Columns LAD, RCA, LCx, one row a study: the mean over the territory's segments, divided by
    the sum of the three means; 1/3 each where the attribution is even. Rows of NaN stay NaN.

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
    """Shares of the 17 segments in their order, (n, 17); ValueError where they are not 17."""
    values = in_segment_order(segments)
    if values.ndim != 2 or values.shape[1] != len(SEGMENTS):
        raise ValueError(
            f"Segments of shape {values.shape}: give (n, 17), as from segment_attribution."
        )
    return values


def disc_values(heat: np.ndarray) -> np.ndarray:
    """Attribution within the disc, (n, pixels), in the order of `heat[:, disc_mask(size)]`.

    Raises
    ------
    ValueError: `heat` is not of shape (n, size, size), or not finite within the disc.
    """
    heat = np.asarray(heat)
    if heat.ndim != 3 or heat.shape[1] != heat.shape[2]:
        raise ValueError(
            f"Maps of shape {heat.shape}: give (n, size, size); one map is heat[None]."
        )
    values = heat[:, disc_mask(heat.shape[-1])]
    if odd := np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist():
        raise ValueError(
            f"{len(odd)} of {len(heat)} maps hold NaN or infinity within the disc, the first in "
            f"row {odd[0]}. Explain these studies again in float32, or leave them out."
        )
    return values
