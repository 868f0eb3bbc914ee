"""Drawn values are compared with the tables they came from; texts by their extents as drawn."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import polarnet as pn
from polarnet.report.calibration import plot_calibration
from polarnet.report.curves import plot_learning_curve, plot_net_benefit
from polarnet.report.failures import plot_studies
from polarnet.report.flow import Box, plot_flow
from polarnet.report.forest import plot_forest

NAN = np.nan
SUPPRESSED = "suppressed: 7 positives, fewer than 10"
FIRST = "first study of each patient, 12 later ones left out"


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def areas():
    """Two map types, three traits, two series; one cell is circular, one suppressed."""
    rows = [
        ("stress", "sex", "frozen", 0.78, 0.70, 0.85, 70, 110, False, ""),
        ("stress", "sex", "17 segments", 0.80, 0.72, 0.86, 70, 110, False, FIRST),
        ("stress", "smoking", "frozen", NAN, NAN, NAN, 7, 173, False, f"{SUPPRESSED}; {FIRST}"),
        ("stress", "smoking", "17 segments", NAN, NAN, NAN, 7, 173, False, SUPPRESSED),
        ("reserve", "impaired_mfr", "frozen", 0.97, 0.94, 0.99, 62, 118, True, ""),
        ("reserve", "impaired_mfr", "17 segments", 1.0, NAN, NAN, 62, 118, True, ""),
        ("reserve", "dyslipidemia", "frozen", 0.52, 0.38, 0.61, 90, 90, False, ""),
    ]
    return pd.DataFrame(
        rows,
        columns=["map_type", "trait", "series", "auroc", "ci_low", "ci_high", "n_pos", "n_neg",
                 "is_circular", "note"],
    )  # fmt: skip


def marked(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def row_heights(ax):
    """Text of a row's label -> y of its middle; the labels are unique in `areas`."""
    return {t.get_text(): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}


def extents(figure):
    """Extent in pixels of every drawn text, after the layout was done."""
    figure.draw_without_rendering()  # at the figure's own dots an inch
    found = [t for t in figure.findobj(Text) if t.get_text() and (not t.axes or t.axes.axison)]
    found += [t for ax in figure.axes if not ax.axison for t in (*ax.texts, ax.title)]
    places = {text: text.get_window_extent() for text in found if text.get_text()}
    # A tick outside the limits is not drawn and has the extent of a point.
    return {text: box for text, box in places.items() if box.width > 1}


def test_forest_marks_stand_at_the_values_of_the_table(areas):
    ax = plot_forest(areas)
    shown = areas.dropna(subset="auroc")
    assert [line.get_xdata()[0] for line in marked(ax, "value")] == list(shown["auroc"])
    drawn = [tuple(line.get_xdata()) for line in marked(ax, "interval")]
    np.testing.assert_array_equal(drawn, shown[["ci_low", "ci_high"]])
    (chance,) = marked(ax, "chance")
    assert list(chance.get_xdata()) == [0.5, 0.5]


def test_forest_rows_are_grouped_by_map_type_from_the_top(areas):
    """Interleaved rows of a table come out grouped; all marks of a trait are nearest its label."""
    ax = plot_forest(areas.iloc[[0, 4, 1, 5, 2, 6, 3]])
    heights = row_heights(ax)
    names = ["stress maps", "sex", "smoking", "reserve maps", "impaired MFR\N{DAGGER}",
             "dyslipidemia"]  # fmt: skip
    assert list(heights) == names
    assert list(heights.values()) == sorted(heights.values())
    assert ax.yaxis_inverted()
    places = {line.get_xdata()[0]: line.get_ydata()[0] for line in marked(ax, "value")}
    for value, name in ((0.78, "sex"), (0.80, "sex"), (0.97, names[4]), (0.52, names[5])):
        assert min(heights, key=lambda n: abs(heights[n] - places[value])) == name
    assert places[0.78] < heights["sex"] < places[0.80]


def test_forest_series_differ_in_marker_and_height(areas):
    first, second, *_ = marked(plot_forest(areas), "value")
    assert first.get_marker() != second.get_marker()
    assert first.get_color() != second.get_color()
    assert second.get_ydata()[0] - first.get_ydata()[0] == 1


def test_circular_cells_are_grey_and_signed(areas):
    ax = plot_forest(areas)
    colours = {line.get_xdata()[0]: to_hex(line.get_color()) for line in marked(ax, "value")}
    red, green, blue = (colours[0.97][k : k + 2] for k in (1, 3, 5))
    assert red == green == blue != "00"
    assert colours[1.0] == colours[0.97] != colours[0.52]
    assert "label derived from the flow shown" in ax.get_xlabel()
    assert "flow shown" not in plot_forest(areas[~areas["is_circular"]]).get_xlabel()


def test_a_suppressed_cell_shows_its_note_once_and_no_mark(areas):
    ax = plot_forest(areas)
    assert texts(ax).count(SUPPRESSED) == 1
    y = row_heights(ax)["smoking"]
    assert not [line for line in marked(ax, "value") if abs(line.get_ydata()[0] - y) < 1.5]


def test_published_values_are_hollow_and_stand_below_the_series(areas):
    published = {("stress", "sex"): (0.81, 0.73, 0.88), ("rest", "smoking"): (0.71, 0.58, 0.85)}
    ax = plot_forest(areas, published=published)
    interval, mark = marked(ax, "published")
    assert list(interval.get_xdata()) == [0.73, 0.88]
    assert list(mark.get_xdata()) == [0.81]
    assert to_hex(mark.get_markerfacecolor()) == "#ffffff"
    assert to_hex(mark.get_markeredgecolor()) != "#ffffff"
    assert interval.get_linewidth() < marked(ax, "interval")[0].get_linewidth()
    assert mark.get_ydata()[0] == marked(ax, "value")[1].get_ydata()[0] + 1
    assert mark.get_ydata()[0] < row_heights(ax)["smoking"]
    assert "published" in [text.get_text() for text in ax.get_legend().texts]


def test_forest_counts_stand_beside_their_trait(areas):
    ax = plot_forest(areas)
    counts = {t.get_text(): t.get_position()[1] for t in ax.texts if " / " in t.get_text()}
    heights = row_heights(ax)
    assert counts["70 / 110"] == heights["sex"]
    assert counts["7 / 173"] == heights["smoking"]


def test_forest_texts_neither_overlap_nor_leave_one_column(areas):
    ax = plot_forest(areas, published={("stress", "sex"): (0.81, 0.73, 0.88)})
    assert ax.figure.get_figwidth() == 3.5
    places = extents(ax.figure)
    whole = ax.figure.bbox
    for text, box in places.items():
        assert box.x0 >= 0, text
        assert box.x1 <= whole.x1, text
        assert box.y0 >= 0, text
        assert box.y1 <= whole.y1, text
    for (one, a), (two, b) in combinations(places.items(), 2):
        assert not a.overlaps(b), (one, two)


def test_a_forest_refuses_what_it_cannot_draw(areas):
    with pytest.raises(ValueError, match="columns ci_low, note too"):
        plot_forest(areas.drop(columns=["ci_low", "note"]))
    with pytest.raises(ValueError, match="stress, sex, frozen is there twice"):
        plot_forest(areas.iloc[[0, 0]])
    with pytest.raises(ValueError, match="table is empty"):
        plot_forest(areas.head(0))
    many = pd.concat([areas.head(1).assign(series=f"s{k}") for k in range(6)])
    with pytest.raises(ValueError, match="At most 5 series"):
        plot_forest(many)


CURVE = pd.DataFrame(
    {
        "predicted": [0.1, 0.4, 0.8],
        "observed": [0.15, 0.35, 0.7],
        "low": [0.05, 0.25, 0.5],
        "high": [0.3, 0.5, 0.9],
    }
)
FEW = {"probabilities": [0.1, 0.1, 0.3, 0.9], "labels": [0, 0, 1, 1]}
MANY = {"probabilities": np.tile(FEW["probabilities"], 50), "labels": np.tile(FEW["labels"], 50)}


def corners(band):
    """Corners of a band as pairs, without the ones that matplotlib repeats."""
    return {tuple(corner) for corner in band.get_paths()[0].vertices.round(9)}


def test_a_calibration_curve_and_its_band_are_those_of_the_table(ax):
    plot_calibration(CURVE, ax, **FEW)
    (smooth,) = marked(ax, "smooth")
    np.testing.assert_array_equal(smooth.get_xydata(), CURVE[["predicted", "observed"]])
    expected = {(0.1, 0.05), (0.4, 0.25), (0.8, 0.5), (0.1, 0.3), (0.4, 0.5), (0.8, 0.9)}
    assert corners(ax.collections[0]) == expected
    (ideal,) = marked(ax, "ideal")
    np.testing.assert_array_equal(ideal.get_xydata(), [[0, 0], [1, 1]])


def test_the_recalibration_line_is_logistic_over_what_was_predicted(ax):
    """By hand: odds 1/9 at 0.1; intercept 0, slope 2 square them: 1/81, that is 1/82 = 0.0122.
    At 0.9 the same mirrored. Intercept log(9) at slope 1 turns 0.1 into 0.5."""
    plot_calibration(CURVE, ax, **FEW, line=(0, 2))
    line = marked(ax, "line")[0].get_xydata()
    np.testing.assert_allclose(line[[0, -1]], [[0.1, 1 / 82], [0.9, 81 / 82]])
    plot_calibration(CURVE, ax, **FEW, line=(np.log(9), 1))
    assert marked(ax, "line")[1].get_ydata()[0] == pytest.approx(0.5)


def test_fewer_than_100_positives_make_the_line_the_main_curve():
    """FEW has 2 positives, MANY has 100."""
    few = plot_calibration(CURVE, **FEW, line=(0, 1))
    many = plot_calibration(CURVE, **MANY, line=(0, 1))
    smooth, line = marked(few, "smooth")[0], marked(few, "line")[0]
    assert smooth.get_color() == "0.6"
    assert line.get_linewidth() > smooth.get_linewidth()
    smooth, line = marked(many, "smooth")[0], marked(many, "line")[0]
    assert to_hex(smooth.get_color()) == "#000000"
    assert line.get_linewidth() < smooth.get_linewidth()


def test_probabilities_by_class_stand_outside_the_curve_on_one_scale(ax):
    """Without: both in the bin of 0.1 (share 1). With: half in 0.3's, half in 0.9's."""
    plot_calibration(CURVE, ax, **FEW)
    bars = {gid: [b for b in ax.patches if b.get_gid() == gid and b.get_height()]
            for gid in ("without", "with")}  # fmt: skip
    (whole,) = bars["without"]
    assert whole.get_x() <= 0.1 < whole.get_x() + whole.get_width()
    assert whole.get_y() + whole.get_height() < 0
    low, high = bars["with"]
    assert low.get_height() == high.get_height() == pytest.approx(-whole.get_height() / 2)
    assert low.get_x() <= 0.3 < low.get_x() + low.get_width()
    assert high.get_x() <= 0.9 < high.get_x() + high.get_width()
    assert min(b.get_y() + b.get_height() for b in bars["with"]) > 1
    assert texts(ax) == ["without\nn = 2", "with\nn = 2"]


def test_calibration_refuses_what_is_no_probability_or_label(ax):
    with pytest.raises(ValueError, match="Labels must be 0 or 1"):
        plot_calibration(CURVE, ax, probabilities=[0.1, 0.2], labels=[0, NAN])
    with pytest.raises(ValueError, match="between 0 and 1"):
        plot_calibration(CURVE, ax, probabilities=[0.1, 1.2], labels=[0, 1])
    with pytest.raises(ValueError, match="do not fit"):
        plot_calibration(CURVE, ax, probabilities=[0.1], labels=[0, 1])
    with pytest.raises(ValueError, match="columns high, low too"):
        plot_calibration(CURVE[["predicted", "observed"]], ax, **FEW)
    assert not ax.lines


def test_a_decision_curve_shows_the_model_between_treating_all_and_none(ax):
    table = pd.DataFrame(
        {"threshold": [0.1, 0.5, 0.9], "model": [0.3, 0.2, 0.0], "low": [0.2, 0.1, -0.02],
         "high": [0.35, 0.25, 0.05], "treat_all": [0.33, -0.2, -5.0], "treat_none": [0.0] * 3}
    )  # fmt: skip
    plot_net_benefit(table, ax)
    drawn = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert drawn == {"model": [0.3, 0.2, 0.0], "treat all": [0.33, -0.2, -5.0],
                     "treat none": [0.0, 0.0, 0.0]}  # fmt: skip
    assert (0.5, 0.1) in corners(ax.collections[0])
    assert (0.5, 0.25) in corners(ax.collections[0])
    # Treating all at 0.9 is far below and must not flatten the model.
    assert -0.2 < ax.get_ylim()[0] < -0.02
    with pytest.raises(ValueError, match="columns treat_all too"):
        plot_net_benefit(table.drop(columns="treat_all"), ax)


def test_a_learning_curve_keeps_the_values_and_sets_intervals_side_by_side(ax):
    table = pd.DataFrame(
        {"n_train": [800, 200, 200, 800], "model": ["frozen", "frozen", "segments", "segments"],
         "auroc": [0.8, 0.7, 0.75, 0.78], "low": [0.7, 0.6, 0.65, 0.68],
         "high": [0.85, 0.82, 0.83, 0.84]}
    )  # fmt: skip
    plot_learning_curve(table, ax)
    frozen, segments = ax.containers
    np.testing.assert_array_equal(frozen.lines[0].get_xydata(), [[200, 0.7], [800, 0.8]])
    np.testing.assert_array_equal(segments.lines[0].get_xydata(), [[200, 0.75], [800, 0.78]])
    bars = [bar[:, 1] for bar in frozen.lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, [[0.6, 0.82], [0.7, 0.85]])
    left, right = (c.lines[0].get_transform().transform((200, 0.7))[0] for c in ax.containers)
    assert right - left == pytest.approx(3 * ax.figure.dpi / 72)
    assert list(ax.get_xticks()) == [200, 800]


LABELS = ("labels, with / without", "impaired MFR 290 / 550", "dyslipidemia 420 / 420")
FLOW = [
    [Box(("1,412 scans",), ("left out: 38", "17 with values above 10 mL/min/g"))],
    [Box(("1,374 scans of 1,200 patients",))],
    [Box(("training", "840 patients")), Box(("validation", "180")), Box(("test", "180"))],
    [Box(LABELS), Box(LABELS), Box(LABELS)],
]


def assert_texts_are_in_their_boxes(ax):
    places = extents(ax.figure)
    boxes = [p.get_window_extent() for p in ax.patches if isinstance(p, Rectangle)]
    lines = [box.lines for level in FLOW for box in level] + [FLOW[0][0].left_out]
    assert sorted(t.get_text() for t in places) == sorted("\n".join(some) for some in lines)
    assert len(boxes) == len(lines)
    for text, extent in places.items():
        homes = [b for b in boxes if b.x0 < extent.x0 < extent.x1 < b.x1
                 and b.y0 < extent.y0 < extent.y1 < b.y1]  # fmt: skip
        assert len(homes) == 1, text
    for one, two in combinations(boxes, 2):
        assert not one.overlaps(two)
    assert all(ax.figure.bbox.x0 <= b.x0 and b.x1 <= ax.figure.bbox.x1 for b in boxes)
    assert all(ax.figure.bbox.y0 <= b.y0 and b.y1 <= ax.figure.bbox.y1 for b in boxes)


@pytest.mark.parametrize(
    ("size", "layout"),
    [(None, None), ((7.2, 4.0), None), ((7.2, 4.0), "constrained"), ((4.3, 3.0), None),
     ((4.3, 3.0), "constrained")],
)  # fmt: skip
def test_no_text_of_a_flow_leaves_its_box(size, layout):
    """Nor does it when the figure is saved at another resolution than it was measured at."""
    given = None if size is None else Figure(figsize=size, layout=layout).subplots()
    ax = plot_flow(FLOW, given)
    for dots_per_inch in (72, 100, 200, 600):
        ax.figure.set_dpi(dots_per_inch)
        assert_texts_are_in_their_boxes(ax)


@pytest.mark.parametrize("width", [3.1, 3.4, 4.2])
def test_a_long_line_keeps_to_its_box_at_another_resolution(width):
    """Measured at 100 dots an inch, drawn at 200, as `save_figure` does."""
    line = 3 * "impaired MFR 290 / 550, " + "more"
    ax = plot_flow([[Box((line,))]], Figure(figsize=(width, 1), dpi=100).add_axes((0, 0, 1, 1)))
    ax.figure.set_dpi(200)
    ax.figure.draw_without_rendering()
    text, box = ax.texts[0].get_window_extent(), ax.patches[0].get_window_extent()
    assert box.x0 < text.x0 < text.x1 < box.x1


def test_a_wide_box_aside_widens_the_figure():
    ax = plot_flow([[Box(("a",), ("left out: " + 8 * "studies ",))], [Box(("b",))]])
    ax.figure.draw_without_rendering()
    aside = max((p.get_window_extent() for p in ax.patches if isinstance(p, Rectangle)),
                key=lambda box: box.x1)  # fmt: skip
    assert aside.x1 <= ax.figure.bbox.x1


def test_arrows_of_a_flow_lead_from_level_to_level():
    """1 to 1, 1 to 3, 3 to 3, and one aside: eight heads; each ends at the frame of a box."""
    ax = plot_flow(FLOW)
    heads = [t.xy for t in ax.texts if not t.get_text()]
    assert len(heads) == 1 + 3 + 3 + 1
    tops = [(b.get_x() + b.get_width() / 2, b.get_y() + b.get_height()) for b in ax.patches
            if isinstance(b, Rectangle)]  # fmt: skip
    down = [h for h in heads if any(np.allclose(h, top) for top in tops)]
    assert len(down) == 7


def test_a_flow_refuses_what_cannot_be_joined_or_read(ax):
    a = Box(("a",))
    with pytest.raises(ValueError, match="2 boxes cannot be joined to the 3"):
        plot_flow([[a, a], [a, a, a]], ax)
    with pytest.raises(ValueError, match="at least one box"):
        plot_flow([[a], []], ax)
    with pytest.raises(ValueError, match="alone on its level"):
        plot_flow([[a, Box(("b",), ("c",))]], ax)
    with pytest.raises(ValueError, match=r"needs .* inches at 4.5 points.*Make the figure larger"):
        plot_flow(FLOW, Figure(figsize=(1.5, 1.5)).subplots())


def test_studies_are_drawn_on_one_scale_each_under_its_caption():
    maps = np.stack([np.full((16, 16), level) for level in (0.5, 1.0, 9.0)])
    captions = ["sex: with\nprobability 0.04", "smoking: without\nprobability 0.91", "diabetes"]
    figure = plot_studies(maps, captions, map_type="stress", unit="mL/min/g", columns=2)
    drawn = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in drawn] == captions
    assert [ax.images[0].get_array()[8, 8] for ax in drawn] == [0.5, 1.0, 9.0]
    assert {ax.images[0].get_clim() for ax in drawn} == {(0.0, 4.0)}
    bars = [ax for ax in figure.axes if ax.get_ylabel()]
    assert [bar.get_ylabel() for bar in bars] == ["stress MBF (mL/min/g)"]


def test_captions_touch_neither_walls_nor_neighbours():
    long = "probability 0.04, which is the lowest of all patients of the test"
    captions = [f"impaired MFR with, read as without\n{long}"] * 4
    maps = np.ones((4, 16, 16))
    figure = plot_studies(maps, captions, map_type="rest", unit="mL/min/g")
    places = {t: e for t, e in extents(figure).items() if t.axes and t.axes.images}
    assert len(places) == 4 * 5
    for (one, a), (two, b) in combinations(places.items(), 2):
        assert not a.overlaps(b), (one, two)


def test_each_map_needs_its_caption():
    with pytest.raises(ValueError, match="2 maps and 1 captions"):
        plot_studies(np.ones((2, 8, 8)), ["a"], map_type="rest", unit="mL/min/g")


def test_a_reserve_has_no_unit_whatever_the_cohort_says(ax):
    pn.plot_polar_map(np.ones((8, 8)), ax, map_type="reserve", unit="")
    assert ax.figure.axes[1].get_ylabel() == "flow reserve"
