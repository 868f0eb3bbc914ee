"""All that is decided before maps are put together: what is read, matched, named and sized."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.ids import listing, normal_id
from polarnet.readers.account import account, mixtures, provenance, refusals
from polarnet.readers.clinicaltable import read_clinical, without_table
from polarnet.readers.coding import Clinical
from polarnet.readers.columnmap import ColumnMap
from polarnet.readers.exportedmap import Verdict
from polarnet.readers.geometry import RASTER
from polarnet.readers.identity import load_key
from polarnet.readers.matching import Matched, match_maps, tied_to_table
from polarnet.readers.profiles import Reading, load_profiles
from polarnet.readers.reading import Read, list_files, read_files
from polarnet.readers.sheets import as_table
from polarnet.readers.tables import read_sheet
from polarnet.readers.units import conversion
from polarnet.traits import MAP_TYPES

PROFILES: Final = ("square", "aha17")
"""Profiles in use where the user names none."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What an import will be: the table, what was read, the complete studies, the verdict of every
    row, and the ids (`names`, `patients`) and provenance of each study under its id in the table.

    `problem` says why there can be no cohort; then all below `files` is empty. Pixels wait in the
    folder `store`, `files` has names in the order of their numbers, `size` is that of the maps, and
    `keeps_ids` tells whether ids and names of files may be seen.
    """

    clinical: Clinical
    read: Read
    matched: Matched
    rows: dict[str, Verdict]
    problem: str
    store: Path
    keeps_ids: bool
    files: list[str]
    size: int = 0
    names: dict[str, str] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    origin: pd.DataFrame = field(default_factory=pd.DataFrame)

    def account(self) -> pd.DataFrame:
        """What became of every file and row, as `import_report.csv` has it."""
        shown = self.files if self.keeps_ids else ()
        studies = self.matched.studies
        return account(self.read, studies, self.rows, self.clinical, self.names, shown)


def make_plan(
    folder: Path,
    clinical: str | Path | None,
    store: Path,
    tell: Callable[[str], None],
    *,
    columns: ColumnMap | None = None,
    unit: str = "",
    profiles: Sequence[str | Path] = PROFILES,
    traits: Sequence[str] | None = None,
    size: int | None = None,
    tracer: str = "",
    stress_agent: str = "",
    software: str = "",
    key: str | Path | None = None,
    keep_ids: bool = False,
    strict: bool = False,
    scale: tuple[float, float] | None = None,
    series: str | Path | None = None,
    jobs: int = 1,
    show_progress: bool = False,
) -> Plan:
    """Read everything, and decide what becomes of it (settings: see `import_exports`).

    The plan has a `problem` where no study is complete, or `strict` and something is refused.
    ValueError: the table, its column map or a profile is unsound.
    """
    if size is not None and not 16 <= size <= 1024:
        raise ValueError(f"A size of {size} rows must lie between 16 and 1024.")
    if unit and not conversion(unit)[0]:
        raise ValueError(f"'{unit}' is no unit of flow, nor percent.")
    if keep_ids and key:
        raise ValueError(
            "A key is for pseudonyms, and --keep-ids keeps the ids: leave out one of them."
        )
    if not clinical and (columns is not None or traits is not None):
        raise ValueError("Traits and a column map need a clinical table: name it by --clinical.")
    used = load_profiles(profiles, scale)
    for profile in used:
        if profile.status == "unconfirmed":
            tell(
                f"Profile {profile.name} is unconfirmed: no real export of that product was at "
                "hand. Look at the preview before you trust it."
            )
    pseudonyms = None
    if not keep_ids:
        pseudonyms, path, is_new = load_key(Path(key) if key else None)
        made = "made just now; keep it" if is_new else "as before"
        tell(f"Ids are replaced by pseudonyms; their key is {path} ({made}).")
    table = read_clinical(clinical, columns, traits, tell) if clinical else None
    given = {Path(path).resolve() for path in (clinical, key, series, *profiles) if path}
    given_names = {path.name for path in given}
    # Resolving a path asks the disk, which takes long where there are many.
    paths = [
        path
        for path in list_files(folder, tell)
        if path.name not in given_names or path.resolve() not in given
    ]
    files = [path.name if path == folder else path.relative_to(folder).as_posix() for path in paths]
    reading = Reading(
        profiles=used,
        unit=unit,
        study_heading=columns.study_id if columns else "",
        series=read_series_table(series) if series else {},
    )
    read = read_files(paths, reading, store, jobs=jobs, show_progress=show_progress)
    everyone = table.patients | dict.fromkeys(table.unusable, "") if table else {}
    maps, how = tied_to_table(read.maps, everyone)
    read = Read(maps, read.problems)
    if how:
        tell(how)
    if table is None:
        tell("No clinical table: every study is without labels, and of a patient of its own "
             "unless its files name the patient.")  # fmt: skip
        table = without_table({m.study: m.ids.get("patient_id") or m.study for m in maps})
    rows = {study: Verdict() for study in table.studies}
    for study, reason in table.excluded.items():
        rows[study].refuse(f"excluded: {reason}")
    eligible = [study for study in table.studies if study not in table.excluded]
    matched = match_maps(maps, eligible, table.patients, rows, (*table.excluded, *table.unusable))
    shown = files if keep_ids else []
    problem = ""
    if not matched.studies:
        reason = _why_nothing(read, len(files), table.name)
        problem = f"{folder}: No study has all its maps. {reason}"
    elif strict and (refused := refusals(read, rows, table, shown)):
        problem = f"Nothing was imported (strict): {listing(refused)}."
    plan = Plan(table, read, matched, rows, problem, store, keep_ids, files)
    if problem:
        return plan
    stated = {"tracer": tracer, "stress_agent": stress_agent, "software": software}
    origin = provenance(table.table, matched.studies, used, stated)
    with_profile = Counter(m.profile for maps in matched.studies.values() for m in maps.values())
    told = ", ".join(f"{name}: {n} maps" for name, n in with_profile.items())
    for line in (*table.described(matched.studies), *mixtures(origin), f"Read with profile {told}"):
        tell(line)
    names = {study: study for study in matched.studies}
    patients = {study: table.patients[study] for study in matched.studies}
    if pseudonyms:
        names = {study: pseudonyms.study(study) for study in names}
        patients = {study: pseudonyms.patient(patient) for study, patient in patients.items()}
    size = size or _common_size(matched, tell)
    return replace(plan, size=size, names=names, patients=patients, origin=origin)


def read_series_table(path: str | Path) -> dict[str, str]:
    """Map type of DICOM series.

    Parameters
    ----------
    path
        Table with the columns `series` (UID, number or description of a series) and `map` (rest,
        stress or reserve).

    Returns
    -------
    Series, in small letters -> map type.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: a column is absent, a series is listed twice, or a map type is none.
    """
    path = Path(path)
    table = as_table(read_sheet(path), path.name)
    if absent := [column for column in ("series", "map") if column not in table]:
        raise ValueError(f"{path.name} has no column {' and no column '.join(absent)}.")
    found: dict[str, str] = {}
    for line, series, map_type in zip(table.index, table["series"], table["map"], strict=True):
        key, word = normal_id(series).casefold(), map_type.strip().casefold()
        if word not in MAP_TYPES:
            raise ValueError(f"{path.name} line {line}: map must be one of {', '.join(MAP_TYPES)}.")
        if not key or found.setdefault(key, word) != word:
            raise ValueError(f"{path.name} line {line}: no series, or one with two map types.")
    return found


def _why_nothing(read: Read, n_files: int, table: str) -> str:
    """The commonest reason of maps, and the first three of files; or that ids do not meet."""
    first: dict[str, int] = {}
    for number, problem in read.problems:
        first.setdefault(problem, number)
    told = "; ".join(f"file {number} {problem}" for problem, number in list(first.items())[:3])
    if not read.maps:
        return f"All {n_files} files are refused: {told}."
    often = ""
    refused = Counter(m.verdict.reasons[-1] for m in read.maps if m.verdict.is_refused)
    if refused:
        reason = refused.most_common(1)[0][0].rstrip(".")
        often = f"Most often: {reason}{'' if reason.endswith('?') else '.'} "
    hint = f" Do the study ids in the files stand in {table}?" if table else ""
    n_holding = len({found.file for found in read.maps})
    return f"{often}{n_holding} of {n_files} files hold maps.{hint} {told}".strip()


def _common_size(matched: Matched, tell: Callable[[str], None]) -> int:
    """Rows of the cohort's maps: of the files where they agree."""
    counts = Counter(m.size for maps in matched.studies.values() for m in maps.values())
    if len(counts) == 1:
        return next(iter(counts))
    told = ", ".join(f"{size} x {size} ({n} maps)" for size, n in sorted(counts.items()))
    tell(f"Maps of several sizes are resampled to {RASTER} x {RASTER}: {told}")
    return RASTER
