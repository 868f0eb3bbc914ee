"""What simple models make of the same maps: the bar that a network has to clear."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from polarnet.cohort import Cohort

BASELINES: Final = ("global mean", "17 segments")
"""Logistic regression on the map's mean; logistic ridge on its AHA segment means."""

_STRENGTHS: Final = np.logspace(-4, 2, 13)  # inverse penalties tried inside the training studies
_FREE: Final = 1e4  # as good as no penalty for one number
_FOLDS: Final = 5


def baseline_scores(
    train: Cohort, others: Sequence[Cohort], *, map_type: str, traits: Sequence[str], seed: int
) -> dict[str, list[pd.DataFrame]]:
    """Fit the baselines on the training studies and score other cohorts.

    Parameters
    ----------
    train
        Studies whose label was recorded are used, trait by trait. The ridge penalty is chosen
        here by the log-loss of grouped cross-validation (5 folds, no patient in two); it is 1
        where a class has a single patient.
    others
        Cohorts to score, such as validation and test.

    Returns
    -------
    Name of the baseline -> one DataFrame a cohort, index study_id, one column a trait,
    probabilities. The global mean is linear in the map's mean; both see absolute values.
    """
    features = {name: _features(train, map_type, name) for name in BASELINES}
    seen = {name: [_features(c, map_type, name) for c in others] for name in BASELINES}
    scores = {name: [pd.DataFrame(index=c.patients.index) for c in others] for name in BASELINES}
    for trait in traits:
        is_recorded = train.traits[trait].notna().to_numpy()
        labels = train.traits[trait].to_numpy()[is_recorded]
        groups = train.patients.to_numpy()[is_recorded]
        for name in BASELINES:
            model = _fit(features[name][is_recorded], labels, groups, name, seed)
            for table, values in zip(scores[name], seen[name], strict=True):
                table[trait] = model.predict_proba(values)[:, 1]
    return scores


def _features(cohort: Cohort, map_type: str, name: str) -> np.ndarray:
    """(n, 1) or (n, 17), in the unit of the map."""
    if name == "global mean":
        return cohort.global_means(map_type).to_numpy()[:, None]
    return cohort.segment_means(map_type)


def _fit(
    features: np.ndarray, labels: np.ndarray, groups: np.ndarray, name: str, seed: int
) -> Pipeline | GridSearchCV:
    """Logistic regression: as good as without penalty for one number, tuned ridge for 17."""
    if name == "global mean":
        return make_pipeline(StandardScaler(), LogisticRegression(C=_FREE)).fit(features, labels)
    ridge = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    # Folds keep a patient's studies together, so it is patients that must suffice.
    smaller = min(len(set(groups[labels == value])) for value in (0, 1))
    if smaller < 2:
        return ridge.fit(features, labels)
    folds = StratifiedGroupKFold(min(_FOLDS, smaller), shuffle=True, random_state=seed)
    search = GridSearchCV(
        ridge,
        {"logisticregression__C": _STRENGTHS},
        scoring="neg_log_loss",
        cv=folds,
        error_score="raise",
    )
    return search.fit(features, labels, groups=groups)
