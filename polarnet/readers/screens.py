"""The numbers of a polar map from a picture of the screen it was shown on."""

from typing import Final, NamedTuple

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    distance_transform_edt,
    gaussian_filter,
    label,
    map_coordinates,
    white_tophat,
)
from scipy.spatial import KDTree
from skimage.measure import regionprops
from skimage.restoration import inpaint_biharmonic

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.readers.screenlayout import (
    SMALLEST_DISC,
    Bar,
    Disc,
    FoundBar,
    bar_colours,
    find_bar,
    find_disc,
)

MOST_FILLED: Final = 0.10
"""Share of the disc that may be drawn over (our choice; research note on formats, D)."""

_MOST_AMBIGUOUS: Final = 0.02
"""Share of the disc whose colour may be met twice on the bar (our choice)."""

_MOST_AT_LOW_END: Final = 0.5
"""Share of the disc at the low end of the bar, above which it is no map (our choice)."""

_FEWEST_COLOURS: Final = 4
"""Colours of a bar, below which it is none (our choice)."""

_BLACK: Final = 16
"""Levels within which a background is black or white, as the ends of bars are (our choice)."""

_TELLING: Final = 0.001
"""Share of the disc at an end of the bar that is worth a note (our choice)."""

_SAME_COLOUR: Final = 12.0
"""Levels (of 255, Euclidean) within which two colours may be one after JPEG (our choice)."""

_LIKE: Final = (2.0, 8.0)
"""Levels within which rows of a bar are one colour: in a smooth table, in steps (our choice)."""

_STEP: Final = 12.0
"""Levels from one row to the next but one, above which a step of a table lies (our choice)."""

_STEPPED: Final = 0.3
"""Largest share of rows that hold most of a stepped table's change (our choice: 0.25 was seen with
20 steps in JPEG, 0.41 and more with smooth tables)."""

_JUMPS: Final = (0.06, 0.10, 0.15, 0.22, 0.30)
"""Shares of full scale by which an overlay differs from the map around it, the finest first (our
choice): JPEG spreads lines so far that the finest can take more of the map than is needed."""

_RIM_JUMP: Final = 0.15
"""The same near the basal edge, where flow falls steeply (our choice)."""

_OFF_TABLE: Final = 40.0
"""Levels from the colour table, beyond which a colour is not of the map (our choice)."""

_STAINED: Final = 0.4
"""Share of the jump by which a pixel beside an overlay may differ from its neighbours."""

_STAIN: Final = 2
"""Pixels beside an overlay that smoothing and JPEG stain (4:2:0 halves the colours)."""

_THIN: Final = 5, 1 / 20
"""Widest line or stroke that is seen as one: in pixels at least, as a share of the radius."""

_PLAIN: Final = 32
"""Levels from black or white that JPEG leaves inside a patch of it (our choice)."""

_ISLAND: Final = 0.25
"""Share of full scale by which a white or black patch differs from all around it (our choice)."""


class RecoveredMap(NamedTuple):
    """A polar map read from the colours of a screen.

    Attributes
    ----------
    values
        (size, size) float32 in the unit of the scale, oriented as on the screen, 0 outside the
        disc.
    filled
        Share of the disc that was drawn over, and filled from the neighbours.
    disc, bar
        Where they are on the screen, as in `recover_map`.
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
    disc = _checked_disc(disc, picture) if disc is not None else find_disc(picture)
    # A stated box is taken as it is, like one with a frame.
    found = (
        FoundBar(_checked_bar(bar, picture), True, np.zeros(3))
        if bar is not None
        else find_bar(picture, disc)
    )
    top, left, bottom, right = found.box
    strip = picture[top:bottom, left:right]
    is_tall = bottom - top >= right - left
    scale = read_scale(strip[::-1] if is_tall else strip.transpose(1, 0, 2))
    _check_scale(scale, found)

    window, centre, inside, rim, source = _window(picture, disc)
    distance, nearest = KDTree(scale.colours).query(window.astype(float))
    places, is_ambiguous = scale.places[nearest], scale.is_ambiguous[nearest] & inside
    _check_share(float((distance[inside] > _OFF_TABLE).mean()))
    step = 1.5 / scale.n_steps if scale.n_steps else 0.0
    continued = places[source], distance[source], window[source]
    for jump in _JUMPS:
        # Flow falls steeply towards the basal edge: only what is coarse is drawn there.
        jumps = np.where(rim, max(jump, _RIM_JUMP), max(jump, step))
        overlays = _find_overlays(*continued, disc[2], jumps)
        is_missing = overlays | is_ambiguous
        share = float(is_missing[inside].mean())
        if share <= MOST_FILLED:
            break
    doubtful = float((is_ambiguous & ~overlays)[inside].mean())
    if doubtful > _MOST_AMBIGUOUS:
        raise ValueError(
            f"{doubtful:.0%} of the disc has colours that the bar shows twice, so their values "
            "cannot be told: save the screen with another colour table"
        )
    _check_share(share)
    places = inpaint_biharmonic(places[source], is_missing[source])[source]
    if (places[inside] <= scale.places[0]).mean() > _MOST_AT_LOW_END:
        raise ValueError(
            f"more than {_MOST_AT_LOW_END:.0%} of the disc is at the low end of the bar: "
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
    reach = 0.98 * radius - 0.5
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


def _check_share(share: float) -> None:
    """Refuse a map of which too much is not seen."""
    if share > MOST_FILLED:
        raise ValueError(
            f"{share:.0%} of the disc is drawn over or not in the colours of the bar, above "
            f"{MOST_FILLED:.0%}: save the screen without lines and text, or check disc and bar"
        )


def _window(
    picture: np.ndarray, disc: Disc
) -> tuple[np.ndarray, tuple[float, float], np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """The part of a screen around a disc.

    Returns
    -------
    The picture, the centre of the disc in it, pixels inside the disc, those near its edge, and
    where each pixel's value is taken from: the pixel itself, or one well inside if it lies outside.
    """
    row, column, radius = disc
    reach = int(np.ceil(radius)) + 4
    place = np.arange(-reach, reach + 1)
    rows, columns = round(row) + place, round(column) + place
    y, x = (rows - row)[:, None], (columns - column)[None, :]
    centre = row - rows[0], column - columns[0]
    away, edge = np.hypot(y, x), max(3, 0.02 * radius)
    share = np.where(away <= radius, 1, (radius - edge) / np.maximum(away, 1))
    source = (
        np.rint(centre[0] + share * y).astype(int),
        np.rint(centre[1] + share * x).astype(int),
    )
    shown = picture[np.clip(rows, 0, picture.shape[0] - 1)]
    shown = shown[:, np.clip(columns, 0, picture.shape[1] - 1)]
    return shown, centre, away <= radius, away > radius - 2 * edge, source


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
    scale: "ColourScale", found: FoundBar, inside: np.ndarray, doubtful: float, span: float
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
    at_ends = {
        "high": (inside >= scale.places[-1] - 1e-9).mean(),
        "low": (inside <= scale.places[0] + 1e-9).mean(),
    }
    notes += [
        f"{share:.1%} of the disc is at the {end} end of the scale, perhaps beyond"
        for end, share in at_ends.items()
        if share > _TELLING and not scale.n_steps
    ]
    return "; ".join(notes)


# === The colours of the bar ===


class ColourScale(NamedTuple):
    """The colours of a bar from its low to its high end.

    Attributes
    ----------
    colours
        (n, 3) float, less than a level apart where the table is smooth; one row per step otherwise.
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
    >>> nearest = np.abs(scale.colours - 125).sum(axis=1).argmin()
    >>> float(scale.places[nearest].round(1)), scale.n_steps
    (0.5, 0)
    """
    rows = bar_colours(strip)
    n_steps = _count_steps(rows)
    starts = [0]
    for k in range(1, len(rows)):
        if np.abs(rows[k] - rows[starts[-1] : k].mean(axis=0)).max() > _LIKE[n_steps > 0]:
            starts.append(k)
    ends = [*starts[1:], len(rows)]
    colours = np.array([rows[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)])
    places = (np.array(starts) + np.array(ends)) / 2 / len(rows)
    is_ambiguous = _met_again(colours)
    if not n_steps:  # the curve through the colours, at least 16 points from one to the next
        number = np.arange(len(colours))
        at = np.linspace(0, number[-1], 16 * len(colours))
        colours = np.stack([np.interp(at, number, channel) for channel in colours.T], axis=1)
        places, is_ambiguous = np.interp(at, number, places), is_ambiguous[at.round().astype(int)]
    return ColourScale(colours, places, n_steps, is_ambiguous)


def _count_steps(rows: np.ndarray) -> int:
    """Colours of a table in steps, 0 for a smooth one: a table in steps changes in few rows."""
    change = np.sort(np.abs(np.diff(rows, axis=0)).max(axis=1))[::-1].cumsum()
    if (change < 0.8 * change[-1]).mean() > _STEPPED:
        return 0
    return int(label(np.abs(rows[2:] - rows[:-2]).max(axis=1) > _STEP)[1]) + 1


def _met_again(colours: np.ndarray) -> np.ndarray:
    """Whether the table leaves a colour and comes back to it."""
    found = np.zeros(len(colours), bool)
    for k, colour in enumerate(colours):
        distance = np.linalg.norm(colours - colour, axis=1)
        for way in (distance[k:], distance[k::-1]):
            has_left = np.maximum.accumulate(way) > 3 * _SAME_COLOUR
            found[k] |= bool((has_left & (way < _SAME_COLOUR)).any())
    return found


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


# === What is drawn on the map ===


def _find_overlays(
    values: np.ndarray, distance: np.ndarray, colours: np.ndarray, radius: float, jump: np.ndarray
) -> np.ndarray:
    """Pixels (rows, columns) of a map that are drawn over.

    White and black lie on most colour tables, so an overlay is known by its shape: thin, and
    different from the map on both sides; or a white or black patch, different from all around it.

    Parameters
    ----------
    values
        (rows, columns) of the map as a share of full scale, continued beyond the disc.
    distance
        (rows, columns) of each colour from the colour table, in levels.
    colours
        (rows, columns, 3).
    radius
        Of the disc, in pixels.
    jump
        (rows, columns), share of full scale by which an overlay differs.
    """
    width = max(_THIN[0], round(radius * _THIN[1]))
    off_table = distance > _OFF_TABLE
    # Between two white lines the map looks like a black one: the order that takes less is right.
    orders = []
    for order in ((1, -1), (-1, 1)):
        found = off_table
        for sign in order:  # brighter, darker
            known = sign * _continued(values, found)
            found = found | (white_tophat(known, size=(width, width)) > jump)
        orders.append(found)
    found = min(orders, key=np.count_nonzero)
    known = _continued(values, off_table)
    for contrast in (255 - colours.astype(int), colours):
        found |= _patches(known, found, np.asarray((contrast <= _PLAIN).all(axis=2)), width)
    for _ in range(_STAIN):
        beside = binary_dilation(found, np.ones((3, 3), bool)) & ~found
        off = np.abs(_continued(known, found | beside) - known)
        found |= beside & (off > _STAINED * jump)
    return found


def _continued(values: np.ndarray, is_missing: np.ndarray) -> np.ndarray:
    """Values with each missing one taken from the nearest other."""
    if not is_missing.any() or is_missing.all():
        return values
    nearest = distance_transform_edt(is_missing, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _patches(values: np.ndarray, found: np.ndarray, is_plain: np.ndarray, width: int) -> np.ndarray:
    """Patches of white or black, too wide for a line, that differ from nearly all around them."""
    patches = np.zeros_like(found)
    # Closed: a label's patch is full of holes, the letters on it.
    labels, _ = label(binary_closing(is_plain & ~found, np.ones((width, width), bool)))
    for region in regionprops(labels):
        if region.area < width**2 / 2:
            continue
        around = tuple(slice(max(s.start - 6, 0), s.stop + 6) for s in region.slice)
        patch = labels[around] == region.label
        near = binary_dilation(patch, iterations=_STAIN)
        ring = binary_dilation(near, iterations=3) & ~near & ~found[around]
        if ring.any():
            inner = np.median(values[around][patch & is_plain[around]])
            if (np.abs(values[around][ring] - inner) > _ISLAND).mean() > 0.9:
                patches[around] |= near
    return patches
