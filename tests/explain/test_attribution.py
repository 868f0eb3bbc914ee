"""What attribution gives, against gradients taken by hand and maps masked by hand."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.ndimage import zoom

import polarnet as pn
from polarnet.explain.attribution import METHODS, STRONGEST, attribution, class_activation
from polarnet.explain.occlusion import logit_model
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
    first = attribution(run, few, "sex", samples=2, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
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
