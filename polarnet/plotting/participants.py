"""The flow of participants: from scans to patients, splits and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from polarnet.plotting.style import SMALL

_PAD, _GAP, _ARROW = 0.07, 0.14, 0.24
"""Inches: text to frame, frame to frame in a level, level to level."""

_FITTED: Final = 1.1
"""Width of a drawn line over that of its outlines: letters are fitted to pixels, and take at most
1.09 at 200 dots per inch, 1.06 at 300 (measured on four lines)."""

_LINE: Final = 1.25
"""Height of a line of text over its size."""


@dataclass(frozen=True)
class Box:
    """Lines of one box, and of the box beside the arrow below it that says who was left out."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def plot_participants(boxes: Sequence[Sequence[Box]], ax: Axes | None = None) -> Axes:
    """Draw the participant flow: boxes level by level, joined by arrows.

    Parameters
    ----------
    boxes
        Levels from the top. A level of one joins all boxes of the next; levels of the same length
        are joined one to one. Only a level of one can say who was left out.
    ax
        Axes to draw on, where they stand now; in smaller ones than the flow needs, its letters
        shrink with it. Default: those of a new figure as large as the texts need.

    Returns
    -------
    The axes, in inches where nothing was shrunk.

    Raises
    ------
    ValueError: a level is empty or cannot be joined to the next.
    """
    if not boxes or not all(boxes):
        raise ValueError("A flow needs at least one box at every level.")
    for level, below in pairwise(boxes):
        if len(level) != len(below) and len(level) > 1:
            raise ValueError(f"{len(level)} boxes cannot be joined to the {len(below)} below them.")
    if any(box.left_out for level in boxes if len(level) > 1 for box in level):
        raise ValueError("Only a box alone on its level can say who was left out.")
    sizes = np.array([np.max([_size(box.lines) for box in level], axis=0) for level in boxes])
    asides = np.array([_size(level[0].left_out) for level in boxes])
    steps = sizes[:, 1] + _ARROW + np.where(asides[:, 1] > 0, asides[:, 1] + _GAP, 0)
    numbers = np.array([len(level) for level in boxes])
    # The boxes of who was left out stand at the right alone: no room is kept for them at the left.
    middle = float(np.max(numbers * (sizes[:, 0] + _GAP))) / 2
    width = middle + max(middle, float(_ARROW + asides[:, 0].max()) + _GAP / 2)
    height = float(_GAP + steps.sum())
    if not boxes[-1][0].left_out:
        height -= _ARROW  # nothing stands below the last level
    ax = ax or Figure(figsize=(width, height)).add_axes((0, 0, 1, 1))
    room = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    scale = min(room.width / width, room.height / height, 1.0)
    ax.axis("off")
    ends = np.array([-1, 1])
    half = np.array([room.width, room.height]) / scale / 2
    ax.set(xlim=width / 2 + half[0] * ends, ylim=height / 2 + half[1] * ends)
    look = {"fontsize": SMALL * scale}
    top = height - _GAP / 2
    above: list[tuple[float, float]] = []
    for level, size, aside, step in zip(boxes, sizes, asides, steps, strict=True):
        bottom = top - size[1]
        places = middle + (size[0] + _GAP) * (np.arange(len(level)) - (len(level) - 1) / 2)
        for k, (x, box) in enumerate(zip(places, level, strict=True)):
            _draw_box(ax, box.lines, (x, top - size[1] / 2), size, look)
            if above:
                _draw_arrow(ax, above[k % len(above)], (x, top))
        if level[0].left_out:
            y, left = bottom - (step - size[1]) / 2, middle + _ARROW
            _draw_box(ax, level[0].left_out, (left + aside[0] / 2, y), aside, look)
            _draw_arrow(ax, (middle, y), (left, y))
        above, top = [(x, bottom) for x in places], top - step
    return ax


def _size(lines: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches of the box that lines need; nothing for no line."""
    if not lines:
        return 0.0, 0.0
    # Outlines, not what a renderer would draw: that differs from one resolution to another.
    width = max(TextPath((0, 0), line or " ", size=SMALL).get_extents().x1 for line in lines)
    return _FITTED * width / 72 + 2 * _PAD, len(lines) * _LINE * SMALL / 72 + 2 * _PAD


def _draw_box(
    ax: Axes,
    lines: Sequence[str],
    centre: tuple[float, float],
    size: np.ndarray,
    look: dict[str, Any],
) -> None:
    corner = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    ax.add_patch(Rectangle(corner, *size, fc="w", ec="0.3", lw=0.7))
    ax.text(*centre, "\n".join(lines), **look, ha="center", va="center")


def _draw_arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Down, across and down again, or straight across; never oblique."""
    line: dict[str, Any] = {"color": "0.3", "lw": 0.7}
    if start[0] != end[0] and start[1] != end[1]:
        turn = end[1] + _ARROW / 2
        ax.plot([start[0], start[0], end[0]], [start[1], turn, turn], **line)
        start = (end[0], turn)
    head = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", end, start, arrowprops=head | line)
