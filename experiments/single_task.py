"""Multi-task against single-task: one network for all traits, or one for each, paired.

    python experiments/single_task.py COHORT --out study

One row a map and trait: AUROC of both (ensembles over the seeds of the plan), and the difference,
multi minus single. Then one row a map: the mean over its traits, circular ones left out.
"""

import pandas as pd

import polarnet as pn

rp = pn.reproduction

COLUMNS = ["map_type", "mode", "trait", "n_pos", "n_neg", "auroc_multi", "multi_low", "multi_high",
           "auroc_single", "single_low", "single_high", "difference", "difference_low",
           "difference_high", "difference_p", "is_circular", "method", "note"]  # fmt: skip


def develop(study: rp.Reproduction) -> None:
    models = [*multi_models(study.plan), *rp.single_task_models(study.plan)]
    rp.train_models(study, models)
    rp.freeze(study, models)


def report(study: rp.Reproduction) -> None:
    models = [*multi_models(study.plan), *rp.single_task_models(study.plan)]
    rp.score_hold_out(study, models, by="single_task")
    test = rp.read_hold_out(study, by="single_task", what_for="labels, one network or six")
    tables = []
    for multi in multi_models(study.plan):
        single = single_scores(study, multi, rp.hold_out_scores)
        cells = cells_of(study, multi, single, test)
        tables += [cells, mean_row(cells, rp.hold_out_scores(study, multi), single, test)]
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    pn.write_table(
        table, study.result("single_task"), title="One network for all traits, or one for each",
        notes=[*study.notes,
               "AUROC [95 % interval: logit DeLong, t quantile]; difference: multi minus single, "
               "paired DeLong, 95 %, p unadjusted.",
               "mean: over the traits of a map that have a number and are not circular; n counts "
               "patients; interval: bootstrap of patients, 2,000 resamples.",
               f"Mean probability of {len(study.plan.seeds)} networks with the same seeds on both "
               "sides. Circular: the label is defined from the map shown; it counts in no mean."],
    )  # fmt: skip
    print(table.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def multi_models(plan: rp.Plan) -> list[rp.Model]:
    """The main models beside which single-task ones are trained."""
    maps, modes = rp.single_maps(plan), rp.study_modes(plan)
    return [rp.main_model(plan, map_type, mode) for map_type in maps for mode in modes]


def single_scores(study: rp.Reproduction, multi: rp.Model, scores_of) -> pd.DataFrame:
    """Scores of the single-task models that stand beside a multi-task one, a column each."""
    beside = [model for model in rp.single_task_models(study.plan)
              if model.name.startswith(f"{multi.name}-only-")]  # fmt: skip
    return pd.concat([scores_of(study, model) for model in beside], axis=1)


def cells_of(
    study: rp.Reproduction, multi: rp.Model, single: pd.DataFrame, test: pn.Cohort
) -> pd.DataFrame:
    """One row a trait."""
    of_val = single_scores(study, multi, rp.val_scores)
    compared = pn.compare(
        {"network": (rp.val_scores(study, multi), rp.hold_out_scores(study, multi)),
         "single": (of_val, single)},
        study.val, test, multi.map_type,
    )  # fmt: skip
    of_multi = compared[compared["model"] == "network"].set_index("trait")
    rows = compared[compared["model"] == "single"].set_index("trait")
    rows = rows.rename(
        columns={"auroc": "auroc_single", "ci_low": "single_low", "ci_high": "single_high"}
    )
    rows["auroc_multi"] = of_multi["auroc"]
    rows["multi_low"], rows["multi_high"] = of_multi["ci_low"], of_multi["ci_high"]
    return rows.reset_index().assign(mode=multi.arms[0].config.mode)


def mean_row(
    cells: pd.DataFrame, multi: pd.DataFrame, single: pd.DataFrame, test: pn.Cohort
) -> pd.DataFrame:
    """The mean over traits; empty where no trait counts."""
    counted = cells[cells["auroc_single"].notna() & ~cells["is_circular"]]
    if counted.empty:
        return pd.DataFrame()
    parts = []
    for trait in counted["trait"]:
        labels = rp.first_labels(test, trait)
        part = {"label": labels, "first": multi[trait], "second": single[trait]}
        parts.append(pd.DataFrame(part).loc[labels.index])
        parts[-1].index = test.patients[labels.index]
    difference = pn.mean_auroc_difference(parts, seed=0)
    row = counted[["auroc_multi", "auroc_single"]].mean().to_dict()
    row |= {"map_type": counted["map_type"].iloc[0], "mode": counted["mode"].iloc[0],
            "trait": "mean", "difference": difference.value, "difference_low": difference.low,
            "difference_high": difference.high, "is_circular": False, "method": difference.method,
            "note": f"traits: {len(counted)}, patients: {test.patients.nunique()}"}  # fmt: skip
    return pd.DataFrame([row])


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
