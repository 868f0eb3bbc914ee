"""Multi-task VGG16 on PET myocardial perfusion polar maps. Research use only."""

from typing import Any, Final

import lazy_loader

__version__ = "0.1.0"

# Public names stand in __init__.pyi and load on first use: TensorFlow alone takes several seconds.
_load, _, _names = lazy_loader.attach_stub(__name__, __file__)

__all__ = ["__version__", *_names]

_MOVED: Final[dict[str, str]] = {
    "MAP_TYPES": "polarnet.traits.MAP_TYPES",
    "Study": "polarnet.cohort.Study",
    "fold_by_patient": "Cohort.folds",
    "run_experiment": "polarnet.grid.run_experiment",
    "save_config": "ExperimentConfig.save",
    "segment_means": "polarnet.anatomy.segment_means",
    "BASELINES": "pn.evaluation.BASELINES",
    "OF_THE_MAP": "pn.evaluation.OF_THE_MAP",
    "QUICK": "pn.evaluation.QUICK",
    "Interval": "pn.evaluation.Interval",
    "Recalibration": "pn.evaluation.Recalibration",
    "adjust_p_values": "pn.evaluation.adjust_p_values",
    "adjusted_association": "pn.evaluation.adjusted_association",
    "auroc_half_width": "pn.evaluation.auroc_half_width",
    "baseline_scores": "pn.evaluation.baseline_scores",
    "bootstrap_auroc": "pn.evaluation.bootstrap_auroc",
    "choose_thresholds": "pn.evaluation.choose_thresholds",
    "classify": "pn.evaluation.classify",
    "clinical_features": "pn.evaluation.clinical_features",
    "cluster_bootstrap_auroc": "pn.evaluation.cluster_bootstrap_auroc",
    "compare": "pn.evaluation.compare",
    "cross_validated_auroc": "pn.evaluation.cross_validated_auroc",
    "evaluate_subgroups": "pn.evaluation.evaluate_subgroups",
    "fit_recalibration": "pn.evaluation.fit_recalibration",
    "is_circular": "pn.evaluation.is_circular",
    "mean_auroc_difference": "pn.evaluation.mean_auroc_difference",
    "measure_calibration": "pn.evaluation.measure_calibration",
    "net_benefit": "pn.evaluation.net_benefit",
    "predictive_intervals": "pn.evaluation.predictive_intervals",
    "seeds_and_patients_auroc": "pn.evaluation.seeds_and_patients_auroc",
    "smooth_calibration": "pn.evaluation.smooth_calibration",
    "tertiles": "pn.evaluation.tertiles",
    "unpaired_delong_test": "pn.evaluation.unpaired_delong_test",
    "reproduction": "experiments/study",
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
