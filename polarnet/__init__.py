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
