"""Against the truth, on a phantom only: how far each cell is from what many patients would give.

    python experiments/truth.py COHORT --out study

Readers of segment means learn from `truth_patients` fresh phantom patients and are tested on as
many others: a lower bound of what can be read from a map. Beside them stand the study's networks
with a frozen trunk and its baselines, on the study's own hold-out. Writes `truth` (table, figure).
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import polarnet as pn

rp = pn.reproduction

CEILING, NETWORK = "large-sample readers", "network"
NO_TRUTH = "No table of the truth: these are patients, and nobody knows what was planted in them."


def develop(study: rp.Reproduction) -> None:
    if not study.cohort.is_phantom:
        return
    rp.develop_frozen(study)
    rp.freeze_baselines(study)
    rp.make_ceiling(study)


def report(study: rp.Reproduction) -> None:
    if not study.cohort.is_phantom:
        print(NO_TRUTH)
        return
    rp.score_hold_out(study, rp.frozen_models(study.plan), by="truth")
    rp.score_baselines(study, by="truth")
    test = rp.read_hold_out(study, by="truth", what_for="labels, for the distance to the ceiling")
    tables = [truth_table(study, test, map_type) for map_type in study.plan.map_types]
    table = pd.concat(tables, ignore_index=True)
    n = study.plan.truth_patients
    notes = [
        *study.notes,
        f"{CEILING}: ridge on 17 segments, without and with their lowest, highest and mean, or "
        f"gradient boosting, learnt from {n} fresh phantom patients with default settings, tested "
        f"on {n} others; the best one was chosen in a fifth of the learning patients. Reached by "
        "large-sample readers: a lower bound of the ceiling.",
        "All others: the study's own hold-out, first study of each patient.",
        "AUROC with 95 % interval, logit DeLong, t quantile; difference: minus that of the "
        "large-sample readers, 95 % interval by unpaired DeLong, unadjusted.",
        "is_comparator: baseline of the same map with the lowest validation log-loss, as drawn.",
    ]
    pn.write_table(table, study.result("truth"), title="Distance to the ceiling", notes=notes)
    draw(study, table)
    print(table[table["series"].isin([CEILING, NETWORK])][
        ["map_type", "trait", "series", "n_pos", "n_neg", "auroc", "difference"]
    ].to_string(index=False, float_format="{:.3f}".format, na_rep=""))  # fmt: skip


def truth_table(study: rp.Reproduction, test: pn.Cohort, map_type: str) -> pd.DataFrame:
    """One row a trait and reader: the ceiling, the network, and each baseline of the map."""
    own = {NETWORK: rp.hold_out_cells(study, test, map_type)} | {
        name: rp.hold_out_cells(study, test, map_type, name) for name in pn.OF_THE_MAP
    }
    rows = []
    for trait, (reader, labels, scores) in rp.load_ceiling(study, map_type).items():
        first = own[NETWORK][trait]
        row = {"map_type": map_type, "trait": trait, "is_circular": first.is_circular}
        ceiling = ends(labels, scores)
        rows.append(row | {"series": CEILING, "reader": reader} | ceiling | {"note": ""})
        nearest = rp.comparator(study, map_type, trait, pn.OF_THE_MAP)
        for name, cells in own.items():
            cell = cells[trait]
            numbers = {"n_pos": cell.counts[0], "n_neg": cell.counts[1], "note": cell.note}
            if cell.is_reportable:
                far = pn.unpaired_delong_test(cell.labels, cell.scores, labels, scores)
                numbers |= ends(cell.labels, cell.scores) | {
                    "difference": far.difference, "difference_low": far.low,
                    "difference_high": far.high,
                }  # fmt: skip
            rows.append(row | {"series": name, "reader": name, "is_comparator": name == nearest}
                        | numbers)  # fmt: skip
    names = ["map_type", "trait", "series", "reader", "n_pos", "n_neg", "auroc", "ci_low",
             "ci_high", "difference", "difference_low", "difference_high", "is_comparator",
             "is_circular", "note"]  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=names)
    return table.assign(is_comparator=table["is_comparator"].eq(True))


def ends(labels: pd.Series, scores: pd.Series) -> dict[str, float]:
    """AUROC with its interval and counts."""
    area = pn.auroc(labels, scores)
    return {"n_pos": int(np.sum(labels == 1)), "n_neg": int(np.sum(labels == 0)),
            "auroc": area.value, "ci_low": area.low, "ci_high": area.high}  # fmt: skip


def draw(study: rp.Reproduction, table: pd.DataFrame) -> None:
    """Dots by cell: ceiling, network, comparator."""
    is_named = table["series"].isin([CEILING, NETWORK])
    shown = table[is_named | table["is_comparator"]].copy()
    shown["series"] = shown["series"].where(is_named, "comparator baseline")
    # One count a row: that of the hold-out.
    of_network = shown[shown["series"] == NETWORK].set_index(["map_type", "trait"])
    keys = pd.MultiIndex.from_frame(shown[["map_type", "trait"]])
    for name in ("n_pos", "n_neg"):
        shown[name] = of_network.loc[keys, name].to_numpy()
    maps = list(study.plan.map_types)
    halves = [h for h in (maps[: len(maps) // 2 or 1], maps[len(maps) // 2 or 1 :]) if h]
    figure = Figure(figsize=(7.2, 6.2), layout="constrained")
    axes = figure.subplots(1, len(halves), squeeze=False)[0]
    for ax, half in zip(axes, halves, strict=True):
        pn.plot_forest(shown[shown["map_type"].isin(half)], ax)
    rp.label_figure(figure, study)
    pn.save_figure(figure, study.result("truth"))


if __name__ == "__main__":
    rp.run_script(__doc__, develop, report)
