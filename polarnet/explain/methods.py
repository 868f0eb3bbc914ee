"""The attribution methods on maps, one function each; tf-keras-vis does the work."""

import contextlib
import io
from collections.abc import Callable
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam

from polarnet.explain.logits import fast_run, logit_model
from polarnet.network.model import BLOCK_ENDS, SMALL_FILTERS
from polarnet.network.run import Run

Explainer = Callable[[np.ndarray], np.ndarray]
"""Maps (k, size, size, channels) in the unit of the cohort -> heat (k, size, size)."""

METHODS: Final = ("gradient", "smoothgrad", "gradcam", "gradcam++", "scorecam", "occlusion")

CLASS_ACTIVATION: Final = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "scorecam": Scorecam}

STRONGEST: Final = 32
"""Channels that Score-CAM looks at: those whose activations vary most (our choice)."""


def check_method(run: Run, trait: str, method: str) -> None:
    """Raise ValueError where there is no such method, or it shows something else than what the
    score depends on: a trunk without share, or the gradient of colours.
    """
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


def gradient(run: Run, trait: str, *, samples: int = 0, noise: float = 0.0) -> Explainer:
    """Absolute change of the logit with the value of a pixel, summed over combined maps.

    With samples, the mean over noisy copies (SmoothGrad), in the precision of the training, whose
    rounding the noise covers: its SD is a share of each map's range, drawn from NumPy's own state.
    """
    saliency = Saliency(logit_model(fast_run(run) if samples else run, trait), clone=False)

    def explain(maps: np.ndarray) -> np.ndarray:
        raw = saliency(
            _last_output, maps, smooth_samples=samples, smooth_noise=noise,
            keepdims=True, gradient_modifier=None, normalize_map=False,
        )  # fmt: skip
        return np.abs(np.asarray(raw)).sum(axis=-1)

    return explain


def class_activation(run: Run, trait: str, method: str) -> Explainer:
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


def _exact_at(model: keras.Model, layer: str) -> tuple[keras.Model, str]:
    """The model with what a layer gives in float32, and by which name: bf16 has no zoom."""
    given = model.get_layer(layer).output
    exact = keras.layers.Activation("linear", dtype="float32", name="activations")(given)
    rest = keras.Model([*model.inputs, given], model.outputs)
    return keras.Model(model.inputs, rest([*model.inputs, exact])), "activations"


def _last_output(output: tf.Tensor) -> tf.Tensor:
    return output[:, -1]


def _last_output_as_zero(output: tf.Tensor) -> tf.Tensor:
    """The same gradient, with a value of 0.

    Grad-CAM++ multiplies each map by the exponential of the score, which overflows for a logit of
    89; it changes the scale of the whole map and nothing within it.
    """
    return output[:, -1] - tf.stop_gradient(output[:, -1])
