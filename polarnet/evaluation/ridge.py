"""Logistic regression whose penalty is chosen within the training patients."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarnet.cohort import Cohort

Folds = list[tuple[np.ndarray, np.ndarray]]
"""Pairs of rows: to fit on, and to be scored."""

STRENGTHS: Final = np.logspace(-4, 2, 13)
"""Inverse penalties that are tried (our choice)."""

_FOLDS: Final = 5
_UNTUNED: Final = 1.0  # inverse penalty where there are too few patients for folds


def tuned_ridge(
    train_features: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int
) -> Pipeline:
    """Logistic ridge with the penalty of lowest log-loss in grouped cross-validation.

    Parameters
    ----------
    train_features
        Shape (n, p), any unit; NaN (not recorded) is replaced by the median, and a column is
        added that says so. Where p >= n the standardised rows are turned onto the space that
        they span: the penalised solution lies in it, so nothing is lost but time.
    labels
        Shape (n,), 0 or 1, both present.
    groups
        Shape (n,), patient of each row: none is in two of the five folds.
    seed
        Of the folds.

    Returns
    -------
    Fitted pipeline with `predict_proba`. The inverse penalty is 1 where a class has a single
    patient.
    """
    strength = choose_strength(train_features, labels, inner_folds(labels, groups, seed))
    return fit_ridge(train_features, labels, strength)


def ridge_scores(
    train_features: np.ndarray,
    others_features: Sequence[np.ndarray],
    train: Cohort,
    others: Sequence[Cohort],
    *,
    traits: Sequence[str],
    seed: int,
    chosen: Mapping[str, float] | None = None,
) -> list[pd.DataFrame]:
    """The same ridge on features of the caller, such as those of a frozen network.

    Parameters
    ----------
    train_features
        Shape (n, p): row k belongs to study k of `train`.
    others_features
        For each cohort of `others` an array of shape (n of that cohort, p).
    train, others, traits, seed
        As for `baseline_scores`, with the same folds.
    chosen
        Trait -> inverse penalty, where it was chosen before.

    Returns
    -------
    One DataFrame a cohort, index study_id, one column a trait, probabilities;
    `attrs["chosen"]` is the inverse penalty of each trait.

    Raises
    ------
    ValueError: an array does not have one row a study, or widths differ.
    """
    width = train_features.shape[1:]
    for features, cohort in zip((train_features, *others_features), (train, *others), strict=True):
        if features.shape != (len(cohort), *width) or len(width) != 1:
            raise ValueError(
                f"Features must have one row a study and the width of training, "
                f"({len(cohort)}, p), but have shape {features.shape} (training: "
                f"{train_features.shape})."
            )
    scores = [pd.DataFrame(index=cohort.patients.index) for cohort in others]
    strengths = dict(chosen or {})
    with threadpool_limits(1):
        for trait in traits:
            rows, labels, groups = recorded(train, trait)
            features = train_features[rows]
            if trait not in strengths:
                folds = inner_folds(labels, groups, seed)
                strengths[trait] = choose_strength(features, labels, folds)
            model = fit_ridge(features, labels, strengths[trait])
            for table, of_other in zip(scores, others_features, strict=True):
                table[trait] = model.predict_proba(of_other)[:, 1]
    for table in scores:
        table.attrs["chosen"] = {trait: strengths[trait] for trait in traits}
    return scores


def recorded(train: Cohort, trait: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask of the studies whose label was recorded, their labels and their patients."""
    rows = train.traits[trait].notna().to_numpy()
    return rows, train.traits[trait].to_numpy()[rows], train.patients.to_numpy()[rows]


def inner_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
    """Five folds that keep a patient's studies together; none where a class has one patient."""
    # It is patients, not studies, that must suffice.
    smaller = min(len(set(groups[labels == value])) for value in (0, 1))
    if smaller < 2:
        return []
    folds = StratifiedGroupKFold(min(_FOLDS, smaller), shuffle=True, random_state=seed)
    return list(folds.split(labels, labels, groups))


def choose_strength(features: np.ndarray, labels: np.ndarray, folds: Folds) -> float:
    """The inverse penalty out of `STRENGTHS` with the lowest log-loss over folds; 1 without any."""
    if not folds:
        return _UNTUNED
    losses = np.zeros(len(STRENGTHS))
    for seen, held in folds:
        # Preparation does not depend on the penalty: once a fold.
        prepare = _preparation(*features.shape).fit(features[seen])
        of_seen, of_held = prepare.transform(features[seen]), prepare.transform(features[held])
        for k, strength in enumerate(STRENGTHS):
            model = _logistic(strength, *features.shape).fit(of_seen, labels[seen])
            logits = model.decision_function(of_held)
            # scikit-learn's own log-loss takes as long as the fit.
            losses[k] += np.logaddexp(0, np.where(labels[held] == 1, -logits, logits)).mean()
    return float(STRENGTHS[losses.argmin()])


def fit_ridge(features: np.ndarray, labels: np.ndarray, strength: float) -> Pipeline:
    """`tuned_ridge` with an inverse penalty that is known."""
    prepare = _preparation(*features.shape)
    return make_pipeline(prepare, _logistic(strength, *features.shape)).fit(features, labels)


def _preparation(n: int, p: int) -> Pipeline:
    """What comes before the regression on n rows of p features."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        *([_RowSpace()] if p >= n else []),
    )


class _RowSpace(TransformerMixin, BaseEstimator):
    """Coordinates in an orthonormal basis of the space that the training rows span.

    QR is three times as fast as the singular values of `PCA`, and any basis will do.
    """

    def fit(self, features: np.ndarray, labels: np.ndarray | None = None) -> "_RowSpace":
        self.basis_ = np.linalg.qr(features.T)[0]
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        return features @ self.basis_


def _logistic(strength: float, n: int, p: int) -> LogisticRegression:
    """Few features: Newton's steps. Else classes can be told apart, which takes many small steps
    to the optimum."""
    if p < n:
        return LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-6)
    return LogisticRegression(C=strength, tol=1e-8, max_iter=10_000)
