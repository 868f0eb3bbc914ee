"""Scores of any number of studies, in parts: what is scored stays scored."""

import functools
import hashlib
import json
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort, read_cohort
from polarnet.config import load_run_config
from polarnet.familiarity import UNLIKE
from polarnet.files import new_file
from polarnet.rundata import PART_COLUMN, seen_note
from polarnet.suitability import check_prediction, difference
from polarnet.workers import do_each

if TYPE_CHECKING:
    from distributed import Client

PART: Final = 4096
"""Studies a part: a million maps are some 250 pieces of work. A multiple of the batch, so that the
scores do not depend on it."""


def predict_in_parts(
    run: str | Path,
    cohort: str | Path,
    out: str | Path,
    *,
    part: int = PART,
    client: "Client | None" = None,
) -> str:
    """Write the scores of a cohort folder by the model of a run folder.

    Parameters
    ----------
    out
        CSV file, as `write_scores` writes it. Until all is scored, finished parts lie in a folder
        OUT.parts; the same call takes them up.
    part
        Studies a part, a multiple of 32.
    client
        Of Dask distributed, whose workers see all folders under the same names; None: this process.

    Returns
    -------
    What differs between the cohort and that of the training, as `predict` says it, and how many
    studies have maps unlike those of the training, or patients of it; mostly empty.

    Raises
    ------
    ValueError: the cohort does not fit the model; OUT.parts is of another model or cohort; or some
        parts failed, the others are kept.
    """
    run, cohort, out = (Path(path).resolve() for path in (run, cohort, out))
    config, studies = load_run_config(run), read_cohort(cohort)
    check_prediction(config, studies)
    parts = out.with_name(f"{out.name}.parts")
    facts: dict[str, Any] = {
        "run": _stamp(run / "environment.json"),
        "cohort": _stamp(cohort / "cohort.json"),
        "table": _stamp(cohort / "cohort.csv"),  # whose patients the training has seen
    }
    facts |= {"run_folder": str(run), "cohort_folder": str(cohort), "part": part}
    _begin(parts, facts)
    starts = range(0, len(studies), part)
    missing = [start for start in starts if not _file(parts, start).is_file()]
    problems = do_each(client, _score, missing, (facts, parts), "Scoring", "part")
    if problems:
        raise ValueError(f"{len(problems)} parts failed, the others are kept: {problems[0]}")
    with new_file(out) as partial, partial.open("wb") as whole:
        for k, start in enumerate(starts):
            with _file(parts, start).open("rb") as file:
                if k:
                    file.readline()
                shutil.copyfileobj(file, whole)
    shutil.rmtree(parts)
    notes = (difference(config, studies), unlike_note(out), training_note(out))
    return "; ".join(filter(None, notes))


def training_note(scores: Path) -> str:
    """How many studies of a scores file are of patients of the training; nothing if none."""
    table = pd.read_csv(scores, usecols=lambda name: name == PART_COLUMN, dtype=str)
    return seen_note(table[PART_COLUMN].fillna("")) if PART_COLUMN in table else ""


def unlike_note(scores: Path) -> str:
    """How many studies of a scores file are marked as unlike the training maps; nothing if none."""
    table = pd.read_csv(scores, usecols=lambda name: name == "warning", dtype=str)
    if "warning" not in table:
        return ""
    n = int(table["warning"].str.contains(UNLIKE, regex=False, na=False).sum())
    return f"maps of {n} of {len(table)} studies are unlike the training maps" if n else ""


def _begin(parts: Path, facts: dict[str, Any]) -> None:
    """Make the folder of parts, or see that it is of this work."""
    path = parts / "parts.json"
    if not path.is_file():
        parts.mkdir(parents=True, exist_ok=True)
        with new_file(path) as partial:
            partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    elif json.loads(path.read_text(encoding="utf-8")) != facts:
        raise ValueError(
            f"{parts} holds scores of another model or cohort. Choose another --out, or delete it."
        )


def _score(start: int, facts: dict[str, Any], parts: Path) -> str:
    """One part, in whatever process; returns what went wrong, or nothing."""
    from polarnet.network import predict
    from polarnet.network.training import write_scores

    try:
        run, studies = _opened(json.dumps(facts, sort_keys=True))
        rows = np.arange(start, min(start + facts["part"], len(studies)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said in the file, and by the caller
            scores = predict(run, studies.select(rows))
        write_scores(scores, _file(parts, start))
    except (ValueError, OSError) as error:
        return str(error)
    return ""


@functools.lru_cache(maxsize=1)
def _opened(facts: str) -> tuple[Any, Cohort]:
    """Model and cohort, opened once a process; both are named by what they hold."""
    from polarnet.network import load_run

    known = json.loads(facts)
    return load_run(known["run_folder"]), read_cohort(known["cohort_folder"])


def _file(parts: Path, start: int) -> Path:
    return parts / f"{start:09d}.csv"


def _stamp(path: Path) -> str:
    """Tells whether the file that describes a run or a cohort is still the same one."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
