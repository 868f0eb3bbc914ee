"""One study on one page: what was measured first, then what a network makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet import __version__
from polarnet.anatomy import TERRITORIES, disc_mask, disc_mean, segment_map, segment_means
from polarnet.cohort import Study
from polarnet.report.maps import LIMITS, plot_bullseye, plot_polar_map, segment_middles
from polarnet.report.overlays import plot_overlays
from polarnet.report.pictures import picture_of
from polarnet.traits import MFR_THRESHOLD

MATCHED: Final = 0.6
"""A segment is of matched low flow where rest and stress both lie below this share of the study's
own well-perfused level, the 90th percentile of its segments (our choice; a note, no diagnosis)."""

_MATCHED_SEGMENTS: Final = 2
"""In a territory, from which the note is made (our choice)."""

_FLOWS: Final = ("rest", "stress")

_NAMED_AT: Final = {"LAD": 130.0, "RCA": 230.0, "LCx": 320.0}
"""Degrees from the lateral wall at which a vessel's name stands beside the disc."""

_BORDER: Final = "#00b7c7"
"""Of lines that must be seen on the darkest and on the brightest flow (our choice)."""

_SIDES: Final = (3.3, 2.9)
"""Inches of a picture: three side by side on a screen, one below the other on a phone."""


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
    spread: float
    auroc: str
    n: str
    note: str = ""


def patient_page(
    study: Study,
    *,
    impaired: Reading | None,
    others: Sequence[Reading],
    n_members: int,
    model_facts: Sequence[tuple[str, str]],
    warnings: Sequence[str],
    overlay: tuple[str, np.ndarray] | None,
    map_type: str,
    is_phantom: bool,
    is_phantom_model: bool,
    is_recovered: bool,
    limits: tuple[float, float] = LIMITS["stress"],
) -> str:
    """The page as HTML that needs nothing beside it.

    Parameters
    ----------
    study
        Its maps; only the study's own pseudonym is printed.
    impaired
        The score of impaired flow reserve, where the model has one.
    others
        Scores of further traits, for research; empty where they were not asked for.
    n_members
        Networks whose mean the scores are.
    model_facts
        Lines "what, value" about the model.
    warnings
        What should make a reader careful, such as a map unlike those of the training.
    overlay
        Trait and attribution of shape (size, size).
    map_type
        What the network reads; attribution is drawn beside that map, or beside stress where it
        reads all three.
    is_phantom, is_phantom_model
        Whether the study was simulated; whether the model was trained on simulated studies.
    limits
        Of rest and stress flow, in mL/min/g: darkest and brightest.

    Raises
    ------
    ValueError: `limits` do not ascend.
    """
    if not limits[0] < limits[1]:
        raise ValueError(f"limits must be two ascending numbers, not {limits}.")
    scales, flows = _scales(study, limits), flow_table(study)
    kind = " (phantom, not patients)" if is_phantom else ""
    figures = [
        (
            f"{draws} of {name}{kind}",
            f"{text} of {name}, with the mean of each AHA segment.",
            picture_of(draw(study, name, scale)),
        )
        for draws, text, draw in (
            ("Map", "Polar map", _draw_map),
            ("Segments", "Bullseye of AHA segments and vessel borders", _draw_bullseye),
        )
        for name, scale in scales.items()
    ]
    seen = None
    if overlay is not None:
        trait, heat = overlay
        below = map_type if map_type in study.maps else "stress"
        drawn = plot_overlays(
            study.maps[below][None], heat[None], rows=[0], titles=["this study"],
            map_type=below, unit="" if below == "reserve" else study.unit,
        )  # fmt: skip
        seen = (trait, picture_of(drawn))
    return (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("patient.html")
        .render(
            version=__version__,
            study_id=study.study_id,
            unit=study.unit,
            limits=limits,
            clipped=[_clipped(study, *pair) for pair in scales.items() if _clipped(study, *pair)],
            figures=figures,
            n_maps=len(scales),
            flows=flows,
            has_mfr="MFR" in flows,
            cutoff=MFR_THRESHOLD,
            impaired=impaired,
            has_both=set(_FLOWS) <= set(study.maps),
            map_type=map_type,
            matched=(_MATCHED_SEGMENTS, MATCHED),
            reserve_limits=LIMITS["reserve"],
            others=others,
            n_members=n_members,
            model_facts=model_facts,
            warnings=warnings,
            overlay=seen,
            is_phantom=is_phantom,
            is_phantom_model=is_phantom_model,
            is_recovered=is_recovered,
        )
    )


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
    columns: dict[str, list[float]] = {}
    for map_type in _FLOWS:
        if map_type in study.maps:
            values = study.maps[map_type]
            columns[map_type] = [float(disc_mean(values))]
            columns[map_type] += [float(values[place].mean()) for place in places.values()]
    table = pd.DataFrame(columns, index=["global", *places])
    if set(_FLOWS) <= set(columns) and study.unit == "mL/min/g":
        table["MFR"] = table["stress"] / table["rest"].replace(0.0, np.nan)
    elif "reserve" in study.maps:
        values = study.maps["reserve"]
        means = [float(values[place].mean()) for place in places.values()]
        table["MFR"] = [float(disc_mean(values)), *means]
    matched = matched_segments(study)
    table["note"] = [
        "matched low flow, possible scar"
        if name in TERRITORIES and len(matched & set(TERRITORIES[name])) >= _MATCHED_SEGMENTS
        else ""
        for name in table.index
    ]
    return table


def matched_segments(study: Study) -> set[int]:
    """AHA segments that are low at rest and at stress alike; none where a map is missing."""
    if not set(_FLOWS) <= set(study.maps):
        return set()
    is_low = np.ones(17, bool)
    for map_type in _FLOWS:
        means = segment_means(study.maps[map_type])
        is_low &= means < MATCHED * np.percentile(means, 90)
    return {int(k) + 1 for k in np.flatnonzero(is_low)}


def _scales(study: Study, limits: tuple[float, float]) -> dict[str, tuple[float, float]]:
    flow = (0.0, 100.0) if study.unit == "percent" else limits
    return {m: LIMITS["reserve"] if m == "reserve" else flow for m in study.maps}


def _clipped(study: Study, map_type: str, scale: tuple[float, float]) -> str:
    """How much of a map lies above its scale; empty where nothing does."""
    values = study.maps[map_type]
    share = float((values[disc_mask(len(values))] > scale[1]).mean())
    return f"{map_type}: {share:.1%} of the map above {scale[1]:g}" if share else ""


def _draw_map(study: Study, map_type: str, scale: tuple[float, float]) -> Figure:
    """A map on its absolute scale, with a line around what is clipped."""
    figure, ax = _new_picture()
    values = study.maps[map_type]
    plot_polar_map(values, ax, map_type=map_type, unit=study.unit, limits=scale)
    _line(ax, values, scale[1], _BORDER, "-")
    if map_type == "reserve":
        _line(ax, values, MFR_THRESHOLD, "w", "--")
    return figure


def _line(ax: Axes, values: np.ndarray, level: float, colour: str, style: str) -> None:
    """Where a map crosses a level, inside the disc."""
    inside = np.where(disc_mask(len(values)), values, np.nan)
    if np.nanmin(inside) < level < np.nanmax(inside):
        ax.contour(inside, [level], colors=colour, linestyles=style, linewidths=1.2,
                   origin="upper", extent=(-1, 1, -1, 1))  # fmt: skip


def _new_picture() -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIDES, layout="constrained")
    return figure, figure.subplots()


def _draw_bullseye(study: Study, map_type: str, scale: tuple[float, float]) -> Figure:
    """Segment means under the number of each segment, and the borders of the territories."""
    figure, ax = _new_picture()
    plot_bullseye(segment_means(study.maps[map_type]), ax, map_type=map_type, unit=study.unit,
                  limits=scale)  # fmt: skip
    for number, place in enumerate(segment_middles(), start=1):
        ax.annotate(str(number), place, (0, 6.5), textcoords="offset points", fontsize=4.5,
                    ha="center", va="center", color="w",
                    bbox={"fc": "0.25", "ec": "none", "pad": 0.6})  # fmt: skip
    # On a fine raster, so that borders are smooth.
    fine = segment_map(400)
    for vessel, angle in _NAMED_AT.items():
        is_there = np.isin(fine, list(TERRITORIES[vessel])).astype(float)
        ax.contour(is_there, [0.5], colors=_BORDER, linewidths=1.6, origin="upper",
                   extent=(-1, 1, -1, 1))  # fmt: skip
        x, y = 1.17 * np.cos(np.radians(angle)), 1.17 * np.sin(np.radians(angle))
        ax.text(x, y, vessel, fontsize=7, weight="bold", ha="center", va="center")
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
    return figure
