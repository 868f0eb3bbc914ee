"""
The network beside its baselines
================================

``metrics.csv`` of a run holds the network and the baselines that were fitted on the same training
patients. Circular results are marked; traits with too few patients have a note instead.
"""

import pandas as pd

import polarnet as pn

table = pd.read_csv("demo/runs/stress_frozen/metrics.csv")
shown = table[table["model"].isin(["network", "17 segments", "wide"])]
ax = pn.plotting.plot_forest(shown.rename(columns={"model": "series"}))
ax.figure.supxlabel("Phantom, not patients", fontsize=7)
