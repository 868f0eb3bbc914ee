"""Two Dask workers against one process, on the same grid of frozen networks.

    python experiments/benchmarks/workers_rate.py --out workers_rate.json

Phantom, not patients; untrained trunk. Each repeat runs the same grid twice, one after the other:
in one process, and on two workers that run already and have trained once (a start takes some
seconds and is paid once). Features are kept beforehand, so that what is timed is the training of
small heads and of baselines, which hardly uses a second core. Compares the bytes of all scores too.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import polarnet as pn
from polarnet.grid import read_grid, run_grid
from polarnet.workers import client_for

GRID = """
cohort: cohort
map_types: [rest, stress]
seeds: [{seeds}]
input_size: 64
weights: none
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--n", type=int, default=300, help="simulated patients")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {"one process": [], "two workers": []}
    is_same = True
    with tempfile.TemporaryDirectory() as temporary, client_for(2) as client:
        folder = Path(temporary)
        pn.make_phantom_cohort(arguments.n, seed=6).save(folder / "cohort")
        for repeat in range(arguments.repeats + 1):
            grid = folder / "grid.yaml"
            seeds = ", ".join(str(2 * repeat + k) for k in range(2))
            grid.write_text(GRID.format(seeds=seeds), encoding="utf-8")
            cohort, runs = read_grid(grid)
            for way, where in (("one process", None), ("two workers", client)):
                out = folder / f"{way} {repeat}"
                began = time.perf_counter()
                run_grid(cohort, runs, out, cache=folder / "features", client=where)
                if repeat:  # the first one computes the features, and starts TensorFlow
                    seconds[way].append(time.perf_counter() - began)
            is_same &= all(
                (folder / f"one process {repeat}" / run.name / file).read_bytes()
                == (folder / f"two workers {repeat}" / run.name / file).read_bytes()
                for run in runs for file in ("scores_test.csv", "scores_val.csv", "history.csv")
            )  # fmt: skip
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    row = {"what": f"grid of 4 frozen networks with baselines, {arguments.n} patients",
           "repeats": arguments.repeats, "seconds": medians,
           "ratio": medians["one process"] / medians["two workers"],
           "same_bytes": is_same}  # fmt: skip
    Path(arguments.out).write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
    print("Phantom, not patients.")
    print(row)


if __name__ == "__main__":
    main()
