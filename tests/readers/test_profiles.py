"""Profiles tell how the files of a product are read, and what their names say."""

from pathlib import Path

import pytest

from polarnet.readers.filenames import name_tells, study_in_name
from polarnet.readers.profiles import Profile, load_profile, profile_names


def test_every_profile_of_the_package_loads():
    for name in profile_names():
        assert load_profile(name).name == name
    unconfirmed = {name for name in profile_names() if load_profile(name).status != "confirmed"}
    assert unconfirmed == {"4dm", "syngo-via", "qpet"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layout: square\nanteriour: top", "unknown setting 'anteriour'; did you mean 'anterior'"),
        ("layout: round", "layout must be one of square, rings, segments, screen, but 'round'"),
        ("layout: square\nanterior: top\nseptum: bottom", "must be neighbouring sides"),
        ("layout: square\ndisc_radius: 19.6", "disc_radius 19.6 must lie between 0.1 and 1"),
        ("layout: square\nfiles: '(?P<map>.+)'", r"needs a group \(\?P<study>"),
        ("- square", "holds no settings"),
        ("layout: rings\nring_ends: [0.5, 0.4, 1]", "ring_ends must rise"),
        ("layout: rings\nfirst_sector_deg: '90'", "first_sector_deg must be a number"),
        ("layout: square\nunit: furlong", "unit 'furlong' is not known"),
        ("layout: square\nmap_words: null", "map_words must hold lines"),
        ("layout: square\nmap_words: {rest: ruhe, stress: [ruhe]}", "'ruhe' stands for rest and"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_profile(path)


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ValueError, match=r"No profile 'flowquant'.*flowquant-48"):
        load_profile("flowquant")


# === Names of files ===


@pytest.mark.parametrize(
    ("name", "study", "map_type"),
    [
        ("S001_rest.csv", "S001", "rest"),
        ("S-001 stress.csv", "S-001", "stress"),
        ("rest_S001.csv", "S001", "rest"),
        ("S001_rest_MBF.csv", "S001", "rest"),
        ("S001Rest.csv", "S001", "rest"),
        ("S001 REST MBF 20240312.csv", "S001 20240312", "rest"),
        ("S001.stress.csv", "S001", "stress"),
        ("S001/rest.csv", "S001", "rest"),
        ("stress/S001.csv", "S001", "stress"),
        ("Prüfling 3 Ruhe.csv", "Prüfling 3", "rest"),
        ("U001_stress (Kopie).csv", "U001 (Kopie)", "stress"),
        ("2024-03-12_rest.csv", "2024-03-12", "rest"),
        ("rest_20121012.csv", "20121012", "rest"),
        ("forest_stress.csv", "forest", "stress"),
        ("restored.csv", "restored", ""),
        ("S001.csv", "S001", ""),
    ],
)
def test_the_only_word_for_a_map_tells_its_type_and_the_rest_the_study(name, study, map_type):
    assert name_tells(Path("exports") / name, load_profile("square")) == (study, map_type)


@pytest.mark.parametrize(
    "name", ["S1_rest_stress.csv", "rest-stress S1.csv", "S1 Ruhe Stress x.csv"]
)
def test_two_map_types_in_one_name_are_not_guessed(name):
    with pytest.raises(ValueError, match="its name says rest and stress at once"):
        name_tells(Path(name), load_profile("square"))


def test_a_pattern_of_the_users_own_is_the_only_one():
    profile = Profile(name="x", layout="square", files=r"Nr(?P<study>\d+)(?P<map>[a-z]+)")
    assert name_tells(Path("Nr7rest.csv"), profile) == ("7", "rest")
    assert name_tells(Path("rest_S001.csv"), profile) == ("", "")


@pytest.mark.parametrize(
    ("name", "study"),
    [("S1_rest_stress_mfr.csv", "S1"), ("Stress PET S1.csv", "PET S1"),
     ("S1/rest+stress.csv", "S1"), ("S1.csv", "S1")],
)  # fmt: skip
def test_a_file_of_several_maps_may_be_called_after_some_of_them(name, study):
    assert study_in_name(Path("exports") / name, load_profile("square")) == study
