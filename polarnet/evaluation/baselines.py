"""Baselines: simple models on the same maps, which a network has to beat."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from polarnet.anatomy import TERRITORIES, disc_mask, disc_mean, segment_means
from polarnet.clinical import (
    CLINICAL_ALONE,
    DEFAULT_PROXIES,
    NOT_CLINICAL,
    clinical_values,
    is_barred,
    plain_name,
)
from polarnet.cohort import Cohort
from polarnet.traits import COMBINED, MAP_TYPES

STRENGTHS: Final = np.logspace(-4, 2, 13)
LEARNING_RATES: Final = (0.03, 0.1)
ROUNDS: Final = (25, 50, 100, 200)
LEAVES: Final = (5, 15, 50)
"""Tried inside the training studies (our choice): inverse penalties, learning rates and numbers of
boosted trees, fewest studies in a leaf of the random forest."""

TREES: Final = 500
TREES_TO_CHOOSE: Final = 100
"""Of the random forest; fewer tell the sizes of leaves apart (our choice)."""

SEX: Final = "sex"
"""The one trait that also predicts the others."""

Folds = list[tuple[np.ndarray, np.ndarray]]
"""Pairs of rows: to fit on, and to be scored."""

Setting = float | Sequence[float]
"""What was chosen for a model: an inverse penalty, the fewest studies in a leaf, or learning rate
and number of trees."""

_FOLDS: Final = 5
_UNTUNED: Final = 1.0  # inverse penalty where there are too few patients for folds
_DEPTH: Final = 3  # of a boosted tree: at most eight groups of patients (our choice)
_FREE: Final = 1e4  # inverse penalty that is as good as none for one number, or three


# === Kinds of model: choose(features, labels, folds, seed) -> setting, and ========================
# === fit(features, labels, setting, seed) -> fitted model =========================================

Losses = Iterator[tuple[Any, float]]


def _lowest(
    settings: Iterable[Any], losses: Callable[[np.ndarray, np.ndarray], Losses], folds: Folds
) -> Any:
    """The setting with the lowest sum of losses over the folds; the first of them without any."""
    total = dict.fromkeys(settings, 0.0)
    for seen, held in folds:
        for setting, loss in losses(seen, held):
            total[setting] += loss
    return min(total, key=total.__getitem__)


def _choose_nothing(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int) -> float:
    return _FREE


def _fit_plain(features: np.ndarray, labels: np.ndarray, strength: float, seed: int) -> Pipeline:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    return model.fit(features, labels)


def choose_strength(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int = 0) -> float:
    """The inverse penalty out of `STRENGTHS` with the lowest log-loss over folds; 1 without any."""

    def losses(seen: np.ndarray, held: np.ndarray) -> Losses:
        # Preparation does not depend on the penalty: once a fold.
        prepare = _preparation(*features.shape).fit(features[seen])
        of_seen, of_held = prepare.transform(features[seen]), prepare.transform(features[held])
        for strength in STRENGTHS:
            model = _logistic(strength, *features.shape).fit(of_seen, labels[seen])
            logits = model.decision_function(of_held)
            # scikit-learn's own log-loss takes as long as the fit.
            yield strength, np.logaddexp(0, np.where(labels[held] == 1, -logits, logits)).mean()

    return float(_lowest(STRENGTHS, losses, folds)) if folds else _UNTUNED


def fit_ridge(features: np.ndarray, labels: np.ndarray, strength: float, seed: int = 0) -> Pipeline:
    """Logistic ridge on n rows of p features, with an inverse penalty; labels 0 or 1, both present.

    NaN (not recorded) is replaced by the median, and a column is added that says so. Where p >= n
    the standardised rows are turned onto the space that they span: the penalised solution lies in
    it, so nothing is lost but time.
    """
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


def _choose_boosting(
    features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int
) -> tuple[float, int]:
    def losses(seen: np.ndarray, held: np.ndarray) -> Losses:
        for rate in LEARNING_RATES:
            longest = _fit_boosting(features[seen], labels[seen], (rate, max(ROUNDS)), seed)
            # Its first n trees are those of a shorter run.
            for n, odds in enumerate(longest.staged_predict_proba(features[held]), start=1):
                if n in ROUNDS:
                    yield (rate, n), log_loss(labels[held], odds, labels=[0, 1])

    return _lowest(((rate, n) for rate in LEARNING_RATES for n in ROUNDS), losses, folds)


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
    def losses(seen: np.ndarray, held: np.ndarray) -> Losses:
        for leaf in LEAVES:
            forest = _fit_forest(features[seen], labels[seen], leaf, seed, TREES_TO_CHOOSE)
            odds = forest.predict_proba(features[held])
            yield leaf, log_loss(labels[held], odds, labels=[0, 1])

    return _lowest(LEAVES, losses, folds)


def _fit_forest(
    features: np.ndarray, labels: np.ndarray, leaf: float, seed: int, n_trees: int | None = None
) -> RandomForestClassifier:
    return RandomForestClassifier(
        n_trees or TREES, min_samples_leaf=int(leaf), random_state=seed, n_jobs=1
    ).fit(features, labels)


_PLAIN: Final = (_choose_nothing, _fit_plain)
_RIDGE: Final = (choose_strength, fit_ridge)
_BOOSTING: Final = (_choose_boosting, _fit_boosting)
_FOREST: Final = (_choose_forest, _fit_forest)
_Kind = tuple[Callable[..., Any], Callable[..., Any]]

# === The baselines ==============================================================================

_MODELS: Final[Mapping[str, tuple[tuple[str, ...], _Kind]]] = {
    "global mean": (("mean",), _PLAIN),
    "lowest segment": (("lowest segment",), _PLAIN),
    "17 segments": (("segments",), _RIDGE),
    "wide": (("segments", "lowest segment", "highest segment", "mean of segments"), _RIDGE),
    "random forest": (("segments",), _FOREST),
    "gradient boosting": (("segments", "deviation", "lowest territory"), _BOOSTING),
    "pattern": (("pattern",), _RIDGE),
    "clinical": (("clinical",), _RIDGE),
    "clinical + segments": (("clinical", "segments"), _RIDGE),
}
"""Name -> what a model sees, by the names of `map_features`, and its kind."""

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
    clinical: Sequence[str] = (),
    features: Mapping[str, Sequence[np.ndarray]] | None = None,
    chosen: Mapping[str, Mapping[str, Setting]] | None = None,
) -> dict[str, list[pd.DataFrame]]:
    """Fit the baselines on the training studies and score other cohorts.

    Parameters
    ----------
    train
        Studies whose label was recorded are used, trait by trait. Open settings (the ridge penalty;
        the size of leaves; learning rate and number of trees) are chosen here by the
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
    clinical
        Clinical columns that the network reads: a further model, logistic ridge on these alone
        (standardised, with a mark of what was not recorded), is named `CLINICAL_ALONE`.
    features
        Further models, logistic ridge on features of the caller, such as those of a frozen
        network: name -> arrays (n, p) of the training studies and of each other cohort, row k of
        study k.
    chosen
        Model -> trait -> what an earlier call with the same training studies chose.

    Returns
    -------
    Name of the baseline -> one DataFrame per cohort, index study_id, one column per trait,
    probabilities. All but "pattern" and "clinical" see absolute values. A trait without clinical
    variables is left out of the clinical models, and these are left out where that is every trait.
    `attrs["chosen"]` of a table is what was chosen for its model, by trait (see `Setting`).

    Raises
    ------
    ValueError: a model is unknown, a cohort lacks the map type, or `features` do not have one row
        per study and one width.
    """
    if unknown := [name for name in models if name not in BASELINES]:
        raise ValueError(
            f"Unknown baselines: {', '.join(map(str, unknown))}; use {', '.join(BASELINES)}."
        )
    cohorts, own = (train, *others), dict(features or {})
    if clinical:
        own[CLINICAL_ALONE] = [clinical_values(cohort, clinical) for cohort in cohorts]
    for name, arrays in own.items():
        width = arrays[0].shape[1:]
        for array, cohort in zip(arrays, cohorts, strict=True):
            if array.shape != (len(cohort), *width) or len(width) != 1:
                raise ValueError(
                    f"Features '{name}' must have one row per study and the width of training, "
                    f"({len(cohort)}, p), but have shape {array.shape} (training: "
                    f"{arrays[0].shape})."
                )
    for cohort in cohorts:
        cohort.check()
    # What the models see: one mapping for each cohort, by name.
    seen = [map_features(cohort, map_type) if models else {} for cohort in cohorts]
    for name, arrays in own.items():
        for known, array in zip(seen, arrays, strict=True):
            known[f"own {name}"] = array
    kinds = {name: _MODELS[name] for name in models}
    kinds |= {name: ((f"own {name}",), _RIDGE) for name in own}
    scores = {name: [pd.DataFrame(index=c.patients.index) for c in others] for name in kinds}
    settings: dict[str, dict[str, Setting]] = {name: {} for name in kinds}
    # The fits are small: more threads cost more than they give.
    with threadpool_limits(1):
        for trait in traits:
            rows = train.traits[trait].notna().to_numpy()
            labels, groups = train.traits[trait].to_numpy()[rows], train.patients.to_numpy()[rows]
            folds = inner_folds(labels, groups, seed)
            if not set(CLINICAL).isdisjoint(models):
                columns = clinical_features(train, trait, proxies).columns
                for known, cohort in zip(seen, cohorts, strict=True):
                    known["clinical"] = _clinical_numbers(cohort, columns).to_numpy()
            for name, (names, (choose, fit)) in kinds.items():
                if name in CLINICAL and not seen[0]["clinical"].size:
                    continue
                of_train, *of_others = (np.hstack([known[n] for n in names]) for known in seen)
                setting = (chosen or {}).get(name, {}).get(trait)
                if setting is None:
                    setting = choose(of_train[rows], labels, folds, seed)
                model = fit(of_train[rows], labels, setting, seed)
                settings[name][trait] = setting
                for table, values in zip(scores[name], of_others, strict=True):
                    table[trait] = model.predict_proba(values)[:, 1]
    for name, tables in scores.items():
        for table in tables:
            table.attrs["chosen"] = settings[name]
    return {name: scores[name] for name in kinds if name not in CLINICAL or settings[name]}


def inner_folds(labels: np.ndarray, groups: np.ndarray, seed: int) -> Folds:
    """Five folds that keep a patient's studies together; none where a class has one patient."""
    # It is patients, not studies, that must suffice.
    smaller = min(len(set(groups[labels == value])) for value in (0, 1))
    if smaller < 2:
        return []
    folds = StratifiedGroupKFold(min(_FOLDS, smaller), shuffle=True, random_state=seed)
    return list(folds.split(labels, labels, groups))


# === What they see ==============================================================================


def map_features(cohort: Cohort, map_type: str) -> dict[str, np.ndarray]:
    """Numbers that describe the maps of a cohort, in the unit of the map; every map is read once.

    Name -> array of n rows, for `map_type` "combined" those of all three side by side (k = 3, else
    1): "mean" and "deviation" over the disc, (n, k); "segments", means of the AHA segments 1 to 17,
    (n, 17 k); their "lowest segment", "highest segment" and "mean of segments", (n, k); "lowest
    territory", mean of the segments of the territory where it is lowest, (n, k); "pattern",
    segments of each map rescaled to mean 1, without unit, (n, 17 k). ValueError: the cohort lacks a
    map type.
    """
    wanted = MAP_TYPES if map_type == COMBINED else (map_type,)
    if missing := [name for name in wanted if name not in cohort.maps]:
        raise ValueError(
            f"'{map_type}' needs {', '.join(wanted)} maps, but this cohort has "
            f"{', '.join(cohort.maps)} in {cohort.unit}: {', '.join(missing)} missing."
        )
    parts = [_of_one_type(cohort, name) for name in wanted]
    return {name: np.hstack([part[name] for part in parts]) for name in parts[0]}


def _of_one_type(cohort: Cohort, map_type: str) -> dict[str, np.ndarray]:
    disc = disc_mask(cohort.size)

    def numbers(maps: np.ndarray) -> np.ndarray:
        deviation = maps[:, disc].std(axis=1, dtype=np.float64)
        return np.column_stack([disc_mean(maps), deviation, segment_means(maps)])

    mean, deviation, segment = np.split(cohort.in_batches(numbers, map_type), [1, 2], axis=1)
    segment = np.ascontiguousarray(segment)
    territories = [segment[:, np.array(of) - 1].mean(axis=1) for of in TERRITORIES.values()]
    return {
        "mean": mean,
        "deviation": deviation,
        "segments": segment,
        "lowest segment": segment.min(axis=1, keepdims=True),
        "highest segment": segment.max(axis=1, keepdims=True),
        "mean of segments": segment.mean(axis=1, keepdims=True),
        "lowest territory": np.min(territories, axis=0)[:, None],
        # A map of nothing but 0 has no pattern; a flat one stands in for it.
        "pattern": np.divide(segment, mean, out=np.ones_like(segment), where=mean > 0),
    }


def clinical_features(
    cohort: Cohort, trait: str, proxies: Mapping[str, Sequence[str]] = DEFAULT_PROXIES
) -> pd.DataFrame:
    """The clinical variables of training studies that may predict a trait, as float, with NaN where
    not recorded, in the units of the table; index study_id.

    Columns of `clinical` count that hold numbers of at least two values, and `sex` of the traits.
    Ids, days, `split`, `*_source` and what was read off the maps (`NOT_CLINICAL`) never count, nor
    does a column of the trait's name, nor one of its proxies: trait -> patterns of column names
    (`*` stands for anything; case does not matter, and a blank, hyphen or full stop is an
    underscore). The patterns are English: name the columns of another language yourself. Without
    columns if only sex is left, which would be no clinical model.
    """
    barred = (*NOT_CLINICAL, *proxies.get(trait, ()))
    numbers = cohort.clinical.select_dtypes(["number", "bool"])
    names = [
        name for name in dict.fromkeys([*numbers, *({SEX} & set(cohort.traits))])
        if plain_name(name) != plain_name(trait) and not is_barred(name, barred)
    ]  # fmt: skip
    values = _clinical_numbers(cohort, names)
    values = values.loc[:, values.nunique() > 1]
    return values if set(values.columns) - {SEX} else values.iloc[:, :0]


def _clinical_numbers(cohort: Cohort, names: Iterable[str]) -> pd.DataFrame:
    """Columns of a cohort as numbers; NaN where a cell, or the whole column, is not there."""
    table = cohort.clinical
    if SEX in cohort.traits:
        table = table.assign(**{SEX: cohort.traits[SEX]})
    table = table.reindex(columns=list(names)).apply(pd.to_numeric, errors="coerce")
    return table.astype(float).replace([np.inf, -np.inf], np.nan)
