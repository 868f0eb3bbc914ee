"""One normal form of ids, from file names to tables to pseudonyms; hidden files are skipped."""

import unicodedata

import numpy as np
import openpyxl
import pytest

import polarnet as pn
from polarnet.ids import normal_id
from polarnet.readers.clinicaltable import read_clinical
from polarnet.readers.dicomseries import read_series_table
from polarnet.readers.identity import Pseudonyms
from polarnet.readers.reading import list_files


def save_maps(folder, *studies):
    """Two maps for each study, all of them different."""
    folder.mkdir(exist_ok=True)
    for k, study in enumerate(studies):
        for n, map_type in enumerate(("rest", "stress")):
            values = 1 + n + k / 10 + np.zeros((16, 16))
            values[8, 8] += 0.1
            np.savetxt(folder / f"{study}_{map_type}.csv", values, "%.3f", ",")
    return folder


def read(folder, table=None, **settings):
    return pn.read_exports(folder, table, unit="mL/min/g", keep_ids=True, **settings)


def test_file_names_as_macos_writes_them_meet_the_table(tmp_path):
    names = [unicodedata.normalize("NFD", name) for name in ("Mü01", "Åse 2", "Zoë3")]
    save_maps(tmp_path / "in", *names)
    table = tmp_path / "t.csv"
    table.write_text("study_id,patient_id\nMü01,P1\nÅse 2,P2\nZoë3,P3\n", encoding="utf-8")
    assert list(read(tmp_path / "in", table).patients.index) == ["Mü01", "Åse 2", "Zoë3"]
    assert set(read(tmp_path / "in").patients.index) == {"Mü01", "Zoë3", "Åse 2"}


@pytest.mark.parametrize("cell", ["1.0", " 1 ", "1\u00a0", "\u200b1", "1\u200d"])
def test_one_patient_in_two_spellings_is_one_patient(tmp_path, cell):
    table = tmp_path / "t.csv"
    table.write_text(f"study_id,patient_id\nS1,1\nS2,{cell}\nS3,3\n", encoding="utf-8")
    assert read_clinical(table).patients == {"S1": "1", "S2": "1", "S3": "3"}


def test_numbers_of_a_workbook_are_the_ids_of_the_files(tmp_path):
    workbook = openpyxl.Workbook()
    for row in (["study_id", "patient_id"], [1.0, "7"], [2, 7.0], ["3", 8]):
        workbook.active.append(row)
    workbook.save(tmp_path / "t.xlsx")
    cohort = read(save_maps(tmp_path / "in", "1", "2.0", "3"), tmp_path / "t.xlsx")
    assert list(cohort.patients.index) == ["1", "2", "3"]
    assert list(cohort.patients) == ["7", "7", "8"]


def test_a_study_given_twice_in_two_spellings_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("study_id,patient_id\n1,P1\n1.0,P2\n2,P3\n")
    clinical = read_clinical(table)
    assert list(clinical.patients) == ["2"]
    assert dict(clinical.refused)[2] == "study id given twice, also in line 3"


def test_pseudonyms_of_two_spellings_are_equal_and_old_ones_stay():
    """HMAC-SHA256 of "patient\\0" + id under a key of zeros, as before: by hand with openssl."""
    names = Pseudonyms(bytes(32))
    for one, other in (("1", "1.0"), ("Mü", "Mu\u0308"), ("A B", "A\u00a0 B"), ("x", "x\u200b")):
        assert names.patient(one) == names.patient(other)
        assert names.study(one) == names.study(other)
    assert names.patient("007") != names.patient("7")
    assert names.patient("4711") == PSEUDONYM_OF_4711


PSEUDONYM_OF_4711 = "P4kew3t25icuh"


def test_series_of_a_table_are_compared_in_the_normal_form(tmp_path):
    (tmp_path / "s.csv").write_text("series,map\n3.0,rest\nStre\u0301s\u00a0 1,stress\n", "utf-8")
    assert read_series_table(tmp_path / "s.csv") == {"3": "rest", "strés 1": "stress"}


HIDDEN = (".ipynb_checkpoints/S1_rest-checkpoint.csv", "__MACOSX/S1_rest.csv", "._S1_rest.csv",
          "~$clinic.xlsx", "Thumbs.db", "desktop.ini", ".DS_Store", "@eaDir/S1_rest.csv",
          ".git/objects/a/S1_rest.csv", "#recycle/S1_rest.csv")  # fmt: skip


def test_hidden_files_and_folders_are_skipped_and_counted(tmp_path):
    folder = save_maps(tmp_path / "in", "S1", "S2")
    for name in HIDDEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((folder / "S1_rest.csv").read_bytes())
    said = []
    cohort = read(folder, tell=said.append)
    assert list(cohort.patients.index) == ["S1", "S2"]
    assert [line for line in said if "hidden" in line] == [
        "Skipped 10 hidden files (.ds_store, .git, .ipynb_checkpoints, @eadir, __macosx, "
        "desktop.ini, others, thumbs.db)"
    ]


def test_a_folder_of_hidden_files_says_so(tmp_path):
    (tmp_path / ".a").mkdir()
    (tmp_path / ".a" / "S1_rest.csv").write_text("1")
    with pytest.raises(FileNotFoundError, match="holds hidden files alone"):
        list_files(tmp_path)
    assert [p.name for p in list_files(tmp_path / ".a")] == ["S1_rest.csv"]


def test_the_comma_of_a_german_sheet_is_no_part_of_an_id():
    assert [normal_id(cell) for cell in ("12,0", "12,5", "1,0a")] == ["12", "12,5", "1,0a"]
