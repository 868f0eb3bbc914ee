"""Sample size: how wide the intervals are to be expected, are, and were in the paper. One table.

What is planned from (AUROC, prevalence) comes from validation patients, never from the hold-out;
only the measured interval is the hold-out's. The size to develop a model with: pmsampsize, in R.
"""

import numpy as np
import pandas as pd

import polarnet as pn
from holdout import Cell, develop, first_labels, joined, network_cells, score_hold_out
from networks import main_model, model_scores
from project import Project, run_script


def report(project: Project) -> None:
    models = [main_model(project.plan, map_type) for map_type in project.plan.single_maps]
    test = score_hold_out(project, models, by="sample_size")
    rows = []
    for model in models:
        cells = network_cells(project, test, model.map_type)
        planned = pn.evaluate(
            model_scores(project, model, "val"), project.val.traits, project.val.patients
        ).set_index("trait")
        for trait in project.plan.traits:
            labels = first_labels(project.train, trait)
            row = planned_row(planned.loc[trait], labels, test.patients.nunique(),
                              project.val.patients.nunique())  # fmt: skip
            note = joined(cells[trait].note, row.pop("why"))
            rows.append(cells[trait].row | row | measured_row(cells[trait]) | {"note": note})
    notes = [
        "Widths are of whole 95 % intervals, upper minus lower end.",
        "val_auroc: AUROC of the validation patients; somewhat high, as these patients also chose "
        "the epoch.",
        "events_train: patients with the trait among n_train with a recorded label.",
        "expected_width: Hanley & McNeil 1982 at val_auroc, and at the patients, recorded share "
        "and prevalence to be expected in the hold-out; measured_width: logit DeLong, t quantile.",
        "published_width: Yeung et al. 2022, all three intervals of the abstract; they fit a test "
        "of about 130 patients (our inference).",
        f"Hold-out: {test.patients.nunique()} patients.",
    ]
    project.write(pd.DataFrame(rows), "sample_size", "Sample size", *notes)


def planned_row(of_val: pd.Series, train_labels: pd.Series, n_test: int, n_val: int) -> dict:
    """What validation patients (a row of `evaluate`) let one expect of the hold-out."""
    n_pos, n_neg, area = int(of_val["n_pos"]), int(of_val["n_neg"]), of_val["auroc"]
    prevalence = n_pos / (n_pos + n_neg) if n_pos + n_neg else np.nan
    row = {"val_auroc": area, "val_prevalence": prevalence, "n_train": len(train_labels),
           "events_train": int((train_labels == 1).sum())}  # fmt: skip
    row |= {"expected_width": np.nan, "why": ""}
    if not 0.5 < area < 1:  # nor NaN
        return row | {"why": "no width follows from this validation AUROC"}
    expected = [max(1, round(n * n_test / n_val)) for n in (n_pos, n_neg)]
    return row | {"expected_width": 2 * pn.evaluation.auroc_half_width(area, *expected)}


def measured_row(cell: Cell) -> dict:
    """The hold-out's interval, and the paper's where the abstract gives one."""
    width = np.nan
    if cell.is_reportable:
        interval = pn.auroc(cell.labels, cell.scores)
        width = interval.high - interval.low
    published = pn.evaluation.PUBLISHED.get((cell.map_type, cell.trait))
    theirs = np.nan if published is None else published[2] - published[1]
    return {"measured_width": width, "published_width": theirs}


if __name__ == "__main__":
    run_script(__doc__, develop, report)
