"""Tables as polarnet writes them and as people leave them behind; YAML in which nothing silently
becomes another value; files and folders that appear whole or not at all."""

import numpy as np
import pandas as pd
import pytest

from polarnet.files import (
    harmless,
    new_file,
    new_folder,
    parse_yaml,
    read_csv,
    read_json,
    shown,
    without_apostrophes,
    write_csv,
    write_json,
    yaml_text,
)
from polarnet.readers.columnmap import load_column_map


def _read(tmp_path, content, encoding="utf-8", **keywords):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(encoding))
    return read_csv(path, **keywords)


# === Whole or not at all ========================================================================


def test_what_is_there_is_never_overwritten_and_half_a_file_is_none(tmp_path):
    (tmp_path / "precious.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="not empty"), new_folder(tmp_path):
        pass

    def stop(make):
        with make(tmp_path / "new") as partial:
            (partial / "x" if partial.is_dir() else partial).write_text("half")
            raise KeyboardInterrupt

    for make in (new_file, new_folder):
        with pytest.raises(KeyboardInterrupt):
            stop(make)
    (tmp_path / "cohort").mkdir()
    with (
        pytest.raises(IsADirectoryError, match="cohort is a folder"),
        new_file(tmp_path / "cohort"),
    ):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "precious.txt"]


# === CSV ========================================================================================


@pytest.mark.parametrize(
    "content",
    [
        "study_id,patient_id,age,bmi\nS1,P1,58.2,20\nS2,P2,,31.5\n",
        "study_id;patient_id;age;bmi\r\nS1;P1;58,2;20\r\nS2;P2;;31,5\r\n",  # Excel in German
        "study_id\tpatient_id\tage\tbmi\nS1\tP1\t58,2\t20\nS2\tP2\tNA\t31,5",
        '"study_id";"patient_id";"age";"bmi"\n"S1";"P1";58,2;20\n"S2";"P2";NA;31,5\n',  # R
        'study_id, patient_id, age, bmi\nS1,P1,"58,2",20\n\n ,,,\nS2,P2,,"31,5"\n,,,\n',
        "study_id,patient_id,age,bmi,,\nS1,P1,58.2,20,,\nS2,P2,,31.5,,\n,,,,,\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_one_table_in_many_spellings_is_one_table(tmp_path, content, encoding):
    table = _read(tmp_path, content, encoding)
    assert list(table) == ["study_id", "patient_id", "age", "bmi"]
    assert list(table["study_id"]) == ["S1", "S2"]
    np.testing.assert_array_equal(table[["age", "bmi"]], [[58.2, 20], [np.nan, 31.5]])


def test_ids_are_text_whatever_they_look_like(tmp_path):
    ids = ["NA", "nan", "null", "None", "N/A", "007", "1e5", "1.0", "inf", "True"]
    text = "study_id,n\n" + "".join(f"{study},{k}\n" for k, study in enumerate(ids))
    table = _read(tmp_path, text)
    assert (list(table["study_id"]), list(table["n"])) == (ids, list(range(10)))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("study_id,sex,sex\nS1,0,1\n", "columns twice: sex"),
        ("study_id,sex,\nS1,0,1\n", "without a heading"),
        ('study_id,sex\nS1,"0"1\n', "line 2"),
        ('study_id,sex\nS1,"0\nS2,1\n', "cannot be read as a table"),
        ("study_id,sex\nS1,\0\n", "zero bytes"),
        # A blank cell too many is no excuse.
        *((f"study_id,sex,age\nS1,0,50\n{row}\n", rf"heading has 3 cells.*line 3 \({n}\)")
          for row, n in (("S2", 1), ("S2,1", 2), ("S2,1,5,", 4), ("S2,1,5,2", 4), ("S2,1,5,,,", 6))
          ),
        ("study_id,age\n" + "S0,5\n" * 9 + "S9,6o\n", r"column 'age'.*line 11 \(6o\)"),
        ("study_id,age\n" + "S0,5\n" * 9 + "S9,05. Feb\n", r"line 11 \(05\. Fe\.\.\.\)"),
        ('study_id,dose\nS1,"1,234"\nS2,900\n', r"column 'dose': is 1,234"),
        ("study_id;dose\nS1;2\nS2;1,5\nS3;1.5\n", "decimal commas and decimal points"),
    ],
)  # fmt: skip
def test_table_that_cannot_be_certain_is_refused_in_one_line(tmp_path, content, told):
    with pytest.raises(ValueError, match=rf"table\.csv.*{told}") as caught:
        _read(tmp_path, content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_table_in_another_encoding_is_refused_with_what_to_do(tmp_path, encoding):
    with pytest.raises(ValueError, match="CSV UTF-8"):
        _read(tmp_path, "study_id,site\nS1,Köln\n", encoding)


@pytest.mark.parametrize(
    ("content", "name", "values"),
    [
        ("study_id,site\nS1,1\nS2,A1\nS3,B\n", "site", ["1", "A1", "B"]),
        ("study_id,serial\nS1,12345678901234567890\nS2,1\n", "serial",
         ["12345678901234567890", "1"]),
        # Between semicolons a comma can only be a decimal sign.
        ("study_id;flow\nS1;1,234\nS2;2,5\n", "flow", [1.234, 2.5]),
        ("study_id,ct\nS1,True\nS2,False\n", "ct", [True, False]),
        ("study_id,pet\nS1,TRUE\nS2,\n", "pet", [True, np.nan]),
    ],
)  # fmt: skip
def test_a_column_is_what_its_cells_say(tmp_path, content, name, values):
    column = _read(tmp_path, content)[name]
    pd.testing.assert_series_equal(column, pd.Series(values, name=name), check_dtype=False)


def test_columns_of_a_table_without_rows_are_numbers(tmp_path):
    assert _read(tmp_path, "study_id,age\n")["age"].dtype == float


def test_what_was_written_is_read_back(tmp_path):
    """A lone carriage return would end a row: it becomes a line feed."""
    words = ["=cmd()", "'=x", "a,b;c\td", 'a "word"', "two\nlines", " padded ", "-", "'", "é"]
    table = pd.DataFrame({"study_id": [f"S{k}" for k in range(9)], "@note": words, "n": range(9)})
    table = table.assign(share=np.linspace(0, 1, 9) / 3, gap=[np.nan, *range(8)])
    write_csv(table, tmp_path / "table.csv")
    again = read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(again, table, check_dtype=False, check_exact=True)
    write_csv(pd.DataFrame({"note": ["a\rb", "c\r\nd"], "n": [1, 2]}), tmp_path / "table.csv")
    assert list(read_csv(tmp_path / "table.csv")["note"]) == ["a\nb", "c\nd"]


# === JSON =======================================================================================


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\ufffd"])
def test_json_that_is_no_object_of_facts_is_refused_in_one_line(tmp_path, text):
    write_json(tmp_path / "a.json", {"a": "é"})
    assert read_json(tmp_path / "a.json") == {"a": "é"}
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.json (is not JSON|holds no names)") as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


# === YAML =======================================================================================


TEXTS = ["1_000", "0o17", "017", "08", "0x1F", "0b11", "1:30", "12:30:45", "2020-01-31", "<<", "=",
         "2020-13-45", "2001-12-14t21:59:43Z", "1e", "e3", "1.2.3", "١٢", "y", "N"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [("3e-3", 0.003), ("3E5", 300000.0), (".5", 0.5), ("-0.25", -0.25), ("7", 7), ("+7", 7),
     ("1.", 1.0), ("0", 0), ("-1e+2", -100.0), ("yes", True), ("False", False), ("~", None),
     *zip(TEXTS, TEXTS, strict=True)],
)  # fmt: skip
def test_numbers_are_those_that_people_write_and_other_numbers_and_days_stay_text(text, value):
    (found,), again = parse_yaml(f"[{text}]", "a.yaml"), parse_yaml(f"a: {text}", "a.yaml")
    assert (found, type(found)) == (value, type(value))
    assert again == {"a": value}


@pytest.mark.parametrize("text", ["1e3", "08", "1:30", "yes", "~", "2020-01-31", "", ".5", "1_0"])
def test_text_that_looks_like_something_else_comes_back_as_it_was_written(text):
    """Also twice the same list, for which PyYAML would write an alias that is not read."""
    same = [text]
    settings = {"a": text, "b": same, "c": same}
    assert parse_yaml(yaml_text(settings), "a.yaml") == settings


def test_cells_of_a_column_map_stay_letter_by_letter(tmp_path):
    path = tmp_path / "map.yaml"
    lines = "study_id: 007\npatient_id: 1.50\nclinical: {x: 08}\nmissing: {08: [09, 1e3, 1:30]}\n"
    path.write_text(lines)
    columns = load_column_map(path)
    assert (columns.study_id, columns.patient_id) == ("007", "1.50")
    assert columns.missing == {"08": ("09", "1e3", "1:30")}


def test_shown_values_are_cut():
    assert shown("a'b") == '"a\'b"'
    assert len(shown(["x" * 50] * 10)) < 70
    assert shown([10**5000]) == "a list"
    assert shown(-(10**5000)) == "a number of more than 60 digits"


@pytest.mark.parametrize("text", ["=cmd()", "+1+cmd()", "-cmd()", "@SUM(A1)", "\t=1", "\n=1"])
def test_a_formula_gets_an_apostrophe_which_reading_takes_away(text):
    """The signs that OWASP names under CSV injection."""
    table = pd.DataFrame({"a": [text, "plain"], text: ["x", None], "n": [-1.5, 2.0]})
    made = harmless(table)
    assert made["a"].tolist() == [f"'{text}", "plain"]
    assert made.columns.tolist() == ["a", f"'{text}", "n"]
    assert made["n"].tolist() == [-1.5, 2.0]
    pd.testing.assert_frame_equal(without_apostrophes(made), table)


@pytest.mark.parametrize("text", ["-0.02 [-0.10, 0.06]", "+0.1", "-3", "'quoted'", "<0.001"])
def test_numbers_and_quotes_stay_as_they_are(text):
    table = pd.DataFrame({"a": [text]})
    assert harmless(table)["a"].tolist() == without_apostrophes(table)["a"].tolist() == [text]
