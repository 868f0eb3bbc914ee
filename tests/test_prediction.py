import dataclasses
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.network import features, weights


def test_a_loaded_model_scores_as_the_run_folder_says(finished_run):
    run, (_, _, test) = finished_run
    scores = pn.predict(pn.load_run(run.folder), test)
    np.testing.assert_array_equal(scores, pn.predict(run.folder, test))
    written = pd.read_csv(run.folder / "scores_test.csv", index_col="study_id")
    np.testing.assert_allclose(scores, written[list(scores.columns)], atol=2e-6)


def test_any_keras_loads_the_model_file(finished_run):
    """Standard layers only, safe mode."""
    loaded = keras.saving.load_model(finished_run[0].folder / "model.keras", safe_mode=True)
    assert set(loaded.output) == {"sex", "diabetes"}


def test_a_phantom_model_on_real_maps_warns(finished_run, make_cohort):
    with pytest.warns(UserWarning, match="trained on a phantom"):
        pn.predict(finished_run[0], make_cohort(size=32))


def test_maps_that_mean_something_else_are_refused(finished_run, make_cohort):
    trained, _ = finished_run
    with pytest.raises(ValueError, match="trained on maps in mL/min/g, this cohort is in percent"):
        pn.predict(trained, make_cohort(size=32, unit="percent"))
    with pytest.raises(ValueError, match="32 x 32 pixels, these are 16 x 16"):
        pn.predict(trained, make_cohort(size=16))


def test_another_tracer_is_said(finished_run, make_cohort):
    run, _ = finished_run
    config = dataclasses.replace(run.config, software="A", tracer="N-13")
    trained = dataclasses.replace(run, config=config)
    with pytest.warns(UserWarning, match="tracer 'Rb-82', trained on 'N-13'"):
        scores = pn.predict(trained, make_cohort(size=32, tracer="Rb-82", software="A"))
    assert scores.attrs["warning"] == "tracer 'Rb-82', trained on 'N-13'"


def test_a_run_without_its_model_is_refused(finished_run, tmp_path):
    for name in ("config.yaml", "heads.csv"):
        shutil.copy(finished_run[0].folder / name, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.keras is missing"):
        pn.load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"model\.keras cannot be loaded"):
        pn.load_model(tmp_path)


def test_what_is_kept_lies_below_everything_trained():
    assert features.kept_end(pn.ExperimentConfig()) == "deep"
    assert features.kept_end(pn.ExperimentConfig(mode="finetuned")) == "block1_pool"
    assert features.kept_end(pn.ExperimentConfig(mode="finetuned", trunk="block1")) is None
    deeper = pn.ExperimentConfig(mode="finetuned", trunk="block5")
    assert features.kept_end(deeper) == "block4_pool"
    assert features.kept_end(pn.ExperimentConfig(mode="scratch", weights=None)) is None
    assert weights.IMAGENET_URL.endswith("notop.h5")
