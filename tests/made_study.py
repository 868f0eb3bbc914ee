"""A study folder with made-up results, and one of an explanation: what people type is hostile."""

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

import polarnet as pn
from polarnet.config import resolve_config
from polarnet.explain.checks import Check

SCRIPT = "<script>alert(1)</script>"
FORMULA = "=cmd()"
STYLE = "</style><script>document.title='broken'</script>"
MATHS = "cost $\\frac$"
"""As mathematics it would be refused by matplotlib."""

PHANTOM_NOTE = "Phantom, not patients."

PASSED = Check(
    "other seeds", True, 0.48, 0.42, 0.55, 0.21, 40,
    "passes: two trainings give more alike maps of a patient (0.48) than two patients share (0.18)",
)  # fmt: skip
FAILED = Check(
    "not the edge of the disc", False, 2.6, 2.2, 3.1, 2.0, 40,
    "fails: the edge of the disc holds 2.6 times the attribution due to its area, where heart "
    "muscle is hardly told from its surroundings; rank correlation with the distance from the "
    "apex 0.43",
)  # fmt: skip
OPEN = Check(
    "the score follows the map", None, np.nan, np.nan, np.nan, 0.0, 3,
    "cannot be judged: 3 patients have maps to compare, and 10 are needed",
)  # fmt: skip
CHECKS = [PASSED, OPEN, FAILED]

TRAITS = ("impaired_mfr", FORMULA, SCRIPT, MATHS)


def main_table():
    """Two modes of every trait, stress maps; the numbers are those the tests look for."""
    rows = [
        {"data": "cohort", "map_type": "stress", "trait": trait, "series": series,
         "n_pos": 41, "n_neg": 73, "auroc": 0.8123, "ci_low": 0.7311, "ci_high": 0.8844,
         "p_value": 0.0004,
         "difference": -0.0213, "difference_low": -0.1, "difference_high": 0.0612,
         "comparator": "17 segments", "comparator_auroc": 0.8336,
         "p_adjusted": 0.0009, "method": "logit DeLong",
         "is_circular": trait == FORMULA, "note": STYLE if trait == SCRIPT else None}
        for trait in TRAITS for series in ("frozen", "fine-tuned")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def make_study(folder, *, is_phantom=True):
    """The folder: plan, freeze, a run's settings, tables and figures."""
    folder.mkdir(parents=True)
    plan = {"traits": list(TRAITS), "map_types": ["stress"], "modes": ["frozen"], "seeds": [1],
            "input_size": 32, "weights": None, "primaries": [["stress", "frozen", "impaired_mfr"]],
            "external": None}  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(plan), encoding="utf-8")
    config = resolve_config(
        pn.ExperimentConfig(weights=None, input_size=32, precision="float32"),
        unit="mL/min/g", map_size=32, software="polarnet phantom" if is_phantom else "Software 1",
    )  # fmt: skip
    (folder / "runs" / "stress-frozen-seed1").mkdir(parents=True)
    config.save(folder / "runs" / "stress-frozen-seed1" / "config.yaml")
    notes = [PHANTOM_NOTE] if is_phantom else []
    notes += ["AUROC [95 % interval].", STYLE]
    results = folder / "results"
    table = main_table()
    pn.report.write_table(table, results / "main_results", title="Main results", notes=notes)
    pn.report.write_table(pd.DataFrame({"variable": ["patients"], "train": ["70"], "val": ["20"],
                                 "test": ["114"]}), results / "cohort_table",
                   title="Cohort by split", notes=notes)  # fmt: skip
    wide = pd.DataFrame({"study_id": [SCRIPT] * 40} | {f"number_{k}": np.arange(40.0) / 7
                                                       for k in range(25)})  # fmt: skip
    pn.report.write_table(wide, results / "subgroups", title="Subgroups", notes=notes)
    figure = Figure(figsize=(7.2, 4), layout="constrained")
    ax = pn.plotting.plot_forest(table, figure.subplots())
    ax.set_title(MATHS)
    pn.plotting.save_figure(figure, results / "main_forest")
    return folder


def make_explained(
    folder, *, outcomes=(True, False), method="occlusion", captions=(f"Bullseyes of {SCRIPT}",)
):
    """A folder as `polarnet explain` writes it."""
    checks = [
        Check(f"check {k}", outcome, 0.5, 0.4, 0.6, 0.3, 20,
              ("passes: " if outcome else "fails: ") + STYLE)
        for k, outcome in enumerate(outcomes)
    ]  # fmt: skip
    figure = Figure(figsize=(7.2, 3))
    figure.subplots().plot([1, 2])
    pn.report.write_explanation(
        folder, figures=dict.fromkeys(captions, figure), tables={}, checks=checks,
        facts={"trait": SCRIPT, "method": method, "command": "polarnet explain x"},
        is_phantom=True,
    )  # fmt: skip
    return folder
