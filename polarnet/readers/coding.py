"""The clinic's table in the words of a cohort: a column map applied."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.ids import listing, normal_id, normal_ids
from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.identity import ROUNDED, header_words, is_date, tells_a_day
from polarnet.readers.oddities import may_be_value, told_of_numbers
from polarnet.readers.words import (
    cell_key,
    has_thousands,
    is_formula,
    is_missing,
    is_number,
    parse_number,
    shown_values,
    uses_decimal_comma,
)
from polarnet.traits import CODED_ONE_MEANS

_PROBLEMS_SHOWN: Final = 12
"""Columns of which a message tells what is wrong; the rest are counted (our choice)."""

_FEW: Final = 0.5
"""With less than this share of a column's cells that are no numbers, it is meant as one of numbers
(our choice)."""

_TELLING: Final = 20
"""With more unexplained values than this, a column may identify people: none is repeated."""


@dataclass(frozen=True, repr=False, eq=False)
class Clinical:
    """A clinical table in the words of a cohort.

    Attributes
    ----------
    table
        Index study_id (text): traits (1.0, 0.0, NaN), mfr (no unit), clinical variables (numbers,
        or text and NaN), provenance and split (text, "" for not recorded). Excluded studies are in
        it.
    traits
        Columns of it that are traits.
    patients
        study_id -> patient_id.
    excluded
        study_id -> first reason that applies, for those that are to be left out.
    lines
        study_id -> line of the file.
    refused
        Line and reason of rows that are no study.
    unusable
        Study ids of refused rows.
    name
        Of the file; "" where there is none.
    wants_mfr
        Whether impaired flow reserve is one of the labels.
    columns
        What its columns are.
    numbers
        Index study_id; every column that was read as numbers, by its name in the cohort or, of a
        trait's rule, its heading.
    emptied
        Column -> lines whose cell the map's `missing` took for not recorded.
    """

    table: pd.DataFrame
    patients: dict[str, str]
    traits: list[str] = field(default_factory=list)
    excluded: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)
    unusable: tuple[str, ...] = ()
    name: str = ""
    wants_mfr: bool = True
    columns: ColumnMap | None = None
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)
    emptied: dict[str, list[int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"Clinical({len(self.table)} studies, {len(self.excluded)} of them excluded, "
            f"{len(self.refused)} rows refused)"
        )

    @property
    def studies(self) -> list[str]:
        """Study ids in the order of the table."""
        return list(self.patients)

    def described(self, studies: Collection[str]) -> list[str]:
        """What was taken over of these studies: one line for each trait and clinical variable.

        What 1 and 0 mean is told of traits, with counts; of numbers their range and what is odd.
        """
        if self.columns is None:
            return []
        table, n = self.table.loc[list(studies)], len(studies)
        told = []
        for trait, coding in self.columns.traits.items():
            one, zero = coding.meaning()
            n_one, n_zero = int((table[trait] == 1).sum()), int((table[trait] == 0).sum())
            means = f" ({CODED_ONE_MEANS[trait]})" if trait in CODED_ONE_MEANS else ""
            told.append(
                f"{trait}: {n_one} coded 1{means} mean {one}; {n_zero} coded 0 mean {zero}; "
                f"{n - n_one - n_zero} not recorded"
            )
        headings = {**self.columns.clinical, "mfr": self.columns.mfr}
        lines = [self.lines[study] for study in studies]
        for name in self.numbers:
            values = self.numbers.loc[list(studies), name].set_axis(lines)
            told.append(told_of_numbers(name, headings.get(name, name), values, n))
        for name in self.columns.clinical:
            if name not in self.numbers:
                texts = table[name].dropna()
                n_numbers = sum(map(is_number, texts))
                numbers = f", {n_numbers} of them numbers" if n_numbers else ""
                told.append(
                    f"{name}: text, {len(texts)} recorded{numbers}, {texts.nunique()} different; "
                    f"{n - len(texts)} not recorded"
                )
        return told


def apply_column_map(
    table: pd.DataFrame, columns: ColumnMap, name: str, delimiter: str = ""
) -> Clinical:
    """Translate a table of text whose index is the line in the file (`as_table`).

    `delimiter` is that of the file, as in `Sheet`: beside semicolons, 1,234 has a decimal comma.

    Raises
    ------
    ValueError: a column is absent; a cell is not explained by its trait's coding; a flow reserve
        is no positive number; numbers have commas and points, or commas that may separate
        thousands; or a clinical column holds dates. All of it is listed, without what may
        identify a patient.
    """
    _check_columns(table, columns, name)
    refused = _refused_rows(table, columns)
    usable = table.drop(index=[line for line, _ in refused])
    problems = _formula_problems(usable, columns)
    decimal_comma = _decimal_comma(usable, columns, delimiter, problems)
    cells = _Cells(usable, columns, decimal_comma, problems)
    parts: dict[str, pd.Series] = {}
    parts |= {trait: cells.trait(trait, coding) for trait, coding in columns.traits.items()}
    parts |= {"mfr": cells.flow_reserve(columns.mfr)} if columns.mfr else {}
    parts |= {name: cells.variable(name, column) for name, column in columns.clinical.items()}
    parts |= {name: cells.text(column) for name, column in columns.provenance.items()}
    parts |= {"split": cells.text(columns.split)} if columns.split else {}
    cells.check_codes()
    if problems:
        told = problems[:_PROBLEMS_SHOWN]
        n_more = len(problems) - len(told)
        told += [f"and {n_more} more columns"] if n_more else []
        raise ValueError(f"{name}: {'; '.join(told)}. Mend the table or the column map.")
    ids = normal_ids(usable[columns.study_id])
    index = pd.Index(ids, name="study_id", dtype=object)
    return Clinical(
        table=pd.DataFrame(parts, index=usable.index).set_axis(index),
        patients=dict(zip(ids, normal_ids(usable[columns.patient_id]), strict=True)),
        traits=list(columns.traits),
        excluded={s: reason for s, reason in zip(ids, cells.reasons(), strict=True) if reason},
        lines=dict(zip(ids, map(int, usable.index), strict=True)),
        refused=refused,
        unusable=tuple(normal_id(table.loc[line, columns.study_id]) for line, _ in refused),
        name=name,
        columns=columns,
        numbers=_numbers(cells, parts).set_axis(index),
        emptied=_emptied(usable, columns),
    )


def _check_columns(table: pd.DataFrame, columns: ColumnMap, name: str) -> None:
    """Raise ValueError with every column that the map names and the table lacks."""
    headings = {heading.casefold(): heading for heading in table.columns}
    absent = []
    for place, column in columns.columns().items():
        if column not in table.columns:
            # The nearest only: the first line of a table without headings is a patient's.
            near = difflib.get_close_matches(column.casefold(), headings, n=1)
            hint = f", did you mean {headings[near[0]]}?" if near else ""
            absent.append(f"{column} ({place}{hint})")
    if absent:
        raise ValueError(
            f"{name} has no column {listing(absent)}. Compare the column map with the first line "
            "of the table."
        )


def _refused_rows(table: pd.DataFrame, columns: ColumnMap) -> list[tuple[int, str]]:
    """Lines that cannot be told to be a study of a patient, and why."""
    reasons: dict[int, str] = {}
    lines: dict[str, list[int]] = {}
    rows = zip(table.index, table[columns.study_id], table[columns.patient_id], strict=True)
    for line, study, patient in rows:
        reason = _id_problem(study, "study id") or _id_problem(patient, "patient id")
        if reason:
            reasons[line] = reason
        else:
            lines.setdefault(normal_id(study), []).append(line)
    for same in lines.values():
        for line in same if len(same) > 1 else []:
            others = [other for other in same if other != line]
            reasons[line] = f"study id given twice, also in line {listing(others)}"
    return sorted(reasons.items())


def _id_problem(cell: str, what: str) -> str:
    """Why a cell is no id; the text does not repeat it."""
    cell = normal_id(cell)
    # A study may well be called NA; that two patients are called n/a is not believed.
    if cell in ("", "-") or (what == "patient id" and is_missing(cell)):
        return f"no {what}; if its cell was merged with those above, fill it downwards"
    if is_date(cell):
        return f"{what} is a date; spreadsheets make dates of ids, format the column as text"
    if ROUNDED.fullmatch(cell.casefold()):
        return f"{what} was rounded by a spreadsheet; format the column as text"
    return ""


def _formula_problems(table: pd.DataFrame, columns: ColumnMap) -> list[str]:
    """Columns taken over that hold what a spreadsheet would compute, but for cells with a code."""
    problems = []
    for place, column in columns.columns().items():
        # What a reason to exclude looks for is compared, and never written.
        coding = columns.traits.get(place.removeprefix("traits "))
        coded = {cell_key(cell) for cell in (*coding.one, *coding.zero)} if coding else set()
        cells = table[column].items()
        lines = [n for n, c in cells if is_formula(c) and cell_key(c) not in coded]
        if lines and not place.startswith("exclude "):
            problems.append(
                f"{column} ({place}) has formulas, or cells that begin like one (= + - @), in "
                f"line {listing(lines)}; put values in their place"
            )
    return problems


def _lines(cells: pd.Series, holds: Callable[[Any], bool]) -> list[int]:
    """Lines of the file whose cell has a property."""
    return [line for line, cell in cells.items() if holds(cell)]


def _decimal_comma(
    table: pd.DataFrame, columns: ColumnMap, delimiter: str, problems: list[str]
) -> bool:
    """As the map says, else as the columns of numbers are written."""
    if columns.decimal_comma is not None:
        return columns.decimal_comma
    named = columns.columns_of_numbers()
    with_comma = {
        column: cells
        for column in named
        if (cells := [c for c in table[column] if "," in c and (is_number(c) or has_thousands(c))])
    }
    if delimiter != ";" and all(has_thousands(c) for cells in with_comma.values() for c in cells):
        problems += [
            f"{column} has numbers such as 1,234, which may be 1234 or 1.234; say decimal_comma: "
            "false or true in the column map"
            for column in with_comma
        ]
        return bool(with_comma)
    try:
        return uses_decimal_comma(cell for column in named for cell in table[column])
    except ValueError as error:
        problems.append(f"{error}, or say decimal_comma in the column map")
        return False


def _numbers(cells: "_Cells", parts: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Columns that were read as numbers, by line."""
    columns = cells.columns
    named = [*columns.clinical, *(["mfr"] if columns.mfr else [])]
    taken = {name: parts[name] for name in named if parts[name].dtype == float}
    for coding in columns.traits.values():
        if coding.rule and coding.column not in {*columns.clinical.values(), *taken}:
            taken[coding.column] = cells.numbers(coding.column)[0]
    return pd.DataFrame(taken, index=cells.table.index, dtype=float)


def _emptied(table: pd.DataFrame, columns: ColumnMap) -> dict[str, list[int]]:
    """Lines of each column whose cell is, by the map alone, not recorded."""
    emptied = {}
    for place, column in columns.columns().items():
        keys = columns.missing_keys(column)
        is_compared = place in ("study_id", "patient_id") or place.startswith("exclude ")
        if keys and not is_compared:
            cells = table[column].items()
            emptied[column] = [n for n, c in cells if not is_missing(c) and cell_key(c) in keys]
    return {column: lines for column, lines in emptied.items() if lines}


@dataclass(frozen=True)
class _Cells:
    """Columns of the usable rows, translated one by one; what cannot be is noted.

    Columns are Series whose index is the line of the file.
    """

    table: pd.DataFrame
    columns: ColumnMap
    decimal_comma: bool
    problems: list[str]

    def recorded(self, column: str) -> pd.Series:
        """Cells, "" for not recorded, by our words for it or the user's for this column."""
        keys = self.columns.missing_keys(column)
        return self.table[column].map(
            lambda cell: "" if is_missing(cell) or (keys and cell_key(cell) in keys) else cell
        )

    def number(self, cell: str) -> float:
        """As `parse_number`, NaN for what is none.

        1,234 is 1234 where the map says that no comma is a decimal one.
        """
        groups_thousands = self.columns.decimal_comma is False and has_thousands(cell)
        text = cell.replace(",", "") if groups_thousands else cell
        try:
            return parse_number(text, self.decimal_comma)
        except ValueError:
            return np.nan

    def numbers(self, column: str) -> tuple[pd.Series, list[int]]:
        """Numbers of a column, NaN for not recorded, and the lines that hold something else."""
        cells = self.recorded(column)
        values = cells.map(self.number).astype(float)
        return values, list(cells.index[(values.isna() & (cells != "")).astype(bool)])

    def trait(self, name: str, coding: TraitCoding) -> pd.Series:
        """1.0, 0.0, or NaN for not recorded."""
        column, cells = coding.column, self.table[coding.column]
        if coding.rule:
            values, _ = self.numbers(column)
            labels = values.map(coding.holds, na_action="ignore").astype(float)
            self.has_days(column, f"traits {name}", values)
        else:
            meaning = {cell_key(cell): 1.0 for cell in coding.one}
            meaning |= {cell_key(cell): 0.0 for cell in coding.zero}
            labels = cells.map(lambda cell: meaning.get(cell_key(cell), np.nan)).astype(float)
        is_unexplained = labels.isna() & (self.recorded(column) != "")
        if unexplained := Counter(cells[is_unexplained.astype(bool)]):
            self.problems.append(f"{column} ({name}) has {_some_values(unexplained)}")
        return labels

    def flow_reserve(self, column: str) -> pd.Series:
        """The user's own MFR; positive, or NaN for not recorded."""
        values, odd = self.numbers(column)
        negative = _lines(values, lambda value: value <= 0)
        for lines, what in ((odd, "no number"), (negative, "not above 0")):
            if lines:
                self.problems.append(f"{column} (mfr) is {what} in line {listing(lines)}")
        return values

    def variable(self, name: str, column: str) -> pd.Series:
        """Numbers where all recorded cells are numbers, else text and NaN."""
        values, odd = self.numbers(column)
        if self.has_days(column, f"clinical {name}", values) or not odd:
            return values
        cells = self.recorded(column)
        recorded = [cell for cell in cells if cell]
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
        return cells.map(lambda cell: cell or np.nan)

    def text(self, column: str) -> pd.Series:
        """Text, "" for not recorded; no dates."""
        if dates := _lines(self.table[column], tells_a_day):
            self.problems.append(f"{column} holds dates in line {listing(dates)}")
        return self.recorded(column)

    def has_days(self, column: str, place: str, values: pd.Series) -> bool:
        """Whether cells of a column of numbers are days, which is noted."""
        days = _lines(self.table[column], tells_a_day)
        is_day = re.search(r"date\b|datum\b|\bfecha\b", header_words(column)) is not None
        if is_day and all(value in _SERIAL_DAYS for value in values.dropna()):
            days = list(values.dropna().index)
        if days:
            # A birth date in disguise, or a number that a spreadsheet took for one.
            self.problems.append(
                f"{column} ({place}) holds dates in line {listing(days)}; dates are not taken over"
            )
        return bool(days)

    def check_codes(self) -> None:
        """Note codes for all columns that may be values of one of the columns of numbers."""
        doubtful = []
        for column in self.columns.columns_of_numbers() if self.columns.missing else ():
            others = list(self.numbers(column)[0].dropna())
            for code in self.columns.missing if others else ():
                key = cell_key(code)
                cells = self.table[column].items()
                lines = [n for n, c in cells if c and cell_key(c) == key]
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

    def reasons(self) -> list[str]:
        """First reason to leave each study out, or ""."""
        reasons = [""] * len(self.table)
        for reason, exclusion in self.columns.exclude.items():
            values = set(map(cell_key, exclusion.values))
            for row, cell in enumerate(self.table[exclusion.column]):
                if not reasons[row] and cell_key(cell) in values:
                    reasons[row] = reason
        return reasons


_SERIAL_DAYS: Final = range(7306, 73051)
"""Days as spreadsheets count them, from 1920 to 2099."""

_APART: Final = re.compile(r"[+-]?\d{1,3}(['’ ]\d{3})+([.,]\d+)?")  # noqa: RUF001
"""A number whose thousands are set apart by apostrophes or spaces."""

_NEARLY: Final = re.compile(
    r"[<>\u2264\u2265~]=? ?\d+([.,]\d+)?|\d+([.,]\d+)?( ?[%?*]| [^\W\d_/]+)"
)
"""A number with a sign of comparison, a mark or a unit."""


def _looks_numeric(cell: str) -> bool:
    """True for a number, also an infinite one, or one whose thousands are apart."""
    is_finite = is_number(cell) or has_thousands(cell) or _APART.fullmatch(cell) is not None
    return is_finite or re.fullmatch(r"[+-]?inf(inity)?", cell, re.IGNORECASE) is not None


def _is_nearly_a_number(cell: str) -> bool:
    return _looks_numeric(cell) or _NEARLY.fullmatch(cell) is not None


def _some_values(unexplained: Counter[str]) -> str:
    """Values that a coding does not explain, with counts, unless they may identify people."""
    if len(unexplained) > _TELLING:
        return (
            f"{unexplained.total()} cells that its coding does not explain, with "
            f"{len(unexplained)} different values (not shown, because so many may identify "
            "patients)"
        )
    shown = shown_values(
        [cell for cell, _ in unexplained.most_common()],
        lambda cell: f"'{cell}' ({unexplained[cell]})",
    )
    return f"cells that its coding does not explain: {shown}"
