"""File names as people give them: the study and the map type they mean."""

from pathlib import Path

import pytest

from polarnet.readers.filenames import name_tells, study_in_name
from polarnet.readers.profiles import Profile, load_profile


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
