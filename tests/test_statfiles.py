import os

import numpy as np
import pandas as pd

from polarnet.readers import tables
from polarnet.readers.apart import read_apart
from polarnet.readers.tables import read_sheet


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
        assert sheet.row_numbers == [1, 2, 3, 4]


def test_a_label_of_two_values_is_read_for_both(tmp_path):
    table = pd.DataFrame({"id": ["a", "b", "c", "d"], "dm": [1, 2, 0, 7]})
    labels = {"dm": {1: "yes", 2: "yes", 0: "no"}}
    table.to_stata(tmp_path / "a.dta", write_index=False, value_labels=labels)
    assert read_sheet(tmp_path / "a.dta").rows[1:] == [
        ["a", "yes"], ["b", "yes"], ["c", "no"], ["d", "7"],
    ]  # fmt: skip


def test_compressed_spss_files_are_refused(tmp_path, refusal):
    (tmp_path / "a.sav").write_bytes(b"$FL3" + bytes(1000))
    assert "not .zsav" in refusal(tmp_path / "a.sav")


def test_a_reader_that_crashes_takes_nobody_with_it(tmp_path, monkeypatch, refusal):
    """As readstat 1.1.9 does on some damaged files: a signal, not an error."""
    (tmp_path / "a.sav").write_bytes(b"$FL2")
    monkeypatch.setattr(tables, "read_apart", lambda function, path, seconds: read_apart(os.abort))
    assert "a.sav ends the program that reads it" in refusal(tmp_path / "a.sav")
