"""The clinical table: which column is a trait, which is something else."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort.checks import listing, table_problems
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD, TRAITS

MFR_COLUMN: Final = "mfr"
"""Column with the user's own flow reserve, which decides before the maps do."""

_IDS: Final = ("study_id", "patient_id")

_NOT_RECORDED: Final = ("", "NA", "N/A", "n/a", "NaN", "nan", "-")
"""Cells that mean: not recorded."""

_NAMES_A_PERSON: Final = re.compile(
    r"name|birth|geburt|naissance|geboorte|(^|_)(dob|mrn|ssn|bsn)($|_)|hospital.?n|address|phone",
    re.IGNORECASE,
)
"""Columns that are never taken over."""

_MEANT_AS_TRAIT: Final = 0.8
"""A column with this share of 0 and 1 among its values is taken for a trait (our choice)."""


def read_clinical(path: str | Path) -> pd.DataFrame:
    """Read the CSV with study_id, patient_id and whatever else; one row a study.

    Returns
    -------
    DataFrame, index study_id (text), cells as text or number, empty cells NaN.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is not a CSV, lacks an id column, or names a study twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No clinical table {path}.")
    try:
        # As text first: an id such as 001 or NA stays what it is.
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as a UTF-8 CSV table ({error}).") from None
    table = table.rename(columns=lambda name: str(name).strip())
    table = table.apply(lambda column: column.str.strip())
    for name in _IDS:
        if name not in table:
            raise ValueError(
                f"{path.name} has no column {name}; it has {listing(table.columns)}. Rename yours "
                "in the first line, and save with commas between the columns."
            )
    # A spreadsheet's empty lines are no studies.
    is_empty = (table == "").all(axis=1)
    nameless = (table["study_id"] == "") & ~is_empty
    if nameless.any():
        rows = np.flatnonzero(nameless) + 2
        raise ValueError(f"{path.name}: no study_id in row {listing(rows)}.")
    table = table[~is_empty].set_index("study_id")
    return table.apply(_as_numbers).assign(patient_id=table["patient_id"])


def _as_numbers(column: pd.Series) -> pd.Series:
    """A column of numbers where all its recorded cells are numbers, else of text."""
    is_recorded = ~column.isin(_NOT_RECORDED)
    numbers = pd.to_numeric(column.where(is_recorded), errors="coerce")
    return numbers if numbers.notna().equals(is_recorded) else column.where(is_recorded)


def without_identity(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The table without columns that name a person, and the names of those columns."""
    naming = [name for name in table.columns if _NAMES_A_PERSON.search(str(name))]
    return table.drop(columns=naming), naming


def trait_columns(table: pd.DataFrame, named: Sequence[str] | None) -> list[str]:
    """Columns that are traits: those named; else the paper's, and every other 0/1 column.

    Raises
    ------
    ValueError: a named column is absent.
    """
    others = [name for name in table.columns if name not in ("patient_id", "split", MFR_COLUMN)]
    if named is not None:
        if absent := [name for name in named if name not in others]:
            raise ValueError(
                f"No column {listing(absent)} for a trait; there is {listing(others)}."
            )
        return list(named)
    if cased := [name for name in others if name not in TRAITS and name.lower() in TRAITS]:
        raise ValueError(f"Write the trait columns in lower case: {listing(cased)}.")
    return [name for name in others if name in TRAITS or _looks_binary(table[name])]


def _looks_binary(column: pd.Series) -> bool:
    """True where nearly all values are 0 or 1, so that the others must be slips."""
    numbers = pd.to_numeric(column.dropna(), errors="coerce")
    return len(numbers) > 0 and float(numbers.isin([0, 1]).mean()) >= _MEANT_AS_TRAIT


def check_table(table: pd.DataFrame, traits: Sequence[str], name: str) -> None:
    """Raise one ValueError with every id, label and flow reserve that is not sound."""
    problems = table_problems(table[list(traits)], table["patient_id"])
    if MFR_COLUMN in table and not pd.api.types.is_numeric_dtype(table[MFR_COLUMN]):
        recorded = table[MFR_COLUMN].dropna()
        odd = recorded[pd.to_numeric(recorded, errors="coerce").isna()]
        pairs = [f"{study} ({value[:6]})" for study, value in odd.items()]
        problems.append(f"{MFR_COLUMN} must be a number with a decimal point: {listing(pairs)}")
    if problems:
        raise ValueError(
            f"{name}: {'; '.join(problems)}. Mend the table, or name the trait columns by --traits."
        )


def impaired_mfr(
    table: pd.DataFrame, from_maps: pd.Series | None
) -> tuple[pd.Series, pd.Series, list[str]]:
    """Impaired flow reserve of each study, from the best source there is.

    Parameters
    ----------
    table
        May have a column impaired_mfr (0/1) and a column mfr (a number without unit).
    from_maps
        Global MFR computed from the maps, or None where there is none.

    Returns
    -------
    Labels 1.0, 0.0 or NaN; their source ("column", "mfr number", "maps" or ""); and the
    study ids whose sources disagree about being below 2.0.
    """
    empty = pd.Series(np.nan, index=table.index)
    column = table[IMPAIRED_MFR].astype(float) if IMPAIRED_MFR in table else empty
    number = table[MFR_COLUMN].astype(float) if MFR_COLUMN in table else empty
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
