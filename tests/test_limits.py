import json
import subprocess
import sys

import pytest

from polarnet.readers import sheets
from polarnet.readers.tables import read_sheet


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_too_many_rows_columns_or_cells_are_refused(
    tmp_path, monkeypatch, kind, refusal, save_workbook
):
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


def test_too_many_cells_or_elements_of_a_workbook_are_refused(
    tmp_path, monkeypatch, refusal, save_workbook, rewritten
):
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
