"""Tables as they are given, labels, ids, and choosing studies: one rule for `cohort[...]` and
`select`."""

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.cohort import Study
from polarnet.suitability import check_training

IDS = [f"S{k}" for k in range(6)]
PEOPLE = [f"P{k}" for k in range(6)]


# === Tables and ids =============================================================================


@pytest.mark.parametrize(
    "patients",
    [PEOPLE, np.array(PEOPLE), pd.Index(PEOPLE), tuple(PEOPLE),
     dict(zip(IDS, PEOPLE, strict=True)), pd.Series(PEOPLE, IDS)],
    ids=lambda patients: type(patients).__name__,
)  # fmt: skip
def test_parts_may_be_lists_and_a_series(make_cohort, patients):
    whole = make_cohort()
    maps = {name: list(np.array(whole.maps[name])) for name in ("rest", "stress")}
    cohort = make_cohort(
        maps=maps, traits=whole.traits["sex"], patients=patients, clinical=None, truth=None
    )
    assert (list(cohort.patients.index), list(cohort.patients)) == (IDS, PEOPLE)
    assert cohort.clinical.shape == (6, 0)
    np.testing.assert_array_equal(cohort.maps["stress"], whole.maps["stress"])
    pd.testing.assert_frame_equal(cohort.traits, whole.traits)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patients": ["P0"]}, "'patients' must be .* list in the order of the 6 studies"),
        ({"patients": "P0"}, "'patients' must be a Series"),
        ({"patients": np.ones((6, 1))}, r"'patients' must be .* ndarray of shape \(6, 1\)"),
        ({"traits": np.zeros((6, 1))}, r"'traits' must be a DataFrame.*ndarray of shape \(6, 1\)"),
        ({"traits": {"sex": [0] * 6}}, "'traits' must be a DataFrame.*dict"),
        ({"traits": pd.DataFrame([[0, 1]] * 6, IDS, ["sex", "sex "])},
         "'traits' has a column twice: sex"),
        ({"maps": np.ones((6, 16, 16))}, r"'maps' must be a dict.*ndarray of shape \(6, 16, 16\)"),
        ({"maps": {"rest": [np.ones((16, 16)), np.ones((16, 15))]}}, r"maps\['rest'\] must have"),
        ({"maps": {"rest": np.full((6, 16, 16), "1")}}, r"maps\['rest'\] must have shape"),
        ({"maps": {"rest": np.ones((6, 16, 16, 1))}}, r"maps\['rest'\].*\(6, 16, 16, 1\)"),
        ({"maps": {"rest": np.ones((6, 16, 15))}}, r"maps\['rest'\].*\(6, 16, 15\)"),
        ({"maps": {"rest": np.ones((5, 16, 16))}}, r"must have shape \(6, 16, 16\)"),
        ({"clinical": pd.DataFrame({"age": range(6)})}, "Table 'clinical'.*lacks S0.*unknown 0"),
        ({"traits": pd.DataFrame({"sex": 0.0}, [f"S{k}" for k in (1, 0, 2, 3, 4, 5)])},
         "Table 'traits'.*another order"),
        *(({"patients": ["P0", nobody, "P2", "P3", nobody, "P5"]}, "no patient_id: S1, S4")
          for nobody in (np.nan, None, "", "  ", pd.NA)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_name(make_cohort, change, told):
    with pytest.raises(ValueError, match=told) as caught:
        make_cohort(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("first", "second"), [(1, 1.0), (" 7", "7.0"), ("Mü 3", "Mu\u0308  3")])
def test_two_spellings_of_an_id_are_one_person_and_one_study(make_cohort, first, second):
    patients = make_cohort(patients=[first, second, "x", "y", "z", "w"]).patients
    assert patients.iloc[0] == patients.iloc[1]
    assert patients.nunique() == 5
    index = pd.Index([first, second, "x", "y", "z", "w"], dtype=object)
    tables = {name: pd.DataFrame(index=index) for name in ("traits", "clinical", "truth")}
    with pytest.raises(ValueError, match=f"study_id given twice: {patients.iloc[0]}$"):
        make_cohort(patients=pd.Series("P", index), **tables)


# === Labels =====================================================================================


@pytest.mark.parametrize(
    "labels",
    [
        ["0", "1", "", "1.0", "0", "1"],
        [False, True, None, True, False, True],
        [0, 1, np.nan, 1, 0, 1],
        ["FALSE", "true", "NA", "1,0", " 0 ", "1"],
    ],
)
def test_labels_that_were_added_as_text_or_truth_become_numbers(make_cohort, labels):
    made = make_cohort(traits=pd.DataFrame({"pet": labels}, IDS))
    cohort = make_cohort()
    cohort.traits["pet"] = labels
    cohort.check()
    for traits in (made.traits, cohort.traits):
        assert traits["pet"].dtype == float
        np.testing.assert_array_equal(traits["pet"], [0, 1, np.nan, 1, 0, 1])


def test_a_clinical_column_of_0_and_1_becomes_a_trait_by_name(make_cohort):
    clinical = pd.DataFrame(
        {"cad": ["0", "1", "", "1", "0", "0"], "age": range(50, 56), "ct": [True, False] * 3}, IDS
    )
    cohort = make_cohort(clinical=clinical)
    named = cohort.with_traits(["cad", "sex", "age", "unknown", "ct", "cad"])
    assert list(named.traits) == ["sex", "cad", "ct"]
    assert list(named.clinical) == ["age"]
    np.testing.assert_array_equal(named.traits["cad"], [0, 1, np.nan, 1, 0, 0])
    assert cohort.with_traits(["sex"]) is cohort
    assert list(cohort.clinical) == ["cad", "age", "ct"]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ([0, 1, 2, 1, 0, 0], r"Column cad has other cells than 0, 1 and empty: S2 \(2\)"),
        ([0, 1, 0, 1, 0, 0], r"with_traits\(\['cad'\]\)"),
    ],
)
def test_a_clinical_column_that_is_no_trait_says_why(make_cohort, resolved, cells, told):
    config = resolved(traits=("cad",), map_type="rest")
    cohort = make_cohort(clinical=pd.DataFrame({"cad": cells}, IDS))
    other = make_cohort(patients=[f"Q{k}" for k in range(6)])
    with pytest.raises(ValueError, match=rf"No trait cad in this cohort.*{told}"):
        check_training(cohort.with_traits(["age"]), other, config)


# === Choosing studies ===========================================================================


def _ids(cohort):
    return list(cohort.patients.index)


@pytest.mark.parametrize("key", [2, -4, np.int64(2), np.int8(2), "S2", " S2 ", np.str_("S2")])
def test_one_position_or_id_is_a_study_with_its_own_map(make_cohort, key):
    study = make_cohort()[key]
    assert isinstance(study, Study)
    assert (study.study_id, study.patient_id) == ("S2", "P2")
    assert study.maps["rest"].max() == pytest.approx(1.02)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(None, 2), ["S0", "S1"]),
        (slice(None, None, -2), ["S5", "S3", "S1"]),
        ([4, 0, -1], ["S4", "S0", "S5"]),
        (range(1, 3), ["S1", "S2"]),
        (np.array([3], np.uint8), ["S3"]),
        (pd.Series([5, 1]), ["S5", "S1"]),
        (["S3", "S1"], ["S3", "S1"]),
        (np.array(["S3", "S1"]), ["S3", "S1"]),
        (pd.Index(["S3", "S1"]), ["S3", "S1"]),
        (pd.Series(["S3", "S1"], index=["S0", "S2"]), ["S3", "S1"]),
        (pd.Series(["S3", "S1"], dtype="category"), ["S3", "S1"]),
        ([True, False, False, False, True, False], ["S0", "S4"]),
        (np.array([0, 1, 0, 0, 1, 0]) == 1, ["S1", "S4"]),
        (np.array([True, False, False, False, True, False], object), ["S0", "S4"]),
        (pd.array([True, False, False, False, True, False], "boolean"), ["S0", "S4"]),
    ],
)
def test_several_are_a_cohort_in_the_order_asked_for(make_cohort, key, expected):
    cohort = make_cohort()
    for chosen in (cohort[key], cohort.select(key)):
        assert isinstance(chosen, pn.Cohort)
        assert _ids(chosen) == list(chosen.traits.index) == expected
        levels = [1 + int(study[1]) / 100 for study in expected]
        np.testing.assert_allclose(chosen.maps["rest"].max(axis=(1, 2)), levels, rtol=1e-6)


@pytest.mark.parametrize("dtype", [bool, object, "boolean"])
def test_mask_with_an_index_is_aligned_by_it(make_cohort, dtype):
    """Ages 40 to 90: above 60 are S3, S4, S5, whatever the order of the table."""
    ages = pd.Series([40, 50, 60, 70, 80, 90], index=IDS)
    for order in ([5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]):
        mask = (ages.iloc[order] > 60).astype(dtype)
        assert _ids(make_cohort().select(mask)) == ["S3", "S4", "S5"]
        assert _ids(make_cohort()[mask]) == ["S3", "S4", "S5"]


@pytest.mark.parametrize(
    ("key", "error", "told"),
    [
        ("S9", KeyError, "No study S9"),
        (["S1", "S9", "T1"], KeyError, "No study S9, T1"),
        (pd.Series(["S1", "S9"]), KeyError, "No study S9"),
        (6, IndexError, "position 6; this cohort has 6"),
        ([0, -7], IndexError, "position -7"),
        ([0, 1, 0], ValueError, "Asked for twice: S0"),
        ([0, -6], ValueError, "Asked for twice: S0"),
        (["S1", "S1"], ValueError, "Asked for twice: S1"),
        ([], ValueError, "No study is chosen"),
        (slice(3, 3), ValueError, "No study is chosen"),
        ([False] * 6, ValueError, "No study is chosen"),
        ([True, False], ValueError, "mask of 2 was given for 6 studies"),
        (pd.Series(True, [*IDS[:5], "X9"]), ValueError, "lacks S5, has unknown X9"),
        (pd.Series(True, IDS[:5]), ValueError, "lacks S5"),
        (pd.Series(True, [*IDS, "S5"]), ValueError, "names a study twice"),
        (pd.Series(True, range(6)), ValueError, "lacks S0, S1"),
        *((odd, ValueError, "is none of these") for odd in (
            slice("S1", "S3"), [True, False, 1, 0, 0, 0], [True, None, True, True, True, True],
            np.eye(6, dtype=bool), [[0, 1], [2, 3]], True, 1.0, [0.0, 1.0], ("S0", "S1"), {"S0"},
            None)),
    ],
)  # fmt: skip
def test_what_cannot_be_certain_is_refused_in_one_line(make_cohort, key, error, told):
    for choose in (make_cohort().__getitem__, make_cohort().select):
        with pytest.raises(error, match=told) as caught:
            choose(key)
        assert "\n" not in str(caught.value)


def test_labels_are_not_taken_for_positions(make_cohort):
    cohort = make_cohort()
    for labels in (cohort.traits["sex"], cohort.traits["sex"].astype(int)):
        with pytest.raises(ValueError, match=r"== 1; .* \(labels|floating\) is none"):
            cohort[labels]
    assert _ids(cohort[cohort.traits["sex"] == 1]) == ["S1", "S3", "S5"]
