"""One trait of a model as a small model of its own: what attribution looks through."""

import difflib
from collections.abc import Callable

import keras
import numpy as np

from polarnet.network.model import head_name, in_float32


def logit_model(model: keras.Model, trait: str) -> keras.Model:
    """The part of a model that gives the logit of one trait, in float32.

    Parameters
    ----------
    model
        From `load_model`, or a trained one of `build_model`, of any precision.
    trait
        One of its heads.

    Returns
    -------
    keras.Model with the same image as input and one linear output, shape (n, 1). It shares all
    layers below the head with the model, or with its float32 twin.

    Raises
    ------
    ValueError: the model has no such trait.
    """
    return _with_head(model, trait, lambda kernel, bias: (kernel, bias))


def two_class_model(model: keras.Model, trait: str) -> keras.Model:
    """The same with two outputs, 0 and the logit, whose softmax is the probability.

    Score-CAM weighs by a softmax over the outputs; over a single one that would always be 1.
    """

    def beside_zero(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.c_[np.zeros_like(kernel), kernel], np.r_[0, bias]

    return _with_head(model, trait, beside_zero)


def check_trait(model: keras.Model, trait: str) -> None:
    """Raise ValueError, with the nearest name, where the model has no head for the trait."""
    if trait not in model.output:
        near = difflib.get_close_matches(trait, model.output, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        known = ", ".join(model.output)
        raise ValueError(f"The model has no trait '{trait}'{hint} It has {known}.")


def _with_head(model: keras.Model, trait: str, change: Callable) -> keras.Model:
    check_trait(model, trait)
    model = in_float32(model)
    head = model.get_layer(head_name(trait))
    kernel, bias = change(*head.get_weights())
    linear = keras.layers.Dense(len(bias), name="logit", dtype="float32")
    logit = linear(head.input)
    linear.set_weights([kernel, bias])
    # A list of inputs: that is how tf-keras-vis calls a model.
    return keras.Model(model.inputs, logit)
