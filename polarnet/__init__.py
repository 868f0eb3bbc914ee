"""Multi-task VGG16 on PET myocardial perfusion polar maps. Research use only."""

from typing import Any, Final

import lazy_loader

__version__ = "0.1.0"

# Public names stand in __init__.pyi and load on first use: TensorFlow alone takes several seconds.
_load, _, _names = lazy_loader.attach_stub(__name__, __file__)

__all__ = ["__version__", *_names]

_MOVED: Final[dict[str, str]] = {
    "BASELINES": "pn.evaluation.BASELINES",
    "Box": "pn.plotting.Box",
    "Bundle": "pn.bundle.Bundle",
    "Familiarity": "pn.ood.MapDistribution",
    "Interval": "pn.evaluation.Interval",
    "MAP_TYPES": "polarnet.traits.MAP_TYPES",
    "OF_THE_MAP": "pn.evaluation.OF_THE_MAP",
    "QUICK": "pn.evaluation.QUICK",
    "Recalibration": "pn.evaluation.Recalibration",
    "Run": "pn.network.Run",
    "Study": "polarnet.cohort.Study",
    "adjust_p_values": "pn.evaluation.adjust_p_values",
    "adjusted_association": "pn.evaluation.adjusted_association",
    "auroc_half_width": "pn.evaluation.auroc_half_width",
    "average_seeds": "pn.explain.average_seeds",
    "baseline_scores": "pn.evaluation.baseline_scores",
    "bootstrap_auroc": "pn.evaluation.bootstrap_auroc",
    "build_model": "pn.network.build_model",
    "cascade": "polarnet.explain.randomisation.cascade",
    "check_faithful": "polarnet.explain.checks.check_faithful",
    "check_not_edge": "polarnet.explain.checks.check_not_edge",
    "check_not_input": "polarnet.explain.checks.check_not_input",
    "check_permuted": "polarnet.explain.checks.check_permuted",
    "check_randomised": "polarnet.explain.checks.check_randomised",
    "check_repeatable": "polarnet.explain.checks.check_repeatable",
    "choose_thresholds": "pn.evaluation.choose_thresholds",
    "classify": "pn.evaluation.classify",
    "clinical_features": "pn.evaluation.clinical_features",
    "cluster_bootstrap_auroc": "pn.evaluation.cluster_bootstrap_auroc",
    "compare": "pn.evaluation.compare",
    "compare_groups": "pn.explain.compare_groups",
    "cross_validated_auroc": "pn.evaluation.cross_validated_auroc",
    "evaluate_subgroups": "pn.evaluation.evaluate_subgroups",
    "explain_run": "polarnet.explanation.explain_run",
    "fit_familiarity": "pn.ood.fit_distribution",
    "fit_recalibration": "pn.evaluation.fit_recalibration",
    "fold_by_patient": "pn.Cohort.folds",
    "interval_text": "pn.report.interval_text",
    "is_circular": "pn.evaluation.is_circular",
    "load_bundle": "pn.bundle.load_bundle",
    "load_config": "pn.ExperimentConfig.load",
    "mean_auroc_difference": "pn.evaluation.mean_auroc_difference",
    "measure_calibration": "pn.evaluation.measure_calibration",
    "net_benefit": "pn.evaluation.net_benefit",
    "plot_calibration": "pn.plotting.plot_calibration",
    "plot_cascade": "pn.plotting.plot_cascade",
    "plot_checks": "pn.plotting.plot_checks",
    "plot_difference_map": "pn.plotting.plot_difference_map",
    "plot_flow": "pn.plotting.plot_participants",
    "plot_forest": "pn.plotting.plot_forest",
    "plot_group_bullseyes": "pn.plotting.plot_group_bullseyes",
    "plot_learning_curve": "pn.plotting.plot_learning_curve",
    "plot_methods": "pn.plotting.plot_methods",
    "plot_naming": "pn.plotting.plot_naming",
    "plot_net_benefit": "pn.plotting.plot_net_benefit",
    "plot_overlays": "pn.plotting.plot_overlays",
    "plot_studies": "pn.plotting.plot_studies",
    "predictive_intervals": "pn.evaluation.predictive_intervals",
    "random_pair_level": "polarnet.explain.checks.random_pair_level",
    "removal_curve": "polarnet.explain.occlusion.removal_curve",
    "reproduction": "experiments/study",
    "run_experiment": "polarnet.grid.run_experiment",
    "save_config": "pn.ExperimentConfig.save",
    "save_figure": "pn.plotting.save_figure",
    "seeds_and_patients_auroc": "pn.evaluation.seeds_and_patients_auroc",
    "segment_attribution": "pn.explain.segment_attribution",
    "segment_means": "pn.anatomy.segment_means",
    "segment_occlusion": "pn.explain.segment_occlusion",
    "smooth_calibration": "pn.evaluation.smooth_calibration",
    "territory_shares": "pn.explain.territory_shares",
    "tertiles": "pn.evaluation.tertiles",
    "trait_name": "pn.report.trait_name",
    "unpaired_delong_test": "pn.evaluation.unpaired_delong_test",
    "wide_contribution": "pn.explain.wide_contribution",
    "write_bundle": "pn.bundle.write_bundle",
    "write_checklist": "pn.report.write_checklist",
    "write_explanation": "pn.report.write_explanation",
    "write_onnx": "polarnet.onnx.write_onnx",
    "write_patient_page": "pn.report.write_patient_page",
    "write_study_report": "pn.report.write_study_report",
    "write_table": "pn.report.write_table",
}
"""Names of version 0.1 at the top, and where they are since 0.2."""


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        raise AttributeError(f"polarnet.{name} of version 0.1 is now {_MOVED[name]}.")
    if name not in __all__:
        raise AttributeError(f"polarnet has no '{name}'; it has {', '.join(sorted(__all__))}.")
    return _load(name)


def __dir__() -> list[str]:
    return sorted(__all__)
