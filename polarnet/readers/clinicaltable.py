"""The clinical table: who the studies are of, their labels, and what else is known."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.ids import listing
from polarnet.readers.coding import Clinical, apply_column_map
from polarnet.readers.columnmap import ColumnMap
from polarnet.readers.sheets import Sheet, as_table, from_header
from polarnet.readers.suggestion import default_columns, is_same_thing, suggest_column_map
from polarnet.readers.tables import read_sheet
from polarnet.readers.words import shown_values
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD

_MANY_STUDIES: Final = 5
"""More studies per patient than this, on average, are told of (our choice)."""


def read_clinical(
    path: str | Path,
    columns: ColumnMap | None = None,
    traits: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Clinical:
    """Read the clinical table, one row per study.

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
    n_studies, n_patients = len(clinical.table), len(set(clinical.patients.values()))
    if n_studies > _MANY_STUDIES * n_patients:
        told.append(
            f"{clinical.name}: {n_studies} studies of {n_patients} patients, by column "
            f"{columns.patient_id}. Is that the column which tells who the patient is?"
        )
    if alike := _lines_of_alike_patients(clinical):
        told.append(
            f"Patient ids in line {listing(alike)} differ from another one by capitals or leading "
            "zeros alone. If that is one patient, write the id in one way: it counts as two now."
        )
    return told


def _lines_of_alike_patients(clinical: Clinical) -> list[int]:
    """Lines of patient ids of which there is another spelling."""

    def folded(id: str) -> str:  # what is left when a spreadsheet took zeros, or somebody capitals
        return id.lstrip("0").casefold() if id.isdigit() else id.casefold()

    spellings: dict[str, set[str]] = {}
    for patient in clinical.patients.values():
        spellings.setdefault(folded(patient), set()).add(patient)
    patients = clinical.patients.items()
    return sorted(
        clinical.lines[s] for s, patient in patients if len(spellings[folded(patient)]) > 1
    )


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


def without_table(patients: Mapping[str, str]) -> Clinical:
    """Where there is no table: studies without labels, by study_id -> patient_id."""
    return Clinical(pd.DataFrame(index=pd.Index(list(patients), name="study_id")), dict(patients))


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
