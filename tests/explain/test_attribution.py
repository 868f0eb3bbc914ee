"""What attribution gives, against gradients taken by hand and maps masked by hand."""

import dataclasses
import random

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.ndimage import zoom

import polarnet as pn
from polarnet.explain.attribution import (
    METHODS,
    STRONGEST,
    attribution,
    cascade,
    class_activation,
    layers_down,
    randomised_runs,
)
from polarnet.explain.occlusion import logit_model
from polarnet.network import build_model
from polarnet.network.model import WIDE, below, head_name


def stress_of(cohort):
    return np.asarray(cohort.maps["stress"][:], np.float32)[..., None]


def logit_by_hand(run, trait, *start):
    """The logit from the outputs of some layers, by a matrix product with the head's weights."""
    head = run.model.get_layer(head_name(trait))
    features = keras.Model([run.model.get_layer(name).output for name in start], head.input)
    kernel, bias = head.get_weights()
    return lambda *given: tf.linalg.matvec(features(list(given)), kernel[:, 0]) + bias


def assert_close(found, expected):
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_gradient_is_that_of_a_tape_by_hand_and_smoothgrad_without_noise(few, drawn):
    run, maps = drawn(trunk="block2"), tf.constant(stress_of(few))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        logit = logit_by_hand(run, "sex", "stress")(maps)
    expected = np.abs(tape.gradient(logit, maps).numpy()[..., 0]) * pn.anatomy.disc_mask(32)
    assert_close(attribution(run, few, "sex", "gradient"), expected)
    assert_close(attribution(run, few, "sex", "smoothgrad", samples=2, noise=0.0), expected)


def on_the_map(cells):
    """16 cells a side to 32 pixels."""
    return zoom(cells, (1, 2, 2), order=1)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_class_activation_is_that_of_a_tape_by_hand(few, drawn, method):
    """Selvaraju 2017, equations 1 and 2: mean gradient as weight, sum, ReLU. Chattopadhay 2018,
    over rising gradients alone; the weights of a channel sum to 1.
    """
    run, maps = drawn(trunk="block2"), stress_of(few)
    activations, wide = below(run.model, "block2_conv2")(maps), below(run.model, WIDE)(maps)
    with tf.GradientTape() as tape:
        tape.watch(activations)
        logit = logit_by_hand(run, "sex", "block2_conv2", WIDE)(activations, wide)
    gradient = tape.gradient(logit, activations).numpy()
    activations = activations.numpy()
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    if method == "gradcam++":
        rising = np.maximum(gradient, 0).astype(float)
        whole = activations.sum(axis=(1, 2), keepdims=True)
        alphas = np.where(rising > 0, 1 / np.where(rising > 0, 2 + rising * whole, 1), 0)
        alphas /= np.maximum(alphas.sum(axis=(1, 2), keepdims=True), 1e-300)
        weights = (alphas * rising).sum(axis=(1, 2), keepdims=True)
    expected = on_the_map(np.maximum((weights * activations).sum(axis=-1), 0))
    assert_close(class_activation(run, "sex", method)(maps), expected)


def test_score_cam_is_that_of_masked_maps_by_hand(few, drawn, capsys):
    """Wang 2020: each of the 32 channels that vary most masks the map; its weight is the score."""
    run = drawn(trunk="block2")
    maps = stress_of(few.select([0]))
    cells = below(run.model, "block2_conv2")(maps).numpy()[0]
    cells = cells[..., np.argsort(-cells.std(axis=(0, 1)))[:STRONGEST]]
    masks = on_the_map(np.moveaxis(cells, -1, 0))
    low, high = (end(masks, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    masked = maps * ((masks - low) / (high - low + 1e-7))[..., None]
    scores = run.model(masked)["sex"].numpy()[:, 0]
    assert np.ptp(scores) > 0.01
    assert_close(class_activation(run, "sex", "scorecam")(maps), on_the_map((cells @ scores)[None]))
    assert capsys.readouterr().out == ""


def test_score_cam_of_a_study_does_not_depend_on_those_beside_it(few, drawn):
    run = drawn(trunk="block2")
    together = attribution(run, few.select([0, 1]), "sex", "scorecam")
    for k in (0, 1):
        alone = attribution(run, few.select([k]), "sex", "scorecam")
        np.testing.assert_allclose(together[[k]], alone, rtol=1e-4)


def test_a_seed_gives_the_same_noise_and_leaves_that_of_the_user_alone(few, drawn):
    run = drawn()
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    before = random.getstate()
    next(randomised_runs(run, "sex", seed=1))
    first = attribution(run, few, "sex", samples=2, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
    assert random.getstate() == before
    np.testing.assert_array_equal(first, attribution(run, few, "sex", samples=2, seed=1))
    assert np.abs(first - attribution(run, few, "sex", samples=2, seed=2)).max() > 0


@pytest.mark.parametrize("shift", [-200.0, 200.0])
def test_a_sure_network_has_gradcam_plus_plus_maps_too(few, drawn, shift):
    """exp(200) is more than float32 holds, exp(-200) less."""
    run = drawn()
    usual = attribution(run, few, "sex", "gradcam++")
    kernel, bias = run.model.get_layer("sex").get_weights()
    run.model.get_layer("sex").set_weights([kernel, bias + shift])
    assert usual.max() > 0
    np.testing.assert_allclose(attribution(run, few, "sex", "gradcam++"), usual, rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"mode": "frozen", "trunk": "block2"}, {"mode": "finetuned", "trunk": "block3"},
     {"map_type": "combined"}, {"traits": ("ischemia", "a trait of my own")},
     {"precision": "mixed_bfloat16"}, {"mode": "scratch"},
     {"palette": "jet", "pooling": "global"}, {"scaling": "relative"}],
    ids=lambda settings: "-".join(map(str, settings.values())),
)  # fmt: skip
def test_every_method_explains_every_kind_of_network(few, drawn, settings):
    few = few.select(np.arange(2))
    if "traits" in settings:
        traits = pd.DataFrame({t: [1.0, 0] for t in settings["traits"]}, few.traits.index)
        few = dataclasses.replace(few, traits=traits)
    run = drawn(few, **settings)
    trait, outside = run.config.traits[-1], ~pn.anatomy.disc_mask(32)
    for method in METHODS:
        if run.config.palette != "grey" and method not in ("occlusion", "scorecam"):
            with pytest.raises(ValueError, match="no gradient"):
                attribution(run, few, trait, method)
            continue
        heat = attribution(run, few, trait, method, samples=2)
        assert (heat.shape, heat.dtype) == ((2, 32, 32), np.float32)
        assert np.isfinite(heat).all()
        assert (heat[:, outside] == 0).all()
        assert np.ptp(heat, axis=(1, 2)).max() > 0 or method.startswith(("gradcam", "scorecam"))
        assert method == "occlusion" or heat.min() >= 0


def test_a_bf16_network_is_explained_as_its_float32_twin(few, drawn, resolved):
    """Gradients to the digit; many forward passes in its own precision, of 8 bits."""
    exact = drawn(trunk="block2")
    rounded = dataclasses.replace(exact, config=resolved(precision="mixed_bfloat16"))
    # Single pixels of a gradient differ by more, where a maximum lies in another cell.
    for method, most in (("gradient", 0), ("occlusion", 0.05), ("scorecam", 0.05),
                         ("smoothgrad", 0.15)):  # fmt: skip
        found, expected = (attribution(run, few, "sex", method) for run in (rounded, exact))
        apart = np.abs(found - expected).max()
        assert apart <= most * np.abs(expected).max()
        assert (apart > 0) == (most > 0)
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("size", [32, 64, 112])
@pytest.mark.parametrize("method", ["gradcam", "scorecam"])
def test_heat_lies_where_the_map_does_at_any_input_size(few, drawn, size, method):
    """The heat of a bright spot is at its place, whatever the cells of the convolution."""
    run = drawn(input_size=size, traits=("sex",))
    kernel, bias = run.model.get_layer("sex").get_weights()
    run.model.get_layer("sex").set_weights([np.abs(kernel), bias])
    bright = np.array(few.maps["stress"][:1])
    bright[:] = 0.5 * pn.anatomy.disc_mask(32)
    spot = bright.copy()
    spot[:, 7:10, 15:18] = 4
    explain = class_activation(run, "sex", method)
    gained = np.abs(explain(spot[..., None]) - explain(bright[..., None]))[0]
    assert np.abs(np.argwhere(gained == gained.max())[0] - [8, 16]).max() <= 2


def test_a_trait_without_trunk_is_explained_by_its_bullseye_alone(few, drawn):
    run = drawn(share=0.0)
    assert not any(isinstance(x, keras.layers.Conv2D) for x in logit_model(run, "sex").layers)
    before = attribution(run, few, "sex", "occlusion")
    gradient = attribution(run, few, "sex", "gradient")
    # Within a segment each pixel of a mean counts the same.
    assert np.ptp(gradient[0][pn.anatomy.segment_map(32) == 8]) < 1e-6 * gradient.max()
    for name in ("block1_conv1", "block1_conv2"):
        layer = run.model.get_layer(name)
        layer.set_weights([np.zeros_like(array) for array in layer.get_weights()])
    np.testing.assert_array_equal(attribution(run, few, "sex", "occlusion"), before)
    for method in ("gradcam", "gradcam++", "scorecam"):
        with pytest.raises(ValueError, match="share 0 in sex") as caught:
            attribution(run, few, "sex", method)
        assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_refused(few, drawn):
    run = drawn()
    percent = dataclasses.replace(few, unit="percent", maps={"stress": few.maps["stress"][:] * 10})
    forgot = dataclasses.replace(run, segments=None)
    for given, cohort, trait, method, told in (
        (run, few, "sxe", "gradient", "did you mean 'sex'"),
        (run, few, "sex", "grad-cam", "method must be one of gradient, smoothgrad, gradcam"),
        (run, percent, "sex", "gradient", "percent"),
        (forgot, few, "sex", "occlusion", "filling"),
    ):
        with pytest.raises(ValueError, match=told):
            attribution(given, cohort, trait, method)
    with pytest.raises(ValueError, match="samples must be 1 or more"):
        attribution(run, few, "sex", "smoothgrad", samples=0)


# === A network that forgets, layer by layer ===


def test_layers_of_equal_shape_forget_independently(finished_run, resolved):
    """Convolutions 2 and 3 of blocks 3 to 5 have the same shape; so have all heads."""
    run = finished_run[0]
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


def test_layers_are_forgotten_from_the_heads_down_and_the_model_stays_as_it_was(
    finished_run, phantom
):
    run = finished_run[0]
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


def test_a_method_that_ignores_the_weights_does_not_fall_in_the_cascade(
    finished_run, phantom, monkeypatch
):
    """An explanation that only shows the input agrees with itself whatever the network forgot."""
    run, few = finished_run[0], phantom.select(np.arange(12))
    shown = few.maps["stress"][:]
    monkeypatch.setattr(
        "polarnet.explain.attribution.attribution",
        lambda _, some, *__, **___: some.maps["stress"][:],
    )
    table, forgot = cascade(run, few, "sex", "gradient", shown, between=4)
    assert table["value"].tolist() == [1.0] * 5
    assert table["n"].tolist() == [4, 4, 4, 4, few.patients.nunique()]
    assert forgot.shape == shown.shape
