"""What stands out from the background of a screen, and of the panels on it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from scipy.ndimage import binary_fill_holes, find_objects, label

GROUND: Final = 12
"""Levels by which something on a screen differs from the background (our choice)."""

_PANEL: Final = 96
"""Pixels of the side of the smallest panel with a background of its own (our choice)."""


class View(NamedTuple):
    """A screen or a panel of it: its place and what differs from its background."""

    top: int
    left: int
    picture: np.ndarray
    ground: np.ndarray
    things: np.ndarray


def views(picture: np.ndarray, top: int = 0, left: int = 0, depth: int = 2) -> Iterator[View]:
    """The screen, then its panels: filled rectangles with a background of their own."""
    edge = np.concatenate(
        [
            side.reshape(-1, 3)
            for side in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:])
        ]
    ).astype(int)
    bins, counts = np.unique(edge // 8 @ [1024, 32, 1], return_counts=True)
    most = bins[counts.argmax()]
    middle = np.array([most // 1024, most // 32 % 32, most % 32]) * 8 + 4
    ground = np.median(edge[(np.abs(edge - middle) <= 8).all(axis=1)], axis=0)
    things = (np.abs(picture - ground.astype(np.int16)) > GROUND).any(axis=2)
    yield View(top, left, picture, ground, things)
    if depth == 0:
        return
    labels, _ = label(things)
    for k, place in enumerate(find_objects(labels), start=1):
        height, width = (s.stop - s.start for s in place)
        if min(height, width) < _PANEL or (height, width) == things.shape:
            continue
        panel = labels[place] == k
        # A mere frame has nothing of its own inside.
        if panel.mean() > 0.6 and binary_fill_holes(panel).mean() > 0.97:
            inner = picture[place][3:-3, 3:-3]
            yield from views(inner, top + place[0].start + 3, left + place[1].start + 3, depth - 1)
