"""Every baseline of every map beside the frozen network: AUROC, log-loss and paired difference.

`difference` is the AUROC of the network (ensemble over the seeds of the plan) minus the baseline's.
`is_comparator` marks, for each map and trait, the baseline with the lowest validation log-loss
among those that see the map alone: the bar that the network has to clear.
"""

from pathlib import Path
from typing import Final

import pandas as pd

import polarnet as pn
from holdout import Cell, cells_of, freeze, score_hold_out, train_and_freeze
from networks import (
    Model,
    frozen_models,
    model_scores,
    scores_pair,
    scratch_models,
    train_models,
)
from plan import Plan
from polarnet.files import read_json, write_json
from project import Project, read_scores, run_script, write_scores

FEATURES: Final = "frozen features + ridge"
SCRATCH: Final = "small network"
FITTED: Final = (*pn.evaluation.BASELINES, FEATURES)

COLUMNS = ["map_type", "trait", "model", "sees", "n_pos", "n_neg", "auroc", "ci_low", "ci_high",
           "val_log_loss", "is_comparator", "difference", "difference_low", "difference_high",
           "difference_p", "is_circular", "method", "note"]  # fmt: skip


# === Fitted on the training studies, kept as files of scores ====================================


def freeze_baselines(project: Project) -> None:
    """Fit what is missing on the training studies, score the validation studies, and freeze."""
    small = scratch_models(project.plan)
    train_models(project, small)
    found: dict[str, pd.DataFrame] = {}
    for map_type in project.plan.map_types:
        _score_missing(project, map_type, "val", project.val)
        of_map = load_baselines(project, map_type, "val")
        found |= {f"{map_type}: {name}": scores for name, scores in of_map.items()}
    freeze(project, small, found)


def score_baselines(project: Project, by: str) -> None:
    """Fit again, with what was chosen before and so to the same models; score the test studies."""
    test = score_hold_out(project, scratch_models(project.plan), by)
    for map_type in project.plan.map_types:
        _score_missing(project, map_type, "test", test)


def load_baselines(project: Project, map_type: str, part: str) -> dict[str, pd.DataFrame]:
    """Baseline -> scores of the validation ("val") or test ("test") studies."""
    paths = {name: _path(project, map_type, name, part) for name in FITTED}
    scores = {name: read_scores(path) for name, path in paths.items() if path.is_file()}
    small = next(m for m in scratch_models(project.plan) if m.map_type == map_type)
    return scores | {SCRATCH: model_scores(project, small, part)}


def baseline_cells(project: Project, test: pn.Cohort, map_type: str, name: str) -> dict[str, Cell]:
    """Trait -> what a baseline says of it in the hold-out."""
    scores = load_baselines(project, map_type, "test")[name]
    return cells_of(project, test, map_type, f"{map_type}: {name}", scores)


def fit_scores(
    train: pn.Cohort, cohort: pn.Cohort, kept: Path, **settings: object
) -> dict[str, pd.DataFrame]:
    """Scores of a cohort by baselines; what they choose is tuned once, and kept in a file."""
    chosen = read_json(kept) if kept.is_file() else {}
    fitted = pn.evaluation.baseline_scores(train, [cohort], chosen=chosen, **settings)
    tables = {name: scores for name, (scores,) in fitted.items()}
    write_json(kept, {name: scores.attrs["chosen"] for name, scores in tables.items()})
    return tables


def _score_missing(project: Project, map_type: str, part: str, cohort: pn.Cohort) -> None:
    """Write the scores of a part, unless they are there; those of the features come last."""
    if _path(project, map_type, FEATURES, part).is_file():
        return
    plan, kept = project.plan, project.folder / "baselines" / map_type / "chosen.json"
    config = plan.network("frozen", map_type, seed=plan.seeds[0])
    of_trunk = [pn.network.kept_features(config, part, project.cache)[:]
                for part in (project.train, cohort)]  # fmt: skip
    tables = fit_scores(
        project.train, cohort, kept, map_type=map_type, traits=plan.traits, seed=plan.seeds[0],
        models=pn.evaluation.BASELINES, proxies=plan.all_proxies, features={FEATURES: of_trunk},
    )  # fmt: skip
    for name, scores in tables.items():
        write_scores(scores, _path(project, map_type, name, part))


def _path(project: Project, map_type: str, name: str, part: str) -> Path:
    slug = name.replace(" + ", "_and_").replace(" ", "_")
    return project.folder / "baselines" / map_type / f"{slug}_{part}.csv"


# === The table ==================================================================================


def develop(project: Project) -> None:
    train_and_freeze(project, frozen_models(project.plan))
    freeze_baselines(project)


def report(project: Project) -> None:
    models = frozen_models(project.plan)
    test = score_hold_out(project, models, by="baselines")
    score_baselines(project, by="baselines")
    project.write(
        pd.concat([map_table(project, model, test) for model in models], ignore_index=True),
        "baselines", "Baselines beside the network",
        "AUROC [95 % interval: logit DeLong, t quantile]; difference: network minus "
        "baseline, paired DeLong, 95 %, p unadjusted. val_log_loss in nats.",
        "Comparator: lowest validation log-loss among baselines that see the same map "
        f"alone ({', '.join(pn.evaluation.OF_THE_MAP)}).",
        "Clinical models see other information than the map. A trait's own proxies never "
        f"predict it; left out in this cohort: {proxies_text(project)}.",
        "What a model leaves open was chosen inside the training studies alone (5 folds by "
        "patient); the validation studies chose the epoch of the small network.",
        "Circular: the label is defined from the map shown.",
    )  # fmt: skip


def map_table(project: Project, model: Model, test: pn.Cohort) -> pd.DataFrame:
    """One row per trait and model, the network first."""
    of_val, of_test = (load_baselines(project, model.map_type, part) for part in ("val", "test"))
    scores = {"network": scores_pair(project, model)}
    scores |= {name: (of_val[name], of_test[name]) for name in (*FITTED, SCRATCH) if name in of_val}
    table = pn.evaluation.compare_with_baselines(
        scores, project.val, test, model.map_type, candidates=pn.evaluation.OF_THE_MAP
    )
    is_clinical = table["model"].str.startswith("clinical")
    has_both = table["model"].str.contains("segments") & is_clinical
    table["sees"] = "map"
    table.loc[is_clinical, "sees"] = "clinical columns"
    table.loc[has_both, "sees"] = "map and clinical columns"
    return table[COLUMNS]


def proxies_text(project: Project) -> str:
    """Trait and the clinical columns of this cohort that are kept from predicting it."""
    left_out = proxies_of(project.train, project.plan)
    return "; ".join(f"{trait}: {', '.join(names)}" for trait, names in left_out.items()) or "none"


def proxies_of(cohort: pn.Cohort, plan: Plan) -> dict[str, list[str]]:
    """Trait -> clinical columns that would be used but for its proxies."""
    found = {}
    for trait in plan.traits:
        without, kept = (
            set(pn.evaluation.clinical_features(cohort, trait, proxies).columns)
            for proxies in ({}, plan.all_proxies)
        )
        if left_out := sorted(without - kept):
            found[trait] = left_out
    return found


if __name__ == "__main__":
    run_script(__doc__, develop, report)
