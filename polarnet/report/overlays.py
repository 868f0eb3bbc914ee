"""Where a network looks: single studies, a row each."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet.anatomy import disc_mask
from polarnet.report.maps import HEAT, draw_scale, plot_polar_map
from polarnet.report.style import COLOURS, SMALL, TINY, TWO_COLUMNS

TOP: Final = 0.15
"""Share of the disc that is outlined as what a map points at (our choice)."""

BRIGHTEST: Final = 99
"""Percentile of a study's own attribution that gets the brightest colour (our choice)."""

_BELOW: Final = -1.3  # radii: below the name of the inferior wall

_LETTERS: Final = 24
"""Characters of a row's title in a line, beside a map of 1.6 inches."""


def plot_overlays(
    maps: np.ndarray,
    heat: np.ndarray,
    *,
    rows: Sequence[int],
    titles: Sequence[str],
    map_type: str,
    unit: str,
    randomised: np.ndarray | None = None,
) -> Figure:
    """Draw single studies: the map, its attribution, and where the attribution is highest.

    The attribution of each study is scaled to its own 99th percentile within the disc, so its
    brightness cannot be compared between studies; where it is below 0, it is drawn as 0.

    Parameters
    ----------
    maps, heat
        Maps and their attribution, both of shape (n, size, size), anterior up, septum left.
    rows
        Positions of the studies to be drawn, one a row.
    titles
        One a study drawn, printed as they are: no patient's or study's id.
    map_type, unit
        As for `plot_polar_map`.
    randomised
        Attribution of the same studies by a network with random weights.

    Raises
    ------
    ValueError: the arrays differ in shape, there is no row, or another number of titles.
    """
    for name, other in (("heat", heat), ("randomised", randomised)):
        if other is not None and other.shape != maps.shape:
            raise ValueError(f"{name} must have the shape of maps {maps.shape}, not {other.shape}.")
    if not len(rows) or len(rows) != len(titles):
        raise ValueError(
            f"Each row needs a title, but {len(rows)} rows and {len(titles)} titles came."
        )
    heads = [
        f"{map_type} map",
        "attribution",
        f"highest {100 * TOP:.0f} % outlined",
        "random weights",
    ]
    heads = heads[: 3 + (randomised is not None)]
    figure = Figure(figsize=(TWO_COLUMNS * len(heads) / 4 + 0.2, 0.9 + 1.65 * len(rows)),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(len(rows), len(heads), squeeze=False)
    for line, k, title in zip(axes, rows, titles, strict=True):
        flow: dict[str, Any] = {
            "map_type": map_type,
            "unit": unit,
            "show_means": False,
            "show_scale": False,
        }
        plot_polar_map(maps[k], line[0], **flow)
        plot_polar_map(maps[k], line[2], colours="gray", edges="0.5", **flow)
        _outline(line[2], heat[k])
        for ax, source in ((line[1], heat), (line[-1], randomised)):
            if source is not None:
                _draw_attribution(ax, source[k])
        line[0].text(-1.3, 0, fill(title, _LETTERS), fontsize=SMALL, rotation=90, ha="right",
                     va="center", ma="center")  # fmt: skip
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, fontsize=SMALL, pad=12)
    draw_scale(axes[0, 0].images[0], list(axes[:, 0]), map_type, unit, location="bottom")
    for column in (1, 3)[: len(heads) - 2]:
        draw_scale(axes[0, column].images[0], list(axes[:, column]), location="bottom",
                   label=f"share of the study's own\n{BRIGHTEST}th percentile")  # fmt: skip
    draw_scale(axes[0, 2].images[0], list(axes[:, 2]), map_type, unit, location="bottom")
    return figure


def plot_methods(
    maps: np.ndarray,
    heats: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str],
    notes: Mapping[str, Sequence[str]],
    map_type: str,
    unit: str,
) -> Figure:
    """Draw single studies, a row each, beside what several methods attribute to each place.

    Parameters
    ----------
    maps
        Shape (n, size, size), anterior up, septum left.
    heats
        Method -> attribution of the same studies, scaled as in `plot_overlays`.
    titles
        One a study, printed as they are: no patient's or study's id.
    notes
        Method -> a few words a study, printed below its attribution, such as the vessel it names.
    map_type, unit
        As for `plot_polar_map`.
    """
    figure = Figure(figsize=(1.35 * (1 + len(heats)), 1.0 + 1.85 * len(maps)),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(len(maps), 1 + len(heats), squeeze=False)
    for k, line in enumerate(axes):
        plot_polar_map(maps[k], line[0], map_type=map_type, unit=unit, show_means=False,
                       show_scale=False)  # fmt: skip
        below: dict[str, Any] = {"fontsize": SMALL, "ha": "center", "va": "top"}
        line[0].text(0, _BELOW, titles[k], **below)
        for ax, (method, heat) in zip(line[1:], heats.items(), strict=True):
            _draw_attribution(ax, heat[k])
            ax.text(0, _BELOW, notes[method][k], **below)
    for ax, head in zip(axes[0], (f"{map_type} map", *heats), strict=True):
        ax.set_title(head, fontsize=SMALL, pad=12)
    draw_scale(axes[0, 0].images[0], list(axes[:, 0]), map_type, unit, location="bottom")
    draw_scale(axes[0, 1].images[0], list(axes[:, 1:].ravel()), location="bottom",
               label=f"share of the study's own {BRIGHTEST}th percentile")  # fmt: skip
    return figure


def _draw_attribution(ax: Axes, heat: np.ndarray) -> None:
    """Attribution of one study as a share of its own 99th percentile."""
    brightest = np.percentile(heat[disc_mask(len(heat))], BRIGHTEST)
    shares = heat / brightest if brightest > 0 else np.zeros_like(heat)
    plot_polar_map(shares, ax, limits=(0.0, 1.0), colours=HEAT, edges="w", show_means=False,
                   show_scale=False)  # fmt: skip
    if brightest <= 0:
        ax.text(0, 0, "no attribution", fontsize=TINY, ha="center", va="center",
                bbox={"fc": "w", "ec": "none", "pad": 1})  # fmt: skip


def _outline(ax: Axes, heat: np.ndarray) -> None:
    """The border of the pixels with the highest attribution, visible on dark and on bright."""
    disc = disc_mask(len(heat))
    is_top = disc & (heat > 0) & (heat >= np.quantile(heat[disc], 1 - TOP))
    if not is_top.any():
        return
    # A pixel of nothing around, so that the line closes where the disc touches the map's side.
    padded, reach = np.pad(is_top.astype(float), 1), 1 + 2 / len(heat)
    for colour, width in (("w", 2.2), (COLOURS[2], 1.2)):
        ax.contour(padded, [0.5], colors=colour, linewidths=width, origin="upper",
                   extent=(-reach, reach, -reach, reach))  # fmt: skip
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
