"""Against the truth, on a phantom only: how far each cell is from what many patients would give.

Readers of segment means learn from `truth_patients` fresh phantom patients and are tested on as
many others: a lower bound of what can be read from a map. Beside them stand the study's networks
with a frozen trunk and its baselines, on the study's own hold-out. Writes `truth` (table, figure).
"""

import tempfile
from pathlib import Path

import pandas as pd
from sklearn.metrics import log_loss
from tqdm.auto import tqdm

import baselines
import polarnet as pn
from baselines import baseline_cells, score_baselines
from holdout import comparator, ends, first_labels, network_cells, score_hold_out
from networks import frozen_models
from polarnet.files import write_csv
from project import Project, draw_forest, run_script, write_scores

LEARNING_SEED, TESTING_SEED = 770001, 770002
"""Of phantom patients that are nowhere else."""

READERS = ("17 segments", "wide", "gradient boosting")

FOLDS = 5
"""One fifth of the learning patients chooses the reader (our choice)."""

CEILING, NETWORK = "large-sample readers", "network"
NO_TRUTH = "No table of the truth: these are patients, and nobody knows what was planted in them."


def develop(project: Project) -> None:
    if project.cohort.is_phantom:
        baselines.develop(project)
        make_ceiling(project)


def make_ceiling(project: Project) -> None:
    """Train readers on fresh phantom patients and score as many others, once, in truth/.

    Of each map type and trait, the reader with the lowest log-loss in a fifth of the learning
    patients is kept, as it was fitted on the others. `readers.csv` is the last file written.
    ValueError: the project's own patients come from one of the two seeds.
    """
    folder, plan = project.folder / "truth", project.plan
    if (folder / "readers.csv").is_file():
        return
    used = tuple(f"P{seed}-" for seed in (LEARNING_SEED, TESTING_SEED))
    if project.cohort.patients.str.startswith(used).any():
        raise ValueError(
            f"The cohort has patients of phantom seed {LEARNING_SEED} or {TESTING_SEED}, which are "
            "kept for the ceiling. Make it from another seed."
        )
    with tempfile.TemporaryDirectory() as spare:
        learning, testing = (
            pn.make_phantom_cohort(
                plan.truth_patients, seed=seed, size=project.cohort.size,
                tracer=project.cohort.tracer, out=Path(spare) / str(seed),
            )
            for seed in (LEARNING_SEED, TESTING_SEED)
        )  # fmt: skip
        seen, choosing = next(learning.folds(FOLDS, seed=LEARNING_SEED))
        traits = [trait for trait in plan.traits if trait in pn.TRAITS]
        chosen = []
        for map_type in tqdm(plan.map_types, desc="Ceiling", unit="map type"):
            scores, readers = read(map_type, traits, seen, choosing, testing)
            chosen.append(readers)
            write_scores(scores, folder / f"scores_{map_type}.csv")
        labels = pd.DataFrame({trait: first_labels(testing, trait) for trait in traits})
        write_scores(labels, folder / "labels.csv")
        write_csv(pd.concat(chosen), folder / "readers.csv")


def load_ceiling(project: Project, map_type: str) -> dict[str, tuple[str, pd.Series, pd.Series]]:
    """Trait -> chosen reader, recorded labels and their scores, of the testing patients."""
    folder = project.folder / "truth"
    readers = pd.read_csv(folder / "readers.csv")
    labels = pd.read_csv(folder / "labels.csv", index_col="study_id")
    scores = pd.read_csv(folder / f"scores_{map_type}.csv", index_col="study_id")
    of_map = readers[readers["map_type"] == map_type].set_index("trait")["reader"]
    found = {}
    for trait, reader in of_map.items():
        known = labels[trait].dropna()
        found[trait] = (reader, known, scores.loc[known.index, trait])
    return found


def read(
    map_type: str, traits: list[str], seen: pn.Cohort, choosing: pn.Cohort, testing: pn.Cohort
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the testing studies by each trait's best reader, and which that is."""
    by_reader = pn.evaluation.baseline_scores(
        seen, [choosing, testing], map_type=map_type, traits=traits, seed=LEARNING_SEED,
        models=READERS,
    )  # fmt: skip
    scores, rows = pd.DataFrame(index=testing.patients.index), []
    for trait in traits:
        labels = choosing.traits[trait].dropna()
        losses = {
            name: log_loss(labels, of_choosing.loc[labels.index, trait], labels=[0, 1])
            for name, (of_choosing, _) in by_reader.items()
        }
        best = min(losses, key=losses.__getitem__)
        scores[trait] = by_reader[best][1][trait]
        rows.append(
            {"map_type": map_type, "trait": trait, "reader": best, "log_loss": losses[best]}
        )
    return scores, pd.DataFrame(rows)


def report(project: Project) -> None:
    if not project.cohort.is_phantom:
        print(NO_TRUTH)
        return
    test = score_hold_out(project, frozen_models(project.plan), by="truth")
    score_baselines(project, by="truth")
    tables = [truth_table(project, test, map_type) for map_type in project.plan.map_types]
    table = pd.concat(tables, ignore_index=True)
    n = project.plan.truth_patients
    notes = [
        f"{CEILING}: ridge on 17 segments, without and with their lowest, highest and mean, or "
        f"gradient boosting, learnt from {n} fresh phantom patients with default settings, tested "
        f"on {n} others; the best one was chosen in a fifth of the learning patients. Reached by "
        "large-sample readers: a lower bound of the ceiling.",
        "All others: the study's own hold-out, first study of each patient.",
        "AUROC with 95 % interval, logit DeLong, t quantile; difference: minus that of the "
        "large-sample readers, 95 % interval by unpaired DeLong, unadjusted.",
        "is_comparator: baseline of the same map with the lowest validation log-loss, as drawn.",
    ]
    project.write(table, "truth", "Distance to the ceiling", *notes)
    draw(project, table)


def truth_table(project: Project, test: pn.Cohort, map_type: str) -> pd.DataFrame:
    """One row a trait and reader: the ceiling, the network, and each baseline of the map."""
    own = {NETWORK: network_cells(project, test, map_type)} | {
        name: baseline_cells(project, test, map_type, name) for name in pn.evaluation.OF_THE_MAP
    }
    rows = []
    for trait, (reader, labels, scores) in load_ceiling(project, map_type).items():
        is_circular = own[NETWORK][trait].is_circular
        row = {"map_type": map_type, "trait": trait, "is_circular": is_circular}
        counts = {"n_pos": int((labels == 1).sum()), "n_neg": int((labels == 0).sum())}
        rows.append(row | counts | ends(pn.auroc(labels, scores))
                    | {"series": CEILING, "reader": reader, "note": ""})  # fmt: skip
        nearest = comparator(project, map_type, trait, pn.evaluation.OF_THE_MAP)
        for name, cells in own.items():
            cell = cells[trait]
            told = {"series": name, "reader": name, "is_comparator": name == nearest}
            rows.append(row | cell.row | told | {"note": cell.note})
            if cell.is_reportable:
                far = pn.evaluation.unpaired_delong_test(cell.labels, cell.scores, labels, scores)
                rows[-1] |= ends(pn.auroc(cell.labels, cell.scores)) | {
                    "difference": far.difference, "difference_low": far.low,
                    "difference_high": far.high,
                }  # fmt: skip
    names = ["map_type", "trait", "series", "reader", "n_pos", "n_neg", "auroc", "ci_low",
             "ci_high", "difference", "difference_low", "difference_high", "is_comparator",
             "is_circular", "note"]  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=names)
    return table.assign(is_comparator=table["is_comparator"].eq(True))


def draw(project: Project, table: pd.DataFrame) -> None:
    """Dots by cell: ceiling, network, comparator."""
    is_named = table["series"].isin([CEILING, NETWORK])
    shown = table[is_named | table["is_comparator"]].copy()
    shown["series"] = shown["series"].where(is_named, "comparator baseline")
    # One count a row: that of the hold-out.
    of_network = shown[shown["series"] == NETWORK].set_index(["map_type", "trait"])
    keys = pd.MultiIndex.from_frame(shown[["map_type", "trait"]])
    for name in ("n_pos", "n_neg"):
        shown[name] = of_network.loc[keys, name].to_numpy()
    draw_forest(project, shown, "truth")


if __name__ == "__main__":
    run_script(__doc__, develop, report)
