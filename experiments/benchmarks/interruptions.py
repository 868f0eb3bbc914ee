"""Killed at random moments and run again: are the results those of an undisturbed run?

    python experiments/benchmarks/interruptions.py --out interruptions.json

On a phantom, not patients. Each of four commands (import, train, grid on two workers, predict) is
run once undisturbed, and timed. Then, several times, it is started anew, ended by SIGKILL with all
its processes at a moment drawn from that time, checked for results that look whole and are not, and
run again to its end. Compared are the bytes of every table and score, the maps, and every weight.
Prints one row per kill; writes them as JSON. POSIX systems only.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

import polarnet as pn

SETTINGS = "input_size: 64\nepochs: 30\nfinetune_epochs: 3\nprecision: float32\n"
GRID = (
    "cohort: cohort\nmap_types: [rest, stress]\nseeds: [1, 2]\ntraits: [sex, diabetes]\n"
    "input_size: 64\nweights: none\nepochs: 10\nprecision: float32\n"
)
TIMES = ("model.keras", "environment.json")  # hold a time, or the place they were made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--kills", type=int, default=5, help="of each command (default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = prepare(folder)
        for name, words in tqdm(commands.items(), desc="Commands"):
            began = time.monotonic()
            run([*words, "--out", str(folder / f"{name} undisturbed")], folder / "cache 0")
            lasts = time.monotonic() - began
            expected = content(folder / f"{name} undisturbed")
            for k in range(1, arguments.kills + 1):
                out, cache = folder / f"{name} {k}", folder / f"cache {name} {k}"
                moment = moments.uniform(0.2, lasts)
                is_killed = run([*words, "--out", str(out)], cache, kill_after=moment)
                # A file or folder that bears its name must be whole at every moment.
                looked_whole = is_whole(out)
                # Killed after its work was done: the result is there, and must be the right one.
                is_done = out.exists() and name != "grid"
                if not is_done:
                    run([*words, "--out", str(out)], cache)
                rows.append({"command": name, "lasts_s": round(lasts, 2),
                             "killed_after_s": round(moment, 2), "was_killed": is_killed,
                             "was_done": is_done, "nothing_half": looked_whole,
                             "same": content(out) == expected})  # fmt: skip
    Path(arguments.out).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print("Phantom, not patients.")
    for row in rows:
        print(row)
    good = sum(row["same"] and row["nothing_half"] for row in rows)
    killed = sum(row["was_killed"] for row in rows)
    print(f"{good} of {len(rows)} identical and never half; {killed} were killed before their end")
    return 0 if good == len(rows) else 1


def prepare(folder: Path) -> dict[str, list[str]]:
    """Cohort, exports and a trained run; the commands without their --out."""
    cohort = pn.make_phantom_cohort(600, seed=4)
    cohort.save(folder / "cohort")
    maps = folder / "maps"
    maps.mkdir()
    for study, rest, stress in zip(
        cohort.patients.index, cohort.maps["rest"], cohort.maps["stress"], strict=True
    ):
        np.savetxt(maps / f"{study}_rest.csv", rest, delimiter=",", fmt="%.5g")
        np.savetxt(maps / f"{study}_stress.csv", stress, delimiter=",", fmt="%.5g")
    cohort.traits.assign(patient_id=cohort.patients).to_csv(folder / "clinical.csv")
    (folder / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    train = ["train", str(folder / "cohort"), "--config", str(folder / "settings.yaml"),
             "--weights", "none", "--traits", "sex,diabetes"]  # fmt: skip
    run([*train, "--out", str(folder / "run")], folder / "cache 0")
    return {
        "import": ["import", str(maps), "--clinical", str(folder / "clinical.csv"), "--unit",
                   "mL/min/g", "--keep-ids"],
        "train": [*train, "--mode", "finetuned"],
        "grid": ["grid", str(folder / "grid.yaml"), "--workers", "2"],
        "predict": ["predict", str(folder / "run"), str(folder / "cohort")],
    }  # fmt: skip


def run(words: list[str], cache: Path, kill_after: float | None = None) -> bool:
    """Run a command to its end, or to a moment; True where it was killed."""
    line = [sys.executable, "-m", "polarnet", *words]
    if words[0] in ("train", "grid"):
        line += ["--cache", str(cache)]
    process = subprocess.Popen(
        line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        said = process.communicate(timeout=kill_after)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)}: {said.decode(errors='replace')[-500:]}")
    return False


def content(out: Path) -> dict[str, str]:
    """A digest of every file, and of every weight."""
    if out.is_file():
        return {"": hashlib.sha256(out.read_bytes()).hexdigest()}
    found = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.name == "model.keras":
            weights = pn.load_model(path.parent).get_weights()
            joined = b"".join(weight.tobytes() for weight in weights)
            found[name] = hashlib.sha256(joined).hexdigest()
        elif path.is_file() and path.name not in TIMES:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def is_whole(out: Path) -> bool:
    """Whether what bears the name of a result can be read."""
    if out.is_file():
        return len(out.read_text(encoding="utf-8").splitlines()) > 600
    if (out / "cohort.json").is_file() or (out / "cohort.csv").is_file():
        return len(pn.read_cohort(out, verify=True)) > 0
    runs = [out] if (out / "config.yaml").is_file() else list(out.glob("[!.]*/"))
    return all(content(folder) and pn.load_model(folder) is not None for folder in runs)


if __name__ == "__main__":
    sys.exit(main())
