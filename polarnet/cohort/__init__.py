"""Cohorts: studies side by side, on disk or in memory, and how they are split."""

from polarnet.cohort.cohort import PHANTOM as PHANTOM
from polarnet.cohort.cohort import RECOVERED as RECOVERED
from polarnet.cohort.cohort import Cohort as Cohort
from polarnet.cohort.cohort import Study as Study
from polarnet.cohort.cohort import of_checked_maps as of_checked_maps
from polarnet.cohort.cohort import read_cohort as read_cohort
from polarnet.cohort.cohort import split_by_patient as split_by_patient
from polarnet.cohort.cohort import write_cohorts as write_cohorts
from polarnet.cohort.folder import STATED as STATED
from polarnet.cohort.stack import HIGHEST as HIGHEST
from polarnet.cohort.stack import RESERVE_RANGE as RESERVE_RANGE
from polarnet.cohort.stack import MapStack as MapStack
from polarnet.cohort.stack import map_digest as map_digest
from polarnet.cohort.studytables import as_labels as as_labels
from polarnet.cohort.studytables import cells_told as cells_told
