import re

import numpy as np
import pandas as pd
import pytest
from made_study import SCRIPT, make_explained
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.report.runreport import draw_run_roc


def write(run, tmp_path, **options):
    return pn.write_report(run.folder, tmp_path / "r.html", **options).read_text(encoding="utf-8")


def test_no_curve_is_said_where_every_trait_is_suppressed(finished_run, tmp_path):
    """18 test patients cannot have ten in both classes of diabetes and of sex."""
    run, (_, _, test) = finished_run
    ax = Figure().subplots()
    scores = pd.read_csv(run.folder / "scores_test.csv").head(18)
    scores.to_csv(tmp_path / "scores_test.csv", index=False)
    metrics = pd.read_csv(run.folder / "metrics.csv").assign(auroc=np.nan)
    metrics.to_csv(tmp_path / "metrics.csv", index=False)
    draw_run_roc(ax, tmp_path, run.config, test.select(np.arange(18)))
    assert "No curve" in ax.texts[0].get_text()
    assert not ax.lines


def test_the_report_stands_alone_with_the_numbers_of_the_run_and_of_the_paper(
    finished_run, tmp_path
):
    run, (_, _, test) = finished_run
    page = write(run, tmp_path, cohort=test, examples=(0, 1), notes=[SCRIPT])
    assert "Phantom, not patients" in page
    assert "Untrained trunk" in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "<script" not in page
    page = write(run, tmp_path)
    metrics = pd.read_csv(run.folder / "metrics.csv")
    row = metrics[(metrics["model"] == "network") & (metrics["trait"] == "sex")].iloc[0]
    assert f"n with / without {row['n_pos']} / {row['n_neg']}" in page
    assert ("not reported" if np.isnan(row["auroc"]) else f"{row['auroc']:.2f}") in page
    assert page.count("0.81 [0.73, 0.88]") == 1


def test_the_report_shows_where_a_network_looked_and_which_checks_failed(finished_run, tmp_path):
    run, _ = finished_run
    captions = (f"Mean attribution with and without: {SCRIPT}", "The same by pixel: sex",
                "What each segment adds to the score: sex")  # fmt: skip
    folders = [
        make_explained(tmp_path / "explanations" / name, outcomes=outcomes, captions=captions)
        for name, outcomes in (("a", (True, None)), ("b", (True, False, False)))
    ]
    page = write(run, tmp_path, explained=folders)
    assert "2 of 3 checks failed:" in page
    assert "check 1; check 2. Do not read the pictures" in page
    assert page.count("No check failed.") == 1
    assert "Not judged: check 1." in page
    # Those that failed most come first.
    links = re.findall(r'href="([^"]*)"', page)
    assert links == ["explanations/b/explanation.html", "explanations/a/explanation.html"]
    assert all((tmp_path / link).is_file() for link in links)
    shown = re.findall(r'alt="(Mean|What|The same)', page)
    assert shown == ["Mean", "What"] * 2
    assert "<script" not in page


def test_what_is_no_run_or_not_its_cohort_is_refused(finished_run, tmp_path):
    run, (train, _, _) = finished_run
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        pn.write_report(tmp_path, tmp_path / "r.html")
    with pytest.raises(ValueError, match="are not in the cohort"):
        write(run, tmp_path, cohort=train)


def test_the_command_writes_the_report_of_a_run(finished_run, phantom, tmp_path):
    run, _ = finished_run
    phantom.save(tmp_path / "cohort")
    out = tmp_path / "r.html"
    line = ["report", str(run.folder), "--cohort", str(tmp_path / "cohort"), "--out", str(out)]
    assert main(line) == 0
    assert "ROC curves" in out.read_text(encoding="utf-8")
    assert main([*line, "--explained", str(tmp_path)]) == 2
