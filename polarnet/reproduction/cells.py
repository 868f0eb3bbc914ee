"""What does a frozen model say of each trait in the hold-out: scores, labels, and decisions?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from polarnet.cohort import Cohort
from polarnet.evaluation import Recalibration, is_circular, is_reportable, size_note
from polarnet.reproduction.arms import frozen_models, main_model
from polarnet.reproduction.bars import load_baselines
from polarnet.reproduction.holdout import first_labels, freeze, frozen_decisions, hold_out_scores
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.training import train_models


@dataclass(frozen=True, eq=False)
class Cell:
    """One trait read from one map type: hold-out patients, by their first study.

    Attributes
    ----------
    labels
        1 or 0, index study_id: only those recorded.
    scores
        Predicted probabilities, the same index.
    recalibration
        As frozen, from validation patients; None where nothing could be fitted.
    thresholds
        As frozen, of the scores as predicted; empty where validation lacked a class.
    is_circular
        The label was derived from the flow that this map shows.
    """

    map_type: str
    trait: str
    labels: pd.Series
    scores: pd.Series
    recalibration: Recalibration | None
    thresholds: Mapping[str, float]
    is_circular: bool

    def __repr__(self) -> str:
        n_pos, n_neg = self.counts
        return f"{self.trait} from {self.map_type} maps: {n_pos} positives, {n_neg} negatives"

    @property
    def counts(self) -> tuple[int, int]:
        """Patients with and without the trait."""
        return int((self.labels == 1).sum()), int((self.labels == 0).sum())

    @property
    def is_reportable(self) -> bool:
        """True where both classes are large enough for a number."""
        return is_reportable(self.labels)

    @property
    def row(self) -> dict[str, Any]:
        """How a table's row begins."""
        n_pos, n_neg = self.counts
        return {"map_type": self.map_type, "trait": self.trait, "n_pos": n_pos, "n_neg": n_neg}

    @property
    def note(self) -> str:
        """What to mind, for the end of a table's row."""
        circular = "circular: label derived from the flow shown" if self.is_circular else ""
        return "; ".join(filter(None, [size_note(*self.counts), circular]))

    def recalibrated(self) -> pd.Series | None:
        """Probabilities after the frozen recalibration; None where there is none."""
        if self.recalibration is None:
            return None
        return pd.Series(self.recalibration.apply(self.scores), index=self.scores.index)


def develop_frozen(study: Reproduction) -> None:
    """Train and freeze what is missing of the main networks with a frozen trunk."""
    models = frozen_models(study.plan)
    train_models(study, models)
    freeze(study, models)


def hold_out_cells(
    study: Reproduction, test: Cohort, map_type: str, baseline: str | None = None
) -> dict[str, Cell]:
    """Trait -> what is known of it in the hold-out.

    Parameters
    ----------
    test
        From `read_hold_out`; the model has scored it.
    baseline
        Name of one; None: the network with a frozen trunk.

    Raises
    ------
    KeyError: the model was not frozen, or there is no such baseline.
    FileNotFoundError: it has not scored the hold-out.
    """
    if baseline is None:
        model = main_model(study.plan, map_type)
        name, scores = model.name, hold_out_scores(study, model)
    else:
        name, scores = f"{map_type}: {baseline}", load_baselines(study, map_type, "test")[baseline]
    cells = {}
    for trait, decided in frozen_decisions(study, name).items():
        labels, line = first_labels(test, trait), decided["recalibration"]
        cells[trait] = Cell(
            map_type, trait, labels, scores.loc[labels.index, trait],
            recalibration=None if line is None else Recalibration(**line),
            thresholds=decided["thresholds"], is_circular=is_circular(test, map_type, trait),
        )  # fmt: skip
    return cells
