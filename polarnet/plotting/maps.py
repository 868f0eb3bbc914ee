"""Polar maps and bullseyes: one map, one study, several studies, a cohort at a glance."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Wedge
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
from polarnet.files import new_file
from polarnet.plotting.style import TINY, TWO_COLUMNS, new_panels, save_png

FLOW: Final = "inferno"
"""Colour map of flow: perceptually even and legible in grey (our choice)."""

SIGNED: Final = "RdBu_r"
"""Of signed values, white at 0; safe for the colour-blind (our choice)."""

HEAT: Final = "viridis"
"""Of attribution: not the colours of flow, so that neither is taken for the other (our choice)."""

LIMITS: Final = {"rest": (0.0, 4.0), "stress": (0.0, 4.0), "reserve": (0.0, 5.0)}
"""One absolute scale for all flow maps in mL/min/g, another for reserve (our choice)."""

PERCENT: Final = (0.0, 100.0)

NAMES: Final = {"rest": "rest MBF", "stress": "stress MBF", "reserve": "flow reserve"}

WHOLE: Final = (-1, 1, -1, 1)
"""Left, right, bottom and top of a map on its axes; the disc has radius 1."""

BORDER: Final = "#00b7c7"
"""Of lines that must be seen on the darkest and on the brightest flow (our choice)."""

_BRIGHTNESS: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601); on colours darker than `_DARK` numbers are white
(our choice)."""

_DARK: Final = 0.47

_WALLS: Final = {"anterior": (0, 1.04), "inferior": (0, -1.04), "septum": (-1.04, 0),
                 "lateral": (1.04, 0)}  # fmt: skip

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
    low, high = PERCENT if unit == "percent" else LIMITS[map_type]
    low, high = low if vmin is None else vmin, high if vmax is None else vmax
    is_signed = low < 0
    borders = PatchCollection(
        [Wedge((0, 0), outer, start, stop, width=outer - inner)
         for inner, outer, start, stop in _segment_shapes()],
        linewidths=0.7,
    )  # fmt: skip
    colours: dict[str, Any] = {"cmap": cmap or (SIGNED if is_signed else FLOW)}
    drawn: Any = borders
    if values.ndim == 2:
        inside = np.where(disc_mask(len(values)), values, np.nan)
        drawn = ax.imshow(inside, vmin=low, vmax=high, extent=WHOLE, **colours)
        # Pixels at the edge reach beyond the disc.
        drawn.set_clip_path(Circle((0, 0), 1, transform=ax.transData))
        borders.set_facecolor("none")
    else:
        borders.set(array=values, clim=(low, high), **colours)
    ax.add_collection(borders)
    borders.set_edgecolor(edgecolor or ("0.4" if is_signed else "w"))
    if show_means:
        means = segment_means(values) if values.ndim == 2 else values
        text = f"{'+' if is_signed else ''}z.{0 if unit == 'percent' else digits}f"
        for (x, y), mean in zip(segment_middles(), means, strict=True):
            brightness = np.dot(drawn.to_rgba(mean)[:3], _BRIGHTNESS)
            is_dark = np.isfinite(mean) and brightness < _DARK
            ax.text(x, y, f"{mean:{text}}", fontsize=TINY, ha="center", va="center",
                    color="w" if is_dark else "k")  # fmt: skip
    for wall, (x, y) in _WALLS.items():
        ax.text(x, y, wall, fontsize=TINY, color="0.35", rotation=90 if x else 0,
                ha=("right", "center", "left")[int(np.sign(x)) + 1],
                va=("top", "center", "bottom")[int(np.sign(y)) + 1])  # fmt: skip
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
    axes: Sequence[Axes], label: str, *, location: str = "right", extend: str = "max"
) -> None:
    """Draw the colour bar of one map, or of several on one scale, at their right or below."""
    if location == "right" and len(axes) == 1:
        room: dict[str, Any] = {"ax": axes[0], "fraction": 0.045, "pad": 0.1}
    else:
        room = {"ax": axes, "location": location, "aspect": 30, "shrink": 0.7, "pad": 0.02}
    drawn = [*axes[0].images, *axes[0].collections][0]
    bar = axes[0].figure.colorbar(drawn, extend=extend, **room)
    bar.set_label(label, fontsize=7)
    bar.ax.tick_params(labelsize=TINY)


def map_label(map_type: str, unit: str) -> str:
    """Quantity and unit of a map, as a colour bar names them.

    >>> map_label("stress", "mL/min/g")
    'stress MBF (mL/min/g)'
    """
    if unit == "percent":
        return f"{map_type} counts (percent)"
    return NAMES[map_type] if map_type == "reserve" else f"{NAMES[map_type]} ({unit})"


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
        ax.contour(inside, [level], colors=color, linestyles=linestyle, linewidths=1.2,
                   origin="upper", extent=WHOLE)  # fmt: skip


def mark_territories(ax: Axes) -> None:
    """Draw the numbers of the segments, and the borders and names of the three vessels."""
    for number, place in enumerate(segment_middles(), start=1):
        ax.annotate(str(number), place, (0, 6.5), textcoords="offset points", fontsize=4.5,
                    ha="center", va="center", color="w",
                    bbox={"fc": "0.25", "ec": "none", "pad": 0.6})  # fmt: skip
    fine = segment_map(400)  # a fine raster has smooth borders
    for vessel, angle in _VESSELS_AT.items():
        is_there = np.isin(fine, list(TERRITORIES[vessel])).astype(float)
        ax.contour(is_there, [0.5], colors=BORDER, linewidths=1.6, origin="upper", extent=WHOLE)
        x, y = 1.17 * np.cos(np.radians(angle)), 1.17 * np.sin(np.radians(angle))
        ax.text(x, y, vessel, fontsize=7, weight="bold", ha="center", va="center")
    ax.set(xlim=(-1, 1), ylim=(-1, 1))


def plot_studies(
    maps: np.ndarray, captions: Sequence[str], *, map_type: str, unit: str, columns: int = 4
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

    Raises
    ------
    ValueError: no map, or another number of captions than of maps.
    """
    if not len(maps) or len(maps) != len(captions):
        raise ValueError(
            f"Each map needs a caption, but {len(maps)} maps and {len(captions)} captions came."
        )
    bar = 0.6  # inches
    width = (TWO_COLUMNS - bar) / columns
    columns = min(columns, len(maps))
    figure, axes = new_panels(
        len(maps), columns, width=bar + columns * width, height=width + 0.32
    )  # fmt: skip
    for ax, values, caption in zip(axes, maps, captions, strict=True):
        plot_polar_map(values, ax, map_type=map_type, unit=unit, show_means=False, colorbar=False)
        lines = [fill(line, int(width * _LETTERS)) for line in caption.splitlines()]
        ax.set_title("\n".join(lines), fontsize=TINY, pad=9 + 1.5 * width)
    add_colorbar(axes, map_label(map_type, unit))
    return figure


def write_preview(
    path: str | Path, values: np.ndarray, *, map_type: str, unit: str, caption: str
) -> Path:
    """Draw one map with wall names, so that its orientation can be checked before an import.

    Parameters
    ----------
    path
        PNG to write; an older one is replaced.
    values
        Polar map of shape (size, size), anterior up, septum left.
    map_type, unit
        As for `plot_polar_map`; "" for a reserve.
    caption
        Text below the picture.
    """
    figure = Figure(figsize=(5, 4.6))
    plot_polar_map(values, figure.subplots(), map_type=map_type, unit=unit or "mL/min/g")
    figure.text(0.5, 0.02, caption, ha="center", fontsize=7, wrap=True)
    with new_file(path) as partial:
        save_png(figure, partial, 130)
    return Path(path)


def draw_contact_sheet(some: Cohort, n_studies: int, path: Path) -> None:
    """Draw the maps of some studies, small, one column per study, on one absolute scale.

    Parameters
    ----------
    some
        The studies to draw.
    n_studies
        Studies of the whole cohort.
    path
        PNG to write.
    """
    map_types = list(some.maps)
    step, label = some.size + 4, some.size // 4
    block_rows = len(map_types) * step + label
    # One picture of all maps: hundreds of axes take matplotlib many seconds.
    mosaic = np.full((-(-len(some) // _SHEET_COLUMNS) * block_rows, _SHEET_COLUMNS * step), np.nan)
    height = 0.35 + _SHEET_COLUMNS * len(mosaic) / mosaic.shape[1]
    figure = Figure(figsize=(_SHEET_COLUMNS, height))
    ax = figure.add_axes((0, 0, 1, 1 - 0.35 / height))
    disc = disc_mask(some.size)
    for study, study_id in enumerate(some.patients.index):
        block, column = divmod(study, _SHEET_COLUMNS)
        for row, map_type in enumerate(map_types):
            low, high = PERCENT if some.unit == "percent" else LIMITS[map_type]
            scaled = np.clip((np.asarray(some.maps[map_type][study]) - low) / (high - low), 0, 1)
            top, left = block * block_rows + label + row * step, column * step + 2
            mosaic[top : top + some.size, left : left + some.size] = np.where(disc, scaled, np.nan)
        ax.text((column + 0.5) * step, block * block_rows + label / 2, str(study_id),
                fontsize=TINY, ha="center", va="center")  # fmt: skip
    ax.imshow(mosaic, cmap=FLOW, vmin=0, vmax=1, interpolation="nearest")
    ax.axis("off")
    phantom = "Phantom, not patients. " if some.is_phantom else ""
    scale = "0-100 percent" if some.unit == "percent" else "0-4 mL/min/g, reserve 0-5"
    figure.suptitle(
        f"{phantom}{len(some)} of {n_studies} studies; rows: {', '.join(map_types)}; "
        f"scale {scale}; anterior up, septum left",
        fontsize=7, y=1 - 0.1 / height,
    )  # fmt: skip
    # Thrice as fast as the usual compression, for a file that is a tenth larger.
    save_png(figure, path, 110, compress_level=1)


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
