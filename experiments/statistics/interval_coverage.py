"""Interval coverage of an AUROC, and type I error of `evaluate`, in simulated data.

    python experiments/statistics/interval_coverage.py --out interval_coverage

Simulation, not patients. Writes two tables into the folder --out, and ends with 1 where a row that
is judged does not hold. A share within its Monte-Carlo error of a limit needs more --sets.

- coverage.csv: scores are normal with variance 1 in both classes, so that the true AUROC is known.
  The default interval of `auroc` stands beside plain DeLong. A data set that is "not estimable" (an
  AUROC of 1) has no interval and counts as a miss. Where the smaller class has 30 or more, the
  default must hold the truth in 93-97 % of data sets.
- type_i_error.csv: 132 phantom patients, the mean of the stress map as score of every trait, and
  the rows of the label matrix permuted, so that traits stay as correlated as they are. The share of
  p < 0.05 must be 3-7 % for each trait, and 7 % or less for any trait after Holm.
"""

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests
from tqdm.auto import tqdm

import polarnet as pn

SEED = 20
N_SETS = 2000  # a row; Monte-Carlo error of a coverage of 95 %: 0.5 %
JUDGED_FROM = 30  # members of the smaller class
LOW, HIGH = 0.93, 0.97
LEVEL = 0.05
N_PATIENTS = 132  # about the test split of the paper (our reckoning from its intervals)
ROWS = [  # patients, positives, true AUROC
    (50, 15, 0.70), (50, 15, 0.94), (200, 10, 0.80),
    (200, 30, 0.60), (200, 30, 0.71), (200, 30, 0.85), (200, 30, 0.94),
    (200, 60, 0.81), (200, 60, 0.85), (200, 60, 0.94),
    (300, 60, 0.50), (300, 60, 0.85), (300, 60, 0.94),
    (130, 40, 0.71), (130, 40, 0.81), (130, 40, 0.94),
    (200, 170, 0.71), (200, 170, 0.85), (200, 170, 0.94),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder of the two tables")
    parser.add_argument("--sets", type=int, default=N_SETS, help="simulated data sets a row")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True)
    rows = [coverage(*row, n_sets=arguments.sets, seed=SEED + k)
            for k, row in enumerate(tqdm(ROWS, unit="row"))]  # fmt: skip
    tables = {"coverage": pd.DataFrame(rows), "type_i_error": type_i_error(arguments.sets)}
    print("Simulated scores and phantom, not patients.")
    for name, table in tables.items():
        table.to_csv(out / f"{name}.csv", index=False, float_format="%.4f")
        print(table.to_string(index=False, float_format="{:.3f}".format))
    if any((table["holds"] == "no").any() for table in tables.values()):
        raise SystemExit(1)


def coverage(n: int, n_pos: int, true_auroc: float, *, n_sets: int, seed: int) -> dict[str, object]:
    """Share of simulated data sets whose interval holds the true AUROC."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) < n_pos
    # Of two normal scores with variance 1, their difference has variance 2.
    distance = 2**0.5 * NormalDist().inv_cdf(true_auroc)
    held = {"logit": 0, "delong": 0}
    not_estimable = 0
    for _ in range(n_sets):
        scores = rng.normal(size=n) + distance * labels
        for method in held:
            found = pn.auroc(labels, scores, method)
            held[method] += found.low <= true_auroc <= found.high
        not_estimable += bool(np.isnan(found.low))
    share = {method: count / n_sets for method, count in held.items()}
    holds = "yes" if LOW <= share["logit"] <= HIGH else "no"
    return {
        "n": n, "n_pos": n_pos, "auroc": true_auroc, "coverage": share["logit"],
        "coverage_plain_delong": share["delong"], "not_estimable": not_estimable / n_sets,
        "monte_carlo_error": (share["logit"] * (1 - share["logit"]) / n_sets) ** 0.5,
        "holds": holds if min(n_pos, n - n_pos) >= JUDGED_FROM else "not judged",
    }  # fmt: skip


def type_i_error(n_sets: int) -> pd.DataFrame:
    """How often each trait, and any trait after Holm, looks better than chance."""
    cohort = pn.make_phantom_cohort(N_PATIENTS, seed=SEED).first_studies()
    scores = pd.DataFrame(dict.fromkeys(cohort.traits, cohort.global_means("stress")))
    rng, rows = np.random.default_rng(SEED), []
    for _ in tqdm(range(n_sets), unit="permutation"):
        order = rng.permutation(len(cohort))
        permuted = cohort.traits.iloc[order].set_axis(cohort.traits.index)
        rows.append(pn.evaluate(scores, permuted).set_index("trait")["p_value"])
    p_values = pd.DataFrame(rows).dropna(axis=1)
    # Smallest p-value after Holm: below the level where any trait is.
    smallest = [multipletests(p, method="holm")[1].min() for p in p_values.to_numpy()]
    table = p_values.assign(**{"any trait, after Holm": smallest}).lt(LEVEL).mean().rename("share")
    table = table.rename_axis("quantity").reset_index()
    table["monte_carlo_error"] = (table["share"] * (1 - table["share"]) / n_sets) ** 0.5
    lowest = np.where(table["quantity"].isin(p_values), 1 - HIGH, 0)
    table["holds"] = np.where(table["share"].between(lowest, 1 - LOW), "yes", "no")
    return table


if __name__ == "__main__":
    main()
