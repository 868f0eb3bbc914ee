"""All short benchmarks, one after the other, and one table of their ratios.

    python experiments/benchmarks/bench.py --out bench
    python experiments/benchmarks/bench.py --out quick --quick

Runs each script of this folder that ends within minutes in a process of its own, on an otherwise
idle machine; its JSON lies in --out, and what is there is kept. `scaling.py` (half an hour) and
`interruptions.py` (no ratio) are for themselves. Peers come with `pip install polarnet[bench]`.
With --quick, only what each way gives is compared, on little data, and how memory grows with the
cohort; it ends with 1 where something differs, on a busy machine too.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
SCRIPTS = ("usual_script", "trunk_forward", "bootstrap_rate", "workers_rate", "smoothgrad_cost",
           "import_rate")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="bench", help="folder (default: bench)")
    parser.add_argument("--quick", action="store_true", help="compare results, not times")
    arguments = parser.parse_args()
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    if arguments.quick:
        return quick(out)
    for name in SCRIPTS:
        path = out / f"{name}.json"
        if not path.is_file():
            print(f"{name} ...", flush=True)
            line = [sys.executable, HERE / f"{name}.py", "--out", path]
            if code := subprocess.run(line, check=False).returncode:
                return code
    table = pd.DataFrame(
        [row for name in SCRIPTS
         for row in ratios(name, json.loads((out / f"{name}.json").read_text(encoding="utf-8")))],
        columns=["what", "peer", "ratio", "same result"],
    )  # fmt: skip
    table.to_csv(out / "bench.csv", index=False, float_format="%.4g", lineterminator="\n")
    print(f"{platform.processor() or platform.machine()}, {platform.system()}, "
          f"TensorFlow {version('tensorflow')}. Ratio: time of the peer / time here.")  # fmt: skip
    print(table.to_string(index=False, float_format="{:.2f}".format))
    print(f"Wrote {out / 'bench.csv'}")
    return 0


QUICK = {
    "usual_script": ("--check",),
    "bootstrap_rate": ("--repeats", "1"),
    "workers_rate": ("--repeats", "1", "--n", "120"),
    "scaling": ("--sizes", "200", "1000"),
}
"""Options of the scripts that --quick runs."""


def quick(out: Path) -> int:
    """Run the scripts that compare results, and say of each whether they are the same."""
    found = {}
    for name, options in QUICK.items():
        print(f"{name} ...", flush=True)
        line = [sys.executable, HERE / f"{name}.py", "--out", out / f"{name}.json", *options]
        if code := subprocess.run(line, check=False).returncode:
            return code
        found[name] = json.loads((out / f"{name}.json").read_text(encoding="utf-8"))
    holds = {
        "kept features train the same network": all(
            row["largest_score_difference"] < 1e-3 for row in found["usual_script"]
        ),
        "the bootstrap gives the numbers of a loop": (
            found["bootstrap_rate"]["largest_difference"] < 1e-12
        ),
        "two workers write the same bytes": found["workers_rate"]["same_bytes"],
        "memory does not grow with the cohort": (
            found["scaling"]["ratio_of_large_to_small"]["peak_memory"] < 1.5
        ),
    }
    for claim, is_so in holds.items():
        print(f"{'yes' if is_so else 'NO '}  {claim}")
    return 0 if all(holds.values()) else 1


def ratios(name: str, report) -> Iterator[tuple[str, str, float, str]]:
    """Rows of the table from what a script wrote."""
    if name == "usual_script":
        for row in report:
            what = f"{row['part']} part of the main table, {row['size']} px, {row['precision']}"
            yield what, "usual script (extrapolated)", row["ratio"], "usual_script.py --check"
    elif name == "trunk_forward":
        for row in report:
            what = f"trunk forward, {row['size']} px, {row['precision']}"
            for peer, seconds in row["seconds_an_image"].items():
                if peer != "polarnet":
                    ratio = seconds / row["seconds_an_image"]["polarnet"]
                    yield what, peer, ratio, f"to {row['largest_difference'][peer]:.1e}"
            yield what, "matrix product", row["share_of_matrix_product"], ""
    elif name == "bootstrap_rate":
        yield (report["what"], "scikit-learn loop (extrapolated)", report["ratio"],
               f"to {report['largest_difference']:.1e}")  # fmt: skip
    elif name == "workers_rate":
        yield (f"two workers, {report['what']}", "one process", report["ratio"],
               "same bytes" if report["same_bytes"] else "DIFFERENT")  # fmt: skip
    elif name == "smoothgrad_cost":
        for peer, ratio in report["smoothgrad_over"].items():
            yield "SmoothGrad, 25 samples", f"25 passes, {peer}", 1 / ratio, ""
    else:
        for kind, row in report["results"].items():
            yield f"import of {report['maps']} {kind}", "bare NumPy", row["rate_ratio"], ""


if __name__ == "__main__":
    sys.exit(main())
