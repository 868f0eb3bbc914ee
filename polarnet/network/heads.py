"""Share of the trunk, weight of clinical columns and penalty of each head, chosen in training."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from polarnet.network.model import CLINICAL, DEEP, WIDE, Standards, standards_of_features
from polarnet.progressbar import progress_bar

SHARES: Final = (0.0, 0.1, 0.3)
"""Weights of the trunk's features beside the bullseye that are tried (our choice). With many
patients a larger share gains nothing that a weaker penalty does not, with few it is a risk."""

CLINICAL_WEIGHTS: Final = (1.0, 10.0)
"""Weights of standardised clinical columns beside the bullseye that are tried (our choice). They
are few and mostly known to matter: at 10 they are held back a hundredth as strongly as the map."""

PENALTIES: Final = tuple(np.logspace(2, -2, 9).tolist())
"""L2 penalties that are tried, strong to weak: half of it times the squared length of a head's
weights stands beside the sum of the log-loss over patients (our choice)."""

UNTUNED: Final = (0.0, 1.0)
"""Share and penalty where a class has too few patients to be put into folds (our choice)."""

FOLDS: Final = 5

MOST: Final = 1500
"""Studies on which the choice is made, drawn by the seed where there are more (our choice)."""

_CLOSE: Final = 1e-3  # change of a logit at which Newton's steps end
_STEPS: Final = 50


def choose_heads(
    groups: Mapping[str, np.ndarray],
    traits: pd.DataFrame,
    patients: Sequence[str] | pd.Series,
    *,
    seed: int,
    share: float | None = None,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Share of the trunk and penalty of each trait, by cross-validation over training patients.

    `groups` holds the features of the training studies, (n, n_features), as `WIDE` and `DEEP`, and
    clinical columns as `CLINICAL` where there are any, NaN where not recorded; all studies of a
    patient fall into one of five folds, drawn by the seed. Where a share is given, it is not
    chosen.

    Returns one row per trait: `n` studies with a label, `share`, `penalty`, `log_loss` of that
    choice over the held-out folds in nats, and `log_loss_bullseye`, the lowest without the trunk.
    The share is the smallest whose log-loss is within one standard error of the lowest (Breiman et
    al., Classification and Regression Trees, 1984, section 3.4.3): without evidence it is 0. With
    clinical columns also `clinical_weight`, chosen together with the penalty by the lowest loss.
    """
    shares = SHARES if share is None else (float(share),)
    chosen = {}
    # Threads that wait for one another cost more than they give where others compute too.
    with threadpool_limits(1):
        for trait in progress_bar(
            traits.columns, desc="Choosing heads", unit="trait", disable=not show_progress
        ):
            known = _known(traits[trait], seed)
            labels, who = traits[trait].to_numpy(float)[known], np.asarray(patients)[known]
            features = {name: np.asarray(rows[known], float) for name, rows in groups.items()}
            chosen[trait] = _choose(features, labels, who, shares, seed)
    return pd.DataFrame.from_dict(chosen, orient="index").rename_axis("trait")


def fitted_heads(
    groups: Mapping[str, np.ndarray],
    standards: Standards,
    traits: pd.DataFrame,
    heads: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, tuple[np.ndarray, float]]:
    """Trait -> `fitted_head`, where training begins, so that few steps are enough."""
    found = {}
    with threadpool_limits(1):
        for trait in traits.columns:
            known = _known(traits[trait], seed)
            labels = traits[trait].to_numpy(float)[known]
            if labels.min() == labels.max():
                continue  # a rare trait, of which none was drawn
            scaled = {name: standards.apply(name, rows[known]) for name, rows in groups.items()}
            found[str(trait)] = fitted_head(scaled, labels, **_chosen(heads.loc[trait]))
    return found


def _chosen(head: pd.Series) -> dict[str, float]:
    """What was chosen for a head, as arguments of `fitted_head`."""
    names = {"share": "share", "penalty": "penalty", "clinical_weight": "weight"}
    return {name: head[column] for column, name in names.items() if column in head}


def fitted_head(
    groups: Mapping[str, np.ndarray],
    labels: np.ndarray,
    share: float,
    penalty: float,
    weight: float = 1.0,
) -> tuple[np.ndarray, float]:
    """Exact weights (wide, deep, clinical) and bias of one head; features are standardised."""
    clinical = [weight * groups[CLINICAL]] if CLINICAL in groups else []
    both = np.hstack([groups[WIDE], share * groups[DEEP], *clinical])
    dual, bias = _solve(both @ both.T, labels, penalty)
    return both.T @ dual, bias


def _known(labels: pd.Series, seed: int) -> np.ndarray:
    """Rows with a label, at most `MOST` of them."""
    known = np.flatnonzero(labels.notna())
    if len(known) > MOST:
        known = np.sort(np.random.default_rng(seed).choice(known, MOST, replace=False))
    return known


def _choose(
    groups: Mapping[str, np.ndarray],
    labels: np.ndarray,
    patients: np.ndarray,
    shares: Sequence[float],
    seed: int,
) -> dict[str, float]:
    """What is chosen for one trait, with the losses that speak for it."""
    weights = CLINICAL_WEIGHTS if CLINICAL in groups else (1.0,)
    told = ("clinical_weight",) if CLINICAL in groups else ()
    # It is patients, not studies, that must suffice.
    smaller = min(len(set(patients[labels == value])) for value in (0, 1))
    if smaller < 2:
        share = UNTUNED[0] if len(shares) > 1 else shares[0]
        return {"n": len(labels), "share": share, "penalty": UNTUNED[1],
                "log_loss": np.nan, "log_loss_bullseye": np.nan,
                **dict.fromkeys(told, weights[0])}  # fmt: skip
    options = list(product(weights, PENALTIES))
    losses = np.empty((len(shares), len(options), len(labels)))
    folds = StratifiedGroupKFold(min(FOLDS, smaller), shuffle=True, random_state=seed)
    for seen, held in folds.split(labels, labels, patients):
        gram = {name: _gram(name, values, seen, held) for name, values in groups.items()}
        for (s, share), weight in product(enumerate(shares), weights):
            factor = {WIDE: 1.0, DEEP: share**2, CLINICAL: weight**2}
            of_seen, of_held = (
                np.sum([factor[name] * pair[k] for name, pair in gram.items()], axis=0)
                for k in range(2)
            )
            start = None
            for penalty in PENALTIES:
                start = _solve(of_seen, labels[seen], penalty, start)
                logits = of_held @ start[0] + start[1]
                wrong = np.where(labels[held] == 1, -logits, logits)
                losses[s, options.index((weight, penalty)), held] = np.logaddexp(0, wrong)
    means = losses.mean(axis=2)
    best = means.argmin(axis=1)  # weight and penalty of each share
    lowest = int(means.min(axis=1).argmin())
    chosen = next(
        s for s in range(len(shares))
        if not is_gain(losses[s, best[s]] - losses[lowest, best[lowest]])
    )  # fmt: skip
    return {
        "n": len(labels), "share": shares[chosen], "penalty": options[best[chosen]][1],
        "log_loss": means[chosen].min(),
        "log_loss_bullseye": means[0].min() if shares[0] == 0 else np.nan,
        **dict.fromkeys(told, options[best[chosen]][0]),
    }  # fmt: skip


def is_gain(gains: np.ndarray) -> bool:
    """Whether losses fell on average by more than the standard error of that average."""
    return len(gains) > 1 and bool(gains.mean() > gains.std(ddof=1) / len(gains) ** 0.5)


def _gram(
    name: str, values: np.ndarray, seen: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Inner products of standardised features: seen with seen, held out with seen."""
    standards = standards_of_features({name: values[seen]})
    # In single precision, which changes a mean loss by a millionth.
    of_seen, of_held = (
        standards.apply(name, values[rows]).astype(np.float32) for rows in (seen, held)
    )
    return of_seen @ of_seen.T, of_held @ of_seen.T


def _solve(
    gram: np.ndarray,
    labels: np.ndarray,
    penalty: float,
    start: tuple[np.ndarray, float] | None = None,
) -> tuple[np.ndarray, float]:
    """Penalised logistic regression by Newton's steps: as scikit-learn's, but begun at another
    solution, and with one factorisation for as long as each step is at most a quarter of the last.
    """
    n, kind = len(labels), gram.dtype
    labels = labels.astype(kind)
    dual, bias = start or (
        np.zeros(n, kind), float(np.log(labels.mean() / (1 - labels.mean()))),
    )  # fmt: skip
    logits = gram @ dual + bias
    before, change = 0.0, np.inf
    for _ in range(_STEPS):
        odds = expit(logits)
        if change > before / 4:
            weights = np.maximum(odds * (1 - odds), 1e-9)
            system = gram.copy()
            system[np.diag_indices(n)] += penalty / weights
            factor = cho_factor(system, overwrite_a=True, check_finite=False)
            of_bias = cho_solve(factor, np.ones(n, kind), check_finite=False)
            change = np.inf
        step = cho_solve(factor, (labels - odds - penalty * dual) / weights, check_finite=False)
        bias_step = float((step.sum() + dual.sum()) / of_bias.sum())
        dual, bias = dual + step - bias_step * of_bias, bias + bias_step
        moved = gram @ dual + bias
        before, change = change, float(np.abs(moved - logits).max())
        logits = moved
        if change < _CLOSE:
            break
    return dual, bias
