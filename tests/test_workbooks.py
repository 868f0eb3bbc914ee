import datetime as dt
import zipfile

import openpyxl

from polarnet.readers.tables.files import read_sheet


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
