"""
Maps unlike the training maps
=============================

A run knows what its training maps looked like. Maps that are turned by 90 degrees lie beyond the
threshold, which validation patients have set; scores of such maps carry a warning.
"""

import numpy as np
from matplotlib import pyplot as plt

import polarnet as pn

run = pn.load_run("demo/runs/stress_frozen")
test = pn.split_by_patient(pn.read_cohort("demo/cohort"), seed=7)[2]
usual = {map_type: np.asarray(test.maps[map_type][:]) for map_type in ("rest", "stress")}
turned = {map_type: np.rot90(maps, axes=(1, 2)) for map_type, maps in usual.items()}
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for maps, name in ((usual, "as they are"), (turned, "turned by 90 degrees")):
    ax.hist(
        run.distribution.distances(maps) / run.distribution.threshold, 20, alpha=0.6, label=name
    )
ax.axvline(1, color="black", linestyle="--")
ax.set(xlabel="distance / threshold", ylabel="studies", title="Phantom, not patients")
ax.legend()
