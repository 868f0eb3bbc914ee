import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.network import prediction, weights


def test_a_loaded_model_scores_as_the_run_folder_says(finished_run):
    run, (_, _, test) = finished_run
    scores = pn.predict(pn.load_model(run.folder), test)
    written = pd.read_csv(run.folder / "scores_test.csv", index_col="study_id")
    np.testing.assert_allclose(scores, written[list(scores.columns)], atol=2e-6)


def test_any_keras_loads_the_model_file(finished_run):
    """Standard layers only, safe mode."""
    loaded = keras.saving.load_model(finished_run[0].folder / "model.keras", safe_mode=True)
    assert set(loaded.output) == {"sex", "diabetes"}


def test_a_phantom_model_on_real_maps_warns(finished_run, make_cohort):
    with pytest.warns(UserWarning, match="trained on a phantom"):
        pn.predict(pn.load_model(finished_run[0].folder), make_cohort(size=32))


def test_maps_that_mean_something_else_are_refused(finished_run, make_cohort):
    trained = pn.load_model(finished_run[0].folder)
    with pytest.raises(ValueError, match="trained on maps in mL/min/g, this cohort is in percent"):
        pn.predict(trained, make_cohort(size=32, unit="percent"))
    with pytest.raises(ValueError, match="32 x 32 pixels, these are 16 x 16"):
        pn.predict(trained, make_cohort(size=16))


def test_another_tracer_is_said(finished_run, make_cohort):
    trained = pn.load_model(finished_run[0].folder)
    trained.experiment = dataclasses.replace(trained.experiment, software="A", tracer="N-13")
    with pytest.warns(UserWarning, match="tracer 'Rb-82', trained on 'N-13'"):
        scores = pn.predict(trained, make_cohort(size=32, tracer="Rb-82", software="A"))
    assert scores.attrs["warning"] == "tracer 'Rb-82', trained on 'N-13'"


def test_a_run_without_its_model_is_refused(finished_run, tmp_path):
    (tmp_path / "config.yaml").write_bytes((finished_run[0].folder / "config.yaml").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"model\.keras is missing"):
        pn.load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded"):
        pn.load_model(tmp_path)


def test_frozen_end_is_below_everything_trained():
    assert prediction.frozen_end(pn.ExperimentConfig()) == "pooled"
    assert prediction.frozen_end(pn.ExperimentConfig(mode="finetuned")) == "block4_pool"
    shallow = pn.ExperimentConfig(mode="finetuned", trunk="block2")
    assert prediction.frozen_end(shallow) == "block1_pool"
    assert weights.IMAGENET_URL.endswith("notop.h5")
