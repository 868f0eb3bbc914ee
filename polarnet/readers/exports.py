"""From a folder of exports and a clinical table to a cohort, with an account of everything met."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from platformdirs import user_cache_path

from polarnet.cohort import Cohort, join_cohorts, write_cohorts
from polarnet.cohort.checks import listing
from polarnet.folders import check_vacant
from polarnet.readers.accounting import account, summary
from polarnet.readers.clinical import Clinical, impaired_mfr, read_clinical, without_table
from polarnet.readers.columns import ColumnMap
from polarnet.readers.geometry import RASTER, disc_resampled
from polarnet.readers.mapfiles import FoundMap, read_map_file
from polarnet.readers.matching import Matched, Verdict, match_maps
from polarnet.readers.profiles import Profile, load_profile
from polarnet.readers.pseudonyms import Pseudonyms, load_key
from polarnet.readers.reading import ReadFile, ReadMap, Store, list_files, read_files
from polarnet.readers.units import conversion
from polarnet.traits import IMPAIRED_MFR

PROFILES: Final = ("square", "aha17")
"""Profiles in use where the user names none."""

_PART: Final = 500  # studies put together at once

_PROVENANCE: Final = ("tracer", "stress_agent", "software")


@dataclass(frozen=True, eq=False)
class _Plan:
    """All that is decided before maps are put together."""

    clinical: Clinical
    matched: Matched
    files: list[ReadFile]
    rows: dict[str, Verdict]
    store: Store
    size: int
    names: dict[str, str]
    patients: dict[str, str]
    stated: dict[str, Any]
    wants_mfr: bool


def read_exports(folder: str | Path, clinical: str | Path | None = None, **settings: Any) -> Cohort:
    """Read a folder of exports and a clinical table into a cohort in memory.

    Parameters
    ----------
    folder, clinical, settings
        As of `import_exports`, without `out`, `draw` and `show_progress`.

    Returns
    -------
    Cohort with the studies of the clinical table, in its order.

    Raises
    ------
    FileNotFoundError, ValueError: as `import_exports`.
    """
    tell = settings.pop("tell", None) or (lambda line: None)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        plan = _plan(Path(folder), clinical, Store(Path(temporary)), tell, **settings)
        return join_cohorts(_parts(plan, tell))


def import_exports(
    folder: str | Path,
    out: str | Path,
    clinical: str | Path | None = None,
    *,
    draw: Callable[[Cohort, int, Path], None] | None = None,
    tell: Callable[[str], None] | None = None,
    show_progress: bool = False,
    **settings: Any,
) -> Cohort:
    """Turn a folder of exports and a clinical table into a cohort folder.

    Files that cannot be read, and rows without maps, are left out and accounted for in
    `import_report.csv`, one row for each of them. An interrupted import goes on where it was.

    Parameters
    ----------
    folder
        Searched with the folders in it: CSV, TSV, XLSX, .npy, .npz and .mat files.
    out
        Cohort folder to make.
    clinical
        Table (CSV, XLSX, SPSS, Stata), one row a study. Without it every study is a patient of its
        own, without labels.
    draw
        Is given a cohort of some studies, the number of all, and where to draw their picture.
    tell
        Receives one line for everything the user should know.
    columns
        ColumnMap, or None: columns study_id and patient_id, 0/1 columns are traits.
    unit
        "mL/min/g", "mL/min/100g", "percent", ...; "" where the files or the profile say it.
    profiles
        Names or YAML files, tried in order. Default: square matrices and segment tables.
    traits
        Columns that are traits, where there is no column map.
    size
        Rows of the cohort's maps; default: of the files where they agree, else 64.
    tracer, stress_agent, software
        Of the whole cohort.
    key
        File with the key of the pseudonyms; made where there is none. Default: in the user's
        configuration folder.
    keep_ids
        Keep study and patient ids and file names as they are.
    link
        CSV to write beside the cohort, which ties pseudonyms to ids and file names: private.
    strict
        Refuse the whole import where a file or row is refused.
    jobs
        Processes that read; a script that asks for more than one needs `if __name__ ==
        "__main__"`.

    Returns
    -------
    The cohort in `out`; its maps stay on disk.

    Raises
    ------
    FileExistsError: `out` is not empty.
    FileNotFoundError: folder or table is not there.
    ValueError: no study is complete; the table or its column map is unsound; or `strict`.
    """
    tell = tell or (lambda line: None)
    folder, out = Path(folder), Path(out)
    check_vacant(out)
    store = Store(_waiting_place(out))
    plan = _plan(folder, clinical, store, tell, show_progress=show_progress, **settings)
    files = list_files(folder)
    keep_ids = bool(settings.get("keep_ids"))
    report = account(plan.matched, plan.files, plan.rows, plan.clinical, plan.names,
                     files if keep_ids else None, folder)  # fmt: skip

    def beside(partial: Path) -> None:
        report.to_csv(partial / "import_report.csv", index=False, lineterminator="\n")
        if draw:
            some = np.unique(np.linspace(0, len(plan.names) - 1, 60).astype(int))
            studies = [list(plan.matched.studies)[k] for k in some]
            draw(_cohort(plan, studies, []), len(plan.names), partial / "contact_sheet.png")

    cohort = write_cohorts(_parts(plan, tell), out, beside)
    if link := settings.get("link"):
        _write_link(Path(link), plan, files, folder)
        tell(f"{link} ties pseudonyms to ids and file names: keep it private.")
    shutil.rmtree(store.folder, ignore_errors=True)
    for line in summary(report):
        tell(line)
    return cohort


def preview_exports(
    folder: str | Path, *, unit: str = "", profiles: Sequence[str | Path] = PROFILES
) -> FoundMap:
    """The first map of a folder that can be read, to look at its orientation.

    Raises
    ------
    ValueError: no file can be read; says why the first could not.
    """
    used = [load_profile(name) for name in profiles]
    first_reason = ""
    for number, path in enumerate(list_files(Path(folder)), start=1):
        try:
            if found := read_map_file(path, used, unit):
                return found[0]
        except (ValueError, OSError) as error:
            reason = str(error).removeprefix(path.name).lstrip(": ")
            first_reason = first_reason or f"file {number} {reason}"
    raise ValueError(f"{folder}: no map can be read: {first_reason}.")


def _plan(
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
    link: str | Path | None = None,
    strict: bool = False,
    jobs: int = 1,
    show_progress: bool = False,
) -> _Plan:
    """Read everything, and decide what becomes of it."""
    if link and Path(link).exists():
        raise FileExistsError(f"{link} exists; choose another file.")
    if unit and not conversion(unit)[0]:
        raise ValueError(f"'{unit}' is no unit of flow, nor percent.")
    used = [load_profile(name) for name in profiles]
    for profile in used:
        if profile.status == "unconfirmed":
            tell(
                f"Profile {profile.name} is unconfirmed: no real export of that product was at "
                "hand. Look at the preview before you trust it."
            )
    pseudonyms = None if keep_ids else _pseudonyms(key, tell)
    table = read_clinical(clinical, columns, traits, tell) if clinical else None
    files = list_files(folder)
    read = read_files(files, used, unit, store, jobs=jobs, show_progress=show_progress)
    if table is None:
        table = without_table(list(dict.fromkeys(m.study for f in read for m in f.maps)))
    rows = {study: Verdict() for study in table.studies}
    for study, reason in table.excluded.items():
        rows[study].refuse(f"excluded: {reason}")
    eligible = [study for study in table.studies if study not in table.excluded]
    try:
        matched = match_maps(read, eligible, table.patients, rows, table.excluded)
    except ValueError as error:
        raise ValueError(f"{folder}: {error} {_why_nothing(read)}") from None
    if strict:
        _refuse_any(matched, read, rows, table, files if keep_ids else None)
    return _Plan(
        clinical=table,
        matched=matched,
        files=read,
        rows=rows,
        store=store,
        size=size or _common_size(matched, tell),
        names={s: pseudonyms.study(s) if pseudonyms else s for s in matched.studies},
        patients={
            s: pseudonyms.patient(table.patients[s]) if pseudonyms else table.patients[s]
            for s in matched.studies
        },
        stated=_stated(used, matched, tracer, stress_agent, software, tell),
        wants_mfr=table.wants_mfr,
    )


def _pseudonyms(key: str | Path | None, tell: Callable[[str], None]) -> Pseudonyms:
    pseudonyms, path, is_new = load_key(Path(key) if key else None)
    made = "made just now; keep it" if is_new else "as before"
    tell(f"Ids are replaced by pseudonyms; their key is {path} ({made}).")
    return pseudonyms


def _why_nothing(read: Sequence[ReadFile]) -> str:
    """The commonest reason why files were refused, or why ids do not meet."""
    refused = [file for file in read if file.reason]
    if len(refused) == len(read):
        return f"All {len(read)} files are refused; file {refused[0].number} {refused[0].reason}."
    return (
        f"{len(read) - len(refused)} of {len(read)} files hold maps. Do their study ids, in the "
        "names of the files, stand in the table?"
    )


def _common_size(matched: Matched, tell: Callable[[str], None]) -> int:
    """Rows of the cohort's maps: of the files where they agree."""
    found = [m.size for maps in matched.studies.values() for m in maps.values()]
    counts = {size: found.count(size) for size in sorted(set(found))}
    if len(counts) == 1:
        return found[0]
    told = ", ".join(f"{size} x {size} ({n} maps)" for size, n in counts.items())
    tell(f"Maps of several sizes are resampled to {RASTER} x {RASTER}: {told}")
    return RASTER


def _refuse_any(
    matched: Matched,
    read: Sequence[ReadFile],
    rows: dict[str, Verdict],
    table: Clinical,
    files: Sequence[Path] | None,
) -> None:
    """One ValueError with everything that would be left out; files are named where allowed."""

    def named(number: int) -> str:
        return f"file {number}" if files is None else files[number - 1].name

    problems = [f"{named(file.number)} {file.reason}" for file in read if file.reason]
    problems += [
        f"{named(found.file)}: {verdict.reasons[-1]}"
        for found, verdict in matched.maps
        if verdict.status == "refused"
    ]
    problems += [f"line {line}: {reason}" for line, reason in table.refused]
    problems += [
        f"line {table.lines[study]}: {verdict.reasons[-1]}"
        for study, verdict in rows.items()
        if verdict.status == "refused"
    ]
    if problems:
        raise ValueError(f"Nothing was imported (strict): {listing(problems)}.")


def _stated(
    used: Sequence[Profile],
    matched: Matched,
    tracer: str,
    stress_agent: str,
    software: str,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Provenance of the whole cohort; several programs are told, never mixed in silence."""
    by_name = {profile.name: profile.software for profile in used}
    counts: dict[str, int] = {}
    for maps in matched.studies.values():
        for name in {by_name[found.profile] for found in maps.values()}:
            counts[name] = counts.get(name, 0) + 1
    programs = [name for name in counts if name]
    if len(counts) > 1 and programs and not software:
        told = ", ".join(f"{name or 'not stated'} ({n} studies)" for name, n in counts.items())
        tell(f"Maps of several programs are put together: {told}. Their flows may differ.")
    return {
        "tracer": tracer,
        "stress_agent": stress_agent,
        "software": software or " + ".join(sorted(programs)),
    }


def _parts(plan: _Plan, tell: Callable[[str], None]) -> Iterator[Cohort]:
    """The cohort, some studies at a time; ends with what is to be said about flow reserve."""
    studies = list(plan.matched.studies)
    disagree: list[str] = []
    sources: dict[str, int] = {}
    for start in range(0, len(studies), _PART):
        cohort = _cohort(plan, studies[start : start + _PART], disagree)
        if plan.wants_mfr and "impaired_mfr_source" in cohort.clinical:
            for source, n in cohort.clinical["impaired_mfr_source"].value_counts().items():
                sources[str(source)] = sources.get(str(source), 0) + int(n)
        yield cohort
    if disagree:
        tell(f"Sources disagree about MFR < 2.0 in {len(disagree)} studies: {listing(disagree)}")
    if sources := {source: n for source, n in sources.items() if source}:
        told = ", ".join(f"{source} ({n} studies)" for source, n in sources.items())
        tell(f"{IMPAIRED_MFR} from: {told}")


def _cohort(plan: _Plan, studies: list[str], disagree: list[str]) -> Cohort:
    """The cohort of some studies under their new names."""
    matched, size = plan.matched, plan.size
    maps = {}
    for map_type in matched.map_types:
        stack = [plan.store.pixels(matched.studies[study][map_type]) for study in studies]
        stack = [m if len(m) == size else disc_resampled(m, size) for m in stack]
        maps[map_type] = np.stack(stack).astype(np.float32)
    index = pd.Index([plan.names[study] for study in studies], name="study_id")
    table = plan.clinical.table.loc[studies].set_axis(index)
    labelled = [trait for trait in plan.clinical.traits if trait != IMPAIRED_MFR]
    described = table.drop(columns=[*plan.clinical.traits, "patient_id"], errors="ignore")
    cohort = Cohort(
        maps=maps,
        traits=table[labelled],
        patients=pd.Series([plan.patients[s] for s in studies], index=index, name="patient_id"),
        clinical=described.assign(**_written(matched, studies)),
        truth=pd.DataFrame(index=index),
        unit=matched.unit,
        **plan.stated,
    )
    if not plan.wants_mfr:
        return cohort
    is_flow = cohort.unit == "mL/min/g" and {"rest", "stress"} <= cohort.maps.keys()
    if not is_flow and not {IMPAIRED_MFR, "mfr"} & set(table.columns):
        return cohort
    label, source, odd = impaired_mfr(table, cohort.global_mfr() if is_flow else None)
    disagree += odd
    traits = cohort.traits.copy()
    traits.insert(0, IMPAIRED_MFR, label)
    return Cohort(
        maps={m: cohort.maps[m] for m in matched.map_types},
        traits=traits,
        patients=cohort.patients,
        clinical=cohort.clinical.assign(impaired_mfr_source=source),
        truth=cohort.truth,
        unit=cohort.unit,
        pixels_checked=True,
        **plan.stated,
    )


def _written(matched: Matched, studies: list[str]) -> dict[str, list[str]]:
    """How each study's files were written: profile and unit."""

    def of(study: str, attribute: str) -> str:
        found: Sequence[ReadMap] = list(matched.studies[study].values())
        return " + ".join(dict.fromkeys(getattr(m, attribute) for m in found))

    return {
        "profile": [of(study, "profile") for study in studies],
        "unit_in_file": [of(study, "unit_text") for study in studies],
    }


def _write_link(path: Path, plan: _Plan, files: Sequence[Path], folder: Path) -> None:
    """The private table of who is who."""
    rows = [
        {
            "study_id": plan.names[study],
            "patient_id": plan.patients[study],
            "original_study_id": study,
            "original_patient_id": plan.clinical.patients[study],
            "files": " ".join(str(found.file) for found in maps.values()),
        }
        for study, maps in plan.matched.studies.items()
    ]
    numbered = [
        {"files": number, "file_name": str(path.relative_to(folder)) if path != folder else path}
        for number, path in enumerate(files, start=1)
    ]
    pd.concat([pd.DataFrame(rows), pd.DataFrame(numbered)]).to_csv(
        path, index=False, lineterminator="\n"
    )


def _waiting_place(out: Path) -> Path:
    """Where what was read waits until the import is finished: in the user's own cache."""
    name = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    return user_cache_path("polarnet", appauthor=False) / "import" / name
