"""The `polarnet` command: its options, and one clear line when something is wrong."""

import argparse
import errno
import io
import os
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from polarnet import __version__

_BAD_INPUT = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns
    -------
    0 on success, 2 on wrong arguments, bad input or an interruption, with one line on stderr.
    """
    words = sys.argv[1:] if argv is None else argv
    arguments = _parser().parse_args(words)
    arguments.line = shlex.join(["polarnet", *words])  # how to do it again
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A Windows console may lack the letters of a file name; better a ? than an end.
            stream.reconfigure(errors="replace")
    try:
        # pandas and what else the commands need; --help and wrong arguments do without.
        from polarnet import commands

        getattr(commands, arguments.run)(arguments)
    except KeyboardInterrupt:
        return _fail("Interrupted. Nothing half-written was left; run the same command again.")
    except OSError as error:
        return _fail(_os_message(error))
    except (ValueError, KeyError) as error:
        return _fail(str(error.args[0]) if error.args else type(error).__name__)
    except MemoryError:
        return _fail("Out of memory. Close other programs, or use a smaller batch_size in YAML.")
    except Exception as error:
        # A mistake in this program, which a traceback would not explain to its user.
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
        allow_abbrev=False,
        description="Multi-task VGG16 on PET perfusion polar maps. Research use only.",
        epilog="Example: polarnet demo --out demo",
    )
    parser.add_argument("--version", action="version", version=f"polarnet {__version__}")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, text: str, example: str) -> argparse.ArgumentParser:
        command = choices.add_parser(
            name, help=text, description=text, epilog=f"Example: {example}", allow_abbrev=False
        )
        command.set_defaults(run="import_exports" if name == "import" else name)
        return command

    command = add(
        "demo",
        "Run everything on a phantom and write a report.",
        "polarnet demo --out demo",
    )
    command.add_argument("--out", default="demo", help="folder for the results (default: demo)")
    command.add_argument(
        "--weights",
        default="imagenet",
        help="path, imagenet (default, part of the package), or none (untrained)",
    )
    _add_cache(command)

    command = add(
        "import",
        "Turn a folder of exported maps and a table into a cohort.",
        "polarnet import maps/ --clinical clinical.csv --unit mL/min/g --out cohort",
    )
    command.add_argument("path", help="folder with S001_rest.csv, S001_stress.csv, tables, ...")
    command.add_argument("--out", help="cohort folder to make")
    command.add_argument("--clinical", help="table (CSV, XLSX, SPSS, Stata), one row per study")
    command.add_argument("--columns", help="column map (YAML): which column is what")
    command.add_argument(
        "--suggest-columns", metavar="YAML", help="write a first column map to edit, and stop"
    )
    command.add_argument("--unit", default="", help="mL/min/g, mL/min/100g, percent, ...")
    command.add_argument(
        "--profile", action="append",
        help="how the files are written; repeat for several (default: square and aha17)",
    )  # fmt: skip
    command.add_argument(
        "--scale",
        type=_ends,
        metavar="LOW,HIGH",
        help="values at the bottom (or left) and the top (or right) of the colour bar of screens",
    )
    command.add_argument(
        "--series", metavar="CSV", help="columns series, map: which DICOM series is rest, stress"
    )
    command.add_argument("--preview", metavar="PNG", help="draw the first map, and stop")
    command.add_argument(
        "--traits", type=_names, help="without --columns: A,B (default: all columns of 0 and 1)"
    )
    command.add_argument("--size", type=int, help="rows of the maps (default: as the files, or 64)")
    for name in ("tracer", "stress-agent", "software"):
        command.add_argument(f"--{name}", default="", help="of the whole cohort, where known")
    command.add_argument("--key", help="key file of the pseudonyms (default: in your settings)")
    command.add_argument("--keep-ids", action="store_true", help="ids are pseudonyms already")
    command.add_argument("--link", metavar="CSV", help="write who is who: a private file")
    command.add_argument(
        "--strict", action="store_true", help="import nothing where anything is refused"
    )
    # Starting processes goes wrong more often on Windows.
    jobs = 1 if sys.platform == "win32" else min(os.cpu_count() or 1, 8)
    command.add_argument(
        "--jobs",
        type=_at_least_one,
        default=jobs,
        help="processes that read (default: up to 8, one a core)",
    )

    command = add(
        "train",
        "Train a model on a cohort and score its validation and test studies.",
        "polarnet train cohort --map-type stress --traits sex,diabetes --out runs/stress",
    )
    command.add_argument("cohort", help="cohort folder")
    command.add_argument("--out", required=True, help="run folder to make")
    command.add_argument("--config", help="YAML file; the options below win over it")
    command.add_argument("--map-type", help="rest, stress (default) or reserve")
    command.add_argument("--mode", help="frozen (default) or finetuned")
    command.add_argument("--traits", type=_names, help="A,B (default: the six of the paper)")
    command.add_argument(
        "--weights",
        help="path, imagenet (default; part of the package up to block 2), or none (untrained)",
    )
    command.add_argument("--seed", type=int, help="default 0")
    _add_cache(command)

    command = add(
        "predict",
        "Score a cohort with a trained model.",
        "polarnet predict runs/stress other_cohort --out scores.csv",
    )
    command.add_argument("model", metavar="MODEL", help="run folder, or a bundle")
    command.add_argument("cohort", help="cohort folder")
    command.add_argument("--out", help="CSV file to write")
    command.add_argument("--report", metavar="HTML", help="write the page of one study")
    command.add_argument("--study", metavar="ID", help="which one, in a cohort of several")
    command.add_argument(
        "--research-traits", action="store_true",
        help="on the page, also the scores of other traits than impaired MFR; never for care",
    )  # fmt: skip
    _add_workers(command, 1, "1")

    command = add(
        "explain",
        "Show where a trained network looks for one trait, and test whether that can be believed.",
        "polarnet explain runs/stress cohort --trait sex --out explained",
    )
    command.add_argument("run_folder", metavar="RUN", help="run folder")
    command.add_argument("cohort", help="cohort folder, best not the one of the training")
    command.add_argument("--trait", required=True, help="one trait of the run")
    command.add_argument(
        "--method", default="occlusion",
        help="occlusion (default), gradient, smoothgrad, gradcam, gradcam++ or scorecam",
    )  # fmt: skip
    command.add_argument(
        "--patients", type=_patients, default=200, metavar="N",
        help="explain the first study of so many, drawn at random; all: every study (default: 200)",
    )  # fmt: skip
    command.add_argument(
        "--other-seeds", nargs="+", metavar="RUN", help="runs that differ in their seed alone"
    )
    command.add_argument("--permuted", metavar="RUN", help="a run trained on shuffled labels")
    command.add_argument("--out", required=True, help="folder to make")

    command = add(
        "grid",
        "Train and compare many networks: maps, modes, traits, seeds and folds.",
        "polarnet grid study.yaml --out runs",
    )
    command.add_argument("grid_file", metavar="YAML", help="what to run; see docs/grid.md")
    command.add_argument("--out", required=True, help="folder for all runs; an old one is resumed")
    _add_workers(command, os.cpu_count() or 1, "one a core")
    _add_cache(command)

    command = add(
        "export",
        "Write trained runs as one file to hand on: a bundle with all that belongs to it, or ONNX.",
        "polarnet export bundle runs/s0 runs/s1 --cohort cohort --out model.polarnet",
    )
    command.add_argument("kind", choices=("bundle", "onnx"), help="onnx takes one run")
    command.add_argument("runs", nargs="+", metavar="RUN", help="run; several differ in seed alone")
    command.add_argument("--cohort", help="bundle: cohort folder with the labels")
    command.add_argument("--out", required=True, help="file to write, such as model.polarnet")

    command = add(
        "cache",
        "Show the size of kept VGG16 features and stopped trainings, or remove them.",
        "polarnet cache --clear",
    )
    command.add_argument("--clear", action="store_true", help="remove them; they are made again")
    _add_cache(command)

    command = add(
        "evaluate",
        "AUROC with interval of a file of scores.",
        "polarnet evaluate scores.csv --cohort other_cohort",
    )
    command.add_argument("scores", help="CSV file written by predict or train")
    command.add_argument("--cohort", required=True, help="cohort folder with the labels")
    command.add_argument("--out", help="CSV file to write the table to")

    command = add(
        "report",
        "Write one page about a study, or about runs: tables, figures, limits, how to redo them.",
        "polarnet report study --explained explained --out report.html",
    )
    command.add_argument("path", nargs="+", help="a study folder, or one run folder or several")
    command.add_argument("--cohort", help="cohort folder, for the curves of runs")
    command.add_argument(
        "--explained", nargs="+", metavar="DIR", help="folders that `polarnet explain` made"
    )
    command.add_argument("--out", required=True, help="HTML file to write")
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError("give names, A,B, or leave the option out")
    return names


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: give a number, 1 or more")
    return int(text)


def _ends(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: give two numbers, LOW,HIGH, as 0,4") from None
    return low, high


def _patients(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError("give a number of patients, or all")
    return int(text)


def _add_workers(command: argparse.ArgumentParser, default: int, told: str) -> None:
    where = command.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=int, default=default,
        help=f"processes on this machine, more than 1 by Dask (default: {told})",
    )  # fmt: skip
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster: tcp://node:8786")


def _add_cache(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--cache", help="folder for kept VGG16 features (default: your user cache folder)"
    )
