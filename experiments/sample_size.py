"""Patients needed and at hand, and how wide the intervals are beside the paper's: one table.

    python experiments/sample_size.py COHORT --out study

What is planned from (AUROC, prevalence) comes from validation patients, never from the hold-out;
only the measured interval is the hold-out's.
"""

import numpy as np
import pandas as pd

import polarnet as pn

rp = pn.reproduction

PARAMETERS = {"n_needed_17": 17, "n_needed_51": 51}
"""Regression on the AHA segments of one map, and of three."""


def develop(study: rp.Reproduction) -> None:
    rp.develop_frozen(study)


def report(study: rp.Reproduction) -> None:
    models = [rp.main_model(study.plan, map_type) for map_type in rp.single_maps(study.plan)]
    rp.score_hold_out(study, models, by="sample_size")
    test = rp.read_hold_out(study, by="sample_size", what_for="labels, for widths of intervals")
    rows = []
    for model in models:
        cells = rp.hold_out_cells(study, test, model.map_type)
        planned = pn.evaluate(
            rp.val_scores(study, model), study.val.traits, study.val.patients
        ).set_index("trait")
        for trait in study.plan.traits:
            labels = rp.first_labels(study.train, trait)
            row = planned_row(planned.loc[trait], labels, test.patients.nunique(),
                              study.val.patients.nunique())  # fmt: skip
            note = "; ".join(filter(None, [cells[trait].note, row.pop("why")]))
            rows.append(cells[trait].row | row | measured_row(cells[trait]) | {"note": note})
    table = pd.DataFrame(rows).astype(dict.fromkeys(PARAMETERS, "Int64"))
    notes = [
        *study.notes,
        "Widths are of whole 95 % intervals, upper minus lower end.",
        "n_needed: least size to develop a logistic model with 17 or 51 parameters (Riley et al., "
        "BMJ 2020;368:m441), at the AUROC (val_auroc) and prevalence of the validation patients; a "
        "floor for regression, and far too low for a network. val_auroc is somewhat high, as these "
        "patients also chose the epoch.",
        "events_train: patients with the trait among n_train with a recorded label.",
        "expected_width: Hanley & McNeil 1982 at val_auroc, and at the patients, recorded share "
        "and prevalence to be expected in the hold-out; measured_width: logit DeLong, t quantile.",
        "published_width: Yeung et al. 2022, all three intervals of the abstract; they fit a test "
        "of about 130 patients (our inference).",
        f"Hold-out: {test.patients.nunique()} patients.",
    ]
    pn.write_table(table, study.result("sample_size"), title="Sample size", notes=notes)
    print(table.drop(columns="note").to_string(
        index=False, float_format="{:.2f}".format, na_rep=""))  # fmt: skip


def planned_row(of_val: pd.Series, train_labels: pd.Series, n_test: int, n_val: int) -> dict:
    """What validation patients let one expect.

    Parameters
    ----------
    of_val
        Row of `evaluate` on validation patients.
    train_labels
        One entry a patient with a recorded label.
    n_test, n_val
        Patients of hold-out and validation, recorded or not.
    """
    n_pos, n_neg, area = int(of_val["n_pos"]), int(of_val["n_neg"]), of_val["auroc"]
    prevalence = n_pos / (n_pos + n_neg) if n_pos + n_neg else np.nan
    row = {"val_auroc": area, "val_prevalence": prevalence, "n_train": len(train_labels),
           "events_train": int((train_labels == 1).sum())}  # fmt: skip
    row |= dict.fromkeys([*PARAMETERS, "expected_width"], np.nan) | {"why": ""}
    if not 0.5 < area < 1:  # nor NaN
        return row | {"why": "no size follows from this validation AUROC"}
    for name, n_parameters in PARAMETERS.items():
        row[name] = pn.development_sample_size(area, prevalence, n_parameters).n
    expected = [max(1, round(n * n_test / n_val)) for n in (n_pos, n_neg)]
    return row | {"expected_width": 2 * pn.auroc_half_width(area, *expected)}


def measured_row(cell: rp.Cell) -> dict:
    """The hold-out's interval, and the paper's where the abstract gives one."""
    width = np.nan
    if cell.is_reportable:
        interval = pn.auroc(cell.labels, cell.scores)
        width = interval.high - interval.low
    published = rp.PUBLISHED.get((cell.map_type, cell.trait))
    theirs = np.nan if published is None else published[2] - published[1]
    return {"measured_width": width, "published_width": theirs}


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
