"""The table of results: counts, AUROC with interval, p-value and a note for every trait."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu
from statsmodels.stats.multitest import multipletests

from polarnet.cohort import Cohort
from polarnet.display import ResultTable
from polarnet.evaluation.roc import NOT_ESTIMABLE, auroc
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
    if not set(scores.columns) & set(labels.columns):
        raise ValueError(
            f"None of the scored traits ({', '.join(scores.columns)}) has labels; there are "
            f"{', '.join(labels.columns) or 'none'}."
        )
    rows, left_out = first_studies(scores, labels, patients)
    later = f"{FIRST_STUDIES}, {left_out} later ones left out" if left_out else ""
    remark = "; ".join(filter(None, (unseen, later)))
    of_scores = pd.Index(normal_ids(scores.index)).get_indexer(normal_ids(rows))
    lines = []
    for trait in scores:
        values = read_numbers(scores[trait], f"Scores of {trait}")
        if not np.isfinite(values).all():
            raise ValueError(f"Scores of {trait} are not all finite numbers.")
        if trait in labels:
            known = read_labels(labels.loc[rows, trait], f"Labels of {trait}")
            lines.append(_row(trait, known, values[of_scores], remark))
        else:
            lines.append(_row(trait, np.empty(0), np.empty(0), "no labels in this cohort"))
    table = pd.DataFrame(lines)
    return ResultTable(table.assign(p_adjusted=adjusted(table["p_value"].to_numpy(), "fdr_bh")))


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
        area, chance = auroc(labels, scores), 1.0
        if np.ptp(scores):  # where all scores are equal, nothing is ranked
            chance = mannwhitneyu(scores[labels == 1], scores[labels == 0],
                                  use_continuity=False, method="asymptotic").pvalue  # fmt: skip
        row |= {"auroc": area.value, "ci_low": area.low, "ci_high": area.high,
                "p_value": float(chance), "method": area.method}  # fmt: skip
    return row


def adjusted(p_values: np.ndarray, method: str) -> np.ndarray:
    """p-values adjusted by a method of statsmodels; NaN, which was not tested, does not count."""
    found = np.full(len(p_values), np.nan)
    if (is_tested := ~np.isnan(p_values)).any():
        found[is_tested] = multipletests(p_values[is_tested], method=method)[1]
    return found


def size_note(n_pos: int, n_neg: int) -> str:
    """Note on a result with few patients in the smaller class; empty if there are enough."""
    smaller = min(n_pos, n_neg)
    if smaller < SUPPRESSED_BELOW:
        which = "positives" if n_pos <= n_neg else "negatives"
        return f"suppressed: {smaller} {which}, fewer than {SUPPRESSED_BELOW}"
    if smaller < EXPLORATORY_BELOW:
        return f"exploratory, interval unreliable: fewer than {EXPLORATORY_BELOW} in a class"
    return ""


def smaller_classes(cohort: Cohort, traits: Iterable[str]) -> dict[str, int]:
    """Trait -> patients in the smaller class; each patient counts with the first study."""
    labels = cohort.first_studies().traits
    return {t: int(min((labels[t] == 1).sum(), (labels[t] == 0).sum())) for t in traits}


def is_reportable(labels: ArrayLike) -> bool:
    """True if both classes have enough patients for a number to be given."""
    known = read_labels(labels)
    return bool(min((known == 1).sum(), (known == 0).sum()) >= SUPPRESSED_BELOW)


def short_note(note: Any) -> str:
    """A row's note without what a footnote says of all rows; empty where there is none."""
    parts = [] if pd.isna(note) else str(note).split("; ")
    return "; ".join(part for part in parts if not part.startswith(FIRST_STUDIES))


# === Which studies count =========================================================================


def first_studies(
    scores: pd.DataFrame, labels: pd.DataFrame, patients: pd.Series | None
) -> tuple[pd.Index, int]:
    """Scored studies that count, one a patient, and how many later ones do not.

    ValueError: a scored study is not among the labels, or has no patient; a study comes twice.
    """
    scored, known = pd.Index(normal_ids(scores.index)), pd.Index(normal_ids(labels.index))
    named = pd.Series(dtype=object)
    if isinstance(patients, pd.Series):
        named = patients.set_axis(normal_ids(patients.index))
    for names in (scored, known, named.index):
        if twice := list(names[names.duplicated()]):
            raise ValueError(f"Name each study once; {listing(twice, most=10)} come twice.")
    if unknown := list(scored[~scored.isin(known)]):
        raise ValueError(
            f"{len(unknown)} of {len(scores)} scored studies are not in the cohort "
            f"({listing(unknown, most=10)}). Were they scored on another cohort? If they are the "
            "ids of the hospital: `polarnet import --link` writes which pseudonym is whose."
        )
    is_scored = known.isin(scored)
    rows = labels.index[is_scored]
    if patients is None:
        return rows, 0
    if isinstance(patients, pd.Series):
        who = read_patients(named.reindex(known[is_scored]), len(rows))
    else:
        who = read_patients(patients, len(labels))[is_scored]
    is_first = ~pd.Series(who).duplicated().to_numpy()
    return rows[is_first], int((~is_first).sum())


def part_of(scores: pd.DataFrame) -> pd.Series | None:
    """What each study was to the run, as `predict` or a file of scores says; None if neither."""
    return scores[PART_COLUMN] if PART_COLUMN in scores else scores.attrs.get(PART_COLUMN)


def without_training(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Scores of new and test patients, and what to note of the others.

    ValueError: the part is a word that `predict` does not write.
    """
    part = part_of(scores)
    scores = scores.drop(columns=PART_COLUMN, errors="ignore")
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


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a file of scores: study_id, one column per trait, perhaps `warning` and `part`, which
    becomes `attrs["part"]`.

    FileNotFoundError: no such file. ValueError: no study_id, a study twice, a row that is not
    whole, or a cell that is no score between 0 and 1.
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
    if (odd := (ids == "") | ids.duplicated()).any():
        raise ValueError(
            f"{path}: each row needs a study_id of its own, unlike "
            f"{listing(ids[odd].unique().map(shown))}."
        )
    scores = table.set_axis(ids).drop(columns=WARNING_COLUMN, errors="ignore")
    part = scores.pop(PART_COLUMN).fillna("") if PART_COLUMN in scores else None
    if scores.empty:
        raise ValueError(f"{path} has no scores: it needs a column for each trait.")
    for trait, column in scores.items():
        is_score = pd.to_numeric(column, errors="coerce").between(0, 1)
        if not is_score.all():
            raise ValueError(
                f"{path}: column '{trait}' has no score between 0 and 1 for "
                f"{listing(ids[~is_score], most=10)}. Remove columns of remarks, and rows that "
                "were not scored."
            )
    scores = scores.astype(float)
    if part is not None:
        scores.attrs[PART_COLUMN] = Shares(part)
    return scores
