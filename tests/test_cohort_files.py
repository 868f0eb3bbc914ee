"""Cohort folders that people edited, exchanged, cut or damaged."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation.table import read_scores


@pytest.fixture
def folder(make_cohort, tmp_path):
    """Six studies with age and site, some labels not recorded."""
    ids = pd.Index([f"S{k}" for k in range(6)], name="study_id")
    clinical = pd.DataFrame(
        {"age": [50.5, np.nan, 52, 53, 54, 55.25], "site": ["A", "007", None, "NA", "1", "2"]}, ids
    )
    traits = pd.DataFrame({"sex": [0, 1, np.nan, 1, 0, 1], "smoking": [1, 0, 0, 1, 1, 0]}, ids)
    return make_cohort(clinical=clinical, traits=traits).save(tmp_path / "cohort")


def _edit(folder, change):
    path = folder / "cohort.csv"
    path.write_bytes(change(path.read_text(encoding="utf-8")).encode())


def _same(first, second):
    for name in ("traits", "clinical", "truth"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(second, name))
    pd.testing.assert_series_equal(first.patients, second.patients)


@pytest.mark.parametrize("word", ["NA", "nan", "null", "None", "N/A", "007", "1e5", "=1+1", "inf"])
@pytest.mark.parametrize("which", ["study", "patient"])
def test_an_id_that_looks_like_something_else_is_read_back(make_cohort, tmp_path, word, which):
    ids, people = [f"S{k}" for k in range(6)], [f"P{k}" for k in range(6)]
    (ids if which == "study" else people)[2] = word
    cohort = make_cohort(
        patients=pd.Series(people, ids), traits=pd.DataFrame({"sex": 1.0}, ids), clinical=None,
        truth=None,
    )  # fmt: skip
    again = pn.read_cohort(cohort.save(tmp_path / "cohort"), verify=True)
    assert list(again.patients.index) == ids
    assert list(again.patients) == people


def test_text_columns_stay_text(folder):
    sites = pn.read_cohort(folder).clinical["site"]
    assert list(sites.fillna("-")) == ["A", "007", "-", "NA", "1", "2"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";").replace(".", ","),  # Excel in German
        lambda text: text.replace(",", "\t"),
        lambda text: "\ufeff" + text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
        lambda text: text + "," * text.split("\n")[0].count(",") + "\n",
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", ",\n"),  # a column without heading, and empty
        lambda text: "\n".join([*text.split("\n")[:1], *sorted(text.split("\n")[1:])]),
    ],
)
def test_a_table_saved_by_a_spreadsheet_says_the_same(folder, change):
    before = pn.read_cohort(folder)
    _edit(folder, change)
    _same(before, pn.read_cohort(folder))


@pytest.mark.parametrize("cut", range(1, 18))
def test_a_table_cut_anywhere_in_its_last_row_is_refused(folder, cut):
    text = (folder / "cohort.csv").read_text()
    assert text.endswith("S5,P5,1.0,0.0,55.25,2\n")
    _edit(folder, lambda text: text[: -1 - cut])
    for verify in (False, True):
        with pytest.raises(ValueError, match=r"cohort\.csv was cut within its last row"):
            pn.read_cohort(folder, verify=verify)
    _edit(folder, lambda text: text.rstrip(",") + "\n" * (cut > 1))
    with pytest.raises(ValueError, match=r"cells|cut within"):
        pn.read_cohort(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.replace("S3,P3,1.0,", "S3,P3,"), r"heading has 6 cells, but line 5 \(5\)"),
        (lambda t: t.replace("53.0", "53,0"), r"heading has 6 cells, but line 5 \(7\)"),
        (lambda t: t.replace("S3,P3", ",P3"), "no study_id in a row"),
        (lambda t: t.replace("S3,P3", "S3,"), "no patient_id: S3"),
        (lambda t: t.replace("S3,P3", "S2,P3"), "study_id given twice: S2"),
        (lambda t: t.replace("S3,P3", "T3,P3"), "lacks S3"),
        (lambda t: t.replace("53.0", "53o"), r"column 'age'.*line 5 \(53o\)"),
        (lambda t: t.replace("S3,P3,1.0", "S3,P3,2"), r"sex must be 0, 1 or empty: S3 \(2\)"),
        (lambda t: t.replace("S3,P3,1.0", "S3,P3,f"), r"sex must be 0, 1 or empty: S3 \(f\)"),
        (lambda t: t.replace("smoking", "smoker"), "lacks the columns smoking"),
        (lambda t: t.replace("smoking", "sex"), "columns twice: sex"),
        (lambda t: t.replace("study_id,", "id,"), "lacks the columns study_id"),
        (lambda t: t.replace("A", "\0"), "zero bytes"),
        (lambda t: "", "empty"),
    ],
)
def test_a_spoilt_table_says_what_is_wrong(folder, change, told):
    _edit(folder, change)
    with pytest.raises(ValueError, match=told) as caught:
        pn.read_cohort(folder)
    assert "\n" not in str(caught.value)


def test_a_column_of_0_and_1_that_was_added_may_be_named_as_a_trait(folder):
    _edit(folder, lambda text: "\n".join(
        line and line + "," + cell
        for line, cell in zip(text.split("\n"), ["cad", "1", "", "0", "1", "1", "0", ""],
                              strict=True)))  # fmt: skip
    cohort = pn.read_cohort(folder).with_traits(["cad"])
    np.testing.assert_array_equal(cohort.traits["cad"], [1, np.nan, 0, 1, 1, 0])
    assert "cad" not in cohort.clinical


def test_a_description_that_gives_the_maps_to_other_studies_is_refused(folder):
    """Where the table is as written, its order is that of the maps."""
    path = folder / "cohort.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["study_ids"] = [*facts["study_ids"][1:], facts["study_ids"][0]]
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ValueError, match=r"cohort\.json names the studies in another order"):
        pn.read_cohort(folder)


def test_verification_says_that_the_table_was_edited(folder):
    pn.read_cohort(folder, verify=True)
    _edit(folder, lambda text: text.replace("50.5", "51.5"))
    assert pn.read_cohort(folder).clinical["age"].iloc[0] == 51.5
    with pytest.warns(UserWarning, match=r"cohort\.csv was edited since it was written"):
        pn.read_cohort(folder, verify=True)


def test_files_of_a_cohort_that_were_exchanged_are_found_without_being_read(
    folder, make_cohort, tmp_path
):
    for name in ("rest", "stress"):
        (folder / f"{name}.npy").rename(folder / f"{name}.old")
    (folder / "rest.old").rename(folder / "stress.npy")
    (folder / "stress.old").rename(folder / "rest.npy")
    with pytest.raises(ValueError, match=r"rest\.npy holds other maps"):
        pn.read_cohort(folder)
    maps = {m: np.array(make_cohort().maps[m]) * 1.5 for m in ("rest", "stress")}
    other = make_cohort(maps=maps).save(tmp_path / "other")
    shutil.copy(folder / "rest.npy", other / "stress.npy")
    with pytest.raises(ValueError, match=r"stress\.npy holds other maps"):
        pn.read_cohort(other)


def test_a_folder_of_an_older_version_is_read(folder):
    """It has no checksum of the table, no list of text columns and none of first maps."""
    facts = json.loads((folder / "cohort.json").read_text())
    for name in ("table", "text"):
        del facts[name]
    for of_file in facts["files"].values():
        del of_file["first_map"]
    (folder / "cohort.json").write_text(json.dumps(facts))
    assert len(pn.read_cohort(folder, verify=True)) == 6


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_studies", 10**12), ("n_studies", "6"), ("n_studies", 6.0), ("n_studies", True),
        ("n_studies", -6), ("n_studies", None), ("size", 10**12), ("size", [16]), ("size", 0),
        ("study_ids", ["S0"]), ("study_ids", 6), ("study_ids", [0, 1, 2, 3, 4, 5]),
        ("traits", "sex"), ("traits", [1]), ("traits", None), ("clinical", {"age": 1}),
        ("truth", 3), ("text", "site"), ("table", []), ("table", {"sha256": 1}), ("unit", 1),
        ("unit", "mSv"), ("tracer", None), ("software", ["x"]), ("format", "1"), ("format", 2),
        ("files", []), ("files", None), ("files", {"rest.npy": None}), ("files", {}),
        ("files", {"rest.npy": {"bytes": "5", "sha256": ""}}),
        ("files", {"rest.npy": {"bytes": 5}}), ("files", {"rest.npy": {}}),
        ("files", {"../rest.npy": {"bytes": 5, "sha256": ""}}),
        ("files", {"/etc/passwd": {"bytes": 5, "sha256": ""}}),
        ("files", {"cohort.csv": {"bytes": 5, "sha256": ""}}),
    ],
)  # fmt: skip
def test_a_description_with_anything_wrong_is_refused_in_one_line(folder, name, value):
    path = folder / "cohort.json"
    facts = json.loads(path.read_text()) | {name: value}
    path.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=r"cohort|Unit|at least one") as caught:
        pn.read_cohort(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", "null", "{", "[" * 100_000, '{"format": 1}', "{}", "\ufffd", "9" * 5000]
)
def test_a_description_that_is_none_is_refused_in_one_line(folder, text):
    (folder / "cohort.json").write_text(text)
    with pytest.raises(ValueError, match=r"cohort\.json") as caught:
        pn.read_cohort(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole[:200] + b"\x00" + whole[200:-1],
        lambda whole: whole[:8] + b"\xff\xff" + whole[10:],
        # The header ends sooner, so that its blanks are taken for pixels.
        lambda whole: (
            whole[:8]
            + (int.from_bytes(whole[8:10], "little") - 4).to_bytes(2, "little")
            + whole[10:]
        ),
        lambda whole: whole.replace(b"False", b"True ", 1),
        lambda whole: whole.replace(b"'<f4'", b"'>f4'", 1),
        lambda whole: whole.replace(b"'<f4'", b"'|O4'", 1),
        lambda whole: whole.replace(b"(6, 16, 16)", b"(6, 16, 1e)", 1),
        lambda whole: whole.replace(b"(6, 16, 16)", b"(3, 32, 16)", 1),
        lambda whole: whole.replace(b"(6, 16, 16)", b"(9**99, 16)", 1),
        lambda whole: b"\x80\x04" + whole[2:],
        lambda whole: b"PK\x03\x04" + whole[4:],
        lambda whole: bytes(len(whole)),
    ],
)
def test_a_damaged_map_file_of_the_same_length_is_refused(folder, change):
    whole = (folder / "rest.npy").read_bytes()
    spoilt = change(whole)
    assert len(spoilt) == len(whole)
    assert spoilt != whole
    (folder / "rest.npy").write_bytes(spoilt)
    with pytest.raises(ValueError, match=r"rest\.npy") as caught:
        pn.read_cohort(folder, verify=True)
    assert "\n" not in str(caught.value)


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
