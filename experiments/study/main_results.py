"""Main results: map x trait x frozen or fine-tuned, with the paper's cells; forest plot and ROC.

Each row is an ensemble over the seeds of the plan. `difference` is its AUROC minus that of the
baseline of the same map with the lowest validation log-loss (paired DeLong, unadjusted). A label
that is derived from the flow shown is circular and counts in no test. The primaries of the plan,
each a map type, mode and trait, are one family, all other cells of both modes another.
"""

from collections.abc import Sequence

import pandas as pd

import polarnet as pn
from baselines import freeze_baselines, load_baselines, score_baselines
from holdout import first_labels, score_hold_out, train_and_freeze
from networks import (
    Model,
    frozen_models,
    main_models,
    model_scores,
    scores_pair,
    single_scores,
)
from project import Project, draw_forest, panels, run_script

LOOKS = {"frozen": "frozen", "finetuned": "fine-tuned"}


def develop(project: Project) -> None:
    train_and_freeze(project, main_models(project.plan))
    freeze_baselines(project)


def report(project: Project) -> None:
    test = score_hold_out(project, main_models(project.plan), by="main_results")
    score_baselines(project, by="main_results")
    table = main_table(project, test)
    notes = [
        "AUROC [95 % interval: logit DeLong, t quantile]; p: Mann-Whitney against 0.5.",
        "p_adjusted: Holm among the primaries of the plan, Benjamini-Hochberg over the rest; "
        "circular cells in neither.",
        f"Mean probability of {len(project.plan.seeds)} networks; seed_mean and seed_sd are of "
        "single ones; two_way: interval over seeds and patients.",
        "comparator: baseline of the same map with the lowest validation log-loss; difference: "
        "paired DeLong, 95 %, unadjusted.",
        "published: all cells that the abstract of Yeung et al. 2022 gives.",
    ]
    project.write(table, "main_results", "Main results", *notes)
    names = ["map_type", "trait", "series", "auroc", "seed_mean", "seed_sd", "two_way_low",
             "two_way_high"]  # fmt: skip
    project.write(table[names], "seeds", "What the seed does", notes[2])
    draw_forest(project, table, "main_forest", pn.evaluation.PUBLISHED)
    draw_roc(project, test)


def main_table(project: Project, test: pn.Cohort) -> pd.DataFrame:
    """One row a cell and mode."""
    tables = []
    for model in main_models(project.plan):
        scores = {name: (of_val, load_baselines(project, model.map_type, "test")[name])
                  for name, of_val in load_baselines(project, model.map_type, "val").items()
                  if name in pn.evaluation.OF_THE_MAP}  # fmt: skip
        scores["network"] = scores_pair(project, model)
        compared = pn.evaluation.compare_with_baselines(scores, project.val, test, model.map_type)
        of_network = compared[compared["model"] == "network"].set_index("trait")
        of_bar = compared[compared["is_comparator"]].set_index("trait")
        for name in ("difference", "difference_low", "difference_high", "difference_p"):
            of_network[name] = of_bar[name]
        of_network["comparator"] = of_bar["model"]
        of_network["comparator_auroc"] = of_bar["auroc"]
        tables.append(
            of_network.drop(columns=["model", "is_comparator", "p_adjusted"])
            .join(seed_table(project, model, test))
            .reset_index()
            .assign(series=LOOKS[model.config.mode])
        )
    whole = pd.concat(tables, ignore_index=True)
    published = pn.evaluation.PUBLISHED
    whole["published"] = [
        pn.report.interval_text(*published[cell]) if cell in published else ""
        for cell in zip(whole["map_type"], whole["trait"], strict=True)
    ]
    return adjusted(whole, project.plan.primaries)


def seed_table(project: Project, model: Model, test: pn.Cohort) -> pd.DataFrame:
    """Trait -> mean and SD over single networks, and the interval over seeds and patients."""
    single = single_scores(project, model)
    areas = pd.DataFrame(
        [pn.evaluate(scores, test.traits, test.patients).set_index("trait")["auroc"]
         for scores in single]
    )  # fmt: skip
    table = pd.DataFrame({"seed_mean": areas.mean(), "seed_sd": areas.std()})
    for trait in table.index[table["seed_mean"].notna()]:
        labels = first_labels(test, trait)
        if len(single) > 1:
            two_way = pn.evaluation.seeds_and_patients_auroc(
                labels, [scores.loc[labels.index, trait] for scores in single], seed=0
            )
            table.loc[trait, ["two_way_low", "two_way_high"]] = two_way.low, two_way.high
    return table.reindex(columns=["seed_mean", "seed_sd", "two_way_low", "two_way_high"])


def adjusted(table: pd.DataFrame, primaries: Sequence[Sequence[str]]) -> pd.DataFrame:
    """p-values adjusted in two families, the primaries and all others; circular ones in neither."""
    modes = {look: mode for mode, look in LOOKS.items()}
    tested = table.assign(mode=table["series"].map(modes))[~table["is_circular"]]
    there = set(zip(tested["map_type"], tested["mode"], tested["trait"], strict=True))
    named = [tuple(cell) for cell in primaries if tuple(cell) in there]
    whole = pn.evaluation.adjust_p_values(tested, named)
    return table.join(whole[["p_adjusted", "family"]])


def draw_roc(project: Project, test: pn.Cohort) -> None:
    """All traits of a map in one panel, and a figure with bands for each map."""
    models = frozen_models(project.plan)
    figure, axes = panels(len(models), columns=2, height=3.6)
    for ax, model in zip(axes, models, strict=True):
        scores = model_scores(project, model, "test")
        labels = {trait: first_labels(test, trait) for trait in scores}
        for trait, known in labels.items():
            if pn.evaluation.is_reportable(known):
                name = pn.report.trait_name(trait)
                pn.plot_roc(known, scores.loc[known.index, trait], ax, name=name)
        ax.set_title(f"{model.map_type}, frozen", fontsize=9)
        bands = pn.plotting.plot_roc_bands(labels, scores, title=f"{model.map_type} maps")
        if bands is not None:
            project.save(bands, f"roc_{model.map_type}")
    project.save(figure, "roc")


if __name__ == "__main__":
    run_script(__doc__, develop, report)
