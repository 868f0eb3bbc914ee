"""
Calibration
===========

Observed share over predicted probability, on test patients. On the diagonal, 30 of 100 patients
with a score of 0.3 have the trait.
"""

import polarnet as pn

result = pn.evaluation.results_of_run("demo/runs/stress_frozen", "impaired_mfr")
found = pn.evaluation.measure_calibration(result["label"], result["score"])
ax = pn.plotting.plot_calibration(result["label"], result["score"], name="impaired MFR")
ax.figure.supxlabel(f"Slope {found.slope}. Phantom, not patients", fontsize=7)
