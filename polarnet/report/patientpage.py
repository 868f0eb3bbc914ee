"""One study on one page: what was measured first, then what a model makes of it."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
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
    PERCENT,
    mark_level,
    mark_territories,
    plot_bullseye,
    plot_polar_map,
)
from polarnet.plotting.overlays import plot_overlays
from polarnet.plotting.style import new_panels
from polarnet.report.pages import Picture, picture_of, write_page
from polarnet.report.runreport import is_untrained, network_words
from polarnet.rundata import PART_COLUMN
from polarnet.suitability import check_prediction
from polarnet.traits import IMPAIRED_MFR, MFR_THRESHOLD

if TYPE_CHECKING:
    from polarnet.bundle import Bundle
    from polarnet.network import Run

MATCHED: Final = 0.6
"""A segment is of matched low flow where rest and stress both lie below this share of the study's
own well-perfused level, the 90th percentile of its segments (our choice; a note, no diagnosis)."""

MATCHED_SEGMENTS: Final = 2
"""In a territory, from which the note is made (our choice)."""

_FLOWS: Final = ("rest", "stress")

_SIDES: Final = (3.3, 2.9)
"""Inches of a picture: three side by side on a screen, one below the other on a phone."""

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


@dataclass(frozen=True)
class Reading:
    """One score of a model on one study, beside how well the model reads that trait at all.

    Attributes
    ----------
    trait
        Name as printed.
    score
        Probability, 0 to 1.
    spread
        Standard deviation over the members of an ensemble; NaN for one member.
    auroc
        "0.77 [0.66, 0.85]" on hold-out patients; empty where it was not reported.
    n
        "36 with / 97 without" of these patients.
    note
        Why there is no AUROC, or that its label is nearly the map itself.
    """

    trait: str
    score: float
    spread: float = np.nan
    auroc: str = ""
    n: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What a model says of one study.

    Attributes
    ----------
    map_type
        What the network reads; attribution is drawn beside that map, or beside stress where it
        reads all three.
    impaired
        The score of impaired flow reserve, where the model has one.
    others
        Scores of further traits, for research; empty where they were not asked for.
    n_members
        Networks whose mean the scores are.
    facts
        Lines "what, value" about the model.
    warnings
        What should make a reader careful, such as an out-of-distribution map.
    overlay
        Trait and attribution of shape (size, size).
    is_phantom
        The model was trained on simulated studies.
    """

    map_type: str
    impaired: Reading | None
    others: Sequence[Reading] = ()
    n_members: int = 1
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    overlay: tuple[str, np.ndarray] | None = None
    is_phantom: bool = False


def write_patient_page(
    model: "Run | Bundle | str | Path",
    cohort: Cohort,
    study_id: str,
    out: str | Path,
    *,
    research_traits: bool = False,
    limits: tuple[float, float] = LIMITS["stress"],
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
    limits
        Darkest and brightest rest and stress flow, mL/min/g.

    Raises
    ------
    KeyError: no such study.
    ValueError: the cohort does not fit the model, or `limits` do not ascend.
    """
    rows = np.flatnonzero(cohort.patients.index == study_id)
    if not len(rows):
        raise KeyError(f"No study '{study_id}' in this cohort; cohort.patients lists them.")
    one = cohort.select(rows)
    opinion = _opinion(model, one, research_traits)
    return write_page(out, "patient", **page_facts(one[0], opinion, limits),
                      is_phantom=one.is_phantom, is_recovered=one.is_recovered)  # fmt: skip


def page_facts(
    study: Study, opinion: Opinion, limits: tuple[float, float] = LIMITS["stress"]
) -> dict[str, Any]:
    """What the page shows of a study, its pictures among it.

    Raises
    ------
    ValueError: `limits` do not ascend.
    """
    if not limits[0] < limits[1]:
        raise ValueError(f"limits must be two ascending numbers, not {limits}.")
    flow = PERCENT if study.unit == "percent" else limits
    scales = {m: LIMITS["reserve"] if m == "reserve" else flow for m in study.maps}
    pictures = [
        (f"Map of {name}", f"Polar map of {name}, with the mean of each AHA segment.",
         picture_of(_draw_map(study, name, scale)))
        for name, scale in scales.items()
    ] + [
        (f"Segments of {name}",
         f"Bullseye of AHA segments and vessel borders of {name}, with the mean of each segment.",
         picture_of(_draw_segments(study, name, scale)))
        for name, scale in scales.items()
    ]  # fmt: skip
    above = {name: float((values[disc_mask(len(values))] > scales[name][1]).mean())
             for name, values in study.maps.items()}  # fmt: skip
    flows = flow_table(study)
    return {
        "study": study,
        "opinion": opinion,
        "scales": scales,
        "limits": limits,
        "reserve_scale": LIMITS["reserve"],
        "clipped": [f"{name}: {share:.1%} of the map above {scales[name][1]:g}"
                    for name, share in above.items() if share],
        "figures": pictures,
        "flows": flows,
        "has_mfr": "MFR" in flows,
        "has_both": set(_FLOWS) <= set(study.maps),
        "cutoff": MFR_THRESHOLD,
        "matched": (MATCHED_SEGMENTS, MATCHED),
        "overlay": _overlay_picture(study, opinion),
    }  # fmt: skip


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
    means = pd.DataFrame(
        {map_type: [float(disc_mean(values)), *(values[at].mean() for at in places.values())]
         for map_type, values in study.maps.items()},
        index=["global", *places], dtype=float,
    )  # fmt: skip
    table = means[[name for name in _FLOWS if name in means]].copy()
    if set(_FLOWS) <= set(table) and study.unit == "mL/min/g":
        table["MFR"] = table["stress"] / table["rest"].replace(0.0, np.nan)
    elif "reserve" in means:
        table["MFR"] = means["reserve"]
    matched = matched_segments(study)
    low = np.array([len(matched & set(TERRITORIES.get(place, ()))) for place in table.index])
    table["note"] = np.where(low >= MATCHED_SEGMENTS, "matched low flow, possible scar", "")
    return table


def matched_segments(study: Study) -> set[int]:
    """AHA segments that are low at rest and at stress alike; none where a map is missing."""
    if not set(_FLOWS) <= set(study.maps):
        return set()
    means = np.array([segment_means(study.maps[map_type]) for map_type in _FLOWS])
    is_low = means < MATCHED * np.percentile(means, 90, axis=1, keepdims=True)
    return {int(k) + 1 for k in np.flatnonzero(is_low.all(axis=0))}


def _draw_map(study: Study, map_type: str, scale: tuple[float, float]) -> Figure:
    """A map on its absolute scale, with a line around what is clipped."""
    figure, (ax,) = new_panels(1, 1, width=_SIDES[0], height=_SIDES[1])
    values = study.maps[map_type]
    plot_polar_map(values, ax, map_type=map_type, unit=study.unit, vmin=scale[0], vmax=scale[1])
    mark_level(ax, values, scale[1], BORDER, "-")
    if map_type == "reserve":
        mark_level(ax, values, MFR_THRESHOLD, "w", "--")
    return figure


def _draw_segments(study: Study, map_type: str, scale: tuple[float, float]) -> Figure:
    """Segment means under the number of each segment, and the borders of the territories."""
    figure, (ax,) = new_panels(1, 1, width=_SIDES[0], height=_SIDES[1])
    plot_bullseye(segment_means(study.maps[map_type]), ax, map_type=map_type, unit=study.unit,
                  vmin=scale[0], vmax=scale[1])  # fmt: skip
    mark_territories(ax)
    return figure


def _overlay_picture(study: Study, opinion: Opinion) -> tuple[str, Picture] | None:
    """Trait, and where the network looked for it."""
    if opinion.overlay is None:
        return None
    trait, heat = opinion.overlay
    below = opinion.map_type if opinion.map_type in study.maps else "stress"
    return trait, picture_of(plot_overlays(
        study.maps[below][None], heat[None], rows=[0], titles=["this study"], map_type=below,
        unit="" if below == "reserve" else study.unit,
    ))  # fmt: skip


def _opinion(model: "Run | Bundle | str | Path", one: Cohort, research_traits: bool) -> Opinion:
    """What the model says of a cohort of one study."""
    name, members, metrics, scores = _scored(model, one)
    config: ExperimentConfig = members[0].config
    spread = scores.attrs.get("spread", scores * np.nan)
    readings = {
        trait: _reading(trait, float(scores[trait].iloc[0]), float(spread[trait].iloc[0]), metrics)
        for trait in config.traits
    }
    impaired = readings.pop(IMPAIRED_MFR, None)
    is_shown = impaired is not None or research_traits
    explained = IMPAIRED_MFR if impaired else config.traits[0]
    return Opinion(
        map_type=config.map_type,
        impaired=impaired,
        others=list(readings.values()) if research_traits else [],
        n_members=len(members),
        facts=_facts(name, config, len(members)),
        warnings=_warnings(scores, one, members[0]),
        overlay=_overlay(members, one, explained) if is_shown else None,
        is_phantom=config.software == PHANTOM,
    )


def _scored(
    model: "Run | Bundle | str | Path", cohort: Cohort
) -> tuple[str, Sequence["Run"], pd.DataFrame, pd.DataFrame]:
    """Name, networks, how well they did on hold-out patients (index trait), scores of the study."""
    # TensorFlow is needed only here and for the overlay, and takes its time.
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


def _reading(trait: str, score: float, spread: float, metrics: pd.DataFrame) -> Reading:
    name = trait_name(trait)
    if trait not in metrics.index:
        return Reading(name, score, spread, note="this model was never tested")
    row = metrics.loc[trait]
    is_known = pd.notna(row["auroc"])
    area = interval_text(row["auroc"], row["ci_low"], row["ci_high"]) if is_known else ""
    notes = [] if is_known else [short_note(row.get("note", ""))]
    if row.get("is_circular", False):
        notes.append("circular: the label is nearly the mean of this map")
    n = f"{row['n_pos']:.0f} with / {row['n_neg']:.0f} without"
    return Reading(name, score, spread, area, n, "; ".join(notes))


def _warnings(scores: pd.DataFrame, cohort: Cohort, run: "Run") -> list[str]:
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


def _overlay(members: Sequence["Run"], cohort: Cohort, trait: str) -> tuple[str, np.ndarray] | None:
    """Mean over the members of what occlusion takes from the score of a trait, (size, size)."""
    from polarnet.explain.attribution import attribution

    if any(member.segments is None for member in members):
        return None
    heats = [attribution(member, cohort, trait, "occlusion")[0] for member in members]
    return trait_name(trait), np.mean(heats, axis=0)


def _facts(name: str, config: ExperimentConfig, n_members: int) -> list[tuple[str, str]]:
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
