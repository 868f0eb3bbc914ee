"""A study's folder: its plan, its cohort and its split, the same each time it is opened."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort, read_cohort, split_by_patient
from polarnet.files import new_file, read_csv, write_csv
from polarnet.ids import listing, normal_ids
from polarnet.report.tables import PHANTOM_NOTE
from polarnet.reproduction.leaks import refuse_leaks
from polarnet.reproduction.plan import Plan, load_plan, plan_as_text
from polarnet.rundata import DATA_FILE, data_facts, keep_data, pixel_digests
from polarnet.traits import COMBINED, MAP_TYPES

PLAN_FILE: Final = "study.yaml"
SPLIT_FILE: Final = "split.csv"


@dataclass(frozen=True, eq=False)
class Reproduction:
    """An opened study.

    Attributes
    ----------
    folder
        Holds study.yaml, split.csv, data.json, freeze.json, test_reads.csv, runs/ and results/.
    plan
        Every setting.
    cohort
        All studies. Scripts use `train` and `val`; the hold-out is had by `read_hold_out` alone.
    part
        study_id -> "train", "val" or "test".
    """

    folder: Path
    plan: Plan
    cohort: Cohort
    part: pd.Series

    @property
    def train(self) -> Cohort:
        """Training studies."""
        return self.cohort.select((self.part == "train").to_numpy())

    @property
    def val(self) -> Cohort:
        """Validation studies: they choose epoch, penalty, threshold and comparator."""
        return self.cohort.select((self.part == "val").to_numpy())

    @property
    def cache(self) -> Path:
        """Folder of kept features."""
        return self.folder / "features"

    @cached_property
    def pixels(self) -> pd.DataFrame:
        """Fingerprints of all maps that the plan reads, computed once."""
        types = dict.fromkeys(self.plan.map_types)
        if COMBINED in types:
            types = dict.fromkeys([*types, *MAP_TYPES])
        return pixel_digests(self.cohort, [m for m in types if m in self.cohort.maps])

    def run_folder(self, arm: str) -> Path:
        """Run folder of an arm."""
        return self.folder / "runs" / arm

    def result(self, name: str) -> Path:
        """Path, without suffix, of a table or figure."""
        path = self.folder / "results" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def split_digest(self) -> str:
        """sha256 of who trains, validates and tests."""
        text = self.part.to_csv(lineterminator="\n")
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def notes(self) -> list[str]:
        """What every table says of its data."""
        return [PHANTOM_NOTE] if self.cohort.is_phantom else []


def open_reproduction(cohort: str | Path, out: str | Path, plan: Plan) -> Reproduction:
    """Begin a study, or go on with it.

    Parameters
    ----------
    cohort
        Cohort folder.
    out
        Study folder. Where it has a plan and a split, they must be the same, unless nothing was
        trained by them yet.

    Raises
    ------
    ValueError: the plan differs from that of the folder, the cohort, its labels or its maps from
        those that the folder was made from, or something tells a trait that must not (see
        `refuse_leaks`).
    """
    folder, whole = Path(out), read_cohort(cohort)
    if lacking := [trait for trait in plan.traits if trait not in whole.traits]:
        raise ValueError(
            f"No trait {listing(lacking)} in {cohort}; it has {listing(whole.traits.columns)}. "
            "Name yours under `traits` in the plan."
        )
    if (folder / PLAN_FILE).is_file():
        kept = load_plan(folder / PLAN_FILE)
        if kept != plan and not any((folder / "runs").glob("*/environment.json")):
            # A slip in the first call, such as a wrong path of weights, binds nobody.
            for name in (PLAN_FILE, SPLIT_FILE, DATA_FILE):
                (folder / name).unlink(missing_ok=True)
        elif kept != plan:
            raise ValueError(
                f"{folder} holds a study with another plan ({_differences(kept, plan)}). "
                "Choose another --out, or take that plan."
            )
    split_file = folder / SPLIT_FILE
    if split_file.is_file():
        part = _read_split(split_file)
        if sorted(part.index) != sorted(whole.patients.index):
            raise ValueError(
                f"{split_file} is of another cohort: {len(part)} studies, {cohort} has "
                f"{len(whole)}. Choose another --out."
            )
        part = part.loc[whole.patients.index]
        study = Reproduction(folder, plan, whole, part)
        _same_data(study)
        return study
    part = _draw(whole, plan)
    study = Reproduction(folder, plan, whole, part)
    refuse_leaks(whole, part, plan)
    folder.mkdir(parents=True, exist_ok=True)
    _same_data(study)
    write_csv(part.to_frame(), split_file, index_label="study_id")
    with new_file(folder / PLAN_FILE) as partial:
        partial.write_text(plan_as_text(plan), encoding="utf-8")
    return study


def _read_split(path: Path) -> pd.Series:
    """study_id -> part, as it was drawn."""
    table = read_csv(path, text=("study_id", "part"))
    if lacking := [name for name in ("study_id", "part") if name not in table]:
        raise ValueError(f"{path} lacks the columns {listing(lacking)}. Choose another --out.")
    return table.set_index(pd.Index(normal_ids(table["study_id"]), name="study_id"))["part"]


def label_figure(figure: Any, study: Reproduction) -> None:
    """Say on the picture that these are no patients."""
    if study.notes:
        figure.supxlabel(study.notes[0], fontsize=7)


_MADE: Final = ("runs", "baselines", "nested", "freeze.json")
"""What a study that has begun has made."""


def _same_data(study: Reproduction) -> None:
    """Note what a study is made of, or see that it still is the same.

    Raises
    ------
    ValueError: labels, maps or clinical columns are others, or nothing tells what they were.
    """
    folder = study.folder
    if not (folder / DATA_FILE).is_file() and any((folder / name).exists() for name in _MADE):
        raise ValueError(
            f"{folder} does not say which labels and maps its networks were trained on: an earlier "
            "version began it. Choose another --out."
        )
    facts = data_facts(study.cohort, study.pixels, study.plan.traits, clinical=True)
    facts["split (split.csv)"] = study.split_digest
    advice = (
        "Networks, thresholds and baselines there belong to the old data. Choose another --out, or "
        "put the old cohort back."
    )
    keep_data(folder, facts, may_grow=False, advice=advice)


def _draw(cohort: Cohort, plan: Plan) -> pd.Series:
    """The part of each study."""
    if plan.split_by is not None:
        cohort = assign_split(cohort, plan)
    splits = split_by_patient(cohort, plan.val, plan.test, seed=plan.split_seed)
    part = pd.Series("", index=cohort.patients.index, name="part")
    for name, split in zip(("train", "val", "test"), splits, strict=True):
        part[split.patients.index] = name
    return part


def assign_split(cohort: Cohort, plan: Plan) -> Cohort:
    """The cohort with a column `split` made from a date, a number or a site.

    Parameters
    ----------
    plan
        Its `split_by` names a column of the clinical table. With `test_site` the patients with a
        study there test; without, those whose first study is among the latest (largest) do, in the
        share `test`. Of the rest the share `val` validates, drawn by patient.

    Raises
    ------
    ValueError: no such column or site, or a value is missing.
    """
    column = str(plan.split_by)
    if column not in cohort.clinical:
        raise ValueError(
            f"No column '{column}' to split by; there are {listing(cohort.clinical.columns)}."
        )
    values = cohort.clinical[column]
    if values.isna().any():
        raise ValueError(
            f"Column '{column}' is empty for {listing(values.index[values.isna()])}; a split by it "
            "needs a value for every study."
        )
    patients = cohort.patients
    if plan.test_site is not None:
        is_there = values.astype(str) == plan.test_site
        if not is_there.any():
            raise ValueError(f"No study has '{plan.test_site}' in column '{column}'.")
        testing = set(patients[is_there])
    else:
        numbers = pd.to_numeric(values, errors="coerce")
        if numbers.isna().any():
            numbers = pd.to_datetime(values, format="ISO8601").astype("int64")
        first = numbers.groupby(patients.to_numpy()).min().sort_values(kind="stable")
        testing = set(first.index[-max(1, round(plan.test * len(first))) :])
    is_test = patients.isin(testing).to_numpy()
    rest = np.array(sorted(set(patients[~is_test])))
    drawn = np.random.default_rng(plan.split_seed).permutation(rest)
    validating = set(drawn[: max(1, round(plan.val * patients.nunique()))])
    part = np.where(is_test, "test", np.where(patients.isin(validating), "val", "train"))
    return replace(cohort, clinical=cohort.clinical.assign(split=part))


def _differences(kept: Plan, plan: Plan) -> str:
    """Settings that differ, for the message."""
    names = [name for name in vars(plan) if getattr(kept, name) != getattr(plan, name)]
    return ", ".join(f"{n}: {getattr(kept, n)} there, {getattr(plan, n)} here" for n in names)
