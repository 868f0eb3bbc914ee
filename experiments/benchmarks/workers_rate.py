"""Two Dask workers against one process, on the same grid of frozen networks.

    python experiments/benchmarks/workers_rate.py --out workers_rate.json

Phantom, not patients; untrained trunk. Each repeat runs the same grid twice, one after the other:
in one process, and on two workers that run already and have trained once. Features are kept
beforehand, so that what is timed is the training of small heads and of baselines, which hardly
uses a second core. Compares the bytes of all scores too.
"""

import argparse
import tempfile
from itertools import count
from pathlib import Path

import polarnet as pn
from bench import medians, run_benchmark
from polarnet.grid import read_grid, run_grid
from polarnet.workers import client_for

GRID = """
cohort: cohort
map_types: [rest, stress]
seeds: [{seed}, {other}]
input_size: 64
weights: none
"""
FILES = ("scores_test.csv", "scores_val.csv", "history.csv")


def measure(arguments: argparse.Namespace) -> list[dict]:
    with tempfile.TemporaryDirectory() as temporary, client_for(2) as client:
        folder = Path(temporary)
        pn.make_phantom_cohort(arguments.n, seed=6).save(folder / "cohort")

        def finish(way: str, numbers, where) -> None:
            k = next(numbers)  # other seeds in each repeat, the same both ways
            grid = folder / f"{way} {k}.yaml"
            grid.write_text(GRID.format(seed=2 * k, other=2 * k + 1), encoding="utf-8")
            run_grid(*read_grid(grid), folder / f"{way} {k}", cache=folder / "features",
                     client=where)  # fmt: skip

        numbers = count(), count()
        seconds = medians(
            {"one": lambda: finish("one", numbers[0], None),
             "two": lambda: finish("two", numbers[1], client)},
            arguments.repeats,
        )  # fmt: skip
        written = [
            {str(path.relative_to(folder))[4:]: path.read_bytes()
             for name in FILES for path in folder.glob(f"{way} */*/{name}")}
            for way in ("one", "two")
        ]  # fmt: skip
    return [{"what": f"two workers, grid of 4 frozen networks with baselines, {arguments.n} "
             "patients", "peer": "one process", "ratio": seconds["one"] / seconds["two"],
             "seconds": seconds,
             "is_same": bool(written[0]) and written[0] == written[1]}]  # fmt: skip


if __name__ == "__main__":
    patients = {"type": int, "default": 300, "help": "simulated patients (default: 300)"}
    run_benchmark(__doc__, measure, repeats=2, n=patients)
