"""Repeated cross-validation of the network on one cohort, beside its baselines in the same folds.

    python experiments/statistics/cross_validate.py COHORT --traits abnormal --out cross_validation
    python experiments/statistics/cross_validate.py COHORT --traits abnormal --out finetuned \\
        --repeats 5 --arms frozen,finetuned

All that is chosen is chosen inside the training patients of a fold, of which the network sees a
sixth as validation; baselines learn from all of them. Writes the out-of-fold scores of each repeat
(finished ones are kept), cross_validation.csv (AUROC, averaged over repeats) and differences.csv
(every arm minus every other model of the same map; `is_bar` marks the better of "17 segments" and
"wide", which the network must not be behind). Intervals are 95 % percentiles of 2,000 bootstrap
resamples of the patients within each class, for cohorts with one study per patient. `both` is the
mean of the logits of two map types.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from tqdm.auto import tqdm

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
    if not (out / "settings.yaml").is_file():
        config.save(out / "settings.yaml")
    if pn.ExperimentConfig.load(out / "settings.yaml") != config:
        raise SystemExit(f"{out} holds results of other settings; choose another --out.")
    for map_type in arguments.map_types.split(","):
        for arm in arguments.arms.split(","):
            for repeat in tqdm(range(arguments.repeats), desc=f"{map_type} {arm}", unit="repeat"):
                path = out / f"{map_type}-{arm}-{repeat:02d}.csv"
                if not path.is_file():
                    changed = replace(config, map_type=map_type, seed=repeat, **ARMS[arm])
                    _save(out_of_fold(cohort, changed), path)
        for repeat in range(arguments.repeats):
            paths = {
                name: out / f"{map_type}-{name.replace(' ', '_')}-{repeat:02d}.csv"
                for name in pn.evaluation.QUICK
            }
            if not all(path.is_file() for path in paths.values()):
                for name, scores in baselines_out_of_fold(cohort, map_type, traits, repeat).items():
                    _save(scores, paths[name])
    areas, differences = summarise(out, cohort, traits, arguments.arms.split(","))
    for name, table in {"cross_validation": areas, "differences": differences}.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


def out_of_fold(cohort, config: pn.ExperimentConfig) -> pd.DataFrame:
    """Scores of every study by the network that did not see its patient."""
    scores = []
    for rest, held_out in cohort.folds(FOLDS, seed=config.seed):
        train, val = next(rest.folds(6, seed=config.seed))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            run = pn.train(train, val, config, out, show_progress=False)
            scores.append(pn.predict(run, held_out))
    return pd.concat(scores).loc[cohort.patients.index]


def baselines_out_of_fold(cohort, map_type, traits, seed) -> dict[str, pd.DataFrame]:
    """The same for the baselines, which need no validation patients."""
    scores: dict[str, list[pd.DataFrame]] = {}
    for rest, held_out in cohort.folds(FOLDS, seed=seed):
        fitted = pn.evaluation.baseline_scores(
            rest, [held_out], map_type=map_type, traits=traits, seed=seed
        )
        for name, (of_held_out,) in fitted.items():
            scores.setdefault(name, []).append(of_held_out)
    return {name: pd.concat(parts).loc[cohort.patients.index] for name, parts in scores.items()}


def summarise(out: Path, cohort, traits, arms) -> tuple[pd.DataFrame, pd.DataFrame]:
    """AUROC of each model, and differences of the arms to the others; all repeats in the folder."""
    repeats_of: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for path in sorted(out.glob("*-*-[0-9][0-9].csv")):
        map_type, model, _ = path.stem.split("-")
        scores = pd.read_csv(path, dtype={"study_id": str}).set_index("study_id")
        key = map_type, model.replace("_", " ") if model not in ARMS else model
        repeats_of.setdefault(key, []).append(scores.loc[cohort.patients.index])
    for map_type, model in list(repeats_of):
        pairs = repeats_of[map_type, model], repeats_of.get(("rest", model), [])
        if map_type == "stress" and len(pairs[0]) == len(pairs[1]):
            clipped = [
                [one.clip(1e-6, 1 - 1e-6) for one in pair] for pair in zip(*pairs, strict=True)
            ]
            repeats_of["both", model] = [expit((logit(a) + logit(b)) / 2) for a, b in clipped]
    areas, differences = [], []
    for trait in traits:
        labels = cohort.traits[trait].dropna()
        wins = {
            key: wins_of(
                labels.to_numpy() == 1, [table.loc[labels.index, trait] for table in tables]
            )
            for key, tables in repeats_of.items()
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


def wins_of(is_positive: np.ndarray, repeats: list[pd.Series]) -> np.ndarray:
    """[r, p, q]: whether repeat r ranks positive patient p above negative q; ties one half."""
    scores = np.stack(repeats)
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


def _save(scores: pd.DataFrame, path: Path) -> None:
    """Whole or not at all: a file that is there is a finished repeat."""
    partial = path.with_suffix(".partial")
    scores.to_csv(partial, float_format="%.6f")
    partial.replace(path)


if __name__ == "__main__":
    main()
