"""Units as exports write them, and what a value in them is worth."""

import re
from functools import lru_cache
from typing import Final

from polarnet.readers.words import section

TISSUE_DENSITY: Final = 1.05
"""g/mL, by which K1 per mL of tissue becomes flow per g: our choice, usual are 1.04 to 1.05."""

_WORTH: Final = {"mL/min/g": 1.0, "mL/min/100g": 0.01, "mL/min/mL": 1 / TISSUE_DENSITY}
"""Units of flow, as vocabulary.yaml calls them, and what 1 of it is in mL/min/g."""

_UNITS: Final = {"": "none"} | {w: unit for unit, words in section("units").items() for w in words}

_PARTS: Final = re.compile(
    r"(100)?([kmgµμnu]?bq|[mµμnu]?ci|[dmµμnu]?l|cc|ccm|[kmµμn]?g|gm|min|h|s|sec|ms|[cmµμn]?m|mmhg"
    r"|bpm|counts?|cts|cps|hu|suv|au|m?sv|[mµμn]?mol|%)(-?\d)?"
)
"""What the units of other quantities are made of."""

_PER: Final = re.compile(
    r"%\s?(id|inj\w*|of)\b.*|[^/\[(]{1,5}/(.*/)?\s*(100\s*)?(m?l|cc|k?g|gm|min|s|cm3)"
    r"|(arb\w*|a)\.?\s*u(nits?)?\.?"
)
"""What shares, rates and arbitrary units are written with, whatever stands above the line."""

_DOSE: Final = re.compile(r"\d+([.,]\d+)?\s*(m?ci|[mg]bq|m?g|[µμu]g|mcg|mm|ms|min)\b.*")
"""An amount, which is no unit of the numbers below: "Rest (10 mCi)"."""

_SHOWN: Final = 20
"""Characters of an unknown unit that a message repeats."""


@lru_cache(maxsize=256)
def conversion(text: str) -> tuple[str, float]:
    """Unit of a cohort and the factor that turns values of a written unit into it.

    It is "mL/min/g", "percent", or "" where the text names none. ValueError: no unit known here.

    >>> conversion("ml / min / 100 g")
    ('mL/min/g', 0.01)
    >>> conversion("mL·min⁻¹·g⁻¹")
    ('mL/min/g', 1.0)
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
    """Whether a text is made of parts of units, known here or not; no person's name is.

    >>> [looks_like_unit(text) for text in ("kBq/ml", "ml/min/g", "10 mCi", "82Rb")]
    [True, True, False, False]
    """
    text = text.strip().strip("[]()").casefold()
    if len(text) < 2 - (text == "%") or text.isdigit() or _DOSE.fullmatch(text):
        return False
    if _PER.fullmatch(text):
        return True
    parts = [part for part in re.split(r"[\s/·*.()^]+|⁻¹", text) if part]
    return is_unit(text) or (bool(parts) and all(_PARTS.fullmatch(part) for part in parts))


def unit_within(text: str) -> str:
    """The unit in a heading, as written, "" where there is none.

    A unit that is not known here comes back too: numbers in it must not pass for flow.

    >>> unit_within("Rest MBF [ml/min/g]"), unit_within("Rest mL/min/gm"), unit_within("Rest, MBF")
    ('ml/min/g', 'mL/min/gm', '')
    >>> unit_within("Stress (kBq/ml)"), unit_within("Rest (ml/min/g tissue)")
    ('kBq/ml', 'ml/min/g tissue')
    """
    bracketed = _in_brackets(text)
    words = [*bracketed, *(word.strip("[](),;:") for word in text.split())]
    known = next((word.strip() for word in words if is_unit(word)), "")
    if known:
        return known
    # Outside brackets only what has a slash: "s", "m" and "g" are letters of headings too.
    strange = [word for word in bracketed if looks_like_unit(word)]
    strange += [word for word in words if "/" in word and looks_like_unit(word)]
    return strange[0].strip()[:_SHOWN] if strange else ""


def without_doses(text: str) -> str:
    """A heading without the amounts in its brackets.

    >>> without_doses("Rest (10 mCi)").strip()
    'Rest'
    """
    for bracketed in _in_brackets(text):
        if _DOSE.fullmatch(bracketed.strip().casefold()):
            text = text.replace(bracketed, " ").replace("( )", " ").replace("[ ]", " ")
    return text


def _in_brackets(text: str) -> list[str]:
    """Texts in brackets, the outermost ones: "mL/(min·g)" is one unit."""
    found = re.findall(r"\[([^\]]*)\]", text)
    depth, start = 0, 0
    for place, letter in enumerate(text):
        if letter == "(":
            depth += 1
            start = place + 1 if depth == 1 else start
        elif letter == ")" and depth:
            depth -= 1
            if depth == 0:
                found.append(text[start:place])
    return found


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
