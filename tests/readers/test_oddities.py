"""What is told of the numbers of the clinic's table, and what is odd about them."""

import numpy as np
import pandas as pd
import pytest

from polarnet.readers.clinicaltable import read_clinical
from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.oddities import odd_numbers, told_of_numbers

IDS = {"study_id": "study_id", "patient_id": "patient_id"}


def read(tmp_path, text, columns=None):
    (tmp_path / "clinic.csv").write_text(f"study_id,patient_id,{text}", encoding="utf-8")
    said = []
    clinical = read_clinical(tmp_path / "clinic.csv", columns, tell=said.append)
    return clinical, clinical.described(clinical.patients), said


def test_each_variable_is_told_with_its_range_and_its_odd_values(tmp_path):
    """Ages 50, 999, 61, 40 have the median 55.5; BMI -9 is in lines 3 and 5."""
    lines = read(tmp_path, "age,bmi\nS1,P1,50,25\nS2,P2,999,-9\nS3,P3,61,\nS4,P4,40,-9\n")[1]
    assert lines == [
        "age: 4 recorded, 40 to 999, median 55.5; 0 not recorded. "
        "Odd, is that right: 999 (line 3)",
        "bmi: 3 recorded, -9 to 25, median -9; 1 not recorded. "
        "Odd, is that right: -9 (line 3, 5)",
    ]  # fmt: skip
    nothing = told_of_numbers("age", "age", pd.Series([np.nan]), 1)
    assert nothing == "age: nothing recorded in 1 studies"


def test_text_and_the_numbers_behind_a_rule_are_told_too(tmp_path):
    columns = ColumnMap(
        **IDS, traits={"diabetes": TraitCoding("HbA1c", rule=">= 48")}, clinical={"note": "note"}
    )
    lines = read(tmp_path, "HbA1c,note\nS1,P1,38,x\nS2,P2,999,\nS3,P3,61,y\n", columns)[1]
    assert lines[1:] == [
        "HbA1c: 3 recorded, 38 to 999, median 61; 0 not recorded. Odd, is that right: 999 (line 3)",
        "note: text, 2 recorded, 0 of them numbers; 1 not recorded",
    ]


@pytest.mark.parametrize(
    ("names", "values", "odd"),
    [(["age", "Alter"], [50, 60, 999], {2}), (["a", "Age (years)"], [50, -1, 0], {1, 2}),
     (["ef", "LVEF"], [55, 60, 0.6], {2}), (["ef", "LVEF"], [0.55, 0.6, 0.7], set()),
     (["x", "Height [cm]"], [170, 1.8, 165], {1}), (["x", "height"], [1.7, 1.8, 1.6], set()),
     (["weight", "kg"], [70, 0, 7000], {1, 2}), (["hba1c", "HbA1c"], [5.5, 7, 99], {2}),
     (["crp", "CRP"], [0.3, 2, 999], {2}), (["sss", "SSS"], [0, 9, 12, 8], set()),
     (["gls", "GLS"], [-20, -18, -9], set()), (["crp", "CRP"], [3, 5, 88], {2}),
     (["bnp", "BNP"], [1.25, 900, 800, 850], {0}), (["bnp", "BNP"], [1.25, 9.1, 800, 8], set()),
     (["k", "Potassium"], [4.1, 3.9, 4.5, 4.2, 4.4, -5], {5}),
     (["bmi_change", "BMI change"], [-3, 2, 0.5], set())],
)  # fmt: skip
def test_what_cannot_be_or_looks_like_a_code_is_odd(names, values, odd):
    assert set(odd_numbers(names, dict(enumerate(values)))) == odd


def test_without_a_map_too_one_odd_cell_is_an_error(tmp_path):
    with pytest.raises(
        ValueError, match=r"age \(clinical age\) holds numbers with a decimal point but for line 3"
    ):
        read(tmp_path, "age\nS1,P1,50\nS2,P2,6o\nS3,P3,61\n")


def test_headings_and_map_meet_whatever_spaces_and_letters_they_are_written_with(tmp_path, load):
    columns = load('study_id: study_id\npatient_id: patient_id\nclinical: {h: "Größe (cm)"}')
    clinical, _, _ = read(tmp_path, "Gro\u0308\u00dfe\u00a0(cm)\nS1,P1,170\n", columns)
    assert clinical.table["h"].tolist() == [170]
