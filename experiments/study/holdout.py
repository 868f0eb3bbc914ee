"""The hold-out: what is decided before it is read, a record of every read, and what it says."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

import polarnet as pn
from networks import (
    Model,
    frozen_models,
    main_model,
    model_scores,
    networks_of,
    run_folder,
    score_run,
    train_models,
)
from plan import plan_as_text
from polarnet.files import read_json, write_json
from project import Project

FREEZE_FILE: Final = "freeze.json"

CELL: Final = ("map_type", "trait", "n_pos", "n_neg")
"""How a row of most tables begins."""


def train_and_freeze(project: Project, models: Iterable[Model]) -> None:
    """Train what is missing of these models, and freeze what they decide."""
    models = list(models)
    train_models(project, models)
    freeze(project, models)


def develop(project: Project) -> None:
    """Train and freeze the networks with a frozen trunk, at which most scripts look closely."""
    train_and_freeze(project, frozen_models(project.plan))


def freeze(
    project: Project,
    models: Iterable[Model],
    baselines: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write down, from validation studies, all that is decided before the hold-out is read.

    `baselines` are validation scores by "map type: baseline". What is frozen already must still be
    the same; what is new is added with its time. ValueError: the plan, the split or a model changed
    since it was frozen.
    """
    of_val = {model.name: model_scores(project, model, "val") for model in models}
    plan = plan_as_text(project.plan)
    frozen = _read_freeze(project) or {
        "written": _now(),
        "polarnet": pn.__version__,
        "plan": plan,
        "split_sha256": project.split_digest,
        "n_train": len(project.train),
        "n_val": len(project.val),
        "n_test": int((project.part == "test").sum()),
        "models": {},
    }
    environments = (project.folder / "runs").glob("*/environment.json")
    frozen["commit"] = sorted({str(read_json(path)["commit"]) for path in environments})
    path = project.folder / FREEZE_FILE
    if frozen["split_sha256"] != project.split_digest or frozen["plan"] != plan:
        raise ValueError(
            f"{path} was written for another plan or split. Choose another --out: the hold-out is "
            "read once."
        )
    for name, scores in (of_val | dict(baselines or {})).items():
        text = scores.to_csv(float_format="%.9g", lineterminator="\n")
        digest = hashlib.sha256(text.encode()).hexdigest()
        known = frozen["models"].setdefault(name, {"scores_val_sha256": digest})
        if known["scores_val_sha256"] != digest:
            raise ValueError(
                f"Model {name} was frozen with other validation scores; it was trained again. "
                "Choose another --out: the hold-out is read once."
            )
        if "traits" not in known:
            known |= {"frozen": _now(), "traits": _decisions(project, scores)}
    write_json(path, frozen)


def frozen_decisions(project: Project, model: str) -> dict[str, dict[str, Any]]:
    """Trait -> thresholds, recalibration and validation log-loss of a frozen model."""
    models = _read_freeze(project).get("models", {})
    if model not in models:
        raise KeyError(f"Model {model} is not in {project.folder / FREEZE_FILE}; freeze it first.")
    return models[model]["traits"]


def comparator(project: Project, map_type: str, trait: str, among: Sequence[str]) -> str:
    """The frozen baseline of a map with the lowest validation log-loss for a trait."""
    losses = {}
    for name in among:
        found = frozen_decisions(project, f"{map_type}: {name}").get(trait)
        if found is not None and found["val_log_loss"] is not None:
            losses[name] = found["val_log_loss"]
    if not losses:
        raise ValueError(f"No baseline of {map_type} maps scores {trait}.")
    return min(losses, key=losses.__getitem__)


def read_hold_out(project: Project, by: str) -> pn.Cohort:
    """The test studies; the read is logged in test_reads.csv under the name of the script.

    ValueError: nothing was frozen yet.
    """
    path = project.folder / FREEZE_FILE
    if not path.is_file():
        raise ValueError(
            f"The hold-out of {project.folder} is closed: nothing was frozen yet. Run the whole "
            "project, or the script, from its start."
        )
    test = project.studies("test")
    log = project.folder / "test_reads.csv"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    read = {"when": _now(), "by": by, "studies": len(test), "freeze_sha256": digest}
    pd.DataFrame([read]).to_csv(
        log, mode="a", header=not log.is_file(), index=False, lineterminator="\n"
    )
    return test


def score_hold_out(project: Project, models: Iterable[Model], by: str) -> pn.Cohort:
    """The test studies, scored by every network of these frozen models that has not scored them."""
    models = list(models)
    for model in models:
        frozen_decisions(project, model.name)
    test = read_hold_out(project, by)
    for network in networks_of(models):
        folder = run_folder(project, network)
        if not (folder / "scores_test.csv").is_file():
            score_run(project, folder, test, folder / "scores_test.csv")
    return test


def first_labels(cohort: pn.Cohort, trait: str) -> pd.Series:
    """Recorded labels of a trait, the first study of each patient: one row per patient."""
    is_first = ~cohort.patients.duplicated().to_numpy()
    return cohort.traits.loc[is_first, trait].dropna()


def recalibration_of(labels: pd.Series, scores: pd.Series) -> pn.evaluation.Recalibration | None:
    """The logistic line of some patients; None where nothing can be fitted."""
    try:
        return pn.evaluation.fit_recalibration(labels, scores)
    except ValueError:
        return None  # one class, equal predictions, or classes apart


def _decisions(project: Project, scores: pd.DataFrame) -> dict[str, Any]:
    """What validation patients (first studies) say about each trait."""
    found: dict[str, Any] = {}
    for trait in map(str, scores):
        labels = first_labels(project.val, trait)
        values = scores.loc[labels.index, trait]
        if labels.nunique() < 2:
            found[trait] = {"val_log_loss": None, "thresholds": {}, "recalibration": None}
            continue
        line = recalibration_of(labels, values)
        found[trait] = {
            "n_pos": int(labels.sum()),
            "n_neg": int((1 - labels).sum()),
            "val_log_loss": float(log_loss(labels, np.clip(values, 1e-7, 1 - 1e-7), labels=[0, 1])),
            "thresholds": pn.evaluation.choose_thresholds(labels, values),
            "recalibration": line and {"intercept": line.intercept, "slope": line.slope},
        }
    return found


def _read_freeze(project: Project) -> dict[str, Any]:
    """What was frozen; empty where nothing was."""
    path = project.folder / FREEZE_FILE
    return read_json(path) if path.is_file() else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


# === Cells: one trait read from one map type ====================================================


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
    recalibration: pn.evaluation.Recalibration | None
    thresholds: Mapping[str, float]
    is_circular: bool

    @property
    def counts(self) -> tuple[int, int]:
        """Patients with and without the trait."""
        return int((self.labels == 1).sum()), int((self.labels == 0).sum())

    @property
    def is_reportable(self) -> bool:
        """True where both classes are large enough for a number."""
        return pn.evaluation.is_reportable(self.labels)

    @property
    def row(self) -> dict[str, Any]:
        """How a table's row begins."""
        return dict(zip(CELL, (self.map_type, self.trait, *self.counts), strict=True))

    @property
    def note(self) -> str:
        """What to mind, for the end of a table's row."""
        circular = "circular: label derived from the flow shown" if self.is_circular else ""
        return joined(pn.evaluation.size_note(*self.counts), circular)

    def recalibrated(self) -> pd.Series | None:
        """Probabilities after the frozen recalibration; None where there is none."""
        return None if self.recalibration is None else self.recalibration.apply(self.scores)


def network_cells(project: Project, test: pn.Cohort, map_type: str) -> dict[str, Cell]:
    """Trait -> what the network with a frozen trunk says of it in the hold-out."""
    model = main_model(project.plan, map_type)
    return cells_of(project, test, map_type, model.name, model_scores(project, model, "test"))


def cells_of(
    project: Project, test: pn.Cohort, map_type: str, frozen: str, scores: pd.DataFrame
) -> dict[str, Cell]:
    """Trait -> its cell, by the scores of a model that was frozen under some name."""
    cells = {}
    for trait, decided in frozen_decisions(project, frozen).items():
        labels, line = first_labels(test, trait), decided["recalibration"]
        cells[trait] = Cell(
            map_type, trait, labels, scores.loc[labels.index, trait],
            recalibration=line and pn.evaluation.Recalibration(**line),
            thresholds=decided["thresholds"],
            is_circular=pn.evaluation.is_circular(test, map_type, trait),
        )  # fmt: skip
    return cells


# === Pieces of rows =============================================================================


def joined(*notes: str) -> str:
    """Notes of a row, without empty ones."""
    return "; ".join(filter(None, notes))


def ends(interval: Any, name: str = "auroc") -> dict[str, float]:
    """An interval as three columns of a row."""
    short = "ci" if name == "auroc" else name
    return {name: interval.value, f"{short}_low": interval.low, f"{short}_high": interval.high}
