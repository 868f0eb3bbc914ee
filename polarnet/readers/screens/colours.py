"""Which value does a colour stand for: the colour bar of a screen, read and inverted."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import label, median_filter
from scipy.spatial import cKDTree

SAME_COLOUR: Final = 12.0
"""Levels (of 255, Euclidean) within which two colours may be one after JPEG (our choice)."""

_LIKE: Final = (2.0, 8.0)
"""Levels within which rows of a bar are one colour: in a smooth table, in steps (our choice)."""

_JUMP: Final = 12.0
"""Levels from one row to the next but one, above which a step of a table lies (our choice)."""

_STEPPED: Final = 0.3
"""Share of the rows that hold most of a stepped table's change, at most (our choice: 0.25 was seen
with 20 steps in JPEG, 0.41 and more with smooth tables)."""


@dataclass(frozen=True, eq=False)
class ColourScale:
    """The colours of a bar from its low to its high end.

    Attributes
    ----------
    colours
        (n, 3) float, at most one level apart where the table is smooth; a row a step otherwise.
    places
        (n,) where each lies on the bar: 0 is its low end, 1 its high end.
    n_steps
        Colours of a table in steps; 0 where it is smooth.
    is_ambiguous
        (n,) bool: the colour is met again at another place of the bar.
    """

    colours: np.ndarray
    places: np.ndarray
    n_steps: int
    is_ambiguous: np.ndarray


def read_scale(strip: np.ndarray) -> ColourScale:
    """The colour table of a bar.

    Parameters
    ----------
    strip
        Pixels (length, width, 3) of the bar without its frame, low end first.

    Returns
    -------
    The table; row k of the bar stands for the place (k + 0.5) / length.

    >>> strip = np.linspace(0, 255, 52)[:, None, None] * np.ones((1, 8, 3))
    >>> scale = read_scale(strip)
    >>> places, _, _ = places_of(scale, np.array([[125, 125, 125]]))
    >>> places.round(1).tolist(), scale.n_steps
    ([0.5], 0)
    """
    rows = bar_colours(strip)
    n_steps = _count_steps(rows)
    colours, places = _distinct(rows, _LIKE[n_steps > 0])
    is_ambiguous = _met_again(colours)
    if not n_steps:
        colours, places, is_ambiguous = _dense(colours, places, is_ambiguous)
    return ColourScale(colours, places, n_steps, is_ambiguous)


def bar_colours(strip: np.ndarray) -> np.ndarray:
    """One colour (3) a row of a bar (length, width, 3): the median of the middle of its width.

    A running median of five rows takes away noise, and marks drawn across the bar.
    """
    width = strip.shape[1]
    middle = strip[:, width // 4 : max(width - width // 4, width // 4 + 1)]
    rows = np.median(middle.astype(float), axis=1)
    return median_filter(rows, size=(5, 1), mode="nearest") if len(rows) >= 50 else rows


def places_of(scale: ColourScale, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where colours (k, 3) lie on a bar.

    Returns
    -------
    Place of each, 0 to 1; its distance from the nearest colour of the bar in levels; and whether
    that colour is met again elsewhere on the bar.
    """
    distance, nearest = cKDTree(scale.colours).query(colours)
    return scale.places[nearest], distance, scale.is_ambiguous[nearest]


def _count_steps(rows: np.ndarray) -> int:
    """Colours of a table in steps, 0 for a smooth one: a table in steps changes in few rows."""
    change = np.sort(np.abs(np.diff(rows, axis=0)).max(axis=1))[::-1].cumsum()
    if (change < 0.8 * change[-1]).mean() > _STEPPED:
        return 0
    return int(label(np.abs(rows[2:] - rows[:-2]).max(axis=1) > _JUMP)[1]) + 1


def _distinct(rows: np.ndarray, like: float) -> tuple[np.ndarray, np.ndarray]:
    """Runs of like rows as one colour each, at the middle of the run."""
    starts = [0]
    for k in range(1, len(rows)):
        if np.abs(rows[k] - rows[starts[-1] : k].mean(axis=0)).max() > like:
            starts.append(k)
    ends = [*starts[1:], len(rows)]
    colours = np.array([rows[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)])
    return colours, (np.array(starts) + np.array(ends)) / 2 / len(rows)


def _met_again(colours: np.ndarray) -> np.ndarray:
    """Whether the table leaves a colour and comes back to it."""
    found = np.zeros(len(colours), bool)
    for k, colour in enumerate(colours):
        distance = np.linalg.norm(colours - colour, axis=1)
        for way in (distance[k:], distance[k::-1]):
            has_left = np.maximum.accumulate(way) > 3 * SAME_COLOUR
            found[k] |= bool((has_left & (way < SAME_COLOUR)).any())
    return found


def _dense(
    colours: np.ndarray, places: np.ndarray, flags: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The piecewise linear curve through the colours, a point at least every level."""
    lengths = np.ceil(np.linalg.norm(np.diff(colours, axis=0), axis=1)).astype(int)
    along = np.concatenate([[0], np.cumsum(lengths)])
    at = np.arange(along[-1] + 1)
    curve = np.stack([np.interp(at, along, channel) for channel in colours.T], axis=1)
    nearest = np.interp(at, along, np.arange(len(colours))).round().astype(int)
    return curve, np.interp(at, along, places), flags[nearest]
