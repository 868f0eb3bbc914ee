"""Subgroups, each compared with all other patients, and predictions adjusted for covariates."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import chi2

from polarnet.display import Result
from polarnet.evaluation.calibration import coefficient, fit_logistic, measure_calibration
from polarnet.evaluation.roc import (
    Interval,
    auroc,
    checked_pairs,
    clipped_logit,
    not_estimable,
    unpaired_delong_test,
)
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

    Series whose index names the same studies: labels and probabilities as for
    `measure_calibration`, one study per patient, and names of groups, such as those of `tertiles`.
    NaN makes the group "not recorded", which comes last; the others keep the order of a categorical
    or are sorted.

    Returns
    -------
    DataFrame with group, n_pos, n_neg, auroc, ci_low, ci_high (DeLong on the logit scale),
    difference (to all other patients together, those not recorded included), difference_low,
    difference_high, p_value (unpaired z test, unadjusted), calibration_intercept, calibration_low,
    calibration_high, note. Numbers are NaN where the smaller class of the group has fewer than 10
    patients, and those of the difference also where that of the others has.

    Raises
    ------
    ValueError: as for `measure_calibration`, or an argument is no Series.
    """
    given = {"labels": labels, "probabilities": probabilities, "groups": groups}
    if odd := [name for name, values in given.items() if not isinstance(values, pd.Series)]:
        raise ValueError(f"{', '.join(odd)} must be a pandas Series whose index names the studies.")
    labels, probabilities, groups = aligned(labels, probabilities, groups)
    is_positive, values = checked_pairs(labels, probabilities)
    whole = pd.DataFrame({"label": is_positive.astype(float), "score": values}, groups.index)
    parts = [(str(name), part) for name, part in whole.groupby(groups, observed=True)]
    if groups.isna().any():
        parts.append((NOT_RECORDED, whole[groups.isna()]))
    return pd.DataFrame([_row(name, part, whole.drop(part.index)) for name, part in parts])


def _row(name: str, inside: pd.DataFrame, outside: pd.DataFrame) -> dict[str, object]:
    """Statistics of one group, as far as its classes are large enough."""
    n_pos, n_neg = int((inside["label"] == 1).sum()), int((inside["label"] == 0).sum())
    note = size_note(n_pos, n_neg)
    row: dict[str, object] = {"group": name, "n_pos": n_pos, "n_neg": n_neg}
    row |= dict.fromkeys(_NUMBERS, np.nan)
    if not is_reportable(inside["label"]):
        return row | {"note": note}
    pair = inside["label"], inside["score"]
    area, intercept = auroc(*pair), measure_calibration(*pair).intercept
    row |= {
        "auroc": area.value, "ci_low": area.low, "ci_high": area.high,
        "calibration_intercept": intercept.value,
        "calibration_low": intercept.low, "calibration_high": intercept.high,
    }  # fmt: skip
    if is_reportable(outside["label"]):
        test = unpaired_delong_test(*pair, outside["label"], outside["score"])
        row |= {
            "difference": test.difference, "difference_low": test.low,
            "difference_high": test.high, "p_value": test.p_value,
        }  # fmt: skip
    else:
        few = f"no difference: fewer than {SUPPRESSED_BELOW} of a class in the others"
        note = "; ".join(filter(None, (note, few)))
    return row | {"note": note}


def tertiles(values: pd.Series) -> pd.Series:
    """Three groups of about equal size, such as of age, as an ordered categorical; NaN stays NaN.

    The names hold the cuts, which are observed values: a value at a cut belongs to the lower group.
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


# === Adjustment ==================================================================================


@dataclass(frozen=True, repr=False)
class Association(Result):
    """What a prediction adds to covariates, in `n_pos` and `n_neg` patients; `n_left_out` lack one.

    Attributes
    ----------
    odds_ratio
        Per standard deviation of the prediction's logit, adjusted for the covariates.
    chi2, p_value
        Likelihood-ratio test, one degree of freedom, against the covariates alone; NaN where the
        odds ratio is not estimable.
    covariates_auroc
        AUROC of the covariates alone. *Apparent*: fitted on the very patients it ranks, hence too
        high, while the prediction has not seen them.
    """

    odds_ratio: Interval
    chi2: float
    p_value: float
    covariates_auroc: Interval
    n_pos: int
    n_neg: int
    n_left_out: int

    @property
    def summary(self) -> pd.Series:
        """The numbers as they are printed."""
        rows = {
            "odds ratio per SD": self.odds_ratio,
            "likelihood-ratio p": f"{self.p_value:.3g}",
            "AUROC of the covariates alone (apparent)": self.covariates_auroc,
            "positives, negatives, left out": f"{self.n_pos}, {self.n_neg}, {self.n_left_out}",
        }
        return pd.Series(rows, name="Adjusted association")


def adjusted_association(
    labels: pd.Series, probabilities: pd.Series, covariates: pd.DataFrame
) -> Association:
    """Logistic regression, without penalty, of the labels on the logit and the covariates.

    Labels and probabilities are those of `measure_calibration`, of test patients; `covariates` has
    one numeric column each, such as age and sex (0/1), shape (n, k). Patients with a NaN or an
    infinite one are left out. The odds ratio is "not estimable" where the classes are separated, or
    where the logits or a covariate are constant or follow from the others. ValueError: as there
    (also of those with every covariate); or a covariate is not numeric, or there is none.
    """
    labels, probabilities, covariates = aligned(labels, probabilities, covariates)
    is_positive, values = checked_pairs(labels, probabilities)
    n = len(values)
    if len(covariates) != n or covariates.shape[1] == 0:
        raise ValueError(f"Covariates of shape {covariates.shape} do not fit {n} patients.")
    is_number = pd.api.types.is_numeric_dtype
    if odd := ", ".join(str(name) for name, cells in covariates.items() if not is_number(cells)):
        raise ValueError(f"Covariates must be numbers, but {odd} is not. Code it as 0 and 1.")
    table = covariates.to_numpy(float, na_value=np.nan)
    is_complete = np.isfinite(table).all(axis=1)
    try:
        is_positive, values = checked_pairs(is_positive[is_complete], values[is_complete])
    except ValueError as error:
        raise ValueError(
            f"{int((~is_complete).sum())} patients lack a covariate. Of the others: {error}"
        ) from None
    logits = np.asarray(clipped_logit(values))
    spread = logits.std(ddof=1) or 1.0  # constant logits are found out by the fit
    known = np.column_stack([np.ones(len(values)), table[is_complete]])
    alone = fit_logistic(is_positive, known)
    both = fit_logistic(is_positive, np.column_stack([known, logits / spread]))
    statistic = np.nan if both is None or alone is None else 2 * (both.llf - alone.llf)
    log_odds = coefficient(both, -1)
    value, low, high = np.exp([log_odds.value, log_odds.low, log_odds.high]).tolist()
    return Association(
        odds_ratio=Interval(value, low, high, log_odds.method),
        chi2=float(statistic),
        p_value=float(chi2.sf(statistic, 1)),
        covariates_auroc=auroc(is_positive, alone.fittedvalues) if alone else not_estimable(),
        n_pos=int(is_positive.sum()),
        n_neg=int((~is_positive).sum()),
        n_left_out=int((~is_complete).sum()),
    )
