"""How fast are maps imported, against NumPy reading the same files and doing nothing else?

    python experiments/benchmarks/import_rate.py --out import_rate.json
    python experiments/benchmarks/import_rate.py --out import_rate.json --n 10000

Phantom maps of 48 x 48 as CSV and as .npy. Each repeat times, one after the other and each in a
process of its own from its start to its end: a loop of `numpy.loadtxt` (or `numpy.load`) over all
files, and `polarnet import` of them with a clinical table (checked, matched, pseudonymised,
written, drawn).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path

import numpy as np

import polarnet as pn
from bench import medians, run_benchmark

BARE = (
    "import sys, numpy as np; from pathlib import Path; "
    "read = np.load if sys.argv[2] == 'npy' else lambda p: np.loadtxt(p, delimiter=','); "
    "print(sum(read(p).shape[0] for p in Path(sys.argv[1]).iterdir()))"
)


def measure(arguments: argparse.Namespace) -> list[dict]:
    with tempfile.TemporaryDirectory() as temporary:
        folder, numbers = Path(temporary), count()
        write_exports(folder, arguments.n // 2, 48, "csv", "npy")

        def bare(kind: str) -> None:
            run(folder, "-c", BARE, folder / kind, kind)

        def imported(kind: str) -> None:
            run(folder, "-m", "polarnet", "import", folder / kind, "--clinical",
                folder / "clinical.csv", "--unit", "mL/min/g", "--key", folder / "key",
                "--out", folder / f"cohort {next(numbers)}")  # fmt: skip

        kinds = ("csv", "npy")
        ways = {f"{way.__name__} {kind}": lambda way=way, kind=kind: way(kind)
                for kind in kinds for way in (bare, imported)}  # fmt: skip
        seconds = medians(ways, arguments.repeats)
    return [
        {"what": f"import of {arguments.n} maps, {kind}", "peer": "bare NumPy", "seconds": seconds,
         "ratio": seconds[f"bare {kind}"] / seconds[f"imported {kind}"]}
        for kind in kinds
    ]  # fmt: skip


def run(folder: Path, *words: object) -> None:
    """A Python process from its start to its end."""
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    subprocess.run([sys.executable, *map(str, words)], env=environment, check=True,
                   capture_output=True)  # fmt: skip


def write_exports(folder: Path, n: int, size: int, *kinds: str) -> None:
    """Rest and stress maps of n studies as CSV or .npy, and their clinical table."""
    cohort = pn.make_phantom_cohort(n, seed=3, size=size, out=folder / "phantom")[:n]
    for kind in kinds:
        (folder / kind).mkdir()
    for map_type in ("rest", "stress"):
        for study, values in zip(cohort.patients.index, cohort.maps[map_type], strict=True):
            if "csv" in kinds:
                np.savetxt(folder / "csv" / f"{study}_{map_type}.csv", values, "%.4f", ",")
            np.save(folder / "npy" / f"{study}_{map_type}.npy", values)
    cohort.traits.assign(patient_id=cohort.patients).to_csv(folder / "clinical.csv")


if __name__ == "__main__":
    maps = {"type": int, "default": 4000, "help": "maps (default: 4000)"}
    run_benchmark(__doc__, measure, repeats=3, n=maps)
