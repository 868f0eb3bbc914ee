"""What the training studies looked like, wall by wall: kept in the run folder."""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.config import ExperimentConfig
from polarnet.csvfile import without_apostrophes, write_csv

FILE: Final = "training_segments.csv"

_LARGEST: Final = 2**22  # bytes; ours have 0.2 kB a row
_HIGHEST: Final = 1e6  # mL/min/g, percent or without unit

ALL: Final = "all"
"""Group of all training studies; the others are `group_without(trait)`."""


def training_segments(cohort: Cohort, config: ExperimentConfig) -> pd.DataFrame:
    """Mean of each AHA segment over the training studies, and over those without each trait.

    Returns
    -------
    DataFrame, index (map_type, group), columns "1" to "17", in the unit of the maps.
    """
    rows = {}
    for map_type in config.map_types:
        means = cohort.segment_means(map_type)
        rows[map_type, ALL] = means.mean(axis=0)
        for trait in config.traits:
            is_without = (cohort.traits[trait] == 0).to_numpy()
            rows[map_type, group_without(trait)] = means[is_without].mean(axis=0)
    index = pd.MultiIndex.from_tuples(list(rows), names=["map_type", "group"])
    return pd.DataFrame(np.stack(list(rows.values())), index, list(map(str, range(1, 18))))


def group_without(trait: str) -> str:
    """Name of the training studies that do not have a trait."""
    return f"no {trait}"


def write_reference(segments: pd.DataFrame, folder: Path) -> None:
    """Write the table into a run folder."""
    write_csv(segments.reset_index(), folder / FILE, float_format="%.6g")


def read_reference(folder: Path, config: ExperimentConfig) -> pd.DataFrame | None:
    """The table of a run folder, or None where the run has none.

    Raises
    ------
    ValueError: the file is damaged, or is that of another run.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    names = ["map_type", "group"]
    groups = [ALL, *map(group_without, config.traits)]
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        table = without_apostrophes(pd.read_csv(path, dtype=dict.fromkeys(names, str)))
        table = table.set_index(names)
        expected = [(map_type, group) for map_type in config.map_types for group in groups]
        values = table.to_numpy(float)
        if sorted(table.index) != sorted(expected) or list(table) != list(map(str, range(1, 18))):
            raise ValueError("other rows or columns")
        # A group without studies has no means; flow is never below 0.
        if not (np.isnan(values) | ((values >= 0) & (values < _HIGHEST))).all():
            raise ValueError("impossible values")
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read ({str(error).splitlines()[0][:100]}). Copy the run again."
        ) from None
    return table
