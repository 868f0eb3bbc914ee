import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_files, exchange_settings

import polarnet as pn
from polarnet import cli
from polarnet.evaluation.table import read_scores
from polarnet.grid import run_experiment
from polarnet.network.training import studies_digest
from polarnet.writers import container


@pytest.fixture(scope="module")
def ensemble(finished_run, phantom, cache, tmp_path_factory):
    """Two run folders that differ in seed alone, and the cohort of both."""
    run, splits = finished_run
    config = dataclasses.replace(run.config, seed=6)
    out = tmp_path_factory.mktemp("second") / "seed 6"
    run_experiment(*splits, config, out, cache=cache, show_progress=False)
    return [run.folder, out], phantom


@pytest.fixture(scope="module")
def bundle_file(ensemble, tmp_path_factory):
    return pn.write_bundle(*ensemble, tmp_path_factory.mktemp("bundle") / "Modell ä.polarnet")


@pytest.fixture
def forged(bundle_file, tmp_path):
    """A bundle changed by someone who knows how: all digests and the seal are right."""

    def forge(changes=(), facts=None, drop=()):
        old, parts = container.read_sealed(bundle_file)
        parts = {name: content for name, content in parts.items() if name not in drop}
        path = tmp_path / "forged.polarnet"
        container.write_sealed(path, old | (facts or {}), parts | dict(changes))
        return path

    return forge


def _resealed(path, content):
    """Bytes of a zip, its comment replaced by a right seal."""
    body = content[: -container._LENGTH]
    path.write_bytes(body + container._seal(hashlib.sha256(body).hexdigest()))
    return path


def _zipped(path, entries, compression=zipfile.ZIP_STORED):
    """A sealed zip of any names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.comment = container._seal("0" * 64)
        for name, content in entries:
            archive.writestr(name, content)
    return _resealed(path, buffer.getvalue())


def _refusal(path):
    """What is said of a file that is refused: one line."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
        pn.load_bundle(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def _changed_model(content, change):
    """A Keras file whose config.json was changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename == "config.json":
                tree = json.loads(data)
                change(tree)
                data = json.dumps(tree)
            new.writestr(entry.filename, data)
    return out.getvalue()


def test_the_score_is_the_mean_of_the_members(ensemble, bundle_file):
    folders, cohort = ensemble
    bundle = pn.load_bundle(bundle_file)
    scores = bundle.predict(cohort)
    each = [pn.predict(folder, cohort) for folder in folders]
    np.testing.assert_allclose(scores, (each[0] + each[1]) / 2, atol=1e-7)
    assert list(scores.index) == list(cohort.patients.index)
    # The standard deviation of two numbers is their distance over the root of 2.
    np.testing.assert_allclose(
        scores.attrs["spread"], (each[0] - each[1]).abs() / 2**0.5, atol=1e-7
    )
    assert scores.attrs["warning"] == each[0].attrs["warning"]
    assert "phantom" in scores.attrs["warning"]


def test_the_command_line_makes_a_bundle_that_scores_the_same_in_a_fresh_process(
    ensemble, bundle_file, tmp_path
):
    """To 1e-5; and the command makes the bytes that Python made."""
    folders, cohort = ensemble
    cohort.save(tmp_path / "cohort")
    path, out = tmp_path / "model.polarnet", tmp_path / "scores.csv"
    words = ["export", "bundle", *map(str, folders), "--cohort", str(tmp_path / "cohort")]
    assert cli.main([*words, "--out", str(path)]) == 0
    assert path.read_bytes() == bundle_file.read_bytes()
    few = cohort.select(np.arange(10))
    few.save(tmp_path / "few")
    command = [sys.executable, "-m", "polarnet", "predict", path, tmp_path / "few"]
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trained on a phantom, not on patients" in done.stderr
    expected = pn.load_bundle(bundle_file).predict(few)
    np.testing.assert_allclose(read_scores(out), expected, rtol=0, atol=1e-5)


def test_what_it_knows_comes_from_validation_and_test_studies(ensemble, tmp_path):
    """With more validation studies than the small phantom leaves, so that all can be fitted."""
    folders, cohort = ensemble
    test_ids = read_scores(folders[0] / "scores_test.csv").index
    rest = cohort.select(np.flatnonzero(~cohort.patients.index.isin(test_ids)))
    copies, of_val, of_test = [], 0, 0
    for k, folder in enumerate(folders):
        copies.append(shutil.copytree(folder, tmp_path / str(k)))
        scores = pn.predict(folder, rest)
        scores.to_csv(copies[k] / "scores_val.csv")
        facts = json.loads((copies[k] / "environment.json").read_text(encoding="utf-8"))
        facts["val_studies_sha256"] = studies_digest(rest)
        (copies[k] / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
        of_val, of_test = of_val + scores / 2, of_test + read_scores(folder / "scores_test.csv") / 2
    bundle = pn.load_bundle(pn.write_bundle(copies, cohort, tmp_path / "a.polarnet"))
    table = pn.evaluate(of_test, cohort.traits, cohort.patients).set_index("trait")
    names = ["n_pos", "n_neg", "auroc", "ci_low", "ci_high", "method"]
    pd.testing.assert_frame_equal(bundle.metrics[names], table[names], check_dtype=False)
    assert not bundle.metrics["is_circular"].any()  # a stress map
    assert set(bundle.thresholds) == {"sex", "diabetes"}
    first = of_val[~rest.patients.duplicated().to_numpy()]
    for trait in bundle.thresholds:
        labels = rest.traits.loc[first.index, trait].dropna()
        values = first.loc[labels.index, trait]
        expected = pn.evaluation.choose_thresholds(labels, values)
        assert bundle.thresholds[trait] == pytest.approx(expected, abs=1e-6)
        fitted = pn.evaluation.fit_recalibration(labels, values)
        if fitted.slope > 0:  # otherwise it would turn the ranking round
            assert bundle.recalibration[trait].slope == pytest.approx(fitted.slope, rel=1e-3)
        else:
            assert trait not in bundle.recalibration
    assert bundle.recalibration
    assert bundle.facts["seeds"] == [5, 6]
    assert list(bundle.members[1].segments.columns) == list(map(str, range(1, 18)))
    assert repr(bundle).startswith("Bundle (phantom, not patients) of 2 frozen networks on stress")


def test_the_card_says_what_a_reader_must_know(bundle_file):
    card = pn.load_bundle(bundle_file).card
    for text in ("Phantom, not patients", "never for care", "seeds 5, 6", "mL/min/g", "| sex |",
                 "- member 2, share of the trunk: sex 1, diabetes 1", "no better than a bullseye",
                 "not a confidence interval", "no external validation", "random"):  # fmt: skip
        assert text in card, text


def test_the_card_of_imagenet_weights_names_their_licence(finished_run, ensemble, tmp_path):
    """And a path, which may name a person, stays at home."""
    folder = tmp_path / "run"
    shutil.copytree(finished_run[0].folder, folder)
    config = dataclasses.replace(finished_run[0].config, weights="/home/Dr Ä/vgg16.h5")
    exchange_settings(folder, config)
    bundle = pn.load_bundle(pn.write_bundle(folder, ensemble[1], tmp_path / "a.polarnet"))
    assert "CC BY 4.0" in bundle.card
    assert bundle.config.weights == "vgg16.h5"
    assert b"/home" not in (tmp_path / "a.polarnet").read_bytes()
    assert bundle.predict(finished_run[1][2]).attrs["spread"].isna().all(axis=None)  # one member


def test_the_card_cannot_carry_markup(finished_run, ensemble, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished_run[0].folder, folder)
    hostile = "<script>alert(1)</script>\n# Approved"
    exchange_settings(folder, dataclasses.replace(finished_run[0].config, tracer=hostile))
    card = pn.load_bundle(pn.write_bundle(folder, ensemble[1], tmp_path / "a.polarnet")).card
    assert "<script" not in card
    assert "\n# Approved" not in card


def test_runs_that_are_no_ensemble_are_refused(ensemble, tmp_path):
    folders, cohort = ensemble
    out = tmp_path / "a.polarnet"
    with pytest.raises(ValueError, match=r"the same seed \(\[5, 5\]\)"):
        pn.write_bundle([folders[0], folders[0]], cohort, out)
    other = tmp_path / "other"
    shutil.copytree(folders[1], other)
    config = pn.load_config(other / "config.yaml")
    exchange_settings(other, dataclasses.replace(config, anchor=0.2))
    with pytest.raises(ValueError, match="differ in anchor; members of a bundle differ in seed"):
        pn.write_bundle([folders[0], other], cohort, out)
    exchange_settings(other, config)
    facts = json.loads((other / "environment.json").read_text(encoding="utf-8"))
    (other / "environment.json").write_text(json.dumps(facts | {"train_studies_sha256": "0"}))
    with pytest.raises(ValueError, match="trained on different studies"):
        pn.write_bundle([folders[0], other], cohort, out)
    (other / "scores_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no scores_test\.csv"):
        pn.write_bundle(other, cohort, out)
    assert not out.exists()


def test_what_the_run_knows_of_its_training_maps_goes_along(ensemble, tmp_path):
    """Files that the run folder has; runs made before there were any have none."""
    folders, cohort = ensemble
    folder = shutil.copytree(folders[0], tmp_path / "run")
    np.savez(folder / "familiarity.npz", centre=np.zeros(3))
    exchange_files(folder)
    parts = container.read_sealed(pn.write_bundle(folder, cohort, tmp_path / "a.polarnet"))[1]
    assert parts["member00_familiarity.npz"] == (folder / "familiarity.npz").read_bytes()
    (folder / "familiarity.npz").unlink(missing_ok=True)
    (folder / "training_segments.csv").unlink()
    bundle = pn.load_bundle(pn.write_bundle(folder, cohort, tmp_path / "b.polarnet"))
    assert bundle.members[0].segments is None


def test_one_flipped_bit_is_noticed_wherever_it_is(tmp_path):
    """A bit of every byte of a small file, and every bit of its seal."""
    path = tmp_path / "small.polarnet"
    container.write_sealed(path, {"a": 1}, {"card.md": b"text"})
    good = path.read_bytes()
    assert container.read_sealed(path)[1] == {"card.md": b"text"}
    places = [(k, k % 8) for k in range(len(good) - container._LENGTH)]
    places += [(-1 - k, bit) for k in range(container._LENGTH) for bit in range(8)]
    for place, bit in places:
        bad = bytearray(good)
        bad[place] ^= 1 << bit
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"whole model bundle|bundle of format"):
            container.read_sealed(path)


def test_a_changed_or_cut_bundle_is_refused(bundle_file, tmp_path):
    good = bundle_file.read_bytes()
    path = tmp_path / "bad.polarnet"
    rng = np.random.default_rng(0)
    for place in [0, *rng.integers(len(good), size=20), len(good) - 1]:
        bad = bytearray(good)
        bad[place] ^= 1
        path.write_bytes(bad)
        assert "Get the file again" in _refusal(path)
    for end in (0, 1, 100, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:end])
        assert "not a whole model bundle" in _refusal(path)
    path.write_bytes(good + b"\n")
    assert "not a whole model bundle" in _refusal(path)


def test_what_is_no_bundle_is_refused(finished_run, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="No model bundle"):
        pn.load_bundle(tmp_path / "none.polarnet")
    path = shutil.copy(finished_run[0].folder / "model.keras", tmp_path / "a.polarnet")
    assert "not a whole model bundle" in _refusal(path)
    finished_run[1][2].save(tmp_path / "cohort")
    words = ["predict", str(path), str(tmp_path / "cohort"), "--out", str(tmp_path / "s.csv")]
    assert cli.main(words) == 2
    assert "not a whole model bundle" in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists()


def test_another_format_is_named(bundle_file, tmp_path):
    body = bundle_file.read_bytes()[: -container._LENGTH]
    path = tmp_path / "new.polarnet"
    seal = container._SEAL % 3 + hashlib.sha256(body).hexdigest()
    path.write_bytes(body + seal.encode())
    assert "bundle of format 3, this polarnet reads 2" in _refusal(path)


def test_odd_zips_are_refused_by_their_directory(tmp_path):
    """All well sealed: paths, bombs, parts twice, missing or too many."""
    path = tmp_path / "odd.polarnet"
    manifest = ("manifest.json", json.dumps({"format": container.FORMAT, "sha256": {}}))
    for name in ("../evil.keras", "/etc/evil", "a/b.keras", "C:evil.md", "evil\x01.md", "CON"):
        assert "a part has the name" in _refusal(_zipped(path, [manifest, (name, b"x")]))
    zeros = [manifest, ("card.md", bytes(2**24))]
    assert "is packed" in _refusal(_zipped(path, zeros, zipfile.ZIP_DEFLATED))
    assert "more than 4 MB" in _refusal(_zipped(path, zeros))
    many = [(f"p{k}.md", b"") for k in range(300)]
    assert "not the form of a bundle" in _refusal(_zipped(path, [manifest, *many]))
    assert "not in its manifest (card.md)" in _refusal(_zipped(path, [manifest, ("card.md", b"")]))
    assert "no manifest" in _refusal(_zipped(path, [("card.md", b"")]))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = _zipped(path, [manifest, manifest])
    assert "comes twice" in _refusal(twice)
    deep = ("manifest.json", "[" * 200_000)
    assert "not JSON" in _refusal(_zipped(path, [deep]))
    assert not (tmp_path.parent / "evil.keras").exists()


def test_a_part_that_is_not_what_the_manifest_says_is_refused(tmp_path):
    facts = {"format": container.FORMAT, "sha256": {"card.md": hashlib.sha256(b"one").hexdigest()}}
    path = _zipped(
        tmp_path / "a.polarnet", [("manifest.json", json.dumps(facts)), ("card.md", b"two")]
    )
    assert "card.md is not what the manifest says" in _refusal(path)


def _lambda(tree):
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}}
    tree["config"]["layers"].append({"class_name": "Lambda", "config": {"function": code}})


def _system(tree):
    tree["config"]["layers"][1] |= {"module": "os", "class_name": "Dense", "registered_name": None}


def _function(tree):
    layer = tree["config"]["layers"][1]
    layer["config"]["activation"] = {"module": "os", "class_name": "function", "config": "system"}


def _registered(tree):
    tree["config"]["layers"][1]["registered_name"] = "evil>Thing"


@pytest.mark.parametrize("change", [_lambda, _system, _function, _registered])
def test_a_well_sealed_model_that_would_run_code_is_refused_unseen_by_keras(
    forged, bundle_file, monkeypatch, change
):
    _, parts = container.read_sealed(bundle_file)
    name = "member00.keras"
    path = forged({name: _changed_model(parts[name], change)})
    monkeypatch.setattr("keras.saving.load_model", pytest.fail)
    assert "which no model made here has" in _refusal(path)


def test_well_sealed_nonsense_is_refused(forged):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            with archive.open(name, "w") as part:  # piece by piece: whole, it is 512 MB in memory
                for _ in range(32 if name.endswith("h5") else 16):
                    part.write(bytes(2**24))
                part.write(bytes(1))
    assert "more than 1024 MB" in _refusal(forged({"member00.keras": bomb.getvalue()}))
    assert "is cut short" in _refusal(forged({"member00.keras": b"PK"}))
    laughs = b"seed: &a [1, 1]\nsoftware: [*a, *a]\n"
    assert "aliases (*) are not read here" in _refusal(forged({"member01.yaml": laughs}))
    assert "unknown setting" in _refusal(forged({"member01.yaml": b"sede: 1\n"}))
    assert "missing or too many" in _refusal(forged({"extra.md": b""}))
    assert "missing or too many (member01.yaml)" in _refusal(forged(drop=["member01.yaml"]))
    assert "'2' members" in _refusal(forged(facts={"n_members": "2"}))
    assert "other traits" in _refusal(forged(facts={"traits": ["age"]}))
    assert "out of range" in _refusal(
        forged(facts={"thresholds": {"sex": {"youden": 7, "sensitive": 0}}})
    )
    assert "not the form" in _refusal(forged(facts={"recalibration": {"age": {}}}))


def test_a_cohort_that_only_shares_the_study_ids_is_refused(ensemble, tmp_path):
    folders, cohort = ensemble
    other = dataclasses.replace(cohort, traits=1 - cohort.traits)
    with pytest.raises(ValueError, match="other labels in this cohort"):
        pn.write_bundle(folders, other, tmp_path / "other.polarnet")
    with pytest.raises(ValueError, match="not in the cohort"):
        pn.write_bundle(folders, cohort.select(np.arange(3)), tmp_path / "other.polarnet")
    assert not list(tmp_path.iterdir())


def _wide(tree):
    for layer in tree["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"]["units"] = 2**20


def _many_filters(tree):
    for layer in tree["config"]["layers"]:
        if layer["class_name"] == "Conv2D":
            layer["config"]["filters"] = 2**14


def _large_image(tree):
    tree["config"]["layers"][0]["config"]["batch_shape"] = [None, 2**15, 2**15, 1]


def _past_the_standards(tree):
    """The share is given features as they are: no number is changed, only a wire."""
    layers = {layer["name"]: layer for layer in tree["config"]["layers"]}
    layers["share_of_trunk_sex"]["inbound_nodes"] = layers["deep_standardised"]["inbound_nodes"]


def _heads_exchanged(tree):
    outputs = tree["config"]["output_layers"]
    outputs["sex"], outputs["diabetes"] = outputs["diabetes"], outputs["sex"]


@pytest.mark.parametrize(
    ("change", "text"),
    [(_wide, "has units 1048576"), (_many_filters, "has filters 16384"),
     (_large_image, "has batch_shape [None, 32768"),
     (_past_the_standards, "share_of_trunk_sex has inputs"),
     (_heads_exchanged, "its model has outputs")],
)  # fmt: skip
def test_a_file_that_describes_another_network_is_refused_before_any_is_made_of_it(
    forged, bundle_file, monkeypatch, change, text
):
    """A bundle, and a run folder: what Keras would build of it takes gigabytes, or is wrong."""
    _, parts = container.read_sealed(bundle_file)
    changed = _changed_model(parts["member00.keras"], change)
    monkeypatch.setattr("keras.saving.load_model", pytest.fail)
    monkeypatch.setattr("keras.Model.load_weights", pytest.fail)
    assert text in _refusal(forged({"member00.keras": changed}))


def _with_weights(content, weights):
    """A Keras file with other weights."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            is_weights = entry.filename == "model.weights.h5"
            new.writestr(entry.filename, weights if is_weights else old.read(entry))
    return out.getvalue()


def _weights_file(*, shape, value=None, link=None):
    """HDF5 with one array that takes no room in the file, or that lies in another."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if link:
            file["a"] = h5py.ExternalLink(link, "/a")
        else:
            file.create_dataset("a", shape, chunks=True, dtype="f4", fillvalue=value)
    return buffer.getvalue()


def test_weights_of_another_size_than_the_settings_make_are_refused(finished_run, tmp_path):
    folder = shutil.copytree(finished_run[0].folder, tmp_path / "run")
    exchange_files(folder)
    good = (folder / "model.keras").read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        size = archive.getinfo("model.weights.h5").file_size
    for weights, text in [
        (b"\x89HDF", "has 4 bytes of weights, but its settings make"),
        (bytes(size), "not a whole HDF5 file"),
        (bytes(size + 10**7), "bytes of weights, but its settings make"),
        (_weights_file(shape=(2**20, 2**20)) + bytes(size), "larger than the file"),
        (_weights_file(shape=(), link="/etc/passwd") + bytes(size), "lie in another file"),
    ]:
        (folder / "model.keras").write_bytes(_with_weights(good, weights))
        with pytest.raises(ValueError, match=r"model\.keras cannot be loaded") as caught:
            pn.load_model(folder)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_of_trunk_weights_cannot_say_to_be_larger_than_it_is(resolved, tmp_path):
    path = tmp_path / "vgg16.h5"
    path.write_bytes(_weights_file(shape=(2**20, 2**20)))
    with pytest.raises(ValueError, match="does not hold weights of VGG16"):
        pn.build_model(resolved(weights=path))


def test_a_model_read_back_scores_as_keras_alone_reads_it(finished_run):
    folder = finished_run[0].folder
    maps = np.random.default_rng(1).uniform(0, 4, (3, 32, 32, 1)).astype(np.float32)
    ours = pn.load_model(folder)(maps)
    theirs = keras.saving.load_model(folder / "model.keras", compile=False)(maps)
    for trait in ("sex", "diabetes"):
        np.testing.assert_array_equal(ours[trait], theirs[trait])


@pytest.mark.parametrize(
    ("facts", "text"),
    [({"n_train": "many"}, "n_train 'many'"), ({"n_val": True}, "n_val True"),
     ({"is_phantom": "false"}, "of a phantom"), ({"versions": []}, "lacks versions"),
     ({"polarnet": None}, "lacks polarnet"), ({"metrics": [1]}, "not the form"),
     ({"metrics": {"sex": [], "diabetes": "x"}}, "refused"),
     ({"recalibration": {"sex": 7}}, "refused"), ({"thresholds": {"sex": None}}, "refused"),
     ({"traits": {"sex": 1}}, "other traits"), ({"n_members": [1]}, "[1] members")],
)  # fmt: skip
def test_a_manifest_of_other_types_is_one_clear_line(forged, facts, text):
    assert text in _refusal(forged(facts=facts))


@pytest.mark.parametrize("content", [b"[]", b"7", b"null", b"{", b"\xff\xfe", b"[" * 10**5])
def test_an_environment_that_is_no_object_is_one_clear_line(ensemble, tmp_path, content):
    folder = shutil.copytree(ensemble[0][0], tmp_path / "run")
    (folder / "environment.json").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"environment\.json (is not JSON|holds no names)"
    ) as caught:
        pn.write_bundle(folder, ensemble[1], tmp_path / "a.polarnet")
    assert "\n" not in str(caught.value)
