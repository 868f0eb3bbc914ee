"""Multi-task VGG16 on PET myocardial perfusion polar maps. Research use only."""

import importlib
from typing import Any

__version__ = "0.1.0"

# Public names load on first use: TensorFlow alone takes several seconds.
_HOMES = {
    "MAP_TYPES": "traits",
    "TRAITS": "traits",
    "segment_means": "anatomy",
    "Cohort": "cohort",
    "Study": "cohort",
    "read_cohort": "cohort",
    "split_by_patient": "cohort",
    "fold_by_patient": "cohort",
    "make_phantom_cohort": "phantom",
    "read_exports": "readers",
    "ExperimentConfig": "config",
    "load_config": "config",
    "save_config": "config",
    "Familiarity": "familiarity",
    "fit_familiarity": "familiarity",
    "build_model": "network",
    "load_model": "network",
    "train": "network",
    "predict": "network",
    "Run": "network",
    "Interval": "evaluation",
    "auroc": "evaluation",
    "delong_test": "evaluation",
    "unpaired_delong_test": "evaluation",
    "evaluate": "evaluation",
    "adjust_p_values": "evaluation",
    "bootstrap_auroc": "evaluation",
    "cluster_bootstrap_auroc": "evaluation",
    "seeds_and_patients_auroc": "evaluation",
    "mean_auroc_difference": "evaluation",
    "cross_validated_auroc": "evaluation",
    "measure_calibration": "evaluation",
    "smooth_calibration": "evaluation",
    "fit_recalibration": "evaluation",
    "Recalibration": "evaluation",
    "choose_thresholds": "evaluation",
    "classify": "evaluation",
    "predictive_intervals": "evaluation",
    "net_benefit": "evaluation",
    "evaluate_subgroups": "evaluation",
    "tertiles": "evaluation",
    "adjusted_association": "evaluation",
    "development_sample_size": "evaluation",
    "auroc_half_width": "evaluation",
    "BASELINES": "evaluation",
    "baseline_scores": "evaluation",
    "compare": "evaluation",
    "is_circular": "evaluation",
    "clinical_features": "evaluation",
    "attribution": "explain.attribution",
    "segment_attribution": "explain",
    "territory_shares": "explain",
    "average_seeds": "explain",
    "compare_groups": "explain",
    "random_pair_level": "explain",
    "check_randomised": "explain",
    "check_permuted": "explain",
    "check_repeatable": "explain",
    "check_not_input": "explain",
    "check_not_edge": "explain",
    "check_faithful": "explain",
    "segment_occlusion": "explain.occlusion",
    "removal_curve": "explain.occlusion",
    "cascade": "explain.randomisation",
    "name_vessel": "explain.pointing",
    "diseased_vessels": "explain.pointing",
    "compare_naming": "explain.pointing",
    "explain_run": "explanation",
    # By file: a picture of a map needs no statistics.
    "plot_polar_map": "report.maps",
    "plot_bullseye": "report.maps",
    "plot_roc": "report.curves",
    "plot_net_benefit": "report.curves",
    "plot_learning_curve": "report.curves",
    "plot_calibration": "report.calibration",
    "plot_forest": "report.forest",
    "Box": "report.flow",
    "plot_flow": "report.flow",
    "plot_studies": "report.failures",
    "plot_group_bullseyes": "report.explanation",
    "plot_difference_map": "report.explanation",
    "plot_overlays": "report.overlays",
    "plot_methods": "report.overlays",
    "plot_checks": "report.explanationchecks",
    "plot_cascade": "report.explanationchecks",
    "plot_naming": "report.explanationchecks",
    "write_explanation": "report.explanationpage",
    "interval_text": "report.tables",
    "trait_name": "report.tables",
    "write_table": "report.tables",
    "save_figure": "report.tables",
    "write_checklist": "report.checklist",
    "write_report": "report.page",
    "write_study_report": "report.studyreport",
    "run_experiment": "experiment",
    "write_patient_page": "onepatient",
    "Bundle": "writers",
    "load_bundle": "writers",
    "write_bundle": "writers",
    "write_onnx": "writers",
}
_MODULES = ("anatomy", "reproduction")

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"polarnet.{name}")
    if name not in _HOMES:
        raise AttributeError(f"polarnet has no '{name}'; it has {', '.join(sorted(__all__))}.")
    value = getattr(importlib.import_module(f"polarnet.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
