"""All that is decided before maps are put together: what is read, matched, named and sized."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from polarnet.ids import listing
from polarnet.readers.accounting import account
from polarnet.readers.clinic.clinical import Clinical, read_clinical, without_table
from polarnet.readers.clinic.columns import ColumnMap
from polarnet.readers.dicom.series import read_series_table
from polarnet.readers.dicomstudies import tied_to_table
from polarnet.readers.geometry import RASTER
from polarnet.readers.matching import REFUSED, Matched, Verdict, match_maps
from polarnet.readers.profiles import load_profiles
from polarnet.readers.provenance import mixtures, provenance
from polarnet.readers.pseudonyms import Pseudonyms, load_key
from polarnet.readers.reading import ReadFile, Store, list_files, read_files
from polarnet.readers.sources import Reading
from polarnet.readers.units import conversion

PROFILES: Final = ("square", "aha17")
"""Profiles in use where the user names none."""


class NothingImported(ValueError):
    """Why there is no cohort, and what became of every file and row (`report`)."""

    def __init__(self, message: str, report: pd.DataFrame) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, eq=False)
class Plan:
    """What an import will be.

    Attributes
    ----------
    clinical, matched, files, rows
        The table, the complete studies, what was read, and the verdict of every row.
    paths
        The files, in the order of their numbers.
    store
        Where pixels wait.
    size
        Rows of the cohort's maps.
    names, patients
        Study id of the table -> study and patient id in the cohort.
    origin
        Provenance, index study id of the table.
    wants_mfr
        Whether impaired flow reserve is one of the labels.
    """

    clinical: Clinical
    matched: Matched
    files: list[ReadFile]
    rows: dict[str, Verdict]
    paths: list[Path]
    store: Store
    size: int
    names: dict[str, str]
    patients: dict[str, str]
    origin: pd.DataFrame
    wants_mfr: bool


def make_plan(
    folder: Path,
    clinical: str | Path | None,
    store: Store,
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
    """Read everything, and decide what becomes of it.

    Raises
    ------
    NothingImported: no study is complete; or `strict`, and something is refused.
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
    used = load_profiles(profiles, scale)
    for profile in used:
        if profile.status == "unconfirmed":
            tell(
                f"Profile {profile.name} is unconfirmed: no real export of that product was at "
                "hand. Look at the preview before you trust it."
            )
    pseudonyms = None if keep_ids else _pseudonyms(key, tell)
    if not clinical and (columns is not None or traits is not None):
        raise ValueError("Traits and a column map need a clinical table: name it by --clinical.")
    table = read_clinical(clinical, columns, traits, tell) if clinical else None
    named = (clinical, key, series, *profiles)
    given = {Path(path).name: Path(path) for path in named if path}
    files = [path for path in list_files(folder, tell) if not _is_same(path, given.get(path.name))]
    reading = Reading(
        profiles=used,
        unit=unit,
        study_heading=columns.study_id if columns else "",
        series=read_series_table(series) if series else {},
    )
    read = read_files(files, reading, store, jobs=jobs, show_progress=show_progress)
    everyone = table.patients | dict.fromkeys(table.unusable, "") if table else {}
    read, how = tied_to_table(read, everyone)
    if how:
        tell(how)
    if table is None:
        tell("No clinical table: every study is without labels, and of a patient of its own "
             "unless its files name the patient.")  # fmt: skip
        table = without_table(
            {m.study: m.ids.get("patient_id") or m.study for f in read for m in f.maps}
        )
    rows = {study: Verdict() for study in table.studies}
    for study, reason in table.excluded.items():
        rows[study].refuse(f"excluded: {reason}")
    eligible = [study for study in table.studies if study not in table.excluded]
    matched = match_maps(read, eligible, table.patients, rows, (*table.excluded, *table.unusable))
    problem = ""
    if not matched.studies:
        problem = f"{folder}: No study has all its maps. {_why_nothing(matched, read, table.name)}"
    elif strict:
        problem = _whatever_is_refused(matched, read, rows, table, files if keep_ids else None)
    if problem:
        shown = files if keep_ids else None
        report = account(matched, read, rows, table, {}, shown, folder)
        raise NothingImported(problem, report)
    stated = {"tracer": tracer, "stress_agent": stress_agent, "software": software}
    origin = provenance(table.table, matched, used, stated)
    for line in (*table.described(matched.studies), *mixtures(origin), _profiles_used(matched)):
        tell(line)
    return Plan(
        clinical=table,
        matched=matched,
        files=read,
        rows=rows,
        paths=files,
        store=store,
        size=size or _common_size(matched, tell),
        names={s: pseudonyms.study(s) if pseudonyms else s for s in matched.studies},
        patients={
            s: pseudonyms.patient(table.patients[s]) if pseudonyms else table.patients[s]
            for s in matched.studies
        },
        origin=origin,
        wants_mfr=table.wants_mfr,
    )


def _is_same(path: Path, given: Path | None) -> bool:
    """Whether a file of the folder is one that was named for another purpose."""
    return given is not None and path.resolve() == given.resolve()


def _pseudonyms(key: str | Path | None, tell: Callable[[str], None]) -> Pseudonyms:
    pseudonyms, path, is_new = load_key(Path(key) if key else None)
    made = "made just now; keep it" if is_new else "as before"
    tell(f"Ids are replaced by pseudonyms; their key is {path} ({made}).")
    return pseudonyms


def _why_nothing(matched: Matched, read: Sequence[ReadFile], table: str) -> str:
    """The commonest reason of maps, and the first three of files; or that ids do not meet."""
    refusals = Counter(v.reasons[-1] for _, v in matched.maps if v.status == REFUSED)
    often = ""
    if refusals:
        reason = refusals.most_common(1)[0][0].rstrip(".")
        often = f"Most often: {reason}{'' if reason.endswith('?') else '.'} "
    first: dict[str, int] = {}
    for file in read:
        for problem in file.problems:
            first.setdefault(problem, file.number)
    told = "; ".join(f"file {number} {problem}" for problem, number in list(first.items())[:3])
    if not any(file.maps for file in read):
        return f"All {len(read)} files are refused: {told}."
    hint = f" Do the study ids in the files stand in {table}?" if table else ""
    n_holding = sum(bool(file.maps) for file in read)
    return f"{often}{n_holding} of {len(read)} files hold maps.{hint} {told}".strip()


def _profiles_used(matched: Matched) -> str:
    """How many maps were read with each profile."""
    counts = Counter(m.profile for maps in matched.studies.values() for m in maps.values())
    return "Read with profile " + ", ".join(f"{name}: {n} maps" for name, n in counts.items())


def _common_size(matched: Matched, tell: Callable[[str], None]) -> int:
    """Rows of the cohort's maps: of the files where they agree."""
    found = [m.size for maps in matched.studies.values() for m in maps.values()]
    counts = {size: found.count(size) for size in sorted(set(found))}
    if len(counts) == 1:
        return found[0]
    told = ", ".join(f"{size} x {size} ({n} maps)" for size, n in counts.items())
    tell(f"Maps of several sizes are resampled to {RASTER} x {RASTER}: {told}")
    return RASTER


def _whatever_is_refused(
    matched: Matched,
    read: Sequence[ReadFile],
    rows: dict[str, Verdict],
    table: Clinical,
    files: Sequence[Path] | None,
) -> str:
    """Everything that would be left out in one line, "" for nothing; files named where allowed."""

    def named(number: int) -> str:
        return f"file {number}" if files is None else files[number - 1].name

    problems = [f"{named(f.number)} {problem}" for f in read for problem in f.problems]
    problems += [
        f"{named(found.file)}: {verdict.reasons[-1]}"
        for found, verdict in matched.maps
        if verdict.status == REFUSED
    ]
    problems += [f"line {line}: {reason}" for line, reason in table.refused]
    problems += [
        f"line {table.lines[study]}: {verdict.reasons[-1]}"
        for study, verdict in rows.items()
        if verdict.status == REFUSED
    ]
    return f"Nothing was imported (strict): {listing(problems)}." if problems else ""
