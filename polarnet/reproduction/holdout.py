"""The hold-out: what is decided before it is read, and a record of every read."""

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from polarnet import __version__
from polarnet.cohort import Cohort
from polarnet.evaluation import choose_thresholds, fit_recalibration
from polarnet.evaluation.table import first_studies, read_scores
from polarnet.files import new_file
from polarnet.reproduction.arms import Arm, Model, all_arms
from polarnet.reproduction.opening import Reproduction
from polarnet.reproduction.plan import plan_as_text
from polarnet.reproduction.training import mean_scores, score_run, val_scores

FREEZE_FILE: Final = "freeze.json"
READS_FILE: Final = "test_reads.csv"
_READS: Final = ("when", "by", "what_for", "studies", "freeze_sha256")


def freeze(
    study: Reproduction,
    models: Iterable[Model],
    baselines: Mapping[str, pd.DataFrame] | None = None,
) -> None:
    """Write down, from validation studies, all that is decided before the hold-out is read.

    Parameters
    ----------
    models
        Trained networks. What is frozen already must still be the same; what is new is added with
        its time.
    baselines
        Name, as "map type: baseline" -> validation scores.

    Raises
    ------
    ValueError: the plan, the split or a model changed since it was frozen.
    """
    of_val = {model.name: val_scores(study, model) for model in models} | dict(baselines or {})
    frozen = _read_freeze(study) or {
        "written": _now(),
        "polarnet": __version__,
        "commit": _commits(study),
        "plan": plan_as_text(study.plan),
        "split_sha256": study.split_digest,
        "n_train": len(study.train),
        "n_val": len(study.val),
        "n_test": int((study.part == "test").sum()),
        "models": {},
    }
    if frozen["split_sha256"] != study.split_digest or frozen["plan"] != plan_as_text(study.plan):
        raise ValueError(
            f"{study.folder / FREEZE_FILE} was written for another plan or split. Choose another "
            "--out: the hold-out is read once."
        )
    for name, scores in of_val.items():
        digest = _digest(scores)
        known = frozen["models"].get(name)
        if known is None:
            frozen["models"][name] = {
                "frozen": _now(),
                "scores_val_sha256": digest,
                "traits": _decisions(study, scores),
            }
        elif known["scores_val_sha256"] != digest:
            raise ValueError(
                f"Model {name} was frozen with other validation scores; it was trained again. "
                "Choose another --out: the hold-out is read once."
            )
    text = json.dumps(frozen, indent=1, ensure_ascii=False) + "\n"
    with new_file(study.folder / FREEZE_FILE) as partial:
        partial.write_text(text, encoding="utf-8")


def frozen_decisions(study: Reproduction, model: str) -> dict[str, dict[str, Any]]:
    """Trait -> thresholds, recalibration and validation log-loss of a frozen model.

    Raises
    ------
    KeyError: the model was not frozen.
    """
    frozen = _read_freeze(study)
    if frozen is None or model not in frozen["models"]:
        raise KeyError(f"Model {model} is not in {study.folder / FREEZE_FILE}; freeze it first.")
    decisions: dict[str, dict[str, Any]] = frozen["models"][model]["traits"]
    return decisions


def is_frozen(study: Reproduction, model: str) -> bool:
    """True where the model's decisions are written down."""
    frozen = _read_freeze(study)
    return frozen is not None and model in frozen["models"]


def comparator(study: Reproduction, map_type: str, trait: str, among: Sequence[str]) -> str:
    """The frozen baseline of a map with the lowest validation log-loss for a trait."""
    losses = {}
    for name in among:
        found = frozen_decisions(study, f"{map_type}: {name}").get(trait)
        if found is not None and found["val_log_loss"] is not None:
            losses[name] = found["val_log_loss"]
    if not losses:
        raise ValueError(f"No baseline of {map_type} maps scores {trait}.")
    return min(losses, key=lambda name: losses[name])


def read_hold_out(study: Reproduction, *, by: str, what_for: str) -> Cohort:
    """The test studies; the read is logged.

    Parameters
    ----------
    by, what_for
        Script and purpose, for test_reads.csv.

    Raises
    ------
    ValueError: nothing was frozen yet.
    """
    path = study.folder / FREEZE_FILE
    if not path.is_file():
        raise ValueError(
            f"The hold-out of {study.folder} is closed: nothing was frozen yet. Run the study, or "
            "the script, from its start."
        )
    test = study.cohort.select((study.part == "test").to_numpy())
    log = study.folder / READS_FILE
    is_new = not log.is_file()
    with log.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow(_READS)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        writer.writerow([_now(), by, what_for, len(test), digest])
    return test


def score_hold_out(study: Reproduction, models: Iterable[Model], *, by: str) -> None:
    """Score the test studies with every frozen network that has not scored them yet."""
    models = list(models)
    for model in models:
        frozen_decisions(study, model.name)
    missing = [
        arm
        for arm in all_arms(models)
        if not (study.run_folder(arm.name) / "scores_test.csv").is_file()
    ]
    if not missing:
        return

    test = read_hold_out(study, by=by, what_for=f"maps, to score {len(missing)} networks")
    for arm in missing:
        score_run(study.run_folder(arm.name), test, study.cache)


def hold_out_scores(study: Reproduction, model: Model) -> pd.DataFrame:
    """Mean probability over the model's networks, test studies."""
    return mean_scores(study, model, "scores_test.csv")


def _decisions(study: Reproduction, scores: pd.DataFrame) -> dict[str, Any]:
    """What validation patients (first studies) say about each trait."""
    val = study.val
    rows, _ = first_studies(scores, val.traits, val.patients)
    found: dict[str, Any] = {}
    for trait in scores:
        labels = val.traits.loc[rows, trait].dropna()
        values = scores.loc[labels.index, trait]
        if labels.nunique() < 2:
            found[str(trait)] = {"val_log_loss": None, "thresholds": {}, "recalibration": None}
            continue
        try:
            line = fit_recalibration(labels, values)
            recalibration = {"intercept": line.intercept, "slope": line.slope}
        except ValueError:
            recalibration = None  # all predictions equal, or classes apart: nothing to fit
        found[str(trait)] = {
            "n_pos": int(labels.sum()),
            "n_neg": int((1 - labels).sum()),
            "val_log_loss": float(log_loss(labels, np.clip(values, 1e-7, 1 - 1e-7), labels=[0, 1])),
            "thresholds": choose_thresholds(labels, values),
            "recalibration": recalibration,
        }
    return found


def _read_freeze(study: Reproduction) -> dict[str, Any] | None:
    path = study.folder / FREEZE_FILE
    if not path.is_file():
        return None
    frozen: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return frozen


def _commits(study: Reproduction) -> list[str]:
    """Commits of the package that the runs so far were made with."""
    found = set()
    for path in (study.folder / "runs").glob("*/environment.json"):
        found.add(str(json.loads(path.read_text(encoding="utf-8"))["commit"]))
    return sorted(found)


def _digest(scores: pd.DataFrame) -> str:
    text = scores.to_csv(float_format="%.9g", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def single_scores(study: Reproduction, arm: Arm) -> pd.DataFrame:
    """Test scores of one network of a model."""
    return read_scores(study.run_folder(arm.name) / "scores_test.csv")


def first_labels(test: Cohort, trait: str) -> pd.Series:
    """Recorded labels of a trait, the first study of each patient: one row a patient."""
    is_first = ~test.patients.duplicated().to_numpy()
    return test.traits.loc[is_first, trait].dropna()
