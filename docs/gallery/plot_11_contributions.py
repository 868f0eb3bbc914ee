"""
What each segment adds to a score
=================================

The bullseye part of the network is a weighted sum, so that its share of a score is known exactly,
segment by segment. Red speaks for female sex, blue against it.
"""

import polarnet as pn

run = pn.load_run("demo/runs/stress_frozen")
test = pn.split_by_patient(pn.read_cohort("demo/cohort"), seed=7)[2].first_studies()
added = pn.explain.wide_contribution(run, test, "sex")
is_woman = test.traits["sex"].to_numpy() == 1
figure = pn.plotting.plot_contributions(
    {"women": added[is_woman].mean(axis=0), "men": added[~is_woman].mean(axis=0)}
)
figure.supxlabel("Phantom, not patients", fontsize=7)
