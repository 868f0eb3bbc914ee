import dataclasses

import numpy as np
import pandas as pd
import pytest

import polarnet as pn


def test_patient_never_in_two_splits():
    cohort = pn.make_phantom_cohort(300, seed=1, size=16)
    assert cohort.patients.duplicated().any()  # some patients have two studies
    parts = pn.split_by_patient(cohort, seed=2)
    patients = [set(part.patients) for part in parts]
    assert sum(map(len, parts)) == len(cohort)
    assert len(set.union(*patients)) == sum(map(len, patients))


def test_split_is_balanced_on_every_trait():
    """Stratified shares differ by at most a few patients; random ones would by sqrt(n) more."""
    cohort = pn.make_phantom_cohort(800, seed=4, size=16)
    parts = pn.split_by_patient(cohort, seed=4)
    shares = pd.DataFrame([part.traits.mean() for part in parts])
    assert (shares.max() - shares.min() < 0.04).all()


def test_same_seed_same_split_other_seed_other_split(phantom):
    first, again, other = (
        [list(part.patients) for part in pn.split_by_patient(phantom, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_split_column_is_honoured(make_cohort):
    index = make_cohort().patients.index
    words = ["train", "val", "test", "train", "train", "test"]
    clinical = pd.DataFrame({"split": words}, index=index)
    parts = pn.split_by_patient(make_cohort(clinical=clinical), seed=0)
    assert [list(part.patients.index) for part in parts] == [
        ["S0", "S3", "S4"], ["S1"], ["S2", "S5"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "val", "tset", "train", "val", ""], r"train, val or test: S2 \(tset\), S5"),
        (["train"] * 5 + ["val"], "leaves test empty"),
    ],
)
def test_a_wrong_split_column_is_an_error(make_cohort, words, message):
    clinical = pd.DataFrame({"split": words}, index=make_cohort().patients.index)
    with pytest.raises(ValueError, match=message):
        pn.split_by_patient(make_cohort(clinical=clinical), seed=0)


def test_a_split_column_that_tears_a_patient_apart_is_an_error(make_cohort):
    index = make_cohort().patients.index
    clinical = pd.DataFrame({"split": ["train", "val", "test"] * 2}, index=index)
    patients = pd.Series(["P0", "P1", "P2", "P1", "P4", "P5"], index=index)
    with pytest.raises(ValueError, match="two splits: P1"):
        pn.split_by_patient(make_cohort(clinical=clinical, patients=patients), seed=0)


def test_a_cohort_without_traits_can_be_split(phantom):
    bare = dataclasses.replace(phantom, traits=phantom.traits[[]])
    assert sum(map(len, pn.split_by_patient(bare, seed=1))) == len(bare)


def test_too_few_patients_are_an_error(make_cohort):
    with pytest.raises(ValueError, match="too few"):
        pn.split_by_patient(make_cohort(2), seed=0)


def test_every_patient_is_held_out_once(phantom):
    held_out = [list(fold.patients.index) for _, fold in phantom.folds(seed=0)]
    assert sorted(np.concatenate(held_out)) == sorted(phantom.patients.index)
