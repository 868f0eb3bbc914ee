import re

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from polarnet.plotting import save_figure
from polarnet.plotting.style import check_columns


def draw():
    figure = Figure(figsize=(3.5, 2), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1])
    ax.fill_between([0, 1], [0, 0], [1, 1], hatch="/")
    ax.set_xlabel("predicted probability")
    return figure


def test_an_svg_is_the_same_file_each_time_with_text_and_without_a_date(tmp_path):
    figure = draw()
    files = [save_figure(f, tmp_path / f"{k}")[0] for k, f in enumerate((figure, figure, draw()))]
    first, second, third = (path.read_text(encoding="utf-8") for path in files)
    assert first == second == third
    assert re.search(r"<text[^>]*>predicted probability</text>", first)
    assert "<dc:date>" not in first


def test_a_png_has_200_dots_per_inch(tmp_path):
    paths = save_figure(draw(), tmp_path / "figure")
    with Image.open(paths[1]) as picture:
        assert picture.size == (700, 400)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_dollar_signs_in_a_name_are_drawn_as_they_stand(tmp_path):
    """matplotlib would parse them as mathematics, and refuse this one."""
    figure = Figure()
    figure.subplots().set_xticks([0], ["cost $\\frac$"])
    svg, png = save_figure(figure, tmp_path / "f")
    assert "cost $\\frac$" in svg.read_text(encoding="utf-8")
    assert png.is_file()


def test_tables_without_column_or_row_are_refused():
    with pytest.raises(ValueError, match="columns b, c too"):
        check_columns(pd.DataFrame({"a": [1]}), "a", "b", "c")
    with pytest.raises(ValueError, match="at least one row"):
        check_columns(pd.DataFrame({"a": []}), "a")
