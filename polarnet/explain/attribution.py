"""Attribution: where on the map a network looks for one trait."""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.scorecam import Scorecam

from polarnet.anatomy import disc_mask, segment_map
from polarnet.cohort import Cohort
from polarnet.explain.checks import median_level, rank_correlation
from polarnet.explain.groups import drawn_patients
from polarnet.explain.occlusion import (
    Filling,
    fast_run,
    fitting_run,
    logit_model,
    segment_occlusion,
)
from polarnet.network.model import BLOCK_ENDS, SMALL_FILTERS, head_name, users_random
from polarnet.network.pipeline import input_maps
from polarnet.network.run import Run, as_run
from polarnet.progressbar import progress_bar

METHODS: Final = ("gradient", "smoothgrad", "gradcam", "gradcam++", "scorecam", "occlusion")

CLASS_ACTIVATION: Final = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "scorecam": Scorecam}

STRONGEST: Final = 32
"""Channels that Score-CAM looks at: those whose activations vary most (our choice)."""

SAMPLES: Final = 25  # noisy copies of a map (SmoothGrad); our choice
NOISE: Final = 0.2
"""SD of SmoothGrad's noise as a share of the range of the image (Smilkov et al.: 0.1 to 0.2)."""

BETWEEN: Final = 10
"""Patients for whom the layers between the heads and the first are followed (our choice)."""

_PIXELS: Final = 4 * 112 * 112  # a batch: 4 images of 112 px


def attribution(
    run: Any,
    cohort: Cohort,
    trait: str,
    method: str = "smoothgrad",
    *,
    samples: int = SAMPLES,
    noise: float = NOISE,
    filling: Filling | None = None,
    seed: int = 0,
    show_progress: bool = False,
) -> np.ndarray:
    """Attribution of one trait's logit to the places of the map, for every study.

    Parameters
    ----------
    run, cohort
        As for `predict`; of a Bundle, the mean over members is given.
    method
        "gradient": absolute change of the logit with the value of the pixel. "smoothgrad": the
        same, averaged over noisy copies of the map. "gradcam", "gradcam++", "scorecam": class
        activation maps of the last convolution, Score-CAM by its 32 strongest channels; in block 5
        they are too coarse for single segments. "occlusion": loss of the logit when the AHA segment
        is brought to its usual level, in units that a reader of maps has.
    samples, noise
        Of "smoothgrad"; noise as a share of the map's range.
    filling
        Of "occlusion": map type -> 17 values in the unit of the map, or (n, 17) where each study
        has its own. Default: the mean of each segment over the training studies without the trait.
    seed
        Of the noise.

    Returns
    -------
    Array of shape (n, size, size), float32, 0 outside the disc. Not normalised, never negative but
    for "occlusion": there positive means that the segment spoke for the trait. Gradients of
    combined maps are summed over the three.

    Raises
    ------
    ValueError: no such trait or method; no samples; the cohort does not fit the model; the method
        shows nothing of this network (`check_method`); the run does not know its training segments
        and no `filling` is given.

    References
    ----------
    Simonyan et al., arXiv 1312.6034 (gradient); Smilkov et al., arXiv 1706.03825 (SmoothGrad);
    Selvaraju et al., arXiv 1610.02391 (Grad-CAM); Chattopadhay et al., arXiv 1710.11063
    (Grad-CAM++); Wang et al., arXiv 1910.01279 (Score-CAM). tf-keras-vis computes the last three.
    """
    if members := getattr(run, "members", None):
        heats = [
            attribution(
                one, cohort, trait, method, samples=samples, noise=noise, filling=filling,
                seed=seed, show_progress=show_progress,
            )
            for one in members
        ]  # fmt: skip
        return np.mean(heats, axis=0)
    run = fitting_run(run, cohort, trait)
    check_method(run, trait, method)
    if samples < 1:
        raise ValueError(f"samples must be 1 or more, but {samples} was given.")
    if method == "occlusion":
        lost = segment_occlusion(run, cohort, trait, filling=filling, show_progress=show_progress)
        return np.insert(lost, 0, 0, axis=1)[:, segment_map(cohort.size)]
    if method in CLASS_ACTIVATION:
        explain = class_activation(run, trait, method)
    else:
        slope = gradient(fast_run(run) if method == "smoothgrad" else run, trait)
    maps, disc = input_maps(cohort, run.config), disc_mask(cohort.size)
    step = max(1, _PIXELS // run.config.input_size**2)
    heat = np.empty((len(cohort), cohort.size, cohort.size), np.float32)
    starts = range(0, len(cohort), step)
    for start in progress_bar(
        starts, desc=method, unit="batch", leave=None, disable=not show_progress
    ):
        part = maps[start : start + step]
        if method in CLASS_ACTIVATION:
            found = explain(part)
        else:
            copies = part[None]
            if method == "smoothgrad":
                copies = _noisy(part, samples, noise, (seed, start))
            found = np.abs(np.mean([slope(copy) for copy in copies], axis=0)).sum(axis=-1)
        heat[start : start + step] = found * disc
    return heat


def check_method(run: Run, trait: str, method: str) -> None:
    """Raise ValueError where a method would show something else than what the score depends on."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but '{method}' was given.")
    share = run.heads.loc[trait, "share"]
    if method in CLASS_ACTIVATION and not share:
        raise ValueError(
            f"The trunk has share 0 in {trait}: its score is that of the bullseye alone, and "
            f"{method} would show nothing. Use method occlusion or gradient."
        )
    if method not in ("occlusion", "scorecam") and share and run.config.palette != "grey":
        raise ValueError(
            f"The trunk sees the colours of palette {run.config.palette}, read from a table that "
            f"has no gradient, and {method} needs one. Use method occlusion or scorecam."
        )


def gradient(run: Run, trait: str) -> Callable[[np.ndarray], tf.Tensor]:
    """Change of the logit with each pixel of maps (k, size, size, channels), compiled."""
    logit = logit_model(run, trait)

    @tf.function(reduce_retracing=True)
    def slope(maps: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            value = _last_output(logit([maps], training=False))
        return tape.gradient(value, maps)

    return lambda maps: slope(tf.constant(maps, tf.float32))


def _noisy(maps: np.ndarray, samples: int, noise: float, seed: tuple[int, int]) -> np.ndarray:
    """Copies of maps with noise of a share of each map's range, (samples, *maps.shape)."""
    random = np.random.RandomState(np.random.SeedSequence(seed).generate_state(4))
    sd = noise * np.ptp(maps, axis=(1, 2, 3), keepdims=True)
    return maps + random.normal(0, sd, (samples, *maps.shape)).astype(np.float32)


def class_activation(run: Run, trait: str, method: str) -> Callable[[np.ndarray], np.ndarray]:
    """Activations of the last convolution, weighed by what they do to the trait."""
    layer = BLOCK_ENDS.get(run.config.last_block, f"small_conv{len(SMALL_FILTERS)}")
    score, options = _last_output, {}
    if method == "gradcam++":
        # Only rising gradients get a weight; the others would enter the sum that the weights are
        # divided by, with a denominator that can be 0.
        score, options = _last_output_as_zero, {"gradient_modifier": tf.nn.relu}
    if method == "scorecam":
        options = {"max_N": min(STRONGEST, run.model.get_layer(layer).output.shape[-1])}
        run = fast_run(run)
    model = logit_model(run, trait)
    if method == "scorecam" and run.config.precision != "float32":
        model, layer = _exact_at(model, layer)
    cam = CLASS_ACTIVATION[method](model, clone=False)

    def explain(maps: np.ndarray) -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):  # its predict() shows a bar for each batch
            heat = cam(
                score, maps, penultimate_layer=layer, seek_penultimate_conv_layer=False,
                expand_cam=True, normalize_cam=False, **options,
            )  # fmt: skip
        return np.asarray(heat)

    if method != "scorecam":
        return explain
    # Of several maps at once it takes the channels that are among the strongest of any.
    return lambda maps: np.concatenate([explain(one[None]) for one in maps])


@users_random()
def _exact_at(model: keras.Model, layer: str) -> tuple[keras.Model, str]:
    """The model with what a layer gives in float32, and by which name: bf16 has no zoom."""
    given = model.get_layer(layer).output
    exact = keras.layers.Activation("linear", dtype="float32", name="activations")(given)
    rest = keras.Model([*model.inputs, given], model.outputs)
    return keras.Model(model.inputs, rest([*model.inputs, exact])), "activations"


def _last_output(output: tf.Tensor) -> tf.Tensor:
    return output[:, -1]


def _last_output_as_zero(output: tf.Tensor) -> tf.Tensor:
    """The same gradient without the value, whose exponential in Grad-CAM++ overflows at 89."""
    return output[:, -1] - tf.stop_gradient(output[:, -1])


# === A network that forgets, layer by layer ===


def layers_down(run: Run, trait: str) -> list[str]:
    """What a trait's score depends on: "heads", then convolutions, if the trunk has a share."""
    if not run.heads.loc[trait, "share"]:
        return ["heads"]
    trunk = [layer.name for layer in run.model.layers if isinstance(layer, keras.layers.Conv2D)]
    return ["heads", *reversed(trunk)]


def randomised_runs(run: Run, trait: str, *, seed: int) -> Iterator[tuple[str, Run]]:
    """The last layer that got random weights, from the heads down, and one copy of the run."""
    with users_random():
        twin = keras.models.clone_model(run.model)
    twin.set_weights(run.model.get_weights())
    heads = [twin.get_layer(head_name(trait)) for trait in run.config.traits]
    for name in layers_down(run, trait):
        for layer in heads if name == "heads" else [twin.get_layer(name)]:
            kernel, bias = layer.get_weights()
            # Layers of equal shape must not get equal kernels.
            digest = hashlib.sha256(f"{seed} {layer.name}".encode()).digest()
            drawn = keras.initializers.GlorotUniform(int.from_bytes(digest[:4]) // 2)
            layer.set_weights([np.asarray(drawn(kernel.shape)), np.zeros_like(bias)])
        yield name, replace(run, model=twin)


def cascade(
    run: Run | str | Path,
    cohort: Cohort,
    trait: str,
    method: str,
    heat: np.ndarray,
    *,
    seed: int = 0,
    between: int | None = BETWEEN,
    show_progress: bool = False,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Agreement of the trained network's maps (`heat`, its `attribution`) with those of ever more
    randomised ones (Adebayo et al., NeurIPS 2018, arXiv 1810.03292).

    Returns one row per step, in order: layer, n patients, value (median rank correlation over their
    first studies), low, high; and the maps of the network that is random throughout, for all
    studies. The steps before the last are followed for `between` patients (None: all).
    """
    run = as_run(run)
    layers = layers_down(run, trait)
    few = drawn_patients(cohort.patients, between, seed=seed)
    rows = []
    steps = progress_bar(
        randomised_runs(run, trait, seed=seed), total=len(layers), desc="Randomising",
        unit="layer", leave=None, disable=not show_progress,
    )  # fmt: skip
    for layer, random in steps:
        positions = np.arange(len(cohort)) if layer == layers[-1] else few
        forgot = attribution(random, cohort.select(positions), trait, method, seed=seed)
        agreement = pd.Series(rank_correlation(heat[positions], forgot))
        by_patient = agreement.groupby(cohort.patients.to_numpy()[positions], sort=False)
        level = median_level(by_patient.first(), seed=seed)  # the first that is known
        rows.append({"layer": layer, "n": level.n, "value": level.median, "low": level.low,
                     "high": level.high})  # fmt: skip
    return pd.DataFrame(rows), forgot
