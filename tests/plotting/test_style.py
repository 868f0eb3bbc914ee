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
    # matplotlib would parse dollar signs as mathematics, and refuse this one.
    ax.set_xlabel("cost $\\frac$")
    return figure


def test_a_figure_is_saved_for_print_and_screens_the_same_each_time(tmp_path):
    """An SVG with text as it stands and no date, and a PNG of 200 dots per inch."""
    figure = draw()
    saved = [save_figure(f, tmp_path / f"{k}") for k, f in enumerate((figure, figure, draw()))]
    first, second, third = (svg.read_text(encoding="utf-8") for svg, _ in saved)
    assert first == second == third
    assert re.search(r"<text[^>]*>cost \$\\frac\$</text>", first)
    assert "<dc:date>" not in first
    with Image.open(saved[0][1]) as picture:
        assert picture.size == (700, 400)
    assert sorted(tmp_path.iterdir()) == sorted(path for paths in saved for path in paths)


@pytest.mark.parametrize("ending", ["pdf", "svg", "png", "tif", "TIFF"])
def test_the_ending_of_the_name_decides_the_format(tmp_path, ending):
    path = tmp_path / f"fig.1.{ending}"
    assert save_figure(draw(), path) == [path]
    content = path.read_bytes()
    save_figure(draw(), path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    if ending == "pdf":
        assert b"/TrueType" in content or b"/CIDFontType2" in content
        assert b"/Type3" not in content
    elif ending != "svg":
        with Image.open(path) as picture:
            assert picture.size == (1050, 600)
            assert round(picture.info["dpi"][0]) == 300


@pytest.mark.parametrize(
    ("width", "pixels"), [("one column", 350), ("two columns", 720), (5, 500), (3.5, 350)]
)
def test_a_figure_is_saved_in_the_width_of_a_column_and_keeps_its_own(tmp_path, width, pixels):
    """3.5 x 2 inches, in proportion, at 100 dots per inch."""
    figure = draw()
    (path,) = save_figure(figure, tmp_path / "f.png", dpi=100, width=width)
    with Image.open(path) as picture:
        assert picture.size[0] == pixels
        assert picture.size[1] == pytest.approx(pixels * 2 / 3.5, abs=1)
    assert tuple(figure.get_size_inches()) == (3.5, 2)


@pytest.mark.parametrize("width", ["three columns", 0, float("nan")])
def test_a_width_that_is_none_is_refused(tmp_path, width):
    with pytest.raises(ValueError, match="one column, two columns or inches, not"):
        save_figure(draw(), tmp_path / "f.png", width=width)
    assert not list(tmp_path.iterdir())


def test_a_figure_whose_texts_a_column_would_cut_is_refused(tmp_path):
    figure = draw()
    figure.suptitle(12 * "a long title ")
    with pytest.raises(ValueError, match=r"do not fit 3\.5 inches of width"):
        save_figure(figure, tmp_path / "f.png", width="one column")


def test_tables_without_column_or_row_are_refused():
    with pytest.raises(ValueError, match="columns b, c too"):
        check_columns(pd.DataFrame({"a": [1]}), "a", "b", "c")
    with pytest.raises(ValueError, match="at least one row"):
        check_columns(pd.DataFrame({"a": []}), "a")
