"""The network and its baselines side by side, and p-values adjusted for their number."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from polarnet.cohort import RECOVERED, Cohort
from polarnet.display import ResultTable
from polarnet.evaluation.roc import delong_test
from polarnet.evaluation.table import (
    adjusted,
    evaluate,
    first_studies,
    is_reportable,
    part_of,
    read_scores,
    without_training,
)
from polarnet.files import read_csv, shown
from polarnet.ids import listing
from polarnet.rundata import PART_COLUMN, labels_of_run
from polarnet.traits import COMBINED, IMPAIRED_MFR, MFR_THRESHOLD

NETWORK: Final = "network"
MFR_COLUMN: Final = "mfr"
"""Clinical column of the workstation's own flow reserve, where there is one."""

CIRCULAR_MAPS: Final = ("reserve", COMBINED)
"""Map types that hold the flow reserve itself."""

FROM_FLOW: Final = ("maps", "mfr number")
"""Sources of an impaired-MFR label that are the flow of the same study."""

DIFFERENCE: Final = ("difference", "difference_low", "difference_high", "difference_p")

_WORDS: Final = ("data", "map_type", "trait", "model", "method", "note")
_FLAGS: Final = ("is_circular", "is_comparator")
_NUMBERS: Final = (
    "n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value", "p_adjusted", "val_log_loss",
    *DIFFERENCE,
)  # fmt: skip
"""Columns of metrics.csv, by what is in them."""

_SHARED: Final = (
    "data", "map_type", "trait", "n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value",
    "is_circular", "method", "note",
)  # fmt: skip
"""Columns that a comparison of runs takes from metrics.csv."""

PUBLISHED: Final = {
    ("reserve", "impaired_mfr"): (0.94, 0.87, 0.98),
    ("stress", "sex"): (0.81, 0.73, 0.88),
    ("rest", "smoking"): (0.71, 0.58, 0.85),
}
"""(Map type, trait) -> AUROC with 95 % interval: all that the abstract of Yeung et al. 2022 gives,
doi 10.1007/s12350-022-02920-x."""

PHANTOM_LABEL: Final = "phantom, not patients"

PRIMARY: Final = "primary, Holm"
SECONDARY: Final = "secondary, Benjamini-Hochberg"


def compare_with_baselines(
    scores: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    val: Cohort,
    test: Cohort,
    map_type: str,
    candidates: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row per trait and model, on the test studies.

    Parameters
    ----------
    scores
        Model -> scores of validation and of test studies; "network" is one of them, the others
        are baselines.
    map_type
        "rest", "stress", "reserve", or "combined" for all three: what the network saw.
    candidates
        Models that may be the comparator, such as those that see the same map alone. None: all
        but the network.

    Returns
    -------
    The columns of `evaluate`, with `data` (what the studies are), map_type, model,
    val_log_loss (nats, first study of each patient), is_comparator (the candidate with the lowest
    validation log-loss: chosen without the test studies), is_circular (see there), and
    difference, difference_low, difference_high, difference_p: AUROC of the network minus that
    of the row's model, paired DeLong, unadjusted.

    Raises
    ------
    ValueError: a candidate was not scored, or is the network.
    """
    allowed = [model for model in scores if model != NETWORK]
    if odd := [model for model in candidates or () if model not in allowed]:
        raise ValueError(
            f"{', '.join(map(str, odd))} cannot be the comparator; scored baselines are "
            f"{', '.join(allowed) or 'none'}."
        )
    tables = []
    of_network = scores[NETWORK][1]
    part = part_of(of_network)
    for model, (of_val, given) in scores.items():
        is_told = part is None or part_of(given) is not None
        # Baselines were fitted on the same patients.
        of_test = given if is_told else given.assign(**{PART_COLUMN: part})
        table = evaluate(of_test, test.traits, test.patients)
        table.insert(0, "data", kind_of_data(test))
        table.insert(1, "map_type", map_type)
        table.insert(3, "model", model)
        rows, _ = first_studies(of_val, val.traits, val.patients)
        labels, values = val.traits.loc[rows], of_val.loc[rows]
        table["val_log_loss"] = [_log_loss(labels[t], values[t]) for t in table["trait"]]
        table["is_circular"] = [is_circular(test, map_type, trait) for trait in table["trait"]]
        nothing = (np.nan,) * len(DIFFERENCE)
        table[list(DIFFERENCE)] = [
            nothing if model == NETWORK else _difference(of_network, of_test, test, trait)
            for trait in table["trait"]
        ]
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    whole["is_comparator"] = False
    is_candidate = whole["model"].isin(allowed if candidates is None else candidates)
    best = whole[is_candidate & whole["val_log_loss"].notna()].groupby("trait")["val_log_loss"]
    whole.loc[best.idxmin(), "is_comparator"] = True
    order = pd.Index(of_network.columns)
    return ResultTable(
        whole.sort_values("trait", key=order.get_indexer, kind="stable", ignore_index=True)
    )


def results_of_run(folder: str | Path, trait: str, part: str = "test") -> pd.DataFrame:
    """Labels and scores of one trait, from a run folder alone.

    Parameters
    ----------
    trait
        One trait of the run.
    part
        "test", or "val" for the validation patients, who may choose a threshold.

    Returns
    -------
    Columns label (0 or 1) and score (probability), index study_id: the first study of each patient
    whose label was recorded.

    Raises
    ------
    FileNotFoundError: the run was not tested.
    ValueError: it does not predict the trait.
    """
    labels = labels_of_run(folder, part)
    if trait not in labels:
        raise ValueError(f"No trait {shown(trait)} in {folder}; it has {listing(labels.columns)}.")
    known = labels[trait].dropna()
    scores = read_scores(Path(folder) / f"scores_{part}.csv")
    return pd.DataFrame({"label": known, "score": scores.loc[known.index, trait]})


def compare_runs(runs: Sequence[str | Path]) -> pd.DataFrame:
    """Set scored runs side by side on the same test patients.

    Parameters
    ----------
    runs
        Two or more run folders of `polarnet train`, the first of which is compared with the others.

    Returns
    -------
    One row per trait and run: data, map_type, trait, run, n_pos, n_neg, auroc, ci_low, ci_high,
    is_circular, note, and difference, difference_low, difference_high, difference_p: AUROC of the
    first run minus that of this one, paired DeLong, unadjusted. Each patient counts with the first
    study. Traits that a run does not predict are left out.

    Raises
    ------
    ValueError: fewer than two runs, the same run twice, other test patients or labels, or no trait
        in common.
    FileNotFoundError: a run holds no labels or no scores.
    """
    folders = [Path(run) for run in runs]
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [folder.as_posix() for folder in folders]
    if len(set(names)) < max(len(names), 2):
        raise ValueError("Name two runs or more, and each of them once.")
    tables = [read_metrics(folder) for folder in folders]
    labels = [labels_of_run(folder) for folder in folders]
    scores = [read_scores(folder / "scores_test.csv") for folder in folders]
    traits = [t for t in labels[0] if all(t in some for some in labels)]
    if not traits:
        raise ValueError(f"{' and '.join(names)} have no trait in common.")
    for name, table in zip(names[1:], labels[1:], strict=True):
        if n := len(labels[0].index.symmetric_difference(table.index)):
            raise ValueError(
                f"{names[0]} and {name} were tested on other patients ({n} are in one of them "
                "alone). Train them on the same cohort with the same seed, or with a column split."
            )
        odd = [t for t in traits if not table[t].reindex(labels[0].index).equals(labels[0][t])]
        if odd:
            raise ValueError(f"{names[0]} and {name} have other labels of {listing(odd)}.")
    rows = []
    for trait in traits:
        known = labels[0][trait].dropna()
        of_first = scores[0].loc[known.index, trait]
        for name, table, of_run in zip(names, tables, scores, strict=True):
            row = table[(table["model"] == NETWORK) & (table["trait"] == trait)].iloc[0]
            row = {"run": name} | row[[n for n in _SHARED if n in row]].to_dict()
            found = (np.nan,) * len(DIFFERENCE)
            if name != names[0] and is_reportable(known):
                test = delong_test(known, of_first, of_run.loc[known.index, trait])
                found = test.difference, test.low, test.high, test.p_value
            rows.append(row | dict(zip(DIFFERENCE, found, strict=True)))
    return ResultTable(rows)


def kind_of_data(cohort: Cohort) -> str:
    """What stands in the column `data` of a table of results."""
    if cohort.is_phantom:
        return PHANTOM_LABEL
    return RECOVERED if cohort.is_recovered else "cohort"


def is_circular(cohort: Cohort, map_type: str, trait: str) -> bool:
    """True where a label of the cohort was derived from the flow that this map type shows.

    Flow reserve is in "reserve" and "combined", and in no other. A label of impaired MFR was
    derived from it where the maps or the workstation's MFR number of any study gave it
    (`impaired_mfr_source`). A 0/1 column of the user's own says not where it comes from: it counts
    as derived where it equals MFR < 2.0 in every study whose table has the number too, with at
    least ten studies of each class.
    """
    if trait != IMPAIRED_MFR or map_type not in CIRCULAR_MAPS:
        return False
    table = cohort.clinical
    sources = table.get("impaired_mfr_source", pd.Series(dtype=str)).astype(str)
    if sources.str.strip().str.lower().isin(FROM_FLOW).any():
        return True
    if trait not in cohort.traits or MFR_COLUMN not in table:
        return False
    both = cohort.traits[[trait]].assign(mfr=pd.to_numeric(table[MFR_COLUMN], errors="coerce"))
    both = both.dropna()
    is_same = (both[trait] == 1) == (both["mfr"] < MFR_THRESHOLD)
    return bool(is_reportable(both[trait]) and is_same.all())


def _log_loss(labels: pd.Series, scores: pd.Series) -> float:
    """Mean cross-entropy over recorded labels in nats; NaN where there is none."""
    known = labels.dropna()
    return float(log_loss(known, scores[known.index], labels=[0, 1])) if len(known) else np.nan


def _difference(
    network: pd.DataFrame, other: pd.DataFrame, test: Cohort, trait: str
) -> tuple[float, float, float, float]:
    """Paired difference of the network and another model, interval and p; NaN for small classes."""
    network, other = without_training(network)[0], without_training(other)[0]
    rows, _ = first_studies(network, test.traits, test.patients)
    labels = test.traits.loc[rows, trait].dropna()
    if not is_reportable(labels):
        return (np.nan,) * 4
    found = delong_test(labels, network.loc[labels.index, trait], other.loc[labels.index, trait])
    return found.difference, found.low, found.high, found.p_value


def read_metrics(folder: Path) -> pd.DataFrame:
    """The table of `compare_with_baselines` in a run folder.

    FileNotFoundError: the run has no metrics.csv. ValueError: it is not whole, lacks a column, or
    has words in a column of numbers.
    """
    path = folder / "metrics.csv"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no metrics.csv; make the run with `polarnet train`, or with "
            "run_experiment in Python."
        )
    # Names stay names: a trait may be called "NA" or "2020".
    table = read_csv(path, text=_WORDS)
    if lacking := [name for name in (*_WORDS, *_FLAGS, *_NUMBERS) if name not in table]:
        raise ValueError(f"{path} lacks the columns {listing(lacking)}. Copy the run again.")
    numbers, flags = table.select_dtypes("number"), table.select_dtypes("bool")
    if odd := [*{*_NUMBERS} - {*numbers}, *{*_FLAGS} - {*flags}]:
        raise ValueError(
            f"{path} has text in the columns {listing(sorted(odd))}. Copy the run again."
        )
    return table


def adjust_p_values(table: pd.DataFrame, primaries: Collection[Sequence[str]]) -> pd.DataFrame:
    """Adjust the p-values of a table of map types and traits for their number.

    Parameters
    ----------
    table
        Columns map_type, trait and p_value (NaN where nothing was tested), and mode where the cells
        differ in it; one row per cell. Other columns are kept.
    primaries
        (map_type, trait), or (map_type, mode, trait), of the cells that were named before the test
        studies were looked at; may be empty.

    Returns
    -------
    A copy with `p_adjusted` (Holm over the primaries, Benjamini-Hochberg over all other cells) and
    `family` ("primary, Holm" or "secondary, Benjamini-Hochberg"). A cell that was not tested is in
    no family: NaN and an empty text.

    Raises
    ------
    ValueError: a column is missing, a cell is there twice, a primary is not in the table, or a
        p-value lies outside [0, 1].

    References
    ----------
    Holm, Scand J Stat 1979;6:65-70. Benjamini & Hochberg, J R Stat Soc B 1995;57:289-300.
    """
    if missing := {"map_type", "trait", "p_value"} - set(table.columns):
        raise ValueError(f"p-values cannot be adjusted without {', '.join(sorted(missing))}.")
    names = [name for name in ("map_type", "mode", "trait") if name in table]
    cells = pd.MultiIndex.from_frame(table[names])
    named = [tuple(cell) for cell in primaries]
    p_values = table["p_value"].to_numpy(float)
    for told, odd in (
        ("One row a cell is needed, but there are several of", cells[cells.duplicated()]),
        ("Named primary but not in the table:", [cell for cell in named if cell not in set(cells)]),
        ("p-values must lie between 0 and 1; see", cells[(p_values < 0) | (p_values > 1)]),
    ):
        if len(odd):
            found = listing(", ".join(map(str, cell)) for cell in dict.fromkeys(odd))
            raise ValueError(f"{told} {found} ({', '.join(names)}).")
    is_primary = cells.isin(named)
    family = np.where(is_primary, PRIMARY, SECONDARY)
    return table.assign(
        p_adjusted=np.where(
            is_primary,
            adjusted(np.where(is_primary, p_values, np.nan), "holm"),
            adjusted(np.where(is_primary, np.nan, p_values), "fdr_bh"),
        ),
        family=np.where(np.isnan(p_values), "", family),
    )
