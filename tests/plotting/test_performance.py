"""Drawn values are compared with the tables they came from."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_texts_stand_apart, corners, marked, texts
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.plotting import (
    plot_calibration,
    plot_forest,
    plot_learning_curve,
    plot_net_benefit,
    plot_roc_bands,
)
from polarnet.plotting.performance import roc_band

NAN = np.nan
SUPPRESSED = "suppressed: 7 positives, fewer than 10"
FIRST = "first study of each patient, 12 later ones left out"


@pytest.fixture
def ax():
    return Figure().subplots()


# === ROC ===


def test_a_roc_curve_starts_and_ends_in_the_corners(ax):
    pn.plot_roc([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9], ax, name="sex")
    (line,) = marked(ax, "curve")
    assert line.get_xydata()[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert ax.get_legend().texts[0].get_text().startswith("sex 0.75")
    assert not ax.collections


def test_curves_can_be_told_apart_without_colour(ax):
    for _ in range(6):
        pn.plot_roc([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9], ax)
    assert len({str(line._dash_pattern) for line in marked(ax, "curve")}) == 6


def test_a_panel_shows_each_trait_that_has_ten_of_both_with_its_band():
    index = [f"S{k}" for k in range(60)]
    scores = pd.DataFrame({"sex": np.linspace(0, 1, 60), "rare": 0.5}, index=index)
    labels = {"sex": pd.Series([0, 1] * 30, index), "rare": pd.Series([1] * 9 + [0] * 51, index)}
    figure = plot_roc_bands(labels, scores, title="stress maps")
    shown = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in shown] == ["sex"]
    assert shown[0].get_legend().texts[0].get_text().endswith(", n 30 / 30")
    band = roc_band(labels["sex"], scores["sex"], seed=0)
    assert corners(shown[0].collections[0]) >= {(0.5, round(band["low"].iloc[50], 9))}
    assert plot_roc_bands({"rare": labels["rare"]}, scores, title="") is None


def test_the_band_holds_the_true_curve_as_often_as_it_says(monkeypatch):
    """Normal scores one SD apart: sensitivity at 20 % false alarms is 0.563 (scipy, sf(isf(.2)-1)).

    Of 40 bands of 95 %, 33 or fewer would hold it once in 200 (binomial). With fewer resamples
    than in use a band is a little narrower, so that the test is stricter.
    """
    monkeypatch.setattr("polarnet.plotting.performance.RESAMPLES", 100)
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 80)
    held = 0
    for _ in range(40):
        band = roc_band(labels, rng.normal(labels), seed=0).set_index("false_rate")
        row = band.iloc[20]
        held += row["low"] <= 0.5633 <= row["high"]
    assert held >= 34
    perfect = roc_band([0] * 20 + [1] * 20, np.arange(40), seed=0)
    assert (perfect[["true_rate", "low", "high"]] == 1).all(axis=None)


# === Calibration ===

FEW = ([0, 0, 1, 0, 1, 1], [0.1, 0.1, 0.1, 0.9, 0.9, 0.9])


def test_calibration_draws_the_smooth_curve_and_the_line_of_these_patients(ax):
    """By hand: 1 of 3 at 0.1 and 2 of 3 at 0.9; a logistic line through both meets them."""
    probabilities = np.random.default_rng(0).uniform(0.1, 0.9, 90)
    labels = (np.arange(90) % 2).tolist()
    plot_calibration(labels, probabilities, ax)
    curve = pn.evaluation.smooth_calibration(labels, probabilities, seed=0)
    (smooth,), (ideal,) = (marked(ax, gid) for gid in ("smooth", "ideal"))
    np.testing.assert_array_equal(smooth.get_xydata(), curve[["predicted", "observed"]])
    np.testing.assert_array_equal(ideal.get_xydata(), [[0, 0], [1, 1]])
    first = curve.iloc[0].round(9)
    assert corners(ax.collections[0]) >= {(first["predicted"], first["low"])}
    (line,) = marked(plot_calibration(*FEW), "line")
    np.testing.assert_allclose(line.get_xydata()[[0, -1]], [[0.1, 1 / 3], [0.9, 2 / 3]], rtol=1e-6)


@pytest.mark.parametrize(("times", "colour", "is_line_main"),
                         [(33, "#999999", True), (34, "#000000", False)])  # fmt: skip
def test_fewer_than_100_positives_make_the_line_the_main_curve(times, colour, is_line_main):
    """Three of each six have the trait: 99 are too few, 102 are not."""
    ax = plot_calibration(*(times * values for values in FEW))
    smooth, line = marked(ax, "smooth")[0], marked(ax, "line")[0]
    assert to_hex(smooth.get_color()) == colour
    assert (line.get_linewidth() > smooth.get_linewidth()) == is_line_main


def test_probabilities_by_class_stand_outside_the_curve_on_one_scale(ax):
    """Without: both in the bin of 0.1 (share 1). With: half in 0.3's, half in 0.9's. Classes that
    a threshold tells apart have no logistic line."""
    plot_calibration([0, 0, 1, 1], [0.1, 0.1, 0.3, 0.9], ax)
    (whole,), (low, high) = (
        [bar for bar in ax.patches if bar.get_gid() == gid and bar.get_height()]
        for gid in ("without", "with")
    )
    assert whole.get_y() + whole.get_height() < 0
    assert low.get_height() == high.get_height() == pytest.approx(-whole.get_height() / 2)
    for bar, value in ((whole, 0.1), (low, 0.3), (high, 0.9)):
        assert bar.get_x() <= value < bar.get_x() + bar.get_width()
    assert min(bar.get_y() + bar.get_height() for bar in (low, high)) > 1
    assert texts(ax) == ["without\nn = 2", "with\nn = 2"]
    assert not marked(ax, "line")


def test_equal_probabilities_have_no_curve_and_what_is_no_probability_is_refused(ax):
    equal = plot_calibration([0, 1, 0, 1], [0.5] * 4)
    assert not marked(equal, "line")
    assert not len(marked(equal, "smooth")[0].get_xdata())
    for labels, probabilities, match in (
        ([0, 1, NAN], [0.1, 0.2, 0.3], "Labels must be 0 or 1"),
        ([0, 1], [0.1, 1.2], "outside"),
        ([0, 1], [0.1], "do not fit"),
    ):
        with pytest.raises(ValueError, match=match):
            plot_calibration(labels, probabilities, ax)
    assert not ax.lines


# === Decision and learning curves ===


def test_a_decision_curve_shows_the_model_between_treating_all_and_none(ax):
    table = pd.DataFrame(
        {"threshold": [0.1, 0.5, 0.9], "model": [0.3, 0.2, 0.0], "low": [0.2, 0.1, -0.02],
         "high": [0.35, 0.25, 0.05], "treat_all": [0.33, -0.2, -5.0], "treat_none": [0.0] * 3}
    )  # fmt: skip
    plot_net_benefit(table, ax)
    drawn = {line.get_label().replace(" ", "_"): list(line.get_ydata()) for line in ax.lines}
    assert drawn == table[["model", "treat_all", "treat_none"]].to_dict("list")
    assert corners(ax.collections[0]) >= {(0.5, 0.1), (0.5, 0.25)}
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


# === Forest plot ===


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


def marks(ax, gid):
    """Values of the marks of one kind -> their heights."""
    return {line.get_xdata()[0]: line.get_ydata()[0] for line in marked(ax, gid)}


def test_a_forest_draws_the_table_grouped_by_map_type_from_the_top(areas):
    """Interleaved rows of a table come out grouped; all marks of a trait are nearest its label."""
    ax = plot_forest(areas.iloc[[0, 4, 1, 5, 2, 6, 3]])
    heights = dict(zip((t.get_text() for t in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    names = ["stress maps", "sex", "smoking", "reserve maps", "impaired MFR\N{DAGGER}",
             "dyslipidemia"]  # fmt: skip
    assert list(heights) == names
    assert list(heights.values()) == sorted(heights.values())
    assert ax.yaxis_inverted()
    assert list(marks(ax, "chance")) == [0.5]
    shown, places = areas.dropna(subset="auroc"), marks(ax, "value")
    assert list(places) == list(shown["auroc"])
    drawn = [tuple(line.get_xdata()) for line in marked(ax, "interval")]
    np.testing.assert_array_equal(drawn, shown[["ci_low", "ci_high"]])
    for value, name in ((0.78, "sex"), (0.80, "sex"), (0.97, names[4]), (0.52, names[5])):
        assert min(heights, key=lambda n: abs(heights[n] - places[value])) == name
    assert places[0.80] - places[0.78] == 1  # series stand below one another, with own marks
    first, second, *_ = marked(ax, "value")
    assert first.get_marker() != second.get_marker()
    assert first.get_color() != second.get_color()
    counts = {t.get_text(): t.get_position()[1] for t in ax.texts if " / " in t.get_text()}
    assert counts["70 / 110"] == heights["sex"]
    # A suppressed cell has its note, once, and no mark.
    assert texts(ax).count(SUPPRESSED) == 1
    assert not [y for y in places.values() if abs(y - heights["smoking"]) < 1.5]
    # Circular cells are grey and signed.
    colours = {line.get_xdata()[0]: to_hex(line.get_color()) for line in marked(ax, "value")}
    assert colours[0.97] == colours[1.0] == "#999999" != colours[0.52]
    assert "label derived from the flow shown" in ax.get_xlabel()
    assert "flow shown" not in plot_forest(areas[~areas["is_circular"]]).get_xlabel()


def test_published_values_are_hollow_and_stand_below_the_series_in_one_column(areas):
    ax = plot_forest(areas, published=pn.evaluation.PUBLISHED)
    interval, mark = marked(ax, "published")[:2]
    assert list(interval.get_xdata()) == [0.73, 0.88]
    assert list(mark.get_xdata()) == [0.81]
    assert to_hex(mark.get_markerfacecolor()) == "#ffffff" != to_hex(mark.get_markeredgecolor())
    assert mark.get_ydata()[0] == marks(ax, "value")[0.80] + 1
    assert "published" in [text.get_text() for text in ax.get_legend().texts]
    assert ax.figure.get_figwidth() == 3.5
    assert_texts_stand_apart(ax.figure)


def test_a_forest_refuses_what_it_cannot_draw(areas):
    for table, match in (
        (areas.drop(columns=["ci_low", "note"]), "columns ci_low, note too"),
        (areas.iloc[[0, 0]], "stress, sex, frozen is there twice"),
        (areas.head(0), "table is empty"),
        (pd.concat([areas.head(1).assign(series=f"s{k}") for k in range(6)]), "At most 5 series"),
    ):
        with pytest.raises(ValueError, match=match):
            plot_forest(table)
