"""Sensitivity rows: other definitions of impaired MFR, other intervals of every AUROC. One table.

The frozen networks are not trained again: their scores stay, the labels of the hold-out are made
anew. Flow reserve is in neither rest nor stress maps, so no row of these is circular.
"""

import numpy as np
import pandas as pd

import polarnet as pn
from holdout import develop, ends, network_cells, score_hold_out
from networks import main_model, model_scores
from project import Project, run_script

MFR = "impaired_mfr"
MFR_MAPS = ("stress", "rest")
AS_MAIN = "global (as in the main results)"

HEART_RATE, SYSTOLIC = "hr_rest", "sbp_rest"
"""Clinical columns: beats/min and mmHg during the rest scan."""

REFERENCE_RPP = 10_000.0
"""Rate-pressure product in mmHg/min to which rest flow is normalised: about 1 mL/min/g there.
Campisi et al., Circulation 1998, doi 10.1161/01.cir.98.2.119; Czernin et al., Circulation 1993,
doi 10.1161/01.cir.88.1.62."""

THRESHOLD = 2.0
"""Flow reserve strictly below it is impaired."""

GREY_ZONE = (1.9, 2.1)
"""Flow reserves, ends included, that are too near to 2.0 to call (our choice)."""


def report(project: Project) -> None:
    plan = project.plan
    maps = [m for m in plan.map_types if m in MFR_MAPS or m == plan.side_map]
    test = score_hold_out(project, [main_model(plan, m) for m in maps], by="sensitivity")
    rows = []
    if MFR in plan.traits:
        for map_type in (m for m in MFR_MAPS if m in maps):
            rows += definition_rows(project, test, map_type)
    for trait in plan.traits:
        rows += interval_rows(project, test, plan.side_map, trait)
    table = pd.DataFrame(rows)[["map_type", "trait", "what", "n_studies", "n_pos", "n_neg", "auroc",
                                "ci_low", "ci_high", "method", "note"]]  # fmt: skip
    notes = [
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
    project.write(table, "sensitivity", "Sensitivity analyses", *notes)


def mfr_labels(cohort: pn.Cohort) -> dict[str, pd.Series | str]:
    """Impaired flow reserve by other definitions: 1.0, 0.0, NaN; or why there can be none."""
    if cohort.unit != "mL/min/g" or not {"rest", "stress"} <= cohort.maps.keys():
        why = f"needs rest and stress maps in mL/min/g; there are {', '.join(cohort.maps)}"
        return dict.fromkeys(("any territory", "rate-pressure corrected", "without 1.9-2.1"), why)
    mfr, table = cohort.global_mfr(), cohort.clinical
    if missing := [name for name in (HEART_RATE, SYSTOLIC) if name not in table]:
        corrected = f"needs clinical columns {HEART_RATE} and {SYSTOLIC}; no {', '.join(missing)}"
    else:
        rate, systolic = (pd.to_numeric(table[n], errors="coerce") for n in (HEART_RATE, SYSTOLIC))
        corrected = _impaired(corrected_mfr(mfr, rate, systolic))
    if "mfr" in table:  # a workstation's number goes before that of the maps
        mfr = pd.to_numeric(table["mfr"], errors="coerce").fillna(mfr)
    return {
        "any territory": _impaired(territory_mfr(cohort).min(axis=1, skipna=False)),
        "rate-pressure corrected": corrected,
        "without 1.9-2.1": cohort.traits[MFR].mask(mfr.between(*GREY_ZONE)),
    }


def territory_mfr(cohort: pn.Cohort) -> pd.DataFrame:
    """Mean stress flow of LAD, RCA and LCx / mean rest flow; NaN where that is 0.

    As the global reserve is a mean of these, weighted by rest flow, the lowest is never above it.
    """
    segments = pn.anatomy.segment_map(cohort.size)
    found = {}
    for territory, members in pn.anatomy.TERRITORIES.items():
        pixels = np.isin(segments, members)
        stress, rest = (
            cohort.in_batches(lambda maps, p=pixels: maps[:, p].mean(axis=1, dtype=float), name)
            for name in ("stress", "rest")
        )
        found[territory] = np.divide(stress, rest, out=np.full(len(rest), np.nan), where=rest > 0)
    return pd.DataFrame(found, index=cohort.patients.index)


def corrected_mfr(mfr: pd.Series, heart_rate: pd.Series, systolic: pd.Series) -> pd.Series:
    """Stress flow / (rest flow x 10,000 / rate-pressure product of rest, beats/min x mmHg)."""
    product = heart_rate.where(heart_rate > 0) * systolic.where(systolic > 0)
    return mfr * product / REFERENCE_RPP


def _impaired(mfr: pd.Series) -> pd.Series:
    """1.0 strictly below 2.0, else 0.0; NaN stays NaN."""
    return (mfr < THRESHOLD).astype(float).where(mfr.notna())


def definition_rows(project: Project, test: pn.Cohort, map_type: str) -> list[dict]:
    """One row a definition; it says why where it cannot be made."""
    scores = model_scores(project, main_model(project.plan, map_type), "test")[[MFR]]
    rows = []
    for name, labels in ({AS_MAIN: test.traits[MFR]} | mfr_labels(test)).items():
        row = {"map_type": map_type, "trait": MFR, "what": name}
        if isinstance(labels, str):
            row["note"] = labels
        else:
            row |= pn.evaluate(scores, labels.to_frame(MFR), test.patients).iloc[0]
            row["n_studies"] = row["n_pos"] + row["n_neg"]
        rows.append(row)
    return rows


def interval_rows(project: Project, test: pn.Cohort, map_type: str, trait: str) -> list[dict]:
    """One trait by four intervals: three of the first studies, one of all."""
    cell = network_cells(project, test, map_type)[trait]
    start = cell.row | {"n_studies": len(cell.labels), "note": cell.note}
    if not cell.is_reportable:
        return [start | {"what": "first study of each patient"}]
    first = {
        "first study of each patient": pn.auroc(cell.labels, cell.scores),
        "first study, DeLong without logit": pn.auroc(cell.labels, cell.scores, method="delong"),
        "first study, bootstrap": pn.evaluation.bootstrap_auroc(cell.labels, cell.scores, seed=0),
    }
    labels = test.traits[trait].dropna()
    scores = model_scores(project, main_model(project.plan, map_type), "test")
    of_all = pn.evaluation.cluster_bootstrap_auroc(
        labels, scores.loc[labels.index, trait], test.patients[labels.index], seed=0
    )
    counts = {"n_pos": int((labels == 1).sum()), "n_neg": int((labels == 0).sum()),
              "n_studies": len(labels)}  # fmt: skip
    rows = [start | {"what": what, "method": interval.method} | ends(interval)
            for what, interval in first.items()]  # fmt: skip
    last = {"what": "all studies, bootstrap of patients", "method": of_all.method}
    return [*rows, start | counts | last | ends(of_all)]


if __name__ == "__main__":
    run_script(__doc__, develop, report)
