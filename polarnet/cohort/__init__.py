"""Cohorts: studies side by side, on disk or in memory, and how they are split."""

from polarnet.cohort.cohort import PHANTOM, RECOVERED, Cohort, read_cohort
from polarnet.cohort.joining import join_cohorts, write_cohorts
from polarnet.cohort.split import fold_by_patient, split_by_patient
from polarnet.cohort.study import Study

__all__ = [
    "PHANTOM",
    "RECOVERED",
    "Cohort",
    "Study",
    "fold_by_patient",
    "join_cohorts",
    "read_cohort",
    "split_by_patient",
    "write_cohorts",
]
