import datetime as dt
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest

from polarnet.readers import sheets
from polarnet.readers.apart import read_apart
from polarnet.readers.sheets import (
    as_table,
    is_missing,
    parse_number,
    read_sheet,
    uses_decimal_comma,
)

# === What arrives ===

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


def test_empty_cells_rows_and_lines_leave_the_line_numbers_right(tmp_path):
    (tmp_path / "a.csv").write_text("\n a , b ,,\n\n,,\n,2,\n , \n")
    sheet = read_sheet(tmp_path / "a.csv")
    assert sheet.rows == [["a", "b"], ["", "2"]]
    assert sheet.row_numbers == [2, 5]


def test_a_line_end_in_quotation_marks_belongs_to_the_cell(tmp_path):
    (tmp_path / "a.csv").write_text('a,b\n"x\ny",1\nz,2\n')
    sheet = read_sheet(tmp_path / "a.csv")
    assert sheet.rows[1] == ["x\ny", "1"]
    assert sheet.row_numbers == [1, 2, 4]


def save_workbook(path, *rows, **others):
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    for name, state in others.items():
        workbook.create_sheet(name).sheet_state = state
    workbook.save(path)


def test_a_workbook_gives_numbers_as_they_are_meant_and_marks_dates(tmp_path):
    path = tmp_path / "a.xlsx"
    day = dt.datetime(2026, 12, 3)
    save_workbook(
        path,
        ["id", "mfr", "day", None],
        [12.0, 2.5, day],
        [],
        ["007", True, day.replace(hour=9), dt.time(10, 5), 1e-7, -3, 1234567890123],
    )
    sheet = read_sheet(path)
    assert sheet.rows == [
        ["id", "mfr", "day"],
        ["12", "2.5", "2026-12-03"],
        ["007", "TRUE", "2026-12-03 09:00:00", "10:05:00", "1e-07", "-3", "1234567890123"],
    ]
    assert sheet.row_numbers == [1, 2, 4]
    assert sheet.dates == {(1, 2), (2, 2), (2, 3)}
    assert (sheet.delimiter, sheet.note) == ("", "")


def test_the_first_visible_worksheet_is_read_and_the_others_are_told_of(tmp_path):
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active.append(["hidden"])
    workbook.active.sheet_state = "hidden"
    workbook.create_sheet("Maier").append(["seen"])
    workbook.create_sheet("other").append(["unseen"])
    workbook.active = 1
    workbook.save(path)
    sheet = read_sheet(path)
    assert sheet.rows == [["seen"]]
    assert sheet.note == "a.xlsx: the first visible worksheet was read, 2 more were not"


def rewritten(path, part, change):
    """The workbook with one part of its zip file changed."""
    content = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename.endswith(part) else data)


def test_a_size_that_the_workbook_states_wrongly_hides_nothing(tmp_path):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", "b"], [1, 2])
    rewritten(path, "sheet1.xml", lambda data: data.replace(b'ref="A1:B2"', b'ref="A1"'))
    assert read_sheet(path).rows == [["a", "b"], ["1", "2"]]


def test_spss_and_stata_give_labels_where_there_are_any(tmp_path):
    import pyreadstat

    table = pd.DataFrame(
        {
            "id": ["S1", "S2", "S3"],
            "sex": [1.0, 2.0, np.nan],
            "mfr": np.array([2.54, 12, np.nan], dtype=np.float32),
            "day": pd.to_datetime(["2020-01-02", None, "2021-03-04"]),
        }
    )
    labels = {"sex": {1: "weiblich"}}
    expected = [
        ["id", "sex", "mfr", "day"],
        ["S1", "weiblich", "2.54", "2020-01-02"],
        ["S2", "2", "12"],
        ["S3", "", "", "2021-03-04"],
    ]
    table.to_stata(
        tmp_path / "a.dta", write_index=False, value_labels=labels, convert_dates={"day": "td"}
    )
    table = table.assign(mfr=[2.54, 12, np.nan])
    pyreadstat.write_sav(table, tmp_path / "a.sav", variable_value_labels=labels)
    for name in ("a.dta", "a.sav"):
        sheet = read_sheet(tmp_path / name)
        assert sheet.rows == expected
        assert sheet.dates == {(1, 3), (3, 3)}
        assert sheet.row_numbers == [1, 2, 3, 4]


def test_a_sheet_never_prints_its_cells(tmp_path):
    (tmp_path / "a.csv").write_text("name,b\nMaier,1\n")
    assert repr(read_sheet(tmp_path / "a.csv")) == "Sheet(2 rows, up to 2 columns)"


# === What is refused ===


def refusal(path):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
        read_sheet(path)
    message = str(caught.value)
    assert message.startswith(path.name)
    assert "\n" not in message
    return message


FORMULAS = ["=1+1", "+A1", "@SUM(A1)", "-A1", '"\tx"', '"\rx"', '" =x"', "-2+3+cmd|x", "-1+f(A1)"]
NO_FORMULAS = ["-", "-3", "+1.5", "-.5", "-1.5e3", "a=b", "1-2", "-5 %", "x@y", '"\t2"']


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_a_spreadsheet_would_compute_is_refused_by_position(tmp_path, cell):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n3," + cell.encode() + b"\n")
    message = refusal(tmp_path / "a.csv")
    assert "1 cells are formulas" in message
    assert "row 3 column 2." in message
    assert cell.strip('" \t\r') not in message


@pytest.mark.parametrize("cell", NO_FORMULAS)
def test_signs_of_numbers_are_no_formulas(tmp_path, cell):
    (tmp_path / "a.csv").write_bytes(b"a,b\n1," + cell.encode() + b"\n")
    assert read_sheet(tmp_path / "a.csv").rows[1][1] == cell.strip('"\t')


def test_all_formulas_are_counted_and_five_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("=a,b\n" + "1,=x\n" * 6)
    message = refusal(tmp_path / "a.csv")
    assert "7 cells" in message
    assert (
        "row 1 column 1, row 2 column 2, row 3 column 2, row 4 column 2, row 5 column 2 and 2 more"
        in message
    )


def test_formulas_of_workbooks_are_refused_too(tmp_path):
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


@pytest.mark.parametrize(
    "content",
    [b"a,b\n1,\0\n", b"\x89PNG\r\n\x1a\n", b"a,b\n\x81\xff,1\n", "a,b".encode("utf-16-le"),
     b"\xff\xfea,b", b"a\x07,b\n"],
)  # fmt: skip
def test_a_file_that_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    assert "not a text file" in refusal(tmp_path / "a.csv")


@pytest.mark.parametrize("content", ["", "\n\n", ",,\n,\n"])
def test_a_file_without_content_is_empty(tmp_path, content):
    (tmp_path / "a.csv").write_text(content)
    assert refusal(tmp_path / "a.csv") == "a.csv is empty."


@pytest.mark.parametrize("kind", ["xlsx", "sav", "dta"])
def test_a_file_without_a_byte_is_empty(tmp_path, kind):
    (tmp_path / f"a.{kind}").touch()
    assert refusal(tmp_path / f"a.{kind}") == f"a.{kind} is empty."


@pytest.mark.parametrize("text", ['a,b\n1,"x\n2,y\n', 'a,b\n1,"x"y\n'])
def test_quotation_marks_that_do_not_pair_up_name_the_line(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    assert "a.csv line 2: quotation marks" in refusal(tmp_path / "a.csv")


def test_numbers_that_may_be_one_column_or_two_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("2,54\n2,61\n")
    assert "two columns, or one with a decimal comma" in refusal(tmp_path / "a.csv")


def test_another_kind_of_file_is_told_what_is_read(tmp_path):
    for name in ("a.pdf", "a.xls", "a"):
        (tmp_path / name).write_text("x")
        assert ".csv, .tsv, .txt, .xlsx, .sav, .dta" in refusal(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="No table"):
        read_sheet(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match="No table"):
        read_sheet(tmp_path)


@pytest.mark.parametrize(
    ("package", "kind", "extra"), [("openpyxl", "xlsx", "excel"), ("pyreadstat", "sav", "spss")]
)
def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch, package, kind, extra):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"a.{kind}").write_text("x")
    assert f"pip install polarnet[{extra}]" in refusal(tmp_path / f"a.{kind}")


@pytest.mark.parametrize("kind", ["xlsx", "sav", "dta"])
def test_a_damaged_file_is_one_clear_line(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    path.write_text("Maier,1950-01-01\n" * 100)
    message = refusal(path)
    assert "save it" in message
    assert "Maier" not in message


def test_a_part_of_a_workbook_that_cannot_be_read_repeats_no_cell(tmp_path):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    rewritten(path, "sheet1.xml", lambda data: data.replace(b"<v>1</v>", b"<v>Maier</v>"))
    assert refusal(path).startswith("a.xlsx is damaged")
    assert "Maier" not in refusal(path)


def test_a_workbook_with_a_password_is_told_so(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))
    assert "without a password" in refusal(tmp_path / "a.xlsx")


def test_an_encrypted_entry_is_refused(tmp_path):
    """Bit 0 of the flags, 8 bytes into each entry of the zip directory (APPNOTE 4.4.4)."""
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)


def test_an_archive_within_a_workbook_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/embeddings/other.xlsx", b"PK")
    assert "holds another file" in refusal(path)


def test_xml_entities_are_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet'
    rewritten(path, "sheet1.xml", lambda data: data.replace(b"<worksheet", entity, 1))
    assert "XML entities" in refusal(path)


def test_compressed_spss_files_are_refused(tmp_path):
    (tmp_path / "a.sav").write_bytes(b"$FL3" + bytes(1000))
    assert "not .zsav" in refusal(tmp_path / "a.sav")


def test_a_reader_that_crashes_takes_nobody_with_it(tmp_path, monkeypatch):
    """As readstat 1.1.9 does on some damaged files: a signal, not an error."""
    (tmp_path / "a.sav").write_bytes(b"$FL2")
    monkeypatch.setattr(
        sheets, "read_apart", lambda module, function, path: read_apart("os", "abort", path)
    )
    assert "a.sav is damaged" in refusal(tmp_path / "a.sav")


# === Limits ===


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_too_many_rows_columns_or_cells_are_refused(tmp_path, monkeypatch, kind):
    """Three rows and four columns, with every limit first at and then below what there is."""
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        path.write_text("1,2,3,4\n" * 3)
    else:
        save_workbook(path, *[[1, 2, 3, 4]] * 3)
    for name, what, n in (("MAX_ROWS", "rows", 3), ("MAX_COLUMNS", "columns", 4),
                          ("MAX_CELLS", "cells", 12)):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(sheets, name, n)
            assert len(read_sheet(path).rows) == 3
            patch.setattr(sheets, name, n - 1)
            assert f"more than {n - 1} {what}" in refusal(path)


def test_too_many_cells_or_elements_of_a_workbook_are_refused(tmp_path, monkeypatch):
    """Before openpyxl, which takes seconds for a million; empty cells count too."""
    path = tmp_path / "a.xlsx"
    save_workbook(path, *[[1, 2, 3, 4]] * 3)
    rewritten(path, "sheet1.xml", lambda data: data.replace(b"</row>", b"<c/></row>"))
    for name, n, what in (("MAX_WORKBOOK_CELLS", 15, "cells"), ("MAX_ELEMENTS", 20, "XML")):
        with monkeypatch.context() as patch:
            patch.setattr(sheets, name, n - 1)
            assert f"more than {n - 1} {what}" in refusal(path)
    monkeypatch.setattr(sheets, "MAX_WORKBOOK_CELLS", 15)
    assert len(read_sheet(path).rows) == 3


def hostile_texts(folder):
    """Files whose reading as usual takes gigabytes or minutes."""
    with (folder / "2 GB of nothing.csv").open("wb") as file:
        file.truncate(2 * 2**30)
    texts = {
        "a million columns": ",".join(["1"] * 1_000_000),
        "60 MB in one line": ",".join(["12"] * 20_000_000),
        "60 MB in one line, spaces": "1 2\n" + " ".join(["12"] * 20_000_000),
        "60 MB in one row of many lines": (",".join(["12"] * 19_000) + ',"\n",') * 1000,
        "60 MB of short cells": (",".join(["12"] * 1000) + "\n") * 20_000,
        "60 MB of line ends": "\n" * 60_000_000,
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_bytes(text.encode())


def hostile_workbooks(folder):
    """Workbooks of less than 1 MB that are very large inside."""
    text = b'<row><c t="inlineStr"><is><t>' + b"a" * 200 * 2**20 + b"</t></is></c></row>"
    bodies = {
        "a million columns": b'<row r="1">' + b"<c><v>1</v></c>" * 1_000_000 + b"</row>",
        "a row of empty cells": b"<row>" + b"<c/>" * 3_900_000 + b"</row>",
        "rows without end": b"<row><c><v>1</v></c></row>" * 2_000_000,
        "a row far down": b'<row r="999999999"><c><v>1</v></c></row>',
        "a cell far to the right in every row": b'<row><c r="XFD1"/></row>' * 100_000,
        "200 MB of text in a cell": text,
        "a zip bomb": b" " * 257 * 2**20,
    }
    for name, body in bodies.items():
        path = folder / f"{name}.xlsx"
        save_workbook(path, ["a"])
        rewritten(path, "sheet1.xml", lambda data, body=body: data.replace(
            data[data.index(b"<row") : data.index(b"</sheetData>")], body))  # fmt: skip
        assert path.stat().st_size < 2**20


MEASURED = """
import json, pathlib, sys, time
from polarnet.readers.sheets import read_sheet
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    start, message = time.process_time(), "was read"
    try:
        read_sheet(path)
    except ValueError as error:
        message = str(error)
    print(json.dumps([path.name, message, time.process_time() - start]))
status = pathlib.Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("make", [hostile_texts, hostile_workbooks])
def test_hostile_files_are_refused_in_10_seconds_and_1_gb(tmp_path, make):
    """In a process of its own, whose processor time and peak memory are looked at."""
    make(tmp_path)
    answer = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True
    )
    *told, megabytes = map(json.loads, answer.stdout.splitlines())
    assert len(told) == 7
    refusals = ("more than", "more text than", "too many empty cells")
    for name, message, seconds in told:
        assert message.startswith(name)
        assert any(text in message for text in refusals)
        assert "\n" not in message
        assert seconds < 10, name
    assert megabytes < 1000


# === Numbers ===


@pytest.mark.parametrize(
    "cell", ["", "-", "n/a", "N/A", "NA", "NaN", "nan", "k.A.", ".", "#N/A", "k. A.", "–"]  # noqa: RUF001
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


def test_the_table_tells_its_decimal_separator():
    assert uses_decimal_comma(["2,54", "3", "n/a", "a.b"])
    assert not uses_decimal_comma(["2.54", "3", "a,b"])
    assert not uses_decimal_comma([])


def test_two_decimal_separators_are_refused():
    with pytest.raises(ValueError, match=r"2 numbers have a comma .* and 1 have a point"):
        uses_decimal_comma(["2,54", "1,1", "2.54", "x"])


# === As a table ===


def table_of(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    return as_table(read_sheet(tmp_path / "a.csv"), "a.csv")


def test_a_table_has_text_and_the_lines_of_the_file(tmp_path):
    table = table_of(tmp_path, "a,b,c\n\n001,NA\n1,,3\n")
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
