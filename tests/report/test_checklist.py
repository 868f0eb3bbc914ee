import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from polarnet.report.checklist import GUIDELINES, TRUTH, load_data, write_checklist
from polarnet.report.studyreport import SECTIONS

RUN_FILES = ("config.yaml", "environment.json", "history.csv", "model.keras", "scores_val.csv")
RESULTS = {"roc"} | {
    name for section in load_data(SECTIONS) if not section.get("phantom_only")
    for part in ("tables", "figures") for name in section.get(part, ())
}  # fmt: skip
STUDY_FILES = {"results/main_forest.*", "study.yaml", "split.csv", "freeze.json", "test_reads.csv"}
STUDY_FILES |= {f"runs/*/{name}" for name in RUN_FILES} | {f"results/{n}.*" for n in RESULTS}
"""Globs of all that a study makes."""

PARTS = {
    f"results/{name}.*"
    for name in ("calibration_recalibrated", "depth", "failures*", "external_thresholds",
                 "predictive_values", "roc_*")
}  # fmt: skip
"""Results beside a larger one, which is named."""

LETTERS = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef",
           20: "abc", 23: "ab", 27: "abc"}  # fmt: skip
"""Items of TRIPOD+AI that have sub-items; BMJ 2024;385:e078378, table 2."""

TRIPOD, CLAIM = ({item["id"]: item for item in load_data(name)["items"]}
                 for name in GUIDELINES)  # fmt: skip
ITEMS = [*TRIPOD.values(), *CLAIM.values()]


@pytest.fixture
def study(tmp_path):
    """A study folder with every file, two arms, and a name that a link must escape."""
    folder = tmp_path / "Herz & Gefäße #1"
    for glob in STUDY_FILES:
        for arm in ("stress", "rest & reserve"):
            for ending in ("csv", "html", "json") if glob.endswith(".*") else ("",):
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


def test_tripod_ai_has_its_52_sub_items_and_claim_its_44_items():
    """CLAIM: Radiol Artif Intell 2024;6:e240300, items 1 to 44, without letters."""
    expected = [f"{item}{letter}" for item in range(1, 28) for letter in LETTERS.get(item, [""])]
    assert len(expected) == 52
    assert list(TRIPOD) == expected
    assert list(CLAIM) == [str(number) for number in range(1, 45)]


def test_somebody_answers_every_item_and_every_result_answers_some_item():
    """Funding, ethics, registration, involvement of patients, dates, setting and eligibility are
    left to the authors."""
    assert all(item.get("where") or item.get("authors") for item in ITEMS)
    named = {glob for item in ITEMS for glob in item.get("where", {})}
    assert named <= STUDY_FILES
    assert {glob for glob in STUDY_FILES if glob.startswith("results/")} - PARTS <= named
    left = [TRIPOD[k] for k in ("5b", "6a", "6b", "17", "18a", "18b", "18d", "19")]
    left += [CLAIM[k] for k in ("5", "8", "11", "16", "18", "34", "44")]
    assert all(item["authors"] and "where" not in item for item in left)


@pytest.mark.parametrize("place", ["checklist.html", "../pages/ü/checklist.html"])
def test_every_link_leads_to_a_file_of_the_study(study, place):
    out = study / place
    links = re.findall(r'href="([^"]+)"', write(study, out))
    targets = {(out.parent / unquote(urlsplit(unescape(link)).path)).resolve() for link in links}
    assert all(not re.match(r"[a-z]+:|/", link) for link in links)
    assert all(path.is_file() and path.is_relative_to(study.resolve()) for path in targets)
    assert {"split.csv", "flow.html", "flow.csv", "model.keras"} <= {p.name for p in targets}
    assert not [path for path in targets if path.match("results/*.json")]


def test_a_file_that_is_not_there_is_never_linked_nor_counted(study):
    before = counts(write(study), "TRIPOD+AI 2024")
    for path in study.glob("results/labels_table.*"):
        path.unlink()
    page = write(study)
    after = counts(page, "TRIPOD+AI 2024")
    assert after["items"] == sum(after.values()) / 2 == 52
    for number, status in (("21", "not made yet"), ("20a", "partly")):
        assert "labels_table not made yet: run make study" in row(page, "TRIPOD+AI", number)
        assert row(page, "TRIPOD+AI", number).endswith(status)
    assert "labels_table.html" not in page
    assert after["answered by files"] == before["answered by files"] - 2
    assert (after["not made yet"], before["not made yet"]) == (1, 0)


def test_an_empty_study_claims_nothing_and_another_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no study\.yaml"):
        write_checklist(tmp_path, Path(tmp_path) / "checklist.html", is_phantom=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "study.yaml").touch()
    (tmp_path / "results" / "roc.svg").mkdir(parents=True)  # a folder is no figure
    page = write(tmp_path)
    for guideline in ("TRIPOD+AI 2024", "CLAIM 2024"):
        assert counts(page, guideline)["answered by files"] == 0
    assert set(re.findall(r'href="([^"]+)"', page)) == {"study.yaml"}


def test_the_page_says_who_answers_and_what_it_is(study):
    page = write(study)
    for number, status in (("12a", "answered by files"), ("12c", "partly"),
                           ("17", "to be filled by the authors")):  # fmt: skip
        assert row(page, "TRIPOD+AI", number).endswith(status)
    for words in ("technical task-specific efficacy", "J Nucl Med 2022;63:1288",
                  "an aid for the authors and not a certificate", "BMJ 2024;385:e078378",
                  "Radiol Artif Intell 2024;6:e240300",
                  "from memory; compare with the publication"):  # fmt: skip
        assert words in " ".join(page.split())
    marked = re.findall(r'<th class="id">(\w+)†</th>', page)
    assert marked == [item["id"] for item in ITEMS if item.get("checked") is False]


def test_a_phantom_answers_no_item_about_patients_and_links_what_was_planted(study):
    (study / TRUTH.replace("*", "html")).touch()
    page, of_patients = write(study, is_phantom=True), write(study)
    assert "Phantom, not patients" in page
    assert 'href="results/truth.html"' in page
    for number in ("5a", "17", "20a", "20b", "21", "23a"):
        assert row(page, "TRIPOD+AI", number).endswith("about patients, here simulated")
    assert row(page, "TRIPOD+AI", "12a").endswith("answered by files")
    assert not [word for word in ("hantom", "simulated", "truth") if word in of_patients]


def test_many_arms_are_counted_and_names_escaped_on_a_page_that_stands_alone(study):
    for number in range(20):
        path = study / "runs" / f"seed{number:02d}" / "environment.json"
        path.parent.mkdir()
        path.touch()
    page = write(study)
    assert "and 17 more" in row(page, "CLAIM", "23")
    assert "Herz &amp; Gefäße #1" in page
    assert "rest &amp; reserve" in page
    assert not re.search(r"&(?!amp;|#\d+;|lt;|gt;|quot;)", page)
    assert not [word for word in ("<script", "src=", "url(") if word in page]
