"""Which series is rest, which stress? The user's table, where the files do not say it."""

from pathlib import Path

from polarnet.ids import normal_id
from polarnet.readers.sheets import as_table
from polarnet.readers.tables import read_sheet
from polarnet.traits import MAP_TYPES


def read_series_table(path: str | Path) -> dict[str, str]:
    """Map type of DICOM series.

    Parameters
    ----------
    path
        Table with the columns `series` (UID, number or description of a series) and `map` (rest,
        stress or reserve).

    Returns
    -------
    Series, in small letters -> map type.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: a column is absent, a series is listed twice, or a map type is none.
    """
    path = Path(path)
    table = as_table(read_sheet(path), path.name)
    if absent := [column for column in ("series", "map") if column not in table]:
        raise ValueError(f"{path.name} has no column {' and no column '.join(absent)}.")
    found: dict[str, str] = {}
    for line, series, map_type in zip(table.index, table["series"], table["map"], strict=True):
        key, word = normal_id(series).casefold(), map_type.strip().casefold()
        if word not in MAP_TYPES:
            raise ValueError(f"{path.name} line {line}: map must be one of {', '.join(MAP_TYPES)}.")
        if not key or found.setdefault(key, word) != word:
            raise ValueError(f"{path.name} line {line}: no series, or one with two map types.")
    return found
