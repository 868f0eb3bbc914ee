"""What simple models make of the same maps: the bar that a network has to clear."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarnet.cohort import Cohort
from polarnet.evaluation.clinical import DEFAULT_PROXIES, clinical_features, clinical_values
from polarnet.evaluation.mapfeatures import MapFeatures, map_features
from polarnet.evaluation.ridge import Folds, choose_strength, fit_ridge, inner_folds, recorded

QUICK: Final = ("global mean", "17 segments")
"""Logistic regression on the map's mean; logistic ridge on its AHA segment means."""

CLINICAL: Final = ("clinical", "clinical + segments")
"""Logistic ridge on clinical variables, without and with the segment means."""

BASELINES: Final = (*QUICK, "gradient boosting", "pattern", *CLINICAL)
"""All of them. Boosted trees see the segment means, the standard deviation over the disc and the
lowest territory mean; "pattern" is a logistic ridge on the segment means of the map rescaled to
mean 1."""

LEARNING_RATES: Final = (0.03, 0.1)
"""Of the boosted trees; tried inside the training studies (our choice)."""

ROUNDS: Final = (25, 50, 100, 200)
"""Numbers of boosted trees, tried likewise (our choice)."""

Setting = float | Sequence[float]
"""What was chosen for a model: an inverse penalty, or learning rate and number of trees."""

_DEPTH: Final = 3  # of a tree: at most eight groups of patients (our choice)
_FREE: Final = 1e4  # as good as no penalty for one number, or three


def baseline_scores(
    train: Cohort,
    others: Sequence[Cohort],
    *,
    map_type: str,
    traits: Sequence[str],
    seed: int,
    models: Sequence[str] = QUICK,
    proxies: Mapping[str, Sequence[str]] = DEFAULT_PROXIES,
    chosen: Mapping[str, Mapping[str, Setting]] | None = None,
) -> dict[str, list[pd.DataFrame]]:
    """Fit the baselines on the training studies and score other cohorts.

    Parameters
    ----------
    train
        Studies whose label was recorded are used, trait by trait. What a model leaves open (the
        ridge penalty; learning rate and number of trees) is chosen here by the log-loss of
        grouped cross-validation (5 folds, no patient in two, the same for every model); where a
        class has a single patient, the inverse penalty is 1 and the trees are the fewest tried.
    others
        Cohorts to score, such as validation and test.
    map_type
        "rest", "stress", "reserve", or "combined" for the numbers of all three.
    models
        Names out of `BASELINES`.
    proxies
        Trait -> patterns of clinical columns that must not predict it, see `clinical_features`.
    chosen
        Model -> trait -> what an earlier call with the same training studies chose.

    Returns
    -------
    Name of the baseline -> one DataFrame a cohort, index study_id, one column a trait,
    probabilities. The global mean is linear in the map's mean; all but "pattern" and "clinical"
    see absolute values. A trait without clinical variables is left out of the clinical models,
    and these are left out where that is every trait. `attrs["chosen"]` of a table is what was
    chosen for its model, by trait: an inverse penalty, or learning rate and number of trees.

    Raises
    ------
    ValueError: a model is unknown, or a cohort lacks the map type.
    """
    if unknown := [name for name in models if name not in BASELINES]:
        raise ValueError(
            f"Unknown baselines: {', '.join(map(str, unknown))}; use {', '.join(BASELINES)}."
        )
    cohorts = (train, *others)
    for cohort in cohorts:
        cohort.check()
    maps = [map_features(cohort, map_type) for cohort in cohorts]
    scores = {name: [pd.DataFrame(index=c.patients.index) for c in others] for name in models}
    settings: dict[str, dict[str, Setting]] = {name: {} for name in models}
    # The fits are small: more threads cost more than they give.
    with threadpool_limits(1):
        for trait in traits:
            rows, labels, groups = recorded(train, trait)
            folds = inner_folds(labels, groups, seed)
            clinical = _clinical(cohorts, trait, proxies) if set(models) & set(CLINICAL) else None
            for name in models:
                if name in CLINICAL and clinical is None:
                    continue
                of_train, *of_others = _features(name, maps, clinical)
                known = (chosen or {}).get(name, {}).get(trait)
                setting = known or _choose(name, of_train[rows], labels, folds, seed)
                model = _fit(name, of_train[rows], labels, setting, seed)
                settings[name][trait] = setting
                for table, values in zip(scores[name], of_others, strict=True):
                    table[trait] = model.predict_proba(values)[:, 1]
    for name, tables in scores.items():
        for table in tables:
            table.attrs["chosen"] = settings[name]
    return {name: scores[name] for name in models if name not in CLINICAL or settings[name]}


def _clinical(
    cohorts: Sequence[Cohort], trait: str, proxies: Mapping[str, Sequence[str]]
) -> list[np.ndarray] | None:
    """Clinical variables of every cohort, the first of which says which; None without any."""
    of_train = clinical_features(cohorts[0], trait, proxies)
    if of_train.empty:
        return None
    others = [clinical_values(cohort, of_train.columns) for cohort in cohorts[1:]]
    return [table.to_numpy() for table in (of_train, *others)]


def _features(
    name: str, maps: Sequence[MapFeatures], clinical: Sequence[np.ndarray] | None
) -> Sequence[np.ndarray]:
    """What a model sees of every cohort: arrays (n of the cohort, number of features)."""
    if name == "global mean":
        return [m.means for m in maps]
    if name == "17 segments":
        return [m.segments for m in maps]
    if name == "pattern":
        return [m.pattern for m in maps]
    if name == "gradient boosting":
        return [np.hstack([m.segments, m.deviations, m.lowest]) for m in maps]
    assert clinical is not None
    if name == "clinical":
        return clinical
    return [np.hstack([c, m.segments]) for c, m in zip(clinical, maps, strict=True)]


def _choose(
    name: str, features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int
) -> Setting:
    """What the model of that name leaves open."""
    if name == "global mean":
        return _FREE
    if name == "gradient boosting":
        return _choose_trees(features, labels, folds, seed)
    return choose_strength(features, labels, folds)


def _fit(
    name: str, features: np.ndarray, labels: np.ndarray, setting: Setting, seed: int
) -> Pipeline | HistGradientBoostingClassifier:
    """The model of that name, fitted."""
    if isinstance(setting, Sequence):
        rate, n_trees = setting
        return _boosting(rate, int(n_trees), seed).fit(features, labels)
    if name == "global mean":
        return make_pipeline(StandardScaler(), LogisticRegression(C=setting)).fit(features, labels)
    return fit_ridge(features, labels, setting)


def _choose_trees(
    features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int
) -> tuple[float, int]:
    """Learning rate and number of boosted trees with the lowest log-loss over the folds."""
    losses = {(rate, n): 0.0 for rate in LEARNING_RATES for n in ROUNDS}
    for rate in LEARNING_RATES:
        for seen, held in folds:
            longest = _boosting(rate, max(ROUNDS), seed).fit(features[seen], labels[seen])
            # Its first n trees are those of a shorter run.
            for n, odds in enumerate(longest.staged_predict_proba(features[held]), start=1):
                if n in ROUNDS:
                    losses[rate, n] += log_loss(labels[held], odds, labels=[0, 1])
    return min(losses, key=losses.__getitem__)


def _boosting(rate: float, n_trees: int, seed: int) -> HistGradientBoostingClassifier:
    """Trees that do not stop early: the library's split for that ignores patients."""
    return HistGradientBoostingClassifier(
        learning_rate=rate, max_iter=n_trees, max_depth=_DEPTH, early_stopping=False,
        random_state=seed,
    )  # fmt: skip
