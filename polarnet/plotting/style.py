"""The look of figures in a journal, and how they are saved."""

from pathlib import Path
from typing import IO, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from polarnet.files import new_file

ONE_COLUMN: Final = 3.5
TWO_COLUMNS: Final = 7.2
"""Widths in inches that most journals print."""

COLOURS: Final = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Safe for the colour-blind. Okabe & Ito 2008, jfly.uni-koeln.de/color, in our order."""

MARKERS: Final = ("o", "s", "^", "v", "D")
"""Beside the colours, for print without them."""

GREY: Final = "0.6"
"""For lines of comparison."""

SMALL: Final = 7
TINY: Final = 6
"""Points: labels, and what is read second."""

DOTS_PER_INCH: Final = 200
"""Of a PNG file for print."""


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches; a notebook shows `ax.figure`."""
    return Figure(figsize=(width, height), layout="constrained").subplots()


def new_panels(
    n: int, columns: int, *, width: float, height: float, title: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels, filled row by row; places left over stay empty.

    Parameters
    ----------
    width, height, title
        Inches: of the whole figure, of one row, and above the first row.
    """
    rows = -(-n // columns)
    figure = Figure(figsize=(width, title + height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for ax in axes[n:]:
        ax.axis("off")
    return figure, axes[:n]


def tidy(ax: Axes) -> Axes:
    """Small labels, thin lines, no frame at the top and on the right."""
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set_linewidth(0.6)
    ax.tick_params(labelsize=TINY, width=0.6, length=2.5)
    ax.xaxis.label.set_fontsize(SMALL)
    ax.yaxis.label.set_fontsize(SMALL)
    return ax


def check_columns(table: pd.DataFrame, *columns: str) -> None:
    """Raise ValueError where a table that is to be drawn lacks a column or has no row."""
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"The table needs the columns {', '.join(missing)} too.")
    if table.empty:
        raise ValueError("The table is empty: it needs at least one row.")


def save_figure(figure: Figure, stem: str | Path) -> list[Path]:
    """Write a figure for print and for screens, at the size it has.

    Parameters
    ----------
    stem
        Path without ending; older files are replaced.

    Returns
    -------
    Paths of `stem`.svg (text stays text, and the same figure gives the same file: it has no date)
    and `stem`.png (200 dots per inch).
    """
    paths = [Path(f"{stem}.svg"), Path(f"{stem}.png")]
    _take_text_as_it_stands(figure)
    with mpl.rc_context({"svg.hashsalt": "polarnet", "svg.fonttype": "none"}):
        # A stream of bytes: matplotlib would write a path with the line ends of the system.
        with new_file(paths[0]) as partial, partial.open("wb") as stream:
            figure.savefig(stream, format="svg", metadata={"Date": None})
        with new_file(paths[1]) as partial:
            save_png(figure, partial, DOTS_PER_INCH)
    return paths


def save_png(
    figure: Figure, target: Path | IO[bytes], dots_per_inch: int, compress_level: int = 6
) -> None:
    """Write a figure as a PNG picture into a file or a stream."""
    _take_text_as_it_stands(figure)
    options = {"compress_level": compress_level}
    figure.savefig(target, format="png", dpi=dots_per_inch, pil_kwargs=options)


def _take_text_as_it_stands(figure: Figure) -> None:
    """No dollar sign begins a formula: users type names with dollar signs."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
