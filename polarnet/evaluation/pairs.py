"""Labels and probabilities of the same patients, checked, and their logits."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import logit

from polarnet.evaluation.roc import checked_scores
from polarnet.labels import read_numbers

CLIP: Final = 1e-6
"""Before a logit, probabilities are clipped to [1e-6, 1 - 1e-6] (our choice)."""


def checked_pairs(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of the same patients.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each, one entry a patient.
    probabilities
        Shape (n,), within [0, 1]. Where both are Series they are aligned by their index.

    Returns
    -------
    Boolean array (n,), True for positive, and float array (n,), in the order of the labels.

    Raises
    ------
    ValueError: the studies differ, a class is absent, a label is not 0 or 1, a probability is
        not finite or outside [0, 1].
    """
    shape = read_numbers(probabilities, "Probabilities").shape
    if len(shape) != 1:
        raise ValueError(f"Probabilities of shape {shape}: give one trait, shape (n,).")
    is_positive, (values,) = checked_scores(labels, probabilities)
    if (is_outside := (values < 0) | (values > 1)).any():
        raise ValueError(
            f"{int(is_outside.sum())} of {len(values)} probabilities lie outside [0, 1], such as "
            f"{values[is_outside][0]:g}. Give probabilities, not logits."
        )
    return is_positive, values


def clipped_logit(probabilities: np.ndarray | pd.Series) -> np.ndarray | pd.Series:
    """Logit of probabilities, which are first clipped to [1e-6, 1 - 1e-6]."""
    return logit(np.clip(probabilities, CLIP, 1 - CLIP))
