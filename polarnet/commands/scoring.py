"""Commands that score studies, and judge scores. Heavy imports stand inside each of them."""

import argparse
import sys
import warnings
from pathlib import Path

from polarnet.commands.terminal import SHOWN, load_tensorflow, print_table, wrote


def predict(arguments: argparse.Namespace) -> None:
    """A run and a cohort become a file of scores."""
    from polarnet.bulk import predict_in_parts
    from polarnet.cohort import read_cohort
    from polarnet.config import load_run_config
    from polarnet.suitability import check_prediction
    from polarnet.workers import client_for

    if arguments.report:
        _report_patient(arguments)
    elif arguments.study or arguments.research_traits:
        raise ValueError("--study and --research-traits are for the page of --report: name it.")
    elif not arguments.out:
        raise ValueError("--out is missing: name the CSV file to write (or a page by --report).")
    if not arguments.out:
        return
    if Path(arguments.run_folder).is_file():
        _predict_bundle(arguments)
        return
    # First of all, as TensorFlow takes its time.
    check_prediction(load_run_config(arguments.run_folder), read_cohort(arguments.cohort))
    with client_for(arguments.workers, arguments.scheduler) as client:
        if client is None:
            load_tensorflow()
        note = predict_in_parts(
            arguments.run_folder, arguments.cohort, arguments.out, client=client
        )
    if note:
        print(f"Note: {note}", file=sys.stderr)
    wrote(arguments.out)


def _report_patient(arguments: argparse.Namespace) -> None:
    """One study becomes a page."""
    from polarnet.cohort import read_cohort

    cohort = read_cohort(arguments.cohort)
    studies = list(cohort.patients.index)
    if arguments.study is None and len(studies) > 1:
        raise ValueError(
            f"{arguments.cohort} holds {len(studies)} studies; name one by --study, such as "
            f"{studies[0]}."
        )
    study = studies[0] if arguments.study is None else arguments.study
    if study not in studies:
        raise ValueError(f"{arguments.cohort} has no study '{study}'; cohort.csv lists them.")
    load_tensorflow()

    from polarnet.onepatient import write_patient_page

    wrote(
        write_patient_page(
            arguments.run_folder, cohort, study, arguments.report,
            research_traits=arguments.research_traits,
        )
    )  # fmt: skip


def _predict_bundle(arguments: argparse.Namespace) -> None:
    """A bundle and a cohort become a file of scores."""
    from polarnet.cohort import read_cohort

    if arguments.workers != 1 or arguments.scheduler:
        raise ValueError("A bundle is scored in one process: leave --workers, --scheduler out.")
    cohort = read_cohort(arguments.cohort)
    load_tensorflow()

    from polarnet.bulk import training_note, unlike_note
    from polarnet.network.training import write_scores
    from polarnet.writers import load_bundle

    bundle = load_bundle(arguments.run_folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in the file and below
        scores = bundle.predict(cohort, show_progress=True)
    write_scores(scores, arguments.out)
    out = Path(arguments.out)
    notes = scores.attrs["warning"], unlike_note(out), training_note(out)
    if note := "; ".join(filter(None, notes)):
        print(f"Note: {note}", file=sys.stderr)
    wrote(arguments.out)


def evaluate(arguments: argparse.Namespace) -> None:
    """Scores and labels become a table."""
    from polarnet import evaluation
    from polarnet.cohort import RECOVERED, read_cohort
    from polarnet.evaluation.table import read_scores
    from polarnet.files import write_csv

    scores = read_scores(arguments.scores)
    cohort = read_cohort(arguments.cohort).with_traits(scores.columns)
    table = evaluation.evaluate(scores, cohort.traits, cohort.patients)
    if cohort.is_phantom:
        print("Phantom, not patients.")
    if cohort.is_recovered:
        print(f"Maps are {RECOVERED}, not exported as numbers.")
    print_table(table[["trait", *SHOWN]])
    print("Interval: DeLong on the logit scale, t quantile, 95 %. p: Mann-Whitney against 0.5.")
    print("p_adjusted: Benjamini-Hochberg over the traits of this table.")
    if arguments.out:
        write_csv(table, arguments.out, float_format="%.6g")
        wrote(arguments.out)
