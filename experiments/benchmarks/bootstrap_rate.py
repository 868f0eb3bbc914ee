"""Bootstrap intervals of 36 AUROCs here, against scikit-learn in a loop over resamples.

    python experiments/benchmarks/bootstrap_rate.py --out bootstrap_rate.json

Numbers drawn at random, no patients: 6 labels x 6 scores of 130 patients, 9,999 resamples of the
patients. The loop is timed on 50 resamples and scaled linearly ("extrapolated"). The interval of
one cell by 1,000 resamples must be the same in both ways.
"""

import argparse

import numpy as np
from sklearn.metrics import roc_auc_score

import polarnet as pn
from bench import medians, run_benchmark

N, RESAMPLES, TIMED, COMPARED = 130, 9999, 50, 1000
PREVALENCES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
PATIENTS = np.arange(N)


def measure(arguments: argparse.Namespace) -> list[dict]:
    rng = np.random.default_rng(0)
    labels = [rng.permutation(N) < share * N for share in PREVALENCES for _ in range(6)]
    cells = [(label, rng.normal(size=N) + label) for label in labels]
    seconds = medians(
        {"here": lambda: [interval(*cell, RESAMPLES) for cell in cells],
         "loop": lambda: [looped(*cell, TIMED) for cell in cells]},
        arguments.repeats,
    )  # fmt: skip
    here, loop = interval(*cells[-1], COMPARED), looped(*cells[-1], COMPARED)
    difference = np.abs(np.quantile(loop, (0.025, 0.975)) - (here.low, here.high)).max()
    ratio = seconds["loop"] * RESAMPLES / TIMED / seconds["here"]
    return [{"what": f"{RESAMPLES} resamples of 36 cells, {N} patients",
             "peer": "scikit-learn loop (extrapolated)", "ratio": ratio, "seconds": seconds,
             "difference": float(difference), "is_same": bool(difference < 1e-12)}]  # fmt: skip


def interval(label: np.ndarray, scores: np.ndarray, resamples: int) -> pn.evaluation.Interval:
    return pn.evaluation.cluster_bootstrap_auroc(
        label, scores, PATIENTS, seed=0, n_resamples=resamples
    )


def looped(label: np.ndarray, scores: np.ndarray, resamples: int) -> list[float]:
    """The same resamples, one by one."""
    counts = np.random.default_rng(0).multinomial(N, np.full(N, 1 / N), size=resamples)
    rows = (np.repeat(PATIENTS, count) for count in counts)
    return [roc_auc_score(label[row], scores[row]) for row in rows]


if __name__ == "__main__":
    run_benchmark(__doc__, measure, repeats=3)
