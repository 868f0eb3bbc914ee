"""The clinical table: who the studies are of, their labels, and what else is known."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.ids import listing, normal_id
from polarnet.readers.clinic.coding import apply_column_map, describe_codings
from polarnet.readers.clinic.columns import ColumnMap
from polarnet.readers.clinic.defaults import default_columns
from polarnet.readers.clinic.oddities import told_of_numbers
from polarnet.readers.clinic.suggestion import suggest_column_map
from polarnet.readers.clinic.words import is_same_thing
from polarnet.readers.sheets import as_table, from_header
from polarnet.readers.tables import read_sheet
from polarnet.readers.words import is_number, shown_values
from polarnet.traits import CODED_ONE_MEANS, IMPAIRED_MFR, MFR_THRESHOLD

_MANY_STUDIES: Final = 5
"""More studies a patient than this, on average, are told of (our choice)."""


@dataclass(frozen=True, eq=False)
class Clinical:
    """A clinical table in the words of a cohort.

    Attributes
    ----------
    table
        Index study_id: traits (1.0, 0.0, NaN), mfr, clinical columns, provenance, split.
    traits
        Columns of it that are traits.
    patients
        study_id -> patient_id.
    excluded
        study_id -> reason, for those that are to be left out.
    lines
        study_id -> line of the file.
    refused
        Line and reason of rows that are no study.
    name
        Of the file; "" where there is none.
    wants_mfr
        Whether impaired flow reserve is one of the labels.
    columns
        What its columns are.
    unusable
        Study ids of refused rows.
    numbers
        As of `MappedTable`.
    """

    table: pd.DataFrame
    traits: list[str]
    patients: dict[str, str]
    excluded: dict[str, str]
    lines: dict[str, int]
    refused: list[tuple[int, str]]
    name: str
    wants_mfr: bool
    columns: ColumnMap | None = None
    unusable: tuple[str, ...] = ()
    numbers: pd.DataFrame | None = None

    def described(self, studies: Collection[str]) -> list[str]:
        """What was taken over of these studies: one line for each trait and clinical variable."""
        if self.columns is None:
            return []
        lines = []
        for line in describe_codings(self.table.loc[list(studies)], self.columns):
            trait = line.split(":", 1)[0]
            means = f" ({CODED_ONE_MEANS[trait]})" if trait in CODED_ONE_MEANS else ""
            lines.append(line.replace(" coded 1 mean ", f" coded 1{means} mean ", 1))
        return [*lines, *self._variables(list(studies))]

    def _variables(self, studies: list[str]) -> list[str]:
        """How many cells of each variable are recorded, and which of its numbers are odd."""
        if self.columns is None or self.numbers is None:
            return []
        headings = {**self.columns.clinical, "mfr": self.columns.mfr}
        lines = [self.lines[study] for study in studies]
        told = []
        for name in self.numbers:
            values = self.numbers.loc[studies, name].set_axis(lines)
            told.append(told_of_numbers(name, headings.get(name, name), values, len(studies)))
        for name in self.columns.clinical:
            if name not in self.numbers:
                texts = self.table.loc[studies, name].dropna()
                n_numbers = sum(map(is_number, texts))
                numbers = f", {n_numbers} of them numbers" if n_numbers else ""
                told.append(
                    f"{name}: text, {len(texts)} recorded{numbers}, {texts.nunique()} different; "
                    f"{len(studies) - len(texts)} not recorded"
                )
        return told

    @property
    def studies(self) -> list[str]:
        """Study ids in the order of the table."""
        return list(self.patients)


def read_clinical(
    path: str | Path,
    columns: ColumnMap | None = None,
    traits: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Clinical:
    """Read the clinical table, one row a study.

    Parameters
    ----------
    path
        CSV, TSV, XLSX, SPSS or Stata file.
    columns
        What its columns are. None: study_id and patient_id are called so, columns of 0 and 1 are
        traits, mfr is the user's own flow reserve, and of all others only well-known numbers such
        as age are taken over (`default_columns`).
    traits
        Without `columns`: those that are traits.
    tell
        Receives one line for everything the user should know.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: the table or its columns are unsound; all offenders are listed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No clinical table {path}.")
    if columns is not None and traits is not None:
        raise ValueError("Traits are named either in the column map or by --traits, not in both.")
    sheet = from_header(read_sheet(path, with_formulas=True), path.name, is_same_thing)
    if sheet.note:
        tell(f"{path.name}: {sheet.note}")
    table = as_table(sheet, path.name)
    try:
        of_table = columns or default_columns(table, traits, path.name, tell)
        mapped = apply_column_map(table, of_table, path.name, sheet.delimiter)
    except ValueError as error:
        hint = "" if columns else " --suggest-columns writes a first column map."
        raise ValueError(f"{error}{hint}") from None
    columns = of_table
    excluded = {str(s): str(reason) for s, reason in mapped.excluded.items() if reason}
    for reason, exclusion in columns.exclude.items():
        n = sum(r == reason for r in excluded.values())
        found = sorted({cell for cell in table[exclusion.column] if cell})
        shown = f"; {exclusion.column} holds {shown_values(found)}" if found and not n else ""
        tell(f"Excluded, {reason}: {n} studies{shown}")
    for column, lines in mapped.emptied.items():
        tell(
            f"Not recorded, as missing says: {len(lines)} "
            f"{'cell' if len(lines) == 1 else 'cells'} of {column}, in line {listing(lines)}"
        )
    n_studies, n_patients = len(mapped.table), mapped.table["patient_id"].nunique()
    if n_studies > _MANY_STUDIES * n_patients:
        tell(
            f"{path.name}: {n_studies} studies of {n_patients} patients, by column "
            f"{columns.patient_id}. Is that the column which tells who the patient is?"
        )
    if alike := _lines_of_alike_patients(mapped.table["patient_id"], mapped.lines):
        tell(
            f"Patient ids in line {listing(alike)} differ from another one by capitals or leading "
            "zeros alone. If that is one patient, write the id in one way: it counts as two now."
        )
    wants_mfr = (traits is None or IMPAIRED_MFR in traits) and (
        IMPAIRED_MFR not in columns.traits or IMPAIRED_MFR in mapped.traits
    )
    return Clinical(
        table=mapped.table.drop(columns="patient_id"),
        traits=mapped.traits,
        patients={str(s): str(p) for s, p in mapped.table["patient_id"].items()},
        excluded=excluded,
        lines=mapped.lines,
        refused=mapped.refused,
        name=path.name,
        wants_mfr=wants_mfr,
        columns=columns,
        unusable=tuple(normal_id(table.loc[line, columns.study_id]) for line, _ in mapped.refused),
        numbers=mapped.numbers,
    )


def _lines_of_alike_patients(patients: pd.Series, lines: Mapping[str, int]) -> list[int]:
    """Lines of patient ids of which there is another spelling."""
    spellings: dict[str, set[str]] = {}
    for patient in patients:
        spellings.setdefault(_folded(patient), set()).add(patient)
    return sorted(
        lines[str(study)]
        for study, patient in patients.items()
        if len(spellings[_folded(patient)]) > 1
    )


def _folded(id: str) -> str:
    """What is left of an id when a spreadsheet took its zeros, or somebody its capitals."""
    return id.lstrip("0").casefold() if id.isdigit() else id.casefold()


def suggest_columns(path: str | Path) -> str:
    """A first column map of a table, to be edited; never a cell that may identify a person.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: the table cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No clinical table {path}.")
    sheet = from_header(read_sheet(path, with_formulas=True), path.name, is_same_thing)
    note = f"# {path.name}: {sheet.note}\n" if sheet.note else ""
    return note + suggest_column_map(as_table(sheet, path.name))


def without_table(patients: dict[str, str]) -> Clinical:
    """Where there is no table: studies without labels, by study_id -> patient_id."""
    return Clinical(
        table=pd.DataFrame(index=pd.Index(list(patients), name="study_id")),
        traits=[],
        patients=patients,
        excluded={},
        lines={},
        refused=[],
        name="",
        wants_mfr=True,
    )


def impaired_mfr(
    table: pd.DataFrame, from_maps: pd.Series | None
) -> tuple[pd.Series, pd.Series, list[str]]:
    """Impaired flow reserve of each study, from the best source there is.

    Parameters
    ----------
    table
        May have a column impaired_mfr (1.0, 0.0, NaN) and a column mfr (a number without unit).
    from_maps
        Global MFR computed from the maps, or None where there is none.

    Returns
    -------
    Labels 1.0, 0.0 or NaN; their source ("column", "mfr number", "maps" or ""); and the
    study ids whose sources disagree about being below 2.0.
    """
    empty = pd.Series(np.nan, index=table.index)
    column = table[IMPAIRED_MFR].astype(float) if IMPAIRED_MFR in table else empty
    number = table["mfr"].astype(float) if "mfr" in table else empty
    computed = empty if from_maps is None else from_maps
    answers = pd.DataFrame(
        {
            "column": column,
            "mfr number": (number < MFR_THRESHOLD).astype(float).where(number.notna()),
            "maps": (computed < MFR_THRESHOLD).astype(float).where(computed.notna()),
        }
    )
    label = answers.bfill(axis=1).iloc[:, 0]
    source = answers.notna().idxmax(axis=1).where(label.notna(), "")
    disagree = answers.max(axis=1) != answers.min(axis=1)
    return label, source, [str(s) for s in table.index[disagree & label.notna()]]
