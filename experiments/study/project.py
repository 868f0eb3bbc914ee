"""The project: its folder with plan, cohort and split, opened in the same way by every script."""

import argparse
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import polarnet as pn
from leaks import refuse_leaks
from plan import Plan, load_plan, plan_as_text
from polarnet.files import new_file, read_csv, read_json, write_csv, write_json
from polarnet.ids import listing

PHANTOM_NOTE: Final = "Phantom, not patients."

N_PHANTOM, PHANTOM_SEED = 1200, 7
"""Of the phantom that a project without a cohort makes for itself."""

_BATCH: Final = 1024  # maps in memory at once


@dataclass(frozen=True, eq=False)
class Project:
    """An opened project.

    Attributes
    ----------
    folder
        Holds study.yaml, split.csv, data.json, freeze.json, test_reads.csv, runs/ and results/.
    plan
        Every setting.
    cohort
        All studies. Scripts use `train` and `val`; only `read_hold_out` gives the hold-out.
    part
        study_id -> "train", "val" or "test".
    """

    folder: Path
    plan: Plan
    cohort: pn.Cohort
    part: pd.Series

    def studies(self, *parts: str) -> pn.Cohort:
        """The studies of some parts."""
        return self.cohort.select(self.part.isin(parts).to_numpy())

    @property
    def train(self) -> pn.Cohort:
        """Training studies."""
        return self.studies("train")

    @property
    def val(self) -> pn.Cohort:
        """Validation studies: they choose epoch, penalty, threshold and comparator."""
        return self.studies("val")

    @property
    def cache(self) -> Path:
        """Folder of kept features."""
        return self.folder / "features"

    @property
    def split_digest(self) -> str:
        """sha256 of who trains, validates and tests."""
        return _sha256(self.part.to_csv(lineterminator="\n"))

    def write(self, table: pd.DataFrame, name: str, title: str, *notes: str) -> None:
        """Write a table of results/ as CSV, HTML and LaTeX; a phantom's says so first."""
        notes = (PHANTOM_NOTE, *notes) if self.cohort.is_phantom else notes
        path = self.folder / "results" / name
        pn.report.write_table(table, path, title=title, notes=list(notes))
        print(f"Wrote {path}.csv: {title}, {len(table)} rows")

    def save(self, figure: Figure, name: str) -> None:
        """Write a figure of results/ as SVG and PNG; a phantom's says so."""
        if self.cohort.is_phantom and figure.get_layout_engine():
            figure.supxlabel(PHANTOM_NOTE, fontsize=7)
        elif self.cohort.is_phantom:  # the flow, which has no room but beside its top
            figure.text(0.01, 0.99, PHANTOM_NOTE, fontsize=7, va="top")
        pn.plotting.save_figure(figure, self.folder / "results" / name)


def panels(n: int, *, columns: int = 3, height: float = 2.4, **shared) -> tuple[Figure, list[Axes]]:
    """A figure of the width of a page with n panels, and its axes."""
    n_rows = -(-n // columns)
    figure = Figure(figsize=(7.2, height * n_rows + 0.3), layout="constrained")
    axes = figure.subplots(n_rows, columns, squeeze=False, **shared).ravel()
    for ax in axes[n:]:
        ax.axis("off")
    return figure, list(axes[:n])


def draw_forest(project: Project, table: pd.DataFrame, name: str, published=None) -> None:
    """Forest plot of a table, half of the map types in either column, on one scale."""
    maps = list(project.plan.map_types)
    middle = len(maps) // 2 or 1
    halves = [half for half in (maps[:middle], maps[middle:]) if half]
    figure = Figure(figsize=(7.2, 6.5), layout="constrained")
    axes = figure.subplots(1, len(halves), sharex=True, squeeze=False)[0]
    lowest = 1.0
    for ax, half in zip(axes, halves, strict=True):
        theirs = {cell: area for cell, area in (published or {}).items() if cell[0] in half}
        pn.plotting.plot_forest(table[table["map_type"].isin(half)], ax, published=theirs)
        lowest = min(lowest, ax.get_xlim()[0])
    axes[0].set_xlim(left=lowest)
    project.save(figure, name)


# === The command line ===========================================================================


def run_script(
    doc: str | None, develop: Callable[[Project], None], report: Callable[[Project], None]
) -> None:
    """Open the project of the command line, train and freeze what is missing, and report.

    Exits with 2 and one line on stderr where something is wrong with the input, or on Ctrl-C.
    """
    parser = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    parser.add_argument("cohort", nargs="?", help="cohort folder (default: a phantom)")
    parser.add_argument("--out", default="study", help="project folder (default: study)")
    parser.add_argument("--plan", help="YAML file with what differs from the default plan")
    parser.add_argument("--weights", help="path, imagenet (default), or none: an untrained trunk")
    parser.add_argument("--full", action="store_true", help="everything, fine-tuned too, 224 px")
    parser.add_argument("--only", choices=("develop", "report"), help="one of the two steps")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    changes: dict[str, object] = {"full": True} if arguments.full else {}
    if arguments.weights is not None:
        changes["weights"] = None if arguments.weights.lower() == "none" else arguments.weights
    out = Path(arguments.out)
    kept = out / "study.yaml"  # a project that was begun brings its own plan
    cohort = arguments.cohort or out / "cohort"
    try:
        plan = load_plan(arguments.plan or (kept if kept.is_file() else None), **changes)
        if arguments.cohort is None and not (cohort / "cohort.json").is_file():
            print(f"Simulating {N_PHANTOM} patients (phantom, not patients) ...", flush=True)
            pn.make_phantom_cohort(N_PHANTOM, seed=PHANTOM_SEED).save(cohort)
        project = open_project(cohort, out, plan)
        if arguments.only != "report":
            develop(project)
        if arguments.only != "develop":
            report(project)
    except KeyboardInterrupt:
        sys.exit(_fail("Interrupted. What is finished is kept; run the same command again."))
    except (ValueError, KeyError, OSError) as error:
        sys.exit(_fail(str(error.args[0]) if len(error.args) == 1 else str(error)))


def _fail(message: str) -> int:
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {' '.join(message.split())}\n")
    return 2


# === Opening ====================================================================================


def open_project(cohort: str | Path, out: str | Path, plan: Plan) -> Project:
    """Begin a project, or go on with it.

    Raises
    ------
    ValueError: the plan differs from that of the folder, the cohort, its labels or its maps from
        those that the folder was made from, or a trait leaks (see `refuse_leaks`).
    """
    folder, whole = Path(out), pn.read_cohort(cohort)
    if lacking := [trait for trait in plan.traits if trait not in whole.traits]:
        raise ValueError(
            f"No trait {listing(lacking)} in {cohort}; it has {listing(whole.traits.columns)}. "
            "Name yours under `traits` in the plan."
        )
    plan_file, split_file = folder / "study.yaml", folder / "split.csv"
    kept = load_plan(plan_file) if plan_file.is_file() else plan
    if kept != plan:
        differences = ", ".join(
            f"{name}: {getattr(kept, name)} there, {value} here"
            for name, value in vars(plan).items()
            if getattr(kept, name) != value
        )
        raise ValueError(
            f"{folder} holds a project with another plan ({differences}). Choose another --out, "
            "take that plan, or delete the folder."
        )
    is_new = not split_file.is_file()
    part = _draw(whole, plan) if is_new else _read_split(split_file)
    if sorted(part.index) != sorted(whole.patients.index):
        raise ValueError(
            f"{split_file} is of another cohort: {len(part)} studies, {cohort} has "
            f"{len(whole)}. Choose another --out."
        )
    project = Project(folder, plan, whole, part.loc[whole.patients.index])
    if is_new:
        refuse_leaks(whole, project.part, plan)
    advice = (
        "Networks, thresholds and baselines there belong to the old data. Choose another --out, or "
        "put the old cohort back."
    )
    keep_facts(folder, _facts(project), advice, is_new=is_new)
    if is_new:
        with new_file(plan_file) as partial:
            partial.write_text(plan_as_text(plan), encoding="utf-8", newline="\n")
        write_csv(project.part.to_frame(), split_file, index_label="study_id")
    return project


def _read_split(path: Path) -> pd.Series:
    """study_id -> part, as it was drawn."""
    try:
        return read_csv(path, text=("study_id", "part")).set_index("study_id")["part"]
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Choose another --out.") from None


def _draw(cohort: pn.Cohort, plan: Plan) -> pd.Series:
    """The part of each study."""
    if plan.split_by is not None:
        cohort = assign_split(cohort, plan)
    splits = pn.split_by_patient(cohort, plan.val, plan.test, seed=plan.split_seed)
    part = pd.Series("", index=cohort.patients.index, name="part")
    for name, split in zip(("train", "val", "test"), splits, strict=True):
        part[split.patients.index] = name
    return part


def assign_split(cohort: pn.Cohort, plan: Plan) -> pn.Cohort:
    """The cohort with a column `split` made from the clinical column `plan.split_by`.

    With `test_site` the patients with a study there test; without, those whose first study is
    among the latest (largest) do, in the share `test`. Of the rest the share `val` validates,
    drawn by patient. ValueError: no such column or site, or a value is missing.
    """
    column, patients = str(plan.split_by), cohort.patients
    if column not in cohort.clinical:
        raise ValueError(
            f"No column '{column}' to split by; there are {listing(cohort.clinical.columns)}."
        )
    values = cohort.clinical[column]
    if values.isna().any():
        raise ValueError(
            f"Column '{column}' is empty for {listing(values.index[values.isna()], 10)}; a split "
            "by it needs a value for every study."
        )
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


def keep_facts(folder: Path, facts: dict[str, str], advice: str, *, is_new: bool) -> None:
    """Note in data.json what a new folder is made of, or refuse data that differ from it."""
    path = folder / "data.json"
    if is_new and not path.is_file():
        write_json(path, facts)
        return
    kept = read_json(path) if path.is_file() else {}
    if odd := [name for name in {**kept, **facts} if kept.get(name) != facts.get(name)]:
        raise ValueError(
            f"{folder} was made from other data: different {listing(odd, 10)}. {advice}"
        )


def map_facts(cohort: pn.Cohort) -> dict[str, str]:
    """What the maps of a cohort are: sha256 of their pixels, and what is stated of them."""
    facts = {"studies or their patients": _sha256(cohort.patients.to_csv(lineterminator="\n"))}
    # Reserve maps are computed from rest and stress maps where these are there.
    for map_type in sorted({"rest", "stress"} & set(cohort.maps) or set(cohort.maps)):
        digest, stack = hashlib.sha256(), cohort.maps[map_type]
        for start in range(0, len(cohort), _BATCH):
            digest.update(np.asarray(stack[start : start + _BATCH], np.float32).tobytes())
        facts[f"{map_type} maps"] = digest.hexdigest()
    stated = ("unit", "tracer", "stress_agent", "software")
    return facts | {name.replace("_", " "): str(getattr(cohort, name)) for name in stated}


def _facts(project: Project) -> dict[str, str]:
    """The same, with split, labels and clinical columns."""
    cohort = project.cohort
    columns = {f"labels of {trait}": cohort.traits[trait] for trait in project.plan.traits}
    columns |= {f"clinical column {name}": cohort.clinical[name] for name in cohort.clinical}
    return (
        map_facts(cohort)
        | {"split (split.csv)": project.split_digest}
        | {
            name: _sha256(values.to_csv(header=False, lineterminator="\n"))
            for name, values in columns.items()
        }
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# === Scores =====================================================================================


def write_scores(scores: pd.DataFrame, path: Path) -> None:
    """Write scores with 9 digits, more than float32 has."""
    write_csv(scores, path, index_label="study_id", float_format="%.9g")


def read_scores(path: Path) -> pd.DataFrame:
    """Scores of a file, index study_id, one column per trait."""
    scores = pn.evaluation.read_scores(path)
    scores.attrs = {}  # what each study was to the run; the project knows
    return scores
