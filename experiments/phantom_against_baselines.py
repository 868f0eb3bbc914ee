"""Network against baselines on a phantom: n = 1,200 to train, a fresh 5,000 to test.

    python experiments/phantom_against_baselines.py --weights vgg16_notop.weights.h5 --out OUT

Phantom, not patients. The 5,000 test patients come from a seed of their own and choose nothing:
the comparator of a cell is the baseline with the lower validation log-loss. Writes a run folder
for each map type and phantom_against_baselines.csv; finished runs are kept.
"""

import argparse
from pathlib import Path

import pandas as pd

import polarnet as pn

TRAIN_SEED, TEST_SEED = 7, 1007
COLUMNS = [
    "map_type", "trait", "model", "n_pos", "n_neg", "auroc", "ci_low", "ci_high",
    "difference", "difference_low", "difference_high", "is_comparator", "is_circular",
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--n-train", type=int, default=1200)
    parser.add_argument("--n-test", type=int, default=5000)
    parser.add_argument("--cache")
    arguments = parser.parse_args()

    if (Path(arguments.out) / "phantom_against_baselines.csv").exists():
        parser.error(f"{arguments.out} holds a finished comparison; choose another --out")
    cohort = pn.make_phantom_cohort(arguments.n_train, seed=TRAIN_SEED)
    train, val, _ = pn.split_by_patient(cohort, seed=TRAIN_SEED)
    fresh = pn.make_phantom_cohort(arguments.n_test, seed=TEST_SEED)
    tables = []
    for map_type in pn.MAP_TYPES:
        folder = Path(arguments.out) / map_type
        config = pn.ExperimentConfig(map_type=map_type, weights=arguments.weights, seed=TRAIN_SEED)
        if not (folder / "metrics.csv").is_file():
            pn.run_experiment(train, val, fresh, config, folder, cache=arguments.cache)
        tables.append(pd.read_csv(folder / "metrics.csv"))
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(
        Path(arguments.out) / "phantom_against_baselines.csv", index=False, float_format="%.4f"
    )
    print("Phantom, not patients.")
    print(table[COLUMNS].to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}"))


if __name__ == "__main__":
    main()
