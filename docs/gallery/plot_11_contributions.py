"""
What each segment adds to a score
=================================

The bullseye part of the network is a weighted sum, so that its share of a score is known exactly,
segment by segment. Red speaks for female sex, blue against it. Printed beside it: what occlusion
finds, in the same unit, which holds the trunk too.
"""

import polarnet as pn

run = pn.load_run("demo/runs/stress_frozen")
test = pn.split_by_patient(pn.read_cohort("demo/cohort"), seed=7)[2].first_studies()
added = pn.explain.wide_contribution(run, test, "sex")
lost = pn.explain.segment_occlusion(run, test, "sex")  # logits, shape (studies, 17)
print(abs(added - lost).max(axis=0).round(2))
is_woman = test.traits["sex"].to_numpy() == 1
figure = pn.plotting.plot_contributions(
    {"women": added[is_woman].mean(axis=0), "men": added[~is_woman].mean(axis=0)}
)
figure.supxlabel("Phantom, not patients", fontsize=7)
