"""What simple models make of the same maps: the bar that a network has to clear."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarnet.cohort import Cohort
from polarnet.evaluation.clinical import DEFAULT_PROXIES, clinical_features, clinical_values
from polarnet.evaluation.mapfeatures import MapFeatures, map_features
from polarnet.evaluation.ridge import Folds, choose_strength, fit_ridge, inner_folds, recorded

LEARNING_RATES: Final = (0.03, 0.1)
"""Of the boosted trees; tried inside the training studies (our choice)."""

ROUNDS: Final = (25, 50, 100, 200)
"""Numbers of boosted trees, tried likewise (our choice)."""

LEAVES: Final = (5, 15, 50)
"""Fewest studies in a leaf of the random forest, tried likewise (our choice)."""

TREES: Final = 500
TREES_TO_CHOOSE: Final = 100
"""Of the random forest; fewer tell the sizes of leaves apart (our choice)."""

Setting = float | Sequence[float]
"""What was chosen for a model: an inverse penalty, the fewest studies in a leaf, or learning rate
and number of trees."""

_DEPTH: Final = 3  # of a boosted tree: at most eight groups of patients (our choice)
_FREE: Final = 1e4  # inverse penalty that is as good as none for one number, or three


class Classifier(Protocol):
    """A fitted model."""

    def predict_proba(self, features: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class _Kind:
    """A kind of model.

    Attributes
    ----------
    choose
        Features, labels, folds, seed -> what the model leaves open.
    fit
        Features, labels, that setting, seed -> the fitted model.
    """

    choose: Callable[[np.ndarray, np.ndarray, Folds, int], Setting]
    fit: Callable[[np.ndarray, np.ndarray, Any, int], Classifier]


def _no_choice(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int) -> float:
    return _FREE


def _fit_plain(features: np.ndarray, labels: np.ndarray, strength: float, seed: int) -> Classifier:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    return model.fit(features, labels)


def _choose_ridge(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int) -> float:
    return choose_strength(features, labels, folds)


def _fit_ridge(features: np.ndarray, labels: np.ndarray, strength: float, seed: int) -> Classifier:
    return fit_ridge(features, labels, strength)


def _choose_boosting(
    features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int
) -> tuple[float, int]:
    """Learning rate and number of boosted trees with the lowest log-loss over the folds."""
    losses = {(rate, n): 0.0 for rate in LEARNING_RATES for n in ROUNDS}
    for rate in LEARNING_RATES:
        for seen, held in folds:
            longest = _fit_boosting(features[seen], labels[seen], (rate, max(ROUNDS)), seed)
            # Its first n trees are those of a shorter run.
            for n, odds in enumerate(longest.staged_predict_proba(features[held]), start=1):
                if n in ROUNDS:
                    losses[rate, n] += log_loss(labels[held], odds, labels=[0, 1])
    return min(losses, key=losses.__getitem__)


def _fit_boosting(
    features: np.ndarray, labels: np.ndarray, setting: Sequence[float], seed: int
) -> HistGradientBoostingClassifier:
    """Trees that do not stop early: the library's split for that ignores patients."""
    rate, n_trees = setting
    return HistGradientBoostingClassifier(
        learning_rate=rate, max_iter=int(n_trees), max_depth=_DEPTH, early_stopping=False,
        random_state=seed,
    ).fit(features, labels)  # fmt: skip


def _choose_forest(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int) -> int:
    """Size of the leaves with the lowest log-loss over the folds."""
    losses = dict.fromkeys(LEAVES, 0.0)
    for leaf in LEAVES:
        for seen, held in folds:
            forest = _forest(TREES_TO_CHOOSE, leaf, seed).fit(features[seen], labels[seen])
            odds = forest.predict_proba(features[held])
            losses[leaf] += log_loss(labels[held], odds, labels=[0, 1])
    return min(losses, key=losses.__getitem__)


def _fit_forest(
    features: np.ndarray, labels: np.ndarray, leaf: float, seed: int
) -> RandomForestClassifier:
    return _forest(TREES, int(leaf), seed).fit(features, labels)


def _forest(n_trees: int, leaf: int, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(n_trees, min_samples_leaf=leaf, random_state=seed, n_jobs=1)


_PLAIN: Final = _Kind(_no_choice, _fit_plain)
_RIDGE: Final = _Kind(_choose_ridge, _fit_ridge)
_BOOSTING: Final = _Kind(_choose_boosting, _fit_boosting)
_FOREST: Final = _Kind(_choose_forest, _fit_forest)

_MODELS: Final[Mapping[str, tuple[Callable[[MapFeatures, np.ndarray], np.ndarray], _Kind]]] = {
    "global mean": (lambda maps, _: maps.means, _PLAIN),
    "lowest segment": (lambda maps, _: maps.lowest_segment, _PLAIN),
    "17 segments": (lambda maps, _: maps.segments, _RIDGE),
    "wide": (lambda maps, _: maps.wide, _RIDGE),
    "random forest": (lambda maps, _: maps.segments, _FOREST),
    "gradient boosting": (
        lambda maps, _: np.hstack([maps.segments, maps.deviations, maps.lowest_territory]),
        _BOOSTING,
    ),
    "pattern": (lambda maps, _: maps.pattern, _RIDGE),
    "clinical": (lambda _, clinical: clinical, _RIDGE),
    "clinical + segments": (lambda maps, c: np.hstack([c, maps.segments]), _RIDGE),
}
"""Name -> what a model sees, (n, number of features), and its kind."""

QUICK: Final = ("global mean", "lowest segment", "17 segments", "wide")
"""What stands beside every network: logistic regression on the map's mean, or on the lowest of its
AHA segment means; logistic ridge on all 17, without and with their lowest, highest and mean. Of
combined maps each gives its own."""

CLINICAL: Final = ("clinical", "clinical + segments")
"""Logistic ridge on clinical variables, without and with the segment means."""

OF_THE_MAP: Final = tuple(name for name in _MODELS if name not in CLINICAL)
"""All that see the map alone, as the network does. The random forest sees the segment means: of
the models compared on 3,245 Rb-82 PET studies in Ottawa the best (J Nucl Cardiol 2024;32:101797).
Boosted trees also see the standard deviation over the disc and the lowest territory mean;
"pattern" is a logistic ridge on the segment means of the map rescaled to mean 1."""

BASELINES: Final = tuple(_MODELS)
"""All of them."""


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
        ridge penalty; the size of leaves; learning rate and number of trees) is chosen here by the
        log-loss of grouped cross-validation (5 folds, no patient in two, the same for every
        model); where a class has a single patient, the inverse penalty is 1, and the other
        settings are the first that would be tried.
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
    probabilities. All but "pattern" and "clinical" see absolute values. A trait without clinical
    variables is left out of the clinical models, and these are left out where that is every trait.
    `attrs["chosen"]` of a table is what was chosen for its model, by trait (see `Setting`).

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
    needs_clinical = not set(models).isdisjoint(CLINICAL)
    scores = {name: [pd.DataFrame(index=c.patients.index) for c in others] for name in models}
    settings: dict[str, dict[str, Setting]] = {name: {} for name in models}
    # The fits are small: more threads cost more than they give.
    with threadpool_limits(1):
        for trait in traits:
            rows, labels, groups = recorded(train, trait)
            folds = inner_folds(labels, groups, seed)
            clinical = _clinical(cohorts, trait, proxies if needs_clinical else None)
            for name in models:
                if name in CLINICAL and not clinical[0].size:
                    continue
                see, kind = _MODELS[name]
                of_train, *of_others = map(see, maps, clinical)
                setting = (chosen or {}).get(name, {}).get(trait)
                if setting is None:
                    setting = kind.choose(of_train[rows], labels, folds, seed)
                model = kind.fit(of_train[rows], labels, setting, seed)
                settings[name][trait] = setting
                for table, values in zip(scores[name], of_others, strict=True):
                    table[trait] = model.predict_proba(values)[:, 1]
    for name, tables in scores.items():
        for table in tables:
            table.attrs["chosen"] = settings[name]
    return {name: scores[name] for name in models if name not in CLINICAL or settings[name]}


def _clinical(
    cohorts: Sequence[Cohort], trait: str, proxies: Mapping[str, Sequence[str]] | None
) -> list[np.ndarray]:
    """Clinical variables of every cohort, the first of which says which; empty without any."""
    of_train = pd.DataFrame() if proxies is None else clinical_features(cohorts[0], trait, proxies)
    if of_train.empty:
        return [np.empty((len(cohort), 0)) for cohort in cohorts]
    others = [clinical_values(cohort, of_train.columns) for cohort in cohorts[1:]]
    return [table.to_numpy() for table in (of_train, *others)]
