"""Which 17 numbers, in which unit, stand in the cells of one map of a segment table?"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.sheets import Sheet
from polarnet.readers.units import conversion, looks_like_unit
from polarnet.readers.words import is_missing, is_number, parse_number, uses_decimal_comma

WRONG_COUNT: Final = {
    16: "16 segments, without an apex (older AHA model)",
    20: "20 segments, another division of the ventricle (ASNC)",
}
"""Divisions that are recognised, and refused because a 17-segment map cannot be made of them."""

SMALLEST_DIVISION: Final = 16
"""Values of the smallest division of the ventricle."""

SHOWN: Final = 5
"""Segments or columns that a message names; the rest are counted."""

_WITH_UNIT: Final = re.compile(r"([+-]?[\d.,]+(?:e[+-]?\d+)?)\s*([^\d\s].*)", re.IGNORECASE)
_BEGINS: Final = re.compile(r"[<>≤≥~]?\s*[+-]?[.,]?\d")
_LONGEST: Final = 60
"""Characters of a number with its unit (our choice)."""

_SPREAD: Final = re.compile(r"±|\+/-|\+-")
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def in_order(values: np.ndarray) -> np.ndarray:
    """17 bare numbers, in the order of the AHA.

    Raises
    ------
    ValueError: there are more or fewer.
    """
    if values.size != 17:
        raise ValueError(f"has {WRONG_COUNT.get(values.size, f'{values.size} values, not 17')}")
    return values.ravel()


def check_segments(numbers: Iterable[int]) -> None:
    """Raise unless they are segments 1 to 17; other known divisions are named."""
    found = set(numbers)
    if found == set(range(1, 18)):
        return
    if found == set(range(1, len(found) + 1)) and len(found) in WRONG_COUNT:
        raise ValueError(f"has {WRONG_COUNT[len(found)]}")
    if found == set(range(17)):
        raise ValueError("numbers its segments 0 to 16: number them 1 to 17, as the AHA does")
    lacking = sorted(set(range(1, 18)) - found)
    beyond = sorted(found - set(range(1, 18)))
    told = [
        f"{what} {some_of(map(str, which))}"
        for what, which in (("lacks", lacking), ("has", beyond))
        if which
    ]
    hint = ". Is this a table of segments?" if max(len(lacking), len(beyond)) > SHOWN else ""
    raise ValueError(f"has not the 17 AHA segments: {'; '.join(told)}{hint}")


def some_of(names: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def has_decimal_comma(cells: Iterable[str], delimiter: str) -> bool:
    """Whether the numbers of a table have a decimal comma.

    Raises
    ------
    ValueError: some have a comma and others a point; or the comma may stand for thousands.
    """
    numbers = [_number_and_unit(cell)[0] for cell in cells]
    with_comma = [number for number in numbers if "," in number]
    # Commas between columns and in numbers: whoever writes "1,081" so may mean 1081.
    if delimiter == "," and with_comma and all(map(_THOUSANDS.fullmatch, with_comma)):
        raise ValueError(
            f"has {len(with_comma)} numbers such as 1,234, which may be 1.234 or 1234. Write them "
            "with a decimal point and without a separator of thousands"
        )
    return uses_decimal_comma(numbers)


def uneven(sheet: Sheet, head: int, place: int) -> str:
    """Why the cells of a row may not stand below their headings, "" where they do.

    In a text every row has as many cells as its heading, empty ones at the end too: a row with one
    more or less is shifted. A worksheet has its cells in columns, and only more of them are told.

    Parameters
    ----------
    head, place
        Of the heading and of the row, in the sheet.
    """
    if sheet.delimiter:
        n_named, n_cells = sheet.widths[head], sheet.widths[place]
    else:
        n_named = len(sheet.rows[head])
        n_cells = max(n_named, len(sheet.rows[place]))
    if n_cells == n_named:
        return ""
    return f"{cell_count(n_cells)}, its heading {n_named}{how_to_mend(sheet, n_cells > n_named)}"


SHIFTED: Final = (
    "has a cell too few or too many beside its numbers, which may be shifted: write n/a where a "
    "number is not known, and no numbers into columns of words"
)


def is_out_of_place(row: Sequence[str], numeric: Iterable[int], texts: Iterable[int]) -> bool:
    """Whether a row of a worksheet has a number among words, or a word among numbers."""
    filled = {place for place, cell in enumerate(row) if not is_missing(cell)}
    return any(is_number(row[place]) for place in filled & {*texts}) or any(
        not _BEGINS.match(row[place]) for place in filled & {*numeric}
    )


def all_or_none(found: Sequence[ExportedMap]) -> list[ExportedMap]:
    """Maps of one row, or of one table, in a worksheet: where one is spoilt, all may be shifted."""
    problem = next((values.problem for values in found if values.problem), "")
    return [replace(values, problem=values.problem or problem) for values in found]


def cell_count(n_cells: int) -> str:
    """ "has 5 cells", in the number that is right."""
    return f"has {n_cells} cell{'s' * (n_cells != 1)}"


def how_to_mend(sheet: Sheet, is_longer: bool) -> str:
    """What to do about a row of another length."""
    if sheet.delimiter == "," and is_longer:
        return (
            ". Is a comma within a number, in a table separated by commas? Save it with decimal "
            "points, or with semicolons between the columns"
        )
    return ". A cell is lost or one too many: export the table again"


def read_cells(
    cells: Sequence[str], units: Iterable[str], decimal_comma: bool
) -> tuple[np.ndarray, str, str]:
    """17 values, their unit, and why they cannot be used.

    Parameters
    ----------
    cells
        Of segments 1 to 17.
    units
        What headings say; cells may say it too.
    """
    values = np.full(17, np.nan)
    in_cells = []
    for place, cell in enumerate(cells):
        number, unit = _number_and_unit(cell.strip())
        in_cells.append(unit)
        try:
            values[place] = parse_number(number, decimal_comma)
        except ValueError as error:
            return values, "", f"segment {place + 1}: {_why(cell) or error}"
    if lacking := [str(k + 1) for k in np.flatnonzero(np.isnan(values))]:
        return values, "", f"no value for segment {some_of(lacking)}"
    if len({*in_cells}) > 1:
        return values, "", "only some of its values have a unit, or they have different ones"
    if (values == np.arange(1, 18)).all():
        return values, "", "its values are 1 to 17, the numbers of the segments"
    unit, problem = _one_unit([*units, *in_cells])
    return values, unit, problem


def unused(columns: Mapping[int, str]) -> str:
    """A note of columns with numbers that were not used."""
    return f"not used: {some_of(columns.values())}" if columns else ""


def has_numbers(cells: Iterable[str]) -> bool:
    """Whether most cells are meant to be numbers, empty ones aside."""
    filled = [cell for cell in cells if not is_missing(cell)]
    return 2 * sum(bool(_BEGINS.match(cell)) for cell in filled) > len(filled)


def _number_and_unit(cell: str) -> tuple[str, str]:
    """'70%' and '1.2 ml/min/g' in two parts."""
    match = None if is_number(cell.strip()) else _WITH_UNIT.fullmatch(cell.strip()[:_LONGEST])
    if match and looks_like_unit(match[2]):
        return match[1], match[2].strip()
    return cell.strip(), ""


def _why(cell: str) -> str:
    """What a cell holds instead of a number, where that is plain."""
    if _SPREAD.search(cell):
        return "a mean with its spread (±); give the mean alone"
    if cell.strip()[:1] in tuple("<>≤≥"):
        return "a limit (< or >), no value"
    return ""


def _one_unit(units: Iterable[str]) -> tuple[str, str]:
    """The one unit of a map, and why there is none."""
    written = list(dict.fromkeys(unit for unit in units if unit))
    try:
        if len({conversion(unit) for unit in written}) > 1:
            return "", f"has one map in different units: {', '.join(written)}"
    except ValueError as error:
        return "", str(error)
    return written[0] if written else "", ""
