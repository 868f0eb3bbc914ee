"""Calibration of every trait, before and after the frozen recalibration: table and figures.

Networks with a frozen trunk, hold-out patients by their first study. The recalibration was fitted
on validation patients and frozen. Writes `calibration` (table, and figure of the probabilities as
predicted) and `calibration_recalibrated` (figure).
"""

import pandas as pd

import polarnet as pn
from holdout import (
    CELL,
    Cell,
    develop,
    ends,
    joined,
    network_cells,
    score_hold_out,
)
from networks import frozen_models
from project import Project, panels, run_script


def report(project: Project) -> None:
    test = score_hold_out(project, frozen_models(project.plan), by="calibration")
    cells = {
        (map_type, trait): cell
        for map_type in project.plan.map_types
        for trait, cell in network_cells(project, test, map_type).items()
    }
    project.write(
        calibration_table(list(cells.values())), "calibration", "Calibration",
        "intercept: calibration in the large, 0 is right; slope: 1 is right; both with 95 % Wald "
        "interval of a logistic model without penalty.",
        "brier: mean squared error, no interval; scaled_brier: 1 minus its ratio to that of the "
        "prevalence.",
        "recalibrated: by the logistic line of the validation patients, as frozen; its slope is "
        "frozen_slope, and one below 0 turns the ranking round.",
        f"Mean probability of {len(project.plan.seeds)} networks with a frozen trunk. First study "
        "of each patient.",
    )  # fmt: skip
    side = [(project.plan.side_map, trait) for trait in project.plan.traits]
    named = [(map_type, trait) for map_type, _, trait in project.plan.primaries]
    shown = [cells[key] for key in dict.fromkeys([*named, *side])]
    draw(project, shown, "calibration", is_recalibrated=False)
    draw(project, shown, "calibration_recalibrated", is_recalibrated=True)


def calibration_table(cells: list[Cell]) -> pd.DataFrame:
    """Two rows a cell: as predicted, and recalibrated."""
    rows = []
    for cell in cells:
        line = cell.recalibration
        for name, values in (("as predicted", cell.scores), ("recalibrated", cell.recalibrated())):
            numbers = measured(cell.labels, values) if cell.is_reportable else {}
            lacks = "no recalibration could be fitted" if values is None else ""
            rows.append(
                cell.row | {"probabilities": name} | numbers
                | {"frozen_slope": line and line.slope, "note": joined(cell.note, lacks)}
            )  # fmt: skip
    names = [*CELL, "probabilities",
             "intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high",
             "brier", "scaled_brier", "observed", "expected", "frozen_slope", "note"]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=names)


def measured(labels: pd.Series, values: pd.Series | None) -> dict[str, float]:
    """Numbers of one row."""
    if values is None:
        return {}
    found = pn.evaluation.measure_calibration(labels, values)
    lines = ends(found.intercept, "intercept") | ends(found.slope, "slope")
    rest = ("brier", "scaled_brier", "observed", "expected")
    return lines | {name: getattr(found, name) for name in rest}


def draw(project: Project, cells: list[Cell], name: str, *, is_recalibrated: bool) -> None:
    """One panel a cell that has numbers."""
    pairs = [(cell, cell.recalibrated() if is_recalibrated else cell.scores) for cell in cells]
    pairs = [(cell, values) for cell, values in pairs if values is not None and cell.is_reportable]
    if not pairs:
        print(f"No figure {name}: no trait has enough patients of each class.")
        return
    figure, axes = panels(len(pairs), height=2.9)
    for ax, (cell, values) in zip(axes, pairs, strict=True):
        title = f"{pn.report.trait_name(cell.trait)}, {cell.map_type} map"
        pn.plotting.plot_calibration(cell.labels, values, ax, name=title)
        ax.get_legend().remove()  # one for all panels, where it hides nothing
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=2, fontsize=7, frameon=False,
                  title="recalibrated on validation patients" if is_recalibrated
                  else "as predicted", title_fontsize=7)  # fmt: skip
    project.save(figure, name)


if __name__ == "__main__":
    run_script(__doc__, develop, report)
