"""One cohort from several parts, in memory or straight to disk."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from polarnet.cohort.cohort import Cohort, cohort_from_table, read_cohort
from polarnet.cohort.files import of_one_kind, write_folder


def join_cohorts(parts: Iterable[Cohort]) -> Cohort:
    """Studies of several cohorts as one, in memory.

    Parameters
    ----------
    parts
        Cohorts with the same map types, size, columns, unit and provenance.

    Raises
    ------
    ValueError: there is no part, parts differ, or a study occurs twice.
    """
    pieces = list(of_one_kind(chain.from_iterable(part.pieces() for part in parts)))
    maps, _, facts = pieces[0]
    stacks = {m: np.concatenate([piece[0][m] for piece in pieces]) for m in maps}
    table = pd.concat([table for _, table, _ in pieces])
    return cohort_from_table(stacks, table, facts, pixels_checked=False)


def write_cohorts(parts: Iterable[Cohort], folder: str | Path) -> Cohort:
    """Write the studies of several cohorts to one folder, with one part in memory at a time.

    Parameters
    ----------
    parts
        Cohorts with the same map types, size, columns, unit and provenance.

    Returns
    -------
    The cohort in that folder; its maps stay on disk.

    Raises
    ------
    FileExistsError: the folder exists and is not empty.
    ValueError: parts differ, or a study occurs twice.
    """
    write_folder(Path(folder), chain.from_iterable(part.pieces() for part in parts))
    return read_cohort(folder)
