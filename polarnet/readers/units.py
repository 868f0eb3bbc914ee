"""Units as exports write them, and what a value in them is worth."""

import re
from functools import lru_cache
from typing import Final

TISSUE_DENSITY: Final = 1.05
"""g/mL, by which K1 per mL of tissue becomes flow per g: our choice, usual are 1.04 to 1.05."""

_FLOW: Final = {
    "ml/min/g": 1.0,
    "cc/min/g": 1.0,
    "ml/min/100g": 0.01,
    "cc/min/100g": 0.01,
    "ml/min/ml": 1 / TISSUE_DENSITY,
    "ml/min/cc": 1 / TISSUE_DENSITY,
    "ml/min/cm3": 1 / TISSUE_DENSITY,
    "1/min": 1 / TISSUE_DENSITY,
}
_PERCENT: Final = ("%", "percent", "prozent", "%max", "%ofmax", "%ofmaximum", "percentofmaximum")
_NONE: Final = ("", "1", "-", "none", "ratio", "x", "unitless")


@lru_cache(maxsize=256)
def conversion(text: str) -> tuple[str, float]:
    """Unit of a cohort and the factor that turns values of a written unit into it.

    Returns
    -------
    ("mL/min/g", factor), ("percent", 1.0), or ("", 1.0) where the text names no unit.

    Raises
    ------
    ValueError: the text is no unit that is known here.

    >>> conversion("ml / min / 100 g")
    ('mL/min/g', 0.01)
    >>> conversion("mL·min⁻¹·g⁻¹")
    ('mL/min/g', 1.0)
    """
    plain = _plain(text)
    if plain in _NONE:
        return "", 1.0
    if plain in _PERCENT:
        return "percent", 1.0
    if plain in _FLOW:
        return "mL/min/g", _FLOW[plain]
    raise ValueError(
        f"unit '{text.strip()[:20]}' is not known; known are mL/min/g, cc/min/g, mL/min/100g, "
        "mL/min/mL (K1) and percent"
    )


def is_unit(text: str) -> bool:
    """Whether a cell names a unit."""
    try:
        return bool(conversion(text)[0])
    except ValueError:
        return False


def unit_within(text: str) -> str:
    """The unit in a header such as "Rest MBF [ml/min/g]", as written; "" where there is none."""
    bracketed = re.findall(r"[\[(]([^\])]*)[\])]", text)
    words = [*bracketed, *text.split()]
    return next((word.strip() for word in words if is_unit(word)), "")


def _plain(text: str) -> str:
    """One spelling for all: numerator first, time before mass, slashes."""
    text = text.strip().strip("[]()").casefold().replace("²", "2").replace("³", "3")
    text = text.replace("⁻¹", "-1").replace("^", "").replace("−", "-")  # noqa: RUF001
    text = re.sub(r"\s*[/]\s*", "/", text)
    text = re.sub(r"per", "/", text) if "percent" not in text else text
    parts = [part for part in re.split(r"[\s·*.]+", text) if part]
    if len(parts) > 1 and any(part.endswith("-1") for part in parts):
        text = parts[0] + "".join("/" + part.removesuffix("-1") for part in parts[1:])
    text = text.replace("(", "").replace(")", "").replace(" ", "").replace("*", "/")
    text = text.replace("gram", "g").replace("/100/g", "/100g")
    first, *below = text.split("/")
    if len(below) == 2 and below[1] == "min":
        below = [below[1], below[0]]
    return "/".join([first, *below])
