"""Every baseline of every map beside the frozen network: AUROC, log-loss and paired difference.

    python experiments/baselines.py COHORT --out study

`difference` is the AUROC of the network (ensemble over the seeds of the plan) minus the baseline's.
`is_comparator` marks, for each map and trait, the baseline with the lowest validation log-loss
among those that see the map alone: the bar that the network has to clear.
"""

import pandas as pd

import polarnet as pn

rp = pn.reproduction

COLUMNS = ["map_type", "trait", "model", "sees", "n_pos", "n_neg", "auroc", "ci_low", "ci_high",
           "val_log_loss", "is_comparator", "difference", "difference_low", "difference_high",
           "difference_p", "is_circular", "method", "note"]  # fmt: skip


def develop(study: rp.Reproduction) -> None:
    models = networks(study.plan)
    rp.train_models(study, models)
    rp.freeze(study, models)
    rp.freeze_baselines(study)


def report(study: rp.Reproduction) -> None:
    rp.score_hold_out(study, networks(study.plan), by="baselines")
    rp.score_baselines(study, by="baselines")
    test = rp.read_hold_out(study, by="baselines", what_for="labels, for the baselines")
    table = pd.concat(
        [map_table(study, model, test) for model in networks(study.plan)], ignore_index=True
    )
    pn.write_table(
        table, study.result("baselines"), title="Baselines beside the network",
        notes=[*study.notes,
               "AUROC [95 % interval: logit DeLong, t quantile]; difference: network minus "
               "baseline, paired DeLong, 95 %, p unadjusted. val_log_loss in nats.",
               "Comparator: lowest validation log-loss among baselines that see the same map "
               f"alone ({', '.join(pn.OF_THE_MAP)}).",
               "Clinical models see other information than the map. A trait's own proxies never "
               f"predict it; left out in this cohort: {proxies_text(study)}.",
               "What a model leaves open was chosen inside the training studies alone (5 folds by "
               "patient); the validation studies chose the epoch of the small network.",
               "Circular: the label is defined from the map shown."],
    )  # fmt: skip
    shown = table[table["is_comparator"] | (table["model"] == "network")]
    print(shown.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def networks(plan: rp.Plan) -> list[rp.Model]:
    """The frozen main models."""
    return [rp.main_model(plan, map_type) for map_type in plan.map_types]


def map_table(study: rp.Reproduction, model: rp.Model, test: pn.Cohort) -> pd.DataFrame:
    """One row a trait and model, the network first."""
    of_val = rp.load_baselines(study, model.map_type, "val")
    of_test = rp.load_baselines(study, model.map_type, "test")
    scores = {"network": (rp.val_scores(study, model), rp.hold_out_scores(study, model))}
    scores |= {name: (of_val[name], of_test[name]) for name in rp.ALL if name in of_val}
    table = pn.compare(scores, study.val, test, model.map_type, candidates=pn.OF_THE_MAP)
    is_clinical = table["model"].str.startswith("clinical")
    has_both = table["model"].str.contains("segments") & is_clinical
    table["sees"] = "map"
    table.loc[is_clinical, "sees"] = "clinical columns"
    table.loc[has_both, "sees"] = "map and clinical columns"
    return table[COLUMNS]


def proxies_text(study: rp.Reproduction) -> str:
    """Trait and the clinical columns of this cohort that are kept from predicting it."""
    left_out = proxies_of(study.train, study.plan)
    return "; ".join(f"{trait}: {', '.join(names)}" for trait, names in left_out.items()) or "none"


def proxies_of(cohort: pn.Cohort, plan: rp.Plan) -> dict[str, list[str]]:
    """Trait -> clinical columns that would be used but for its proxies."""
    found = {}
    for trait in plan.traits:
        without = set(pn.clinical_features(cohort, trait, {}).columns)
        kept = set(pn.clinical_features(cohort, trait, plan.all_proxies).columns)
        if left_out := sorted(without - kept):
            found[trait] = left_out
    return found


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
