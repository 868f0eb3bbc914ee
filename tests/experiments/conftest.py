"""A small project, and made-up scores of its networks: nothing is trained here."""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from networks import run_folder
from plan import Plan
from project import open_project

PLAN = Plan(
    weights=None, input_size=32, seeds=(1, 2), val=0.2, test=0.3, shares=(0.5,), folds=3,
    map_types=("stress", "reserve"),
)  # fmt: skip


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohorts") / "cohort"
    pn.make_phantom_cohort(200, seed=11, size=32).save(folder)
    return folder


@pytest.fixture
def plan():
    return PLAN


@pytest.fixture(scope="session")
def begun(cohort_folder, tmp_path_factory):
    return open_project(cohort_folder, tmp_path_factory.mktemp("begun") / "study", PLAN)


@pytest.fixture
def project(begun, tmp_path):
    """A project in a folder of its own, as it is once begun; its cohort is shared."""
    return dataclasses.replace(begun, folder=shutil.copytree(begun.folder, tmp_path / "study"))


@pytest.fixture(scope="session")
def random_scores():
    def draw(cohort, traits, seed):
        values = np.random.default_rng(seed).uniform(0.05, 0.95, (len(cohort), len(traits)))
        return pd.DataFrame(values, index=cohort.patients.index, columns=list(traits))

    return draw


@pytest.fixture(scope="session")
def write_model(random_scores):
    """Writes made-up scores of every network of a model, validation and test."""

    def write(project, model, shift=0):
        for network in model.networks:
            folder = run_folder(project, network)
            folder.mkdir(parents=True, exist_ok=True)
            for part in ("val", "test"):
                scores = random_scores(
                    project.studies(part), network.config.traits, network.config.seed + shift
                )
                scores.to_csv(folder / f"scores_{part}.csv", index_label="study_id")

    return write
