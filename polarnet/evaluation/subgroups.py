"""AUROC and calibration by subgroup, each compared with all the other patients."""

from typing import Final

import numpy as np
import pandas as pd

from polarnet.evaluation.calibration import measure_calibration
from polarnet.evaluation.pairs import checked_pairs
from polarnet.evaluation.roc import auroc, unpaired_delong_test
from polarnet.evaluation.table import SUPPRESSED_BELOW, is_reportable, size_note
from polarnet.labels import aligned, read_numbers

NOT_RECORDED: Final = "not recorded"
"""Name of the group of those whose group is missing."""

_NUMBERS: Final = (
    "auroc", "ci_low", "ci_high", "difference", "difference_low", "difference_high", "p_value",
    "calibration_intercept", "calibration_low", "calibration_high",
)  # fmt: skip


def evaluate_subgroups(
    labels: pd.Series, probabilities: pd.Series, groups: pd.Series
) -> pd.DataFrame:
    """AUROC and calibration in the large of each group.

    Parameters
    ----------
    labels
        0 and 1, index study_id, at least one of each, one entry a patient.
    probabilities
        Within [0, 1], the same studies in any order.
    groups
        Names, such as those of `tertiles`, the same studies. NaN makes the group "not recorded",
        which comes last; the others keep the order of a categorical or are sorted.

    Returns
    -------
    DataFrame with group, n_pos, n_neg, auroc, ci_low, ci_high (DeLong on the logit scale),
    difference (to all other patients together, those not recorded included), difference_low,
    difference_high, p_value (unpaired z test, unadjusted), calibration_intercept,
    calibration_low, calibration_high, note. Numbers are NaN where the smaller class of the
    group has fewer than 10 patients, and those of the difference also where that of the others
    has.

    Raises
    ------
    ValueError: see `checked_pairs`; or an argument is no Series, or the studies differ.
    """
    given = {"labels": labels, "probabilities": probabilities, "groups": groups}
    if odd := [name for name, values in given.items() if not isinstance(values, pd.Series)]:
        raise ValueError(f"{', '.join(odd)} must be a pandas Series whose index names the studies.")
    labels, probabilities, groups = aligned(labels, probabilities, groups)
    is_positive, values = checked_pairs(labels, probabilities)
    labels = pd.Series(is_positive.astype(float), index=groups.index)
    probabilities = pd.Series(values, index=groups.index)
    rows = [
        _row(str(name), (groups == name).fillna(False).to_numpy(bool), labels, probabilities)
        for name in _names(groups)
    ]
    if (is_missing := groups.isna().to_numpy()).any():
        rows.append(_row(NOT_RECORDED, is_missing, labels, probabilities))
    return pd.DataFrame(rows)


def tertiles(values: pd.Series) -> pd.Series:
    """Three groups of about equal size, such as of age.

    Parameters
    ----------
    values
        Numbers; NaN stays NaN.

    Returns
    -------
    Ordered categorical Series with the same index. The names hold the cuts, which are observed
    values: a value at a cut belongs to the lower group.

    Raises
    ------
    ValueError: the values do not fall into three groups.

    >>> tertiles(pd.Series([50, 55, 60, 65, 70, 75])).cat.categories.to_list()
    ['up to 55', 'above 55, up to 65', 'above 65']
    """
    given = pd.Series(values)
    values = pd.Series(read_numbers(given, "Values"), index=given.index, name=given.name)
    low, high = values.quantile([1 / 3, 2 / 3], interpolation="lower")
    if not low < high < values.max():
        raise ValueError(
            f"The {values.notna().sum()} values do not fall into thirds (cuts at {low:g} and "
            f"{high:g}). Give groups of your own."
        )
    names = [f"up to {low:g}", f"above {low:g}, up to {high:g}", f"above {high:g}"]
    return pd.cut(values, [-np.inf, low, high, np.inf], labels=names)


def _names(groups: pd.Series) -> list[object]:
    """Groups that occur, in the order of the categories or sorted."""
    if isinstance(groups.dtype, pd.CategoricalDtype):
        return [name for name in groups.cat.categories if (groups == name).any()]
    return sorted(groups.dropna().unique(), key=lambda name: (isinstance(name, str), name))


def _row(
    name: str, is_member: np.ndarray, labels: pd.Series, probabilities: pd.Series
) -> dict[str, object]:
    """Statistics of one group, as far as its classes are large enough."""
    inside, outside = labels[is_member], labels[~is_member]
    n_pos, n_neg = int((inside == 1).sum()), int((inside == 0).sum())
    row: dict[str, object] = {"group": name, "n_pos": n_pos, "n_neg": n_neg}
    row |= dict.fromkeys(_NUMBERS, np.nan)
    if not is_reportable(inside):
        return row | {"note": size_note(n_pos, n_neg)}
    area = auroc(inside, probabilities[is_member])
    intercept = measure_calibration(inside, probabilities[is_member]).intercept
    row |= {
        "auroc": area.value, "ci_low": area.low, "ci_high": area.high,
        "calibration_intercept": intercept.value,
        "calibration_low": intercept.low, "calibration_high": intercept.high,
    }  # fmt: skip
    notes = [size_note(n_pos, n_neg)]
    if is_reportable(outside):
        test = unpaired_delong_test(
            inside, probabilities[is_member], outside, probabilities[~is_member]
        )
        row |= {
            "difference": test.difference, "difference_low": test.low,
            "difference_high": test.high, "p_value": test.p_value,
        }  # fmt: skip
    else:
        notes.append(f"no difference: fewer than {SUPPRESSED_BELOW} of a class in the others")
    return row | {"note": "; ".join(filter(None, notes))}
