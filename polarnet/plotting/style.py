"""The look of figures in a journal, and how they are saved."""

import io
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.text import Text

from polarnet.files import new_file

ONE_COLUMN: Final = 3.5
TWO_COLUMNS: Final = 7.2
"""Widths in inches: 89 and 183 mm, the columns of Nature (guide to authors, final submission)."""

COLUMNS: Final = {"one column": ONE_COLUMN, "two columns": TWO_COLUMNS}
"""Words for these widths."""

_EDGE: Final = 0.05
"""Inches by which a text may leave a figure: its outline is larger than its ink."""

COLOURS: Final = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Safe for the colour-blind. Okabe & Ito 2008, jfly.uni-koeln.de/color, in our order."""

MARKERS: Final = ("o", "s", "^", "v", "D")
"""Beside the colours, for print without them."""

STYLES: Final = ("-", "--", "-.", ":", (0, (6, 2, 1, 2, 1, 2)), (0, (3, 1, 1, 1)))
"""Of lines, likewise. One more than colours, so that a sixth curve is not the first again."""

_TIFF: Final[dict[str, Any]] = {"format": "tiff", "pil_kwargs": {"compression": "tiff_lzw"}}

FORMATS: Final[dict[str, dict[str, Any]]] = {
    "pdf": {"format": "pdf", "metadata": {"CreationDate": None}},
    "svg": {"format": "svg", "metadata": {"Date": None}},
    "png": {"format": "png"},
    "tif": _TIFF,
    "tiff": _TIFF,
}
"""Ending of a file -> how matplotlib writes it."""

GREY: Final = "0.6"
"""For lines of comparison."""

SMALL: Final = 7
TINY: Final = 6
"""Points: labels, and what is read second."""


def new_axes(height: float) -> Axes:
    """Axes of a new figure, one column wide; a notebook shows `ax.figure`."""
    return Figure(figsize=(ONE_COLUMN, height), layout="constrained").subplots()


def new_panels(
    n: int,
    columns: int,
    *,
    width: float,
    height: float,
    title: float = 0.0,
    figure: Figure | SubFigure | None = None,
) -> tuple[Figure, list[Axes]]:
    """A figure of n panels, filled row by row; places left over stay empty.

    `width` is that of the figure in inches, `height` that of a row; `title` stands above all rows.
    A figure that is given keeps its size.
    """
    rows = -(-n // columns)
    drawn = new_figure(width, title + height * rows, figure)
    axes = list(drawn.subplots(rows, columns, squeeze=False).ravel())
    for ax in axes[n:]:
        ax.remove()
    return drawn, axes[:n]


def new_figure(width: float, height: float, figure: Any = None) -> Figure:
    """The figure (or SubFigure) that was given, or a new one of this size in inches."""
    return figure or Figure(figsize=(width, height), layout="constrained")


def tidy(ax: Axes, xlabel: str = "", ylabel: str = "", **legend: Any) -> Axes:
    """Small labels, thin lines, no frame at the top and on the right; `legend` says where it is."""
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set_linewidth(0.6)
    ax.tick_params(labelsize=TINY, width=0.6, length=2.5)
    ax.set_xlabel(xlabel or ax.get_xlabel(), fontsize=SMALL)
    ax.set_ylabel(ylabel or ax.get_ylabel(), fontsize=SMALL)
    if legend:
        ax.legend(**{"fontsize": TINY, "frameon": False} | legend)
    return ax


def check_columns(table: pd.DataFrame, *columns: str) -> None:
    """Raise ValueError where a table that is to be drawn lacks a column or has no row."""
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"The table needs the columns {', '.join(missing)} too.")
    if table.empty:
        raise ValueError("The table is empty: it needs at least one row.")


def save_figure(
    figure: Figure, path: str | Path, *, dpi: int = 300, width: str | float | None = None
) -> list[Path]:
    """Write a figure in the format that the name ends with.

    Parameters
    ----------
    path
        `.pdf` (fonts embedded as TrueType), `.svg` (text stays text), `.png` or `.tif` (`.tiff`;
        compressed without loss). Without one of these endings, an SVG and a PNG of 200 dots per
        inch are written. Older files are replaced.
    dpi
        Dots per inch of a PNG or TIFF that is named.
    width
        "one column" (89 mm), "two columns" (183 mm), or inches; the height changes in proportion
        and the size of letters does not. Default: the size that the figure has. For a participant
        flow, whose boxes fit their letters, draw on axes of that width instead.

    Returns
    -------
    Paths of the files. The same figure gives the same bytes: no file holds a date.

    Raises
    ------
    ValueError: `width` is no such word, not above 0, or too narrow for the texts.
    """
    if width is not None:
        before, height = map(float, figure.get_size_inches())
        inches = COLUMNS.get(width, width) if isinstance(width, str) else width
        if isinstance(inches, str) or not inches > 0:
            raise ValueError(f"width must be {', '.join(COLUMNS)} or inches, not {width!r}.")
        figure.set_size_inches(inches, height * inches / before)
        try:
            _without_formulas(figure).draw_without_rendering()
            needed = figure.get_tightbbox()
            if needed.x0 < -_EDGE or needed.x1 > inches + _EDGE:
                raise ValueError(f"The texts of this figure do not fit {inches:g} inches of width.")
            return save_figure(figure, path, dpi=dpi)
        finally:
            figure.set_size_inches(before, height)
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        vector = save_figure(figure, path.with_name(f"{path.name}.svg"))
        return [*vector, save_png(figure, path.with_name(f"{path.name}.png"))]
    stream, options = io.BytesIO(), dict(FORMATS[kind])
    if kind in ("png", "tif", "tiff"):
        options["dpi"] = dpi
    with mpl.rc_context({"svg.hashsalt": "polarnet", "svg.fonttype": "none", "pdf.fonttype": 42}):
        _without_formulas(figure).savefig(stream, **options)
    with new_file(path) as partial:
        partial.write_bytes(stream.getvalue())
    return [path]


def save_png(
    figure: Figure, path: str | Path, dots_per_inch: int = 200, compress_level: int = 6
) -> Path:
    """Write a figure as a PNG file; an older one is replaced."""
    with new_file(path) as partial:
        partial.write_bytes(png_bytes(figure, dots_per_inch, compress_level))
    return Path(path)


def png_bytes(figure: Figure, dots_per_inch: int, compress_level: int = 6) -> bytes:
    """A figure as a PNG picture."""
    stream = io.BytesIO()
    options = {"compress_level": compress_level}
    _without_formulas(figure).savefig(stream, format="png", dpi=dots_per_inch, pil_kwargs=options)
    return stream.getvalue()


def _without_formulas(figure: Figure) -> Figure:
    """The figure, where no dollar sign begins a formula: users type names with dollar signs."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure
