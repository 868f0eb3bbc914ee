"""
Participant flow
================

How many studies and patients there were, who was left out, and how the others were split.
"""

import polarnet as pn
from polarnet.plotting import Box

cohort = pn.read_cohort("demo/cohort")
firsts = cohort.first_studies()
parts = zip(("Training", "Validation", "Test"), pn.split_by_patient(firsts, seed=7), strict=True)
found = Box((f"{len(cohort)} studies (phantom)",), (f"{len(cohort) - len(firsts)} later studies",))
drawn = [Box((name, f"{len(part)} patients")) for name, part in parts]
ax = pn.plotting.plot_participants([[found], drawn])
