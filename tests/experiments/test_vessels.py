"""Naming a vessel from the hottest pixels, on maps drawn by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import vessels
from polarnet.anatomy import TERRITORIES, disc_mask, segment_map

SEGMENT = segment_map(64)


def hot(*segments, value=1.0):
    return np.where(np.isin(SEGMENT, segments), value, 0.0)


def one_and_one(first, second):
    """100 hot pixels in each of two segments, which are equally large."""
    heat = np.zeros((64, 64))
    for segment in (first, second):
        rows, columns = np.nonzero(np.isin(SEGMENT, segment))
        heat[rows[:100], columns[:100]] = 1
    return heat


@pytest.mark.parametrize(
    ("heat", "top", "vessel"),
    [
        *[(hot(*members), 0.15, vessel) for vessel, members in TERRITORIES.items()],
        # The same number of hot pixels is denser in RCA, with 5 segments, than in LAD, with 7.
        (one_and_one(1, 4), 200 / disc_mask(64).sum(), "RCA"),
        (np.ones((64, 64)), 0.15, ""),
        # All of RCA, and LAD and LCx up to 90 %: RCA is named however the ties are broken.
        (hot(*TERRITORIES["RCA"], value=2) + hot(*TERRITORIES["LAD"], *TERRITORIES["LCx"]), 0.9,
         "RCA"),
    ],
    ids=["lad", "rca", "lcx", "no advantage of the largest", "even", "ties"],
)  # fmt: skip
def test_a_vessel_is_named_by_the_density_of_heat_in_its_territory(heat, top, vessel):
    assert vessels.name_vessel(heat[None], top=top) == [vessel]


def test_macro_f1_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth, named = rng.choice(["LAD", "RCA", "LCx"], (2, 60)).astype(object)
    named[:5] = ""
    expected = f1_score(truth, named, labels=["LAD", "RCA", "LCx"], average=None)
    np.testing.assert_allclose(vessels.macro_f1(truth, named)[0], [*expected, expected.mean()])


def test_a_way_that_is_always_right_beats_one_that_guesses():
    """A vessel that nobody has leaves no mean."""
    rng = np.random.default_rng(1)
    truth, guess = rng.choice(["LAD", "RCA", "LCx"], (2, 90)).astype(object)
    named = {"right": truth, "guess": guess}
    table = vessels.compare_naming(truth, named, "guess").set_index("method")
    assert table.loc["right", ["macro_f1", "ci_low", "ci_high"]].tolist() == [1, 1, 1]
    assert table.loc["right", "diff_low"] > 0.4
    assert table.loc["guess", ["difference", "diff_low", "diff_high"]].tolist() == [0, 0, 0]
    truth = np.array(["LAD"] * 6, object)
    table = vessels.compare_naming(truth, {"right": truth}, "right")
    assert table.loc[0, "f1_lad"] == 1
    assert table.loc[0, ["macro_f1", "ci_low", "diff_high"]].isna().all()


def test_only_a_phantom_knows_its_vessels():
    with pytest.raises(ValueError, match="phantom"):
        vessels.diseased_vessels(pd.DataFrame(index=["S1"]))
