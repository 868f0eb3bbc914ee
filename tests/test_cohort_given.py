"""Cohorts from numpy and pandas, and cohorts that were changed after they were made."""

import dataclasses
import unicodedata

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.evaluation import baseline_scores
from polarnet.suitability import check_prediction, check_training


def _maps(cohort):
    return {m: np.array(cohort.maps[m]) for m in ("rest", "stress")}


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, tuple, dict, "series"])
def test_patients_in_order_take_the_index_of_the_traits(make_cohort, kind):
    ids = [f"S{k}" for k in range(6)]
    names = [f"P{k}" for k in range(6)]
    if kind is dict:
        patients = dict(zip(ids, names, strict=True))
    else:
        patients = pd.Series(names, ids) if kind == "series" else kind(names)
    cohort = make_cohort(patients=patients, clinical=None, truth=None)
    assert list(cohort.patients.index) == ids
    assert list(cohort.patients) == names
    assert cohort.clinical.shape == (6, 0)


def test_maps_may_be_lists_of_arrays_and_one_trait_a_series(make_cohort):
    whole = make_cohort()
    maps = {name: list(stack) for name, stack in _maps(whole).items()}
    cohort = make_cohort(maps=maps, traits=whole.traits["sex"])
    np.testing.assert_array_equal(cohort.maps["stress"], whole.maps["stress"])
    pd.testing.assert_frame_equal(cohort.traits, whole.traits)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"patients": ["P0"]}, "'patients' has 1 entries for 6 studies"),
        ({"patients": "P0"}, "'patients' must be a Series"),
        ({"patients": np.ones((6, 1))}, r"'patients' must be .* ndarray of shape \(6, 1\)"),
        ({"traits": np.zeros((6, 1))}, r"'traits' must be a DataFrame.*ndarray of shape \(6, 1\)"),
        ({"traits": {"sex": [0] * 6}}, "'traits' must be a DataFrame.*dict of 1"),
        ({"maps": np.ones((6, 16, 16))}, r"'maps' must be a dict.*ndarray of shape \(6, 16, 16\)"),
        ({"maps": {"rest": [np.ones((16, 16)), np.ones((16, 15))]}}, r"maps\['rest'\] must have"),
        ({"maps": {"rest": np.full((6, 16, 16), "1")}}, r"maps\['rest'\] must have shape"),
        ({"maps": {"rest": np.ones((6, 16, 16, 1))}}, r"maps\['rest'\].*\(6, 16, 16, 1\)"),
        ({"maps": {"rest": np.ones((5, 16, 16))}}, r"must have shape \(6, 16, 16\)"),
        ({"clinical": pd.DataFrame({"age": range(6)})}, "Table 'clinical'.*lacks S0.*unknown 0"),
        ({"traits": pd.DataFrame({"sex": 0.0}, [f"S{k}" for k in (1, 0, 2, 3, 4, 5)])},
         "Table 'traits'.*another order"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_name(make_cohort, change, told):
    with pytest.raises(ValueError, match=told) as caught:
        make_cohort(**change)
    assert "\n" not in str(caught.value)


def test_a_trait_column_twice_is_refused_and_a_name_in_two_tables_is_not_saved(
    make_cohort, tmp_path
):
    cohort = make_cohort()
    with pytest.raises(ValueError, match="Table 'traits' has a column twice: sex"):
        make_cohort(traits=pd.concat([cohort.traits] * 2, axis=1))
    for clinical in (cohort.traits, cohort.traits.set_axis(["study_id"], axis=1)):
        with pytest.raises(ValueError, match="names of their own"):
            make_cohort(clinical=clinical).save(tmp_path / "cohort")
    assert list(tmp_path.iterdir()) == []


def test_a_masked_pixel_is_no_number(make_cohort):
    maps = _maps(make_cohort())
    maps["rest"] = np.ma.array(maps["rest"], mask=np.zeros(maps["rest"].shape, bool))
    maps["rest"].mask[2, 8, 8] = True
    with pytest.raises(ValueError, match=r"rest has NaN.*: S2"):
        make_cohort(maps=maps)


def test_a_stored_reserve_that_no_heart_has_is_refused(make_cohort):
    reserve = np.full((6, 16, 16), 2.0) + np.arange(6)[:, None, None] / 10
    reserve[4, 8, 8] = 1e30
    with pytest.raises(
        ValueError, match=r"reserve is above 100, is the unit right\?: S4 \(1e\+30\)"
    ):
        make_cohort(maps={"reserve": reserve})


def test_flow_of_double_precision_beyond_float32_is_refused(make_cohort):
    maps = _maps(make_cohort())
    maps["rest"] = maps["rest"].astype(float)
    maps["rest"][2, 8, 8] = 1e300
    with pytest.raises(ValueError, match=r"infinite.*: S2"):
        make_cohort(maps=maps)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, 1.0), ("1", "1.0"), (7.0, " 7"), ("Mü 3", "Mu\u0308  3"), (np.int64(1), "1"),
        ("A\ufeff", "A"),
    ],
)  # fmt: skip
def test_two_spellings_of_an_id_are_one_person_and_one_study(make_cohort, first, second):
    people = pd.Series([first, second, "x", "y", "z", "w"], [f"S{k}" for k in range(6)])
    patients = make_cohort(patients=people).patients
    assert patients.iloc[0] == patients.iloc[1]
    assert patients.nunique() == 5
    index = pd.Index([first, second, "x", "y", "z", "w"], dtype=object)
    with pytest.raises(ValueError, match=f"study_id given twice: {patients.iloc[0]}$"):
        make_cohort(patients=pd.Series("P", index), **{
            name: pd.DataFrame(index=index) for name in ("traits", "clinical", "truth")
        })  # fmt: skip


@pytest.mark.parametrize("nobody", [np.nan, None, "", "  ", pd.NA])
def test_patient_ids_that_are_empty_are_refused(make_cohort, nobody):
    with pytest.raises(ValueError, match="no patient_id: S1, S4"):
        make_cohort(patients=["P0", nobody, "P2", "P3", nobody, "P5"])


def test_a_split_keeps_a_person_whose_id_was_read_as_a_number(make_cohort):
    split = pd.DataFrame({"split": ["train", "val", "test"] * 2}, [f"S{k}" for k in range(6)])
    with pytest.raises(ValueError, match="two splits: 1"):
        pn.split_by_patient(make_cohort(patients=["1", "1.0", "2", "3", "4", "5"], clinical=split),
                            seed=0)  # fmt: skip


def test_no_switch_turns_the_look_at_pixels_off(make_cohort):
    cohort, maps = make_cohort(), _maps(make_cohort())
    maps["rest"][0, 8, 8] = np.nan
    for switch in ("pixels_checked", "_pixels_checked"):
        with pytest.raises(TypeError):
            dataclasses.replace(cohort, maps=maps, **{switch: True})
    for change in (lambda: dataclasses.replace(cohort, maps=maps), lambda: make_cohort(maps=maps)):
        with pytest.raises(ValueError, match="rest has NaN"):
            change()


def _doors(cohort, other, resolved, tmp_path):
    """Everything through which a cohort enters a result."""
    config = dataclasses.replace(
        resolved(map_type="rest", traits=("sex",)), map_size=16, unit="mL/min/g"
    )
    return {
        "train": lambda: check_training(cohort, other, config),
        "val": lambda: check_training(other, cohort, config),
        "predict": lambda: check_prediction(config, cohort),
        "save": lambda: cohort.save(tmp_path / "saved"),
        "baselines": lambda: baseline_scores(
            cohort, [other], map_type="rest", traits=["sex"], seed=0
        ),
    }


def _spoil_label(cohort):
    cohort.traits["sex"] = [0, 1, 2, 9, 0, 1]


def _spoil_label_of_another_trait(cohort):
    cohort.traits["smoker"] = ["no", "yes", "no", "no", "yes", "no"]


def _spoil_map(cohort):
    cohort.maps["rest"][3, 8, 8] = np.nan


def _spoil_map_by_its_unit(cohort):
    cohort.maps["rest"][3] *= 100


def _exchange_stack(cohort):
    cohort.maps["rest"] = cohort.maps["rest"][:4]


def _sort_tables(cohort):
    for name in ("traits", "patients", "clinical", "truth"):
        table = getattr(cohort, name)
        table.index = table.index[::-1]


def _sort_traits(cohort):
    cohort.traits.index = cohort.traits.index[::-1]


def _forget_patient(cohort):
    cohort.patients.iloc[2] = ""


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_spoil_label, r"sex must be 0, 1 or empty: S2 \(2\), S3 \(9\)"),
        (_spoil_label_of_another_trait, r"smoker must be 0, 1 or empty: S0 \(no\)"),
        (_spoil_map, "rest has NaN or infinite values inside the disc: S3"),
        (_spoil_map_by_its_unit, "rest is above 10 mL/min/g.*S3"),
        (_exchange_stack, "must have shape"),
        (_sort_tables, "renamed or put into another order"),
        (_sort_traits, "Table 'traits'.*another order"),
        (_forget_patient, "no patient_id: S2"),
    ],
)
@pytest.mark.parametrize("door", ["train", "val", "predict", "save", "baselines"])
def test_what_was_spoilt_afterwards_passes_no_door(
    make_cohort, resolved, tmp_path, spoil, told, door
):
    cohort, other = make_cohort(), make_cohort(patients=[f"Q{k}" for k in range(6)])
    spoil(cohort)
    with pytest.raises(ValueError, match=told):
        _doors(cohort, other, resolved, tmp_path)[door]()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spoil", [_spoil_label, _sort_tables, _sort_traits, _forget_patient])
def test_what_was_spoilt_afterwards_is_not_split(make_cohort, spoil):
    cohort = make_cohort()
    spoil(cohort)
    with pytest.raises(ValueError, match=r"cohort|Table"):
        pn.split_by_patient(cohort, val=0.3, test=0.3, seed=0)
    with pytest.raises(ValueError, match=r"cohort|Table"):
        next(cohort.folds(2, seed=0))


def test_maps_on_disk_that_were_overwritten_pass_no_door(make_cohort, resolved, tmp_path):
    folder = make_cohort().save(tmp_path / "cohort")
    stack = np.load(folder / "rest.npy", mmap_mode="r+")
    stack[4, 8, 8] = np.nan
    stack.flush()
    cohort, other = pn.read_cohort(folder), make_cohort(patients=[f"Q{k}" for k in range(6)])
    for some in (cohort, cohort[[4, 5]]):
        for door in _doors(some, other, resolved, tmp_path).values():
            with pytest.raises(ValueError, match=r"rest has NaN.*S4"):
                door()


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
    """By hand: coded 0, 1, not recorded, 1, 0, 1."""
    expected = [0, 1, np.nan, 1, 0, 1]
    made = make_cohort(traits=pd.DataFrame({"pet": labels}, [f"S{k}" for k in range(6)]))
    cohort = make_cohort()
    cohort.traits["pet"] = labels
    cohort.check()
    for traits in (made.traits, cohort.traits):
        assert traits["pet"].dtype == float
        np.testing.assert_array_equal(traits["pet"], expected)


def test_a_sound_cohort_keeps_the_tables_that_are_held(make_cohort):
    cohort = make_cohort()
    traits = cohort.traits
    cohort.check()
    traits["smoker"] = 9
    with pytest.raises(ValueError, match="smoker must be 0, 1 or empty"):
        cohort.check()


def test_the_reserve_follows_a_map_that_was_exchanged(make_cohort):
    cohort = make_cohort()
    cohort.maps["rest"] = cohort.maps["rest"] / 2  # reserve 2 becomes 4
    cohort.check()
    assert float(np.max(cohort.maps["reserve"])) == pytest.approx(4)


def test_a_clinical_column_of_0_and_1_becomes_a_trait_by_name(make_cohort):
    ids = [f"S{k}" for k in range(6)]
    clinical = pd.DataFrame(
        {"cad": ["0", "1", "", "1", "0", "0"], "age": range(50, 56), "ct": [True, False] * 3}, ids
    )
    cohort = make_cohort(clinical=clinical)
    named = cohort.with_traits(["cad", "sex", "age", "unknown", "ct", "cad"])
    assert list(named.traits) == ["sex", "cad", "ct"]
    assert list(named.clinical) == ["age"]
    np.testing.assert_array_equal(named.traits["cad"], [0, 1, np.nan, 1, 0, 0])
    assert cohort.with_traits(["sex"]) is cohort
    assert list(cohort.clinical) == ["cad", "age", "ct"]


def test_a_clinical_column_that_is_no_trait_says_why(make_cohort, resolved):
    ids = [f"S{k}" for k in range(6)]
    config = dataclasses.replace(resolved(traits=("cad",), map_type="rest"), map_size=16)
    for cells, told in (
        ([0, 1, 2, 1, 0, 0], r"Column cad has other cells than 0, 1 and empty: S2 \(2\)"),
        ([0, 1, 0, 1, 0, 0], r"with_traits\(\['cad'\]\)"),
    ):
        cohort = make_cohort(clinical=pd.DataFrame({"cad": cells}, ids))
        other = make_cohort(patients=[f"Q{k}" for k in range(6)])
        with pytest.raises(ValueError, match=rf"No trait cad in this cohort.*{told}"):
            check_training(cohort.with_traits(["age"]), other, config)


def test_a_cohort_itself_is_no_list_of_cohorts(make_cohort):
    with pytest.raises(ValueError, match="list of cohorts"):
        pn.Cohort.concat(make_cohort())


def test_decomposed_names_meet(make_cohort):
    ids = pd.Index([unicodedata.normalize("NFD", f"Mü{k}") for k in range(6)])
    cohort = make_cohort(
        patients=pd.Series([f"P{k}" for k in range(6)], ids),
        traits=pd.DataFrame({"sex": 0.0}, pd.Index([f"Mü{k}" for k in range(6)])),
        clinical=None,
        truth=None,
    )
    assert cohort["Mü3"].patient_id == "P3"
