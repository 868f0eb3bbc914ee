"""Statistics on scores and labels; runs without TensorFlow."""

from polarnet.evaluation.adjustment import Association, adjusted_association
from polarnet.evaluation.baselines import BASELINES, OF_THE_MAP, QUICK, baseline_scores
from polarnet.evaluation.calibration import (
    Calibration,
    Recalibration,
    fit_recalibration,
    measure_calibration,
    smooth_calibration,
)
from polarnet.evaluation.clinical import DEFAULT_PROXIES, clinical_features
from polarnet.evaluation.comparison import PUBLISHED, compare, is_circular
from polarnet.evaluation.crossvalidation import cross_validated_auroc
from polarnet.evaluation.decisions import net_benefit
from polarnet.evaluation.multiplicity import adjust_p_values
from polarnet.evaluation.resampling import (
    bootstrap_auroc,
    cluster_bootstrap_auroc,
    mean_auroc_difference,
    seeds_and_patients_auroc,
)
from polarnet.evaluation.ridge import ridge_scores, tuned_ridge
from polarnet.evaluation.roc import (
    DeLongResult,
    Interval,
    auroc,
    delong_test,
    unpaired_delong_test,
)
from polarnet.evaluation.samplesize import auroc_half_width, development_sample_size
from polarnet.evaluation.subgroups import evaluate_subgroups, tertiles
from polarnet.evaluation.table import evaluate, is_reportable, read_scores, size_note
from polarnet.evaluation.thresholds import (
    choose_thresholds,
    classify,
    predictive_intervals,
    predictive_values,
)

__all__ = [
    "BASELINES",
    "DEFAULT_PROXIES",
    "OF_THE_MAP",
    "PUBLISHED",
    "QUICK",
    "Association",
    "Calibration",
    "DeLongResult",
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
    "development_sample_size",
    "evaluate",
    "evaluate_subgroups",
    "fit_recalibration",
    "is_circular",
    "is_reportable",
    "mean_auroc_difference",
    "measure_calibration",
    "net_benefit",
    "predictive_intervals",
    "predictive_values",
    "read_scores",
    "ridge_scores",
    "seeds_and_patients_auroc",
    "size_note",
    "smooth_calibration",
    "tertiles",
    "tuned_ridge",
    "unpaired_delong_test",
]
