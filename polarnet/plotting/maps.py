"""Polar maps and bullseyes: one map, one study, several studies, a cohort at a glance."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle, Wedge
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from polarnet.anatomy import (
    RING_ENDS,
    TERRITORIES,
    disc_mask,
    in_segment_order,
    segment_map,
    segment_means,
)
from polarnet.cohort import Cohort
from polarnet.plotting.style import SMALL, TINY, TWO_COLUMNS, new_panels, save_png

FLOW: Final = "inferno"
"""Colour map of flow: perceptually even and legible in grey (our choice)."""

SIGNED: Final = "RdBu_r"
"""Of signed values, white at 0; safe for the colour-blind (our choice)."""

HEAT: Final = "viridis"
"""Of attribution: not the colours of flow, so that neither is taken for the other (our choice)."""

LIMITS: Final = {"rest": (0.0, 4.0), "stress": (0.0, 4.0), "reserve": (0.0, 5.0)}
"""One absolute scale for all flow maps in mL/min/g, another for reserve (our choice)."""

PERCENT: Final = (0.0, 100.0)

WHOLE: Final = (-1, 1, -1, 1)
"""Left, right, bottom and top of a map on its axes; the disc has radius 1."""

BORDER: Final = "#00b7c7"
"""Of lines that must be seen on the darkest and on the brightest flow (our choice)."""

_BRIGHTNESS: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

_DARK: Final = 0.47
"""On darker colours, numbers are white (our choice)."""

_WALLS: Final = (
    ("anterior", 0, 1.04, "center", "bottom", 0),
    ("inferior", 0, -1.04, "center", "top", 0),
    ("septum", -1.04, 0, "right", "center", 90),
    ("lateral", 1.04, 0, "left", "center", 90),
)
"""Name, x, y, alignment and turn of the text beside the disc."""

_VESSELS_AT: Final = {"LAD": 130.0, "RCA": 230.0, "LCx": 320.0}
"""Degrees from the lateral wall at which the name of a vessel stands beside the disc."""

_LETTERS: Final = 21.0
"""Characters of a caption per inch of its width, at 6 points."""

_SHEET_COLUMNS: Final = 10


def plot_polar_map(
    values: np.ndarray,
    ax: Axes | None = None,
    *,
    map_type: str = "stress",
    unit: str = "mL/min/g",
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | None = None,
    edgecolor: str | None = None,
    colorbar: bool | str = True,
    show_means: bool = True,
    digits: int = 1,
) -> Axes:
    """Draw one polar map with the borders of the AHA segments.

    Parameters
    ----------
    values
        Shape (size, size), anterior up, septum left; mL/min/g, percent, or reserve. Or shape
        (17,): the values of segments 1 to 17, drawn as a bullseye.
    ax
        Axes to draw on. Default: the current ones.
    map_type, unit
        For scale and colour bar; a reserve has no unit.
    vmin, vmax
        Darkest and brightest value. Default: 0-4 mL/min/g, 0-5 for reserve, 0-100 percent: the
        same for every patient, never the map's own maximum. Below 0, `vmin` says that values are
        signed: the numbers then get their sign.
    cmap, edgecolor
        Colour map, and colour of the segments' borders. Default: "inferno" and white; "RdBu_r" and
        grey for signed values.
    colorbar
        Whether to draw one; or its label, instead of map type and unit.
    show_means
        Write the 17 segment means.
    digits
        Decimals of these numbers; percent has none.

    Returns
    -------
    The axes; the disc has radius 1 on them.
    """
    ax = ax or plt.gca()
    low, high = scale_of(map_type, unit)
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    is_signed = low < 0
    wedges = [
        Wedge((0, 0), outer, start, stop, width=outer - inner)
        for inner, outer, start, stop in _segment_shapes()
    ]
    borders = PatchCollection(wedges, linewidths=0.7)
    drawn: Any = borders
    cmap = cmap or (SIGNED if is_signed else FLOW)
    if values.ndim == 2:
        inside = np.where(disc_mask(len(values)), values, np.nan)
        drawn = ax.imshow(inside, vmin=low, vmax=high, cmap=cmap, extent=WHOLE)
        # Pixels at the edge reach beyond the disc.
        drawn.set_clip_path(Circle((0, 0), 1, transform=ax.transData))
        borders.set_facecolor("none")
    else:
        borders.set(array=values, clim=(low, high), cmap=cmap)
    ax.add_collection(borders)
    borders.set_edgecolor(edgecolor or ("0.4" if is_signed else "w"))
    if show_means:
        means = segment_means(values) if values.ndim == 2 else values
        text = f"{'+' if is_signed else ''}z.{0 if unit == 'percent' else digits}f"
        look: dict[str, Any] = {"fontsize": TINY, "ha": "center", "va": "center"}
        for (x, y), mean in zip(segment_middles(), means, strict=True):
            is_dark = np.isfinite(mean) and np.dot(drawn.to_rgba(mean)[:3], _BRIGHTNESS) < _DARK
            halo = [withStroke(linewidth=1.2, foreground="k" if is_dark else "w", alpha=0.6)]
            color = "w" if is_dark else "k"
            ax.text(x, y, f"{mean:{text}}", color=color, path_effects=halo, **look)
    for wall, x, y, ha, va, turn in _WALLS:
        ax.text(x, y, wall, fontsize=TINY, color="0.35", rotation=turn, ha=ha, va=va)
    ax.set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    ax.axis("off")
    if colorbar:
        add_colorbar([ax], colorbar if isinstance(colorbar, str) else map_label(map_type, unit))
    return ax


def plot_bullseye(values17: ArrayLike, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw 17 segment values as the AHA bullseye.

    Parameters
    ----------
    values17
        Shape (17,), element k is segment k + 1. A Series whose index names the segments 1 to 17, as
        numbers or text, is put into their order.
    ax, options
        As for `plot_polar_map`: map_type, unit, vmin, vmax, cmap, edgecolor, colorbar, digits.

    Raises
    ------
    ValueError: not 17 values.

    References
    ----------
    Cerqueira et al., Circulation 2002;105:539-542.
    """
    values17 = in_segment_order(values17)
    if values17.shape != (17,):
        raise ValueError(f"A bullseye needs 17 values, but {values17.shape} were given.")
    return plot_polar_map(values17, ax, **options)


def add_colorbar(
    axes: Sequence[Axes],
    label: str,
    *,
    location: str = "right",
    extend: str = "max",
    pad: float = 0.02,
) -> None:
    """Draw the colour bar of one map, or of several on one scale, at their right or below."""
    if location == "right" and len(axes) == 1:
        room: dict[str, Any] = {"ax": axes[0], "fraction": 0.045, "pad": 0.1}
    else:
        room = {"ax": axes, "location": location, "aspect": 30, "shrink": 0.7, "pad": pad}
    drawn = [*axes[0].images, *axes[0].collections][0]
    bar = axes[0].figure.colorbar(drawn, extend=extend, **room)
    bar.set_label(label, fontsize=SMALL)
    bar.ax.tick_params(labelsize=TINY)


def scale_of(map_type: str, unit: str) -> tuple[float, float]:
    """Darkest and brightest value of a map type."""
    return PERCENT if unit == "percent" else LIMITS[map_type]


def map_label(map_type: str, unit: str) -> str:
    """Quantity and unit of a map, as a colour bar names them.

    >>> map_label("stress", "mL/min/g")
    'stress MBF (mL/min/g)'
    """
    if unit == "percent":
        return f"{map_type} counts (percent)"
    return "flow reserve" if map_type == "reserve" else f"{map_type} MBF ({unit})"


def segment_middles() -> np.ndarray:
    """Middle of each AHA segment on a map drawn from -1 to 1, shape (17, 2): x and y.

    >>> segment_middles()[[0, 13]].round(3).tolist()      # basal anterior, apical septal
    [[0.0, 0.875], [-0.375, 0.0]]
    """
    inner, outer, start, stop = np.array(_segment_shapes()).T
    angle, radius = np.radians((start + stop) / 2), (inner + outer) / 2
    radius[16] = 0.0
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def mark_level(ax: Axes, values: np.ndarray, level: float, color: str, linestyle: str) -> None:
    """Draw a line where a map of shape (size, size) crosses a level within the disc."""
    inside = np.where(disc_mask(len(values)), values, np.nan)
    if np.nanmin(inside) < level < np.nanmax(inside):
        look: dict[str, Any] = {"colors": color, "linestyles": linestyle, "linewidths": 1.2}
        ax.contour(inside, [level], origin="upper", extent=WHOLE, **look)


def mark_territories(ax: Axes) -> None:
    """Draw the borders and names of the three vessels, and the numbers of the segments beside
    their means, all with a halo, so that they stand out from every colour.
    """
    look: dict[str, Any] = {"ha": "center", "va": "center"}
    halo = [withStroke(linewidth=2, foreground="w")]
    for text in ax.texts:
        if text.get_color() in ("w", "k"):  # the means
            text.set(fontsize=9, color="k", path_effects=halo, y=text.get_position()[1] - 0.035)
    above: dict[str, Any] = {"xytext": (0, 7), "textcoords": "offset points", "fontsize": SMALL}
    for number, place in enumerate(segment_middles(), start=1):
        ax.annotate(str(number), place, **above, color="0.25", path_effects=halo, **look)
    fine = segment_map(400)  # a fine raster has smooth borders
    for vessel, angle in _VESSELS_AT.items():
        is_there = np.isin(fine, list(TERRITORIES[vessel])).astype(float)
        ax.contour(is_there, [0.5], colors=BORDER, linewidths=1.6, origin="upper", extent=WHOLE)
        x, y = 1.17 * np.cos(np.radians(angle)), 1.17 * np.sin(np.radians(angle))
        ax.text(x, y, vessel, fontsize=SMALL, weight="bold", **look)
    ax.set(xlim=(-1, 1), ylim=(-1, 1))


def plot_studies(
    maps: np.ndarray,
    captions: Sequence[str],
    *,
    map_type: str,
    unit: str,
    columns: int = 4,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the maps of some studies on one scale, each with a caption.

    Parameters
    ----------
    maps
        Shape (k, size, size), anterior up, septum left; mL/min/g, percent, or reserve.
    captions
        One per map, of one or two short lines: trait, label, probability. They are printed as they
        are, so they must hold no id of a patient or study.
    map_type, unit
        As for `plot_polar_map`.
    columns
        Maps in a row that is two columns of a journal wide.
    figure
        Figure or SubFigure to draw in, with `layout="constrained"`. Default: a new one.

    Raises
    ------
    ValueError: no map, or another number of captions than of maps.
    """
    if not len(maps) or len(maps) != len(captions):
        raise ValueError(
            f"Each map needs a caption, but {len(maps)} maps and {len(captions)} captions came."
        )
    bar = 0.6  # inches
    side = (TWO_COLUMNS - bar) / columns
    columns = min(columns, len(maps))
    width = bar + columns * side
    drawn, axes = new_panels(len(maps), columns, width=width, height=side + 0.32, figure=figure)
    for ax, values, caption in zip(axes, maps, captions, strict=True):
        plot_polar_map(values, ax, map_type=map_type, unit=unit, show_means=False, colorbar=False)
        lines = [fill(line, int(side * _LETTERS)) for line in caption.splitlines()]
        ax.set_title("\n".join(lines), fontsize=TINY, pad=9 + 1.5 * side)
    add_colorbar(axes, map_label(map_type, unit))
    return drawn


def draw_contact_sheet(some: Cohort, n_studies: int, path: Path) -> None:
    """Draw some of `n_studies` studies as a PNG file, one column each, on one absolute scale."""
    disc, label = disc_mask(some.size), some.size // 4
    rows = []
    for map_type, maps in some.maps.items():
        low, high = scale_of(map_type, some.unit)
        shares = np.clip((np.asarray(maps[:], float) - low) / (high - low), 0, 1)
        rows.append(_framed(np.where(disc, shares, np.nan), (0, 4), (2, 2)))
    # One picture of all maps: hundreds of axes take matplotlib many seconds.
    studies = _framed(np.concatenate(rows, axis=1), (label, 0), (0, 0))
    empty = np.full((-len(some) % _SHEET_COLUMNS, *studies.shape[1:]), np.nan)
    _, height, width = studies.shape
    blocks = np.concatenate([studies, empty]).reshape(-1, _SHEET_COLUMNS, height, width)
    mosaic = blocks.swapaxes(1, 2).reshape(-1, _SHEET_COLUMNS * width)
    inches = 0.35 + _SHEET_COLUMNS * len(mosaic) / mosaic.shape[1]
    figure = Figure(figsize=(_SHEET_COLUMNS, inches))
    ax = figure.add_axes((0, 0, 1, 1 - 0.35 / inches))
    for k, study_id in enumerate(some.patients.index):
        row, column = divmod(k, _SHEET_COLUMNS)
        place = (column + 0.5) * width, row * height + label / 2
        ax.text(*place, str(study_id), fontsize=TINY, ha="center", va="center")
    ax.imshow(mosaic, cmap=FLOW, vmin=0, vmax=1, interpolation="nearest")
    ax.axis("off")
    phantom = "Phantom, not patients. " if some.is_phantom else ""
    scale = "0-100 percent" if some.unit == "percent" else "0-4 mL/min/g, reserve 0-5"
    text = (
        f"{phantom}{len(some)} of {n_studies} studies; rows: {', '.join(some.maps)}; "
        f"scale {scale}; anterior up, septum left"
    )
    figure.suptitle(text, fontsize=SMALL, y=1 - 0.1 / inches)
    # Thrice as fast as the usual compression, for a file that is a tenth larger.
    save_png(figure, path, 110, compress_level=1)


def _framed(maps: np.ndarray, above: tuple[int, int], beside: tuple[int, int]) -> np.ndarray:
    """Maps with empty pixels around each."""
    return np.pad(maps, ((0, 0), above, beside), constant_values=np.nan)


def _segment_shapes() -> list[tuple[float, float, float, float]]:
    """Inner and outer radius, first and last angle in degrees, of segments 1 to 17."""
    apex, apical, mid, basal = RING_ENDS
    sixths = [(60.0 + 60 * k, 120.0 + 60 * k) for k in range(6)]
    quarters = [(45.0 + 90 * k, 135.0 + 90 * k) for k in range(4)]
    return [
        *((mid, basal, *angles) for angles in sixths),
        *((apical, mid, *angles) for angles in sixths),
        *((apex, apical, *angles) for angles in quarters),
        (0.0, apex, 0.0, 360.0),
    ]
