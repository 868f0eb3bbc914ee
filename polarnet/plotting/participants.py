"""The flow of participants: from scans to patients, splits and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from polarnet.plotting.style import SMALL

SMALLEST: Final = 4.5
"""Points; smaller text is not drawn (our choice)."""

_PAD, _GAP, _ARROW = 0.07, 0.14, 0.24
"""Inches at 7 points: text to frame, frame to frame in a level, level to level."""

_FITTED = 1.1
"""Width of a drawn line over that of its outlines: letters are fitted to pixels, and take at most
1.09 at 200 dots per inch, 1.06 at 300 (measured on four lines at 4.5 to 7 points)."""

_LINE = 1.25
"""Height of a line of text over its size."""


@dataclass(frozen=True)
class Box:
    """Lines of one box, and of the box beside the arrow below it that says who was left out."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Level:
    """Inches that a level takes at 7 points: its boxes, and the box beside the arrow below."""

    width: float
    height: float
    aside_width: float
    aside_height: float

    @property
    def below(self) -> float:
        """From this level to the next."""
        return _ARROW + (self.aside_height + _GAP if self.aside_height else 0.0)


def plot_participants(boxes: Sequence[Sequence[Box]], ax: Axes | None = None) -> Axes:
    """Draw the participant flow: boxes level by level, joined by arrows.

    Parameters
    ----------
    boxes
        Levels from the top. A level of one joins all boxes of the next; levels of the same length
        are joined one to one. Only a level of one can say who was left out.
    ax
        Axes to draw on; text is made smaller until it fits. Default: new ones of the size it takes.

    Returns
    -------
    The axes, in inches.

    Raises
    ------
    ValueError: a level is empty or cannot be joined to the next, or the axes are too small.
    """
    _check(boxes)
    levels = [_level(level) for level in boxes]
    width = _GAP + max(
        max(len(of) * level.width + (len(of) - 1) * _GAP, 2 * (_ARROW + level.aside_width))
        for of, level in zip(boxes, levels, strict=True)
    )
    height = _GAP + sum(level.height + level.below for level in levels)
    # A box beside the last level has no arrow below it, but takes its room.
    height -= 0.0 if levels[-1].aside_height else levels[-1].below
    scale, room = 1.0, (width, height)
    if ax is None:
        ax = Figure(figsize=room).add_axes((0, 0, 1, 1))
        ax.axis("off")
    else:
        ax.axis("off")
        whole: Any = ax.get_figure(root=True)
        whole.draw_without_rendering()  # the layout decides how large the axes are
        extent = ax.get_window_extent()
        room = extent.width / ax.figure.dpi, extent.height / ax.figure.dpi
        scale = min(1.0, room[0] / width, room[1] / height)
        if scale * SMALL < SMALLEST:
            smallest = SMALLEST / SMALL
            raise ValueError(
                f"The flow needs {smallest * width:.1f} x {smallest * height:.1f} inches at "
                f"{SMALLEST} points, but the axes are {room[0]:.1f} x {room[1]:.1f}. "
                "Make the figure larger."
            )
    ax.set(xlim=(0, room[0]), ylim=(0, room[1]))
    _draw(ax, boxes, levels, scale, (room[0] / 2, (room[1] + scale * (height - _GAP)) / 2))
    return ax


def _check(boxes: Sequence[Sequence[Box]]) -> None:
    if not boxes or not all(boxes):
        raise ValueError("A flow needs at least one box at every level.")
    for level, below in pairwise(boxes):
        if len(level) != len(below) and len(level) > 1:
            raise ValueError(f"{len(level)} boxes cannot be joined to the {len(below)} below them.")
    if any(box.left_out for level in boxes if len(level) > 1 for box in level):
        raise ValueError("Only a box alone on its level can say who was left out.")


def _level(level: Sequence[Box]) -> _Level:
    sizes = [_size(box.lines) for box in level]
    return _Level(max(w for w, _ in sizes), max(h for _, h in sizes), *_size(level[0].left_out))


def _size(lines: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches of the box that lines need at 7 points; nothing for no line."""
    if not lines:
        return 0.0, 0.0
    # Outlines, not what a renderer would draw: that differs from one resolution to another.
    width = max(TextPath((0, 0), line or " ", size=SMALL).get_extents().x1 for line in lines)
    return _FITTED * width / 72 + 2 * _PAD, len(lines) * _LINE * SMALL / 72 + 2 * _PAD


def _draw(
    ax: Axes, boxes: Sequence[Sequence[Box]], levels: Sequence[_Level], scale: float,
    start: tuple[float, float],
) -> None:  # fmt: skip
    """Boxes, texts and arrows, downwards from the middle of the upper edge."""
    middle, top = start
    above: list[tuple[float, float]] = []
    for level, size in zip(boxes, levels, strict=True):
        width, height = scale * size.width, scale * size.height
        step = width + scale * _GAP
        centres = [middle + step * (k - (len(level) - 1) / 2) for k in range(len(level))]
        for k, (x, box) in enumerate(zip(centres, level, strict=True)):
            _draw_box(ax, box.lines, (x, top - height / 2), (width, height), scale)
            if above:
                _draw_arrow(ax, above[0] if len(above) == 1 else above[k], (x, top), scale)
        bottom = top - height
        if size.aside_height:
            y, left = bottom - scale * size.below / 2, middle + scale * _ARROW
            aside = scale * size.aside_width, scale * size.aside_height
            _draw_box(ax, level[0].left_out, (left + aside[0] / 2, y), aside, scale)
            _draw_arrow(ax, (middle, y), (left, y), scale)
        above = [(x, bottom) for x in centres]
        top = bottom - scale * size.below


def _draw_box(
    ax: Axes, lines: Sequence[str], centre: tuple[float, float], size: tuple[float, float],
    scale: float,
) -> None:  # fmt: skip
    corner = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    ax.add_patch(Rectangle(corner, *size, fc="w", ec="0.3", lw=0.7))
    ax.text(*centre, "\n".join(lines), fontsize=scale * SMALL, ha="center", va="center")


def _draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], scale: float
) -> None:
    """Down, across and down again, or straight across; never oblique."""
    head = {"arrowstyle": "-|>,head_width=0.15,head_length=0.3", "color": "0.3", "lw": 0.7,
            "shrinkA": 0, "shrinkB": 0}  # fmt: skip
    if start[0] != end[0] and start[1] != end[1]:
        turn = end[1] + _ARROW * scale / 2
        ax.plot([start[0], start[0], end[0]], [start[1], turn, turn], color="0.3", lw=0.7)
        start = (end[0], turn)
    ax.annotate("", end, start, arrowprops=head)
