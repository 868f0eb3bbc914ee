"""How often the 95 % interval of an AUROC holds the true one, in simulated data.

    python experiments/statistics/interval_coverage.py --out interval_coverage.csv

Simulation, not patients: scores are normal with variance 1 in both classes, so that the true AUROC
is known. Each row is 2,000 data sets; the default interval of `auroc` stands beside plain DeLong.
A data set that is "not estimable" (an AUROC of 1) has no interval and counts as a miss. Where the
smaller class has 30 or more, the default must hold the truth in 93-97 % of data sets: exit status
1 if it does not. A coverage within its Monte-Carlo error of a limit needs more --sets to be judged.
One to three minutes.
"""

import argparse
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

import polarnet as pn

SEED = 20
N_SETS = 2000  # a row; Monte-Carlo error of a coverage of 95 %: 0.5 %
JUDGED_FROM = 30  # members of the smaller class
LOW, HIGH = 0.93, 0.97
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
    parser.add_argument("--out", required=True, help="CSV to write")
    parser.add_argument("--sets", type=int, default=N_SETS, help="simulated data sets a row")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    if arguments.sets < 1:
        parser.error(f"--sets must be 1 or more, but {arguments.sets} was given")
    if out.exists():
        parser.error(f"{out} exists; choose another --out")
    if not out.parent.is_dir():
        parser.error(f"there is no folder {out.parent}; make it, or choose another --out")

    table = pd.DataFrame(
        [
            coverage(*row, n_sets=arguments.sets, seed=SEED + k)
            for k, row in enumerate(tqdm(ROWS, unit="row"))
        ]
    )
    table.to_csv(out, index=False, float_format="%.4f")
    print("Simulated scores, not patients.")
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    print(f"Wrote {out}")
    if (table["holds"] == "no").any():
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


if __name__ == "__main__":
    main()
