"""Polar maps and bullseyes on matplotlib axes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Wedge
from numpy.typing import ArrayLike

from polarnet.anatomy import RING_ENDS, disc_mask, in_segment_order, segment_means

COLOURS: Final = "inferno"
"""Perceptually even and legible in grey (our choice; vendors' tables are not)."""

LIMITS: Final = {"rest": (0.0, 4.0), "stress": (0.0, 4.0), "reserve": (0.0, 5.0)}
"""One absolute scale for all flow maps in mL/min/g, another for reserve (our choice)."""

DIFFERENCES: Final = "RdBu_r"
"""Of signed values, white at 0; told apart by the colour-blind (our choice)."""

HEAT: Final = "viridis"
"""Of attribution: not the colours of flow, so that neither is taken for the other (our choice)."""

LABELS: Final = {"rest": "rest MBF", "stress": "stress MBF", "reserve": "flow reserve"}

_BRIGHTNESS: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601); below `_DARK` numbers are white (our choice)."""

_DARK: Final = 0.47

_WALLS: Final = (
    ("anterior", 0, 1.04, "center", "bottom"),
    ("inferior", 0, -1.04, "center", "top"),
    ("septum", -1.04, 0, "right", "center"),
    ("lateral", 1.04, 0, "left", "center"),
)


def plot_polar_map(
    values: np.ndarray,
    ax: Axes | None = None,
    *,
    map_type: str = "stress",
    unit: str = "mL/min/g",
    limits: tuple[float, float] | None = None,
    show_means: bool = True,
    show_scale: bool = True,
    colours: str = COLOURS,
    edges: str = "w",
    label: str | None = None,
) -> Axes:
    """Draw one polar map with the borders of the AHA segments.

    Parameters
    ----------
    values
        Shape (size, size), anterior up, septum left; mL/min/g, percent, or reserve.
    ax
        Axes to draw on; default: the current ones.
    map_type, unit
        For the colour bar; a reserve has no unit.
    limits
        Darkest and brightest value. Default: 0-4 mL/min/g, 0-5 for reserve, 0-100 percent:
        the same for every patient, never the map's own maximum.
    show_means
        Write the 17 segment means.
    show_scale
        Draw the colour bar; without it, `draw_scale` makes one for several maps.
    colours, edges
        Name of the colour map, and the colour of the segments' borders.
    label
        Of the colour bar. Default: map type and unit.

    Returns
    -------
    The axes.
    """
    ax = ax or plt.gca()
    limits = limits or ((0.0, 100.0) if unit == "percent" else LIMITS[map_type])
    inside = np.where(disc_mask(len(values)), values, np.nan)
    image = ax.imshow(inside, cmap=colours, vmin=limits[0], vmax=limits[1], extent=(-1, 1, -1, 1))
    # Pixels at the edge reach beyond the disc.
    image.set_clip_path(Circle((0, 0), 1, transform=ax.transData))
    _finish(ax, unit, segment_means(values) if show_means else None, image, edges)
    if show_scale:
        draw_scale(image, [ax], map_type, unit, label=label)
    return ax


def plot_bullseye(
    values17: ArrayLike,
    ax: Axes | None = None,
    *,
    map_type: str = "stress",
    unit: str = "mL/min/g",
    limits: tuple[float, float] | None = None,
    show_scale: bool = True,
    colours: str = COLOURS,
    edges: str = "w",
    label: str | None = None,
    digits: int = 1,
) -> Axes:
    """Draw 17 segment values as the AHA bullseye.

    Parameters
    ----------
    values17
        Shape (17,), element k is segment k + 1. A Series whose index names the segments 1 to 17, as
        numbers or text, is put into their order.
    ax, map_type, unit, limits, show_scale, colours, edges, label
        As for `plot_polar_map`. Numbers get their sign where the lower limit is negative.
    digits
        Of the numbers after the point; percent has none.

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
    ax = ax or plt.gca()
    limits = limits or ((0.0, 100.0) if unit == "percent" else LIMITS[map_type])
    scale = plt.Normalize(*limits)
    mappable = plt.cm.ScalarMappable(scale, colours)
    for segment, (inner, outer, start, stop) in enumerate(_segment_shapes()):
        wedge = Wedge((0, 0), outer, start, stop, width=outer - inner)
        wedge.set_facecolor(plt.get_cmap(colours)(scale(values17[segment])))
        ax.add_patch(wedge)
    ax.set_xlim(-1, 1)
    ax.set_ylim(-1, 1)
    _finish(ax, unit, values17, mappable, edges, digits)
    if show_scale:
        draw_scale(mappable, [ax], map_type, unit, label=label)
    return ax


def draw_scale(
    mappable: Any,
    axes: Sequence[Axes],
    map_type: str = "",
    unit: str = "",
    *,
    label: str | None = None,
    location: str = "right",
    extend: str = "max",
) -> None:
    """Draw the colour bar of one map, or of several on one scale, at their right or below.

    It is named after map type and unit, unless there is a `label`.
    """
    if location == "right" and len(axes) == 1:
        room: dict[str, Any] = {"ax": axes[0], "fraction": 0.045, "pad": 0.1}
    else:
        room = {"ax": axes, "location": location, "aspect": 30, "shrink": 0.7, "pad": 0.02}
    bar = axes[0].figure.colorbar(mappable, extend=extend, **room)
    if label is None:
        name = f"{map_type} counts" if unit == "percent" else LABELS[map_type]
        label = name if map_type == "reserve" else f"{name} ({unit})"
    bar.set_label(label, fontsize=7)
    bar.ax.tick_params(labelsize=6)


def segment_middles() -> np.ndarray:
    """Middle of each AHA segment on a map drawn from -1 to 1, shape (17, 2): x and y.

    >>> segment_middles()[[0, 13]].round(3).tolist()      # basal anterior, apical septal
    [[0.0, 0.875], [-0.375, 0.0]]
    """
    inner, outer, start, stop = np.array(_segment_shapes()).T
    angle, radius = np.radians((start + stop) / 2), (inner + outer) / 2
    radius[16] = 0.0
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


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


def _finish(
    ax: Axes, unit: str, means: np.ndarray | None, mappable: Any, edges: str, digits: int = 1
) -> None:
    """Segment borders and numbers, wall names."""
    for inner, outer, start, stop in _segment_shapes():
        ax.add_patch(
            Wedge((0, 0), outer, start, stop, width=outer - inner, fill=False, ec=edges, lw=0.7)
        )
    sign = "+" if mappable.norm.vmin < 0 else ""
    for (x, y), mean in zip(segment_middles(), [] if means is None else means, strict=False):
        text = f"{mean:{sign}z.{0 if unit == 'percent' else digits}f}"
        brightness = np.dot(mappable.to_rgba(mean)[:3], _BRIGHTNESS)
        is_dark = np.isfinite(mean) and brightness < _DARK
        ax.text(x, y, text, fontsize=6, ha="center", va="center", color="w" if is_dark else "k")
    for wall, x, y, horizontal, vertical in _WALLS:
        turn = 90 if horizontal in ("left", "right") else 0
        ax.text(x, y, wall, ha=horizontal, va=vertical, fontsize=6, color="0.35", rotation=turn)
    ax.set_aspect("equal")
    ax.axis("off")
