"""Subgroups of the hold-out, and each trait adjusted for age and sex: two tables.

The network with a frozen trunk on the map of the first primary endpoint (stress, by default);
hold-out patients by their first study. Writes `subgroups` and `adjusted`.
"""

import pandas as pd

import polarnet as pn
from holdout import Cell, develop, joined, network_cells, score_hold_out
from networks import main_model
from project import Project, run_script

AGE, SEX, BMI, KNOWN_CAD = "age", "sex", "bmi", "known_cad"
PLACES = ("tracer", "year", "scanner", "site")
"""Clinical columns that are groups as they are, where present."""

BMI_ENDS = [0.0, 25.0, 30.0, float("inf")]
BMI_NAMES = ["below 25", "25 to below 30", "30 or above"]
"""Classes in kg/m2: overweight from 25 on, obesity from 30 on. World Health Organization,
Technical Report Series 894, 2000."""


def report(project: Project) -> None:
    map_type = project.plan.side_map
    test = score_hold_out(project, [main_model(project.plan, map_type)], by="subgroups")
    cells = network_cells(project, test, map_type)
    groups = known_groups(test)
    tables = [table for cell in cells.values() for table in group_tables(cell, groups)]
    general = f"Network with a frozen trunk, {map_type} maps; first study of each patient."
    notes = [
        general,
        "AUROC with 95 % interval, logit DeLong, t quantile; difference: to all other patients "
        "with 95 % interval, unpaired z test, p_value unadjusted.",
        "calibration_intercept: in the large, probabilities as predicted, 95 % Wald interval. "
        "Nothing is given where a class has fewer than 10 patients.",
    ]
    if lacking := [trait for trait, cell in cells.items() if not cell.is_reportable]:
        notes.append(f"Too few patients for any group: {', '.join(lacking)}.")
    if tables:
        table = pd.concat(tables, ignore_index=True)
        project.write(table, "subgroups", "Subgroups", *notes)
    else:
        print("No subgroups: the clinical table has none, or no trait has enough patients.")
    rows = [adjusted_row(cell, covariates_of(test, cell.trait)) for cell in cells.values()]
    project.write(
        pd.DataFrame(rows), "adjusted", "Adjusted for age and sex",
        general, "Logistic regression without penalty; odds_ratio: per standard "
        "deviation of the logit of the probability, 95 % Wald interval; p: likelihood-ratio "
        "test against the covariates alone, unadjusted.",
        "covariates_auroc is apparent, fitted on the patients it ranks, and so too high; "
        "n_left_out: a covariate is missing.",
    )  # fmt: skip


def known_groups(test: pn.Cohort) -> dict[str, pd.Series]:
    """Variable -> group of each study, NaN where not recorded; only what the cohort has."""
    clinical = test.clinical
    found = {}
    if SEX in test.traits:
        found[SEX] = test.traits[SEX].map({1.0: "female", 0.0: "male"})
    if AGE in clinical:
        found["age (years)"] = thirds(test)
    if BMI in clinical:
        bmi = pd.to_numeric(clinical[BMI], errors="coerce")
        found["BMI (kg/m2)"] = pd.cut(bmi, BMI_ENDS, right=False, labels=BMI_NAMES)
    if KNOWN_CAD in clinical:
        cad = pd.to_numeric(clinical[KNOWN_CAD], errors="coerce")
        found["known CAD"] = cad.map({1.0: "yes", 0.0: "no"})
    places = {name: clinical[name] for name in PLACES if name in clinical}
    return {name: values for name, values in (found | places).items() if values.notna().any()}


def thirds(test: pn.Cohort) -> pd.Series:
    """Thirds of age among all patients of the hold-out, the same for every trait."""
    ages = pd.to_numeric(test.clinical[AGE], errors="coerce")[~test.patients.duplicated()]
    try:
        return pn.evaluation.tertiles(ages)
    except ValueError:
        return pd.Series("all ages: no thirds", index=ages.index).where(ages.notna())


def group_tables(cell: Cell, groups: dict[str, pd.Series]) -> list[pd.DataFrame]:
    """One table a variable, one row a group; sex is never stratified by itself."""
    tables = []
    for variable, values in groups.items():
        if variable == cell.trait or not cell.is_reportable:
            continue
        table = pn.evaluation.evaluate_subgroups(
            cell.labels, cell.scores, values.loc[cell.labels.index]
        )
        table.insert(0, "map_type", cell.map_type)
        table.insert(1, "trait", cell.trait)
        table.insert(2, "variable", variable)
        if cell.is_circular:
            table["note"] = [f"{note}; {cell.note}".strip("; ") for note in table["note"]]
        tables.append(table)
    return tables


def covariates_of(test: pn.Cohort, trait: str) -> pd.DataFrame:
    """Age and sex, as far as known; sex is adjusted for age alone."""
    found = pd.DataFrame(index=test.patients.index)
    if AGE in test.clinical:
        found[AGE] = pd.to_numeric(test.clinical[AGE], errors="coerce")
    if SEX in test.traits and trait != SEX:
        found[SEX] = test.traits[SEX]
    return found


def adjusted_row(cell: Cell, covariates: pd.DataFrame) -> dict[str, object]:
    """Odds ratio of the prediction beside the covariates."""
    names = ("n_left_out", "odds_ratio", "odds_low", "odds_high", "p", "covariates_auroc",
             "covariates_low", "covariates_high")  # fmt: skip
    row = cell.row | {"adjusted_for": ", ".join(covariates)} | dict.fromkeys(names)
    if covariates.empty or not cell.is_reportable:
        why = "" if len(covariates.columns) else "neither age nor sex in this cohort"
        return row | {"note": joined(cell.note, why)}
    try:
        found = pn.evaluation.adjusted_association(
            cell.labels, cell.scores, covariates.loc[cell.labels.index]
        )
    except ValueError as error:
        return row | {"note": str(error)}
    numbers = (found.n_left_out, found.odds_ratio.value, found.odds_ratio.low,
               found.odds_ratio.high, found.p_value, found.covariates_auroc.value,
               found.covariates_auroc.low, found.covariates_auroc.high)  # fmt: skip
    return row | dict(zip(names, numbers, strict=True)) | {
        "n_pos": found.n_pos, "n_neg": found.n_neg, "note": cell.note,
    }  # fmt: skip


if __name__ == "__main__":
    run_script(__doc__, develop, report)
