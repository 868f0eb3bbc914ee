"""Pages as a browser shows them: nothing is asked for, nothing overflows, every figure has a size.

The widths are those of a phone and of a laptop.
"""

import numpy as np
import pandas as pd
import pytest
from browser import look_at, needs_chromium
from made_study import SCRIPT, STYLE, make_explained, make_study
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.plotting import save_figure
from polarnet.report.pages import picture_in, picture_of

widths = pytest.mark.parametrize("width", [390, 1280])


def test_a_picture_has_the_size_of_its_paper(tmp_path):
    """7.2 by 4 inches, at 100 pixels of the page per inch."""
    figure = Figure(figsize=(7.2, 4))
    save_figure(figure, tmp_path / "f")
    for picture in (picture_of(figure), picture_in(tmp_path / "f.png")):
        assert (picture.width, picture.height) == (720, 400)
        assert picture.address.startswith("data:image/png;base64,iVBOR")


def check(found):
    assert found["errors"] == []
    assert found["requests"] == []
    assert found["n_images"] > 0
    assert found["sizeless"] == []
    assert found["without_alt"] == 0
    assert found["scroll_width"] <= found["width"]
    assert found["n_scripts"] == 0


@needs_chromium
@widths
def test_the_look_finds_what_is_wrong(tmp_path, width):
    """A page with every fault that the other tests look for."""
    (tmp_path / "bad.html").write_text(
        "<title>bad</title><div style='width:3000px'>wide</div><img src='https://example.org/a'>"
        "<img alt='none' src='data:image/png;base64,AAAA'><script>console.error('oh')</script>",
        encoding="utf-8",
    )
    found = look_at(tmp_path / "bad.html", width)
    assert found["scroll_width"] >= 3000 > found["width"] >= 390
    assert found["requests"] == ["https://example.org/a"]
    assert "none" in found["sizeless"]
    assert found["without_alt"] == 1
    assert any("oh" in text for text in found["errors"])


@needs_chromium
@widths
def test_the_page_of_an_explanation(tmp_path, width):
    figure = Figure(figsize=(7.2, 3))
    figure.subplots().plot([1, 2])
    table = pd.DataFrame({f"a_long_heading_{k}": np.arange(3) for k in range(30)})
    page = pn.report.write_explanation(
        tmp_path, figures={"A line": figure}, tables={"A wide table": table}, checks=[],
        facts={"trait": "sex", "method": "none"}, is_phantom=True,
    )  # fmt: skip
    check(look_at(page, width))


@needs_chromium
@widths
def test_the_report_of_a_study_with_hostile_names(tmp_path, width):
    study = make_study(tmp_path / "study")
    explained = [make_explained(tmp_path / "explained")]
    page = pn.report.write_study_report(study, tmp_path / "r.html", explained=explained)
    found = look_at(page, width)
    check(found)
    assert found["title"] == "Study study: phantom, not patients"
    assert SCRIPT in found["text"]  # it is shown as text


@needs_chromium
@widths
def test_the_report_of_a_run(finished_run, phantom, tmp_path, width):
    run, _ = finished_run
    page = pn.write_report(
        run.folder, tmp_path / "r.html", cohort=phantom, examples=(0, 1), notes=[SCRIPT, STYLE]
    )
    found = look_at(page, width)
    check(found)
    assert STYLE in found["text"]
