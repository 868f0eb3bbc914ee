"""Commands that explain, report and hand on. Heavy imports stand inside each of them."""

import argparse
from pathlib import Path
from typing import Any

from polarnet.commands.terminal import load_tensorflow, wrote


def explain(arguments: argparse.Namespace) -> None:
    """A run and a cohort become maps of where the network looks, with checks."""
    from polarnet.cohort import read_cohort
    from polarnet.config import load_run_config
    from polarnet.files import check_vacant
    from polarnet.suitability import check_prediction

    cohort = read_cohort(arguments.cohort)
    others = arguments.other_seeds or []
    for folder in (arguments.run_folder, *others, *filter(None, [arguments.permuted])):
        check_prediction(load_run_config(folder), cohort)
    check_vacant(arguments.out)
    load_tensorflow()

    from polarnet.explanation import explain_run

    checks = explain_run(
        arguments.run_folder,
        cohort,
        arguments.out,
        trait=arguments.trait,
        method=arguments.method,
        patients=arguments.patients,
        other_seeds=others,
        permuted=arguments.permuted,
        command=arguments.line,
    )
    if cohort.is_phantom:
        print("Phantom, not patients.")
    for check in checks:
        print(f"{check.name}: {check.verdict}")
    wrote(*sorted(Path(arguments.out).iterdir()))


def report(arguments: argparse.Namespace) -> None:
    """A study, or runs, become a page."""
    from polarnet.cohort import read_cohort
    from polarnet.report.checklist import SETTINGS
    from polarnet.report.page import write_report

    folder = Path(arguments.path[0])
    cohort = arguments.cohort
    if (folder / SETTINGS).is_file() and len(arguments.path) == 1:
        if cohort is None and (folder / "cohort" / "cohort.json").is_file():
            cohort = folder / "cohort"  # the phantom that a study made for itself
        _report_study(arguments, folder, cohort)
    elif arguments.explained:
        raise ValueError("--explained belongs to the report of a study, but runs were named.")
    else:
        whole = None if cohort is None else read_cohort(cohort)
        write_report(arguments.path, arguments.out, cohort=whole)
    wrote(arguments.out)


def _report_study(arguments: argparse.Namespace, folder: Path, cohort: Any) -> None:
    """ROC bands are drawn from the hold-out, whose every read the study logs."""
    from polarnet import reproduction as rp
    from polarnet.report.checklist import SETTINGS
    from polarnet.report.studyreport import BY_REPORT, write_study_report

    test, scores = None, {}
    if cohort is not None:
        study = rp.open_reproduction(cohort, folder, rp.load_plan(folder / SETTINGS))
        models = {m.map_type: m for m in rp.frozen_models(study.plan)}
        scores = {
            map_type: rp.hold_out_scores(study, model)
            for map_type, model in models.items()
            if all((study.run_folder(a.name) / "scores_test.csv").is_file() for a in model.arms)
        }
        if scores:
            test = rp.read_hold_out(study, by=BY_REPORT, what_for="labels, for ROC curves")
    write_study_report(
        folder,
        arguments.out,
        test=test,
        scores=scores,
        explained=arguments.explained or (),
    )


def export(arguments: argparse.Namespace) -> None:
    """Runs become one file."""
    from polarnet.cohort import read_cohort
    from polarnet.config import load_run_config

    for run in arguments.runs:  # before TensorFlow takes its time
        load_run_config(run)
    if arguments.kind == "onnx" and len(arguments.runs) > 1:
        raise ValueError("ONNX takes one run; a bundle holds several.")
    if arguments.kind == "bundle":
        if not arguments.cohort:
            raise ValueError("--cohort is missing: thresholds and results need the labels.")
        cohort = read_cohort(arguments.cohort)
    load_tensorflow()

    from polarnet import writers

    if arguments.kind == "onnx":
        writers.write_onnx(arguments.runs[0], arguments.out)
    else:
        writers.write_bundle(arguments.runs, cohort, arguments.out)
    wrote(arguments.out)
