"""Labels and probabilities of the same patients, checked, and their logits."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import logit

from polarnet.evaluation.roc import checked_scores

CLIP: Final = 1e-6
"""Before a logit, probabilities are clipped to [1e-6, 1 - 1e-6] (our choice)."""

_NAMED: Final = 10  # studies named in a message


def checked_pairs(labels: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of the same patients.

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each, one entry a patient.
    probabilities
        Shape (n,), within [0, 1]. Where both are Series, their index must be the same.

    Returns
    -------
    Boolean array (n,), True for positive, and float array (n,).

    Raises
    ------
    ValueError: the studies differ, a class is absent, a label is not 0 or 1, a probability is
        not finite or outside [0, 1].
    """
    check_same_studies(labels, probabilities)
    values = np.asarray(probabilities, float)
    if values.ndim != 1:
        raise ValueError(f"Probabilities of shape {values.shape}: give one trait, shape (n,).")
    is_positive, _ = checked_scores(labels, values)
    if (is_outside := (values < 0) | (values > 1)).any():
        raise ValueError(
            f"{int(is_outside.sum())} of {len(values)} probabilities lie outside [0, 1], such as "
            f"{values[is_outside][0]:g}. Give probabilities, not logits."
        )
    return is_positive, values


def check_same_studies(first: object, second: object) -> None:
    """Refuse two tables or Series whose rows are not the same studies in the same order.

    Raises
    ------
    ValueError: names the studies that only one of them has, or those named twice.
    """
    if not all(isinstance(table, pd.Series | pd.DataFrame) for table in (first, second)):
        return
    index, other = first.index, second.index  # type: ignore[attr-defined]
    if twice := list(map(str, index[index.duplicated()].union(other[other.duplicated()]))):
        raise ValueError(f"Name each study once; {_few(twice)} come twice.")
    if index.equals(other):
        return
    if strangers := list(map(str, index.symmetric_difference(other))):
        raise ValueError(
            f"{len(strangers)} studies are in one table only: {_few(strangers)}. "
            "Select the same studies from both with .loc."
        )
    moved = list(map(str, index[index != other]))
    raise ValueError(
        f"The same studies come in another order ({_few(moved)}). "
        "Bring both into one with .loc[labels.index]."
    )


def clipped_logit(probabilities: np.ndarray | pd.Series) -> np.ndarray | pd.Series:
    """Logit of probabilities, which are first clipped to [1e-6, 1 - 1e-6]."""
    return logit(np.clip(probabilities, CLIP, 1 - CLIP))


def _few(studies: list[str]) -> str:
    """The first ten."""
    return ", ".join(studies[:_NAMED]) + (", ..." if len(studies) > _NAMED else "")
