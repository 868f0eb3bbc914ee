"""What each command of the command line does: options in, results and a few words out.

TensorFlow, statistics and figures are imported where a command needs them, after its input was
checked.
"""

import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from polarnet import cachefolder
from polarnet.cohort import RECOVERED, Cohort, read_cohort, split_by_patient
from polarnet.config import ExperimentConfig
from polarnet.display import p_text
from polarnet.files import check_vacant, new_file, write_csv
from polarnet.ids import listing
from polarnet.rundata import load_run_config
from polarnet.suitability import check_prediction, check_training

SHOWN: Final = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value", "p_adjusted", "note")
"""Columns of a printed table of AUROCs."""


# === From exports to a cohort ===


def import_exports(given: Namespace) -> None:
    """A folder of exports and a table become a cohort folder."""
    from polarnet import readers

    if given.suggest_columns:
        text = readers.suggest_columns(given.clinical or given.path)
        with new_file(given.suggest_columns) as partial:
            partial.write_text(text, encoding="utf-8")
        wrote(given.suggest_columns)
        print("Check every line of it, then import with --columns.")
        return
    profiles = given.profile or readers.PROFILES
    if given.preview:
        _preview(given, profiles)
        return
    if not given.out:
        raise ValueError("--out is missing: name the cohort folder to make.")

    from polarnet.plotting.maps import draw_contact_sheet

    check_vacant(given.out)
    same = ("unit", "traits", "scale", "series", "size", "tracer", "stress_agent", "software",
            "key", "keep_ids", "link", "strict", "jobs")  # fmt: skip
    cohort = readers.import_exports(
        given.path,
        given.out,
        given.clinical,
        columns=readers.load_column_map(given.columns) if given.columns else None,
        profiles=profiles,
        draw=draw_contact_sheet,
        tell=print,
        show_progress=True,
        **{name: getattr(given, name) for name in same},
    )
    print(cohort)
    if guarded := cohort.count_guarded():
        print(f"reserve: rest flow too low to divide by in {guarded} pixels of all maps")
    wrote(*sorted(Path(given.out).iterdir()))


def _preview(given: Namespace, profiles: Any) -> None:
    """The first map with the names of its walls, so that its orientation can be checked."""
    from matplotlib.figure import Figure

    from polarnet.plotting.maps import plot_polar_map
    from polarnet.plotting.style import save_png
    from polarnet.readers import preview_exports

    options = {"unit": given.unit, "scale": given.scale, "series": given.series}
    found = preview_exports(given.path, profiles=profiles, **options)
    unit = f", written in {found.unit_in_file}" if found.unit_in_file else ""
    caption = f"{found.map_type}, {found.shape} read with profile {found.profile}{unit}."
    figure = Figure(figsize=(5, 4.6))
    ax = figure.subplots()
    plot_polar_map(found.values, ax, map_type=found.map_type, unit=found.unit or "mL/min/g")
    text = f"{caption} Are the walls where they belong?"
    figure.text(0.5, 0.02, text, ha="center", fontsize=7, wrap=True)
    for doubt in found.verdict.reasons:
        print(f"Careful: {doubt}")
    wrote(save_png(figure, given.preview, 130))


# === Training ===


def demo(given: Namespace) -> None:
    """The whole study on a phantom."""
    load_tensorflow()

    from polarnet.demo import run_demo

    wrote(*run_demo(given.out, weights=given.weights, cache=given.cache))


def train(given: Namespace) -> None:
    """A cohort becomes a run folder."""
    config, cohort = _settings_and_cohort(given)
    parts = split_by_patient(cohort, config.val, config.test, seed=config.seed)
    check_training(*parts[:2], config, parts[2])
    check_vacant(given.out)
    _tell_small_tests(parts[2], config.traits)
    load_tensorflow()

    from polarnet.evaluation.comparison import read_metrics
    from polarnet.grid import run_experiment
    from polarnet.report.sentences import findings

    run = run_experiment(*parts, config, given.out, cache=given.cache)
    print(run)
    metrics = read_metrics(run.folder)
    print_table(metrics[["trait", "model", *SHOWN, "difference"]])
    print(*findings(metrics), sep="\n")
    wrote(*sorted(run.folder.iterdir()))


def _settings_and_cohort(given: Namespace) -> tuple[ExperimentConfig, Cohort]:
    """Settings of the file, over which those of the command line win, and the cohort."""
    settings = ("map_type", "mode", "traits", "clinical", "weights", "seed")
    changes = {name: getattr(given, name) for name in settings}
    changes = {name: value for name, value in changes.items() if value is not None}
    if given.config:
        config = ExperimentConfig.load(given.config, **changes)
    else:
        config = ExperimentConfig(**changes)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        cohort = read_cohort(given.cohort, verify=True).with_traits(config.traits)
    for note in caught:
        print(f"Note: {note.message}", file=sys.stderr)
    return config, cohort


def _tell_small_tests(test: Cohort, traits: Sequence[str]) -> None:
    """Say for which traits one split is too small, and what is better."""
    from polarnet.evaluation.table import EXPLORATORY_BELOW, smaller_classes

    smaller = smaller_classes(test, traits)
    if few := [f"{t} ({n})" for t, n in smaller.items() if n < EXPLORATORY_BELOW]:
        print(
            f"Note: the test split holds fewer than {EXPLORATORY_BELOW} patients of a class of "
            f"{', '.join(few)}. `polarnet cross-validate` judges the network on all patients."
        )


def cross_validate(given: Namespace) -> None:
    """A cohort becomes the results of a cross-validation."""
    config, cohort = _settings_and_cohort(given)
    if given.folds < 2:
        raise ValueError("--folds must be 2 or more.")
    load_tensorflow()

    from polarnet.crossvalidation import cross_validate as validate
    from polarnet.report.sentences import OUT_OF_FOLD, findings

    found = validate(
        cohort, config, given.out, folds=given.folds, repeats=given.repeats, cache=given.cache
    )
    columns = ["trait", "model", "n_pos", "n_neg", "auroc", "ci_low", "ci_high", "difference"]
    print_table(found.metrics[columns])
    print(*findings(found.metrics, counted=OUT_OF_FOLD), sep="\n")
    wrote(*sorted(found.folder.iterdir()))


def compare(given: Namespace) -> None:
    """Runs on the same test patients become one table and one forest plot."""
    if given.out is not None:
        check_vacant(given.out)

    from polarnet.evaluation import compare_runs
    from polarnet.plotting import plot_forest, save_figure

    table = compare_runs(given.runs)
    for kind in table["data"].unique():
        print(f"Data: {kind}.")
    columns = ["trait", "run", "n_pos", "n_neg", "auroc", "ci_low", "ci_high"]
    gain = ["difference", "difference_low", "difference_high", "difference_p"]
    renamed = dict(zip(gain, ("first_minus", "low", "high", "p_value"), strict=True))
    print_table(table[columns + gain].rename(columns=renamed))
    print(f"first_minus: AUROC of {table['run'].iloc[0]} minus that of the run, paired DeLong.")
    if given.out is not None:
        folder = Path(given.out)
        write_csv(table, folder / "comparison.csv", float_format="%.6g")
        figure: Any = plot_forest(table.rename(columns={"run": "series"})).figure
        wrote(folder / "comparison.csv", *save_figure(figure, folder / "forest"))


def grid(given: Namespace) -> None:
    """A grid file becomes many run folders and one table."""
    from polarnet.grid import read_grid, run_grid
    from polarnet.workers import client_for

    cohort, runs = read_grid(given.grid_file)
    with client_for(given.workers, given.scheduler) as client:
        if client is None:
            load_tensorflow()
        table = run_grid(cohort, runs, given.out, cache=given.cache, client=client)
    networks = table[table["model"] == "network"]
    for kind in networks["data"].unique():
        print(f"Data: {kind}.")
    print_table(networks[["run", "trait", *SHOWN]])
    wrote(Path(given.out) / "grid.csv")


def cache(given: Namespace) -> None:
    """How much is kept, and away with it."""
    folder = cachefolder.cache_folder(given.cache)
    kept = cachefolder.kept_folders(folder)
    print(
        f"{folder}: {sum(part.n_bytes for part in kept) / 1e9:.2f} GB in {len(kept)} folders; "
        f"may grow to {cachefolder.limit_bytes() / 1e9:g} GB ({cachefolder.LIMIT_VARIABLE})"
    )
    if given.clear:
        print(f"Removed {cachefolder.clear(folder) / 1e9:.2f} GB.")


# === Scores ===


def predict(given: Namespace) -> None:
    """A model and a cohort become a file of scores, or the page of one study, or both."""
    from polarnet.bulk import predict_in_parts
    from polarnet.workers import client_for

    if not given.out and not given.report:
        raise ValueError("--out is missing: name the CSV file to write (or a page by --report).")
    if not given.report and (given.study is not None or given.research_traits):
        raise ValueError("--study and --research-traits are for the page of --report: name it.")
    cohort, is_bundle = read_cohort(given.cohort), Path(given.model).is_file()
    if not is_bundle:  # first of all, as TensorFlow takes its time
        check_prediction(load_run_config(given.model), cohort)
    if given.report:
        if given.study is None and len(cohort) > 1:
            raise ValueError(
                f"{given.cohort} holds {len(cohort)} studies; name one by --study, such as "
                f"{cohort.patients.index[0]}."
            )
        study = cohort[0 if given.study is None else given.study].study_id
        load_tensorflow()

        from polarnet.report import write_patient_page

        options = {"research_traits": given.research_traits}
        wrote(write_patient_page(given.model, cohort, study, given.report, **options))
    if given.out:
        with client_for(given.workers, given.scheduler) as client:
            if client is None or is_bundle:
                load_tensorflow()
            note = predict_in_parts(given.model, given.cohort, given.out, client=client)
        if note:
            print(f"Note: {note}", file=sys.stderr)
        wrote(given.out)


def evaluate(given: Namespace) -> None:
    """Scores and labels become a table."""
    from polarnet import evaluation

    scores = evaluation.read_scores(given.scores)
    cohort = read_cohort(given.cohort).with_traits(scores.columns)
    table = evaluation.evaluate(scores, cohort.traits, cohort.patients)
    if cohort.is_phantom:
        print("Phantom, not patients.")
    if cohort.is_recovered:
        print(f"Maps are {RECOVERED}, not exported as numbers.")
    print_table(table[["trait", *SHOWN]])
    print("Interval: DeLong on the logit scale, t quantile, 95 %. p: Mann-Whitney against 0.5.")
    print("p_adjusted: Benjamini-Hochberg over the traits of this table.")
    if given.out:
        write_csv(table, given.out, float_format="%.6g")
        wrote(given.out)


# === Explanations, pages, and what is handed on ===


def explain(given: Namespace) -> None:
    """A run and a cohort become maps of where the network looks, with checks."""
    cohort = read_cohort(given.cohort)
    for folder in filter(None, [given.run_folder, *given.other_seeds, given.permuted]):
        check_prediction(load_run_config(folder), cohort)
    check_vacant(given.out)
    load_tensorflow()

    from polarnet.explanation import explain_run

    same = ("trait", "method", "patients", "other_seeds", "permuted")
    options = {name: getattr(given, name) for name in same}
    checks = explain_run(given.run_folder, cohort, given.out, command=given.line, **options)
    if cohort.is_phantom:
        print("Phantom, not patients.")
    for check in checks:
        print(f"{check.name}: {check.verdict}")
    wrote(*sorted(Path(given.out).iterdir()))


def report(given: Namespace) -> None:
    """A project, a cross-validation, or runs, become a page."""
    from polarnet.evaluation.crossvalidated import FACTS_FILE
    from polarnet.report import (
        methods_text,
        write_cross_validation,
        write_report,
        write_study_report,
    )
    from polarnet.report.checklist import SETTINGS

    if not (given.out or given.methods):
        raise ValueError("Give --out for a page, --methods for text, or both.")
    if given.methods:
        print(*map(methods_text, given.path), sep="\n")
    if not given.out:
        return
    folder, is_single = Path(given.path[0]), len(given.path) == 1
    if is_single and (folder / SETTINGS).is_file():
        write_study_report(folder, given.out, explained=given.explained)
    elif is_single and (folder / FACTS_FILE).is_file():
        write_cross_validation(folder, given.out)
    else:
        if others := [run for run in given.path if not Path(run, "config.yaml").is_file()]:
            raise FileNotFoundError(
                f"{listing(others)}: no folder of a run, cross-validation or project. Is the name "
                "spelt right?"
            )
        write_report(given.path, given.out, explained=given.explained)
    wrote(given.out)


def export(given: Namespace) -> None:
    """Runs become one file."""
    for run in given.runs:  # before TensorFlow takes its time
        load_run_config(run)
    if given.kind == "onnx":
        if len(given.runs) > 1:
            raise ValueError("ONNX takes one run; a bundle holds several.")
        load_tensorflow()

        from polarnet.onnx import write_onnx

        write_onnx(given.runs[0], given.out)
    else:
        if not given.cohort:
            raise ValueError("--cohort is missing: thresholds and results need the labels.")
        cohort = read_cohort(given.cohort)
        load_tensorflow()

        from polarnet.bundle import write_bundle

        write_bundle(given.runs, cohort, given.out)
    wrote(given.out)


# === What they say, and how TensorFlow starts without saying anything ===


def print_table(table: Any) -> None:
    """Three decimals, empty where there is no number; no p-value is ever 0."""
    small = {name: p_text for name in table if str(name).startswith("p_")}
    text = table.to_string(index=False, na_rep="", float_format="{:.3f}".format, formatters=small)
    print(text)


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
