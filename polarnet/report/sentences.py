"""Findings in sentences, made from a table of AUROCs."""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from polarnet.clinical import MAPS_ALONE
from polarnet.cohort import RECOVERED
from polarnet.display import trait_name
from polarnet.evaluation.comparison import NETWORK, PHANTOM_LABEL
from polarnet.evaluation.table import EXPLORATORY_BELOW
from polarnet.plotting.overlays import ALPHA

OUT_OF_FOLD: Final = "patients, each scored by networks that had not seen them"
"""What a cross-validation counts."""

CONTRASTS: Final = {
    "sex": "women from men",
    "smoking": "current smokers from others",
    "impaired_mfr": "impaired from preserved flow reserve",
    "abnormal": "abnormal from normal",
}
"""Trait -> what a score tells apart; others are "patients with ... from those without"."""

_NUMBERS: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")

BASELINES: Final = {
    "wide": "the 17 segments with their lowest, highest and mean",
    "17 segments": "the 17 segments",
    "global mean": "the mean of the map",
    "lowest segment": "the lowest segment",
}
"""Baseline -> what it is, in words; others are named as they are."""


def findings(
    metrics: pd.DataFrame, *, counted: str = "test patients", reads_columns: bool = False
) -> list[str]:
    """One paragraph for each trait of one network: AUROC, best baseline, and what limits it.

    Parameters
    ----------
    metrics
        As `compare_with_baselines` gives it, or the metrics of a cross-validation: one row per
        trait and model, with data, map_type, n_pos, n_neg, auroc, ci_low, ci_high, difference
        (network minus model) with its interval, is_circular. The comparator is the row with
        `is_comparator`, where that is a column, else the baseline with the highest AUROC.
    counted
        What the numbers of patients count.
    reads_columns
        Whether the network reads clinical columns; also seen where its maps alone were scored.

    Returns
    -------
    Sentences that claim no more than the intervals: a network is better or worse than a baseline
    only where the interval of the paired difference excludes 0.
    """
    told = []
    for trait in dict.fromkeys(metrics["trait"]):
        rows = metrics[metrics["trait"] == trait]
        network = rows[rows["model"] == NETWORK].iloc[0].to_dict()
        network["reads_columns"] = reads_columns or MAPS_ALONE in set(rows["model"])
        told.append(" ".join(_finding(network, _comparator(rows), counted)))
    return told


def group_finding(table: pd.DataFrame | None, trait: str, *, lacking: str = "") -> str:
    """Which segments get another share of attribution with a trait than without.

    Parameters
    ----------
    table
        As from `compare_groups`; None where the groups were not compared, for the reason `lacking`.
    trait
        What was explained.

    Returns
    -------
    One or two sentences; a segment differs where p < 0.05 after max-T over the 17 segments.
    """
    groups = _contrast(trait).replace(" from ", " and ", 1)
    if table is None:
        return f"Whether attribution differs between {groups} is not judged: {lacking}."
    n_pos, n_neg = table[["n_pos", "n_neg"]].iloc[0]
    counted = f"between {groups} ({n_pos} and {n_neg} patients; corrected for all 17 segments)"
    is_sure = table["p_max_t"] < ALPHA
    if not is_sure.any():
        return f"No segment is shown to differ {counted}."
    names = table["segment"].astype(str) + " " + table["name"]
    is_higher = table["mean_pos"] > table["mean_neg"]
    sides = {"higher": names[is_sure & is_higher], "lower": names[is_sure & ~is_higher]}
    told = "; ".join(f"{side}: {', '.join(some)}" for side, some in sides.items() if len(some))
    n = int(is_sure.sum())
    number = _NUMBERS[n] if n < len(_NUMBERS) else str(n)
    verb = "segment differs" if n == 1 else "segments differ"
    return f"{number} {verb} {counted}. Share of attribution in the first group {told}."


def _contrast(trait: str) -> str:
    return CONTRASTS.get(trait, f"patients with {trait_name(trait)} from those without")


def _comparator(rows: pd.DataFrame) -> dict[str, Any] | None:
    others = rows[(rows["model"] != NETWORK) & rows["auroc"].notna()]
    if "is_comparator" in others:
        others = others[others["is_comparator"].astype(bool)]
    if others.empty:
        return None
    return others.iloc[others["auroc"].argmax()].to_dict()


def _finding(
    network: Mapping[str, Any], other: Mapping[str, Any] | None, counted: str
) -> list[str]:
    trait, maps = network["trait"], network["map_type"]
    maps = "rest, stress and reserve maps together" if maps == "combined" else f"{maps} maps"
    maps += " with clinical columns" if network["reads_columns"] else ""
    contrast = _contrast(trait)
    n_pos, n_neg = int(network["n_pos"]), int(network["n_neg"])
    n = f"{n_pos} and {n_neg} {counted}"
    lead = "In a phantom, not in patients, " if network["data"] == PHANTOM_LABEL else ""
    if pd.isna(network["auroc"]):
        text = f"{lead}{maps} gave no number for telling {contrast}: {n} are too few."
        return [text[0].upper() + text[1:]]
    ends = "interval not estimable"
    has_interval = pd.notna(network["ci_low"])
    if has_interval:
        ends = f"{network['ci_low']:.2f} to {network['ci_high']:.2f}"
    text = f"{lead}{maps} told {contrast} with an AUROC of {network['auroc']:.2f} ({ends}; {n})."
    told = [text[0].upper() + text[1:]]
    if network["is_circular"]:
        told.append(
            "The label is derived from the flow that these maps show, so this is arithmetic, not "
            "evidence."
        )
    elif has_interval and network["ci_low"] <= 0.5:
        told.append("This is not shown to be better than chance.")
    if other is not None:
        name = _upper(BASELINES.get(other["model"], other["model"]))
        told.append(f"{name} reached {other['auroc']:.2f}: {_verdict(other)}.")
    if min(n_pos, n_neg) < EXPLORATORY_BELOW:
        told.append(f"With {min(n_pos, n_neg)} in the smaller group this is exploratory.")
    if RECOVERED in str(network["data"]):
        told.append("The maps were read from the colours of screens, not exported as numbers.")
    return told


def _verdict(other: Mapping[str, Any]) -> str:
    """What the interval of network minus baseline allows to say."""
    value, low, high = (other[f"difference{end}"] for end in ("", "_low", "_high"))
    if pd.isna(low):
        return "the difference cannot be estimated"
    by = f"(difference {value:+.3f}, {low:+.3f} to {high:+.3f})"
    if low > 0:
        return f"the network is better {by}"
    if high < 0:
        return f"the network is worse {by}"
    return f"the network is not shown to be better {by}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
