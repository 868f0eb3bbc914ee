"""p-values of many cells: the primaries named in advance apart from all others."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

PRIMARY: Final = "primary, Holm"
SECONDARY: Final = "secondary, Benjamini-Hochberg"

_CELL: Final = ("map_type", "mode", "trait")


def adjust_p_values(table: pd.DataFrame, primaries: Collection[Sequence[str]]) -> pd.DataFrame:
    """Adjust the p-values of a table of map types and traits for their number.

    Parameters
    ----------
    table
        Columns map_type, trait and p_value, and mode where the cells differ in it; one row a cell.
        Other columns are kept. A p-value may be NaN where nothing was tested.
    primaries
        (map_type, trait), or (map_type, mode, trait), of the cells that were named before the
        test studies were looked at; may be empty.

    Returns
    -------
    A copy with `p_adjusted` (Holm over the primaries, Benjamini-Hochberg over all other cells)
    and `family` ("primary, Holm" or "secondary, Benjamini-Hochberg"). A cell whose p-value is
    NaN is in no family: its `p_adjusted` is NaN, its `family` empty, and the others are adjusted
    as if it were not there.

    Raises
    ------
    ValueError: a column is missing, a cell is there twice, a primary is not in the table, or a
        p-value lies outside [0, 1].

    References
    ----------
    Holm, Scand J Stat 1979;6:65-70. Benjamini & Hochberg, J R Stat Soc B 1995;57:289-300.
    """
    if missing := {"map_type", "trait", "p_value"} - set(table.columns):
        raise ValueError(f"p-values cannot be adjusted without {', '.join(sorted(missing))}.")
    columns = [name for name in _CELL if name in table]
    if odd := [named for named in primaries if len(named) != len(columns)]:
        raise ValueError(f"Name a primary by {', '.join(columns)}, not {', '.join(odd[0])}.")
    cells = pd.MultiIndex.from_frame(table[columns])
    if cells.has_duplicates:
        twice = cells[cells.duplicated()].unique()
        raise ValueError(f"One row a cell is needed, but there are several of {_listed(twice)}.")
    if unknown := [cell for cell in map(tuple, primaries) if cell not in cells]:
        raise ValueError(
            f"Named primary but not in the table: {_listed(unknown)}. It holds {_listed(cells)}."
        )
    p_values = table["p_value"].astype(float)
    if wrong := cells[p_values.notna() & ~p_values.between(0, 1)].tolist():
        raise ValueError(f"p-values must lie between 0 and 1; see {_listed(wrong)}.")
    is_primary = cells.isin([tuple(cell) for cell in primaries])
    adjusted = table.assign(p_adjusted=np.nan, family="")
    for family, method, members in (
        (PRIMARY, "holm", is_primary), (SECONDARY, "fdr_bh", ~is_primary),
    ):  # fmt: skip
        is_tested = members & p_values.notna().to_numpy()
        if is_tested.any():
            adjusted.loc[is_tested, "family"] = family
            adjusted.loc[is_tested, "p_adjusted"] = multipletests(
                p_values[is_tested], method=method
            )[1]
    return adjusted


def _listed(cells: Collection[tuple[str, ...]] | pd.MultiIndex) -> str:
    return ", ".join(
        f"{trait} from {map_type} maps" + "".join(f", {name}" for name in mode)
        for map_type, *mode, trait in cells
    )
