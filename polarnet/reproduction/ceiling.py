"""How well can a trait be read from phantom maps, given very many of them?"""

import tempfile
from pathlib import Path
from typing import Final

import pandas as pd
from sklearn.metrics import log_loss

from polarnet.cohort import Cohort
from polarnet.evaluation import baseline_scores
from polarnet.files import new_folder, write_csv
from polarnet.phantom import make_phantom_cohort
from polarnet.progressbar import progress_bar
from polarnet.reproduction.holdout import first_labels
from polarnet.reproduction.opening import Reproduction
from polarnet.traits import TRAITS

LEARNING_SEED: Final = 770001
TESTING_SEED: Final = 770002
"""Of phantom patients that are nowhere else in the project."""

READERS: Final = ("17 segments", "wide", "gradient boosting")

_FOLDS: Final = 5  # one fifth of the learning patients chooses the reader (our choice)


def make_ceiling(study: Reproduction) -> None:
    """Train readers on `plan.truth_patients` fresh phantom patients and score as many others.

    Of each map type and trait, the reader with the lowest log-loss in a fifth of the learning
    patients is kept, as it was fitted on the others. Everything is written to `truth/` of the
    study, once: `readers.csv` (what was chosen), `labels.csv` and one file of scores a map type,
    all of the first studies of the testing patients.

    Raises
    ------
    ValueError: the study's own patients come from one of the two seeds.
    """
    folder = study.folder / "truth"
    if (folder / "readers.csv").is_file():
        return
    used = tuple(f"P{seed}-" for seed in (LEARNING_SEED, TESTING_SEED))
    if study.cohort.patients.str.startswith(used).any():
        raise ValueError(
            f"The cohort has patients of phantom seed {LEARNING_SEED} or {TESTING_SEED}, which are "
            "kept for the ceiling. Make it from another seed."
        )
    with new_folder(folder) as partial, tempfile.TemporaryDirectory() as spare:
        learning, testing = (
            make_phantom_cohort(
                study.plan.truth_patients, seed=seed, size=study.cohort.size,
                tracer=study.cohort.tracer, out=Path(spare) / str(seed),
            )
            for seed in (LEARNING_SEED, TESTING_SEED)
        )  # fmt: skip
        seen, choosing = next(learning.folds(_FOLDS, seed=LEARNING_SEED))
        traits = [trait for trait in study.plan.traits if trait in TRAITS]
        chosen = []
        for map_type in progress_bar(study.plan.map_types, desc="Ceiling", unit="map type"):
            scores, readers = _read(map_type, traits, seen, choosing, testing)
            chosen.append(readers)
            write_csv(
                scores,
                partial / f"scores_{map_type}.csv",
                index_label="study_id",
                float_format="%.9g",
            )
        labels = pd.DataFrame({trait: first_labels(testing, trait) for trait in traits})
        write_csv(labels, partial / "labels.csv", index_label="study_id")
        write_csv(pd.concat(chosen), partial / "readers.csv")


def load_ceiling(study: Reproduction, map_type: str) -> dict[str, tuple[str, pd.Series, pd.Series]]:
    """Trait -> chosen reader, labels and scores of the testing patients, labels recorded.

    Raises
    ------
    FileNotFoundError: `make_ceiling` has not run.
    """
    folder = study.folder / "truth"
    readers = pd.read_csv(folder / "readers.csv")
    labels = pd.read_csv(folder / "labels.csv", index_col="study_id")
    scores = pd.read_csv(folder / f"scores_{map_type}.csv", index_col="study_id")
    of_map = readers[readers["map_type"] == map_type].set_index("trait")["reader"]
    found = {}
    for trait, reader in of_map.items():
        known = labels[str(trait)].dropna()
        found[str(trait)] = (str(reader), known, scores.loc[known.index, str(trait)])
    return found


def _read(
    map_type: str, traits: list[str], seen: Cohort, choosing: Cohort, testing: Cohort
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the testing studies by each trait's best reader, and which that is."""
    by_reader = baseline_scores(
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
