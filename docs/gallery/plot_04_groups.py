"""
Mean maps of two groups
=======================

Mean stress flow of simulated patients with and without a diseased LAD. A phantom knows the
truth; a cohort of patients has columns such as ``cohort.traits["diabetes"]`` instead.
"""

from matplotlib import pyplot as plt

import polarnet as pn

cohort = pn.read_cohort("demo/cohort")
is_diseased = cohort.truth["lad"] > 0
figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
for ax, mask, name in zip(axes, (is_diseased, ~is_diseased), ("with", "without"), strict=True):
    some = cohort[mask]
    pn.plot_bullseye(some.segment_means("stress").mean(axis=0), ax)
    ax.set_title(f"{name} diseased LAD, {len(some)} studies", fontsize=8, pad=12)
figure.suptitle("Phantom, not patients")
