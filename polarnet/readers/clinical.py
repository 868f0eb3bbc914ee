"""The clinical table: which column is a trait, which is something else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort.checks import listing, table_problems
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD, TRAITS

MFR_COLUMN: Final = "mfr"
"""Column with the user's own flow reserve, which decides before the maps do."""

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
        table = pd.read_csv(
            path, dtype={"study_id": str, "patient_id": str}, encoding="utf-8-sig",
            low_memory=False,
        )  # fmt: skip
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read as a UTF-8 CSV table ({error}).") from None
    for name in ("study_id", "patient_id"):
        if name not in table:
            raise ValueError(
                f"{path.name} has no column {name}; it has {listing(table.columns)}. "
                "Rename yours in the first line."
            )
        table[name] = table[name].str.strip()
    # A spreadsheet's trailing empty lines are no studies.
    table = table.dropna(how="all")
    nameless = table["study_id"].isna() | (table["study_id"] == "")
    if nameless.any():
        raise ValueError(
            f"{path.name}: no study_id in row {listing(np.flatnonzero(nameless) + 2)}."
        )
    table = table.set_index("study_id")
    table["patient_id"] = table["patient_id"].fillna("")
    return table


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
    return [name for name in others if name in TRAITS or _looks_binary(table[name])]


def _looks_binary(column: pd.Series) -> bool:
    """True where nearly all values are 0 or 1, so that the others must be slips."""
    numbers = pd.to_numeric(column.dropna(), errors="coerce")
    return len(numbers) > 0 and float(numbers.isin([0, 1]).mean()) >= _MEANT_AS_TRAIT


def check_traits(table: pd.DataFrame, traits: Sequence[str], name: str) -> None:
    """Raise one ValueError with every id and label that is not sound."""
    if problems := table_problems(table[list(traits)], table["patient_id"]):
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
    number = pd.to_numeric(table[MFR_COLUMN], errors="coerce") if MFR_COLUMN in table else empty
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
