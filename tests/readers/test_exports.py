"""A folder of exports and a table become a cohort, and everything met is accounted for."""

import csv
import functools
import os
import unicodedata

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.readers import exports, import_exports, load_column_map, reading

read = functools.partial(pn.read_exports, keep_ids=True)
FLOW = "mL/min/g"


@pytest.fixture
def lines():
    """What is said to the user."""
    return []


@pytest.fixture
def edited(export_folder):
    """Changes the clinical table; gives the folder and the table."""

    def edit(**columns):
        folder, table = export_folder
        pd.read_csv(table).assign(**columns).to_csv(table, index=False)
        return folder, table

    return edit


def save(path, values, *, scale=1):
    """A map of one value, or the map, as a CSV file."""
    np.savetxt(path, scale * np.broadcast_to(values, (16, 16)), "%.6f", ",")


def test_values_arrive_where_they_were_from_text_and_from_arrays(export_folder):
    folder, table = export_folder
    written = np.loadtxt(folder / "S3_stress.csv", delimiter=",")
    for path in folder.glob("*_rest.csv"):
        np.save(path.with_suffix(".npy"), np.loadtxt(path, delimiter=","))
    before = read(folder, table, unit=FLOW)
    for path in folder.glob("*_rest.csv"):
        path.unlink()
    cohort = read(folder, table, unit=FLOW)
    disc = pn.anatomy.disc_mask(16)
    np.testing.assert_allclose(cohort.maps["stress"][2][disc], written[disc], rtol=1e-6)
    assert (cohort.maps["stress"][2][~disc] == 0).all()
    np.testing.assert_array_equal(before.maps["rest"], cohort.maps["rest"])
    assert cohort.traits["sex"].tolist() == [1, 0, 1, 0, 1, 0]
    assert cohort.clinical["age"].tolist() == [51, 52, 53, 54, 55, 56]


# === The table ===


def test_impaired_mfr_takes_column_then_number_then_maps(edited, lines):
    """Maps give MFR 2.5 everywhere; the table's number and 0/1 come first where they stand."""
    nan = np.nan
    table = edited(impaired_mfr=[1, nan, nan, nan, 0, nan], mfr=[2.5, 1.99, 2.0, nan, 1.0, nan])
    cohort = read(*table, unit=FLOW, tell=lines.append)
    assert cohort.traits["impaired_mfr"].tolist() == [1, 1, 0, 0, 0, 0]
    assert cohort.clinical["impaired_mfr_source"].tolist() == [
        "column", "mfr number", "mfr number", "maps", "column", "maps",
    ]  # fmt: skip
    assert "Sources disagree about MFR < 2.0 in 3 studies: S1, S2, S5" in lines


def test_named_traits_leave_flow_reserve_out(edited):
    cohort = read(*edited(impaired_mfr=[0, 1, 2, 0, 1, 0]), unit=FLOW, traits=["sex"])
    assert list(cohort.traits) == ["sex"]


def test_nothing_that_names_a_person_is_taken_over(edited, lines):
    table = edited(Surname="Muster", date_of_birth="1950-01-01", MRN="12")
    cohort = read(*table, unit="percent", tell=lines.append)
    assert list(cohort.clinical) == ["age", "profile", "unit_in_file"]
    assert "Surname, date_of_birth, MRN" in lines[0]


def test_ids_stay_what_they_are(export_folder):
    folder, table = export_folder
    for path in [*folder.glob("S1_*"), *folder.glob("S2_*")]:
        path.rename(folder / path.name.replace("S1", "001").replace("S2", "NA"))
    text = table.read_text().replace("S1,P1", "001,P1").replace("S2,P2", "NA,P2")
    table.write_text("\ufeff" + text.replace("\n", "\r\n") + ",,,\r\n", encoding="utf-8")
    cohort = read(folder, table, unit="percent")
    assert list(cohort.patients.index[:2]) == ["001", "NA"]
    assert len(cohort) == 6


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null", "N", "1e5", "007", "True"])
def test_a_study_of_any_name_comes_back(tmp_path, name):
    flow_folder(tmp_path / "A", [name, "S2"])
    cohort = read(tmp_path / "A", unit=FLOW)
    assert set(cohort.patients.index) == {name, "S2"} == set(cohort.patients)


def test_exclusions_are_counted_by_reason(edited, tmp_path, lines):
    columns = tmp_path / "columns.yaml"
    columns.write_text(
        "study_id: study_id\npatient_id: patient_id\n"
        "traits:\n  sex: {column: sex, one: [1], zero: [0]}\n"
        "exclude:\n  prior bypass: {column: CABG, values: [ja]}\n",
        encoding="utf-8",
    )
    table = edited(CABG=["ja", "nein", "nein", "ja", "nein", "nein"])
    cohort = read(*table, unit="percent", columns=load_column_map(columns), tell=lines.append)
    assert list(cohort.patients.index) == ["S2", "S3", "S5", "S6"]
    assert "Excluded, prior bypass: 2 studies" in lines


@pytest.mark.parametrize(
    ("patients", "told"),
    [
        (["P1", "p1", "P3", "P4", "P5", "P6"], "Patient ids in line 2, 3 differ"),
        (["0815", "815", "P3", "P4", "P5", "P6"], "Patient ids in line 2, 3 differ"),
        (["P1"] * 6, "6 studies of 1 patients, by column patient_id"),
        (["P01", "P1", "P3", "P01", "P1", "P3"], ""),
    ],
)
def test_patients_that_may_be_one_or_too_many_are_told_of(edited, lines, patients, told):
    """Capitals and zeros are lost in spreadsheets, and sex is no patient: splits would leak."""
    read(*edited(patient_id=patients), unit="percent", tell=lines.append)
    said = [line for line in lines if "Patient ids in" in line or "by column" in line]
    assert len(said) == bool(told)
    assert all(told in line for line in said)


def test_without_a_table_each_study_is_a_patient_and_percent_has_no_reserve(export_folder):
    cohort = read(export_folder[0], unit="percent")
    assert cohort.patients.tolist() == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert cohort.traits.empty
    assert "reserve" not in cohort.maps
    assert list(read(*export_folder, unit="percent").traits) == ["sex"]


# === Files ===


def pickled(folder):
    (folder / "S1_rest.csv").unlink()
    np.save(folder / "S1_rest.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def copied(folder):
    np.save(folder / "S1_rest.npy", np.loadtxt(folder / "S1_rest.csv", delimiter=","))


def twins(folder):
    (folder / "S2_rest.csv").write_bytes((folder / "S1_rest.csv").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "lost", "message"),
    [
        (pickled, {"S1"}, r"S1_rest\.npy has Python objects"),
        (copied, set(), "the same map as file 1"),
        (twins, {"S1", "S2"}, "pixel for pixel the same as under another patient"),
        (lambda folder: np.save(folder / "S1_rest.npy", np.ones((16, 16))), {"S1"},
         r"2 different rest maps of one study \(files 1, 2\)"),
        (lambda folder: save(folder / "S1_rest.csv", 95), {"S1"},
         r"reaches 95 mL/min/g, above 10\. Is it in mL/min/100g"),
        (lambda folder: save(folder / "S1_rest.csv", 0), {"S1"}, "is empty: 0 everywhere"),
    ],
    ids=["pickle", "copy", "twins", "two maps", "too high", "zeros"],
)  # fmt: skip
def test_a_file_that_cannot_be_is_refused_and_the_others_are_read(
    export_folder, spoil, lost, message
):
    folder, table = export_folder
    spoil(folder)
    left = read(folder, table, unit=FLOW).patients.index
    assert {f"S{k}" for k in range(1, 7)} - set(left) == lost
    with pytest.raises(ValueError, match=message):
        read(folder, table, unit=FLOW, strict=True)


def test_what_is_refused_is_left_out_and_named(export_folder):
    """A missing map, a file cut short, another geometry, a file without row: strict names all."""
    folder, table = export_folder
    (folder / "S2_rest.csv").unlink()
    (folder / "S1_rest.csv").write_text("\n".join(["1," * 15 + "x"] * 16))
    np.savetxt(folder / "S3_rest.csv", np.ones((15, 16)), delimiter=",")
    (folder / "S4_stress.csv").write_text("")
    save(folder / "S9_rest.csv", 1.5)
    (folder / "readme.doc").write_bytes(b"x")
    assert list(read(folder, table, unit=FLOW).patients.index) == ["S5", "S6"]
    with pytest.raises(ValueError, match="Nothing was imported") as caught:
        read(folder, table, unit=FLOW, strict=True)
    for said in (
        "S1_rest.csv row 1 column 16 is not a number",
        "S3_rest.csv is 15 x 16, which fits no profile",
        "S4_stress.csv is empty",
        "S9_rest.csv: no row of the table has its study id",
        "readme.doc .doc is no export of maps",
        "line 3: no rest map",
    ):
        assert said in str(caught.value)


def test_maps_of_two_sizes_are_resampled_aloud(export_folder, lines):
    folder, table = export_folder
    np.savetxt(folder / "S5_rest.csv", np.ones((20, 20)), delimiter=",")
    cohort = read(folder, table, unit=FLOW, tell=lines.append)
    assert cohort.size == 64
    assert any("16 x 16 (11 maps), 20 x 20 (1 maps)" in line for line in lines)
    np.testing.assert_allclose(cohort.segment_means("rest")[4], 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("ml/min/100g", 0.01), ("cc/min/g", 1), ("mL/min/mL", 1 / 1.05), ("ml/g/min", 1)],
)
def test_units_are_converted_and_kept_as_written(export_folder, unit, factor):
    """1 mL/min/100g is 0.01 mL/min/g; K1 per mL of tissue of 1.05 g."""
    folder, table = export_folder
    for path in folder.glob("*.csv"):
        save(path, np.loadtxt(path, delimiter=","), scale=1 / factor)
    cohort = read(folder, table, unit=unit)
    assert cohort.unit == FLOW
    assert cohort.clinical["unit_in_file"].unique().tolist() == [unit]
    assert cohort.global_means("rest").mean() == pytest.approx(1.05, abs=0.01)


@pytest.mark.parametrize(
    ("folder", "table", "unit", "error", "message"),
    [
        ("exporte äöü", "clinical.csv", "", ValueError, "unit is not known; state it by --unit"),
        ("exporte äöü", "clinical.csv", "ml", ValueError, "unit 'ml' is not known; known are mL/"),
        ("exporte äöü", "none.csv", "percent", FileNotFoundError, "No clinical table"),
        ("nowhere", None, "percent", FileNotFoundError, "No folder"),
        ("empty", None, "percent", FileNotFoundError, "is empty"),
    ],
)
@pytest.mark.usefixtures("export_folder")
def test_wrong_units_and_paths_say_what_is_expected(tmp_path, folder, table, unit, error, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        read(tmp_path / folder, table and tmp_path / table, unit=unit)


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


@pytest.mark.realdata
def test_real_maps_are_where_their_regions_say(spectf):
    """Segment means follow the 22 region values that the maps were drawn from (roi_layout.csv)."""
    cohort = read(spectf / "maps", spectf / "clinical.csv", unit="percent")
    assert (len(cohort), int(cohort.traits["abnormal"].sum())) == (160, 127)
    regions = pd.read_csv(spectf / "regions.csv").set_index("study_id").loc[cohort.patients.index]
    segments = cohort.segment_means("stress")
    for column, segment in (("F5S", 7), ("F8S", 10), ("F7S", 11), ("F4S", 14), ("F3S", 15)):
        assert np.corrcoef(regions[column], segments[:, segment - 1])[0, 1] > 0.9


# === Ids, and hidden files ===


def test_ids_of_files_and_tables_meet_in_one_form(tmp_path, save_workbook):
    """macOS writes accents apart in file names, and spreadsheets write numbers with a point."""
    names = ("Mü01", "2.0", "3")
    flow_folder(tmp_path / "in", [unicodedata.normalize("NFD", name) for name in names])
    table = tmp_path / "t.xlsx"
    save_workbook(table, ["study_id", "patient_id"], ["Mü01", "7"], [2.0, 7.0], ["3.0", 8])
    cohort = read(tmp_path / "in", table, unit=FLOW)
    assert list(cohort.patients.index) == ["Mü01", "2", "3"]
    assert list(cohort.patients) == ["7", "7", "8"]
    assert set(read(tmp_path / "in", unit=FLOW).patients.index) == {"Mü01", "2", "3"}


def test_hidden_files_and_folders_are_skipped_and_counted(tmp_path, lines):
    flow_folder(tmp_path / "in", ["S1", "S2"])
    for name in (
        ".ipynb_checkpoints/S1_rest-checkpoint.csv", "__MACOSX/S1_rest.csv", "._S1_rest.csv",
        "~$clinic.xlsx", "Thumbs.db", "desktop.ini", ".DS_Store", "@eaDir/S1_rest.csv",
        ".git/objects/a/S1_rest.csv", "#recycle/S1_rest.csv",
    ):  # fmt: skip
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes((tmp_path / "in" / "S1_rest.csv").read_bytes())
    cohort = read(tmp_path / "in", unit=FLOW, tell=lines.append)
    assert list(cohort.patients.index) == ["S1", "S2"]
    assert [line for line in lines if "hidden" in line] == [
        "Skipped 10 hidden files (#recycle, .ds_store, .git, .ipynb_checkpoints, @eadir, __macosx, "
        "desktop.ini, others, thumbs.db)"
    ]
    (tmp_path / "hidden" / ".a").mkdir(parents=True)
    (tmp_path / "hidden" / ".a" / "S1_rest.csv").write_text("1")
    with pytest.raises(FileNotFoundError, match="holds hidden files alone"):
        reading.list_files(tmp_path / "hidden")
    assert [p.name for p in reading.list_files(tmp_path / "hidden" / ".a")] == ["S1_rest.csv"]


# === Privacy ===


def test_pseudonyms_are_the_default_and_stay(export_folder, tmp_path):
    folder, table = export_folder
    key = tmp_path / "key"
    first, again = (pn.read_exports(folder, table, unit="percent", key=key) for _ in range(2))
    assert first.patients.equals(again.patients)
    assert not {"S1", "P1"} & {*first.patients, *first.patients.index}
    other = pn.read_exports(folder, table, unit="percent", key=tmp_path / "another")
    assert not set(first.patients) & set(other.patients)
    with pytest.raises(ValueError, match="leave out one of them"):
        read(folder, table, unit="percent", key=tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_the_link_table_is_for_its_owner_and_never_overwritten(tmp_path):
    flow_folder(tmp_path / "A", ["A1", "A2"])
    link, key = tmp_path / "link.csv", tmp_path / "key"
    cohort = pn.read_exports(tmp_path / "A", unit=FLOW, key=key, link=link)
    table = pd.read_csv(link)
    assert table["study_id"].dropna().tolist() == list(cohort.patients.index)
    assert table["original_study_id"].dropna().tolist() == ["A1", "A2"]
    assert table["file_name"].dropna().tolist() == sorted(
        p.name for p in (tmp_path / "A").iterdir()
    )
    if os.name == "posix":
        assert link.stat().st_mode & 0o777 == 0o600
    before = link.read_bytes()
    for call in (pn.read_exports, functools.partial(import_exports, out=tmp_path / "out")):
        with pytest.raises(FileExistsError, match="exists; choose another file"):
            call(tmp_path / "A", unit=FLOW, key=key, link=link)
    assert link.read_bytes() == before
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("cache")
def test_names_that_begin_like_formulas_reach_no_table_as_such(tmp_path):
    names = ["=cmd|'C calc'!A1", "@SUM(1)", "+1+1", "S3"]
    flow_folder(tmp_path / "A", names)
    out, link = tmp_path / "out", tmp_path / "link.csv"
    import_exports(tmp_path / "A", out, unit=FLOW, keep_ids=True, link=link)
    for path in (out / "import_report.csv", link):
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
        assert any(cell.startswith("'=cmd") for cell in cells)
    assert sorted(pn.read_cohort(out, verify=True).patients.index) == sorted(names)


# === Interruptions, and two at once ===


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


def test_an_interrupted_import_goes_on_where_it_was(export_folder, tmp_path, monkeypatch, cache):
    """Files read before the interruption are not opened again."""
    folder, table = export_folder
    settings = {"unit": "percent", "keep_ids": True}
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
    assert not [path for path in (cache / "import").iterdir() if path.is_dir()]


def test_several_processes_read_the_same(export_folder, monkeypatch):
    folder, table = export_folder
    monkeypatch.setattr(reading, "MANY", 4)
    monkeypatch.setattr(reading, "CHUNK", 3)
    alone, together = (read(folder, table, unit="percent", jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(alone.maps["rest"], together.maps["rest"])


@pytest.mark.usefixtures("cache")
def test_a_second_import_to_one_folder_is_refused_while_the_first_runs(tmp_path):
    """Else the first would put the second's pixels under its own ids."""
    ours = flow_folder(tmp_path / "A", ["A1", "A2"], seed=1)
    flow_folder(tmp_path / "B", ["B1", "B2"], seed=2)
    refused = []

    def tell(line):
        if line.startswith("Read with"):
            other = tmp_path / "B" / ".." / "out"
            with pytest.raises(ValueError, match=r"Another import to .*out is running"):
                import_exports(tmp_path / "B", other, unit=FLOW, keep_ids=True)
            refused.append(other)

    import_exports(tmp_path / "A", tmp_path / "out", unit=FLOW, keep_ids=True, tell=tell)
    assert refused
    cohort = pn.read_cohort(tmp_path / "out", verify=True)
    assert list(cohort.patients.index) == list(ours)
    np.testing.assert_allclose(cohort.maps["stress"], [*ours.values()], atol=1e-4)


@pytest.mark.parametrize("spoil", ["other pixels", "other bytes", "cut", "gone"])
def test_pixels_that_changed_while_they_waited_meet_no_id(tmp_path, cache, spoil):
    flow_folder(tmp_path / "A", ["A1", "A2"], seed=1)

    def tell(line):
        if line.startswith("Read with"):
            (waiting,) = cache.rglob("*.npz")
            content = waiting.read_bytes()
            if spoil == "gone":
                waiting.unlink()
            elif spoil == "other pixels":
                np.savez(waiting, pixels=np.load(waiting)["pixels"][::-1])
            else:
                waiting.write_bytes(content[:-8] if spoil == "cut" else content[::-1])

    settings = {"folder": tmp_path / "A", "out": tmp_path / "out", "unit": FLOW, "keep_ids": True}
    with pytest.raises(ValueError, match="Run the import again"):
        import_exports(**settings, tell=tell)
    assert not (tmp_path / "out").exists()
    assert len(import_exports(**settings)) == 2


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("disk full")])
def test_what_is_interrupted_leaves_no_file_behind(tmp_path, monkeypatch, error):
    """The link table neither: the same command is to be run again."""
    flow_folder(tmp_path / "A", ["A1", "A2"])
    settings = {"unit": FLOW, "keep_ids": True, "link": tmp_path / "link.csv"}

    def interrupted(*_, **__):
        raise error

    before = sorted(tmp_path.iterdir())
    with monkeypatch.context() as patch, pytest.raises(type(error)):
        # At the very last: the maps are written, cohort.json is next.
        import_exports(tmp_path / "A", tmp_path / "out", **settings,
                       draw=lambda *_: patch.setattr("json.dumps", interrupted))  # fmt: skip
    assert sorted(p for p in tmp_path.iterdir() if p.name != "cache") == before
    assert len(import_exports(tmp_path / "A", tmp_path / "out", **settings)) == 2
    assert (tmp_path / "link.csv").is_file()


@pytest.mark.usefixtures("cache")
def test_there_is_no_cohort_without_its_link_table(tmp_path, monkeypatch):
    """Without the table nobody could tell whose the studies are."""
    flow_folder(tmp_path / "A", ["A1", "A2"])
    settings = {"unit": FLOW, "keep_ids": True, "link": tmp_path / "link.csv"}

    def full(file, text):
        file.write_text(text[:9], encoding="utf-8")
        raise OSError("disk full")

    monkeypatch.setattr("polarnet.readers.exports.write_private", full)
    for call in (pn.read_exports, functools.partial(import_exports, out=tmp_path / "out")):
        with pytest.raises(OSError, match="disk full"):
            call(tmp_path / "A", **settings)
        assert sorted(p.name for p in tmp_path.iterdir() if p.name != "cache") == ["A"]
