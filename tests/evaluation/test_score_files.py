"""Files of scores as spreadsheets saved them, and files that are none."""

import numpy as np
import pytest

from polarnet.evaluation.table import read_scores


@pytest.mark.parametrize(
    "text",
    [
        "study_id,sex,diabetes\nS1,0.25,0.5\nS2,0.75,1\n",
        "\ufeffstudy_id;sex;diabetes\r\nS1;0,25;0,5\r\nS2;0,75;1\r\n",
        "study_id,sex,diabetes,warning\nS1,0.25,0.5,another tracer\nS2,0.75,1,\n,,,\n",
        "study_id\tsex\tdiabetes\nS1\t0.25\t0.5\nS2\t0.75\t1\n",
        "study_id, sex, diabetes\n S1 ,0.25, 0.5\nS2 , 0.75,1\n",
    ],
)
def test_scores_are_read_however_a_spreadsheet_saved_them(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8", newline="")
    scores = read_scores(path)
    assert list(scores.index) == ["S1", "S2"]
    np.testing.assert_array_equal(scores, [[0.25, 0.5], [0.75, 1]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("study_id,sex,comment\nS1,0.2,ok\nS2,0.3,\n", "column 'comment' holds no scores.*'ok'"),
        ("study_id,sex\nS1,20.6%\nS2,17%\n", r"column 'sex' holds no scores.*'20\.6%'"),
        ("study_id,sex\nS1,\nS2,0.3\n", "column 'sex' has no score for S1"),
        ("study_id,sex,empty\nS1,0.1,\nS2,0.3,\n", "column 'empty' has no score for S1, S2"),
        ("study_id,sex\nS1,inf\nS2,0.3\n", "'sex' must lie between 0 and 1: S1"),
        (",sex\nS1,0.1\nS2,0.3\n", "without a heading"),
        ("id,sex\nS1,0.1\nS2,0.3\n", "no column study_id, but id, sex"),
        ("study_id,sex\n1,0.1\n1.0,0.3\n", "names studies twice: 1"),
        ("study_id,sex\nS1,0.1\n,0.3\n", "1 of 2 rows have no study_id"),
        ("study_id,sex\nS1,0.1\nS2\n", r"line 3 \(1\)"),
        ("study_id,sex\nS1,0.1,\nS2,0.2\n", r"line 2 \(3\)"),
        ("study_id,sex\n", "no scores"),
        ("study_id\nS1\n", "no scores"),
    ],
)
def test_scores_that_are_none_say_why(tmp_path, text, told):
    path = tmp_path / "scores.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told):
        read_scores(path)
