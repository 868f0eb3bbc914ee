import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from polarnet.report.tables import (
    interval_text,
    p_text,
    save_figure,
    short_note,
    trait_name,
    write_table,
)

NAN = float("nan")


class CellReader(HTMLParser):
    """Text and class of every cell, and the tags, as a browser would read them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.cells = ["html"], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append([dict(attributes).get("class", ""), ""])

    def handle_data(self, text):
        if self.tags[-1] in ("td", "th") and text.strip():
            self.cells[-1][1] += text


def test_an_interval_is_printed_as_in_the_abstract():
    """Sex on stress maps, abstract of Yeung et al. 2022: 0.81 [0.73, 0.88]."""
    assert interval_text(0.8099, 0.7301, 0.8799) == "0.81 [0.73, 0.88]"
    assert interval_text(1.0, NAN, NAN) == "1.00 [not estimable]"
    assert interval_text(NAN, NAN, NAN) == "not reported"
    assert interval_text(-0.0512, -0.1, 0.0024, 3, is_signed=True) == "-0.051 [-0.100, +0.002]"


def test_no_p_value_is_zero():
    assert [p_text(p) for p in (0.0, 0.00099, 0.001, 0.0499, 1.0, NAN)] == [
        "<0.001", "<0.001", "0.001", "0.050", "1.000", "",
    ]  # fmt: skip


def test_names_and_notes_are_written_for_readers():
    assert trait_name("impaired_mfr") == "impaired MFR"
    assert trait_name("known_cad") == "known cad"
    note = "exploratory; first study of each patient, 12 later ones left out"
    assert short_note(note) == "exploratory"
    assert short_note(NAN) == ""


def test_the_csv_keeps_six_digits_on_every_system(tmp_path):
    table = pd.DataFrame({"trait": ["sex", 'a,"b"'], "n": [1234567, 2], "auroc": [2 / 3, NAN]})
    csv, *_ = write_table(table, tmp_path / "sub" / "table.1", title="t")
    assert csv.name == "table.1.csv"
    assert csv.read_bytes() == b'trait,n,auroc\nsex,1234567,0.666667\n"a,""b""",2,\n'


def test_three_files_are_named_and_nothing_else_is_left(tmp_path):
    table = pd.DataFrame({"a": [1]})
    paths = write_table(table, tmp_path / "t", title="t")
    assert [path.name for path in paths] == ["t.csv", "t.html", "t.tex"]
    assert sorted(tmp_path.iterdir()) == paths
    assert all(b"\r" not in path.read_bytes() for path in paths)


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
    _, page, tex = write_table(table, tmp_path / "t", title="t")
    cells = CellReader(page.read_text(encoding="utf-8")).cells[len(table.columns) :]
    first = ["40", "0.813", "<0.001", "1.000", "4e-05", "0.81 [0.73, 0.88]", "17 segments", "yes"]
    second = ["", "1.000", "0.200", "<0.001", "-2.500", "1.00 [not estimable]", "frozen", "no"]
    assert [text for _, text in cells] == first + second
    assert [kind for kind, _ in cells] == 2 * (6 * ["number"] + ["", ""])
    assert r"\begin{tabular}{rrrrrrll}" in tex.read_text(encoding="utf-8")


def test_html_is_escaped_and_stands_alone(tmp_path):
    attack = "<script>alert(1)</script>"
    table = pd.DataFrame({attack: [attack, "a & b"]})
    _, page, _ = write_table(table, tmp_path / "t", title=attack, notes=[attack])
    text = page.read_text(encoding="utf-8")
    read = CellReader(text)
    assert "script" not in read.tags
    assert [cell for _, cell in read.cells] == [attack, attack, "a & b"]
    assert not re.search(r"(?:src|href)=|https?:", text)


def test_a_phantom_is_said_above_the_table_and_other_notes_below(tmp_path):
    notes = ["Intervals: DeLong.", "Phantom, not patients."]
    _, page, _ = write_table(pd.DataFrame({"a": [1]}), tmp_path / "t", title="t", notes=notes)
    text = page.read_text(encoding="utf-8")
    banner = '<p class="banner">Phantom, not patients.</p>'
    assert text.index(banner) < text.index("<table") < text.index("Intervals: DeLong.")
    assert text.count("Phantom") == 1


def test_latex_specials_are_escaped_in_cells_names_and_notes(tmp_path):
    """The ten specials of LaTeX, and < and >, which its first font encoding prints as others."""
    table = pd.DataFrame({"ci_low": [r"5 % & $x$ #1 {a} ~ ^ \b <c>"]})
    _, _, tex = write_table(table, tmp_path / "t", title="a\nb", notes=["p < 0.05_x", "MFR & sex"])
    lines = tex.read_text(encoding="utf-8").splitlines()
    specials = (
        r"5 \% \& \$x\$ \#1 \{a\} \textasciitilde \space \textasciicircum \space "
        r"\textbackslash b \textless{}c\textgreater{}"
    )
    assert lines == [
        "% a b",
        r"\begin{tabular}{l}",
        r"\toprule",
        r"ci\_low \\",
        r"\midrule",
        rf"{specials} \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"{\footnotesize p \textless{} 0.05\_x\par}",
        "",
        r"{\footnotesize MFR \& sex\par}",
    ]


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pd.DataFrame(np.ones((1, 2)), columns=["a", "a"])
    with pytest.raises(ValueError, match="different names, not a, a"):
        write_table(table, tmp_path / "t", title="t")
    assert not list(tmp_path.iterdir())


def draw():
    figure = Figure(figsize=(3.5, 2), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1])
    ax.fill_between([0, 1], [0, 0], [1, 1], hatch="/")
    ax.set_xlabel("predicted probability")
    return figure


def test_an_svg_is_the_same_file_each_time(tmp_path):
    figure = draw()
    files = [save_figure(f, tmp_path / f"{k}")[0] for k, f in enumerate((figure, figure, draw()))]
    first, second, third = (path.read_bytes() for path in files)
    assert first == second == third


def test_an_svg_holds_text_and_no_date(tmp_path):
    svg = save_figure(draw(), tmp_path / "figure")[0].read_text(encoding="utf-8")
    assert re.search(r"<text[^>]*>predicted probability</text>", svg)
    assert "<dc:date>" not in svg


def test_a_png_has_200_dots_an_inch(tmp_path):
    paths = save_figure(draw(), tmp_path / "figure")
    with Image.open(paths[1]) as picture:
        assert picture.size == (700, 400)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
