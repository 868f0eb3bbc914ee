"""Repeated cross-validation of every arm of the network on one cohort, beside its baselines.

    python experiments/cross_validate.py COHORT --map-types stress,rest --traits abnormal \\
        --weights vgg16_notop.weights.h5 --out cross_validation --repeats 20

Writes, for every arm, the out-of-fold scores of each repeat (what is there is kept, so that an
interrupted call goes on where it stopped) and cross_validation.csv: the AUROC of each repeat,
averaged over repeats, with a bootstrap interval (2,000 resamples of the studies, each scored over
all repeats; meant for cohorts with one study a patient). The network of every fold sees a sixth of
its training patients as validation. `both` is the mean of the logits of two map types.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

import polarnet as pn

FOLDS = 5
ARMS = {
    "frozen_block1": {"trunk": "block1"},
    "frozen_block2": {},
    "frozen_block3": {"trunk": "block3"},
    "frozen_block4": {"trunk": "block4"},
    "frozen_block5": {"trunk": "block5"},
    "frozen_block2_global": {"pooling": "global"},
    "frozen_block5_global": {"trunk": "block5", "pooling": "global"},
    "finetuned_block5": {"mode": "finetuned"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort")
    parser.add_argument("--out", required=True)
    parser.add_argument("--map-types", default="stress")
    parser.add_argument("--traits", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cache", default="user")
    parser.add_argument("--set", nargs="*", default=[], help="settings for all arms, name=value")
    arguments = parser.parse_args()

    cohort = pn.read_cohort(arguments.cohort)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    traits = tuple(arguments.traits.split(","))
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "--set"
        lines.write_text("\n".join(pair.replace("=", ": ", 1) for pair in arguments.set), "utf-8")
        config = pn.load_config(lines, traits=traits, weights=arguments.weights)
    refuse_other_settings(config, out / "settings.yaml")
    for map_type in arguments.map_types.split(","):
        for arm in arguments.arms.split(","):
            for repeat in tqdm(range(arguments.repeats), desc=f"{map_type} {arm}", unit="repeat"):
                path = out / f"{map_type}-{arm}-{repeat:02d}.csv"
                if not path.is_file():
                    changed = replace(config, map_type=map_type, seed=repeat, **ARMS[arm])
                    _save(out_of_fold(cohort, changed, arguments.cache), path)
        for repeat in range(arguments.repeats):
            paths = {
                name: out / f"{map_type}-{name.replace(' ', '_')}-{repeat:02d}.csv"
                for name in ("global mean", "17 segments")
            }
            if not all(path.is_file() for path in paths.values()):
                for name, scores in baselines_out_of_fold(cohort, map_type, traits, repeat).items():
                    _save(scores, paths[name])
    table = summarise(out, cohort, traits)
    table.to_csv(out / "cross_validation.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


def refuse_other_settings(config: pn.ExperimentConfig, path: Path) -> None:
    """Kept repeats and new ones must come from the same settings."""
    if not path.is_file():
        pn.save_config(config, path)
    elif pn.load_config(path) != config:
        raise SystemExit(f"{path.parent} holds results of other settings; choose another --out.")


def out_of_fold(cohort, config: pn.ExperimentConfig, cache: str) -> pd.DataFrame:
    """Scores of every study by the network that did not see its patient."""
    scores = []
    for rest, held_out in pn.fold_by_patient(cohort, FOLDS, seed=config.seed):
        train, val = next(pn.fold_by_patient(rest, 6, seed=config.seed))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            pn.train(train, val, config, out, cache=cache, show_progress=False)
            scores.append(pn.predict(pn.load_model(out), held_out, cache=cache))
    return pd.concat(scores).loc[cohort.patients.index]


def baselines_out_of_fold(cohort, map_type, traits, seed) -> dict[str, pd.DataFrame]:
    """The same for the baselines, which need no validation patients."""
    scores: dict[str, list[pd.DataFrame]] = {}
    for rest, held_out in pn.fold_by_patient(cohort, FOLDS, seed=seed):
        fitted = pn.baseline_scores(rest, [held_out], map_type=map_type, traits=traits, seed=seed)
        for name, (of_held_out,) in fitted.items():
            scores.setdefault(name, []).append(of_held_out)
    return {name: pd.concat(parts).loc[cohort.patients.index] for name, parts in scores.items()}


def summarise(out: Path, cohort, traits) -> pd.DataFrame:
    """One row an arm and trait, all repeats found in the folder."""
    arms: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(out.glob("*-*-[0-9][0-9].csv")):
        scores = pd.read_csv(path, dtype={"study_id": str}).set_index("study_id")
        arms.setdefault(path.stem[:-3], []).append(scores.loc[cohort.patients.index])
    for name in [name for name in arms if name.startswith("stress-")]:
        other = "rest-" + name.removeprefix("stress-")
        if len(arms.get(other, [])) == len(arms[name]):
            pairs = zip(arms[name], arms[other], strict=True)
            arms["both-" + name.removeprefix("stress-")] = [
                1 / (1 + np.exp(-(_logit(a) + _logit(b)) / 2)) for a, b in pairs
            ]
    rows = []
    for name, repeats in arms.items():
        for trait in traits:
            labels = cohort.traits[trait].dropna()
            scores = np.stack([table.loc[labels.index, trait] for table in repeats])
            rows.append(
                {"arm": name, "trait": trait, "n_pos": int(labels.sum()),
                 "n_neg": int((1 - labels).sum()), "repeats": len(repeats),
                 **_mean_auroc(labels.to_numpy() == 1, scores)}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _mean_auroc(is_positive: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Mean AUROC over repeats and its percentile interval over resampled patients."""
    positive, negative = scores[:, is_positive], scores[:, ~is_positive]
    # wins[p, q]: share of repeats in which positive patient p is ranked above negative q
    wins = np.mean(
        (positive[:, :, None] > negative[:, None, :])
        + 0.5 * (positive[:, :, None] == negative[:, None, :]),
        axis=0,
    )
    rng = np.random.default_rng(0)
    draws = [
        wins[rng.integers(0, len(wins), len(wins))][
            :, rng.integers(0, wins.shape[1], wins.shape[1])
        ].mean()
        for _ in range(2000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    single = [
        ((p[:, None] > n) + 0.5 * (p[:, None] == n)).mean()
        for p, n in zip(positive, negative, strict=True)
    ]
    return {
        "auroc": wins.mean(),
        "low": low,
        "high": high,
        "sd_repeats": np.std(single, ddof=1) if len(single) > 1 else np.nan,
    }


def _logit(scores: pd.DataFrame) -> pd.DataFrame:
    clipped = scores.clip(1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def _save(scores: pd.DataFrame, path: Path) -> None:
    """Whole or not at all: a file that is there is a finished repeat."""
    partial = path.with_suffix(".partial")
    scores.to_csv(partial, float_format="%.6f")
    partial.replace(path)


if __name__ == "__main__":
    main()
