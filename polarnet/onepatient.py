"""One study and one model become one page."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.bundle import Bundle, load_bundle
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation.comparison import NETWORK, read_metrics
from polarnet.explain.attribution import attribution
from polarnet.files import new_file
from polarnet.network import Run, predict
from polarnet.network.run import as_run
from polarnet.ood import MapDistribution, ood_note
from polarnet.report.maps import LIMITS
from polarnet.report.page import is_untrained, network_words
from polarnet.report.patient import Reading, patient_page
from polarnet.report.tables import interval_text, short_note, trait_name
from polarnet.rundata import PART_COLUMN
from polarnet.suitability import check_prediction
from polarnet.traits import IMPAIRED_MFR

_OUTSIDE: Final = (
    "{}. Look why before its scores are read; {:.0%} of maps like those of the {} validation "
    "studies are marked, too."
)
_OF_TRAINING: Final = {
    "train": "This patient was in the training of this model: the scores say nothing of how it "
    "reads a new patient.",
    "val": "This patient was in the validation, which chose this model: the scores are likely "
    "better than those of a new patient.",
    "": "Not known whether this patient was in the training of this model.",
}
"""What to say of a study by its part."""

_NOT_COMPARED: Final = "whether this study's maps are like those of the training was not looked at."


def write_patient_page(
    model: Run | Bundle | str | Path,
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
    name, members, metrics, scores = _scored(model, one)
    config: ExperimentConfig = members[0].config
    spread = scores.attrs.get("spread")
    readings = {
        trait: _reading(
            trait,
            float(scores[trait].iloc[0]),
            np.nan if spread is None else float(spread[trait].iloc[0]),
            metrics,
        )
        for trait in config.traits
    }
    impaired = readings.pop(IMPAIRED_MFR, None)
    explained = IMPAIRED_MFR if impaired else config.traits[0]
    is_shown = impaired is not None or research_traits
    page = patient_page(
        one[0],
        impaired=impaired,
        others=list(readings.values()) if research_traits else [],
        n_members=len(members),
        model_facts=_facts(name, config, len(members)),
        warnings=_warnings(scores, one, config, members[0].distribution),
        overlay=_overlay(members, one, explained) if is_shown else None,
        map_type=config.map_type,
        is_phantom=one.is_phantom,
        is_phantom_model=config.software == PHANTOM,
        is_recovered=one.is_recovered,
        limits=limits,
    )
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(out)


def _scored(
    model: Run | Bundle | str | Path, cohort: Cohort
) -> tuple[str, Sequence[Run], pd.DataFrame, pd.DataFrame]:
    """Name, networks, how well they did on hold-out patients (index trait), scores of the study."""
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
        return run.folder.name, [run], _metrics(run.folder), predict(run, cohort)


def _metrics(folder: Path) -> pd.DataFrame:
    """What a run folder says of its network; without rows where it was never tested."""
    if not (folder / "metrics.csv").is_file():
        return pd.DataFrame(index=pd.Index([], name="trait"))
    table = read_metrics(folder)
    return table[table["model"] == NETWORK].set_index("trait")


def _reading(trait: str, score: float, spread: float, metrics: pd.DataFrame) -> Reading:
    if trait not in metrics.index:
        return Reading(trait_name(trait), score, spread, "", "", "this model was never tested")
    row = metrics.loc[trait]
    is_known = pd.notna(row["auroc"])
    area = interval_text(row["auroc"], row["ci_low"], row["ci_high"]) if is_known else ""
    notes = [short_note(row.get("note", ""))] if not is_known else []
    if row.get("is_circular", False):
        notes.append("circular: the label is nearly the mean of this map")
    n = f"{row['n_pos']:.0f} with / {row['n_neg']:.0f} without"
    return Reading(trait_name(trait), score, spread, area, n, "; ".join(notes))


def _warnings(
    scores: pd.DataFrame,
    cohort: Cohort,
    config: ExperimentConfig,
    distribution: MapDistribution | None,
) -> list[str]:
    found = []
    shares = scores.attrs.get("ood")
    if shares is None or distribution is None:
        found.append(_NOT_COMPARED)
    elif note := ood_note(shares.iloc[0]):
        found.append(_OUTSIDE.format(note, distribution.rate, distribution.n_val))
    if said := _OF_TRAINING.get(str(scores.attrs[PART_COLUMN].iloc[0])):
        found.append(said)
    differs: str = scores.attrs.get("warning", "")
    if differs and not (cohort.is_phantom and config.software == PHANTOM):
        found.append(f"{differs}.")
    return found


def _overlay(members: Sequence[Run], cohort: Cohort, trait: str) -> tuple[str, np.ndarray] | None:
    """Mean over the members of what occlusion takes from the score of a trait, (size, size)."""
    if any(member.segments is None for member in members):
        return None
    heats = [attribution(member, cohort, trait, "occlusion")[0] for member in members]
    return trait_name(trait), np.mean(heats, axis=0)


def _facts(name: str, config: ExperimentConfig, n_members: int) -> list[tuple[str, str]]:
    stated = [config.tracer, config.stress_agent, config.software]
    facts: list[tuple[str, Any]] = [
        ("reads", config.map_type),
        ("model", f"{name}: {network_words(config)}; {n_members} network"
                  f"{'s' if n_members > 1 else ''}"),
        ("trained on", "; ".join(filter(None, stated)) or "tracer, agent and software not stated"),
        ("unit", config.unit),
    ]  # fmt: skip
    if is_untrained(config):
        facts.append(("trunk", "untrained: random convolutions, not the paper's transfer learning"))
    return [(name, str(value)) for name, value in facts]
