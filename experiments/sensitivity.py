"""Sensitivity rows: other definitions of impaired MFR, other intervals of every AUROC. One table.

    python experiments/sensitivity.py COHORT --out study

The frozen networks are not trained again: their scores stay, the labels of the hold-out are made
anew. Flow reserve is in neither rest nor stress maps, so no row of these is circular.
"""

import pandas as pd

import polarnet as pn

rp = pn.reproduction

MFR = "impaired_mfr"
MFR_MAPS = ("stress", "rest")
AS_MAIN = "global (as in the main results)"


def develop(study: rp.Reproduction) -> None:
    rp.develop_frozen(study)


def report(study: rp.Reproduction) -> None:
    plan = study.plan
    maps = [m for m in plan.map_types if m in MFR_MAPS or m == rp.side_map(plan)]
    rp.score_hold_out(study, [rp.main_model(plan, m) for m in maps], by="sensitivity")
    test = rp.read_hold_out(
        study, by="sensitivity", what_for="maps and labels, for other definitions and intervals"
    )
    rows = []
    if MFR in plan.traits:
        for map_type in (m for m in MFR_MAPS if m in maps):
            rows += definition_rows(study, test, map_type)
    for trait in plan.traits:
        rows += interval_rows(study, test, rp.side_map(plan), trait)
    table = pd.DataFrame(rows)[["map_type", "trait", "what", "n_studies", "n_pos", "n_neg", "auroc",
                                "ci_low", "ci_high", "method", "note"]]  # fmt: skip
    notes = [
        *study.notes,
        f"Mean probability of {len(plan.seeds)} networks with a frozen trunk, the same.",
        "any territory: LAD, RCA or LCx (AHA) with a flow reserve below 2.0, mean stress over mean "
        "rest flow of its pixels.",
        "rate-pressure corrected: rest flow x 10,000 / (heart rate x systolic pressure at rest); "
        "Campisi et al., doi 10.1161/01.cir.98.2.119, Czernin et al., doi 10.1161/01.cir.88.1.62.",
        "without 1.9-2.1: patients whose global flow reserve is within that range are left out, "
        "which makes the task easier.",
        "n_studies: studies counted. First study of each patient, but for the bootstrap of "
        "patients over all studies. Nothing is given where a class has fewer than 10 patients.",
    ]
    pn.write_table(table, study.result("sensitivity"), title="Sensitivity analyses", notes=notes)
    print(table.drop(columns="note").to_string(
        index=False, float_format="{:.3f}".format, na_rep=""))  # fmt: skip


def definition_rows(study: rp.Reproduction, test: pn.Cohort, map_type: str) -> list[dict]:
    """One row a definition; it says why where it cannot be made."""
    scores = rp.hold_out_scores(study, rp.main_model(study.plan, map_type))[[MFR]]
    rows = []
    for name, labels in ({AS_MAIN: test.traits[MFR]} | rp.mfr_labels(test)).items():
        row = {"map_type": map_type, "trait": MFR, "what": name}
        if isinstance(labels, str):
            rows.append(row | {"note": labels})
            continue
        found = pn.evaluate(scores, labels.to_frame(MFR), test.patients).iloc[0]
        n_studies = found["n_pos"] + found["n_neg"]
        rows.append(row | {"n_studies": n_studies} | numbers_of(found))
    return rows


def numbers_of(found: pd.Series) -> dict:
    """What a row takes over from `evaluate`."""
    names = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "method", "note")
    return {name: found[name] for name in names}


def interval_rows(study: rp.Reproduction, test: pn.Cohort, map_type: str, trait: str) -> list[dict]:
    """One trait by four intervals: three of the first studies, one of all."""
    cell = rp.hold_out_cells(study, test, map_type)[trait]
    start = cell.row | {"n_studies": len(cell.labels), "note": cell.note}
    if not cell.is_reportable:
        return [start | {"what": "first study of each patient"}]
    first = {
        "first study of each patient": pn.auroc(cell.labels, cell.scores),
        "first study, DeLong without logit": pn.auroc(cell.labels, cell.scores, method="delong"),
        "first study, bootstrap": pn.bootstrap_auroc(cell.labels, cell.scores, seed=0),
    }
    rows = [start | {"what": what} | ends(interval) for what, interval in first.items()]
    labels = test.traits[trait].dropna()
    scores = rp.hold_out_scores(study, rp.main_model(study.plan, map_type))
    of_all = pn.cluster_bootstrap_auroc(
        labels, scores.loc[labels.index, trait], test.patients[labels.index], seed=0
    )
    counts = {"n_pos": int((labels == 1).sum()), "n_neg": int((labels == 0).sum()),
              "n_studies": len(labels)}  # fmt: skip
    return [*rows, start | counts | {"what": "all studies, bootstrap of patients"} | ends(of_all)]


def ends(interval: pn.Interval) -> dict:
    """An interval as columns."""
    return {"auroc": interval.value, "ci_low": interval.low, "ci_high": interval.high,
            "method": interval.method}  # fmt: skip


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
