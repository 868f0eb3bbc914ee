"""Pages as a browser shows them: nothing is asked for, nothing overflows, every figure has a size.

The widths are those of a phone and of a laptop.
"""

import dataclasses
import shutil

import numpy as np
import pandas as pd
import pytest
from browser import look_at, needs_chromium
from made_study import SCRIPT, STYLE, make_explained, make_study
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.plotting import save_figure
from polarnet.report.pages import address_of, picture_in, picture_of


def test_a_picture_has_the_size_of_its_paper(tmp_path):
    """7.2 by 4 inches, at 100 pixels of the page per inch."""
    figure = Figure(figsize=(7.2, 4))
    save_figure(figure, tmp_path / "f")
    for picture in (picture_of(figure), picture_in(tmp_path / "f.png")):
        assert (picture.width, picture.height) == (720, 400)
        assert picture.address.startswith("data:image/png;base64,iVBOR")


@needs_chromium
def test_the_look_finds_what_is_wrong(tmp_path):
    """A page with every fault that the other test looks for."""
    (tmp_path / "bad.html").write_text(
        "<title>bad</title><div style='width:3000px'>wide</div><img src='https://example.org/a'>"
        "<img alt='none' src='data:image/png;base64,AAAA'><table><td>cut" + "t" * 90 + "</table>"
        "<script>console.error('oh')</script>",
        encoding="utf-8",
    )
    found = look_at(tmp_path / "bad.html", 390)
    assert found["scroll_width"] >= 3000 > found["width"] >= 390
    assert found["requests"] == ["https://example.org/a"]
    assert "none" in found["sizeless"]
    assert found["without_alt"] == 1
    assert len(found["clipped"]) == 1
    assert any("oh" in text for text in found["errors"])


def write_explanation(folder, _):
    figure = Figure(figsize=(7.2, 3))
    figure.subplots().plot([1, 2])
    table = pd.DataFrame({f"a_long_heading_{k}": np.arange(3) for k in range(30)})
    return pn.report.write_explanation(
        folder, figures={"A line": figure}, tables={SCRIPT: table}, checks=[],
        facts={"trait": "sex", "method": "none"}, is_phantom=True,
    )  # fmt: skip


def write_study(folder, _):
    explained = [make_explained(folder / "explained")]
    return pn.report.write_study_report(make_study(folder / "study"), folder / "r.html",
                                        explained=explained)  # fmt: skip


def write_runs(folder, run):
    cohort = pn.make_phantom_cohort(120, seed=3, size=32)
    return pn.write_report(run.folder, folder / "r.html", cohort=cohort, examples=(0, 1),
                           notes=[SCRIPT, STYLE])  # fmt: skip


def write_comparison(folder, run):
    """The same run under two names: what is wide is the same."""
    other = shutil.copytree(run.folder, folder / "another run")
    return pn.write_report([run.folder, other], folder / "r.html", notes=[STYLE])


def write_validated(folder, run):
    cohort = pn.make_phantom_cohort(60, seed=3, size=32)
    unresolved = {"map_size": None, "unit": None, "window": None, "tracer": "", "software": ""}
    changed = {"traits": ("sex",), "trunk": "block1", "epochs": 2}
    config = dataclasses.replace(run.config, **changed, **unresolved)
    pn.cross_validate(cohort, config, folder / "cv", folds=2, repeats=1, cache=None)
    return pn.report.write_cross_validation(folder / "cv", folder / "r.html")


def write_patient(folder, run):
    cohort = pn.make_phantom_cohort(4, seed=3, size=32)
    return pn.report.write_patient_page(run, cohort, cohort.patients.index[0],
                                        folder / "Seite ä.html", research_traits=True)  # fmt: skip


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(
    ("write", "shown"),
    [(write_explanation, SCRIPT), (write_study, SCRIPT), (write_runs, STYLE),
     (write_comparison, STYLE), (write_validated, "out-of-fold"),
     (write_patient, "sex, never for care")],
)  # fmt: skip
def test_a_page_opens_quietly_on_a_phone_and_a_screen(finished_run, tmp_path, write, shown, width):
    """What people type is shown as text."""
    found = look_at(write(tmp_path, finished_run[0]), width)
    assert (found["errors"], found["requests"], found["sizeless"]) == ([], [], [])
    assert (found["without_alt"], found["n_scripts"]) == (0, 0)
    assert found["n_images"] > 0
    assert found["scroll_width"] <= found["width"]
    assert (found["wider"], found["clipped"]) == ([], [])
    assert "phantom, not patients" in found["title"] + found["text"].lower()
    assert shown in found["text"]


def test_a_link_leads_to_a_file_in_another_folder_or_on_another_drive(tmp_path, monkeypatch):
    file = tmp_path / "erklärt 1" / "explanation.html"
    assert address_of(file, tmp_path / "pages") == "../erkl%C3%A4rt%201/explanation.html"

    def on_windows(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", on_windows)
    assert address_of(file, tmp_path) == file.as_uri()
