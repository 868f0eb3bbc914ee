"""A folder of exports and a table become a cohort, and everything met is accounted for."""

import csv
import functools
import os
import unicodedata

import numpy as np
import pandas as pd
import pytest
import scipy.io

import polarnet as pn
from polarnet import cli
from polarnet.readers import import_exports, reading
from polarnet.readers.geometry import segments_to_disc

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
    named = read(*edited(impaired_mfr=[0, 1, 2, 0, 1, 0]), unit=FLOW, traits=["sex"])
    assert list(named.traits) == ["sex"]


def test_studies_of_any_name_come_back(tmp_path):
    names = ["007", "1e5", "N", "NA", "None", "True", "nan", "null"]
    flow_folder(tmp_path / "A", names)
    cohort = read(tmp_path / "A", unit=FLOW)
    assert sorted(cohort.patients.index) == names == sorted(cohort.patients)


@pytest.mark.parametrize(
    ("patients", "told"),
    [(["P1", "p1", "P3", "P4", "P5", "P6"], "Patient ids in line 2, 3 differ"),
     (["0815", "815", "P3", "P4", "P5", "P6"], "Patient ids in line 2, 3 differ"),
     (["P01", "P1", "P3", "P01", "P1", "P3"], "")],
)  # fmt: skip
def test_patients_that_may_be_one_are_told_of(edited, lines, patients, told):
    """Capitals and zeros are lost in spreadsheets, and splits would leak."""
    read(*edited(patient_id=patients), unit="percent", tell=lines.append)
    said = [line for line in lines if "Patient ids in" in line]
    assert len(said) == bool(told)
    assert all(told in line for line in said)


def test_without_a_table_each_study_is_a_patient_and_percent_has_no_reserve(export_folder):
    cohort = read(export_folder[0], unit="percent")
    assert cohort.patients.tolist() == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert cohort.traits.empty
    assert "reserve" not in cohort.maps
    assert list(read(*export_folder, unit="percent").traits) == ["sex"]


# === Files ===


@pytest.mark.parametrize(
    ("spoil", "lost", "message"),
    [(lambda f: np.save(f / "S1_rest.npy", np.loadtxt(f / "S1_rest.csv", delimiter=",")), set(),
      "the same map as file 1"),
     (lambda f: (f / "S2_rest.csv").write_bytes((f / "S1_rest.csv").read_bytes()), {"S1", "S2"},
      "pixel for pixel the same as under another patient"),
     (lambda f: np.save(f / "S1_rest.npy", np.ones((16, 16))), {"S1"},
      r"2 different rest maps of one study \(files 1, 2\)")],
    ids=["copy", "twins", "two maps"],
)  # fmt: skip
def test_maps_that_contradict_are_refused_and_the_others_are_read(
    export_folder, spoil, lost, message
):
    folder, table = export_folder
    spoil(folder)
    left = read(folder, table, unit=FLOW).patients.index
    assert {f"S{k}" for k in range(1, 7)} - set(left) == lost
    with pytest.raises(ValueError, match=message):
        read(folder, table, unit=FLOW, strict=True)


def test_what_is_refused_is_left_out_and_named(export_folder, lines):
    """A missing map, files cut short or of another geometry or kind, and one without row."""
    folder, table = export_folder
    (folder / "S2_rest.csv").unlink()
    (folder / "S1_rest.csv").write_text("\n".join(["1," * 15 + "x"] * 16))
    np.savetxt(folder / "S3_rest.csv", np.ones((15, 16)), delimiter=",")
    (folder / "S4_stress.csv").write_text("")
    save(folder / "S3_stress.csv", 0)
    save(folder / "S9_rest.csv", 1.5)
    np.save(folder / "S8_rest.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (folder / "readme.doc").write_bytes(b"x")
    left = read(folder, table, unit=FLOW, tell=lines.append)
    assert list(left.patients.index) == ["S5", "S6"]
    with pytest.raises(ValueError, match="Nothing was imported") as caught:
        read(folder, table, unit=FLOW, strict=True)
    for said in (
        "S1_rest.csv: row 1 column 16 is not a number",
        "S3_rest.csv: is 15 x 16, which fits no profile",
        "S4_stress.csv: is empty",
        "S3_stress.csv: is empty: 0 everywhere",
        "S8_rest.npy: has Python objects",
        "no row of the table has its study id",
        "readme.doc: .doc is no export of maps",
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


def test_several_processes_read_the_same(export_folder, monkeypatch):
    folder, table = export_folder
    monkeypatch.setattr(reading, "MANY", 4)
    monkeypatch.setattr(reading, "CHUNK", 3)
    alone, together = (read(folder, table, unit="percent", jobs=jobs) for jobs in (1, 2))
    assert np.array_equal(alone.maps["rest"], together.maps["rest"])


def test_two_imports_to_one_folder_never_mix(tmp_path):
    """The first would put the second's pixels under its own ids."""
    flow_folder(tmp_path / "A", ["A1", "A2"], seed=1)
    others = flow_folder(tmp_path / "B", ["B1", "B2"], seed=2)
    settings = {"unit": FLOW, "keep_ids": True}

    def tell(line):
        if line.startswith("Read with"):
            import_exports(tmp_path / "B", tmp_path / "B" / ".." / "out", **settings)

    with pytest.raises(FileExistsError, match="not empty; nothing was changed"):
        import_exports(tmp_path / "A", tmp_path / "out", **settings, tell=tell)
    cohort = pn.read_cohort(tmp_path / "out", verify=True)
    assert list(cohort.patients.index) == list(others)
    np.testing.assert_allclose(cohort.maps["stress"], [*others.values()], atol=1e-4)


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
    assert sorted(p for p in tmp_path.iterdir()) == before
    assert len(import_exports(tmp_path / "A", tmp_path / "out", **settings)) == 2
    assert (tmp_path / "link.csv").is_file()


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
        assert sorted(p.name for p in tmp_path.iterdir()) == ["A"]


# === A folder as a clinic may have it ===

N = 60
COLUMNS = """
study_id: Untersuchung
patient_id: PatNr
mfr: "Global MFR"
traits:
  sex: {column: Geschlecht, one: [w, F], zero: [m, M]}
  diabetes: {column: HbA1c, rule: ">= 48"}
  smoking: {column: Raucher, one: ["ja"], zero: ["nein", "ex"]}
clinical: {age: Alter}
provenance: {tracer: Tracer}
exclude:
  prior bypass: {column: CABG, values: ["ja"]}
missing: ["k.A."]
"""


def segments(number):
    """Rest and stress of study `number`, 17 segments each, mL/min/g."""
    rng = np.random.default_rng(number)
    rest = 1.0 + 0.3 * rng.random(17)
    return {"rest": rest, "stress": rest * (2.2 + 0.8 * rng.random(17))}


def rings(values):
    """20 rings of 36 sectors, the first from the anterior wall on."""
    picture = segments_to_disc(values, 128)
    radius, angle = np.meshgrid(
        (np.arange(20) + 0.5) / 20 * 63, np.radians(90 + np.arange(0, 360, 10))
    )
    row, column = 63.5 - radius * np.sin(angle), 63.5 + radius * np.cos(angle)
    return picture[row.round().astype(int), column.round().astype(int)].T


@pytest.fixture
def clinic(tmp_path, save_workbook):
    """60 studies in five formats, 7 broken files, 4 rows without maps and what else happens."""
    folder = tmp_path / "Exporte 2024"
    (folder / "npz").mkdir(parents=True)
    # 1-15 square CSV; 16-30 square with decimal comma, 16 to 20 in mL/min/100g without saying so;
    # 31-40 .npz; 41-50 20 x 36; 51-60 one XLSX with one row per study.
    for k in range(1, 51):
        drawn = {m: segments_to_disc(v, 48 if k > 30 else 32) for m, v in segments(k).items()}
        if 31 <= k <= 40:
            np.savez(folder / "npz" / f"U{k:03d}.npz", **drawn)
            continue
        for m, values in drawn.items():
            path = folder / f"{'u' if k == 27 else 'U'}{k:03d}_{m}.{'txt' if k > 40 else 'csv'}"
            if k <= 15:
                np.savetxt(path, values, delimiter=",", fmt="%.4f")
            elif k <= 30:
                rows = [[f"{v * (100 if k <= 20 else 1):.4f}" for v in row] for row in values]
                text = "\n".join(map(";".join, rows)).replace(".", ",")
                path.write_text(text, encoding="utf-8-sig")
            else:
                np.savetxt(path, rings(segments(k)[m]), fmt="%.4f")
    heads = [f"{m}_{s}" for m in ("rest", "stress") for s in range(1, 18)]
    rows = [[f"U{k:03d}", *np.concatenate([*segments(k).values()]).tolist()] for k in range(51, 61)]
    units = ["", *["cc/min/g"] * 34]
    save_workbook(folder / "segmente.xlsx", ["study_id", *heads], units, *rows)
    # Seven broken files, and one file under two names.
    for name, row in (("U901", ""), ("U902", "1," * 31 + "x"), ("U904", "nan," * 31 + "1"),
                      ("U905", "-1," * 31 + "1")):  # fmt: skip
        (folder / f"{name}_rest.csv").write_text("\n".join([row] * 32), encoding="utf-8")
    (folder / "U903_rest.npy").write_bytes(b"\x93NUMPY\x01\x00cut")
    scipy.io.savemat(folder / "U906.mat", {"text": "Mustermann, Erika"})
    (folder / "Befund Mustermann.pdf").write_bytes(b"%PDF")
    (folder / "U001_stress (Kopie).csv").write_bytes((folder / "U001_stress.csv").read_bytes())
    # 60 rows, 4 without maps, an id made a date, a bypass, an id in two spellings.
    table = [["Untersuchung", "PatNr", "Name", "Geschlecht", "HbA1c", "Raucher", "Alter",
              "Global MFR", "CABG", "Tracer"]]  # fmt: skip
    for k in range(1, N + 1):
        table.append([f"U{k:03d}", f"77{k:04d}", "Mustermann", "w" if k % 2 else "M",
                      "k.A." if k % 7 == 0 else 40 + k % 20, ["ja", "nein", "ex"][k % 3],
                      50 + k % 30, None, "ja" if k == 5 else "nein", "N-13"])  # fmt: skip
    for id in ("U801", "U802", "U803", "U804", pd.Timestamp("2024-03-12"), "u803"):
        table.append([id, f"77{len(table)}9", "Muster", "m", 41, "nein", 60, None, "nein", "N-13"])
    save_workbook(tmp_path / "Klinik.xlsx", *table)
    (tmp_path / "columns.yaml").write_text(COLUMNS, encoding="utf-8")
    return folder


def test_one_command_accounts_for_every_file_and_row(clinic, tmp_path, capsys):
    out = tmp_path / "cohort"
    status = cli.main([
        "import", str(clinic), "--clinical", str(tmp_path / "Klinik.xlsx"),
        "--columns", str(tmp_path / "columns.yaml"), "--unit", FLOW, "--profile", "square",
        "--profile", "pmod-20x36", "--profile", "aha17", "--key", str(tmp_path / "key"),
        "--out", str(out),
    ])  # fmt: skip
    said = capsys.readouterr()
    assert status == 0, said.err
    assert "Excluded, prior bypass: 1 studies" in said.out
    report = pd.read_csv(out / "import_report.csv", keep_default_na=False)
    files = report[report["kind"] == "file"]
    n_files = sum(path.is_file() for path in clinic.rglob("*"))
    assert set(files["number"].astype(int)) == set(range(1, n_files + 1))
    rows = report[report["kind"] == "row"]
    assert set(rows["number"].astype(int)) == set(range(2, N + 8))
    # By hand: without the bypass (5) and the five (16 to 20) whose unit nobody said.
    assert len(pn.read_cohort(out)) == N - 1 - 5
    expected = {
        ("refused", "Is it in another unit? Then say so by --unit"): 10,
        ("refused", "its study is excluded, or its row refused"): 2,
        ("warned", "other case than in the table"): 2,
        ("refused", "no row of the table has its study id"): 1,  # the copy
        ("refused", "is empty"): 1,
        ("refused", "row 1 column 32 is not a number"): 1,
        ("refused", "is not a readable .npy file"): 1,
        ("refused", "row 1 column 1 is not a number"): 1,
        ("refused", "has negative values inside the disc"): 1,
        ("refused", "holds no array of real numbers"): 1,
        ("refused", ".pdf is no export of maps"): 1,
        ("read", ""): 2 * (N - 1 - 5) - 2,
    }
    for (verdict, reason), n in expected.items():
        is_so = (files["status"] == verdict) & files["reason"].str.contains(reason, regex=False)
        assert is_so.sum() == n, (verdict, reason)
    assert sum(expected.values()) == len(files)
    refused = rows[rows["status"] == "refused"].set_index("number")["reason"].to_dict()
    assert refused.pop(6) == "excluded: prior bypass"
    assert "study id is a date" in refused.pop(66)
    # Lines of studies 16 to 20, and those that no file is of.
    assert refused == dict.fromkeys(range(17, 22), "its maps are refused") | dict.fromkeys(
        (62, 63, 64, 65, 67), "no map"
    )
    for text in (said.out, said.err, report.to_csv(), (out / "cohort.csv").read_text(),
                 (out / "cohort.json").read_text()):  # fmt: skip
        for secret in ("Mustermann", "U001", "U017", "7700", "2024-03-12"):
            assert secret not in text
