"""Statistics on scores and labels; runs without TensorFlow."""

from polarnet.evaluation.baselines import (
    BASELINES,
    DEFAULT_PROXIES,
    OF_THE_MAP,
    QUICK,
    baseline_scores,
    clinical_features,
)
from polarnet.evaluation.calibration import (
    Recalibration,
    fit_recalibration,
    measure_calibration,
    smooth_calibration,
)
from polarnet.evaluation.comparison import PUBLISHED, adjust_p_values, compare, is_circular
from polarnet.evaluation.resampling import (
    bootstrap_auroc,
    cluster_bootstrap_auroc,
    mean_auroc_difference,
    seeds_and_patients_auroc,
)
from polarnet.evaluation.roc import (
    Interval,
    auroc,
    auroc_half_width,
    cross_validated_auroc,
    delong_test,
    unpaired_delong_test,
)
from polarnet.evaluation.subgroups import (
    adjusted_association,
    evaluate_subgroups,
    tertiles,
)
from polarnet.evaluation.table import evaluate, is_reportable, read_scores, size_note
from polarnet.evaluation.thresholds import (
    choose_thresholds,
    classify,
    net_benefit,
    predictive_intervals,
)

__all__ = [
    "BASELINES",
    "DEFAULT_PROXIES",
    "OF_THE_MAP",
    "PUBLISHED",
    "QUICK",
    "Interval",
    "Recalibration",
    "adjust_p_values",
    "adjusted_association",
    "auroc",
    "auroc_half_width",
    "baseline_scores",
    "bootstrap_auroc",
    "choose_thresholds",
    "classify",
    "clinical_features",
    "cluster_bootstrap_auroc",
    "compare",
    "cross_validated_auroc",
    "delong_test",
    "evaluate",
    "evaluate_subgroups",
    "fit_recalibration",
    "is_circular",
    "is_reportable",
    "mean_auroc_difference",
    "measure_calibration",
    "net_benefit",
    "predictive_intervals",
    "read_scores",
    "seeds_and_patients_auroc",
    "size_note",
    "smooth_calibration",
    "tertiles",
    "unpaired_delong_test",
]
