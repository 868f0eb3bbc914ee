"""Scores of any number of studies, in parts that are kept until all are done."""

import functools
import hashlib
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort, read_cohort
from polarnet.files import check_no_folder, new_file, read_json, write_json
from polarnet.ood import OUTSIDE
from polarnet.rundata import PART_COLUMN, load_run_config, seen_note
from polarnet.suitability import check_prediction, difference
from polarnet.workers import do_each

if TYPE_CHECKING:
    from distributed import Client

PART: Final = 4096
"""Studies a part: a million maps are some 250 pieces of work. A multiple of the batch, so that the
scores do not depend on it."""


def predict_in_parts(
    model: str | Path,
    cohort: str | Path,
    out: str | Path,
    *,
    part: int = PART,
    client: "Client | None" = None,
) -> str:
    """Write the scores of a cohort folder by the model of a run folder or the file of a bundle.

    `out` is a CSV file as `write_scores` writes it. Until all is scored, finished parts of `part`
    studies (a multiple of 32) lie in a folder OUT.parts; the same call takes them up. Workers of a
    Dask `client` see all folders under the same names; without one, this process scores.

    Returns notes in one line, mostly empty: what differs between the cohort and that of the
    training, and how many studies have out-of-distribution maps, or patients of the training.
    ValueError: the cohort does not fit the model; OUT.parts is of another model or cohort; or some
    parts failed, the others are kept.
    """
    model, cohort, out = (Path(path).resolve() for path in (model, cohort, out))
    config = None if model.is_file() else load_run_config(model)
    studies = read_cohort(cohort)
    # The table says which patients there are, whom the training may have seen.
    of_model = model if model.is_file() else model / "environment.json"
    described = (of_model, cohort / "cohort.json", cohort / "cohort.csv")
    stamps = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in described)
    config = config or _opened(model, cohort, stamps)[0].config
    check_prediction(config, studies)
    check_no_folder(out)
    parts = out.with_name(f"{out.name}.parts")
    made_of = {"model": str(model), "cohort": str(cohort), "part": part, "sha256": list(stamps)}
    if not (parts / "parts.json").is_file():
        write_json(parts / "parts.json", made_of)
    elif read_json(parts / "parts.json") != made_of:
        raise ValueError(
            f"{parts} holds scores of another model or cohort. Choose another --out, or delete it."
        )
    starts = range(0, len(studies), part)
    files = {start: parts / f"{start:09d}.csv" for start in starts}
    missing = [start for start, file in files.items() if not file.is_file()]
    shared = (model, cohort, stamps, part, parts)
    if problems := do_each(client, _score, missing, shared, "Scoring", "part"):
        raise ValueError(f"{len(problems)} parts failed, the others are kept: {problems[0]}")
    with new_file(out) as partial, partial.open("wb") as whole:
        for start, path in files.items():
            with path.open("rb") as file:
                if start:
                    file.readline()
                shutil.copyfileobj(file, whole)
    shutil.rmtree(parts)
    notes = [difference(config, studies)]
    table = pd.read_csv(out, usecols=lambda n: n in (PART_COLUMN, "warning"), dtype=str).fillna("")
    if "warning" in table and (n := table["warning"].str.contains(OUTSIDE, regex=False).sum()):
        notes.append(f"maps of {n} of {len(table)} studies are out of distribution")
    if "warning" in table and table["warning"].str.contains("training mean", regex=False).any():
        notes.append("clinical values far from those of the training (see the column warning)")
    if PART_COLUMN in table:
        notes.append(seen_note(table[PART_COLUMN]))
    return "; ".join(filter(None, notes))


def _score(
    start: int, model: Path, cohort: Path, stamps: tuple[str, ...], part: int, parts: Path
) -> str:
    """One part, in whatever process; returns what went wrong, or nothing."""
    from polarnet.network import predict
    from polarnet.network.training import write_scores

    try:
        loaded, studies = _opened(model, cohort, stamps)
        rows = np.arange(start, min(start + part, len(studies)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said in the file, and by the caller
            scores = predict(loaded, studies.select(rows))
        write_scores(scores, parts / f"{start:09d}.csv")
    except (ValueError, OSError) as error:
        return str(error)
    return ""


@functools.lru_cache(maxsize=1)
def _opened(model: Path, cohort: Path, stamps: tuple[str, ...]) -> tuple[Any, Cohort]:
    """Model and cohort, opened once a process, and anew where their files have changed."""
    from polarnet.bundle import load_bundle
    from polarnet.network import load_run

    return (load_bundle if model.is_file() else load_run)(model), read_cohort(cohort)
