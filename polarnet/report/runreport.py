"""The report of one run or several: one HTML page, and the figures about their test studies."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.cohort import PHANTOM, RECOVERED, Cohort, Study
from polarnet.config import ExperimentConfig
from polarnet.display import interval_text, p_text, trait_name
from polarnet.evaluation.comparison import (
    NETWORK,
    PHANTOM_LABEL,
    PUBLISHED,
    read_metrics,
    results_of_run,
)
from polarnet.evaluation.crossvalidated import FACTS_FILE, load_cross_validation
from polarnet.evaluation.table import is_reportable, short_note
from polarnet.evaluation.thresholds import choose_thresholds, classify
from polarnet.files import read_csv, read_json
from polarnet.ood import OUTSIDE
from polarnet.plotting.maps import plot_polar_map
from polarnet.plotting.performance import plot_calibration, plot_forest, plot_roc
from polarnet.plotting.style import MARKERS, SMALL, TWO_COLUMNS, new_panels
from polarnet.report.explanationpage import PAGE_FILE, read_explained
from polarnet.report.pages import address_of, picture_of, write_page
from polarnet.report.resulttables import condensed, page_table
from polarnet.report.sentences import OUT_OF_FOLD, findings
from polarnet.rundata import read_finetuning, read_heads, trust_words

_COLUMNS: Final = 3
"""Panels in a row of calibration."""


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
    cohort, examples
        Where given, the studies at these positions of the cohort are drawn.
    notes
        Sentences for the top of the page.
    explained
        Folders that `explain_run` made, of these runs: where the network looked, and which checks
        failed, with a link to the page of each.

    Raises
    ------
    FileNotFoundError: a run folder has no metrics.csv or config.yaml, or a folder is no
        explanation.
    ValueError: a table of a run was damaged.
    """
    folders = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    configs = [ExperimentConfig.load(folder / "config.yaml") for folder in folders]
    metrics = [read_metrics(folder) for folder in folders]
    traits = dict.fromkeys(trait for config in configs for trait in config.traits)
    figures = []
    if examples and cohort is not None:
        name = "Two studies" if len(examples) == 2 else "Studies"
        figures.append((name, _draw_studies([cohort[k] for k in examples])))
    reported = [_reported(folder) for folder in folders]
    if any(reported):
        figures.append(("ROC curves, test studies", _draw_roc(folders, configs)))
    for shown, config in zip(reported, configs, strict=True):
        if shown:
            text = "Calibration with 95 % band, as predicted, test studies: "
            text += f"{config.map_type}, {config.mode}"
            figures.append((text, _draw_calibration(shown)))
    forest = _draw_forest(configs, metrics)
    explanations = [
        (address_of(one["folder"] / PAGE_FILE, Path(out).parent), one)
        for one in read_explained(explained)
    ]
    page = {
        "is_phantom": any(config.software == PHANTOM for config in configs),
        "is_recovered": any(RECOVERED in config.software for config in configs),
        "is_untrained": any(map(is_untrained, configs)),
        "notes": list(notes),
        "findings": [
            (f"{config.map_type}, {config.mode}", findings(table))
            for config, table in zip(configs, metrics, strict=True)
        ],
        "forest": None if forest is None else picture_of(forest),
        "points": page_table(
            pd.concat(map(_operating_points, folders)),
            "Sensitivity and specificity of test patients, at thresholds that validation patients "
            "chose [Wilson, 95 %]",
        ),
        "unusual": [_unusual(folder) for folder in folders],
        "runs": [_run_facts(*pair) for pair in zip(folders, configs, strict=True)],
        "columns": [(config.map_type, config.mode) for config in configs],
        "rows": [
            (trait, [_cell(*pair, trait) for pair in zip(configs, metrics, strict=True)])
            for trait in traits
        ],
        "figures": [(title, picture_of(figure)) for title, figure in figures],
        "explanations": explanations,
    }
    return write_page(out, "runs", **page)


def write_cross_validation(folder: str | Path, out: str | Path) -> Path:
    """Write the page about a cross-validation: findings, forest plot, calibration, thresholds.

    FileNotFoundError: the folder holds no finished one.
    """
    found = load_cross_validation(folder)
    config, facts = found.config, read_json(found.folder / FACTS_FILE)
    shown_models = _told_apart(found.metrics)
    forest = plot_forest(shown_models.assign(series=shown_models["model"])).figure
    assert isinstance(forest, Figure)
    of_network = found.scores[found.scores["model"] == NETWORK].groupby("study_id")
    shown = {
        trait: pd.DataFrame(
            {"label": found.labels[trait], "score": of_network[trait].mean()}
        ).dropna()
        for trait in config.traits
    }
    tables = {
        "AUROC, and network minus each baseline in the same folds": found.metrics.drop(
            columns="data"
        ),
        "Calibration of the network's mean out-of-fold probability": found.calibration,
        "Thresholds, each fold judged by the one that the other folds chose": found.thresholds,
    }
    page = {
        "is_phantom": PHANTOM_LABEL in set(found.metrics["data"]),
        "is_recovered": RECOVERED in set(found.metrics["data"]),
        "is_untrained": is_untrained(config),
        "folds": facts["folds"],
        "repeats": facts["repeats"],
        "network": f"{network_words(config)}, {_read_words(config)}",
        "findings": findings(found.metrics, counted=OUT_OF_FOLD),
        "forest": picture_of(forest),
        "calibration": picture_of(_draw_calibration(shown)),
        "tables": [page_table(*_readable(table, title)) for title, table in tables.items()],
    }
    return write_page(out, "crossvalidation", **page)


def _readable(table: pd.DataFrame, title: str) -> tuple[pd.DataFrame, str, list[str]]:
    printed, notes = condensed(table)
    return printed, title, notes


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


def _read_words(config: ExperimentConfig) -> str:
    """What a network reads: maps, and clinical columns where there are any."""
    columns = f" with {', '.join(config.clinical)}" if config.clinical else ""
    return f"{config.map_type} maps{columns}"


def draw_run_roc(ax: Axes, folder: Path, config: ExperimentConfig) -> None:
    """ROC curves of a run's test studies, one for each trait with a reported AUROC."""
    shown = _reported(folder)
    for trait, found in shown.items():
        plot_roc(found["label"], found["score"], ax, name=trait_name(trait))
    if not shown:
        text = "No curve: fewer than 10 test patients\nin the smaller class of every trait"
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
        ax.axis("off")
    ax.set_title(_title(config), fontsize=9)


def _run_facts(folder: Path, config: ExperimentConfig) -> tuple[str, str]:
    """Name of a run, and what was run."""
    text = (
        f"{network_words(config)}, {_read_words(config)}, "
        f"{config.scaling} scaling, "
        f"{config.precision}, seed {config.seed}"
    )
    if config.mode != "scratch":
        text += f"; {trust_words(read_heads(folder, config.traits), read_finetuning(folder))}"
    return folder.name, text


def _cell(config: ExperimentConfig, table: pd.DataFrame, trait: str) -> dict[str, Any] | None:
    """One trait of one run: the network, its baselines, the paired difference, the paper."""
    rows = table[table["trait"] == trait].set_index("model")
    if rows.empty:
        return None
    network, others = rows.loc[NETWORK], rows.drop(index=NETWORK)
    ends = ["auroc", "ci_low", "ci_high"]
    # The paper reads maps alone.
    published = None if config.clinical else PUBLISHED.get((config.map_type, trait))
    cell = {
        "network": interval_text(*network[ends]),
        "p_value": p_text(network["p_value"]),
        "n": f"{network['n_pos']} / {network['n_neg']}",
        "baselines": [(name, interval_text(*row[ends])) for name, row in others.iterrows()],
        "paper": interval_text(*published) if published else "",
        "note": short_note(network["note"]),
        "is_circular": bool(network["is_circular"]),
    }
    named = others["is_comparator"] | others.index.isin([MAPS_ALONE, CLINICAL_ALONE])
    gains = others.loc[named, ["difference", "difference_low", "difference_high"]]
    # Without one the cell says that it is not reported.
    cell["differences"] = [
        (name, interval_text(*gain, is_signed=True))
        for name, gain in gains.dropna(subset="difference").iterrows()
    ]
    return cell


def _draw_studies(studies: Sequence[Study]) -> Figure:
    """A row of maps for each study."""
    columns = len(studies[0].maps)
    figure, axes = new_panels(columns * len(studies), columns, width=3.3 * columns, height=2.9)
    shown = [(study, *item) for study in studies for item in study.maps.items()]
    for ax, (study, map_type, values) in zip(axes, shown, strict=True):
        plot_polar_map(values, ax, map_type=map_type, unit=study.unit)
        ax.set_title(f"{study.study_id} {map_type}", fontsize=8, pad=14)
    return figure


def _draw_roc(folders: Sequence[Path], configs: Sequence[ExperimentConfig]) -> Figure:
    """ROC curves of every run, traits with too few patients left out."""
    columns = min(2, len(folders))
    figure, axes = new_panels(len(folders), columns, width=4.6 * columns, height=4.4)
    for ax, folder, config in zip(axes, folders, configs, strict=True):
        draw_run_roc(ax, folder, config)
    return figure


def _draw_calibration(shown: Mapping[str, pd.DataFrame]) -> Figure:
    """One panel per trait."""
    figure, axes = new_panels(len(shown), _COLUMNS, width=TWO_COLUMNS, height=2.9, title=0.3)
    for ax, (trait, found) in zip(axes, shown.items(), strict=True):
        plot_calibration(found["label"], found["score"], ax, name=trait_name(trait))
        legend = ax.get_legend()
        if legend is not None:  # one for all panels hides nothing
            legend.remove()
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def _draw_forest(
    configs: Sequence[ExperimentConfig], metrics: Sequence[pd.DataFrame]
) -> Figure | None:
    """The forest plot: one run beside its baselines, or several networks.

    None where they cannot be told apart.
    """
    named = "model" if len(metrics) == 1 else "mode"
    tables = [
        table.assign(mode=config.mode) for config, table in zip(configs, metrics, strict=True)
    ]
    whole = pd.concat(tables, ignore_index=True)
    if len(metrics) > 1:
        whole = whole[whole["model"] == NETWORK]
    whole = _told_apart(whole)
    whole["series"] = whole[named]
    is_twice = whole.duplicated(["map_type", "trait", "series"]).any()
    if whole.empty or is_twice or whole["series"].nunique() > len(MARKERS):
        return None
    return plot_forest(whole).get_figure(root=True)


def _told_apart(metrics: pd.DataFrame) -> pd.DataFrame:
    """Of a network with clinical columns, without baselines of one number: there are five marks."""
    if MAPS_ALONE not in set(metrics["model"]):
        return metrics
    return metrics[~metrics["model"].isin(["global mean", "lowest segment"])].copy()


def _reported(folder: Path) -> dict[str, pd.DataFrame]:
    """Trait -> label and score of test patients, where an AUROC is reported."""
    metrics = read_metrics(folder)
    traits = metrics.loc[(metrics["model"] == NETWORK) & metrics["auroc"].notna(), "trait"]
    return {trait: results_of_run(folder, trait) for trait in traits}


def _operating_points(folder: Path) -> pd.DataFrame:
    """Test sensitivity and specificity at thresholds that validation patients chose."""
    rows = []
    for trait, of_test in _reported(folder).items():
        row: dict[str, Any] = {"run": folder.name, "trait": trait_name(trait)}
        of_val = results_of_run(folder, trait, "val")
        if not is_reportable(of_val["label"]):
            n = f"{int((of_val['label'] == 1).sum())} / {int((of_val['label'] == 0).sum())}"
            rows.append(row | {"note": f"no threshold: {n} validation patients are too few"})
            continue
        chosen = choose_thresholds(of_val["label"], of_val["score"])
        for name, threshold in chosen.items():
            found = classify(of_test["label"], of_test["score"], threshold)
            shares = {"sensitivity": found.sensitivity, "specificity": found.specificity}
            rows.append(
                row | {"threshold": name, "at": threshold}
                | {what: interval_text(x.value, x.low, x.high) for what, x in shares.items()}
                | {"n with / without": f"{found.tp + found.fn} / {found.fp + found.tn}"}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _unusual(folder: Path) -> str:
    """How many test studies have maps unlike those of the training."""
    table = read_csv(folder / "scores_test.csv", text=("study_id", "warning", "part"))
    said = table["warning"].astype(str) if "warning" in table else pd.Series(dtype=str)
    n = int(said.str.contains(OUTSIDE, regex=False).sum())
    return f"{folder.name}: {n} of {len(table)}"


def _title(config: ExperimentConfig) -> str:
    title = f"{config.map_type}, {config.mode}"
    return f"{title} (phantom, not patients)" if config.software == PHANTOM else title
