"""The numbers of a polar map from a picture of the screen it was shown on: PNG, JPEG or DICOM.

Runs in the process apart.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import KDTree

from polarnet.anatomy import disc_mask, polar_coordinates
from polarnet.cohort import RECOVERED
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.geometry import RASTER
from polarnet.readers.profiles import Reading

Disc = tuple[float, float, float]
"""Row and column of the centre, and the radius, in pixels; the first pixel's centre is at 0."""

Bar = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are the first ones beyond."""

NO_SCALE: Final = (
    "is a screen: numbers can be recovered from its colours only where you state what the ends of "
    "its colour bar mean, by --scale LOW,HIGH"
)

# Share of the disc that may be drawn over (our choice; research note on formats, D)
MOST_FILLED: Final = 0.10
_MAX_BYTES: Final = 64 * 2**20  # Largest picture file (our choice)
# Most pixels of a screen (our choice): one of 2,048 x 2,048 has 4 million
_MAX_PIXELS: Final = 16 * 2**20 // 3
# Pixels of the smallest radius of a disc and of the shortest bar that are read (our choice)
_SMALLEST: Final = 24.0, 50
# Levels (of 255) by which something on a screen differs from the background (our choice)
_GROUND: Final = 16
# Share of the bar's change in brightness: the frame along the bar changes less (our choice)
_FRAME: Final = 0.25
# Weights of red, green and blue in the brightness that JPEG stores at full resolution (ITU-T
# T.871)
_BRIGHTNESS: Final = np.array([0.299, 0.587, 0.114])
# Share of the bar in one colour: said from the first, refused from the second on (our choice)
_COARSE: Final = 0.03, 0.25
_LIKE: Final = 2.0  # Levels within which rows of a bar are one colour (our choice)
# Levels (Euclidean) within which two colours may be one after JPEG (our choice)
_SAME_COLOUR: Final = 12.0
# Levels from the colour table, beyond which a colour is not of the map (our choice)
_OFF_TABLE: Final = 40.0
# Share of the disc whose colour may be met twice on the bar (our choice)
_MOST_AMBIGUOUS: Final = 0.02
# Share of the disc at the low end of the bar, above which it is no map (our choice)
_MOST_AT_LOW_END: Final = 0.5
_TELLING: Final = 0.001  # Share of the disc at an end of the bar that is worth a note (our choice)
# Share of the radius, and 3 pixels at least, within which JPEG blurs the edge of a disc, and where
# its place is not sure: values there are those a little inside (our choice)
_EDGE: Final = 0.035
# Rows of the raster on which colours are read; a pixel of the map is a mean of 4 x 4
_SIDE: Final = 4 * RASTER
# Share of full scale by which a line differs from the median of what is around it (our choice)
_JUMP: Final = 0.10
# Pixels of the raster over which that median is taken: more than two of the widest lines
_AROUND: Final = 15
# Share of full scale by which JPEG and smoothing change pixels beside a line (our choice)
_STAIN: Final = 0.06
_PLAIN: Final = 32  # Levels from black or white that JPEG leaves inside a patch of it (our choice)
# Share of full scale by which a white or black patch differs from all around it (our choice)
_ISLAND: Final = 0.25


class RecoveredMap(NamedTuple):
    """A polar map read from the colours of a screen: `values` (64, 64) float32 in the unit of the
    scale, oriented as on the screen, 0 outside the disc; `filled`, the share of the disc that was
    drawn over; where disc and bar were found; and what the user should know, "" for nothing.
    """

    values: np.ndarray
    filled: float
    disc: Disc
    bar: Bar
    note: str = ""


def read_picture(path: Path, map_type: str, reading: Reading) -> ExportedMap:
    """The map on a screen shot (PNG or JPEG); ValueError: it is damaged, too large, or no map."""
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"has more than {_MAX_BYTES // 2**20} MB, too large for a screen")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                width, height = image.size
                if width * height > _MAX_PIXELS:
                    raise ValueError(f"has {width} x {height} pixels, too large for a screen")
                if getattr(image, "n_frames", 1) > 1:
                    raise ValueError("is a film, not a screen")
                picture = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        if str(error).startswith(("has ", "is ")):
            raise
        raise ValueError(f"is a damaged picture ({type(error).__name__})") from None
    return recovered(picture, map_type, reading)


def recovered(picture: np.ndarray, map_type: str, reading: Reading) -> ExportedMap:
    """The map on a screen (rows, columns, 3) uint8; nothing else of it is kept: it may name people.

    ValueError: no scale is stated, or no map can be recovered.
    """
    screen = reading.screen
    scale = dict(screen.scale) if screen else {}
    if screen is None or map_type not in scale:
        raise ValueError(
            f"no scale is stated for {map_type} screens: state it in a profile, as "
            f"scale: {{{map_type}: [0, 5]}}"
        )
    found = recover_map(picture, *scale[map_type], screen.disc or None, screen.bar or None)
    covered = f"{100 * found.filled:.1f} % of it was covered and is filled"
    way = f"{RECOVERED}, low end of the bar at its bottom or left"
    note = "; ".join(filter(None, (way, covered, found.note)))
    return ExportedMap(found.values.astype(float), map_type=map_type, note=note, source=RECOVERED)


def recover_map(
    picture: np.ndarray, low: float, high: float, disc: Disc | None = None, bar: Bar | None = None
) -> RecoveredMap:
    """The numbers of the polar map on a screen (rows, columns, 3) uint8, by its colour bar, whose
    ends stand for `low` (bottom or left) and `high`; disc and bar are found where they are None.

    Lines and text on the map are left out and filled from their neighbours. ValueError: no bar or
    no disc, several of them, colours that stand for two values, or too much drawn over the map.
    """
    disc = find_disc(picture) if disc is None else disc
    bar = find_bar(picture, disc) if bar is None else bar
    _check_places(picture.shape, disc, bar)
    scale = _read_scale(picture, bar)
    inside, shown = disc_mask(_SIDE), _around(picture, disc)
    distance, nearest = KDTree(scale.colours).query(shown.astype(float))
    values, is_ambiguous = scale.places[nearest], scale.is_ambiguous[nearest]
    overlays = _overlays(values, distance > _OFF_TABLE, shown)
    doubtful = float((is_ambiguous & ~overlays)[inside].mean())
    if doubtful > _MOST_AMBIGUOUS:
        raise ValueError(
            f"{doubtful:.0%} of the disc has colours that the bar shows twice, so their values "
            "cannot be told: save the screen with another colour table"
        )
    is_missing = overlays | is_ambiguous
    share = float(is_missing[inside].mean())
    if share > MOST_FILLED:
        raise ValueError(
            f"{share:.0%} of the disc is drawn over or not in the colours of the bar, above "
            f"{MOST_FILLED:.0%}: save the screen without lines and text, or check disc and bar"
        )
    values = _continued(values, is_missing)
    at_low, at_high = (
        float((np.abs(values[inside] - end) < 1e-9).mean()) for end in scale.places[[0, -1]]
    )
    if at_low > _MOST_AT_LOW_END:
        raise ValueError(
            f"more than {_MOST_AT_LOW_END:.0%} of the disc is at the low end of the bar: "
            "check disc, bar and scale"
        )
    notes = [
        f"{at_end:.1%} of the disc is at the {end} end of the scale, perhaps beyond"
        for end, at_end in (("high", at_high), ("low", at_low))
        if at_end > _TELLING
    ]
    if scale.coarsest > _COARSE[0]:
        notes.insert(0, f"the bar is in steps of up to {scale.coarsest * (high - low):.2g}")
    means = values.reshape(RASTER, 4, RASTER, 4).mean(axis=(1, 3))
    return RecoveredMap(
        values=np.where(disc_mask(RASTER), low + (high - low) * means, 0).astype(np.float32),
        filled=share,
        disc=disc,
        bar=bar,
        note="; ".join(notes),
    )


def _check_places(shape: tuple[int, ...], disc: Disc, bar: Bar) -> None:
    """Refuse a disc or a bar that does not lie on the screen, or is too small."""
    n_rows, n_columns = shape[:2]
    (row, column, radius), (top, left, bottom, right) = disc, bar
    reach = 0.98 * radius - 0.5
    is_inside = reach <= row <= n_rows - 1 - reach and reach <= column <= n_columns - 1 - reach
    where = f"does not lie on the screen of {n_rows} rows and {n_columns} columns, or is below"
    if not (is_inside and radius >= _SMALLEST[0]):
        told = f"the disc {disc} {where} a radius of {_SMALLEST[0]:g}"
        raise ValueError(f"{told}: give it as row, column, radius")
    is_inside = 0 <= top < bottom <= n_rows and 0 <= left < right <= n_columns
    if not (is_inside and max(bottom - top, right - left) >= _SMALLEST[1]):
        told = f"the bar {bar} {where} a length of {_SMALLEST[1]}"
        raise ValueError(f"{told}: give it as top, left, bottom, right")


# === Where the map and its bar are ===


def find_disc(picture: np.ndarray) -> Disc:
    """The one disc on a screen (rows, columns, 3); ValueError: there is none, or more than one."""
    things = ndimage.binary_closing(_background(picture)[1], np.ones((5, 5)))
    # Frames, lines and letters are thinner than half of the smallest map.
    away, reach = ndimage.distance_transform_edt, _SMALLEST[0] / 2
    labels, _ = ndimage.label(away(away(things) <= reach) <= reach)
    found = []
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        radius = (height + width) / 4
        area = ndimage.binary_fill_holes(labels[rows, columns] == k).sum() / (np.pi * radius**2)
        is_round = abs(height - width) < 2 + 0.04 * radius and 0.95 < area < 1.05
        if is_round and radius >= _SMALLEST[0]:
            middle = (rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2
            found.append((*middle, radius))
    if len(found) != 1:
        told = f"{len(found)} discs were found" if found else "no disc was found"
        raise ValueError(
            f"{told} on the screen: cut out one map with its colour bar, or say where it is by "
            "disc (row, column, radius) in a profile"
        )
    return found[0]


def find_bar(picture: np.ndarray, disc: Disc) -> Bar:
    """The one colour bar on a screen (rows, columns, 3), without its frame.

    ValueError: there is none beside the disc, or more than one, or it has no frame.
    """
    bars = [*_tall_bars(picture)]
    for top, left, bottom, right, has_frame in _tall_bars(picture.swapaxes(0, 1)):
        bars.append((left, top, right, bottom, has_frame))
    # Within the disc it is a piece of the map.
    found = [
        bar
        for bar in bars
        if not np.hypot((bar[0] + bar[2]) / 2 - disc[0], (bar[1] + bar[3]) / 2 - disc[1]) < disc[2]
    ]
    if len(found) == 1 and found[0][4]:
        return found[0][:4]
    told = "the colour bar has no frame, so its ends may be hidden in the background"
    if len(found) != 1:
        told = f"{len(found)} colour bars were found" if found else "no colour bar was found"
    raise ValueError(f"{told}: say where it is by bar (top, left, bottom, right) in a profile")


def _background(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colour of the background (3), and where (rows, columns) something differs from it."""
    edge = [part.reshape(-1, 3) for part in (picture[:2], picture[-2:], picture[:, [0, 1, -2, -1]])]
    ground = np.median(np.concatenate(edge), axis=0)
    return ground, (np.abs(picture - ground) > _GROUND).any(axis=2)


def _tall_bars(picture: np.ndarray) -> Iterator[tuple[int, int, int, int, bool]]:
    """Upright colour bars without frames and ticks, and whether they have a frame."""
    ground, things = _background(picture)
    brightness = (picture - ground) @ _BRIGHTNESS
    labels, _ = ndimage.label(things)
    for k, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        length, width = rows.stop - rows.start, columns.stop - columns.start
        if width < 4 or length < max(_SMALLEST[1], 2.5 * width):
            continue
        thing = labels[rows, columns] == k
        # Ticks and labels beside the bar touch few of its rows.
        across, along = thing.sum(axis=0), thing.sum(axis=1)
        wide = np.flatnonzero(across > 0.8 * across.max())
        long = np.flatnonzero(along > 0.8 * np.median(along[along > 0]))
        outer_left, outer_right = columns.start + wide[0], columns.start + wide[-1] + 1
        top, bottom = rows.start + long[0], rows.start + long[-1] + 1
        strip = picture[top:bottom, outer_left:outer_right].astype(float)
        middle = np.median(strip[:, strip.shape[1] // 2 - 1 : strip.shape[1] // 2 + 2], axis=1)
        off = np.abs(strip - middle[:, None]).max(axis=2)
        plain = np.flatnonzero(np.median(off, axis=0) <= _GROUND)
        if not len(plain) or np.linalg.norm(np.ptp(middle, axis=0)) < 100:
            continue
        is_mixed = (off[:, plain[0] : plain[-1] + 1] > _GROUND).mean() > 0.2
        is_mixed |= thing[long[0] : long[-1] + 1, wide[0] : wide[-1] + 1].mean() < 0.9
        left, right = outer_left + plain[0], outer_left + plain[-1] + 1
        if is_mixed or right - left < 4 or bottom - top < 3 * (right - left):
            continue
        bar = middle @ _BRIGHTNESS
        change = np.median(np.abs(bar - np.median(bar)))
        sides = (brightness[:, outer_left:left], brightness[:, right:outer_right])
        ends = [_frame(side, top, bottom, change) for side in sides]
        if has_frame := all(ends):
            top, bottom = max(end[0] for end in ends), min(end[1] for end in ends)
        yield int(top), int(left), int(bottom), int(right), has_frame


def _frame(brightness: np.ndarray, top: int, bottom: int, change: float) -> tuple[int, ...]:
    """First row inside the frame along one side of a bar, and the first beyond; () for no frame.

    `brightness` above the background's, of the columns beside the bar. A frame has one brightness
    all along, which is not that of the background; a blurred edge changes with the bar.
    """
    along = brightness[top:bottom]
    contrast = np.abs(np.median(along, axis=0))
    is_even = np.median(np.abs(along - np.median(along, axis=0)), axis=0) < _FRAME * change
    lines = np.flatnonzero(is_even & (contrast > 3 * _GROUND))
    if not len(lines):
        return ()
    best = lines[contrast[lines].argmax()]
    thickness = int((contrast[lines] > contrast[best] / 2).sum())
    parts, _ = ndimage.label(np.abs(brightness[:, best]) > contrast[best] / 2)
    run = np.flatnonzero(parts == parts[(top + bottom) // 2])
    return int(run[0]) + thickness, int(run[-1]) + 1 - thickness


# === The colours of the bar ===


class _Scale(NamedTuple):
    """The colours (n, 3) of a bar along its curve, from the low to the high end; the place of each
    (0 is the low end of the bar, 1 its high end); whether the bar comes back to it; and the share
    of the bar that its longest single colour takes.
    """

    colours: np.ndarray
    places: np.ndarray
    is_ambiguous: np.ndarray
    coarsest: float


def _read_scale(picture: np.ndarray, bar: Bar) -> _Scale:
    """The colour table of a bar; row k of n stands for the place (k + 0.5) / n.

    ValueError: it hardly changes its colour.
    """
    top, left, bottom, right = map(int, bar)
    strip = picture[top:bottom, left:right].astype(float)
    strip = strip[::-1] if bottom - top >= right - left else strip.swapaxes(0, 1)
    quarter = strip.shape[1] // 4
    rows = np.median(strip[:, quarter : strip.shape[1] - quarter], axis=1)
    # A running median removes noise, and marks drawn across the bar.
    rows = ndimage.median_filter(rows, size=(5, 1), mode="nearest")
    starts = [0]
    for k in range(1, len(rows)):
        if np.abs(rows[k] - rows[starts[-1] : k].mean(axis=0)).max() > _LIKE:
            starts.append(k)
    ends = [*starts[1:], len(rows)]
    coarsest = max(b - a for a, b in zip(starts, ends, strict=True)) / len(rows)
    colours = np.array([rows[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=True)])
    if np.ptp(colours, axis=0).max() < 50 or coarsest > _COARSE[1]:
        raise ValueError(
            "the bar hardly changes its colour: say where it is by bar (top, left, bottom, right)"
        )
    is_ambiguous = np.zeros(len(colours), bool)
    for k, colour in enumerate(colours):
        distance = np.linalg.norm(colours - colour, axis=1)
        for way in (distance[k:], distance[k::-1]):
            has_left = np.maximum.accumulate(way) > 3 * _SAME_COLOUR
            is_ambiguous[k] |= bool((has_left & (way < _SAME_COLOUR)).any())
    # The curve through the colours, 16 points from one to the next.
    number = np.arange(len(colours))
    at = np.linspace(0, number[-1], 16 * len(colours))
    return _Scale(
        np.stack([np.interp(at, number, channel) for channel in colours.T], axis=1),
        np.interp(at, number, (np.array(starts) + np.array(ends)) / 2 / len(rows)),
        is_ambiguous[at.round().astype(int)],
        coarsest,
    )


# === The colours of the map ===


def _around(picture: np.ndarray, disc: Disc) -> np.ndarray:
    """Colours (256, 256, 3) of a disc; its blurred edge, and all beyond, is as a little inside."""
    row, column, radius = disc
    share, angle = polar_coordinates(_SIDE)
    away = np.minimum(share * radius, radius - max(3.0, _EDGE * radius))
    rows = np.rint(row - away * np.sin(np.radians(angle))).astype(int)
    columns = np.rint(column + away * np.cos(np.radians(angle))).astype(int)
    return picture[rows.clip(0, len(picture) - 1), columns.clip(0, picture.shape[1] - 1)]


def _overlays(values: np.ndarray, is_off_table: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Pixels (256, 256) that are drawn over the map, whose `values` are shares of full scale."""
    # White and black lie on most colour tables, so an overlay is known by its shape: thin, and
    # different from what is around it; or a white or black patch, different from all around it.
    known = _continued(values, is_off_table)
    around = ndimage.median_filter(known, _AROUND, mode="nearest")
    found = is_off_table | (np.abs(known - around) > _JUMP)
    for contrast in (255 - shown.astype(int), shown):
        # Closed: a label's patch is full of holes, the letters on it.
        is_plain = ndimage.binary_closing((contrast <= _PLAIN).all(axis=2), np.ones((7, 7)))
        labels, _ = ndimage.label(ndimage.binary_opening(is_plain, np.ones((5, 5))))
        for k in range(1, labels.max() + 1):
            patch = labels == k
            near = ndimage.binary_dilation(patch, iterations=2)
            ring = ndimage.binary_dilation(near, iterations=3) & ~near & ~found
            if ring.any():
                apart = np.abs(known[ring] - np.median(known[patch])) > _ISLAND
                found |= near if apart.mean() > 0.9 else False
    for _ in range(2):
        beside = ndimage.binary_dilation(found, np.ones((3, 3))) & ~found
        off = np.abs(_continued(known, found | beside) - known)
        found |= beside & (off > _STAIN)
    return found


def _continued(values: np.ndarray, is_missing: np.ndarray) -> np.ndarray:
    """Values with each missing one taken from the nearest other."""
    if not is_missing.any() or is_missing.all():
        return values
    nearest = ndimage.distance_transform_edt(
        is_missing, return_distances=False, return_indices=True
    )
    return values[tuple(nearest)]
