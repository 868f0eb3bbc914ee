"""Units as exports write them, and their conversion."""

import re
from functools import lru_cache
from typing import Final

from polarnet.readers.words import section

TISSUE_DENSITY: Final = 1.05
"""g/mL, by which K1 per mL of tissue becomes flow per g: our choice, usual are 1.04 to 1.05."""

_WORTH: Final = {"mL/min/g": 1.0, "mL/min/100g": 0.01, "mL/min/mL": 1 / TISSUE_DENSITY}
"""Units of flow, as vocabulary.yaml calls them, and what 1 of it is in mL/min/g."""

_UNITS: Final = {"": "none"} | {w: unit for unit, words in section("units").items() for w in words}

_STRANGE: Final = re.compile(
    r"%.*|[^/]{1,5}/(.*/)?\s*(100\s*)?(m?l|cc|k?g|gm|min|s|cm3)|[km]?bq|m?ci|[cm]m|ms|mmhg|a\.u\.?"
)
"""Units of other quantities, as %ID/g and kBq/ml."""

_BRACKETED: Final = re.compile(r"\[([^\]]*)\]|\(((?:[^()]|\([^()]*\))*)\)")
"""Texts in brackets, the outermost ones: "mL/(min·g)" is one unit."""

_SHOWN: Final = 20  # characters of an unknown unit that a message repeats


@lru_cache(maxsize=256)
def conversion(text: str) -> tuple[str, float]:
    """Unit of a cohort and the factor that turns values of a written unit into it.

    It is "mL/min/g", "percent", or "" where the text names none. ValueError: no unit known here.
    """
    unit = _UNITS.get(_plain(text))
    if unit is None:
        raise ValueError(
            f"unit '{text.strip()[:_SHOWN]}' is not known; known are mL/min/g, cc/min/g, "
            "mL/min/100g, mL/min/mL (K1) and percent"
        )
    if unit in _WORTH:
        return "mL/min/g", _WORTH[unit]
    return "" if unit == "none" else unit, 1.0


def is_unit(text: str) -> bool:
    """Whether a cell names a unit."""
    try:
        return bool(conversion(text)[0])
    except ValueError:
        return False


def says_no_unit(text: str) -> bool:
    """Whether a cell says that its column has no unit, as that of a reserve."""
    return _UNITS.get(_plain(text)) == "none"


def looks_like_unit(text: str) -> bool:
    """Whether a text is a unit, known here or not: numbers in it must not pass for flow."""
    return is_unit(text) or bool(_STRANGE.fullmatch(text.strip().strip("[]()").casefold()))


def unit_within(text: str) -> str:
    """The unit in a heading, as written, known here or not; "" where there is none."""
    bracketed = [square or round_ for square, round_ in _BRACKETED.findall(text)]
    words = [*bracketed, *(word.strip("[](),;:") for word in text.split())]
    units = [w for w in words if is_unit(w)] or [w for w in words if looks_like_unit(w)]
    return units[0].strip()[:_SHOWN] if units else ""


def _plain(text: str) -> str:
    """One spelling for all: numerator first, time before mass, slashes."""
    text = text.strip().strip("[]()").casefold().replace("²", "2").replace("³", "3")
    text = text.replace("⁻¹", "-1").replace("^", "").replace("−", "-")  # noqa: RUF001
    text = re.sub(r"\s*[/]\s*", "/", text)
    # "mL/(min·g)": what is multiplied below the line is divided by, one after the other.
    text = re.sub(r"/\(([^)]*)\)?", lambda m: "/" + re.sub(r"[\s·*.]+", "/", m[1]), text)
    text = re.sub(r"per", "/", text) if "percent" not in text else text
    parts = [part for part in re.split(r"[\s·*.]+", text) if part]
    if len(parts) > 1 and any(part.endswith("-1") for part in parts):
        text = parts[0] + "".join("/" + part.removesuffix("-1") for part in parts[1:])
    text = text.replace("(", "").replace(")", "").replace(" ", "").replace("*", "/")
    text = text.replace("gram", "g").replace("tissue", "").replace("myocardium", "")
    text = text.replace("ccm", "cc").replace("/100/g", "/100g")
    text = re.sub(r"(?<=[/\d])gm\b", "g", text)
    first, *below = text.split("/")
    if len(below) == 2 and below[1] == "min":
        below = [below[1], below[0]]
    return "/".join([first, *below])
