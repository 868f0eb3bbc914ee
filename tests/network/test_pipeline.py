"""Maps, labels and batches as the network gets them: all from the seed, and no wall moves."""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import polarnet as pn
from polarnet.network import pipeline, training

DISC = pn.anatomy.disc_mask(64)


def test_combined_maps_are_three_channels(phantom, resolved):
    rows = pipeline.input_maps(phantom, resolved(map_type="combined"))[3:5]
    assert rows.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(rows[..., 2], phantom.maps["reserve"][3:5])


def test_clipped_share_counts_disc_pixels_outside_the_window(make_cohort, resolved):
    flow = np.where(pn.anatomy.disc_mask(32), 4.0, 0.0) * np.array([1, 2])[:, None, None]
    cohort = make_cohort(n=2, maps={m: flow.astype(np.float32) for m in ("rest", "stress")})
    assert pipeline.clipped_share(cohort, resolved()) == 0.5  # 8 of 0 to 6
    assert pipeline.clipped_share(cohort, resolved(map_type="rest")) == 1.0  # 4 and 8 of 0 to 3
    assert pipeline.clipped_share(cohort, resolved(scaling="relative")) == 0.0


def test_labels_that_were_not_recorded_do_not_move_the_loss():
    """By hand: -(ln .8 + ln .6) / 2 over the two recorded labels, the third has any score. Of two
    traits, one that nobody recorded weighs nothing: -ln .8 / 2."""
    traits = pd.DataFrame({"sex": [1.0, 0.0, np.nan]})
    loss, marked = pipeline.recorded_log_loss(traits), tf.constant([[1.0], [0.0], [-1.0]])
    expected = -(np.log(0.8) + np.log(0.6)) / 2
    for unrecorded in (0.01, 0.99):
        scores = np.array([[0.8], [0.4], [unrecorded]], np.float32)
        mean = float(tf.reduce_mean(loss(marked, tf.constant(scores))))
        assert mean == pytest.approx(expected, rel=1e-5)
        assert training.log_loss(traits.to_numpy(), scores) == pytest.approx(expected, rel=1e-5)
    loss = pipeline.recorded_log_loss(pd.DataFrame({"sex": [np.nan] * 2, "smoking": [1.0, 1.0]}))
    found = loss(tf.constant([[-1.0, 1.0]] * 2), tf.constant([[0.8, 0.8]] * 2))
    np.testing.assert_allclose(found, -np.log(0.8) / 2, rtol=1e-5)


# === Augmentation ===


def varied(stack, rows=None, *, epoch=0, seed=1):
    """Maps (n, size, size, channels) after their change."""
    rows = np.arange(len(stack)) if rows is None else rows
    given = tf.constant(stack.astype(np.float32)), tf.constant(rows), tf.constant(epoch, tf.int64)
    return pipeline.vary(*given, seed=seed).numpy()


def copies(values, n):
    return np.stack([values] * n)[..., None]


@pytest.fixture
def no_grain(monkeypatch):
    monkeypatch.setattr(pipeline, "GRAIN", 0.0)


def test_augmentation_keeps_walls_and_depends_on_the_study_not_the_batch():
    maps = np.where(DISC, np.where(pn.anatomy.segment_map(64) == 1, 2.0, 1.0), 0)
    every = varied(copies(maps, 20), epoch=3)[..., 0]
    assert np.std(every, axis=0).max() > 0.02
    assert (pn.anatomy.segment_means(every).argmax(axis=1) == 0).all()  # anterior stays anterior
    assert (every[:, ~DISC] == 0).all()
    alone = varied(copies(maps, 1), np.array([7]), epoch=3)[..., 0]
    np.testing.assert_allclose(alone[0], every[7], atol=1e-6)


def test_augmentation_darkens_no_edge(no_grain):
    """A constant map stays constant: nothing from outside the disc may leak in."""
    np.testing.assert_allclose(varied(copies(DISC, 30), seed=4)[:, DISC], 1, atol=1e-5)


def test_augmentation_turns_about_the_apex_by_at_most_ten_degrees():
    """The centroid of a lit lateral spot may move by 10 degrees and 3 % of its radius."""
    spot = np.zeros((64, 64))
    spot[31:33, 50:54] = 1
    lit = varied(copies(spot, 200), seed=2)[..., 0]
    y, x = np.mgrid[:64, :64] - 31.5
    # Both are divided by the same mass.
    angle = np.degrees(np.arctan2((lit * y).sum(axis=(1, 2)), (lit * x).sum(axis=(1, 2))))
    assert 8 < np.abs(angle).max() < 11


def test_combined_maps_of_a_study_turn_together(no_grain):
    """Where rest and stress are alike, they stay alike, apart from their grain."""
    one = np.where(DISC, np.random.default_rng(0).random((10, 64, 64)), 0).astype(np.float32)
    turned = varied(np.stack([one] * 3, axis=-1), epoch=1, seed=3)
    assert np.abs(turned[..., 0] - one).max() > 0.1
    np.testing.assert_array_equal(turned[..., 0], turned[..., 2])


def test_one_process_varies_single_and_combined_maps(phantom, resolved):
    for map_type in ("combined", "stress"):
        maps = pipeline.input_maps(phantom, resolved(map_type=map_type))
        changed = pipeline.Varied(maps, 1, 5)[2:4]
        assert changed.shape == maps[2:4].shape
        assert np.abs(changed - maps[2:4]).max() > 0.01


def test_batches_are_even_and_cover_every_study_once_an_epoch_in_another_order():
    """By hand: 84 studies in batches of at most 64 are two of 42, as each batch weighs the same."""
    rows = np.arange(84, dtype=np.float32)[:, None]
    traits = pd.DataFrame({"sex": np.where(np.arange(84) == 5, np.nan, np.arange(84) % 2)})
    settings = {"batch_size": 64, "epochs": 2, "seed": 0}
    found = list(pipeline.training_batches([[rows, -rows]], traits, **settings))
    assert [len(labels) for _, labels in found] == [42] * 4
    values, labels = (np.concatenate(part).ravel() for part in zip(*found, strict=True))
    first, second = values[:84].tolist(), (-values[84:]).tolist()  # another view in each epoch
    assert sorted(first) == sorted(second) == list(range(84))
    assert first != second
    assert [label for row, label in zip(first, labels, strict=False) if row in (4, 5, 6, 7)] == [
        {4: 0, 5: -1, 6: 0, 7: 1}[row] for row in first if row in (4, 5, 6, 7)
    ]
