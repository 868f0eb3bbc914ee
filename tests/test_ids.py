"""One normal form of ids, in every table they come from."""

import pytest

from polarnet.ids import normal_id
from polarnet.readers.clinicaltable import read_clinical
from polarnet.readers.exports import read_series_table


@pytest.mark.parametrize("cell", ["1.0", " 1 ", "1\u00a0", "\u200b1", "1\u200d"])
def test_one_patient_in_two_spellings_is_one_patient(tmp_path, cell):
    table = tmp_path / "t.csv"
    table.write_text(f"study_id,patient_id\nS1,1\nS2,{cell}\nS3,3\n", encoding="utf-8")
    assert read_clinical(table).patients == {"S1": "1", "S2": "1", "S3": "3"}


def test_a_study_given_twice_in_two_spellings_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("study_id,patient_id\n1,P1\n1.0,P2\n2,P3\n")
    clinical = read_clinical(table)
    assert list(clinical.patients) == ["2"]
    assert clinical.refused[0] == (2, "1", "study id given twice, also in line 3")


def test_series_of_a_table_are_compared_in_the_normal_form(tmp_path):
    (tmp_path / "s.csv").write_text("series,map\n3.0,rest\nStre\u0301s\u00a0 1,stress\n", "utf-8")
    assert read_series_table(tmp_path / "s.csv") == {"3": "rest", "strés 1": "stress"}


def test_the_comma_of_a_german_sheet_is_no_part_of_an_id():
    assert [normal_id(cell) for cell in ("12,0", "12,5", "1,0a")] == ["12", "12,5", "1,0a"]
