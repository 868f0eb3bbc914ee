"""Cohort by split, labels by trait and split, who lacks a label, and the participant flow.

Every patient counts once, with the first study. Nothing is trained, but the plan is frozen first,
since the labels of test patients are counted here.
"""

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

import polarnet as pn
from holdout import freeze, read_hold_out
from project import Project, run_script

SPLITS = {"train": "Training", "val": "Validation", "test": "Test"}
MISSING = ["trait", "n_labelled", "n_unlabelled", "variable", "mean_labelled", "mean_unlabelled",
           "smd"]  # fmt: skip


def develop(project: Project) -> None:
    freeze(project, [])


def report(project: Project) -> None:
    test = read_hold_out(project, by="cohort_table")
    cohorts = dict(zip(SPLITS, (project.train, project.val, test), strict=True))
    parts = {name: patient_values(cohort, project.plan.traits) for name, cohort in cohorts.items()}
    one_row = "Each patient counts once: the first study."
    smd = "SMD: difference of means or shares over the root of the mean variance (Austin 2009)"
    project.write(
        cohort_table(parts), "cohort_table", "Cohort by split",
        one_row + " n (%) of those recorded, or mean (SD).",
        f"{smd}, the other split minus training. The table describes these patients: "
        "no intervals, no p-values.",
    )  # fmt: skip
    project.write(
        labels_table(parts, project.plan.traits), "labels_table", "Labels by trait and split",
        one_row, "prevalence among those recorded, Wilson, 95 %.",
    )  # fmt: skip
    project.write(
        missing_labels(pd.concat(parts.values()), project.plan.traits), "missing_labels",
        "Patients with and without a label",
        one_row + " All splits together.",
        f"{smd}, without label minus with label; empty where a group has fewer than two "
        "values. Above 0.1 the two are no longer much alike. No intervals, no p-values.",
    )  # fmt: skip
    draw_flow(project, parts, {name: len(cohort) for name, cohort in cohorts.items()})


def patient_values(cohort: pn.Cohort, traits) -> pd.DataFrame:
    """Traits and numeric clinical columns of every patient's first study."""
    first = cohort.first_studies()
    clinical = first.clinical.select_dtypes(["number", "bool"]).astype(float)
    return pd.concat([first.traits[list(traits)], clinical], axis=1)


def cohort_table(parts) -> pd.DataFrame:
    """One row a variable, after the number of patients."""
    whole = pd.concat(parts.values())
    rows = [{"variable": "patients", **{name: str(len(part)) for name, part in parts.items()}}]
    for name in whole:
        is_share = set(whole[name].dropna()) <= {0, 1}
        row = {"variable": f"{name}, n (%)" if is_share else f"{name}, mean (SD)"}
        row |= {split: cell(part[name], is_share) for split, part in parts.items()}
        row |= {f"missing_{split}": int(part[name].isna().sum()) for split, part in parts.items()}
        for split in ("val", "test"):
            row[f"smd_{split}"] = standardised_difference(parts[split][name], parts["train"][name])
        rows.append(row)
    return pd.DataFrame(rows)


def cell(values: pd.Series, is_share: bool) -> str:
    """How a variable is printed for one split."""
    recorded = values.dropna()
    if recorded.empty:
        return "not recorded"
    if is_share:
        return f"{recorded.sum():.0f} ({100 * recorded.mean():.1f})"
    return f"{recorded.mean():.1f} ({recorded.std():.1f})"


def standardised_difference(values: pd.Series, reference: pd.Series) -> float:
    """Difference of means or shares in standard deviations (Austin, Stat Med 2009;28:3083-3107)."""
    groups = [values.dropna(), reference.dropna()]
    if min(map(len, groups)) < 2:
        return np.nan
    is_share = set(pd.concat(groups)) <= {0, 1}
    spread = np.sqrt(np.mean([group.var(ddof=0 if is_share else 1) for group in groups]))
    return float((groups[0].mean() - groups[1].mean()) / spread) if spread > 0 else np.nan


def labels_table(parts, traits) -> pd.DataFrame:
    """One row a trait and split."""
    rows = []
    for trait in traits:
        for split, part in parts.items():
            labels = part[trait].dropna()
            n, n_pos = len(labels), int(labels.sum())
            low, high = proportion_confint(n_pos, n, method="wilson") if n else (np.nan, np.nan)
            rows.append({"trait": trait, "split": split, "n": n, "n_pos": n_pos, "n_neg": n - n_pos,
                         "missing": len(part) - n, "prevalence": n_pos / n if n else np.nan,
                         "low": low, "high": high})  # fmt: skip
    return pd.DataFrame(rows)


def missing_labels(values: pd.DataFrame, traits) -> pd.DataFrame:
    """One row a trait and other variable; traits that everyone has are left out."""
    rows = []
    for trait in traits:
        is_missing = values[trait].isna()
        for name in values.columns.drop(trait) if is_missing.any() else []:
            without, labelled = values.loc[is_missing, name], values.loc[~is_missing, name]
            rows.append({"trait": trait, "n_labelled": len(labelled), "n_unlabelled": len(without),
                         "variable": name, "mean_labelled": labelled.mean(),
                         "mean_unlabelled": without.mean(),
                         "smd": standardised_difference(without, labelled)})  # fmt: skip
    return pd.DataFrame(rows, columns=MISSING)


def draw_flow(project: Project, parts, n_studies: dict[str, int]) -> None:
    """Studies, patients, splits, and labels of every trait."""
    n_patients = sum(map(len, parts.values()))
    later = sum(n_studies.values()) - n_patients
    splits, labels = [], []
    for name, part in parts.items():
        lines = SPLITS[name], f"{len(part)} patients", f"{n_studies[name]} studies"
        splits.append(pn.plotting.Box(lines))
        of_trait = [f"{pn.report.trait_name(trait)}: {(part[trait] == 1).sum()} / "
                    f"{(part[trait] == 0).sum()} / {part[trait].isna().sum()}"
                    for trait in project.plan.traits]  # fmt: skip
        labels.append(pn.plotting.Box(("with / without / not recorded", *of_trait)))
    repeats = (f"{later} later studies of the same patients:", "in the same split, never tested")
    top = pn.plotting.Box((f"{sum(n_studies.values())} studies",), repeats if later else ())
    levels = [[top], [pn.plotting.Box((f"{n_patients} patients",))], splits, labels]
    project.save(pn.plotting.plot_participants(levels).figure, "flow")


if __name__ == "__main__":
    run_script(__doc__, develop, report)
