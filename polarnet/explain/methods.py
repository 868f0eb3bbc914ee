"""The attribution methods on maps, one function each; tf-keras-vis does the work."""

import contextlib
import io
from collections.abc import Callable
from typing import Final

import numpy as np
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam

from polarnet.explain.logits import fast_run, logit_model, two_class_model
from polarnet.network.run import Run

Explainer = Callable[[np.ndarray], np.ndarray]
"""Maps (k, size, size, channels) in the unit of the cohort -> heat (k, size, size)."""

CLASS_ACTIVATION: Final = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "scorecam": Scorecam}

STRONGEST: Final = 32
"""Channels that Score-CAM looks at: those whose activations vary most (our choice)."""


def gradient(run: Run, trait: str, *, samples: int = 0, noise: float = 0.0) -> Explainer:
    """Absolute change of the logit with the value of a pixel, summed over combined maps.

    Parameters
    ----------
    samples
        Noisy copies over which the gradient is averaged (SmoothGrad), 0: the plain gradient.
    noise
        SD of their noise, as a share of each map's range. Drawn from NumPy's global state.
    """
    saliency = Saliency(logit_model(run, trait), clone=False)

    def explain(maps: np.ndarray) -> np.ndarray:
        raw = saliency(
            _last_output, maps, smooth_samples=samples, smooth_noise=noise,
            keepdims=True, gradient_modifier=None, normalize_map=False,
        )  # fmt: skip
        return np.abs(np.asarray(raw)).sum(axis=-1)

    return explain


def class_activation(run: Run, trait: str, method: str, layer: str) -> Explainer:
    """Activations of a layer, weighed by what they do to the trait: Grad-CAM and its kin.

    Raises
    ------
    ValueError: the model has no such layer, or its output has no rows and columns, or the head
        gives the trunk no share.
    """
    places = [part.name for part in run.model.layers[1:] if len(part.output.shape) == 4]
    if layer not in places:
        raise ValueError(f"layer must be one of {', '.join(places)}, but '{layer}' was given.")
    check_trunk(run, trait, method)
    kind = CLASS_ACTIVATION[method]
    score, options = _last_output, {}
    if method == "gradcam++":
        # Only rising gradients get a weight; the others would enter the sum that the weights are
        # divided by, with a denominator that can be 0.
        score, options = _last_output_as_zero, {"gradient_modifier": tf.nn.relu}
    if method == "scorecam":
        # It weighs by a softmax over the outputs, which over a single one would always be 1.
        cam = kind(two_class_model(fast_run(run), trait), clone=False)
        options = {"max_N": min(STRONGEST, run.model.get_layer(layer).output.shape[-1])}
    else:
        cam = kind(logit_model(run, trait), clone=False)

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


def check_trunk(run: Run, trait: str, method: str) -> None:
    """Raise ValueError where a class activation map would show a trunk that has no share."""
    if method in CLASS_ACTIVATION and not run.heads.loc[trait, "share"]:
        raise ValueError(
            f"The trunk has share 0 in {trait}: its score is that of the bullseye alone, and "
            f"{method} would show nothing. Use method occlusion or gradient."
        )


def _last_output(output: tf.Tensor) -> tf.Tensor:
    return output[:, -1]


def _last_output_as_zero(output: tf.Tensor) -> tf.Tensor:
    """The same gradient, with a value of 0.

    Grad-CAM++ multiplies each map by the exponential of the score, which overflows for a logit of
    89; it changes the scale of the whole map and nothing within it.
    """
    return output[:, -1] - tf.stop_gradient(output[:, -1])
