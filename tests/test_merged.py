"""Cells merged over rows, names of columns in two rows, and rows of another length."""

import openpyxl
import pytest

from polarnet.readers import workbooks
from polarnet.readers.clinicaltable import read_clinical, suggest_columns
from polarnet.readers.tables import read_sheet

BODY = [[f"S{k}", f"P{k}", k % 2, (k + 1) % 2, 50 + k, 25 + k] for k in range(1, 5)]


@pytest.fixture
def clinic(tmp_path):
    """What is read of a table (rows and merged ranges, or CSV), and what was told."""

    def read(rows, *ranges):
        if isinstance(rows, str):
            path = tmp_path / "clinic.csv"
            path.write_text(rows, encoding="utf-8")
        else:
            workbook = openpyxl.Workbook()
            for row in rows:
                workbook.active.append(row)
            for cells in ranges:
                workbook.active.merge_cells(cells)
            path = tmp_path / "clinic.xlsx"
            workbook.save(path)
        said = []
        return read_clinical(path, tell=said.append), said

    return read


def csv(*rows):
    return "".join(",".join("" if c is None else str(c) for c in row) + "\n" for row in rows)


def test_cells_merged_over_rows_hold_for_each_of_them(clinic):
    found, said = clinic(
        [["study_id", "patient_id", "sex", "age"], ["S1", 1, 1, 50], ["S2", None, None, 51],
         ["S3", None, None, None], ["S4", 2, 0, 60]],
        "B2:B4", "C2:C4", "D3:D4",
    )  # fmt: skip
    assert found.patients == {"S1": "1", "S2": "1", "S3": "1", "S4": "2"}
    assert found.table["sex"].tolist() == [1, 1, 1, 0]
    assert found.table["age"].tolist() == [50, 51, 51, 60]
    assert said == ["clinic.xlsx: 3 cells that are merged over rows hold for each of these rows"]


def test_cells_merged_over_columns_hold_for_the_first_alone(clinic):
    found, _ = clinic(
        [["study_id", "patient_id", "sex", "age", "bmi"], ["S1", 1, 1, 50, None],
         ["S2", 2, 0, 51, 30]],
        "D2:E2",
    )  # fmt: skip
    assert found.table["bmi"].isna().tolist() == [True, False]


def test_a_study_id_merged_over_two_rows_is_given_twice(clinic):
    found, _ = clinic(
        [["study_id", "patient_id", "sex"], ["S1", "P1", 1], [None, "P1", 1], ["S2", "P2", 0]],
        "A2:A3",
    )
    assert list(found.patients) == ["S2"]
    assert dict(found.refused)[3] == "study id given twice, also in line 2"


def test_blank_ids_of_a_csv_say_that_cells_may_have_been_merged(clinic):
    found, _ = clinic("study_id,patient_id,sex\nS1,P1,1\nS2,,\nS3,P2,0\n")
    assert found.refused == [
        (3, "no patient id; if its cell was merged with those above, fill it downwards")
    ]


def test_names_in_two_rows_are_one_name_for_each_column(clinic):
    """Ids merged downwards beside groups, in a workbook and in the CSV that it is saved as."""
    rows = [["study_id", "patient_id", "Risk factors", None, "Demographics", None],
            [None, None, "sex", "diabetes", "age", "bmi"], *BODY]  # fmt: skip
    merged_found, said = clinic(rows, "A1:A2", "B1:B2", "C1:D1", "E1:F1")
    assert said[0].endswith("two lines hold the names of the columns")
    for found in (merged_found, clinic(csv(*rows))[0]):
        assert list(found.patients) == ["S1", "S2", "S3", "S4"]
        assert found.traits == ["sex", "diabetes"]
        assert found.table["diabetes"].tolist() == [0, 1, 0, 1]
        assert found.table["bmi"].tolist() == [26, 27, 28, 29]
        assert found.lines["S1"] == 3


def test_a_group_that_changes_what_a_name_means_stays_with_it(clinic, tmp_path):
    rows = [[None, None, "Family history", None, "Patient", None],
            ["study_id", "patient_id", "htn", "diabetes", "age", "bmi"], *BODY]  # fmt: skip
    found, _ = clinic(rows, "C1:D1", "E1:F1")
    assert "diabetes" not in found.traits
    assert list(found.table) == ["Family history: htn", "Family history: diabetes", "age", "bmi"]
    clinic(csv(*rows))
    for file in ("clinic.xlsx", "clinic.csv"):
        assert "diabetes: {" not in suggest_columns(tmp_path / file)


def test_the_same_name_under_two_groups_is_told_apart(clinic, tmp_path):
    rows = [["Ids", None, "Baseline", None, "Follow-up", None],
            ["study_id", "patient_id", "age", "bmi", "age", "bmi"], *BODY]  # fmt: skip
    _, said = clinic(rows, "A1:B1", "C1:D1", "E1:F1")
    assert "4 are called GROUP: NAME" in said[0]
    assert '# age: "Follow-up: age"' in suggest_columns(tmp_path / "clinic.xlsx")
    clinic(csv(*rows))
    assert '# age: "Follow-up: age"' in suggest_columns(tmp_path / "clinic.csv")


def test_units_below_names_that_are_merged_downwards_are_no_study(clinic):
    found, said = clinic(
        [["study_id", "patient_id", "sex", "diabetes", "age", "bmi"],
         [None, None, None, None, "years", "kg/m2"], *BODY],
        "A1:A2", "B1:B2", "C1:C2", "D1:D2",
    )  # fmt: skip
    assert list(found.patients) == ["S1", "S2", "S3", "S4"]
    assert found.refused == []
    assert found.table["age"].tolist() == [51, 52, 53, 54]
    assert said[0].endswith("skipped 1 line below the names of the columns")


def test_a_title_over_all_columns_is_no_group(clinic):
    title = [["Cohort of Dr. Meier"], ["study_id", "patient_id", "sex", "diabetes", "age", "bmi"]]
    found, said = clinic([*title, *BODY], "A1:F1")
    assert list(found.table) == ["sex", "diabetes", "age", "bmi"]
    assert said == ["clinic.xlsx: skipped 1 line above the names of the columns"]


@pytest.mark.parametrize(
    "text",
    ["ID,,Risks,,Age,BMI\nstudy_id,patient_id,sex,dm,age,bmi\n" + csv(*BODY),
     "study_id,patient_id,,age\nMeier,Anna,w,x\nHuber,Bob,m,y\n"],
)  # fmt: skip
def test_names_in_two_rows_that_are_not_certain_are_refused_with_advice(clinic, text):
    with pytest.raises(ValueError, match="two lines hold the names") as caught:
        clinic(text)
    assert "Meier" not in str(caught.value)


@pytest.mark.parametrize("reference", ["A1", "A:B", "x", "A1:B", "1:2", ""])
def test_a_reference_that_is_no_range_is_none(reference):
    assert workbooks._range(reference) is None


def test_ranges_are_counted_from_the_first_column():
    assert workbooks._range("$B$2:AA10") == (2, 10, 1, 26)


def test_a_workbook_with_too_many_merged_cells_is_refused(clinic, monkeypatch):
    monkeypatch.setattr("polarnet.readers.sheets.MAX_MERGED", 2)
    with pytest.raises(ValueError, match="more than 2 merged cells"):
        clinic([["study_id", "patient_id"], *[r[:2] for r in BODY]], "C1:D1", "C2:D2", "C3:D3")


def test_merged_cells_of_another_worksheet_say_nothing(tmp_path):
    workbook = openpyxl.Workbook()
    workbook.active.append(["a", "b"])
    other = workbook.create_sheet()
    other.append(["x"])
    other.merge_cells("A1:A3")
    workbook.save(tmp_path / "a.xlsx")
    assert read_sheet(tmp_path / "a.xlsx").merged == ()


# === Rows of another length ===


@pytest.mark.parametrize(
    ("rows", "line"),
    [("S1,P1,1,50\nS2,P2,60\nS3,P3,0,60\n", 3), ("S1,P1,1,50\nS2,P2,\nS3,P3,0,\n", 3),
     ("S1,P1,1,50\nS2,P2,x,0,\nS3,P3,0,\n", 3), ("S1,P1,1,50\nS2,P2,0,60\nS3,P3,0\n", 4),
     ("S1,P1,9,1,\n", 2), ("S1,P1,1\n", 2), ("S1,P1,1,50\nS2,P2,0,60,5\n", 3)],
)  # fmt: skip
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_row_with_a_cell_lost_or_one_too_many_is_refused_by_line(clinic, rows, line, separator):
    text = f"study_id,patient_id,sex,age\n{rows}".replace(",", separator)
    with pytest.raises(ValueError, match=rf"clinic\.csv: more .*cells than .* in line {line}\."):
        clinic(text)


@pytest.mark.parametrize(
    "text",
    ["study_id,patient_id,sex\nS1,P1,1,\nS2,P2,0,\n",
     "study_id,patient_id,sex,\nS1,P1,1\nS2,P2,0\n",
     "study_id,patient_id,sex\n\nS1,P1,\n,,\nS2,P2,0\n",
     "Title\nstudy_id,patient_id,sex\nS1,P1,\nS2,P2,0\n",
     ",study_id,patient_id,sex\n1,S1,P1,\n2,S2,P2,0\n"],
)  # fmt: skip
def test_rows_that_are_whole_are_read(clinic, text):
    found, _ = clinic(text)
    assert found.patients == {"S1": "P1", "S2": "P2"}
    assert found.table["sex"]["S2"] == 0
