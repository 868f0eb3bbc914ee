import numpy as np
import pytest
from drawn import assert_texts_stand_apart, extents, panels, texts
from matplotlib import colormaps
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.plotting import plot_studies


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_polar_map_is_drawn_upright_on_its_own_scale_with_its_segment_means(ax):
    """Row 0 is the anterior wall and must end up at the top; outside the disc is empty."""
    segments = pn.anatomy.segment_map(64)
    values = np.select([segments == 1, segments == 17], [3.0, 0.5], 2.0)
    pn.plot_polar_map(values, ax)
    image = ax.images[0]
    assert image.origin == "upper"
    assert image.get_clim() == (0.0, 4.0)
    assert image.get_array()[3, 32] == 3.0
    assert image.get_array().mask[0, 0]
    numbers = {text.get_text(): text.get_position() for text in ax.texts}
    assert numbers["0.5"] == (0.0, 0.0)
    assert texts(ax).count("2.0") == 15


def test_a_bullseye_paints_each_segment_where_its_wall_is(ax):
    """Segment 1 is basal anterior: 60 to 120 degrees, the outermost ring."""
    values = np.linspace(0, 4, 17)
    pn.plot_bullseye(values, ax)
    (wedges,) = ax.collections
    wedges.update_scalarmappable()
    np.testing.assert_allclose(wedges.get_facecolor(), colormaps["inferno"](values / 4), atol=1e-3)
    box = wedges.get_paths()[0].get_extents()
    np.testing.assert_allclose(box.extents, [-0.5, 0.75 * np.sqrt(0.75), 0.5, 1], atol=1e-3)
    with pytest.raises(ValueError, match="needs 17 values"):
        pn.plot_bullseye(values[:16], ax)


@pytest.mark.parametrize(
    ("options", "limits", "cmap", "number", "label"),
    [
        ({}, (0, 4), "inferno", "1.2", "stress MBF (mL/min/g)"),
        ({"map_type": "reserve", "unit": ""}, (0, 5), "inferno", "1.2", "flow reserve"),
        ({"unit": "percent"}, (0, 100), "inferno", "1", "stress counts (percent)"),
        ({"vmin": -2, "vmax": 2, "digits": 2}, (-2, 2), "RdBu_r", "+1.23", "stress MBF (mL/min/g)"),
        ({"vmax": 9, "cmap": "gray", "colorbar": "share"}, (0, 9), "gray", "1.2", "share"),
        ({"colorbar": False}, (0, 4), "inferno", "1.2", None),
    ],
)
@pytest.mark.parametrize("plot", [pn.plot_polar_map, pn.plot_bullseye])
def test_scale_colours_numbers_and_label_follow_the_options(
    ax, plot, options, limits, cmap, number, label
):
    values = np.full((32, 32) if plot is pn.plot_polar_map else 17, 1.23)
    plot(values, ax, **options)
    drawn = [*ax.images, *ax.collections][0]
    assert drawn.get_clim() == limits
    assert drawn.get_cmap().name == cmap
    assert texts(ax).count(number) == 17
    assert [bar.get_ylabel() for bar in ax.figure.axes[1:]] == ([label] if label else [])


def test_studies_are_drawn_on_one_scale_each_under_its_caption():
    maps = np.stack([np.full((16, 16), level) for level in (0.5, 1.0, 9.0)])
    captions = ["sex: with\nprobability 0.04", "smoking: without\nprobability 0.91", "diabetes"]
    figure = plot_studies(maps, captions, map_type="stress", unit="mL/min/g", columns=2)
    drawn = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in drawn] == captions
    assert [ax.images[0].get_array()[8, 8] for ax in drawn] == [0.5, 1.0, 9.0]
    assert {ax.images[0].get_clim() for ax in drawn} == {(0.0, 4.0)}
    (bar,) = set(figure.axes) - set(panels(figure))
    assert bar.get_ylabel() == "stress MBF (mL/min/g)"
    with pytest.raises(ValueError, match="3 maps and 1 captions"):
        plot_studies(maps, ["a"], map_type="rest", unit="mL/min/g")


def test_captions_touch_neither_walls_nor_neighbours():
    long = "probability 0.04, which is the lowest of all patients of the test"
    captions = [f"impaired MFR with, read as without\n{long}"] * 4
    figure = plot_studies(np.ones((4, 16, 16)), captions, map_type="rest", unit="mL/min/g")
    places = {t: e for t, e in extents(figure).items() if t.axes and t.axes.images}
    assert len(places) == 4 * 5
    assert_texts_stand_apart(figure, places)
