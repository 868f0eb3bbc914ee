"""The whole study: its plan, its networks and baselines, and a hold-out that is read once."""

from polarnet.reproduction.arms import (
    DEPTHS,
    ENCODINGS,
    POOLINGS,
    Arm,
    Model,
    depth_models,
    encoding_models,
    frozen_models,
    learning_models,
    main_model,
    main_models,
    scratch_models,
    side_map,
    single_maps,
    single_task_models,
    study_modes,
)
from polarnet.reproduction.bars import (
    ALL,
    freeze_baselines,
    load_baselines,
    score_baselines,
)
from polarnet.reproduction.ceiling import load_ceiling, make_ceiling
from polarnet.reproduction.cells import Cell, develop_frozen, hold_out_cells
from polarnet.reproduction.external import (
    external_scores,
    open_external,
    score_external,
)
from polarnet.reproduction.holdout import (
    comparator,
    first_labels,
    freeze,
    frozen_decisions,
    hold_out_scores,
    is_frozen,
    read_hold_out,
    score_hold_out,
    single_scores,
)
from polarnet.reproduction.mfrlabels import mfr_labels
from polarnet.reproduction.nested import nested_scores, train_nested
from polarnet.reproduction.opening import Reproduction, label_figure, open_reproduction
from polarnet.reproduction.plan import PUBLISHED, Plan, load_plan
from polarnet.reproduction.scripts import run_script
from polarnet.reproduction.shares import fit_on_shares, load_on_shares, score_on_shares
from polarnet.reproduction.training import share_of, train_arms, train_models, val_scores

__all__ = [
    "ALL",
    "DEPTHS",
    "ENCODINGS",
    "POOLINGS",
    "PUBLISHED",
    "Arm",
    "Cell",
    "Model",
    "Plan",
    "Reproduction",
    "comparator",
    "depth_models",
    "develop_frozen",
    "encoding_models",
    "external_scores",
    "first_labels",
    "fit_on_shares",
    "freeze",
    "freeze_baselines",
    "frozen_decisions",
    "frozen_models",
    "hold_out_cells",
    "hold_out_scores",
    "is_frozen",
    "label_figure",
    "learning_models",
    "load_baselines",
    "load_ceiling",
    "load_on_shares",
    "load_plan",
    "main_model",
    "main_models",
    "make_ceiling",
    "mfr_labels",
    "nested_scores",
    "open_external",
    "open_reproduction",
    "read_hold_out",
    "run_script",
    "score_baselines",
    "score_external",
    "score_hold_out",
    "score_on_shares",
    "scratch_models",
    "share_of",
    "side_map",
    "single_maps",
    "single_scores",
    "single_task_models",
    "study_modes",
    "train_arms",
    "train_models",
    "train_nested",
    "val_scores",
]
