"""
One polar map
=============

Stress flow of one simulated patient, with the means of the 17 AHA segments.
Phantom, not patients.
"""

from matplotlib import pyplot as plt

import polarnet as pn

cohort = pn.read_cohort("demo/cohort")
_, ax = plt.subplots(figsize=(4, 3.2))
pn.plot_polar_map(cohort.maps["stress"][5], ax, map_type="stress", unit=cohort.unit)
ax.set_title("Phantom, not patients", fontsize=8)
