"""Any table file as rows of text: separators, encodings, formulas, limits, SPSS and Stata."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest

from polarnet.readers import sheets, tables
from polarnet.readers.apart import read_apart
from polarnet.readers.tables import read_sheet

# === Text ===

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
    # The first 65,536 characters, from which it is guessed, end after the comma of a number.
    "semicolon, a number cut": (f"1,5;2;3\n1,5;2\n{'0' * 65_521},5;1\n", ";"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_separator_is_found(tmp_path, dialect):
    text, delimiter = DIALECTS[dialect]
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    assert read_sheet(tmp_path / "a.csv").delimiter == delimiter


@pytest.mark.parametrize(
    ("text", "rows", "numbers"),
    [('sep=;\n a ; "b;c"\n1,5;"say ""hi"""\n', [["a", "b;c"], ["1,5", 'say "hi"']], [2, 3]),
     ("\n a , b ,,\n\n,,\n,2,\n , \n", [["a", "b"], ["", "2"]], [2, 5]),
     ('a,b\n"x\ny",1\nz,2\n', [["a", "b"], ["x\ny", "1"], ["z", "2"]], [1, 2, 4]),
     # How spreadsheet users keep the zeros of an id in a text file.
     ('="id",b\n="007","=""1.2"""\n', [["id", "b"], ["007", "1.2"]], [1, 2])],
)  # fmt: skip
def test_cells_are_where_the_separators_put_them(tmp_path, text, rows, numbers):
    """Empty rows, and line ends within cells, leave the line numbers right."""
    (tmp_path / "a.txt").write_text(text)
    sheet = read_sheet(tmp_path / "a.txt")
    assert (sheet.rows, sheet.row_numbers) == (rows, numbers)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_make_no_difference(tmp_path, encoding, end):
    path = tmp_path / "Größe mit Leerzeichen.csv"
    path.write_bytes(end.join(["Größe;x", "1,5;€", ""]).encode(encoding))
    assert read_sheet(path).rows == [["Größe", "x"], ["1,5", "€"]]


NO_TEXT = [b"a,b\n1,\0\n", b"\x89PNG\r\n\x1a\n", b"a,b\n\x81\xff,1\n", b"\xff\xfea,b", b"a\x07,b\n"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [*[(content, "not a text file") for content in NO_TEXT],
     *[(content, "a.csv is empty.") for content in (b"", b"\n\n", b",,\n,\n")],
     *[(content, "a.csv line 2: quotation marks") for content in
       (b'a,b\n1,"x\n2,y\n', b'a,b\n1,"x"y\n')],
     (b"2,54\n2,61\n", "two columns, or one with a decimal comma")],
)  # fmt: skip
def test_what_is_no_table_is_refused(tmp_path, refusal, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    assert reason in refusal(tmp_path / "a.csv")


FORMULAS = ["=1+1", "+A1", "@SUM(A1)", "-A1", '"\tx"', '"\rx"', '" =x"', "-2+3+cmd|x", "-1+f(A1)",
            '"=""=1+1"""', '"=""1""&A1"', '"=""@x"""']  # fmt: skip
NO_FORMULAS = ["-", "+", "--", "-3", "+1.5", "-.5", "-1e3", "a=b", "1-2", "-5 %", "x@y", '"\t2"']


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
    named = ", ".join(f"row {k} column {2 - (k == 1)}" for k in range(1, 6))
    assert f"7 cells are formulas, or begin like one (= + - @): {named} and 2 more" in message


# === SPSS and Stata ===


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
    table.to_stata(
        tmp_path / "a.dta", write_index=False, value_labels=labels, convert_dates={"day": "td"}
    )
    table = table.assign(mfr=[2.54, 12, np.nan])
    pyreadstat.write_sav(table, tmp_path / "a.sav", variable_value_labels=labels)
    for name in ("a.dta", "a.sav"):
        sheet = read_sheet(tmp_path / name)
        assert sheet.rows == [
            ["id", "sex", "mfr", "day"],
            ["S1", "weiblich", "2.54", "2020-01-02"],
            ["S2", "2", "12"],
            ["S3", "", "", "2021-03-04"],
        ]
        assert sheet.row_numbers == [1, 2, 3, 4]
        assert repr(sheet) == "Sheet(4 rows, up to 4 columns)"  # its cells may be names


def test_a_label_of_two_values_is_read_for_both(tmp_path):
    table = pd.DataFrame({"id": ["a", "b", "c", "d"], "dm": [1, 2, 0, 7]})
    labels = {"dm": {1: "yes", 2: "yes", 0: "no"}}
    table.to_stata(tmp_path / "a.dta", write_index=False, value_labels=labels)
    rows = read_sheet(tmp_path / "a.dta").rows[1:]
    assert rows == [["a", "yes"], ["b", "yes"], ["c", "no"], ["d", "7"]]


def test_a_reader_that_crashes_takes_nobody_with_it(tmp_path, monkeypatch, refusal):
    """As readstat 1.1.9 does on some damaged files: a signal, not an error."""
    (tmp_path / "a.sav").write_bytes(b"$FL2")
    monkeypatch.setattr(tables, "read_apart", lambda function, path, seconds: read_apart(os.abort))
    assert "a.sav ends the program that reads it" in refusal(tmp_path / "a.sav")


# === Workbooks ===


def test_a_workbook_gives_numbers_and_dates_as_they_are_meant(tmp_path, save_workbook):
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
    assert (sheet.delimiter, sheet.note) == ("", "")


def test_the_first_visible_worksheet_is_read_and_the_others_are_told_of(tmp_path):
    path = tmp_path / "a.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active.append(["hidden"])
    workbook.active.merge_cells("A1:A3")
    workbook.active.sheet_state = "hidden"
    workbook.create_sheet("Maier").append(["seen"])
    workbook.create_sheet("other").append(["unseen"])
    workbook.active = 1
    workbook.save(path)
    sheet = read_sheet(path)
    assert (sheet.rows, sheet.merged) == ([["seen"]], ())
    assert sheet.note == "the first visible worksheet was read, 2 more were not"


@pytest.fixture
def changed(tmp_path, save_workbook, rewritten):
    """A workbook of a1 b1 / 1 2 whose worksheet is changed as XML."""

    def change(old, new):
        save_workbook(tmp_path / "a.xlsx", ["a", "b"], [1, 2])
        rewritten(tmp_path / "a.xlsx", "sheet1.xml", lambda data: data.replace(old, new, 1))
        return tmp_path / "a.xlsx"

    return change


def test_a_size_that_the_workbook_states_wrongly_hides_nothing(changed):
    assert read_sheet(changed(b'ref="A1:B2"', b'ref="A1"')).rows == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [(b"<v>1</v>", b"<v>Maier</v>", "a.xlsx is damaged"),
     (b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet', "XML entities")],
)  # fmt: skip
def test_xml_that_cannot_be_read_or_may_unfold_is_refused(changed, refusal, old, new, reason):
    message = refusal(changed(old, new))
    assert reason in message
    assert "Maier" not in message


@pytest.mark.parametrize(
    ("limit", "n", "what"),
    [("MAX_WORKBOOK_CELLS", 5, "cells"), ("MAX_MERGED", 2, "merged cells"),
     ("MAX_ELEMENTS", 0, "XML elements")],
)  # fmt: skip
def test_too_many_elements_are_refused_before_they_are_kept(
    changed, monkeypatch, refusal, limit, n, what
):
    """Before openpyxl, which takes seconds for a million; empty cells count too."""
    more = '<c/></row></sheetData><mergeCells><mergeCell ref="C1:D1"/><mergeCell ref="C2:D2"/>'
    end = f"{more}</mergeCells>".encode()
    path = changed(b"</row></sheetData>", end)
    if n:
        monkeypatch.setattr(sheets, limit, n)
        assert len(read_sheet(path).rows) == 2
    monkeypatch.setattr(sheets, limit, max(n - 1, 0))
    assert f"more than {max(n - 1, 0)} {what}" in refusal(path)


@pytest.fixture
def save_formulas(tmp_path, save_workbook, rewritten):
    """Saves a workbook whose second column has formulas: type, text, and what it has given."""

    def save(*formulas):
        path = tmp_path / "a.xlsx"
        save_workbook(path, ["id", "bmi"], *[[f"S{k}", 0] for k in range(len(formulas))])

        def change(data):
            for k, (kind, text, value) in enumerate(formulas, start=2):
                cell = f'<c r="B{k}"{kind}><f>{text}</f>{value}</c>'
                data = re.sub(rf'<c r="B{k}"[^>]*>.*?</c>'.encode(), cell.encode(), data)
            return data

        rewritten(path, "sheet1.xml", change)
        return path

    return save


def test_what_a_formula_has_given_is_its_value(save_formulas):
    """As Excel writes them: a number, a text, and an empty text."""
    path = save_formulas(
        ("", "B9/C9^2", "<v>24.5</v>"), (' t="str"', "IF(C3,1,2)", "<v>ja</v>"),
        (' t="str"', "IF(C4,1,&quot;&quot;)", "<v></v>"),
    )  # fmt: skip
    assert read_sheet(path).rows == [["id", "bmi"], ["S0", "24.5"], ["S1", "ja"], ["S2"]]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [("", "1+1", ""), ("", "1+1", "<v/>"), ("", "cmd()", "<v>1</v>"),
     ("", "cmd|x!A1", "<v>1</v>"), (' t="str"', "A1", "<v>=1+1</v>")],
)  # fmt: skip
def test_a_formula_without_value_or_with_a_call_is_refused(
    save_formulas, refusal, kind, text, value
):
    path = save_formulas(("", "2+2", "<v>4</v>"), (kind, text, value))
    assert "1 cells are formulas, or begin like one (= + - @): row 3 column 2." in refusal(path)


def test_formulas_that_no_program_has_computed_are_refused(tmp_path, refusal):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(["a", "=1+1"])
    sheet["B2"] = openpyxl.worksheet.formula.ArrayFormula("B2:B3", "=A1:A2")
    sheet["C3"] = "@x"
    sheet["D3"].value, sheet["D3"].data_type = "=typed as text", "s"
    workbook.save(tmp_path / "a.xlsx")
    message = refusal(tmp_path / "a.xlsx")
    assert "4 cells" in message
    assert "row 1 column 2, row 2 column 2, row 3 column 3, row 3 column 4." in message


def test_too_many_formulas_are_refused(save_formulas, monkeypatch, refusal):
    path = save_formulas(*[("", "1+1", "<v>2</v>")] * 3)
    monkeypatch.setattr(sheets, "MAX_FORMULAS", 3)
    assert len(read_sheet(path).rows) == 4
    monkeypatch.setattr(sheets, "MAX_FORMULAS", 2)
    assert "more than 2 formulas" in refusal(path)
    monkeypatch.undo()
    monkeypatch.setattr(sheets, "MAX_CELL_CHARACTERS", 2)
    assert "more than 2 characters in a formula" in refusal(path)


def _locked(path):
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))


def _encrypted(path):
    """Bit 0 of the flags, 8 bytes into each entry of the zip directory (APPNOTE 4.4.4)."""
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


def _nested(path):
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/embeddings/other.xlsx", b"PK")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(_locked, "without a password"), (_encrypted, "is encrypted"), (_nested, "another file")],
)
def test_locked_encrypted_and_nested_workbooks_are_refused(
    tmp_path, refusal, save_workbook, spoil, reason
):
    save_workbook(tmp_path / "a.xlsx", ["a", 1])
    spoil(tmp_path / "a.xlsx")
    assert reason in refusal(tmp_path / "a.xlsx")


def test_one_long_text_in_every_cell_is_refused_before_it_is_copied(tmp_path, refusal):
    """A workbook keeps a text once, however many cells show it: 4 kB may become gigabytes."""
    workbook = openpyxl.Workbook()
    for _ in range(150):
        workbook.active.append(20 * [" " + 32_000 * "a"])
    workbook.save(tmp_path / "a.xlsx")
    assert "more than 67,108,864 characters" in refusal(tmp_path / "a.xlsx")


# === Whatever the file ===


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [*[(f"a.{kind}", b"", "is empty.") for kind in ("xlsx", "sav", "dta")],
     *[(f"a.{kind}", b"Maier,1950-01-01\n" * 100, "save it") for kind in ("xlsx", "sav", "dta")],
     *[(name, b"x", ".csv, .tsv, .txt, .dat, .asc, .xlsx, .sav, .dta")
       for name in ("a.pdf", "a.xls", "a")],
     ("a.sav", b"$FL3" + bytes(1000), "not .zsav")],
)  # fmt: skip
def test_empty_damaged_and_other_files_are_refused_in_one_line(
    tmp_path, refusal, name, content, reason
):
    (tmp_path / name).write_bytes(content)
    message = refusal(tmp_path / name)
    assert reason in message
    assert "Maier" not in message


def test_a_file_that_is_not_there_is_told(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(FileNotFoundError, match="No table"):
            read_sheet(path)


@pytest.mark.parametrize(
    ("package", "kind", "extra"), [("openpyxl", "xlsx", "excel"), ("pyreadstat", "sav", "spss")]
)
def test_a_package_that_is_not_installed_is_named(
    tmp_path, monkeypatch, package, kind, extra, refusal
):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / f"a.{kind}").write_text("x")
    assert f"pip install polarnet[{extra}]" in refusal(tmp_path / f"a.{kind}")


# === Limits ===


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize(
    ("name", "what", "n"),
    [("MAX_ROWS", "rows", 3), ("MAX_COLUMNS", "columns", 4), ("MAX_CELLS", "cells", 12)],
)
def test_too_many_rows_columns_or_cells_are_refused(
    tmp_path, monkeypatch, kind, refusal, save_workbook, name, what, n
):
    """Three rows and four columns, with every limit first at and then below what there is."""
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        path.write_text("1,2,3,4\n" * 3)
    else:
        save_workbook(path, *[[1, 2, 3, 4]] * 3)
    monkeypatch.setattr(sheets, name, n)
    assert len(read_sheet(path).rows) == 3
    monkeypatch.setattr(sheets, name, n - 1)
    assert f"more than {n - 1} {what}" in refusal(path)


@pytest.fixture
def hostile_texts(tmp_path):
    """Files whose reading as usual takes gigabytes or minutes."""
    with (tmp_path / "2 GB of nothing.csv").open("wb") as file:
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
        (tmp_path / f"{name}.csv").write_bytes(text.encode())


@pytest.fixture
def hostile_workbooks(tmp_path, save_workbook, rewritten):
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
        path = tmp_path / f"{name}.xlsx"
        save_workbook(path, ["a"])
        rewritten(path, "sheet1.xml", lambda data, body=body: data.replace(
            data[data.index(b"<row") : data.index(b"</sheetData>")], body))  # fmt: skip
        assert path.stat().st_size < 2**20


MEASURED = """
import json, pathlib, sys, time
from polarnet.readers.tables import read_sheet
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
@pytest.mark.parametrize("files", ["hostile_texts", "hostile_workbooks"])
def test_hostile_files_are_refused_in_10_seconds_and_1_gb(tmp_path, request, files):
    """In a process of its own, whose processor time and peak memory are looked at."""
    request.getfixturevalue(files)
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
