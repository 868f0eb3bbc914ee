"""The most confident errors of each primary endpoint, drawn: figure and table.

Networks with a frozen trunk at the frozen threshold "youden"; hold-out patients by their first
study. A false positive is the surer the higher its probability, a false negative the lower. No
patient's or study's id is written. Of a phantom it is said what was planted.
"""

import pandas as pd

import polarnet as pn
from holdout import Cell, develop, network_cells, score_hold_out
from networks import main_model
from project import Project, run_script

SHOWN = 4
"""Errors of either kind."""

DRAWN_FOR = {"combined": "stress"}
"""Which map is drawn where the network saw several."""

DEEP, SMALL, LARGE = 0.15, -1.0, 1.0
"""From which drop of flow on a defect is named, and from how many SDs on a small or large ventricle
is (our choice)."""


def report(project: Project) -> None:
    named = list(dict.fromkeys((map_type, trait) for map_type, _, trait in project.plan.primaries))
    maps = list(dict.fromkeys(map_type for map_type, _ in named))
    test = score_hold_out(project, [main_model(project.plan, m) for m in maps], by="failures")
    cells = {map_type: network_cells(project, test, map_type) for map_type in maps}
    tables = [surest_errors(cells[map_type][trait], words_of(test)) for map_type, trait in named]
    table = pd.concat(tables) if tables else pd.DataFrame()
    if table.empty:
        print("No failures to draw: no error, no threshold, or no primary endpoint.")
        return
    notes = [
        f"At most {SHOWN} of either kind; mean probability of {len(project.plan.seeds)} networks "
        "with a frozen trunk, as predicted.",
        "threshold: youden, chosen on validation patients and frozen; at or above it is positive. "
        "n_errors of n_class: all such errors in the hold-out, and the patients of that class.",
        "Chosen for being extreme: they show what the worst errors look like and estimate "
        "nothing, hence no interval.",
    ]
    if table["planted"].any():
        notes.append("planted: fall of stress flow in the core of a territory, and how much of it "
                     "is there at rest too; only what is marked enough to be named.")  # fmt: skip
    else:
        table = table.drop(columns="planted")
    project.write(table, "failures", "The most confident errors", *notes)
    table["drawn"] = table["map_type"].replace(DRAWN_FOR)
    for drawn, part in table.groupby("drawn", sort=False):
        rows = test.patients.index.get_indexer(part.index)
        figure = pn.plotting.plot_studies(
            test.maps[str(drawn)][rows],
            [f"{pn.report.trait_name(row.trait)}: {row.error}\n"
             f"probability {row.probability:.2f}\n{getattr(row, 'planted', '')}".strip()
             for row in part.itertuples()],
            map_type=str(drawn), unit=test.unit,
        )  # fmt: skip
        name = "failures" if table["drawn"].nunique() == 1 else f"failures_{drawn}"
        project.save(figure, name)


def surest_errors(cell: Cell, words: pd.Series) -> pd.DataFrame:
    """One row an error, false positives first; the index, study_id, is not to be written."""
    if "youden" not in cell.thresholds:
        return pd.DataFrame()
    threshold = cell.thresholds["youden"]
    is_called = cell.scores >= threshold
    parts = []
    for error, is_error, label in (
        ("false positive", is_called & (cell.labels == 0), 0),
        ("false negative", ~is_called & (cell.labels == 1), 1),
    ):
        wrong = cell.scores[is_error].sort_values(ascending=label == 1, kind="stable")
        parts.append(pd.DataFrame({
            "map_type": cell.map_type, "trait": cell.trait, "error": error, "label": label,
            "probability": wrong, "threshold": threshold, "n_errors": len(wrong),
            "n_class": int((cell.labels == label).sum()), "planted": words.loc[wrong.index],
        }).head(SHOWN))  # fmt: skip
    return pd.concat(parts)


def words_of(test: pn.Cohort) -> pd.Series:
    """What was planted in each phantom, in words; empty where there is no truth."""
    truth = test.truth
    if not len(truth.columns):
        return pd.Series("", index=test.patients.index)
    return pd.Series([planted(row) for row in truth.to_dict("records")], index=truth.index)


def planted(truth: dict[str, float]) -> str:
    """Defects by territory, ventricle, unevenness and artefacts of one phantom study."""
    said = [
        f"{name} -{100 * truth[name.lower()]:.0f} %"
        for name in pn.anatomy.TERRITORIES
        if truth.get(name.lower(), 0) >= DEEP
    ]
    if said and truth.get("scar", 0) > 0:
        said.append(f"fixed part {100 * truth['scar']:.0f} %")
    said = said or ["no defect"]
    size = truth.get("small_ventricle", 0)
    said += ["small ventricle"] if size >= LARGE else ["large ventricle"] if size <= SMALL else []
    said += ["uneven stress flow"] if truth.get("uneven", 0) else []
    for artefact in ("misregistration", "motion"):
        if any(truth.get(f"{artefact}_{scan}", 0) >= DEEP for scan in ("rest", "stress")):
            said.append(artefact)
    return ", ".join(said)


if __name__ == "__main__":
    run_script(__doc__, develop, report)
