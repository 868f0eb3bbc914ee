"""What a score owes to each segment, against segments replaced by hand and layers by hand."""

import dataclasses

import numpy as np
import pytest
from scipy.special import logit

import polarnet as pn
from polarnet.explain.attribution import attribution
from polarnet.explain.occlusion import (
    removal_curve,
    replaced,
    segment_occlusion,
    usual_segments,
    wide_contribution,
)
from polarnet.network import build_model
from polarnet.network.model import WIDE, below, head_name
from polarnet.network.pipeline import input_maps

TWO = {"stress": np.full(17, 2.0)}
SEGMENTS = pn.anatomy.segment_means


def test_occlusion_is_the_loss_of_the_logit_when_a_segment_is_replaced_by_hand(few, drawn):
    run, filling = drawn(), {"stress": np.linspace(0.5, 3, 17)}
    lost = segment_occlusion(run, few, "sex", filling=filling)
    changed = replaced(few.maps["stress"][:][..., None], [8], filling, run.config)[..., 0]
    occluded = dataclasses.replace(few, maps={**few.maps, "stress": changed})
    before, after = (logit(pn.predict(run, cohort)["sex"]) for cohort in (few, occluded))
    np.testing.assert_allclose(lost[:, 7], before - after, atol=1e-4)
    heat = attribution(run, few, "sex", "occlusion", filling=filling)
    assert (heat[:, pn.anatomy.segment_map(32) == 8] == lost[:, [7]]).all()


def test_a_replaced_segment_has_its_usual_level_and_no_edge(resolved):
    disc, place = pn.anatomy.disc_mask(64), pn.anatomy.segment_map(64)
    maps = np.where(disc, 1.0, 0)[None, ..., None].astype(np.float32)
    changed = replaced(maps, [11], TWO, resolved())[0, ..., 0]
    x, y = np.argwhere(place == 11).mean(axis=0).round().astype(int)
    # By hand: a band of 8 pixels, blurred by 6.4, keeps erf(4 / (6.4 * sqrt 2)) = 0.47 along the
    # radius and nearly all along the ring, so that its middle is multiplied by about 2 ** 0.46.
    assert changed[x, y] == pytest.approx(2**0.46, rel=0.04)
    assert (changed[place == 0] == 0).all()
    assert np.abs(changed[place == 8] - 1).max() < 0.05  # the opposite wall
    steps = np.diff(np.where(disc, changed, np.nan), axis=0)
    assert np.nanmax(np.abs(steps)) < 0.06  # from pixel to pixel
    assert (replaced(np.zeros((1, 32, 32, 1)), [3], TWO, resolved()) == 0).all()  # and stays finite


def test_the_usual_filling_is_the_mean_of_training_studies_without_the_trait(phantom, drawn):
    filling = usual_segments(drawn(phantom, map_type="combined"), "diabetes")
    without = (phantom.traits["diabetes"] == 0).to_numpy()
    assert list(filling) == ["rest", "stress", "reserve"]
    for map_type, means in filling.items():
        expected = SEGMENTS(phantom.maps[map_type][:][without]).mean(axis=0)
        np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_removal_ends_where_all_levels_are_usual(few, drawn):
    run, order = drawn(), np.tile(np.arange(1, 18), (4, 1))
    curves = removal_curve(run, few, "sex", order, filling=TWO)
    assert curves.shape == (4, 18)
    lost = segment_occlusion(run, few, "sex", filling=TWO)
    np.testing.assert_allclose(curves[:, 0] - curves[:, 1], lost[:, 0], atol=1e-4)
    some = removal_curve(run, few, "sex", order, steps=(1, 17), filling=TWO)
    np.testing.assert_allclose(some, curves[:, [1, 17]], atol=1e-4)
    maps = few.maps["stress"][:]
    ended = replaced(maps[..., None], order, TWO, run.config)[..., 0]
    # The soft borders mix neighbours, so that something of each study is left.
    before, after = (np.abs(np.log(SEGMENTS(m) / 2)).mean() for m in (maps, ended))
    assert after < before / 3


def test_each_study_may_be_brought_to_a_level_of_its_own(phantom, drawn):
    """As if each had been alone; more studies than go through at once."""
    six = phantom.select(np.arange(6))
    run, levels = drawn(six), np.linspace(1, 4, 6 * 17).reshape(6, 17)
    for measure, atol in ((segment_occlusion, 1e-4), (wide_contribution, 1e-6)):
        together = measure(run, six, "sex", filling={"stress": levels})
        for k in (0, 5):
            alone = measure(run, six.select([k]), "sex", filling={"stress": levels[k]})
            np.testing.assert_allclose(together[[k]], alone, atol=atol)


# === What the bullseye adds =====================================================================


@pytest.mark.parametrize("map_type", ["stress", "combined"])
def test_contributions_sum_to_what_the_layers_of_the_bullseye_give(few, drawn, map_type):
    run = drawn(map_type=map_type)
    levels = np.stack([usual_segments(run, "sex")[m] for m in run.config.map_types])
    usual = np.concatenate([levels.ravel(), levels.min(1), levels.max(1), levels.mean(1)])
    own = below(run.model, WIDE)(input_maps(few, run.config)[:]).numpy()
    standardised = run.model.get_layer(f"{WIDE}_standardised")
    kernel = run.model.get_layer(head_name("sex")).get_weights()[0][: own.shape[1], 0]
    added = wide_contribution(run, few, "sex")
    assert added.shape == (4, 17)
    expected = (standardised(own).numpy() - standardised(usual[None]).numpy()) @ kernel
    np.testing.assert_allclose(added.sum(axis=1), expected, rtol=1e-4, atol=1e-5)


def test_scores_without_trunk_are_contributions_and_a_constant(few, drawn):
    run = drawn(share=0.0)
    rest = logit(pn.predict(run, few)["sex"]) - wide_contribution(run, few, "sex").sum(axis=1)
    np.testing.assert_allclose(rest, rest.mean(), atol=1e-3)


def test_each_segment_gets_what_it_adds(few, drawn):
    """By hand: weight 2 for the lowest, 3 for the mean, 5 for segment 4; features as they are."""
    run = drawn(traits=("sex",), share=0.0)
    run = dataclasses.replace(run, model=build_model(run.config))
    kernel, bias = run.model.get_layer("sex").get_weights()
    kernel[[17, 19, 3], 0] = 2, 3, 5
    run.model.get_layer("sex").set_weights([kernel, bias])
    filling = {"stress": np.linspace(1, 2.6, 17)}
    own = SEGMENTS(np.asarray(few.maps["stress"][:]))
    expected = 3 / 17 * (own - filling["stress"])
    expected[:, 3] += 5 * (own - filling["stress"])[:, 3]
    expected[np.arange(4), own.argmin(axis=1)] += 2 * (own.min(axis=1) - 1)
    found = wide_contribution(run, few, "sex", filling=filling)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_without_bullseye_has_no_contributions(few, drawn):
    with pytest.raises(ValueError, match="no bullseye"):
        wide_contribution(drawn(mode="scratch"), few, "sex")
