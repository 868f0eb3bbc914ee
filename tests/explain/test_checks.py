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


def alike(heat, seed=3):
    return heat * np.exp(0.3 * np.random.default_rng(seed).normal(size=heat.shape))


FLOW = _maps(4)
USUAL, OPPOSITE, UNKNOWN = Level(0.1, 0.05, 0.15), Level(-0.4, -0.5, -0.3), Level(*[np.nan] * 3)
VERDICTS = {
    "weights: the same": (
        lambda h: check_randomised(h, alike(h), USUAL), False,
        "fails: the map hardly changes when the trained weights are replaced by random ones"),
    "weights: another": (
        lambda h: check_randomised(h, _maps(2), USUAL), True, "passes: the map changes"),
    "weights: nothing shared, patients are opposites": (
        lambda h: check_randomised(h, -h, OPPOSITE), True, "passes"),
    "weights: the same, patients are opposites": (
        lambda h: check_randomised(h, h, OPPOSITE), False, "fails"),
    "weights: the same, and its negative": (
        lambda h: check_randomised(h, np.stack([h, -h]), USUAL), False, "fails"),
    "labels: the same": (lambda h: check_permuted(h, 2 * h, USUAL), False, "shuffled labels"),
    "labels: another": (
        lambda h: check_permuted(h, _maps(3), USUAL), True, "passes: the map changes"),
    "seeds: the same": (lambda h: check_repeatable([alike(h, k) for k in range(3)]), True, ""),
    "seeds: another": (
        lambda h: check_repeatable([h, _maps(2), _maps(3)]), False, "fails: two trainings"),
    "seeds: as alike as all patients": (
        lambda h: check_repeatable([20 * h[:1] + h, 20 * h[:1] + _maps(2)]), False, "fails"),
    "flow: the same": (
        lambda h: check_not_input(FLOW**2, FLOW), False, "not what the network made of it"),
    "flow: inverted": (
        lambda h: check_not_input(5 * disc_mask(SIZE) - FLOW, FLOW), False, "fails"),
    "flow: another": (lambda h: check_not_input(h, FLOW), True, "passes"),
    "two patients": (
        lambda h: check_randomised(h[:2], _maps(2)[:2], USUAL), None,
        "cannot be judged: 2 patients"),
    "empty maps": (lambda h: check_randomised(h, 0 * h, USUAL), None, "cannot be judged"),
    "unknown level": (
        lambda h: check_randomised(h, _maps(2), UNKNOWN), None, "two patients share"),
}  # fmt: skip
"""What is checked: how, whether it passes, and words of the verdict."""


@pytest.mark.parametrize(("check", "is_passed", "told"), VERDICTS.values(), ids=VERDICTS)
def test_maps_that_change_or_not_get_their_verdict(heat, check, is_passed, told):
    found = check(heat)
    assert found.is_passed is is_passed
    assert told in found.verdict
    assert is_passed is None or found.low <= found.value <= found.high


def test_the_reference_is_what_two_patients_share_or_nothing(heat, level):
    check = check_randomised(heat, alike(heat), level)
    assert (check.reference, check.n) == (level.high, N)
    assert check_randomised(heat, -heat, OPPOSITE).reference == 0.0


def test_of_several_random_networks_the_size_of_agreement_is_averaged(heat, level):
    """A network and its negative, which are equally likely, do not cancel."""
    assert check_randomised(heat, np.stack([heat, -heat]), level).value == pytest.approx(1)
    unrelated = np.stack([_maps(k) for k in (2, 3, 4, 5)])
    assert check_randomised(heat, unrelated, level).value < 0.2


def test_repeatability_needs_two_seeds(heat):
    with pytest.raises(ValueError, match="two seeds"):
        check_repeatable([heat])


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


@pytest.mark.parametrize("steps", [tuple(range(18)), (0, 1, 5, 17)])
def test_faithfulness_is_the_area_between_the_curves(steps):
    """By hand: a fall from 2 to 0 at the first of 17 steps leaves an area of 1 (trapezium), an
    even fall one of 17; (17 - 1) / 17 = 0.941 logits, at whatever steps. A rise counts alike.
    """
    sudden = np.repeat([[2.0] + [0.0] * (len(steps) - 1)], 20, axis=0)
    even = np.repeat([[2 - 2 * k / 17 for k in steps]], 20, axis=0)
    for sign in (1, -1):
        check = check_faithful(sign * sudden, sign * even, steps=steps)
        assert check.is_passed is True
        assert check.value == pytest.approx(16 / 17)
        back = check_faithful(sign * even, sign * sudden, steps=steps)
        assert back.value == pytest.approx(-16 / 17)


def test_an_order_no_better_than_random_is_not_faithful():
    rng = np.random.default_rng(0)
    curve, other = (np.sort(rng.normal(size=(40, 18)))[:, ::-1].copy() for _ in range(2))
    other[:, [0, -1]] = curve[:, [0, -1]]
    check = check_faithful(curve, other)
    assert check.is_passed is False
    assert check.verdict.startswith("fails: ")


def test_curves_of_other_studies_are_refused():
    curve = np.repeat(np.linspace(2, 0, 18)[None], 20, axis=0)
    for other, steps, told in (
        (curve + 1, range(18), "start and end"), (curve[:, :17], range(18), "rise from no segment"),
        (np.where(np.arange(18) == 4, np.nan, curve), range(18), "finite"),
        (curve, [1, 0, *range(2, 18)], "rise from no segment"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            check_faithful(curve, other, steps=steps)
