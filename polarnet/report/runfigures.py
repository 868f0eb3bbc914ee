"""Figures about runs: forest plot, ROC curves and calibration of their test studies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig
from polarnet.evaluation.calibration import fit_recalibration, smooth_calibration
from polarnet.evaluation.comparison import NETWORK, read_metrics
from polarnet.evaluation.table import read_scores
from polarnet.ids import listing
from polarnet.report.calibration import plot_calibration
from polarnet.report.curves import plot_roc
from polarnet.report.forest import plot_forest
from polarnet.report.style import MARKERS, TWO_COLUMNS
from polarnet.report.tables import trait_name

_COLUMNS: Final = 3
"""Panels in a row of calibration."""


def draw_roc(
    folders: Sequence[Path], configs: Sequence[ExperimentConfig], cohort: Cohort
) -> Figure:
    """ROC curves of every run, traits with too few patients left out."""
    columns = min(2, len(folders))
    rows = int(np.ceil(len(folders) / columns))
    figure = Figure(figsize=(4.6 * columns, 4.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, folder, config in zip(axes, folders, configs, strict=False):
        draw_run_roc(ax, folder, config, cohort)
    for ax in axes[len(folders) :]:
        ax.axis("off")
    return figure


def draw_run_roc(ax: Any, folder: Path, config: ExperimentConfig, cohort: Cohort) -> None:
    """ROC curves of a run's test studies, one for each trait with a reported AUROC."""
    shown = _reported(folder, cohort)
    for trait, labels, scores in shown:
        plot_roc(labels, scores, ax, name=trait_name(trait))
    if not shown:
        text = "No curve: fewer than 10 test patients\nin the smaller class of every trait"
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
        ax.axis("off")
    ax.set_title(_title(config), fontsize=9)


def draw_calibration(
    folders: Sequence[Path], configs: Sequence[ExperimentConfig], cohort: Cohort
) -> list[tuple[str, Figure]]:
    """A figure a run that has a reported trait, with what it shows; a panel a trait."""
    figures = []
    for folder, config in zip(folders, configs, strict=True):
        shown = _reported(folder, cohort)
        if not shown:
            continue
        n_rows = -(-len(shown) // _COLUMNS)
        figure = Figure(figsize=(TWO_COLUMNS, 2.9 * n_rows + 0.3), layout="constrained")
        axes = figure.subplots(n_rows, _COLUMNS, squeeze=False).ravel()
        for ax, (trait, labels, scores) in zip(axes, shown, strict=False):
            plot_calibration(
                smooth_calibration(labels, scores, seed=0), ax, probabilities=scores,
                labels=labels, name=trait_name(trait), line=_line(labels, scores),
            )  # fmt: skip
            ax.get_legend().remove()  # one for all panels, where it hides nothing
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=2, fontsize=7,
                      frameon=False)  # fmt: skip
        for ax in axes[len(shown) :]:
            ax.axis("off")
        text = f"Calibration with 95 % band, as predicted, test studies: {_title(config)}"
        figures.append((text, figure))
    return figures


def draw_forest(
    configs: Sequence[ExperimentConfig], metrics: Sequence[pd.DataFrame]
) -> list[tuple[str, Figure]]:
    """The forest plot of all runs, with what it shows; none where they cannot be told apart."""
    tables = [
        table[table["model"] == NETWORK].assign(map_type=config.map_type, series=config.mode)
        for config, table in zip(configs, metrics, strict=True)
    ]
    whole = pd.concat(tables, ignore_index=True)
    order = list(dict.fromkeys(whole["map_type"]))
    whole = whole.sort_values("map_type", key=lambda names: names.map(order.index), kind="stable")
    is_twice = whole.duplicated(["map_type", "trait", "series"]).any()
    if whole.empty or is_twice or whole["series"].nunique() > len(MARKERS):
        return []
    figure = plot_forest(whole).figure
    assert isinstance(figure, Figure)
    return [("Forest plot: AUROC with 95 % interval of every trait, test studies", figure)]


def _reported(folder: Path, cohort: Cohort) -> list[tuple[str, pd.Series, pd.Series]]:
    """Trait, labels and scores of patients' first test studies, where an AUROC is reported."""
    scores = read_scores(folder / "scores_test.csv")
    if lacking := sorted(set(scores.index) - set(cohort.patients.index)):
        raise ValueError(
            f"{folder}: its test studies {listing(lacking)} are not in the cohort. Name the cohort "
            "that the run was trained on."
        )
    metrics = read_metrics(folder)
    traits = metrics.loc[(metrics["model"] == NETWORK) & metrics["auroc"].notna(), "trait"]
    if unknown := [trait for trait in traits if trait not in cohort.traits]:
        raise ValueError(f"{folder}: the cohort has no trait {listing(unknown)}, but it scored it.")
    firsts = ~cohort.patients.loc[scores.index].duplicated()
    scores = scores[firsts.to_numpy()]
    labelled = [(trait, cohort.traits.loc[scores.index, trait].dropna()) for trait in traits]
    return [(trait, labels, scores.loc[labels.index, trait]) for trait, labels in labelled]


def _line(labels: pd.Series, scores: pd.Series) -> tuple[float, float] | None:
    """The logistic line of these very patients, for the picture alone."""
    try:
        line = fit_recalibration(labels, scores)
    except ValueError:
        return None  # equal probabilities, or classes apart
    return line.intercept, line.slope


def _title(config: ExperimentConfig) -> str:
    title = f"{config.map_type}, {config.mode}"
    return f"{title} (phantom, not patients)" if config.software == PHANTOM else title
