"""The participant flow: from scans to patients, splits and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from polarnet.report.style import SMALL

SMALLEST: Final = 4.5
"""Points; smaller text is not drawn (our choice)."""

_PAD, _GAP, _ARROW = 0.07, 0.14, 0.24
"""Inches: text to frame, frame to frame in a level, level to level, at 7 points."""

_FITTED = 1.1
"""Width of a drawn line over that of its outlines: at most 1.09 at 200 dots an inch, 1.06 at 300
(measured on four lines at 4.5 to 7 points)."""


@dataclass(frozen=True)
class Box:
    """Lines of one box, and of the box beside the arrow below it that says who was left out."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def plot_flow(boxes: Sequence[Sequence[Box]], ax: Axes | None = None) -> Axes:
    """Draw boxes level by level, joined by arrows.

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
    if ax is None:
        figure = Figure(figsize=(1, 1))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.axis("off")
        width, height, _ = _sizes(ax, boxes, SMALL)
        figure.set_size_inches(width, height)
        _draw(ax, boxes, SMALL, (width, height))
        return ax
    ax.axis("off")
    whole: Any = ax.get_figure(root=True)
    whole.draw_without_rendering()  # the layout decides how large the axes are
    room = _inches(ax, ax)
    size = float(SMALL)
    while True:
        width, height, _ = _sizes(ax, boxes, size)
        if width <= room[0] and height <= room[1]:
            break
        size -= 0.25
        if size < SMALLEST:
            raise ValueError(
                f"The flow needs {width:.1f} x {height:.1f} inches at {SMALLEST} points, but the "
                f"axes are {room[0]:.1f} x {room[1]:.1f}. Make the figure larger."
            )
    _draw(ax, boxes, size, room)
    return ax


def _check(boxes: Sequence[Sequence[Box]]) -> None:
    if not boxes or not all(boxes):
        raise ValueError("A flow needs at least one box at every level.")
    for level, below in pairwise(boxes):
        if len(level) != len(below) and len(level) > 1:
            raise ValueError(f"{len(level)} boxes cannot be joined to the {len(below)} below them.")
    if any(box.left_out for level in boxes if len(level) > 1 for box in level):
        raise ValueError("Only a box alone on its level can say who was left out.")


def _sizes(
    ax: Axes, boxes: Sequence[Sequence[Box]], points: float
) -> tuple[float, float, list[tuple[float, float, float, float]]]:
    """Width and height of the whole, and of each level's boxes and its box beside, in inches."""
    scale = points / SMALL
    levels = []
    for level in boxes:
        texts = [_extent(ax, box.lines, points) for box in level]
        aside = _extent(ax, level[0].left_out, points)
        levels.append((max(w for w, _ in texts), max(h for _, h in texts), *aside))
    widths = [
        max(len(level) * w + (len(level) - 1) * _GAP * scale, 2 * (_ARROW * scale + aside_w))
        for level, (w, _, aside_w, _) in zip(boxes, levels, strict=True)
    ]
    gaps = [_gap(aside_h, scale) for _, _, _, aside_h in levels]
    edge = _GAP * scale
    height = sum(h for _, h, _, _ in levels) + sum(gaps[:-1]) + edge
    # A box beside the last level has no arrow below it, but takes its room.
    height += gaps[-1] if boxes[-1][0].left_out else 0
    return max(widths) + edge, height, levels


def _gap(aside_height: float, scale: float) -> float:
    """Inches from a level to the next."""
    return _ARROW * scale + (aside_height + _GAP * scale if aside_height else 0)


def _extent(ax: Axes, lines: Sequence[str], points: float) -> tuple[float, float]:
    """Width and height of the box that lines need, in inches; nothing for no line."""
    if not lines:
        return 0.0, 0.0
    text = ax.text(0, 0, "\n".join(lines), fontsize=points)
    width, height = _inches(ax, text)
    # Letters are fitted to pixels: at another resolution, or as vectors, a line has another width.
    outlines = [TextPath((0, 0), line, size=points, prop=text.get_fontproperties())
                for line in lines]  # fmt: skip
    width = max(width, *(_FITTED * outline.get_extents().x1 / 72 for outline in outlines))
    text.remove()
    return width + 2 * _PAD, height + 2 * _PAD


def _inches(ax: Axes, artist: Artist) -> tuple[float, float]:
    """Width and height as drawn."""
    box = artist.get_window_extent()
    return box.width / ax.figure.dpi, box.height / ax.figure.dpi


def _draw(
    ax: Axes, boxes: Sequence[Sequence[Box]], points: float, room: tuple[float, float]
) -> None:
    """Boxes, texts and arrows, centred in the room."""
    scale = points / SMALL
    _, height, levels = _sizes(ax, boxes, points)
    ax.set(xlim=(0, room[0]), ylim=(0, room[1]))
    middle, top = room[0] / 2, (room[1] + height - _GAP * scale) / 2
    above: list[tuple[float, float]] = []
    for level, (w, h, aside_w, aside_h) in zip(boxes, levels, strict=True):
        step = w + _GAP * scale
        centres = [middle + step * (k - (len(level) - 1) / 2) for k in range(len(level))]
        for k, (x, box) in enumerate(zip(centres, level, strict=True)):
            _draw_box(ax, box.lines, (x - w / 2, top - h, w, h), points)
            if above:
                start = above[0] if len(above) == 1 else above[k]
                _draw_arrow(ax, start, (x, top), scale)
        bottom = top - h
        gap = _gap(aside_h, scale)
        if aside_h:
            left, y = middle + _ARROW * scale, bottom - gap / 2
            _draw_box(ax, level[0].left_out, (left, y - aside_h / 2, aside_w, aside_h), points)
            _draw_arrow(ax, (middle, y), (left, y), scale)
        above = [(x, bottom) for x in centres]
        top = bottom - gap


def _draw_box(
    ax: Axes, lines: Sequence[str], place: tuple[float, float, float, float], points: float
) -> None:
    left, bottom, width, height = place
    ax.add_patch(Rectangle((left, bottom), width, height, fc="w", ec="0.3", lw=0.7))
    ax.text(left + width / 2, bottom + height / 2, "\n".join(lines), fontsize=points,
            ha="center", va="center")  # fmt: skip


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
