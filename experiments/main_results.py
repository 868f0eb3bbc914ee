"""Main results: map x trait x frozen or fine-tuned, with the paper's cells; forest plot and ROC.

    python experiments/main_results.py COHORT --out study

Each row is an ensemble over the seeds of the plan. `difference` is its AUROC minus that of the
baseline of the same map with the lowest validation log-loss (paired DeLong, unadjusted). A label
that is derived from the flow shown is circular and counts in no test. The primaries of the plan,
each a map type, mode and trait, are one family, all other cells of both modes another.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

import polarnet as pn

rp = pn.reproduction

LOOKS = {"frozen": "frozen", "finetuned": "fine-tuned"}


def develop(study: rp.Reproduction) -> None:
    models = rp.main_models(study.plan)
    rp.train_models(study, models)
    rp.freeze(study, models)
    rp.freeze_baselines(study)


def report(study: rp.Reproduction) -> None:
    rp.score_hold_out(study, rp.main_models(study.plan), by="main_results")
    rp.score_baselines(study, by="main_results")
    test = rp.read_hold_out(study, by="main_results", what_for="labels, for the main results")
    table = main_table(study, test)
    notes = [
        *study.notes,
        "AUROC [95 % interval: logit DeLong, t quantile]; p: Mann-Whitney against 0.5.",
        "p_adjusted: Holm among the primaries of the plan, Benjamini-Hochberg over the rest; "
        "circular cells in neither.",
        f"Mean probability of {len(study.plan.seeds)} networks; seed_mean and seed_sd are of "
        "single ones; two_way: interval over seeds and patients.",
        "comparator: baseline of the same map with the lowest validation log-loss; difference: "
        "paired DeLong, 95 %, unadjusted.",
        "published: all cells that the abstract of Yeung et al. 2022 gives.",
    ]
    pn.write_table(table, study.result("main_results"), title="Main results", notes=notes)
    pn.write_table(
        table[["map_type", "trait", "series", "auroc", "seed_mean", "seed_sd", "two_way_low",
               "two_way_high"]],
        study.result("seeds"), title="What the seed does", notes=notes[:1] + notes[3:4],
    )  # fmt: skip
    draw_forest(study, table)
    draw_roc(study, test)
    print(table[["map_type", "trait", "series", "n_pos", "n_neg", "auroc", "ci_low", "ci_high",
                 "difference", "comparator"]].to_string(index=False, float_format="{:.3f}".format,
                                                       na_rep=""))  # fmt: skip


def main_table(study: rp.Reproduction, test: pn.Cohort) -> pd.DataFrame:
    """One row a cell and mode."""
    tables = []
    for model in rp.main_models(study.plan):
        scores = {name: (of_val, rp.load_baselines(study, model.map_type, "test")[name])
                  for name, of_val in rp.load_baselines(study, model.map_type, "val").items()
                  if name in pn.OF_THE_MAP}  # fmt: skip
        own = (rp.val_scores(study, model), rp.hold_out_scores(study, model))
        compared = pn.compare({"network": own} | scores, study.val, test, model.map_type)
        of_network = compared[compared["model"] == "network"].set_index("trait")
        of_bar = compared[compared["is_comparator"]].set_index("trait")
        for name in ("difference", "difference_low", "difference_high", "difference_p"):
            of_network[name] = of_bar[name]
        of_network["comparator"] = of_bar["model"]
        of_network["comparator_auroc"] = of_bar["auroc"]
        tables.append(
            of_network.drop(columns=["model", "is_comparator", "p_adjusted"])
            .join(seed_table(study, model, test))
            .reset_index()
            .assign(series=LOOKS[model.arms[0].config.mode])
        )
    whole = pd.concat(tables, ignore_index=True)
    whole["published"] = [
        "{:.2f} [{:.2f}, {:.2f}]".format(*rp.PUBLISHED[cell]) if cell in rp.PUBLISHED else ""
        for cell in zip(whole["map_type"], whole["trait"], strict=True)
    ]
    return adjusted(whole, study.plan.primaries)


def seed_table(study: rp.Reproduction, model: rp.Model, test: pn.Cohort) -> pd.DataFrame:
    """Trait -> mean and SD over single networks, and the interval over seeds and patients."""
    single = [rp.single_scores(study, arm) for arm in model.arms]
    areas = pd.DataFrame(
        [pn.evaluate(scores, test.traits, test.patients).set_index("trait")["auroc"]
         for scores in single]
    )  # fmt: skip
    table = pd.DataFrame({"seed_mean": areas.mean(), "seed_sd": areas.std()})
    for trait in table.index[table["seed_mean"].notna()]:
        labels = rp.first_labels(test, trait)
        if len(single) > 1:
            two_way = pn.seeds_and_patients_auroc(
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
    whole = pn.adjust_p_values(tested, named)
    return table.join(whole[["p_adjusted", "family"]])


def draw_forest(study: rp.Reproduction, table: pd.DataFrame) -> None:
    maps = list(study.plan.map_types)
    halves = [maps[: len(maps) // 2 or 1], maps[len(maps) // 2 or 1 :]]
    figure = Figure(figsize=(7.2, 6.5), layout="constrained")
    n_columns = len([half for half in halves if half])
    axes = figure.subplots(1, n_columns, sharex=True, squeeze=False)[0]
    lowest = 1.0
    for ax, half in zip(axes, halves, strict=False):
        shown = table[table["map_type"].isin(half)]
        pn.plot_forest(shown, ax, published={k: v for k, v in rp.PUBLISHED.items() if k[0] in half})
        lowest = min(lowest, ax.get_xlim()[0])
    axes[0].set_xlim(left=lowest)  # one scale for all columns
    rp.label_figure(figure, study)
    pn.save_figure(figure, study.result("main_forest"))


def draw_roc(study: rp.Reproduction, test: pn.Cohort) -> None:
    models = [m for m in rp.main_models(study.plan) if m.arms[0].config.mode == "frozen"]
    figure = Figure(figsize=(7.2, 3.6 * ((len(models) + 1) // 2)), layout="constrained")
    axes = figure.subplots((len(models) + 1) // 2, 2, squeeze=False).ravel()
    for ax, model in zip(axes, models, strict=False):
        scores = rp.hold_out_scores(study, model)
        for trait in scores:
            labels = rp.first_labels(test, trait)
            if min((labels == 1).sum(), (labels == 0).sum()) >= 10:
                pn.plot_roc(labels, scores.loc[labels.index, trait], ax, name=pn.trait_name(trait))
        ax.set_title(f"{model.map_type}, frozen", fontsize=9)
    for ax in axes[len(models) :]:
        ax.axis("off")
    rp.label_figure(figure, study)
    pn.save_figure(figure, study.result("roc"))


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
