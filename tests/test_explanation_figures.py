"""Drawn values are compared with hand-worked ones, pages read as text."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.path import Path

import polarnet as pn
from polarnet.explain.checks import Check, Level
from polarnet.report.explanation import (
    plot_contributions,
    plot_difference_map,
    plot_group_bullseyes,
)
from polarnet.report.explanationchecks import plot_cascade, plot_checks, plot_naming
from polarnet.report.explanationpage import write_explanation
from polarnet.report.overlays import plot_methods, plot_overlays

NAN = np.nan
PASSED = Check(
    "other seeds", True, 0.48, 0.42, 0.55, 0.21, 40,
    "passes: two trainings give more alike maps of a patient (0.48) than two patients share (0.18)",
)  # fmt: skip
FAILED = Check(
    "not the edge of the disc", False, 2.6, 2.2, 3.1, 2.0, 40,
    "fails: the edge of the disc holds 2.6 times the attribution due to its area, where heart "
    "muscle is hardly told from its surroundings; rank correlation with the distance from the "
    "apex 0.43",
)  # fmt: skip
OPEN = Check(
    "the score follows the map", None, NAN, NAN, NAN, 0.0, 3,
    "cannot be judged: 3 patients have maps to compare, and 10 are needed",
)  # fmt: skip
CHECKS = [PASSED, OPEN, FAILED]


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
def cohort():
    return pn.make_phantom_cohort(60, seed=1, size=64)


@pytest.fixture
def naming():
    rows = [
        ("gradient", 0.78, 0.74, 0.82, False, -0.02, -0.031, 0.01),
        ("supervised", 0.90, 0.87, 0.93, True, 0.10, 0.06, 0.14),
        ("occlusion", 0.79, 0.75, 0.83, False, -0.01, -0.03, 0.02),
        ("lowest stress", 0.80, 0.76, 0.84, True, NAN, NAN, NAN),
    ]
    columns = ["method", "macro_f1", "ci_low", "ci_high", "is_comparator", "difference",
               "diff_low", "diff_high"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


CASCADE = pd.DataFrame(
    {"layer": ["head", "block5_conv3", "block1_conv1"], "value": [0.8, 0.5, 0.2],
     "low": [0.7, 0.4, 0.1], "high": [0.9, 0.6, 0.3]}
)  # fmt: skip


def maps_of(figure):
    """Axes with a polar map or a bullseye, in the order drawn; colour bars are not among them."""
    return [ax for ax in figure.axes if not ax.get_label().startswith("<colorbar")]


def scales_of(figure):
    """Lower and upper end of each colour bar, in the order drawn."""
    bars = [ax for ax in figure.axes if ax.get_label().startswith("<colorbar")]
    return [tuple(np.round(ax.get_xlim(), 6)) for ax in bars]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def marked(ax, gid):
    return [line for line in ax.lines if line.get_gid() == gid]


def words(figure):
    """All texts of a figure but those of colour bars, which keep hidden ones."""
    found = [*figure.texts, *(t for legend in figure.legends for t in legend.texts)]
    for ax in maps_of(figure):
        found += [*ax.texts, ax.title, *(ax.get_legend().texts if ax.get_legend() else [])]
        if ax.axison:
            found += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                # Labels beyond the ends are there, but not drawn.
                ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                found += [tick.label1 for tick in ticks if tick.label1.get_visible()]
    return found


def inside(ax, size):
    """Pixels that the drawn outline encloses, as a boolean map."""
    centre = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(centre, -centre)
    points = np.column_stack([x.ravel(), y.ravel()])
    path = Path.make_compound_path(*(p for c in ax.collections[:1] for p in c.get_paths()))
    return path.contains_points(points).reshape(size, size)


def test_group_bullseyes_show_shares_in_percent_and_their_signed_difference(groups):
    with_, without, difference = maps_of(plot_group_bullseyes(groups, label="impaired MFR"))
    assert with_.get_title() == "with impaired MFR\nn = 22"
    assert without.get_title() == "without\nn = 42"
    assert (texts(with_)[0], texts(with_)[1]) == ("20.0", "5.0")
    assert (texts(without)[0], texts(without)[1]) == ("4.0", "6.0")
    assert (texts(difference)[0], texts(difference)[1]) == ("+16.0", "-1.0")


def test_both_groups_and_random_weights_share_a_scale_and_the_difference_is_symmetric(groups):
    random = np.full(17, 0.7 / 16)
    random[16] = 0.3
    figure = plot_group_bullseyes(groups, randomised=random)
    assert scales_of(figure) == [(0, 30), (0, 30), (-16, 16), (0, 30)]
    last = maps_of(figure)[3]
    assert "random weights" in last.get_title()
    assert texts(last)[16] == "30.0"
    # Without it, the brightest is the segment with 20 %.
    assert scales_of(plot_group_bullseyes(groups)) == [(0, 20), (0, 20), (-16, 16)]


def test_contributions_share_one_scale_that_is_white_at_zero_and_have_signs():
    more, less = np.zeros(17), np.zeros(17)
    more[0], less[1] = 0.254, -0.5
    figure = plot_contributions({"with\nexact": more, "without\nexact": less})
    one, other = maps_of(figure)
    assert one.get_title() == "with\nexact"
    assert (texts(one)[0], texts(one)[1], texts(other)[1]) == ("+0.25", "+0.00", "-0.50")
    assert scales_of(figure) == [(-0.5, 0.5)]
    first, second = (wedge for wedge in one.patches[:2])
    assert to_hex(second.get_facecolor()) == to_hex(colormaps["RdBu_r"](0.5))
    assert to_hex(first.get_facecolor()) == to_hex(colormaps["RdBu_r"](0.754))
    assert "logits" in figure.axes[-1].get_xlabel()


def test_dots_stand_in_the_segments_that_differ(groups):
    """Segment 3 is basal inferoseptal, around 210 degrees: x, y = 0.875 * (cos, sin) =
    (-0.758, -0.438). Segment 10 is mid inferior: (0, -0.625). Dots stand just below the middle."""
    figure = plot_group_bullseyes(groups)
    *others, difference = maps_of(figure)
    (sure,), (likely,) = marked(difference, "max-T"), marked(difference, "BH")
    np.testing.assert_allclose(sure.get_xydata(), [[-0.758, -0.438]], atol=0.1)
    np.testing.assert_allclose(likely.get_xydata(), [[0, -0.625]], atol=0.1)
    assert to_hex(sure.get_markerfacecolor()) == "#000000"
    assert to_hex(likely.get_markerfacecolor()) == "#ffffff"
    assert likely.get_markersize() < sure.get_markersize()
    assert not any(ax.lines for ax in others)
    assert "max-T" in figure.legends[0].texts[0].get_text()


def test_group_bullseyes_refuse_what_is_not_17_segments(groups):
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
    with_, without, difference = maps_of(figure)
    assert with_.get_title() == "with diabetes\nn = 3"
    assert without.get_title() == "without\nn = 1"
    row = [ax.images[0].get_array()[16, [4, 28]].tolist() for ax in (with_, without, difference)]
    np.testing.assert_allclose(row, [[1.5, 0.5], [0.5, 1.5], [1, -1]])
    assert difference.images[0].get_clim() == pytest.approx((-1, 1))
    assert with_.images[0].get_clim() == without.images[0].get_clim() == pytest.approx((0, 1.5))


def test_a_difference_map_refuses_one_class_and_odd_labels():
    heat = np.ones((3, 16, 16))
    with pytest.raises(ValueError, match="No study with label 0"):
        plot_difference_map(heat, [1, 1, NAN])
    with pytest.raises(ValueError, match="3 maps need as many labels"):
        plot_difference_map(heat, [1, 0])


def test_an_outline_encloses_the_highest_15_percent_of_the_disc_upright(cohort):
    """Attribution falls from the anterior wall, row 0, downwards without ties."""
    maps = cohort.maps["stress"][:1]
    disc = pn.anatomy.disc_mask(64)
    falling = np.where(disc, 64.0 * 64 - np.arange(64 * 64).reshape(64, 64), 0)
    figure = plot_overlays(maps, falling[None], rows=[0], titles=["one"], map_type="stress",
                           unit="mL/min/g")  # fmt: skip
    chosen = inside(maps_of(figure)[2], 64)
    assert chosen.sum() == pytest.approx(0.15 * disc.sum(), abs=3)
    highest = falling >= np.sort(falling[disc])[-int(chosen.sum())]
    np.testing.assert_array_equal(chosen, highest & disc)


def test_overlays_scale_flow_absolutely_and_attribution_to_the_study(cohort):
    """Attribution 1 to 100 over the disc: the 99th percentile of 0..c is 0.99 c."""
    maps = cohort.maps["stress"][:3]
    disc = pn.anatomy.disc_mask(64)
    heat = np.zeros_like(maps)
    heat[:, disc] = np.linspace(0, 1, disc.sum())
    heat[2] *= 500
    figure = plot_overlays(maps, heat, rows=[2, 0], titles=["third", "first"], map_type="stress",
                           unit="mL/min/g", randomised=heat[:, ::-1])  # fmt: skip
    axes = np.reshape(maps_of(figure), (2, 4))
    assert axes[0, 0].images[0].get_clim() == axes[0, 2].images[0].get_clim() == (0, 4)
    np.testing.assert_array_equal(axes[0, 0].images[0].get_array()[disc], maps[2][disc])
    for line in axes:
        assert line[1].images[0].get_clim() == line[3].images[0].get_clim() == (0, 1)
        assert line[1].images[0].get_array().max() == pytest.approx(1 / 0.99, rel=1e-3)
        # Upside down, as it was given.
        assert line[3].images[0].get_array()[:32].mean() > line[1].images[0].get_array()[:32].mean()
    assert axes[0, 2].images[0].get_cmap().name == "gray"
    assert axes[0, 0].images[0].get_cmap().name != axes[0, 1].images[0].get_cmap().name
    assert "third" in texts(axes[0, 0])
    assert "first" in texts(axes[1, 0])
    assert axes[0, 3].get_title() == "random weights"


def test_a_study_without_attribution_says_so_and_has_no_outline(cohort):
    maps = cohort.maps["stress"][:2]
    heat = np.zeros_like(maps)
    heat[1, 20:30, 20:30] = -1
    figure = plot_overlays(maps, heat, rows=[0, 1], titles=["a", "b"], map_type="stress",
                           unit="mL/min/g")  # fmt: skip
    for line in np.reshape(maps_of(figure), (2, 3)):
        assert "no attribution" in texts(line[1])
        assert not line[2].collections


def test_overlays_refuse_what_does_not_fit(cohort):
    maps = cohort.maps["stress"][:2]
    kind = {"map_type": "stress", "unit": "mL/min/g"}
    with pytest.raises(ValueError, match=r"heat must have the shape of maps \(2, 64, 64\)"):
        plot_overlays(maps, maps[:1], rows=[0], titles=["a"], **kind)
    with pytest.raises(ValueError, match="randomised must have the shape"):
        plot_overlays(maps, maps, rows=[0], titles=["a"], randomised=maps[:1], **kind)
    with pytest.raises(ValueError, match="2 rows and 1 titles"):
        plot_overlays(maps, maps, rows=[0, 1], titles=["a"], **kind)


def test_each_study_stands_beside_what_each_method_makes_of_it(cohort):
    maps = cohort.maps["stress"][:2]
    disc = pn.anatomy.disc_mask(64)
    heats = {"gradient": np.where(disc, [[[1.0]], [[5.0]]], 0), "occlusion": maps}
    figure = plot_methods(
        maps, heats, titles=["first", "second"], map_type="stress", unit="mL/min/g",
        notes={"gradient": ["names LAD", "names none"], "occlusion": ["names RCA", "names LCx"]},
    )  # fmt: skip
    axes = np.reshape(maps_of(figure), (2, 3))
    assert [ax.get_title() for ax in axes[0]] == ["stress map", "gradient", "occlusion"]
    for ax, said in zip(axes[1], ("second", "names none", "names LCx"), strict=True):
        assert said in texts(ax)
    np.testing.assert_array_equal(axes[1, 0].images[0].get_array()[disc], maps[1][disc])
    # Attribution is a share of the study's own 99th percentile: an even one is 1 all over.
    for line in axes:
        assert (line[1].images[0].get_array()[disc] == 1).all()


def test_failed_checks_stand_on_top_in_words_and_with_their_own_marker():
    figure = plot_checks(CHECKS, method="SmoothGrad")
    assert figure.get_suptitle() == "SmoothGrad: 1 of 3 checks failed"
    rows = np.reshape(figure.axes, (3, 3))
    assert [texts(row[0])[0] for row in rows] == [c.name for c in (FAILED, OPEN, PASSED)]
    assert [texts(row[2])[0] for row in rows] == ["FAILED", "not judged", "passed"]
    assert "heart muscle" in " ".join(texts(rows[0, 2])[1].split())
    failed, passed = (marked(rows[k, 1], "value")[0] for k in (0, 2))
    assert failed.get_marker() != passed.get_marker()
    assert list(failed.get_xdata()) == [2.6]
    assert list(marked(rows[0, 1], "interval")[0].get_xdata()) == [2.2, 3.1]
    assert list(marked(rows[0, 1], "reference")[0].get_xdata()) == [2.0, 2.0]
    assert "no value" in texts(rows[1, 1])
    assert not rows[1, 1].lines


def test_figures_refuse_empty_tables():
    with pytest.raises(ValueError, match="no check to draw"):
        plot_checks([], method="gradient")
    with pytest.raises(ValueError, match="columns low, high too"):
        plot_cascade(CASCADE[["layer", "value"]])
    with pytest.raises(ValueError, match="at least one row"):
        plot_cascade(CASCADE.head(0))


def test_a_cascade_keeps_its_order_above_the_level_of_two_patients():
    level = Level(0.18, 0.1, 0.26)
    (ax,) = plot_cascade(CASCADE, level=level).axes
    (line,) = marked(ax, "value")
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.8], [1, 0.5], [2, 0.2]])
    assert [t.get_text() for t in ax.get_xticklabels()] == list(CASCADE["layer"])
    band = next(patch for patch in ax.patches if patch.get_gid() == "level")
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.1, 0.26))
    corners = {tuple(c) for c in ax.collections[0].get_paths()[0].vertices.round(9)}
    assert {(0, 0.7), (0, 0.9), (2, 0.1), (2, 0.3)} <= corners


def test_methods_are_sorted_comparators_hollow_and_the_margin_decides(naming):
    """A lower end of -0.03 is not below -0.03; -0.031 is."""
    figure = plot_naming(naming, reference="lowest stress")
    left, right = figure.axes
    names = [t.get_text() for t in left.get_yticklabels()]
    assert names == ["supervised", "lowest stress", "occlusion", "gradient"]
    values = marked(left, "value")
    assert [line.get_xdata()[0] for line in values] == [0.9, 0.8, 0.79, 0.78]
    fills = [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in values]
    assert fills == [True, True, False, False]
    said = {text.get_position()[1]: text.get_text() for text in right.texts}
    assert said == {2: "localises", 3: "not shown to localise"}
    assert marked(right, "margin")[0].get_xdata()[0] == -0.03
    assert "minus lowest stress" in right.get_xlabel()
    ends = [tuple(line.get_xdata()) for line in marked(right, "interval")]
    assert ends[2:] == [(-0.03, 0.02), (-0.031, 0.01)]


def test_texts_neither_overlap_nor_leave_their_figure(groups, naming):
    figures = [
        plot_group_bullseyes(groups, label="impaired MFR", randomised=np.full(17, 1 / 17)),
        plot_contributions(
            dict.fromkeys(
                ("with impaired MFR\nnetwork, occlusion", "b", "c", "d"), np.full(17, -0.25)
            )
        ),
        plot_checks(CHECKS, method="SmoothGrad"),
        plot_cascade(CASCADE, level=Level(0.18, 0.1, 0.26)),
        plot_naming(naming, reference="lowest stress"),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        places = {t: t.get_window_extent() for t in words(figure) if t.get_text()}
        places = {t: box for t, box in places.items() if box.width > 1}
        for text, box in places.items():
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
        for (one, a), (two, b) in combinations(places.items(), 2):
            assert not a.overlaps(b), (one, two)


def page_of(folder, **changes):
    given = {
        "figures": {"Mean by segment": Figure(figsize=(2, 1)), "By pixel": Figure(figsize=(2, 1))},
        "tables": {"Methods": pd.DataFrame({"method": ["gradient"], "p_bh": [0.00001]})},
        "checks": CHECKS,
        "facts": {"trait": "impaired MFR", "command": "polarnet explain --seed 7"},
        "is_phantom": True,
    }
    path = write_explanation(folder / "page.html", **given | changes)
    return path.read_text(encoding="utf-8")


def test_the_page_names_failed_checks_before_and_beside_every_picture(tmp_path):
    page = page_of(tmp_path)
    top = page.index("1 of 3 checks failed")
    assert top < page.index("How to read the pictures") < page.index("<img")
    assert page.count(f"Checks failed: {FAILED.name}.") == page.count("<img") == 2
    order = [page.index(f"{word}: ") for word in ("FAILED", "not judged", "passed")]
    assert order == sorted(order)
    assert "value [95 % interval] 2.60 [2.20, 3.10], held against 2.00" in page
    assert "checks passed" not in page


def test_the_page_says_what_was_not_checked_or_not_judged(tmp_path):
    nothing = page_of(tmp_path, checks=[])
    assert "Nothing was checked" in nothing
    assert nothing.count("Not checked.") == 2
    assert "<h2>Checks" not in nothing
    doubtful = page_of(tmp_path, checks=[PASSED, OPEN])
    assert f"Not judged:</strong> {OPEN.name}" in doubtful
    assert "checks passed" not in doubtful
    assert "All 1 checks passed" in page_of(tmp_path, checks=[PASSED])


def test_the_page_says_what_pictures_do_not_mean_and_how_to_make_it_again(tmp_path):
    page = page_of(tmp_path)
    for sentence in ("No cause", "bright is not diseased", "Nothing about one patient"):
        assert sentence in page
    assert "<pre>polarnet explain --seed 7</pre>" in page
    assert "<dt>trait</dt><dd>impaired MFR</dd>" in page
    assert page.count("polarnet explain --seed 7") == 1
    assert "&lt;0.001" in page
    assert 'alt="Mean by segment"' in page


def test_the_page_says_phantom_only_of_a_phantom(tmp_path):
    phantom, patients = page_of(tmp_path), page_of(tmp_path, is_phantom=False)
    assert "Phantom, not patients" in phantom
    # Two figures and a table.
    assert phantom.count("(phantom, not patients)") == 3
    assert "phantom" not in patients.lower()


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
