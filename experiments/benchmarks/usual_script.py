"""Training here against the script that most people would write: maps through VGG16 every epoch.

    python experiments/benchmarks/usual_script.py --out usual_script.json

Phantom, not patients. Both train the same Keras model with the same labels, order and settings, at
224 px: the usual script by `model.fit` on maps, here on features kept once. Two parts of the main
table are compared, for 1,200 studies (840 train, 180 validate, 180 test), 3 maps, the six traits
together and each alone, 20 epochs: frozen, and fine-tuned. An epoch of the usual script and the
trunk are timed on 128 maps, interleaved, and scaled linearly ("extrapolated"); heads on kept
features are timed on all 840. `--check` trains one cell of each part in full in both ways,
at 64 px, and compares their AUROC.
"""

import argparse
import json
import math
import statistics
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

import polarnet as pn
from polarnet.network.model import DEEP, WIDE, above, below, standards_of_features
from polarnet.network.pipeline import recorded_log_loss
from polarnet.network.training import resolved_config

N_TRAIN, N_VAL, N_TEST = 840, 180, 180
NETWORKS, EPOCHS = 3 * 7, 20
TIMED, BATCH = 128, 32
CHECKED = 64  # px, by --check
CUTS = {"frozen": (WIDE, DEEP), "finetuned": (WIDE, "block4_pool")}
"""The last layers whose values are kept."""
FIT = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--modes", default="frozen,finetuned")
    parser.add_argument("--check", action="store_true", help="one cell in full, at 64 px")
    parser.add_argument("--weights", help="of VGG16, for --check")
    arguments = parser.parse_args()
    if arguments.check:
        rows = [check(mode, arguments.weights) for mode in arguments.modes.split(",")]
    else:
        rows = []
        for mode in arguments.modes.split(","):
            full = timed(mode, "float32", 224, arguments.repeats)
            rows.append(full)
            for size in (224, 112):
                row = timed(mode, "mixed_bfloat16", size, arguments.repeats)
                ratio = round(float(full["usual_s"]) / float(row["here_s"]), 1)
                rows.append(row | {"ratio_to_usual_float32_224": ratio})
    Path(arguments.out).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print("Phantom, not patients.")
    for row in rows:
        print(row)


def timed(mode: str, precision: str, size: int, repeats: int) -> dict[str, object]:
    """Seconds of one part of the table, both ways."""
    model, maps, labels = prepared(mode, precision, size, TIMED)
    lower = kept_part(model, mode)
    forward = tf.function(lambda x: lower(x, training=False))
    kept = lower.predict(maps, batch_size=BATCH, verbose=0)
    # Heads cost little, so that they are timed on as many studies as they would be trained on.
    n = N_TRAIN if mode == "frozen" else TIMED
    rows = [np.resize(part, (n, *part.shape[1:])) for part in kept]
    of_rows = np.resize(labels, (n, labels.shape[1]))
    usual = compiled(model, (model.input.name,), labels)
    here = compiled(model, CUTS[mode], labels, steps_per_execution=math.ceil(n / BATCH))
    ways = {
        "usual_train": lambda: usual.fit(maps, labels, **FIT),
        "usual_score": lambda: usual.predict(maps, batch_size=BATCH, verbose=0),
        "trunk": lambda: [forward(maps[k : k + BATCH]) for k in range(0, TIMED, BATCH)],
        "here_train": lambda: here.fit(rows, of_rows, **FIT),
        "here_score": lambda: here.predict(rows, batch_size=BATCH, verbose=0),
    }
    for way in ways.values():
        way()  # builds what later calls use
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            n_seen = n if name.startswith("here") else TIMED
            seconds[name].append((time.perf_counter() - began) / n_seen)
    each = {name: statistics.median(values) for name, values in seconds.items()}
    usual_s = NETWORKS * (EPOCHS * (N_TRAIN * each["usual_train"] + N_VAL * each["usual_score"])
                          + N_TEST * each["usual_score"])  # fmt: skip
    here_s = NETWORKS * (EPOCHS * (N_TRAIN * each["here_train"] + N_VAL * each["here_score"])
                         + N_TEST * each["here_score"])  # fmt: skip
    here_s += 3 * (N_TRAIN + N_VAL + N_TEST) * each["trunk"]
    return {"part": mode, "precision": precision, "size": size, "repeats": repeats,
            "seconds_per_map": {k: round(v, 5) for k, v in each.items()},
            "usual_s": round(usual_s), "here_s": round(here_s),
            "ratio": round(usual_s / here_s, 1), "note": "extrapolated"}  # fmt: skip


def prepared(mode: str, precision: str, size: int, n: int, **changes) -> tuple:
    """Model, maps and labels."""
    cohort = pn.make_phantom_cohort(n, seed=5)
    cohort = cohort.select(np.arange(n))
    config = pn.ExperimentConfig(
        map_type="stress", mode=mode, trunk="block5", input_size=size, precision=precision,
        weights=None,
    )  # fmt: skip
    config = resolved_config(replace(config, **changes), cohort)
    base, maps = pn.network.build_model(config), np.asarray(cohort.maps["stress"][:])[..., None]
    groups = {
        name: below(base, name).predict(maps[:BATCH], verbose=0).astype(np.float32)
        for name in (WIDE, DEEP)
    }
    model = pn.network.build_model(config, standards_of_features(groups))
    model.set_weights(base.get_weights())
    if mode == "finetuned":
        for layer in model.layers:
            layer.trainable = layer.trainable or layer.name.startswith("block5_conv")
    return model, maps, cohort.traits[list(config.traits)].fillna(-1).to_numpy(np.float32)


def kept_part(model: keras.Model, mode: str) -> keras.Model:
    """From the maps to what is kept."""
    return keras.Model(model.input, [model.get_layer(layer).output for layer in CUTS[mode]])


def compiled(
    model: keras.Model, cut: tuple[str, ...], labels: np.ndarray, **options
) -> keras.Model:
    """What lies above some layers, all heads side by side, with the loss over recorded labels."""
    traits = pd.DataFrame(np.where(labels < 0, np.nan, labels))
    joined = above(model, cut, list(model.output))
    joined.compile(keras.optimizers.Adam(1e-3), loss=recorded_log_loss(traits), **options)
    return joined


def check(mode: str, weights: str | None) -> dict[str, object]:
    """AUROC of one cell, six traits from stress maps, trained in full in both ways at 64 px."""
    found: dict[str, object] = {"check": f"one cell in full, {mode}, float32, {CHECKED} px"}
    n = N_TRAIN + N_VAL + N_TEST
    scores = {}
    for way in ("usual", "here"):
        model, inputs, labels = prepared(mode, "float32", CHECKED, n, weights=weights)
        began, cut = time.perf_counter(), (model.input.name,)
        if way == "here":
            inputs = kept_part(model, mode).predict(inputs, batch_size=BATCH, verbose=0)
            cut = CUTS[mode]
        parts = inputs if isinstance(inputs, list) else [inputs]
        first, last = (
            [part[rows] for part in parts] for rows in (np.s_[:N_TRAIN], np.s_[-N_TEST:])
        )
        trainee = compiled(model, cut, labels[:N_TRAIN])
        trainee.fit(first if len(first) > 1 else first[0], labels[:N_TRAIN],
                    **FIT | {"epochs": EPOCHS})  # fmt: skip
        scores[way] = trainee.predict(
            last if len(last) > 1 else last[0], batch_size=BATCH, verbose=0
        )
        found[f"{way}_s"] = round(time.perf_counter() - began, 1)
    of_test = labels[-N_TEST:]
    for k, trait in enumerate(pn.TRAITS):
        known = of_test[:, k] >= 0
        areas = [pn.auroc(of_test[known, k], scores[way][known, k]).value for way in scores]
        found[f"auroc_{trait}"] = [round(area, 5) for area in areas]
    found["largest_score_difference"] = float(np.abs(scores["usual"] - scores["here"]).max())
    return found


if __name__ == "__main__":
    main()
