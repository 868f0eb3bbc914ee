"""External validation: frozen networks, thresholds and recalibration on an external cohort.

    python experiments/study/external.py COHORT --out study

The plan names the folder (`external: other_site/`). The project of a phantom that names none gets
a second phantom: other patients, a fifth more flow, another tracer. Calibration is shown as the
networks are, after the recalibration that was frozen with them, and after one fitted on half of the
external patients and tested on the other half. (A split by date or site within the cohort is a
matter of the plan: `split_by`, `test_site`.)
"""

from pathlib import Path

import numpy as np
import pandas as pd

import polarnet as pn
from holdout import first_labels, frozen_decisions, train_and_freeze
from networks import Model, Network, frozen_models, mean_of, networks_of, run_folder, score_run
from plan import listing
from project import Project, keep_facts, map_facts, read_scores, run_script

SCORES = "external_scores"

PHANTOM_SITE = {"n_patients": 600, "seed": 991, "scale": 1.2, "tracer": "Rb-82"}
"""A second site of the phantom: other patients, a fifth more flow, another tracer (our choice)."""

AS_IS, FROZEN, REFITTED = "none", "frozen", "refitted on half"
CALIBRATION = ["intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high",
               "brier"]  # fmt: skip


def develop(project: Project) -> None:
    train_and_freeze(project, frozen_models(project.plan))


def report(project: Project) -> None:
    external = open_external(project)
    if external is None:
        print("No external cohort: name its folder under `external` in the plan. Nothing written.")
        return
    if project.plan.external is None:
        print("The plan names no external cohort: a second phantom stands in for another site.")
    models = [model for model in frozen_models(project.plan)
              if set(model.config.map_types) <= external.maps.keys()]  # fmt: skip
    if not models:
        raise ValueError(f"No network of this project reads {', '.join(external.maps)} maps alone.")
    score_external(project, models, external)
    table = pd.concat([model_table(project, model, external) for model in models])
    where = (f"External: {len(external)} studies of {external.patients.nunique()} patients, tracer "
             f"{external.tracer or 'not stated'}; first study of each patient.")  # fmt: skip
    project.write(
        table, "external", "External cohort: discrimination and calibration",
        where, "AUROC [95 % interval: logit DeLong, t quantile]. intercept: calibration "
        "in the large, 0 is right; slope: 1 is right [Wald, 95 %].",
        "recalibration: none; frozen (fitted on the validation patients of the "
        "project); refitted on half of the external patients, all numbers from the other "
        "half. Where validation found a slope below 0, the frozen recalibration turns the "
        "order of the scores round. Circular: the label is defined from the map shown.",
    )  # fmt: skip
    thresholds = pd.concat([threshold_table(project, model, external) for model in models])
    project.write(
        thresholds, "external_thresholds", "External cohort at the frozen thresholds",
        where, "Thresholds were frozen on the validation patients of the project, and are "
        "applied to probabilities as they are; a probability at or above (>=) is called "
        "positive. Sensitivity and specificity: Wilson, 95 %.",
    )  # fmt: skip
    print(table.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def open_external(project: Project) -> pn.Cohort | None:
    """The cohort of the other site; None where the plan names none.

    The project of a phantom that names none gets a second phantom, made once in external/.

    Raises
    ------
    ValueError: a patient of the project has the same name as one of the other site.
    """
    folder = project.plan.external
    if folder is None and not project.cohort.is_phantom:
        return None
    path = project.folder / "external" if folder is None else Path(folder)
    if folder is None and not path.is_dir():
        pn.make_phantom_cohort(**PHANTOM_SITE, size=project.cohort.size, out=path)
    external = pn.read_cohort(path)
    if shared := sorted(set(external.patients) & set(project.cohort.patients)):
        raise ValueError(
            f"Patients of the project are in {path} too: {listing(shared)}. Take them out, or, if "
            "they are other people, give them other names."
        )
    return external


def score_external(project: Project, models: list[Model], external: pn.Cohort) -> None:
    """Score the other site's studies with every frozen network that has not scored them yet.

    Raises
    ------
    KeyError: a model was not frozen.
    ValueError: the unit, the size or the maps are not those of the training, or the maps are
        others than those that were scored before; labels may be corrected.
    """
    for model in models:
        frozen_decisions(project, model.name)
    advice = f"Delete {project.folder / SCORES} to score the other site again."
    keep_facts(project.folder / SCORES, map_facts(external), ["."], advice)
    for network in networks_of(models):
        if not (path := _path(project, network)).is_file():
            score_run(project, run_folder(project, network), external, path)


def external_scores(project: Project, model: Model) -> pd.DataFrame:
    """Mean probability over the model's networks, studies of the other site."""
    return mean_of([read_scores(_path(project, network)) for network in model.networks])


def _path(project: Project, network: Network) -> Path:
    return project.folder / SCORES / f"{network.name}.csv"


def model_table(project: Project, model: Model, external: pn.Cohort) -> pd.DataFrame:
    """One row a trait and recalibration."""
    scores = external_scores(project, model)
    frozen = frozen_decisions(project, model.name)
    half, other = next(external.folds(2, seed=project.plan.split_seed))
    changed, notes = {AS_IS: scores, FROZEN: scores.copy(), REFITTED: scores.copy()}, {}
    for trait in scores:
        line = frozen[trait]["recalibration"]
        lines = {FROZEN: line and pn.evaluation.Recalibration(**line),
                 REFITTED: fitted(half, trait, scores[trait])}  # fmt: skip
        for name, line in lines.items():
            changed[name][trait] = scores[trait] if line is None else line.apply(scores[trait])
            notes[name, trait] = "no recalibration could be fitted" if line is None else ""
    tables = []
    for name, probabilities in changed.items():
        cohort = other if name == REFITTED else external
        of_cohort = probabilities.loc[cohort.patients.index]
        table = pn.evaluate(of_cohort, cohort.traits, cohort.patients)
        table = table.assign(map_type=model.map_type, recalibration=name)
        table["is_circular"] = [
            pn.evaluation.is_circular(cohort, model.map_type, trait) for trait in table["trait"]
        ]
        table["note"] = [
            "; ".join(filter(None, [notes.get((name, trait), ""), note]))
            for trait, note in zip(table["trait"], table["note"], strict=True)
        ]
        tables.append(table.join(calibration_of(table, cohort, of_cohort)))
    whole = pd.concat(tables, ignore_index=True).sort_values(
        "trait", key=pd.Index(scores.columns).get_indexer, kind="stable"
    )
    return whole[["map_type", "trait", "recalibration", "n_pos", "n_neg", "auroc", "ci_low",
                  "ci_high", *CALIBRATION, "is_circular", "method", "note"]]  # fmt: skip


def fitted(cohort: pn.Cohort, trait: str, scores: pd.Series) -> pn.evaluation.Recalibration | None:
    """A recalibration fitted to the first studies of a cohort; None where it cannot be."""
    try:
        labels = first_labels(cohort, trait)
        return pn.evaluation.fit_recalibration(labels, scores[labels.index])
    except (KeyError, ValueError):
        return None  # the cohort has no such trait, or one class of it


def calibration_of(table: pd.DataFrame, cohort: pn.Cohort, scores: pd.DataFrame) -> pd.DataFrame:
    """Calibration of every trait that has an AUROC."""
    rows = []
    for trait, area in zip(table["trait"], table["auroc"], strict=True):
        if np.isnan(area):
            rows.append(dict.fromkeys(CALIBRATION, np.nan))
            continue
        labels = first_labels(cohort, trait)
        found = pn.evaluation.measure_calibration(labels, scores.loc[labels.index, trait])
        a, b = found.intercept, found.slope
        values = (a.value, a.low, a.high, b.value, b.low, b.high, found.brier)
        rows.append(dict(zip(CALIBRATION, values, strict=True)))
    return pd.DataFrame(rows, index=table.index)


def threshold_table(project: Project, model: Model, external: pn.Cohort) -> pd.DataFrame:
    """One row a trait and frozen threshold."""
    scores, rows = external_scores(project, model), []
    for trait, decided in frozen_decisions(project, model.name).items():
        if trait not in external.traits:
            continue
        labels = first_labels(external, trait)
        if labels.nunique() < 2:
            continue
        for name, threshold in decided["thresholds"].items():
            found = pn.evaluation.classify(labels, scores.loc[labels.index, trait], threshold)
            row = {"map_type": model.map_type, "trait": trait, "chosen_by": name,
                   "threshold": threshold, "tp": found.tp, "fp": found.fp, "fn": found.fn,
                   "tn": found.tn}  # fmt: skip
            for share in ("sensitivity", "specificity"):
                value = getattr(found, share)
                row |= {share: value.value, f"{share}_low": value.low, f"{share}_high": value.high}
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    run_script(__doc__, develop, report)
