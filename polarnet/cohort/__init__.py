"""Cohorts: studies side by side, on disk or in memory, and how they are split."""

from polarnet.cohort.cohort import (
    PHANTOM,
    RECOVERED,
    Cohort,
    Study,
    of_checked_maps,
    read_cohort,
    split_by_patient,
    write_cohorts,
)
from polarnet.cohort.folder import STATED
from polarnet.cohort.stack import HIGHEST, RESERVE_RANGE, MapStack, map_digest
from polarnet.cohort.studytables import as_labels, cells_told

__all__ = [
    "HIGHEST",
    "PHANTOM",
    "RECOVERED",
    "RESERVE_RANGE",
    "STATED",
    "Cohort",
    "MapStack",
    "Study",
    "as_labels",
    "cells_told",
    "map_digest",
    "of_checked_maps",
    "read_cohort",
    "split_by_patient",
    "write_cohorts",
]
