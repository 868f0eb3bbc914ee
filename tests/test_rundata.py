"""A run knows its data, its patients and its files."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from edited_run import exchange_files

import polarnet as pn
from polarnet import cli, grid, rundata
from polarnet.network.training import write_scores
from polarnet.rundata import load_run_config


@pytest.fixture
def copied(finished_run, tmp_path):
    """A run folder that a test may spoil."""
    return shutil.copytree(finished_run[0].folder, tmp_path / "run")


@pytest.fixture
def seen(make_cohort, tmp_path):
    """What a run knows that was trained on S0 and S1, validated on S2 and tested on S3."""
    cohort = make_cohort()
    pixels = rundata.pixel_digests(cohort, ["stress"])
    parts = {"train": [0, 1], "val": [2], "test": [3]}
    rundata.write_patients(
        tmp_path, {k: (cohort.select(rows), pixels.iloc[rows]) for k, rows in parts.items()}
    )
    return tmp_path


# === Other data =================================================================================


def test_the_folder_of_a_grid_may_grow_by_traits_and_maps_but_not_change(make_cohort, tmp_path):
    cohort = make_cohort()
    rest = np.array(cohort.maps["rest"])
    rest[5, 8, 8] += 0.001
    other = dataclasses.replace(cohort, maps={"rest": rest, "stress": cohort.maps["stress"]})

    def keep(of, map_types):
        configs = [pn.ExperimentConfig(map_type=m, traits=("sex",)) for m in map_types]
        runs = [grid.GridRun("a", config) for config in configs]
        grid._check_data(tmp_path, of, rundata.pixel_digests(of, map_types), runs)

    keep(cohort, ["stress"])
    keep(cohort, ["stress", "rest"])
    with pytest.raises(ValueError, match="different rest maps"):
        keep(other, ["rest"])


def test_numbers_written_otherwise_are_the_same_data(make_cohort):
    cohort = make_cohort()
    pixels = rundata.pixel_digests(cohort, [])
    facts = []
    for age in ([61, 62, 63, 64, 65, 66], [61.0, 62, 63, 64, 65, 66]):
        clinical = cohort.clinical.assign(age=age)
        changed = dataclasses.replace(cohort, clinical=clinical)
        facts.append(rundata.data_facts(changed, pixels, ["sex"], list(changed.clinical)))
    assert facts[0] == facts[1]


# === Patients of the training ===================================================================


def test_a_study_has_the_part_of_its_patient_or_of_its_map_under_any_id(seen, make_cohort):
    cohort = make_cohort()
    patients = pd.Series([f"other {k}" for k in range(6)], index=cohort.patients.index)
    for other in (cohort, dataclasses.replace(cohort, patients=patients)):
        assert list(rundata.parts_of(seen, other)) == [
            "train", "train", "val", "test", "new", "new",
        ]  # fmt: skip


def test_an_id_in_another_form_is_the_same_patient(tmp_path, make_cohort):
    cohort = make_cohort()
    index = cohort.patients.index
    written = [pd.Series([f"{k}{end}" for k in range(6)], index=index) for end in ("", ".0")]
    first, again = (dataclasses.replace(cohort, patients=ids) for ids in written)
    pixels = rundata.pixel_digests(first, ["stress"])
    rundata.write_patients(tmp_path, {"train": (first, pixels)})
    flat = {m: 1.5 * np.asarray(maps) for m, maps in cohort.maps.items() if m != "reserve"}
    other_maps = dataclasses.replace(again, maps=flat)
    assert set(rundata.parts_of(tmp_path, other_maps)) == {"train"}


def test_the_file_of_patients_holds_no_id(finished_run):
    run, (train, val, test) = finished_run
    for part in ("val", "test"):
        assert set(pd.read_csv(run.folder / f"scores_{part}.csv")["part"]) == {part}
    text = (run.folder / "patients.json").read_text(encoding="utf-8")
    for cohort in (train, val, test):
        assert not [one for one in (*cohort.patients, *cohort.patients.index) if one in text]


def test_a_run_of_an_earlier_version_does_not_know_its_patients(copied, finished_run, tmp_path):
    _, (_, _, test) = finished_run
    for name in ("patients.json", "environment.json"):
        (copied / name).unlink()
    scores = pn.predict(copied, test)
    assert set(scores.attrs["part"]) == {""}
    write_scores(scores, tmp_path / "scores.csv")
    written = pd.read_csv(tmp_path / "scores.csv")
    assert written["warning"].str.contains("not known whether the patient was in the train").all()


# === Files and settings of a run ================================================================


@pytest.mark.parametrize(
    ("line", "names"),
    [("palette: jet", "palette was"), ("window:\n- 0.0\n- 5.0", "window was"),
     ("scaling: relative", "scaling was")],
)  # fmt: skip
def test_edited_settings_of_a_run_are_named(copied, line, names):
    path = copied / "config.yaml"
    kept = [x for x in path.read_text(encoding="utf-8").splitlines() if x[:1] != "-"]
    traits = ["traits:", "- sex", "- diabetes"]
    name = line.split(":")[0]
    rest = [x for x in kept if x.split(":")[0] not in (name, "traits", "window")]
    window = [] if name == "window" else ["window: [0.0, 6.0]"]
    path.write_text("\n".join([*rest, *traits, *window, line]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=rf"config\.yaml: {names} edited since training"):
        load_run_config(copied)


@pytest.mark.parametrize(
    ("kept", "here", "may_differ"),
    [("/old/w.h5", "/new/w.h5", True), ("/old/w.h5", None, False), (None, "/new/w.h5", False),
     ("imagenet", "/new/w.h5", False), ("/old/w.h5", "imagenet", False)],
)  # fmt: skip
def test_only_the_path_of_a_weights_file_may_change_after_training(copied, kept, here, may_differ):
    config = dataclasses.replace(load_run_config(copied), weights=here)
    config.save(copied / "config.yaml")
    facts = json.loads((copied / "environment.json").read_text(encoding="utf-8"))
    facts["settings"]["weights"] = kept
    (copied / "environment.json").write_text(json.dumps(facts), encoding="utf-8")
    if may_differ:
        assert load_run_config(copied).weights == here
    else:
        with pytest.raises(ValueError, match="weights was edited since training"):
            load_run_config(copied)


@pytest.mark.parametrize("files", [[1], "x", None, 3])
def test_digests_of_another_type_are_damage(copied, files):
    path = copied / "environment.json"
    facts = json.loads(path.read_text(encoding="utf-8")) | {"files": files}
    path.write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ValueError, match=r"environment\.json is damaged"):
        rundata.check_files(copied)


@pytest.mark.parametrize("name", rundata.DIGESTED)
def test_an_exchanged_or_lost_file_of_a_run_is_refused(copied, name):
    pn.load_model(copied)
    content = (copied / name).read_bytes()
    (copied / name).write_bytes(content + b"\n")
    with pytest.raises(ValueError, match=rf"{name} is not what the training wrote"):
        pn.load_model(copied)
    (copied / name).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=name):
        pn.load_model(copied)


EARLIER = "hidden_units: 64\ndropout: 0.5\nl2: 1000.0\nl2_end: 0.1\npatience: 20\n"


def test_a_run_of_an_earlier_version_says_what_to_do(copied, phantom, tmp_path, capsys):
    """Its networks had a hidden layer, and no table of heads."""
    (copied / "heads.csv").unlink()
    exchange_files(copied)
    with (copied / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(EARLIER)
    told = r"config\.yaml is of an earlier version, .* train a run or bundle again\.$"
    for ask in (pn.load_run, pn.load_model, lambda run: pn.predict(run, phantom)):
        with pytest.raises(ValueError, match=told):
            ask(copied)
    cohort = phantom.save(tmp_path / "cohort")
    line = ["predict", str(copied), str(cohort), "--out", str(tmp_path / "scores.csv")]
    assert cli.main(line) == 2
    said = capsys.readouterr().err
    assert "train a run or bundle again" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [("trait,share\nsex,0.3\n", "of another run"), ("share\n1\n2\n", "of another run"),
     ("trait,penalty\nsex,1\ndiabetes,1\n", "of another run"), ("", "empty"),
     ("trait,share\nsex,a lot\ndiabetes,none\n", "no share"),
     ("trait,share\nsex,1e9\ndiabetes,0\n", "no share"),
     ("trait,share\nsex,\ndiabetes,0\n", "no share")],
)  # fmt: skip
def test_a_table_of_heads_that_is_not_ours_is_refused(copied, text, told):
    (copied / "heads.csv").write_text(text, encoding="utf-8")
    exchange_files(copied)
    with pytest.raises(ValueError, match=rf"heads\.csv .*{told}") as caught:
        pn.load_run(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("found", ["much better", ["kept"], None, 1])
def test_of_fine_tuning_only_known_words_are_told(copied, found):
    path = copied / "environment.json"
    facts = json.loads(path.read_text(encoding="utf-8")) | {"finetuning": found}
    path.write_text(json.dumps(facts), encoding="utf-8")
    assert pn.load_run(copied).finetuning == ""
