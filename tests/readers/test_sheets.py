"""The table below the names of its columns: titles, names in two rows, merged cells, odd rows."""

import openpyxl
import pytest

from polarnet.readers.clinicaltable import read_clinical, suggest_columns
from polarnet.readers.sheets import as_table, from_header
from polarnet.readers.tables import read_sheet

NAMES = ["study_id", "patient_id", "sex", "diabetes", "age", "bmi"]
BODY = [[f"S{k}", f"P{k}", k % 2, (k + 1) % 2, 50 + k, 25 + k] for k in range(1, 5)]


def table_and_note(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    sheet = from_header(read_sheet(tmp_path / "a.csv"), "a.csv")
    return as_table(sheet, "a.csv"), sheet.note


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


# === The row with the names ===


@pytest.mark.parametrize(
    ("above", "told"),
    [("Cohort of Dr. Meier,,,\n\n", "skipped 1 line above"), ("", ""),
     ("Exported:,Meier,,\nCohort,,,\n", "skipped 2 lines above"),
     ("Cohort\n", "skipped 1 line above")],
)  # fmt: skip
def test_a_title_above_the_names_is_skipped_and_not_repeated(tmp_path, above, told):
    table, note = table_and_note(tmp_path, above + "study_id,sex,age,dm\n001,f,NA,0\n\nS2,,51,\n")
    assert list(table.columns) == ["study_id", "sex", "age", "dm"]
    assert table.to_numpy().tolist() == [["001", "f", "NA", "0"], ["S2", "", "51", ""]]
    first = above.count("\n") + 2
    assert table.index.tolist() == [first, first + 2]
    assert note == (f"{told} the names of the columns" if told else "")


def test_a_first_column_without_name_is_row_numbers(tmp_path):
    """As R's write.csv and pandas' to_csv write them."""
    table, note = table_and_note(tmp_path, '"","study_id","dm"\n"1","S1",0\n"2","S2",1\n')
    assert list(table.columns) == ["study_id", "dm"]
    assert table["dm"].tolist() == ["0", "1"]
    assert "skipped column 1, which has no name" in note


@pytest.mark.parametrize(
    ("text", "message"),
    [("Meier,,x,Meier,y\nb,c,d,e,f\n1,2,3,4,5\n", r"line 1: .* over column 1, 2, 4\."),
     ("Meier,x,x\nS1,f,no\nS2,m,ja\n", r"line 1: .* over column 2, 3\."),
     ("\n,a,,b\n1,2,3,4\n", r"line 2: .* over column 1, 3\."),
     ("Cohort\nS1,Meier,f,50\nS2,Meier,m,51\n", r"more or fewer cells than the 1 names"),
     ("a,b\n1,2\n1,2,3\n1\n1,,3\n", r"more or fewer cells than the 2 names .* in line 3, 5\.")],
)  # fmt: skip
def test_a_row_of_values_is_never_taken_for_the_names(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"a\.csv.*{message}") as caught:
        table_and_note(tmp_path, text)
    assert "Meier" not in str(caught.value)


# === Merged cells ===


def test_cells_merged_over_rows_hold_for_each_of_them(clinic):
    found, said = clinic(
        [["study_id", "patient_id", "sex", "age", "bmi"], ["S1", 1, 1, 50, None],
         ["S2", None, None, 51], ["S3", None, None, None], ["S4", 2, 0, 60]],
        "B2:B4", "C2:C4", "D3:D4", "D2:E2",
    )  # fmt: skip
    assert found.patients == {"S1": "1", "S2": "1", "S3": "1", "S4": "2"}
    assert found.table["sex"].tolist() == [1, 1, 1, 0]
    assert found.table["age"].tolist() == [50, 51, 51, 60]
    assert found.table["bmi"].isna().all()  # over columns, they hold for the first alone
    assert said == ["clinic.xlsx: 3 cells that are merged over rows hold for each of these rows"]


def test_ids_that_were_merged_are_refused(clinic):
    found, _ = clinic(
        [["study_id", "patient_id", "sex"], ["S1", "P1", 1], [None, "P1", 1], ["S2", "P2", 0]],
        "A2:A3",
    )
    assert list(found.patients) == ["S2"]
    assert (3, "S1", "study id given twice, also in line 2") in found.refused
    found, _ = clinic("study_id,patient_id,sex\nS1,P1,1\nS2,,\nS3,P2,0\n")
    assert found.refused == [
        (3, "S2", "no patient id; if its cell was merged with those above, fill it downwards")
    ]


# === Names in two rows ===


def test_names_in_two_rows_are_one_name_for_each_column(clinic):
    """Ids merged downwards beside groups, in a workbook and in the CSV that it is saved as."""
    rows = [["study_id", "patient_id", "Risk factors", None, "Demographics", None],
            [None, None, *NAMES[2:]], *BODY]  # fmt: skip
    merged, said = clinic(rows, "A1:A2", "B1:B2", "C1:D1", "E1:F1")
    assert said[0].endswith("two lines hold the names of the columns")
    for found in (merged, clinic(csv(*rows))[0]):
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
    clinic(csv(*rows))
    for file in ("clinic.xlsx", "clinic.csv"):
        assert '# age: "Follow-up: age"' in suggest_columns(tmp_path / file)


def test_a_title_merged_over_all_columns_is_skipped(clinic):
    found, said = clinic([["Cohort of Dr. Meier"], NAMES, *BODY], "A1:F1")
    assert list(found.table) == NAMES[2:]
    assert found.table["age"].tolist() == [51, 52, 53, 54]
    assert said[0].endswith("skipped 1 line above the names of the columns")


@pytest.mark.parametrize(
    "text",
    ["ID,,Risks,,Age,BMI\nstudy_id,patient_id,sex,dm,age,bmi\n" + csv(*BODY),
     "study_id,patient_id,,age\nMeier,Anna,w,x\nHuber,Bob,m,y\n"],
)  # fmt: skip
def test_names_in_two_rows_that_are_not_certain_are_refused_with_advice(clinic, text):
    with pytest.raises(ValueError, match="two lines hold the names") as caught:
        clinic(text)
    assert "Meier" not in str(caught.value)


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
