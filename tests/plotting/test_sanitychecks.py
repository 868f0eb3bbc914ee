import numpy as np
import pandas as pd
import pytest
from drawn import assert_texts_stand_apart, corners, marked, texts
from made_study import CHECKS, FAILED, OPEN, PASSED
from matplotlib.colors import to_hex

from polarnet.explain.checks import Level
from polarnet.plotting import plot_cascade, plot_checks, plot_naming

NAN = np.nan
LEVEL = Level(0.18, 0.1, 0.26)
CASCADE = pd.DataFrame(
    {"layer": ["head", "block5_conv3", "block1_conv1"], "value": [0.8, 0.5, 0.2],
     "low": [0.7, 0.4, 0.1], "high": [0.9, 0.6, 0.3]}
)  # fmt: skip
NAMING = pd.DataFrame(
    [
        ("gradient", 0.78, 0.74, 0.82, False, -0.02, -0.031, 0.01),
        ("supervised", 0.90, 0.87, 0.93, True, 0.10, 0.06, 0.14),
        ("occlusion", 0.79, 0.75, 0.83, False, -0.01, -0.03, 0.02),
        ("lowest stress", 0.80, 0.76, 0.84, True, NAN, NAN, NAN),
    ],
    columns=["method", "macro_f1", "ci_low", "ci_high", "is_comparator", "difference",
             "diff_low", "diff_high"],
)  # fmt: skip


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
    with pytest.raises(ValueError, match="no check to draw"):
        plot_checks([], method="gradient")


def test_a_cascade_keeps_its_order_above_the_level_of_two_patients():
    ax = plot_cascade(CASCADE, level=LEVEL)
    (line,) = marked(ax, "value")
    np.testing.assert_array_equal(line.get_xydata(), [[0, 0.8], [1, 0.5], [2, 0.2]])
    assert [t.get_text() for t in ax.get_xticklabels()] == list(CASCADE["layer"])
    band = next(patch for patch in ax.patches if patch.get_gid() == "level")
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.1, 0.26))
    assert {(0, 0.7), (0, 0.9), (2, 0.1), (2, 0.3)} <= corners(ax.collections[0])


def test_methods_are_sorted_comparators_hollow_and_the_margin_decides():
    """A lower end of -0.03 is not below -0.03; -0.031 is."""
    figure = plot_naming(NAMING, reference="lowest stress")
    left, right = figure.axes
    names = [t.get_text() for t in left.get_yticklabels()]
    assert names == ["supervised", "lowest stress", "occlusion", "gradient"]
    values = marked(left, "value")
    assert [line.get_xdata()[0] for line in values] == [0.9, 0.8, 0.79, 0.78]
    fills = [to_hex(line.get_markerfacecolor()) == "#ffffff" for line in values]
    assert fills == [True, True, False, False]
    said = {text.get_position()[1]: text.get_text() for text in right.texts}
    assert said == {0: "", 1: "", 2: "localises", 3: "not shown to localise"}
    assert marked(right, "margin")[0].get_xdata()[0] == -0.03
    assert "minus lowest stress" in right.get_xlabel()
    ends = [tuple(line.get_xdata()) for line in marked(right, "interval")]
    assert ends[2:] == [(-0.03, 0.02), (-0.031, 0.01)]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_checks(CHECKS, method="SmoothGrad"),
        lambda: plot_cascade(CASCADE, level=LEVEL).figure,
        lambda: plot_naming(NAMING, reference="lowest stress"),
    ],
    ids=["checks", "cascade", "naming"],
)
def test_texts_neither_overlap_nor_leave_their_figure(draw):
    assert_texts_stand_apart(draw())
