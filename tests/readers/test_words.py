"""What one cell says."""

import numpy as np
import pytest

from polarnet.readers.words import is_missing, parse_number, uses_decimal_comma


@pytest.mark.parametrize(
    "cell",
    ["", "-", "n/a", "N/A", "NA", "NaN", "nan", "k.A.", ".", "#N/A", "k. A.", "NULL", "<NA>", "NaT",
     "\u2013", "\u2212"],
)  # fmt: skip
def test_what_is_not_recorded_is_nan(cell):
    assert is_missing(cell)
    assert np.isnan(parse_number(cell, decimal_comma=False))


@pytest.mark.parametrize(
    ("cell", "decimal_comma", "value"),
    [("2,54", True, 2.54), ("2.54", False, 2.54), (" -3 ", True, -3), ("+1.5", False, 1.5),
     ("1e-2", False, 0.01), ("\u22125", False, -5), (",5", True, 0.5), ("12.", False, 12)],
)  # fmt: skip
def test_numbers_are_read_in_the_tables_way(cell, decimal_comma, value):
    assert parse_number(cell, decimal_comma) == value


@pytest.mark.parametrize(
    ("cell", "decimal_comma"),
    [("2,54", False), ("2.54", True), ("1.234,5", True), ("inf", False), ("-Infinity", False),
     ("1e999", False), ("1_000", False), ("0x10", False), ("\u0661", False), ("Maier", False),
     ("1 2", False), ("12 mg", False), ("<1.5", False)],
)  # fmt: skip
def test_anything_else_is_no_number_and_is_not_repeated(cell, decimal_comma):
    with pytest.raises(ValueError, match=r"not a|a decimal") as caught:
        parse_number(cell, decimal_comma)
    assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "has_comma"),
    [(["2,54", "3", "n/a", "a.b"], True), (["2.54", "3", "a,b"], False), ([], False)],
)
def test_the_table_tells_its_decimal_separator(cells, has_comma):
    assert uses_decimal_comma(cells) == has_comma


def test_two_decimal_separators_are_refused():
    with pytest.raises(ValueError, match=r"2 numbers have a comma .* and 1 have a point"):
        uses_decimal_comma(["2,54", "1,1", "2.54", "x"])
