"""The table of results: counts, AUROC with interval, p-value and a note for every trait."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

from polarnet.evaluation.roc import NOT_ESTIMABLE, auroc, chance_p_value
from polarnet.files import read_csv, shown
from polarnet.ids import listing, normal_ids
from polarnet.labels import read_labels, read_numbers, read_patients
from polarnet.ood import Shares
from polarnet.rundata import NEW, PART_COLUMN, PARTS

SUPPRESSED_BELOW: Final = 10
"""A smaller class below this gives no number: the interval misses too often (our simulation)."""

EXPLORATORY_BELOW: Final = 15
"""A smaller class below this gives a number that is marked: coverage is about 0.9."""

FIRST_STUDIES: Final = "first study of each patient"
"""How a note begins that says which studies counted."""

WARNING_COLUMN: Final = "warning"
"""Column of a scores file that is no trait."""

SEEN: Final = ("train", "val")
"""Parts of patients who chose the network, in one way or another."""


def short_note(note: Any) -> str:
    """A row's note without what a footnote says of all rows; empty where there is none."""
    parts = [] if pd.isna(note) else str(note).split("; ")
    return "; ".join(part for part in parts if not part.startswith(FIRST_STUDIES))


def evaluate(
    scores: pd.DataFrame, labels: pd.DataFrame, patients: pd.Series | None = None
) -> pd.DataFrame:
    """AUROC of every scored trait.

    Parameters
    ----------
    scores
        Index study_id, one column per trait, as returned by `predict`. Where they say, in
        `attrs["part"]` or a column `part`, which patients the training has seen, those are left
        out, and the note says how many.
    labels
        Index study_id, one column per trait: 1, 0 or missing (not recorded). Studies that were not
        scored are left out.
    patients
        study_id -> patient_id, or an array in the order of `labels`. Where a patient has several
        studies, the first (in the order of `labels`) counts, and the note says so. None: every
        study is a patient.

    Returns
    -------
    DataFrame with trait, n_pos, n_neg, auroc, ci_low, ci_high, p_value (Mann-Whitney against
    one half, unadjusted), method, note, p_adjusted (Benjamini-Hochberg over the traits of this
    table). Numbers are NaN where the smaller class has fewer than 10 patients.

    Raises
    ------
    ValueError: a study has no labels, no patient, or is there twice; a label is not 0 or 1, a score
        is not finite, or no scored trait is a column of `labels`.
    """
    for name, given in (("scores", scores), ("labels", labels)):
        if not isinstance(given, pd.DataFrame):
            raise ValueError(f"{name} must be a DataFrame: index study_id, one column per trait.")
    scores = scores.drop(columns=WARNING_COLUMN, errors="ignore")
    first_studies(scores, labels, patients)  # all of them are known
    scores, unseen = without_training(scores)
    rows, left_out = first_studies(scores, labels, patients)
    later = f"{FIRST_STUDIES}, {left_out} later ones left out" if left_out else ""
    remark = "; ".join(filter(None, (unseen, later)))
    numbers = {t: read_numbers(scores[t], f"Scores of {t}") for t in scores}
    if odd := [str(t) for t, values in numbers.items() if not np.isfinite(values).all()]:
        raise ValueError(f"Scores of {', '.join(odd)} are not all finite numbers.")
    of_scores = pd.Index(normal_ids(scores.index)).get_indexer(normal_ids(rows))
    table = pd.DataFrame([
        _row(t, read_labels(labels.loc[rows, t], f"Labels of {t}"), values[of_scores], remark)
        if t in labels else _row(t, np.empty(0), np.empty(0), "no labels in this cohort")
        for t, values in numbers.items()
    ])  # fmt: skip
    if not set(scores.columns) & set(labels.columns):
        raise ValueError(
            f"None of the scored traits ({', '.join(scores.columns)}) has labels; there are "
            f"{', '.join(labels.columns) or 'none'}."
        )
    # Nothing is adjusted where nothing was tested.
    table["p_adjusted"] = np.nan
    if (is_tested := table["p_value"].notna()).any():
        adjusted = multipletests(table.loc[is_tested, "p_value"], method="fdr_bh")[1]
        table.loc[is_tested, "p_adjusted"] = adjusted
    return table


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a file of scores: study_id, one column per trait, perhaps `warning` and `part`.

    What `part` says is in `attrs["part"]`.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: no study_id, a study twice, a row that is not whole, a column of text, or a score
        that is missing or outside [0, 1].
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No file of scores {path}.")
    table = read_csv(path, text=("study_id", WARNING_COLUMN, PART_COLUMN))
    if "study_id" not in table:
        raise ValueError(
            f"{path} has no column study_id, but {listing(table.columns) or 'no columns'}. Name "
            "the column of the studies study_id."
        )
    ids = pd.Index(normal_ids(table.pop("study_id")), name="study_id")
    if unnamed := int((ids == "").sum()):
        raise ValueError(f"{path}: {unnamed} of {len(ids)} rows have no study_id.")
    if ids.has_duplicates:
        twice = ids[ids.duplicated()].unique()
        raise ValueError(f"{path} names studies twice: {listing(twice)}.")
    scores = table.set_axis(ids).drop(columns=WARNING_COLUMN, errors="ignore")
    part = scores.pop(PART_COLUMN).fillna("") if PART_COLUMN in scores else None
    if scores.empty:
        raise ValueError(f"{path} has no scores: it needs a column for each trait.")
    for trait, column in scores.items():
        if not pd.api.types.is_numeric_dtype(column):
            raise ValueError(
                f"{path}: column '{trait}' holds no scores, but text such as "
                f"'{str(column.dropna().iloc[0])[:6]}'. Scores are numbers between 0 and 1; remove "
                "columns of remarks."
            )
        if column.isna().any():
            raise ValueError(
                f"{path}: column '{trait}' has no score for {listing(ids[column.isna()])}. Remove "
                "rows that were not scored."
            )
        if not (is_share := column.between(0, 1)).all():
            raise ValueError(
                f"{path}: scores of '{trait}' must lie between 0 and 1: {listing(ids[~is_share])}."
            )
    scores = scores.astype(float)
    if part is not None:
        scores.attrs[PART_COLUMN] = Shares(part)
    return scores


def first_studies(
    scores: pd.DataFrame, labels: pd.DataFrame, patients: pd.Series | None
) -> tuple[pd.Index, int]:
    """Scored studies that count, one a patient, and how many later ones do not.

    Raises
    ------
    ValueError: a scored study is not among the labels, or has no patient; a study comes twice.
    """
    scored, known = pd.Index(normal_ids(scores.index)), pd.Index(normal_ids(labels.index))
    if scored.has_duplicates or known.has_duplicates:
        twice = [*scored[scored.duplicated()], *known[known.duplicated()]]
        raise ValueError(
            f"Scores and labels must name each study once; {', '.join(twice[:10])} come twice."
        )
    if unknown := scored[~scored.isin(known)].to_list():
        raise ValueError(
            f"{len(unknown)} of {len(scores)} scored studies are not in the cohort "
            f"({', '.join(unknown[:10])}). Were they scored on another cohort?"
        )
    is_scored = known.isin(scored)
    rows = labels.index[is_scored]
    if patients is None:
        return rows, 0
    if isinstance(patients, Mapping):
        patients = pd.Series(patients)
    if not isinstance(patients, pd.Series):
        patients = pd.Series(read_patients(patients, len(labels)), labels.index)
    by_study = patients.set_axis(normal_ids(patients.index))
    if by_study.index.has_duplicates:
        twice = by_study.index[by_study.index.duplicated()].to_list()
        raise ValueError(f"Patients must name each study once; {', '.join(twice[:10])} come twice.")
    who = read_patients(by_study.reindex(known[is_scored]), len(rows))
    is_first = ~pd.Series(who).duplicated().to_numpy()
    return rows[is_first], int((~is_first).sum())


def size_note(n_pos: int, n_neg: int) -> str:
    """What the smaller class means for a number; empty where it is large enough."""
    smaller = min(n_pos, n_neg)
    if smaller < SUPPRESSED_BELOW:
        which = "positives" if n_pos <= n_neg else "negatives"
        return f"suppressed: {smaller} {which}, fewer than {SUPPRESSED_BELOW}"
    if smaller < EXPLORATORY_BELOW:
        return f"exploratory, interval unreliable: fewer than {EXPLORATORY_BELOW} in a class"
    return ""


def is_reportable(labels: ArrayLike) -> bool:
    """True where both classes are large enough for a number."""
    known = read_labels(labels)
    return bool(min((known == 1).sum(), (known == 0).sum()) >= SUPPRESSED_BELOW)


def _row(trait: str, labels: np.ndarray, scores: np.ndarray, remark: str) -> dict[str, object]:
    """Statistics of one trait over the patients whose label was recorded, if they are enough."""
    is_recorded = ~np.isnan(labels)
    labels, scores = labels[is_recorded], scores[is_recorded]
    n_pos, n_neg = int((labels == 1).sum()), int((labels == 0).sum())
    notes = [size_note(n_pos, n_neg) if len(is_recorded) else "", remark]
    row: dict[str, object] = {"trait": trait, "n_pos": n_pos, "n_neg": n_neg}
    row |= dict.fromkeys(("auroc", "ci_low", "ci_high", "p_value"), np.nan)
    row |= {"method": NOT_ESTIMABLE, "note": "; ".join(filter(None, notes))}
    if is_reportable(labels):
        area = auroc(labels, scores)
        row |= {"auroc": area.value, "ci_low": area.low, "ci_high": area.high,
                "p_value": chance_p_value(labels, scores), "method": area.method}  # fmt: skip
    return row


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
