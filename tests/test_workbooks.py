import datetime as dt
import re
import zipfile

import openpyxl
import pytest

from polarnet.readers import sheets
from polarnet.readers.tables import read_sheet


def test_a_workbook_gives_numbers_as_they_are_meant_and_marks_dates(tmp_path, save_workbook):
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
    workbook.active.sheet_state = "hidden"
    workbook.create_sheet("Maier").append(["seen"])
    workbook.create_sheet("other").append(["unseen"])
    workbook.active = 1
    workbook.save(path)
    sheet = read_sheet(path)
    assert sheet.rows == [["seen"]]
    assert sheet.note == "the first visible worksheet was read, 2 more were not"


def test_a_size_that_the_workbook_states_wrongly_hides_nothing(tmp_path, save_workbook, rewritten):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", "b"], [1, 2])
    rewritten(path, "sheet1.xml", lambda data: data.replace(b'ref="A1:B2"', b'ref="A1"'))
    assert read_sheet(path).rows == [["a", "b"], ["1", "2"]]


def test_a_part_of_a_workbook_that_cannot_be_read_repeats_no_cell(
    tmp_path, refusal, save_workbook, rewritten
):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    rewritten(path, "sheet1.xml", lambda data: data.replace(b"<v>1</v>", b"<v>Maier</v>"))
    assert refusal(path).startswith("a.xlsx is damaged")
    assert "Maier" not in refusal(path)


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


def test_too_many_formulas_are_refused(save_formulas, monkeypatch, refusal):
    path = save_formulas(*[("", "1+1", "<v>2</v>")] * 3)
    monkeypatch.setattr(sheets, "MAX_FORMULAS", 3)
    assert len(read_sheet(path).rows) == 4
    monkeypatch.setattr(sheets, "MAX_FORMULAS", 2)
    assert "more than 2 formulas" in refusal(path)


def test_a_workbook_with_a_password_is_told_so(tmp_path, refusal):
    (tmp_path / "a.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))
    assert "without a password" in refusal(tmp_path / "a.xlsx")


def test_an_encrypted_entry_is_refused(tmp_path, refusal, save_workbook):
    """Bit 0 of the flags, 8 bytes into each entry of the zip directory (APPNOTE 4.4.4)."""
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "is encrypted" in refusal(path)


def test_an_archive_within_a_workbook_is_refused(tmp_path, refusal, save_workbook):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/embeddings/other.xlsx", b"PK")
    assert "holds another file" in refusal(path)


def test_xml_entities_are_refused(tmp_path, refusal, save_workbook, rewritten):
    path = tmp_path / "a.xlsx"
    save_workbook(path, ["a", 1])
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet'
    rewritten(path, "sheet1.xml", lambda data: data.replace(b"<worksheet", entity, 1))
    assert "XML entities" in refusal(path)


def test_one_long_text_in_every_cell_is_refused_before_it_is_copied(tmp_path, refusal):
    """A workbook keeps a text once, however many cells show it: 4 kB may become gigabytes."""
    workbook = openpyxl.Workbook()
    for _ in range(150):
        workbook.active.append(20 * [" " + 32_000 * "a"])
    workbook.save(tmp_path / "a.xlsx")
    assert "more than 67,108,864 characters" in refusal(tmp_path / "a.xlsx")
