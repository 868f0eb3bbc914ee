"""What the frozen thresholds do in the hold-out, and the decision curve of impaired MFR.

Networks with a frozen trunk, hold-out patients by their first study. Writes `thresholds`,
`predictive_values` (impaired MFR, at other prevalences) and `decision_curve` (table and figure).
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import polarnet as pn
from baselines import baseline_cells, develop, score_baselines
from holdout import CELL, Cell, comparator, network_cells, score_hold_out
from networks import frozen_models
from project import Project, run_script

DECIDED = "impaired_mfr"
"""The one trait on which somebody might act; predicting sex or smoking serves no decision."""

CURVE_MAPS = ("stress", "rest")
"""Flow reserve is in neither."""

PREVALENCES = (0.1, 0.2, 0.3, 0.4, 0.5)
STEP = 0.01
MEASURES = ("sensitivity", "specificity", "ppv", "npv", "lr_positive", "lr_negative")


def report(project: Project) -> None:
    test = score_hold_out(project, frozen_models(project.plan), by="decisions")
    score_baselines(project, by="decisions")
    cells = [c for m in project.plan.map_types for c in network_cells(project, test, m).values()]
    chosen = (
        "Thresholds were chosen on validation patients and frozen: youden, the largest sensitivity "
        "+ specificity - 1; sensitive, the largest threshold with a sensitivity of 0.90 there. A "
        "patient at or above it is called positive."
    )
    project.write(
        thresholds_table(cells), "thresholds", "Frozen thresholds in the hold-out",
        chosen, "Shares with Wilson's, likelihood ratios with Simel's 95 % interval. First "
        "study of each patient.", "ppv, npv: at the prevalence of the hold-out.",
    )  # fmt: skip
    decided = [cell for cell in cells if cell.trait == DECIDED and cell.is_reportable]
    if not decided:
        print(f"No predictive values and no decision curve: {DECIDED} has too few patients.")
        return
    project.write(
        pd.concat([other_prevalences(cell) for cell in decided], ignore_index=True),
        "predictive_values", "Predictive values of impaired MFR elsewhere",
        chosen, "Bayes' rule, with sensitivity and specificity of the hold-out; intervals "
        "from Simel's 95 % interval of the likelihood ratio, prevalence taken as known.",
    )  # fmt: skip
    shown = {c.map_type: c for c in decided if c.map_type in CURVE_MAPS and not c.is_circular}
    report_curves(project, test, [shown[m] for m in CURVE_MAPS if m in shown])


def thresholds_table(cells: list[Cell]) -> pd.DataFrame:
    """One row a cell and operating point."""
    rows = []
    for cell in cells:
        for point in ("youden", "sensitive"):
            row = cell.row | {"point": point, "threshold": cell.thresholds.get(point)}
            if cell.is_reportable and cell.thresholds:
                found = pn.evaluation.classify(cell.labels, cell.scores, cell.thresholds[point])
                row |= {name: getattr(found, name) for name in ("tp", "fp", "fn", "tn")}
                for name in MEASURES:
                    share = getattr(found, name)
                    text = pn.report.interval_text(share.value, share.low, share.high)
                    row[name] = share.method if np.isnan(share.value) else text
            rows.append(row | {"note": cell.note})
    names = [*CELL, "point", "threshold", "tp", "fp", "fn", "tn", *MEASURES, "note"]
    return pd.DataFrame(rows).reindex(columns=names)


def other_prevalences(cell: Cell) -> pd.DataFrame:
    """Predictive values of both operating points, with intervals."""
    tables = [
        pn.evaluation.predictive_intervals(
            pn.evaluation.classify(cell.labels, cell.scores, threshold), PREVALENCES
        ).assign(**cell.row, point=point, note=cell.note)
        for point, threshold in cell.thresholds.items()
    ]
    names = [*CELL, "point", "prevalence", "ppv", "ppv_low", "ppv_high", "npv", "npv_low",
             "npv_high", "note"]  # fmt: skip
    return pd.concat(tables)[names] if tables else pd.DataFrame(columns=names)


def report_curves(project: Project, test: pn.Cohort, cells: list[Cell]) -> None:
    """Network beside the comparator of its map, recalibrated."""
    low, high = project.plan.decision_range
    thresholds = np.arange(round(low / STEP), round(high / STEP) + 1) * STEP
    reason = f"few would act below {100 * low:g} %, or still wait beyond {100 * high:g} %"
    shown = []
    for cell in cells:
        name = comparator(project, cell.map_type, DECIDED, pn.evaluation.OF_THE_MAP)
        bar = baseline_cells(project, test, cell.map_type, name)[DECIDED]
        if cell.recalibration is None or bar.recalibration is None:
            print(f"No decision curve from {cell.map_type} maps: no recalibration was frozen.")
            continue
        curves = [
            pn.evaluation.net_benefit(c.labels, c.recalibrated(), thresholds, seed=0)
            for c in (cell, bar)
        ]
        shown.append((cell, name, *curves))
    if not shown:
        return
    notes = [
        "Net benefit in true positives per patient; model: probability recalibrated on validation "
        "patients; low, high: pointwise 95 % of a bootstrap of patients; not smoothed.",
        f"Thresholds {low:g} to {high:g}, set in the plan: {reason} (our choice).",
        "reader: the network, or the baseline of the same map with the lowest validation log-loss "
        "(line of dots and dashes in the figure).",
        "Of impaired MFR alone: predicting the other traits serves no decision.",
    ]
    table = pd.concat(
        [curve.assign(**cell.row, reader=reader)
         for cell, name, own, bar in shown for reader, curve in (("network", own), (name, bar))]
    )  # fmt: skip
    names = [*CELL, "reader", "threshold", "model", "low", "high", "treat_all", "treat_none"]
    project.write(table[names], "decision_curve", "Decision curve of impaired MFR", *notes)
    figure = Figure(figsize=(3.6 * len(shown), 3.0), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for ax, (cell, name, own, bar) in zip(axes, shown, strict=True):
        pn.plotting.plot_net_benefit(own, ax)
        next(line for line in ax.lines if line.get_label() == "model").set_label("network")
        ax.plot(bar["threshold"], bar["model"], color="#0072B2", lw=1, ls="-.", label=name)
        ax.legend(loc="upper right", fontsize=6, frameon=False, reverse=True)
        ax.set_title(f"impaired MFR, {cell.map_type} map", loc="left", fontsize=7)
        ax.set_xlabel(f"threshold probability\n{reason}", fontsize=6)
    project.save(figure, "decision_curve")


if __name__ == "__main__":
    run_script(__doc__, develop, report)
