"""One cohort from several parts, in memory or straight to disk."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from polarnet.cohort.checks import map_digest
from polarnet.cohort.cohort import Cohort, cohort_from_table, read_cohort
from polarnet.cohort.files import Piece, of_one_kind, write_folder


def join_cohorts(parts: Iterable[Cohort]) -> Cohort:
    """Studies of several cohorts as one, in memory.

    Parameters
    ----------
    parts
        Cohorts with the same map types, size, columns, unit and provenance. Studies with the same
        patient_id are taken for the same patient.

    Raises
    ------
    ValueError: there is no part, parts differ, a study occurs twice, or two patients share a map.
    """
    pieces = list(of_one_kind(_pieces(parts)))
    maps, _, facts = pieces[0]
    stacks = {m: np.concatenate([piece[0][m] for piece in pieces]) for m in maps}
    table = pd.concat([table for _, table, _ in pieces])
    return cohort_from_table(stacks, table, facts)


def write_cohorts(
    parts: Iterable[Cohort],
    folder: str | Path,
    beside: Callable[[Path], None] | None = None,
) -> Cohort:
    """Write the studies of several cohorts to one folder, with one part in memory at a time.

    Parameters
    ----------
    parts
        Cohorts with the same map types, size, columns, unit and provenance.

    beside
        Is given the folder, while it is made, to write further files into it.

    Returns
    -------
    The cohort in that folder; its maps stay on disk.

    Raises
    ------
    FileExistsError: the folder exists and is not empty.
    ValueError: there is no part, parts differ, a study occurs twice, or two patients share a map.
    """
    write_folder(Path(folder), _without_twins(_pieces(parts)), beside)
    return read_cohort(folder)


def _pieces(parts: Iterable[Cohort]) -> Iterator[Piece]:
    """The pieces of every part, each of which is looked at again."""
    for part in parts:
        if not isinstance(part, Cohort):
            raise ValueError(f"Give a list of cohorts to join; a {type(part).__name__} is none.")
        part.check()
        yield from part.pieces()


def _without_twins(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces, as long as no map comes up again under another patient."""
    owners: dict[tuple[str, bytes], tuple[str, str]] = {}
    for maps, table, facts in pieces:
        for map_type, stack in maps.items():
            for values, study, patient in zip(stack, table.index, table["patient_id"], strict=True):
                key = map_type, map_digest(values)
                first, owner = owners.setdefault(key, (str(study), str(patient)))
                if owner != str(patient):
                    raise ValueError(
                        f"{map_type} is pixel for pixel the same under two patients: "
                        f"{first} and {study}."
                    )
        yield maps, table, facts
