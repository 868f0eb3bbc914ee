"""The command that explains a run, from a run folder to a page."""

import json

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet.cli import main
from polarnet.explain.randomisation import cascade, randomised_models
from polarnet.network.encoding import encode


@pytest.fixture(scope="module")
def runs(tmp_path_factory, phantom, tiny, cache):
    """A cohort folder and two trainings of different seeds."""
    import dataclasses

    folder = tmp_path_factory.mktemp("explained")
    phantom.save(folder / "cohort")
    train, val, _ = pn.split_by_patient(phantom, val=0.2, test=0.2, seed=5)
    for seed in (5, 6):
        config = dataclasses.replace(tiny, seed=seed)
        pn.train(train, val, config, folder / f"seed{seed}", cache=cache, show_progress=False)
    return folder


def explain(folder, *words):
    return main(["explain", str(folder / "seed5"), str(folder / "cohort"), *words])


def test_a_run_is_explained_in_one_command(runs, tmp_path, capsys):
    out = tmp_path / "explained"
    code = explain(runs, "--trait", "sex", "--method", "gradient", "--other-seeds",
                   str(runs / "seed6"), "--out", str(out))  # fmt: skip
    told = capsys.readouterr().out
    assert code == 0
    cohort = pn.read_cohort(runs / "cohort")
    assert np.load(out / "attribution.npy").shape == (len(cohort), 32, 32)
    segments = pd.read_csv(out / "segments.csv", index_col="study_id")
    assert segments.index.tolist() == cohort.patients.index.tolist()
    np.testing.assert_allclose(segments.filter(like="segment_").sum(axis=1), 1, atol=1e-4)
    checks = pd.read_csv(out / "checks.csv").set_index("name")
    assert np.isnan(checks.loc["shuffled labels", "is_passed"])
    assert checks.loc["other seeds", "is_passed"] in (True, False, "True", "False")
    page = (out / "explanation.html").read_text(encoding="utf-8")
    assert "Phantom, not patients." in told
    for verdict in checks["verdict"]:
        assert verdict in told
    for study in cohort.patients.index[:20]:
        assert study not in page
    assert "polarnet explain" in page


def test_a_misspelt_trait_is_one_line_and_nothing_is_left(runs, tmp_path, capsys):
    assert explain(runs, "--trait", "sxe", "--out", str(tmp_path / "new")) == 2
    told = capsys.readouterr().err
    assert "did you mean 'sex'" in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_layers_are_forgotten_from_the_heads_down_and_the_model_stays_as_it_was(runs, phantom):
    model = pn.load_model(runs / "seed5")
    before = [weight.numpy() for weight in model.weights]
    image = encode(phantom.maps["stress"][:1][..., None], model.experiment)
    names, outputs = [], []
    for name, forgot in randomised_models(model, seed=1):
        names.append(name)
        outputs.append(forgot.get_layer("block1_conv1")(image).numpy())
    assert names == ["heads", "hidden", "block2_conv2", "block2_conv1", "block1_conv2",
                     "block1_conv1"]  # fmt: skip
    intact = model.get_layer("block1_conv1")(image).numpy()
    np.testing.assert_array_equal(outputs[-2], intact)
    assert np.abs(outputs[-1] - intact).max() > 1
    for weight, kept in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), kept)


def test_a_method_that_ignores_the_weights_does_not_fall_in_the_cascade(runs, phantom, monkeypatch):
    """An explanation that only shows the input agrees with itself whatever the network forgot."""
    few = phantom.select(np.arange(12))
    shown = few.maps["stress"][:]
    monkeypatch.setattr(
        "polarnet.explain.randomisation.attribution", lambda *_, **__: few.maps["stress"][:]
    )
    table, _ = cascade(pn.load_model(runs / "seed5"), few, "sex", "gradient", shown)
    assert table["value"].tolist() == [1.0] * 6


def test_the_run_remembers_what_its_training_studies_looked_like(runs):
    model = pn.load_model(runs / "seed5")
    facts = json.loads((runs / "seed5" / "environment.json").read_text(encoding="utf-8"))
    assert facts["n_train"] > 50
    assert model.training_segments.loc[("stress", "all")].between(1, 4).all()
