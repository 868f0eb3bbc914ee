"""How figures of a paper look."""

from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

ONE_COLUMN: Final = 3.5
TWO_COLUMNS: Final = 7.2
"""Widths in inches that most journals print."""

COLOURS: Final = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Colour-blind safe. Okabe & Ito 2008, jfly.uni-koeln.de/color, in our order."""

GREY: Final = "0.6"
"""Of what is there for comparison only."""

MARKERS: Final = ("o", "s", "^", "v", "D")
"""Beside the colours, for print without them."""

SMALL: Final = 7
"""Size in points of labels; `TINY` of what is read second."""

TINY: Final = 6


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches; a notebook shows `ax.figure`."""
    return Figure(figsize=(width, height), layout="constrained").subplots()


def tidy(ax: Axes) -> Axes:
    """Small labels, thin lines, no frame at the top and on the right."""
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set_linewidth(0.6)
    ax.tick_params(labelsize=TINY, width=0.6, length=2.5)
    ax.xaxis.label.set_fontsize(SMALL)
    ax.yaxis.label.set_fontsize(SMALL)
    return ax


def plain_text(figure: Figure) -> Figure:
    """Take every dollar sign of a figure as it stands: a name typed by a user is no formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    return figure
