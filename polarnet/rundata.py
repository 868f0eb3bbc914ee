"""The facts of a run folder: settings, heads, digests of its data, patients without ids."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.clinical import clinical_columns
from polarnet.cohort import Cohort, map_digest
from polarnet.config import LARGEST_SHARE, ExperimentConfig, settings_of
from polarnet.display import trait_name
from polarnet.files import read_csv, read_json, write_csv, write_json
from polarnet.ids import listing, normal_ids

ENVIRONMENT_FILE: Final = "environment.json"
PATIENTS_FILE: Final = "patients.json"
HEADS_FILE: Final = "heads.csv"
SEGMENTS_FILE: Final = "training_segments.csv"
LABELS_FILE: Final = "labels.csv"
PARTICIPANTS_FILE: Final = "participants.csv"
DIGESTED: Final = ("model.keras", HEADS_FILE, SEGMENTS_FILE, "familiarity.npz", PATIENTS_FILE)
"""Files of a run that decide its scores and what is said of them."""

PART_COLUMN: Final = "part"
"""Column of a scores file that is no trait: train, val, test, new, or empty where unknown."""

PARTS: Final = ("train", "val", "test")
"""Of a run's own patients. One that is in two of them belongs to the first."""

STUDIES: Final = "studies"
PATIENTS: Final = "patients"
"""Variables of the table of participants that are counts alone."""

TEST: Final = "test"
NEW: Final = "new"  # part of a patient whom the run has never seen

# What became of fine-tuning. Without a share of the trunk, nothing would reach its weights.
KEPT: Final = "kept"
NOT_KEPT: Final = "not kept"
NO_SHARE: Final = "no share of the trunk"

GROUPS: Final = {
    "logit_bullseye": "bullseye",
    "logit_trunk": "trunk",
    "logit_clinical": "clinical columns",
}
"""Columns of heads.csv, of a run with clinical columns: what each group of features has of the
variance of the logit over training studies, which is its covariance with the logit over the
variance of the logit. They add up to 1; one below 0 works against the others."""

ALL: Final = "all"  # group of all training studies; the others are `group_without(trait)`

_LARGEST: Final = 2**22  # bytes of a table of segments; ours have 0.2 kB a row
_HIGHEST: Final = 1e6  # mL/min/g, percent or without unit
_SEGMENTS: Final = [str(segment) for segment in range(1, 18)]
_DIGITS: Final = 32  # hexadecimal digits of a digest that are kept: 128 bits


@dataclass(frozen=True, eq=False)
class Seen:
    """Patients and maps of a run, by digests that differ from run to run: nobody is followed."""

    salt: str
    map_types: tuple[str, ...]  # whose pixels are known
    part_of: Mapping[str, str]  # digest of a patient id or a map -> train, val or test


# === Settings ===


def load_run_config(folder: str | Path) -> ExperimentConfig:
    """The resolved settings of a finished run.

    FileNotFoundError: the folder lacks config.yaml, model.keras or heads.csv. ValueError: a setting
    was edited since the training, or the run is of version 0.1.
    """
    folder = Path(folder)
    if folder.is_file():
        raise FileNotFoundError(f"{folder} is a file. Give the run folder that it lies in.")
    if not folder.is_dir():
        raise FileNotFoundError(f"No run folder {folder}. Is its name spelt right?")
    for name in ("config.yaml", "model.keras", HEADS_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} is not a whole run folder: {name} is missing. Train again with "
                "`polarnet train`, or copy the folder with all its files."
            )
        if name == "config.yaml":  # refuses version 0.1, whose runs have no heads.csv
            config = ExperimentConfig.load(folder / name)
    kept, here = noted(folder, "settings"), settings_of(config)
    edited = [name for name in here if name in kept and kept[name] != here[name]]
    if "weights" in edited and not {kept["weights"], here["weights"]} & {None, "imagenet"}:
        edited.remove("weights")  # the file may have moved: nothing is read from it any more
    if edited:
        verb = "was" if len(edited) == 1 else "were"
        raise ValueError(
            f"{folder / 'config.yaml'}: {', '.join(edited)} {verb} edited since training, and "
            "scores would change. Put back what environment.json says, or train anew."
        )
    return config


# === Heads, and what the training studies looked like ===


def read_heads(folder: Path, traits: Sequence[str]) -> pd.DataFrame:
    """How the heads of a run were chosen, index trait: see `Run.heads`. ValueError: of others."""
    path = folder / HEADS_FILE
    table = read_csv(path, text=("trait",))
    if not {"trait", "share"} <= set(table) or list(table["trait"]) != list(traits):
        raise ValueError(f"{path} is that of another run. Copy the run again.")
    shares = table["share"]
    if not (pd.api.types.is_numeric_dtype(shares) and shares.between(0, LARGEST_SHARE).all()):
        raise ValueError(f"{path} has a share that is no share of the trunk. Copy the run again.")
    return table.set_index("trait")


def training_segments(cohort: Cohort, config: ExperimentConfig) -> pd.DataFrame:
    """Mean of each AHA segment over the training studies, and over those without each trait.

    Index (map_type, group), columns "1" to "17", in the unit of the maps.
    """
    rows = {}
    for map_type in config.map_types:
        means = cohort.segment_means(map_type)
        rows[map_type, ALL] = means.mean(axis=0)
        for trait in config.traits:
            is_without = (cohort.traits[trait] == 0).to_numpy()
            rows[map_type, group_without(trait)] = means[is_without].mean(axis=0)
    index = pd.MultiIndex.from_tuples(list(rows), names=["map_type", "group"])
    return pd.DataFrame(np.stack(list(rows.values())), index, _SEGMENTS)


def group_without(trait: str) -> str:
    """Name of the training studies that do not have a trait."""
    return f"no {trait}"


def write_segments(segments: pd.DataFrame, folder: Path) -> None:
    """Write the table of `training_segments` into a run folder."""
    write_csv(segments.reset_index(), folder / SEGMENTS_FILE, float_format="%.6g")


def read_segments(folder: Path, config: ExperimentConfig) -> pd.DataFrame | None:
    """The table of a run folder, or None; ValueError: it is damaged, or that of another run."""
    path = folder / SEGMENTS_FILE
    if not path.is_file():
        return None
    groups = [ALL, *map(group_without, config.traits)]
    expected = [(map_type, group) for map_type in config.map_types for group in groups]
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("too large")
        table = read_csv(path, text=("map_type", "group")).set_index(["map_type", "group"])
        if sorted(table.index) != sorted(expected) or list(table) != _SEGMENTS:
            raise ValueError("other rows or columns")
        # A group without studies has no means; flow is never below 0.
        if not ((table >= 0) & (table < _HIGHEST) | table.isna()).to_numpy().all():
            raise ValueError("impossible values")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read ({str(error)[:200]}). Copy the run again."
        ) from None
    return table.astype(float)


def read_finetuning(folder: Path) -> str:
    """What became of a run's fine-tuning; empty where there was none, or nobody noted it."""
    path = folder / ENVIRONMENT_FILE
    found = read_json(path).get("finetuning") if path.is_file() else ""
    return found if found in (KEPT, NOT_KEPT, NO_SHARE) else ""


def trust_words(heads: pd.DataFrame, finetuning: str = "") -> str:
    """How much each head trusts the trunk beside the bullseye, and what became of fine-tuning."""
    told = [
        f"{trait_name(trait)} {share:g}" + ("" if share else " (bullseye alone)")
        for trait, share in heads["share"].items()
    ]
    tuned = f"; fine-tuning: {finetuning}" if finetuning else ""
    told_parts = {trait_name(trait): logit_words(row) for trait, row in heads.iterrows()}
    parts = "; ".join(f"{trait}: {words}" for trait, words in told_parts.items() if words)
    parts = f"; parts of the logit: {parts}" if parts else ""
    return f"share of the trunk: {', '.join(told)}{tuned}{parts}"


def logit_words(head: pd.Series) -> str:
    """What each group has in the logit of a trait, for a run with clinical columns; else nothing.

    >>> logit_words(pd.Series({"logit_bullseye": 0.4, "logit_trunk": 0.0, "logit_clinical": 0.6}))
    'bullseye 40 %, trunk 0 %, clinical columns 60 %'
    """
    told = {word: head[name] for name, word in GROUPS.items() if name in head}
    return ", ".join(f"{word} {round(100 * share)} %" for word, share in told.items())


# === Digests: what a run was made of, and whether its files are still those ===


def pixel_digests(cohort: Cohort, map_types: Sequence[str]) -> pd.DataFrame:
    """Fingerprint of each study's maps: index study_id, one column per map type."""
    found = {
        map_type: [map_digest(np.asarray(m, np.float32)).hex() for m in cohort.maps[map_type]]
        for map_type in map_types
    }
    return pd.DataFrame(found, index=cohort.patients.index)


def data_facts(
    cohort: Cohort, pixels: pd.DataFrame, traits: Sequence[str], clinical: Sequence[str] = ()
) -> dict[str, str]:
    """Digest of everything that a result depends on, each under the words that name it.

    `pixels` are the `pixel_digests` of these studies or more; `clinical` names clinical columns.
    """
    ids = normal_ids(cohort.patients.index), normal_ids(cohort.patients)
    facts = {"studies or their patients": _sha256("\x1f".join([*ids[0], *ids[1]]))}
    rows = pixels.loc[cohort.patients.index]
    for map_type in pixels:
        unit = "" if map_type == "reserve" else cohort.unit
        facts[f"{map_type} maps"] = _sha256(f"{unit} {cohort.size} " + "".join(rows[map_type]))
    for trait in traits:
        facts[f"labels of {trait}"] = _column_digest(cohort.traits[trait])
    for name in ("unit", "tracer", "stress_agent", "software"):
        facts[name.replace("_", " ")] = str(getattr(cohort, name))
    for name, column in clinical_columns(cohort, clinical).items():
        facts[f"clinical column {name}"] = _column_digest(column)
    return facts


def studies_digest(cohort: Cohort) -> str:
    """sha256 over the ids and labels of a cohort, in order: tells whether it is the same one."""
    return _sha256(cohort.traits.to_csv(lineterminator="\n"))


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 of the files of a run that decide its scores."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in DIGESTED
        if (folder / name).is_file()
    }


def check_files(folder: Path) -> None:
    """Raise ValueError where a file of a run was changed, exchanged or removed since training."""
    kept = noted(folder, "files")
    here = file_digests(folder) if kept else {}
    if odd := [name for name in {**kept, **here} if kept.get(name) != here.get(name)]:
        raise ValueError(
            f"{folder}: {listing(odd)} is not what the training wrote. "
            "Copy the whole run folder again."
        )


def noted(folder: Path, name: str) -> dict[str, Any]:
    """What the training noted under a name; nothing for a run of an earlier version."""
    path = folder / ENVIRONMENT_FILE
    found = read_json(path).get(name, {}) if path.is_file() else {}
    if not isinstance(found, dict):
        raise ValueError(f"{path} is damaged. Copy the run folder again.")
    return found


# === Patients, without any id ===


def write_patients(folder: Path, cohorts: Mapping[str, tuple[Cohort, pd.DataFrame]]) -> None:
    """Write whom a run has seen, as keyed digests without ids, in an order that tells nothing."""
    # Of the maps, not by chance, so that the same training writes the same bytes.
    salt = _sha256("".join("".join(pixels.to_numpy().ravel()) for _, pixels in cohorts.values()))
    map_types = list(next(iter(cohorts.values()))[1].columns)
    write_json(
        folder / PATIENTS_FILE,
        {"salt": salt, "map_types": map_types}
        | {p: _digests(salt, *c) for p, c in cohorts.items()},
    )


def note_test(folder: Path, test: Cohort, config: ExperimentConfig) -> None:
    """Write into a run folder who tested it, and on which data."""
    pixels = pixel_digests(test, config.map_types)
    found = read_json(folder / PATIENTS_FILE)
    write_json(folder / PATIENTS_FILE, found | {"test": _digests(found["salt"], test, pixels)})
    facts = read_json(folder / ENVIRONMENT_FILE)
    facts["data"] = facts["data"] | {
        "test": data_facts(test, pixels, config.traits, config.clinical)
    }
    write_json(folder / ENVIRONMENT_FILE, facts | {"files": file_digests(folder)})


def write_labels(folder: Path, parts: Mapping[str, Cohort], traits: Sequence[str]) -> None:
    """Write the labels of validation and test patients, and who the patients of all parts were."""
    tables = [
        cohort.first_studies().traits[list(traits)].assign(**{PART_COLUMN: part})
        for part, cohort in parts.items()
        if part != "train"
    ]
    table = pd.concat(tables)[[PART_COLUMN, *traits]]
    write_csv(table, folder / LABELS_FILE, index_label="study_id", float_format="%g")
    table = participants(parts, traits)
    write_csv(table, folder / PARTICIPANTS_FILE, float_format="%.6g")


def participants(parts: Mapping[str, Cohort], traits: Sequence[str]) -> pd.DataFrame:
    """Who the patients were, in numbers that single nobody out.

    One row per part and variable (studies, patients, each trait, each clinical column of numbers):
    n (recorded), n_with (of columns of 0 and 1), mean and sd (of the others). Each patient counts
    with the first study. A column is of 0 and 1 if it is in all parts; one patient has no mean.
    """
    rows: list[dict[str, Any]] = []
    tables = {}
    for part, cohort in parts.items():
        first = cohort.first_studies()
        clinical = first.clinical.select_dtypes(["number", "bool"])
        taken = [*traits, STUDIES, PATIENTS]
        tables[part] = pd.concat(
            [first.traits[list(traits)], clinical.drop(columns=taken, errors="ignore")], axis=1
        )
    others = {
        name
        for table in tables.values()
        for name, values in table.items()
        if not set(values.dropna()) <= {0, 1}
    }
    for part, table in tables.items():
        rows.append({"part": part, "variable": STUDIES, "n": len(parts[part])})
        rows.append({"part": part, "variable": PATIENTS, "n": len(table)})
        for name, values in table.items():
            known = values.dropna().astype(float)
            row = {"part": part, "variable": name, "n": len(known)}
            if name not in others:
                row["n_with"] = int(known.sum())
            elif len(known) > 1:
                row |= {"mean": known.mean(), "sd": known.std()}
            rows.append(row)
    return pd.DataFrame(rows, columns=["part", "variable", "n", "n_with", "mean", "sd"])


def participants_of_run(folder: Path) -> pd.DataFrame | None:
    """The table of `participants` in a run folder; None for a run of an earlier version."""
    path = folder / PARTICIPANTS_FILE
    return read_csv(path, text=("part", "variable")) if path.is_file() else None


def labels_of_run(folder: str | Path, part: str = "test") -> pd.DataFrame:
    """Labels of a run's validation or test patients: index study_id, one column per trait.

    FileNotFoundError: the run was not tested, or is of an earlier version.
    """
    path = Path(folder) / LABELS_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no labels ({LABELS_FILE}), so its results cannot be counted. Train it "
            "with `polarnet train`."
        )
    table = read_csv(path, text=("study_id", PART_COLUMN)).set_index("study_id")
    return table[table[PART_COLUMN] == part].drop(columns=PART_COLUMN).astype(float)


def read_patients(folder: Path) -> Seen | None:
    """Whom a run has seen; None for a run of an earlier version. ValueError: damaged."""
    path = folder / PATIENTS_FILE
    if not path.is_file():
        return None
    found = read_json(path)
    try:
        part_of = {str(digest): part for part in reversed(PARTS) for digest in found.get(part, ())}
        return Seen(str(found["salt"]), tuple(map(str, found["map_types"])), part_of)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}). Copy the folder again.") from None


def parts_of(run: str | Path | Seen | None, cohort: Cohort) -> pd.Series:
    """What each study of a cohort is to a run: "train", "val", "test" or "new".

    All are empty where the run does not know its patients. A study is of the training where its
    patient is, by id, or where its map is, pixel by pixel, under whatever id. `run` is a run
    folder, or what `read_patients` gave.
    """
    seen = read_patients(Path(run)) if isinstance(run, str | Path) else run
    index = cohort.patients.index
    if seen is None:
        return pd.Series("", index=index, name=PART_COLUMN, dtype=object)
    rank = {part: place for place, part in enumerate((*PARTS, NEW))}
    known = [m for m in seen.map_types if m in cohort.maps]
    columns = [
        [_keyed(seen.salt, patient) for patient in normal_ids(cohort.patients)],
        *([_keyed(seen.salt, d) for d in ds] for ds in pixel_digests(cohort, known).T.to_numpy()),
    ]
    found = [
        min((seen.part_of.get(digest, NEW) for digest in digests), key=rank.__getitem__)
        for digests in zip(*columns, strict=True)
    ]
    return pd.Series(found, index=index, name=PART_COLUMN, dtype=object)


def seen_note(part: pd.Series) -> str:
    """How many studies are of patients that the training has seen; empty where none is.

    >>> seen_note(pd.Series(["train", "new", "val"]))
    '2 of 3 studies are of patients of the training (1 train, 1 val)'
    """
    if (part == "").any():
        return "not known which patients were in the training"
    counts = {name: int((part == name).sum()) for name in PARTS[:2]}
    if not sum(counts.values()):
        return ""
    told = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    return f"{sum(counts.values())} of {len(part)} studies are of patients of the training ({told})"


def _digests(salt: str, cohort: Cohort, pixels: pd.DataFrame) -> list[str]:
    whole = {*normal_ids(cohort.patients), *pixels.to_numpy().ravel()}
    return sorted(_keyed(salt, text) for text in whole)


def _keyed(salt: str, text: str) -> str:
    return hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _column_digest(values: pd.Series) -> str:
    """Of a column's values: 61 and 61.0 are one, and so are all ways to leave a cell empty."""
    if pd.api.types.is_numeric_dtype(values):
        plain = [("" if np.isnan(v) else repr(v)) for v in values.to_numpy(float, na_value=np.nan)]
    else:
        plain = ["" if pd.isna(value) else str(value) for value in values]
    return _sha256("\x1f".join(plain))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
