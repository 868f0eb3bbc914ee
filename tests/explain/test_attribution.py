"""What attribution gives, against gradients taken by hand and segments replaced by hand."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.ndimage import zoom
from scipy.special import logit as log_odds

import polarnet as pn
from polarnet.explain.attribution import METHODS, STRONGEST, attribution, class_activation
from polarnet.explain.occlusion import (
    logit_model,
    removal_curve,
    replaced,
    segment_occlusion,
    usual_segments,
    wide_contribution,
)
from polarnet.network import build_model
from polarnet.network.model import DEEP, WIDE, below, head_name, standards_of_features
from polarnet.network.pipeline import input_maps
from polarnet.network.run import Run
from polarnet.rundata import training_segments


@pytest.fixture
def few(phantom):
    """Four studies of a cohort that states nothing, as the settings of `resolved`."""
    return dataclasses.replace(phantom.select(np.arange(4)), tracer="", software="")


def built(config, cohort, seed=0, share=1.0):
    """A run with weights and features as if it had been trained a little; its model is exact."""
    exact = dataclasses.replace(config, precision="float32")
    base = build_model(exact)
    maps = input_maps(cohort, config)[:]
    groups = [DEEP] if config.mode == "scratch" else [WIDE, DEEP]
    features = {name: below(base, name)(maps).numpy() for name in groups}
    shares = dict.fromkeys(config.traits, share)
    model = build_model(exact, standards_of_features(features, shares))
    model.set_weights(base.get_weights())
    rng = np.random.default_rng(seed)
    for trait in config.traits:
        kernel, bias = model.get_layer(head_name(trait)).get_weights()
        model.get_layer(head_name(trait)).set_weights([rng.normal(size=kernel.shape), bias + 0.1])
    heads = pd.DataFrame({"share": pd.Series(shares)})
    return Run(Path("nowhere"), config, model, heads, training_segments(cohort, config))


def stress_of(cohort):
    return np.asarray(cohort.maps["stress"][:], np.float32)[..., None]


def logit_by_hand(run, trait, *start):
    """The logit from the outputs of some layers, by a matrix product with the head's weights."""
    head = run.model.get_layer(head_name(trait))
    features = keras.Model([run.model.get_layer(name).output for name in start], head.input)
    kernel, bias = head.get_weights()
    return lambda *given: tf.linalg.matvec(features(list(given)), kernel[:, 0]) + bias


def test_gradient_is_that_of_a_tape_by_hand(few, resolved):
    run = built(resolved(), few)
    maps = tf.constant(stress_of(few))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        logit = logit_by_hand(run, "sex", "stress")(maps)
    expected = np.abs(tape.gradient(logit, maps).numpy()[..., 0]) * pn.anatomy.disc_mask(32)
    heat = attribution(run, few, "sex", "gradient")
    assert heat.max() > 0
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-5 * expected.max())


def convolution_by_hand(run, maps):
    """Activations of block 2, and the gradient of the logit of sex by them."""
    activations, wide = below(run.model, "block2_conv2")(maps), below(run.model, WIDE)(maps)
    with tf.GradientTape() as tape:
        tape.watch(activations)
        logit = logit_by_hand(run, "sex", "block2_conv2", WIDE)(activations, wide)
    return activations.numpy(), tape.gradient(logit, activations).numpy()


def on_the_map(cells):
    """16 cells a side to 32 pixels."""
    return zoom(cells, (1, 2, 2), order=1)


def test_grad_cam_plus_plus_is_that_of_a_tape_by_hand(few, resolved):
    """Chattopadhay 2018, over rising gradients alone; the weights of a channel sum to 1."""
    run = built(resolved(), few)
    activations, gradient = convolution_by_hand(run, stress_of(few))
    rising = np.maximum(gradient, 0).astype(float)
    whole = activations.sum(axis=(1, 2), keepdims=True)
    is_there = rising > 0
    alphas = np.where(is_there, 1 / (2 + np.where(is_there, rising, 0) * whole), 0)
    alphas /= np.maximum(alphas.sum(axis=(1, 2), keepdims=True), 1e-300)
    weights = (alphas * rising).sum(axis=(1, 2), keepdims=True)
    expected = on_the_map(np.maximum((weights * activations).sum(axis=-1), 0))
    found = class_activation(run, "sex", "gradcam++")(stress_of(few))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_grad_cam_is_that_of_a_tape_by_hand(few, resolved):
    """Selvaraju 2017, equations 1 and 2: mean gradient as weight, sum, ReLU."""
    run = built(resolved(), few)
    activations, gradient = convolution_by_hand(run, stress_of(few))
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    expected = on_the_map(np.maximum((weights * activations).sum(axis=-1), 0))
    found = class_activation(run, "sex", "gradcam")(stress_of(few))
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_smoothgrad_without_noise_is_the_gradient(few, resolved):
    run = built(resolved(trunk="block1"), few)
    smooth = attribution(run, few, "sex", "smoothgrad", samples=2, noise=0.0)
    plain = attribution(run, few, "sex", "gradient")
    np.testing.assert_allclose(smooth, plain, rtol=1e-5, atol=1e-6 * plain.max())


def test_a_seed_gives_the_same_noise_and_leaves_that_of_the_user_alone(few, resolved):
    run = built(resolved(trunk="block1"), few)
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    first = attribution(run, few, "sex", samples=2, seed=1)
    assert np.random.random() == expected  # noqa: NPY002
    np.testing.assert_array_equal(first, attribution(run, few, "sex", samples=2, seed=1))
    assert np.abs(first - attribution(run, few, "sex", samples=2, seed=2)).max() > 0


def test_score_cam_is_that_of_masked_maps_by_hand(few, resolved, capsys):
    """Wang 2020: each of the 32 channels that vary most masks the map; its weight is the score."""
    run = built(resolved(), few)
    maps = stress_of(few.select([0]))
    cells = below(run.model, "block2_conv2")(maps).numpy()[0]
    cells = cells[..., np.argsort(-cells.std(axis=(0, 1)))[:STRONGEST]]
    masks = on_the_map(np.moveaxis(cells, -1, 0))
    low, high = (end(masks, axis=(1, 2), keepdims=True) for end in (np.min, np.max))
    masked = maps * ((masks - low) / (high - low + 1e-7))[..., None]
    scores = run.model(masked)["sex"].numpy()[:, 0]
    assert np.ptp(scores) > 0.01
    expected = on_the_map((cells @ scores)[None])
    found = class_activation(run, "sex", "scorecam")(maps)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())
    assert capsys.readouterr().out == ""


def test_score_cam_of_a_study_does_not_depend_on_those_beside_it(few, resolved):
    run = built(resolved(), few)
    together = attribution(run, few.select([0, 1]), "sex", "scorecam")
    for k in (0, 1):
        alone = attribution(run, few.select([k]), "sex", "scorecam")
        np.testing.assert_allclose(together[[k]], alone, rtol=1e-4)


@pytest.mark.parametrize("shift", [-200.0, 200.0])
def test_a_sure_network_has_gradcam_plus_plus_maps_too(few, resolved, shift):
    """exp(200) is more than float32 holds, exp(-200) less."""
    run = built(resolved(trunk="block1"), few)
    usual = attribution(run, few, "sex", "gradcam++")
    kernel, bias = run.model.get_layer("sex").get_weights()
    run.model.get_layer("sex").set_weights([kernel, bias + shift])
    assert usual.max() > 0
    np.testing.assert_allclose(attribution(run, few, "sex", "gradcam++"), usual, rtol=1e-4)


def test_occlusion_is_the_loss_of_the_logit_when_a_segment_is_replaced_by_hand(few, resolved):
    run = built(resolved(trunk="block1"), few)
    filling = {"stress": np.linspace(0.5, 3, 17)}
    lost = segment_occlusion(run, few, "sex", filling=filling)
    changed = replaced(few.maps["stress"][:][..., None], [8], filling, run.config)[..., 0]
    occluded = dataclasses.replace(few, maps={**few.maps, "stress": changed})
    before, after = (
        np.log(scores["sex"] / (1 - scores["sex"]))
        for scores in (pn.predict(run, few), pn.predict(run, occluded))
    )
    np.testing.assert_allclose(lost[:, 7], before - after, atol=1e-4)
    heat = attribution(run, few, "sex", "occlusion", filling=filling)
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
    run = built(resolved(map_type="combined", trunk="block1"), phantom)
    without = phantom.traits["diabetes"] == 0
    filling = usual_segments(run, "diabetes")
    assert list(filling) == ["rest", "stress", "reserve"]
    for map_type, means in filling.items():
        expected = pn.anatomy.segment_means(phantom.maps[map_type][:][without.to_numpy()]).mean(
            axis=0
        )
        np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_a_model_that_forgot_its_training_asks_for_a_filling(few, resolved):
    run = dataclasses.replace(built(resolved(trunk="block1"), few), segments=None)
    with pytest.raises(ValueError, match="filling"):
        attribution(run, few, "sex", "occlusion")


def test_removal_ends_where_all_levels_are_usual(few, resolved):
    run = built(resolved(trunk="block1"), few)
    filling = {"stress": np.full(17, 2.0)}
    order = np.tile(np.arange(1, 18), (4, 1))
    curves = removal_curve(run, few, "sex", order, filling=filling)
    assert curves.shape == (4, 18)
    lost = segment_occlusion(run, few, "sex", filling=filling)
    np.testing.assert_allclose(curves[:, 0] - curves[:, 1], lost[:, 0], atol=1e-4)
    some = removal_curve(run, few, "sex", order, steps=(1, 17), filling=filling)
    np.testing.assert_allclose(some, curves[:, [1, 17]], atol=1e-4)
    ended = replaced(few.maps["stress"][:][..., None], order, filling, run.config)[..., 0]
    # The soft borders mix neighbours, so that something of each study is left.
    before, after = (
        np.abs(np.log(pn.anatomy.segment_means(maps) / 2)).mean()
        for maps in (few.maps["stress"][:], ended)
    )
    assert after < before / 3


def test_each_study_may_be_brought_to_a_level_of_its_own(phantom, resolved):
    """As if each had been alone; more studies than go through at once."""
    few = phantom.select(np.arange(6))
    run = built(resolved(trunk="block1"), few)
    levels = np.linspace(1, 4, 6 * 17).reshape(6, 17)
    together = segment_occlusion(run, few, "sex", filling={"stress": levels})
    added = wide_contribution(run, few, "sex", filling={"stress": levels})
    for k in (0, 5):
        one, filling = few.select([k]), {"stress": levels[k]}
        alone = segment_occlusion(run, one, "sex", filling=filling)
        np.testing.assert_allclose(together[[k]], alone, atol=1e-4)
        np.testing.assert_allclose(
            added[[k]], wide_contribution(run, one, "sex", filling=filling), atol=1e-6
        )


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
        {"scaling": "relative", "trunk": "block1"},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_method_explains_every_kind_of_network(few, resolved, changes):
    config = resolved(**changes)
    few = few.select(np.arange(2))
    if "ischemia" in config.traits:
        traits = pd.DataFrame({t: [1.0, 0] for t in config.traits}, few.traits.index)
        few = dataclasses.replace(few, traits=traits)
    run = built(config, few)
    outside = ~pn.anatomy.disc_mask(32)
    for method in METHODS:
        if config.palette != "grey" and method not in ("occlusion", "scorecam"):
            with pytest.raises(ValueError, match="no gradient"):
                attribution(run, few, config.traits[-1], method)
            continue
        heat = attribution(run, few, config.traits[-1], method, samples=2)
        assert heat.shape == (2, 32, 32)
        assert heat.dtype == np.float32
        assert np.isfinite(heat).all()
        assert (heat[:, outside] == 0).all()
        assert np.ptp(heat, axis=(1, 2)).max() > 0 or method.startswith(("gradcam", "scorecam"))
        assert method == "occlusion" or heat.min() >= 0


def test_a_bf16_network_is_explained_as_its_float32_twin(few, resolved):
    """Gradients to the digit; many forward passes in its own precision, of 8 bits."""
    exact = built(resolved(), few)
    rounded = dataclasses.replace(exact, config=resolved(precision="mixed_bfloat16"))
    np.testing.assert_array_equal(
        attribution(rounded, few, "sex", "gradient"), attribution(exact, few, "sex", "gradient")
    )
    for method in ("occlusion", "scorecam", "smoothgrad"):
        found, expected = (attribution(run, few, "sex", method) for run in (rounded, exact))
        # Single pixels of a gradient differ by more, where a maximum lies in another cell.
        most = 0.15 if method == "smoothgrad" else 0.05
        assert 0 < np.abs(found - expected).max() < most * np.abs(expected).max()
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("size", [32, 64, 112])
@pytest.mark.parametrize("method", ["gradcam", "scorecam"])
def test_heat_lies_where_the_map_does_at_any_input_size(few, resolved, size, method):
    """The heat of a bright spot is at its place, whatever the cells of the convolution."""
    run = built(resolved(input_size=size, trunk="block1", traits=("sex",)), few)
    kernel, bias = run.model.get_layer("sex").get_weights()
    run.model.get_layer("sex").set_weights([np.abs(kernel), bias])
    bright = np.array(few.maps["stress"][:1])
    bright[:] = 0.5 * pn.anatomy.disc_mask(32)
    spot = bright.copy()
    spot[:, 7:10, 15:18] = 4
    explain = class_activation(run, "sex", method)
    gained = np.abs(explain(spot[..., None]) - explain(bright[..., None]))[0]
    row, column = np.argwhere(gained == gained.max())[0]
    assert abs(row - 8) <= 2
    assert abs(column - 16) <= 2


def test_a_trait_without_trunk_is_explained_by_its_bullseye_alone(few, resolved):
    run = built(resolved(trunk="block1"), few, share=0.0)
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


def wide_by_hand(run, trait, wide):
    """What the bullseye gives to the logit, through the layers of the model."""
    standardised = run.model.get_layer(f"{WIDE}_standardised")(wide).numpy()
    kernel = run.model.get_layer(head_name(trait)).get_weights()[0][:, 0]
    return standardised @ kernel[: standardised.shape[1]]


@pytest.mark.parametrize("map_type", ["stress", "combined"])
def test_contributions_sum_to_what_the_layers_of_the_bullseye_give(few, resolved, map_type):
    run = built(resolved(map_type=map_type, trunk="block1"), few)
    filling = usual_segments(run, "sex")
    levels = np.stack([filling[m] for m in run.config.map_types])
    usual = np.concatenate([levels.ravel(), levels.min(1), levels.max(1), levels.mean(1)])
    own = below(run.model, WIDE)(input_maps(few, run.config)[:]).numpy()
    expected = wide_by_hand(run, "sex", own) - wide_by_hand(run, "sex", usual[None])
    added = wide_contribution(run, few, "sex")
    assert added.shape == (4, 17)
    np.testing.assert_allclose(added.sum(axis=1), expected, rtol=1e-4, atol=1e-5)


def test_scores_without_trunk_are_contributions_and_a_constant(few, resolved):
    run = built(resolved(trunk="block1"), few, share=0.0)
    rest = log_odds(pn.predict(run, few)["sex"]) - wide_contribution(run, few, "sex").sum(axis=1)
    np.testing.assert_allclose(rest, rest.mean(), atol=1e-3)


def test_each_segment_gets_what_it_adds(few, resolved):
    """By hand: weight 2 for the lowest, 3 for the mean, 5 for segment 4; features as they are."""
    run = built(resolved(trunk="block1", traits=("sex",)), few, share=0.0)
    run = dataclasses.replace(run, model=build_model(run.config))
    kernel, bias = run.model.get_layer("sex").get_weights()
    kernel[[17, 19, 3], 0] = 2, 3, 5
    run.model.get_layer("sex").set_weights([kernel, bias])
    filling = {"stress": np.linspace(1, 2.6, 17)}
    own = pn.anatomy.segment_means(np.asarray(few.maps["stress"][:]))
    expected = 3 / 17 * (own - filling["stress"])
    expected[:, 3] += 5 * (own - filling["stress"])[:, 3]
    expected[np.arange(4), own.argmin(axis=1)] += 2 * (own.min(axis=1) - 1)
    found = wide_contribution(run, few, "sex", filling=filling)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_bullseye_has_no_contributions(few, resolved):
    run = built(resolved(mode="scratch"), few)
    with pytest.raises(ValueError, match="no bullseye"):
        wide_contribution(run, few, "sex")


def test_a_wrong_word_is_answered_with_the_right_ones(few, resolved):
    run = built(resolved(trunk="block1"), few)
    for trait, method, message in (
        ("sxe", "gradient", "did you mean 'sex'"),
        ("sex", "grad-cam", "method must be one of gradient, smoothgrad, gradcam"),
    ):
        with pytest.raises(ValueError, match=message):
            attribution(run, few, trait, method)


def test_a_cohort_in_another_unit_is_refused(few, resolved):
    run = built(resolved(trunk="block1"), few)
    percent = dataclasses.replace(few, unit="percent", maps={"stress": few.maps["stress"][:] * 10})
    with pytest.raises(ValueError, match="percent"):
        attribution(run, percent, "sex", "gradient")
