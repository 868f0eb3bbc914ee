"""Naming a vessel from the hottest pixels, on maps drawn by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from polarnet.anatomy import TERRITORIES, disc_mask, segment_map

SEGMENT = segment_map(64)


@pytest.fixture
def vessels(script):
    return script("explanation/vessels")


def hot(*segments, value=1.0):
    return np.where(np.isin(SEGMENT, segments), value, 0.0)


@pytest.mark.parametrize("vessel", list(TERRITORIES))
def test_heat_in_a_territory_names_its_vessel(vessels, vessel):
    assert vessels.name_vessel(hot(*TERRITORIES[vessel])[None]) == [vessel]


def test_the_largest_territory_has_no_advantage(vessels):
    """The same number of hot pixels is denser in the smaller territory."""
    heat = np.zeros((64, 64))
    for segment in (1, 4):  # LAD with 7 segments, RCA with 5; both segments equally large
        rows, columns = np.nonzero(np.isin(SEGMENT, segment))
        heat[rows[:100], columns[:100]] = 1
    assert vessels.name_vessel(heat[None], top=200 / disc_mask(64).sum()) == ["RCA"]


def test_an_even_map_names_no_vessel(vessels):
    assert vessels.name_vessel(np.ones((1, 64, 64))) == [""]


def test_pixels_that_tie_for_the_last_places_share_them(vessels):
    """RCA is all hot, LAD and LCx tie: RCA is named however the ties are broken."""
    heat = hot(*TERRITORIES["RCA"], value=2) + hot(*TERRITORIES["LAD"], *TERRITORIES["LCx"])
    assert vessels.name_vessel(heat[None], top=0.9) == ["RCA"]


def test_macro_f1_is_that_of_scikit_learn(vessels):
    rng = np.random.default_rng(0)
    truth, named = rng.choice(["LAD", "RCA", "LCx"], (2, 60)).astype(object)
    named[:5] = ""
    expected = f1_score(truth, named, labels=["LAD", "RCA", "LCx"], average=None)
    np.testing.assert_allclose(vessels.macro_f1(truth, named)[0], [*expected, expected.mean()])


def test_a_way_that_is_always_right_beats_one_that_guesses(vessels):
    rng = np.random.default_rng(1)
    truth, guess = rng.choice(["LAD", "RCA", "LCx"], (2, 90)).astype(object)
    table = vessels.compare_naming(truth, {"right": truth, "guess": guess}, "guess").set_index(
        "method"
    )
    assert table.loc["right", ["macro_f1", "ci_low", "ci_high"]].tolist() == [1, 1, 1]
    assert table.loc["right", "diff_low"] > 0.4
    assert table.loc["guess", ["difference", "diff_low", "diff_high"]].tolist() == [0, 0, 0]


def test_only_a_phantom_knows_its_vessels(vessels):
    with pytest.raises(ValueError, match="phantom"):
        vessels.diseased_vessels(pd.DataFrame(index=["S1"]))


def test_a_vessel_that_nobody_has_leaves_no_mean(vessels):
    truth = np.array(["LAD"] * 6, object)
    table = vessels.compare_naming(truth, {"right": truth}, "right")
    assert table.loc[0, "f1_lad"] == 1
    assert table.loc[0, ["macro_f1", "ci_low", "diff_high"]].isna().all()
