"""Nested cross-validation of the development studies: frozen networks beside 17 segments.

    python experiments/nested_cross_validation.py COHORT --out study

5 x 5 folds by patient (`folds` of the plan). Each outer fold is scored by the mean of the inner
networks, each of which chose its epoch and penalty on an inner fold that it did not train on. The
hold-out is not read. What is trained is kept in study/nested, so that the same command goes on
where it was interrupted.
"""

import pandas as pd

import polarnet as pn

rp = pn.reproduction

NETWORK, SEGMENTS = "network", "17 segments"
FEWEST = 2
"""Of a class in an outer fold, for an AUROC to be formed there (our choice)."""


def develop(study: rp.Reproduction) -> None:
    rp.train_nested(study, rp.single_maps(study.plan))


def report(study: rp.Reproduction) -> None:
    known = study.cohort.select((study.part != "test").to_numpy())
    rows = []
    for map_type in rp.single_maps(study.plan):
        scores = rp.nested_scores(study, map_type)
        rows += [row_of(scores, known, map_type, trait) for trait in study.plan.traits]
    table, k = pd.DataFrame(rows), study.plan.folds
    notes = [
        *study.notes,
        f"AUROC: mean over {k} outer folds [95 % interval of the influence curve, LeDell 2015], "
        "first study of each patient; the hold-out is not among them.",
        "difference: network minus 17 segments in the same folds, mean over folds [bootstrap of "
        "patients, percentile, 95 %, 2,000 resamples], unadjusted.",
        "Both intervals take the folds' models as given. Folds share training patients.",
        "Circular: the label is defined from the map shown.",
    ]
    title = f"{k} x {k} nested cross-validation of the development studies"
    pn.write_table(table, study.result("nested_cross_validation"), title=title, notes=notes)
    print(table.drop(columns=["method", "note"]).round(3).to_string(index=False, na_rep=""))


def row_of(scores: pd.DataFrame, known: pn.Cohort, map_type: str, trait: str) -> dict[str, object]:
    """One cell of the table."""
    labels = rp.first_labels(known, trait)
    own, other, fold = (
        scores.loc[labels.index, column] for column in ((NETWORK, trait), (SEGMENTS, trait), "fold")
    )
    part = pd.DataFrame({"label": labels, "first": own, "second": other, "fold": fold.squeeze()})
    row = {"map_type": map_type, "trait": trait, "n_pos": int((labels == 1).sum()),
           "n_neg": int((labels == 0).sum()),
           "is_circular": pn.is_circular(known, map_type, trait)}  # fmt: skip
    return row | fold_means(part.set_index(known.patients[labels.index]))


def fold_means(part: pd.DataFrame) -> dict[str, object]:
    """Means over folds for both models, and their difference; why not, where there is none.

    Parameters
    ----------
    part
        Index patient_id; label, first, second (scores of network and segments), fold.
    """
    counts = part.groupby("fold")["label"].agg(["sum", "count"])
    fewest = int(min(counts["sum"].min(), (counts["count"] - counts["sum"]).min()))
    if fewest < FEWEST:
        return {"method": "not estimable", "note": f"a fold has {fewest} of a class"}
    own, other = (
        pn.cross_validated_auroc(part["label"], part[name], part["fold"])
        for name in ("first", "second")
    )
    difference = pn.mean_auroc_difference([fold for _, fold in part.groupby("fold")], seed=0)
    return {"auroc": own.value, "ci_low": own.low, "ci_high": own.high,
            "auroc_segments": other.value, "segments_low": other.low, "segments_high": other.high,
            "difference": difference.value, "difference_low": difference.low,
            "difference_high": difference.high, "method": own.method, "note": ""}  # fmt: skip


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
