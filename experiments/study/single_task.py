"""Multi-task against single-task: one network for all traits, or one for each, paired.

One row a map and trait: AUROC of both (ensembles over the seeds of the plan), and the difference,
multi minus single. Then one row a map: the mean over its traits, circular ones left out.
"""

import pandas as pd

import polarnet as pn
from holdout import ends, first_labels, score_hold_out, train_and_freeze
from networks import Model, main_model, model_scores, scores_pair, single_task_models
from plan import Plan
from project import Project, run_script

COLUMNS = ["map_type", "mode", "trait", "n_pos", "n_neg", "auroc_multi", "multi_low", "multi_high",
           "auroc_single", "single_low", "single_high", "difference", "difference_low",
           "difference_high", "difference_p", "is_circular", "method", "note"]  # fmt: skip


def develop(project: Project) -> None:
    train_and_freeze(project, [*multi_models(project.plan), *single_task_models(project.plan)])


def report(project: Project) -> None:
    models = [*multi_models(project.plan), *single_task_models(project.plan)]
    test = score_hold_out(project, models, by="single_task")
    tables = []
    for multi in multi_models(project.plan):
        pairs = {"network": scores_pair(project, multi), "single": singles(project, multi)}
        cells = cells_of(project, multi, pairs, test)
        tables += [cells, mean_row(cells, pairs["network"][1], pairs["single"][1], test)]
    project.write(
        pd.concat(tables, ignore_index=True)[COLUMNS], "single_task",
        "One network for all traits, or one for each",
        "AUROC [95 % interval: logit DeLong, t quantile]; difference: multi minus single, "
        "paired DeLong, 95 %, p unadjusted.",
        "mean: over the traits of a map that have a number and are not circular; n counts "
        "patients; interval: bootstrap of patients, 2,000 resamples.",
        f"Mean probability of {len(project.plan.seeds)} networks with the same seeds on both "
        "sides. Circular: the label is defined from the map shown; it counts in no mean.",
    )  # fmt: skip


def multi_models(plan: Plan) -> list[Model]:
    """The main models beside which single-task ones are trained."""
    maps, modes = plan.single_maps, plan.side_modes
    return [main_model(plan, map_type, mode) for map_type in maps for mode in modes]


def singles(project: Project, multi: Model) -> tuple[pd.DataFrame, ...]:
    """Validation and test scores of the single-task models beside a multi-task one."""
    beside = [model for model in single_task_models(project.plan)
              if model.name.startswith(f"{multi.name}-only-")]  # fmt: skip
    return tuple(
        pd.concat([model_scores(project, model, part) for model in beside], axis=1)
        for part in ("val", "test")
    )


def cells_of(project: Project, multi: Model, pairs, test: pn.Cohort) -> pd.DataFrame:
    """One row a trait."""
    compared = pn.evaluation.compare_with_baselines(pairs, project.val, test, multi.map_type)
    of_multi = compared[compared["model"] == "network"].set_index("trait")
    rows = compared[compared["model"] == "single"].set_index("trait")
    rows = rows.rename(
        columns={"auroc": "auroc_single", "ci_low": "single_low", "ci_high": "single_high"}
    )
    rows["auroc_multi"] = of_multi["auroc"]
    rows["multi_low"], rows["multi_high"] = of_multi["ci_low"], of_multi["ci_high"]
    return rows.reset_index().assign(mode=multi.config.mode)


def mean_row(
    cells: pd.DataFrame, multi: pd.DataFrame, single: pd.DataFrame, test: pn.Cohort
) -> pd.DataFrame:
    """The mean over traits; empty where no trait counts."""
    counted = cells[cells["auroc_single"].notna() & ~cells["is_circular"]]
    if counted.empty:
        return pd.DataFrame()
    parts = []
    for trait in counted["trait"]:
        labels = first_labels(test, trait)
        part = {"label": labels, "first": multi[trait], "second": single[trait]}
        parts.append(pd.DataFrame(part).loc[labels.index])
        parts[-1].index = test.patients[labels.index]
    difference = pn.evaluation.mean_auroc_difference(parts, seed=0)
    row = counted[["auroc_multi", "auroc_single"]].mean().to_dict()
    row |= {"map_type": counted["map_type"].iloc[0], "mode": counted["mode"].iloc[0],
            "trait": "mean", "is_circular": False, "method": difference.method,
            "note": f"traits: {len(counted)}, patients: {test.patients.nunique()}"}  # fmt: skip
    return pd.DataFrame([row | ends(difference, "difference")])


if __name__ == "__main__":
    run_script(__doc__, develop, report)
