"""Cohorts in memory: sound when they are made, and when they enter a result."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.cohort import write_cohorts
from polarnet.evaluation import baseline_scores
from polarnet.grid import run_experiment
from polarnet.suitability import check_prediction, check_training


def test_global_mfr_is_the_ratio_of_means_not_the_mean_of_ratios(make_cohort):
    disc = pn.anatomy.disc_mask(16)
    rest = np.where(disc, 1.0, 0.0)
    rest[:, :8] *= 0.5
    maps = {
        "rest": np.stack([rest, 1.1 * rest]).astype(np.float32),
        "stress": np.stack([disc * 2.0, disc * 3.0]).astype(np.float32),
    }
    mfr = make_cohort(2, maps=maps).global_mfr()
    assert mfr.to_numpy() == pytest.approx([2 / 0.75, 3 / (1.1 * 0.75)], rel=1e-6)


def test_percent_cohorts_have_no_reserve(make_cohort):
    cohort = make_cohort(unit="percent")
    assert list(cohort.maps) == ["rest", "stress"]
    with pytest.raises(ValueError, match="in percent"):
        cohort.global_mfr()
    with pytest.raises(ValueError, match="have no flow reserve"):
        make_cohort(maps={"reserve": np.array(cohort.maps["rest"])}, unit="percent")


def test_every_offender_is_named_at_once(make_cohort):
    cohort = make_cohort()
    maps = {name: np.array(cohort.maps[name]) for name in ("rest", "stress")}
    maps["rest"][0, 8, 8] = np.nan
    maps["rest"][1, 8, 8] = -1
    maps["stress"][3] = maps["stress"][2]
    maps["stress"][4] *= 20
    ids = pd.Index(["S0", "S1", "S2", "S3", "S4", "S1"], name="study_id")
    traits = pd.DataFrame({"sex": [0, 1, 2, "x", "", np.nan]}, index=ids)
    patients = cohort.patients.set_axis(ids)
    with pytest.raises(ValueError, match="Not a sound cohort") as caught:
        make_cohort(maps=maps, traits=traits, patients=patients, clinical=None, truth=None)
    message = str(caught.value)
    for part in (
        "study_id given twice: S1",
        "sex must be 0, 1 or empty: S2 (2), S3 (x)",
        "rest has NaN or infinite values inside the disc: S0",
        "rest has negative values inside the disc: S1",
        "same under two patients: S2 and S3",
        "stress is above 10 mL/min/g, is the unit right?: S4 (41.6)",
    ):
        assert part in message
    assert "\n" not in message


def test_the_same_map_twice_in_one_patient_is_allowed(make_cohort):
    cohort = make_cohort(2)
    maps = {m: np.stack([cohort.maps[m][0]] * 2) for m in ("rest", "stress")}
    assert len(make_cohort(2, maps=maps, patients=["P0", "P0"])) == 2


def test_studies_keep_their_maps_when_they_are_chosen_or_gone_through(phantom):
    study = phantom.select(np.array([5, 2, 9]))[1]
    assert study.study_id == phantom.patients.index[2]
    for map_type in ("stress", "reserve"):
        np.testing.assert_array_equal(study.maps[map_type], phantom.maps[map_type][2])
    assert [one.study_id for one in phantom[:4]] == list(phantom.patients.index[:4])


def test_the_first_study_of_each_patient_is_kept(make_cohort):
    cohort = make_cohort(patients=["P0", "P1", "P0", "P2", "P1", "P3"])
    assert list(cohort.first_studies().patients.index) == ["S0", "S1", "S3", "S5"]


# === What was changed after it was made =========================================================


def _doors(cohort, other, resolved, tmp_path):
    """Everything through which a cohort enters a result."""
    config = dataclasses.replace(resolved(map_type="rest", traits=("sex",)), map_size=16)
    asked = {"map_type": "rest", "traits": ["sex"], "seed": 0}
    return {
        "train": lambda: check_training(cohort, other, config),
        "val": lambda: check_training(other, cohort, config),
        "test": lambda: run_experiment(other[:4], other[4:], cohort, config, tmp_path / "run"),
        "predict": lambda: check_prediction(config, cohort),
        "save": lambda: cohort.save(tmp_path / "saved"),
        "split": lambda: pn.split_by_patient(cohort, val=0.3, test=0.3, seed=0),
        "folds": lambda: next(cohort.folds(2, seed=0)),
        "baselines": lambda: baseline_scores(cohort, [other], **asked),
    }


def _set(**columns):
    return lambda cohort: [cohort.traits.__setitem__(k, v) for k, v in columns.items()]


def _spoil_map(value):
    return lambda cohort: cohort.maps["rest"][3].fill(value)


def _shorten_stack(cohort):
    cohort.maps["rest"] = cohort.maps["rest"][:4]


def _sort(*names):
    return lambda cohort: [
        setattr(getattr(cohort, name), "index", cohort.patients.index[::-1]) for name in names
    ]


def _forget_patient(cohort):
    cohort.patients.iloc[2] = ""


@pytest.mark.parametrize(
    ("spoil", "told", "in_pixels"),
    [
        (_set(sex=[0, 1, 2, 9, 0, 1]), r"sex must be 0, 1 or empty: S2 \(2\), S3 \(9\)", False),
        (_set(smoker=["no", "yes"] * 3), r"smoker must be 0, 1 or empty: S0 \(no\)", False),
        *(
            (_set(sex=labels), "sex must be 0, 1 or empty", False)
            for labels in ([1, 2] * 3, [0, 0.5] * 3, [-1, 1] * 3, [0, np.inf] * 3)
        ),
        (_spoil_map(np.nan), "rest has NaN or infinite values inside the disc: S3", True),
        (_spoil_map(104), "rest is above 10 mL/min/g.*S3", True),
        (_shorten_stack, "must have shape", False),
        (
            _sort("traits", "clinical", "truth", "patients"),
            "renamed or put into another order",
            False,
        ),
        (_sort("traits"), "Table 'traits'.*another order", False),
        (_forget_patient, "no patient_id: S2", False),
    ],
)
def test_what_was_spoilt_afterwards_passes_no_door(
    make_cohort, resolved, tmp_path, spoil, told, in_pixels
):
    cohort, other = make_cohort(), make_cohort(patients=[f"Q{k}" for k in range(6)])
    spoil(cohort)
    for name, door in _doors(cohort, other, resolved, tmp_path).items():
        if in_pixels and name in ("split", "folds"):
            continue  # they read no map
        with pytest.raises(ValueError, match=told):
            door()
    assert list(tmp_path.iterdir()) == []


def test_maps_on_disk_that_were_overwritten_pass_no_door(make_cohort, resolved, tmp_path):
    folder = make_cohort().save(tmp_path / "cohort")
    stack = np.load(folder / "rest.npy", mmap_mode="r+")
    stack[4, 8, 8] = np.nan
    stack.flush()
    cohort, other = pn.read_cohort(folder), make_cohort(patients=[f"Q{k}" for k in range(6)])
    for some in (cohort, cohort[[4, 5]]):
        doors = _doors(some, other, resolved, tmp_path)
        for name in doors.keys() - {"split", "folds"}:
            with pytest.raises(ValueError, match=r"rest has NaN.*S4"):
                doors[name]()


def test_a_checked_cohort_keeps_its_tables_and_follows_a_map_that_was_exchanged(make_cohort):
    cohort = make_cohort()
    traits = cohort.traits
    cohort.maps["rest"] = cohort.maps["rest"] / 2  # reserve 2 becomes 4
    cohort.check()
    assert float(np.max(cohort.maps["reserve"])) == pytest.approx(4)
    traits["smoker"] = 9
    with pytest.raises(ValueError, match="smoker must be 0, 1 or empty"):
        cohort.check()


# === One cohort from several ====================================================================


def test_cohorts_joined_in_memory_and_on_disk_are_the_same(phantom, tmp_path):
    parts = [phantom.select(np.arange(len(phantom)) % 2 == k) for k in (0, 1)]
    joined, written = pn.Cohort.concat(parts), write_cohorts(parts, tmp_path / "joined")
    assert list(joined.patients.index) == [study for p in parts for study in p.patients.index]
    for cohort in (joined, written):
        assert np.array_equal(cohort.maps["reserve"][: len(parts[0])], parts[0].maps["reserve"])
        pd.testing.assert_frame_equal(cohort.traits, pd.concat([p.traits for p in parts]))


def _of_other_studies(cohort):
    names = pd.Index([f"B{study}" for study in cohort.patients.index])
    maps = {m: np.asarray(cohort.maps[m]) for m in ("rest", "stress")}
    return pn.Cohort(
        maps, cohort.traits.set_axis(names), pd.Series(names, names), None, None, cohort.unit
    )


@pytest.mark.parametrize(
    ("make_parts", "message"),
    [
        (lambda make: [make(), make(unit="percent")],
         "two kinds cannot be one cohort: unit mL/min/g and percent"),
        (lambda make: [make(), make(size=20)], r"rest \(16, 16\) and \(20, 20\)"),
        (lambda make: [make(), make()], "study_id given twice: S0"),
        (lambda make: [make(), _of_other_studies(make())],
         "the same under two patients: S0 and BS0"),
        (lambda make: [], "no studies"),
        (lambda make: make(), "list of cohorts"),
    ],
    ids=["unit", "size", "study twice", "map of two patients", "nothing", "no list"],
)  # fmt: skip
def test_cohorts_that_do_not_fit_are_not_joined(make_cohort, tmp_path, make_parts, message):
    for join in (pn.Cohort.concat, lambda parts: write_cohorts(parts, tmp_path / "joined")):
        with pytest.raises(ValueError, match=message):
            join(make_parts(make_cohort))
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_fails_midway_leaves_nothing(make_cohort, tmp_path):
    def parts():
        yield make_cohort()
        raise OSError("the second part cannot be read")

    with pytest.raises(OSError, match="second part"):
        write_cohorts(parts(), tmp_path / "joined")
    assert list(tmp_path.iterdir()) == []
