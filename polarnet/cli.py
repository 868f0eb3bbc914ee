"""The `polarnet` command. Heavy imports stand inside each command."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from polarnet import __version__

_BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    0 on success, 2 on wrong arguments, bad input or an interruption, with one line on stderr.
    """
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A Windows console may lack the letters of a file name; better a ? than an end.
            stream.reconfigure(errors="replace")
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        return _fail("Interrupted. Nothing half-written was left; run the same command again.")
    except OSError as error:
        return _fail(_os_message(error))
    except (ValueError, KeyError) as error:
        return _fail(str(error.args[0]) if error.args else type(error).__name__)
    except MemoryError:
        return _fail("Out of memory. Close other programs, or use a smaller batch_size in YAML.")
    except Exception as error:
        # A mistake of ours, not of the user; a traceback would not help him either.
        return _fail(
            f"Unexpected {type(error).__name__}: {error}. Please report it with your command."
        )
    return 0


def _fail(message: str) -> int:
    print(f"polarnet: {' '.join(message.split())}", file=sys.stderr)
    return _BAD_INPUT


def _os_message(error: OSError) -> str:
    """One line about a file, a folder or the network."""
    if error.errno == errno.ENOSPC:
        where = f" ({error.filename})" if error.filename else ""
        detail = f" {error.strerror}" if error.strerror != os.strerror(errno.ENOSPC) else ""
        return (
            f"No space left on the disk{where}.{detail} Nothing half-written was left. Free some "
            "space, or write to another disk by --out or --cache."
        )
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return str(error)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="polarnet",
        description="Multi-task VGG16 on PET perfusion polar maps. Research use only.",
        epilog="Example: polarnet demo --out demo",
    )
    parser.add_argument("--version", action="version", version=f"polarnet {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str, example: str, run: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=text, description=text, epilog=f"Example: {example}"
        )
        command.set_defaults(run=run)
        return command

    command = add(
        "demo",
        "Run everything on a phantom and write a report.",
        "polarnet demo --out demo --weights vgg16_notop.weights.h5",
        _demo,
    )
    command.add_argument("--out", default="demo", help="folder for the results (default: demo)")
    command.add_argument(
        "--weights",
        default="at hand",
        help="path, imagenet, or none: an untrained trunk (default: imagenet if downloaded before)",
    )
    _add_cache(command)

    command = add(
        "import",
        "Turn a folder of exported maps and a table into a cohort.",
        "polarnet import maps/ --clinical clinical.csv --unit mL/min/g --out cohort",
        _import,
    )
    command.add_argument("path", help="folder with S001_rest.csv, S001_stress.csv (or .npy), ...")
    command.add_argument("--out", required=True, help="cohort folder to make")
    command.add_argument("--clinical", help="CSV with study_id, patient_id and 0/1 columns")
    command.add_argument("--unit", required=True, help="mL/min/g, or percent for relative counts")
    command.add_argument("--traits", help="columns that are traits, A,B (default: all 0/1 columns)")
    for name in ("tracer", "stress-agent", "software"):
        command.add_argument(f"--{name}", default="", help="of the whole cohort, where known")

    command = add(
        "train",
        "Train a model on a cohort and score its validation and test studies.",
        "polarnet train cohort --map-type stress --traits sex,diabetes --out runs/stress",
        _train,
    )
    command.add_argument("cohort", help="cohort folder")
    command.add_argument("--out", required=True, help="run folder to make")
    command.add_argument("--config", help="YAML file; the options below win over it")
    command.add_argument("--map-type", help="rest, stress (default) or reserve")
    command.add_argument("--mode", help="frozen (default) or finetuned")
    command.add_argument("--traits", help="A,B (default: the six of the paper)")
    command.add_argument("--weights", help="path, imagenet (default), or none: an untrained trunk")
    command.add_argument("--seed", type=int, help="default 0")
    _add_cache(command)

    command = add(
        "predict",
        "Score a cohort with a trained model.",
        "polarnet predict runs/stress other_cohort --out scores.csv",
        _predict,
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("cohort", help="cohort folder")
    command.add_argument("--out", required=True, help="CSV file to write")

    command = add(
        "evaluate",
        "AUROC with interval of a file of scores.",
        "polarnet evaluate scores.csv --cohort other_cohort",
        _evaluate,
    )
    command.add_argument("scores", help="CSV file written by predict or train")
    command.add_argument("--cohort", required=True, help="cohort folder with the labels")
    command.add_argument("--out", help="CSV file to write the table to")
    return parser


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cache", help="folder for kept VGG16 features (default: your user cache folder)"
    )


def _wrote(*paths: str | Path) -> None:
    print("Wrote " + ", ".join(str(path) for path in paths))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _load_tensorflow() -> None:
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


def _demo(arguments: argparse.Namespace) -> None:
    _load_tensorflow()

    from polarnet.demo import run_demo

    _wrote(
        *run_demo(
            arguments.out,
            weights=None if arguments.weights == "none" else arguments.weights,
            cache=arguments.cache,
        )
    )


def _import(arguments: argparse.Namespace) -> None:
    from polarnet.readers import read_exports
    from polarnet.traits import CODED_ONE_MEANS

    cohort = read_exports(
        arguments.path,
        arguments.clinical,
        unit=arguments.unit,
        traits=_names(arguments.traits) if arguments.traits else None,
        tracer=arguments.tracer,
        stress_agent=arguments.stress_agent,
        software=arguments.software,
        tell=print,
    )
    print(cohort)
    for trait, counts in cohort.trait_counts().iterrows():
        means = CODED_ONE_MEANS.get(str(trait), "yes")
        print(
            f"{trait}: {counts['coded 1']} coded 1 means {means}; {counts['coded 0']} coded 0; "
            f"{counts['not recorded']} not recorded"
        )
    if guarded := cohort.count_guarded():
        print(f"reserve: rest flow too low to divide by in {guarded} pixels of all maps")
    _wrote(cohort.save(arguments.out))


def _train(arguments: argparse.Namespace) -> None:
    from polarnet.cohort import read_cohort, split_by_patient
    from polarnet.config import ExperimentConfig, load_config
    from polarnet.folders import check_vacant
    from polarnet.suitability import check_test, check_training

    changes: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("map_type", "mode", "weights", "seed")
        if getattr(arguments, name) is not None
    }
    if arguments.traits is not None:
        changes["traits"] = _names(arguments.traits)
    if arguments.config:
        config = load_config(arguments.config, **changes)
    else:
        config = ExperimentConfig(**changes)
    cohort = read_cohort(arguments.cohort, verify=True)
    train, val, test = split_by_patient(cohort, config.val, config.test, seed=config.seed)
    check_training(train, val, config)
    check_test(train, val, test, config)
    check_vacant(arguments.out)
    _load_tensorflow()

    import pandas as pd

    from polarnet.experiment import run_experiment

    run = run_experiment(train, val, test, config, arguments.out, cache=arguments.cache)
    print(run)
    metrics = pd.read_csv(run.folder / "metrics.csv")
    _print_table(metrics[["trait", "model", *_SHOWN, "difference"]])
    _wrote(*sorted(run.folder.iterdir()))


_SHOWN = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "p_value", "p_adjusted", "note")


def _predict(arguments: argparse.Namespace) -> None:
    import warnings

    from polarnet.cohort import read_cohort
    from polarnet.config import load_run_config
    from polarnet.suitability import check_prediction

    cohort = read_cohort(arguments.cohort)
    check_prediction(load_run_config(arguments.run_folder), cohort)
    _load_tensorflow()

    from polarnet.network import load_model, predict
    from polarnet.network.training import write_scores

    model = load_model(arguments.run_folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said below, once, and in the file
        scores = predict(model, cohort, show_progress=True)
    if scores.attrs["warning"]:
        print(f"Note: {scores.attrs['warning']}", file=sys.stderr)
    write_scores(scores, arguments.out)
    _wrote(arguments.out)


def _evaluate(arguments: argparse.Namespace) -> None:
    from polarnet.cohort import read_cohort
    from polarnet.evaluation import evaluate
    from polarnet.evaluation.table import read_scores
    from polarnet.folders import new_file

    cohort = read_cohort(arguments.cohort)
    table = evaluate(read_scores(arguments.scores), cohort.traits, cohort.patients)
    if cohort.is_phantom:
        print("Phantom, not patients.")
    _print_table(table[["trait", *_SHOWN]])
    print("Interval: DeLong on the logit scale, 95 %. p: Mann-Whitney against 0.5.")
    print("p_adjusted: Benjamini-Hochberg over the traits of this table.")
    if arguments.out:
        with new_file(arguments.out) as partial:
            table.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
        _wrote(arguments.out)


def _print_table(table: Any) -> None:
    print(table.to_string(index=False, na_rep="", float_format=lambda x: f"{x:.3f}"))
