"""The report of one run or several: one HTML page, and the figures about their test studies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.cohort import PHANTOM, RECOVERED, Cohort, Study
from polarnet.config import ExperimentConfig
from polarnet.display import interval_text, p_text, trait_name
from polarnet.evaluation.comparison import (
    CIRCULAR_MAPS,
    DIFFERENCE,
    NETWORK,
    PHANTOM_LABEL,
    PUBLISHED,
    read_metrics,
    results_of_run,
)
from polarnet.evaluation.crossvalidated import FACTS_FILE, load_cross_validation
from polarnet.evaluation.table import evaluate, is_reportable, read_scores, short_note
from polarnet.evaluation.thresholds import choose_thresholds, classify
from polarnet.files import read_csv, read_json
from polarnet.ood import OUTSIDE
from polarnet.plotting.maps import plot_polar_map
from polarnet.plotting.participants import Box, plot_participants
from polarnet.plotting.performance import plot_calibration, plot_forest, plot_roc
from polarnet.plotting.style import MARKERS, SMALL, TWO_COLUMNS, new_panels
from polarnet.report.explanationpage import PAGE_FILE, read_explained
from polarnet.report.methods import PART_NAMES, methods_of_cross_validation, methods_of_run
from polarnet.report.pages import address_of, picture_of, write_page
from polarnet.report.resulttables import condensed, page_table
from polarnet.report.sentences import OUT_OF_FOLD, findings
from polarnet.rundata import (
    PATIENTS,
    STUDIES,
    labels_of_run,
    participants_of_run,
    read_finetuning,
    read_heads,
    trust_words,
)
from polarnet.traits import IMPAIRED_MFR

MODE_WORDS: Final = {
    "frozen": "VGG16 left as it is",
    "finetuned": "VGG16 fine-tuned",
    "scratch": "small network from scratch",
}
"""How a network was trained, in words."""

_COLUMNS: Final = 3
"""Panels in a row of calibration."""

COUNTED: Final = {"test": "test patients", "val": "validation patients (who chose the network)"}
"""What the numbers of a run count, by the part that was scored."""


_PRECISIONS: Final = {"mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class RunResults:
    """What a run folder holds of its results.

    `part` is "test", or "val" where the run was never tested; `metrics` as of
    `compare_with_baselines`, without baselines where there was no test; `reported` gives label and
    score of the patients of that part for each trait with an AUROC.
    """

    folder: Path
    config: ExperimentConfig
    part: str
    metrics: pd.DataFrame
    reported: Mapping[str, pd.DataFrame]


def read_results(folder: str | Path) -> RunResults:
    """The results of a run folder: of its test patients, or else of its validation patients.

    FileNotFoundError: there are neither. ValueError: a table was damaged.
    """
    folder = Path(folder)
    config = ExperimentConfig.load(folder / "config.yaml")
    is_tested = (folder / "metrics.csv").is_file() or not (folder / "scores_val.csv").is_file()
    part = "test" if is_tested else "val"
    metrics = read_metrics(folder) if is_tested else _metrics_of_validation(folder, config)
    is_shown = (metrics["model"] == NETWORK) & metrics["auroc"].notna()
    reported = {t: results_of_run(folder, t, part) for t in metrics.loc[is_shown, "trait"]}
    return RunResults(folder, config, part, metrics, reported)


def _metrics_of_validation(folder: Path, config: ExperimentConfig) -> pd.DataFrame:
    """AUROCs of validation patients, by the network alone."""
    labels = labels_of_run(folder, "val")
    scores = read_scores(folder / "scores_val.csv").loc[labels.index, list(config.traits)]
    kind = "cohort"
    if config.software == PHANTOM:
        kind = PHANTOM_LABEL
    elif RECOVERED in config.software:
        kind = RECOVERED
    scores.attrs = {}  # which would leave out all that the training has seen
    # Where the label came from is not known here: it may be this very map.
    is_circular = [t == IMPAIRED_MFR and config.map_type in CIRCULAR_MAPS for t in config.traits]
    return evaluate(scores, labels).assign(
        data=kind, map_type=config.map_type, model=NETWORK, is_circular=is_circular,
        is_comparator=False, **dict.fromkeys(("val_log_loss", *DIFFERENCE), np.nan),
    )  # fmt: skip


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
    found = [read_results(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    folders, configs = [run.folder for run in found], [run.config for run in found]
    metrics = [run.metrics for run in found]
    counted = " and ".join(dict.fromkeys(COUNTED[run.part] for run in found))
    traits = dict.fromkeys(trait for config in configs for trait in config.traits)
    figures = []
    if examples and cohort is not None:
        name = "Two studies" if len(examples) == 2 else "Studies"
        figures.append((name, _draw_studies([cohort[k] for k in examples])))
    if any(run.reported for run in found):
        figures.append((f"ROC curves, {counted}", _draw_roc(found)))
    for run in found:
        if run.reported:
            text = f"Calibration with 95 % band, as predicted, {COUNTED[run.part]}: "
            text += _name(run.config)
            figures.append((text, _draw_calibration(run.reported)))
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
            (
                _name(run.config),
                findings(
                    run.metrics,
                    counted=COUNTED[run.part],
                    reads_columns=bool(run.config.clinical),
                ),
            )
            for run in found
        ],
        "counted": counted,
        "forest": None if forest is None else picture_of(forest),
        "points": page_table(
            pd.concat(
                [_operating_points(run) for run in found if run.part == "test"] or [pd.DataFrame()]
            ),
            "Sensitivity and specificity of test patients, at thresholds that validation patients "
            "chose [Wilson, 95 %]",
        ),
        "unusual": [_unusual(run) for run in found],
        "participants": _participants(folders),
        "methods": [
            methods_of_run(run.folder, run.config, run.metrics, COUNTED[run.part]) for run in found
        ],
        "runs": [_run_facts(*pair) for pair in zip(folders, configs, strict=True)],
        "columns": [_name(config) for config in configs],
        "rows": [
            (trait_name(trait), [_cell(run.config, run.metrics, trait) for run in found])
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
        "network": f"{_read_words(config)}; {network_words(config)}",
        "findings": findings(found.metrics, counted=OUT_OF_FOLD),
        "methods": methods_of_cross_validation(found),
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
    weights = {None: "random weights", "imagenet": "ImageNet weights"}
    trained = "left as it is" if config.mode == "frozen" else "its last block fine-tuned"
    pooled = "averaged by AHA segment" if config.pooling == "aha" else "averaged over the map"
    block = config.last_block.removeprefix("block")
    return (
        f"VGG16 up to block {block}, {weights.get(config.weights, 'weights from a file')}, "
        f"{trained}, {pooled}, {config.input_size} px"
    )


def scaling_words(config: ExperimentConfig) -> str:
    """How numbers of maps reach the network."""
    if config.scaling == "relative":
        return "each map divided by its brightest pixel"
    return "numbers as measured, not rescaled"


def _read_words(config: ExperimentConfig) -> str:
    """What a network reads: maps, and clinical columns where there are any."""
    columns = f" with {', '.join(config.clinical)}" if config.clinical else ""
    return f"{config.map_type} maps{columns}"


def draw_run_roc(ax: Axes, run: RunResults) -> None:
    """ROC curves of a run, one for each trait with a reported AUROC."""
    for trait, found in run.reported.items():
        plot_roc(found["label"], found["score"], ax, name=trait_name(trait))
    if not run.reported:
        text = "No curve: fewer than 10 patients\nin the smaller class of every trait"
        ax.text(0.5, 0.5, text, ha="center", va="center", fontsize=9)
        ax.axis("off")
    ax.set_title(_title(run.config), fontsize=9)


def _run_facts(folder: Path, config: ExperimentConfig) -> tuple[str, str]:
    """Name of a run, and what was run."""
    text = (
        f"{network_words(config)}, {_read_words(config)}, "
        f"{scaling_words(config)}, "
        f"computed in {_PRECISIONS.get(config.precision, config.precision)}, seed {config.seed}"
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
        (name, interval_text(*gain, digits=3, is_signed=True))
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


def _draw_roc(runs: Sequence[RunResults]) -> Figure:
    """ROC curves of every run, traits with too few patients left out."""
    columns = min(2, len(runs))
    figure, axes = new_panels(len(runs), columns, width=4.6 * columns, height=4.4)
    for ax, run in zip(axes, runs, strict=True):
        draw_run_roc(ax, run)
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
        table.assign(mode=MODE_WORDS[config.mode])
        for config, table in zip(configs, metrics, strict=True)
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


def _operating_points(run: RunResults) -> pd.DataFrame:
    """Test sensitivity and specificity at thresholds that validation patients chose."""
    rows = []
    for trait, of_test in run.reported.items():
        row: dict[str, Any] = {"run": run.folder.name, "trait": trait_name(trait)}
        of_val = results_of_run(run.folder, trait, "val")
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


def _unusual(run: RunResults) -> str:
    """How many scored studies have maps unlike those of the training."""
    path = run.folder / f"scores_{run.part}.csv"
    table = read_csv(path, text=("study_id", "warning", "part"))
    said = table["warning"].astype(str) if "warning" in table else pd.Series(dtype=str)
    n = int(said.str.contains(OUTSIDE, regex=False).sum())
    return f"{run.folder.name}: {n} of {len(table)}"


def _title(config: ExperimentConfig) -> str:
    title = _name(config)
    return f"{title} (phantom, not patients)" if config.software == PHANTOM else title


def _name(config: ExperimentConfig) -> str:
    """The maps and the network of a run, as short as a heading."""
    return f"{config.map_type} maps, {MODE_WORDS[config.mode]}"


def _participants(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Flow and table of the patients of each run; once where several have the same."""
    shown: list[tuple[list[str], pd.DataFrame]] = []
    for folder in folders:
        table = participants_of_run(folder)
        if table is None:
            continue
        same = next((names for names, other in shown if other.equals(table)), None)
        if same is None:
            shown.append(([folder.name], table))
        else:
            same.append(folder.name)
    pages = []
    for names, table in shown:
        printed = participants_table(table)
        notes = ["n (%) of those recorded, or mean (SD); each patient counts with the first study."]
        pages.append(
            {"runs": names if len(shown) > 1 else [], "flow": picture_of(_draw_flow(table)),
             "table": page_table(printed, "Patients by part", notes)}
        )  # fmt: skip
    return pages


def participants_table(table: pd.DataFrame) -> pd.DataFrame:
    """Table 1: one row per variable, one column per part; from the table of `participants`."""
    cells: dict[str, dict[str, str]] = {}
    n_patients = table[table["variable"] == PATIENTS].set_index("part")["n"]
    for row in table.itertuples():
        text = f"{row.n:.0f}"
        if row.variable not in (STUDIES, PATIENTS):
            text = "not recorded"
            if row.n and pd.notna(row.n_with):
                text = f"{row.n_with:.0f} ({100 * row.n_with / row.n:.0f} %)"
            elif row.n:
                text = "one patient"
                if pd.notna(row.sd):
                    text = f"{row.mean:.1f} ({row.sd:.1f})"
            if 0 < row.n < n_patients[row.part]:
                text += f", of {row.n:.0f}"
        name = trait_name(str(row.variable))
        cells.setdefault(name, {"": name})[PART_NAMES.get(row.part, row.part)] = text
    return pd.DataFrame(list(cells.values())).fillna("not recorded")


def _draw_flow(table: pd.DataFrame) -> Figure:
    """Studies, patients, and the parts that they were divided into."""
    n = table.pivot(index="part", columns="variable", values="n")
    studies, patients = int(n[STUDIES].sum()), int(n[PATIENTS].sum())
    later = (f"{studies - patients} later studies", "of the same patients") * (studies > patients)
    parts = [
        Box((PART_NAMES.get(part, part), f"{n.at[part, PATIENTS]:.0f} patients",
             f"{n.at[part, STUDIES]:.0f} studies"))
        for part in dict.fromkeys(table["part"])
    ]  # fmt: skip
    top = [[Box((f"{studies} studies",), later)], [Box((f"{patients} patients",))]]
    return cast(Figure, plot_participants([*top, parts]).figure)
