"""What attribution gives, against gradients taken by hand and segments replaced by hand."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.explain.attribution import METHODS, attribution
from polarnet.explain.methods import class_activation
from polarnet.explain.occlusion import (
    removal_curve,
    replaced,
    segment_occlusion,
    usual_segments,
)
from polarnet.network import model as network
from polarnet.network.encoding import encode
from polarnet.network.model import head_name
from polarnet.network.reference import training_segments


@pytest.fixture
def few(phantom):
    """Four studies of a cohort that states nothing, as the settings of `resolved`."""
    return dataclasses.replace(phantom.select(np.arange(4)), tracer="", software="")


def built(config, cohort, seed=0):
    """A network with weights and features as if it had been trained a little."""
    model = pn.build_model(config)
    model.experiment = config
    rng = np.random.default_rng(seed)
    for trait in config.traits:
        kernel, bias = model.get_layer(head_name(trait)).get_weights()
        model.get_layer(head_name(trait)).set_weights([rng.normal(size=kernel.shape), bias])
    maps = np.stack([np.asarray(cohort.maps[m]) for m in config.map_types], axis=-1)
    network.standardise(model, network.below(model, network.POOLED)(encode(maps, config)).numpy())
    model.training_segments = training_segments(cohort, config)
    return model


def logit_by_hand(model, trait, image):
    """Head by matrix product, not by the package."""
    hidden = network.below(model, network.HIDDEN)(image, training=False)
    kernel, bias = model.get_layer(head_name(trait)).get_weights()
    return tf.linalg.matvec(hidden, kernel[:, 0]) + bias


def test_gradient_is_that_of_a_tape_by_hand(few, resolved):
    model = built(resolved(), few)
    image = encode(few.maps["stress"][:][..., None], model.experiment)
    with tf.GradientTape() as tape:
        tape.watch(image)
        logit = logit_by_hand(model, "sex", image)
    expected = np.abs(tape.gradient(logit, image).numpy().sum(axis=-1))
    expected *= pn.anatomy.disc_mask(32)
    heat = attribution(model, few, "sex", "gradient")
    assert heat.max() > 0
    np.testing.assert_allclose(heat, expected, rtol=1e-5, atol=1e-5 * expected.max())


def convolution_by_hand(model, image):
    """Activations of block 2, and the gradient of the logit of sex by them."""
    lower = network.below(model, "block2_conv2")
    upper = keras.Model(model.get_layer("block2_conv2").output, model.get_layer("hidden").output)
    activations = lower(image)
    with tf.GradientTape() as tape:
        tape.watch(activations)
        hidden = upper(activations, training=False)
        logit = tf.linalg.matvec(hidden, model.get_layer("sex").get_weights()[0][:, 0])
    return activations.numpy(), tape.gradient(logit, activations).numpy()


def test_grad_cam_plus_plus_is_that_of_a_tape_by_hand(few, resolved):
    """Chattopadhay 2018, over rising gradients alone; the weights of a channel sum to 1."""
    model = built(resolved(), few)
    image = encode(few.maps["stress"][:][..., None], model.experiment)
    activations, gradient = convolution_by_hand(model, image)
    rising = np.maximum(gradient, 0).astype(float)
    whole = activations.sum(axis=(1, 2), keepdims=True)
    is_there = rising > 0
    alphas = np.where(is_there, 1 / (2 + np.where(is_there, rising, 0) * whole), 0)
    alphas /= np.maximum(alphas.sum(axis=(1, 2), keepdims=True), 1e-300)
    weights = (alphas * rising).sum(axis=(1, 2), keepdims=True)
    expected = np.maximum((weights * activations).sum(axis=-1), 0)
    found = class_activation(model, "sex", "gradcam++", "block2_conv2")(image)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_grad_cam_is_that_of_a_tape_by_hand(few, resolved):
    """Selvaraju 2017, equations 1 and 2: mean gradient as weight, sum, ReLU."""
    model = built(resolved(), few)
    image = encode(few.maps["stress"][:][..., None], model.experiment)
    activations, gradient = convolution_by_hand(model, image)
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    expected = np.maximum((weights * activations).sum(axis=-1), 0)
    found = class_activation(model, "sex", "gradcam", "block2_conv2")(image)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * expected.max())


def test_variance_is_that_over_many_dropout_samples(few, resolved):
    model = built(resolved(traits=("sex",), hidden_units=6, dropout=0.4, trunk="block1"), few)
    image = encode(few.maps["stress"][:1][..., None], model.experiment)
    hidden = network.below(model, network.HIDDEN)
    kernel = model.get_layer("sex").get_weights()[0][:, 0]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(image)
        units = tf.unstack(hidden(image, training=False), axis=1)
    each = np.stack([tape.gradient(unit, image).numpy()[0].sum(axis=-1) for unit in units])
    keep = np.random.default_rng(0).random((20_000, 6)) < 0.6
    samples = np.einsum("sj,jxy->sxy", keep * kernel / 0.6, each)
    expected = samples.var(axis=0) * pn.anatomy.disc_mask(32)
    heat = attribution(model, few.select(np.array([0])), "sex", "variance")[0]
    np.testing.assert_allclose(heat, expected, rtol=0.1, atol=0.02 * expected.max())


def test_variance_needs_dropout(few, resolved):
    model = built(resolved(dropout=0, trunk="block1"), few)
    with pytest.raises(ValueError, match="dropout 0"):
        attribution(model, few, "sex", "variance")


def test_smoothgrad_without_noise_is_the_gradient(few, resolved):
    model = built(resolved(trunk="block1"), few)
    smooth = attribution(model, few, "sex", "smoothgrad", samples=2, noise=0.0)
    plain = attribution(model, few, "sex", "gradient")
    np.testing.assert_allclose(smooth, plain, rtol=1e-5, atol=1e-6 * plain.max())


def test_a_seed_gives_the_same_noise_and_leaves_that_of_the_user_alone(few, resolved):
    model = built(resolved(trunk="block1"), few)
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    first = attribution(model, few, "sex", samples=2, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
    np.testing.assert_array_equal(first, attribution(model, few, "sex", samples=2, seed=1))
    assert np.abs(first - attribution(model, few, "sex", samples=2, seed=2)).max() > 0


def test_score_cam_prefers_channels_whose_mask_keeps_the_score(few, resolved, capsys):
    """A softmax over one output would weigh all channels alike."""
    model = built(resolved(), few)
    image = encode(few.maps["stress"][:2][..., None], model.experiment)
    found = class_activation(model, "sex", "scorecam", "block2_conv2")(image)
    alike = network.below(model, "block2_conv2")(image).numpy().sum(axis=-1)
    assert np.corrcoef(found[0].ravel(), alike[0].ravel())[0, 1] < 0.999999
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shift", [-200.0, 200.0])
def test_a_sure_network_has_gradcam_plus_plus_maps_too(few, resolved, shift):
    """exp(200) is more than float32 holds, exp(-200) less."""
    model = built(resolved(trunk="block1"), few)
    usual = attribution(model, few, "sex", "gradcam++")
    kernel, bias = model.get_layer("sex").get_weights()
    model.get_layer("sex").set_weights([kernel, bias + shift])
    assert usual.max() > 0
    np.testing.assert_allclose(attribution(model, few, "sex", "gradcam++"), usual, rtol=1e-4)


def test_occlusion_is_the_loss_of_the_logit_when_a_segment_is_replaced_by_hand(few, resolved):
    model = built(resolved(trunk="block1"), few)
    filling = {"stress": np.linspace(0.5, 3, 17)}
    lost = segment_occlusion(model, few, "sex", filling=filling)
    changed = replaced(few.maps["stress"][:][..., None], [8], filling, model.experiment)[..., 0]
    occluded = dataclasses.replace(few, maps={**few.maps, "stress": changed})
    before, after = (
        np.log(scores["sex"] / (1 - scores["sex"]))
        for scores in (pn.predict(model, few), pn.predict(model, occluded))
    )
    np.testing.assert_allclose(lost[:, 7], before - after, atol=1e-4)
    heat = attribution(model, few, "sex", "occlusion", filling=filling)
    assert (heat[:, pn.anatomy.segment_map(32) == 8] == lost[:, [7]]).all()


def test_a_replaced_segment_has_its_usual_level_and_no_edge(resolved):
    config = resolved()
    maps = np.where(pn.anatomy.disc_mask(64), 1.0, 0)[None, ..., None].astype(np.float32)
    changed = replaced(maps, [11], {"stress": np.full(17, 2.0)}, config)[0, ..., 0]
    place = pn.anatomy.segment_map(64)
    x, y = np.argwhere(place == 11).mean(axis=0).round().astype(int)
    # By hand: a band of 8 pixels, blurred by 6.4, keeps erf(4 / (6.4 * sqrt 2)) = 0.47 along the
    # radius and nearly all along the ring, so that its middle is multiplied by about 2 ** 0.46.
    assert changed[x, y] == pytest.approx(2**0.46, rel=0.04)
    assert (changed[place == 0] == 0).all()
    assert np.abs(changed[place == 8] - 1).max() < 0.05  # the opposite wall
    inside = np.where(pn.anatomy.disc_mask(64), changed, np.nan)
    assert np.nanmax(np.abs(np.diff(inside, axis=0))) < 0.06  # no step from pixel to pixel


def test_a_segment_without_flow_stays_finite(few, resolved):
    config = resolved()
    changed = replaced(np.zeros((1, 32, 32, 1)), [3], {"stress": np.full(17, 2.0)}, config)
    assert (changed == 0).all()


def test_the_usual_filling_is_the_mean_of_training_studies_without_the_trait(phantom, resolved):
    model = built(resolved(map_type="combined", trunk="block1"), phantom)
    without = phantom.traits["diabetes"] == 0
    filling = usual_segments(model, "diabetes")
    assert list(filling) == ["rest", "stress", "reserve"]
    for map_type, means in filling.items():
        expected = pn.segment_means(phantom.maps[map_type][:][without.to_numpy()]).mean(axis=0)
        np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_a_model_that_forgot_its_training_asks_for_a_filling(few, resolved):
    model = built(resolved(trunk="block1"), few)
    del model.training_segments
    with pytest.raises(ValueError, match="filling"):
        attribution(model, few, "sex", "occlusion")


def test_removal_ends_where_all_levels_are_usual(few, resolved):
    model = built(resolved(trunk="block1"), few)
    filling = {"stress": np.full(17, 2.0)}
    order = np.tile(np.arange(1, 18), (4, 1))
    curves = removal_curve(model, few, "sex", order, filling=filling)
    assert curves.shape == (4, 18)
    lost = segment_occlusion(model, few, "sex", filling=filling)
    np.testing.assert_allclose(curves[:, 0] - curves[:, 1], lost[:, 0], atol=1e-4)
    ended = replaced(few.maps["stress"][:][..., None], order, filling, model.experiment)[..., 0]
    # The soft borders mix neighbours, so that something of each study is left.
    before, after = (
        np.abs(np.log(pn.segment_means(maps) / 2)).mean() for maps in (few.maps["stress"][:], ended)
    )
    assert after < before / 3


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "frozen"},
        {"mode": "finetuned", "trunk": "block3"},
        {"map_type": "combined", "trunk": "block1"},
        {"traits": ("ischemia", "a trait of my own"), "trunk": "block1"},
        {"precision": "mixed_bfloat16", "trunk": "block1"},
        {"mode": "scratch"},
        {"palette": "jet", "pooling": "global", "trunk": "block1"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_method_explains_every_kind_of_network(few, resolved, changes):
    config = resolved(hidden_units=3, **changes)
    few = few.select(np.arange(2))
    if "ischemia" in config.traits:
        traits = pd.DataFrame({t: [1.0, 0] for t in config.traits}, few.traits.index)
        few = dataclasses.replace(few, traits=traits)
    model = built(config, few)
    outside = ~pn.anatomy.disc_mask(32)
    for method in METHODS:
        heat = attribution(model, few, config.traits[-1], method, samples=2)
        assert heat.shape == (2, 32, 32)
        assert heat.dtype == np.float32
        assert np.isfinite(heat).all()
        assert (heat[:, outside] == 0).all()
        assert np.ptp(heat, axis=(1, 2)).max() > 0 or method.startswith(("gradcam", "scorecam"))
        assert method == "occlusion" or heat.min() >= 0


def test_a_bf16_network_is_explained_as_its_float32_twin(few, resolved):
    exact = built(resolved(), few)
    rounded = pn.build_model(resolved(precision="mixed_bfloat16"))
    rounded.set_weights(exact.get_weights())
    rounded.get_layer(network.STANDARDISED).finalize_state()
    rounded.experiment = resolved(precision="mixed_bfloat16")
    np.testing.assert_array_equal(
        attribution(rounded, few, "sex", "gradient"), attribution(exact, few, "sex", "gradient")
    )


def test_heat_lies_where_the_map_does_at_any_input_size(resolved):
    """A single bright pixel of the network's image comes back at its place of the map."""
    from polarnet.explain.attribution import _in_frame

    for size in (32, 64, 112):
        bright = np.zeros((1, size, size), np.float32)
        bright[0, size // 4, size // 2] = 1
        row, column = np.argwhere(_in_frame(bright, 48)[0] == _in_frame(bright, 48).max())[0]
        assert abs((row + 0.5) / 48 - 0.25) < 1 / 32
        assert abs((column + 0.5) / 48 - 0.5) < 1 / 32


def test_a_wrong_word_is_answered_with_the_right_ones(few, resolved):
    model = built(resolved(trunk="block1"), few)
    for trait, method, options, message in (
        ("sxe", "gradient", {}, "did you mean 'sex'"),
        ("sxe", "variance", {}, "did you mean 'sex'"),
        ("sex", "grad-cam", {}, "method must be one of gradient, smoothgrad, gradcam"),
        ("sex", "gradcam", {"layer": "block9"}, "layer must be one of block1_conv1"),
    ):
        with pytest.raises(ValueError, match=message):
            attribution(model, few, trait, method, **options)


def test_a_cohort_in_another_unit_is_refused(few, resolved):
    model = built(resolved(trunk="block1"), few)
    percent = dataclasses.replace(few, unit="percent", maps={"stress": few.maps["stress"][:] * 10})
    with pytest.raises(ValueError, match="percent"):
        attribution(model, percent, "sex", "gradient")
