"""What is told of the numbers of the clinic's table, and what is odd about them."""

import numpy as np
import pandas as pd
import pytest
from clinic_tables import mapped, refusal

from polarnet.readers.clinicaltable import read_clinical
from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.oddities import odd_numbers, told_of_numbers


def told_of(tmp_path, text, columns=None):
    (tmp_path / "clinic.csv").write_text(text, encoding="utf-8")
    clinical = read_clinical(tmp_path / "clinic.csv", columns)
    return clinical.described(clinical.studies)


def test_each_variable_is_told_with_its_range_and_its_odd_values(tmp_path):
    """Ages 50, 999, 61, 40 have the median 55.5; BMI -9 is in lines 3 and 5."""
    lines = told_of(
        tmp_path,
        "study_id,patient_id,age,bmi\nS1,P1,50,25\nS2,P2,999,-9\nS3,P3,61,\nS4,P4,40,-9\n",
    )
    assert lines == [
        "age: 4 recorded, 40 to 999, median 55.5; 0 not recorded. "
        "Odd, is that right: 999 (line 3)",
        "bmi: 3 recorded, -9 to 25, median -9; 1 not recorded. "
        "Odd, is that right: -9 (line 3, 5)",
    ]  # fmt: skip
    assert not any(id in line for line in lines for id in ("S1", "S2", "P2"))


@pytest.mark.parametrize(
    ("names", "values", "odd"),
    [(["age", "Alter"], [50, 60, 999], {2}), (["a", "Age (years)"], [50, -1, 0], {1, 2}),
     (["ef", "LVEF"], [55, 60, 0.6], {2}), (["ef", "LVEF"], [0.55, 0.6, 0.7], set()),
     (["x", "Height [cm]"], [170, 1.8, 165], {1}), (["x", "height"], [1.7, 1.8, 1.6], set()),
     (["weight", "kg"], [70, 0, 7000], {1, 2}), (["hba1c", "HbA1c"], [5.5, 7, 99], {2}),
     (["crp", "CRP"], [0.3, 2, 999], {2}), (["sss", "SSS"], [0, 9, 12, 8], set()),
     (["gls", "GLS"], [-20, -18, -9], set()), (["crp", "CRP"], [3, 5, 88], {2}),
     (["k", "Potassium"], [4.1, 3.9, 4.5, 4.2, 4.4, -5], {5}),
     (["bnp", "BNP"], [1.234, 900, 800, 850], {0}), (["bnp", "BNP"], [1.234, 9.1, 800, 8], set()),
     (["bmi_change", "BMI change"], [-3, 2, 0.5], set())],
)  # fmt: skip
def test_what_cannot_be_or_looks_like_a_code_is_odd(names, values, odd):
    assert set(odd_numbers(names, dict(enumerate(values)))) == odd


def test_a_variable_without_values_says_so():
    assert told_of_numbers("age", "age", pd.Series([np.nan]), 1) == (
        "age: nothing recorded in 1 studies"
    )


def test_the_numbers_behind_a_rule_are_told_too(tmp_path):
    columns = ColumnMap(
        study_id="study_id", patient_id="patient_id",
        traits={"diabetes": TraitCoding("HbA1c", rule=">= 48")}, clinical={"note": "note"},
    )  # fmt: skip
    lines = told_of(
        tmp_path, "study_id,patient_id,HbA1c,note\nS1,P1,38,x\nS2,P2,999,\nS3,P3,61,y\n", columns
    )
    assert lines[1:] == [
        "HbA1c: 3 recorded, 38 to 999, median 61; 0 not recorded. Odd, is that right: 999 (line 3)",
        "note: text, 2 recorded, 2 different; 1 not recorded",
    ]


NUMBERS = "".join(f"s{k};{k};{40 + k}\n" for k in range(10))


@pytest.mark.parametrize("cell", ["6o", ">90", "#DIV/0!", "72 kg", "<0.3", "12?", "ca. 50"])
def test_a_column_of_numbers_but_for_a_few_cells_is_refused_with_its_lines(cell):
    text = f"Untersuchung;PatNr;x\n{NUMBERS}t;11;{cell}\nu;12;50\n"
    message = refusal(mapped, text, clinical={"x": "x"})
    assert message.startswith(
        "clinic.csv: x (clinical x) holds numbers but for line 12: "
    )  # fmt: skip
    assert 'missing: {x: ["..."]}' in message
    taken = mapped(text, clinical={"x": "x"}, missing_in={"x": (cell,)}).table["x"]
    assert taken.dtype == float
    assert np.isnan(taken["t"])
    assert taken.notna().sum() == 11


@pytest.mark.parametrize("cell", ["NULL", "<NA>", "NaN", "NaT"])
def test_what_programs_write_for_nothing_is_not_recorded(cell):
    taken = mapped(f"Untersuchung;PatNr;x\n{NUMBERS}t;11;{cell}\n", clinical={"x": "x"}).table["x"]
    assert np.isnan(taken["t"])


def test_without_a_map_too_one_odd_cell_is_an_error(tmp_path):
    text = "study_id,patient_id,age\nS1,P1,50\nS2,P2,6o\nS3,P3,61\n"
    with pytest.raises(ValueError, match=r"age \(clinical age\) holds numbers but for line 3"):
        told_of(tmp_path, text)


def test_numbers_with_signs_and_units_are_no_text_even_where_they_are_most():
    text = "Untersuchung;PatNr;eGFR\na;1;45\nb;2;>90\nc;3;>90\nd;4;60 mL\n"
    message = refusal(mapped, text, clinical={"egfr": "eGFR"})
    assert "eGFR (clinical egfr) holds numbers but for line 3, 4, 5: '>90'" in message


@pytest.mark.parametrize("cells", [("50", "20200102"), ("45000", "45001")])
def test_a_rule_never_compares_days(cells):
    text = "Untersuchung;PatNr;Datum\n" + "".join(f"{c};{c}x;{c}\n" for c in cells)
    message = refusal(mapped, text, traits={"t": TraitCoding("Datum", rule="> 48")})
    assert "Datum (traits t) holds dates in line" in message


def test_headings_and_map_meet_whatever_spaces_and_letters_they_are_written_with(tmp_path, load):
    (tmp_path / "c.csv").write_text(
        "study_id,patient_id,Gro\u0308\u00dfe\u00a0(cm)\nS1,P1,170\n", encoding="utf-8"
    )
    columns = load('study_id: study_id\npatient_id: patient_id\nclinical: {h: "Größe (cm)"}')
    assert read_clinical(tmp_path / "c.csv", columns).table["h"].tolist() == [170]


def test_a_column_of_text_stays_text():
    text = "Untersuchung;PatNr;x\na;1;apical\nb;2;3\nc;3;septal\n"
    assert mapped(text, clinical={"x": "x"}).table["x"].tolist() == ["apical", "3", "septal"]


@pytest.mark.parametrize("heading", ["Untersuchungsdatum", "Exam date", "date_of_scan", "Datum"])
def test_days_that_a_spreadsheet_counted_are_refused(heading):
    text = f"Untersuchung;PatNr;{heading}\na;1;45001\nb;2;45363\n"
    message = refusal(mapped, text, clinical={"x": heading})
    assert "holds dates in line 2, 3" in message


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
    result = mapped(CODED, **CODED_MAP, missing_in={"Diabetes": ("9", "99")})
    assert result.table["diabetes"].tolist()[:2] == [0, 1]
    assert result.table["diabetes"].isna().tolist() == [False, False, True, True]
    assert result.table["ldl"].tolist() == [99, 120, 130, 88]
    assert result.table["poor_control"].tolist() == [0, 1, 1, 0]
    assert result.emptied == {"Diabetes": [4, 5]}


def test_a_code_for_all_columns_that_may_be_a_value_is_refused():
    message = refusal(mapped, CODED, **CODED_MAP, missing=("9", "99"))
    assert message == (
        "clinic.csv: missing would also empty cells that may be values: 99 in LDL, where others "
        "go from 88 to 130 (line 2), 99 in HbA1c, where others go from 38 to 61 (line 3); name "
        'the columns in which a code means not recorded, as missing: {HEADING: ["99"]}. '
        "Mend the table or the column map."
    )


@pytest.mark.parametrize("code", ["999", "-9", "-99", "9999"])
def test_a_code_for_all_columns_far_from_all_values_is_taken_and_told(tmp_path, code):
    (tmp_path / "c.csv").write_text(
        f"study_id,patient_id,age\nS1,P1,50\nS2,P2,{code}\nS3,P3,61\n", encoding="utf-8"
    )
    said = []
    columns = ColumnMap(
        study_id="study_id", patient_id="patient_id", clinical={"age": "age"}, missing=(code,)
    )
    clinical = read_clinical(tmp_path / "c.csv", columns, tell=said.append)
    assert clinical.table["age"].isna().tolist() == [False, True, False]
    assert said == ["Not recorded, as missing says: 1 cell of age, in line 3"]


def test_missing_is_written_by_column_or_with_a_star_for_all(load):
    columns = load(
        'study_id: a\npatient_id: b\nclinical: {x: X, y: Y}\nmissing: {"*": [k.A.], X: 9, Y: [-1]}'
    )
    assert columns.missing == ("k.A.",)
    assert columns.missing_in == {"X": ("9",), "Y": ("-1",)}


@pytest.mark.parametrize(("given", "hint"), [("x", "'X'"), ("Xx", "'X'")])
def test_missing_of_a_column_that_is_not_used_is_an_error(load, given, hint):
    message = refusal(
        load, f"study_id: a\npatient_id: b\nclinical: {{x: X}}\nmissing: {{{given}: [9]}}"
    )
    assert f"no column '{given}' is used in the map; did you mean {hint}" in message


def test_a_cell_that_is_coded_cannot_be_missing_in_its_own_column(load):
    head = "study_id: a\npatient_id: b\ntraits: {t: {column: T, one: [1], zero: [9]}}\n"
    assert "9 is coded, and in missing" in refusal(load, head + "missing: {T: ['9']}")
    assert load(head + "clinical: {x: X}\nmissing: {X: ['9']}").missing_in == {"X": ("9",)}
