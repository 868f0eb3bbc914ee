"""Time and memory of a study, for 100,000 studies against 1,000.

    python experiments/benchmarks/scaling.py --out scaling.json

Phantom, not patients; 64 px, untrained trunk. For each number of studies, three steps, each in a
process of its own from its start to its end: `polarnet import` of .npy files, training of a frozen
network, and `polarnet predict` of all studies. Prints seconds and peak memory of each step, and the
ratio of the large to the small cohort. Memory is the processes' own, all of them together; beside
it what of the maps' files is mapped (`mapped_mb`): pages that the system keeps while it has room
and takes back when another program asks. Linux only; half an hour and 12 GB of disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

import polarnet as pn

TRAIN = """
import sys, polarnet as pn
cohort = pn.read_cohort(sys.argv[1])
train, val, _ = pn.split_by_patient(cohort, seed=1)
config = pn.ExperimentConfig(map_type="stress", weights=None, input_size=64, traits=("sex",))
pn.train(train, val, config, sys.argv[2], cache=sys.argv[3], show_progress=False)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--sizes", type=int, nargs=2, default=(1000, 100_000))
    arguments = parser.parse_args()
    rows = []
    for n in arguments.sizes:
        with tempfile.TemporaryDirectory() as temporary:
            rows += [{"studies": n} | row for row in measured(Path(temporary), n)]
    small, large = arguments.sizes
    table = pd.DataFrame(rows).pivot(index="step", columns="studies")
    ratios = {
        "seconds_a_study": sum(table["seconds"][large]) / sum(table["seconds"][small])
        * small / large,
        "peak_memory": float(table["peak_mb"][large].max() / table["peak_mb"][small].max()),
    }  # fmt: skip
    report = {"rows": rows, "ratio_of_large_to_small": ratios}
    Path(arguments.out).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("Phantom, not patients.")
    print(table.to_string(float_format="{:.2f}".format))
    print(ratios)


def measured(folder: Path, n: int) -> list[dict[str, object]]:
    """Seconds and peak memory of each step."""
    write_exports(folder, n)
    polarnet = [sys.executable, "-m", "polarnet"]
    cohort, run = str(folder / "cohort"), str(folder / "run")
    steps = {
        "import": [*polarnet, "import", str(folder / "maps"), "--clinical",
                   str(folder / "clinical.csv"), "--unit", "mL/min/g", "--keep-ids",
                   "--out", cohort],
        "train": [sys.executable, "-c", TRAIN, cohort, run, str(folder / "features")],
        "predict": [*polarnet, "predict", run, cohort, "--out", str(folder / "scores.csv")],
    }  # fmt: skip
    rows = []
    for name, words in tqdm(steps.items(), desc=f"{n} studies"):
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peaks = {"RssAnon": 0.0, "RssFile": 0.0}
        while process.poll() is None:
            for kind, peak in peaks.items():
                peaks[kind] = max(peak, resident(process.pid, kind))
            time.sleep(0.05)
        if process.returncode:
            raise RuntimeError(f"{name} failed: {words}")
        rows.append({"step": name, "seconds": time.perf_counter() - began,
                     "peak_mb": peaks["RssAnon"], "mapped_mb": peaks["RssFile"]})  # fmt: skip
    return rows


def resident(pid: int, kind: str) -> float:
    """Megabytes of a process and of those it started."""
    folder = Path(f"/proc/{pid}")
    try:
        lines = (folder / "status").read_text(encoding="utf-8").splitlines()
        of_itself = sum(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024
        children = (folder / "task" / str(pid) / "children").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0.0
    return of_itself + sum(resident(int(child), kind) for child in children)


def write_exports(folder: Path, n: int) -> None:
    """A file a map, and the clinical table."""
    maps = folder / "maps"
    maps.mkdir()
    tables = []
    for part in range(0, n, 1000):
        cohort = pn.make_phantom_cohort(1000, seed=100 + part // 1000)
        cohort = cohort.select(np.arange(min(1000, n - part)))
        for k, study in enumerate(cohort.patients.index):
            np.save(maps / f"{study}_rest.npy", cohort.maps["rest"][k])
            np.save(maps / f"{study}_stress.npy", cohort.maps["stress"][k])
        tables.append(cohort.traits[["sex"]].assign(patient_id=cohort.patients))
    pd.concat(tables).to_csv(folder / "clinical.csv")


if __name__ == "__main__":
    main()
