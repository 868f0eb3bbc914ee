"""Multi-task VGG16 on PET myocardial perfusion polar maps. Research use only."""

from typing import Any, Final

import lazy_loader

__version__ = "0.2.0"

# Public names stand in __init__.pyi and load on first use: TensorFlow alone takes several seconds.
_load, _, _names = lazy_loader.attach_stub(__name__, __file__)

__all__ = ["__version__", *_names]

_ROOMS: Final = {
    "pn.anatomy": "segment_means",
    "pn.bundle": "Bundle load_bundle write_bundle",
    "pn.evaluation": """
        BASELINES Interval OF_THE_MAP QUICK Recalibration adjust_p_values
        adjusted_association auroc_half_width baseline_scores bootstrap_auroc
        choose_thresholds classify clinical_features cluster_bootstrap_auroc
        cross_validated_auroc evaluate_subgroups fit_recalibration is_circular
        mean_auroc_difference measure_calibration net_benefit predictive_intervals
        seeds_and_patients_auroc smooth_calibration tertiles unpaired_delong_test
    """,
    "pn.explain": """
        average_seeds compare_groups segment_attribution segment_occlusion territory_shares
        wide_contribution
    """,
    "pn.network": "Run build_model",
    "pn.plotting": """
        Box plot_calibration plot_cascade plot_difference_map plot_forest
        plot_group_bullseyes plot_learning_curve plot_net_benefit plot_overlays
        plot_studies save_figure
    """,
    "pn.report": """
        interval_text trait_name write_checklist write_explanation write_patient_page
        write_study_report write_table
    """,
    "polarnet.cohort": "Study",
    "polarnet.explain.checks": """
        check_faithful check_not_edge check_not_input check_permuted check_randomised
        check_repeatable random_pair_level
    """,
    "polarnet.explain.occlusion": "removal_curve",
    "polarnet.explain.attribution": "cascade",
    "polarnet.explanation": "explain_run",
    "polarnet.grid": "run_experiment",
    "polarnet.onnx": "write_onnx",
    "polarnet.traits": "MAP_TYPES",
}
"""Where names of version 0.1 at the top are since 0.2."""

_MOVED: Final[dict[str, str]] = {
    "Familiarity": "pn.ood.MapDistribution",
    "fit_familiarity": "pn.ood.fit_distribution",
    "fold_by_patient": "pn.Cohort.folds",
    "load_config": "pn.ExperimentConfig.load",
    "plot_flow": "pn.plotting.plot_participants",
    "reproduction": "experiments/study",
    "compare": "pn.evaluation.compare_with_baselines",
    "save_config": "pn.ExperimentConfig.save",
}
_MOVED.update((name, f"{room}.{name}") for room, names in _ROOMS.items() for name in names.split())


def __getattr__(name: str) -> Any:
    if name in _MOVED:
        raise AttributeError(f"polarnet.{name} of version 0.1 is now {_MOVED[name]}.")
    if name not in __all__:
        raise AttributeError(f"polarnet has no '{name}'; it has {', '.join(sorted(__all__))}.")
    return _load(name)


def __dir__() -> list[str]:
    return sorted(__all__)
