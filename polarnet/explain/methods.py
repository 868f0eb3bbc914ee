"""The attribution methods on encoded images, one function each; tf-keras-vis does the work."""

import contextlib
import io
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam

from polarnet.explain.logits import check_trait, logit_model, two_class_model
from polarnet.network.model import HIDDEN, below, head_name, in_float32

Explainer = Callable[[tf.Tensor], np.ndarray]
"""Images (k, input_size, input_size, 3) as made by `encode` -> heat (k, rows, columns)."""


def gradient(model: keras.Model, trait: str, *, samples: int = 0, noise: float = 0.0) -> Explainer:
    """Absolute change of the logit with the value of a pixel.

    Parameters
    ----------
    samples
        Noisy copies over which the gradient is averaged (SmoothGrad), 0: the plain gradient.
    noise
        SD of their noise, as a share of each image's range. Drawn from NumPy's global state.
    """
    saliency, config = Saliency(logit_model(model, trait)), model.experiment

    def explain(image: tf.Tensor) -> np.ndarray:
        raw = saliency(
            _only_output, image, smooth_samples=samples, smooth_noise=noise,
            keepdims=True, gradient_modifier=None, normalize_map=False,
        )  # fmt: skip
        return np.abs(_by_map(np.asarray(raw), len(config.map_types), config.palette)).sum(axis=-1)

    return explain


def dropout_variance(model: keras.Model, trait: str) -> Explainer:
    """Variance of the gradient over dropout samples, in closed form.

    Dropout acts on the linear layer before the heads: a sample's gradient is the sum over units j
    of w_j J_j m_j / (1 - rate), with independent m_j of mean 1 - rate. Over endless samples its
    variance is rate / (1 - rate) * sum_j (w_j J_j)^2, where J_j is the gradient of unit j.

    Raises
    ------
    ValueError: the model has no such trait, or no dropout.
    """
    config, rate = model.experiment, model.experiment.dropout
    if not rate:
        raise ValueError("Method variance needs a model with dropout; this one has dropout 0.")
    check_trait(model, trait)
    model = in_float32(model)
    hidden, weights = below(model, HIDDEN), model.get_layer(head_name(trait)).get_weights()[0][:, 0]

    @tf.function
    def squares(image: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(image)
            units = tf.unstack(hidden(image, training=False) * weights, axis=1)
        total = 0.0
        for unit in units:
            total += _by_map(tape.gradient(unit, image), len(config.map_types), config.palette) ** 2
        return tf.reduce_sum(total, axis=-1)

    return lambda image: rate / (1 - rate) * squares(image).numpy()


def class_activation(model: keras.Model, trait: str, method: str, layer: str) -> Explainer:
    """Activations of a layer, weighed by what they do to the trait: Grad-CAM and its kin.

    Raises
    ------
    ValueError: the model has no such layer, or its output has no rows and columns.
    """
    places = [part.name for part in model.layers[1:] if len(part.output.shape) == 4]
    if layer not in places:
        raise ValueError(f"layer must be one of {', '.join(places)}, but '{layer}' was given.")
    kind = {"gradcam": Gradcam, "gradcam++": GradcamPlusPlus, "scorecam": Scorecam}[method]
    # Score-CAM weighs by a softmax over the outputs, which over a single one would always be 1.
    is_score = method == "scorecam"
    score, options = _last_output, {}
    if method == "gradcam++":
        # Only rising gradients get a weight; the others would enter the sum that the weights are
        # divided by, with a denominator that can be 0.
        score, options = _last_output_as_zero, {"gradient_modifier": tf.nn.relu}
    cam = kind(two_class_model(model, trait) if is_score else logit_model(model, trait))

    def explain(image: tf.Tensor) -> np.ndarray:
        with contextlib.redirect_stdout(io.StringIO()):  # its predict() shows a bar for each batch
            heat = cam(
                score, image, penultimate_layer=layer, seek_penultimate_conv_layer=False,
                expand_cam=False, normalize_cam=False, **options,
            )  # fmt: skip
        return np.asarray(heat)

    return explain


def _only_output(output: tf.Tensor) -> tf.Tensor:
    return output[:, 0]


def _last_output(output: tf.Tensor) -> tf.Tensor:
    return output[:, -1]


def _last_output_as_zero(output: tf.Tensor) -> tf.Tensor:
    """The same gradient, with a value of 0.

    Grad-CAM++ multiplies each map by the exponential of the score, which overflows for a logit of
    89; it changes the scale of the whole map and nothing within it.
    """
    return output[:, -1] - tf.stop_gradient(output[:, -1])


def _by_map(gradient: tf.Tensor, n_maps: int, palette: str) -> tf.Tensor:
    """Gradients (k, rows, columns, 3) by image channel, as those by what the channels show.

    One map in grey stands in all three channels: their sum is the gradient by its value. Combined
    maps have a channel each. The channels of a colour stay as they are.
    """
    if n_maps == 1 and palette == "grey":
        return gradient[..., 0:1] + gradient[..., 1:2] + gradient[..., 2:3]
    return gradient
