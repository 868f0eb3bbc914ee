"""DICOM files: those with numbers come back, everything else is one clear line."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from dicom_files import (
    SYNTAXES,
    Header,
    code,
    gray_capture,
    item,
    mapping,
    nm_image,
    parametric_map,
    pet_image,
    rgb_capture,
    spoilt_files,
    write,
)
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

import polarnet as pn
from polarnet import cli
from polarnet.readers import import_exports
from polarnet.readers.dicom import map_type_of, numbers_of_frame, origin
from polarnet.readers.geometry import segments_to_disc
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading, load_profiles

SQUARE = Reading(load_profiles(["square"]))
STATED = Reading(load_profiles(["square"]), unit="mL/min/g")
DISC = pn.anatomy.disc_mask(48)


def smooth(level):
    """A map with a different level in each segment, mL/min/g."""
    return segments_to_disc(level * np.linspace(0.7, 1.3, 17), 48)


REST, STRESS = smooth(0.9), smooth(2.2)
RESERVE = np.where(REST > 0, STRESS / np.maximum(REST, 0.1), 0)


def described(text, **others):
    return Header(series_description=text, **others)


def difference(found, written):
    """Largest difference inside the disc, as a share of the largest value."""
    return np.abs(found - written)[DISC].max() / written.max()


def refusal(path, reading=SQUARE):
    found, problems = read_maps(path, reading)
    assert found == []
    assert len(problems) == 1
    return problems[0]


# === Numbers that come back ===


def with_mapping_in_frames(dataset):
    (frame,), (shared,) = (
        dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence
    )  # fmt: skip
    frame.RealWorldValueMappingSequence = shared.RealWorldValueMappingSequence
    del shared.RealWorldValueMappingSequence
    return dataset


def one_frame(values, header, **how):
    return parametric_map({"rest": values}, header, **how)


ROUTES = {
    "PT, signed": (lambda *args: pet_image(*args, is_signed=True), {}),
    "NM with a mapping": (nm_image, {}),
    "Parametric Map, uint16": (one_frame, {}),
    "Parametric Map, frames": (lambda *args: with_mapping_in_frames(one_frame(*args)), {}),
    "Parametric Map, float32": (lambda *args: one_frame(*args, dtype="float32"), {}),
    "SC with rescale, unit stated": (gray_capture, {"unit": "cm³/min/g"}),
    **{name: (pet_image, {"syntax": name}) for name in {*SYNTAXES} - {"deflated", "JPEG baseline"}},
    # DICOM is known by its beginning, not by its name.
    **{name: (pet_image, {"name": name}) for name in ("x.csv", "x.1.2.840", "x.xlsx")},
}
"""Ways to write rest flow: what makes it, and how it is written and read."""


@pytest.mark.parametrize("route", sorted(ROUTES))
def test_flow_comes_back_through_every_numeric_object_and_lossless_syntax(tmp_path, route):
    """65,535 steps: half of one is 8e-6 of the range; 1 cm3 is 1 mL."""
    make, how = ROUTES[route]
    path = tmp_path / how.get("name", "x")
    write(make(REST, described("Rest MBF")), path, how.get("syntax", "explicit"))
    (found,), problems = read_maps(path, Reading(SQUARE.profiles, how.get("unit", "")))
    assert problems == []
    assert (found.map_type, found.unit) == ("rest", "mL/min/g")
    assert found.unit_in_file == how.get("unit", "ml/min/g")
    assert difference(found.values, REST) < 1e-4


def test_a_parametric_map_of_three_frames_is_three_maps(tmp_path):
    maps = {"rest": REST, "stress": STRESS, "reserve": RESERVE}
    found, problems = read_maps(write(parametric_map(maps), tmp_path / "x"), SQUARE)
    assert problems == []
    assert [one.map_type for one in found] == ["rest", "stress", "reserve"]
    assert [one.unit for one in found] == ["mL/min/g", "mL/min/g", ""]
    for one in found:
        assert difference(one.values, maps[one.map_type]) < 1e-3


# === Numbers of stored pixels, worked by hand ===

STORED = np.array([[10, 20], [30, 40]], dtype=np.uint16)
WORDS = {"rest": ("rest", "ruhe"), "stress": ("stress",), "reserve": ("mfr", "flow reserve")}
BQ = Code("Bq/ml", "UCUM", "Bq/ml")


def mapped(*mappings, **others):
    return item(RealWorldValueMappingSequence=list(mappings), **others)


def frames(*headers, **shared):
    return item(PerFrameFunctionalGroupsSequence=list(headers),
                SharedFunctionalGroupsSequence=[item(**shared)])  # fmt: skip


@pytest.mark.parametrize(
    ("header", "frame", "expected"),
    [
        # 0.1 * 10 + 1 = 2; the rescaling, of 5, is for another quantity.
        (mapped(mapping(), RescaleSlope=5, RescaleIntercept=0, Units="BQML"), 0, [2, 3, 4, 5]),
        # Outside the range of a mapping, values stand for nothing.
        (mapped(mapping(first=20, last=30)), 0, [np.nan, 3, 4, np.nan]),
        # Of two mappings, that of flow counts.
        (mapped(mapping(7.0, unit=BQ), mapping()), 0, [2, 3, 4, 5]),
        # A frame has its own mapping before that of all.
        (frames(mapped(mapping()), mapped(mapping(0.2))), 1, [3, 5, 7, 9]),
        (frames(mapped(mapping(0.2)), RealWorldValueMappingSequence=[mapping()]), 1, [2, 3, 4, 5]),
    ],
)  # fmt: skip
def test_a_mapping_works_on_stored_values_and_wins_over_rescaling(header, frame, expected):
    values, unit, *_ = numbers_of_frame(header, STORED, frame, "")
    np.testing.assert_allclose(values.ravel(), expected)
    assert unit == "ml/min/g"


@pytest.mark.parametrize(
    ("units", "stated", "unit"),
    [
        ("MLMING", "", "ml/min/g"), ("MLMINML", "", "ml/min/ml"), ("NONE", "", "1"),
        ("", "mL/min/g", ""), ("CNTS", "percent", ""),
    ],
)  # fmt: skip
def test_units_of_a_pt_image_or_of_the_user_go_with_its_rescaling(units, stated, unit):
    """0.05 * 20 + 0.5 = 1.5."""
    header = item(Units=units, RescaleSlope="0.05", RescaleIntercept="0.5")
    values, found, *_ = numbers_of_frame(header, STORED, 0, stated)
    assert (values[0, 1], found) == (pytest.approx(1.5), unit)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (item(Units="BQML", RescaleSlope=1), "has the unit BQML, which is no unit of flow"),
        (item(Units="MLMING"), "has no rescale slope"),
        (item(Units="MLMING", RescaleSlope="0"), "rescale slope of 0, expected more than 0"),
        (item(Units="MLMING", RescaleSlope="-1"), "rescale slope of -1"),
        (mapped(mapping(unit=BQ)), "maps its values to a unit that is none of flow"),
        (mapped(mapping(first=9, last=1)), "mapping of no values"),
        (mapped(mapping(LUTLabel="a"), mapping(LUTLabel="b")), "several real world value mappings"),
        (mapped(mapping(), mapping(0.05)), "several real world value mappings"),
        (mapped(mapping(RealWorldValueLUTData=[1.0, 2.0])), "maps its values by a table"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(header, message):
    with pytest.raises(ValueError, match=message):
        numbers_of_frame(header, STORED, 0, "mL/min/g" if "Units" not in header else "")


# === Rest, stress or reserve; whose and from where ===


def coded(state, **others):
    return item(AcquisitionContextSequence=[item(ConceptCodeSequence=[code(state)])], **others)


@pytest.mark.parametrize(
    ("header", "words", "is_reserve", "unit", "expected"),
    [
        (coded(Code("F-01604", "SRT", "Resting State")), "", False, "", "rest"),
        (item(SeriesDescription="MBF Stress (ml/g/min)"), "", False, "", "stress"),
        (item(SeriesDescription="Restored"), "", False, "", ""),
        (item(SeriesDescription="stress flow reserve"), "MFR", False, "", "reserve"),
        (item(SeriesDescription="MBF Stress"), "", True, "", "reserve"),
        # Numbers without unit are no flow, and numbers in mL/min/g no reserve.
        (item(SeriesDescription="MFR stress"), "", False, "1", "reserve"),
        (item(SeriesDescription="MFR stress"), "", False, "ml/min/g", "stress"),
        (item(SeriesDescription="MFR stress"), "", False, "",
         ValueError("described as reserve and stress at once")),
        (coded(codes.SCT.RestingState, SeriesDescription="stress"), "", False, "",
         ValueError("coded as rest and described as stress")),
        (item(SeriesDescription="Rest/Stress"), "", False, "",
         ValueError("described as rest and stress at once")),
    ],
)  # fmt: skip
def test_the_map_type_is_told_by_code_then_by_words_and_never_guessed(
    header, words, is_reserve, unit, expected
):
    if isinstance(expected, str):
        assert map_type_of(header, 0, words, is_reserve, WORDS, unit) == expected
    else:
        with pytest.raises(ValueError, match=str(expected)):
            map_type_of(header, 0, words, is_reserve, WORDS, unit)


@pytest.mark.parametrize(
    ("said", "tracer"),
    [
        ({"RadiopharmaceuticalCodeSequence": [code(codes.SCT.AmmoniaN13)]}, "N-13 ammonia"),
        ({"RadionuclideCodeSequence": [code(codes.SCT._82Rubidium)]}, "Rb-82"),
        ({"Radiopharmaceutical": "82Rb rubidium chloride"}, "Rb-82"),
        ({"Radiopharmaceutical": "Imaginary"}, "Imaginary"),
        ({}, ""),
    ],
)
def test_a_tracer_is_known_by_its_code_or_by_a_word(said, tracer):
    header = item(RadiopharmaceuticalInformationSequence=[item(**said)])
    assert origin(header).get("tracer", "") == tracer


# === Refusals ===

HEART, CHEST = np.zeros((48, 48)), 1 + np.arange(48 * 48).reshape(48, 48) / 5000
HEART[20:28, 20:28] = 2.0  # small and hot in an empty picture; a chest reaches into the corners


def changed(dataset, **attributes):
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def without_mapping(dataset):
    for group in (*dataset.PerFrameFunctionalGroupsSequence,
                  *dataset.SharedFunctionalGroupsSequence):  # fmt: skip
        group.pop("RealWorldValueMappingSequence", None)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (pet_image(REST), "does not say whether it is rest, stress or reserve (series number 7)"),
        (pet_image(REST, described("Rest"), units="NONE"),
         "described as rest, but its numbers have no unit"),
        (pet_image(REST, described("MFR")), "described as reserve, but its numbers are ml/min/g"),
        # It may be anything, so it is not repeated.
        (pet_image(REST, described("Rest"), units="MUELLER HANS"),
         "has a unit, which is no unit of flow"),
        (gray_capture(REST, described("Rest")), "says no unit of flow"),
        (rgb_capture(np.zeros((48, 48, 3), np.uint8)), "is a screen: numbers can be recovered"),
        (parametric_map({"rest": REST, "stress": REST}, says_map=False),
         "is a volume of 2 frames, or does not say which is rest"),
        (without_mapping(parametric_map({"rest": REST}, described("Rest"))),
         "has lost the mapping of its values to a unit"),
        # Slices and beats, whatever they look like: of a polar map there is one.
        (pet_image(HEART, described("Rest")), "empty in most of its disc"),
        (pet_image(CHEST, described("Rest")), "in its corners"),
        (changed(pet_image(REST, described("Rest")), NumberOfSlices=47), "is one of 47 slices"),
        (changed(pet_image(REST, described("Rest")), SeriesType=["GATED", "IMAGE"]),
         "is of a gated series"),
    ],
)  # fmt: skip
def test_what_is_not_known_or_no_polar_map_is_refused_and_never_guessed(tmp_path, dataset, message):
    assert message in refusal(write(dataset, tmp_path / "x"))


READ = {
    "mz preamble", "RescaleIntercept '-0.5'", "Units 'mlming'", "Units ''", "NumberOfFrames '0'",
}  # fmt: skip
"""Faults that leave no doubt about the numbers: where there is no unit, the user states it."""


SAID = {
    "JPEG 2000 bomb": "has pixels of another size than its header says",
    "JPEG-LS of more rows": "has pixels of another size than its header says",
    "RLE bomb": "too large for a polar map",
    "deflated": "has a deflated transfer syntax; export it without compression",
    "pixels cut": "is cut short: it has fewer pixels than it says",
    "Rows None": "has no number of rows",
    "text": "is DICOM, Basic Text SR: not one of the kinds",
    "unknown sop class": "is DICOM, of a private kind: not one of the kinds",
}
"""What is said of some of the others."""


def test_a_spoilt_file_is_read_rightly_or_refused_in_one_line(tmp_path):
    """Nothing of the header reaches the line."""
    reading = Reading(load_profiles(["square"]), unit="mL/min/g", series={"7": "stress"})
    path = write(pet_image(STRESS), tmp_path / "x.dcm")
    (good,), _ = read_maps(path, reading)
    files, were_read = spoilt_files(STRESS), set()
    for fault, content in files.items():
        path.write_bytes(content)
        found, problems = read_maps(path, reading)
        if found:
            were_read.add(fault)
            # An intercept is no fault: this one takes 0.5 mL/min/g from every pixel.
            expected = good.values[DISC] - (0.5 if "Intercept" in fault else 0.0)
            np.testing.assert_allclose(found[0].values[DISC], expected, atol=1e-6, err_msg=fault)
            continue
        assert len(problems) == 1, fault
        assert "\n" not in problems[0], fault
        assert SAID.get(fault, "") in problems[0], fault
        assert not any(identifier in problems[0] for identifier in Header().identifiers), fault
    assert were_read == READ
    assert SAID.keys() <= files.keys() - READ


@pytest.mark.parametrize(
    ("tops", "n_kept", "told"),
    [
        ((255, 255), 0, "is a picture of 8 bits that says no unit and ends at 255"),
        ((100, 255), 0, "is a picture of 8 bits that says no unit and ends at 255"),
        ((97, 211), 1, "is a picture of 8 bits that says no unit and ends at 211: was it scaled"),
        ((180, 180), 0, "rest and stress both end at 180"),
    ],
)
def test_a_grey_screen_of_8_bits_is_flow_only_where_its_numbers_may_be(
    tmp_path, tops, n_kept, told
):
    """As Secondary Capture: brought to 0 to its top, rescale slope 1."""
    folder, out = tmp_path / "DICOM", tmp_path / "out"
    folder.mkdir()
    for flow, map_type, top in ((REST, "rest", tops[0]), (STRESS, "stress", tops[1])):
        values = flow + 0.1 * REST**2
        grey = gray_capture(values, described(f"{map_type} flow"), BitsAllocated=8, BitsStored=8,
                            HighBit=7)  # fmt: skip
        grey.PixelData = np.round(values / values.max() * top).astype(np.uint8).tobytes()
        grey.RescaleSlope = 1
        write(grey, folder / f"{map_type}.dcm")
    with nullcontext() if n_kept else pytest.raises(ValueError, match="No study has all its maps"):
        import_exports(folder, out, unit="mL/min/100g", keep_ids=True)
    report = out / "import_report.csv" if n_kept else tmp_path / "out_import_report.csv"
    assert told in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("x.dcm", b"\x89PNG\r\n\x1a\n", "is a picture: give it the ending .png"),
        ("x.csv", b"PK\x03\x04", "is an archive or a workbook: unpack it"),
        ("x.dat", b"\x1f\x8b\x08", "is a gzip archive: unpack it"),
        ("x", b"%PDF-1.7", "is a PDF document"),
        ("x.dcm", b"lorem" * 90, "has the ending of DICOM and is none"),
        ("x.zip", b"PK\x03\x04", ".zip is an archive: unpack it"),
    ],
)
def test_what_a_file_is_and_what_to_do_is_said(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content + bytes(200))
    assert refusal(tmp_path / name, STATED).startswith(told)


@pytest.mark.realdata
def test_volumes_are_refused_as_volumes(ottawa):
    """12 NM volumes of 50 slices (PhysioNet)."""
    for path in sorted((ottawa.parent / "physionet_mps" / "dicom").glob("*.dcm")):
        told = "is a volume or a film of 50 frames, not a polar map"
        assert told in refusal(path, STATED)


def test_none_of_the_files_that_pydicom_ships_is_taken_for_a_polar_map():
    reading = Reading(load_profiles(["square", "aha17"], scale=(0, 4)), unit="mL/min/g")
    folder = Path(pydicom.__file__).parent / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    for path in files:
        refusal(path, reading)


# === Whole folders ===


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "DICOM" / "S0").mkdir(parents=True)
    return tmp_path / "DICOM"


@pytest.fixture
def pair(folder):
    """Writes rest and stress of one study."""

    def make(number=1, factor=1.0, **header):
        for state, values in (("rest", REST), ("stress", STRESS)):
            facts = {"series_description": "MBF", "state": state} | header
            write(pet_image(factor * values, Header(**facts)),
                  folder / "S0" / f"I{number}{len(state)}")  # fmt: skip
        return folder

    return make


@pytest.fixture
def archive(pair):
    """Two studies of two patients, as an archive may export them: names without meaning."""
    for k in (1, 2):
        folder = pair(k, 1 + k / 100, patient_id=f"HOSP-{k}", accession=f"ACC-{k}", private=None,
                      agent=codes.SCT.AdenosineA2ReceptorAgonist)  # fmt: skip
    return folder


def clinic(tmp_path, *rows):
    (tmp_path / "clinic.csv").write_text("\n".join(["study_id,patient_id,sex", *rows, ""]))
    return tmp_path / "clinic.csv"


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
    rows = [f"{study_id.format(k)},{patient_id.format(k)},{k % 2}" for k in (1, 2)]
    said = []
    cohort = pn.read_exports(archive, clinic(tmp_path, *rows), keep_ids=True, tell=said.append)
    assert cohort.traits["sex"].tolist() == [1, 0]
    assert any(f"DICOM files belong to rows by {how}: 4 of 4 maps" in line for line in said)
    assert cohort.clinical["tracer"].tolist() == ["Rb-82", "Rb-82"]
    assert cohort.clinical["stress_agent"].tolist() == ["A2A agonist"] * 2
    assert cohort.clinical["software_version"].tolist() == ["4.2.1"] * 2


def test_a_file_of_another_patient_than_its_row_is_warned_of(archive, tmp_path):
    """Patient ids are those of the table in study 1, so that of study 2 should be too."""
    out = tmp_path / "cohort"
    table = clinic(tmp_path, "ACC-1,HOSP-1,1", "ACC-2,HOSP-9,0")
    import_exports(archive, out, table, key=tmp_path / "key")
    report = pd.read_csv(out / "import_report.csv", keep_default_na=False)
    doubted = report["reason"].str.contains("names another patient than the row")
    assert report["status"][doubted].tolist() == ["warned", "warned"]
    assert report["number"][doubted].tolist() == [3, 4]


def test_a_row_without_id_ties_no_file(pair, tmp_path):
    """A row of totals, and files without accession number: nothing is tied by nothing."""
    folder = pair(patient_id="H1", accession="")
    cohort = pn.read_exports(folder, clinic(tmp_path, "U1,H1,1", ",,1"), keep_ids=True)
    assert list(cohort.patients.index) == ["U1"]


def test_without_a_table_files_name_the_patient_and_a_formula_reaches_no_table(pair):
    folder = pair(manufacturer="=cmd|' /C calc'!A0", patient_id="HOSP-1")
    cohort = pn.read_exports(folder, keep_ids=True)
    assert sorted(cohort.patients) == ["HOSP-1"]
    assert "manufacturer" not in cohort.clinical
    assert cohort.clinical["model"].tolist() == ["PolarStation"]


def test_a_table_of_series_tells_what_files_do_not(folder, tmp_path):
    """A series is called by its number, its description or its UID."""
    for number, text, values in ((3, "One", REST), (4, "MBF  Two", STRESS)):
        write(pet_image(values, described(text, series_number=number)), folder / f"I{number}")
    series = tmp_path / "series.csv"
    series.write_text("series,map\n3,rest\nmbf two,Stress\n")
    cohort = pn.read_exports(folder, keep_ids=True, series=series)
    assert difference(cohort.maps["stress"][0], STRESS) < 1e-3
    path = write(pet_image(STRESS, described("MBF stress", series_number=5)), folder / "I5")
    said = refusal(path, Reading(load_profiles(["square"]), series={"5": "rest"}))
    assert "says that it is stress, and --series that its series is rest" in said
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
    for identifier in Header(patient_id="HOSP-1", accession="ACC-1").identifiers:
        for text in (said.out.replace(str(out), ""), said.err, written):
            assert identifier not in text, identifier
    assert set(pd.read_csv(out / "cohort.csv").columns) == {
        "study_id", "patient_id", "impaired_mfr", "manufacturer", "model", "software_version",
        "tracer", "stress_agent", "profile", "unit_in_file", "impaired_mfr_source",
    }  # fmt: skip
