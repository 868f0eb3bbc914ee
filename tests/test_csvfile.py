"""Tables as polarnet writes them, and as people leave them behind."""

import numpy as np
import pandas as pd
import pytest

from polarnet.files import read_csv, write_csv


def _read(tmp_path, content, encoding="utf-8", **keywords):
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode(encoding))
    return read_csv(path, **keywords)


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
    np.testing.assert_array_equal(table["age"], [58.2, np.nan])
    np.testing.assert_array_equal(table["bmi"], [20, 31.5])


def test_ids_are_text_whatever_they_look_like(tmp_path):
    ids = ["NA", "nan", "null", "None", "N/A", "007", "1e5", "1.0", "inf", "True"]
    text = "study_id,n\n" + "".join(f"{study},{k}\n" for k, study in enumerate(ids))
    assert list(_read(tmp_path, text)["study_id"]) == ids
    assert list(_read(tmp_path, text)["n"]) == list(range(10))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("S2,1", r"line 3 \(2\)"),
        ("S2", r"line 3 \(1\)"),
        ("S2,1,5,", r"line 3 \(4\)"),  # a blank cell too many is no excuse
        ("S2,1,5,,,", r"line 3 \(6\)"),
        ("S2,1,58,2", r"line 3 \(4\)"),
    ],
)
def test_row_that_is_not_as_long_as_the_heading_is_refused_with_its_line(tmp_path, row, told):
    with pytest.raises(ValueError, match=rf"table.csv.*heading has 3 cells.*{told}"):
        _read(tmp_path, f"study_id,sex,age\nS1,0,50\n{row}\nS3,1,60\n")


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
    ],
)
def test_table_that_cannot_be_certain_is_refused_in_one_line(tmp_path, content, told):
    with pytest.raises(ValueError, match=told) as caught:
        _read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_table_in_another_encoding_is_refused_with_what_to_do(tmp_path):
    for encoding in ("latin-1", "utf-16"):
        with pytest.raises(ValueError, match="CSV UTF-8"):
            _read(tmp_path, "study_id,site\nS1,Köln\n", encoding)


def test_column_of_numbers_but_for_a_cell_names_its_line(tmp_path):
    rows = "".join(f"S{k},{50 + k}\n" for k in range(9))
    with pytest.raises(ValueError, match=r"column 'age'.*line 11 \(6o\)"):
        _read(tmp_path, f"study_id,age\n{rows}S9,6o\n")
    with pytest.raises(ValueError, match=r"line 11 \(05\. Fe\.\.\.\)"):
        _read(tmp_path, f"study_id,age\n{rows}S9,05. Feb\n")


def test_codes_that_are_partly_numbers_stay_text(tmp_path):
    table = _read(tmp_path, "study_id,site,serial\nS1,1,12345678901234567890\nS2,A1,1\nS3,B,2\n")
    assert list(table["site"]) == ["1", "A1", "B"]
    assert list(table["serial"]) == ["12345678901234567890", "1", "2"]


def test_decimal_comma_that_may_mean_thousands_is_asked_back(tmp_path):
    with pytest.raises(ValueError, match=r"column 'dose': is 1,234"):
        _read(tmp_path, 'study_id,dose\nS1,"1,234"\nS2,900\n')
    with pytest.raises(ValueError, match="decimal commas and decimal points"):
        _read(tmp_path, "study_id;dose\nS1;2\nS2;1,5\nS3;1.5\n")
    # Between semicolons a comma can only be a decimal sign.
    assert list(_read(tmp_path, "study_id;flow\nS1;1,234\nS2;2,5\n")["flow"]) == [1.234, 2.5]


def test_true_and_false_are_read_as_they_were(tmp_path):
    table = _read(tmp_path, "study_id,ct,pet\nS1,True,TRUE\nS2,False,\n")
    assert table["ct"].tolist() == [True, False]
    assert table["pet"].tolist()[0] is True
    assert table["pet"].isna().tolist() == [False, True]


def test_what_was_written_is_read_back(tmp_path):
    words = [
        "=cmd()",
        "'=x",
        "a,b;c\td",
        'a "quoted" word',
        "two\nlines",
        " padded ",
        "-",
        "'",
        "é",
    ]
    table = pd.DataFrame(
        {
            "study_id": [f"S{k}" for k in range(9)],
            "@note": words,
            "n": range(9),
            "share": np.linspace(0, 1, 9) / 3,
            "gap": [np.nan, *range(8)],
        }
    )
    write_csv(table, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(
        read_csv(tmp_path / "table.csv"), table, check_dtype=False, check_exact=True
    )


def test_carriage_return_in_a_cell_does_not_end_the_row(tmp_path):
    write_csv(pd.DataFrame({"note": ["a\rb", "c\r\nd"], "n": [1, 2]}), tmp_path / "table.csv")
    assert list(read_csv(tmp_path / "table.csv")["note"]) == ["a\nb", "c\nd"]
