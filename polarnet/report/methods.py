"""Methods and results as paragraphs to paste into a manuscript; the words are in methods.txt."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.clinical import CLINICAL_ALONE, MAPS_ALONE
from polarnet.cohort import PHANTOM
from polarnet.config import ExperimentConfig
from polarnet.display import trait_name
from polarnet.evaluation.comparison import NETWORK, PHANTOM_LABEL
from polarnet.evaluation.crossvalidated import FACTS_FILE, CrossValidation
from polarnet.evaluation.table import EXPLORATORY_BELOW, SUPPRESSED_BELOW
from polarnet.files import read_json
from polarnet.report.pages import render_text
from polarnet.report.sentences import OUT_OF_FOLD, findings
from polarnet.rundata import (
    ENVIRONMENT_FILE,
    KEPT,
    NO_SHARE,
    NOT_KEPT,
    PATIENTS,
    STUDIES,
    participants_of_run,
    read_finetuning,
    read_heads,
)

PART_NAMES: Final = {"train": "training", "val": "validation", "test": "test", "all": "all"}

_DELONG: Final = (
    "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated "
    "receiver operating characteristic curves: a nonparametric approach. Biometrics "
    "1988;44:837-845. doi:10.2307/2531595"
)
_NADEAU: Final = (
    "Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning "
    "2003;52:239-281. doi:10.1023/A:1024068626366"
)
_FINETUNED: Final = {
    KEPT: "It was kept, because the validation log-loss fell by more than its standard error.",
    NOT_KEPT: "It was not kept, because the validation log-loss did not fall by more than its "
    "standard error.",
    NO_SHARE: "It was left out, because no trait gave the features of VGG16 a share.",
}
_BASELINES: Final = {
    MAPS_ALONE: "maps alone (the same network without the clinical columns)",
    CLINICAL_ALONE: "clinical columns alone (ridge-penalised logistic regression)",
    "17 segments": "17 segments (ridge-penalised logistic regression)",
    "wide": "wide (the same with the lowest, highest and mean segment)",
}
"""What a baseline is, where its name does not say it."""

_OF_COHORT: Final = ("unit", "tracer", "stress_agent", "software")
_LIBRARIES: Final = {"tensorflow": "TensorFlow", "keras": "Keras", "numpy": "NumPy",
                     "scipy": "SciPy", "scikit-learn": "scikit-learn"}  # fmt: skip


def methods_of_run(
    folder: Path, config: ExperimentConfig, metrics: pd.DataFrame, counted: str
) -> str:
    """Methods and results of a run folder, from what lies in it.

    `metrics` are those of `compare_with_baselines`, and `counted` says whose they are, such as
    "test patients". Every number is one of the folder, and no sentence claims more than an
    interval allows.
    """
    tuned = ""
    if config.mode == "finetuned":
        tuned = f"{_finetuning(config)} {_FINETUNED.get(read_finetuning(folder), '')}"
    shares = ""
    if config.mode != "scratch":
        found = read_heads(folder, config.traits)["share"]
        shares = ", ".join(f"{trait_name(trait)} {share:g}" for trait, share in found.items())
    return _paragraphs(
        folder, config, metrics,
        counted=counted,
        parts="The studies were divided by patient into parts that share nobody",
        chosen="for each trait by cross-validation of the log-loss (at most 5 folds) among "
        "training patients",
        shares=shares,
        finetuning=tuned.strip(),
        statistics=(
            f"Discrimination was measured in {counted}, by the area under the receiver operating "
            "characteristic curve (AUROC) with its 95 % interval by the method of DeLong [4] on "
            "the logit scale; intervals are not adjusted for the number of traits."
        ),
        differences="paired (DeLong); the one that is named has the lowest validation log-loss",
        reference=_DELONG,
    )  # fmt: skip


def methods_of_cross_validation(found: CrossValidation) -> str:
    """The same of a finished cross-validation."""
    facts = read_json(found.folder / FACTS_FILE)
    origin = {name: facts["data"][name.replace("_", " ")] for name in _OF_COHORT}
    config, tuned = replace(found.config, **origin), ""  # those of version 0.2 are not resolved
    if config.mode == "finetuned":
        tuned = (
            f"{_finetuning(config)} In each fold it was kept only if the validation log-loss fell "
            "by more than its standard error."
        )
    return _paragraphs(
        found.folder, config, found.metrics,
        counted=OUT_OF_FOLD,
        parts=(
            f"In {facts['repeats']} repeats the patients were divided into {facts['folds']} folds, "
            "balanced on the traits, with all studies of a patient in one fold"
        ),
        chosen="for each trait by cross-validation of the log-loss inside the training patients of "
        "each fold",
        shares="",
        finetuning=tuned,
        statistics=(
            "Each fold was scored by a network that was trained on the others, which also chose "
            "everything that was chosen. The area under the receiver operating characteristic "
            "curve (AUROC) is the mean over folds and repeats, with the 95 % interval of the "
            "corrected resampled t statistic on the logit scale [4]; intervals are not adjusted "
            "for the number of traits."
        ),
        differences="paired by fold; the one that is named has the highest AUROC on the same "
        "patients, which favours it",
        reference=_NADEAU,
    )  # fmt: skip


def methods_of_project(facts: Mapping[str, Any], results: Sequence[str]) -> str:
    """The same of a project: `facts` of its folder as the project page has them, and findings."""
    return render_text(
        "methods_project", results=results, reference=_DELONG, suppressed=SUPPRESSED_BELOW,
        exploratory=EXPLORATORY_BELOW, **facts,
    )  # fmt: skip


def _paragraphs(
    folder: Path, config: ExperimentConfig, metrics: pd.DataFrame, *, parts: str, counted: str,
    statistics: str, differences: str, **words: Any,
) -> str:  # fmt: skip
    table = participants_of_run(folder)
    others = list(dict.fromkeys(metrics.loc[metrics["model"] != NETWORK, "model"]))
    if others:
        named = ", ".join(_BASELINES.get(name, name) for name in others)
        statistics += f" Baselines: {named}. Differences to them are {differences}."
    statistics += (
        f" An AUROC is not reported with fewer than {SUPPRESSED_BELOW} patients in a class, and is "
        f"called exploratory with fewer than {EXPLORATORY_BELOW}."
    )
    maps = "rest, stress and reserve" if config.map_type == "combined" else config.map_type
    return render_text(
        "methods",
        config=config,
        is_phantom=config.software == PHANTOM or PHANTOM_LABEL in set(metrics["data"]),
        maps=maps,
        unit={"reserve": "no unit", "combined": f"{config.unit}, reserve without unit"}.get(
            config.map_type, config.unit
        ),
        scaling=_scaling(config),
        participants="" if table is None else f"{_counts(table)} {parts}{_by_part(table)}.",
        labels=[] if table is None else _labels(table, config.traits),
        trunk=_trunk(config),
        training=_training(config),
        statistics=statistics,
        software=_software(folder),
        results=findings(metrics, counted=counted, reads_columns=bool(config.clinical)),
        **words,
    )


def _counts(table: pd.DataFrame) -> str:
    n = table.groupby("variable")["n"].sum()
    return f"{n[STUDIES]:.0f} studies of {n[PATIENTS]:.0f} patients were included."


def _by_part(table: pd.DataFrame) -> str:
    """Patients of each part, where there are several."""
    n = table[table["variable"] == PATIENTS].set_index("part")["n"]
    if len(n) < 2:
        return ""
    return ": " + ", ".join(
        f"{PART_NAMES.get(part, part)} {count:.0f}" for part, count in n.items()
    )


def _labels(table: pd.DataFrame, traits: Sequence[str]) -> list[str]:
    """For each trait, who had it among those with a label."""
    told = []
    for trait in traits:
        rows = table[table["variable"] == trait]
        n, n_with = rows["n"].sum(), rows["n_with"].sum()
        name = trait_name(trait)
        told.append(f"{name[0].upper()}{name[1:]}: {n_with:.0f} of {n:.0f} patients.")
    return told


def _scaling(config: ExperimentConfig) -> str:
    if config.scaling == "relative":
        return "divided by the brightest pixel of each map"
    if config.window is None:
        return "scaled by the usual window of their unit"
    ends = ", ".join(
        f"{low:g} to {high:g}" + ("" if name == "reserve" else f" {config.unit}")
        for name, (low, high) in zip(config.map_types, config.windows, strict=True)
    )
    return f"scaled from {ends}"


def _finetuning(config: ExperimentConfig) -> str:
    return (
        f"Then the last block was fine-tuned (learning rate {config.finetune_learning_rate:g}, "
        f"at most {config.finetune_epochs} epochs, stopped after {config.finetune_patience} "
        "without a lower validation loss)."
    )


def _training(config: ExperimentConfig) -> str:
    """How the stage was trained that every network of this kind has."""
    what = "The heads began at the fitted regressions and were"
    length = f"{config.epochs} epochs"
    if config.mode == "scratch":
        what = "The network was"
        length = (
            f"at most {config.finetune_epochs} epochs, stopped after {config.finetune_patience} "
            "without a lower validation loss"
        )
    return (
        f"{what} trained with Adam (learning rate {config.learning_rate:g}, {length}, batches of "
        f"{config.batch_size}{', maps changed slightly' if config.augment else ''}); "
        f"seed {config.seed}."
    )


def _trunk(config: ExperimentConfig) -> str:
    weights = {None: "random weights", "imagenet": "weights trained on ImageNet"}
    block = config.last_block.removeprefix("block")
    blocks = "block" if block == "1" else f"{block} blocks"
    return (
        f"The maps passed the first {blocks} of VGG16 "
        f"({weights.get(config.weights, 'weights from a file')}"
        f"{', left as they were' if config.mode == 'frozen' else ''})"
    )


def _software(folder: Path) -> str:
    path = folder / ENVIRONMENT_FILE
    if not path.is_file():
        return "polarnet."
    facts: Mapping[str, Any] = read_json(path)
    commit = f" (commit {facts['commit'][:7]})" if facts.get("commit") else ""
    others = ", ".join(f"{name} {facts[key]}" for key, name in _LIBRARIES.items() if key in facts)
    precision = {"mixed_bfloat16": "bfloat16 in the trunk"}.get(str(facts["precision"]), "float32")
    return f"polarnet {facts['polarnet']}{commit}, Python {facts['python']}, {others}; {precision}."
