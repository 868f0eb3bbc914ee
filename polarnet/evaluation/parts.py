"""Which scored studies may count as a result: those of patients that the training has not seen."""

from typing import Final

import pandas as pd

from polarnet.rundata import PART_COLUMN

SEEN: Final = ("train", "val")
"""Parts of patients who chose the network, in one way or another."""


def without_training(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Scores of new and test patients, and what to note of the others.

    Parameters
    ----------
    scores
        Of `predict` or `read_scores`. Where neither a column `part` nor `attrs["part"]` says what a
        study was to the run, every study counts.
    """
    part = scores.attrs.get(PART_COLUMN)
    if PART_COLUMN in scores:
        part = scores[PART_COLUMN]
        scores = scores.drop(columns=PART_COLUMN)
    if part is None:
        return scores, ""
    part = part.reindex(scores.index)
    is_seen = part.isin(SEEN).to_numpy()
    notes = []
    if n := int(is_seen.sum()):
        told = ", ".join(f"{k} {name}" for name in SEEN if (k := int((part == name).sum())))
        notes.append(f"{n} of {len(scores)} studies left out: patients of the training ({told})")
    if (part[~is_seen].fillna("") == "").any():
        notes.append("not known whether patients of the training are among them")
    unseen = scores[~is_seen]
    unseen.attrs = {}  # of all studies
    return unseen, "; ".join(notes)
