"""Statistics on scores and labels; runs without TensorFlow."""

from polarnet.evaluation.baselines import baseline_scores
from polarnet.evaluation.comparison import compare
from polarnet.evaluation.roc import DeLongResult, Interval, auroc, delong_test
from polarnet.evaluation.table import evaluate

__all__ = [
    "DeLongResult",
    "Interval",
    "auroc",
    "baseline_scores",
    "compare",
    "delong_test",
    "evaluate",
]
