"""The clinic's table in the words of a cohort."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.files import did_you_mean
from polarnet.ids import listing, normal_id, normal_ids
from polarnet.readers.columnmap import ColumnMap, TraitCoding
from polarnet.readers.identity import ROUNDED, header_words, is_date, tells_a_day
from polarnet.readers.oddities import told_of_numbers
from polarnet.readers.sheets import Sheet, as_table, from_header
from polarnet.readers.suggestion import default_columns, is_same_thing, suggest_column_map
from polarnet.readers.tables import read_sheet
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
from polarnet.traits import CODED_ONE_MEANS, IMPAIRED_MFR, MFR_THRESHOLD

_PROBLEMS_SHOWN: Final = 12  # columns of which a message tells what is wrong (our choice)
_TELLING: Final = 20  # with more unexplained values, a column may identify people: none is repeated


@dataclass(frozen=True, repr=False, eq=False)
class Clinical:
    """A clinical table in the words of a cohort.

    Index of `table` and `numbers` is the study_id (text). `table` has traits (1.0, 0.0, NaN), mfr
    (no unit), clinical variables (numbers, or text and NaN), provenance and split (text, "" for not
    recorded), of excluded studies too.
    """

    table: pd.DataFrame
    patients: dict[str, str]  # study_id -> patient_id, in the order of the table
    excluded: dict[str, str] = field(default_factory=dict)  # study_id -> first reason that applies
    lines: dict[str, int] = field(default_factory=dict)  # study_id -> line of the file
    # Line, study id and reason of rows that are no study.
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    name: str = ""  # of the file; "" where there is none
    wants_mfr: bool = True  # whether impaired flow reserve is one of the labels
    columns: ColumnMap | None = None
    # What was read as numbers, by its name in the cohort or, of a trait's rule, its heading.
    numbers: pd.DataFrame = field(default_factory=pd.DataFrame)
    # Column -> lines whose cell the map's `missing` took for not recorded.
    emptied: dict[str, list[int]] = field(default_factory=dict)

    @property
    def traits(self) -> list[str]:
        """Columns of the table that are traits."""
        return list(self.columns.traits) if self.columns else []

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
                told.append(
                    f"{name}: text, {len(texts)} recorded, {sum(map(is_number, texts))} of them "
                    f"numbers; {n - len(texts)} not recorded"
                )
        return told


def without_table(patients: Mapping[str, str]) -> Clinical:
    """Where there is no table: studies without labels, by study_id -> patient_id."""
    return Clinical(pd.DataFrame(index=pd.Index(list(patients), name="study_id")), dict(patients))


def read_clinical(
    path: str | Path,
    columns: ColumnMap | None = None,
    traits: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Clinical:
    """Read a table with one row per study; without `columns`, by `default_columns`."""
    if columns is not None and traits is not None:
        raise ValueError("Traits are named either in the column map or by --traits, not in both.")
    sheet, table = _table(Path(path))
    name = Path(path).name
    if sheet.note:
        tell(f"{name}: {sheet.note}")
    try:
        used = columns or default_columns(table, traits, name, tell)
        clinical = apply_column_map(table, used, name, sheet.delimiter)
    except ValueError as error:
        hint = "" if columns else " --suggest-columns writes a first column map."
        raise ValueError(f"{error}{hint}") from None
    for line in _told(table, clinical, used):
        tell(line)
    return replace(clinical, wants_mfr=traits is None or IMPAIRED_MFR in traits)


def suggest_columns(path: str | Path) -> str:
    """A first column map of a table, to be edited; never a cell that may identify a person.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: the table cannot be read.
    """
    sheet, table = _table(Path(path))
    note = f"# {Path(path).name}: {sheet.note}\n" if sheet.note else ""
    return note + suggest_column_map(table)


def _table(path: Path) -> tuple[Sheet, pd.DataFrame]:
    """The sheet of a file from the names of its columns on, and the table that it is."""
    if not path.is_file():
        raise FileNotFoundError(f"No clinical table {path}.")
    sheet = from_header(read_sheet(path, with_formulas=True), path.name, is_same_thing)
    return sheet, as_table(sheet, path.name)


def _told(table: pd.DataFrame, clinical: Clinical, columns: ColumnMap) -> list[str]:
    """What the user should know of a table: exclusions, emptied cells, ids that look wrong."""
    told = []
    for reason, exclusion in columns.exclude.items():
        n = sum(r == reason for r in clinical.excluded.values())
        found = sorted({cell for cell in table[exclusion.column] if cell})
        shown = f"; {exclusion.column} holds {shown_values(found)}" if found and not n else ""
        told.append(f"Excluded, {reason}: {n} studies{shown}")
    for column, lines in clinical.emptied.items():
        cells = "1 cell" if len(lines) == 1 else f"{len(lines)} cells"
        told.append(f"Not recorded, as missing says: {cells} of {column}, in line {listing(lines)}")
    patients = pd.Series(clinical.patients, dtype=object)
    # What is left when a spreadsheet took zeros, or somebody capitals.
    folded = patients.map(lambda id: id.lstrip("0") if id.isdigit() else id.casefold())
    if len(alike := patients.index[patients.groupby(folded).transform("nunique") > 1]):
        told.append(
            f"Patient ids in line {listing(sorted(clinical.lines[study] for study in alike))} "
            "differ from another one by capitals or leading zeros alone. If that is one patient, "
            "write the id in one way: it counts as two now."
        )
    return told


def impaired_mfr(
    table: pd.DataFrame, from_maps: pd.Series | None
) -> tuple[pd.Series, pd.Series, list[str]]:
    """Impaired flow reserve of each study, from the best source there is.

    `table` may have the columns impaired_mfr (1.0, 0.0, NaN) and mfr (a number without unit);
    `from_maps` is the global MFR computed from maps. Returns labels 1.0, 0.0 or NaN; their source
    ("column", "mfr number", "maps" or ""); and study ids whose sources disagree about MFR < 2.0.
    """
    sources = {"column": table.get(IMPAIRED_MFR), "mfr number": table.get("mfr"), "maps": from_maps}
    answers = pd.DataFrame(sources, index=table.index, dtype=float)
    for name in ("mfr number", "maps"):
        is_known = answers[name].notna()
        answers[name] = (answers[name] < MFR_THRESHOLD).astype(float).where(is_known)
    label = answers.bfill(axis=1).iloc[:, 0]
    source = answers.notna().idxmax(axis=1).where(label.notna(), "")
    disagree = answers.max(axis=1) != answers.min(axis=1)
    return label, source, [str(s) for s in table.index[disagree & label.notna()]]


# === A column map, applied ===


def apply_column_map(
    table: pd.DataFrame, columns: ColumnMap, name: str, delimiter: str = ""
) -> Clinical:
    """Translate a table of text whose index is the line in the file (`as_table`).

    `delimiter` is that of the file, as in `Sheet`: beside semicolons, 1,234 has a decimal comma.
    ValueError: all that cannot be is listed, without what may identify a patient.
    """
    absent = [
        f"{column} ({place}{did_you_mean(column, table.columns)})"
        for place, column in columns.columns().items()
        if column not in table.columns
    ]
    if absent:
        raise ValueError(
            f"{name} has no column {listing(absent)}. Compare the column map with the first line "
            "of the table."
        )
    refused = _refused_rows(table, columns)
    usable = table.drop(index=[line for line, *_ in refused])
    problems = _formula_problems(usable, columns)
    cells = _Cells(usable, columns, _decimal_comma(usable, columns, delimiter, problems), problems)
    parts = {trait: cells.label(trait, coding) for trait, coding in columns.traits.items()}
    parts |= {"mfr": cells.flow_reserve(columns.mfr)} if columns.mfr else {}
    parts |= {name: cells.variable(name, column) for name, column in columns.clinical.items()}
    parts |= {n: cells.text(column, f"provenance {n}") for n, column in columns.provenance.items()}
    parts |= {"split": cells.text(columns.split, "split")} if columns.split else {}
    if problems:
        n_more = len(problems) - _PROBLEMS_SHOWN
        more = [f"and {n_more} more columns"] if n_more > 0 else []
        told = "; ".join([*problems[:_PROBLEMS_SHOWN], *more])
        raise ValueError(f"{name}: {told}. Mend the table or the column map.")
    ids = normal_ids(usable[columns.study_id])
    index = pd.Index(ids, name="study_id", dtype=object)
    by_rule = [coding.column for coding in columns.traits.values() if coding.rule]
    numbers = {name: cells.read[name] for name in (*columns.clinical, "mfr") if name in cells.read}
    numbers |= {c: cells.read[c] for c in by_rule if c not in columns.clinical.values()}
    return Clinical(
        table=pd.DataFrame(parts, index=usable.index).set_axis(index),
        patients=dict(zip(ids, normal_ids(usable[columns.patient_id]), strict=True)),
        excluded={s: reason for s, reason in zip(ids, cells.excluded(), strict=True) if reason},
        lines=dict(zip(ids, map(int, usable.index), strict=True)),
        refused=refused,
        name=name,
        columns=columns,
        numbers=pd.DataFrame(numbers, index=usable.index, dtype=float).set_axis(index),
        emptied=cells.emptied,
    )


def _refused_rows(table: pd.DataFrame, columns: ColumnMap) -> list[tuple[int, str, str]]:
    """Rows that cannot be told to be a study of a patient: line, study id, and why."""
    studies = table[columns.study_id].map(normal_id)
    patients = table[columns.patient_id].map(normal_id)
    refused, lines = [], defaultdict(list)
    for line, study in studies.items():
        if reason := _id_problem(study, "study id") or _id_problem(patients[line], "patient id"):
            refused.append((line, study, reason))
        else:
            lines[study].append(line)
    for study, same in lines.items():
        for line in same if len(same) > 1 else []:
            others = listing(other for other in same if other != line)
            refused.append((line, study, f"study id given twice, also in line {others}"))
    return sorted(refused)


def _id_problem(cell: str, what: str) -> str:
    """Why a cell is no id; the text does not repeat it."""
    # A study may well be called NA; that two patients are called n/a is not believed.
    if cell in ("", "-") or (what == "patient id" and is_missing(cell)):
        return f"no {what}; if its cell was merged with those above, fill it downwards"
    if is_date(cell):
        return f"{what} is a date; spreadsheets make dates of ids, format the column as text"
    if ROUNDED.fullmatch(cell.casefold()):
        return f"{what} was rounded by a spreadsheet; format the column as text"
    return ""


def _formula_problems(table: pd.DataFrame, columns: ColumnMap) -> list[str]:
    """Columns taken over as they are that hold what a spreadsheet would compute."""
    problems = []
    for place, column in columns.columns().items():
        lines = [line for line, cell in table[column].items() if is_formula(cell)]
        # Of these, only cells with a code are known, or compared.
        if lines and not place.startswith(("traits ", "exclude ")):
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
    named = columns.columns_of_numbers()
    with_comma = [
        (column, has_thousands(cell))
        for column in named
        for cell in table[column]
        if "," in cell and (is_number(cell) or has_thousands(cell))
    ]
    if delimiter != ";" and with_comma and all(grouped for _, grouped in with_comma):
        problems += [
            f"{column} has numbers such as 1,234, which may be 1234 or 1.234; say decimal_comma: "
            "false or true in the column map"
            for column in dict(with_comma)
        ]
        return True
    try:
        return uses_decimal_comma(cell for column in named for cell in table[column])
    except ValueError as error:
        problems.append(f"{error}, or say decimal_comma in the column map")
        return False


@dataclass(frozen=True)
class _Cells:
    """Columns of the usable rows, translated one by one; what cannot be is noted.

    Columns are Series whose index is the line of the file. `read` has those of numbers, by their
    name in the cohort or their heading, and `emptied` the lines of each that `missing` emptied.
    """

    table: pd.DataFrame
    columns: ColumnMap
    decimal_comma: bool
    problems: list[str]
    read: dict[str, pd.Series] = field(default_factory=dict)
    emptied: dict[str, list[int]] = field(default_factory=dict)

    def recorded(self, column: str) -> pd.Series:
        """Cells, "" for not recorded, by our words for it or the user's for this column."""
        cells, keys = self.table[column], self.columns.missing_keys(column)
        cells = cells.where(~cells.map(is_missing).astype(bool), "")
        if not keys:
            return cells
        is_emptied = cells.map(lambda cell: cell != "" and cell_key(cell) in keys).astype(bool)
        if is_emptied.any():
            self.emptied[column] = list(cells.index[is_emptied])
        return cells.mask(is_emptied, "")

    def number(self, cell: str) -> float:
        """NaN for what is none; 1,234 is 1234 where the map says that no comma is a decimal one."""
        groups_thousands = self.columns.decimal_comma is False and has_thousands(cell)
        try:
            return parse_number(cell.replace(",", "") if groups_thousands else cell,
                                self.decimal_comma)  # fmt: skip
        except ValueError:
            return np.nan

    def numbers(self, column: str) -> tuple[pd.Series, pd.Series]:
        """Numbers of a column, NaN for not recorded, and the cells that hold something else."""
        cells = self.recorded(column)
        values = cells.map(self.number).astype(float)
        return values, cells[(values.isna() & (cells != "")).astype(bool)]

    def label(self, name: str, coding: TraitCoding) -> pd.Series:
        """1.0, 0.0, or NaN for not recorded."""
        column, cells = coding.column, self.table[coding.column]
        if coding.rule:
            values = self.read[column] = self.numbers(column)[0]
            labels = values.map(coding.holds, na_action="ignore").astype(float)
            self.has_days(column, f"traits {name}")
        else:
            meaning = {cell_key(cell): 1.0 for cell in coding.one}
            meaning |= {cell_key(cell): 0.0 for cell in coding.zero}
            labels = cells.map(lambda cell: meaning.get(cell_key(cell), np.nan)).astype(float)
        is_unexplained = labels.isna() & (self.recorded(column) != "")
        if unexplained := Counter(cells[is_unexplained.astype(bool)]):
            told = shown_values(
                [cell for cell, _ in unexplained.most_common()],
                lambda cell: f"'{cell}' ({unexplained[cell]})",
            )
            if len(unexplained) > _TELLING:
                told = f"{len(unexplained)} different values, which may identify patients"
            self.problems.append(
                f"{column} ({name}) has cells that its coding does not explain: {told}"
            )
        return labels

    def flow_reserve(self, column: str) -> pd.Series:
        """The user's own MFR; positive, or NaN for not recorded."""
        values, odd = self.numbers(column)
        if lines := sorted([*odd.index, *values.index[values <= 0]]):
            self.problems.append(f"{column} (mfr) is no number above 0 in line {listing(lines)}")
        self.read["mfr"] = values
        return values

    def variable(self, name: str, column: str) -> pd.Series:
        """Numbers where all recorded cells are numbers, else text and NaN.

        As text, numbers would be lost to every analysis: where half of the cells are numbers, the
        others are an error.
        """
        values, odd = self.numbers(column)
        if self.has_days(column, f"clinical {name}") or odd.empty:
            self.read[name] = values
            return values
        cells = self.recorded(column)
        n_numeric = sum(is_number(cell) or has_thousands(cell) for cell in cells)
        if 2 * n_numeric >= (cells != "").sum():
            usual = "comma" if self.decimal_comma else "point"
            shown = shown_values(dict.fromkeys(odd), lambda cell: f"'{cell}'")
            self.problems.append(
                f"{column} (clinical {name}) holds numbers with a decimal {usual} but for line "
                f"{listing(odd.index)}: {shown}; correct these cells, or name them in the column "
                f'map as not recorded, as missing: {{{column}: ["..."]}}'
            )
        return cells.map(lambda cell: cell or np.nan)

    def text(self, column: str, place: str) -> pd.Series:
        """Text, "" for not recorded."""
        self.has_days(column, place)
        return self.recorded(column)

    def has_days(self, column: str, place: str) -> bool:
        """Whether a column is one of days, by a cell or by its heading, which is noted."""
        days = [line for line, cell in self.table[column].items() if tells_a_day(cell)]
        if days or re.search(r"\bdate\b|datum\b|\bfecha\b", header_words(column)):
            # A birth date in disguise, or a number that a spreadsheet took for one.
            where = f" in line {listing(days)}" if days else ""
            self.problems.append(f"{column} ({place}) holds dates{where}; they are not taken over")
            return True
        return False

    def excluded(self) -> pd.Series:
        """First reason to leave each study out, or ""."""
        reasons = pd.Series("", index=self.table.index, dtype=object)
        for reason, (column, cells) in self.columns.exclude.items():
            has_it = self.table[column].map(cell_key).isin(list(map(cell_key, cells)))
            reasons[has_it & (reasons == "")] = reason
        return reasons
