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
from polarnet.explain.attribution import cascade
from polarnet.explain.occlusion import removal_curve


def test_a_loaded_model_scores_as_the_run_folder_says(finished_run):
    run, (_, _, test) = finished_run
    scores = pn.predict(pn.load_run(run.folder), test)
    np.testing.assert_array_equal(scores, pn.predict(run.folder, test))
    np.testing.assert_allclose(scores, read_scores(run.folder / "scores_test.csv"), atol=2e-6)
    facts = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    assert facts["n_train"] == len(finished_run[1][0])
    assert run.segments.loc[("stress", "all")].between(1, 4).all()


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


# === What is given ===

USES = {
    "predict": pn.predict,
    "attribution": lambda r, c: pn.attribution(r, c, "sex"),
    "segment_occlusion": lambda r, c: segment_occlusion(r, c, "sex"),
    "removal_curve": lambda r, c: removal_curve(r, c, "sex", np.ones((2, 17), int)),
    "wide_contribution": lambda r, c: wide_contribution(r, c, "sex"),
    "cascade": lambda r, c: cascade(r, c, "sex", "gradient", np.zeros((len(c), 32, 32))),
}


@pytest.mark.parametrize("name", USES)
def test_a_run_and_its_folder_are_taken_and_nothing_else(finished_run, phantom, name):
    """A bare model knows no unit; nothing is guessed, and nothing hangs on it."""
    run, use, few = finished_run[0], USES[name], phantom.select(np.arange(2))
    bare = pn.load_model(run.folder)
    assert not {"experiment", "reference", "distribution", "seen"} & set(vars(bare))
    for stranger in (bare, copy.deepcopy(bare), None):
        with pytest.raises(ValueError, match="A Run, a run folder or a Bundle is needed") as caught:
            use(stranger, few)
        assert "use pn.load_run(folder), or model.predict" in str(caught.value)
    if name != "cascade":
        for given in (phantom[0], np.asarray(phantom.maps["stress"][:2]), phantom.traits):
            with pytest.raises(ValueError, match="A Cohort is needed, but a"):
                use(run, given)
    if name in ("predict", "segment_occlusion", "wide_contribution"):
        of_folder = use(str(run.folder), few)
        np.testing.assert_array_equal(use(pn.load_run(run.folder), few), of_folder)


def test_of_a_bundle_one_member_is_asked_for(finished_run, phantom):
    """Where a mean over members would not be what is asked: a curve, a cascade."""
    bundle = SimpleNamespace(members=(finished_run[0],))
    with pytest.raises(ValueError, match=r"give a member of the Bundle, bundle\.members\[0\]"):
        segment_occlusion(bundle, phantom, "sex")


# === Folders that are not whole ===


@pytest.fixture
def copied(finished_run, tmp_path):
    """A copy of a run to be damaged."""
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)
    return folder


@pytest.fixture
def built_once(finished_run, monkeypatch):
    """The network is built only once, however often it is loaded."""
    twin = keras.models.clone_model(finished_run[0].model)
    monkeypatch.setattr("polarnet.network.run.build_model", lambda *_: twin)


def refusal(folder):
    """What is said of a run that cannot be loaded: one line."""
    with pytest.raises(ValueError, match="Copy the run again") as caught:
        pn.load_model(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
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


def test_the_map_distribution_of_another_run_is_refused(copied, built_once):
    path = copied / "familiarity.npz"
    with np.load(path) as file:
        arrays = dict(file) | {"numbers": np.array([64, 50, 50])}
    np.savez(path, **arrays)
    assert "familiarity.npz is that of another run" in refusal(copied)


@pytest.mark.parametrize("name", ["familiarity.npz", "training_segments.csv", "model.keras"])
def test_bytes_inserted_or_cut_are_one_clear_line_or_change_nothing(copied, built_once, name):
    """At places drawn by a fixed seed."""
    good = (copied / name).read_bytes()
    places = [
        0,
        len(good) // 2,
        len(good) - 1,
        *np.random.default_rng(3).integers(len(good), size=3),
    ]
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


def model_with(folder, part, change):
    """Changes one part of a run's Keras file."""
    path = folder / "model.keras"
    content = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename == part else data)


@pytest.mark.parametrize(
    ("weights", "told"),
    [(lambda old: b"\x89HDF", "has 4 bytes of weights, but its settings make"),
     (lambda old: bytes(len(old)), "not a whole HDF5 file"),
     (lambda old: bytes(len(old) + 10**7), "bytes of weights, but its settings make")],
)  # fmt: skip
def test_weights_of_another_size_than_the_settings_make_are_refused(
    copied, built_once, weights, told
):
    model_with(copied, "model.weights.h5", weights)
    assert told in refusal(copied)


def layer(tree, name):
    return next(one for one in tree["config"]["layers"] if one["config"]["name"] == name)


def setting(name, key, value):
    """Gives a layer another constant; a function is given what stands there."""

    def change(tree):
        config = layer(tree, name)["config"]
        config[key] = value(config[key]) if callable(value) else value

    return change


def every(class_name, key, value):
    """Gives all layers of a class another setting."""

    def change(tree):
        for one in tree["config"]["layers"]:
            if one["class_name"] == class_name:
                one["config"][key] = value

    return change


def code(tree):
    function = {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}
    tree["config"]["layers"].append(
        {"class_name": "Lambda", "config": {"name": "f", "function": function}}
    )


def past_the_standards(tree):
    """The share is given features as they are: no number is changed, only a wire."""
    wired = layer(tree, "deep_standardised")["inbound_nodes"]
    layer(tree, "share_of_trunk_sex")["inbound_nodes"] = wired


def heads_exchanged(tree):
    outputs = tree["config"]["output_layers"]
    outputs["sex"], outputs["diabetes"] = outputs["diabetes"], outputs["sex"]


SHARE = "share_of_trunk_sex"
NUMBERS, NONE = "standardised by something else than numbers", "as polarnet writes it"
OTHER = "describes what no model of its settings has"
SPOILT = {
    "one factor short": (
        setting("wide_standardised", "scale", lambda v: v[1:]),
        "20 wide features cannot be standardised by 19 factors and 20 offsets",
    ),
    "offsets of the other group": (
        setting("deep_standardised", "offset", lambda v: v[:20]), "factors and 20 offsets",
    ),
    "a hundred thousand": (setting("wide_standardised", "scale", [1.0] * 10**5), "100000 factors"),
    "no list": (setting("wide_standardised", "scale", 1.0), NUMBERS),
    "NaN": (setting("wide_standardised", "offset", [float("nan")] * 20), NUMBERS),
    "infinite in float32": (setting("wide_standardised", "scale", [1e300] * 20), NUMBERS),
    "400 digits": (setting("wide_standardised", "scale", [10**400] * 20), NONE),
    "text": (setting("wide_standardised", "scale", ["1.0"] * 20), OTHER),
    "nothing": (lambda tree: layer(tree, "wide_standardised")["config"].pop("scale"), NONE),
    "a negative share": (setting(SHARE, "scale", -0.5), "share of the trunk that is none"),
    "a huge share": (setting(SHARE, "scale", 1e20), "share of the trunk that is none"),
    "another offset of a share": (setting(SHARE, "offset", 5.0), f"{OTHER} (share_of"),
    "another window": (setting("window", "scale", [2.0]), f"{OTHER} (window)"),
    "code": (code, OTHER),
    "a class of its own": (
        lambda tree: layer(tree, "window").update(registered_name="evil>Thing"), OTHER,
    ),
    "function": (every("Conv2D", "activation", {"module": "os", "config": "system"}), OTHER),
    "wide": (every("Dense", "units", 2**20), OTHER),
    "large image": (every("InputLayer", "batch_shape", [None, 2**15, 2**15, 1]), OTHER),
    "past the standards": (past_the_standards, f"{OTHER} (share_of_trunk_sex)"),
    "heads exchanged": (heads_exchanged, f"{OTHER} (outputs)"),
    "no tree": (lambda tree: tree.clear(), NONE),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), SPOILT.values(), ids=SPOILT)
def test_a_file_that_describes_another_model_is_refused_in_one_line(
    copied, monkeypatch, change, told
):
    """What it describes is compared, never built: that would run code, take gigabytes, or give
    wrong numbers. Its constants are read as bounded numbers."""

    def spoil(content):
        tree = json.loads(content)
        change(tree)
        return json.dumps(tree).encode()

    monkeypatch.setattr("keras.saving.load_model", pytest.fail)
    monkeypatch.setattr("keras.Model.load_weights", pytest.fail)
    model_with(copied, "config.json", spoil)
    assert told in refusal(copied)


def test_a_model_file_of_endless_digits_is_refused(copied):
    """Python reads no number of more than 4,300 digits."""
    model_with(copied, "config.json", lambda _: b'{"config": ' + b"9" * 10**5 + b"}")
    assert "model.keras cannot be loaded" in refusal(copied)


@pytest.mark.parametrize(
    "change",
    [lambda text: "", lambda text: text.replace("stress", "rest"),
     lambda text: text.replace("no sex", "no age"), lambda text: text[: len(text) // 2],
     lambda text: text.replace("map_type", "type"), lambda text: text.replace(",", ",-", 5),
     lambda text: text + "stress,more" + ",1" * 17 + "\n", lambda text: text.replace("1", "1e9")],
)  # fmt: skip
def test_training_segments_of_another_form_are_one_clear_line(copied, built_once, change):
    path = copied / "training_segments.csv"
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert "training_segments.csv cannot be read" in refusal(copied)
