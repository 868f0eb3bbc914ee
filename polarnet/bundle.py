"""A model to hand on: trained runs with their model card, in one zip that is checked when opened.

Digests find accidents, not forgers: no name of the file's choice is written, and nothing that it
describes is built or run.
"""

import hashlib
import io
import json
import math
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import jinja2
import pandas as pd

from polarnet import __version__, rundata
from polarnet.cohort import PHANTOM, Cohort
from polarnet.config import ExperimentConfig, differing, settings_of
from polarnet.evaluation import Recalibration, choose_thresholds, evaluate, fit_recalibration
from polarnet.evaluation.comparison import is_circular
from polarnet.evaluation.roc import Interval
from polarnet.evaluation.table import first_studies, is_reportable, read_scores
from polarnet.files import new_file, parse_json, read_json, shown, yaml_text
from polarnet.network import Run, load_run
from polarnet.ood import FILE as DISTRIBUTION_FILE
from polarnet.suitability import STATED, check_trait_names

FORMAT: Final = 3  # to be raised when a file can no longer be read by the code before
MOST_MEMBERS: Final = 50

NEEDED: Final = ("config.yaml", "model.keras", rundata.HEADS_FILE)
FILES: Final = (*NEEDED, rundata.SEGMENTS_FILE, DISTRIBUTION_FILE, rundata.PATIENTS_FILE)
"""Files of a run that go along; a run may lack the last three."""

LARGEST: Final = {".keras": 2**30, ".npz": 2**24}
LARGEST_TEXT: Final = 2**22
"""Bytes of a part by its ending, and of any other; VGG16 without its top has 59 MB (our choice)."""

METRICS: Final = ("n_pos", "n_neg", "auroc", "ci_low", "ci_high", "method", "note", "is_circular")
POINTS: Final = ("youden", "sensitive")
LINE: Final = ("intercept", "slope")
"""Columns of results.csv: of the test studies; thresholds and recalibration of the validation."""

_MANIFEST: Final = "manifest.json"
_CARD: Final = "card.md"
_RESULTS: Final = "results.csv"
_PACKAGES: Final = ("tensorflow", "keras", "numpy", "pandas")
_OF_TRAINING: Final = ("polarnet", "tensorflow", "commit")
_SAME: Final = ("train_studies_sha256", "val_studies_sha256")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as it was handed on.

    Attributes
    ----------
    members
        Networks that differ in their seed alone, as `load_run` gives them.
    config
        Settings of the first member.
    metrics
        Index trait; n_pos, n_neg, auroc, ci_low, ci_high, method of the mean score on hold-out
        patients of the cohort of the training. NaN where there were too few.
    recalibration, thresholds
        Trait -> recalibration of the mean score, and "youden" and "sensitive" of the score before
        it (see `choose_thresholds`), fitted on validation patients; lack traits with too few.
    card
        Model card, markdown.
    facts
        The manifest: versions, seeds, numbers of studies, sha256 of all parts.
    """

    members: tuple[Run, ...]
    config: ExperimentConfig
    metrics: pd.DataFrame
    recalibration: Mapping[str, Recalibration]
    thresholds: Mapping[str, Mapping[str, float]]
    card: str
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        kind = "Bundle (phantom, not patients)" if self.facts.get("is_phantom") else "Bundle"
        return (
            f"{kind} of {len(self.members)} {self.config.mode} networks on "
            f"{self.config.map_type} maps: {', '.join(self.config.traits)}"
        )


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
    if not 1 <= len(folders) <= MOST_MEMBERS:
        raise ValueError(f"Give 1 to {MOST_MEMBERS} runs, not {len(folders)}.")
    configs = [rundata.load_run_config(folder) for folder in folders]
    for folder in folders:
        rundata.check_files(folder)
    trainings = [read_json(folder / rundata.ENVIRONMENT_FILE) for folder in folders]
    _check_same(folders, configs, trainings)
    config = configs[0]
    cohort = cohort.with_traits(config.traits)
    of_val, of_test = (_mean_scores(folders, f"scores_{part}.csv") for part in ("val", "test"))
    _check_labels(of_val, cohort, trainings[0])
    results = evaluate(of_test, cohort.traits, cohort.patients).set_index("trait")
    results["is_circular"] = [is_circular(cohort, config.map_type, t) for t in results.index]
    results = results[list(METRICS)].join(_fitted(of_val, cohort))
    facts: dict[str, Any] = {
        "format": FORMAT,
        "polarnet": __version__,
        "versions": {name: version(name) for name in _PACKAGES},
        "trained_with": {name: trainings[0].get(name) for name in _OF_TRAINING},
        "n_members": len(folders),
        "seeds": [one.seed for one in configs],
        "traits": list(config.traits),
        "is_phantom": PHANTOM in (config.software, cohort.software),
        "n_train": trainings[0].get("n_train"),
        "n_val": trainings[0].get("n_val"),
        "n_test": len(first_studies(of_test, cohort.traits, cohort.patients)[0]),
        "weights": "random" if config.weights is None else _file_name(config.weights),
        "trust": [
            "no VGG16"
            if config.mode == "scratch"
            else rundata.trust_words(
                rundata.read_heads(folder, config.traits), rundata.read_finetuning(folder)
            )
            for folder in folders
        ],
    }
    parts = {
        _CARD: _card(config, facts, results).encode("utf-8"),
        _RESULTS: results.to_csv(lineterminator="\n").encode("utf-8"),
    }
    for k, (folder, one) in enumerate(zip(folders, configs, strict=True)):
        there = [file for file in FILES if (folder / file).is_file()]
        parts |= {_name(k, file): (folder / file).read_bytes() for file in there}
        # The path of a weights file may name a person.
        told = replace(one, weights=None if one.weights is None else _file_name(one.weights))
        parts[_name(k, "config.yaml")] = yaml_text(settings_of(told)).encode("utf-8")
    facts["sha256"] = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    manifest = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with new_file(out) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, content in {_MANIFEST: manifest.encode(), **parts}.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o600 << 16  # the same on every system
            archive.writestr(entry, content)
    return Path(out)


def load_bundle(path: str | Path) -> Bundle:
    """Open a file made by `write_bundle`.

    The names, sizes and digests of its parts are checked first. Models are made from their
    settings; nothing that a file describes is built or run.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is no bundle, changed, cut short, of another format, or holds what no bundle
        does.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No model bundle {path}.")
    try:
        facts, parts = _read(path)
        members = tuple(_member(parts, k) for k in range(facts["n_members"]))
        config = members[0].config
        if odd := differing([member.config for member in members]):
            raise ValueError(f"its members differ in {odd}")
        check_trait_names(config.traits)
        if facts.get("traits") != list(config.traits) or type(facts.get("is_phantom")) is not bool:
            raise ValueError("its manifest tells of another model than its members")
        results = _results(parts[_RESULTS], config.traits)
        card = parts[_CARD].decode("utf-8")
    except (
        ValueError, LookupError, TypeError, AttributeError, OSError, ArithmeticError, EOFError,
        RuntimeError, MemoryError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(
            f"{path} is no whole model bundle: {reason}. Get the file again."
        ) from None
    lines, points = (results[list(names)].dropna() for names in (LINE, POINTS))
    return Bundle(
        members,
        config,
        results[list(METRICS)],
        {str(trait): Recalibration(*map(float, row)) for trait, row in lines.iterrows()},
        {str(trait): dict(row) for trait, row in points.iterrows()},
        card,
        facts,
    )


# === Reading ====================================================================================


def _name(member: int, file: str) -> str:
    """Where a file of a run lies in the zip."""
    return f"member{member:02d}/{file}"


def _read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and parts of a file, once their names, sizes and digests are known to be right."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        _check_entries(entries, path.stat().st_size)
        facts = parse_json(archive.read(_MANIFEST))
        if facts.get("format") != FORMAT:
            raise ValueError(
                f"it is of format {shown(facts.get('format'))}, and this polarnet reads {FORMAT}; "
                "install the version of polarnet that wrote it"
            )
        n, digests = facts.get("n_members"), facts.get("sha256")
        if type(n) is not int or not 1 <= n <= MOST_MEMBERS or not isinstance(digests, dict):
            raise ValueError(f"its manifest says that it has {shown(n)} members")
        there = {entry.filename for entry in entries} - {_MANIFEST}
        needed = {_CARD, _RESULTS} | {_name(k, file) for k in range(n) for file in NEEDED}
        known = needed | {_name(k, file) for k in range(n) for file in FILES}
        if odd := sorted((there - known) | (needed - there) | (there ^ set(digests))):
            raise ValueError(f"parts are missing or too many ({', '.join(odd)[:200]})")
        parts = {name: archive.read(name) for name in sorted(there)}
    if odd := [k for k, part in parts.items() if hashlib.sha256(part).hexdigest() != digests[k]]:
        raise ValueError(f"{odd[0]} is not what the manifest says")
    return facts, parts


def _check_entries(entries: Sequence[zipfile.ZipInfo], n_bytes: int) -> None:
    """Refuse names and sizes that no bundle has, by the directory of the zip alone."""
    known = {_MANIFEST, _CARD, _RESULTS}
    known |= {_name(k, file) for k in range(MOST_MEMBERS) for file in FILES}
    names = [entry.filename for entry in entries]
    if odd := [name for name in names if name not in known]:
        raise ValueError(f"a part has the name {odd[0][:60]!r}")
    if len(set(names)) < len(names) or _MANIFEST not in names:
        raise ValueError("a part comes twice, or there is no manifest")
    for entry in entries:
        largest = LARGEST.get(Path(entry.filename).suffix, LARGEST_TEXT)
        is_plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
        if not is_plain or entry.file_size != entry.compress_size or entry.file_size > largest:
            raise ValueError(f"{entry.filename} is packed, or has more than {largest >> 20} MB")
    if sum(entry.file_size for entry in entries) > n_bytes:
        raise ValueError("its parts overlap")


def _member(parts: Mapping[str, bytes], k: int) -> Run:
    """One member, by way of a folder whose files we name."""
    with tempfile.TemporaryDirectory(prefix="polarnet_") as folder:
        for file in FILES:
            if (content := parts.get(_name(k, file))) is not None:
                (Path(folder) / file).write_bytes(content)
        try:
            return load_run(folder)
        except (ValueError, OSError, KeyError, TypeError) as error:
            reason = str(error).replace(folder, f"member {k + 1}")
            raise ValueError(reason.removesuffix(" Copy the run again.").rstrip(".")) from None


def _results(content: bytes, traits: Sequence[str]) -> pd.DataFrame:
    """The table of results, one row per trait, NaN where there is no number."""
    numbers = ("auroc", "ci_low", "ci_high", *POINTS, *LINE)
    table = pd.read_csv(
        io.BytesIO(content), index_col="trait", keep_default_na=False,
        dtype={"trait": str, "n_pos": int, "n_neg": int, "method": str, "note": str,
               "is_circular": bool, **dict.fromkeys(numbers, float)},
        na_values=dict.fromkeys(numbers, ""),
    )  # fmt: skip
    if list(table.index) != list(traits) or list(table) != [*METRICS, *POINTS, *LINE]:
        raise ValueError(f"{_RESULTS} has other rows or columns than ours")
    return table


# === Writing ====================================================================================


def _check_same(
    folders: Sequence[Path], configs: Sequence[ExperimentConfig], trainings: Sequence[Mapping]
) -> None:
    """Refuse runs that are no ensemble."""
    if odd := differing(configs):
        raise ValueError(f"The runs differ in {odd}; members of a bundle differ in seed alone.")
    seeds = [config.seed for config in configs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Two runs have the same seed ({seeds}): they are the same member.")
    for folder, facts in zip(folders, trainings, strict=True):
        if any(facts.get(name) != trainings[0].get(name) for name in _SAME):
            raise ValueError(
                f"{folder} and {folders[0]} were trained on different studies: one would be "
                "tested on patients of the other. Give the cohort a column split, train again."
            )


def _check_labels(of_val: pd.DataFrame, cohort: Cohort, facts: Mapping[str, Any]) -> None:
    """Refuse a cohort that only happens to have the same study ids."""
    rows = cohort.patients.index.get_indexer(of_val.index)
    is_same = (rows >= 0).all() and (
        rundata.studies_digest(cohort.select(rows)) == facts.get("val_studies_sha256")
    )
    if not is_same:
        raise ValueError(
            "The validation studies of the runs are not in this cohort, or have other labels. Give "
            "the cohort that the runs were trained on, or train again."
        )


def _mean_scores(folders: Sequence[Path], name: str) -> pd.DataFrame:
    """Mean over the members of one file of scores."""
    for folder in folders:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} has no {name}; make the run with `polarnet train`, or with "
                "run_experiment in Python."
            )
    tables = [read_scores(folder / name) for folder in folders]
    for folder, table in zip(folders, tables, strict=True):
        if not table.index.equals(tables[0].index):
            raise ValueError(f"{name} of {folder} and of {folders[0]} are of different studies.")
    return sum(tables[1:], tables[0]) / len(tables)


def _fitted(scores: pd.DataFrame, cohort: Cohort) -> pd.DataFrame:
    """Thresholds and recalibration of each trait that enough validation patients have recorded."""
    rows, _ = first_studies(scores, cohort.traits, cohort.patients)
    found = pd.DataFrame(
        math.nan, index=pd.Index(scores.columns, name="trait"), columns=[*POINTS, *LINE]
    )
    for trait in found.index:
        labels = cohort.traits.loc[rows, trait].dropna()
        values = scores.loc[labels.index, trait]
        if not is_reportable(labels):
            continue
        points = choose_thresholds(labels, values)
        found.loc[trait, list(POINTS)] = [points[name] for name in POINTS]
        try:
            line = fit_recalibration(labels, values)
        except ValueError:  # scores that are all equal or separate the classes
            continue
        if line.slope > 0:  # otherwise it would turn the ranking round
            found.loc[trait, list(LINE)] = line.intercept, line.slope
    return found


def _file_name(path: str) -> str:
    """Last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _card(config: ExperimentConfig, facts: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The model card, in Markdown."""
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )  # Markdown: text that anybody typed goes through `cell`
    environment.filters["cell"] = _cell
    text = resources.files("polarnet").joinpath(_CARD).read_text(encoding="utf-8")
    rows = results.reset_index().to_dict("records")
    for row in rows:
        interval = Interval(*(row[name] for name in ("auroc", "ci_low", "ci_high", "method")))
        few = row["note"] or "not reported: too few patients"
        row["area"] = few if math.isnan(row["auroc"]) else repr(interval)
    stated = {name.replace("_", " "): getattr(config, name) or "not stated" for name in STATED}
    return environment.from_string(text).render(
        config=config, facts=facts, rows=rows, stated=stated
    )


def _cell(text: str) -> str:
    """Text that neither breaks a table nor becomes markup where the card is shown as a page."""
    flat = " ".join(text.split())
    for sign in "\\`*_[]<>|#&":
        flat = flat.replace(sign, f"&#{ord(sign)};" if sign in "<>&" else f"\\{sign}")
    return flat
