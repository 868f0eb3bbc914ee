"""A folder of square matrices and a clinical table, put together as a cohort."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from polarnet.cohort import Cohort
from polarnet.cohort.checks import listing
from polarnet.readers.clinical import (
    check_table,
    impaired_mfr,
    read_clinical,
    trait_columns,
    without_identity,
)
from polarnet.readers.matrices import read_matrix
from polarnet.traits import IMPAIRED_MFR, MAP_TYPES

_FILE_NAME: Final = re.compile(
    rf"(?P<study>.+)_(?P<map>{'|'.join(MAP_TYPES)})\.(csv|npy)", re.IGNORECASE
)


def read_exports(
    folder: str | Path,
    clinical: str | Path | None = None,
    *,
    unit: str,
    traits: Sequence[str] | None = None,
    tracer: str = "",
    stress_agent: str = "",
    software: str = "",
    tell: Callable[[str], None] | None = None,
) -> Cohort:
    """Read a folder of square maps and a clinical table.

    Parameters
    ----------
    folder
        With files named `S001_rest.csv`, `S001_stress.npy`, ...: a square matrix each, anterior
        wall in the first row, septum left.
    clinical
        CSV with study_id, patient_id and 0/1 columns (empty: not recorded). Without it every
        study is a patient of its own, without labels.
    unit
        "mL/min/g", or "percent" for relative counts. There is no default: maps do not say it.
    traits
        Columns that are traits. Default: the paper's, and every other column of 0 and 1.
    tracer, stress_agent, software
        Stated for the whole cohort.
    tell
        Receives one line for everything the user should know, such as files left out.

    Returns
    -------
    Cohort with the studies of the clinical table, in its order.

    Raises
    ------
    FileNotFoundError: the folder or the table is not there.
    ValueError: a map is missing or not a square matrix of numbers, sizes differ, a label is
        neither 0, 1 nor empty, or the maps are not sound; all offenders are listed.
    """
    tell = tell or (lambda line: None)
    folder = Path(folder)
    files = _find_maps(folder)
    found = list(dict.fromkeys(study for study, _ in files))
    if clinical is None:
        table = pd.DataFrame({"patient_id": found}, index=pd.Index(found, name="study_id"))
        name = folder.name
    else:
        table, name = read_clinical(clinical), Path(clinical).name
    table, naming = without_identity(table)
    if naming:
        tell(f"Left out, because they may name a person: columns {listing(naming)}")
    labelled = trait_columns(table, traits)
    # Flow reserve is its own label, unless the user named the traits and left it out.
    wants_mfr = traits is None or IMPAIRED_MFR in traits
    checked = [*labelled, *({IMPAIRED_MFR} & set(table.columns) - set(labelled))]
    check_table(table, checked if wants_mfr else labelled, name)
    if extra := [study for study in found if study not in table.index]:
        tell(f"Left out, not in {name}: {listing(extra)}")
    cohort = Cohort(
        maps=_read_maps(folder, files, table.index, name),
        traits=table[labelled].apply(pd.to_numeric).astype(float),
        patients=table["patient_id"].astype(str),
        clinical=table.drop(columns=["patient_id", *labelled]),
        truth=pd.DataFrame(index=table.index),
        unit=unit,
        tracer=tracer,
        stress_agent=stress_agent,
        software=software,
    )
    return _with_impaired_mfr(cohort, table, tell) if wants_mfr else cohort


def _find_maps(folder: Path) -> dict[tuple[str, str], Path]:
    """Files by study id and map type, sorted by name."""
    if not folder.is_dir():
        raise FileNotFoundError(f"No folder {folder}.")
    files: dict[tuple[str, str], Path] = {}
    twice = []
    for path in sorted(folder.iterdir()):
        if match := _FILE_NAME.fullmatch(path.name):
            key = match["study"], match["map"].lower()
            if key in files:
                twice.append(f"{files[key].name} and {path.name}")
            files[key] = path
    if twice:
        raise ValueError(f"{folder}: two files for one map: {listing(twice)}. Keep one of each.")
    if not files:
        raise FileNotFoundError(
            f"{folder} has no maps. Files must be named like S001_rest.csv or S001_stress.npy."
        )
    return files


def _read_maps(
    folder: Path, files: dict[tuple[str, str], Path], studies: pd.Index, table: str
) -> dict[str, np.ndarray]:
    """Stacks of every map type that the listed studies have; all unreadable files are named."""
    wanted = {map_type for study, map_type in files if study in studies}
    if not wanted:
        raise ValueError(f"No study_id of {table} has a map in {folder}. Do the names agree?")
    if {"rest", "stress"} <= wanted:
        wanted.discard("reserve")  # computed from the two
    missing = [
        f"{study} ({map_type})"
        for study in studies
        for map_type in MAP_TYPES
        if map_type in wanted and (study, map_type) not in files
    ]
    if missing:
        raise ValueError(
            f"{folder}: maps are missing for studies of {table}: {listing(missing)}. "
            f"Export them, or take the studies out of {table}."
        )
    maps: dict[str, list[np.ndarray]] = {m: [] for m in MAP_TYPES if m in wanted}
    problems = []
    for map_type, stack in maps.items():
        for study in studies:
            try:
                stack.append(read_matrix(files[study, map_type]))
            except ValueError as error:
                problems.append(str(error))
    if not problems:
        problems = _odd_sizes(maps, files, studies)
    if problems:
        raise ValueError(f"{folder}: {listing(problems)}. Nothing was imported.")
    return {map_type: np.stack(stack) for map_type, stack in maps.items()}


def _odd_sizes(
    maps: dict[str, list[np.ndarray]], files: dict[tuple[str, str], Path], studies: pd.Index
) -> list[str]:
    """Files whose size is not the usual one."""
    sizes = {
        files[study, map_type]: len(values)
        for map_type, stack in maps.items()
        for study, values in zip(studies, stack, strict=True)
    }
    usual = pd.Series(sizes.values()).mode()[0]
    return [
        f"{path.name} is {size} x {size}, the others are {usual} x {usual}"
        for path, size in sizes.items()
        if size != usual
    ]


def _with_impaired_mfr(cohort: Cohort, table: pd.DataFrame, tell: Callable[[str], None]) -> Cohort:
    """The cohort with impaired_mfr from its best source, which is stored beside it."""
    is_flow = cohort.unit == "mL/min/g" and {"rest", "stress"} <= cohort.maps.keys()
    label, source, disagree = impaired_mfr(table, cohort.global_mfr() if is_flow else None)
    if label.isna().all():
        return cohort
    for study in disagree:
        tell(f"{study}: sources disagree about MFR < 2.0; {source[study]} was used")
    counts = source[source != ""].value_counts()
    tell(f"{IMPAIRED_MFR} from: " + ", ".join(f"{k} ({n} studies)" for k, n in counts.items()))
    traits = cohort.traits.drop(columns=IMPAIRED_MFR, errors="ignore")
    traits.insert(0, IMPAIRED_MFR, label)
    clinical = cohort.clinical.assign(impaired_mfr_source=source)
    return replace(cohort, traits=traits, clinical=clinical)
