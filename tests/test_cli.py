import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import polarnet as pn
from polarnet import cli
from polarnet.files import new_folder


def _fails(capsys, *arguments):
    """The one line on stderr of a command that must fail with exit code 2."""
    code = cli.main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert error.startswith("polarnet: ")
    return error


@pytest.fixture
def cohort_folder(phantom, tmp_path):
    return phantom.save(tmp_path / "Kohorte äöü")


def test_the_four_commands_make_scores_and_a_table(export_folder, tmp_path, capsys, cache):
    """import, train, predict, evaluate, with spaces and umlauts in every path."""
    folder, table = export_folder
    rng = np.random.default_rng(0)
    lines = ["study_id,patient_id,sex"]
    for k in range(1, 61):
        values = 60 + 20 * (k % 2) + 5 * rng.random((16, 16))
        np.savetxt(folder / f"S{k}_stress.csv", values, delimiter=",", fmt="%.3f")
        np.savetxt(folder / f"S{k}_rest.csv", values - 1, delimiter=",", fmt="%.3f")
        lines.append(f"S{k},P{k},{k % 2}")
    table.write_text("\n".join(lines))
    cohort, run, scores = (tmp_path / f"ä {name}" for name in ("cohort", "run", "scores.csv"))
    config = tmp_path / "klein.yaml"
    config.write_text("input_size: 32\nepochs: 40\ntest: 0.4\n")
    commands = (
        ["import", folder, "--clinical", table, "--unit", "percent", "--out", cohort],
        ["train", cohort, "--config", config, "--traits", "sex", "--weights", "none",
         "--out", run, "--cache", cache],
        ["predict", run, cohort, "--out", scores],
        ["evaluate", scores, "--cohort", cohort, "--out", tmp_path / "table.csv"],
    )  # fmt: skip
    for command in commands:
        assert cli.main([str(word) for word in command]) == 0, capsys.readouterr().err
        said = capsys.readouterr().out
        assert "Wrote " in said
    assert "<0.001" in said  # a p-value is never printed as 0
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.loc[0, "auroc"] > 0.9
    assert pn.ExperimentConfig.load(run / "config.yaml").input_size == 32


def test_a_preview_says_that_a_unit_is_impossible_and_a_wrong_folder_makes_no_key(tmp_path, capsys):
    """Rest flow of 90 mL/min/100 g, said to be in mL/min/g."""
    (tmp_path / "maps").mkdir()
    np.savetxt(tmp_path / "maps" / "S1_rest.csv", np.full((32, 32), 90.0), delimiter=",")
    picture = str(tmp_path / "first.png")
    words = ["import", str(tmp_path / "maps"), "--preview", picture, "--unit"]
    assert cli.main([*words, "mL/min/g"]) == 0
    assert "reaches 90 mL/min/g, above 10: is it in another unit?" in capsys.readouterr().out
    assert cli.main([*words, "mL/min/100g"]) == 0
    assert "above 10" not in capsys.readouterr().out
    key = tmp_path / "key"
    words = ["import", str(tmp_path / "map"), "--out", str(tmp_path / "c"), "--key", str(key)]
    assert cli.main(words) == 2
    assert not key.exists()


def test_an_import_says_what_one_means_after_a_preview_and_a_first_column_map(
    export_folder, tmp_path, capsys
):
    folder, table = export_folder
    picture, columns = tmp_path / "first.png", tmp_path / "columns.yaml"
    maps = ["import", str(folder), "--unit", "mL/min/g"]
    assert cli.main([*maps, "--preview", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    whole = [*maps, "--clinical", str(table)]
    assert cli.main([*whole, "--suggest-columns", str(columns)]) == 0
    text = columns.read_text(encoding="utf-8").replace("# sex", "sex")
    columns.write_text(text, encoding="utf-8")
    key = ["--key", str(tmp_path / "key")]
    out = ["--out", str(tmp_path / "of_map")]
    assert cli.main([*whole, "--columns", str(columns), *key, *out]) == 0, capsys.readouterr().err
    capsys.readouterr()
    assert cli.main([*whole, "--keep-ids", "--out", str(tmp_path / "cohort")]) == 0
    said = capsys.readouterr().out
    assert "sex: 3 coded 1 (female) mean sex = 1; 3 coded 0 mean 0; 0 not recorded" in said
    assert "impaired_mfr from: maps (6 studies)" in said
    assert "12 maps and files: 12 read" in said
    for name in ("cohort.csv", "import_report.csv", "contact_sheet.png"):
        assert (tmp_path / "cohort" / name).is_file()


def test_an_import_that_cannot_be_whole_is_one_line_and_leaves_no_cohort(
    export_folder, tmp_path, capsys
):
    folder, table = export_folder
    before = sorted(tmp_path.iterdir())
    arguments = ["import", folder, "--clinical", table, "--keep-ids"]
    assert "--out is missing" in _fails(capsys, *arguments)
    error = _fails(capsys, *arguments, "--out", tmp_path / "cohort")
    assert "0 of 12 files hold maps. refused: S1_rest.csv and 11 more: its unit is not" in error
    (folder / "S3_stress.csv").unlink()
    arguments += ["--unit", "percent", "--strict", "--out", tmp_path / "cohort"]
    assert "line 4: no stress map" in _fails(capsys, *arguments)
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "cohort_import_report.csv"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--traits", "gender"], "No trait gender"),
        (["--map-type", "stresss"], "map_type must be one of"),
        (["--config", "a.yaml"], "unknown setting 'learn_rate'; did you mean 'learning_rate'?"),
        (["--out", "full"], "not empty"),
    ],
)
def test_bad_training_input_is_one_line(cohort_folder, tmp_path, capsys, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("learn_rate: 1\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("keep")
    train = ["train", cohort_folder, "--weights", "none", "--out", "run", *words]
    assert told in _fails(capsys, *train)
    assert not (tmp_path / "run").exists()
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious.txt"]


def test_other_bad_input_is_one_line(finished_run, cohort_folder, make_cohort, tmp_path, capsys):
    run = finished_run[0].folder
    options = ["--weights", "none", "--out", tmp_path / "run"]
    assert "not a cohort folder" in _fails(capsys, "train", tmp_path, *options)
    (cohort_folder / "stress.npy").write_bytes(b"cut")
    assert "bytes instead of" in _fails(capsys, "train", cohort_folder, *options)
    assert not (tmp_path / "run").exists()
    percent = make_cohort(size=32, unit="percent").save(tmp_path / "percent")
    scores = tmp_path / "scores.csv"
    error = _fails(capsys, "predict", run, percent, "--out", scores)
    assert "trained on maps in mL/min/g, this cohort is in percent" in error
    assert "model.keras" not in error
    assert "config.yaml is missing" in _fails(capsys, "predict", tmp_path, percent, "--out", scores)
    assert not scores.exists()
    assert "No file of scores" in _fails(capsys, "evaluate", scores, "--cohort", percent)
    page = ["--out", tmp_path / "page.html"]
    assert f"{percent}: no folder of a run" in _fails(capsys, "report", run, percent, *page)


def test_the_demo_shows_where_its_network_looks_and_keeps_what_is_finished(
    tmp_path, cache, capsys, monkeypatch
):
    for name, value in {"trunk": "block1", "epochs": 2}.items():
        monkeypatch.setitem(pn.ExperimentConfig.__init__.__kwdefaults__, name, value)
    monkeypatch.setattr("polarnet.demo.INPUT_SIZE", 32)
    monkeypatch.setattr("polarnet.demo.RUNS", (("stress", "frozen"),))
    monkeypatch.setattr("polarnet.demo.N_PATIENTS", 80)
    out = tmp_path / "demo"
    demo = ["demo", "--out", str(out), "--cache", str(cache)]
    assert cli.main(demo) == 0, capsys.readouterr().err
    page = (out / "report.html").read_text(encoding="utf-8")
    for trait, name in (("sex", "sex"), ("impaired_mfr", "impaired MFR")):
        assert f"Where the network looked: {name}<" in page
        assert f'href="explanations/{trait}/explanation.html"' in page
        assert (out / "explanations" / trait / "explanation.html").is_file()
    assert "share of the trunk" in page
    assert "Untrained trunk" not in page
    capsys.readouterr()
    assert cli.main(demo) == 0
    assert capsys.readouterr().out.count("is finished and kept") == 3


def test_the_demo_takes_no_cohort_of_patients(phantom, tmp_path, capsys):
    dataclasses.replace(phantom, software="Software 1").save(tmp_path / "cohort")
    assert "no phantom of the demo" in _fails(capsys, "demo", "--out", tmp_path)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "Interrupted"),
        (OSError(28, "No space left on device"), "No space left on the disk"),
        (
            OSError(13, "Access is denied", ".a.csv.partial", None, "a.csv"),
            "a.csv: Access is denied",
        ),
        (OSError(13, "Access is denied", "a.csv"), "Close it in other programs, such as Excel"),
        (
            ImportError("DLL load failed"),
            "DLL load failed. A package is missing or broken: polarnet",
        ),
        (MemoryError(), "Out of memory"),
        (RuntimeError("odd"), "Unexpected RuntimeError: odd. Please report it"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_work_that_breaks_off_is_one_line(
    cohort_folder, tmp_path, capsys, monkeypatch, error, told
):
    def stop(*_, **__):
        with new_folder(tmp_path / "run"):
            raise error

    monkeypatch.setattr("polarnet.grid.run_experiment", stop)
    words = ["train", cohort_folder, "--weights", "none", "--out", tmp_path / "run"]
    assert told in _fails(capsys, *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian"],
        [],
        ["train"],
        ["train", "c", "--out"],
        ["train", "c", "--out", "r", "--traits", ""],
        ["import", "maps", "--out", "c", "--jobs", "0"],
    ],
)
def test_wrong_arguments_are_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "heavy", "said"),
    [
        ("polarnet.__main__\ntry: polarnet.__main__.main(['--help'])\nexcept SystemExit: pass",
         {"tensorflow", "keras", "numpy", "pandas", "matplotlib"}, ["demo", "import", "evaluate"]),
        ("polarnet.evaluation, polarnet.readers, polarnet.phantom, polarnet.report",
         {"tensorflow", "keras"}, []),
    ],
    ids=["help", "statistics and readers"],
)  # fmt: skip
def test_what_is_not_needed_is_not_imported(code, heavy, said):
    code = f"import sys, polarnet, {code}\nsys.exit(len({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(command in done.stdout for command in said)
