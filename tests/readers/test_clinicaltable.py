"""A column map, applied: labels, numbers and text; what cannot be is told and never repeated."""

import numpy as np
import pandas as pd
import pytest
from clinic_tables import CLINIC_MAP, column_of, mapped, refusal, table_of

from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.suggestion import suggest_column_map

CLINIC = """\
Untersuchung;PatNr;Geschlecht;HbA1c;Raucher;Alter;Global MFR;Tracer;CABG;Gruppe;Befund
U1;1;w;48;Ja;60;2,5;Rb-82;nein;train;o. B.
U2;1; F ;47,9;ex;61;1,5;Rb-82;1.0;train;
U3;2;m;k.A.;nein;99;-;;JA;val;Narbe
U4;3;;;;71;3;N-13;;test;-
"""
A_OR_B = {"x": TraitCoding("x", one=("a",), zero=("b",))}
NAN = np.nan

# === Labels ===


def test_a_table_is_translated_as_the_map_says(load):
    """By hand; 99 and k.A. are missing, 47,9 is below 48; told of U1 and U4, which are kept."""
    result = mapped(CLINIC, columns=load(CLINIC_MAP))
    expected = pd.DataFrame(
        {
            "sex": [1, 1, 0, NAN],
            "diabetes": [1, 0, NAN, NAN],
            "smoking": [1, 0, 0, NAN],
            "mfr": [2.5, 1.5, NAN, 3],
            "age": [60, 61, NAN, 71],
            "finding": ["o. B.", NAN, "Narbe", NAN],
            "tracer": ["Rb-82", "Rb-82", "", "N-13"],
            "split": ["train", "train", "val", "test"],
        },
        index=pd.Index(["U1", "U2", "U3", "U4"], name="study_id"),
    )
    pd.testing.assert_frame_equal(
        result.table, expected, check_dtype=False, check_column_type=False, check_index_type=False
    )
    assert result.traits == ["sex", "diabetes", "smoking"]
    assert result.table["mfr"].dtype == result.table["sex"].dtype == np.float64
    assert result.patients == {"U1": "1", "U2": "1", "U3": "2", "U4": "3"}
    assert result.excluded == {"U2": "prior bypass", "U3": "prior bypass"}
    assert result.described(["U1", "U4"])[:3] == [
        "sex: 1 coded 1 (female) mean Geschlecht = w, F; 0 coded 0 mean m, M; 1 not recorded",
        "diabetes: 1 coded 1 (diagnosis or treatment) mean HbA1c >= 48; 0 coded 0 mean that it is "
        "not; 1 not recorded",
        "smoking: 1 coded 1 (current smoker) mean Raucher = ja; 0 coded 0 mean nein, ex; "
        "1 not recorded",
    ]


@pytest.mark.parametrize(
    ("coding", "cells", "labels"),
    [({"one": ["jä"], "zero": ["n"]}, ["JÄ", "ja\u0308", "n", "N"], [1, 1, 0, 0]),
     ({"one": ["1.0"], "zero": ["0", "2,0"]}, ["1", "1.0", "0,0", "2"], [1, 1, 0, 0]),
     ({"one": ["x"], "zero": ["-"]}, ["-", "x"], [0, 1]),
     ({"one": ["+", "+++"], "zero": ["-"]}, ["+", "-", "+++"], [1, 0, 1]),
     ({"one": ["ja"], "zero": ["nein"]}, ["nein", "", "-", "n/a", "k.A."], [0, *[NAN] * 4]),
     *[({"rule": rule}, ["49", "48", "47,5", ""], [*labels, NAN]) for rule, labels in
       ((">= 48", [1, 1, 0]), ("> 48", [1, 0, 0]), ("<48", [0, 0, 1]), ("<= 48.0", [0, 1, 1]),
        ("== 48", [0, 1, 0]), (">= -1", [1, 1, 1]))]],
)  # fmt: skip
def test_a_cell_means_the_same_however_it_is_written_and_an_empty_one_is_never_zero(
    coding, cells, labels
):
    traits = {
        "t": TraitCoding("x", **{k: v if k == "rule" else tuple(v) for k, v in coding.items()})
    }
    np.testing.assert_array_equal(mapped(column_of("x", *cells), traits=traits).table["t"], labels)


def test_values_that_the_map_does_not_explain_are_told_per_column():
    rows = [("d", "48"), ("d", "hoch"), ("Anna Meier", "49"), ("a", "")]
    message = refusal(
        mapped,
        column_of("x;y", *map(";".join, rows)),
        traits=A_OR_B | {"dm": TraitCoding("y", rule="> 48")},
    )
    assert message == (
        "clinic.csv: x (x) has cells that its coding does not explain: 'd' (2), "
        "1 other value (not shown, it may identify patients); y (dm) has cells that its coding "
        "does not explain: 'hoch' (1). Mend the table or the column map."
    )


@pytest.mark.parametrize("n", [8, 9, 20, 21])
def test_many_unexplained_values_are_counted_and_very_many_never_shown(n):
    message = refusal(mapped, column_of("x", *[f"w{k:02d}" for k in range(n)]), traits=A_OR_B)
    assert message.count("'w") == (8 if n <= 20 else 0)
    assert ("1 more values" in message) == (n == 9)
    assert ("21 different values" in message) == (n == 21)


def test_problems_of_many_columns_are_counted():
    names = [f"x{k}" for k in range(14)]
    codings = {x: TraitCoding(x, one=("a",), zero=("b",)) for x in names}
    message = refusal(mapped, column_of(";".join(names), ";".join("?" * 14)), traits=codings)
    assert message.count("does not explain") == 12
    assert "and 2 more columns. Mend" in message


@pytest.mark.parametrize(
    "cell",
    ["Maier", "Dr. Anna Meier", "Hans Huber", "Bob", "Prof", "meier hans", "4711000",
     "Ö. Åkesson", "12.03.1950", "hochgradigverdickt", "MEIER"],
)  # fmt: skip
def test_a_cell_that_may_be_a_name_is_counted_and_not_repeated(cell):
    text = column_of("x", cell, "no")
    message = refusal(mapped, text, traits={"x": TraitCoding("x", one=("a",), zero=("no",))})
    assert "1 value (not shown" in message
    suggested = suggest_column_map(table_of(text.replace(";x", ";Raucher")))
    assert "# found: 'no', 1 other value (not shown" in suggested.replace('"no"', "'no'")
    assert cell not in message + suggested


@pytest.mark.parametrize(
    "cell", ["2", "T2D", "Former", "hoch", ">89", "ex", "Nein", "?", "1,5", "1=Yes", "0, no"]
)
def test_short_codes_and_words_that_name_nobody_are_repeated(cell):
    assert f"'{cell}' (1)" in refusal(mapped, column_of("x", cell), traits=A_OR_B)


# === Ids and columns ===


def test_all_columns_that_are_absent_are_named_with_their_nearest():
    columns = ColumnMap(study_id="Untersuchng", patient_id="PatNr", clinical={"bmi": "xyz"})
    message = refusal(mapped, CLINIC, columns)
    assert message.startswith(
        "clinic.csv has no column Untersuchng (study_id; did you mean 'Untersuchung'?), "
        "xyz (clinical bmi)."
    )
    assert "Raucher" not in message


def test_rows_without_a_clear_id_are_refused_by_line_and_never_repeated():
    """Their other cells need no explanation."""
    fill = "; if its cell was merged with those above, fill it downwards"
    date = "{} is a date; spreadsheets make dates of ids, format the column as text"
    rows = [
        ("U1", "1", ""), ("12-Mar", "1", date.format("study id")), ("", "1", f"no study id{fill}"),
        ("2026-12-03 00:00:00", "1", date.format("study id")),
        ("U2", "1", "study id given twice, also in line 8"),
        ("1,23E+11", "1", "study id was rounded by a spreadsheet; format the column as text"),
        ("U2", "1", "study id given twice, also in line 6"), ("-", "1", f"no study id{fill}"),
        ("u1", "1", ""), ("U3", "", f"no patient id{fill}"),
        ("U4", "3. Mrz", date.format("patient id")),
        ("\u00dc", "1", "study id given twice, also in line 14"),
        ("U\u0308", "1", "study id given twice, also in line 13"), ("NA", "1", ""),
        ("20240312", "1", ""), ("12MAR2024", "1", ""),
    ]  # fmt: skip
    text = "".join(f"{study};{patient};{'???' if why else 'a'}\n" for study, patient, why in rows)
    result = mapped(f"Untersuchung;PatNr;x\n{text}", traits=A_OR_B)
    assert result.table.index.tolist() == ["U1", "u1", "NA", "20240312", "12MAR2024"]
    refused = [(line, why) for line, _, why in result.refused]
    assert refused == [(line, why) for line, (*_, why) in enumerate(rows, start=2) if why]
    assert result.table["x"].tolist() == [1] * 5


# === Formulas and days ===


@pytest.mark.parametrize("cell", ["=1+1", "+41 79", "@ward", "- keine"])
def test_a_formula_is_refused_where_it_would_be_taken_over(cell):
    text = f"Untersuchung;PatNr;x;note\ns;1;a;{cell}\nt;2;b;x\n"
    assert mapped(text, traits=A_OR_B).table["x"].tolist() == [1, 0]
    for used in ({"clinical": {"note": "note"}}, {"provenance": {"tracer": "note"}},
                 {"split": "note"}):  # fmt: skip
        message = refusal(mapped, text, **used)
        assert "note (" in message
        assert "begin like one (= + - @), in line 2" in message
        assert cell not in message
    assert "study_id" in refusal(mapped, text.replace("s;1", f"{cell};1"))


@pytest.mark.parametrize(
    ("heading", "cell", "where"),
    [*[("a", day, " in line 3") for day in
       ("12MAR2024", "12mar24", "Mar 12, 2024", "March 12 2024", "20240312", "12-MAR-2024",
        "2024/03/12", "20240312101500", "1 day, 2:00:00", "1950-03-04")],
     *[(name, "45001", "") for name in
       ("Untersuchungsdatum", "Exam date", "date_of_scan", "Datum")]],
)  # fmt: skip
def test_days_are_not_taken_over_also_where_a_spreadsheet_counted_them(heading, cell, where):
    rule = {"t": TraitCoding(heading, rule="> 48")}
    for used in ({"clinical": {"a": heading}}, {"traits": rule}, {"split": heading},
                 {"provenance": {"tracer": heading}}):  # fmt: skip
        message = refusal(mapped, column_of(heading, "45363", cell), **used)
        assert f"holds dates{where}; they are not taken over" in message
        assert cell not in message


@pytest.mark.parametrize("value", ["20241399", "123456", "1950", "Mark 12", "2024031"])
def test_numbers_that_are_no_days_are_taken_over(value):
    assert not mapped(column_of("a", value), clinical={"a": "a"}).table.empty


# === Numbers ===

THOUSANDS = column_of("bnp", "1,234", "12,500", "875")
BNP = {"clinical": {"bnp": "bnp"}}


def test_a_flow_reserve_is_a_positive_number():
    message = refusal(mapped, column_of("m", "2,5", "Maier", "-1", "inf", "0"), mfr="m")
    assert "m (mfr) is no number above 0 in line 3, 4, 5, 6" in message
    assert "Maier" not in message


@pytest.mark.parametrize(
    ("cells", "changes", "reason"),
    [(["2,5", "1.5"], {}, "1 numbers have a comma"),
     (["2,5", "1.5"], {}, "decimal_comma in the column map"),
     (["1.5", "7"], {"decimal_comma": True}, "numbers with a decimal comma but for line 2"),
     (["1", "inf"], {}, "but for line 3"), (["2,5", "1,234,567"], {}, "but for line 3")],
)  # fmt: skip
def test_numbers_in_the_other_way_never_become_text(cells, changes, reason):
    message = refusal(mapped, column_of("a", *cells), clinical={"a": "a"}, **changes)
    assert message.startswith("clinic.csv: ")
    assert reason in message


@pytest.mark.parametrize("delimiter", [",", "\t", ""])
def test_commas_that_may_separate_thousands_are_asked_about(delimiter):
    """NT-proBNP of 1,234 ng/L is 1234, and a flow reserve of 1,234 is below 2."""
    asked = "bnp has numbers such as 1,234, which may be 1234 or 1.234; say decimal_comma: false or"
    assert asked in refusal(mapped, THOUSANDS, delimiter=delimiter, **BNP)
    taken = mapped(THOUSANDS + "d;4;2,5\n", delimiter=delimiter, **BNP).table["bnp"]
    assert taken.tolist() == [1.234, 12.5, 875, 2.5]


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ({"delimiter": ";"}, 1.234),
        ({"decimal_comma": False}, 1234),
        ({"decimal_comma": True}, 1.234),
    ],
)
def test_what_map_or_semicolons_say_of_commas_is_done(said, first):
    high = {"high": TraitCoding("bnp", rule="> 1000")}
    result = mapped(THOUSANDS, **BNP, **said, traits=high)
    assert result.table["bnp"]["s0"] == first
    assert result.table["high"]["s0"] == (first > 1000)


@pytest.mark.parametrize("cell", ["6o", ">90", "#DIV/0!", "72 kg", "<0.3", "12?", "ca. 50"])
def test_a_column_of_numbers_but_for_a_few_cells_is_refused_with_its_lines(cell):
    text = column_of("x", *map(str, range(40, 50)), cell, "50")
    message = refusal(mapped, text, clinical={"x": "x"})
    assert message.startswith("clinic.csv: x (clinical x) holds numbers with a decimal point but ")
    assert "for line 12: " in message
    assert 'missing: {x: ["..."]}' in message
    taken = mapped(text, clinical={"x": "x"}, missing={"x": (cell,)}).table["x"]
    assert taken.dtype == float
    assert taken.isna().tolist() == [False] * 10 + [True, False]


def test_a_column_of_text_stays_text():
    taken = mapped(column_of("x", "apical", "3", "septal"), clinical={"x": "x"}).table["x"]
    assert taken.tolist() == ["apical", "3", "septal"]


# === Codes for: not recorded ===

CODED = """\
Untersuchung;PatNr;Diabetes;LDL;HbA1c
a;1;0;99;38
b;2;1;120;99
c;3;9;130;61
d;4;99;88;40
"""
CODED_MAP = {
    "traits": {"diabetes": TraitCoding("Diabetes", one=("1",), zero=("0",)),
               "poor_control": TraitCoding("HbA1c", rule=">= 48")},
    "clinical": {"ldl": "LDL"},
}  # fmt: skip


def test_a_code_of_one_column_leaves_the_others_alone():
    """By hand: LDL 99 and HbA1c 99 are values."""
    result = mapped(CODED, **CODED_MAP, missing={"Diabetes": ("9", "99")})
    np.testing.assert_array_equal(result.table["diabetes"], [0, 1, NAN, NAN])
    assert result.table["ldl"].tolist() == [99, 120, 130, 88]
    assert result.table["poor_control"].tolist() == [0, 1, 1, 0]
    assert result.emptied == {"Diabetes": [4, 5]}
