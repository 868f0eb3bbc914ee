"""Nested cross-validation of the development studies: frozen networks beside 17 segments.

5 x 5 folds by patient (`folds` of the plan). Each outer fold is scored by the mean of the inner
networks, each of which chose its epoch and penalty on an inner fold that it did not train on. The
hold-out is not read. What is trained is kept in study/nested, so that the same command goes on
where it was interrupted.
"""

from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

import polarnet as pn
from holdout import ends, first_labels
from networks import main_model, mean_of, score_run
from project import Project, read_scores, run_script, write_scores

NETWORK, SEGMENTS = "network", "17 segments"

SCORES = "scores_held_out.csv"
"""Last file of a network's folder: where it is, training and scoring are done."""

FEWEST = 2
"""Of a class in an outer fold, for an AUROC to be formed there (our choice)."""


def develop(project: Project) -> None:
    train_nested(project, project.plan.single_maps)


def train_nested(project: Project, map_types: list[str]) -> None:
    """Train and score what is missing: frozen networks and the baseline.

    Outer folds divide the training and validation studies by patient. In each, the rest is
    divided again: one network trains on all inner folds but one, which validates it.
    """
    plan, known = project.plan, project.studies("train", "val")
    total = len(map_types) * plan.folds**2
    with tqdm(total=total, desc="Nested", unit="network") as bar:
        for map_type in map_types:
            folds = known.folds(plan.folds, seed=plan.split_seed)
            for fold, (rest, held_out) in enumerate(folds, start=1):
                folder = _folder(project, map_type, fold)
                if not (folder / "17_segments.csv").is_file():
                    scores = pn.evaluation.baseline_scores(
                        rest, [held_out], map_type=map_type, traits=plan.traits,
                        seed=plan.seeds[0], models=[SEGMENTS],
                    )  # fmt: skip
                    write_scores(scores[SEGMENTS][0], folder / "17_segments.csv")
                inner = rest.folds(plan.folds, seed=plan.split_seed)
                for k, (train, val) in enumerate(inner, start=1):
                    train_and_score(project, map_type, train, val, held_out, folder / f"network{k}")
                    bar.update()


def train_and_score(
    project: Project, map_type: str, train: pn.Cohort, val: pn.Cohort, held_out: pn.Cohort,
    folder: Path,
) -> None:  # fmt: skip
    """One inner network; a folder without scores was interrupted between training and scoring."""
    if not folder.is_dir():
        config = main_model(project.plan, map_type).config
        pn.train(train, val, config, folder, cache=project.cache, show_progress=False)
    if not (folder / SCORES).is_file():
        score_run(project, folder, held_out, folder / SCORES)


def nested_scores(project: Project, map_type: str) -> pd.DataFrame:
    """Out-of-fold scores of every development study; columns (model, trait) and ("fold", "")."""
    tables, numbers = [], range(1, project.plan.folds + 1)
    for fold in numbers:
        folder = _folder(project, map_type, fold)
        models = {
            NETWORK: mean_of([read_scores(folder / f"network{k}" / SCORES) for k in numbers]),
            SEGMENTS: read_scores(folder / "17_segments.csv"),
        }
        table = pd.concat(models, axis=1)
        table["fold", ""] = fold
        tables.append(table)
    return pd.concat(tables)


def _folder(project: Project, map_type: str, fold: int) -> Path:
    return project.folder / "nested" / map_type / f"fold{fold}"


def report(project: Project) -> None:
    known = project.studies("train", "val")
    rows = []
    for map_type in project.plan.single_maps:
        scores = nested_scores(project, map_type)
        rows += [row_of(scores, known, map_type, trait) for trait in project.plan.traits]
    table, k = pd.DataFrame(rows), project.plan.folds
    notes = [
        f"AUROC: mean over {k} outer folds [95 % interval of the influence curve, LeDell 2015], "
        "first study of each patient; the hold-out is not among them.",
        "difference: network minus 17 segments in the same folds, mean over folds [bootstrap of "
        "patients, percentile, 95 %, 2,000 resamples], unadjusted.",
        "Both intervals take the folds' models as given. Folds share training patients.",
        "Circular: the label is defined from the map shown.",
    ]
    title = f"{k} x {k} nested cross-validation of the development studies"
    project.write(table, "nested_cross_validation", title, *notes)


def row_of(scores: pd.DataFrame, known: pn.Cohort, map_type: str, trait: str) -> dict[str, object]:
    """One cell of the table."""
    labels = first_labels(known, trait)
    own, other, fold = (
        scores.loc[labels.index, column] for column in ((NETWORK, trait), (SEGMENTS, trait), "fold")
    )
    part = pd.DataFrame({"label": labels, "first": own, "second": other, "fold": fold.squeeze()})
    row = {"map_type": map_type, "trait": trait, "n_pos": int((labels == 1).sum()),
           "n_neg": int((labels == 0).sum()),
           "is_circular": pn.evaluation.is_circular(known, map_type, trait)}  # fmt: skip
    return row | fold_means(part.set_index(known.patients[labels.index]))


def fold_means(part: pd.DataFrame) -> dict[str, object]:
    """Means over folds for both models, and their difference; why not, where there is none.

    `part` has the index patient_id and label, first, second (network and segments), fold.
    """
    counts = part.groupby("fold")["label"].agg(["sum", "count"])
    fewest = int(min(counts["sum"].min(), (counts["count"] - counts["sum"]).min()))
    if fewest < FEWEST:
        return {"method": "not estimable", "note": f"a fold has {fewest} of a class"}
    own, other = (
        pn.evaluation.cross_validated_auroc(part["label"], part[name], part["fold"])
        for name in ("first", "second")
    )
    difference = pn.evaluation.mean_auroc_difference(
        [fold for _, fold in part.groupby("fold")], seed=0
    )
    return ends(own) | {
        "auroc_segments": other.value, "segments_low": other.low, "segments_high": other.high,
    } | ends(difference, "difference") | {"method": own.method, "note": ""}  # fmt: skip


if __name__ == "__main__":
    run_script(__doc__, develop, report)
