from itertools import combinations

import numpy as np
import pytest
from drawn import extents
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from polarnet.plotting import Box, plot_participants
from polarnet.plotting.style import SMALL

LABELS = ("labels, with / without", "impaired MFR 290 / 550", "dyslipidemia 420 / 420")
FLOW = [
    [Box(("1,412 scans",), ("left out: 38", "17 with values above 10 mL/min/g"))],
    [Box(("1,374 scans of 1,200 patients",))],
    [Box(("training", "840 patients")), Box(("validation", "180")), Box(("test", "180"))],
    [Box(LABELS), Box(LABELS), Box(LABELS)],
]
LONG = [[Box((3 * "impaired MFR 290 / 550, " + "more",))]]
ASIDE = [[Box(("a",), ("left out: " + 8 * "studies ",))], [Box(("b",))]]
LAST = [[Box(("a",))], [Box(("b",), ("left out: 2",))]]


def frames(ax):
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize("dots_per_inch", [72, 100, 200, 600])
@pytest.mark.parametrize("flow", [FLOW, LONG, ASIDE, LAST], ids=["whole", "long", "aside", "last"])
def test_every_text_of_a_flow_is_in_its_box_at_any_resolution(flow, dots_per_inch):
    ax = plot_participants(flow)
    ax.figure.set_dpi(dots_per_inch)
    places = extents(ax.figure)
    boxes = [frame.get_window_extent() for frame in frames(ax)]
    lines = [some for level in flow for box in level for some in (box.lines, box.left_out) if some]
    assert sorted(t.get_text() for t in places) == sorted("\n".join(some) for some in lines)
    assert len(boxes) == len(lines)
    for text, extent in places.items():
        homes = [b for b in boxes if b.x0 < extent.x0 < extent.x1 < b.x1
                 and b.y0 < extent.y0 < extent.y1 < b.y1]  # fmt: skip
        assert len(homes) == 1, text
    for one, two in combinations(boxes, 2):
        assert not one.overlaps(two)
    whole = ax.figure.bbox
    assert all(whole.x0 <= b.x0 and b.x1 <= whole.x1 for b in boxes)
    assert all(whole.y0 <= b.y0 and b.y1 <= whole.y1 for b in boxes)


@pytest.mark.parametrize("size", [(2.0, 2.0), (9.0, 6.0)], ids=["small", "large"])
def test_a_flow_on_given_axes_keeps_its_texts_in_their_boxes(size):
    ax = plot_participants(FLOW, Figure(figsize=size).add_axes((0, 0, 1, 1)))
    boxes = [frame.get_window_extent() for frame in frames(ax)]
    for text, extent in extents(ax.figure).items():
        assert any(b.x0 < extent.x0 < extent.x1 < b.x1 for b in boxes), text
    assert {text.get_fontsize() < SMALL for text in ax.texts if text.get_text()} == {size[0] < 3}


def test_no_room_is_left_at_the_left_of_a_flow_for_what_stands_at_its_right():
    ax = plot_participants(ASIDE)
    left = min(frame.get_x() for frame in frames(ax))
    right = ax.get_xlim()[1] - max(frame.get_x() + frame.get_width() for frame in frames(ax))
    assert left == pytest.approx(right)


def test_arrows_of_a_flow_lead_from_level_to_level():
    """1 to 1, 1 to 3, 3 to 3, and one aside: eight heads; each ends at the frame of a box."""
    ax = plot_participants(FLOW)
    heads = [t.xy for t in ax.texts if not t.get_text()]
    assert len(heads) == 1 + 3 + 3 + 1
    tops = [(b.get_x() + b.get_width() / 2, b.get_y() + b.get_height()) for b in frames(ax)]
    down = [head for head in heads if any(np.allclose(head, top) for top in tops)]
    assert len(down) == 7


A = Box(("a",))


@pytest.mark.parametrize(
    ("flow", "match"),
    [
        ([[A, A], [A, A, A]], "2 boxes cannot be joined to the 3"),
        ([[A], []], "at least one box"),
        ([[A, Box(("b",), ("c",))]], "alone on its level"),
    ],
)
def test_a_flow_refuses_what_cannot_be_joined(flow, match):
    with pytest.raises(ValueError, match=match):
        plot_participants(flow)
