"""
Rest, stress and reserve of one study
=====================================

The three maps of one examination side by side, with the global flow reserve.
"""

from matplotlib import pyplot as plt

import polarnet as pn

cohort = pn.read_cohort("demo/cohort")
figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained")
for map_type, ax in zip(("rest", "stress", "reserve"), axes, strict=True):
    pn.plot_polar_map(cohort.maps[map_type][5], ax, map_type=map_type)
figure.suptitle(f"Global MFR {cohort.global_mfr().iloc[5]:.2f}. Phantom, not patients")
