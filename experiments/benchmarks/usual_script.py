"""Training here against the script that most people would write: maps through VGG16 every epoch.

    python experiments/benchmarks/usual_script.py --out usual_script.json

Phantom, not patients. Both train the same Keras model with the same labels, order and settings: the
usual script by `model.fit` on maps, here on features kept once. Two parts of the main table are
compared, for 1,200 studies (840 train, 180 validate, 180 test), 3 maps, the six traits together and
each alone, 20 epochs: frozen, and fine-tuned, at 224 px.

Timed are, with the median of 3 repeats, an epoch of the usual script, its scoring and the trunk on
32 maps in float32 and 128 in bf16, and the heads on kept features of 840 maps (of 32 or 128 where
the last block is trained); both totals are scaled linearly from these ("extrapolated"). The rows in
bf16 also have the ratio to the usual script in float32. `--check` trains one cell of each part in
full in both ways, at 64 px, and compares the scores.
"""

import argparse
import math

import keras
import numpy as np
import tensorflow as tf

import polarnet as pn
from bench import medians, run_benchmark

N_TRAIN, N_VAL, N_TEST = 840, 180, 180
NETWORKS, EPOCHS = 3 * 7, 20
BATCH = 32
TIMED = {"float32": 32, "mixed_bfloat16": 128}
CHECKED = 64  # px, by --check
CUTS = {"frozen": ("wide", "deep"), "finetuned": ("wide", "block4_pool")}
"""The last layers whose values are kept."""
WAYS = (("float32", 224), ("mixed_bfloat16", 224), ("mixed_bfloat16", 112))
FIT = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": 0}


def measure(arguments: argparse.Namespace) -> list[dict]:
    if arguments.check:
        return [check(mode, arguments.weights) for mode in CUTS]
    rows = []
    for mode in CUTS:
        for precision, size in WAYS:
            rows.append(timed(mode, precision, size, arguments.repeats))
            full = rows[-(1 + WAYS.index((precision, size)))]  # float32 at 224 px
            rows[-1]["ratio_to_float32_224"] = full["usual_s"] / rows[-1]["here_s"]
    return rows


def timed(mode: str, precision: str, size: int, repeats: int) -> dict[str, object]:
    """Seconds of one part of the table, both ways."""
    n_maps = TIMED[precision]
    model, maps, labels = prepared(mode, precision, size, n_maps)
    lower = kept_part(model, mode)
    forward = tf.function(lambda x: lower(x, training=False))
    kept = lower.predict(maps, batch_size=BATCH, verbose=0)
    # Heads cost little, so that they are timed on as many studies as they would be trained on.
    n = N_TRAIN if mode == "frozen" else n_maps
    rows = [np.resize(part, (n, *part.shape[1:])) for part in kept]
    of_rows = np.resize(labels, (n, labels.shape[1]))
    usual = compiled(model, (model.input.name,))
    here = compiled(model, CUTS[mode], steps_per_execution=math.ceil(n / BATCH))
    ways = {
        "usual_train": lambda: usual.fit(maps, labels, **FIT),
        "usual_score": lambda: usual.predict(maps, batch_size=BATCH, verbose=0),
        "trunk": lambda: [forward(maps[k : k + BATCH]) for k in range(0, n_maps, BATCH)],
        "here_train": lambda: here.fit(rows, of_rows, **FIT),
        "here_score": lambda: here.predict(rows, batch_size=BATCH, verbose=0),
    }
    each = {
        name: seconds / (n if name.startswith("here") else n_maps)
        for name, seconds in medians(ways, repeats).items()
    }
    usual_s, here_s = (
        NETWORKS * (EPOCHS * (N_TRAIN * each[f"{way}_train"] + N_VAL * each[f"{way}_score"])
                    + N_TEST * each[f"{way}_score"])
        for way in ("usual", "here")
    )  # fmt: skip
    here_s += 3 * (N_TRAIN + N_VAL + N_TEST) * each["trunk"]
    return {"what": f"{mode} part of the main table, {size} px, {precision}",
            "peer": "usual script (extrapolated)", "ratio": usual_s / here_s,
            "usual_s": usual_s, "here_s": here_s, "seconds_per_map": each}  # fmt: skip


def prepared(mode: str, precision: str, size: int, n: int, weights: str | None = None) -> tuple:
    """Model, maps and labels; a label that is not recorded counts as 0 in both ways."""
    cohort = pn.make_phantom_cohort(n, seed=5)[:n]
    config = pn.ExperimentConfig(
        map_type="stress", mode=mode, trunk="block5", input_size=size, precision=precision,
        weights=weights, unit=cohort.unit, map_size=cohort.size, window=(0.0, 6.0),
    )  # fmt: skip
    model = pn.network.build_model(config)
    if mode == "finetuned":
        for layer in model.layers:
            layer.trainable = layer.trainable or layer.name.startswith("block5_conv")
    labels = cohort.traits[list(config.traits)].fillna(0).to_numpy(np.float32)
    return model, np.asarray(cohort.maps["stress"][:])[..., None], labels


def kept_part(model: keras.Model, mode: str) -> keras.Model:
    """From the maps to what is kept."""
    return keras.Model(model.input, [model.get_layer(layer).output for layer in CUTS[mode]])


def compiled(model: keras.Model, cut: tuple[str, ...], **options) -> keras.Model:
    """What lies above some layers, all heads side by side."""
    tensors = [model.get_layer(layer).output for layer in cut]
    upper = keras.Model(tensors if len(tensors) > 1 else tensors[0], model.output)
    heads = keras.ops.concatenate(list(upper.output.values()), axis=1)
    joined = keras.Model(upper.input, heads)
    joined.compile(keras.optimizers.Adam(1e-3), loss="binary_crossentropy", **options)
    return joined


def check(mode: str, weights: str | None) -> dict[str, object]:
    """One cell, six traits from stress maps, trained in full in both ways at 64 px."""
    n, scores = N_TRAIN + N_VAL + N_TEST, {}
    for way in ("usual", "here"):
        model, inputs, labels = prepared(mode, "float32", CHECKED, n, weights)
        cut = (model.input.name,)
        if way == "here":
            inputs = kept_part(model, mode).predict(inputs, batch_size=BATCH, verbose=0)
            cut = CUTS[mode]
        first, last = (
            [part[rows] for part in inputs] if way == "here" else inputs[rows]
            for rows in (np.s_[:N_TRAIN], np.s_[-N_TEST:])
        )
        trainee = compiled(model, cut)
        trainee.fit(first, labels[:N_TRAIN], **FIT | {"epochs": EPOCHS})
        scores[way] = trainee.predict(last, batch_size=BATCH, verbose=0)
    difference = float(np.abs(scores["usual"] - scores["here"]).max())
    return {"what": f"one cell in full, {mode}, float32, {CHECKED} px", "peer": "usual script",
            "difference": difference, "is_same": difference < 1e-3}  # fmt: skip


if __name__ == "__main__":
    run_benchmark(
        __doc__, measure, repeats=3, weights={"help": "of VGG16, for --check"},
        check={"action": "store_true", "help": "one cell of each part in full, at 64 px"},
    )  # fmt: skip
