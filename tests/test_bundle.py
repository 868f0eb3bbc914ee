"""A bundle scores as its runs do; what is none is refused before anything is made of it."""

import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_files, exchange_settings

import polarnet as pn
from polarnet import cli
from polarnet.bundle import FORMAT, load_bundle, write_bundle
from polarnet.evaluation.table import read_scores
from polarnet.grid import run_experiment
from polarnet.rundata import studies_digest


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
    return write_bundle(*ensemble, tmp_path_factory.mktemp("bundle") / "Modell ä.polarnet")


@pytest.fixture(scope="module")
def bundle_parts(bundle_file):
    with zipfile.ZipFile(bundle_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def run_copy(finished_run, tmp_path):
    return shutil.copytree(finished_run[0].folder, tmp_path / "run")


def zipped(path, entries, compression=zipfile.ZIP_STORED):
    """A zip of any names and contents."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


@pytest.fixture
def forged(bundle_parts, tmp_path):
    """A bundle changed by someone who knows how: all digests are right."""

    def forge(changes=(), facts=None, drop=()):
        parts = {name: part for name, part in bundle_parts.items() if name not in drop}
        parts |= dict(changes)
        manifest = json.loads(parts.pop("manifest.json"))
        digests = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
        manifest = json.dumps(manifest | {"sha256": digests} | (facts or {}))
        return zipped(tmp_path / "forged.polarnet", [("manifest.json", manifest), *parts.items()])

    return forge


def refusal(path):
    """What is said of a file that is refused: one line."""
    with pytest.raises(ValueError, match="Get the file again") as caught:
        load_bundle(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is no whole model bundle: ")
    assert "\n" not in message
    return message


# === What it is ================================================================================


def test_the_score_is_the_mean_of_the_members(ensemble, bundle_file):
    folders, cohort = ensemble
    scores = pn.predict(load_bundle(bundle_file), cohort)
    each = [pn.predict(folder, cohort) for folder in folders]
    np.testing.assert_allclose(scores, (each[0] + each[1]) / 2, atol=1e-7)
    assert list(scores.index) == list(cohort.patients.index)
    # The standard deviation of two numbers is their distance over the root of 2.
    spread = (each[0] - each[1]).abs() / 2**0.5
    np.testing.assert_allclose(scores.attrs["spread"], spread, atol=1e-7)
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
    expected = pn.predict(load_bundle(bundle_file), few)
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
        facts_of(copies[k], val_studies_sha256=studies_digest(rest))
        of_val, of_test = of_val + scores / 2, of_test + read_scores(folder / "scores_test.csv") / 2
    bundle = load_bundle(write_bundle(copies, cohort, tmp_path / "a.polarnet"))
    for k, folder in enumerate(copies):
        with zipfile.ZipFile(tmp_path / "a.polarnet") as archive:
            for file in ("model.keras", "heads.csv", "familiarity.npz", "patients.json"):
                assert archive.read(f"member{k:02d}/{file}") == (folder / file).read_bytes()
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
    card = load_bundle(bundle_file).card
    for text in ("Phantom, not patients", "never for care", "seeds 5, 6", "mL/min/g", "| sex |",
                 "- member 2, share of the trunk: sex 1, diabetes 1", "no better than a bullseye",
                 "not a confidence interval", "no external validation", "random"):  # fmt: skip
        assert text in card, text


def test_the_card_names_the_licence_of_the_weights_and_carries_no_path_or_markup(
    finished_run, run_copy, ensemble, tmp_path
):
    """A path may name a person; a tracer is typed by anybody."""
    hostile = {"weights": "/home/Dr Ä/vgg16.h5", "tracer": "<script>alert(1)</script>\n# Approved"}
    exchange_settings(run_copy, dataclasses.replace(finished_run[0].config, **hostile))
    bundle = load_bundle(write_bundle(run_copy, ensemble[1], tmp_path / "a.polarnet"))
    assert "CC BY 4.0" in bundle.card
    assert "<script" not in bundle.card
    assert "\n# Approved" not in bundle.card
    assert bundle.config.weights == "vgg16.h5"
    assert b"/home" not in (tmp_path / "a.polarnet").read_bytes()
    scores = pn.predict(bundle, finished_run[1][2])
    assert scores.attrs["spread"].isna().all(axis=None)  # one member


def test_a_run_without_what_was_added_later_can_be_bundled(run_copy, ensemble, tmp_path):
    exchange_files(run_copy)
    for name in ("familiarity.npz", "training_segments.csv"):
        (run_copy / name).unlink()
    bundle = load_bundle(write_bundle(run_copy, ensemble[1], tmp_path / "b.polarnet"))
    assert bundle.members[0].segments is None
    assert bundle.members[0].distribution is None


# === What is refused when it is written =========================================================


def facts_of(folder, **changes):
    """Writes facts into the environment.json of a run."""
    path = folder / "environment.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(facts | changes), encoding="utf-8")


def test_runs_that_are_no_ensemble_are_refused(ensemble, tmp_path):
    folders, cohort = ensemble
    out = tmp_path / "a.polarnet"
    with pytest.raises(ValueError, match=r"the same seed \(\[5, 5\]\)"):
        write_bundle([folders[0], folders[0]], cohort, out)
    other = shutil.copytree(folders[1], tmp_path / "other")
    config = pn.ExperimentConfig.load(other / "config.yaml")
    exchange_settings(other, dataclasses.replace(config, anchor=0.2))
    with pytest.raises(ValueError, match="differ in anchor; members of a bundle differ in seed"):
        write_bundle([folders[0], other], cohort, out)
    exchange_settings(other, config)
    facts_of(other, train_studies_sha256="0")
    with pytest.raises(ValueError, match="trained on different studies"):
        write_bundle([folders[0], other], cohort, out)
    (other / "scores_test.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no scores_test\.csv"):
        write_bundle(other, cohort, out)
    for content in (b"[]", b"{", b"\xff\xfe", b"[" * 10**5):
        (other / "environment.json").write_bytes(content)
        told = r"environment\.json (is not JSON|holds no names)"
        with pytest.raises(ValueError, match=told) as caught:
            write_bundle(other, cohort, out)
        assert "\n" not in str(caught.value)
    assert not out.exists()


def test_a_cohort_that_only_shares_the_study_ids_is_refused(ensemble, tmp_path):
    folders, cohort = ensemble
    other = dataclasses.replace(cohort, traits=1 - cohort.traits)
    for given in (other, cohort.select(np.arange(3))):
        with pytest.raises(ValueError, match="not in this cohort, or have other labels"):
            write_bundle(folders, given, tmp_path / "other.polarnet")
    assert not list(tmp_path.iterdir())


# === What is refused when it is opened ==========================================================


def test_a_changed_or_cut_bundle_is_refused(bundle_file, bundle_parts, tmp_path):
    """A bit of every part, wherever it lies, and the end."""
    good = bundle_file.read_bytes()
    path = tmp_path / "bad.polarnet"
    rng = np.random.default_rng(0)
    for content in bundle_parts.values():
        start = good.index(content)
        for place in rng.integers(start, start + len(content), size=2):
            bad = bytearray(good)
            bad[place] ^= 1
            path.write_bytes(bad)
            refusal(path)
    for end in (0, 1, 100, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:end])
        refusal(path)


def test_what_is_no_bundle_is_refused(finished_run, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="No model bundle"):
        load_bundle(tmp_path / "none.polarnet")
    path = shutil.copy(finished_run[0].folder / "model.keras", tmp_path / "a.polarnet")
    assert "a part has the name 'metadata.json'" in refusal(path)
    finished_run[1][2].save(tmp_path / "cohort")
    words = ["predict", str(path), str(tmp_path / "cohort"), "--out", str(tmp_path / "s.csv")]
    assert cli.main(words) == 2
    assert "no whole model bundle" in capsys.readouterr().err
    assert not (tmp_path / "s.csv").exists()


def test_odd_zips_are_refused_by_their_directory(tmp_path):
    """Paths, bombs, parts twice, missing or too many."""
    path = tmp_path / "odd.polarnet"
    manifest = ("manifest.json", json.dumps({"format": FORMAT, "n_members": 1, "sha256": {}}))
    for name in ("../evil.keras", "/etc/evil", "a/b.keras", "C:evil.md", "evil\x01.md", "CON",
                 "member00/../evil", "member50/model.keras"):  # fmt: skip
        assert "a part has the name" in refusal(zipped(path, [manifest, (name, b"x")]))
    zeros = [manifest, ("card.md", bytes(2**22 + 1))]
    assert "is packed" in refusal(zipped(path, zeros, zipfile.ZIP_DEFLATED))
    assert "more than 4 MB" in refusal(zipped(path, zeros))
    assert "missing or too many (card.md" in refusal(zipped(path, [manifest, ("card.md", b"")]))
    assert "no manifest" in refusal(zipped(path, [("card.md", b"")]))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(path, [manifest, manifest])
    assert "comes twice" in refusal(twice)
    assert "not JSON" in refusal(zipped(path, [("manifest.json", "[" * 200_000)]))
    assert not (tmp_path.parent / "evil.keras").exists()


def test_a_member_that_describes_another_network_is_refused_before_any_is_made(
    forged, bundle_parts, monkeypatch
):
    """As `load_run` refuses it, whose tests have the other ways."""
    monkeypatch.setattr("keras.saving.load_model", pytest.fail)
    monkeypatch.setattr("keras.Model.load_weights", pytest.fail)
    name, out = "member00/model.keras", io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(bundle_parts[name])) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, data.replace(b'"units": 17', b'"units": 1048576'))
    assert "describes what no model of its settings has" in refusal(forged({name: out.getvalue()}))


def packed(n_bytes, spoil=None):
    """A zip with the parts of a model, zeros that are packed; or that cannot be unpacked."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, bytes(n_bytes))
    content = bytearray(buffer.getvalue())
    if spoil:
        start = content.index(b"config.json") + len(b"config.json")
        content[start : start + len(spoil)] = spoil
    return bytes(content)


def cell(name, value):
    """Changes one number of the table of results, or a heading."""

    def change(parts):
        table = pd.read_csv(io.BytesIO(parts["results.csv"]), dtype=str)
        table.loc[0, name] = value
        return {"results.csv": table.to_csv(index=False).encode()}

    return change


def part(name, content):
    return lambda _: {name: content}


NONSENSE = {
    "bomb": (part("member00/model.keras", packed(2**24)), "other parts than polarnet writes"),
    "cut": (part("member00/model.keras", b"PK"), "cut short"),
    "no deflate": (part("member00/model.keras", packed(1000, b"\xff" * 12)), "cut short"),
    "bomb of arrays": (
        part("member00/familiarity.npz", packed(2**24)), "larger than polarnet writes it",
    ),
    "laughs": (part("member01/config.yaml", b"seed: &a [1]\nsoftware: [*a, *a]\n"), "aliases (*)"),
    "misspelt": (part("member01/config.yaml", b"sede: 1\n"), "unknown setting"),
    "third member": (part("member02/heads.csv", b""), "missing or too many (member02/heads.csv)"),
    "no results": (part("results.csv", b""), ""), "no text": (part("results.csv", b"\xff\xfe"), ""),
    "other traits": (cell("trait", "age"), "results.csv has other rows"),
    "other columns": (cell("more", "1"), "results.csv has other rows"),
    **{name: (cell(name, "many"), "") for name in ("is_circular", "n_pos", "auroc", "slope")},
}  # fmt: skip


@pytest.mark.parametrize(("change", "text"), NONSENSE.values(), ids=NONSENSE)
def test_parts_that_hold_nonsense_are_refused(forged, bundle_parts, change, text):
    """By the sizes that a zip within them states, and by the form of tables and settings."""
    assert text in refusal(forged(change(bundle_parts)))


@pytest.mark.parametrize(
    ("facts", "text"),
    [({"format": 2}, "of format 2, and this polarnet reads 3"), ({"sha256": []}, "members"),
     ({"n_members": "2"}, "'2' members"), ({"n_members": [1]}, "[1] members"),
     ({"n_members": 0}, "0 members"), ({"n_members": 1}, "missing or too many (member01"),
     ({"traits": ["age"]}, "of another model"), ({"traits": {"sex": 1}}, "of another model"),
     ({"is_phantom": "false"}, "of another model")],
)  # fmt: skip
def test_a_manifest_of_other_types_is_one_clear_line(forged, facts, text):
    assert text in refusal(forged(facts=facts))


def test_missing_parts_are_named(forged):
    assert "(member01/config.yaml)" in refusal(forged(drop=["member01/config.yaml"]))
