"""Only rows that are called segments are segments; their names may be short, or carry a vessel."""

import numpy as np
import pytest

from polarnet.anatomy import SEGMENTS, segment_means
from polarnet.readers.headings import segment_of
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.profiles import Reading, load_profile

READING = Reading((load_profile("square"), load_profile("aha17")), "mL/min/g")
REST = [0.8 + k / 50 for k in range(17)]
STRESS = [2.1 + k / 50 for k in range(17)]
NUMBERS = [str(k) for k in range(1, 18)]


def read(path, heading, labels=NUMBERS, beside=None):
    """Map types that are read of a table with rest and stress, and what is refused."""
    head = [heading, *([beside] if beside else []), "rest", "stress"]
    more = ["61"] if beside else []
    rows = [[label, *more, f"{rest:.2f}", f"{stress:.2f}"]
            for label, rest, stress in zip(labels, REST, STRESS, strict=True)]  # fmt: skip
    path.write_text("\n".join(map(";".join, [head, *rows])), encoding="utf-8")
    maps, problems = read_maps(path, READING)
    return [found.map_type for found in maps], "; ".join(problems)


@pytest.mark.parametrize(
    "heading",
    ["study_id", "patient_id", "Patient", "ID", "subject", "Case", "Patienten-Nr.", "Fall-Nr",
     "N° patient", "Paciente", "Frame", "frame no", "Zeit", "Time (s)", "Datum", "Name", "index"],
)  # fmt: skip
def test_seventeen_numbered_patients_or_frames_are_no_segments(tmp_path, heading):
    maps, why = read(tmp_path / "flow.csv", heading)
    assert not maps
    assert "a heading that is not that of segments" in why
    assert "rest_1 to rest_17" in why


@pytest.mark.parametrize("label", ["S{:03d}", "S{:02d}", "S-{}"])
@pytest.mark.parametrize("heading", ["study_id", "Nr", ""])
def test_ids_that_begin_with_s_are_segments_under_a_heading_of_segments_alone(
    tmp_path, heading, label
):
    labels = [label.format(k) for k in range(1, 18)]
    assert read(tmp_path / "flow.csv", heading, labels)[0] == []
    assert read(tmp_path / "flow.csv", "Segment", labels)[0] == ["rest", "stress"]


@pytest.mark.parametrize(
    "heading", ["Segment", "segment_id", "AHA", "Seg.", "Wandsegment", "#", ""]
)
def test_numbers_under_a_heading_of_segments_are_segments(tmp_path, heading):
    assert read(tmp_path / "S1.csv", heading) == (["rest", "stress"], "")


@pytest.mark.parametrize("beside", ["age", "Patient", "Datum", "time"])
def test_numbers_without_heading_are_no_segments_beside_facts_of_patients(tmp_path, beside):
    assert read(tmp_path / "S1.csv", "", beside=beside)[0] == []
    assert read(tmp_path / "S1.csv", "Segment", beside=beside)[0] == ["rest", "stress"]


@pytest.mark.parametrize("heading", ["Patient", "Frame", "ID"])
def test_patients_across_the_columns_are_no_segments(tmp_path, heading):
    rows = [[heading, *NUMBERS], ["Rest", *map(str, REST)], ["Stress", *map(str, STRESS)]]
    (tmp_path / "S1.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    maps, why = read_maps(tmp_path / "S1.csv", READING)
    assert not maps
    assert "columns that are numbered" in why[0]


@pytest.mark.parametrize("n_studies", [3, 17])
def test_a_table_of_territories_is_told_so(tmp_path, n_studies):
    head = ["study_id", *[f"{m}_{v}" for m in ("rest", "stress") for v in ("LAD", "LCX", "RCA")]]
    rows = [[f"S{k:03d}", *["0.9"] * 3, *["2.2"] * 3] for k in range(1, n_studies + 1)]
    (tmp_path / "terr.csv").write_text("\n".join(map(",".join, [head, *rows])), encoding="utf-8")
    assert "territories (LAD, LCx, RCA) only" in read_maps(tmp_path / "terr.csv", READING)[1][0]
    rows = [["Region", "Rest", "Stress"], *[[v, "0.9", "2.2"] for v in ("LAD", "LCx", "RCA")]]
    (tmp_path / "S1.csv").write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    assert "territories (LAD, LCx, RCA) only" in read_maps(tmp_path / "S1.csv", READING)[1][0]


@pytest.mark.parametrize(
    ("label", "segment"),
    [("LVBasalAnterior", 1), ("Basal Anterior (LAD)", 1), ("Bas antsep", 2),
     ("BasalAnteroseptal_LAD", 2), ("basal ant.-sept.", 2), ("Basal inferior septum", 3),
     ("4. Basal inferior (RCA)", 4), ("LVMyoMidAnterior", 7), ("medial infsept", 9),
     ("Mid Inferolateral [LCX]", 11), ("médian inféro-latéral", 11), ("Mid lat ant", 12),
     ("Distal Anterior", 13), ("apicale settale", 14), ("Apic inf", 15), ("Apical Lat", 16),
     ("LVApex", 17), ("Apex (LAD)", 17), ("Ap Sept", 14), ("AP_INF", 15)],
)  # fmt: skip
def test_short_names_with_a_vessel_name_their_segment(label, segment):
    """Cerqueira et al., Circulation 2002;105:539-542."""
    assert segment_of(label) == segment


@pytest.mark.parametrize(
    "label",
    ["Apical", "Basal", "Lateral", "LAD", "Basal posterior", "Proximal anterior", "Distal apex",
     "Apical anteroseptal", "Mid septal", "Basal anterior inferior", "Basal antero", "BA",
     "Basal anterior anteroseptal", "Basal anterior (LAD/RCA)", "Mid basal anterior"],
)  # fmt: skip
def test_names_that_may_be_several_segments_or_none_name_none(label):
    assert segment_of(label) is None


def test_columns_with_short_names_and_vessels_are_read(tmp_path):
    walls = ["Ant", "AntSept", "InfSept", "Inf", "InfLat", "AntLat"]
    names = [*[f"LV{level}{wall}" for level in ("Basal", "Mid") for wall in walls],
             *[f"LVApical{wall}" for wall in ("Ant", "Sept", "Inf", "Lat")], "LVApex"]  # fmt: skip
    head = ["study_id", *[f"Stress_{name} (LAD)" for name in names]]
    text = "\n".join(map("\t".join, [head, ["P1", *map(str, STRESS)]]))
    (tmp_path / "all.txt").write_text(text, encoding="utf-8")
    (found,), problems = read_maps(tmp_path / "all.txt", READING)
    assert (found.study, found.map_type, problems) == ("P1", "stress", [])
    assert np.isclose(found.low, min(STRESS), atol=0.1)


@pytest.mark.parametrize("heading", ["Nr", "#", ""])
def test_numbers_that_nothing_calls_segments_are_read_and_said(tmp_path, heading):
    read(tmp_path / "S1.csv", heading)
    maps, _ = read_maps(tmp_path / "S1.csv", READING)
    assert all("taken for the 17 AHA segments of one study" in found.note for found in maps)
    read(tmp_path / "S2.csv", "Segment")
    assert not any(found.note for found in read_maps(tmp_path / "S2.csv", READING)[0])


@pytest.mark.parametrize("beside", ["BMI", "LVEF", "Gruppe"])
def test_what_a_person_has_beside_numbers_makes_them_people(tmp_path, beside):
    assert read(tmp_path / "S1.csv", "Nr", beside=beside)[0] == []


def test_a_text_of_its_own_in_each_row_makes_numbered_rows_people(tmp_path):
    lines = ["Nr;who;rest;stress"]
    rows = zip(NUMBERS, "abcdefghijklmnopq", REST, STRESS, strict=True)
    lines += [f"{n};{who}{who};{rest:.2f};{stress:.2f}" for n, who, rest, stress in rows]
    (tmp_path / "S1.csv").write_text("\n".join(lines), encoding="utf-8")
    assert read_maps(tmp_path / "S1.csv", READING)[0] == []
    as_segments = "\n".join(lines).replace("Nr", "Segment")
    (tmp_path / "S1.csv").write_text(as_segments, encoding="utf-8")
    assert len(read_maps(tmp_path / "S1.csv", READING)[0]) == 2


def test_a_spread_in_each_row_makes_numbered_rows_no_people(tmp_path):
    lines = ["#;rest;SD;stress"]
    rows = zip(NUMBERS, REST, STRESS, strict=True)
    lines += [f"{n};{rest:.2f};±0.{int(n):02d};{stress:.2f}" for n, rest, stress in rows]
    (tmp_path / "S1.csv").write_text("\n".join(lines), encoding="utf-8")
    assert len(read_maps(tmp_path / "S1.csv", READING)[0]) == 2


def names_of_segments(pattern):
    """The 17 names of the AHA, each with its number and the vessel that feeds it."""
    ring = ["LAD", "LAD", "RCA", "RCA", "LCx", "LCx"]
    vessels = [*ring, *ring, "LAD", "LAD", "RCA", "LCx", "LAD"]
    return [
        pattern.format(n=n, name=name, vessel=vessel, camel=name.title().replace(" ", ""))
        for n, (name, vessel) in enumerate(zip(SEGMENTS, vessels, strict=True), start=1)
    ]


@pytest.mark.parametrize(
    "pattern",
    ["{map} {n}. {name}", "{map} {n} - {name} ({vessel})", "{name} ({n}) {map}",
     "{map}LV{camel}", "{map} {name} {n}", "{letter}{n}"],
)  # fmt: skip
def test_headings_of_a_row_a_study_may_carry_number_name_and_vessel(tmp_path, pattern):
    head, row = ["study_id"], ["S1"]
    for map_type, values in (("Rest", REST), ("Stress", STRESS)):
        said = pattern.replace("{map}", map_type).replace("{letter}", map_type[0].lower())
        head += names_of_segments(said)
        row += [f"{value:.2f}" for value in values]
    (tmp_path / "all.csv").write_text(f"{';'.join(head)}\n{';'.join(row)}\n", encoding="utf-8")
    maps, problems = read_maps(tmp_path / "all.csv", READING)
    assert not problems
    found = {one.map_type: segment_means(one.values) for one in maps}
    np.testing.assert_allclose(found["rest"], REST, atol=1e-3)
    np.testing.assert_allclose(found["stress"], STRESS, atol=1e-3)


def test_a_heading_with_the_number_of_another_segment_is_no_column_of_it(tmp_path):
    head = names_of_segments("rest {n}. {name}")
    head[:2] = ["rest 2. basal anterior", "rest 1. basal anteroseptal"]
    row = ["S1", *(f"{value:.2f}" for value in REST)]
    text = f"study_id;{';'.join(head)}\n{';'.join(row)}\n"
    (tmp_path / "all.csv").write_text(text, encoding="utf-8")
    assert read_maps(tmp_path / "all.csv", READING)[0] == []


def test_a_numbered_series_of_columns_that_is_not_understood_is_said(tmp_path):
    head = ["study_id", *(f"stress{n}" for n in NUMBERS), *(f"res{n}" for n in NUMBERS)]
    row = ["S1", *(f"{value:.2f}" for value in [*STRESS, *REST])]
    (tmp_path / "all.csv").write_text(f"{';'.join(head)}\n{';'.join(row)}\n", encoding="utf-8")
    (found,), _ = read_maps(tmp_path / "all.csv", READING)
    assert found.note.startswith("not used: column 19, column 20, ")
    assert found.note.endswith(" and 12 more")


@pytest.mark.parametrize(("corner", "is_said"), [("", True), ("Nr", True), ("Segment", False)])
def test_numbered_columns_that_nothing_calls_segments_are_read_and_said(tmp_path, corner, is_said):
    rows = [[corner, *NUMBERS], ["Rest", *map(str, REST)], ["Stress", *map(str, STRESS)]]
    (tmp_path / "S1.csv").write_text("\n".join(map(";".join, rows)), encoding="utf-8")
    maps, _ = read_maps(tmp_path / "S1.csv", READING)
    assert [found.map_type for found in maps] == ["rest", "stress"]
    assert all(("taken for the 17 AHA segments" in found.note) == is_said for found in maps)
