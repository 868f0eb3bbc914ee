"""Which methods of explanation pass which checks, on the networks of vessel_naming.py?

    python experiments/explanation/explanation_checks.py --networks NAMING --out OUT

Phantom, not patients. Explains the trait `ischemia` of those networks by every method, on other
patients, as `polarnet explain` does: the first seed is explained and checked, the others serve for
repeatability, and one is trained on labels shuffled between patients. Each explanation has a folder
below OUT, with its page; finished ones are kept. Writes explanation_checks (one row per network and
method, one column per check: verdict, value [95 %]) as CSV, HTML and LaTeX.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import polarnet as pn
from polarnet.explanation import explain_run
from vessels import diseased_vessels

METHODS = ("occlusion", "gradient", "smoothgrad", "gradcam", "gradcam++", "scorecam")
SEED = 34  # of patients that neither trained the networks nor name vessels


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", required=True, help="folder made by vessel_naming.py")
    parser.add_argument("--out", required=True)
    parser.add_argument("--modes", default="frozen,scratch")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--n", type=int, default=300, help="simulated patients (default: 300)")
    arguments = parser.parse_args()
    networks, out = Path(arguments.networks), Path(arguments.out)
    cohort = phantom(arguments.n, SEED)
    rows = []
    for mode in arguments.modes.split(","):
        runs = sorted((networks / "runs").glob(f"ischemia-{mode}-seed*"))
        if not runs:
            sys.stderr.write(f"explanation_checks.py: No {mode} networks in {networks}: "
                             "run vessel_naming.py.\n")  # fmt: skip
            return 2
        shuffled = trained_on_shuffled(runs[0], networks)
        for method in arguments.methods.split(","):
            folder = out / f"{mode}-{method}"
            if not folder.is_dir():
                try:
                    explain_run(
                        runs[0], cohort, folder, trait="ischemia", method=method,
                        other_seeds=runs[1:], permuted=shuffled,
                    )  # fmt: skip
                except ValueError as error:  # a trunk without share
                    print(f"{mode}, {method} left out. {error}")
                    continue
            checks = pd.read_csv(folder / "checks.csv")
            rows.append({"network": mode, "method": method} | dict(map(told, checks.itertuples())))
    table = pd.DataFrame(rows)
    pn.report.write_table(
        table, out / "explanation_checks", title="Checks of explanations",
        notes=["Phantom, not patients.",
               f"Median over at most 100 of {cohort.patients.nunique()} patients [95 %]. What each "
               "check compares: docs/explanation.md."],
    )  # fmt: skip
    print(table.to_string(index=False))
    return 0


def phantom(n: int, seed: int) -> pn.Cohort:
    """Patients whose only trait is `ischemia`."""
    cohort = pn.make_phantom_cohort(n, seed=seed)
    is_diseased = (diseased_vessels(cohort.truth) > 0).any(axis=1)
    return replace(cohort, traits=is_diseased.astype(float).to_frame("ischemia"))


def trained_on_shuffled(run: Path, networks: Path) -> Path:
    """The same network, trained on labels shuffled between patients."""
    folder = run.with_name(f"shuffled-{run.name}")
    if not folder.is_dir():
        train, val, _ = pn.split_by_patient(phantom(2000, 31), val=0.15, test=0.01, seed=1)
        rng = np.random.default_rng(0)
        parts = []
        for part in (train, val):
            traits = part.traits.copy()
            traits["ischemia"] = rng.permutation(traits["ischemia"])
            parts.append(replace(part, traits=traits))
        config = pn.ExperimentConfig.load(run / "config.yaml")
        pn.train(*parts, config, folder, cache=networks / "features")
    return folder


def told(check) -> tuple[str, str]:
    """Column and cell of one check."""
    if np.isnan(check.value):
        return check.name, "not judged"
    word = "passes" if check.is_passed is True or check.is_passed == "True" else "FAILS"
    return check.name, f"{word} {check.value:.2f} [{check.low:.2f}, {check.high:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
