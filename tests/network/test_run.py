"""A run is opened from its folder, which is checked, and scores studies."""

import copy
import dataclasses
import io
import json
import shutil
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from edited_run import exchange_files

import polarnet as pn
from polarnet.evaluation.table import read_scores
from polarnet.explain import segment_occlusion, wide_contribution
from polarnet.explain.occlusion import removal_curve
from polarnet.explain.randomisation import cascade
from polarnet.network import features


def test_a_loaded_model_scores_as_the_run_folder_says(finished_run):
    run, (_, _, test) = finished_run
    scores = pn.predict(pn.load_run(run.folder), test)
    np.testing.assert_array_equal(scores, pn.predict(run.folder, test))
    np.testing.assert_allclose(scores, read_scores(run.folder / "scores_test.csv"), atol=2e-6)


def test_any_keras_loads_the_model_file_and_scores_the_same(finished_run):
    """Standard layers only, safe mode."""
    path = finished_run[0].folder / "model.keras"
    maps = np.random.default_rng(1).uniform(0, 4, (3, 32, 32, 1)).astype(np.float32)
    ours = pn.load_model(path.parent)(maps)
    theirs = keras.saving.load_model(path, compile=False, safe_mode=True)(maps)
    assert set(theirs) == {"sex", "diabetes"}
    for trait in theirs:
        np.testing.assert_array_equal(ours[trait], theirs[trait])


def test_a_phantom_model_on_real_maps_warns_and_another_tracer_is_said(finished_run, make_cohort):
    run, _ = finished_run
    with pytest.warns(UserWarning, match="trained on a phantom"):
        pn.predict(run, make_cohort(size=32))
    config = dataclasses.replace(run.config, software="A", tracer="N-13")
    trained = dataclasses.replace(run, config=config)
    with pytest.warns(UserWarning, match="tracer 'Rb-82', trained on 'N-13'"):
        scores = pn.predict(trained, make_cohort(size=32, tracer="Rb-82", software="A"))
    assert scores.attrs["warning"] == "tracer 'Rb-82', trained on 'N-13'"


def test_maps_that_mean_something_else_are_refused(finished_run, make_cohort):
    with pytest.raises(ValueError, match="trained on maps in mL/min/g, this cohort is in percent"):
        pn.predict(finished_run[0], make_cohort(size=32, unit="percent"))
    with pytest.raises(ValueError, match="32 x 32 pixels, these are 16 x 16"):
        pn.predict(finished_run[0], make_cohort(size=16))


@pytest.mark.parametrize(
    ("changes", "end"),
    [({}, "deep"), ({"mode": "finetuned"}, "block1_pool"),
     ({"mode": "finetuned", "trunk": "block1"}, None),
     ({"mode": "finetuned", "trunk": "block5"}, "block4_pool"),
     ({"mode": "scratch", "weights": None}, None)],
)  # fmt: skip
def test_what_is_kept_lies_below_everything_trained(changes, end):
    assert features.kept_end(pn.ExperimentConfig(**changes)) == end


# === What is given ==============================================================================

USES = {
    "predict": pn.predict,
    "attribution": lambda r, c: pn.attribution(r, c, "sex"),
    "segment_occlusion": lambda r, c: segment_occlusion(r, c, "sex"),
    "removal_curve": lambda r, c: removal_curve(r, c, "sex", np.ones((2, 17), int)),
    "wide_contribution": lambda r, c: wide_contribution(r, c, "sex"),
    "cascade": lambda r, c: cascade(r, c, "sex", "gradient", np.zeros((len(c), 32, 32))),
}


@pytest.fixture
def few(phantom):
    return phantom.select(np.arange(2))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_bare_model_is_told_to_be_a_run(finished_run, few, use):
    """It knows no unit; nothing is guessed, and nothing hangs on it."""
    bare = pn.load_model(finished_run[0].folder)
    assert not {"experiment", "reference", "distribution", "seen"} & set(vars(bare))
    for stranger in (bare, copy.deepcopy(bare), None):
        with pytest.raises(ValueError, match="A Run, a run folder or a Bundle is needed") as caught:
            use(stranger, few)
        assert "use pn.load_run(folder), or model.predict" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_of_a_bundle_one_member_is_asked_for(finished_run, few):
    """Where a mean over members would not be what is asked: a curve, a cascade."""
    bundle = SimpleNamespace(members=(finished_run[0],))
    with pytest.raises(ValueError, match=r"give a member of the Bundle, bundle\.members\[0\]"):
        segment_occlusion(bundle, few, "sex")


@pytest.mark.parametrize("name", ["predict", "segment_occlusion", "wide_contribution"])
def test_a_run_and_its_folder_give_the_same(finished_run, few, name):
    folder = finished_run[0].folder
    np.testing.assert_array_equal(
        USES[name](pn.load_run(folder), few), USES[name](str(folder), few)
    )


@pytest.mark.parametrize("use", [u for n, u in USES.items() if n != "cascade"])
def test_what_is_no_cohort_is_told_to_be_made_one(finished_run, phantom, use):
    for given in (phantom[0], np.asarray(phantom.maps["stress"][:2]), phantom.traits):
        with pytest.raises(ValueError, match="A Cohort is needed, but a"):
            use(finished_run[0], given)


# === Folders that are not whole =================================================================


@pytest.fixture
def copied(finished_run, tmp_path, monkeypatch):
    """A copy of a run to be damaged; its network is built only once, however often it is loaded."""
    run = finished_run[0]
    twin = keras.models.clone_model(run.model)
    monkeypatch.setattr("polarnet.network.run.build_model", lambda *_: twin)
    folder = shutil.copytree(run.folder, tmp_path / "run")
    exchange_files(folder)
    return folder


def refusal(folder):
    """What is said of a run that cannot be loaded: one line."""
    with pytest.raises(ValueError, match="Copy the run again") as caught:
        pn.load_model(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_without_its_model_and_a_model_without_its_run_are_refused(finished_run, tmp_path):
    run = finished_run[0]
    with pytest.raises(FileNotFoundError, match=r"is a file\. Give the run folder"):
        pn.load_model(run.folder / "model.keras")
    for name in ("config.yaml", "heads.csv"):
        shutil.copy(run.folder / name, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.keras is missing"):
        pn.load_model(tmp_path)
    (tmp_path / "model.keras").write_bytes(b"cut")
    assert "model.keras cannot be loaded" in refusal(tmp_path)


def test_the_map_distribution_of_another_run_is_refused(copied):
    path = copied / "familiarity.npz"
    with np.load(path) as file:
        arrays = dict(file) | {"numbers": np.array([64, 50, 50])}
    np.savez(path, **arrays)
    assert "familiarity.npz is that of another run" in refusal(copied)


@pytest.mark.parametrize("name", ["familiarity.npz", "training_segments.csv", "model.keras"])
def test_bytes_inserted_into_a_file_of_a_run_are_one_clear_line_or_change_nothing(copied, name):
    """Cut short, bytes inserted, emptied: at places drawn by a fixed seed."""
    good = (copied / name).read_bytes()
    rng = np.random.default_rng(3)
    places = [0, len(good) // 2, len(good) - 1, *rng.integers(len(good), size=3)]
    bad = [good[:k] for k in places] + [good[:k] + b"\x00\xff;," + good[k:] for k in places]
    for content in bad:
        (copied / name).write_bytes(content)
        try:
            pn.load_model(copied)
        except ValueError as error:
            assert "Copy the run again" in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    (copied / name).write_bytes(good)
    assert pn.load_run(copied).config.seed == 5


def with_weights(content, weights):
    """A Keras file with other weights."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            is_weights = entry.filename == "model.weights.h5"
            new.writestr(
                entry.filename, weights(entry.file_size) if is_weights else old.read(entry)
            )
    return out.getvalue()


@pytest.mark.parametrize(
    ("weights", "told"),
    [(lambda n: b"\x89HDF", "has 4 bytes of weights, but its settings make"),
     (bytes, "not a whole HDF5 file"),
     (lambda n: bytes(n + 10**7), "bytes of weights, but its settings make")],
)  # fmt: skip
def test_weights_of_another_size_than_the_settings_make_are_refused(copied, weights, told):
    path = copied / "model.keras"
    path.write_bytes(with_weights(path.read_bytes(), weights))
    assert told in refusal(copied)


@pytest.mark.parametrize(
    "change",
    [lambda text: "", lambda text: text.replace("stress", "rest"),
     lambda text: text.replace("no sex", "no age"), lambda text: text[: len(text) // 2],
     lambda text: text.replace("map_type", "type"), lambda text: text.replace(",", ",-", 5),
     lambda text: text + "stress,more" + ",1" * 17 + "\n", lambda text: text.replace("1", "1e9")],
)  # fmt: skip
def test_training_segments_of_another_form_are_one_clear_line(copied, change):
    path = copied / "training_segments.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ValueError, match=r"training_segments\.csv cannot be read") as caught:
        pn.load_model(copied)
    assert "\n" not in str(caught.value)


def test_the_run_remembers_what_its_training_studies_looked_like(finished_run):
    run, (train, _, _) = finished_run
    facts = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    assert facts["n_train"] == len(train)
    assert run.segments.loc[("stress", "all")].between(1, 4).all()
