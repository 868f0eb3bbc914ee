"""Pages as a browser shows them: nothing is asked for, nothing overflows, every figure has a size.

The widths are those of a phone and of a laptop.
"""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from browser import look_at, look_at_all, needs_chromium
from made_study import CHECKS, SCRIPT, STYLE, make_explained, make_study
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cohort import Study
from polarnet.explain.groups import compare_groups
from polarnet.plotting import save_figure
from polarnet.report.explanationpage import groups_in_words
from polarnet.report.pages import address_of, picture_in, picture_of, write_page
from polarnet.report.patientpage import page_facts


def test_a_picture_has_the_size_of_its_paper(tmp_path):
    """7.2 by 4 inches, at 100 pixels of the page per inch."""
    figure = Figure(figsize=(7.2, 4))
    save_figure(figure, tmp_path / "f")
    for picture in (picture_of(figure), picture_in(tmp_path / "f.png")):
        assert (picture.width, picture.height) == (720, 400)
        assert picture.address.startswith("data:image/png;base64,iVBOR")


@needs_chromium
def test_the_look_finds_what_is_wrong(tmp_path):
    """A page with every fault that the next test looks for."""
    (tmp_path / "bad.html").write_text(
        "<title>bad</title><div style='width:3000px'>wide</div><table style='width:2000px'><td>cell"
        "<table style='table-layout:fixed;width:9px'><td>Donaudampfschiff</table></table><img src='https://example.org/a'>"
        "<img alt='none' src='data:image/png;base64,AAAA'><script>console.error('oh')</script>",
        encoding="utf-8",
    )
    found = look_at(tmp_path / "bad.html", 390)
    assert found["scroll_width"] >= 3000 > found["width"] >= 390
    assert found["requests"] == ["https://example.org/a"]
    assert "none" in found["sizeless"]
    assert found["without_alt"] == 1
    assert "Donaudampfschiff" in found["clipped"]
    assert len(found["wide"]) == 1
    assert any("oh" in text for text in found["errors"])


def write_explanation(folder, _):
    figure = Figure(figsize=(7.2, 3))
    figure.subplots().plot([1, 2])
    labels = pd.Series([0, 1] * 20)
    groups = compare_groups(np.random.default_rng(0).dirichlet(np.ones(17), 40), labels, seed=0)
    wide = pd.DataFrame({f"a_long_heading_{k}": np.arange(3) for k in range(30)})
    return pn.report.write_explanation(
        folder / "e", figures={"A line": figure}, checks=CHECKS, is_phantom=True,
        tables=dict([groups_in_words(groups)]) | {SCRIPT: wide}, finding="No segment differs.",
        facts={"trait": "sex", "method": "none"},
    )  # fmt: skip


def write_project(folder, _):
    explained = [make_explained(folder / "explained")]
    return pn.report.write_study_report(make_study(folder / "study"), folder / "project.html",
                                        explained=explained)  # fmt: skip


def write_run(folder, run):
    cohort = pn.make_phantom_cohort(120, seed=3, size=32)
    return pn.write_report(run.folder, folder / "run.html", cohort=cohort, examples=(0, 1),
                           notes=[SCRIPT, STYLE])  # fmt: skip


def write_comparison(folder, run):
    other = shutil.copytree(run.folder, folder / "finetuned")
    config = (other / "config.yaml").read_text(encoding="utf-8")
    (other / "config.yaml").write_text(config.replace("mode: frozen", "mode: finetuned"), "utf-8")
    return pn.write_report([run.folder, other], folder / "runs.html", notes=[SCRIPT])


def write_validation(folder, run):
    cohort = pn.make_phantom_cohort(120, seed=3, size=32)
    settings = replace(run.config, map_type="stress", epochs=1)
    pn.cross_validate(cohort, settings, folder / "cv", folds=2, repeats=1, show_progress=False)
    return pn.report.write_cross_validation(folder / "cv", folder / "cv.html")


def write_patient(folder, run):
    cohort = pn.make_phantom_cohort(4, seed=3, size=32)
    return pn.report.write_patient_page(run, cohort, cohort.patients.index[0],
                                        folder / "Seite ä.html", research_traits=True)  # fmt: skip


def write_percent(folder, _):
    """Of a study in percent, with an outcome of the user's own."""
    maps = {name: 70.0 * pn.anatomy.disc_mask(32) for name in ("rest", "stress")}
    study = Study("S1", "P1", maps, pd.Series(), pd.Series(), "percent")
    reading = {"trait": "an outcome", "is_own": True, "score": 0.5, "spread": 0.1, "auroc": "",
               "n": "5 with / 6 without", "note": "fewer than 10 patients"}  # fmt: skip
    opinion = {"map_type": "stress", "has_impaired": False, "readings": [reading], "facts": [],
               "n_members": 2, "warnings": [SCRIPT], "trait": "t", "heat": None,
               "is_phantom": True}  # fmt: skip
    facts = page_facts(study, opinion)
    return write_page(folder / "percent.html", "patient", **facts, is_phantom=True)


SHOWN = {
    write_explanation: "No segment differs", write_project: SCRIPT, write_run: STYLE,
    write_comparison: "VGG16 fine-tuned", write_validation: "What came out",
    write_patient: "sex, never for care", write_percent: "an outcome of your own",
}  # fmt: skip
"""What makes a page -> words that are seen on it; what people type is shown as text."""


@needs_chromium
def test_pages_open_quietly_and_fit_a_phone_and_a_screen(finished_run, tmp_path):
    views = []
    for write in SHOWN:
        (folder := tmp_path / write.__name__).mkdir()
        page = write(folder, finished_run[0])
        views += [(page, width) for width in (390, 1280)]
    for (page, width), found in zip(views, look_at_all(views), strict=True):
        where = f"{page.name} at {width}"
        assert (found["errors"], found["requests"], found["sizeless"]) == ([], [], []), where
        assert (found["without_alt"], found["n_scripts"]) == (0, 0), where
        assert found["n_images"] > 0, where
        assert found["scroll_width"] <= found["width"], where
        assert (found["clipped"], found["wide"]) == ([], []), where
        assert "phantom, not patients" in found["title"] + found["text"].lower(), where
        words = next(text for write, text in SHOWN.items() if write.__name__ in page.parts)
        assert words in found["text"], where


def test_a_link_leads_to_a_file_in_another_folder_or_on_another_drive(tmp_path, monkeypatch):
    file = tmp_path / "erklärt 1" / "explanation.html"
    assert address_of(file, tmp_path / "pages") == "../erkl%C3%A4rt%201/explanation.html"

    def on_windows(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", on_windows)
    assert address_of(file, tmp_path) == file.as_uri()
