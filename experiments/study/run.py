"""The whole project: every table and figure, in one command that can be resumed.

    python experiments/study/run.py --out study        # a phantom
    python experiments/study/run.py COHORT --out study --plan my_plan.yaml
    python experiments/study/main_results.py COHORT --out study       # one table; so every script

First every network is trained and every baseline fitted, and what they decide is frozen; then the
tables and figures of the hold-out are written to results/, and checklist.html. Without COHORT a
phantom of 1,200 patients (not patients) is made in the project folder.
"""

import importlib
import sys

import polarnet as pn
from project import Project, run_script

SCRIPTS = (
    "cohort_table", "main_results", "single_task", "baselines", "encoding_ablation",
    "learning_curve", "nested_cross_validation", "external", "calibration", "decisions",
    "subgroups", "failures", "sensitivity", "sample_size", "truth",
)  # fmt: skip
"""In the order of a paper."""


def develop(project: Project) -> None:
    """Train and freeze everything that any table needs, before the first read of the hold-out."""
    steps(project, "develop")


def report(project: Project) -> None:
    """Write every table and figure, and the checklist."""
    steps(project, "report")
    page = project.folder / "checklist.html"
    pn.report.write_checklist(project.folder, page, is_phantom=project.cohort.is_phantom)
    print(f"Wrote {project.folder / 'results'} and {page}")


def steps(project: Project, step: str) -> None:
    """The same step of every script."""
    for k, name in enumerate(SCRIPTS, start=1):
        print(f"[{k}/{len(SCRIPTS)}] {name}, {step} ...", flush=True)
        getattr(importlib.import_module(name), step)(project)
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()  # it keeps the graphs of every network


if __name__ == "__main__":
    run_script(__doc__, develop, report)
