"""Coverage and false alarms of the interval of a cross-validation on small cohorts.

    python experiments/statistics/cross_validated_coverage.py --out cross_validated_coverage.csv

Simulated, not patients: cohorts of 160, of whom 20 or 30 % have the trait, with 20 correlated
numbers like the means of segments (correlation 0.7), which are shifted in all segments, in one
territory, or in none. A logistic ridge stands in for the network; 5 folds, 5 repeats. The interval
of `pn.evaluation.repeated_auroc` should hold the AUROC that such a model is expected to have,
which is the mean over all cohorts and folds of its AUROC on 1,000 fresh patients. Where nothing is
shifted, `claims_gain` is how often the interval lies above one half (2.5 % at most is nominal), and
`p_below_5` how often the one-sided p-value lies below 0.05.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

import polarnet as pn

N, FRESH, FOLDS, REPEATS = 160, 1000, 5, 5
SEGMENTS, CORRELATION, STRENGTH = 20, 0.7, 0.01
CASES = {"all segments": (0.3, 20, 0.6), "all segments, strongly": (0.2, 20, 1.1),
         "one territory": (0.3, 5, 0.8), "nothing": (0.3, 0, 0.0)}  # fmt: skip
"""What is shifted -> share with the trait, segments that are shifted, standard deviations."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="CSV file to write")
    parser.add_argument("--n", type=int, default=500, help="cohorts of each kind (default: 500)")
    arguments = parser.parse_args()
    rows = []
    with threadpool_limits(1):
        for name, case in CASES.items():
            rng = np.random.default_rng(0)
            found = [one(rng, *case) for _ in tqdm(range(arguments.n), desc=name)]
            value, low, high, p, truth = np.array(found).T
            expected = truth.mean()
            rows.append({
                "shifted": name, "cohorts": arguments.n, "auroc": value.mean(),
                "expected": expected, "coverage": ((low <= expected) & (expected <= high)).mean(),
                "claims_gain": (low > 0.5).mean(), "p_below_5": (p < 0.05).mean(),
                "width": (high - low).mean(),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(arguments.out, index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format="{:.3f}".format))


def one(
    rng: np.random.Generator, share: float, shifted: int, shift: float
) -> tuple[float, float, float, float, float]:
    """AUROC of one cohort, its interval and p-value; mean AUROC of its models on fresh patients."""
    spread = np.full((SEGMENTS, SEGMENTS), CORRELATION) + (1 - CORRELATION) * np.eye(SEGMENTS)
    root = np.linalg.cholesky(spread)

    def draw(labels: np.ndarray) -> np.ndarray:
        values = rng.standard_normal((len(labels), SEGMENTS)) @ root.T
        values[labels, :shifted] -= shift
        return values

    labels, fresh = rng.random(N) < share, np.arange(FRESH) < FRESH / 2
    values, of_fresh = draw(labels), draw(fresh)
    scores, folds = np.empty((REPEATS, N)), np.empty((REPEATS, N), int)
    truth = []
    for repeat in range(REPEATS):
        split = StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(values, labels)
        for fold, (seen, held) in enumerate(split):
            model = LogisticRegression(C=STRENGTH, tol=1e-3).fit(values[seen], labels[seen])
            scores[repeat, held], folds[repeat, held] = model.decision_function(values[held]), fold
            truth.append(area(fresh, model.decision_function(of_fresh)))
    found = pn.evaluation.repeated_auroc(labels, scores, folds)
    p = pn.evaluation.chance_p_value(labels, scores, folds)
    return found.value, found.low, found.high, p, float(np.mean(truth))


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """AUROC by ranks."""
    n_pos = labels.sum()
    return (rankdata(scores)[labels].sum() / n_pos - (n_pos + 1) / 2) / (len(labels) - n_pos)


if __name__ == "__main__":
    main()
