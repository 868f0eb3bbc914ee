"""Every page is made here: templates of one look, and pictures within the page."""

import base64
import os
import re
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, select_autoescape
from matplotlib.figure import Figure

from polarnet import __version__
from polarnet.files import new_file
from polarnet.plotting.style import png_bytes

PIXELS_PER_INCH: Final = 100
"""Of the page: a figure of one column, 3.5 inches, then fits a phone (our choice)."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A picture as a page shows it: a data address, and its size in pixels of the page."""

    address: str
    width: int
    height: int


def render(template: str, **facts: Any) -> str:
    """A page that needs nothing beside it; every text is escaped.

    `template` is the name of a file in templates/, without ending; `facts` are what it speaks of.
    """
    return _templates().get_template(f"{template}.html").render(version=__version__, **facts)


def render_text(template: str, **facts: Any) -> str:
    """A text to paste, from a file in templates/ that ends in .txt; lines are not wrapped."""
    text = _templates().get_template(f"{template}.txt").render(**facts)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def write_page(out: str | Path, template: str, **facts: Any) -> Path:
    """Write a page as `render` makes it; an older one is replaced."""
    page = render(template, **facts)
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8", newline="\n")
    return Path(out)


def address_of(file: str | Path, start: str | Path) -> str:
    """How a page in the folder `start` names another file."""
    try:
        return quote(Path(os.path.relpath(file, start)).as_posix())
    except ValueError:  # on another drive of Windows
        return Path(file).absolute().as_uri()


def picture_of(figure: Figure) -> Picture:
    """A figure at the size it has."""
    return _picture(png_bytes(figure, 150), 150)


def picture_in(path: Path, dots_per_inch: int = 200) -> Picture:
    """A PNG file at the size that its dots give. ValueError: it is no PNG file."""
    content = path.read_bytes()
    if len(content) < 24 or not content.startswith(_PNG):
        raise ValueError(f"{path} is not a PNG picture. Make it again, or remove it.")
    return _picture(content, dots_per_inch)


def _picture(content: bytes, dots_per_inch: int) -> Picture:
    sides = struct.unpack(">II", content[16:24])
    width, height = (max(1, round(side / dots_per_inch * PIXELS_PER_INCH)) for side in sides)
    address = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    return Picture(address, width, height)


@cache
def _templates() -> Environment:
    loader = PackageLoader("polarnet.report")
    return Environment(
        loader=loader, autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True
    )
