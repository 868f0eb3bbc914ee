"""Type I error of `evaluate`: fixed scores against permuted labels.

    python experiments/statistics/label_permutations.py --out CSV
    python experiments/statistics/label_permutations.py --out CSV --run RUN --cohort COHORT

By default 132 simulated patients, and the mean of the stress map as score of every trait; with a
run, its scores of the hold-out. The rows of the label matrix are permuted 500 times, all traits
together, so that traits stay as correlated as they are; each patient's first scored study counts.
Under each permutation `evaluate` gives its p-values (Mann-Whitney, unadjusted). Per trait the share
of p < 0.05 must be 3-7 %; the share of permutations in which any trait is left after Holm must be
7 % or less. Exit status 1 if not. The Monte-Carlo error of a share of 5 % is 1 %: one sound trait
in 30 falls outside 3-7 % by chance, so look at another --seed before a fault is believed. A trait
without p-value (a class too small) is not judged.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests
from tqdm.auto import tqdm

import polarnet as pn

LEVEL, LOW, HIGH = 0.05, 0.03, 0.07
PHANTOM_PATIENTS = 132  # about the test split of the paper (our reckoning from its intervals)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="run folder whose scores of the hold-out are taken")
    parser.add_argument("--cohort", help="cohort folder that holds the labels")
    parser.add_argument("--permutations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", required=True, help="CSV to write")
    arguments = parser.parse_args()
    if bool(arguments.run) != bool(arguments.cohort):
        parser.error("--run and --cohort belong together")
    if arguments.run:
        cohort = pn.read_cohort(arguments.cohort)
        scores = pn.evaluation.read_scores(Path(arguments.run) / "scores_test.csv")
    else:
        cohort = pn.make_phantom_cohort(PHANTOM_PATIENTS, seed=arguments.seed)
        scores = pd.DataFrame(dict.fromkeys(cohort.traits, cohort.global_means("stress")))
        print("Phantom, not patients.")
    first = cohort.patients[cohort.patients.index.isin(scores.index)].drop_duplicates().index
    traits = [trait for trait in scores if trait in cohort.traits]
    scores, labels = scores.loc[first, traits], cohort.traits.loc[first, traits]
    p_values = permuted_p_values(scores, labels, arguments.permutations, arguments.seed)
    table = shares(p_values, labels)
    table.to_csv(arguments.out, index=False, float_format="%.4f")
    print(table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}"))
    return int((table["holds"] == "no").any())


def permuted_p_values(
    scores: pd.DataFrame, labels: pd.DataFrame, n_permutations: int, seed: int
) -> pd.DataFrame:
    """p-values of `evaluate`, one row per permutation, one column per trait."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in tqdm(range(n_permutations), unit="permutation"):
        permuted = labels.iloc[rng.permutation(len(labels))].set_axis(labels.index)
        rows.append(pn.evaluate(scores, permuted).set_index("trait")["p_value"])
    return pd.DataFrame(rows)


def shares(p_values: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """How often each trait, and any trait after Holm, looks better than chance."""
    tested = p_values.dropna(axis=1)
    looked_at = {trait: (p_values[trait], LOW) for trait in p_values}
    if not tested.empty:
        # Smallest p-value after Holm: below the level where any trait is.
        smallest = [multipletests(p, method="holm")[1].min() for p in tested.to_numpy()]
        looked_at["any trait, after Holm"] = (pd.Series(smallest), 0.0)
    rows = []
    for quantity, (found, low) in looked_at.items():
        share = float((found < LEVEL).mean())
        holds = "yes" if low <= share <= HIGH else "no"
        known = labels.get(quantity, pd.Series(dtype=float))
        rows.append({
            "quantity": quantity,
            "n_pos": int((known == 1).sum()), "n_neg": int((known == 0).sum()),
            "share": share, "monte_carlo_error": (share * (1 - share) / len(p_values)) ** 0.5,
            "low": low, "high": HIGH, "holds": "not judged" if found.isna().any() else holds,
        })  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    sys.exit(main())
