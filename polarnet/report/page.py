"""The report: one self-contained HTML page about one run or several."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from polarnet import __version__
from polarnet.cohort import PHANTOM, RECOVERED, Cohort, Study
from polarnet.config import ExperimentConfig, load_config
from polarnet.evaluation.comparison import NETWORK, read_metrics
from polarnet.files import new_file
from polarnet.report.explained import PAGE_FILE, Explained, read_explained
from polarnet.report.explanation import ADDED, BY_GROUP
from polarnet.report.maps import plot_polar_map
from polarnet.report.pictures import picture_of
from polarnet.report.runfigures import draw_calibration, draw_forest, draw_roc
from polarnet.report.tables import interval_text, p_text, short_note
from polarnet.rundata import read_finetuning, read_heads, trust_words

PAPER: Final = {
    ("reserve", "impaired_mfr"): "0.94 [0.87, 0.98]",
    ("stress", "sex"): "0.81 [0.73, 0.88] (fine-tuned)",
    ("rest", "smoking"): "0.71 [0.58, 0.85]",
}
"""All AUROCs that the abstract gives. Yeung et al. 2022, doi 10.1007/s12350-022-02920-x."""


def write_report(
    runs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    cohort: Cohort | None = None,
    examples: Sequence[int] = (),
    notes: Iterable[str] = (),
    explained: Iterable[str | Path] = (),
) -> Path:
    """Write the page about the runs of one study.

    Parameters
    ----------
    runs
        Run folders with metrics.csv, as written by `run_experiment` or `polarnet train`.
    out
        The HTML file; replaced if it exists.
    cohort
        Where given, ROC curves, calibration and the studies at the positions `examples` are drawn.
    notes
        Sentences for the top of the page.
    explained
        Folders that `explain_run` made, of these runs: where the network looked, and which checks
        failed, with a link to the page of each.

    Raises
    ------
    FileNotFoundError: a run folder has no metrics.csv or config.yaml, or an explanation no
        checks.csv.
    ValueError: the cohort lacks a study or a trait that was scored.
    """
    folders = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    configs = [load_config(folder / "config.yaml") for folder in folders]
    metrics = [read_metrics(folder) for folder in folders]
    figures = []
    if cohort is not None:
        figures += [("Two studies" if len(examples) == 2 else "Studies",
                     _draw_studies([cohort[k] for k in examples]))] if examples else []  # fmt: skip
        figures.append(("ROC curves, test studies", draw_roc(folders, configs, cohort)))
        figures += draw_calibration(folders, configs, cohort)
    figures += draw_forest(configs, metrics)
    is_phantom = any(config.software == PHANTOM for config in configs)
    page = (
        Environment(loader=PackageLoader("polarnet", "report"), autoescape=True, trim_blocks=True)
        .get_template("page.html")
        .render(
            version=__version__,
            is_phantom=is_phantom,
            is_recovered=any(RECOVERED in config.software for config in configs),
            is_untrained=any(is_untrained(config) for config in configs),
            notes=list(notes),
            runs=[_run_facts(*pair) for pair in zip(folders, configs, strict=True)],
            columns=[(config.map_type, config.mode) for config in configs],
            rows=[
                (
                    trait,
                    [_cell(*pair, trait) for pair in zip(configs, metrics, strict=True)],
                )
                for trait in dict.fromkeys(t for config in configs for t in config.traits)
            ],
            figures=[(title, picture_of(figure)) for title, figure in figures],
            explanations=[_explanation(one, Path(out)) for one in read_explained(explained)],
        )
    )
    with new_file(out) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(out)


def _run_facts(folder: Path, config: ExperimentConfig) -> dict[str, Any]:
    """What was run, for the list at the end of the page."""
    text = (
        f"{network_words(config)}, {config.map_type} maps, {config.scaling} scaling, "
        f"{config.precision}, seed {config.seed}"
    )
    if config.mode != "scratch":
        text += f"; {trust_words(read_heads(folder, config.traits), read_finetuning(folder))}"
    return {"name": folder.name, "text": text}


def _explanation(one: Explained, out: Path) -> dict[str, Any]:
    """Where the network looked for one trait, for the report."""
    return {
        "trait": one.facts.get("trait", ""),
        "share": one.facts.get("share of the trunk", ""),
        "maps": one.facts.get("maps", ""),
        "method": one.facts.get("method", ""),
        "n_checks": len(one.checks),
        "failed": one.failed,
        "unjudged": [check.name for check in one.checks if check.is_passed is None],
        "pictures": [(title, picture) for title, picture in one.pictures
                     if title.startswith((BY_GROUP, ADDED))],
        "page": Path(os.path.relpath(one.folder / PAGE_FILE, out.parent)).as_posix(),
    }  # fmt: skip


def is_untrained(config: ExperimentConfig) -> bool:
    """Whether there is a VGG16 trunk with random weights."""
    return config.weights is None and config.mode != "scratch"


def network_words(config: ExperimentConfig) -> str:
    """What a network is made of, in a few words, without the path of a file."""
    if config.mode == "scratch":
        return f"small network trained from scratch, {config.input_size} px"
    weights = {None: "untrained", "imagenet": "ImageNet"}.get(config.weights, "from a file")
    return (
        f"{config.mode} VGG16 up to {config.last_block}, weights {weights}, {config.pooling} "
        f"pooling, {config.input_size} px"
    )


def _cell(config: ExperimentConfig, table: pd.DataFrame, trait: str) -> dict[str, Any] | None:
    """One trait of one run: the network, its baselines, the paired difference, the paper."""
    rows = table[table["trait"] == trait].set_index("model")
    if rows.empty:
        return None
    network, others = rows.loc[NETWORK], rows.drop(index=NETWORK)
    against = others[others["is_comparator"]]
    return {
        "network": _area(network),
        "p_value": p_text(network["p_value"]),
        "n": f"{network['n_pos']} / {network['n_neg']}",
        "baselines": [(name, _area(row)) for name, row in others.iterrows()],
        "difference": _difference(against.iloc[0]) if len(against) else "",
        "comparator": against.index[0] if len(against) else "",
        "paper": PAPER.get((config.map_type, trait), ""),
        "note": short_note(network["note"]),
        "is_circular": bool(network["is_circular"]),
    }


def _area(row: pd.Series) -> str:
    return interval_text(row["auroc"], row["ci_low"], row["ci_high"])


def _difference(row: pd.Series) -> str:
    """Empty where the two were not compared: the cell says that it is not reported."""
    values = row[["difference", "difference_low", "difference_high"]]
    return "" if pd.isna(values.iloc[0]) else interval_text(*values, is_signed=True)


def _draw_studies(studies: Sequence[Study]) -> Figure:
    """A row of maps for each study."""
    columns = len(studies[0].maps)
    figure = Figure(figsize=(3.3 * columns, 2.9 * len(studies)), layout="constrained")
    axes = figure.subplots(len(studies), columns, squeeze=False)
    for row, study in zip(axes, studies, strict=True):
        for ax, (map_type, values) in zip(row, study.maps.items(), strict=True):
            plot_polar_map(values, ax, map_type=map_type, unit=study.unit)
            ax.set_title(f"{study.study_id} {map_type}", fontsize=8, pad=14)
    return figure
