"""
Decision curve
==============

Net benefit of acting on the score of impaired flow reserve, beside treating all and treating
none. It makes sense only where a decision hangs on the trait.
"""

import numpy as np

import polarnet as pn

result = pn.evaluation.results_of_run("demo/runs/stress_frozen", "impaired_mfr")
table = pn.evaluation.net_benefit(
    result["label"], result["score"], np.linspace(0.1, 0.5, 21), seed=0
)
ax = pn.plotting.plot_net_benefit(table)
ax.figure.supxlabel("Impaired MFR. Phantom, not patients", fontsize=7)
