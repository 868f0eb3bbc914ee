import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from made_study import CHECKS, FAILED, OPEN, PASSED, make_explained
from matplotlib.figure import Figure

from polarnet.report import write_explanation
from polarnet.report.explanationpage import groups_in_words, read_explained


def page_of(folder, **changes):
    given = {
        "figures": {"Mean by segment": Figure(figsize=(2, 1)), "By pixel": Figure(figsize=(2, 1))},
        "tables": {"Methods": pd.DataFrame({"method": ["gradient"], "p_bh": [0.00001]})},
        "checks": CHECKS,
        "facts": {"trait": "impaired MFR", "command": "polarnet explain --seed 7"},
        "is_phantom": True,
        "finding": "Two segments differ.",
    }
    return write_explanation(folder, **given | changes).read_text(encoding="utf-8")


def test_the_page_names_failed_checks_before_and_beside_every_picture(tmp_path):
    page = page_of(tmp_path)
    top = page.index("1 of 3 checks failed")
    assert top < page.index("<img") < page.index("How to read the pictures")
    assert page.index("Two segments differ") < top
    assert "Checks: <strong>1 failed, 1 passed, 1 not judged</strong>" in page
    assert page.count(f"Checks failed: {FAILED.name}.") == page.count("<img") == 2
    order = [page.index(f"{word}: ") for word in ("FAILED", "not judged", "passed")]
    assert order == sorted(order)
    assert "value [95 % interval] 2.60 [2.20, 3.10], held against 2.00" in page
    assert "none failed" not in page


@pytest.mark.parametrize(
    ("checks", "said", "unsaid"),
    [
        ([], ["Nothing was checked"] + 2 * ["Not checked."], "<h2>Checks"),
        ([PASSED, OPEN], ["1 passed, 1 not judged</strong>", "is not a check that"], "failed</"),
        ([PASSED], ["1 passed</strong>", "That none failed does not prove"], "is not a check"),
    ],
    ids=["nothing", "doubtful", "all"],
)
def test_the_page_says_what_was_not_checked_or_not_judged(tmp_path, checks, said, unsaid):
    page = page_of(tmp_path, checks=checks)
    assert all(page.count(words) == said.count(words) for words in said)
    assert unsaid not in page


def test_the_page_says_what_pictures_do_not_mean_and_how_to_make_it_again(tmp_path):
    page = page_of(tmp_path)
    for words in ("No cause", "bright is not diseased", "Nothing about one patient", "&lt;0.001",
                  "<dt>trait</dt><dd>impaired MFR</dd>", 'alt="Mean by segment"',
                  "<pre>polarnet explain --seed 7</pre>", "Phantom, not patients"):  # fmt: skip
        assert words in page
    assert page.count("polarnet explain --seed 7") == 1
    assert page.lower().count("(phantom, not patients)") == 0  # the banner says it
    assert "phantom" not in page_of(tmp_path, is_phantom=False).lower()


def test_the_page_stands_alone_and_escapes_what_it_is_given(tmp_path):
    bad = '"><script>alert(1)</script>'
    page = page_of(
        tmp_path,
        figures={bad: Figure(figsize=(1, 1))},
        tables={bad: pd.DataFrame({bad: [bad]})},
        checks=[replace(FAILED, name=bad, verdict=f"fails: {bad}")],
        facts={"trait": bad, bad: bad, "command": bad},
    )
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    with pytest.raises(ValueError, match="explains figures"):
        page_of(tmp_path, figures={})


def test_what_was_written_is_read_back_as_data(tmp_path):
    page_of(tmp_path)
    (one,) = read_explained([tmp_path])
    assert [check["name"] for check in one["checks"]] == [FAILED.name, OPEN.name, PASSED.name]
    assert one["checks"][0]["value"] == "2.60 [2.20, 3.10]"
    assert (one["failed"], one["unjudged"]) == ([FAILED.name], [OPEN.name])
    assert one["facts"] == {"trait": "impaired MFR"}
    assert one["command"] == "polarnet explain --seed 7"
    assert [(text, p.width, p.height) for text, p in one["pictures"]] == [
        ("Mean by segment", 200, 100), ("By pixel", 200, 100),
    ]  # fmt: skip


def test_columns_of_groups_are_named_in_words_and_segments_by_number_and_name():
    """One segment of a table as `compare_groups` gives it."""
    table = pd.DataFrame(
        {"segment": [4], "name": ["basal inferior"], "n_pos": 26, "n_neg": 34, "mean_pos": 0.1234,
         "mean_neg": 0.05, "effect": 0.5, "ci_low": -0.1, "ci_high": 1.1, "p_raw": 0.0004,
         "p_max_t": 0.02, "p_bh": 0.01}
    )  # fmt: skip
    title, printed = groups_in_words(table)
    assert title.endswith("26 with, 34 without the trait")
    assert printed.iloc[0].tolist() == [
        "4 basal inferior", "12.3", "5.0", "+0.50 [-0.10, +1.10]", "0.020", "0.010", "<0.001",
    ]  # fmt: skip
    assert not any("_" in name for name in printed)


def test_a_folder_that_is_no_explanation_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checks\.csv"):
        read_explained([tmp_path])
    facts = make_explained(tmp_path / "e") / "explanation.json"
    facts.write_text(json.dumps({"facts": {}, "figures": {"../../x.png": "a"}}), encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"e.figures.x\.png"):  # never outside its folder
        read_explained([tmp_path / "e"])
    facts.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks a part"):
        read_explained([tmp_path / "e"])
