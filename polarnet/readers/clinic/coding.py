"""The clinic's table in the words of a cohort: a column map applied."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from polarnet.ids import listing, normal_id, normal_ids
from polarnet.readers.clinic.columns import ColumnMap, cell_key
from polarnet.readers.clinic.translation import Cells
from polarnet.readers.identity import ROUNDED, is_date
from polarnet.readers.words import (
    has_thousands,
    is_formula,
    is_missing,
    is_number,
    uses_decimal_comma,
)

_PROBLEMS_SHOWN: Final = 12
"""Columns of which a message tells what is wrong; the rest are counted (our choice)."""


@dataclass(frozen=True, repr=False, eq=False)
class MappedTable:
    """A table in the words of a cohort.

    Attributes
    ----------
    table
        Index study_id (text); patient_id, one column a trait (1.0, 0.0, NaN), mfr (no unit),
        clinical variables (numbers, or text and NaN), provenance and split (text, "" for not
        recorded). Excluded studies are in it.
    traits
        Columns that are traits.
    excluded
        study_id -> first reason that applies, "" for none.
    lines
        study_id -> line of the file.
    refused
        Line of the file and reason of each row that cannot be used.
    numbers
        Index study_id; every column that was read as numbers, by its name in the cohort or, of a
        trait's rule, its heading.
    emptied
        Column -> lines whose cell the map's `missing` took for not recorded.
    """

    table: pd.DataFrame
    traits: list[str]
    excluded: pd.Series
    lines: dict[str, int]
    refused: list[tuple[int, str]]
    numbers: pd.DataFrame
    emptied: dict[str, list[int]]

    def __repr__(self) -> str:
        n_excluded = int((self.excluded != "").sum())
        return (
            f"MappedTable({len(self.table)} studies, {n_excluded} of them excluded, "
            f"{len(self.refused)} rows refused)"
        )


def apply_column_map(
    table: pd.DataFrame, columns: ColumnMap, name: str, delimiter: str = ""
) -> MappedTable:
    """Translate a table.

    Parameters
    ----------
    table
        Cells as text; the index is the line in the file (`as_table`).
    name
        Of the file, for messages.
    delimiter
        Of the file, as in `Sheet`: beside semicolons, 1,234 has a decimal comma.

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
    cells = Cells(
        table=usable,
        missing=columns.missing_keys,
        decimal_comma=_decimal_comma(usable, columns, delimiter, problems),
        groups_thousands=columns.decimal_comma is False,
        problems=problems,
    )
    ids = normal_ids(usable[columns.study_id])
    parts: dict[str, Any] = {"patient_id": normal_ids(usable[columns.patient_id])}
    parts |= {trait: cells.trait(trait, coding) for trait, coding in columns.traits.items()}
    parts |= {"mfr": cells.flow_reserve(columns.mfr)} if columns.mfr else {}
    parts |= {name: cells.variable(name, column) for name, column in columns.clinical.items()}
    parts |= {name: cells.text(column) for name, column in columns.provenance.items()}
    parts |= {"split": cells.text(columns.split)} if columns.split else {}
    cells.check_codes(columns.missing, _columns_of_numbers(columns))
    if problems:
        told = problems[:_PROBLEMS_SHOWN]
        n_more = len(problems) - len(told)
        told += [f"and {n_more} more columns"] if n_more else []
        raise ValueError(f"{name}: {'; '.join(told)}. Mend the table or the column map.")
    index = pd.Index(ids, name="study_id", dtype=object)
    return MappedTable(
        table=pd.DataFrame(parts, index=index),
        traits=list(columns.traits),
        excluded=pd.Series(
            cells.reasons(columns.exclude), index=index, dtype=object, name="excluded"
        ),
        lines=dict(zip(ids, map(int, usable.index), strict=True)),
        refused=refused,
        numbers=_numbers(cells, columns, parts, index),
        emptied=_emptied(usable, columns),
    )


def _columns_of_numbers(columns: ColumnMap) -> list[str]:
    """Headings of the columns that are, or may be, numbers."""
    by_rule = [coding.column for coding in columns.traits.values() if coding.rule]
    return [*columns.clinical.values(), *([columns.mfr] if columns.mfr else []), *by_rule]


def _numbers(
    cells: Cells, columns: ColumnMap, parts: Mapping[str, Any], index: pd.Index
) -> pd.DataFrame:
    """Columns that were read as numbers."""
    taken = {
        name: parts[name]
        for name in (*columns.clinical, *(["mfr"] if columns.mfr else []))
        if not any(isinstance(value, str) for value in parts[name])
    }
    by_rule = [coding.column for coding in columns.traits.values() if coding.rule]
    others = [c for c in dict.fromkeys(by_rule) if c not in {*columns.clinical.values(), *taken}]
    return pd.DataFrame(taken | {c: cells.numbers(c)[0] for c in others}, index=index, dtype=float)


def _emptied(table: pd.DataFrame, columns: ColumnMap) -> dict[str, list[int]]:
    """Lines of each column whose cell is, by the map alone, not recorded."""
    skipped = {columns.study_id, columns.patient_id}
    emptied = {}
    for place, column in columns.columns().items():
        keys = columns.missing_keys(column)
        if keys and column not in skipped and not place.startswith("exclude "):
            cells = table[column].items()
            emptied[column] = [n for n, c in cells if not is_missing(c) and cell_key(c) in keys]
    return {column: lines for column, lines in emptied.items() if lines}


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
        lines = [
            line
            for line, cell in table[column].items()
            if is_formula(cell) and cell_key(cell) not in coded
        ]
        if lines and not place.startswith("exclude "):
            problems.append(
                f"{column} ({place}) has formulas, or cells that begin like one (= + - @), in "
                f"line {listing(lines)}; put values in their place"
            )
    return problems


def _decimal_comma(
    table: pd.DataFrame, columns: ColumnMap, delimiter: str, problems: list[str]
) -> bool:
    """As the map says, else as the columns of numbers are written."""
    if columns.decimal_comma is not None:
        return columns.decimal_comma
    named = [coding.column for coding in columns.traits.values() if coding.rule]
    named += [columns.mfr] if columns.mfr else []
    named += columns.clinical.values()
    with_comma = {
        column: cells
        for column in dict.fromkeys(named)
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


def describe_codings(kept: pd.DataFrame, columns: ColumnMap) -> list[str]:
    """What 1 and 0 mean, one line a trait, with counts over the studies of a mapped table."""
    lines = []
    for trait, coding in columns.traits.items():
        one, zero = coding.meaning()
        n_one, n_zero = int((kept[trait] == 1).sum()), int((kept[trait] == 0).sum())
        lines.append(
            f"{trait}: {n_one} coded 1 mean {one}; {n_zero} coded 0 mean {zero}; "
            f"{len(kept) - n_one - n_zero} not recorded"
        )
    return lines
