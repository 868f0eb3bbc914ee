"""Stacks of maps, and what is wrong with their pixels."""

import numpy as np
import pytest

import polarnet as pn


def _maps(cohort):
    return {m: np.array(cohort.maps[m]) for m in ("rest", "stress")}


def test_stack_reads_like_an_array(phantom):
    stack = phantom.maps["reserve"]
    whole = np.asarray(stack)
    for key in (
        slice(3, 9, 2), (np.array([1, 0]), 4, 5), (..., 0), ([0, 1], [2, 3]),
        (slice(-3, None), slice(4, 6), 5), whole > 3,
    ):  # fmt: skip
        np.testing.assert_array_equal(stack[key], whole[key])
    np.testing.assert_array_equal(stack.mean(axis=(1, 2)), whole.mean(axis=(1, 2)))
    np.testing.assert_array_equal(stack * 2 + 1, whole * 2 + 1)
    assert float(np.mean(stack)) == float(whole.mean())
    assert (stack.shape, stack.dtype, len(stack)) == (whole.shape, whole.dtype, len(whole))
    with pytest.raises(AttributeError):
        stack.no_such_method()


def test_maps_become_float32_and_empty_outside_the_disc(make_cohort):
    flat = np.ones((6, 16, 16)) * np.arange(1, 7)[:, None, None]
    stored = make_cohort(maps={"stress": flat}).maps["stress"]
    assert stored.dtype == np.float32
    assert (stored[:, ~pn.anatomy.disc_mask(16)] == 0).all()
    assert (stored[2][pn.anatomy.disc_mask(16)] == 3).all()


def _masked(maps):
    maps["rest"] = np.ma.array(maps["rest"], mask=np.zeros(maps["rest"].shape, bool))
    maps["rest"].mask[2, 8, 8] = True


def _beyond_float32(maps):
    maps["rest"] = maps["rest"].astype(float)
    maps["rest"][2, 8, 8] = 1e300


def _no_reserve_of_a_heart(maps):
    maps["reserve"] = maps.pop("stress")
    maps.pop("rest")
    maps["reserve"][4, 8, 8] = 1e30


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_masked, r"rest has NaN.*: S2"),
        (_beyond_float32, r"infinite.*: S2"),
        (_no_reserve_of_a_heart, r"reserve is above 100, is the unit right\?: S4 \(1e\+30\)"),
    ],
)
def test_pixels_that_cannot_be_are_refused(make_cohort, spoil, told):
    maps = _maps(make_cohort())
    spoil(maps)
    with pytest.raises(ValueError, match=told):
        make_cohort(maps=maps)


def test_guarded_pixels_are_counted(make_cohort):
    maps = _maps(make_cohort())
    maps["rest"][2, 8, 8] = 0.05
    assert make_cohort(maps=maps).count_guarded() == 1
