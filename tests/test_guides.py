"""The commands in README.md and docs/ are what the program understands, and the journeys run."""

import contextlib
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib import pyplot as plt

import polarnet as pn
from polarnet import cli
from polarnet.grid import read_grid, run_experiment

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(guide, *kinds):
    """(kind, text) of the fenced blocks of these kinds, in order."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", guide.read_text(encoding="utf-8"), re.M | re.S)
    return [(kind, text) for kind, text in found if kind in kinds]


def commands(text):
    """Words of each `polarnet` line."""
    lines = [line for line in text.splitlines() if line.startswith("polarnet ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.fixture
def place(tmp_path, monkeypatch, cache):
    """A folder with what the guides name: maps, clinic.csv, clinic.xlsx; settings made small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("polarnet.cachefolder.user_cache_path", lambda *_, **__: cache)
    for name in ("XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "settings"))
    small = {"input_size": 32, "epochs": 2, "trunk": "block1"}
    for name, value in small.items():
        monkeypatch.setitem(pn.ExperimentConfig.__init__.__kwdefaults__, name, value)
    monkeypatch.setattr("polarnet.evaluation.baselines.STRENGTHS", np.array([0.01, 1.0]))
    monkeypatch.setattr("polarnet.evaluation.baselines.ROUNDS", (5,))
    cohort = pn.make_phantom_cohort(80, seed=11, size=48)
    (tmp_path / "maps").mkdir()
    for k, study in enumerate(cohort.patients.index):
        for map_type in ("rest", "stress"):
            path = tmp_path / "maps" / f"{study}_{map_type}.csv"
            np.savetxt(path, cohort.maps[map_type][k], delimiter=",", fmt="%.3f")
    table = pd.DataFrame(
        {
            "Study": cohort.patients.index,
            "Patient": cohort.patients.to_numpy(),
            "Gender": cohort.traits["sex"].map({1.0: "F", 0.0: "M"}).to_numpy(),
            "Diabetes": cohort.traits["diabetes"].map({1.0: "yes", 0.0: "no"}).to_numpy(),
            "Age": cohort.clinical["age"].round().to_numpy(),
        }
    )
    table.to_csv("clinic.csv", index=False)
    table.to_excel("clinic.xlsx", index=False)
    return tmp_path


def run(words, capsys):
    stands_for = {"PATH": "none"}
    if "STUDY" in words:
        stands_for["STUDY"] = pn.read_cohort("other_cohort").patients.index[0]
    if words[0] == "cross-validate":
        words = [*words, "--folds", "2", "--repeats", "1"]
    code = cli.main([stands_for.get(word, word) for word in words])
    said = capsys.readouterr()
    assert code == 0, f"{shlex.join(words)}: {said.err}"
    if words[0] == "import" and words[-1] == "cohort":
        shutil.copytree("cohort", "other_cohort")  # the guides' second cohort


def follow(parts, capsys):
    """Run `polarnet` lines, and write YAML blocks that begin with their file's name."""
    for kind, text in parts:
        if kind == "yaml":
            name = re.match(r"# (\S+\.yaml)\n", text)[1]
            Path(name).write_text(text, encoding="utf-8")
        else:
            for words in commands(text):
                run(words, capsys)


def own_columns():
    (text,) = [t for k, t in blocks(DOCS / "own-data.md", "yaml") if "columns.yaml" in t]
    return text


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_a_guide_is_understood(guide):
    for _, text in blocks(guide, "sh"):
        for words in commands(text):
            # --version says it and ends.
            ends = pytest.raises(SystemExit) if "--version" in words else contextlib.nullcontext()
            with ends:
                cli._parser().parse_args(words)
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["make"]:
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
            if words[:1] == ["python"] and words[1].endswith(".py"):
                assert (ROOT / words[1]).is_file()


def test_own_data_become_a_run_and_an_explanation(place, capsys, monkeypatch):
    """docs/own-data.md from its first command to its last, then what reading-results.md adds.

    The checks of the explanation look at few studies here, to save a minute.
    """
    monkeypatch.setattr("polarnet.explanation.CHECKED", 6)
    monkeypatch.setattr("polarnet.explanation.RANDOM_ORDERS", 1)
    follow(blocks(DOCS / "own-data.md", "sh", "yaml"), capsys)
    assert pd.read_csv("table.csv")["auroc"].notna().any()
    assert (place / "explained" / "explanation.html").is_file()
    assert pd.read_csv("scores.csv").shape[0] == len(pn.read_cohort("other_cohort"))
    assert "What the network says" in Path("page.html").read_text(encoding="utf-8")
    np.testing.assert_allclose(  # one member: the same network
        pd.read_csv("scores_of_bundle.csv")["sex"], pd.read_csv("scores.csv")["sex"], atol=1e-6
    )
    for page in ("own-data", "reading-results", "reports", "cross-validation"):
        for _, code in blocks(DOCS / f"{page}.md", "python"):
            exec(code.replace("folds=5, repeats=5", "folds=2, repeats=1"), {})
    said = capsys.readouterr().out
    assert "Calibration: intercept" in said
    assert "# Model card" in said
    run(shlex.split("train cohort --config settings.yaml --map-type rest --traits sex,diabetes "
                    "--out runs/rest"), capsys)  # fmt: skip
    follow(blocks(DOCS / "reports.md", "sh")[:2], capsys)  # of one run, of two, of all else
    names = {}
    for _, code in blocks(DOCS / "recipes.md", "python"):
        exec(code, names)
    said = capsys.readouterr().out
    for words in ("sensitivity", "AUROC difference", "first study of each patient over 60"):
        assert words in said
    assert {p.suffix for p in Path("figures").iterdir()} == {".pdf", ".png", ".tif", ".svg"}


def test_the_readme_import_becomes_a_report(place, capsys):
    """The block under "Your own data"; between two of its lines the user edits a file."""
    (text,) = [t for _, t in blocks(ROOT / "README.md", "sh") if "--suggest-columns" in t]
    for words in commands(text):
        run(words, capsys)
        if "--suggest-columns" in words:
            Path("columns.yaml").write_text(own_columns(), encoding="utf-8")
    assert Path("report.html").is_file()


def test_the_python_of_short_pages_runs(place):
    """With fewer patients; every page with Python is run here or on the journey above."""
    names = {}
    for page in ("quickstart", "phantom"):
        for _, code in blocks(DOCS / f"{page}.md", "python"):
            exec(code.replace("n_patients=400", "n_patients=80"), names)
    scores = names["scores"]
    for trait, probability in names["probabilities"].items():
        np.testing.assert_allclose(probability[:, 0], scores[trait], atol=2e-3)  # bf16 or float32
    with_python = {path.stem for path in DOCS.rglob("*.md") if blocks(path, "python")}
    journey = {"own-data", "reading-results", "reports", "cross-validation", "recipes"}
    assert with_python == journey | {"quickstart", "phantom", "grid"}
    ((_, code),) = blocks(DOCS / "grid.md", "python")
    compile(code, "grid.md", "exec")  # needs a SLURM cluster


def test_every_example_of_the_gallery_draws_a_figure(place):
    """On a small `demo` folder, as the one that `make docs` makes."""
    pn.make_phantom_cohort(120, seed=7, size=32).save("demo/cohort")
    parts = pn.split_by_patient(pn.read_cohort("demo/cohort"), test=0.4, seed=7)
    for map_type in ("rest", "stress"):
        config = pn.ExperimentConfig(map_type=map_type, traits=("impaired_mfr", "sex"), share=1.0)
        run_experiment(*parts, config, f"demo/runs/{map_type}_frozen", show_progress=False)
    for path in sorted((DOCS / "gallery").glob("plot_*.py")):
        names = {}
        exec(path.read_text(encoding="utf-8"), names)
        figure = names.get("figure") or names["ax"].figure
        assert figure.axes, path.name
        plt.close("all")


def test_the_grid_file_of_its_guide_is_read(tmp_path):
    """3 maps x 2 modes x 3 seeds x 5 folds, of both traits and of each alone: 270 runs."""
    text = blocks(DOCS / "grid.md", "yaml")[0][1]
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    assert len(read_grid(tmp_path / "study.yaml")[1]) == 270


@pytest.mark.realdata
def test_real_relative_counts_become_an_evaluated_run(spectf, place, capsys):
    """160 SPECT patients, 33 without disease: at a share of 0.4 an AUROC can be given."""
    columns = {
        "study_id": "study_id",
        "patient_id": "patient_id",
        "traits": {"abnormal": {"column": "abnormal", "one": ["1"], "zero": ["0"]}},
    }
    Path("own.yaml").write_text(yaml.safe_dump(columns), encoding="utf-8")
    Path("settings.yaml").write_text("test: 0.4\ninput_size: 64\n", encoding="utf-8")
    for line in (
        f"import '{spectf}/maps' --unit percent --preview first.png",
        f"import '{spectf}/maps' --clinical '{spectf}/clinical.csv' --suggest-columns first.yaml",
        f"import '{spectf}/maps' --clinical '{spectf}/clinical.csv' --columns own.yaml "
        "--unit percent --out cohort",
        "train cohort --config settings.yaml --traits abnormal --out runs/stress",
        "evaluate runs/stress/scores_test.csv --cohort cohort --out table.csv",
    ):
        run(shlex.split(line), capsys)
    assert "# Not used: abnormal" in Path("first.yaml").read_text(encoding="utf-8")
    table = pd.read_csv("table.csv")
    assert table.loc[0, "n_neg"] >= 10
    assert table.loc[0, "auroc"] > 0.6


@pytest.mark.realdata
def test_two_real_flow_studies_become_a_cohort(ottawa, place, capsys):
    """Published global MFR: study773 2.34, study4494 1.73; masks and means are left out."""
    Path("two.csv").write_text("study_id,patient_id\nstudy773,P1\nstudy4494,P2\n", "utf-8")
    run(["import", str(ottawa), "--clinical", "two.csv", "--profile", "flowquant-48",
         "--keep-ids", "--out", "cohort"], capsys)  # fmt: skip
    mfr = pn.read_cohort("cohort").global_mfr()
    assert mfr["study773"] == pytest.approx(2.34, abs=0.15)
    assert mfr["study4494"] == pytest.approx(1.73, abs=0.15)
