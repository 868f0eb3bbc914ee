"""Figures within a page, so that it needs nothing beside it."""

import base64
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from polarnet.report.style import plain_text

PIXELS_PER_INCH: Final = 100
"""Of the page: a figure of one column, 3.5 inches, then fits a phone (our choice)."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture as a page shows it.

    Attributes
    ----------
    address
        A data address.
    width, height
        In pixels of the page.
    """

    address: str
    width: int
    height: int


def picture_of(figure: Figure, dots_per_inch: int = 150) -> Picture:
    """A figure at the size it has."""
    width, height = (round(side * PIXELS_PER_INCH) for side in figure.get_size_inches())
    return Picture(_inlined(figure, dots_per_inch), width, height)


def picture_in(path: str | Path, dots_per_inch: int = 200) -> Picture:
    """A PNG file at the size that its dots give.

    Raises
    ------
    ValueError: it is no PNG file.
    """
    content = Path(path).read_bytes()
    if len(content) < 24 or not content.startswith(_PNG):
        raise ValueError(f"{path} is not a PNG picture. Make it again, or remove it.")
    sides = struct.unpack(">II", content[16:24])
    width, height = (round(side / dots_per_inch * PIXELS_PER_INCH) for side in sides)
    return Picture(_address(content), max(1, width), max(1, height))


def _inlined(figure: Figure, dots_per_inch: int) -> str:
    """A figure as a data address."""
    buffer = io.BytesIO()
    plain_text(figure).savefig(buffer, format="png", dpi=dots_per_inch)
    return _address(buffer.getvalue())


def _address(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
