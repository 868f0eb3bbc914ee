"""Network against baselines on many phantom cohorts, each with fresh patients to test.

    python experiments/phantom_replications.py --weights vgg16_notop.weights.h5 --out OUT

Phantom, not patients. Every cohort (n = 1,200, of which 70 % train and 15 % validate) has a seed of
its own and 5,000 test patients of another; they choose nothing. The network is the mean of three
frozen seeds; the comparator of a cell is the baseline of the same map with the lowest validation
log-loss. Writes OUT/cohort-SEED.csv for each cohort (what is there is kept, so that an interrupted
call goes on) and OUT/phantom_replications.csv: the mean over cohorts of (network - comparator) and
of (network - global mean) with a 95 % t interval over cohorts, which holds both the chance of the
training and of the test patients. Exit code 1 where, over all cohorts asked for, a lower bound is
not above -0.02 in a non-circular cell, the mean over cells is not above 0, or the network does not
beat the level of flow for sex from stress maps: the recovery of a planted signal, and no evidence
about patients.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
from scipy.stats import t
from tqdm.auto import tqdm

import polarnet as pn

FIRST_SEED, TEST_SEED = 2001, 12001
BASELINES = ("global mean", "17 segments", "gradient boosting", "pattern")
MARGIN = -0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--weights", required=True, help="VGG16 weights without top")
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--n-train", type=int, default=1200)
    parser.add_argument("--n-test", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=3, help="networks in an ensemble")
    parser.add_argument("--mode", default="frozen")
    parser.add_argument("--input-size", type=int, default=64, help="pixels (as the maps)")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    config = pn.ExperimentConfig(
        weights=arguments.weights, mode=arguments.mode, input_size=arguments.input_size
    )
    refuse_other_settings(config, arguments, out)
    for k in tqdm(range(arguments.cohorts), desc="Cohorts", unit="cohort"):
        path = out / f"cohort-{FIRST_SEED + k}.csv"
        if not path.is_file():
            table = replicate(k, config, arguments)
            table.to_csv(path.with_suffix(".partial"), index=False, float_format="%.6g")
            path.with_suffix(".partial").replace(path)
    table = summarise(out, arguments.cohorts)
    table.to_csv(out / "phantom_replications.csv", index=False, float_format="%.6g")
    print("Phantom, not patients.")
    print(table.to_string(index=False, float_format=lambda x: f"{x:+.3f}"))
    sys.exit(0 if holds(table) else 1)


def refuse_other_settings(config, arguments: argparse.Namespace, out: Path) -> None:
    """Kept cohorts and new ones must come from the same settings."""
    path = out / "settings.yaml"
    if not path.is_file():
        pn.save_config(config, path)
    sizes = f"{arguments.n_train}, {arguments.n_test}, {arguments.seeds}\n"
    if not (out / "sizes.txt").is_file():
        (out / "sizes.txt").write_text(sizes, encoding="utf-8")
    kept = (out / "sizes.txt").read_text(encoding="utf-8")
    if pn.load_config(path) != config or kept != sizes:
        raise SystemExit(f"{out} holds results of other settings; choose another --out.")


def replicate(k: int, config, arguments: argparse.Namespace) -> pd.DataFrame:
    """One cohort: every map type, ensemble and baselines, on fresh patients."""
    seed = FIRST_SEED + k
    cohort = pn.make_phantom_cohort(arguments.n_train, seed=seed)
    train, val, _ = pn.split_by_patient(cohort, seed=seed)
    fresh = pn.make_phantom_cohort(arguments.n_test, seed=TEST_SEED + k)
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        for map_type in pn.MAP_TYPES:
            scores = pn.baseline_scores(
                train, (val, fresh), map_type=map_type, traits=pn.TRAITS, seed=seed,
                models=BASELINES,
            )  # fmt: skip
            network = ensemble(train, val, fresh, map_type, config, arguments.seeds, Path(scratch))
            tables.append(pn.compare({"network": network} | scores, val, fresh, map_type))
    return pd.concat(tables, ignore_index=True).assign(cohort=seed)


def ensemble(train, val, fresh, map_type, config, n_seeds, scratch) -> tuple:
    """Mean probability over networks that differ in their seed, of validation and fresh studies."""
    parts = []
    for seed in range(n_seeds):
        folder = scratch / f"{map_type}-{seed}"
        changed = replace(config, map_type=map_type, seed=seed)
        cache = scratch / f"features-{map_type}"
        pn.train(train, val, changed, folder, cache=cache, show_progress=False)
        model = pn.load_model(folder)
        parts.append([pn.predict(model, part, cache=cache) for part in (val, fresh)])
    return tuple(sum(scores) / n_seeds for scores in zip(*parts, strict=True))


def summarise(out: Path, n_cohorts: int) -> pd.DataFrame:
    """One row a cell: means over cohorts with t interval."""
    paths = [out / f"cohort-{FIRST_SEED + k}.csv" for k in range(n_cohorts)]
    table = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    rows = []
    for (map_type, trait), cell in table.groupby(["map_type", "trait"], sort=False):
        of = {name: cell[cell["model"] == name] for name in ("network", "global mean")}
        against = cell[cell["is_comparator"]]
        mean, low, high = _interval(against["difference"])
        level, level_low, level_high = _interval(of["global mean"]["difference"])
        rows.append(
            {"map_type": map_type, "trait": trait, "cohorts": len(against),
             "is_circular": bool(cell["is_circular"].any()),
             "network": of["network"]["auroc"].mean(), "comparator": against["auroc"].mean(),
             "difference": mean, "low": low, "high": high,
             "to_level": level, "to_level_low": level_low, "to_level_high": level_high}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean and 95 % t interval over cohorts."""
    n = len(values)
    half = t.ppf(0.975, n - 1) * values.std() / n**0.5 if n > 1 else float("nan")
    return values.mean(), values.mean() - half, values.mean() + half


def holds(table: pd.DataFrame) -> bool:
    """The three requirements; says which are met."""
    cells = table[~table["is_circular"]]
    sex = table[(table["map_type"] == "stress") & (table["trait"] == "sex")].iloc[0]
    answers = {
        f"lower bound above {MARGIN} in all {len(cells)} non-circular cells "
        f"(lowest {cells['low'].min():+.3f})": (cells["low"] > MARGIN).all(),
        f"mean over cells above 0 ({cells['difference'].mean():+.4f})":
            cells["difference"].mean() > 0,
        f"sex from stress above the level of flow ({sex['to_level_low']:+.3f})":
            sex["to_level_low"] > 0,
    }  # fmt: skip
    for text, is_met in answers.items():
        print(f"{'holds' if is_met else 'FAILS'}: {text}")
    return all(answers.values())


if __name__ == "__main__":
    main()
