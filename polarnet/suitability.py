"""Checks of cohorts before training and prediction; they run without TensorFlow."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from polarnet.cohort import PHANTOM, RECOVERED, STATED, Cohort, as_labels, cells_told
from polarnet.config import ExperimentConfig
from polarnet.ids import listing
from polarnet.traits import COMBINED, MAP_TYPES

RESERVED: Final = (
    *MAP_TYPES, COMBINED, "study_id", "patient_id", "split", "warning", "part",
    "brightest", "window", "clipped", "enlarged", "channels", "levels", "colours", "image",
    "trunk_cells", "trunk_channels", "trunk_segments", "deep", "deep_standardised",
    "map_cells", "map_channels", "map_segments", "map_segments_last", "map_negative", "segments",
    "highest_negative", "lowest_segment", "highest_segment", "mean_segment",
    "wide", "wide_standardised",
)  # fmt: skip
"""Names that inputs, columns and layers have already."""

_OF_LAYERS: Final = re.compile(
    r"block\d_(conv\d|pool)|small_(scaled|conv\d|pool\d)|divide_no_nan.*"
    r"|(share_of_trunk|groups_of)_.*"
)
"""Further names of layers."""


def check_trait_names(traits: Sequence[str]) -> None:
    """Raise ValueError where a trait has a name that something else has; says which."""
    if odd := [t for t in traits if t in RESERVED or _OF_LAYERS.fullmatch(t) or "/" in t]:
        raise ValueError(f"{listing(odd)} cannot name a trait; rename the column.")


def check_training(
    train: Cohort, val: Cohort, config: ExperimentConfig, test: Cohort | None = None
) -> None:
    """Raise for everything that would spoil a training, or the test that follows it.

    Raises
    ------
    ValueError: a trait is unknown or has one class in training, the map type is not there, the
        cohorts share a patient or differ in unit or size, or one of them is no longer sound.
    """
    for cohort in (train, val):
        cohort.check()
    if unknown := [t for t in config.traits if t not in train.traits or t not in val.traits]:
        hint = "".join(_beside(t, train) or _beside(t, val) for t in unknown)
        raise ValueError(
            f"No trait {listing(unknown)} in this cohort; it has "
            f"{listing(train.traits.columns) or 'none'}.{hint} Name yours by --traits."
        )
    check_trait_names(config.traits)
    for trait in config.traits:
        recorded = train.traits[trait].dropna()
        if recorded.nunique() < 2:
            what = f"coded {recorded.iloc[0]:.0f}" if len(recorded) else "not recorded"
            raise ValueError(
                f"Training needs both classes of {trait}, but all {len(train)} training studies "
                f"are {what}. Drop the trait, or add studies."
            )
    if unseen := [t for t in config.traits if val.traits[t].isna().all()]:
        raise ValueError(
            f"No validation study has {listing(unseen)} recorded, so nothing tells when to stop. "
            "Enlarge the validation split or drop the trait."
        )
    if lacking := [map_type for map_type in config.map_types if map_type not in train.maps]:
        raise ValueError(
            f"No {listing(lacking)} maps in this cohort; it has {', '.join(train.maps)} "
            f"in {train.unit}."
        )
    lacking = [map_type for map_type in config.map_types if map_type not in val.maps]
    if (train.unit, train.size) != (val.unit, val.size) or lacking:
        raise ValueError("Training and validation cohort differ in unit, map size or map type.")
    if shared := sorted(set(train.patients) & set(val.patients)):
        raise ValueError(f"Patients in training and validation: {listing(shared)}.")
    if test is None:
        return
    if shared := sorted(set(test.patients) & (set(train.patients) | set(val.patients))):
        raise ValueError(f"Patients in test and in training or validation: {listing(shared)}.")
    if lacking := [trait for trait in config.traits if trait not in test.traits]:
        raise ValueError(f"The test cohort has no trait {listing(lacking)}.")
    check_prediction(replace(config, unit=train.unit, map_size=train.size), test)


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

    Raises
    ------
    ValueError: another unit, map size or map type, the configuration was never resolved, or it is
        no cohort or one that is no longer sound.
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
            f"these are {cohort.size} x {cohort.size}. Export them in that size."
        )


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
