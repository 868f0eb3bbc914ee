"""Does a smaller image lose anything? Networks at 64, 112 and 224 px on the same patients.

    python experiments/input_size.py --out OUT

Phantom, not patients: 1,200 to train and validate, 5,000 fresh ones to test, which choose nothing;
maps of 64 x 64, frozen default, mean of three seeds. Writes input_size as CSV, HTML and LaTeX: a
row a trait and size, AUROC [95 %] and the paired difference from 224 px (DeLong). Runs are kept.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

import polarnet as pn

SIZES = (64, 112, 224)
SEEDS = (0, 1, 2)
TRAIN_SEED, TEST_SEED = 41, 42


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--weights", default="imagenet", help="a path, or imagenet (default)")
    parser.add_argument("--map-type", default="stress")
    parser.add_argument("--n-test", type=int, default=5000)
    arguments = parser.parse_args()
    out = Path(arguments.out)
    train, val, _ = pn.split_by_patient(
        pn.make_phantom_cohort(1200, seed=TRAIN_SEED), test=0.01, seed=1
    )
    fresh = pn.make_phantom_cohort(arguments.n_test, seed=TEST_SEED)
    fresh = fresh.select((~fresh.patients.duplicated()).to_numpy())
    scores = {}
    for size in tqdm(SIZES, desc="Sizes"):
        parts = []
        for seed in SEEDS:
            folder = out / "runs" / f"{arguments.map_type}-{size}-seed{seed}"
            if folder.is_dir():
                run = pn.load_run(folder)
            else:
                config = pn.ExperimentConfig(
                    map_type=arguments.map_type, input_size=size, seed=seed,
                    weights=arguments.weights,
                )  # fmt: skip
                run = pn.train(train, val, config, folder, cache=out / "features")
            parts.append(pn.predict(run, fresh, cache=out / "features", show_progress=True))
        scores[size] = sum(parts) / len(parts)
    rows = []
    for trait in pn.TRAITS:
        known = fresh.traits[trait].notna()
        labels = fresh.traits.loc[known, trait]
        for size in SIZES:
            of_size = scores[size].loc[known, trait]
            test = pn.delong_test(labels, of_size, scores[SIZES[-1]].loc[known, trait])
            area = pn.auroc(labels, of_size)
            rows.append({"trait": trait, "input_size": size, "n": int(known.sum()),
                         "auroc": area.value, "ci_low": area.low, "ci_high": area.high,
                         "difference": test.difference, "diff_low": test.low,
                         "diff_high": test.high})  # fmt: skip
    table = pd.DataFrame(rows)
    pn.write_table(
        table, out / "input_size", title=f"Input size, {arguments.map_type} maps",
        notes=["Phantom, not patients.", "AUROC [95 %, DeLong on the logit scale]; difference from "
               "224 px [paired DeLong, 95 %, unadjusted]; mean of three seeds."],
    )  # fmt: skip
    print("Phantom, not patients.")
    print(table.to_string(index=False, float_format="{:.3f}".format))


if __name__ == "__main__":
    sys.exit(main())
