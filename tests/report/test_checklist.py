import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from polarnet.report.checklist import GUIDELINES, TRUTH, load_guideline, write_checklist
from polarnet.report.studyreport import load_sections

RUN_FILES = ("config.yaml", "environment.json", "history.csv", "model.keras", "scores_val.csv")
RESULTS = {name for section in load_sections() if not section.get("phantom_only")
           for name in (*section.get("tables", ()), *section.get("figures", ()))}  # fmt: skip
RESULTS |= {"roc"}
STUDY_FILES = (
    {"study.yaml", "split.csv", "freeze.json", "test_reads.csv"}
    | {f"runs/*/{name}" for name in RUN_FILES}
    | {f"results/{name}.*" for name in RESULTS}
)
"""Globs of all that a study makes."""

PARTS = {"results/calibration_recalibrated.*", "results/depth.*", "results/failures*.*",
         "results/roc_*.*", "results/external_thresholds.*",
         "results/predictive_values.*"}  # fmt: skip
"""Results beside a larger one, which is named."""

LETTERS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef",
           20: "abc", 23: "ab", 27: "abc"}  # fmt: skip
"""Items of TRIPOD+AI that have sub-items; BMJ 2024;385:e078378, table 2."""


@pytest.fixture
def study(tmp_path):
    """A study folder with every file, two arms, and a name that a link must escape."""
    folder = tmp_path / "Herz & Gefäße #1"
    for glob in STUDY_FILES:
        for arm in ("stress", "rest & reserve"):
            for ending in ("csv", "html") if glob.endswith(".*") else ("",):
                path = folder / glob.replace("*/", f"{arm}/").replace(".*", f".{ending}")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    return folder


def write(study, out=None, is_phantom=False):
    path = write_checklist(study, out or study / "checklist.html", is_phantom=is_phantom)
    return path.read_text(encoding="utf-8")


def row(page, guideline, number):
    """The cells of one item, as text without tags."""
    table = page[page.index(f"<h2>{guideline}") :]
    cells = re.search(rf'<tr><th class="id">{number}†?</th>(.*?)</tr>', table, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", cells[1])).split())


def counts(page, guideline):
    """The numbers of the table at the top, by its headings."""
    table = re.search(r'<table class="counts">(.*?)</table>', page, re.DOTALL)[1]
    headings = re.findall(r"<th>([^<]+)</th>", table[: table.index("</thead>")])
    numbers = re.search(rf"<th>{re.escape(guideline)}</th>(.*?)</tr>", table, re.DOTALL)[1]
    return dict(zip(headings, map(int, re.findall(r"<td>(\d+)</td>", numbers)), strict=True))


def items_of(name):
    return {item["id"]: item for item in load_guideline(name)["items"]}


ITEMS = [item for name in GUIDELINES for item in items_of(name).values()]


def test_tripod_ai_has_its_52_sub_items_and_claim_its_44_items():
    """CLAIM: Radiol Artif Intell 2024;6:e240300, items 1 to 44, without letters."""
    expected = [f"{item}{letter}" for item in range(1, 28) for letter in LETTERS.get(item, [""])]
    assert len(expected) == 52
    assert list(items_of("tripod_ai_2024")) == expected
    assert list(items_of("claim_2024")) == [str(number) for number in range(1, 45)]


def test_somebody_answers_every_item_and_every_result_answers_some_item():
    assert all(item.get("where") or item.get("authors") for item in ITEMS)
    named = {glob for item in ITEMS for glob in item.get("where", {})}
    assert named <= STUDY_FILES
    assert {glob for glob in STUDY_FILES if glob.startswith("results/")} - PARTS <= named


def test_what_no_data_can_answer_is_left_to_the_authors():
    """Funding, ethics, registration, involvement of patients, dates, setting, eligibility."""
    tripod, claim = map(items_of, GUIDELINES)
    left = [tripod[k] for k in ("5b", "6a", "6b", "17", "18a", "18b", "18d", "19")]
    left += [claim[k] for k in ("5", "8", "11", "16", "18", "34", "44")]
    assert all(item["authors"] and "where" not in item for item in left)


@pytest.mark.parametrize("place", ["checklist.html", "../pages/ü/checklist.html"])
def test_every_link_leads_to_a_file_of_the_study(study, place):
    out = study / place
    page = write(study, out)
    links = re.findall(r'href="([^"]+)"', page)
    targets = {(out.parent / unquote(urlsplit(unescape(link)).path)).resolve() for link in links}
    assert all(not re.match(r"[a-z]+:|/", link) for link in links)
    assert all(path.is_file() for path in targets)
    assert {"split.csv", "flow.html", "flow.csv", "model.keras"} <= {p.name for p in targets}
    assert all(path.is_relative_to(study.resolve()) for path in targets)


def test_a_file_that_is_not_there_is_never_linked_nor_counted(study):
    before = counts(write(study), "TRIPOD+AI 2024")
    for path in study.glob("results/labels_table.*"):
        path.unlink()
    page = write(study)
    after = counts(page, "TRIPOD+AI 2024")
    only_labels, both = row(page, "TRIPOD+AI", "21"), row(page, "TRIPOD+AI", "20a")
    assert "labels_table not made yet: run make study" in only_labels
    assert only_labels.endswith("not made yet")
    assert "labels_table not made yet: run make study" in both
    assert both.endswith("partly")
    assert "labels_table.html" not in page
    assert after["answered by files"] == before["answered by files"] - 2
    assert (after["not made yet"], before["not made yet"]) == (1, 0)


def test_an_empty_study_claims_nothing(tmp_path):
    (tmp_path / "study.yaml").touch()
    (tmp_path / "results" / "roc.svg").mkdir(parents=True)  # a folder is no figure
    page = write(tmp_path)
    for guideline in ("TRIPOD+AI 2024", "CLAIM 2024"):
        assert counts(page, guideline)["answered by files"] == 0
    assert set(re.findall(r'href="([^"]+)"', page)) == {"study.yaml"}


def test_files_and_authors_together_answer_partly(study):
    page = write(study)
    assert row(page, "TRIPOD+AI", "12a").endswith("answered by files")
    assert row(page, "TRIPOD+AI", "12c").endswith("partly")
    assert row(page, "TRIPOD+AI", "17").endswith("to be filled by the authors")


@pytest.mark.parametrize("is_phantom", [False, True])
def test_the_counts_at_the_top_sum_to_the_items(study, is_phantom):
    page = write(study, is_phantom=is_phantom)
    for guideline, n_items in (("TRIPOD+AI 2024", 52), ("CLAIM 2024", 44)):
        numbers = counts(page, guideline)
        assert numbers.pop("items") == sum(numbers.values()) == n_items


def test_the_page_states_its_claim_and_that_it_is_no_certificate(study):
    page = " ".join(write(study).split())
    assert "technical task-specific efficacy" in page
    assert "J Nucl Med 2022;63:1288" in page
    assert "an aid for the authors and not a certificate" in page
    assert "BMJ 2024;385:e078378" in page
    assert "Radiol Artif Intell 2024;6:e240300" in page


def test_an_item_from_memory_says_so(study):
    page = write(study)
    marked = re.findall(r'<th class="id">(\w+)†</th>', page)
    assert marked == [item["id"] for item in ITEMS if item.get("checked") is False]
    assert "from memory; compare with the publication" in page


def test_a_phantom_answers_no_item_about_patients(study):
    page = write(study, is_phantom=True)
    assert "Phantom, not patients" in page
    for number in ("5a", "17", "20a", "20b", "21", "23a"):
        assert row(page, "TRIPOD+AI", number).endswith("about patients, here simulated")
    assert row(page, "TRIPOD+AI", "12a").endswith("answered by files")
    of_patients = write(study)
    assert "hantom" not in of_patients
    assert "simulated" not in of_patients


def test_what_was_planted_is_linked_from_a_phantom_only(study):
    (study / TRUTH.replace("*", "html")).touch()
    assert 'href="results/truth.html"' in write(study, is_phantom=True)
    assert "truth" not in write(study)


def test_names_of_arms_and_study_are_escaped(study):
    page = write(study)
    assert "Herz &amp; Gefäße #1" in page
    assert "rest &amp; reserve" in page
    assert not re.search(r"&(?!amp;|#\d+;|lt;|gt;|quot;)", page)


def test_many_arms_are_counted_rather_than_listed(study):
    for number in range(20):
        path = study / "runs" / f"seed{number:02d}" / "environment.json"
        path.parent.mkdir()
        path.touch()
    assert "and 17 more" in row(write(study), "CLAIM", "23")


def test_the_page_stands_alone(study):
    page = write(study)
    assert "<script" not in page
    assert "src=" not in page
    assert "url(" not in page


def test_a_folder_without_study_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study\.yaml"):
        write_checklist(tmp_path, Path(tmp_path) / "checklist.html", is_phantom=False)
    assert not list(tmp_path.iterdir())
