"""Which scored studies may count as a result: those of patients that the training has not seen."""

from typing import Final

import pandas as pd

from polarnet.files import shown
from polarnet.ood import Shares
from polarnet.rundata import NEW, PART_COLUMN, PARTS

SEEN: Final = ("train", "val")
"""Parts of patients who chose the network, in one way or another."""


def without_training(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Scores of new and test patients, and what to note of the others.

    Parameters
    ----------
    scores
        Of `predict` or `read_scores`. Where neither a column `part` nor `attrs["part"]` says what a
        study was to the run, every study counts.

    Raises
    ------
    ValueError: the part is a word that `predict` does not write.
    """
    part = scores.attrs.get(PART_COLUMN)
    if PART_COLUMN in scores:
        part = scores[PART_COLUMN]
        scores = scores.drop(columns=PART_COLUMN)
    if part is None:
        return scores, ""
    part = part.reindex(scores.index).fillna("").astype(str).str.strip().str.lower()
    if odd := sorted(set(part) - {*PARTS, NEW, ""}):
        raise ValueError(
            f"Column {PART_COLUMN} says {shown(odd[0])}; it must say {', '.join(PARTS)} or {NEW}, "
            "or be empty."
        )
    is_seen = part.isin(SEEN).to_numpy()
    notes = []
    if n := int(is_seen.sum()):
        told = ", ".join(f"{k} {name}" for name in SEEN if (k := int((part == name).sum())))
        notes.append(f"{n} of {len(scores)} studies left out: patients of the training ({told})")
    if (part[~is_seen] == "").any():
        notes.append("not known whether patients of the training are among them")
    unseen = scores[~is_seen]
    unseen.attrs = {}  # of all studies
    return unseen, "; ".join(notes)


def with_part(scores: pd.DataFrame, network: pd.DataFrame) -> pd.DataFrame:
    """Scores that say no part of their own, with what the network's say of the same studies."""
    known = network[PART_COLUMN] if PART_COLUMN in network else network.attrs.get(PART_COLUMN)
    if known is None or PART_COLUMN in scores or PART_COLUMN in scores.attrs:
        return scores
    told = scores.copy()
    told.attrs[PART_COLUMN] = Shares(known)
    return told
