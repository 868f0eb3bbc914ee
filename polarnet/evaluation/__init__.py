"""Statistics on scores and labels; runs without TensorFlow."""

from polarnet.evaluation.baselines import BASELINES, QUICK, baseline_scores
from polarnet.evaluation.clinical import DEFAULT_PROXIES, clinical_features
from polarnet.evaluation.comparison import compare
from polarnet.evaluation.ridge import ridge_scores, tuned_ridge
from polarnet.evaluation.roc import DeLongResult, Interval, auroc, delong_test
from polarnet.evaluation.table import evaluate

__all__ = [
    "BASELINES",
    "DEFAULT_PROXIES",
    "QUICK",
    "DeLongResult",
    "Interval",
    "auroc",
    "baseline_scores",
    "clinical_features",
    "compare",
    "delong_test",
    "evaluate",
    "ridge_scores",
    "tuned_ridge",
]
