import pytest

from polarnet.readers.sheets import as_table, from_header
from polarnet.readers.tables import read_sheet


def table_and_note(tmp_path, text):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    sheet = from_header(read_sheet(tmp_path / "a.csv"), "a.csv")
    return as_table(sheet, "a.csv"), sheet.note


@pytest.mark.parametrize(
    ("above", "told"),
    [("Cohort of Dr. Meier,,,\n\n", "skipped 1 line above"),
     ("Exported:,Meier,,\nCohort,,,\n", "skipped 2 lines above"),
     ("Cohort\n", "skipped 1 line above")],
)  # fmt: skip
def test_a_title_above_the_names_is_skipped_and_not_repeated(tmp_path, above, told):
    table, note = table_and_note(tmp_path, above + "study_id,sex,age,dm\nS1,f,50,0\nS2,m,51,1\n")
    assert list(table.columns) == ["study_id", "sex", "age", "dm"]
    assert table["age"].tolist() == ["50", "51"]
    assert table.index[0] == above.count("\n") + 2
    assert note.startswith(told)
    assert "Meier" not in note


def test_a_table_without_title_stays_as_it_is(tmp_path):
    table, note = table_and_note(tmp_path, "a,b\nx,y\nz,\n")
    assert list(table.columns) == ["a", "b"]
    assert (len(table), note) == (2, "")


@pytest.mark.parametrize(
    "text", ["Meier,,x,Meier,y\nb,c,d,e,f\n1,2,3,4,5\n", "Meier,x,x\nS1,f,no\nS2,m,ja\n",
             "Cohort\nS1,Meier,f,50\nS2,Meier,m,51\n", "a,b\n1,2\n1,x,y\n1,2\n"]
)  # fmt: skip
def test_a_row_of_values_is_never_taken_for_the_names(tmp_path, text):
    with pytest.raises(ValueError, match=r"a\.csv( line 1)?: ") as caught:
        table_and_note(tmp_path, text)
    assert "Meier" not in str(caught.value)


def test_a_first_column_without_name_is_row_numbers(tmp_path):
    """As R's write.csv and pandas' to_csv write them."""
    table, note = table_and_note(tmp_path, '"","study_id","dm"\n"1","S1",0\n"2","S2",1\n')
    assert list(table.columns) == ["study_id", "dm"]
    assert table["dm"].tolist() == ["0", "1"]
    assert "skipped column 1, which has no name" in note


def test_another_column_without_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"over column 1, 3\."):
        table_and_note(tmp_path, ",a,,b\n1,2,3,4\n")


def test_dates_stay_where_they_were(tmp_path, save_workbook):
    import datetime as dt

    save_workbook(tmp_path / "a.xlsx", ["Title"], ["", "id", "day"], [1, "S1", dt.date(2024, 1, 2)])
    sheet = from_header(read_sheet(tmp_path / "a.xlsx"), "a.xlsx")
    assert sheet.rows == [["id", "day"], ["S1", "2024-01-02"]]
