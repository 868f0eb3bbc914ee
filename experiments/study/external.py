"""External validation: frozen networks, thresholds and recalibration on an external cohort.

The plan names the folder (`external: other_site/`); for a phantom a second one is made otherwise.
Calibration is shown as the networks are, after the recalibration that was frozen with them, and
after one fitted on half of the external patients and tested on the other half.
"""

from pathlib import Path

import numpy as np
import pandas as pd

import polarnet as pn
from calibration import measured
from holdout import develop, ends, first_labels, frozen_decisions, joined, recalibration_of
from networks import Model, Network, frozen_models, mean_of, networks_of, run_folder, score_run
from polarnet.ids import listing
from project import Project, keep_facts, map_facts, read_scores, run_script

SCORES = "external_scores"

PHANTOM_SITE = {"n_patients": 600, "seed": 991, "scale": 1.2, "tracer": "Rb-82"}
"""A second site of the phantom: other patients, a fifth more flow, another tracer (our choice)."""

AS_IS, FROZEN, REFITTED = "none", "frozen", "refitted on half"
CALIBRATION = ["intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high",
               "brier"]  # fmt: skip


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
    where = (f"External: {len(external)} studies of {external.patients.nunique()} patients, tracer "
             f"{external.tracer or 'not stated'}; first study of each patient.")  # fmt: skip
    project.write(
        pd.concat([model_table(project, model, external) for model in models]), "external",
        "External cohort: discrimination and calibration",
        where, "AUROC [95 % interval: logit DeLong, t quantile]. intercept: calibration "
        "in the large, 0 is right; slope: 1 is right [Wald, 95 %].",
        "recalibration: none; frozen (fitted on the validation patients of the "
        "project); refitted on half of the external patients, all numbers from the other "
        "half. Where validation found a slope below 0, the frozen recalibration turns the "
        "order of the scores round. Circular: the label is defined from the map shown.",
    )  # fmt: skip
    project.write(
        pd.concat([threshold_table(project, model, external) for model in models]),
        "external_thresholds", "External cohort at the frozen thresholds",
        where, "Thresholds were frozen on the validation patients of the project, and are "
        "applied to probabilities as they are; a probability at or above (>=) is called "
        "positive. Sensitivity and specificity: Wilson, 95 %.",
    )  # fmt: skip


def open_external(project: Project) -> pn.Cohort | None:
    """The cohort of the other site, or, for a phantom, a second one made once; None without any.

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
            f"Patients of the project are in {path} too: {listing(shared, 10)}. Take them out, or, "
            "if they are other people, give them other names."
        )
    return external


def score_external(project: Project, models: list[Model], external: pn.Cohort) -> None:
    """Score the other site's studies with every frozen network that has not scored them yet.

    ValueError: the maps are others than those that were scored before; labels may be corrected.
    """
    for model in models:
        frozen_decisions(project, model.name)
    folder = project.folder / SCORES
    advice = f"Delete {folder} to score the other site again."
    keep_facts(folder, map_facts(external), advice, is_new=not folder.exists())
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
    changed, lacks = {AS_IS: scores, FROZEN: scores.copy(), REFITTED: scores.copy()}, set()
    for trait in scores:
        labels = first_labels(half, trait) if trait in half.traits else pd.Series(dtype=float)
        line = frozen[trait]["recalibration"]
        lines = {FROZEN: line and pn.evaluation.Recalibration(**line),
                 REFITTED: recalibration_of(labels, scores.loc[labels.index, trait])}  # fmt: skip
        for name, line in lines.items():
            if line is None:
                lacks.add((name, trait))
            else:
                changed[name][trait] = line.apply(scores[trait])
    rows = []
    for name, probabilities in changed.items():
        cohort = other if name == REFITTED else external
        of_cohort = probabilities.loc[cohort.patients.index]
        for found in pn.evaluate(of_cohort, cohort.traits, cohort.patients).to_dict("records"):
            row, trait = dict(found), found["trait"]
            if not np.isnan(row["auroc"]):
                labels = first_labels(cohort, trait)
                row |= measured(labels, of_cohort.loc[labels.index, trait])
            why = "no recalibration could be fitted" if (name, trait) in lacks else ""
            is_circular = pn.evaluation.is_circular(cohort, model.map_type, trait)
            rows.append(row | {"map_type": model.map_type, "recalibration": name,
                               "is_circular": is_circular,
                               "note": joined(why, row["note"])})  # fmt: skip
    table = pd.DataFrame(rows).sort_values(
        "trait", key=pd.Index(scores.columns).get_indexer, kind="stable"
    )
    return table.reindex(
        columns=["map_type", "trait", "recalibration", "n_pos", "n_neg", "auroc", "ci_low",
                 "ci_high", *CALIBRATION, "is_circular", "method", "note"]
    )  # fmt: skip


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
                row |= ends(value, share)
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    run_script(__doc__, develop, report)
