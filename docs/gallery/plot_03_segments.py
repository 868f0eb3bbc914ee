"""
The 17 AHA segments
===================

Numbers of the segments, coloured by the vessel that supplies them as a rule: LAD, RCA, LCx.
"""

import numpy as np
from matplotlib import pyplot as plt

import polarnet as pn

figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")
pn.plot_bullseye(np.arange(1, 18), axes[0], cmap="Blues", vmin=0, vmax=60, colorbar=False, digits=0)
vessel = np.zeros(17)
for number, segments in enumerate(pn.anatomy.TERRITORIES.values()):
    vessel[np.array(segments) - 1] = number
pn.plot_bullseye(vessel, axes[1], cmap="Pastel1", vmin=0, vmax=9, colorbar=False, digits=0)
figure.suptitle(", ".join(f"{k}: {name}" for k, name in enumerate(pn.anatomy.TERRITORIES)))
