"""Where the polar map and its colour bar lie on a screen."""

import warnings
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.ndimage import binary_closing, binary_erosion, map_coordinates, median_filter
from skimage.measure import CircleModel, label, ransac, regionprops

Disc = tuple[float, float, float]
"""Row and column of the centre, and the radius, in pixels; the first pixel's centre is at 0."""

Bar = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are the first ones beyond."""

SMALLEST_DISC: Final = 24.0
"""Radius in pixels of the smallest map that is read (our choice)."""

GROUND: Final = 12
"""Levels by which something on a screen differs from the background (our choice)."""

_PANEL: Final = 96
"""Pixels of the side of the smallest panel with a background of its own (our choice)."""

_SEEN: Final = 0.4
"""Share of each ring of a disc that differs from the background (our choice): scars may be black,
and there is an empty ring between a map and a circle drawn around it."""

_MOST_DISCS: Final = 4
"""Discs looked for in one connected thing."""

_ROUND: Final = 0.6
"""Share of a circle that must be seen as an edge (our choice)."""

_BRIGHTNESS: Final = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the brightness that JPEG stores at full resolution (ITU-T
T.871)."""

_FRAME: Final = 0.25
"""Share of the bar's change in brightness: the frame along the bar changes less (our choice)."""

_LONGEST_FADE: Final = 0.1
"""Share of a bar that may fade into the background (our choice)."""


class FoundBar(NamedTuple):
    """A colour bar without its frame, and the ends that fade into the background."""

    box: Bar
    has_frame: bool
    ground: np.ndarray
    faded: tuple[str, ...] = ()


class _View(NamedTuple):
    """The screen, or a panel of it: its place, its background and what differs from that."""

    top: int
    left: int
    picture: np.ndarray
    ground: np.ndarray
    things: np.ndarray


def find_disc(picture: np.ndarray) -> Disc:
    """The one disc on a screen (rows, columns, 3).

    Raises
    ------
    ValueError: there is none, or more than one.
    """
    found = [
        _sharpened(view, circle)
        for view in _views(picture)
        for thing in regionprops(
            label(binary_closing(view.things, np.ones((5, 5))), connectivity=1)
        )
        if min(thing.image.shape) >= 2 * SMALLEST_DISC
        for circle in _circles(thing)
    ]
    apart: list[Disc] = []
    for row, column, radius in sorted(found, key=lambda disc: -disc[2]):
        # The apex is a disc within the disc; and a disc may be found twice.
        if all(np.hypot(row - y, column - x) + radius > 1.03 * r + 2 for y, x, r in apart):
            apart.append((row, column, radius))
    if not apart:
        raise ValueError(
            "no disc was found on the screen: say where it is by disc (row, column, radius)"
        )
    if len(apart) > 1:
        raise ValueError(
            f"several discs ({len(apart)}) are on the screen: "
            "say which by disc (row, column, radius)"
        )
    return apart[0]


def find_bar(picture: np.ndarray, disc: Disc) -> FoundBar:
    """The one colour bar on a screen (rows, columns, 3), beside the disc.

    Raises
    ------
    ValueError: there is none, or more than one.
    """
    found = []
    for view in _views(picture):
        labels = label(view.things, connectivity=1)
        for thing in regionprops(labels):
            short, long = sorted(thing.image.shape)
            if short < 4 or long < 50 or long < 2.5 * short:
                continue
            rows, columns = (slice(max(s.start - long // 5, 0), s.stop + long // 5)
                             for s in thing.slice)  # fmt: skip
            part = view._replace(
                top=view.top + rows.start,
                left=view.left + columns.start,
                picture=view.picture[rows, columns],
                things=labels[rows, columns] == thing.label,
            )
            if bar := _as_bar(part):
                top, left, bottom, right = bar.box
                middle = (top + bottom) / 2 - disc[0], (left + right) / 2 - disc[1]
                # Within the disc it is a piece of the map.
                if np.hypot(*middle) >= disc[2]:
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


def bar_colours(strip: np.ndarray) -> np.ndarray:
    """Colour (3) of each row of a bar (length, width, 3): the median of the middle of its width.

    A running median of five rows removes noise, and marks drawn across the bar.
    """
    width = strip.shape[1]
    middle = strip[:, width // 4 : max(width - width // 4, width // 4 + 1)]
    rows = np.median(middle.astype(float), axis=1)
    return median_filter(rows, size=(5, 1), mode="nearest") if len(rows) >= 50 else rows


def _views(picture: np.ndarray, top: int = 0, left: int = 0, depth: int = 2) -> Iterator[_View]:
    """The screen, then its panels: filled rectangles with a background of their own."""
    is_edge = np.ones(picture.shape[:2], bool)
    is_edge[2:-2, 2:-2] = False
    edge = picture[is_edge].astype(int)
    colours, counts = np.unique(edge // 8, axis=0, return_counts=True)
    common = 8 * colours[counts.argmax()] + 4
    ground = np.median(edge[(np.abs(edge - common) <= 8).all(axis=1)], axis=0)
    things = (np.abs(picture - ground.astype(np.int16)) > GROUND).any(axis=2)
    yield _View(top, left, picture, ground, things)
    for panel in _regions(things) if depth else ():
        if min(panel.image.shape) < _PANEL or panel.image.shape == things.shape:
            continue
        # A mere frame has nothing of its own inside.
        if panel.extent > 0.6 and panel.area_filled > 0.97 * panel.area_bbox:
            first_row, first_column = panel.bbox[:2]
            inner = picture[panel.slice][3:-3, 3:-3]
            yield from _views(inner, top + first_row + 3, left + first_column + 3, depth - 1)


def _regions(things: np.ndarray) -> list[Any]:
    """Connected regions, as scikit-image describes them."""
    return regionprops(label(things, connectivity=1))


# === Discs ===


def _circles(thing: Any) -> Iterator[Disc]:
    """Discs in one connected region of a view, the best first; what touches them is no matter."""
    rows, columns = np.indices(thing.image.shape)
    n_found = 0
    # A frame that touches the disc would be filled as a whole: then the region as it is.
    for start in (thing.image_filled, thing.image):
        rest = start.copy()
        while n_found < _MOST_DISCS and (circle := _circle(rest)):
            row, column, radius = circle
            share = np.hypot(rows - row, columns - column) / radius
            rings = [thing.image[np.abs(share - r) < 0.02].mean() for r in np.arange(0.5, 1, 0.05)]
            rest[share <= 1.04] = False
            if min(rings) > _SEEN:
                n_found += 1
                yield row + thing.bbox[0], column + thing.bbox[1], radius
        if n_found:
            return


def _circle(thing: np.ndarray) -> Disc | None:
    """The circle on which most of a thing's edge lies, if the edge covers most of the circle."""
    points = np.argwhere(thing & ~binary_erosion(thing))
    if len(points) < 50:
        return None
    largest = np.ptp(points, axis=0).max()
    circle, fits = _fitted(points, within=max(1.5, 0.006 * largest), largest=largest, n_trials=250)
    if circle is None:
        return None
    row, column, radius = circle
    angle = np.arctan2(*(points[fits] - (row, column)).T)
    covered = len(np.unique((angle + np.pi) * 36 // np.pi % 72)) / 72
    return (row, column, radius + 0.5) if covered >= _ROUND else None


def _fitted(
    points: np.ndarray, within: float, largest: float, n_trials: int
) -> tuple[Disc | None, np.ndarray]:
    """The circle near most points (n, 2), and which points these are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where no circle passes through the points
        model, fits = ransac(
            points, CircleModel, 3, within, max_trials=n_trials, rng=0,
            is_model_valid=lambda circle, *_: SMALLEST_DISC - 1 <= circle.radius <= largest,
        )  # fmt: skip
    if not model:
        return None, np.zeros(len(points), bool)
    row, column = model.center
    return (float(row), float(column), float(model.radius)), fits


def _sharpened(view: _View, circle: Disc) -> Disc:
    """A circle through where colours are half way between the background and just inside.

    JPEG leaves traces of an edge around it, on one side more than on another.
    """
    row, column, radius = circle
    angle = np.radians(np.arange(720) / 2)
    radii = (radius + np.arange(-6, 4, 0.25))[:, None]
    points = np.stack([row + radii * np.sin(angle), column + radii * np.cos(angle)])
    levels = np.linalg.norm(view.picture - view.ground, axis=2)
    apart = map_coordinates(levels, points, order=0, mode="nearest")
    inside = apart[:8].mean(axis=0)
    last = len(radii) - 1 - (apart > inside / 2)[::-1].argmax(axis=0)
    is_edge = np.flatnonzero((inside > 3 * GROUND) & (last < len(radii) - 2))
    if len(is_edge) >= 90:  # an eighth of the circle
        edge = points[:, last[is_edge], is_edge].T
        sharp, fits = _fitted(edge, within=0.75, largest=radius + 4, n_trials=100)
        if sharp and fits.sum() >= 90:
            row, column, radius = *sharp[:2], sharp[2] + 0.125
    return row + view.top, column + view.left, radius


# === Bars ===


def _as_bar(view: _View) -> FoundBar | None:
    """The one thing of a view as a colour bar without frame and ticks, if it is one."""
    is_tall = bool(np.greater_equal(*np.ptp(np.nonzero(view.things), axis=1)))
    picture, thing = view.picture, view.things
    if not is_tall:
        picture, thing = picture.swapaxes(0, 1), thing.T
    # Ticks and labels beside the bar touch few of its rows.
    across, along = thing.sum(axis=0), thing.sum(axis=1)
    wide = np.flatnonzero(across > 0.8 * across.max())
    long = np.flatnonzero(along > 0.8 * np.median(along[along > 0]))
    outer_left, outer_right, top, bottom = wide[0], wide[-1] + 1, long[0], long[-1] + 1
    if thing[top:bottom, outer_left:outer_right].mean() < 0.9:
        return None
    strip = picture[top:bottom, outer_left:outer_right].astype(float)
    middle = np.median(strip[:, strip.shape[1] // 2 - 1 : strip.shape[1] // 2 + 2], axis=1)
    off = np.median(np.abs(strip - middle[:, None]).max(axis=2), axis=0)
    plain = np.flatnonzero(off <= GROUND)
    if not len(plain):
        return None
    left, right = outer_left + plain[0], outer_left + plain[-1] + 1
    if right - left < 4 or bottom - top < max(50, 3 * (right - left)):
        return None
    strip = picture[top:bottom, left:right].astype(float)
    colours = bar_colours(strip)
    is_mixed = np.percentile(np.abs(strip - colours[:, None]).max(axis=2).mean(axis=1), 80) > GROUND
    if is_mixed or np.linalg.norm(np.ptp(colours, axis=0)) < 100:
        return None
    frames = [
        _frame(picture @ _BRIGHTNESS, view.ground @ _BRIGHTNESS, (top, bottom), middle, columns)
        for columns in (range(outer_left, left), range(right, outer_right))
    ]
    faded: list[str] = []
    if all(frames):
        ends = np.array(frames)
        top, bottom = ends[:, 0].max(), ends[:, 1].min()
    else:
        quarter = (right - left) // 4
        rows = np.median(picture[:, left + quarter : right - quarter].astype(float), axis=1)
        apart = np.linalg.norm(rows - view.ground, axis=1)
        length = bottom - top
        bottom, fades_below = _end(apart, length, bottom)
        n_above, fades_above = _end(apart[::-1], length, len(apart) - top)
        top = len(apart) - n_above
        ends_by_name = ("low", "high") if is_tall else ("high", "low")
        faded = [end for end, fades in zip(ends_by_name, (fades_below, fades_above), strict=True)
                 if fades]  # fmt: skip
    box = (top, left, bottom, right) if is_tall else (left, top, right, bottom)
    shift = (view.top, view.left, view.top, view.left)
    top, left, bottom, right = (int(edge + by) for edge, by in zip(box, shift, strict=True))
    return FoundBar((top, left, bottom, right), all(frames), view.ground, tuple(faded))


def _frame(
    brightness: np.ndarray,
    ground: float,
    rows: tuple[int, int],
    middle: np.ndarray,
    columns: range,
) -> tuple[int, int] | None:
    """First and last row inside the frame along one side of a bar, None where there is no frame.

    A frame has one brightness all along, which is not that of the background; a blurred edge
    changes with the bar.
    """
    along = brightness[slice(*rows), columns.start : columns.stop]
    contrast = np.abs(np.median(along, axis=0) - ground)
    change = np.median(np.abs(along - np.median(along, axis=0)), axis=0)
    bar = middle @ _BRIGHTNESS
    is_even = change < _FRAME * np.median(np.abs(bar - np.median(bar)))
    lines = np.flatnonzero(is_even & (contrast > 3 * GROUND))
    if not len(lines):
        return None
    best = lines[contrast[lines].argmax()]
    thickness = int((contrast[lines] > contrast[best] / 2).sum())
    parts = label(np.abs(brightness[:, columns[best]] - ground) > contrast[best] / 2)
    run = np.flatnonzero(parts == parts[sum(rows) // 2])
    return int(run[0]) + thickness, int(run[-1]) + 1 - thickness


def _end(apart: np.ndarray, length: int, stop: int) -> tuple[int, bool]:
    """Where a bar without a frame ends, and whether it fades into the background there.

    Parameters
    ----------
    apart
        Distance of each row's colour from the background's, in levels; the bar ends near `stop`.
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
