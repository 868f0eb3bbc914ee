"""Another site: frozen networks, thresholds and recalibration on an external cohort.

    python experiments/external.py COHORT --out study

The plan names the folder (`external: other_site/`). A phantom study that names none gets a second
phantom: other patients, a fifth more flow, another tracer. Calibration is shown as the networks
are, after the recalibration that was frozen with them, and after one fitted on half of the external
patients and tested on the other half. (A split by date or site within the cohort is a matter of the
plan: `split_by`, `test_site`.)
"""

import numpy as np
import pandas as pd

import polarnet as pn

rp = pn.reproduction

AS_IS, FROZEN, REFITTED = "none", "frozen", "refitted on half"
CALIBRATION = ["intercept", "intercept_low", "intercept_high", "slope", "slope_low", "slope_high",
               "brier"]  # fmt: skip


def develop(study: rp.Reproduction) -> None:
    models = networks(study.plan)
    rp.train_models(study, models)
    rp.freeze(study, models)


def report(study: rp.Reproduction) -> None:
    external = rp.open_external(study)
    if external is None:
        print("No external cohort: name its folder under `external` in the plan. Nothing written.")
        return
    if study.plan.external is None:
        print("The plan names no external cohort: a second phantom stands in for another site.")
    models = [model for model in networks(study.plan)
              if set(model.arms[0].config.map_types) <= external.maps.keys()]  # fmt: skip
    if not models:
        raise ValueError(f"No network of this study reads {', '.join(external.maps)} maps alone.")
    rp.score_external(study, models, external)
    table = pd.concat([model_table(study, model, external) for model in models])
    where = (f"External: {len(external)} studies of {external.patients.nunique()} patients, tracer "
             f"{external.tracer or 'not stated'}; first study of each patient.")  # fmt: skip
    notes = [*study.notes, where]
    pn.write_table(
        table, study.result("external"), title="External cohort: discrimination and calibration",
        notes=[*notes, "AUROC [95 % interval: logit DeLong, t quantile]. intercept: calibration "
               "in the large, 0 is right; slope: 1 is right [Wald, 95 %].",
               "recalibration: none; frozen (fitted on the validation patients of the "
               "study); refitted on half of the external patients, all numbers from the other "
               "half. Where validation found a slope below 0, the frozen recalibration turns the "
               "order of the scores round. Circular: the label is defined from the map shown."],
    )  # fmt: skip
    thresholds = pd.concat([threshold_table(study, model, external) for model in models])
    pn.write_table(
        thresholds, study.result("external_thresholds"),
        title="External cohort at the frozen thresholds",
        notes=[*notes, "Thresholds were frozen on the validation patients of the study, and are "
               "applied to probabilities as they are; a probability at or above (>=) is called "
               "positive. Sensitivity and specificity: Wilson, 95 %."],
    )  # fmt: skip
    print(table.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def networks(plan: rp.Plan) -> list[rp.Model]:
    """The frozen main models."""
    return [rp.main_model(plan, map_type) for map_type in plan.map_types]


def model_table(study: rp.Reproduction, model: rp.Model, external: pn.Cohort) -> pd.DataFrame:
    """One row a trait and recalibration."""
    scores = rp.external_scores(study, model)
    frozen = rp.frozen_decisions(study, model.name)
    half, other = next(iter(external.folds(2, seed=study.plan.split_seed)))
    changed, notes = {AS_IS: scores, FROZEN: scores.copy(), REFITTED: scores.copy()}, {}
    for trait in scores:
        line = frozen[trait]["recalibration"]
        lines = {FROZEN: line and pn.Recalibration(**line),
                 REFITTED: fitted(half, trait, scores[trait])}  # fmt: skip
        for name, line in lines.items():
            changed[name][trait] = scores[trait] if line is None else line.apply(scores[trait])
            notes[name, trait] = "no recalibration could be fitted" if line is None else ""
    tables = []
    for name, probabilities in changed.items():
        cohort = other if name == REFITTED else external
        of_cohort = probabilities.loc[cohort.patients.index]
        table = pn.evaluate(of_cohort, cohort.traits, cohort.patients)
        table = table.assign(
            map_type=model.map_type, recalibration=name,
            is_circular=[pn.is_circular(cohort, model.map_type, t) for t in table["trait"]],
        )  # fmt: skip
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


def fitted(cohort: pn.Cohort, trait: str, scores: pd.Series) -> pn.Recalibration | None:
    """A recalibration fitted to the first studies of a cohort; None where it cannot be."""
    try:
        labels = rp.first_labels(cohort, trait)
        return pn.fit_recalibration(labels, scores[labels.index])
    except (KeyError, ValueError):
        return None  # the cohort has no such trait, or one class of it


def calibration_of(table: pd.DataFrame, cohort: pn.Cohort, scores: pd.DataFrame) -> pd.DataFrame:
    """Calibration of every trait that has an AUROC."""
    rows = []
    for trait, area in zip(table["trait"], table["auroc"], strict=True):
        if np.isnan(area):
            rows.append(dict.fromkeys(CALIBRATION, np.nan))
            continue
        labels = rp.first_labels(cohort, trait)
        found = pn.measure_calibration(labels, scores.loc[labels.index, trait])
        a, b = found.intercept, found.slope
        values = (a.value, a.low, a.high, b.value, b.low, b.high, found.brier)
        rows.append(dict(zip(CALIBRATION, values, strict=True)))
    return pd.DataFrame(rows, index=table.index)


def threshold_table(study: rp.Reproduction, model: rp.Model, external: pn.Cohort) -> pd.DataFrame:
    """One row a trait and frozen threshold."""
    scores, rows = rp.external_scores(study, model), []
    for trait, decided in rp.frozen_decisions(study, model.name).items():
        if trait not in external.traits:
            continue
        labels = rp.first_labels(external, trait)
        if labels.nunique() < 2:
            continue
        for name, threshold in decided["thresholds"].items():
            found = pn.classify(labels, scores.loc[labels.index, trait], threshold)
            row = {"map_type": model.map_type, "trait": trait, "chosen_by": name,
                   "threshold": threshold, "tp": found.tp, "fp": found.fp, "fn": found.fn,
                   "tn": found.tn}  # fmt: skip
            for share in ("sensitivity", "specificity"):
                value = getattr(found, share)
                row |= {share: value.value, f"{share}_low": value.low, f"{share}_high": value.high}
            rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
