"""Where the polar map lies on a screen: the one disc."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from scipy.ndimage import binary_closing, binary_erosion, binary_fill_holes, find_objects, label

from polarnet.readers.screens.panels import GROUND, View, views

Disc = tuple[float, float, float]
"""Row and column of the centre, and the radius, in pixels; the first pixel's centre is at 0."""

SMALLEST_DISC: Final = 24.0
"""Radius in pixels of the smallest map that is read (our choice)."""

_SEEN: Final = 0.4
"""Share of each ring of a disc that differs from the background (our choice): scars may be black,
an empty ring lies between a map and a circle drawn around it."""

_MOST_DISCS: Final = 4
"""Discs looked for in one thing."""

_ROUND: Final = 0.6
"""Share of a circle that must be seen as an edge (our choice)."""


def find_disc(picture: np.ndarray) -> Disc:
    """The one disc on a screen (rows, columns, 3).

    Raises
    ------
    ValueError: there is none, or more than one.
    """
    found: list[Disc] = []
    for view in views(picture):
        closed = binary_closing(view.things, np.ones((5, 5), bool))
        labels, _ = label(closed)
        for k, place in enumerate(find_objects(labels), start=1):
            if min(s.stop - s.start for s in place) < 2 * SMALLEST_DISC:
                continue
            for row, column, radius in _circles(np.pad(labels[place] == k, 1)):
                circle = (row - 1 + place[0].start, column - 1 + place[1].start, radius)
                row_in, column_in, sharp = _sharpened(view, circle)
                found.append((row_in + view.top, column_in + view.left, sharp))
    found.sort(key=lambda disc: -disc[2])
    apart: list[Disc] = []
    for disc in found:
        if all(not _lies_in(disc, other) for other in apart):
            apart.append(disc)
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


def _circles(thing: np.ndarray) -> Iterator[Disc]:
    """Every disc in one connected thing, the best first; what touches a disc does not matter."""
    away = np.indices(thing.shape).astype(float)
    n_found = 0
    # A frame around the disc that touches it would be filled as a whole: then as it is.
    for start in (binary_fill_holes(thing), thing):
        rest = start.copy()
        while n_found < _MOST_DISCS and (circle := _circle(np.argwhere(_edge(rest)))):
            row, column, radius = circle
            share = np.hypot(away[0] - row, away[1] - column) / radius
            rings = [thing[np.abs(share - r) < 0.02].mean() for r in np.arange(0.5, 0.96, 0.05)]
            rest[share <= 1.04] = False
            if min(rings) > _SEEN:
                n_found += 1
                yield circle
        if n_found:
            return


def _edge(thing: np.ndarray) -> np.ndarray:
    return thing & ~binary_erosion(thing)


def _circle(points: np.ndarray) -> Disc | None:
    """The circle on which most of the edge points (n, 2) lie, if they cover most of it."""
    if len(points) < 50:
        return None
    rng = np.random.default_rng(0)
    some = points[rng.permutation(len(points))[:500]].astype(float)
    a, b, c = (some[rng.integers(len(some), size=250)] for _ in range(3))
    ab, ac = b - a, c - a
    cross = 2 * (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])
    flat = np.abs(cross) < 1e-6
    cross[flat] = 1
    ab2, ac2 = (ab**2).sum(axis=1), (ac**2).sum(axis=1)
    middle = (
        a
        + np.stack([ac[:, 1] * ab2 - ab[:, 1] * ac2, ab[:, 0] * ac2 - ac[:, 0] * ab2], axis=1)
        / cross[:, None]
    )
    radius = np.linalg.norm(middle - a, axis=1)
    off = np.abs(np.linalg.norm(some[None] - middle[:, None], axis=2) - radius[:, None])
    fits = (off < np.maximum(1.5, 0.012 * radius)[:, None]).sum(axis=1)
    fits[flat | (radius < SMALLEST_DISC) | (radius > np.ptp(points, axis=0).max())] = 0
    best = fits.argmax()
    if fits[best] == 0:
        return None
    centre, r = middle[best], radius[best]
    for _ in range(3):
        away = np.linalg.norm(points - centre, axis=1)
        near = points[np.abs(away - r) < max(1.5, 0.012 * r)].astype(float)
        if len(near) < 50:
            return None
        *middle_of, r = _fitted(near)
        centre = np.array(middle_of)
    angle = np.arctan2(*(near - centre).T)
    covered = len(np.unique(np.floor((angle / np.pi + 1) * 36).astype(int) % 72)) / 72
    if covered < _ROUND or r < SMALLEST_DISC:
        return None
    return float(centre[0]), float(centre[1]), float(r + 0.5)


def _sharpened(view: View, circle: Disc) -> Disc:
    """A circle through where the colours are half way between the background and just inside.

    JPEG leaves traces of an edge around it, on one side more than on another.
    """
    row, column, radius = circle
    angle = np.radians(np.arange(720) / 2)
    radii = radius + np.arange(-6, 4, 0.25)
    rows = row + radii[:, None] * np.sin(angle)
    columns = column + radii[:, None] * np.cos(angle)
    n_rows, n_columns = view.things.shape
    at = (
        np.clip(np.rint(rows).astype(int), 0, n_rows - 1),
        np.clip(np.rint(columns).astype(int), 0, n_columns - 1),
    )
    apart = np.linalg.norm(view.picture[at] - view.ground, axis=2)
    inside = apart[:8].mean(axis=0)
    last = len(radii) - 1 - (apart > inside / 2)[::-1].argmax(axis=0)
    is_edge = (inside > 3 * GROUND) & (last < len(radii) - 2)
    points = np.stack([rows, columns], axis=-1)[last[is_edge], np.flatnonzero(is_edge)]
    for _ in range(3):
        if len(points) < 90:  # an eighth of the circle
            return circle
        row, column, radius = _fitted(points)
        off = np.abs(np.hypot(points[:, 0] - row, points[:, 1] - column) - radius)
        points = points[off <= max(0.75, 2 * np.median(off))]
    return row, column, radius + 0.125


def _fitted(points: np.ndarray) -> Disc:
    """Circle nearest to points (n, 2) by least squares."""
    design = np.column_stack([2 * points, np.ones(len(points))])
    solved = np.linalg.lstsq(design, (points**2).sum(axis=1), rcond=None)[0]
    return float(solved[0]), float(solved[1]), float(np.sqrt(solved[2] + (solved[:2] ** 2).sum()))


def _lies_in(disc: Disc, other: Disc) -> bool:
    """Whether a disc is a part of another, as the apex is, or the same found twice."""
    apart = np.hypot(disc[0] - other[0], disc[1] - other[1])
    return bool(apart + disc[2] <= 1.03 * other[2] + 2)
