"""One trait of a model as a small model of its own: what attribution looks through."""

import difflib
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from polarnet.cohort import Cohort
from polarnet.network.model import WIDE, head_name, in_precision
from polarnet.network.run import Run, as_run
from polarnet.suitability import check_prediction


def fitting_run(run: Any, cohort: Cohort, trait: str) -> Run:
    """The Run of a run or run folder; ValueError where the cohort or the trait does not fit it."""
    run = as_run(run)
    check_prediction(run.config, cohort)
    if trait not in run.config.traits:
        near = difflib.get_close_matches(trait, run.config.traits, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        known = ", ".join(run.config.traits)
        raise ValueError(f"The model has no trait '{trait}'{hint} It has {known}.")
    return run


def logit_model(run: Run, trait: str) -> keras.Model:
    """The part of a model that gives 0 and the logit of one trait, (n, 2), in float32.

    Their softmax is the probability. (Score-CAM weighs by a softmax over the outputs; over a single
    one that would always be 1.) All layers below the head are shared with the model of the run.
    """
    head = run.model.get_layer(head_name(trait))
    features, (kernel, bias) = head.input, head.get_weights()
    if not run.heads.loc[trait, "share"]:
        # What a share of 0 multiplies need not be computed.
        features = run.model.get_layer(f"{WIDE}_standardised").output
        kernel = kernel[: features.shape[-1]]
    linear = keras.layers.Dense(2, name="logit", dtype="float32")
    logit = linear(features)
    linear.set_weights([np.c_[np.zeros_like(kernel), kernel], np.r_[0, bias]])
    # A list of inputs: that is how tf-keras-vis calls a model.
    return keras.Model(run.model.inputs, logit)


def fast_run(run: Run) -> Run:
    """The run with its model in the precision of its training: for many forward passes."""
    if run.config.precision == "float32":
        return run
    return replace(run, model=in_precision(run.model, run.config))
