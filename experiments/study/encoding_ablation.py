"""What a map loses on its way into the network: scaling, 8-bit colour, trunk depth and pooling.

Scaling and colour change what the trunk sees; the bullseye beside it always sees the map itself.
The mean of the reserve map all but is the label of impaired MFR: a ceiling, counted in no rule,
where a network on a fixed scale should stay at 0.98 or more. An image stretched to its own maximum
does not hold the level of flow: the published 0.94 of that cell is a loss of information. Blocks 3
to 5 take part with --weights FILE.
"""

import pandas as pd
from matplotlib.figure import Figure

import polarnet as pn
from baselines import freeze_baselines, load_baselines, score_baselines
from holdout import score_hold_out, train_and_freeze
from networks import DEPTHS, ENCODINGS, Model, depth_models, encoding_models, scores_pair
from plan import Plan
from project import Project, panels, run_script

CIRCULAR, PLAIN = ("reserve", "impaired_mfr"), ("stress", "impaired_mfr")
CEILING = 0.98
"""What absolute encoding has to reach in the circular cell (our choice)."""

OWN_MEAN = "global mean"
STEPS = {OWN_MEAN: "own mean", "absolute": "fixed scale", "colour": "fixed scale,\n8-bit colour",
         "relative": "own maximum", "relative colour": "own maximum,\n8-bit colour"}  # fmt: skip
COLOURS = {"rest": "#000000", "stress": "#0072B2", "reserve": "#D55E00"}
POOLED = {"aha": "AHA segments", "global": "global"}
AREA, MARKS = ["n_pos", "n_neg", "auroc", "ci_low", "ci_high"], ["is_circular", "method", "note"]


def develop(project: Project) -> None:
    train_and_freeze(project, ablations(project.plan))
    freeze_baselines(project)


def report(project: Project) -> None:
    name, plan = "encoding_ablation", project.plan
    test = score_hold_out(project, ablations(plan), by=name)
    score_baselines(project, by=name)
    notes = [
        f"AUROC [95 % interval: logit DeLong, t quantile]; single networks, seed {plan.seeds[0]}.",
        "Circular: the label is defined from the map shown; a ceiling, counted in no rule.",
        "Encoding, depth and pooling are those of the trunk. The bullseye beside it sees the map.",
    ]
    loss = ("loss: AUROC of the map's own mean (baseline 'global mean') minus that of the row, "
            "paired DeLong, 95 %, unadjusted. Below 0: more is seen than the mean.")  # fmt: skip
    table = pd.concat([encoding_table(project, m, test) for m in plan.single_maps])
    project.write(table, name, "What encoding loses", *notes, loss)
    depth = depth_table(project, test)
    project.write(depth, "depth", "Trunk depth and pooling", *notes)
    draw_steps(project, table)
    draw_depth(project, depth)
    print(ceiling_line(table))


def ablations(plan: Plan) -> list[Model]:
    """The networks of both tables."""
    return [*encoding_models(plan), *depth_models(plan)]


def encoding_table(project: Project, map_type: str, test: pn.Cohort) -> pd.DataFrame:
    """One row a trait and encoding of a map, its own mean first."""
    # The comparison subtracts from "network": that is the map's own mean here, and gives the loss.
    own = (load_baselines(project, map_type, part)[OWN_MEAN] for part in ("val", "test"))
    models = [model for model in encoding_models(project.plan) if model.map_type == map_type]
    of_models = (scores_pair(project, model) for model in models)
    scores = {"network": tuple(own)} | dict(zip(ENCODINGS, of_models, strict=True))
    table = pn.evaluation.compare_with_baselines(scores, project.val, test, map_type).replace(
        {"model": {"network": OWN_MEAN}}
    )
    table.columns = table.columns.str.replace("difference", "loss").str.replace("model", "encoding")
    return table[["map_type", "trait", "encoding", *AREA, "loss", "loss_low", "loss_high", *MARKS]]


def depth_table(project: Project, test: pn.Cohort) -> pd.DataFrame:
    """One row a map, trait, depth and pooling."""
    tables = []
    for model in depth_models(project.plan):
        scores, config = {"network": scores_pair(project, model)}, model.config
        table = pn.evaluation.compare_with_baselines(scores, project.val, test, model.map_type)
        tables.append(table.assign(trunk=config.last_block, pooling=config.pooling))
    return pd.concat(tables)[["map_type", "trait", "trunk", "pooling", *AREA, *MARKS]]


def ceiling_line(table: pd.DataFrame) -> str:
    """Whether absolute encoding keeps what the circular cell holds."""
    rows = table[(table["encoding"] == "absolute") & table["is_circular"]]
    if rows.empty:
        return "No circular cell: no label of this cohort was computed from the maps shown."
    row = rows.iloc[0]
    word = "reaches" if row["auroc"] >= CEILING else "does NOT reach"
    counts = f"{row['n_pos']} with, {row['n_neg']} without"
    return f"The circular cell {word} {CEILING} on a fixed scale: {row['auroc']:.3f} ({counts})."


def draw_steps(project: Project, table: pd.DataFrame) -> None:
    """The circular cell and a plain one, step by step."""
    cells = dict(list(table.groupby(["map_type", "trait"], sort=False)))
    shown = [cell for cell in (CIRCULAR, PLAIN) if cell in cells] or list(cells)[:1]
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for ax, cell in zip(axes, shown, strict=True):
        rows, labels = cells[cell].set_index("encoding").loc[list(STEPS)], list(STEPS.values())
        draw_points(ax, range(len(rows)), rows, color="k")
        if cell == CIRCULAR:
            ax.axhline(CEILING, color="0.6", lw=0.6, ls="--")
            paper = pd.DataFrame([pn.evaluation.PUBLISHED[CIRCULAR]], columns=AREA[2:])
            draw_points(ax, [len(labels)], paper, marker="D", mfc="w", color="0.4")
            labels.append("published")
        ax.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
        note = " (circular: a ceiling)" if rows["is_circular"].any() else ""
        ax.set_title(f"{pn.report.trait_name(cell[1])} from {cell[0]} maps{note}", fontsize=8)
    project.save(figure, "encoding_ablation")


def draw_depth(project: Project, table: pd.DataFrame) -> None:
    """A panel a trait: depth on x, a colour a map, AHA pooling filled and global hollow."""
    figure, axes = panels(len(project.plan.traits), height=2.2, sharey=True)
    for ax, (trait, cells) in zip(axes, table.groupby("trait", sort=False), strict=True):
        for k, ((map_type, pooling), rows) in enumerate(cells.groupby(["map_type", "pooling"])):
            x = [DEPTHS.index(trunk) + 1 + 0.08 * (k - 2.5) for trunk in rows["trunk"]]
            looks = {"mfc": "w", "ls": "--"} if pooling == "global" else {}
            name = f"{map_type}, {POOLED[pooling]}"
            draw_points(ax, x, rows, color=COLOURS[map_type], label=name, **looks)
        note = " (reserve: circular)" if cells["is_circular"].any() else ""
        ax.set_title(pn.report.trait_name(trait) + note, fontsize=8)
        ax.set_xlabel("last VGG16 block", fontsize=7)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6,
                  fontsize=6, frameon=False)  # fmt: skip
    project.save(figure, "depth")


def draw_points(ax, x, rows: pd.DataFrame, **looks) -> None:
    """AUROCs joined by a line, with intervals; one that is not estimable has no bar."""
    ends = [rows["auroc"] - rows["ci_low"], rows["ci_high"] - rows["auroc"]]
    looks = {"marker": "o", "ms": 3, "lw": 0.8} | looks
    ax.errorbar(x, rows["auroc"], [end.fillna(0) for end in ends], **looks)
    ax.axhline(0.5, color="0.6", lw=0.6, zorder=0)
    ax.set_ylabel("AUROC [95 % interval]", fontsize=7)
    ax.tick_params(labelsize=7)


if __name__ == "__main__":
    run_script(__doc__, develop, report)
