"""Single studies side by side, such as those that were read wrongly."""

from collections.abc import Sequence
from textwrap import fill
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from polarnet.report.maps import draw_scale, plot_polar_map
from polarnet.report.style import TINY, TWO_COLUMNS

_LETTERS: Final = 21.0
"""Characters of a caption in an inch of its width, at 6 points."""

_SCALE: Final = 0.6
"""Inches for the colour bar."""


def plot_studies(
    maps: np.ndarray,
    captions: Sequence[str],
    *,
    map_type: str,
    unit: str,
    columns: int = 4,
) -> Figure:
    """Draw the maps of some studies on one scale, each with a caption.

    Parameters
    ----------
    maps
        Shape (k, size, size), anterior up, septum left; mL/min/g, percent, or reserve.
    captions
        One a map, of one or two short lines: trait, label, probability. They are printed as they
        are: no patient's or study's id.
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
    width = (TWO_COLUMNS - _SCALE) / columns
    columns = min(columns, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(_SCALE + columns * width, rows * (width + 0.32)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, values, caption in zip(axes.flat, maps, captions, strict=False):
        plot_polar_map(values, ax, map_type=map_type, unit=unit, show_means=False, show_scale=False)
        lines = [fill(line, int(width * _LETTERS)) for line in caption.splitlines()]
        ax.set_title("\n".join(lines), fontsize=TINY, pad=9 + 1.5 * width)
    for ax in axes.flat[len(maps) :]:
        ax.axis("off")
    draw_scale(axes.flat[0].images[0], list(axes.flat), map_type, unit)
    return figure
