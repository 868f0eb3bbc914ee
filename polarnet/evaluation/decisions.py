"""Net benefit of acting on a prediction, for decision curves."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from polarnet.evaluation.pairs import checked_pairs
from polarnet.evaluation.roc import LEVEL


def net_benefit(
    labels: ArrayLike,
    probabilities: ArrayLike,
    thresholds: ArrayLike,
    *,
    seed: int,
    n_resamples: int = 500,
) -> pd.DataFrame:
    """Net benefit of treating those at or above (>=) each threshold probability.

    Only where a decision exists, such as for impaired MFR; predicting sex serves none.

    Parameters
    ----------
    labels, probabilities
        0 and 1, and probabilities within [0, 1], each of shape (n,), one entry a patient. Where
        both are Series they are aligned by their index.
    thresholds
        Shape (k,), strictly between 0 and 1: at which probability one would just act.
    seed
        Of the bootstrap.
    n_resamples
        Resamples of the patients, prevalence not held.

    Returns
    -------
    DataFrame with threshold, model, low, high (pointwise 95 % bootstrap percentiles of `model`),
    treat_all, treat_none; in true positives a patient, one row a threshold in the order given.

    Raises
    ------
    ValueError: see `checked_pairs`; or a threshold is out of range, or n_resamples is below 1.

    References
    ----------
    Vickers & Elkin, Med Decis Making 2006;26:565-574.
    """
    is_positive, values = checked_pairs(labels, probabilities)
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise ValueError(f"Thresholds must lie between 0 and 1 (excluded), not {thresholds}.")
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, but {n_resamples} was given.")
    # What a patient adds when treated: 1 if positive, minus the odds of the threshold if not.
    gains = np.where(is_positive[:, None], 1, -thresholds / (1 - thresholds))
    model = np.where(values[:, None] >= thresholds, gains, 0)
    n = len(values)
    # How often each resample drew each patient, (n_resamples, n).
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)
    quantiles = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile(counts @ model / n, quantiles, axis=0)
    return pd.DataFrame({
        "threshold": thresholds, "model": model.mean(axis=0), "low": low, "high": high,
        "treat_all": gains.mean(axis=0), "treat_none": 0.0,
    })  # fmt: skip
