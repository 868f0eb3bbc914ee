"""What does SmoothGrad with 25 samples cost, in plain passes forward and back of the same batch?

    python experiments/benchmarks/smoothgrad_cost.py --out smoothgrad_cost.json

An untrained VGG16 to block 5 at 112 px (times do not depend on the weights) and maps of a phantom,
not patients. Each repeat times, one after the other: `attribution` by smoothgrad, 25 times the
gradient of the logit by a tape, and 25 times the same compiled. Prints medians and their ratios;
writes them with the machine and versions as JSON.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

import polarnet as pn
from polarnet.explain.attribution import SAMPLES
from polarnet.explain.occlusion import logit_model

BATCH = 4  # maps at once, as `attribution` takes them at 112 px


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    cohort = pn.make_phantom_cohort(BATCH, seed=1)
    cohort = cohort[:BATCH]
    config = pn.ExperimentConfig(map_type="stress", traits=("sex",), trunk="block5",
                                 input_size=112, weights=None, precision="float32")  # fmt: skip
    config = replace(config, window=(0.0, 4.0), unit=cohort.unit, map_size=cohort.size)
    heads = pd.DataFrame({"share": [1.0]}, index=["sex"])
    run = pn.network.Run(Path("untrained"), config, pn.network.build_model(config), heads)
    logit = logit_model(run, "sex")
    maps = tf.constant(np.asarray(cohort.maps["stress"][:], np.float32)[..., None])

    def plain(given: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(given)
            score = logit([given], training=False)
        return tape.gradient(score, given)

    compiled = tf.function(plain)
    ways: dict[str, Callable[[], object]] = {
        "smoothgrad": lambda: pn.attribution(run, cohort, "sex", "smoothgrad"),
        "plain": lambda: [plain(maps) for _ in range(SAMPLES)],
        "compiled": lambda: [compiled(maps) for _ in range(SAMPLES)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()  # once for nothing: the first call builds what later ones use
    for _ in tqdm(range(arguments.repeats), desc="Repeats"):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = {name: medians["smoothgrad"] / medians[name] for name in ("plain", "compiled")}
    report = {
        "what": f"seconds for {BATCH} maps and {SAMPLES} samples; medians of interleaved repeats",
        "repeats": arguments.repeats,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": os.cpu_count(), "system": platform.platform()},
        "versions": {"python": platform.python_version(), "tensorflow": tf.__version__,
                     "polarnet": pn.__version__},
        "seconds": medians,
        "smoothgrad_over": ratios,
    }  # fmt: skip
    Path(arguments.out).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("Phantom maps, not patients.")
    print(f"SmoothGrad {medians['smoothgrad']:.2f} s; {SAMPLES} passes {medians['plain']:.2f} s "
          f"(ratio {ratios['plain']:.2f}), compiled {medians['compiled']:.2f} s "
          f"(ratio {ratios['compiled']:.2f})")  # fmt: skip


if __name__ == "__main__":
    main()
