"""Bootstrap intervals of 36 AUROCs here, against scikit-learn in a loop over the same resamples.

    python experiments/benchmarks/bootstrap_rate.py --out bootstrap_rate.json

Numbers drawn at random, no patients: 6 labels x 6 scores of 130 patients, 9,999 resamples within
each class. The loop is timed on a part of the resamples, drawn anew in each repeat, and scaled
linearly ("extrapolated"); on that part both must give the same numbers.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from polarnet.evaluation.resampling import _weighted_auroc

N, RESAMPLES, TIMED = 130, 9999, 50
PREVALENCES = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
SCORES = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {"here": [], "loop": []}
    largest = 0.0
    for _ in range(arguments.repeats):
        labels = [rng.permutation(N) < share * N for share in PREVALENCES]
        scores = [[rng.normal(size=N) + label for _ in range(SCORES)] for label in labels]
        drawn = [resamples(rng, label) for label in labels]
        counts = [counted(rows) for rows in drawn]
        began = time.perf_counter()
        here = [
            [_weighted_auroc(label, score, count) for score in of_label]
            for label, of_label, count in zip(labels, scores, counts, strict=True)
        ]
        seconds["here"].append(time.perf_counter() - began)
        began = time.perf_counter()
        loop = [
            [[roc_auc_score(label[row], score[row]) for row in rows[:TIMED]] for score in of_label]
            for label, of_label, rows in zip(labels, scores, drawn, strict=True)
        ]
        seconds["loop"].append((time.perf_counter() - began) * RESAMPLES / TIMED)
        largest = max(largest, np.abs(np.array(here)[:, :, :TIMED] - np.array(loop)).max())
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    row = {"what": "9,999 resamples of 36 cells, 130 patients", "repeats": arguments.repeats,
           "seconds": medians, "ratio": medians["loop"] / medians["here"],
           "note": "loop extrapolated", "largest_difference": float(largest)}  # fmt: skip
    Path(arguments.out).write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    print(row)


def resamples(rng: np.random.Generator, label: np.ndarray) -> np.ndarray:
    """Rows of patients drawn within each class, (resamples, n)."""
    parts = [rng.choice(members, (RESAMPLES, len(members)))
             for members in (np.flatnonzero(label), np.flatnonzero(~label))]  # fmt: skip
    return np.concatenate(parts, axis=1)


def counted(rows: np.ndarray) -> np.ndarray:
    """How often each patient is in each resample."""
    counts = np.zeros((len(rows), N))
    np.add.at(counts, (np.arange(len(rows))[:, None], rows), 1)
    return counts


if __name__ == "__main__":
    main()
