"""Choosing studies of a cohort: one rule for `cohort[...]` and `select`."""

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.cohort import Study


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
        assert _ids(chosen) == expected
        assert list(chosen.traits.index) == expected
        levels = [1 + int(study[1]) / 100 for study in expected]
        np.testing.assert_allclose(chosen.maps["rest"].max(axis=(1, 2)), levels, rtol=1e-6)


@pytest.mark.parametrize("dtype", [bool, object, "boolean"])
def test_mask_with_an_index_is_aligned_by_it(make_cohort, dtype):
    """Ages 40 to 90: above 60 are S3, S4, S5, whatever the order of the table."""
    ages = pd.Series([40, 50, 60, 70, 80, 90], index=[f"S{k}" for k in range(6)])
    for order in ([5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]):
        mask = (ages.iloc[order] > 60).astype(dtype)
        assert _ids(make_cohort().select(mask)) == ["S3", "S4", "S5"]
        assert _ids(make_cohort()[mask]) == ["S3", "S4", "S5"]


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (["S0", "S1", "S2", "S3", "S4", "X9"], "lacks S5, has unknown X9"),
        (["S0", "S1", "S2", "S3", "S4"], "lacks S5"),
        (["S0", "S1", "S2", "S3", "S4", "S5", "S5"], "names a study twice"),
        (range(6), "lacks S0, S1"),
    ],
)
def test_mask_of_other_studies_is_refused(make_cohort, index, told):
    with pytest.raises(ValueError, match=told):
        make_cohort()[pd.Series(True, index=index)]


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
        (slice("S1", "S3"), ValueError, "Slices go by position"),
        ([True, False, 1, 0, 0, 0], ValueError, "none of these|values"),
        ([True, None, True, True, True, True], ValueError, "mixed values"),
        (np.eye(6, dtype=bool), ValueError, "ndarray is none"),
        ([[0, 1], [2, 3]], ValueError, "values"),
        (True, ValueError, "bool is none"),
        (1.0, ValueError, "float is none"),
        ([0.0, 1.0], ValueError, "floating values"),
        (("S0", "S1"), ValueError, "tuple is none"),
        ({"S0"}, ValueError, "set is none"),
        (None, ValueError, "NoneType is none"),
    ],
)
def test_what_cannot_be_certain_is_refused_in_one_line(make_cohort, key, error, told):
    for choose in (make_cohort().__getitem__, make_cohort().select):
        with pytest.raises(error, match=told) as caught:
            choose(key)
        assert "\n" not in str(caught.value)


def test_labels_are_not_taken_for_positions(make_cohort):
    cohort = make_cohort()
    for labels in (cohort.traits["sex"], cohort.traits["sex"].astype(int)):
        with pytest.raises(ValueError, match="Compare labels first"):
            cohort[labels]
    assert _ids(cohort[cohort.traits["sex"] == 1]) == ["S1", "S3", "S5"]


def test_a_cohort_is_gone_through_study_by_study(make_cohort):
    assert [study.study_id for study in make_cohort()] == [f"S{k}" for k in range(6)]
