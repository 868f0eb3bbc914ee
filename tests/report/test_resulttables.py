import csv
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from polarnet.evaluation.table import short_note
from polarnet.report import write_table
from polarnet.report.resulttables import condensed, read_table

NAN = float("nan")
PHANTOM = "Phantom, not patients."
FIRST = "first study of each patient, 12 later ones left out"


def cells_of(page):
    """Look and text of every cell below the heading."""
    body = page[page.index("<tbody>") :]
    return [
        (look, unescape(text)) for look, text in re.findall(r'<td class="(\w*)"[^>]*>(.*?)<', body)
    ]


def test_four_files_are_written_alike_on_every_system(tmp_path):
    table = pd.DataFrame({"trait": ["sex", 'a,"b"'], "n": [1234567, 2], "auroc": [2 / 3, NAN]})
    paths = write_table(table, tmp_path / "sub" / "t.1", title="t")
    assert [path.name for path in paths] == ["t.1.csv", "t.1.json", "t.1.html", "t.1.tex"]
    assert sorted((tmp_path / "sub").iterdir()) == sorted(paths)
    assert all(b"\r" not in path.read_bytes() for path in paths)
    with pytest.raises(ValueError, match="different names, not a, a"):
        write_table(pd.DataFrame(np.ones((1, 2)), columns=["a", "a"]), tmp_path / "t", title="t")
    assert paths[0].read_bytes() == b'trait,n,auroc\nsex,1234567,0.666667\n"a,""b""",2,\n'
    empty, *_ = write_table(table.head(0), tmp_path / "empty", title="nobody lacks a label")
    assert empty.read_text(encoding="utf-8") == "trait,n,auroc\n"


def test_a_table_is_read_back_with_title_and_notes(tmp_path):
    """A trait called "NA" is no gap; what looked like a formula has lost its apostrophe."""
    table = pd.DataFrame({"trait": ["NA", "=cmd()", None], "auroc": [0.5, -0.0213, NAN]})
    write_table(table, tmp_path / "t", title="Main <results>", notes=[PHANTOM, "n: patients"])
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=cmd()" in cells
    assert "-0.0213" in cells
    again, title, notes = read_table(tmp_path / "t")
    assert again["trait"].tolist()[:2] == ["NA", "=cmd()"]
    assert again["trait"].isna().tolist() == [False, False, True]
    assert (title, notes) == ("Main <results>", [PHANTOM, "n: patients"])
    (tmp_path / "t.json").unlink()
    assert read_table(tmp_path / "t")[1:] == ("t", [])
    (tmp_path / "t.csv").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read as a table"):
        read_table(tmp_path / "t")


def test_printed_numbers_have_the_decimals_of_their_column(tmp_path):
    table = pd.DataFrame(
        {
            "n_pos": [40.0, NAN],  # a count with a gap
            "auroc": [0.8126, 1.0],
            "p_value": [0.00001, 0.2],
            "difference_p": [1.0, 0.0],
            "slope": [0.00004, -2.5],
            "cell": ["0.81 [0.73, 0.88]", "1.00 [not estimable]"],
            "series": ["17 segments", "frozen"],
            "is_circular": [True, False],
        }
    )
    *_, page, tex = write_table(table, tmp_path / "t", title="t")
    cells = cells_of(page.read_text(encoding="utf-8"))
    first = ["40", "0.813", "<0.001", "1.000", "4e-05", "0.81 [0.73, 0.88]", "17 segments", "yes"]
    second = ["", "1.000", "0.200", "<0.001", "-2.500", "1.00 [not estimable]", "frozen", "no"]
    assert [text for _, text in cells] == first + second
    assert [look for look, _ in cells] == 2 * (6 * ["number"] + ["short", "short"])
    assert r"\begin{tabular}{rrrrrrll}" in tex.read_text(encoding="utf-8")


def test_html_is_escaped_and_stands_alone_below_the_banner_of_a_phantom(tmp_path):
    attack = "<script>alert(1)</script>"
    table = pd.DataFrame({attack: [attack, "a & b"]})
    *_, page, _ = write_table(table, tmp_path / "t", title=attack, notes=[attack, PHANTOM])
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert [cell for _, cell in cells_of(text)] == [attack, "a & b"]
    assert not re.search(r"(?:src|href)=|https?:", text)
    banner = '<p class="banner">Phantom, not patients.</p>'
    assert text.index(banner) < text.index("<table") < text.rindex("&lt;script")
    assert text.count("Phantom") == 1


def test_latex_specials_are_escaped_in_cells_names_and_notes(tmp_path):
    """The ten specials of LaTeX, and < and >, which its first font encoding prints as others."""
    table = pd.DataFrame({"ci_low": [r"5 % & $x$ #1 {a} ~ ^ \b <c>"]})
    *_, tex = write_table(table, tmp_path / "t", title="a\nb", notes=["p < 0.05_x", "MFR & sex"])
    specials = (
        r"5 \% \& \$x\$ \#1 \{a\} \textasciitilde \space \textasciicircum \space "
        r"\textbackslash b \textless{}c\textgreater{}"
    )
    assert tex.read_text(encoding="utf-8").splitlines() == [
        "% a b", r"\begin{tabular}{l}", r"\toprule", r"ci\_low \\", r"\midrule", rf"{specials} \\",
        r"\bottomrule", r"\end{tabular}", "", r"{\footnotesize p \textless{} 0.05\_x\par}", "",
        r"{\footnotesize MFR \& sex\par}",
    ]  # fmt: skip


def test_value_and_interval_become_one_cell_and_gaps_stay_said():
    table = pd.DataFrame({"trait": ["sex", "age_group"], "n_pos": [3, 20], "n_neg": [9, 30],
                          "auroc": [NAN, 0.7], "ci_low": [NAN, 0.6], "ci_high": [NAN, 0.8],
                          "is_circular": [False, True]})  # fmt: skip
    cells, notes = condensed(table)
    assert cells["AUROC [95 %]"].tolist() == ["not reported", "0.70 [0.60, 0.80]"]
    assert cells["n with / without"].tolist() == ["3 / 9", "20 / 30"]
    assert cells["trait"].tolist() == ["sex", "age group\N{DAGGER}"]
    assert "circular" in notes[0]


def test_a_note_that_all_rows_share_stands_below_once():
    table = pd.DataFrame({"auroc_multi": [0.6], "multi_low": [0.5], "multi_high": [0.7],
                          "note": [f"exploratory; {FIRST}"], "trait": ["sex"]})  # fmt: skip
    cells, notes = condensed(table)
    assert cells.iloc[0].to_dict() == {
        "trait": "sex", "AUROC multi [95 %]": "0.60 [0.50, 0.70]", "note": "exploratory",
    }  # fmt: skip
    assert notes == ["Counted: first study of each patient."]
    assert short_note(NAN) == ""
