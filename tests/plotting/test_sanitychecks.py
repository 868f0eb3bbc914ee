import numpy as np
import pandas as pd
import pytest
from drawn import assert_texts_stand_apart, corners, marked, texts
from made_study import CHECKS, FAILED, OPEN, PASSED

from polarnet.explain.checks import Level
from polarnet.plotting import plot_cascade, plot_checks

LEVEL = Level(0.18, 0.1, 0.26)
CASCADE = pd.DataFrame(
    {"layer": ["head", "block5_conv3", "block1_conv1"], "value": [0.8, 0.5, 0.2],
     "low": [0.7, 0.4, 0.1], "high": [0.9, 0.6, 0.3]}
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


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_checks(CHECKS, method="SmoothGrad"),
        lambda: plot_cascade(CASCADE, level=LEVEL).figure,
    ],
    ids=["checks", "cascade"],
)
def test_texts_neither_overlap_nor_leave_their_figure(draw):
    assert_texts_stand_apart(draw())
