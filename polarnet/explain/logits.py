"""One trait of a model as a small model of its own: what attribution looks through."""

import difflib
from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np

from polarnet.network.model import WIDE, build_model, head_name, standards_of
from polarnet.network.run import Run


def logit_model(run: Run, trait: str) -> keras.Model:
    """The part of a model that gives the logit of one trait, in float32.

    Parameters
    ----------
    trait
        One of its heads.

    Returns
    -------
    keras.Model with the maps as input and one linear output, shape (n, 1). It shares all layers
    below the head with the model of the run.

    Raises
    ------
    ValueError: the run has no such trait.
    """
    return _with_head(run, trait, lambda kernel, bias: (kernel, bias))


def two_class_model(run: Run, trait: str) -> keras.Model:
    """The same with two outputs, 0 and the logit, whose softmax is the probability.

    Score-CAM weighs by a softmax over the outputs; over a single one that would always be 1.
    """

    def beside_zero(kernel: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.c_[np.zeros_like(kernel), kernel], np.r_[0, bias]

    return _with_head(run, trait, beside_zero)


def fast_run(run: Run) -> Run:
    """The run with its model in the precision of its training: for many forward passes."""
    if run.config.precision == "float32":
        return run
    model = build_model(replace(run.config, weights=None), standards_of(run.model))
    model.set_weights(run.model.get_weights())
    return replace(run, model=model)


def check_trait(run: Run, trait: str) -> None:
    """Raise ValueError, with the nearest name, where the run has no head for the trait."""
    if trait not in run.config.traits:
        near = difflib.get_close_matches(trait, run.config.traits, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        known = ", ".join(run.config.traits)
        raise ValueError(f"The model has no trait '{trait}'{hint} It has {known}.")


def _with_head(run: Run, trait: str, change: Callable) -> keras.Model:
    check_trait(run, trait)
    head = run.model.get_layer(head_name(trait))
    features, (kernel, bias) = head.input, head.get_weights()
    if not run.heads.loc[trait, "share"]:
        # What a share of 0 multiplies need not be computed.
        features = run.model.get_layer(f"{WIDE}_standardised").output
        kernel = kernel[: features.shape[-1]]
    kernel, bias = change(kernel, bias)
    linear = keras.layers.Dense(len(bias), name="logit", dtype="float32")
    logit = linear(features)
    linear.set_weights([kernel, bias])
    # A list of inputs: that is how tf-keras-vis calls a model.
    return keras.Model(run.model.inputs, logit)
