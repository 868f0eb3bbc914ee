"""Paragraphs to paste: every number is one of the folder; a phantom is called one."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_study import make_study

import polarnet as pn
from polarnet.cli import main
from polarnet.report import methods_text
from polarnet.report.methods import methods_of_run
from polarnet.report.runreport import participants_table, write_cross_validation
from polarnet.rundata import participants

OF_THE_METHOD = {"95", "17", "5", "10", "15", "1", "2", "3", "4"}
"""Percent of an interval, segments, inner folds, smallest classes, and the references."""

VERSIONS = ("polarnet", "python", "tensorflow", "keras", "numpy", "scipy", "scikit-learn")


def numbers_in(text: str) -> set[str]:
    """Numbers of the paragraphs; names of versions and of the commit are whole words."""
    body = text.split("References")[0].split("Participants.")[1]
    return set(re.findall(r"(?<![\w.])[+-]?\d[\w.+]*(?<!\.)", body.replace("N-13", "")))


def numbers_of(folder: Path) -> set[str]:
    """Numbers that lie in a folder, as they are printed."""
    found: set[str] = set()
    settings = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    for value in [*settings.values(), *settings["window"]]:
        if isinstance(value, int | float):
            found.add(f"{value:g}")
    found.add(settings["trunk"].removeprefix("block"))
    facts = json.loads((folder / "environment.json").read_text("utf-8"))
    found |= {str(facts[name]) for name in VERSIONS}
    found.add(str(facts["commit"])[:7])
    table = pd.read_csv(folder / "participants.csv")
    found |= {f"{n:.0f}" for n in table[["n", "n_with"]].to_numpy().ravel() if n == n}
    found |= {
        f"{n:.0f}" for n in table.groupby("variable")[["n", "n_with"]].sum().to_numpy().ravel()
    }
    metrics = pd.read_csv(folder / "metrics.csv")
    found |= {f"{x:.0f}" for x in metrics[["n_pos", "n_neg"]].to_numpy().ravel()}
    found |= {f"{x:.2f}" for x in metrics[["auroc", "ci_low", "ci_high"]].to_numpy().ravel()}
    ends = metrics[["difference", "difference_low", "difference_high"]].to_numpy().ravel()
    found |= {f"{x:+.3f}" for x in ends}
    if (folder / "heads.csv").is_file():
        found |= {f"{share:g}" for share in pd.read_csv(folder / "heads.csv")["share"]}
    if (folder / "cross_validation.json").is_file():
        facts = json.loads((folder / "cross_validation.json").read_text("utf-8"))
        found |= {str(facts["folds"]), str(facts["repeats"])}
    return found


def test_every_number_of_a_run_is_one_of_its_folder(finished_run):
    text = methods_text(finished_run[0].folder)
    assert text.startswith("PHANTOM, NOT PATIENTS")
    assert numbers_in(text) <= numbers_of(finished_run[0].folder) | OF_THE_METHOD


def test_clinical_columns_are_named(clinical_run):
    text = methods_text(clinical_run[0].folder)
    assert "clinical columns age, bmi" in text
    assert numbers_in(text) <= numbers_of(clinical_run[0].folder) | OF_THE_METHOD


@pytest.mark.parametrize(
    ("change", "told", "untold"),
    [
        (
            {"mode": "scratch", "trunk": None},
            "at most 10 epochs, stopped after 3 without",
            "50 epochs",
        ),
        ({"mode": "scratch", "trunk": None}, "in place of VGG16 [1]", "regression"),
        ({"trunk": "block1"}, "passed the first block of VGG16", "1 blocks"),
        ({"share": 0.5}, "The share was set to 0.5; the penalty was chosen", "Share and"),
        ({"pooling": "global"}, "averaged over the whole map", "within each segment"),
        ({"input_size": 48, "map_size": 48}, "48 x 48 pixels", "resized"),
        ({"epochs": 50}, "50 epochs", "at most 10 epochs"),
        (
            {"map_type": "combined", "window": ((0, 6), (0, 6), (0, 5))},
            "(mL/min/g, reserve without unit), tracer N-13 ammonia, software polarnet phantom, "
            "scaled from 0 to 6 mL/min/g, 0 to 6 mL/min/g, 0 to 5",
            "0 to 5 mL/min/g",
        ),
    ],
)
def test_the_method_is_told_as_the_settings_have_it(finished_run, change, told, untold):
    run = finished_run[0]
    config = replace(run.config, **{"epochs": 50, "finetune_epochs": 10, "finetune_patience": 3,
                                    **change})  # fmt: skip
    table = pd.read_csv(run.folder / "metrics.csv")
    text = methods_of_run(run.folder, config, table, "test patients")
    text = text.split("Statistics.")[0]
    assert told in text
    assert untold not in text


def test_every_number_of_a_cross_validation_is_one_of_its_folder(cache, tiny, phantom, tmp_path):
    config = replace(tiny, traits=("sex",), trunk="block1", epochs=2)
    pn.cross_validate(phantom, config, tmp_path / "cv", folds=2, repeats=2, cache=cache)
    text = methods_text(tmp_path / "cv")
    assert "In 2 repeats the patients were divided into 2 folds" in text
    assert "doi:10.1023/A:1024068626366" in text
    assert numbers_in(text) <= numbers_of(tmp_path / "cv") | OF_THE_METHOD
    assert "fine-tuned" not in text
    replace(tiny, traits=("sex",), mode="finetuned").save(tmp_path / "cv" / "config.yaml")
    assert "Then the last block was fine-tuned" in methods_text(tmp_path / "cv")


def test_a_cross_validation_of_version_0_2_is_told(cache, tiny, phantom, tmp_path):
    config = replace(tiny, traits=("sex",), trunk="block1", epochs=2)
    folder = tmp_path / "cv"
    pn.cross_validate(phantom, config, folder, folds=2, repeats=2, cache=cache)
    config.save(folder / "config.yaml")  # without what the cohort decides
    (folder / "environment.json").unlink()
    (folder / "participants.csv").unlink()
    text = methods_text(folder)
    assert text.startswith("PHANTOM, NOT PATIENTS")
    assert "stress perfusion polar maps (mL/min/g), tracer N-13 ammonia" in text
    assert "None" not in text
    assert "Their numbers are not in this folder" in text
    assert write_cross_validation(folder, tmp_path / "cv.html").is_file()


def test_a_network_with_clinical_columns_is_called_one_without_baselines(finished_run):
    run = finished_run[0]
    table = pd.read_csv(run.folder / "metrics.csv")
    config = replace(run.config, clinical=("age",))
    text = methods_of_run(run.folder, config, table[table["model"] == "network"], "test patients")
    assert " maps with clinical columns " in text


def test_a_project_names_its_primary_endpoints(tmp_path):
    study = make_study(tmp_path / "study")
    row = pd.read_csv(study / "results" / "main_results.csv").iloc[0]
    text = methods_text(study)
    assert f"{row['auroc']:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f}" in text


def test_the_command_prints_the_text_and_writes_no_file(finished_run, capsys, tmp_path):
    folder = finished_run[0].folder
    assert main(["report", str(folder), "--methods"]) == 0
    assert capsys.readouterr().out.strip() == methods_text(folder).strip()
    assert main(["report", str(folder)]) == 2
    assert "--out for a page, --methods for text" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "--methods"]) == 2


def test_a_run_that_was_never_tested_is_reported_on_its_validation_patients(
    phantom, tiny, cache, tmp_path
):
    train, val, _ = pn.split_by_patient(phantom, val=0.4, test=0.1, seed=5)
    pn.train(train, val, tiny, tmp_path / "run", cache=cache, show_progress=False)
    page = pn.write_report(tmp_path / "run", tmp_path / "r.html").read_text("utf-8")
    assert "validation patients (who chose the network)" in page
    assert "test patients" not in page
    labels = val.first_studies().traits["sex"]
    scores = pn.evaluation.read_scores(tmp_path / "run" / "scores_val.csv")
    area = pn.auroc(labels, scores.loc[labels.index, "sex"])
    assert f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]" in page


def test_participants_are_counted_by_hand(finished_run):
    run, parts = finished_run
    table = pd.read_csv(run.folder / "participants.csv").set_index(["part", "variable"])
    for name, cohort in zip(("train", "val", "test"), parts, strict=True):
        first = ~cohort.patients.duplicated()
        assert table.at[(name, "studies"), "n"] == len(cohort)
        assert table.at[(name, "patients"), "n"] == first.sum()
        sex = cohort.traits["sex"][first.to_numpy()]
        assert table.at[(name, "sex"), "n_with"] == (sex == 1).sum()
        age = cohort.clinical["age"][first.to_numpy()]
        assert table.at[(name, "age"), "mean"] == pytest.approx(age.mean(), rel=1e-5)
        assert table.at[(name, "age"), "sd"] == pytest.approx(np.std(age, ddof=1), rel=1e-5)


def test_a_column_counts_the_same_way_in_all_parts_and_shows_no_single_value(phantom):
    first = phantom.first_studies()
    parts = {"train": first[:10], "val": first[10:20], "test": first[20:21]}
    for part, values in (("train", [0, 1, 2, 3] * 2 + [0, 1]), ("val", [0, 1] * 5), ("test", [7])):
        cohort = parts[part]
        clinical = cohort.clinical.assign(vessels=values, studies=3.0)
        parts[part] = replace(cohort, clinical=clinical)
    table = participants(parts, ["sex"])
    vessels = table[table["variable"] == "vessels"].set_index("part")
    assert vessels["n_with"].isna().all()
    assert vessels.at["val", "mean"] == 0.5
    assert np.isnan(vessels.at["test", "mean"])
    assert (table["variable"] == "studies").sum() == 3
    shown = participants_table(table).set_index("")
    assert shown.at["vessels", "test"] == "one patient"


def test_a_folder_without_results_is_refused(tmp_path, finished_run):
    with pytest.raises(FileNotFoundError):
        methods_text(tmp_path)
    shutil.copy(finished_run[0].folder / "config.yaml", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"metrics\.csv"):
        methods_text(tmp_path)
