"""How fast are 10,000 maps imported, against NumPy reading the same files and doing nothing else?

    python experiments/benchmarks/import_rate.py --out import_rate.json

Phantom maps of 48 x 48 as CSV and as .npy. Each repeat times, one after the other and each in a
process of its own from its start to its end: a loop of `numpy.loadtxt` (or `numpy.load`) over all
files, and `polarnet import` of them with a clinical table (checked, matched, pseudonymised,
written, drawn). A quarter of the files is timed too, so that what is paid once (start of Python,
libraries, the picture) can be told from what every map costs. Prints medians and ratios; writes
them with the machine and versions as JSON.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import polarnet as pn

BARE = (
    "import sys, numpy as np; from pathlib import Path; "
    "read = np.load if sys.argv[2] == 'npy' else lambda p: np.loadtxt(p, delimiter=','); "
    "print(sum(read(p).shape[0] for p in Path(sys.argv[1]).iterdir()))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--n", type=int, default=10_000, help="maps (default: 10,000)")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        results = measure(Path(temporary), arguments.n, arguments.repeats)
    report = {
        "what": "seconds from start to end of a process; medians of interleaved repeats",
        "maps": arguments.n,
        "repeats": arguments.repeats,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"python": platform.python_version(), "numpy": np.__version__,
                     "polarnet": pn.__version__},
        "results": results,
    }  # fmt: skip
    Path(arguments.out).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("Phantom maps, not patients.")
    for kind, of_kind in results.items():
        print(
            f"{kind}: bare {of_kind['bare_s']:.2f} s, import {of_kind['import_s']:.2f} s; rate of "
            f"the import / bare {of_kind['rate_ratio']:.2f}; per further map "
            f"{of_kind['further_rate_ratio']:.2f}; peak memory {of_kind['import_mb']:.0f} MB"
        )
    print(f"Wrote {arguments.out}")


def measure(folder: Path, n: int, repeats: int) -> dict[str, dict[str, float]]:
    """Medians in seconds and ratios, by kind of file."""
    write_maps(folder, n)
    times: dict[tuple[str, str, str], list[float]] = {}
    peaks: dict[str, float] = {}
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    for repeat in tqdm(range(repeats), desc="Timing", unit="repeat"):
        for kind in ("csv", "npy"):
            for part in ("all", "quarter"):
                maps = folder / part / kind
                out = folder / f"cohort-{kind}-{part}-{repeat}"
                commands = {
                    "bare": [sys.executable, "-c", BARE, str(maps), kind],
                    "import": [sys.executable, "-m", "polarnet", "import", str(maps), "--clinical",
                               str(folder / "clinical.csv"), "--unit", "mL/min/g",
                               "--key", str(folder / "key"), "--out", str(out)],
                }  # fmt: skip
                for name, command in commands.items():
                    seconds, peak = timed(command, environment)
                    times.setdefault((kind, part, name), []).append(seconds)
                    peaks[f"{name} {kind}"] = max(peak, peaks.get(f"{name} {kind}", 0.0))
    return {kind: _ratios(kind, times, peaks) for kind in ("csv", "npy")}


def _ratios(
    kind: str, times: dict[tuple[str, str, str], list[float]], peaks: dict[str, float]
) -> dict[str, float]:
    median = {key[1:]: statistics.median(found) for key, found in times.items() if key[0] == kind}
    further = {name: median["all", name] - median["quarter", name] for name in ("bare", "import")}
    return {
        "bare_s": median["all", "bare"],
        "import_s": median["all", "import"],
        "rate_ratio": median["all", "bare"] / median["all", "import"],
        "further_rate_ratio": further["bare"] / further["import"],
        "import_mb": peaks[f"import {kind}"],
    }


def write_maps(folder: Path, n: int) -> None:
    """The same maps as CSV and .npy, all of them and a quarter, and their clinical table."""
    cohort = pn.make_phantom_cohort(n // 2, seed=3, size=48)
    for part, count in (("all", n // 2), ("quarter", n // 8)):
        for kind in ("csv", "npy"):
            (folder / part / kind).mkdir(parents=True)
        for k in tqdm(range(count), desc="Writing", unit="study"):
            for map_type in ("rest", "stress"):
                values, name = cohort.maps[map_type][k], f"S{k:06d}_{map_type}"
                np.savetxt(folder / part / "csv" / f"{name}.csv", values, "%.4f", ",")
                np.save(folder / part / "npy" / f"{name}.npy", values)
    ids = [f"{k:06d}" for k in range(n // 2)]
    table = cohort.traits.iloc[: n // 2].assign(
        study_id=[f"S{k}" for k in ids], patient_id=[f"P{k}" for k in ids]
    )
    table.to_csv(folder / "clinical.csv", index=False)


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds and, where the system tells it, MB at the peak of the command's own process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    if not hasattr(os, "wait4"):
        if process.wait():
            raise SystemExit(f"The command ended with an error: {' '.join(command)}")
        return time.perf_counter() - start, float("nan")
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The command ended with an error: {' '.join(command)}")
    return seconds, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
