"""Does the prediction tell more than known covariates do?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import chi2

from polarnet.display import Result
from polarnet.evaluation.logistic import coefficient, fit_logistic
from polarnet.evaluation.pairs import checked_pairs, clipped_logit
from polarnet.evaluation.roc import NOT_ESTIMABLE, Interval, auroc
from polarnet.labels import aligned


@dataclass(frozen=True, repr=False)
class Association(Result):
    """What a prediction adds to covariates.

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
    n_pos, n_neg, n_left_out
        Patients of each class, and those left out because a covariate is missing.
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
        """What is printed of it."""
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

    Parameters
    ----------
    labels
        0 and 1, shape (n,), at least one of each, one entry a patient, of test patients.
    probabilities
        Shape (n,), within [0, 1]; clipped to [1e-6, 1 - 1e-6] before their logit.
    covariates
        One numeric column each, such as age and sex (0/1), n rows. Patients with a NaN or an
        infinite one are left out. Series and tables are aligned by their index.

    Returns
    -------
    Association. The odds ratio is "not estimable" where the classes are separated, or where
    the logits or a covariate are constant or follow from the others.

    Raises
    ------
    ValueError: see `checked_pairs` (also for those with every covariate); or a covariate is not
        numeric, or there is none.
    """
    labels, probabilities, covariates = aligned(labels, probabilities, covariates)
    is_positive, values = checked_pairs(labels, probabilities)
    table = _numeric(covariates, len(values))
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
    odds_ratio = Interval(value, low, high, log_odds.method)
    nothing = Interval(np.nan, np.nan, np.nan, NOT_ESTIMABLE)
    return Association(
        odds_ratio=odds_ratio,
        chi2=float(statistic),
        p_value=float(chi2.sf(statistic, 1)),
        covariates_auroc=nothing if alone is None else auroc(is_positive, alone.fittedvalues),
        n_pos=int(is_positive.sum()),
        n_neg=int((~is_positive).sum()),
        n_left_out=int((~is_complete).sum()),
    )


def _numeric(covariates: pd.DataFrame, n: int) -> np.ndarray:
    """Covariates as an array (n, k)."""
    if len(covariates) != n or covariates.shape[1] == 0:
        raise ValueError(f"Covariates of shape {covariates.shape} do not fit {n} patients.")
    is_number = [pd.api.types.is_numeric_dtype(kind) for kind in covariates.dtypes]
    if not all(is_number):
        odd = ", ".join(map(str, covariates.columns[~np.array(is_number)]))
        raise ValueError(f"Covariates must be numbers, but {odd} is not. Code it as 0 and 1.")
    return covariates.to_numpy(float, na_value=np.nan)
