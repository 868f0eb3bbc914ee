"""Checks of cohorts before training and prediction; they run without TensorFlow."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from polarnet.clinical import check_predictors, clinical_values
from polarnet.cohort import PHANTOM, RECOVERED, STATED, Cohort, as_labels, cells_told
from polarnet.config import ExperimentConfig
from polarnet.ids import listing
from polarnet.traits import COMBINED, MAP_TYPES

RESERVED: Final = (
    *MAP_TYPES, COMBINED, "study_id", "patient_id", "split", "warning", "part",
    "studies", "patients",
    "brightest", "window", "clipped", "enlarged", "channels", "levels", "colours", "image",
    "trunk_cells", "trunk_channels", "trunk_segments", "deep", "deep_standardised",
    "map_cells", "map_channels", "map_segments", "map_segments_last", "map_negative", "segments",
    "highest_negative", "lowest_segment", "highest_segment", "mean_segment",
    "wide", "wide_standardised", "clinical", "clinical_given", "clinical_standardised",
    "clinical_encoded",
)  # fmt: skip
"""Names that inputs, columns and layers have already."""

_OF_LAYERS: Final = re.compile(
    r"block\d_(conv\d|pool)|small_(scaled|conv\d|pool\d)"
    r"|divide_no_nan.*|(isnan|where|cast)(_\d+)?"
    r"|(share_of_trunk|groups_of|weight_of_clinical|all_of)_.*"
)
"""Further names of layers."""


def check_trait_names(traits: Sequence[str]) -> None:
    """Raise ValueError where a trait has a name that something else has; says which."""
    if odd := [t for t in traits if t in RESERVED or _OF_LAYERS.fullmatch(t) or "/" in t]:
        raise ValueError(f"{listing(odd)} cannot name a trait; rename the column.")


def check_training(
    train: Cohort, val: Cohort, config: ExperimentConfig, test: Cohort | None = None
) -> None:
    """Raise ValueError where these cohorts cannot be trained on, or tested, with these settings.

    A trait is not there, not recorded in validation or of one class only; a map type or clinical
    column is missing, or leaks a label; cohorts share a patient or differ in unit or
    size, or one of them is no longer sound.
    """
    parts = {"training": train, "validation": val} | ({} if test is None else {"test": test})
    part_of: dict[str, str] = {}
    for name, cohort in parts.items():
        check_prediction(replace(config, unit=train.unit, map_size=train.size), cohort)
        if unknown := [trait for trait in config.traits if trait not in cohort.traits]:
            hint = "".join(_beside(trait, cohort) for trait in unknown)
            where = "this cohort" if name != "test" else "the test cohort"
            raise ValueError(
                f"No trait {listing(unknown)} in {where}; it has "
                f"{listing(cohort.traits.columns) or 'none'}.{hint} Name yours by --traits."
            )
        patients = set(cohort.patients)
        if shared := sorted(patients & part_of.keys()):
            where = listing(dict.fromkeys(part_of[patient] for patient in shared))
            raise ValueError(f"Patients in {where} and in {name}: {listing(shared)}.")
        part_of |= dict.fromkeys(patients, name)
    check_trait_names(config.traits)
    for trait in config.traits:
        recorded = train.traits[trait].dropna()
        if recorded.nunique() < 2:
            what = f"coded {recorded.iloc[0]:.0f}" if len(recorded) else "not recorded"
            raise ValueError(
                f"Training needs both classes of {trait}, but all {len(train)} training studies "
                f"are {what}. Drop the trait, or add studies."
            )
    check_predictors(train, config.clinical, config.traits)
    if unseen := [t for t in config.traits if val.traits[t].isna().all()]:
        raise ValueError(
            f"No validation study has {listing(unseen)} recorded, so nothing tells when to stop. "
            "Enlarge the validation split or drop the trait."
        )


def _beside(trait: str, cohort: Cohort) -> str:
    """Why a clinical column of that name is no trait; nothing if there is none."""
    if trait not in cohort.clinical:
        return ""
    cells = cohort.clinical[trait]
    if len(odd := cells[np.isinf(as_labels(cells))]):
        return f" Column {trait} has other cells than 0, 1 and empty: {cells_told(odd)}."
    return f" Column {trait} holds 0 and 1: cohort.with_traits(['{trait}']) makes it a trait."


def check_prediction(config: ExperimentConfig, cohort: Cohort) -> None:
    """Raise where the numbers of a cohort mean something else than those of training.

    ValueError: another unit, map size or map type, a clinical column is missing or holds something
    else than finite numbers, the configuration was never resolved, or it is no cohort or one that
    is no longer sound.
    """
    if not isinstance(cohort, Cohort):
        raise ValueError(
            f"A Cohort is needed, but a {type(cohort).__name__} was given. For one study, choose "
            "it from its cohort: cohort.select([0]). Maps in arrays become one by pn.Cohort(...)."
        )
    cohort.check()
    if config.unit is None or config.map_size is None:
        raise ValueError("This model was not trained yet; use train() or load_run().")
    if cohort.unit != config.unit:
        raise ValueError(
            f"The model was trained on maps in {config.unit}, this cohort is in {cohort.unit}. "
            "Import the maps in that unit, or train a model on this one."
        )
    if lacking := [map_type for map_type in config.map_types if map_type not in cohort.maps]:
        raise ValueError(
            f"The model reads {listing(lacking)} maps; this cohort has {', '.join(cohort.maps)}."
        )
    if cohort.size != config.map_size:
        raise ValueError(
            f"The model was trained on maps of {config.map_size} x {config.map_size} pixels, "
            f"these are {cohort.size} x {cohort.size}. Import them again with --size "
            f"{config.map_size}."
        )
    clinical_values(cohort, config.clinical)


def difference(config: ExperimentConfig, cohort: Cohort) -> str:
    """One line on what should make a reader of the scores careful, or nothing."""
    notes = []
    if cohort.is_recovered:
        notes.append(f"numbers {RECOVERED} of screens")
    if config.software == PHANTOM:
        notes.append("trained on a phantom, not on patients")
    for name in STATED:
        trained, here = getattr(config, name), getattr(cohort, name)
        if trained != here:
            word = name.replace("_", " ")
            notes.append(f"{word} '{here or 'not stated'}', trained on '{trained or 'not stated'}'")
    return "; ".join(notes)
