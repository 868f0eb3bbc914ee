"""Repeated cross-validation of the network on one cohort, beside its baselines in the same folds.

    python experiments/statistics/cross_validate.py COHORT --traits abnormal --out cross_validation
    python experiments/statistics/cross_validate.py COHORT --traits abnormal --out finetuned \\
        --repeats 5 --arms frozen,finetuned

Each variant is a `pn.cross_validate` of its own, in a folder of OUT that is resumed. Writes
cross_validation.csv (AUROC, averaged over repeats) and differences.csv (every arm minus every other
model of the same map; `is_bar` marks the better of "17 segments" and "wide", which the network must
not be behind). Intervals are 95 % percentiles of 2,000 bootstrap resamples of the patients within
each class: they are about these very scores, and shorter than those of `pn.cross_validate`, which
are about training in this way. `both` is the mean of the logits of two map types.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

import polarnet as pn

FOLDS, N_BOOTSTRAP = 5, 2000
BARS = ("17 segments", "wide")
ARMS = {
    "frozen": {},
    "finetuned": {"mode": "finetuned"},
    "frozen_block1": {"trunk": "block1"},
    "frozen_block3": {"trunk": "block3"},
    "frozen_block4": {"trunk": "block4"},
    "frozen_block5": {"trunk": "block5"},
    "frozen_global": {"pooling": "global"},
    "finetuned_block5": {"mode": "finetuned", "trunk": "block5"},
}
"""Settings that differ from the defaults."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort")
    parser.add_argument("--out", required=True)
    parser.add_argument("--map-types", default="stress")
    parser.add_argument("--traits", required=True)
    parser.add_argument("--weights", default="imagenet", help="a path, or imagenet (default)")
    parser.add_argument("--arms", default="frozen", help=f"of {', '.join(ARMS)}")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--config", help="YAML file of settings for all arms")
    arguments = parser.parse_args()

    cohort = pn.read_cohort(arguments.cohort)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    traits = tuple(arguments.traits.split(","))
    config = pn.ExperimentConfig(traits=traits, weights=arguments.weights)
    if arguments.config:
        config = pn.ExperimentConfig.load(
            arguments.config, traits=traits, weights=arguments.weights
        )
    repeats_of: dict[tuple[str, str], pd.DataFrame] = {}
    for map_type in arguments.map_types.split(","):
        for arm in arguments.arms.split(","):
            changed = replace(config, map_type=map_type, seed=0, **ARMS[arm])
            found = pn.cross_validate(
                cohort, changed, out / f"{map_type}-{arm}", folds=FOLDS, repeats=arguments.repeats
            )
            for model, scores in found.scores.groupby("model"):
                key = map_type, arm if model == "network" else str(model)
                repeats_of.setdefault(key, scores.set_index(["repeat", "study_id"]))
    areas, differences = summarise(repeats_of, found.labels, traits, arguments.arms.split(","))
    for name, table in {"cross_validation": areas, "differences": differences}.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


def summarise(repeats_of, labels_of, traits, arms) -> tuple[pd.DataFrame, pd.DataFrame]:
    """AUROC of each model, and differences of the arms to the others, over all repeats."""
    for map_type, model in list(repeats_of):
        if map_type == "stress" and ("rest", model) in repeats_of:
            of_both = (repeats_of[one, model][list(traits)].clip(1e-6, 1 - 1e-6)
                       for one in ("stress", "rest"))  # fmt: skip
            repeats_of["both", model] = expit(sum(map(logit, of_both)) / 2)
    areas, differences = [], []
    for trait in traits:
        labels = labels_of[trait].dropna()
        wins = {
            key: wins_of(labels.to_numpy() == 1, table[trait].unstack()[labels.index].to_numpy())
            for key, table in repeats_of.items()
        }
        for (map_type, model), of_model in wins.items():
            row = {"map_type": map_type, "trait": trait, "model": model}
            single = of_model.mean(axis=(1, 2))
            value, low, high = bootstrapped(of_model)
            areas.append(
                row | {"n_pos": of_model.shape[1], "n_neg": of_model.shape[2],
                       "repeats": len(of_model), "auroc": value, "low": low, "high": high,
                       "sd_repeats": np.std(single, ddof=1) if len(single) > 1 else np.nan}
            )  # fmt: skip
            if model not in arms:
                continue
            bar = max(BARS, key=lambda name, m=map_type: wins[m, name].mean())
            for other in [name for m, name in wins if m == map_type and name != model]:
                n = min(len(of_model), len(wins[map_type, other]))
                value, low, high = bootstrapped(of_model[:n] - wins[map_type, other][:n])
                differences.append(
                    row | {"minus": other, "is_bar": other == bar, "repeats": n,
                           "difference": value, "low": low, "high": high}
                )  # fmt: skip
    return pd.DataFrame(areas), pd.DataFrame(differences)


def wins_of(is_positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """[r, p, q]: whether repeat r ranks positive patient p above negative q; ties one half."""
    positive, negative = scores[:, is_positive, None], scores[:, None, ~is_positive]
    return (positive > negative) + 0.5 * (positive == negative)


def bootstrapped(wins: np.ndarray) -> tuple[float, float, float]:
    """Mean over pairs and repeats, and its percentile interval over resampled patients."""
    pairs = wins.mean(axis=0)
    rng = np.random.default_rng(0)
    # How often each patient is drawn, in place of the drawn rows and columns themselves.
    drawn = [rng.multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP) / n for n in pairs.shape]
    means = np.einsum("bp,pq,bq->b", drawn[0], pairs, drawn[1], optimize=True)
    return pairs.mean(), *np.percentile(means, [2.5, 97.5])


if __name__ == "__main__":
    main()
