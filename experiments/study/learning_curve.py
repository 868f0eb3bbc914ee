"""Learning curve: AUROC over the number of training patients, networks and segments.

Frozen networks. Each seed draws its own share of the training patients; the logistic ridge on 17
segments is fitted on the same patients. Lines are means over seeds: an ensemble has seen all
patients that any of its networks saw, so it stands in the table only.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

import polarnet as pn
from baselines import fit_scores, freeze_baselines, load_baselines, score_baselines
from holdout import first_labels, freeze, score_hold_out
from networks import (
    Model,
    learning_models,
    main_model,
    mean_of,
    scores_pair,
    share_of,
    single_scores,
    train_models,
)
from plan import Plan
from project import Project, panels, read_scores, run_script, write_scores

SEGMENTS = "17 segments"


def develop(project: Project) -> None:
    models = curve_models(project.plan)
    train_models(project, models)
    freeze(project, models, fit_on_shares(project))
    freeze_baselines(project)


def report(project: Project) -> None:
    by = "learning_curve"
    test = score_hold_out(project, curve_models(project.plan), by=by)
    score_baselines(project, by=by)
    _score_missing(project, "test", test)
    table = pd.concat([rows_of(project, model, test) for model in curve_models(project.plan)],
                      ignore_index=True)  # fmt: skip
    project.write(
        table, by, "Learning curve",
        "n_train: training patients of one network. seed_mean: mean AUROC of the models of "
        "single seeds, each on its own draw of patients [interval over seeds and patients, "
        "two-way bootstrap, 2,000 resamples; where there is one model, DeLong on the logit "
        "scale].",
        "auroc: of the mean probability over the seeds [logit DeLong, t quantile]; below "
        "100 % it draws on more patients than n_train.",
        "All training studies of a patient drawn train. Circular: the label is defined from "
        "the map shown.",
    )  # fmt: skip
    draw(project, table)


def curve_models(plan: Plan) -> list[Model]:
    """Frozen networks on each share of the patients, and on all."""
    some = [model for model in learning_models(plan) if model.config.mode == "frozen"]
    return [*some, *(main_model(plan, map_type) for map_type in plan.single_maps)]


def fit_on_shares(project: Project) -> dict[str, pd.DataFrame]:
    """Validation scores of the baseline on each share, by "map type: 17 segments, share, seed"."""
    _score_missing(project, "val", project.val)
    return {
        f"{map_type}: {SEGMENTS}, {share:.0%}, seed {seed}": read_scores(path)
        for map_type, share, seed, path in _files(project, "val")
    }


def _score_missing(project: Project, part: str, cohort: pn.Cohort) -> None:
    """Fit on the patients that the networks beside it see, with what was chosen before."""
    for map_type, share, seed, path in _files(project, part):
        if path.is_file():
            continue
        train = share_of(project.train, share, seed=seed)
        kept = path.with_name(path.name.replace(f"_{part}.csv", "_chosen.json"))
        scores = fit_scores(
            train, cohort, kept, map_type=map_type, traits=project.plan.traits, seed=seed,
            models=[SEGMENTS],
        )  # fmt: skip
        write_scores(scores[SEGMENTS], path)


def _files(project: Project, part: str) -> Iterator[tuple[str, float, int, Path]]:
    """Map type, share, seed, and the file of their scores."""
    folder = project.folder / "baselines"
    for map_type in project.plan.single_maps:
        for share in project.plan.shares:
            for seed in project.plan.seeds:
                name = f"17_segments_share{100 * share:.0f}_seed{seed}_{part}.csv"
                yield map_type, share, seed, folder / map_type / name


def rows_of(project: Project, model: Model, test: pn.Cohort) -> pd.DataFrame:
    """One row a trait, for the networks of a share and for the baseline on the same patients."""
    share, seeds = model.share, project.plan.seeds
    of_val, single = segment_scores(project, model, "val"), segment_scores(project, model, "test")
    compared = pn.evaluation.compare_with_baselines(
        {"network": scores_pair(project, model),
         SEGMENTS: (mean_of(of_val), mean_of(single))},
        project.val, test, model.map_type,
    )  # fmt: skip
    of_seed = {"network": single_scores(project, model), SEGMENTS: single}
    n_train = share_of(project.train, share, seed=seeds[0]).patients.nunique()
    rows = []
    for row in compared.to_dict("records"):
        mean = seed_mean(of_seed[row["model"]], first_labels(test, row["trait"]), row)
        rows.append({"map_type": row["map_type"], "trait": row["trait"], "model": row["model"],
                     "share": share, "n_train": n_train, "n_pos": row["n_pos"],
                     "n_neg": row["n_neg"], "seed_mean": mean[0], "low": mean[1], "high": mean[2],
                     **{name: row[name] for name in ("auroc", "ci_low", "ci_high", "is_circular",
                                                     "method", "note")}})  # fmt: skip
    return pd.DataFrame(rows)


def segment_scores(project: Project, model: Model, part: str) -> list[pd.DataFrame]:
    """Scores of the baseline: one table per seed, or one in all where every patient trains."""
    if model.share < 1:
        own = (model.map_type, model.share)
        return [read_scores(path) for *of, _, path in _files(project, part) if tuple(of) == own]
    return [load_baselines(project, model.map_type, part)[SEGMENTS]]


def seed_mean(tables, labels: pd.Series, row) -> tuple[float, float, float]:
    """Mean AUROC over the seeds with its interval; where there is one model, its own."""
    if len(tables) == 1 or pd.isna(row["auroc"]):
        return row["auroc"], row["ci_low"], row["ci_high"]
    area = pn.evaluation.seeds_and_patients_auroc(
        labels, [table.loc[labels.index, row["trait"]] for table in tables], seed=0
    )
    return area.value, area.low, area.high


def draw(project: Project, table: pd.DataFrame) -> None:
    """A panel a trait: a colour a map, networks with intervals, segments dashed."""
    traits = list(dict.fromkeys(table["trait"]))
    figure, axes = panels(len(traits))
    for ax, trait in zip(axes, traits, strict=True):
        rows = table[(table["trait"] == trait) & table["seed_mean"].notna()]
        if rows.empty:
            ax.text(0.5, 0.5, "too few patients", ha="center", fontsize=7)
            continue
        networks = rows[rows["model"] == "network"]
        shown = networks[["n_train", "low", "high", "map_type", "seed_mean"]]
        shown = shown.rename(columns={"map_type": "model", "seed_mean": "auroc"})
        pn.plotting.plot_learning_curve(shown, ax)
        for drawn in ax.containers:
            of_map = rows[(rows["model"] == SEGMENTS) & (rows["map_type"] == drawn.get_label())]
            of_map = of_map.sort_values("n_train")
            ax.plot(of_map["n_train"], of_map["seed_mean"], "--", lw=0.9,
                    color=drawn.lines[0].get_color())  # fmt: skip
        circular = networks.loc[networks["is_circular"], "map_type"].unique()
        note = f" ({', '.join(circular)}: circular)" if len(circular) else ""
        ax.set_title(pn.report.trait_name(trait) + note, fontsize=8)
        ax.get_legend().remove()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4,
                  fontsize=7, frameon=False, title=f"networks; dashed: {SEGMENTS}",
                  title_fontsize=7)  # fmt: skip
    project.save(figure, "learning_curve")


if __name__ == "__main__":
    run_script(__doc__, develop, report)
