"""Cohorts: studies side by side, on disk or in memory, and how they are split."""

from polarnet.cohort.checks import HIGHEST, as_labels, map_digest
from polarnet.cohort.cohort import PHANTOM, RECOVERED, Cohort, of_checked_maps, read_cohort
from polarnet.cohort.joining import join_cohorts, write_cohorts
from polarnet.cohort.split import fold_by_patient, split_by_patient
from polarnet.cohort.stack import RESERVE_RANGE, MapStack
from polarnet.cohort.study import Study

__all__ = [
    "HIGHEST",
    "PHANTOM",
    "RECOVERED",
    "RESERVE_RANGE",
    "Cohort",
    "MapStack",
    "Study",
    "as_labels",
    "fold_by_patient",
    "join_cohorts",
    "map_digest",
    "of_checked_maps",
    "read_cohort",
    "split_by_patient",
    "write_cohorts",
]
