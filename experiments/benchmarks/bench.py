"""All short benchmarks, one after the other, and one table of their ratios.

    python experiments/benchmarks/bench.py --out bench
    python experiments/benchmarks/bench.py --out quick --quick

Runs each script of this folder in a process of its own, within 12 minutes on two idle cores; its
JSON lies in --out, and what is there is kept. `scaling.py` (half an hour) is for itself. Peers come
with `pip install polarnet[bench]`. With --quick, only what each way gives is compared, on little
data, and how memory grows with the cohort; it ends with 1 where something differs.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from tqdm import tqdm

SCRIPTS = ("usual_script", "trunk_forward", "bootstrap_rate", "workers_rate", "import_rate")
QUICK = {
    "usual_script": ("--check",),
    "bootstrap_rate": ("--repeats", "1"),
    "workers_rate": ("--repeats", "1", "--n", "120"),
    "scaling": ("--n", "200", "1000"),
}
"""Options of the scripts that --quick runs: those that say whether results are the same."""

COLUMNS = ["what", "peer", "ratio", "difference", "is_same"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="bench", help="folder (default: bench)")
    parser.add_argument("--quick", action="store_true", help="compare results, not times")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, options in (QUICK if arguments.quick else dict.fromkeys(SCRIPTS, ())).items():
        path = out / f"{name}.json"
        if not path.is_file():
            print(f"{name} ...", flush=True)
            script = Path(__file__).with_name(f"{name}.py")
            line = [sys.executable, script, "--out", path, *options]
            if code := subprocess.run(line, check=False).returncode:
                return code
        rows += json.loads(path.read_text(encoding="utf-8"))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table.to_csv(out / "bench.csv", index=False, float_format="%.4g", lineterminator="\n")
    print(f"{platform.processor() or platform.machine()}, {platform.platform()}. "
          "Ratio: time of the peer / time here.")  # fmt: skip
    print(table.to_string(index=False, float_format="{:.3g}".format, na_rep=""))
    print(f"Wrote {out / 'bench.csv'}")
    return int((table["is_same"] == False).any())  # noqa: E712 (empty where nothing is compared)


def run_benchmark(
    doc: str, measure: Callable[[argparse.Namespace], list[dict]], repeats: int, **options: dict
) -> None:
    """Parse the command line of a benchmark, measure, and write its rows as JSON.

    A row has `what`, `peer` and `ratio`, where results are compared `difference` and `is_same`,
    and whatever else was measured.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"default: {repeats}")
    for name, settings in options.items():
        parser.add_argument(f"--{name}", **settings)
    arguments = parser.parse_args()
    rows = measure(arguments)
    Path(arguments.out).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    for row in rows:
        print(row)


def medians(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each way; a repeat times every way once, after one call for nothing."""
    for way in ways.values():
        way()  # builds what later calls use
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in tqdm(range(repeats), desc="Repeats"):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    sys.exit(main())
