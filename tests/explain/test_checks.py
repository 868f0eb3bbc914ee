import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.explain.checks import (
    Level,
    check_faithful,
    check_not_edge,
    check_not_input,
    check_permuted,
    check_randomised,
    check_repeatable,
    random_pair_level,
    rank_correlation,
)

N, SIZE = 30, 32


def _maps(seed, n=N):
    """Smooth positive maps, each study its own, unrelated between seeds."""
    noise = np.random.default_rng(seed).normal(size=(n, SIZE, SIZE))
    smooth = gaussian_filter(noise, (0, 2, 2))
    return (np.exp(smooth / smooth.std()) * disc_mask(SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def heat():
    return _maps(1)


@pytest.fixture(scope="module")
def level(heat):
    return random_pair_level(heat, seed=0)


def test_rank_correlation_with_ties_equals_r():
    """R 4.2.2: cor(c(1,2,2,3,5,8,8,8,9,12,0,4), c(3,1,4,1,5,9,2,6,5,3,5,8), method="spearman")
    0.233511957435543
    """
    a, b = np.full((2, 1, 4, 4), 99.0)
    a[0, disc_mask(4)] = [1, 2, 2, 3, 5, 8, 8, 8, 9, 12, 0, 4]
    b[0, disc_mask(4)] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    assert rank_correlation(a, b)[0] == pytest.approx(0.233511957435543, abs=1e-14)


def test_rank_correlation_sees_order_only_and_leaves_constant_maps_out(heat):
    np.testing.assert_allclose(rank_correlation(heat, heat**3 + 1), 1)
    np.testing.assert_allclose(rank_correlation(heat, -heat), -1)
    assert np.isnan(rank_correlation(heat, disc_mask(SIZE) * np.ones_like(heat))).all()


def test_maps_of_other_shapes_are_not_compared(heat):
    with pytest.raises(ValueError, match="cannot be compared"):
        rank_correlation(heat, heat[:-1])


def test_random_pair_level_is_one_for_equal_maps_and_near_zero_for_unrelated_ones(heat, level):
    same = random_pair_level(np.repeat(heat[:1], 5, axis=0), seed=0)
    assert (same.median, same.low, same.high) == pytest.approx((1, 1, 1))
    assert level.low < 0 < level.high
    assert level.low <= level.median <= level.high < 0.15


def test_a_random_pair_is_never_of_one_patient(heat):
    level = random_pair_level(np.stack([heat[0], -heat[0]]), seed=0)
    assert (level.low, level.high) == pytest.approx((-1, -1))
    with pytest.raises(ValueError, match="two patients, but 1"):
        random_pair_level(heat[:1])


def test_a_map_that_survives_random_weights_fails(heat, level):
    kept = heat * np.exp(0.3 * np.random.default_rng(3).normal(size=heat.shape))
    check = check_randomised(heat, kept, level)
    assert check.is_passed is False
    assert check.verdict.startswith(
        "fails: the map hardly changes when the trained weights are replaced by random ones"
    )
    assert check.low <= check.value <= check.high
    assert (check.reference, check.n) == (level.high, N)


def test_a_map_that_random_weights_replace_passes(heat):
    level = Level(0.1, 0.05, 0.15)
    for check in (check_randomised(heat, _maps(2), level), check_permuted(heat, _maps(3), level)):
        assert check.is_passed is True
        assert check.verdict.startswith("passes: the map changes")


def test_maps_that_have_nothing_in_common_pass_even_where_patients_are_opposites(heat):
    opposite = Level(-0.4, -0.5, -0.3)
    nothing = check_randomised(heat, -heat, opposite)
    assert (nothing.is_passed, nothing.reference) == (True, 0.0)
    assert check_randomised(heat, heat, opposite).is_passed is False


def test_of_several_random_networks_the_size_of_agreement_is_averaged(heat, level):
    """A network and its negative, which are equally likely, do not cancel."""
    check = check_randomised(heat, np.stack([heat, -heat]), level)
    assert check.value == pytest.approx(1)
    assert check.is_passed is False
    unrelated = np.stack([_maps(k) for k in (2, 3, 4, 5)])
    assert check_randomised(heat, unrelated, level).value < 0.2


def test_a_map_that_survives_shuffled_labels_fails(heat, level):
    check = check_permuted(heat, 2 * heat, level)
    assert check.is_passed is False
    assert "shuffled labels" in check.verdict


def test_seeds_that_agree_pass_and_unrelated_seeds_fail(heat):
    rng = np.random.default_rng(3)
    alike = [heat * np.exp(0.3 * rng.normal(size=heat.shape)) for _ in range(3)]
    assert check_repeatable(alike).is_passed is True
    failed = check_repeatable([heat, _maps(2), _maps(3)])
    assert failed.is_passed is False
    assert failed.verdict.startswith("fails: two trainings")
    with pytest.raises(ValueError, match="two seeds"):
        check_repeatable([heat])


def test_seeds_that_agree_only_as_all_patients_do_fail(heat):
    """All maps share one pattern; what a study's maps share beyond it is nothing."""
    pattern = 20 * heat[:1]
    assert check_repeatable([pattern + heat, pattern + _maps(2)]).is_passed is False


def test_a_map_that_shows_the_flow_itself_fails_even_if_inverted(heat):
    flow = _maps(4)
    for copy in (flow**2, 5 * disc_mask(SIZE) - flow):
        check = check_not_input(copy, flow)
        assert check.is_passed is False
        assert "not what the network made of it" in check.verdict
    assert check_not_input(heat, flow).is_passed is True


def test_an_even_map_has_its_areas_share_at_the_edge():
    """By geometry the ring from 0.9 to 1 holds 1 - 0.81 = 19 % of the disc, so that all of the
    attribution on it is 1 / 0.19 = 5.3 times its area's share.
    """
    even = np.ones((12, 64, 64)) * disc_mask(64)
    check = check_not_edge(even)
    assert (check.is_passed, check.value) == (True, pytest.approx(1))
    check = check_not_edge(even * (polar_coordinates(64)[0] >= 0.9))
    assert check.is_passed is False
    assert check.value == pytest.approx(1 / 0.19, rel=0.03)
    assert check.verdict.startswith("fails: the edge of the disc holds 5.")


def test_faithfulness_is_the_area_between_the_curves():
    """By hand: a fall from 2 to 0 at the first of 17 steps leaves an area of 1 (trapezium), an
    even fall one of 17; (17 - 1) / 17 = 0.941 logits. A rise counts alike.
    """
    sudden = np.repeat([[2.0] + [0.0] * 17], 20, axis=0)
    even = np.repeat(np.linspace(2, 0, 18)[None], 20, axis=0)
    for sign in (1, -1):
        check = check_faithful(sign * sudden, sign * even)
        assert check.is_passed is True
        assert check.value == pytest.approx(16 / 17)
        assert check_faithful(sign * even, sign * sudden).value == pytest.approx(-16 / 17)


def test_faithfulness_at_a_few_steps_is_the_area_over_the_segments_replaced():
    """By hand: from 2 to 0 at the first of steps 0, 1, 5, 17 leaves 1; a straight line 17."""
    steps = (0, 1, 5, 17)
    sudden = np.repeat([[2.0, 0, 0, 0]], 20, axis=0)
    even = np.repeat([[2 - 2 * k / 17 for k in steps]], 20, axis=0)
    assert check_faithful(sudden, even, steps=steps).value == pytest.approx(16 / 17)
    for odd in ((0, 1, 5, 16), (0, 5, 1, 17)):
        with pytest.raises(ValueError, match="must rise from 0 to 17"):
            check_faithful(sudden, even, steps=odd)


def test_an_order_no_better_than_random_is_not_faithful():
    rng = np.random.default_rng(0)
    curve, other = (np.sort(rng.normal(size=(40, 18)))[:, ::-1].copy() for _ in range(2))
    other[:, [0, -1]] = curve[:, [0, -1]]
    check = check_faithful(curve, other)
    assert check.is_passed is False
    assert check.verdict.startswith("fails: ")


def test_curves_of_other_studies_are_refused():
    curve = np.repeat(np.linspace(2, 0, 18)[None], 20, axis=0)
    with pytest.raises(ValueError, match="start and end"):
        check_faithful(curve, curve + 1)
    with pytest.raises(ValueError, match=r"\(n, 18\)"):
        check_faithful(curve[:, :17], curve[:, :17])
    with pytest.raises(ValueError, match="finite"):
        check_faithful(curve, np.where(np.arange(18) == 4, np.nan, curve))


def test_few_patients_or_empty_maps_are_not_judged(heat, level):
    few = check_randomised(heat[:2], _maps(2)[:2], level)
    assert few.is_passed is None
    assert few.verdict.startswith("cannot be judged: 2 patients")
    empty = check_randomised(heat, 0 * heat, level)
    assert empty.is_passed is None
    assert np.isnan(empty.value)
    unknown = check_randomised(heat, _maps(2), Level(np.nan, np.nan, np.nan))
    assert unknown.is_passed is None
    assert "two patients share" in unknown.verdict
