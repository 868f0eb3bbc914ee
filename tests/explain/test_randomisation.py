"""A network that forgets, layer by layer: what its explanations still show."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from polarnet.explain.randomisation import cascade, layers_down, randomised_runs
from polarnet.network import build_model
from polarnet.network.model import below


@pytest.fixture
def run(finished_run):
    return finished_run[0]


def test_layers_of_equal_shape_forget_independently(run, resolved):
    """Convolutions 2 and 3 of blocks 3 to 5 have the same shape; so have all heads."""
    config = resolved(mode="finetuned", trunk="block5", traits=("sex", "diabetes", "smoking"))
    heads = pd.DataFrame({"share": 1.0}, index=list(config.traits))
    large = dataclasses.replace(run, config=config, model=build_model(config), heads=heads)
    *_, (_, last) = randomised_runs(large, "sex", seed=1)
    by_shape = {}
    for layer in last.model.layers:
        if isinstance(layer, keras.layers.Conv2D) or layer.name in config.traits:
            by_shape.setdefault(layer.kernel.shape, []).append(np.ravel(layer.kernel))
    assert len(by_shape[3, 3, 512, 512]) == 5
    assert len(by_shape[20 + 17 * 512, 1]) == 3
    for kernels in by_shape.values():
        if len(kernels) > 1:
            apart = np.corrcoef(kernels)[np.triu_indices(len(kernels), 1)]
            assert np.abs(apart).max() < 0.05


def test_forgetting_leaves_the_random_state_of_the_user_alone(run):
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    next(randomised_runs(run, "sex", seed=1))
    assert np.random.rand() == expected  # noqa: NPY002


def test_layers_are_forgotten_from_the_heads_down_and_the_model_stays_as_it_was(run, phantom):
    before = [weight.numpy() for weight in run.model.weights]
    maps = phantom.maps["stress"][:1][..., None]
    names, outputs, kernels = [], [], []
    for name, forgot in randomised_runs(run, "sex", seed=1):
        names.append(name)
        outputs.append(below(forgot.model, "block1_conv1")(maps).numpy())
        kernels.append(forgot.model.get_layer("diabetes").kernel.numpy())
    assert names == layers_down(run, "sex")
    assert names == ["heads", "block2_conv2", "block2_conv1", "block1_conv2", "block1_conv1"]
    assert np.abs(kernels[0] - run.model.get_layer("diabetes").kernel.numpy()).max() > 0.01
    intact = below(run.model, "block1_conv1")(maps).numpy()
    np.testing.assert_array_equal(outputs[-2], intact)
    assert np.abs(outputs[-1] - intact).max() > 1
    for weight, kept in zip(run.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), kept)


def test_a_method_that_ignores_the_weights_does_not_fall_in_the_cascade(run, phantom, monkeypatch):
    """An explanation that only shows the input agrees with itself whatever the network forgot."""
    few = phantom.select(np.arange(12))
    shown = few.maps["stress"][:]
    monkeypatch.setattr(
        "polarnet.explain.randomisation.attribution",
        lambda _, some, *__, **___: some.maps["stress"][:],
    )
    table, forgot = cascade(run, few, "sex", "gradient", shown, between=4)
    assert table["value"].tolist() == [1.0] * 5
    assert table["n"].tolist() == [4, 4, 4, 4, few.patients.nunique()]
    assert forgot.shape == shown.shape
