"""What each command of the command line does: options in, results and a few words out.

TensorFlow, statistics and figures are imported where a command needs them, after its input was
checked.
"""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from polarnet import cachefolder
from polarnet.cachefolder import USER_CACHE
from polarnet.cohort import RECOVERED, read_cohort, split_by_patient
from polarnet.config import ExperimentConfig
from polarnet.files import check_vacant, new_file, write_csv
from polarnet.rundata import load_run_config
from polarnet.suitability import check_prediction, check_training

SHOWN: Final = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value", "p_adjusted", "note")
"""Columns of a printed table of AUROCs."""


# === From exports to a cohort ===


def import_exports(arguments: argparse.Namespace) -> None:
    """A folder of exports and a table become a cohort folder."""
    from polarnet import readers

    if arguments.suggest_columns:
        _suggest_columns(arguments)
        return
    profiles = arguments.profile or readers.PROFILES
    if arguments.preview:
        from polarnet.plotting.maps import write_preview

        found = readers.preview_exports(arguments.path, unit=arguments.unit, profiles=profiles,
                                        scale=arguments.scale, series=arguments.series)  # fmt: skip
        caption = (
            f"{found.map_type}, {found.shape} read with profile {found.profile}"
            + (f", written in {found.unit_in_file}" if found.unit_in_file else "")
            + ". Are the walls where they belong?"
        )
        wrote(write_preview(arguments.preview, found.values, map_type=found.map_type,
                             unit=found.unit, caption=caption))  # fmt: skip
        return
    if not arguments.out:
        raise ValueError("--out is missing: name the cohort folder to make.")

    from polarnet.plotting.maps import draw_contact_sheet

    check_vacant(arguments.out)
    cohort = readers.import_exports(
        arguments.path,
        arguments.out,
        arguments.clinical,
        columns=readers.load_column_map(arguments.columns) if arguments.columns else None,
        unit=arguments.unit,
        profiles=profiles,
        traits=arguments.traits,
        scale=arguments.scale,
        series=arguments.series,
        size=arguments.size,
        tracer=arguments.tracer,
        stress_agent=arguments.stress_agent,
        software=arguments.software,
        key=arguments.key,
        keep_ids=arguments.keep_ids,
        link=arguments.link,
        strict=arguments.strict,
        jobs=arguments.jobs,
        draw=draw_contact_sheet,
        tell=print,
        show_progress=True,
    )
    print(cohort)
    if guarded := cohort.count_guarded():
        print(f"reserve: rest flow too low to divide by in {guarded} pixels of all maps")
    wrote(*sorted(Path(arguments.out).iterdir()))


def _suggest_columns(arguments: argparse.Namespace) -> None:
    """A first column map, to be edited."""
    from polarnet.readers import suggest_columns

    table = arguments.clinical or arguments.path
    text = suggest_columns(table)
    with new_file(arguments.suggest_columns) as partial:
        partial.write_text(text, encoding="utf-8")
    wrote(arguments.suggest_columns)
    print("Check every line of it, then import with --columns.")


# === Training ===


def demo(arguments: argparse.Namespace) -> None:
    """The whole study on a phantom."""
    load_tensorflow()

    from polarnet.demo import run_demo

    wrote(
        *run_demo(
            arguments.out,
            weights=None if arguments.weights == "none" else arguments.weights,
            cache=arguments.cache or USER_CACHE,
        )
    )


def train(arguments: argparse.Namespace) -> None:
    """A cohort becomes a run folder."""
    changes: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("map_type", "mode", "traits", "weights", "seed")
        if getattr(arguments, name) is not None
    }
    if arguments.config:
        config = ExperimentConfig.load(arguments.config, **changes)
    else:
        config = ExperimentConfig(**changes)
    with notes():
        cohort = read_cohort(arguments.cohort, verify=True).with_traits(config.traits)
    parts = split_by_patient(cohort, config.val, config.test, seed=config.seed)
    check_training(*parts[:2], config, parts[2])
    check_vacant(arguments.out)
    load_tensorflow()

    from polarnet.evaluation.comparison import read_metrics
    from polarnet.grid import run_experiment

    run = run_experiment(*parts, config, arguments.out, cache=arguments.cache or USER_CACHE)
    print(run)
    metrics = read_metrics(run.folder)
    print_table(metrics[["trait", "model", *SHOWN, "difference"]])
    wrote(*sorted(run.folder.iterdir()))


def grid(arguments: argparse.Namespace) -> None:
    """A grid file becomes many run folders and one table."""
    from polarnet.grid import read_grid, run_grid
    from polarnet.workers import client_for

    cohort, runs = read_grid(arguments.grid_file)
    with client_for(arguments.workers, arguments.scheduler) as client:
        if client is None:
            load_tensorflow()
        table = run_grid(
            cohort, runs, arguments.out, cache=arguments.cache or USER_CACHE, client=client
        )
    networks = table[table["model"] == "network"]
    for kind in networks["data"].unique():
        print(f"Data: {kind}.")
    print_table(networks[["run", "trait", *SHOWN]])
    wrote(Path(arguments.out) / "grid.csv")


def cache(arguments: argparse.Namespace) -> None:
    """How much is kept, and away with it."""
    folder = cachefolder.cache_folder(arguments.cache or cachefolder.USER_CACHE)
    kept = cachefolder.kept_folders(folder)
    size = sum(part.n_bytes for part in kept)
    print(
        f"{folder}: {size / 1e9:.2f} GB in {len(kept)} folders; "
        f"may grow to {cachefolder.limit_bytes() / 1e9:g} GB ({cachefolder.LIMIT_VARIABLE})"
    )
    if arguments.clear:
        print(f"Removed {cachefolder.clear(folder) / 1e9:.2f} GB.")


# === Scores ===


def predict(arguments: argparse.Namespace) -> None:
    """A model and a cohort become a file of scores, or the page of one study."""
    from polarnet.bulk import predict_in_parts
    from polarnet.workers import client_for

    if arguments.report:
        _report_patient(arguments)
    elif arguments.study or arguments.research_traits:
        raise ValueError("--study and --research-traits are for the page of --report: name it.")
    elif not arguments.out:
        raise ValueError("--out is missing: name the CSV file to write (or a page by --report).")
    if not arguments.out:
        return
    model, is_bundle = arguments.model, Path(arguments.model).is_file()
    if not is_bundle:  # first of all, as TensorFlow takes its time
        check_prediction(load_run_config(model), read_cohort(arguments.cohort))
    with client_for(arguments.workers, arguments.scheduler) as client:
        if client is None or is_bundle:
            load_tensorflow()
        note = predict_in_parts(model, arguments.cohort, arguments.out, client=client)
    if note:
        print(f"Note: {note}", file=sys.stderr)
    wrote(arguments.out)


def _report_patient(arguments: argparse.Namespace) -> None:
    """One study becomes a page."""
    cohort = read_cohort(arguments.cohort)
    if arguments.study is None and len(cohort) > 1:
        raise ValueError(
            f"{arguments.cohort} holds {len(cohort)} studies; name one by --study, such as "
            f"{cohort.patients.index[0]}."
        )
    study = cohort[0 if arguments.study is None else arguments.study].study_id
    load_tensorflow()

    from polarnet.report import write_patient_page

    wrote(
        write_patient_page(
            arguments.model, cohort, study, arguments.report,
            research_traits=arguments.research_traits,
        )
    )  # fmt: skip


def evaluate(arguments: argparse.Namespace) -> None:
    """Scores and labels become a table."""
    from polarnet import evaluation
    from polarnet.evaluation.table import read_scores

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


# === Explanations, pages, and what is handed on ===


def explain(arguments: argparse.Namespace) -> None:
    """A run and a cohort become maps of where the network looks, with checks."""
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
    from polarnet.report import write_report, write_study_report
    from polarnet.report.checklist import SETTINGS

    folder, explained = Path(arguments.path[0]), arguments.explained or ()
    if (folder / SETTINGS).is_file() and len(arguments.path) == 1:
        if arguments.cohort is not None:
            raise ValueError("--cohort is for the report of runs; a study has its curves already.")
        write_study_report(folder, arguments.out, explained=explained)
    else:
        whole = None if arguments.cohort is None else read_cohort(arguments.cohort)
        write_report(arguments.path, arguments.out, cohort=whole, explained=explained)
    wrote(arguments.out)


def export(arguments: argparse.Namespace) -> None:
    """Runs become one file."""
    for run in arguments.runs:  # before TensorFlow takes its time
        load_run_config(run)
    if arguments.kind == "onnx" and len(arguments.runs) > 1:
        raise ValueError("ONNX takes one run; a bundle holds several.")
    if arguments.kind == "bundle":
        if not arguments.cohort:
            raise ValueError("--cohort is missing: thresholds and results need the labels.")
        cohort = read_cohort(arguments.cohort)
    load_tensorflow()

    from polarnet.bundle import write_bundle
    from polarnet.onnx import write_onnx

    if arguments.kind == "onnx":
        write_onnx(arguments.runs[0], arguments.out)
    else:
        write_bundle(arguments.runs, cohort, arguments.out)
    wrote(arguments.out)


# === What they say, and how TensorFlow starts without saying anything ===


def print_table(table: Any) -> None:
    """Three decimals, empty where there is no number; no p-value is ever 0."""

    def p_value(p: float) -> str:
        if math.isnan(p):
            return ""
        return "<0.001" if p < 0.001 else f"{p:.3f}"

    small = {name: p_value for name in table if str(name).startswith("p_")}
    print(
        table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}", formatters=small)
    )


@contextmanager
def notes() -> Iterator[None]:
    """What the library warns of inside the block is said in a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield
    for note in caught:
        print(f"Note: {note.message}", file=sys.stderr)


def wrote(*paths: str | Path) -> None:
    print("Wrote " + ", ".join(str(path) for path in paths))


def load_tensorflow() -> None:
    """Import TensorFlow without its start-up messages, which are not for clinicians.

    Some of them are written by C++ code before any log level applies, so stderr itself is put
    aside for the seconds of the import.
    """
    print("Starting TensorFlow ...", flush=True)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        import tensorflow as tf

        tf.config.list_physical_devices()
        tf.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
