"""The exports of Medviso Segment: AHA segments, slices by sectors, and a smoothed picture."""

import numpy as np
import pytest

import polarnet as pn
from polarnet.readers.mapfiles import read_maps, read_numbers
from polarnet.readers.profiles import Reading, load_profile

READING = Reading((load_profile("square"), load_profile("aha17")))
FLOWS = [f"{1 + k / 10:.1f}" for k in range(17)]
N_SECTORS = 6


def segments(parameter="Rest MBF", unit="ml/min/g"):
    names = [f"{name[0].upper()}{name[1:]} [{unit}]" for name in pn.anatomy.SEGMENTS]
    rows = [["Parameter", "StartSlice", "EndSlice", *names], [parameter, "3", "9", *FLOWS]]
    return "\n".join(map("\t".join, rows))


def sectors(parameter="Rest MBF [ml/min/g]", slices=("1 (basal)", "2", "3 (apical)")):
    """The value under sector s of slice k is k.s; sectors stand in descending order."""
    order = range(N_SECTORS, 0, -1)
    facts = [[parameter, "3", "5"], *[["", "", ""]] * (len(slices) - 1)]
    head = ["Parameter", "StartSlice", "EndSlice", "Slice", *[f"Sector{s}" for s in order]]
    rows = [
        [*fact, name, *[f"{place}.{s}" for s in order]]
        for place, (fact, name) in enumerate(zip(facts, slices, strict=True), start=1)
    ]
    return "\n".join(map("\t".join, [head, *rows]))


def told(path, text, reading=READING):
    path.write_text(text, encoding="utf-8")
    return read_maps(path, reading)


@pytest.mark.parametrize("parameter", ["Rest MBF", "MBF"])
def test_the_segments_of_one_study_are_read(tmp_path, parameter):
    (found,), problems = told(tmp_path / "P1_rest.txt", segments(parameter))
    assert (found.study, found.map_type, found.unit, problems) == ("P1", "rest", "mL/min/g", [])
    means = pn.anatomy.segment_means(found.values.astype(float))
    np.testing.assert_allclose(means, list(map(float, FLOWS)), rtol=5e-3)


@pytest.mark.parametrize(("parameter", "unit"), [("Wall thickness", "mm"), ("Transmurality", "%")])
def test_another_parameter_than_flow_is_refused_without_the_name_of_the_file(
    tmp_path, parameter, unit
):
    maps, (why,) = told(tmp_path / "MUELLER_rest.txt", segments(parameter, unit))
    assert not maps
    assert why == "row 2: its parameter is not called flow"
    thick = sectors(f"{parameter} [{unit}]")
    (why,) = told(tmp_path / "MUELLER_rest.txt", thick)[1]
    assert "not called flow" in why or "unit 'mm' is not known" in why


def test_sectors_without_a_profile_are_refused_with_what_to_do(tmp_path):
    maps, (why,) = told(tmp_path / "MUELLER.txt", sectors())
    assert not maps
    assert "export the 17 AHA segments" in why
    assert "MUELLER" not in why


@pytest.mark.parametrize("first_ring", ["apex", "base"])
def test_sectors_are_put_in_ascending_order_and_slices_in_that_of_the_profile(tmp_path, first_ring):
    profile = tmp_path / "rings.yaml"
    profile.write_text(f"layout: rings\nfirst_ring: {first_ring}\n", encoding="utf-8")
    path = tmp_path / "P1.txt"
    path.write_text(sectors(), encoding="utf-8")
    (numbers,) = read_numbers(path, Reading((*READING.profiles, load_profile(profile))))
    expected = [[float(f"{k}.{s}") for s in range(1, 7)] for k in (1, 2, 3)]
    assert numbers.values.tolist() == (expected[::-1] if first_ring == "apex" else expected)
    assert (numbers.map_type, numbers.unit) == ("rest", "ml/min/g")


@pytest.mark.parametrize(
    ("slices", "first_ring", "is_read"),
    [(("1", "2", "3"), "base", True), (("Slice 1", "Slice 2", "Slice 3"), "base", True),
     (("1", "2", "3"), "apex", False), (("1", "3", "4"), "base", False),
     (("2", "1", "3"), "base", False)],
)  # fmt: skip
def test_plain_slices_are_read_where_the_profile_says_that_the_base_is_first(
    tmp_path, slices, first_ring, is_read
):
    profile = tmp_path / "rings.yaml"
    profile.write_text(f"layout: rings\nfirst_ring: {first_ring}\n", encoding="utf-8")
    reading = Reading((*READING.profiles, load_profile(profile)))
    maps, why = told(tmp_path / "P1_rest.txt", sectors(slices=slices), reading)
    assert bool(maps) == is_read
    assert is_read or "export the 17 AHA segments instead" in why[0]


def test_slices_that_do_not_run_from_base_to_apex_are_refused(tmp_path):
    for slices in (("1 (apical)", "2", "3 (basal)"), ("1 (basal)", "3", "2 (apical)")):
        assert (
            "from the basal one to the apical one"
            in told(tmp_path / "P1_rest.txt", sectors(slices=slices))[1][0]
        )


def test_a_smoothed_picture_and_its_bin_file_are_refused_with_what_to_do(tmp_path):
    rows = ["\t".join(f"{1 + (9 * i + j) / 99:.4f}" for j in range(16)) for i in range(16)]
    text = "\n".join(["Wall thickness\tmm\t3\t9", "\t", *rows])
    assert "is a smoothed picture" in told(tmp_path / "P1_rest.txt", text)[1][0]
    (tmp_path / "MUELLER_rest.bin").write_bytes(bytes(1024))
    assert read_maps(tmp_path / "MUELLER_rest.bin", READING)[1] == [
        ".bin files do not say their rows and columns: export a table instead"
    ]
