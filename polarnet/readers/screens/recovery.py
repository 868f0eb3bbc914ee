"""The numbers of a polar map from a picture of the screen it was shown on."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.readers.screens.bars import Bar, FoundBar, find_bar, low_end_first
from polarnet.readers.screens.colours import ColourScale, places_of, read_scale
from polarnet.readers.screens.discs import SMALLEST_DISC, Disc, find_disc
from polarnet.readers.screens.overlays import JUMPS, OFF_TABLE, RIM_JUMP, filled, find_overlays

MOST_FILLED: Final = 0.10
"""Share of the disc that may be drawn over (our choice; research note on formats, D)."""

MOST_AMBIGUOUS: Final = 0.02
"""Share of the disc whose colour may be met twice on the bar (our choice)."""

MOST_AT_LOW_END: Final = 0.5
"""Share of the disc at the low end of the bar, above which it is no map (our choice)."""

_FEWEST_COLOURS: Final = 4
"""Colours of a bar, below which it is none (our choice)."""

_BLACK: Final = 16
"""Levels within which a background is black or white, as the ends of bars are (our choice)."""

_TELLING: Final = 0.001
"""Share of the disc at an end of the bar that is worth a note (our choice)."""


@dataclass(frozen=True, eq=False)
class RecoveredMap:
    """A polar map read from the colours of a screen.

    Attributes
    ----------
    values
        (size, size) float32 in the unit of the scale, oriented as on the screen, 0 outside the
        disc.
    filled
        Share of the disc that was drawn over, and filled from the neighbours.
    disc
        Row, column and radius of the disc in pixels of the screen.
    bar
        Top, left, bottom, right of the colour bar in pixels; the last two are the first beyond.
    note
        What the user should know of it, "" for nothing.
    """

    values: np.ndarray
    filled: float
    disc: Disc
    bar: Bar
    note: str = ""


def recover_map(
    picture: np.ndarray,
    *,
    low: float,
    high: float,
    disc: Disc | None = None,
    bar: Bar | None = None,
    size: int = 64,
) -> RecoveredMap:
    """The numbers of the polar map on a screen.

    The colour table is read from the colour bar on the same screen. Lines and text on the map
    are left out and filled from their neighbours.

    Parameters
    ----------
    picture
        Screen shot, (rows, columns, 3) uint8 red, green, blue.
    low, high
        Values at the ends of the bar (low at the bottom or the left), in the map's unit. Read
        them off the screen: they are never guessed.
    disc
        Row and column of the centre and radius of the ventricle, in pixels; found if None.
    bar
        Top, left, bottom, right of the colour bar without its frame, in pixels, the last two
        being the first beyond; found if None.
    size
        Rows (and columns) of the map returned.

    Returns
    -------
    The map and what it was read from. Turn `values` if the screen is not anterior up.

    Raises
    ------
    ValueError: no bar or no disc, several of them, a scale that is none, colours that stand for
    two values, or more drawn over the map than `MOST_FILLED`.
    """
    _check(picture, low, high, size)
    bar = _checked_bar(bar, picture) if bar is not None else None
    disc = _checked_disc(disc, picture) if disc is not None else find_disc(picture)
    # A stated box is taken as it is, like one with a frame.
    found = FoundBar(bar, True, np.zeros(3)) if bar is not None else find_bar(picture, disc)
    scale = read_scale(low_end_first(picture, found.box))
    _check_scale(scale, found)

    window, centre = _window(picture, disc)
    inside, rim, source = _inside(window.shape[:2], centre, disc[2])
    places, distance, is_ambiguous = (
        answer.reshape(window.shape[:2])
        for answer in places_of(scale, window.reshape(-1, 3).astype(float))
    )
    step = 1 / scale.n_steps if scale.n_steps else 0.0
    _check_share(float((distance[inside] > OFF_TABLE).mean()))
    for jump in JUMPS:
        overlays = find_overlays(
            places[source],
            distance[source],
            window[source],
            disc[2],
            # Flow falls steeply towards the basal edge: only what is coarse is drawn there.
            np.where(rim, max(jump, RIM_JUMP), max(jump, 1.5 * step)),
        )
        is_missing = overlays | (is_ambiguous & inside)
        share = float(is_missing[inside].mean())
        if share <= MOST_FILLED:
            break
    doubtful = float((is_ambiguous & ~overlays)[inside].mean())
    if doubtful > MOST_AMBIGUOUS:
        raise ValueError(
            f"{doubtful:.0%} of the disc has colours that the bar shows twice, so their values "
            "cannot be told: save the screen with another colour table"
        )
    _check_share(share)
    places = filled(places[source], is_missing[source])[source]
    if (places[inside] <= scale.places[0]).mean() > MOST_AT_LOW_END:
        raise ValueError(
            f"more than {MOST_AT_LOW_END:.0%} of the disc is at the low end of the bar: "
            "check disc, bar and scale"
        )
    values = low + (high - low) * _on_raster(places, centre, disc[2], size)
    return RecoveredMap(
        values=np.where(disc_mask(size), values, 0).astype(np.float32),
        filled=share,
        disc=disc,
        bar=found.box,
        note=_note(scale, found, places[inside], doubtful, high - low),
    )


def _check(picture: np.ndarray, low: float, high: float, size: int) -> None:
    """Refuse what is no picture or no scale."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ValueError(
            f"a screen is an array (rows, columns, 3) of uint8, not {picture.shape} of "
            f"{picture.dtype}: convert the picture to RGB"
        )
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(
            f"the scale from {low:g} to {high:g} is none: state the values at the low and the "
            "high end of the colour bar, low first"
        )
    if size < 8:
        raise ValueError(f"a map of {size} x {size} is too small: 17 segments need 8")


def _checked_bar(bar: Bar, picture: np.ndarray) -> Bar:
    top, left, bottom, right = (int(edge) for edge in bar)
    n_rows, n_columns = picture.shape[:2]
    if not (0 <= top < bottom <= n_rows and 0 <= left < right <= n_columns):
        raise ValueError(
            f"the bar {bar} does not lie on the screen of {n_rows} rows and {n_columns} columns: "
            "give it as top, left, bottom, right"
        )
    if max(bottom - top, right - left) < 20:
        raise ValueError(f"the bar {bar} is too small to read: it needs 20 pixels of length")
    return top, left, bottom, right


def _checked_disc(disc: Disc, picture: np.ndarray) -> Disc:
    row, column, radius = (float(number) for number in disc)
    n_rows, n_columns = picture.shape[:2]
    reach = radius - 0.5 - 0.02 * radius
    if not (
        radius >= SMALLEST_DISC
        and reach <= row <= n_rows - 1 - reach
        and reach <= column <= n_columns - 1 - reach
    ):
        raise ValueError(
            f"the disc {disc} does not lie on the screen of {n_rows} rows and {n_columns} columns, "
            f"or its radius is below {SMALLEST_DISC:g}: give it as row, column, radius"
        )
    return row, column, radius


def _check_scale(scale: ColourScale, found: FoundBar) -> None:
    """Refuse a bar that does not tell values."""
    is_plain = np.ptp(scale.colours, axis=0).max() < 50
    if is_plain or 0 < scale.n_steps < _FEWEST_COLOURS:
        raise ValueError(
            "the bar hardly changes its colour: say where it is by bar (top, left, bottom, right)"
        )
    if found.has_frame or not (scale.n_steps or found.faded):
        return
    is_black_or_white = min(found.ground.max(), 255 - found.ground.min()) < _BLACK
    if scale.n_steps and is_black_or_white:
        raise ValueError(
            "the bar has steps and no frame, so its last step may be hidden in the background: "
            "say where it is by bar (top, left, bottom, right)"
        )
    if found.faded and not is_black_or_white:
        raise ValueError(
            "the bar passes through the colour of the background, so its end is not seen: "
            "say where it is by bar (top, left, bottom, right)"
        )


def _check_share(share: float) -> None:
    """Refuse a map of which too much is not seen."""
    if share > MOST_FILLED:
        raise ValueError(
            f"{share:.0%} of the disc is drawn over or not in the colours of the bar, above "
            f"{MOST_FILLED:.0%}: save the screen without lines and text, or check disc and bar"
        )


def _window(picture: np.ndarray, disc: Disc) -> tuple[np.ndarray, tuple[float, float]]:
    """The part of a screen around a disc, and the centre of the disc in it."""
    row, column, radius = disc
    reach = int(np.ceil(radius)) + 4
    top, left = round(row) - reach, round(column) - reach
    rows = np.clip(np.arange(top, top + 2 * reach + 1), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(left, left + 2 * reach + 1), 0, picture.shape[1] - 1)
    return picture[np.ix_(rows, columns)], (row - top, column - left)


def _inside(
    shape: tuple[int, ...], centre: tuple[float, float], radius: float
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Pixels inside a disc, those near its edge, and where each pixel's value is taken from.

    That is the pixel itself, or one well inside if it lies outside.
    """
    y, x = (np.arange(n) - c for n, c in zip(shape, centre, strict=True))
    away = np.hypot(y[:, None], x[None, :])
    inside = away <= radius
    edge = max(3, 0.02 * radius)
    share = np.where(inside, 1, (radius - edge) / np.maximum(away, 1))
    rows = np.rint(centre[0] + share * y[:, None]).astype(int)
    columns = np.rint(centre[1] + share * x[None, :]).astype(int)
    return inside, away > radius - 2 * edge, (rows, columns)


def _on_raster(
    values: np.ndarray, centre: tuple[float, float], radius: float, size: int
) -> np.ndarray:
    """Values on the square raster (size, size) around the disc, each a mean of its pixels."""
    pixels = 2 * radius / size
    if pixels > 1:
        values = gaussian_filter(values, 0.3 * pixels, mode="nearest")
    share, angle = polar_coordinates(size)
    rows = centre[0] - radius * share * np.sin(np.radians(angle))
    columns = centre[1] + radius * share * np.cos(np.radians(angle))
    return map_coordinates(values, [rows, columns], order=1, mode="nearest")


def _note(
    scale: ColourScale, found: FoundBar, inside: np.ndarray, doubtful: float, span: float
) -> str:
    """What the user should know of a recovered map."""
    notes = [
        f"the {end} end of the bar fades into the background: compare the box of the bar"
        for end in found.faded
    ]
    if scale.n_steps:
        notes.append(
            f"the bar has about {scale.n_steps} colours: steps of {span / scale.n_steps:.2g}"
        )
    if doubtful > _TELLING:
        notes.append(f"{doubtful:.1%} of the disc had colours that the bar shows twice; filled")
    for end, share in (
        ("high", (inside >= scale.places[-1] - 1e-9).mean()),
        ("low", (inside <= scale.places[0] + 1e-9).mean()),
    ):
        if share > _TELLING and not scale.n_steps:
            notes.append(
                f"{share:.1%} of the disc is at the {end} end of the scale, perhaps beyond"
            )
    return "; ".join(notes)
