"""One study on one page: what was measured first, then what a model makes of it."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet.anatomy import TERRITORIES, disc_mask, disc_mean, segment_map, segment_means
from polarnet.cohort import PHANTOM, Cohort, Study
from polarnet.config import ExperimentConfig
from polarnet.display import interval_text, trait_name
from polarnet.evaluation.comparison import NETWORK, read_metrics
from polarnet.evaluation.table import short_note
from polarnet.ood import ood_note
from polarnet.plotting.maps import (
    BORDER,
    LIMITS,
    add_colorbar,
    map_label,
    mark_level,
    mark_territories,
    plot_bullseye,
    plot_polar_map,
    scale_of,
)
from polarnet.plotting.overlays import plot_overlays
from polarnet.report.pages import picture_of, write_page
from polarnet.report.runreport import is_untrained, network_words
from polarnet.rundata import PART_COLUMN
from polarnet.suitability import check_prediction
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD, TRAITS

if TYPE_CHECKING:
    from polarnet.bundle import Bundle
    from polarnet.network import Run

MATCHED: Final = 0.6
"""A segment is of matched low flow where rest and stress both lie below this share of the study's
own well-perfused level, the 90th percentile of its segments (our choice; a note, no diagnosis)."""

MATCHED_SEGMENTS: Final = 2
"""In a territory, from which the note is made (our choice)."""

_FLOWS: Final = ("rest", "stress")

_OUTSIDE: Final = (
    "{}. Look why before its scores are read; {:.0%} of maps like those of the {} validation "
    "studies are marked, too."
)
_NOT_COMPARED: Final = "whether this study's maps are like those of the training was not looked at."
_OF_TRAINING: Final = {
    "train": "This patient was in the training of this model: the scores say nothing of how it "
    "reads a new patient.",
    "val": "This patient was in the validation, which chose this model: the scores are likely "
    "better than those of a new patient.",
    "": "Not known whether this patient was in the training of this model.",
}
"""What to say of a study by its part."""


def write_patient_page(
    model: "Run | Bundle | str | Path",
    cohort: Cohort,
    study_id: str,
    out: str | Path,
    *,
    research_traits: bool = False,
) -> Path:
    """Write the page of one study: its flow, then what a model says of it.

    Parameters
    ----------
    model
        A Run, a run folder, a Bundle, or the file of one, written by `write_bundle`.
    cohort
        Holds the study; in the unit and map size of the training.
    study_id
        Of the study, as in the cohort; it is printed, so that it should be a pseudonym.
    out
        HTML file, which needs nothing beside it; replaced if it exists.
    research_traits
        Also give the scores of traits other than impaired flow reserve, each beside the AUROC of
        this model. Never for care.

    Raises
    ------
    KeyError: no such study.
    ValueError: the cohort does not fit the model.
    """
    rows = np.flatnonzero(cohort.patients.index == study_id)
    if not len(rows):
        raise KeyError(f"No study '{study_id}' in this cohort; cohort.patients lists them.")
    one = cohort.select(rows)
    kinds = {"is_phantom": one.is_phantom, "is_recovered": one.is_recovered}
    facts = page_facts(one[0], _opinion(model, one, research_traits))
    return write_page(out, "patient", **facts, **kinds)


# === What was measured ===


def page_facts(study: Study, opinion: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of a study, its pictures among it, and an opinion as `_opinion` gives."""
    scales = {name: scale_of(name, study.unit) for name in study.maps}
    text = "Bullseye of AHA segments and vessel borders of {}, with the mean of each segment."
    bullseyes = [
        (f"Segments of {m}", text.format(m), picture_of(_draw_segments(study, m))) for m in scales
    ]
    text = "Polar map of {}, with the mean of each AHA segment."
    polar_maps = [(f"Map of {m}", text.format(m), picture_of(_draw_map(study, m))) for m in scales]
    clipped = []
    for name, values in study.maps.items():
        if share := float((values[disc_mask(len(values))] > scales[name][1]).mean()):
            clipped.append(f"{name}: {share:.1%} of the map above {scales[name][1]:g}")
    overlay = None
    if opinion["heat"] is not None:
        below = opinion["map_type"] if opinion["map_type"] in study.maps else "stress"
        maps, heat = study.maps[below][None], opinion["heat"][None]
        look: Any = {"map_type": below, "unit": "" if below == "reserve" else study.unit}
        overlay = picture_of(plot_overlays(maps, heat, rows=[0], titles=["this study"], **look))
    flows = flow_table(study)
    return {
        "study": study,
        "opinion": opinion,
        "limits": LIMITS,
        "clipped": clipped,
        "bullseyes": bullseyes,
        "polar_maps": polar_maps,
        "flows": flows,
        "summary": flow_summary(flows, study.unit),
        "has_mfr": "MFR" in flows,
        "has_both": set(_FLOWS) <= set(study.maps),
        "cutoff": MFR_THRESHOLD,
        "matched": (MATCHED_SEGMENTS, MATCHED),
        "matched_words": _matched_words(flows, study.unit),
        "overlay": overlay,
    }


def flow_table(study: Study) -> pd.DataFrame:
    """Flow of the whole left ventricle and of each territory.

    Returns
    -------
    DataFrame, index "global", LAD, RCA, LCx; columns as far as there are maps: rest and stress
    (means over pixels, in the unit of the study), MFR (mean stress / mean rest, no unit; the mean
    of the reserve map where there are no others), and `note`: "matched low flow, possible scar"
    where at least two segments of a territory are low at rest and at stress alike.
    """
    size = len(next(iter(study.maps.values())))
    places = {name: np.isin(segment_map(size), list(of)) for name, of in TERRITORIES.items()}
    means = pd.DataFrame(index=["global", *places])
    for map_type, values in study.maps.items():
        of_vessels = [values[place].mean() for place in places.values()]
        means[map_type] = np.array([disc_mean(values), *of_vessels], float)
    table = means[[name for name in _FLOWS if name in means]].copy()
    if set(_FLOWS) <= set(table) and study.unit == "mL/min/g":
        table["MFR"] = table["stress"] / table["rest"].replace(0.0, np.nan)
    elif "reserve" in means:
        table["MFR"] = means["reserve"]
    table["note"] = ""
    if set(_FLOWS) <= set(study.maps):
        of_segments = np.array([segment_means(study.maps[map_type]) for map_type in _FLOWS])
        well_perfused = np.percentile(of_segments, 90, axis=1, keepdims=True)
        is_low = (of_segments < MATCHED * well_perfused).all(axis=0)
        for name, segments in TERRITORIES.items():
            if is_low[np.array(list(segments)) - 1].sum() >= MATCHED_SEGMENTS:
                what = "uptake" if study.unit == "percent" else "flow"
                table.loc[name, "note"] = f"matched low {what}, possible scar"
    return table


def flow_summary(flows: pd.DataFrame, unit: str) -> str:
    """The table of flow in one line: the whole ventricle, its lowest territory, matched low flow.

    >>> flows = pd.DataFrame({"rest": [0.8, 0.8, 0.9, 0.7], "stress": [1.4, 1.5, 1.5, 1.2],
    ...                       "MFR": [1.75, 1.88, 1.67, 1.71], "note": ""},
    ...                      index=["global", "LAD", "RCA", "LCx"])
    >>> flow_summary(flows, "mL/min/g")
    'Global MFR 1.75, below 2.0; stress 1.40 mL/min/g; lowest RCA 1.67. No matched low flow.'
    """
    whole, territories = flows.loc["global"], flows.drop(index="global")
    told = []
    if "MFR" in flows and pd.notna(whole["MFR"]):
        side = "below" if whole["MFR"] < MFR_THRESHOLD else "not below"
        told.append(f"Global MFR {whole['MFR']:.2f}, {side} {MFR_THRESHOLD:.1f}")
    digits, suffix = (0, " percent") if unit == "percent" else (2, f" {unit}")
    for name in ("stress", "rest"):
        if name in flows and (name == "stress" or not told):
            told.append(f"{name} {whole[name]:.{digits}f}{suffix}")
    by = next(name for name in ("MFR", "stress", "rest") if name in flows)
    if territories[by].notna().any():
        lowest = territories[by].idxmin()
        digits = 2 if by == "MFR" else digits
        told.append(f"lowest {lowest} {territories.loc[lowest, by]:.{digits}f}")
    text = "; ".join(told)
    text = f"{text[0].upper()}{text[1:]}."
    if set(_FLOWS) <= set(flows):
        text += f" {_matched_words(flows, unit)}"
    return text


def _matched_words(flows: pd.DataFrame, unit: str) -> str:
    """Where rest and stress are both low."""
    what = "uptake" if unit == "percent" else "flow"
    matched = flows.index[flows["note"] != ""]
    if len(matched):
        return f"Matched low {what}, at rest and at stress: {', '.join(matched)}."
    return f"No matched low {what}."


def _draw_map(study: Study, map_type: str) -> Figure:
    """A map on its absolute scale, with a line around what is clipped."""
    figure, ax = _panel()
    values = study.maps[map_type]
    plot_polar_map(values, ax, map_type=map_type, unit=study.unit, colorbar=False)
    add_colorbar([ax], map_label(map_type, study.unit), location="bottom", pad=0.1)
    mark_level(ax, values, scale_of(map_type, study.unit)[1], BORDER, "-")
    if map_type == "reserve":
        mark_level(ax, values, MFR_THRESHOLD, "w", "--")
    return figure


def _draw_segments(study: Study, map_type: str) -> Figure:
    """Segment means under the number of each segment, and the borders of the territories."""
    figure, ax = _panel()
    means = segment_means(study.maps[map_type])
    plot_bullseye(means, ax, map_type=map_type, unit=study.unit, colorbar=False)
    mark_territories(ax)
    add_colorbar([ax], map_label(map_type, study.unit), location="bottom", pad=0.1)
    return figure


def _panel() -> tuple[Figure, Axes]:
    """A figure with the disc at the same place and of the same size in all."""
    figure = Figure(figsize=(3.6, 4.1))
    return figure, figure.add_axes((0.06, 0.05, 0.88, 0.9))


# === What a model says ===


def _opinion(
    model: "Run | Bundle | str | Path", one: Cohort, research_traits: bool
) -> dict[str, Any]:
    """What the model says of a cohort of one study: `readings` (impaired flow reserve first, others
    only for research), lines about the model, warnings, and `heat`, the attribution of `trait`.
    """
    # TensorFlow is needed only here, and takes its time.
    from polarnet.explain.attribution import attribution

    name, members, metrics, scores = _scored(model, one)
    config: ExperimentConfig = members[0].config
    spread = scores.attrs.get("spread", scores * np.nan)
    # What a chart says of a person is for research alone; flow and outcomes of one's own are not.
    of_person = [t for t in config.traits if t in TRAITS and t != IMPAIRED_MFR]
    first = [t for t in config.traits if t not in of_person]
    shown = first + of_person if research_traits else first
    explained = (first or of_person)[0]
    heat = None
    if shown and all(member.segments is not None for member in members):
        heat = np.mean([attribution(m, one, explained, "occlusion")[0] for m in members], axis=0)
    return {
        "map_type": config.map_type,
        "has_impaired": IMPAIRED_MFR in first,
        "readings": [
            {
                "trait": trait_name(t),
                "is_of_person": t in of_person,
                "is_own": t not in TRAITS,
                "score": scores[t].iloc[0],
                "spread": spread[t].iloc[0],
            }
            | _performance(t, metrics)
            for t in shown
        ],
        "n_members": len(members),
        "facts": _facts(name, config, len(members)),
        "warnings": _warnings(scores, one, members[0]),
        "trait": trait_name(explained),
        "heat": heat,
        "is_phantom": config.software == PHANTOM,
    }


def _scored(
    model: "Run | Bundle | str | Path", cohort: Cohort
) -> tuple[str, Sequence["Run"], pd.DataFrame, pd.DataFrame]:
    """Name, networks, how well they did on hold-out patients (index trait), scores of the study."""
    from polarnet.bundle import Bundle, load_bundle
    from polarnet.network import predict
    from polarnet.network.run import as_run

    name = "bundle"
    if isinstance(model, str | Path):
        name = Path(model).name
        model = load_bundle(model) if Path(model).is_file() else model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said on the page
        if isinstance(model, Bundle):
            return name, model.members, model.metrics, predict(model, cohort)
        run = as_run(model)
        check_prediction(run.config, cohort)
        metrics = pd.DataFrame(index=pd.Index([], name="trait"))  # it may never have been tested
        if (run.folder / "metrics.csv").is_file():
            table = read_metrics(run.folder)
            metrics = table[table["model"] == NETWORK].set_index("trait")
        return run.folder.name, [run], metrics, predict(run, cohort)


def _performance(trait: str, metrics: pd.DataFrame) -> dict[str, str]:
    """How well the model reads a trait at all, on hold-out patients."""
    if trait not in metrics.index:
        return {"auroc": "", "n": "", "note": "this model was never tested"}
    row = metrics.loc[trait]
    is_known = pd.notna(row["auroc"])
    notes = [] if is_known else [short_note(row.get("note", ""))]
    if row.get("is_circular", False):
        notes.append("circular: the label is nearly the mean of this map")
    return {
        "auroc": interval_text(row["auroc"], row["ci_low"], row["ci_high"]) if is_known else "",
        "n": f"{row['n_pos']:.0f} with / {row['n_neg']:.0f} without",
        "note": "; ".join(notes),
    }


def _warnings(scores: pd.DataFrame, cohort: Cohort, run: "Run") -> list[str]:
    """What should make a reader careful."""
    found = []
    shares, distribution = scores.attrs.get("ood"), run.distribution
    if shares is None or distribution is None:
        found.append(_NOT_COMPARED)
    elif note := ood_note(shares.iloc[0]):
        found.append(_OUTSIDE.format(note, distribution.rate, distribution.n_val))
    if said := _OF_TRAINING.get(str(scores.attrs[PART_COLUMN].iloc[0])):
        found.append(said)
    differs: str = scores.attrs.get("warning", "")
    if differs and not (cohort.is_phantom and run.config.software == PHANTOM):
        found.append(f"{differs}.")
    return found


def _facts(name: str, config: ExperimentConfig, n_members: int) -> list[tuple[str, str]]:
    """Lines "what, value" about the model."""
    stated = filter(None, [config.tracer, config.stress_agent, config.software])
    networks = f"{n_members} network{'s' if n_members > 1 else ''}"
    facts = [
        ("reads", config.map_type),
        ("model", f"{name}: {network_words(config)}; {networks}"),
        ("trained on", "; ".join(stated) or "tracer, agent and software not stated"),
        ("unit", str(config.unit)),
    ]
    if is_untrained(config):
        facts.append(("trunk", "untrained: random convolutions, not the paper's transfer learning"))
    return facts
