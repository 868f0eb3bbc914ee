import numpy as np
import pandas as pd
import pytest

from polarnet.evaluation.multiplicity import adjust_p_values

CELLS = [(m, t) for m in ("stress", "rest") for t in ("sex", "diabetes", "smoking", "mfr", "age")]
PRIMARIES = [("stress", "sex"), ("rest", "mfr"), ("stress", "mfr"), ("rest", "age")]
# Primaries .001 .04 .03 .005; all others .02 .2 .01 .5 .04 .03.
P_VALUES = {
    ("stress", "sex"): .001, ("stress", "diabetes"): .02, ("stress", "smoking"): .2,
    ("stress", "mfr"): .03, ("stress", "age"): .01, ("rest", "sex"): .5,
    ("rest", "diabetes"): .04, ("rest", "smoking"): .03, ("rest", "mfr"): .04,
    ("rest", "age"): .005,
}  # fmt: skip


@pytest.fixture
def table():
    table = pd.DataFrame(CELLS, columns=["map_type", "trait"])
    return table.assign(auroc=0.6, p_value=[P_VALUES[cell] for cell in CELLS])


def test_primaries_and_others_are_adjusted_apart_as_in_r(table):
    """R 4.2.2: p.adjust(c(.001, .04, .03, .005), "holm")
    0.004 0.060 0.060 0.015
    p.adjust(c(.02, .2, .01, .5, .04, .03), "BH")
    0.06 0.24 0.06 0.50 0.06 0.06
    """
    adjusted = adjust_p_values(table, PRIMARIES).set_index(["map_type", "trait"])
    primary = adjusted.loc[PRIMARIES]
    assert primary["p_adjusted"].tolist() == pytest.approx([0.004, 0.06, 0.06, 0.015])
    assert set(primary["family"]) == {"primary, Holm"}
    others = adjusted.drop(PRIMARIES)
    assert others["p_adjusted"].tolist() == pytest.approx([0.06, 0.24, 0.06, 0.5, 0.06, 0.06])
    assert set(others["family"]) == {"secondary, Benjamini-Hochberg"}


def test_other_columns_rows_and_the_table_itself_stay(table):
    table.index = [7] * len(table)
    before = table.copy()
    adjusted = adjust_p_values(table, PRIMARIES)
    pd.testing.assert_frame_equal(table, before)
    pd.testing.assert_frame_equal(adjusted[list(before)], before)
    assert list(adjusted) == [*before, "p_adjusted", "family"]


def test_an_adjustment_within_one_map_type_is_replaced(table):
    adjusted = adjust_p_values(table.assign(p_adjusted=0.9), PRIMARIES)
    assert adjusted["p_adjusted"].iloc[0] == pytest.approx(0.004)


def test_an_untested_cell_counts_in_no_family(table):
    """By hand: two primaries are left, Holm gives 2 x 0.001 and 0.03; five others are left, the
    smallest of Benjamini-Hochberg is min(.01 x 5 / 1, .02 x 5 / 2, .03 x 5 / 3, .04 x 5 / 4) = .05.
    """
    untested = [("rest", "mfr"), ("rest", "age"), ("rest", "sex")]
    is_untested = [cell in untested for cell in CELLS]
    table.loc[is_untested, "p_value"] = np.nan
    adjusted = adjust_p_values(table, PRIMARIES).set_index(["map_type", "trait"])
    assert adjusted.loc[untested, "p_adjusted"].isna().all()
    assert set(adjusted.loc[untested, "family"]) == {""}
    assert adjusted.loc[[("stress", "sex"), ("stress", "mfr")], "p_adjusted"].tolist() == [
        pytest.approx(0.002), pytest.approx(0.03),
    ]  # fmt: skip
    assert adjusted.loc[("stress", "age"), "p_adjusted"] == pytest.approx(0.05)


def test_without_primaries_all_are_secondary_and_without_others_all_primary(table):
    assert set(adjust_p_values(table, [])["family"]) == {"secondary, Benjamini-Hochberg"}
    assert set(adjust_p_values(table, CELLS)["family"]) == {"primary, Holm"}


def test_primaries_of_two_modes_are_one_family():
    """By hand: Holm over .01 .02 .03 .04 gives .04 .06 .06 .06; over each mode apart, two by two,
    it would give .02 .02 and .06 .06."""
    modes, traits = ("frozen", "finetuned"), ("sex", "mfr")
    cells = [("stress", mode, trait) for mode in modes for trait in traits]
    table = pd.DataFrame(cells, columns=["map_type", "mode", "trait"])
    table["p_value"] = [0.01, 0.02, 0.03, 0.04]
    assert adjust_p_values(table, cells)["p_adjusted"].tolist() == pytest.approx(
        [0.04, 0.06, 0.06, 0.06]
    )
    mixed = adjust_p_values(table, [cells[0], cells[3]])
    assert mixed["family"].str.startswith("primary").tolist() == [True, False, False, True]
    with pytest.raises(ValueError, match="by map_type, mode, trait, not stress, sex"):
        adjust_p_values(table, [("stress", "sex")])


def test_primaries_may_be_lists_as_a_configuration_holds_them(table):
    adjusted = adjust_p_values(table, [list(cell) for cell in PRIMARIES])
    pd.testing.assert_frame_equal(adjusted, adjust_p_values(table, PRIMARIES))


def test_a_primary_that_is_not_in_the_table_is_named(table):
    with pytest.raises(ValueError, match="not in the table: sex from reserve maps, bmi from rest"):
        adjust_p_values(table, [*PRIMARIES, ("reserve", "sex"), ("rest", "bmi")])


@pytest.mark.parametrize("p_value", [-0.1, 1.2, np.inf])
def test_what_is_no_p_value_is_refused_with_its_cell(table, p_value):
    table.loc[3, "p_value"] = p_value
    with pytest.raises(ValueError, match="between 0 and 1; see mfr from stress maps"):
        adjust_p_values(table, PRIMARIES)


def test_a_cell_twice_and_a_missing_column_are_refused(table):
    twice = pd.concat([table, table.iloc[[0]]])
    with pytest.raises(ValueError, match="several of sex from stress maps"):
        adjust_p_values(twice, PRIMARIES)
    with pytest.raises(ValueError, match="without map_type"):
        adjust_p_values(table.drop(columns="map_type"), PRIMARIES)
