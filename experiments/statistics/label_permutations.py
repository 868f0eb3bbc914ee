"""Whether chance alone is called chance: fixed scores against permuted labels.

    python experiments/statistics/label_permutations.py --scores RUN/scores_test.csv \\
        --cohort COHORT --out CSV
    python experiments/statistics/label_permutations.py --phantom --out CSV

The rows of the label matrix are permuted 500 times, all traits together, so that traits stay as
correlated as they are; each patient's first scored study counts. Under each permutation
`evaluate` gives its p-values (Mann-Whitney, unadjusted). Per trait the share of p < 0.05 must be
3-7 %; the share of permutations in which any trait is left after Holm must be 7 % or less. Exit
status 1 if not. The Monte-Carlo error of a share of 5 % is 1 %: one sound trait in 30 falls outside
3-7 % by chance, so look at another --seed or more --permutations before a fault is believed. A
trait without p-value (a class too small) is not judged.

--phantom needs no files: 132 simulated patients, and the mean of the stress map as score of every
trait. About a minute.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests
from tqdm.auto import tqdm

import polarnet as pn

SEED = 11
LEVEL = 0.05
LOW, HIGH = 0.03, 0.07
PHANTOM_PATIENTS = 132  # about the test split of the paper (our reckoning from its intervals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", help="scores file of a run")
    parser.add_argument("--cohort", help="cohort folder that holds the labels")
    parser.add_argument("--phantom", action="store_true", help="a simulated cohort, no files")
    parser.add_argument("--permutations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", required=True, help="CSV to write")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    if arguments.phantom == bool(arguments.scores or arguments.cohort):
        parser.error("give --scores and --cohort, or --phantom")
    if not arguments.phantom and not (arguments.scores and arguments.cohort):
        parser.error("--scores and --cohort belong together")
    if arguments.permutations < 1:
        parser.error(f"--permutations must be 1 or more, but {arguments.permutations} was given")
    if out.exists():
        parser.error(f"{out} exists; choose another --out")
    if not out.parent.is_dir():
        parser.error(f"there is no folder {out.parent}; make it, or choose another --out")

    try:
        if arguments.phantom:
            cohort = pn.make_phantom_cohort(PHANTOM_PATIENTS, seed=arguments.seed)
            mean = cohort.global_means("stress")
            scores = pd.DataFrame(dict.fromkeys(cohort.traits, mean))
        else:
            cohort = pn.read_cohort(arguments.cohort)
            scores = pd.read_csv(arguments.scores, dtype={"study_id": str})
            if "study_id" not in scores:
                parser.error(f"{arguments.scores} has no column study_id; is it a scores file?")
            scores = scores.set_index("study_id")
        # Refuses what does not fit before any label is permuted.
        pn.evaluate(scores, cohort.traits, cohort.patients)
    except (OSError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    scores, labels = first_studies(scores, cohort)
    p_values = permuted_p_values(scores, labels, arguments.permutations, arguments.seed)
    table = shares(p_values, labels)
    data = "phantom, not patients" if cohort.is_phantom else "cohort"
    table.insert(0, "data", data)
    table.to_csv(out, index=False, float_format="%.4f")
    print(f"{data}: {len(labels)} patients, {len(p_values)} permutations of the labels")
    print(table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}"))
    print(f"Wrote {out}")
    if (table["holds"] == "no").any():
        raise SystemExit(1)


def first_studies(scores: pd.DataFrame, cohort: pn.Cohort) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores and labels of the first scored study of each patient, in the same order."""
    scored = cohort.patients[cohort.patients.index.isin(scores.index)]
    first = scored.index[~scored.duplicated()]
    traits = [trait for trait in scores if trait in cohort.traits]
    return scores.loc[first, traits], cohort.traits.loc[first, traits]


def permuted_p_values(
    scores: pd.DataFrame, labels: pd.DataFrame, n_permutations: int, seed: int
) -> pd.DataFrame:
    """p-values of `evaluate`, one row a permutation, one column a trait."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in tqdm(range(n_permutations), unit="permutation"):
        permuted = labels.iloc[rng.permutation(len(labels))].set_axis(labels.index)
        rows.append(pn.evaluate(scores, permuted).set_index("trait")["p_value"])
    return pd.DataFrame(rows)


def shares(p_values: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """How often each trait, and any trait after Holm, looks better than chance."""
    rows = [_row(trait, p_values[trait], LOW, labels[trait]) for trait in p_values]
    tested = p_values.dropna(axis=1)
    if not tested.empty:
        # Smallest p-value after Holm: below the level where any trait is.
        smallest = [multipletests(p, method="holm")[1].min() for p in tested.to_numpy()]
        rows.append(_row("any trait, after Holm", pd.Series(smallest), 0.0))
    return pd.DataFrame(rows).astype({"n_pos": "Int64", "n_neg": "Int64"})


def _row(
    quantity: str, p_values: pd.Series, low: float, labels: pd.Series | None = None
) -> dict[str, object]:
    row = {"quantity": quantity, "n_pos": pd.NA, "n_neg": pd.NA}
    if labels is not None:
        row |= {"n_pos": int((labels == 1).sum()), "n_neg": int((labels == 0).sum())}
    if p_values.isna().any():
        return row | {"holds": "not judged"}
    share = float((p_values < LEVEL).mean())
    return row | {
        "share": share, "monte_carlo_error": (share * (1 - share) / len(p_values)) ** 0.5,
        "low": low, "high": HIGH, "holds": "yes" if low <= share <= HIGH else "no",
    }  # fmt: skip


if __name__ == "__main__":
    main()
