"""Time and memory of a study, for 100,000 studies against 1,000.

    python experiments/benchmarks/scaling.py --out scaling.json

Phantom, not patients; 64 px, untrained trunk. For each number of studies, three steps, each in a
process of its own from its start to its end: `polarnet import` of .npy files, training of a frozen
network, and `polarnet predict` of all studies. Tells seconds and peak memory of each step, and the
ratio of the small to the large cohort. Memory is the processes' own, all of them together; beside
it what of the maps' files is mapped (`mapped_mb`): pages that the system takes back when another
program asks. Linux only; half an hour and 12 GB of disk.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import psutil
from tqdm import tqdm

from bench import run_benchmark
from import_rate import write_exports

TRAIN = """
import sys, polarnet as pn
cohort = pn.read_cohort(sys.argv[1])
train, val, _ = pn.split_by_patient(cohort, seed=1)
config = pn.ExperimentConfig(map_type="stress", weights=None, input_size=64, traits=("sex",))
pn.train(train, val, config, sys.argv[2], cache=sys.argv[3], show_progress=False)
"""

MOST = 1.7
"""Times the memory of the small cohort that the large one may take (our choice)."""


def measure(arguments: argparse.Namespace) -> list[dict]:
    steps = []
    for n in arguments.n:
        with tempfile.TemporaryDirectory() as temporary:
            steps += [{"studies": n} | row for row in measured(Path(temporary), n)]
    table = pd.DataFrame(steps)
    print(table.to_string(index=False, float_format="{:.2f}".format))
    small, large = (table[table["studies"] == n] for n in arguments.n)
    speed = (small["seconds"].sum() / arguments.n[0]) / (large["seconds"].sum() / arguments.n[1])
    memory = small["own_mb"].max() / large["own_mb"].max()
    what = f"import, training and prediction of {arguments.n[1]} studies"
    return [
        {"what": f"{what}, seconds a study", "peer": f"{arguments.n[0]} studies", "ratio": speed,
         "steps": steps},
        {"what": f"{what}, own memory", "peer": f"{arguments.n[0]} studies", "ratio": memory,
         "is_same": bool(memory > 1 / MOST)},
    ]  # fmt: skip


def measured(folder: Path, n: int) -> list[dict[str, object]]:
    """Seconds and peak memory of each step."""
    write_exports(folder, n, 64, "npy")
    polarnet = [sys.executable, "-m", "polarnet"]
    cohort, run = str(folder / "cohort"), str(folder / "run")
    steps = {
        "import": [*polarnet, "import", str(folder / "npy"), "--clinical",
                   str(folder / "clinical.csv"), "--unit", "mL/min/g", "--keep-ids",
                   "--out", cohort],
        "train": [sys.executable, "-c", TRAIN, cohort, run, str(folder / "features")],
        "predict": [*polarnet, "predict", run, cohort, "--out", str(folder / "scores.csv")],
    }  # fmt: skip
    rows = []
    for name, words in tqdm(steps.items(), desc=f"{n} studies"):
        began, own, mapped = time.perf_counter(), 0.0, 0.0
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            of_all = resident(process.pid)
            own, mapped = max(own, of_all[0]), max(mapped, of_all[1])
            time.sleep(0.05)
        if process.returncode:
            raise RuntimeError(f"{name} failed: {words}")
        seconds = time.perf_counter() - began
        rows.append({"step": name, "seconds": seconds, "own_mb": own, "mapped_mb": mapped})
    return rows


def resident(pid: int) -> tuple[float, float]:
    """Megabytes of a process and of those it started: their own, and of mapped files."""
    own = mapped = 0.0
    try:
        whole = psutil.Process(pid)
        for process in (whole, *whole.children(recursive=True)):
            memory = process.memory_info()
            own, mapped = own + memory.rss - memory.shared, mapped + memory.shared
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0, 0.0
    return own / 2**20, mapped / 2**20


if __name__ == "__main__":
    sizes = {"type": int, "nargs": 2, "default": (1000, 100_000), "help": "numbers of studies"}
    run_benchmark(__doc__, measure, repeats=1, n=sizes)
