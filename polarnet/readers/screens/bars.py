"""Where the colour bar lies on a screen, without its frame and ticks."""

from typing import Final, NamedTuple

import numpy as np
from scipy.ndimage import find_objects, label

from polarnet.readers.screens.colours import bar_colours
from polarnet.readers.screens.discs import Disc
from polarnet.readers.screens.panels import GROUND, View, views

Bar = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are the first ones beyond."""

_BRIGHTNESS: Final = np.array([0.299, 0.587, 0.114])
"""Of red, green, blue as JPEG stores it, at full resolution (ITU-T T.871)."""

_FRAME: Final = 0.25
"""Share of a bar's change in brightness along its length, above which no frame has it (ours)."""

_LONGEST_FADE: Final = 0.1
"""Share of a bar that may fade into the background (our choice)."""


class FoundBar(NamedTuple):
    """A colour bar without its frame, and the ends that fade into the background."""

    box: Bar
    has_frame: bool
    ground: np.ndarray
    faded: tuple[str, ...] = ()


def find_bar(picture: np.ndarray, disc: Disc) -> FoundBar:
    """The one colour bar on a screen (rows, columns, 3), beside the disc.

    Raises
    ------
    ValueError: there is none, or more than one.
    """
    found = []
    for view in views(picture):
        labels, _ = label(view.things)
        for k, place in enumerate(find_objects(labels), start=1):
            sides = sorted(s.stop - s.start for s in place)
            if sides[0] < 4 or sides[1] < 50 or sides[1] < 2.5 * sides[0]:
                continue
            grown = tuple(
                slice(max(s.start - sides[1] // 5, 0), s.stop + sides[1] // 5) for s in place
            )
            part = View(
                view.top + grown[0].start,
                view.left + grown[1].start,
                view.picture[grown],
                view.ground,
                labels[grown] == k,
            )
            bar = _as_bar(part)
            if bar and not _is_inside(bar.box, disc):
                found.append(bar)
    if not found:
        raise ValueError(
            "no colour bar was found on the screen, and colours cannot be read without: "
            "say where it is by bar (top, left, bottom, right)"
        )
    if len(found) > 1:
        raise ValueError(
            f"several colour bars ({len(found)}) are on the screen: "
            "say which by bar (top, left, bottom, right)"
        )
    return found[0]


def low_end_first(picture: np.ndarray, bar: Bar) -> np.ndarray:
    """Pixels (length, width, 3) of a bar; low is at the bottom, or at the left."""
    top, left, bottom, right = bar
    strip = picture[top:bottom, left:right]
    return strip[::-1] if bottom - top >= right - left else strip.transpose(1, 0, 2)


def _is_inside(bar: Bar, disc: Disc) -> bool:
    """Whether the middle of a bar lies in a disc: then it is a piece of the map."""
    top, left, bottom, right = bar
    return bool(np.hypot((top + bottom) / 2 - disc[0], (left + right) / 2 - disc[1]) < disc[2])


def _as_bar(view: View) -> FoundBar | None:
    """The one thing of a view as a colour bar without frame and ticks, if it is one."""
    rows, columns = np.nonzero(view.things)
    tall = bool(np.ptp(rows) >= np.ptp(columns))
    picture, thing = view.picture, view.things
    if not tall:
        picture, thing = picture.swapaxes(0, 1), thing.T
    # Ticks and labels beside the bar touch few of its rows.
    across, along = thing.sum(axis=0), thing.sum(axis=1)
    wide = np.flatnonzero(across > 0.8 * across.max())
    long = np.flatnonzero(along > 0.8 * np.median(along[along > 0]))
    left, right, top, bottom = wide[0], wide[-1] + 1, long[0], long[-1] + 1
    if thing[top:bottom, left:right].mean() < 0.9:
        return None
    strip = picture[top:bottom, left:right].astype(float)
    middle = np.median(strip[:, strip.shape[1] // 2 - 1 : strip.shape[1] // 2 + 2], axis=1)
    off = np.median(np.abs(strip - middle[:, None]).max(axis=2), axis=0)
    plain = np.flatnonzero(off <= GROUND)
    if not len(plain):
        return None
    outer, left, right = (left, right), left + plain[0], left + plain[-1] + 1
    if right - left < 4 or bottom - top < max(50, 3 * (right - left)):
        return None
    strip = picture[top:bottom, left:right].astype(float)
    colours = bar_colours(strip)
    if np.percentile(np.abs(strip - colours[:, None]).max(axis=2).mean(axis=1), 80) > GROUND:
        return None
    if np.linalg.norm(colours.max(axis=0) - colours.min(axis=0)) < 100:
        return None
    frames = [
        _frame(picture @ _BRIGHTNESS, view.ground @ _BRIGHTNESS, (top, bottom), middle, columns)
        for columns in (range(outer[0], left), range(right, outer[1]))
    ]
    faded: list[str] = []
    if all(frames):
        ends = np.array(frames)
        top, bottom = ends[:, 0].max(), ends[:, 1].min()
    else:
        quarter = (right - left) // 4
        rows = np.median(picture[:, left + quarter : right - quarter].astype(float), axis=1)
        apart = np.linalg.norm(rows - view.ground, axis=1)
        bottom, fades = _end(apart, bottom - top, bottom)
        if fades:
            faded.append("low" if tall else "high")
        n_above, fades = _end(apart[::-1], bottom - top, len(apart) - top)
        top = len(apart) - n_above
        if fades:
            faded.append("high" if tall else "low")
    box = (top, left, bottom, right) if tall else (left, top, right, bottom)
    top, left, bottom, right = (int(edge) for edge in box)
    moved = (top + view.top, left + view.left, bottom + view.top, right + view.left)
    return FoundBar(moved, all(frames), view.ground, tuple(faded))


def _frame(
    brightness: np.ndarray,
    ground: float,
    rows: tuple[int, int],
    middle: np.ndarray,
    columns: range,
) -> tuple[int, int] | None:
    """First and last row inside the frame that runs along one side of a bar, if one does.

    A frame has one brightness all along, which is not that of the background; a blurred edge
    changes with the bar.
    """
    along = brightness[slice(*rows), columns.start : columns.stop]
    contrast = np.abs(np.median(along, axis=0) - ground)
    change = np.median(np.abs(along - np.median(along, axis=0)), axis=0)
    bar = middle @ _BRIGHTNESS
    even = change < _FRAME * np.median(np.abs(bar - np.median(bar)))
    lines = np.flatnonzero(even & (contrast > 3 * GROUND))
    if not len(lines):
        return None
    best = lines[contrast[lines].argmax()]
    thickness = int((contrast[lines] > contrast[best] / 2).sum())
    seen = np.abs(brightness[:, columns[best]] - ground) > contrast[best] / 2
    parts, _ = label(seen)
    run = np.flatnonzero(parts == parts[(rows[0] + rows[1]) // 2])
    return int(run[0]) + thickness, int(run[-1]) + 1 - thickness


def _end(apart: np.ndarray, length: int, stop: int) -> tuple[int, bool]:
    """Where a bar without a frame ends, and whether it fades into the background there.

    Parameters
    ----------
    apart
        Distance of every row's colour from the background's, in levels; the bar ends near `stop`.
    """
    reach = int(_LONGEST_FADE * length)
    clear = np.flatnonzero(apart[: stop + 1] > 1.5 * GROUND)
    last = int(clear[-1]) if len(clear) else stop - 1
    # The last rows of a sharp end are blurred.
    rows = np.arange(last - 2 - reach, last - 2)
    slope, level = np.polyfit(rows - last, apart[rows], 1)
    if level > 4 * GROUND:
        return int(np.flatnonzero(apart[: stop + 1] > level / 2)[-1]) + 1, False
    n_more = min(max(round(level / -slope), 0), reach) if slope < 0 else 0
    return min(last + 1 + n_more, len(apart)), True
