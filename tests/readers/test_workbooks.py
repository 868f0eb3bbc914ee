"""Cells of workbooks, and what may harm in them."""

import datetime as dt
import re
import zipfile

import openpyxl
import pytest

from polarnet.readers import sheets
from polarnet.readers.tables import read_sheet


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
