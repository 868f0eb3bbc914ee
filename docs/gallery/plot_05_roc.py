"""
Two ROC curves in one figure
============================

Sex from rest maps and from stress maps, on the same test patients. The legend gives the AUROC
with its 95 % interval and the numbers of patients.
"""

from matplotlib import pyplot as plt

import polarnet as pn

_, ax = plt.subplots(figsize=(4, 4), layout="constrained")
for name in ("rest", "stress"):
    result = pn.evaluation.results_of_run(f"demo/runs/{name}_frozen", "sex")
    pn.plot_roc(result["label"], result["score"], ax, name=f"{name} maps")
ax.set_title("Sex. Phantom, not patients")
