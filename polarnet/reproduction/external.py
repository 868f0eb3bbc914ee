"""Another site: the networks as they were frozen score its studies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.cohort import Cohort, read_cohort
from polarnet.evaluation.table import read_scores
from polarnet.ids import listing
from polarnet.phantom import make_phantom_cohort
from polarnet.reproduction.arms import Arm, Model, all_arms
from polarnet.reproduction.holdout import frozen_decisions
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.training import score_run
from polarnet.rundata import DATA_FILE, data_facts, keep_data, pixel_digests

SCORES: Final = "external_scores"

PHANTOM_SITE: Final = {"n_patients": 600, "seed": 991, "scale": 1.2, "tracer": "Rb-82"}
"""A second site of the phantom: other patients, a fifth more flow, another tracer (our choice)."""


def open_external(study: Reproduction) -> Cohort | None:
    """The cohort of the other site; None where the plan names none.

    A study of a phantom that names none gets a second phantom, made once in external/.

    Raises
    ------
    ValueError: a patient of the study has the same name as one of the other site.
    """
    folder = study.plan.external
    if folder is None and not study.cohort.is_phantom:
        return None
    path = study.folder / "external" if folder is None else Path(folder)
    if folder is None and not path.is_dir():
        make_phantom_cohort(**PHANTOM_SITE, size=study.cohort.size, out=path)  # type: ignore[arg-type]
    external = read_cohort(path)
    if shared := sorted(set(external.patients) & set(study.cohort.patients)):
        raise ValueError(
            f"Patients of the study are in {path} too: {listing(shared)}. Take them out, or, if "
            "they are other people, give them other names."
        )
    return external


def score_external(study: Reproduction, models: Iterable[Model], external: Cohort) -> None:
    """Score the other site's studies with every frozen network that has not scored them yet.

    Raises
    ------
    KeyError: a model was not frozen.
    ValueError: the unit, the size or the maps are not those of the training.
    """
    models = list(models)
    for model in models:
        frozen_decisions(study, model.name)
    _same_data(study, external)
    missing = [arm for arm in all_arms(models) if not _path(study, arm).is_file()]
    if not missing:
        return

    for arm in missing:
        score_run(study.run_folder(arm.name), external, study.cache, _path(study, arm))


def external_scores(study: Reproduction, model: Model) -> pd.DataFrame:
    """Mean probability over the model's networks, studies of the other site."""
    parts = [read_scores(_path(study, arm)) for arm in model.arms]
    return sum(parts[1:], start=parts[0]) / len(parts)


def _same_data(study: Reproduction, external: Cohort) -> None:
    """Note which maps are scored, or see that they still are the same; labels may be corrected."""
    pixels = pixel_digests(external, [m for m in study.pixels if m in external.maps])
    advice = "Delete that folder to score the other site again."
    folder = study.folder / SCORES
    if not (folder / DATA_FILE).is_file() and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} does not say which maps were scored. {advice}")
    keep_data(folder, data_facts(external, pixels, []), may_grow=False, advice=advice)


def _path(study: Reproduction, arm: Arm) -> Path:
    return study.folder / SCORES / f"{arm.name}.csv"
