import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_study import FORMULA, make_explained, make_study

import polarnet as pn
from polarnet.cli import main
from polarnet.plotting import plot_roc_bands, save_figure
from polarnet.report.checklist import load_data
from polarnet.report.studyreport import SECTIONS

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


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
    return pn.report.write_study_report(study, out, **options).read_text(encoding="utf-8")


def text_of(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_page_needs_nothing_beside_it_and_what_people_type_is_harmless(study, tmp_path):
    page = write(study, explained=[make_explained(tmp_path / "e")])
    assert not re.search(r"""(?:src|href|action)=["'](?!data:image/png;base64,|#)""", page)
    assert not [word for word in ("url(", "<script") if word in page.lower()]
    assert "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("</style>") == page.count("<style>") == 1
    assert FORMULA in text_of(page)
    assert "'=cmd()" not in text_of(page)  # the apostrophe is for spreadsheets alone


def test_a_phantom_is_called_so_and_patients_are_not(study, real):
    page = write(study)
    assert 'class="banner"><strong>Phantom, not patients.' in page
    assert "Untrained trunk" in page
    assert 'id="truth"' in page
    assert "hantom" not in text_of(write(real))
    assert 'id="truth"' not in write(real)


def test_a_note_that_speaks_of_a_phantom_makes_no_patient_one(real):
    note = "Scanner checked with a NEMA phantom."
    stem = real / "results" / "cohort_table"
    pn.report.write_table(pd.DataFrame({"a": [1]}), stem, title="Cohort by split", notes=[note])
    assert 'class="banner"' not in stem.with_suffix(".html").read_text("utf-8")
    text = text_of(write(real))
    assert note in text
    assert "hantom" not in text.replace(note, "")


def test_a_number_comes_with_interval_patients_and_notes(study):
    """The numbers of `made_study.main_table`, by hand: first the primary, then all results."""
    text = text_of(write(study))
    for words in ("stress impaired MFR frozen 0.81 [0.73, 0.88] 41 / 73",
                  "stress impaired MFR frozen 41 / 73 0.81 [0.73, 0.88]", "-0.021 [-0.100, +0.061]",
                  "AUROC [95 % interval].", "Method: logit DeLong."):  # fmt: skip
        assert words in text
    plan = yaml.safe_load((study / "study.yaml").read_text(encoding="utf-8"))
    plan["primaries"] = [["stress", "finetuned", "impaired_mfr"]]
    (study / "study.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    text = text_of(write(study))
    assert "stress impaired MFR fine-tuned 0.81 [0.73, 0.88] 41 / 73" in text
    assert "stress impaired MFR frozen 0.81 [0.73, 0.88] 41 / 73" not in text


def test_figures_of_map_types_are_all_shown_and_say_which(study):
    index = [f"S{k}" for k in range(40)]
    labels = {"sex": pd.Series([0, 1] * 20, index)}
    scores = pd.DataFrame({"sex": np.linspace(0, 1, 40)}, index)
    for map_type in ("rest", "stress"):
        figure = plot_roc_bands(labels, scores, title=map_type)
        save_figure(figure, study / "results" / f"roc_{map_type}")
    page = write(study)
    assert re.findall(r"95 % bands, by trait: (\w+) maps\.\n", page) == ["rest", "stress"]


def test_every_section_says_how_its_numbers_are_made_again_by_scripts_that_are_there(study):
    (study / "results" / "subgroups.csv").unlink()
    page = write(study)
    made_by = {section["id"]: section["scripts"] for section in load_data(SECTIONS)}
    for section, text in re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL):
        named = re.findall(r"<code>python experiments/study/(\S+)\.py COHORT --out STUDY", text)
        assert named == made_by.get(section, []), section
        assert all((EXPERIMENTS / "study" / f"{name}.py").is_file() for name in named)
    assert "python experiments/study/run.py COHORT" in page
    assert "polarnet report STUDY --out report.html" in page
    assert "results/main_results.csv" in page
    assert "Not made, or too few patients" in page


def test_what_is_no_study_or_no_picture_is_refused(study, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study\.yaml"):
        pn.report.write_study_report(tmp_path, tmp_path / "r.html")
    (study / "results" / "main_forest.png").write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ValueError, match=r"main_forest\.png is not a PNG picture"):
        write(study)


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


def test_the_command_writes_the_report_of_a_study(study, tmp_path, capsys):
    line = ["report", str(study), "--out", str(tmp_path / "r.html")]
    assert main(line) == 0
    assert "Wrote" in capsys.readouterr().out
    assert "polarnet report" in (tmp_path / "r.html").read_text(encoding="utf-8")
