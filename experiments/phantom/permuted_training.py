"""What a network makes of labels that were dealt out at random: it must find nothing.

    python experiments/phantom/permuted_training.py --out permuted.csv
    python experiments/phantom/permuted_training.py COHORT --out permuted.csv

The rows of the label matrix are permuted among all patients, so that the correlation of the traits
stays and that with the maps goes; then a frozen network is split, trained, stopped and tested as
always. Five times, six traits: an AUROC whose p is below 0.05 is expected in 5 % of the cells.
More than 4 of 30 would be a leak (probability 2 % by chance): exit code 1.
"""

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom
from tqdm.auto import tqdm

import polarnet as pn

N_PATIENTS, SEED = 1200, 31


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", nargs="?", help="cohort folder (default: a phantom)")
    parser.add_argument("--weights", default="imagenet", help="default: those of the package")
    parser.add_argument("--out", required=True, help="CSV to write")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    out = Path(arguments.out)
    if out.exists():
        parser.error(f"{out} exists; choose another --out")
    given = arguments.cohort
    cohort = pn.read_cohort(given) if given else pn.make_phantom_cohort(N_PATIENTS, seed=SEED)
    traits = [trait for trait in pn.TRAITS if trait in cohort.traits]
    tables = []
    for repeat in tqdm(range(arguments.repeats), desc="Permuted trainings"):
        config = pn.ExperimentConfig(
            map_type="stress", weights=arguments.weights, traits=tuple(traits), input_size=64,
            seed=repeat,
        )  # fmt: skip
        tables.append(one(permuted(cohort, repeat), config).assign(repeat=repeat))
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(out, index=False, float_format="%.6g")
    print("Phantom, not patients." if cohort.is_phantom else f"Cohort {given}.")
    print(table.drop(columns=["method", "note"]).to_string(index=False))
    tested = table["p_value"].dropna()
    n_found = int((tested < 0.05).sum())
    chance = binom.sf(n_found - 1, len(tested), 0.05)
    print(
        f"{n_found} of {len(tested)} cells below 0.05 (probability of as many by chance "
        f"{chance:.2f}); mean AUROC {table['auroc'].mean():.3f}"
    )
    sys.exit(1 if chance < 0.02 else 0)


def permuted(cohort: pn.Cohort, seed: int) -> pn.Cohort:
    """The cohort with the labels of other patients; the studies of a patient share them."""
    patients = np.array(sorted(set(cohort.patients)))
    other = pd.Series(np.random.default_rng(seed).permutation(patients), index=patients)
    first = cohort.first_studies().traits
    of_patient = first.set_axis(cohort.patients[first.index])
    labels = of_patient.loc[other[cohort.patients]].set_axis(cohort.traits.index)
    return replace(cohort, traits=labels)


def one(cohort: pn.Cohort, config: pn.ExperimentConfig) -> pd.DataFrame:
    """Split, train, score, evaluate."""
    train, val, test = pn.split_by_patient(cohort, seed=config.seed)
    with tempfile.TemporaryDirectory() as folder:
        run = pn.train(train, val, config, Path(folder) / "run", show_progress=False)
        scores = pn.predict(run, test)
    return pn.evaluate(scores, test.traits, test.patients)


if __name__ == "__main__":
    main()
