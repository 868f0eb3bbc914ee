"""
Where the network looks
=======================

Occlusion brings one segment after the other to its usual level and measures what the score loses.
Shown is the share of each segment, of patients with and without the trait. See
:doc:`/explanation` for what such a picture says, and what it does not.
"""

import polarnet as pn

run = pn.load_run("demo/runs/stress_frozen")
test = pn.split_by_patient(pn.read_cohort("demo/cohort"), seed=7)[2].first_studies()
heat = pn.attribution(run, test, trait="sex", method="occlusion")
shares = pn.explain.segment_attribution(heat)
print(pn.explain.territory_shares(shares).mean().round(2))  # even: one third each
table = pn.explain.compare_groups(shares, test.traits["sex"].to_numpy(), seed=0)
figure = pn.plotting.plot_group_bullseyes(table, label="female sex (phantom)")
