"""How a script of the study is called: same arguments, two steps."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from polarnet.reproduction.opening import PLAN_FILE, Reproduction, open_reproduction
from polarnet.reproduction.plan import load_plan

Step = Callable[[Reproduction], None]
"""What a script does with a study, once opened."""


def run_script(doc: str | None, develop: Step | None, report: Step) -> None:
    """Parse the command line, open the study, develop, and report.

    Parameters
    ----------
    doc
        Docstring of the script: its first line is the help text.
    develop
        Trains and freezes what is missing; reads no test study. None: there is nothing to do.
    report
        Reads the hold-out, and writes tables and figures.

    Exits with 2 and one line on stderr where something is wrong with the input, or on Ctrl-C.
    """
    parser = argparse.ArgumentParser(description=(doc or "").strip().splitlines()[0])
    parser.add_argument("cohort", help="cohort folder")
    parser.add_argument("--out", default="study", help="study folder (default: study)")
    parser.add_argument("--plan", help="YAML file with what differs from the default plan")
    parser.add_argument("--weights", help="path, imagenet (default), or none: an untrained trunk")
    parser.add_argument("--full", action="store_true", help="everything, fine-tuned too, 224 px")
    parser.add_argument("--only", choices=("develop", "report"), help="one of the two steps")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        study = _open(arguments)
        if develop is not None and arguments.only != "report":
            develop(study)
        if arguments.only != "develop":
            report(study)
    except KeyboardInterrupt:
        sys.exit(_fail("Interrupted. What is finished is kept; run the same command again."))
    except (ValueError, KeyError, OSError) as error:
        sys.exit(_fail(str(error.args[0]) if len(error.args) == 1 else str(error)))


def _open(arguments: argparse.Namespace) -> Reproduction:
    """The study; one that was begun brings its own plan."""
    changes: dict[str, object] = {}
    if arguments.weights is not None:
        is_none = arguments.weights.lower() == "none"
        changes["weights"] = None if is_none else arguments.weights
    if arguments.full:
        changes["full"] = True
    kept = Path(arguments.out) / PLAN_FILE
    source = arguments.plan or (kept if kept.is_file() else None)
    return open_reproduction(arguments.cohort, arguments.out, load_plan(source, **changes))


def _fail(message: str) -> int:
    sys.stderr.write(f"{Path(sys.argv[0]).name}: {' '.join(message.split())}\n")
    return 2
