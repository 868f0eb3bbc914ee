"""Learning curve: AUROC over the number of training patients, networks and segments.

    python experiments/learning_curve.py COHORT --out study

Frozen networks. Each seed draws its own share of the training patients; the logistic ridge on 17
segments is fitted on the same patients. Lines are means over seeds: an ensemble has seen all
patients that any of its networks saw, so it stands in the table only.
"""

import pandas as pd
from matplotlib.figure import Figure

import polarnet as pn

rp = pn.reproduction

SEGMENTS = "17 segments"


def develop(study: rp.Reproduction) -> None:
    models = curve_models(study.plan)
    rp.train_models(study, models)
    rp.freeze(study, models, rp.fit_on_shares(study))
    rp.freeze_baselines(study)


def report(study: rp.Reproduction) -> None:
    by = "learning_curve"
    rp.score_hold_out(study, curve_models(study.plan), by=by)
    rp.score_baselines(study, by=by)
    rp.score_on_shares(study, by=by)
    test = rp.read_hold_out(study, by=by, what_for="labels, for the learning curve")
    table = pd.concat([rows_of(study, model, test) for model in curve_models(study.plan)],
                      ignore_index=True)  # fmt: skip
    pn.write_table(
        table, study.result(by), title="Learning curve",
        notes=[*study.notes,
               "n_train: training patients of one network. seed_mean: mean AUROC of the models of "
               "single seeds, each on its own draw of patients [interval over seeds and patients, "
               "two-way bootstrap, 2,000 resamples; where there is one model, DeLong on the logit "
               "scale].",
               "auroc: of the mean probability over the seeds [logit DeLong, t quantile]; below "
               "100 % it draws on more patients than n_train.",
               "All training studies of a patient drawn train. Circular: the label is defined from "
               "the map shown."],
    )  # fmt: skip
    draw(study, table)
    print(table.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def curve_models(plan: rp.Plan) -> list[rp.Model]:
    """Frozen networks on each share of the patients, and on all."""
    some = [model for model in rp.learning_models(plan) if model.arms[0].config.mode == "frozen"]
    return [*some, *(rp.main_model(plan, map_type) for map_type in rp.single_maps(plan))]


def rows_of(study: rp.Reproduction, model: rp.Model, test: pn.Cohort) -> pd.DataFrame:
    """One row a trait, for the networks of a share and for the baseline on the same patients."""
    share, seeds = model.arms[0].share, study.plan.seeds
    of_val, single = segment_scores(study, model, "val"), segment_scores(study, model, "test")
    compared = pn.compare(
        {"network": (rp.val_scores(study, model), rp.hold_out_scores(study, model)),
         SEGMENTS: (sum(of_val) / len(of_val), sum(single) / len(single))},
        study.val, test, model.map_type,
    )  # fmt: skip
    of_seed = {"network": [rp.single_scores(study, arm) for arm in model.arms], SEGMENTS: single}
    n_train = rp.share_of(study.train, share, seed=seeds[0]).patients.nunique()
    rows = []
    for row in compared.to_dict("records"):
        mean = seed_mean(of_seed[row["model"]], rp.first_labels(test, row["trait"]), row)
        rows.append({"map_type": row["map_type"], "trait": row["trait"], "model": row["model"],
                     "share": share, "n_train": n_train, "n_pos": row["n_pos"],
                     "n_neg": row["n_neg"], "seed_mean": mean[0], "low": mean[1], "high": mean[2],
                     **{name: row[name] for name in ("auroc", "ci_low", "ci_high", "is_circular",
                                                     "method", "note")}})  # fmt: skip
    return pd.DataFrame(rows)


def segment_scores(study: rp.Reproduction, model: rp.Model, part: str) -> list[pd.DataFrame]:
    """Scores of the baseline: one table a seed, or one in all where every patient trains."""
    share = model.arms[0].share
    if share < 1:
        return rp.load_on_shares(study, model.map_type, share, part)
    return [rp.load_baselines(study, model.map_type, part)[SEGMENTS]]


def seed_mean(tables, labels: pd.Series, row) -> tuple[float, float, float]:
    """Mean AUROC over the seeds with its interval; where there is one model, its own."""
    if len(tables) == 1 or pd.isna(row["auroc"]):
        return row["auroc"], row["ci_low"], row["ci_high"]
    area = pn.seeds_and_patients_auroc(
        labels, [table.loc[labels.index, row["trait"]] for table in tables], seed=0
    )
    return area.value, area.low, area.high


def draw(study: rp.Reproduction, table: pd.DataFrame) -> None:
    """A panel a trait: a colour a map, networks with intervals, segments dashed."""
    traits = list(dict.fromkeys(table["trait"]))
    figure = Figure(figsize=(7.2, 2.4 * -(-len(traits) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(traits) // 3), 3, squeeze=False).ravel()
    for ax, trait in zip(axes, traits, strict=False):
        rows = table[(table["trait"] == trait) & table["seed_mean"].notna()]
        if rows.empty:
            ax.text(0.5, 0.5, "too few patients", ha="center", fontsize=7)
            continue
        networks = rows[rows["model"] == "network"]
        shown = networks[["n_train", "low", "high", "map_type", "seed_mean"]]
        shown = shown.rename(columns={"map_type": "model", "seed_mean": "auroc"})
        pn.plot_learning_curve(shown, ax)
        for drawn in ax.containers:
            of_map = rows[(rows["model"] == SEGMENTS) & (rows["map_type"] == drawn.get_label())]
            of_map = of_map.sort_values("n_train")
            ax.plot(of_map["n_train"], of_map["seed_mean"], "--", lw=0.9,
                    color=drawn.lines[0].get_color())  # fmt: skip
        circular = networks.loc[networks["is_circular"], "map_type"].unique()
        note = f" ({', '.join(circular)}: circular)" if len(circular) else ""
        ax.set_title(pn.trait_name(trait) + note, fontsize=8)
        ax.get_legend().remove()
    for ax in axes[len(traits) :]:
        ax.axis("off")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
                  fontsize=7, frameon=False, title=f"networks; dashed: {SEGMENTS}",
                  title_fontsize=7)  # fmt: skip
    rp.label_figure(figure, study)
    pn.save_figure(figure, study.result("learning_curve"))


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
