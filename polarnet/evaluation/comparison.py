"""The network and its baselines side by side, with paired differences."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from polarnet.cohort import RECOVERED, Cohort
from polarnet.evaluation.roc import delong_test
from polarnet.evaluation.table import evaluate, first_studies, is_reportable
from polarnet.traits import IMPAIRED_MFR

NETWORK: Final = "network"
PHANTOM_LABEL: Final = "phantom, not patients"


def compare(
    scores: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    val: Cohort,
    test: Cohort,
    map_type: str,
) -> pd.DataFrame:
    """One row a trait and model, on the test studies.

    Parameters
    ----------
    scores
        Model -> scores of validation and of test studies; "network" is one of them, the others
        are baselines.

    Returns
    -------
    The columns of `evaluate`, with `data` (what the studies are), map_type, model,
    val_log_loss (nats), is_comparator (the baseline with the lowest validation log-loss: chosen
    without the test studies), is_circular (the label was computed from this very map), and
    difference, difference_low, difference_high, difference_p: AUROC of the network minus that
    of the row's model, paired DeLong, unadjusted.
    """
    sources = test.clinical.get("impaired_mfr_source", pd.Series(dtype=str))
    is_from_maps = map_type == "reserve" and bool((sources == "maps").any())
    tables = []
    for model, (of_val, of_test) in scores.items():
        table = evaluate(of_test, test.traits, test.patients)
        kind = RECOVERED if test.is_recovered else "cohort"
        table.insert(0, "data", PHANTOM_LABEL if test.is_phantom else kind)
        table.insert(1, "map_type", map_type)
        table.insert(3, "model", model)
        table["val_log_loss"] = [_log_loss(val.traits[t], of_val[t]) for t in table["trait"]]
        table["is_circular"] = (table["trait"] == IMPAIRED_MFR) & is_from_maps
        differences = [
            _difference(scores[NETWORK][1], of_test, test, trait, model) for trait in table["trait"]
        ]
        tables.append(pd.concat([table, pd.DataFrame(differences)], axis=1))
    whole = pd.concat(tables, ignore_index=True)
    whole["is_comparator"] = False
    for _, rows in whole[whole["model"] != NETWORK].groupby("trait"):
        if rows["val_log_loss"].notna().any():
            whole.loc[rows["val_log_loss"].idxmin(), "is_comparator"] = True
    order = pd.Index(scores[NETWORK][1].columns)
    return whole.sort_values("trait", key=order.get_indexer, kind="stable", ignore_index=True)


def _log_loss(labels: pd.Series, scores: pd.Series) -> float:
    """Mean cross-entropy over recorded labels in nats; NaN where there is none."""
    is_recorded = labels.notna()
    if not is_recorded.any():
        return np.nan
    return float(log_loss(labels[is_recorded], scores[is_recorded], labels=[0, 1]))


def _difference(
    network: pd.DataFrame, other: pd.DataFrame, test: Cohort, trait: str, model: str
) -> dict[str, float]:
    """Paired difference of the network and another model; NaN for itself and small classes."""
    names = ("difference", "difference_low", "difference_high", "difference_p")
    rows, _ = first_studies(network, test.traits, test.patients)
    labels = test.traits.loc[rows, trait].dropna()
    if model == NETWORK or not is_reportable(labels):
        return dict.fromkeys(names, np.nan)
    test_result = delong_test(
        labels, network.loc[labels.index, trait], other.loc[labels.index, trait]
    )
    values = (test_result.difference, test_result.low, test_result.high, test_result.p_value)
    return dict(zip(names, values, strict=True))
