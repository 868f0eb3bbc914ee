"""A folder of exports and a table become a cohort, and everything met is accounted for."""

import csv
import functools
import os

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.readers import exports, import_exports, load_column_map, reading

read = functools.partial(pn.read_exports, keep_ids=True)


def test_values_arrive_where_they_were(export_folder):
    folder, table = export_folder
    cohort = read(folder, table, unit="mL/min/g")
    written = np.loadtxt(folder / "S3_stress.csv", delimiter=",")
    disc = pn.anatomy.disc_mask(16)
    np.testing.assert_allclose(cohort.maps["stress"][2][disc], written[disc], rtol=1e-6)
    assert (cohort.maps["stress"][2][~disc] == 0).all()
    assert cohort.traits["sex"].tolist() == [1, 0, 1, 0, 1, 0]
    assert cohort.clinical["age"].tolist() == [51, 52, 53, 54, 55, 56]


def test_npy_files_read_like_csv(export_folder):
    folder, table = export_folder
    before = read(folder, table, unit="mL/min/g")
    for path in folder.glob("*_rest.csv"):
        np.save(path.with_suffix(".npy"), np.loadtxt(path, delimiter=","))
        path.unlink()
    after = read(folder, table, unit="mL/min/g")
    np.testing.assert_array_equal(before.maps["rest"], after.maps["rest"])


def test_impaired_mfr_takes_column_then_number_then_maps(export_folder):
    """Maps give MFR 2.5 everywhere; the table's number and 0/1 come first where they stand."""
    folder, table = export_folder
    frame = pd.read_csv(table).assign(
        impaired_mfr=[1, np.nan, np.nan, np.nan, 0, np.nan],
        mfr=[2.5, 1.99, 2.0, np.nan, 1.0, np.nan],
    )
    frame.to_csv(table, index=False)
    said = []
    cohort = read(folder, table, unit="mL/min/g", tell=said.append)
    assert cohort.traits["impaired_mfr"].tolist() == [1, 1, 0, 0, 0, 0]
    assert cohort.clinical["impaired_mfr_source"].tolist() == [
        "column", "mfr number", "mfr number", "maps", "column", "maps",
    ]  # fmt: skip
    assert "Sources disagree about MFR < 2.0 in 3 studies: S1, S2, S5" in said


def test_a_decimal_comma_in_mfr_is_an_error_not_an_empty_cell(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(mfr=["2.4", "1;8", "<1.5", "", "NA", "3"])
    frame.to_csv(table, index=False)
    with pytest.raises(ValueError, match=r"clinical\.csv: mfr \(mfr\) is no number in line 3, 4"):
        read(folder, table, unit="mL/min/g")


def test_named_traits_leave_flow_reserve_out(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(impaired_mfr=[0, 1, 2, 0, 1, 0])
    frame.to_csv(table, index=False)
    cohort = read(folder, table, unit="mL/min/g", traits=["sex"])
    assert list(cohort.traits) == ["sex"]
    with pytest.raises(ValueError, match=r"impaired_mfr .* does not explain: '2' \(1\)"):
        read(folder, table, unit="mL/min/g")


def test_nothing_that_names_a_person_is_taken_over(export_folder):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(Surname="Muster", date_of_birth="1950-01-01", MRN="12")
    frame.to_csv(table, index=False)
    said = []
    cohort = read(folder, table, unit="percent", tell=said.append)
    assert list(cohort.clinical) == ["age", "profile", "unit_in_file"]
    assert "Surname, date_of_birth, MRN" in said[0]


def test_ids_stay_what_they_are(export_folder):
    folder, table = export_folder
    for path in list(folder.glob("S1_*")) + list(folder.glob("S2_*")):
        path.rename(folder / path.name.replace("S1", "001").replace("S2", "NA"))
    text = table.read_text().replace("S1,P1", "001,P1").replace("S2,P2", "NA,P2")
    table.write_text("\ufeff" + text.replace("\n", "\r\n") + ",,,\r\n", encoding="utf-8")
    cohort = read(folder, table, unit="percent")
    assert list(cohort.patients.index[:2]) == ["001", "NA"]
    assert len(cohort) == 6


def test_a_trait_in_capitals_is_not_another_trait(export_folder):
    folder, table = export_folder
    table.write_text(table.read_text().replace("sex", "Sex"))
    with pytest.raises(ValueError, match="lower case: Sex"):
        read(folder, table, unit="percent")


def test_percent_maps_compute_no_reserve(export_folder):
    folder, table = export_folder
    cohort = read(folder, table, unit="percent")
    assert list(cohort.traits) == ["sex"]
    assert "reserve" not in cohort.maps


def test_without_a_table_each_study_is_a_patient(export_folder):
    cohort = read(export_folder[0], unit="percent")
    assert cohort.patients.tolist() == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert cohort.traits.empty


def test_what_is_refused_is_left_out_and_named(export_folder):
    """A missing map, a file cut short, another geometry, a file without row: strict names all."""
    folder, table = export_folder
    (folder / "S2_rest.csv").unlink()
    (folder / "S1_rest.csv").write_text("\n".join(["1," * 15 + "x"] * 16))
    np.savetxt(folder / "S3_rest.csv", np.ones((15, 16)), delimiter=",")
    (folder / "S4_stress.csv").write_text("")
    np.savetxt(folder / "S9_rest.csv", 1.5 * np.ones((16, 16)), delimiter=",")
    (folder / "readme.doc").write_bytes(b"x")
    cohort = read(folder, table, unit="mL/min/g")
    assert list(cohort.patients.index) == ["S5", "S6"]
    with pytest.raises(ValueError, match="Nothing was imported") as caught:
        read(folder, table, unit="mL/min/g", strict=True)
    message = str(caught.value)
    for said in (
        "S1_rest.csv row 1 column 16 is not a number",
        "S3_rest.csv is 15 x 16, which fits no profile",
        "S4_stress.csv is empty",
        "S9_rest.csv: no row of the table has its study id",
        "readme.doc .doc is no export of maps",
        "line 3: no rest map",
    ):
        assert said in message


def test_maps_of_two_sizes_are_resampled_aloud(export_folder):
    folder, table = export_folder
    np.savetxt(folder / "S5_rest.csv", np.ones((20, 20)), delimiter=",")
    said = []
    cohort = read(folder, table, unit="mL/min/g", tell=said.append)
    assert cohort.size == 64
    assert any("16 x 16 (11 maps), 20 x 20 (1 maps)" in line for line in said)
    np.testing.assert_allclose(cohort.segment_means("rest")[4], 1, rtol=1e-6)


def test_a_pickle_is_never_opened(export_folder):
    folder, table = export_folder
    (folder / "S1_rest.csv").unlink()
    np.save(folder / "S1_rest.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"S1_rest\.npy has Python objects"):
        read(folder, table, unit="mL/min/g", strict=True)


def test_a_slip_in_a_label_is_named(export_folder):
    folder, table = export_folder
    table.write_text(table.read_text().replace("S4,P4,0", "S4,P4,female"))
    with pytest.raises(ValueError, match=r"clinical\.csv: sex .* does not explain: 'female' \(1\)"):
        read(folder, table, unit="mL/min/g")


def test_two_different_files_for_one_map_leave_the_study_out(export_folder):
    folder, table = export_folder
    np.save(folder / "S1_rest.npy", np.ones((16, 16)))
    assert "S1" not in read(folder, table, unit="mL/min/g").patients.index
    with pytest.raises(ValueError, match=r"2 different rest maps of one study \(files 1, 2\)"):
        read(folder, table, unit="mL/min/g", strict=True)


def test_a_copy_of_a_file_is_left_out(export_folder):
    folder, table = export_folder
    np.save(folder / "S1_rest.npy", np.loadtxt(folder / "S1_rest.csv", delimiter=","))
    assert len(read(folder, table, unit="mL/min/g")) == 6
    with pytest.raises(ValueError, match="the same map as file 1"):
        read(folder, table, unit="mL/min/g", strict=True)


def test_the_same_pixels_under_two_patients_are_nobodys(export_folder):
    folder, table = export_folder
    (folder / "S2_rest.csv").write_bytes((folder / "S1_rest.csv").read_bytes())
    cohort = read(folder, table, unit="mL/min/g")
    assert list(cohort.patients.index) == ["S3", "S4", "S5", "S6"]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ml/min/100g", 0.01), ("cc/min/g", 1), ("mL/min/mL", 1 / 1.05), ("ml/g/min", 1)],
)
def test_units_are_converted_and_kept_as_written(export_folder, unit, factor):
    """1 mL/min/100g is 0.01 mL/min/g; K1 per mL of tissue of 1.05 g."""
    folder, table = export_folder
    for path in folder.glob("*.csv"):
        values = np.loadtxt(path, delimiter=",") / factor
        np.savetxt(path, values, delimiter=",", fmt="%.6f")
    cohort = read(folder, table, unit=unit)
    assert cohort.unit == "mL/min/g"
    assert cohort.clinical["unit_in_file"].unique().tolist() == [unit]
    assert cohort.global_means("rest").mean() == pytest.approx(1.05, abs=0.01)


def test_flow_far_too_high_suggests_another_unit(export_folder):
    folder, table = export_folder
    np.savetxt(folder / "S1_rest.csv", 95 * np.ones((16, 16)), delimiter=",")
    with pytest.raises(ValueError, match=r"reaches 95 mL/min/g, above 10\. Is it in mL/min/100g"):
        read(folder, table, unit="mL/min/g", strict=True)


def test_the_unit_must_be_known(export_folder):
    with pytest.raises(ValueError, match="its unit is not known; state it by --unit"):
        read(*export_folder)


def test_pseudonyms_are_the_default_and_stay(export_folder, tmp_path):
    folder, table = export_folder
    key = tmp_path / "key"
    first, again = (pn.read_exports(folder, table, unit="percent", key=key) for _ in range(2))
    assert first.patients.equals(again.patients)
    assert not {"S1", "P1"} & {*first.patients, *first.patients.index}
    other = pn.read_exports(folder, table, unit="percent", key=tmp_path / "another")
    assert not set(first.patients) & set(other.patients)


def test_exclusions_are_counted_by_reason(export_folder, tmp_path):
    folder, table = export_folder
    frame = pd.read_csv(table).assign(CABG=["ja", "nein", "nein", "ja", "nein", "nein"])
    frame.to_csv(table, index=False)
    columns = tmp_path / "columns.yaml"
    columns.write_text(
        "study_id: study_id\npatient_id: patient_id\n"
        "traits:\n  sex: {column: sex, one: [1], zero: [0]}\n"
        "exclude:\n  prior bypass: {column: CABG, values: [ja]}\n",
        encoding="utf-8",
    )
    said = []
    cohort = read(folder, table, unit="percent", columns=load_column_map(columns),
                  tell=said.append)  # fmt: skip
    assert list(cohort.patients.index) == ["S2", "S3", "S5", "S6"]
    assert "Excluded, prior bypass: 2 studies" in said


def test_an_interrupted_import_goes_on_where_it_was(export_folder, tmp_path, monkeypatch):
    """Files read before the interruption are not opened again."""
    folder, table = export_folder
    settings = {"unit": "percent", "keep_ids": True}
    monkeypatch.setattr(exports, "_waiting_place", lambda out: tmp_path / "waiting")
    monkeypatch.setattr(reading, "CHUNK", 4)
    opened = []
    read_maps = reading.read_maps

    def interrupted(path, *rest):
        opened.append(path.name)
        if len(opened) == 7:
            raise KeyboardInterrupt
        return read_maps(path, *rest)

    monkeypatch.setattr(reading, "read_maps", interrupted)
    with pytest.raises(KeyboardInterrupt):
        import_exports(folder, tmp_path / "cohort", table, **settings)
    assert not (tmp_path / "cohort").exists()
    cohort = import_exports(folder, tmp_path / "cohort", table, **settings)
    assert opened.count("S1_rest.csv") == 1
    assert opened.count("S3_rest.csv") == 2
    assert len(cohort) == 6
    assert not (tmp_path / "waiting").exists()


def test_several_processes_read_the_same(export_folder, monkeypatch):
    folder, table = export_folder
    monkeypatch.setattr(reading, "MANY", 4)
    monkeypatch.setattr(reading, "CHUNK", 3)
    alone, together = (read(folder, table, unit="percent", jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(alone.maps["rest"], together.maps["rest"])


def test_wrong_paths_say_what_is_expected(tmp_path, export_folder):
    with pytest.raises(FileNotFoundError, match="No folder"):
        read(tmp_path / "nowhere", unit="percent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="is empty"):
        read(tmp_path / "empty", unit="percent")
    with pytest.raises(FileNotFoundError, match="No clinical table"):
        read(export_folder[0], tmp_path / "none.csv", unit="percent")


def test_an_unknown_unit_is_refused(export_folder):
    with pytest.raises(ValueError, match=r"unit 'ml' is not known; known are mL/min/g"):
        read(*export_folder, unit="ml")


def test_where_nothing_is_imported_every_file_and_row_is_accounted_for(export_folder, tmp_path):
    """One broken file and rows of other studies: no cohort, and a report beside it."""
    folder, table = export_folder
    table.write_text("study_id,patient_id,sex\nX1,P1,1\nX2,P2,0\n", encoding="utf-8")
    (folder / "Mustermann_rest.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    out = tmp_path / "cohort"
    with pytest.raises(ValueError, match=r"Every file and row is accounted for in .*cohort_import"):
        import_exports(folder, out, table, unit="percent", key=tmp_path / "key")
    assert not out.exists()
    report = pd.read_csv(tmp_path / "cohort_import_report.csv", keep_default_na=False)
    assert (report["status"] == "refused").all()
    assert report[report["kind"] == "file"]["number"].tolist() == list(range(1, 14))
    assert report[report["kind"] == "row"]["number"].tolist() == [2, 3]
    assert "Mustermann" not in report.to_csv()


@pytest.mark.parametrize(
    ("ids", "lines"), [(["P1", "p1"], "2, 3"), (["0815", "815"], "2, 3"), (["P01", "P1"], "")]
)
def test_patients_that_may_be_one_are_told_by_line(export_folder, ids, lines):
    """Capitals and leading zeros are lost in spreadsheets; a patient in two splits would leak."""
    folder, table = export_folder
    frame = pd.read_csv(table)
    frame["patient_id"] = [*ids, "P3", "P4", "P5", "P6"]
    frame.to_csv(table, index=False)
    said = []
    read(folder, table, unit="percent", tell=said.append)
    assert any(f"Patient ids in line {lines} differ" in line for line in said) == bool(lines)


@pytest.mark.parametrize(("n_patients", "is_told"), [(1, True), (2, False)])
def test_patients_with_very_many_studies_are_told_of(export_folder, n_patients, is_told):
    """Six studies of one: a column such as sex, taken for the patient, would end in one split."""
    folder, table = export_folder
    frame = pd.read_csv(table)
    frame["patient_id"] = [f"P{k % n_patients}" for k in range(6)]
    frame.to_csv(table, index=False)
    said = []
    read(folder, table, unit="percent", tell=said.append)
    assert any("6 studies of 1 patients, by column patient_id" in line for line in said) == is_told


def test_a_map_of_zeros_is_refused(export_folder):
    folder, table = export_folder
    np.savetxt(folder / "S1_rest.csv", np.zeros((16, 16)), delimiter=",", fmt="%.1f")
    assert "S1" not in read(folder, table, unit="percent").patients.index


@pytest.mark.realdata
def test_real_maps_are_where_their_regions_say(spectf):
    """Segment means follow the 22 region values that the maps were drawn from (roi_layout.csv)."""
    cohort = read(spectf / "maps", spectf / "clinical.csv", unit="percent")
    assert (len(cohort), int(cohort.traits["abnormal"].sum())) == (160, 127)
    regions = pd.read_csv(spectf / "regions.csv").set_index("study_id").loc[cohort.patients.index]
    segments = cohort.segment_means("stress")
    for column, segment in (("F5S", 7), ("F8S", 10), ("F7S", 11), ("F4S", 14), ("F3S", 15)):
        assert np.corrcoef(regions[column], segments[:, segment - 1])[0, 1] > 0.9


def flow_folder(folder, names, seed=0):
    """Studies of sound flow as square CSV files; the stress maps by study."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    disc = pn.anatomy.disc_mask(16)
    stress = {}
    for name in names:
        stress[name] = np.where(disc, 2.5 + 0.5 * rng.random((16, 16)), 0)
        rest = np.where(disc, 1 + 0.1 * rng.random((16, 16)), 0)
        np.savetxt(folder / f"{name}_stress.csv", stress[name], "%.4f", ",")
        np.savetxt(folder / f"{name}_rest.csv", rest, "%.4f", ",")
    return stress


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, where what was read waits."""
    monkeypatch.setattr(exports, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.usefixtures("cache")
def test_a_second_import_to_one_folder_is_refused_while_the_first_runs(tmp_path):
    """Else the first would put the second's pixels under its own ids."""
    ours = flow_folder(tmp_path / "A", ["A1", "A2"], seed=1)
    flow_folder(tmp_path / "B", ["B1", "B2"], seed=2)
    refused = []

    def tell(line):
        if line.startswith("Read with"):
            other = tmp_path / "B" / ".." / "out"
            with pytest.raises(ValueError, match=r"Another import to .*out is running") as caught:
                import_exports(tmp_path / "B", other, unit="mL/min/g", keep_ids=True)
            refused.append(caught)

    out = tmp_path / "out"
    import_exports(tmp_path / "A", out, unit="mL/min/g", keep_ids=True, tell=tell)
    assert len(refused) == 1
    cohort = pn.read_cohort(out, verify=True)
    assert list(cohort.patients.index) == ["A1", "A2"]
    for k, name in enumerate(ours):
        np.testing.assert_allclose(cohort.maps["stress"][k], ours[name], atol=1e-4)
    flow_folder(tmp_path / "C", ["C1"], seed=3)
    import_exports(tmp_path / "C", tmp_path / "next", unit="mL/min/g", keep_ids=True)


@pytest.mark.parametrize("spoil", ["other pixels", "cut", "gone"])
def test_pixels_that_changed_while_they_waited_meet_no_id(tmp_path, cache, spoil):
    flow_folder(tmp_path / "A", ["A1", "A2"], seed=1)

    def tell(line):
        if line.startswith("Read with"):
            (waiting,) = cache.rglob("*.f4")
            pixels = waiting.read_bytes()
            if spoil == "gone":
                waiting.unlink()
            else:
                waiting.write_bytes(pixels[:-8] if spoil == "cut" else pixels[::-1])

    with pytest.raises(ValueError, match="Run the import again"):
        import_exports(tmp_path / "A", tmp_path / "out", unit="mL/min/g", keep_ids=True, tell=tell)
    assert not (tmp_path / "out").exists()
    assert (
        len(import_exports(tmp_path / "A", tmp_path / "out", unit="mL/min/g", keep_ids=True)) == 2
    )


def test_in_memory_the_link_table_is_written_too(tmp_path):
    flow_folder(tmp_path / "A", ["A1", "A2"])
    link, key = tmp_path / "link.csv", tmp_path / "key"
    cohort = pn.read_exports(tmp_path / "A", unit="mL/min/g", key=key, link=link)
    table = pd.read_csv(link)
    assert table["study_id"].dropna().tolist() == list(cohort.patients.index)
    assert table["original_study_id"].dropna().tolist() == ["A1", "A2"]
    assert table["file_name"].dropna().tolist() == sorted(
        p.name for p in (tmp_path / "A").iterdir()
    )
    if os.name == "posix":
        assert link.stat().st_mode & 0o777 == 0o600
    before = link.read_bytes()
    with pytest.raises(FileExistsError, match="exists; choose another file"):
        pn.read_exports(tmp_path / "A", unit="mL/min/g", key=key, link=link)
    assert link.read_bytes() == before


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_what_is_interrupted_leaves_no_file_behind(tmp_path, monkeypatch, error):
    """The link table neither: the same command is to be run again."""
    flow_folder(tmp_path / "A", ["A1", "A2"])
    settings = {"unit": "mL/min/g", "keep_ids": True, "link": tmp_path / "link.csv"}

    def interrupted(*_, **__):
        raise error

    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        # At the very last: the link table and the maps are written, cohort.json is next.
        import_exports(tmp_path / "A", tmp_path / "out", **settings,
                       draw=lambda *_: patch.setattr("json.dumps", interrupted))  # fmt: skip
    assert sorted(p for p in tmp_path.iterdir() if p.name != "cache") == before
    assert len(import_exports(tmp_path / "A", tmp_path / "out", **settings)) == 2
    assert (tmp_path / "link.csv").is_file()


@pytest.mark.usefixtures("cache")
def test_names_that_begin_like_formulas_reach_no_table_as_such(tmp_path):
    names = ["=cmd|'C calc'!A1", "@SUM(1)", "+1+1", "S3"]
    flow_folder(tmp_path / "A", names)
    import_exports(tmp_path / "A", tmp_path / "out", unit="mL/min/g", keep_ids=True,
                   link=tmp_path / "link.csv")  # fmt: skip
    for path in (tmp_path / "out" / "import_report.csv", tmp_path / "link.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
        assert any(cell.startswith("'=cmd") for cell in cells)
    cohort = pn.read_cohort(tmp_path / "out", verify=True)
    assert sorted(cohort.patients.index) == sorted(names)


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null", "N", "1e5", "007", "True"])
def test_a_study_of_any_name_comes_back(tmp_path, name):
    flow_folder(tmp_path / "A", [name, "S2"])
    cohort = read(tmp_path / "A", unit="mL/min/g")
    assert set(cohort.patients.index) == {name, "S2"} == set(cohort.patients)
