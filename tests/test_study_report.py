import csv
import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_study import (
    FORMULA,
    MATHS,
    SCRIPT,
    make_explained,
    make_study,
)
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.files import harmless, without_apostrophes
from polarnet.report.pictures import picture_in, picture_of
from polarnet.report.rocbands import plot_roc_bands, roc_band
from polarnet.report.written import condensed, read_table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study folder of a phantom, and one of patients, made once and copied for each test."""
    place = tmp_path_factory.mktemp("made")
    return {is_phantom: make_study(place / f"{is_phantom}", is_phantom=is_phantom)
            for is_phantom in (True, False)}  # fmt: skip


@pytest.fixture
def study(made, tmp_path):
    return Path(shutil.copytree(made[True], tmp_path / "Studie ä"))


@pytest.fixture
def real(made, tmp_path):
    return Path(shutil.copytree(made[False], tmp_path / "real"))


def write(study, **options):
    out = study.parent / "report.html"
    return pn.write_study_report(study, out, **options).read_text(encoding="utf-8")


def text_of(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


# === The page ===================================================================================


def test_the_page_needs_nothing_beside_it(study):
    page = write(study)
    assert not re.search(r"""(?:src|href|action)=["'](?!data:image/png;base64,|#)""", page)
    assert "url(" not in page
    assert "<script" not in page.lower()
    assert "default-src 'none'" in page


def test_a_phantom_is_called_so_and_patients_are_not(study, real):
    assert 'class="banner"><strong>Phantom, not patients.' in write(study)
    assert "Untrained trunk" in write(study)
    assert "hantom" not in text_of(write(real))


@pytest.mark.parametrize(
    "note",
    ["Scanner checked with a NEMA phantom.", "Phantom limb pain was recorded.",
     "No phantoms, patients only."],
)  # fmt: skip
def test_a_note_that_speaks_of_a_phantom_makes_no_patient_one(real, note):
    table = pd.DataFrame({"a": [1]})
    pn.write_table(table, real / "results" / "cohort_table", title="Cohort by split", notes=[note])
    assert 'class="banner"' not in (real / "results" / "cohort_table.html").read_text("utf-8")
    text = text_of(write(real))
    assert note in text
    assert "hantom" not in text.replace(note, "")


def test_the_primary_of_one_mode_is_that_row_alone(study):
    plan = yaml.safe_load((study / "study.yaml").read_text(encoding="utf-8"))
    plan["primaries"] = [["stress", "finetuned", "impaired_mfr"]]
    (study / "study.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    text = text_of(write(study))
    assert "stress impaired MFR fine-tuned 0.81 [0.73, 0.88] 41 / 73" in text
    assert "stress impaired MFR frozen 0.81 [0.73, 0.88] 41 / 73" not in text


def test_a_number_comes_with_interval_and_patients(study):
    """The numbers of `made_study.main_table`, by hand."""
    text = text_of(write(study))
    assert "stress impaired MFR frozen 0.81 [0.73, 0.88] 41 / 73" in text  # primary endpoints
    assert "stress impaired MFR frozen 41 / 73 0.81 [0.73, 0.88]" in text  # all results
    assert "-0.02 [-0.10, +0.06]" in text
    assert "AUROC [95 % interval]." in text  # the table's own note
    assert "Method: logit DeLong." in text


def test_every_section_says_how_its_numbers_are_made_again(study):
    page = write(study)
    for section in re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL):
        if section[0] not in ("run", "explanations", "limits", "checklist", "again"):
            assert "python experiments/" in section[1], section[0]
    assert "polarnet report STUDY --out report.html" in page
    assert "results/main_results.csv" in page


def test_the_scripts_that_the_page_names_are_there(study):
    named = set(re.findall(r"experiments/study/(\w+\.py)", write(study)))
    there = {
        path.name for path in (Path(__file__).parents[1] / "experiments" / "study").glob("*.py")
    }
    assert len(named) > 10
    assert named <= there


def test_what_is_missing_is_said_and_stops_nothing(study):
    (study / "results" / "subgroups.csv").unlink()
    assert "Not made, or too few patients" in write(study)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study\.yaml"):
        pn.write_study_report(tmp_path, tmp_path / "r.html")


def test_a_picture_that_is_none_is_refused(study):
    (study / "results" / "main_forest.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ValueError, match=r"main_forest\.png is not a PNG picture"):
        write(study)


# === Explanations ===============================================================================


def test_the_explanation_that_fails_comes_first_and_is_named_at_the_top(study, tmp_path):
    good = make_explained(tmp_path / "good", outcomes=(True, None), method="gradient")
    bad = make_explained(tmp_path / "bad", outcomes=(True, False), method="occlusion")
    page = write(study, explained=[good, bad])
    text = text_of(page)
    assert text.index("Explanations with failed checks: occlusion") < text.index("What was run")
    assert text.index("1 of 2 checks failed: check 1") < text.index("gradient: ")
    assert text.index("FAILED: check 1") < text.index("passed: check 0")
    assert "0.50 [0.40, 0.60], held against 0.30; n = 20" in text
    assert page.count("<figure>") == 3


def test_a_folder_that_is_no_explanation_is_refused(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checks\.csv"):
        write(study, explained=[tmp_path])


# === Hostile names ==============================================================================


def test_what_people_type_is_harmless_in_the_page(study, tmp_path):
    page = write(study, explained=[make_explained(tmp_path / "e")])
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("</style>") == page.count("<style>") == 1
    assert FORMULA in text_of(page)
    assert "'=cmd()" not in text_of(page)  # the apostrophe is for spreadsheets alone


def test_what_people_type_is_no_formula_in_a_table(study):
    with (study / "results" / "main_results.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=cmd()" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t", "+")]
    assert "-0.0213" in cells  # a number stays a number


@pytest.mark.parametrize("text", ["=cmd()", "+1+cmd()", "-cmd()", "@SUM(A1)", "\t=1", "\n=1"])
def test_a_formula_gets_an_apostrophe_which_reading_takes_away(text):
    """The signs that OWASP names under CSV injection."""
    table = pd.DataFrame({"a": [text, "plain"], text: ["x", None], "n": [-1.5, 2.0]})
    made = harmless(table)
    assert made["a"].tolist() == [f"'{text}", "plain"]
    assert made.columns.tolist() == ["a", f"'{text}", "n"]
    assert made["n"].tolist() == [-1.5, 2.0]
    pd.testing.assert_frame_equal(without_apostrophes(made), table)


@pytest.mark.parametrize("text", ["-0.02 [-0.10, 0.06]", "+0.1", "-3", "'quoted'", "<0.001"])
def test_numbers_and_quotes_stay_as_they_are(text):
    table = pd.DataFrame({"a": [text]})
    assert harmless(table)["a"].tolist() == [text]
    assert without_apostrophes(table)["a"].tolist() == [text]


def test_a_trait_called_na_is_not_taken_for_a_gap(tmp_path):
    pn.write_table(pd.DataFrame({"trait": ["NA", None]}), tmp_path / "t", title="t")
    assert read_table(tmp_path / "t")[0]["trait"].tolist()[0] == "NA"


def test_dollar_signs_in_a_name_are_drawn_as_they_stand(tmp_path):
    """matplotlib would parse them as mathematics, and refuse this one."""
    labels = pd.Series([0, 1] * 15, index=[f"P{k}" for k in range(30)])
    scores = pd.DataFrame({MATHS: np.linspace(0, 1, 30)}, index=labels.index)
    picture = picture_of(plot_roc_bands({MATHS: labels}, scores, title=MATHS))
    assert picture.address.startswith("data:image/png;base64,iVBOR")
    figure = Figure()
    figure.subplots().set_xticks([0], [MATHS])
    assert all(path.is_file() for path in pn.save_figure(figure, tmp_path / "f"))


def test_a_note_that_all_rows_share_stands_below_once():
    note = "first study of each patient, 5 later ones left out"
    table = pd.DataFrame({"auroc_multi": [0.6], "multi_low": [0.5], "multi_high": [0.7],
                          "note": [f"exploratory; {note}"], "trait": ["sex"]})  # fmt: skip
    cells, notes = condensed(table)
    assert cells.iloc[0].to_dict() == {
        "trait": "sex", "AUROC multi [95 %]": "0.60 [0.50, 0.70]", "note": "exploratory",
    }  # fmt: skip
    assert notes == ["Counted: first study of each patient."]


# === Parts ======================================================================================


def test_a_picture_has_the_size_of_its_paper(tmp_path):
    """7.2 by 4 inches, at 100 pixels of the page an inch."""
    pn.save_figure(Figure(figsize=(7.2, 4)), tmp_path / "f")
    picture = picture_in(tmp_path / "f.png")
    assert (picture.width, picture.height) == (720, 400)


def test_value_and_interval_become_one_cell_and_gaps_stay_said():
    table = pd.DataFrame({"trait": ["sex", "age_group"], "n_pos": [3, 20], "n_neg": [9, 30],
                          "auroc": [np.nan, 0.7], "ci_low": [np.nan, 0.6],
                          "ci_high": [np.nan, 0.8], "is_circular": [False, True]})  # fmt: skip
    cells, notes = condensed(table)
    assert cells["AUROC [95 %]"].tolist() == ["not reported", "0.70 [0.60, 0.80]"]
    assert cells["n with / without"].tolist() == ["3 / 9", "20 / 30"]
    assert cells["trait"].tolist() == ["sex", "age group\N{DAGGER}"]
    assert "circular" in notes[0]


def test_perfect_scores_have_a_band_without_width():
    band = roc_band([0] * 20 + [1] * 20, np.arange(40), seed=0)
    assert (band[["true_rate", "low", "high"]] == 1).all(axis=None)


def test_the_band_holds_the_true_curve_as_often_as_it_says(monkeypatch):
    """Normal scores one SD apart: sensitivity at 20 % false alarms is 0.563 (scipy, sf(isf(.2)-1)).

    Of 40 bands of 95 %, 33 or fewer would hold it once in 200 (binomial). With fewer resamples
    than in use a band is a little narrower, so that the test is stricter.
    """
    monkeypatch.setattr("polarnet.report.rocbands.RESAMPLES", 100)
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 80)
    held = 0
    for _ in range(40):
        band = roc_band(labels, rng.normal(labels), seed=0).set_index("false_rate")
        row = band.iloc[20]
        held += row["low"] <= 0.5633 <= row["high"]
    assert held >= 34


# === The command ================================================================================


def test_the_command_writes_the_report_of_a_study(study, tmp_path, capsys):
    assert main(["report", str(study), "--out", str(tmp_path / "r.html")]) == 0
    assert "Wrote" in capsys.readouterr().out
    assert "polarnet report" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_command_writes_the_report_of_a_run(finished_run, phantom, tmp_path):
    run, _ = finished_run
    phantom.save(tmp_path / "cohort")
    out = tmp_path / "r.html"
    line = ["report", str(run.folder), "--cohort", str(tmp_path / "cohort"), "--out", str(out)]
    assert main(line) == 0
    assert "ROC curves" in out.read_text(encoding="utf-8")
    assert main([*line, "--explained", str(tmp_path)]) == 2


def test_a_cohort_that_lacks_the_test_studies_is_refused(finished_run, tmp_path):
    run, (train, _, _) = finished_run
    with pytest.raises(ValueError, match="are not in the cohort"):
        pn.write_report(run.folder, tmp_path / "r.html", cohort=train)


def test_bands_are_shown_where_they_were_drawn(study):
    assert "with 95 % bands, by trait" not in write(study)
    drawn = next((study / "results").glob("*.png"))
    shutil.copy(drawn, study / "results" / "roc_stress.png")
    assert "frozen network on stress maps with 95 % bands, by trait" in write(study)
