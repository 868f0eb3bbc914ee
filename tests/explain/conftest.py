"""Runs whose networks look as if they had been trained a little."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from polarnet.network import Run, build_model
from polarnet.network.model import DEEP, WIDE, below, head_name, standards_of_features
from polarnet.network.pipeline import input_maps
from polarnet.rundata import training_segments


@pytest.fixture
def few(phantom):
    """Four studies of a cohort that states nothing, as the settings of `resolved`."""
    return dataclasses.replace(phantom.select(np.arange(4)), tracer="", software="")


@pytest.fixture
def drawn(few, resolved):
    """Makes a run of some settings, its weights drawn and its features those of a cohort; its model
    is exact. By default of one block, and of four studies."""

    def make(cohort=few, share=1.0, **settings):
        trunk = {} if settings.get("mode") == "scratch" else {"trunk": "block1"}
        config = resolved(**trunk | settings)
        exact = dataclasses.replace(config, precision="float32")
        base = build_model(exact)
        maps = input_maps(cohort, config)[:]
        groups = [DEEP] if config.mode == "scratch" else [WIDE, DEEP]
        features = {name: below(base, name)(maps).numpy() for name in groups}
        shares = dict.fromkeys(config.traits, share)
        model = build_model(exact, standards_of_features(features, shares))
        model.set_weights(base.get_weights())
        rng = np.random.default_rng(0)
        for trait in config.traits:
            kernel, bias = model.get_layer(head_name(trait)).get_weights()
            drawn = [rng.normal(size=kernel.shape), bias + 0.1]
            model.get_layer(head_name(trait)).set_weights(drawn)
        heads = pd.DataFrame({"share": pd.Series(shares)})
        return Run(Path("nowhere"), config, model, heads, training_segments(cohort, config))

    return make
