"""
Learning curve of a baseline
============================

How much the AUROC of the 17 segments gains with more training patients. The test patients are
the same for every point.
"""

import pandas as pd

import polarnet as pn

train, _, test = pn.split_by_patient(pn.read_cohort("demo/cohort"), test=0.4, seed=7)
options = {"map_type": "stress", "traits": ["sex"], "seed": 7, "models": ["17 segments", "wide"]}
rows = []
for n in (60, 120, len(train)):
    for model, (scores,) in pn.evaluation.baseline_scores(train[:n], [test], **options).items():
        found = pn.evaluate(scores, test.traits, patients=test.patients).iloc[0]
        rows.append((n, model, found["auroc"], found["ci_low"], found["ci_high"]))
table = pd.DataFrame(rows, columns=["n_train", "model", "auroc", "low", "high"])
ax = pn.plotting.plot_learning_curve(table)
ax.figure.supxlabel("Sex from stress maps. Phantom, not patients", fontsize=7)
