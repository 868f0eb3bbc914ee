"""Several trained runs become one file to hand on."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet import __version__
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig, load_run_config
from polarnet.evaluation import choose_thresholds, evaluate, fit_recalibration
from polarnet.evaluation.comparison import is_circular
from polarnet.evaluation.table import first_studies, is_reportable, read_scores
from polarnet.familiarity import FILE as FAMILIARITY
from polarnet.files import read_json
from polarnet.rundata import (
    HEADS_FILE,
    PATIENTS_FILE,
    SEGMENTS_FILE,
    check_files,
    read_finetuning,
    read_heads,
    studies_digest,
    trust_words,
)
from polarnet.writers.card import model_card
from polarnet.writers.container import write_sealed

CARD: Final = "card.md"

FILES: Final = {
    "model.keras": "member{:02d}.keras",
    "config.yaml": "member{:02d}.yaml",
    HEADS_FILE: "member{:02d}_heads.csv",
    SEGMENTS_FILE: "member{:02d}_segments.csv",
    FAMILIARITY: "member{:02d}_familiarity.npz",
    PATIENTS_FILE: "member{:02d}_patients.json",
}
"""Files of a run folder -> their names in a bundle."""

MOST_MEMBERS: Final = 50

METRICS: Final = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "method", "note", "is_circular")

_PACKAGES: Final = ("tensorflow", "keras", "numpy", "pandas")
_SAME: Final = ("train_studies_sha256", "val_studies_sha256")


def write_bundle(runs: str | Path | Sequence[str | Path], cohort: Cohort, out: str | Path) -> Path:
    """Write one run, or several that differ in their seed alone, as one file.

    Parameters
    ----------
    runs
        Run folders with scores_val.csv and scores_test.csv, as written by `polarnet train` or
        `run_experiment`.
    cohort
        Labels of the validation and test studies. On the validation patients, thresholds and a
        logistic recalibration of the mean score are fitted; the test patients give its AUROC.
        Of several studies of a patient the first counts.
    out
        The file; replaced if it exists. Equal input gives equal bytes.

    Raises
    ------
    FileNotFoundError: a run lacks a file.
    ValueError: the runs differ in more than their seed, were trained or tested on different
        studies, or a scored study is not in the cohort.
    """
    folders = [Path(runs)] if isinstance(runs, str | Path) else [Path(run) for run in runs]
    configs = [load_run_config(folder) for folder in folders]
    for folder in folders:
        check_files(folder)
    facts_of = [_environment(folder) for folder in folders]
    _check_same(folders, configs, facts_of)
    config = configs[0]
    cohort = cohort.with_traits(config.traits)
    _check_labels(folders[0], cohort, facts_of[0])
    of_val = _mean_scores(folders, "scores_val.csv")
    of_test = _mean_scores(folders, "scores_test.csv")
    table = evaluate(of_test, cohort.traits, cohort.patients).set_index("trait")
    table["is_circular"] = [is_circular(cohort, config.map_type, trait) for trait in table.index]
    tested = first_studies(of_test, cohort.traits, cohort.patients)[0]
    thresholds, recalibration, n_fitted = _fit(of_val, cohort)
    facts: dict[str, Any] = {
        "polarnet": __version__,
        "versions": {name: version(name) for name in _PACKAGES},
        "trained_with": [
            {name: found.get(name) for name in
             ("polarnet", "tensorflow", "keras", "commit", "precision", "model_sha256")}
            for found in facts_of
        ],
        "n_members": len(folders),
        "seeds": [one.seed for one in configs],
        "traits": list(config.traits),
        "is_phantom": PHANTOM in (config.software, cohort.software),
        "n_train": facts_of[0].get("n_train"),
        "n_val": facts_of[0].get("n_val"),
        "n_test": len(tested),
        "weights": _weights(config),
        "trust": [
            "no VGG16"
            if one.mode == "scratch"
            else trust_words(read_heads(folder, one.traits), read_finetuning(folder))
            for folder, one in zip(folders, configs, strict=True)
        ],
        "metrics": {
            trait: {name: _plain(table.loc[trait, name]) for name in METRICS}
            for trait in config.traits
        },
        "thresholds": thresholds,
        "recalibration": recalibration,
        "n_fitted": n_fitted,
    }  # fmt: skip
    parts = {CARD: model_card(config, facts).encode("utf-8")}
    for k, (folder, one) in enumerate(zip(folders, configs, strict=True)):
        for file, name in FILES.items():
            if file == "config.yaml":
                parts[name.format(k)] = _config_text(one)
            elif (folder / file).is_file():
                parts[name.format(k)] = (folder / file).read_bytes()
    write_sealed(out, facts, parts)
    return Path(out)


def check_members(configs: Sequence[ExperimentConfig]) -> str:
    """Which settings differ between members, seeds apart; empty where none does."""
    first = replace(configs[0], seed=0)
    for config in configs[1:]:
        other = replace(config, seed=0)
        odd = [name for name in vars(first) if getattr(first, name) != getattr(other, name)]
        if odd:
            return ", ".join(odd)
    return ""


def _check_same(
    folders: Sequence[Path], configs: Sequence[ExperimentConfig], facts_of: Sequence[Mapping]
) -> None:
    """Refuse runs that are no ensemble."""
    if not folders or len(folders) > MOST_MEMBERS:
        raise ValueError(f"Give 1 to {MOST_MEMBERS} runs, not {len(folders)}.")
    if odd := check_members(configs):
        raise ValueError(f"The runs differ in {odd}; members of a bundle differ in seed alone.")
    seeds = [config.seed for config in configs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Two runs have the same seed ({seeds}): they are the same member.")
    for folder, facts in zip(folders, facts_of, strict=True):
        if any(facts.get(name) != facts_of[0].get(name) for name in _SAME):
            raise ValueError(
                f"{folder} and {folders[0]} were trained on different studies: one would be "
                "tested on patients of the other. Give the cohort a column split, train again."
            )


def _check_labels(folder: Path, cohort: Cohort, facts: Mapping[str, Any]) -> None:
    """Refuse a cohort that only happens to have the same study ids."""
    path = folder / "scores_val.csv"
    if not path.is_file():
        return  # told where the scores are read
    ids = read_scores(path).index
    if lacking := [study for study in ids if study not in cohort.patients.index]:
        raise ValueError(
            f"{len(lacking)} validation studies of {folder} are not in the cohort. Give the cohort "
            "that the run was trained on."
        )
    validation = cohort.select(cohort.patients.index.get_indexer(ids))
    if studies_digest(validation) != facts.get("val_studies_sha256"):
        raise ValueError(
            f"The validation studies of {folder} have other labels in this cohort than in its "
            "training. Give the cohort that the run was trained on, or train again."
        )


def _environment(folder: Path) -> dict[str, Any]:
    path = folder / "environment.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a whole run folder: {path.name} is missing.")
    return read_json(path)


def _mean_scores(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """Mean over the members of one file of scores."""
    tables = []
    for folder in folders:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}; make the run with `polarnet train`, or with "
                "run_experiment in Python."
            )
        tables.append(read_scores(folder / name))
        if not tables[-1].index.equals(tables[0].index):
            raise ValueError(f"{name} of {folder} and of {folders[0]} are of different studies.")
    return sum(tables[1:], tables[0]) / len(tables)


def _fit(
    scores: pd.DataFrame, cohort: Cohort
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]], dict[str, int]]:
    """Thresholds and recalibration of each trait that enough validation patients have recorded."""
    rows, _ = first_studies(scores, cohort.traits, cohort.patients)
    thresholds, recalibration, n_fitted = {}, {}, {}
    for trait in scores:
        if trait not in cohort.traits:
            continue
        labels = cohort.traits.loc[rows, trait].dropna()
        values = scores.loc[labels.index, trait]
        if not is_reportable(labels):
            continue
        n_fitted[str(trait)] = len(labels)
        thresholds[str(trait)] = choose_thresholds(labels, values)
        try:
            found = fit_recalibration(labels, values)
        except ValueError:  # scores that are all equal or separate the classes
            continue
        if found.slope > 0:  # otherwise it would turn the ranking round
            recalibration[str(trait)] = {"intercept": found.intercept, "slope": found.slope}
    return thresholds, recalibration, n_fitted


def _config_text(config: ExperimentConfig) -> bytes:
    """The settings, without the path of a weights file, which may name a person."""
    if config.weights not in (None, "imagenet"):
        config = replace(config, weights=_file_name(str(config.weights)))
    with tempfile.TemporaryDirectory() as folder:
        config.save(Path(folder) / "config.yaml")
        return (Path(folder) / "config.yaml").read_bytes()


def _weights(config: ExperimentConfig) -> str:
    """Where the trunk's first weights came from."""
    if config.weights is None:
        return "random"
    if config.weights == "imagenet":
        return "ImageNet"
    return f"file {_file_name(config.weights)}"


def _file_name(path: str) -> str:
    """Last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _plain(value: Any) -> Any:
    """A cell as JSON has it; None where there is no number."""
    if isinstance(value, str):
        return value
    return None if pd.isna(value) else float(value) if isinstance(value, float) else int(value)
