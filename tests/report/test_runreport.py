import re
import shutil

import numpy as np
import pandas as pd
import pytest
from made_study import SCRIPT, make_explained
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.cli import main
from polarnet.ood import ood_note
from polarnet.report.runreport import draw_run_roc, read_results


def write(run, tmp_path, **options):
    return pn.write_report(run.folder, tmp_path / "r.html", **options).read_text(encoding="utf-8")


def test_no_curve_is_said_where_every_trait_is_suppressed(finished_run, tmp_path):
    """18 test patients cannot have ten in both classes of diabetes and of sex."""
    run, _ = finished_run
    ax = Figure().subplots()
    scores = pd.read_csv(run.folder / "scores_test.csv").head(18)
    scores.to_csv(tmp_path / "scores_test.csv", index=False)
    metrics = pd.read_csv(run.folder / "metrics.csv").assign(auroc=np.nan)
    metrics.to_csv(tmp_path / "metrics.csv", index=False)
    for name in ("labels.csv", "config.yaml"):
        shutil.copy(run.folder / name, tmp_path)
    draw_run_roc(ax, read_results(tmp_path))
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


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.yaml"):
        pn.write_report(tmp_path, tmp_path / "r.html")


def test_the_first_words_of_the_page_say_what_came_out(finished_run, tmp_path):
    run, _ = finished_run
    page = write(run, tmp_path)
    start = page.index("What came out")
    assert (
        start
        < page.index("stress maps gave no number for telling women from men")
        < page.index("<table")
    )
    assert page.index("In a phantom, not in patients") > start


def test_the_command_writes_the_report_of_a_run_from_its_folder_alone(finished_run, tmp_path):
    """Of a run that was tested on 40 patients; the fixture's own test patients are too few."""
    folder, ids = tmp_path / "run", [f"S{k:02}" for k in range(40)]
    shutil.copytree(finished_run[0].folder, folder)
    scores = np.random.default_rng(0).random((40, 2))
    labels = np.arange(40).repeat(2).reshape(40, 2) % 2
    for name, values in (("scores_test", scores), ("labels", labels)):
        table = pd.DataFrame(values, pd.Index(ids, name="study_id"), ["sex", "diabetes"])
        table.assign(part="test").to_csv(folder / f"{name}.csv")
    metrics = pd.read_csv(folder / "metrics.csv").assign(auroc=0.6, n_pos=20, n_neg=20)
    metrics.to_csv(folder / "metrics.csv", index=False)
    out = tmp_path / "r.html"
    line = ["report", str(folder), "--out", str(out)]
    assert main(line) == 0
    page = out.read_text(encoding="utf-8")
    assert "ROC curves" in page
    assert "Calibration with 95 % band" in page
    assert "run: 0 of 40" in page  # none is marked: the column is not even there
    assert "no threshold: " in page  # the 18 validation patients of the fixture are too few
    val = pd.read_csv(folder / "labels.csv").assign(part="val")
    pd.concat([pd.read_csv(folder / "labels.csv"), val]).to_csv(folder / "labels.csv", index=False)
    shutil.copy(folder / "scores_test.csv", folder / "scores_val.csv")
    table = pd.read_csv(folder / "scores_test.csv")
    table.assign(warning=np.nan).to_csv(folder / "scores_test.csv", index=False)
    assert main(line) == 0  # a column without any warning
    table["warning"] = [ood_note(2.0), f"tracer; {ood_note(3.0)}", *[""] * 38]
    table.to_csv(folder / "scores_test.csv", index=False)
    assert main(line) == 0
    page = out.read_text(encoding="utf-8")
    assert "run: 2 of 40" in page
    assert "no threshold" not in page
    # Where the test patients chose the threshold themselves, 18 or more of the 20 are found.
    assert re.search(r"sensitive</td>.*?>(0\.9|1\.0)", page, re.DOTALL)
    assert main([*line, "--explained", str(tmp_path)]) == 2
    explained = make_explained(tmp_path / "explanation", outcomes=(True,), captions=("Mean",))
    assert main([*line, "--explained", str(explained)]) == 0
    assert 'href="explanation/explanation.html"' in out.read_text(encoding="utf-8")
