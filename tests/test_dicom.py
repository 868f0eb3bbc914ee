"""DICOM files: those with numbers come back, everything else is one clear line."""

import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from dicom_writer import (
    SYNTAXES,
    Header,
    gray_capture,
    highdicom_parametric_map,
    nm_image,
    parametric_map,
    pet_image,
    rgb_capture,
    write,
)
from hostile_dicom import spoilt_files

import polarnet as pn
from polarnet import cli
from polarnet.readers import import_exports
from polarnet.readers.geometry import segments_to_disc
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading, load_profiles

SQUARE = Reading(load_profiles(["square"]))
STATED = Reading(load_profiles(["square"]), unit="mL/min/g")


def smooth(level, size=48):
    """A map with a different level in each segment, mL/min/g."""
    return segments_to_disc(level * np.linspace(0.7, 1.3, 17), size)


REST, STRESS = smooth(0.9), smooth(2.2)
RESERVE = np.where(REST > 0, STRESS / np.maximum(REST, 0.1), 0)


def difference(found, written):
    """Largest difference inside the disc, as a share of the largest value."""
    disc = pn.anatomy.disc_mask(len(written))
    return np.abs(found - written)[disc].max() / written.max()


@pytest.mark.parametrize("syntax", [name for name in SYNTAXES if name not in
                                    ("deflated", "JPEG baseline")])  # fmt: skip
def test_a_pt_image_of_flow_comes_back_through_every_lossless_syntax(tmp_path, syntax):
    """65,535 steps: half of one is 8e-6 of the range."""
    path = write(pet_image(STRESS, Header(series_description="Stress MBF")), tmp_path / "x", syntax)
    (found,), problems = read_maps(path, SQUARE)
    assert problems == []
    assert (found.map_type, found.unit, found.unit_in_file) == ("stress", "mL/min/g", "ml/min/g")
    assert difference(found.values, STRESS) < 1e-4


def objects():
    """Ways to write rest flow, each with what is said of the unit."""
    rest = Header(series_description="Rest MBF")
    return {
        "PT, MLMING": (pet_image(REST, rest), SQUARE),
        "PT, MLMING, signed": (pet_image(REST, rest, is_signed=True), SQUARE),
        "NM with a mapping": (nm_image(REST, rest), SQUARE),
        "NM with a mapping as of old": (nm_image(REST, rest, is_referenced=True), SQUARE),
        "Parametric Map, uint16": (parametric_map({"rest": REST}, rest), SQUARE),
        "Parametric Map, shared mapping": (
            parametric_map({"rest": REST}, rest, mapping_in="shared"), SQUARE,
        ),
        "Parametric Map, table": (parametric_map({"rest": REST}, rest, has_table=True), SQUARE),
        "Parametric Map, float32": (parametric_map({"rest": REST}, rest, dtype="float32"), SQUARE),
        "Parametric Map by highdicom": (highdicom_parametric_map({"rest": REST}, rest), SQUARE),
        "SC with rescale, unit stated": (gray_capture(REST, rest), STATED),
    }  # fmt: skip


def test_every_numeric_object_comes_back(tmp_path):
    for name, (dataset, reading) in objects().items():
        (found,), problems = read_maps(write(dataset, tmp_path / "x"), reading)
        assert problems == [], name
        assert (found.map_type, found.unit) == ("rest", "mL/min/g"), name
        assert difference(found.values, REST) < 1e-3, name


@pytest.mark.realdata
@pytest.mark.parametrize("study", ["study773", "study4494"])
def test_real_flow_maps_come_back_by_every_numeric_route(ottawa, study, tmp_path):
    """One table: route, largest error in mL/min/g, asked below 1e-3 of the largest value."""
    reading = Reading(load_profiles(["flowquant-48"]), unit="mL/min/g")
    lines = []
    for map_type in ("rest", "stress"):
        values = np.loadtxt(ottawa / f"{study}_{map_type}.csv", delimiter=",")
        (csv,), _ = read_maps(ottawa / f"{study}_{map_type}.csv", reading)
        header = Header(series_description=map_type)
        routes = {
            "PT, MLMING": pet_image(values, header),
            "Parametric Map, uint16": parametric_map({map_type: values}, header),
            "Parametric Map, float32": parametric_map({map_type: values}, header, dtype="float32"),
            "NM with a mapping": nm_image(values, header),
            "SC with rescale": gray_capture(values, header),
        }
        for route, dataset in routes.items():
            (found,), _ = read_maps(write(dataset, tmp_path / "x"), reading)
            error = np.abs(found.values - csv.values).max()
            lines.append(f"{study} {map_type:6} {route:24} {error:.1e} mL/min/g\n")
            assert error < 1e-3 * values.max()
    sys.stdout.writelines(lines)


def test_a_parametric_map_of_three_frames_is_three_maps(tmp_path):
    maps = {"rest": REST, "stress": STRESS, "reserve": RESERVE}
    found, problems = read_maps(write(parametric_map(maps), tmp_path / "x"), SQUARE)
    assert problems == []
    assert [one.map_type for one in found] == ["rest", "stress", "reserve"]
    assert [one.unit for one in found] == ["mL/min/g", "mL/min/g", ""]
    for one in found:
        assert difference(one.values, maps[one.map_type]) < 1e-3


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (pet_image(REST), "does not say whether it is rest, stress or reserve (series number 7)"),
        (pet_image(REST, Header(series_description="Rest"), units="NONE"),
         "described as rest, but its numbers have no unit"),
        (pet_image(REST, Header(series_description="MFR")),
         "described as reserve, but its numbers are ml/min/g"),
        (pet_image(REST, Header(series_description="stress", state="rest")),
         "coded as rest and described as stress"),
        (pet_image(REST, Header(series_description="Rest/Stress")),
         "described as rest and stress at once"),
        (pet_image(REST, Header(series_description="Rest"), units="BQML"),
         "has the unit BQML, which is no unit of flow"),
        (gray_capture(REST, Header(series_description="Rest")), "says no unit of flow"),
        (rgb_capture(np.zeros((48, 48, 3), np.uint8)), "is a screen: numbers can be recovered"),
        (parametric_map({"rest": REST, "stress": REST}, Header(is_coded=False), has_labels=False),
         "is a volume of 2 frames, or does not say which is rest"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_and_never_guessed(tmp_path, dataset, message):
    found, problems = read_maps(write(dataset, tmp_path / "x"), SQUARE)
    assert found == []
    assert message in problems[0]


def test_a_slice_is_no_polar_map(tmp_path):
    """A small hot heart in an empty picture, and a chest that reaches into the corners."""
    heart = np.zeros((48, 48))
    heart[20:28, 20:28] = 2.0
    chest = 1 + np.arange(48 * 48).reshape(48, 48) / 5000
    for picture, message in ((heart, "empty in most of its disc"), (chest, "in its corners")):
        path = write(pet_image(picture, Header(series_description="Rest")), tmp_path / "x")
        _, problems = read_maps(path, SQUARE)
        assert message in problems[0]


def test_one_slice_of_many_and_one_beat_are_refused(tmp_path):
    """Whatever they look like: of a polar map there is one."""
    slices, gated = (pet_image(REST, Header(series_description="Rest")) for _ in range(2))
    slices.NumberOfSlices = 47
    gated.SeriesType = ["GATED", "IMAGE"]
    for dataset, message in ((slices, "is one of 47 slices"), (gated, "is of a gated series")):
        _, problems = read_maps(write(dataset, tmp_path / "x"), SQUARE)
        assert message in problems[0]


def test_a_unit_that_may_be_anything_is_not_repeated(tmp_path):
    dataset = pet_image(REST, Header(series_description="Rest"), units="MUELLER HANS")
    _, problems = read_maps(write(dataset, tmp_path / "x"), SQUARE)
    assert problems == ["has a unit, which is no unit of flow"]


def test_a_parametric_map_without_its_mapping_is_not_rescaled(tmp_path):
    dataset = parametric_map({"rest": REST}, Header(series_description="Rest"))
    groups = dataset.PerFrameFunctionalGroupsSequence
    for group in (*groups, *dataset.SharedFunctionalGroupsSequence):
        group.pop("RealWorldValueMappingSequence", None)
    _, problems = read_maps(write(dataset, tmp_path / "x"), STATED)
    assert problems == ["has lost the mapping of its values to a unit"]


READ = {
    "mz preamble", "no preamble", "rows as SS", "rows as UN", "0 frames", "latin-1 called utf-8",
    "units 'mlming'", "units ''",
    "intercept '-0.5'", "unknown charset", "called implicit", "nested 3000 deep",
}  # fmt: skip
"""Faults that leave no doubt about the numbers: where there is none, the user states the unit."""


def test_a_spoilt_file_is_read_rightly_or_refused_in_one_line(tmp_path):
    """Nothing of the header reaches the line; the table of what is read is above."""
    reading = Reading(load_profiles(["square"]), unit="mL/min/g", series={"7": "stress"})
    (good,), _ = read_maps(write(pet_image(STRESS), tmp_path / "x.dcm"), reading)
    identifiers = Header().identifiers
    were_read = set()
    for fault, content in spoilt_files(STRESS).items():
        (tmp_path / "x.dcm").write_bytes(content)
        found, problems = read_maps(tmp_path / "x.dcm", reading)
        if found:
            were_read.add(fault)
            # An intercept is no fault: this one takes 0.5 mL/min/g from every pixel.
            lower = 0.5 if "intercept" in fault else 0.0
            disc = pn.anatomy.disc_mask(48)
            expected = good.values[disc] - lower
            np.testing.assert_allclose(found[0].values[disc], expected, atol=1e-6, err_msg=fault)
            continue
        assert len(problems) == 1, fault
        assert "\n" not in problems[0], fault
        assert not any(identifier in problems[0] for identifier in identifiers), fault
    assert were_read == READ


def eight_bits(values, map_type, *, top=255):
    """A grey screen as Secondary Capture: brought to 0 to `top`, rescale slope 1."""
    dataset = gray_capture(values, Header(series_description=f"{map_type} flow"))
    stored = np.round(values / values.max() * top).astype(np.uint8)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData, dataset.RescaleSlope = stored.tobytes(), 1
    return dataset


@pytest.mark.parametrize(
    ("tops", "n_kept", "told"),
    [
        ((255, 255), 0, "is a picture of 8 bits that says no unit and ends at 255"),
        ((100, 255), 0, "is a picture of 8 bits that says no unit and ends at 255"),
        ((97, 211), 1, "is a picture of 8 bits that says no unit: was it scaled"),
        ((180, 180), 0, "rest and stress both end at 180"),
    ],
)
def test_a_grey_screen_of_8_bits_is_flow_only_where_its_numbers_may_be(
    tmp_path, tops, n_kept, told
):
    folder = tmp_path / "DICOM"
    folder.mkdir()
    for values, map_type, top in ((REST, "rest", tops[0]), (STRESS, "stress", tops[1])):
        write(eight_bits(values + 0.1 * REST**2, map_type, top=top), folder / f"{map_type}.dcm")
    out = tmp_path / "out"
    with nullcontext() if n_kept else pytest.raises(ValueError, match="No study has all its maps"):
        import_exports(folder, out, unit="mL/min/100g", keep_ids=True)
    report = out / "import_report.csv" if n_kept else tmp_path / "out_import_report.csv"
    assert told in report.read_text(encoding="utf-8")


def test_flow_in_cubic_centimetres_is_flow_in_millilitres(tmp_path):
    """1 cm3 is 1 mL; 1 L/min/kg is 1 mL/min/g."""
    for unit in ("cm3/min/g", "cm³/min/g", "cc/min/g", "cm3.min-1.g-1", "L/min/kg"):
        reading = Reading(load_profiles(["square"]), unit=unit)
        path = write(gray_capture(STRESS, Header(series_description="stress")), tmp_path / "x")
        (found,), _ = read_maps(path, reading)
        assert found.unit == "mL/min/g"
        assert difference(found.values, STRESS) < 1e-4


@pytest.mark.parametrize("name", ["x.dat", "x.txt", "x.csv", "x.1.2.840", "x", "x.xlsx"])
def test_dicom_is_known_by_its_beginning_not_by_its_name(tmp_path, name):
    path = write(pet_image(STRESS, Header(series_description="Stress MBF")), tmp_path / name)
    (found,), problems = read_maps(path, SQUARE)
    assert problems == []
    assert difference(found.values, STRESS) < 1e-4


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.dcm", b"\x89PNG\r\n\x1a\n" + bytes(200), "is a picture: give it the ending .png"),
        ("x.csv", b"PK\x03\x04" + bytes(200), "is an archive or a workbook: unpack it"),
        ("x.dat", b"\x1f\x8b\x08" + bytes(200), "is a gzip archive: unpack it"),
        ("x", b"%PDF-1.7" + bytes(200), "is a PDF document"),
        ("x.dcm", b"\x08\x00\x05\x00CS\n\x00ISO_IR 100" + bytes(200), "dcmconv"),
        ("x.dcm", b"lorem" * 90, "has the ending of DICOM and is none"),
        ("x.zip", b"PK\x03\x04" + bytes(200), ".zip is an archive: unpack it"),
    ],
)
def test_what_a_file_is_and_what_to_do_is_said(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    found, problems = read_maps(tmp_path / name, STATED)
    assert found == []
    assert problems[0].startswith(told) or (told == "dcmconv" and told in problems[0])


@pytest.mark.realdata
def test_volumes_are_refused_as_volumes(ottawa):
    """12 NM volumes of 50 slices (PhysioNet)."""
    folder = ottawa.parent / "physionet_mps" / "dicom"
    for path in sorted(folder.glob("*.dcm")):
        found, problems = read_maps(path, STATED)
        assert found == []
        assert "is a volume or a film of 50 frames, not a polar map" in problems[0]


def test_none_of_the_files_that_pydicom_ships_is_taken_for_a_polar_map():
    from pathlib import Path

    import pydicom

    folder = Path(pydicom.__file__).parent / "data"
    reading = Reading(load_profiles(["square", "aha17"], scale=(0, 4)), unit="mL/min/g")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    for path in files:
        found, problems = read_maps(path, reading)
        assert found == [], path.name
        assert len(problems) == 1, path.name


@pytest.fixture
def archive(tmp_path):
    """Two studies of two patients, as an archive may export them: names without meaning."""
    folder = tmp_path / "DICOM" / "S0"
    folder.mkdir(parents=True)
    for k in (1, 2):
        for state, values in (("rest", REST), ("stress", STRESS)):
            header = Header(
                patient_id=f"HOSP-{k}", accession=f"ACC-{k}", state=state, agent="regadenoson",
                series_description="MBF", private=None,
            )  # fmt: skip
            write(pet_image(values * (1 + k / 100), header), folder / f"I{k}{len(state)}")
    return tmp_path / "DICOM"


@pytest.mark.parametrize(
    ("study_id", "patient_id", "how"),
    [
        ("ACC-{}", "HOSP-{}", "accession number = study id"),
        ("acc-{}", "7{}", "accession number = study id"),
        ("HOSP-{}", "7{}", "patient id = study id"),
        ("U{}", "HOSP-{}", "patient id, of patients with a single row"),
    ],
)
def test_files_find_their_row_by_one_attribute(archive, tmp_path, study_id, patient_id, how):
    rows = [f"{study_id.format(k)},{patient_id.format(k)},{k % 2}\n" for k in (1, 2)]
    (tmp_path / "clinic.csv").write_text("study_id,patient_id,sex\n" + "".join(rows))
    said = []
    cohort = pn.read_exports(archive, tmp_path / "clinic.csv", keep_ids=True, tell=said.append)
    assert cohort.traits["sex"].tolist() == [1, 0]
    assert any(f"DICOM files belong to rows by {how}: 4 of 4 maps" in line for line in said)
    assert cohort.clinical["tracer"].tolist() == ["Rb-82", "Rb-82"]
    assert cohort.clinical["stress_agent"].tolist() == ["A2A agonist"] * 2
    assert cohort.clinical["software_version"].tolist() == ["4.2.1"] * 2


def test_a_file_of_another_patient_than_its_row_is_warned_of(archive, tmp_path):
    """Patient ids are those of the table in study 1, so that of study 2 should be too."""
    (tmp_path / "clinic.csv").write_text(
        "study_id,patient_id,sex\nACC-1,HOSP-1,1\nACC-2,HOSP-9,0\n"
    )
    key, out = tmp_path / "key", tmp_path / "cohort"
    import_exports(archive, out, tmp_path / "clinic.csv", key=key)
    report = pd.read_csv(out / "import_report.csv", keep_default_na=False)
    doubted = report["reason"].str.contains("names another patient than the row")
    assert report["status"][doubted].tolist() == ["warned", "warned"]
    assert report["number"][doubted].tolist() == [3, 4]


def test_a_row_without_id_ties_no_file(tmp_path):
    """A row of totals, and files without accession number: nothing is tied by nothing."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for state, values in (("rest", REST), ("stress", STRESS)):
        header = Header(patient_id="H1", accession="", state=state, series_description="MBF")
        write(pet_image(values, header), folder / state)
    (tmp_path / "clinic.csv").write_text("study_id,patient_id,sex\nU1,H1,1\n,,1\n")
    cohort = pn.read_exports(folder, tmp_path / "clinic.csv", keep_ids=True)
    assert list(cohort.patients.index) == ["U1"]


def test_a_formula_in_a_header_reaches_no_table(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    for state, values in (("rest", REST), ("stress", STRESS)):
        header = Header(state=state, series_description="MBF", manufacturer="=cmd|' /C calc'!A0")
        write(pet_image(values, header), folder / state)
    cohort = pn.read_exports(folder, keep_ids=True)
    assert "manufacturer" not in cohort.clinical
    assert cohort.clinical["model"].tolist() == ["PolarStation"]


def test_without_a_table_files_name_study_and_patient(archive):
    cohort = pn.read_exports(archive, keep_ids=True)
    assert sorted(cohort.patients) == ["HOSP-1", "HOSP-2"]


def test_a_table_of_series_tells_what_files_do_not(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    for number, values in ((3, REST), (4, STRESS)):
        header = Header(series_description="MBF", series_number=number)
        write(pet_image(values, header), folder / f"I{number}")
    series = tmp_path / "series.csv"
    series.write_text("series,map\n3,rest\n4,Stress\n")
    cohort = pn.read_exports(folder, keep_ids=True, series=series)
    assert difference(cohort.maps["stress"][0], STRESS) < 1e-3
    header = Header(series_description="MBF stress", series_number=5)
    write(pet_image(STRESS, header), folder / "I5")
    series.write_text("series,map\n3,rest\n4,Stress\n5,rest\n")
    reading = Reading(load_profiles(["square"]), series={"5": "rest"})
    _, problems = read_maps(folder / "I5", reading)
    assert "says that it is stress, and --series that its series is rest" in problems[0]
    series.write_text("series,map\n3,rest\n4,peak\n")
    with pytest.raises(ValueError, match=r"series\.csv line 3: map must be one of rest, stress"):
        pn.read_exports(folder, keep_ids=True, series=series)


def test_no_identifier_of_a_dicom_file_reaches_anything_written_or_said(archive, tmp_path, capsys):
    out = tmp_path / "cohort"
    (archive / "Befund Nobody").write_bytes(b"x")
    status = cli.main(["import", str(archive), "--key", str(tmp_path / "key"), "--out", str(out)])
    said = capsys.readouterr()
    assert status == 0, said.err
    written = "".join(
        path.read_text(encoding="utf-8")
        for path in out.iterdir()
        if path.suffix in (".csv", ".json")
    )
    for identifier in (*Header(patient_id="HOSP-1", accession="ACC-1").identifiers, "Nobody"):
        for text in (said.out.replace(str(out), ""), said.err, written):
            assert identifier not in text, identifier
    assert set(pd.read_csv(out / "cohort.csv").columns) == {
        "study_id", "patient_id", "impaired_mfr", "manufacturer", "model", "software_version",
        "tracer", "stress_agent", "profile", "unit_in_file", "impaired_mfr_source",
    }  # fmt: skip
