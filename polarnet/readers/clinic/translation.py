"""What do the cells of one column say: a label, a number, a text, a reason to leave out?"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.ids import listing
from polarnet.readers.clinic.columns import Exclusion, TraitCoding, cell_key
from polarnet.readers.clinic.oddities import may_be_value
from polarnet.readers.identity import header_words, tells_a_day
from polarnet.readers.words import has_thousands, is_missing, is_number, parse_number, shown_values

_FEW: Final = 0.5
"""With less than this share of a column's cells that are no numbers, it is meant as one of numbers
(our choice)."""

_TELLING: Final = 20
"""With more unexplained values than this, a column may identify people: none is repeated."""


@dataclass(frozen=True)
class Cells:
    """Columns of the usable rows, translated one by one; what cannot be is noted."""

    table: pd.DataFrame
    missing: Callable[[str], frozenset[str | float]]
    decimal_comma: bool
    groups_thousands: bool
    problems: list[str]

    def is_missing(self, cell: str, column: str) -> bool:
        """By our words for it, or by the user's for this column."""
        return is_missing(cell) or cell_key(cell) in self.missing(column)

    def trait(self, name: str, coding: TraitCoding) -> list[float]:
        """1.0, 0.0, or NaN for not recorded."""
        meaning = {cell_key(cell): 1.0 for cell in coding.one}
        meaning |= {cell_key(cell): 0.0 for cell in coding.zero}
        labels = []
        unexplained: Counter[str] = Counter()
        for cell in self.table[coding.column]:
            label = meaning.get(cell_key(cell), np.nan)
            if np.isnan(label) and not self.is_missing(cell, coding.column):
                try:
                    label = self.by_rule(cell, coding)
                except ValueError:
                    unexplained[cell] += 1
            labels.append(label)
        if coding.rule:
            self.has_days(coding.column, f"traits {name}", self.numbers(coding.column)[0])
        if unexplained:
            self.problems.append(f"{coding.column} ({name}) has {_some_values(unexplained)}")
        return labels

    def by_rule(self, cell: str, coding: TraitCoding) -> float:
        """1.0 or 0.0; ValueError where there is no rule, or no number."""
        if not coding.rule:
            raise ValueError
        return float(coding.holds(self.number(cell)))

    def number(self, cell: str) -> float:
        """As `parse_number`; 1,234 is 1234 where the map says that no comma is a decimal one."""
        text = cell.replace(",", "") if self.groups_thousands and has_thousands(cell) else cell
        return parse_number(text, self.decimal_comma)

    def flow_reserve(self, column: str) -> list[float]:
        """The user's own MFR; positive, or NaN for not recorded."""
        values, odd = self.numbers(column)
        negative = [line for line, v in zip(self.table.index, values, strict=True) if v <= 0]
        if odd:
            self.problems.append(f"{column} (mfr) is no number in line {listing(odd)}")
        if negative:
            self.problems.append(f"{column} (mfr) is not above 0 in line {listing(negative)}")
        return values

    def numbers(self, column: str) -> tuple[list[float], list[int]]:
        """Numbers of a column, NaN for not recorded, and the lines that hold something else."""
        values, odd = [], []
        for line, cell in self.table[column].items():
            value = np.nan
            if not self.is_missing(cell, column):
                try:
                    value = self.number(cell)
                except ValueError:
                    odd.append(line)
            values.append(value)
        return values, odd

    def check_codes(self, codes: Sequence[str], columns: Sequence[str]) -> None:
        """Note codes for all columns that may be values of one of these columns of numbers."""
        doubtful = []
        for column in dict.fromkeys(columns) if codes else ():
            others = [value for value in self.numbers(column)[0] if not np.isnan(value)]
            for code in codes if others else ():
                key, cells = cell_key(code), self.table[column]
                lines = [line for line, cell in cells.items() if cell and cell_key(cell) == key]
                if lines and isinstance(key, float) and may_be_value(column, key, others):
                    doubtful.append(
                        f"{code} in {column}, where others go from {min(others):g} to "
                        f"{max(others):g} (line {listing(lines)})"
                    )
        if doubtful:
            self.problems.append(
                f"missing would also empty cells that may be values: {', '.join(doubtful)}; name "
                'the columns in which a code means not recorded, as missing: {HEADING: ["99"]}'
            )

    def variable(self, name: str, column: str) -> list[Any]:
        """Numbers where all recorded cells are numbers, else text and NaN."""
        values, odd = self.numbers(column)
        cells = self.table[column]
        if self.has_days(column, f"clinical {name}", values):
            return values
        if not odd:
            return values
        recorded = [cell for cell in cells if not self.is_missing(cell, column)]
        if all(map(_looks_numeric, recorded)):
            # As text it would silently be lost to every analysis.
            usual = "comma" if self.decimal_comma else "point"
            self.problems.append(
                f"{column} (clinical {name}) is no finite number with a decimal {usual} in line "
                f"{listing(odd)}"
            )
        elif len(odd) < _FEW * len(recorded) or (
            len(odd) < len(recorded) and all(map(_is_nearly_a_number, recorded))
        ):
            shown = shown_values(dict.fromkeys(cells[odd]), lambda cell: f"'{cell}'")
            self.problems.append(
                f"{column} (clinical {name}) holds numbers but for line {listing(odd)}: {shown}; "
                "correct these cells, or name them in the column map as not recorded, as "
                f'missing: {{{column}: ["..."]}}'
            )
        return [np.nan if self.is_missing(cell, column) else cell for cell in cells]

    def has_days(self, column: str, place: str, values: Sequence[float]) -> bool:
        """Whether cells of a column of numbers are days, which is noted."""
        cells = self.table[column]
        days = [line for line, cell in cells.items() if tells_a_day(cell)]
        if _names_a_day(column) and all(v in _SERIAL_DAYS for v in values if v == v):
            days = [line for line, v in zip(cells.index, values, strict=True) if v == v]
        if days:
            # A birth date in disguise, or a number that a spreadsheet took for one.
            self.problems.append(
                f"{column} ({place}) holds dates in line {listing(days)}; dates are not taken over"
            )
        return bool(days)

    def text(self, column: str) -> list[str]:
        """Text, "" for not recorded; no dates."""
        if dates := [line for line, cell in self.table[column].items() if tells_a_day(cell)]:
            self.problems.append(f"{column} holds dates in line {listing(dates)}")
        return ["" if self.is_missing(cell, column) else cell for cell in self.table[column]]

    def reasons(self, exclude: Mapping[str, Exclusion]) -> list[str]:
        """First reason to leave each study out, or ""."""
        reasons = [""] * len(self.table)
        for reason, exclusion in exclude.items():
            values = set(map(cell_key, exclusion.values))
            for row, cell in enumerate(self.table[exclusion.column]):
                if not reasons[row] and cell_key(cell) in values:
                    reasons[row] = reason
        return reasons


_SERIAL_DAYS: Final = range(7306, 73051)
"""Days as spreadsheets count them, from 1920 to 2099."""


def _names_a_day(heading: str) -> bool:
    return re.search(r"date\b|datum\b|\bfecha\b", header_words(heading)) is not None


_APART: Final = re.compile(r"[+-]?\d{1,3}(['’ ]\d{3})+([.,]\d+)?")  # noqa: RUF001
"""A number whose thousands are set apart by apostrophes or spaces."""


def _looks_numeric(cell: str) -> bool:
    """True for a number, also an infinite one, or one whose thousands are apart."""
    is_finite = is_number(cell) or has_thousands(cell) or _APART.fullmatch(cell) is not None
    return is_finite or re.fullmatch(r"[+-]?inf(inity)?", cell, re.IGNORECASE) is not None


_NEARLY: Final = re.compile(
    r"[<>\u2264\u2265~]=? ?\d+([.,]\d+)?|\d+([.,]\d+)?( ?[%?*]| [^\W\d_/]+)"
)
"""A number with a sign of comparison, a mark or a unit."""


def _is_nearly_a_number(cell: str) -> bool:
    return _looks_numeric(cell) or _NEARLY.fullmatch(cell) is not None


def _some_values(unexplained: Counter[str]) -> str:
    """Values that a coding does not explain, with counts, unless they may identify people."""
    n_values, n_cells = len(unexplained), unexplained.total()
    if n_values > _TELLING:
        return (
            f"{n_cells} cells that its coding does not explain, with {n_values} different values "
            "(not shown, because so many may identify patients)"
        )
    shown = shown_values(
        [cell for cell, _ in unexplained.most_common()],
        lambda cell: f"'{cell}' ({unexplained[cell]})",
    )
    return f"cells that its coding does not explain: {shown}"
