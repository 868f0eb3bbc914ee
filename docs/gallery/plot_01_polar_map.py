"""
One polar map
=============

Stress flow of one simulated patient. The numbers are the means of the 17 AHA segments. The scale
is the same for every patient.
"""

from matplotlib import pyplot as plt

import polarnet as pn

_, ax = plt.subplots(figsize=(5, 4), layout="constrained")
cohort = pn.read_cohort("demo/cohort")
stress = cohort.maps["stress"][5]
pn.plot_polar_map(stress, ax, map_type="stress", unit=cohort.unit)
ax.figure.suptitle("Phantom, not patients")
