"""The baselines of a study: fitted on its training studies, kept as files of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.cohort import Cohort
from polarnet.evaluation import BASELINES, baseline_scores, ridge_scores
from polarnet.evaluation.table import read_scores
from polarnet.files import write_csv
from polarnet.reproduction.arms import main_model, scratch_models
from polarnet.reproduction.chosen import read_chosen, write_chosen
from polarnet.reproduction.holdout import (
    freeze,
    hold_out_scores,
    read_hold_out,
    score_hold_out,
)
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.plan import Plan
from polarnet.reproduction.training import train_models, val_scores

FEATURES: Final = "frozen features + ridge"
SCRATCH: Final = "small network"
ALL: Final = (*BASELINES, FEATURES, SCRATCH)


def freeze_baselines(study: Reproduction) -> None:
    """Fit what is missing on the training studies, score the validation studies, and freeze."""
    small = scratch_models(study.plan)
    train_models(study, small)
    for map_type in study.plan.map_types:
        if not _is_there(study, map_type, "val"):
            _save(study, map_type, "val", _scores(study, map_type, study.val))
    found: dict[str, pd.DataFrame] = {}
    for map_type in study.plan.map_types:
        of_map = load_baselines(study, map_type, "val")
        found |= {f"{map_type}: {name}": scores for name, scores in of_map.items()}
    freeze(study, small, found)


def score_baselines(study: Reproduction, *, by: str) -> None:
    """Fit again, with what was chosen before and so to the same models; score the test studies."""
    score_hold_out(study, scratch_models(study.plan), by=by)
    missing = [m for m in study.plan.map_types if not _is_there(study, m, "test")]
    if not missing:
        return
    test = read_hold_out(study, by=by, what_for="maps and clinical columns, to score baselines")
    for map_type in missing:
        _save(study, map_type, "test", _scores(study, map_type, test))


def load_baselines(study: Reproduction, map_type: str, part: str) -> dict[str, pd.DataFrame]:
    """Baseline -> scores of the validation ("val") or test ("test") studies."""
    scores = {
        name: read_scores(path)
        for name in (*BASELINES, FEATURES)
        if (path := _path(study, map_type, name, part)).is_file()
    }
    model = next(m for m in scratch_models(study.plan) if m.map_type == map_type)
    scores[SCRATCH] = val_scores(study, model) if part == "val" else hold_out_scores(study, model)
    return scores


def _scores(study: Reproduction, map_type: str, cohort: Cohort) -> Mapping[str, pd.DataFrame]:
    """Scores of a cohort by every baseline that is fitted here, with kept choices if there are."""
    plan, train = study.plan, study.train
    seed, chosen = plan.seeds[0], read_chosen(_chosen_path(study, map_type))
    tables = {
        name: scores[0]
        for name, scores in baseline_scores(
            train, [cohort], map_type=map_type, traits=plan.traits, seed=seed,
            models=BASELINES, proxies=plan.all_proxies, chosen=chosen,
        ).items()
    }  # fmt: skip
    from polarnet.network.training import kept_features

    config = main_model(plan, map_type).arms[0].config
    of_train, of_cohort = (kept_features(config, c, study.cache)[:] for c in (train, cohort))
    tables[FEATURES] = ridge_scores(
        of_train, [of_cohort], train, [cohort], traits=plan.traits, seed=seed,
        chosen=chosen.get(FEATURES),
    )[0]  # fmt: skip
    write_chosen(tables, _chosen_path(study, map_type))
    return tables


def _is_there(study: Reproduction, map_type: str, part: str) -> bool:
    return _path(study, map_type, FEATURES, part).is_file()


def _save(
    study: Reproduction, map_type: str, part: str, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write each table; that of the features comes last and says that all are there."""
    for name, scores in tables.items():
        path = _path(study, map_type, name, part)
        write_csv(scores, path, index_label="study_id", float_format="%.9g")


def _path(study: Reproduction, map_type: str, name: str, part: str) -> Path:
    slug = name.replace(" + ", "_and_").replace(" ", "_")
    return study.folder / "baselines" / map_type / f"{slug}_{part}.csv"


def _chosen_path(study: Reproduction, map_type: str) -> Path:
    return study.folder / "baselines" / map_type / "chosen.json"


def available(study: Reproduction, names: Sequence[str] = ALL) -> list[str]:
    """Baselines that this cohort has: clinical ones need clinical columns."""
    some: Plan = study.plan
    have = load_baselines(study, some.map_types[0], "val")
    return [name for name in names if name in have]
