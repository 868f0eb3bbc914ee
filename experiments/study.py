"""The whole study: every table and figure, in one command that goes on where it stopped.

    python experiments/study.py --out study        # a phantom
    python experiments/study.py COHORT --out study --plan my_plan.yaml

First every network is trained and every baseline fitted, and what they decide is frozen; then the
hold-out is scored; then the tables and figures are written to results/, and checklist.html. Without
COHORT a phantom of 1,200 patients (not patients) is made in the study folder.
"""

import argparse
import csv
import subprocess
import sys
import time
from pathlib import Path

import polarnet as pn

HERE = Path(__file__).parent
N_PHANTOM, PHANTOM_SEED = 1200, 7

TRAINING = (
    "main_results", "single_task", "encoding_ablation", "learning_curve",
    "nested_cross_validation", "truth", "cohort_table",
)  # fmt: skip
"""Scripts that train or freeze something."""

REPORTS = (
    "cohort_table", "main_results", "single_task", "baselines", "encoding_ablation",
    "learning_curve", "nested_cross_validation", "external", "calibration", "decisions",
    "subgroups", "failures", "sensitivity", "sample_size", "truth",
)  # fmt: skip
"""Scripts that write tables and figures, in the order of a paper."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohort", nargs="?", help="cohort folder (default: a phantom)")
    parser.add_argument("--out", default="study", help="study folder (default: study)")
    parser.add_argument("--plan", help="YAML file with what differs from the default plan")
    parser.add_argument("--weights", help="path, imagenet (default), or none: an untrained trunk")
    parser.add_argument("--full", action="store_true", help="everything, fine-tuned too, 224 px")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    try:
        cohort = Path(arguments.cohort) if arguments.cohort else phantom(out)
        options = [str(cohort), "--out", str(out)]
        for name in ("plan", "weights"):
            if getattr(arguments, name) is not None:
                options += [f"--{name}", getattr(arguments, name)]
        options += ["--full"] if arguments.full else []
        steps = [(name, "develop") for name in TRAINING]
        steps += [("score_hold_out", "report"), *((name, "report") for name in REPORTS)]
        for k, (name, step) in enumerate(steps, start=1):
            print(f"[{k}/{len(steps)}] {name}, {step} ...", flush=True)
            code = run(name, [*options, "--only", step], out)
            if code:
                return code
    except KeyboardInterrupt:
        sys.stderr.write("study.py: Interrupted. What is finished is kept; run it again.\n")
        return 2
    except (ValueError, OSError) as error:
        sys.stderr.write(f"study.py: {error}\n")
        return 2
    is_phantom = pn.read_cohort(cohort).is_phantom
    page = pn.write_checklist(out, out / "checklist.html", is_phantom=is_phantom)
    print(f"Wrote {out / 'results'} and {page}")
    return 0


def phantom(out: Path) -> Path:
    """The study's own phantom, made once."""
    folder = out / "cohort"
    if not (folder / "cohort.json").is_file():
        print(f"Simulating {N_PHANTOM} patients (phantom, not patients) ...", flush=True)
        pn.make_phantom_cohort(N_PHANTOM, seed=PHANTOM_SEED).save(folder)
    return folder


def run(name: str, options: list[str], out: Path) -> int:
    """Run a script, and note how long it took."""
    began = time.monotonic()
    code = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options], check=False)
    log = out / "durations.csv"
    if out.is_dir():
        is_new = not log.is_file()
        with log.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(["script", "step", "seconds", "exit"])
            seconds = round(time.monotonic() - began, 1)
            writer.writerow([name, options[-1], seconds, code.returncode])
    return code.returncode


if __name__ == "__main__":
    sys.exit(main())
