import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.network import fitting, pipeline
from polarnet.network.model import encoded
from polarnet.network.pipeline import clipped_share, input_maps


def encode(maps, config):
    """The image that a model of these settings makes of maps."""
    given = keras.Input(maps.shape[1:])
    return keras.Model(given, encoded(given, config))(maps).numpy()


def test_absolute_encoding_is_the_window_and_vgg16s_means(resolved):
    """By hand: 3 of 0-6 mL/min/g is grey 127.5, 9 is white; BGR means 103.939, 116.779, 123.68
    (Keras)."""
    for flow, grey in ((3.0, 127.5), (9.0, 255.0)):
        image = encode(np.full((1, 32, 32, 1), flow, np.float32), resolved())
        assert image[0, 5, 5] == pytest.approx([grey - 103.939, grey - 116.779, grey - 123.68])


def test_relative_encoding_forgets_the_level(resolved):
    config = resolved(scaling="relative")
    maps = np.random.default_rng(0).random((1, 32, 32, 1)).astype(np.float32)
    np.testing.assert_allclose(encode(maps, config), encode(3 * maps, config), atol=1e-3)
    absolute = resolved()
    assert np.abs(encode(maps, absolute) - encode(3 * maps, absolute)).max() > 20


def test_colour_maps_have_8_bits(resolved):
    config = resolved(palette="jet")
    ramp = np.linspace(0, 6, 1024, dtype=np.float32).reshape(1, 32, 32, 1)
    colours = np.unique(encode(ramp, config).reshape(-1, 3), axis=0)
    assert 200 < len(colours) <= 256
    # By hand: jet begins at (0, 0, 0.5) and ends at (0.5, 0, 0) of red, green, blue.
    darkest, brightest = encode(ramp, config)[0][[0, -1], [0, -1]] + [103.939, 116.779, 123.68]
    assert darkest == pytest.approx([127.5, 0, 0], abs=0.6)
    assert brightest == pytest.approx([0, 0, 127.5], abs=0.6)
    with pytest.raises(ValueError, match="matplotlib colour map"):
        encode(ramp, resolved(palette="jett"))


def test_clipped_share_counts_disc_pixels_outside_the_window(phantom, resolved):
    values = np.where(pn.anatomy.disc_mask(32), 7.0, 0.0)[None, ..., None]
    assert clipped_share(values, resolved()) == 1.0
    assert clipped_share(values / 2, resolved()) == 0.0


def test_labels_that_were_not_recorded_do_not_move_the_loss():
    """By hand: -(ln .8 + ln .6) / 2 over the two recorded labels, the third has any score."""
    traits = pd.DataFrame({"sex": [1.0, 0.0, np.nan]})
    loss = pipeline.recorded_log_loss(traits)
    expected = -(np.log(0.8) + np.log(0.6)) / 2
    for unrecorded in (0.01, 0.99):
        scores = np.array([[0.8], [0.4], [unrecorded]], np.float32)
        mean = loss(tf.constant(pipeline.marked_labels(traits)), tf.constant(scores))
        assert float(tf.reduce_mean(mean)) == pytest.approx(expected, rel=1e-5)
        assert fitting.log_loss(traits.to_numpy(), scores) == pytest.approx(expected, rel=1e-5)


def test_a_trait_nobody_recorded_weighs_nothing():
    """By hand: of two traits the recorded one counts half, -ln .8 / 2."""
    traits = pd.DataFrame({"sex": [np.nan, np.nan], "smoking": [1.0, 1.0]})
    labels, scores = pipeline.marked_labels(traits), np.full((2, 2), 0.8, np.float32)
    loss = pipeline.recorded_log_loss(traits)(tf.constant(labels), tf.constant(scores))
    np.testing.assert_allclose(loss, -np.log(0.8) / 2, rtol=1e-5)


def test_augmentation_keeps_walls_and_depends_on_the_study_not_the_batch():
    maps = np.where(pn.anatomy.segment_map(64) == 1, 2.0, 1.0)
    maps = np.where(pn.anatomy.disc_mask(64), maps, 0).astype(np.float32)
    stack = np.stack([maps] * 20)[..., None]
    rows, epoch = np.arange(20), tf.constant(3, tf.int64)
    varied = pipeline.vary(tf.constant(stack), tf.constant(rows), epoch, seed=1).numpy()[..., 0]
    assert np.std(varied, axis=0).max() > 0.02
    assert (pn.anatomy.segment_means(varied).argmax(axis=1) == 0).all()  # anterior stays anterior
    assert (varied[:, ~pn.anatomy.disc_mask(64)] == 0).all()
    alone = pipeline.vary(tf.constant(stack[7:8]), tf.constant(rows[7:8]), epoch, seed=1).numpy()[
        ..., 0
    ]
    np.testing.assert_allclose(alone[0], varied[7], atol=1e-6)


def test_augmentation_darkens_no_edge():
    """A constant map stays constant: nothing from outside the disc may leak in."""
    disc = pn.anatomy.disc_mask(64)
    stack = tf.constant(np.stack([np.where(disc, 1, 0)] * 30)[..., None].astype(np.float32))
    rows, epoch = tf.range(30, dtype=tf.int64), tf.constant(0, tf.int64)
    grain, pipeline.GRAIN = pipeline.GRAIN, 0.0
    try:
        varied = pipeline.vary(stack, rows, epoch, seed=4).numpy()[..., 0]
    finally:
        pipeline.GRAIN = grain
    np.testing.assert_allclose(varied[:, disc], 1, atol=1e-5)


def test_augmentation_turns_about_the_apex_by_at_most_ten_degrees():
    """The centroid of a lit lateral spot may move by 10 degrees and 3 % of its radius."""
    spot = np.zeros((64, 64), np.float32)
    spot[31:33, 50:54] = 1
    stack = tf.constant(np.stack([spot] * 200)[..., None])
    varied = pipeline.vary(stack, tf.range(200, dtype=tf.int64), tf.constant(0, tf.int64), seed=2)[
        ..., 0
    ]
    y, x = np.mgrid[:64, :64] - 31.5
    mass = varied.numpy().sum(axis=(1, 2))
    angle = np.degrees(np.arctan2((varied * y).numpy().sum(axis=(1, 2)) / mass,
                                  (varied * x).numpy().sum(axis=(1, 2)) / mass))  # fmt: skip
    assert 8 < np.abs(angle).max() < 11


def test_batches_cover_every_study_once_an_epoch_in_another_order():
    traits = pd.DataFrame({"sex": [0.0, 1.0] * 5})
    batches = pipeline.training_batches(
        [[np.arange(10, dtype=np.float32)[:, None]]], traits, batch_size=4, epochs=2, seed=0
    )
    seen = np.concatenate([inputs.numpy().ravel() for inputs, _ in batches])
    first, second = seen[:10].tolist(), seen[10:].tolist()
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second


def test_batches_are_of_equal_size():
    """By hand: 84 studies in batches of at most 64 are two of 42, as each batch weighs the same."""
    traits = pd.DataFrame({"sex": [0.0, 1.0] * 42})
    batches = pipeline.training_batches(
        [[np.zeros((84, 1), np.float32)]], traits, batch_size=64, epochs=1, seed=0
    )
    assert [len(labels) for _, labels in batches] == [42, 42]


def test_training_with_augmentation_runs(phantom, tiny, cache, tmp_path):
    config = dataclasses.replace(tiny, augment=True, epochs=1, trunk="block1")
    train, val, _ = pn.split_by_patient(phantom.select(np.arange(40)), seed=5)
    run = pn.train(train, val, config, tmp_path / "run", cache=cache, show_progress=False)
    assert 0 < pd.read_csv(run.folder / "history.csv")["val_log_loss"][0] < 5


def test_combined_maps_are_three_channels_each_in_its_own_window(phantom, resolved):
    """By hand: 1.5 of 0-3, 3 of 0-6 and 2 of 0-8 are 127.5, 127.5 and 63.75: rest is blue, stress
    green, reserve red, as VGG16 takes them."""
    config = resolved(map_type="combined")
    maps = np.ones((1, 32, 32, 3), np.float32) * np.array([1.5, 3, 2], np.float32)
    expected = np.array([127.5, 127.5, 63.75]) - [103.939, 116.779, 123.68]
    np.testing.assert_allclose(encode(maps, config)[0, 5, 5], expected, atol=1e-4)
    rows = input_maps(phantom, config)[3:5]
    assert rows.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(rows[..., 2], phantom.maps["reserve"][3:5])


def test_combined_maps_of_a_study_turn_together():
    """Where rest and stress are alike, they stay alike, apart from their grain."""
    rng = np.random.default_rng(0)
    one = np.where(pn.anatomy.disc_mask(32), rng.random((10, 32, 32)), 0).astype(np.float32)
    grain, pipeline.GRAIN = pipeline.GRAIN, 0.0
    try:
        varied = pipeline.vary(
            tf.constant(np.stack([one] * 3, axis=-1)),
            tf.range(10, dtype=tf.int64), tf.constant(1, tf.int64), seed=3,
        ).numpy()  # fmt: skip
    finally:
        pipeline.GRAIN = grain
    assert np.abs(varied[..., 0] - one).max() > 0.1
    np.testing.assert_array_equal(varied[..., 0], varied[..., 2])
