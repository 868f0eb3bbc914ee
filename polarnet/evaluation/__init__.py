"""Statistics on scores and labels; runs without TensorFlow."""

from polarnet.clinical import DEFAULT_PROXIES as DEFAULT_PROXIES
from polarnet.evaluation.baselines import BASELINES as BASELINES
from polarnet.evaluation.baselines import OF_THE_MAP as OF_THE_MAP
from polarnet.evaluation.baselines import QUICK as QUICK
from polarnet.evaluation.baselines import baseline_scores as baseline_scores
from polarnet.evaluation.baselines import clinical_features as clinical_features
from polarnet.evaluation.calibration import Recalibration as Recalibration
from polarnet.evaluation.calibration import fit_recalibration as fit_recalibration
from polarnet.evaluation.calibration import measure_calibration as measure_calibration
from polarnet.evaluation.calibration import smooth_calibration as smooth_calibration
from polarnet.evaluation.comparison import PUBLISHED as PUBLISHED
from polarnet.evaluation.comparison import adjust_p_values as adjust_p_values
from polarnet.evaluation.comparison import compare_runs as compare_runs
from polarnet.evaluation.comparison import compare_with_baselines as compare_with_baselines
from polarnet.evaluation.comparison import is_circular as is_circular
from polarnet.evaluation.comparison import results_of_run as results_of_run
from polarnet.evaluation.crossvalidated import chance_p_value as chance_p_value
from polarnet.evaluation.crossvalidated import repeated_auroc as repeated_auroc
from polarnet.evaluation.crossvalidated import (
    repeated_auroc_difference as repeated_auroc_difference,
)
from polarnet.evaluation.resampling import bootstrap_auroc as bootstrap_auroc
from polarnet.evaluation.resampling import cluster_bootstrap_auroc as cluster_bootstrap_auroc
from polarnet.evaluation.resampling import mean_auroc_difference as mean_auroc_difference
from polarnet.evaluation.resampling import seeds_and_patients_auroc as seeds_and_patients_auroc
from polarnet.evaluation.roc import Interval as Interval
from polarnet.evaluation.roc import auroc as auroc
from polarnet.evaluation.roc import auroc_half_width as auroc_half_width
from polarnet.evaluation.roc import cross_validated_auroc as cross_validated_auroc
from polarnet.evaluation.roc import delong_test as delong_test
from polarnet.evaluation.roc import unpaired_delong_test as unpaired_delong_test
from polarnet.evaluation.subgroups import adjusted_association as adjusted_association
from polarnet.evaluation.subgroups import evaluate_subgroups as evaluate_subgroups
from polarnet.evaluation.subgroups import tertiles as tertiles
from polarnet.evaluation.table import evaluate as evaluate
from polarnet.evaluation.table import is_reportable as is_reportable
from polarnet.evaluation.table import read_scores as read_scores
from polarnet.evaluation.table import size_note as size_note
from polarnet.evaluation.thresholds import choose_thresholds as choose_thresholds
from polarnet.evaluation.thresholds import classify as classify
from polarnet.evaluation.thresholds import net_benefit as net_benefit
from polarnet.evaluation.thresholds import predictive_intervals as predictive_intervals
