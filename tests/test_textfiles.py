import pytest

from polarnet.readers.tables import read_sheet

DIALECTS = {
    "comma": ("a,b\n1.5,x\n", ","),
    "semicolon, decimal comma": ("a;b\n1,5;x\n2,5;y\n", ";"),
    "tab, decimal comma": ("1,5\t2,5\n3,5\t4,5\n", "\t"),
    "semicolon, every cell a decimal comma": ("1,5;2,5\n3,5;4,5\n", ";"),
    "semicolon, ragged rings of decimal commas": ("1,5\n2,5\n1,1;2,2\n1,1;2,2;3,3\n", ";"),
    "comma, semicolons in text": ("a,b\n1;2,x\n3;4,y\n", ","),
    "comma, semicolons in quotation marks": ('a,"b;c;d"\n1,"x;y;z"\n', ","),
    "semicolon, commas in text": ("a;b\nx, y;1\nu, v;2\n", ";"),
    "spaces": ("1.5  2.5\n3.5     4.5\n", " "),
    "spaces, decimal comma": ("1,5 2,5\n3,5 4,5\n", " "),
    "spaces, with headings": ("Segment Rest\n1 0.9\n2 n/a\n", " "),
    "spaces after commas": ("1, 2, 3\n4, 5, 6\n", ","),
    "one column": ("a\n1.5\n2.5\n", ""),
    "one column, decimal comma": ("Rest MBF\n0,91\n1,02\n", ""),
    "bars": ("a|b\n1,5|x, y\n2|z\n", "|"),
    "bars, every cell a decimal comma": ("1,5|2,5\n3,5|4,5\n", "|"),
    "said in the first line": ("sep=;\na,b;c\nd,e;f\n", ";"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_separator_is_found(tmp_path, dialect):
    text, delimiter = DIALECTS[dialect]
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert read_sheet(tmp_path / "a.csv").delimiter == delimiter


def test_a_number_that_the_sample_cuts_is_no_text(tmp_path):
    """The first 65,536 characters, from which the separator is guessed, end after a comma."""
    start = "1,5;2;3\n1,5;2\n"
    text = start + "0" * (65_536 - len(start) - 1) + ",5;1\n"
    (tmp_path / "a.csv").write_text(text)
    assert read_sheet(tmp_path / "a.csv").delimiter == ";"


def test_cells_are_where_the_separators_put_them(tmp_path):
    (tmp_path / "a.txt").write_text('sep=;\n a ; "b;c"\n1,5;"say ""hi"""\n')
    sheet = read_sheet(tmp_path / "a.txt")
    assert sheet.rows == [["a", "b;c"], ["1,5", 'say "hi"']]
    assert sheet.row_numbers == [2, 3]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_make_no_difference(tmp_path, encoding, end):
    path = tmp_path / "Größe mit Leerzeichen.csv"
    path.write_bytes(end.join(["Größe;x", "1,5;€", ""]).encode(encoding))
    assert read_sheet(path).rows == [["Größe", "x"], ["1,5", "€"]]


def test_utf_16_of_either_byte_order_is_read(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xfe\xff" + "ä,b\n1,2\n3,4\n".encode("utf-16-be"))
    assert read_sheet(tmp_path / "a.csv").rows[0] == ["ä", "b"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_is_read(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes("a\tß\n1\t2\n".encode(encoding))
    assert read_sheet(tmp_path / "a.csv").rows == [["a", "ß"], ["1", "2"]]


@pytest.mark.parametrize("end", [b"\x1a", b"\0\0\0", b"\n\x1a\0\0"])
def test_what_old_programs_put_after_the_end_is_no_text(tmp_path, end):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2" + end)
    assert read_sheet(tmp_path / "a.csv").rows == [["a", "b"], ["1", "2"]]


def test_a_number_that_is_kept_as_text_is_a_number(tmp_path):
    """="007" is how spreadsheet users keep the zeros of an id in a text file."""
    (tmp_path / "a.csv").write_text('="id",b\n="007","=""1.2"""\n')
    assert read_sheet(tmp_path / "a.csv").rows == [["id", "b"], ["007", "1.2"]]


@pytest.mark.parametrize("cell", ['="=1+1"', '="1"&A1', '="@x"'])
def test_a_formula_that_is_kept_as_text_stays_one(tmp_path, refusal, cell):
    (tmp_path / "a.csv").write_text(f"a,b\n1,{cell}\n")
    assert "1 cells are formulas" in refusal(tmp_path / "a.csv")


def test_a_line_end_in_quotation_marks_belongs_to_the_cell(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n"x\ny",1\nz,2\n')
    sheet = read_sheet(tmp_path / "a.csv")
    assert sheet.rows[1] == ["x\ny", "1"]
    assert sheet.row_numbers == [1, 2, 4]


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,\0\n", b"\x89PNG\r\n\x1a\n", b"a,b\n\x81\xff,1\n",
     b"\xff\xfea,b", b"a\x07,b\n"],
)  # fmt: skip
def test_a_file_that_is_no_text_is_refused(tmp_path, content, refusal):
    (tmp_path / "a.csv").write_bytes(content)
    assert "not a text file" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ['a,b\n1,"x\n2,y\n', 'a,b\n1,"x"y\n'])
def test_quotation_marks_that_do_not_pair_up_name_the_line(tmp_path, text, refusal):
    (tmp_path / "a.csv").write_text(text)
    assert "a.csv line 2: quotation marks" in refusal(tmp_path / "a.csv")


def test_numbers_that_may_be_one_column_or_two_are_refused(tmp_path, refusal):
    (tmp_path / "a.csv").write_text("2,54\n2,61\n")
    assert "two columns, or one with a decimal comma" in refusal(tmp_path / "a.csv")
