"""Baselines: what simple models make of the same maps, the bar that a network has to clear."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol

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
from polarnet.cohort import Cohort
from polarnet.traits import COMBINED, IMPAIRED_MFR, MAP_TYPES

STRENGTHS: Final = np.logspace(-4, 2, 13)
"""Inverse penalties that are tried (our choice)."""

LEARNING_RATES: Final = (0.03, 0.1)
"""Of the boosted trees; tried inside the training studies (our choice)."""

ROUNDS: Final = (25, 50, 100, 200)
"""Numbers of boosted trees, tried likewise (our choice)."""

LEAVES: Final = (5, 15, 50)
"""Fewest studies in a leaf of the random forest, tried likewise (our choice)."""

TREES: Final = 500
TREES_TO_CHOOSE: Final = 100
"""Of the random forest; fewer tell the sizes of leaves apart (our choice)."""

SEX: Final = "sex"
"""The one trait that also predicts the others."""

FROM_MAPS: Final = (
    "mfr", "*_mfr", "mfr_*", "cfr", "*_cfr", "cfr_*", "*flow_reserve*", "*mbf*",
    "sss", "srs", "sds", "tpd", "*_tpd",
)  # fmt: skip
"""Read off the perfusion maps by a workstation or a reader: no clinical variable (our choice)."""

NOT_CLINICAL: Final = (
    "id", "*_id", "id_*", "*_number", "accession*", "mrn", "split", "fold", "*_source", "profile",
    "unit*", "software*", "*date*", "*birth*", "dob", "year", "*_year", "time", "*_time",
    *FROM_MAPS,
)  # fmt: skip
"""Names of columns that never predict, numbers or not: ids, days, how the study was read."""

DEFAULT_PROXIES: Final[Mapping[str, Sequence[str]]] = {
    IMPAIRED_MFR: FROM_MAPS,
    SEX: ("gender*", "*_sex", "*female*", "male", "*_male", "pregnan*", "*menopaus*"),
    "diabetes": (
        "*diabet*", "dm", "dm_*", "t1dm", "t2dm", "niddm", "iddm", "*hba1c*", "*a1c*",
        "*glucose*", "*insulin*", "*metformin*", "*sulfonylurea*", "*gliptin*", "*gliflozin*",
        "*sglt2*", "*glp1*", "*antidiabetic*",
    ),
    "hypertension": (
        "*hypertens*", "htn", "*sbp*", "*dbp*", "bp", "bp_*", "*_bp", "*pressure*",
        "mean_arterial*", "rpp*", "*ace_inhibitor*", "acei", "arb", "arbs", "*sartan*",
        "*diuretic*", "*beta_block*", "*betablock*", "*calcium_channel*",
    ),
    "dyslipidemia": (
        "*lipid*", "*hdl*", "*ldl*", "*cholesterol*", "*triglycer*", "*statin*", "*ezetimibe*",
        "*fibrate*", "*pcsk9*",
    ),
    "smoking": ("*smok*", "*pack_year*", "*packyear*", "*cotinine*", "*nicotin*", "*tobacco*",
                "*cigar*"),
}  # fmt: skip
"""Trait -> columns that measure or treat it: predictors that would leak its label (our choice)."""

Folds = list[tuple[np.ndarray, np.ndarray]]
"""Pairs of rows: to fit on, and to be scored."""

Setting = float | Sequence[float]
"""What was chosen for a model: an inverse penalty, the fewest studies in a leaf, or learning rate
and number of trees."""

_FOLDS: Final = 5
_UNTUNED: Final = 1.0  # inverse penalty where there are too few patients for folds
_DEPTH: Final = 3  # of a boosted tree: at most eight groups of patients (our choice)
_FREE: Final = 1e4  # inverse penalty that is as good as none for one number, or three
_BATCH: Final = 1024  # maps in memory at once


class Classifier(Protocol):
    """A fitted model."""

    def predict_proba(self, features: np.ndarray, /) -> np.ndarray: ...


# === Kinds of model: choose(features, labels, folds, seed) -> setting, and ========================
# === fit(features, labels, setting, seed) -> fitted model =========================================


def _choose_nothing(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int) -> float:
    return _FREE


def _fit_plain(features: np.ndarray, labels: np.ndarray, strength: float, seed: int) -> Pipeline:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
    return model.fit(features, labels)


def choose_strength(features: np.ndarray, labels: np.ndarray, folds: Folds, seed: int = 0) -> float:
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


def fit_ridge(features: np.ndarray, labels: np.ndarray, strength: float, seed: int = 0) -> Pipeline:
    """Logistic ridge on n rows of p features.

    Parameters
    ----------
    features
        Shape (n, p), any unit; NaN (not recorded) is replaced by the median, and a column is
        added that says so. Where p >= n the standardised rows are turned onto the space that
        they span: the penalised solution lies in it, so nothing is lost but time.
    labels
        Shape (n,), 0 or 1, both present.
    strength
        Inverse penalty.
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


_Kind = tuple[Callable[..., Any], Callable[..., Classifier]]
_PLAIN: Final[_Kind] = (_choose_nothing, _fit_plain)
_RIDGE: Final[_Kind] = (choose_strength, fit_ridge)
_BOOSTING: Final[_Kind] = (_choose_boosting, _fit_boosting)
_FOREST: Final[_Kind] = (_choose_forest, _fit_forest)

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
    features: Mapping[str, Sequence[np.ndarray]] | None = None,
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
    cohorts = (train, *others)
    own = dict(features or {})
    for name, arrays in own.items():
        _check_features(name, arrays, cohorts)
    for cohort in cohorts:
        cohort.check()
    known = (
        [map_features(cohort, map_type) for cohort in cohorts] if models else [{}] * len(cohorts)
    )
    kinds = {name: _MODELS[name] for name in models} | {name: ((name,), _RIDGE) for name in own}
    scores = {name: [pd.DataFrame(index=c.patients.index) for c in others] for name in kinds}
    settings: dict[str, dict[str, Setting]] = {name: {} for name in kinds}
    # The fits are small: more threads cost more than they give.
    with threadpool_limits(1):
        for trait in traits:
            rows = train.traits[trait].notna().to_numpy()
            labels, groups = train.traits[trait].to_numpy()[rows], train.patients.to_numpy()[rows]
            folds = inner_folds(labels, groups, seed)
            if not set(CLINICAL).isdisjoint(models):
                clinical = _clinical(cohorts, trait, proxies)
                known = [k | {"clinical": c} for k, c in zip(known, clinical, strict=True)]
            for name, (seen, (choose, fit)) in kinds.items():
                if name in CLINICAL and not known[0]["clinical"].size:
                    continue
                of_train, *of_others = (
                    own[name] if name in own else [np.hstack([k[s] for s in seen]) for k in known]
                )
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


def _check_features(name: str, arrays: Sequence[np.ndarray], cohorts: Sequence[Cohort]) -> None:
    """Refuse features that are not one row per study, all of one width."""
    width = arrays[0].shape[1:]
    for features, cohort in zip(arrays, cohorts, strict=True):
        if features.shape != (len(cohort), *width) or len(width) != 1:
            raise ValueError(
                f"Features '{name}' must have one row per study and the width of training, "
                f"({len(cohort)}, p), but have shape {features.shape} (training: "
                f"{arrays[0].shape})."
            )


# === What they see ==============================================================================


def map_features(cohort: Cohort, map_type: str) -> dict[str, np.ndarray]:
    """Numbers that describe the maps of a cohort; every map is read once.

    Parameters
    ----------
    map_type
        "rest", "stress", "reserve", or "combined" for all three side by side (k = 3, else 1).

    Returns
    -------
    Name -> array of n rows, in the unit of the map: "mean" and "deviation" over the disc, (n, k);
    "segments", means of the AHA segments 1 to 17, (n, 17 k); their "lowest segment",
    "highest segment" and "mean of segments", (n, k); "lowest territory", mean of the segments of
    the territory where it is lowest, (n, k); "pattern", segments of each map rescaled to mean 1,
    without unit, (n, 17 k).

    Raises
    ------
    ValueError: the cohort lacks a map type.
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
    """Features of one map type, some maps in memory at a time."""
    stack, disc = cohort.maps[map_type], disc_mask(cohort.size)
    means, deviations, segments = [], [], []
    for start in range(0, len(cohort), _BATCH):
        maps = stack[start : start + _BATCH]
        means.append(disc_mean(maps)[:, None])
        deviations.append(maps[:, disc].std(axis=1, dtype=np.float64)[:, None])
        segments.append(segment_means(maps))
    mean, segment = np.concatenate(means), np.concatenate(segments)
    territories = [segment[:, np.array(of) - 1].mean(axis=1) for of in TERRITORIES.values()]
    return {
        "mean": mean,
        "deviation": np.concatenate(deviations),
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
    """The clinical variables that may predict a trait.

    Parameters
    ----------
    cohort
        Training studies. Columns of `clinical` count that hold numbers of at least two values,
        and `sex` of the traits. Ids, days, `split`, `*_source` and what was read off the maps
        (`NOT_CLINICAL`) never count.
    trait
        To be predicted: neither a column of its name nor one of its proxies counts.
    proxies
        Trait -> patterns of column names (`*` stands for anything). Case does not matter, and a
        blank, hyphen or full stop in a name is an underscore. Patterns are English: name the
        columns of another language yourself.

    Returns
    -------
    DataFrame of float, index study_id, in the units of the table; NaN where not recorded. No
    columns where nothing but sex is left, which is no clinical model.
    """
    table = cohort.clinical.select_dtypes(["number", "bool"])
    if SEX in cohort.traits:
        table = table.assign(**{SEX: cohort.traits[SEX]})
    barred = [*NOT_CLINICAL, *proxies.get(trait, ())]
    names = [
        name for name in table
        if _plain(name) != _plain(trait) and not _is_among(name, barred)
    ]  # fmt: skip
    values = _clinical_values(cohort, names)
    values = values.loc[:, values.nunique() > 1]
    return values if set(values.columns) - {SEX} else values.iloc[:, :0]


def _clinical(
    cohorts: Sequence[Cohort], trait: str, proxies: Mapping[str, Sequence[str]]
) -> list[np.ndarray]:
    """Clinical variables of every cohort, the first of which says which; empty without any."""
    of_train = clinical_features(cohorts[0], trait, proxies)
    others = [_clinical_values(cohort, of_train.columns) for cohort in cohorts[1:]]
    return [table.to_numpy() for table in (of_train, *others)]


def _clinical_values(cohort: Cohort, names: Iterable[str]) -> pd.DataFrame:
    """Columns of a cohort as numbers; NaN where a cell, or the whole column, is not there."""
    table = cohort.clinical
    if SEX in cohort.traits:
        table = table.assign(**{SEX: cohort.traits[SEX]})
    table = table.reindex(columns=list(names)).apply(pd.to_numeric, errors="coerce")
    return table.astype(float).replace([np.inf, -np.inf], np.nan)


def _is_among(name: object, patterns: Iterable[str]) -> bool:
    """Whether a column's name has one of the patterns."""
    return any(fnmatchcase(_plain(name), _plain(pattern)) for pattern in patterns)


def _plain(name: object) -> str:
    """A name without case, its words joined by underscores."""
    return re.sub(r"[\s.\-]+", "_", str(name).strip().casefold())
