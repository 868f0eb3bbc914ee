import re

import numpy as np
import pandas as pd
import pytest
from made_study import SCRIPT, make_explained
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.report.runfigures import draw_run_roc


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_polar_map_is_drawn_upright_on_its_own_scale(ax):
    """Row 0 is the anterior wall and must end up at the top; outside the disc is empty."""
    values = np.where(pn.anatomy.segment_map(64) == 1, 3.0, 1.0)
    pn.plot_polar_map(values, ax)
    image = ax.images[0]
    assert image.origin == "upper"
    assert image.get_clim() == (0.0, 4.0)
    drawn = image.get_array()
    assert drawn[3, 32] == 3.0
    assert drawn.mask[0, 0]


def test_a_map_writes_its_segment_means(ax):
    values = np.where(pn.anatomy.segment_map(64) == 17, 0.5, 2.0)
    pn.plot_polar_map(values, ax)
    numbers = {text.get_text(): text.get_position() for text in ax.texts}
    assert numbers["0.5"] == (0.0, 0.0)
    assert sum(text.get_text() == "2.0" for text in ax.texts) == 16


def test_a_bullseye_paints_each_segment_where_its_wall_is(ax):
    values = np.linspace(0, 4, 17)
    pn.plot_bullseye(values, ax)
    painted = [wedge for wedge in ax.patches if wedge.get_fill()]
    colours = [tuple(np.round(wedge.get_facecolor(), 4)) for wedge in painted]
    expected = plt.get_cmap("inferno")(values / 4)
    np.testing.assert_allclose(colours, expected, atol=1e-3)
    assert (painted[0].theta1, painted[0].theta2, painted[0].r) == (60, 120, 1.0)
    with pytest.raises(ValueError, match="needs 17 values"):
        pn.plot_bullseye(values[:16], ax)


def test_a_roc_curve_starts_and_ends_in_the_corners(ax):
    pn.plot_roc([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9], ax, name="sex")
    (line, *_) = ax.lines
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (0, 0)
    assert (line.get_xdata()[-1], line.get_ydata()[-1]) == (1, 1)
    assert ax.get_legend().texts[0].get_text().startswith("sex 0.75")


def test_no_curve_is_said_where_every_trait_is_suppressed(finished_run, ax, tmp_path):
    """18 test patients cannot have ten in both classes of diabetes and of sex."""
    run, (_, _, test) = finished_run
    few = test.select(np.arange(18))
    for name in ("scores_test.csv", "metrics.csv"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    scores = pd.read_csv(tmp_path / "scores_test.csv").head(18)
    scores.to_csv(tmp_path / "scores_test.csv", index=False)
    metrics = pd.read_csv(tmp_path / "metrics.csv").assign(auroc=np.nan)
    metrics.to_csv(tmp_path / "metrics.csv", index=False)
    draw_run_roc(ax, tmp_path, run.config, few)
    assert "No curve" in ax.texts[0].get_text()
    assert not ax.lines


def test_the_report_stands_alone_and_says_phantom(finished_run, tmp_path):
    run, (_, _, test) = finished_run
    path = pn.write_report(run.folder, tmp_path / "r.html", cohort=test, examples=(0, 1))
    page = path.read_text(encoding="utf-8")
    assert "Phantom, not patients" in page
    assert "Untrained trunk" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page


def test_the_report_shows_the_numbers_of_the_run(finished_run, tmp_path):
    run, _ = finished_run
    page = pn.write_report(run.folder, tmp_path / "r.html").read_text(encoding="utf-8")
    metrics = pd.read_csv(run.folder / "metrics.csv")
    row = metrics[(metrics["model"] == "network") & (metrics["trait"] == "sex")].iloc[0]
    assert f"n with / without {row['n_pos']} / {row['n_neg']}" in page
    shown = "not reported" if np.isnan(row["auroc"]) else f"{row['auroc']:.2f}"
    assert shown in page
    assert page.count("0.81 [0.73, 0.88]") == 1


def test_the_report_shows_where_a_network_looked_and_which_checks_failed(finished_run, tmp_path):
    run, _ = finished_run
    captions = (f"Mean attribution with and without: {SCRIPT}", "The same by pixel: sex",
                "What each segment adds to the score: sex")  # fmt: skip
    folders = [
        make_explained(
            tmp_path / "out" / "explanations" / name, outcomes=outcomes, captions=captions
        )
        for name, outcomes in (("a", (True, None)), ("b", (True, False, False)))
    ]
    path = pn.write_report(run.folder, tmp_path / "out" / "r.html", explained=folders)
    page = path.read_text(encoding="utf-8")
    assert "2 of 3 checks failed:" in page
    assert "check 1; check 2. Do not read the pictures" in page
    assert page.count("No check failed.") == 1
    assert "Not judged: check 1." in page
    links = re.findall(r'href="([^"]*)"', page)
    # Those that failed most come first.
    assert links == ["explanations/b/explanation.html", "explanations/a/explanation.html"]
    assert all((path.parent / link).is_file() for link in links)
    shown = [
        alt for alt in re.findall(r'alt="([^"]*)"', page) if "segment adds" in alt or "Mean" in alt
    ]
    assert len(shown) == 4
    assert "The same by pixel" not in page
    assert "<script" not in page


def test_what_a_user_types_is_escaped(finished_run, tmp_path):
    run, _ = finished_run
    notes = ["<script>alert(1)</script>"]
    page = pn.write_report(run.folder, tmp_path / "r.html", notes=notes)
    assert "<script>" not in page.read_text(encoding="utf-8")


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        pn.write_report(tmp_path, tmp_path / "r.html")
