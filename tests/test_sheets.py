import openpyxl
import pytest

from polarnet.readers.sheets import as_table
from polarnet.readers.tables import read_sheet


def test_empty_cells_rows_and_lines_leave_the_line_numbers_right(tmp_path):
    (tmp_path / "a.csv").write_text("\n a , b ,,\n\n,,\n,2,\n , \n")
    sheet = read_sheet(tmp_path / "a.csv")
    assert sheet.rows == [["a", "b"], ["", "2"]]
    assert sheet.row_numbers == [2, 5]


@pytest.mark.parametrize("content", ["", "\n\n", ",,\n,\n"])
def test_a_file_without_content_is_empty(tmp_path, content, refusal):
    (tmp_path / "a.csv").write_text(content)
    assert refusal(tmp_path / "a.csv") == "a.csv is empty."


def test_a_sheet_never_prints_its_cells(tmp_path):
    (tmp_path / "a.csv").write_text("name,b\nMaier,1\n")
    assert repr(read_sheet(tmp_path / "a.csv")) == "Sheet(2 rows, up to 2 columns)"


FORMULAS = ["=1+1", "+A1", "@SUM(A1)", "-A1", '"\tx"', '"\rx"', '" =x"', "-2+3+cmd|x", "-1+f(A1)"]
NO_FORMULAS = ["-", "-3", "+1.5", "-.5", "-1.5e3", "a=b", "1-2", "-5 %", "x@y", '"\t2"']


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_a_spreadsheet_would_compute_is_refused_by_position(tmp_path, cell, refusal):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n3," + cell.encode() + b"\n")
    message = refusal(tmp_path / "a.csv")
    assert "1 cells are formulas" in message
    assert "row 3 column 2." in message
    assert cell.strip('" \t\r') not in message


@pytest.mark.parametrize("cell", NO_FORMULAS)
def test_signs_of_numbers_are_no_formulas(tmp_path, cell):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1," + cell.encode() + b"\n")
    assert read_sheet(tmp_path / "a.csv").rows[1][1] == cell.strip('"\t')


def test_all_formulas_are_counted_and_five_are_named(tmp_path, refusal):
    (tmp_path / "a.csv").write_text("=a,b\n" + "1,=x\n" * 6)
    message = refusal(tmp_path / "a.csv")
    assert "7 cells" in message
    assert (
        "row 1 column 1, row 2 column 2, row 3 column 2, row 4 column 2, row 5 column 2 and 2 more"
        in message
    )


def test_formulas_of_workbooks_are_refused_too(tmp_path, refusal):
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["a", "=1+1"])
    sheet["B2"] = openpyxl.worksheet.formula.ArrayFormula("B2:B3", "=A1:A2")
    sheet["C3"] = "@x"
    sheet["D3"].value, sheet["D3"].data_type = "=typed as text", "s"
    workbook.save(path)
    message = refusal(path)
    assert "4 cells" in message
    assert "row 1 column 2, row 2 column 2, row 3 column 3, row 3 column 4." in message


def table_of(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    return as_table(read_sheet(tmp_path / "a.csv"), "a.csv")


def test_a_table_has_text_and_the_lines_of_the_file(tmp_path):
    table = table_of(tmp_path, "a,b,c\n\n001,NA,\n1,,3\n")
    assert list(table.columns) == ["a", "b", "c"]
    assert table.index.tolist() == [3, 4]
    assert table.to_numpy().tolist() == [["001", "NA", ""], ["1", "", "3"]]


def test_headings_that_are_empty_or_occur_twice_are_named_by_position(tmp_path):
    with pytest.raises(ValueError, match=r"a\.csv line 2: .* over column 1, 2, 4\.") as caught:
        table_of(tmp_path, "\nMaier,,x,Maier,y\n1,2,3,4,5\n")
    assert "Maier" not in str(caught.value)


def test_rows_longer_than_the_headings_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"more cells than the 2 names .* in line 3, 5\."):
        table_of(tmp_path, "a,b\n1,2\n1,2,3\n1\n1,,3\n")
