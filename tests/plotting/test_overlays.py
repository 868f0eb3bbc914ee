"""Drawn values are compared with hand-worked ones."""

import numpy as np
import pandas as pd
import pytest
from drawn import assert_texts_stand_apart, corners, marked, panels, texts
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.path import Path

import polarnet as pn
from polarnet.explain.checks import Level
from polarnet.plotting import (
    plot_cascade,
    plot_contributions,
    plot_difference_map,
    plot_group_bullseyes,
    plot_overlays,
)

NAN = np.nan
FLOW = {"map_type": "stress", "unit": "mL/min/g"}
DISC = pn.anatomy.disc_mask(64)


@pytest.fixture
def groups():
    """Segment 1 has 20 % with and 4 % without the trait; 3 is sure, 10 likely, the rest neither."""
    with_, without = np.full(17, 0.05), np.full(17, 0.06)
    with_[0], without[0] = 0.20, 0.04
    max_t, bh = np.full(17, 0.9), np.full(17, 0.8)
    max_t[2], bh[2], bh[9] = 0.01, 0.004, 0.03
    table = pd.DataFrame(
        {"segment": range(1, 18), "n_pos": 22, "n_neg": 42, "mean_pos": with_, "mean_neg": without,
         "p_max_t": max_t, "p_bh": bh}
    )  # fmt: skip
    return table.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def maps():
    return pn.make_phantom_cohort(60, seed=1, size=64).maps["stress"][:3]


def scales_of(figure):
    """Lower and upper end of each colour bar, in the order drawn."""
    bars = [ax for ax in figure.axes if ax not in panels(figure)]
    return [tuple(np.round(ax.get_xlim(), 6)) for ax in bars]


def inside(ax, size):
    """Pixels that the drawn outline encloses, as a boolean map."""
    centre = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(centre, -centre)
    points = np.column_stack([x.ravel(), y.ravel()])
    path = Path.make_compound_path(*ax.collections[1].get_paths())
    return path.contains_points(points).reshape(size, size)


def test_group_bullseyes_show_shares_and_their_signed_difference_on_two_scales(groups):
    with_, without, difference = panels(plot_group_bullseyes(groups, label="impaired MFR"))
    assert with_.get_title() == "with impaired MFR\nn = 22"
    assert without.get_title() == "without\nn = 42"
    assert texts(with_)[:2] == ["20.0", "5.0"]
    assert texts(without)[:2] == ["4.0", "6.0"]
    assert texts(difference)[:2] == ["+16.0", "-1.0"]
    random = np.full(17, 0.7 / 16)
    random[16] = 0.3
    figure = plot_group_bullseyes(groups, randomised=random)
    assert scales_of(figure) == [(0, 30), (0, 30), (-16, 16), (0, 30)]
    assert "random weights" in panels(figure)[3].get_title()
    assert texts(panels(figure)[3])[16] == "30.0"
    # Without it, the brightest is the segment with 20 %.
    assert scales_of(plot_group_bullseyes(groups)) == [(0, 20), (0, 20), (-16, 16)]


def test_contributions_share_one_scale_that_is_white_at_zero_and_have_signs():
    more, less = np.zeros(17), np.zeros(17)
    more[0], less[1] = 0.254, -0.5
    figure = plot_contributions({"with\nexact": more, "without\nexact": less})
    one, other = panels(figure)
    assert one.get_title() == "with\nexact"
    assert (texts(one)[0], texts(one)[1], texts(other)[1]) == ("+0.25", "+0.00", "-0.50")
    assert scales_of(figure) == [(-0.5, 0.5)]
    figure.draw_without_rendering()
    first, second, *_ = map(to_hex, one.collections[0].get_facecolor())
    assert second == to_hex(colormaps["RdBu_r"](0.5))
    assert first == to_hex(colormaps["RdBu_r"](0.754))
    assert "logits" in figure.axes[-1].get_xlabel()


def test_dots_stand_in_the_segments_that_differ(groups):
    """Segment 3 is basal inferoseptal, around 210 degrees: x, y = 0.875 * (cos, sin) =
    (-0.758, -0.438). Segment 10 is mid inferior: (0, -0.625). Dots stand just below the middle."""
    figure = plot_group_bullseyes(groups)
    *others, difference = panels(figure)
    (sure,), (likely,) = marked(difference, "max-T"), marked(difference, "BH")
    np.testing.assert_allclose(sure.get_xydata(), [[-0.758, -0.438]], atol=0.1)
    np.testing.assert_allclose(likely.get_xydata(), [[0, -0.625]], atol=0.1)
    assert to_hex(sure.get_markerfacecolor()) == "#000000"
    assert to_hex(likely.get_markerfacecolor()) == "#ffffff"
    assert likely.get_markersize() < sure.get_markersize()
    assert not any(ax.lines for ax in others)
    assert "max-T" in figure.legends[0].texts[0].get_text()
    with pytest.raises(ValueError, match="columns mean_neg, p_bh too"):
        plot_group_bullseyes(groups.drop(columns=["mean_neg", "p_bh"]))
    with pytest.raises(ValueError, match="segments 1 to 17"):
        plot_group_bullseyes(groups[groups["segment"] < 17])


def test_a_difference_map_counts_each_study_the_same():
    """3 on the left half and 1 on the right have mean 2: 1.5 and 0.5 times it. Mirrored without
    the trait, so the difference is +1 and -1. A study 100 times as bright changes nothing."""
    left = np.where(np.arange(32) < 16, 3.0, 1.0) * pn.anatomy.disc_mask(32)
    right = left[:, ::-1]
    nothing, unknown = np.zeros((32, 32)), 50 * left
    heat = np.array([left, 100 * left, -left, right, nothing, unknown])
    figure = plot_difference_map(heat, [1, 1, 1, 0, 0, NAN], label="diabetes")
    with_, without, difference = panels(figure)
    assert with_.get_title() == "with diabetes\nn = 3"
    assert without.get_title() == "without\nn = 1"
    row = [ax.images[0].get_array()[16, [4, 28]].tolist() for ax in (with_, without, difference)]
    np.testing.assert_allclose(row, [[1.5, 0.5], [0.5, 1.5], [1, -1]])
    assert difference.images[0].get_clim() == pytest.approx((-1, 1))
    assert with_.images[0].get_clim() == without.images[0].get_clim() == pytest.approx((0, 1.5))
    with pytest.raises(ValueError, match="No study with label 0"):
        plot_difference_map(heat[:3], [1, 1, NAN])
    with pytest.raises(ValueError, match="3 maps need as many labels"):
        plot_difference_map(heat[:3], [1, 0])


def test_an_outline_encloses_the_highest_15_percent_of_the_disc_upright(maps):
    """Attribution falls from the anterior wall, row 0, downwards without ties."""
    falling = np.where(DISC, 64.0 * 64 - np.arange(64 * 64).reshape(64, 64), 0)
    figure = plot_overlays(maps[:1], falling[None], rows=[0], titles=["one"], **FLOW)
    chosen = inside(panels(figure)[2], 64)
    assert chosen.sum() == pytest.approx(0.15 * DISC.sum(), abs=3)
    highest = falling >= np.sort(falling[DISC])[-int(chosen.sum())]
    np.testing.assert_array_equal(chosen, highest & DISC)


def test_overlays_scale_flow_absolutely_and_attribution_to_the_study(maps):
    """Attribution 1 to 100 over the disc: the 99th percentile of 0..c is 0.99 c."""
    heat = np.zeros_like(maps)
    heat[:, DISC] = np.linspace(0, 1, DISC.sum())
    heat[2] *= 500
    figure = plot_overlays(maps, heat, rows=[2, 0], titles=["third", "first"],
                           randomised=heat[:, ::-1], **FLOW)  # fmt: skip
    axes = np.reshape(panels(figure), (2, 4))
    assert axes[0, 0].images[0].get_clim() == axes[0, 2].images[0].get_clim() == (0, 4)
    np.testing.assert_array_equal(axes[0, 0].images[0].get_array()[DISC], maps[2][DISC])
    for line in axes:
        shares, upside_down = (line[k].images[0].get_array() for k in (1, 3))
        assert line[1].images[0].get_clim() == line[3].images[0].get_clim() == (0, 1)
        assert shares.max() == pytest.approx(1 / 0.99, rel=1e-3)
        assert upside_down[:32].mean() > shares[:32].mean()  # as it was given
    names = [ax.images[0].get_cmap().name for ax in axes[0]]
    assert names == ["inferno", "viridis", "gray", "viridis"]
    assert "third" in texts(axes[0, 0])
    assert "first" in texts(axes[1, 0])
    assert axes[0, 3].get_title() == "random weights"


def test_a_study_without_attribution_says_so_and_what_does_not_fit_is_refused(maps):
    heat = np.zeros_like(maps[:2])
    heat[1, 20:30, 20:30] = -1
    figure = plot_overlays(maps[:2], heat, rows=[0, 1], titles=["a", "b"], **FLOW)
    for line in np.reshape(panels(figure), (2, 3)):
        assert "no attribution" in texts(line[1])
        assert len(line[2].collections) == 1  # the borders of the segments
    for heat, randomised, rows, match in (
        (maps[:1], None, [0], r"heat must have the shape of maps \(3, 64, 64\)"),
        (maps, maps[:1], [0], "randomised must have the shape"),
        (maps, None, [0, 1], "2 rows and 1 titles"),
    ):
        with pytest.raises(ValueError, match=match):
            plot_overlays(maps, heat, rows=rows, titles=["a"], randomised=randomised, **FLOW)


def test_texts_neither_overlap_nor_leave_their_figure(groups):
    even = np.full(17, 1 / 17)
    titles = ("with impaired MFR\nnetwork, occlusion", "b", "c", "d")
    assert_texts_stand_apart(plot_group_bullseyes(groups, label="impaired MFR", randomised=even))
    assert_texts_stand_apart(plot_contributions(dict.fromkeys(titles, np.full(17, -0.25))))


LEVEL = Level(0.18, 0.1, 0.26)
CASCADE = pd.DataFrame(
    {"layer": ["head", "block5_conv3", "block1_conv1"], "value": [0.8, 0.5, 0.2],
     "low": [0.7, 0.4, 0.1], "high": [0.9, 0.6, 0.3]}
)  # fmt: skip


def test_a_cascade_keeps_its_order_above_the_level_of_two_patients():
    ax = plot_cascade(CASCADE, level=LEVEL)
    (line,) = marked(ax, "value")
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.8], [1, 0.5], [2, 0.2]])
    assert [t.get_text() for t in ax.get_xticklabels()] == list(CASCADE["layer"])
    band = next(patch for patch in ax.patches if patch.get_gid() == "level")
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.1, 0.26))
    assert {(0, 0.7), (0, 0.9), (2, 0.1), (2, 0.3)} <= corners(ax.collections[0])
    assert_texts_stand_apart(ax.figure)
