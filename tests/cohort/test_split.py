import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn

IDS = [f"S{k}" for k in range(6)]


@pytest.fixture(scope="module")
def cohort():
    """Some patients have two studies."""
    made = pn.make_phantom_cohort(800, seed=4, size=16)
    assert made.patients.duplicated().any()
    return made


def test_patient_never_in_two_splits_and_every_trait_is_balanced(cohort):
    """Stratified shares differ by at most a few patients; random ones would by sqrt(n) more."""
    parts = pn.split_by_patient(cohort, seed=4)
    patients = [set(part.patients) for part in parts]
    assert sum(map(len, parts)) == len(cohort)
    assert len(set.union(*patients)) == sum(map(len, patients))
    shares = pd.DataFrame([part.traits.mean() for part in parts])
    assert (shares.max() - shares.min() < 0.04).all()


def test_the_seed_decides_the_split_with_traits_and_without(phantom):
    for cohort in (phantom, dataclasses.replace(phantom, traits=phantom.traits[[]])):
        first, again, other = (
            [list(part.patients) for part in pn.split_by_patient(cohort, seed=seed)]
            for seed in (1, 1, 2)
        )
        assert first == again != other
        assert sum(map(len, first)) == len(cohort)


def test_a_split_column_is_honoured(make_cohort):
    words = ["train", "val", "test", "train", "train", "test"]
    clinical = pd.DataFrame({"split": words}, index=IDS)
    parts = pn.split_by_patient(make_cohort(clinical=clinical), seed=0)
    assert [list(part.patients.index) for part in parts] == [
        ["S0", "S3", "S4"], ["S1"], ["S2", "S5"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "patients", "message"),
    [
        (["train", "val", "tset", "train", "val", ""], IDS, r"train, val or test: S2 \(tset\), S5"),
        (["train"] * 5 + ["val"], IDS, "leaves test empty"),
        (["train", "val", "test"] * 2, ["P0", "P1", "P2", "P1", "P4", "P5"], "two splits: P1"),
        (["train", "val", "test"] * 2, ["1", "1.0", "2", "3", "4", "5"], "two splits: 1"),
    ],
    ids=["another word", "an empty split", "a patient in two", "a patient in two spellings"],
)
def test_a_wrong_split_column_is_an_error(make_cohort, words, patients, message):
    clinical = pd.DataFrame({"split": words}, index=IDS)
    with pytest.raises(ValueError, match=message):
        pn.split_by_patient(make_cohort(clinical=clinical, patients=patients), seed=0)


def test_too_few_patients_are_an_error(make_cohort):
    with pytest.raises(ValueError, match="too few"):
        pn.split_by_patient(make_cohort(2), seed=0)
    with pytest.raises(ValueError, match="2 patients cannot be put into 5 folds"):
        next(make_cohort(2).folds(seed=0))


def test_every_patient_is_held_out_once(phantom):
    held_out = [list(fold.patients.index) for _, fold in phantom.folds(seed=0)]
    assert sorted(np.concatenate(held_out)) == sorted(phantom.patients.index)
