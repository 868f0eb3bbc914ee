"""From a folder of exports and a clinical table to a cohort, with an account of everything met."""

import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from polarnet.cohort import HIGHEST, Cohort, of_checked_maps, write_cohorts
from polarnet.files import check_vacant, csv_text, new_file, write_csv
from polarnet.ids import listing, normal_id
from polarnet.readers.account import Plan, mixtures, of_cohort, provenance, reasons, summary, where
from polarnet.readers.clinicaltable import impaired_mfr, read_clinical, without_table
from polarnet.readers.columnmap import PROVENANCE, ColumnMap
from polarnet.readers.exportedmap import REFUSED, ExportedMap, Verdict
from polarnet.readers.geometry import RASTER, disc_resampled
from polarnet.readers.identity import load_key, pseudonym, write_private
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.matching import match_maps, tied_to_table
from polarnet.readers.plausibility import doubts_of_study
from polarnet.readers.profiles import Reading, load_profiles
from polarnet.readers.reading import Read, list_files, pixels_of, read_files
from polarnet.readers.sheets import as_table
from polarnet.readers.tables import read_sheet
from polarnet.readers.units import conversion
from polarnet.traits import IMPAIRED_MFR, MAP_TYPES

PROFILES: Final = ("square", "aha17")
"""Profiles in use where the user names none."""

_PART: Final = 500  # studies put together at once


def read_exports(
    folder: str | Path,
    clinical: str | Path | None = None,
    *,
    tell: Callable[[str], None] | None = None,
    link: str | Path | None = None,
    **settings: Any,
) -> Cohort:
    """Read a folder of exports and a clinical table into a cohort in memory.

    Parameters
    ----------
    folder, clinical, tell, link, settings
        See `import_exports`, except `out` and `draw`. Without `tell`, doubtful values are told by a
        warning.

    Returns
    -------
    Cohort with the studies of the clinical table, in its order.

    Raises
    ------
    FileNotFoundError, FileExistsError, ValueError: see `import_exports`.
    """
    said = tell or (lambda line: None)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary,
        _link_file(link) as link_file,
    ):
        plan = _planned(Path(folder), clinical, Path(temporary), said, **settings)
        if plan.problem:
            raise ValueError(plan.problem)
        cohort = Cohort.concat(_parts(plan, said))
        _write_link(plan, link_file)
    for line in plan.matched.doubts:
        if tell:
            tell(line)
        else:
            warnings.warn(line, stacklevel=2)
    return cohort


def import_exports(
    folder: str | Path,
    out: str | Path,
    clinical: str | Path | None = None,
    *,
    draw: Callable[[Cohort, int, Path], None] | None = None,
    tell: Callable[[str], None] | None = None,
    show_progress: bool = False,
    link: str | Path | None = None,
    **settings: Any,
) -> Cohort:
    """Turn a folder of exports and a clinical table into a cohort folder.

    Files that cannot be read, and rows without maps, are left out and accounted for in
    `import_report.csv`, one row for each of them.

    Parameters
    ----------
    folder
        Searched with the folders in it: CSV, TSV, XLSX, .npy, .npz and .mat files, DICOM, and, with
        a scale, screen shots (PNG, JPEG).
    out
        Cohort folder to make.
    clinical
        Table (CSV, XLSX, SPSS, Stata) with one row per study. Without it every study is a patient
        of its own, without labels.
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
    scale
        Values at the low and the high end of the colour bar of rest and stress screens; without it,
        or a profile that states it, no screen is read.
    series
        Table (CSV, XLSX) with columns `series` and `map`: which DICOM series is rest, which stress.
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
    FileExistsError: `out` is not empty, or `link` exists.
    FileNotFoundError: folder or table is not there.
    ValueError: no study is complete, or `strict` and something is refused (what became of every
        file and row is then in `OUT_import_report.csv` beside `out`); or the table or its column
        map is unsound.
    """
    tell = tell or (lambda line: None)
    folder, out = Path(folder), Path(out)
    inside = [Path(link).resolve(), *Path(link).resolve().parents] if link else []
    if link and (out.resolve() in inside or not Path(link).parent.is_dir()):
        raise ValueError(f"{link}: name a file in an existing folder, and not in the cohort's own.")

    def beside(partial: Path) -> None:
        write_csv(plan.report(), partial / "import_report.csv")
        if draw:
            some = np.unique(np.linspace(0, len(plan.names) - 1, 60).astype(int))
            drawn = _cohort(plan, [list(plan.names)[k] for k in some], [])
            draw(drawn, len(plan.names), partial / "contact_sheet.png")
        # Before there is a cohort: nobody could tell whose its studies are.
        _write_link(plan, link_file)

    with (
        _link_file(link) as link_file,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp,
    ):
        check_vacant(out)
        plan = _planned(folder, clinical, Path(tmp), tell, show_progress=show_progress, **settings)
        if plan.problem:
            path = out.with_name(f"{out.name}_import_report.csv")
            write_csv(plan.report(), path)
            raise ValueError(f"{plan.problem} Every file and row is accounted for in {path}.")
        cohort = write_cohorts(_parts(plan, tell), out, beside)
    if link:
        tell(f"{link} ties pseudonyms to ids and file names: keep it private.")
    for line in (*summary(plan.report()), *plan.matched.doubts):
        tell(line)
    return cohort


def preview_exports(
    folder: str | Path,
    *,
    unit: str = "",
    profiles: Sequence[str | Path] = PROFILES,
    scale: tuple[float, float] | None = None,
    series: str | Path | None = None,
) -> ExportedMap:
    """The first map of a folder that can be read, to look at its orientation.

    What makes its numbers unlikely for its unit stands in `verdict.reasons`.

    Raises
    ------
    ValueError: no file can be read; says why the first could not.
    """
    reading = Reading(
        profiles=load_profiles(profiles, scale),
        unit=unit,
        series=read_series_table(series) if series else {},
    )
    first_reason = ""
    for number, path in enumerate(list_files(Path(folder)), start=1):
        found, problems = read_maps(path, reading)
        if found:
            _doubt(first := found[0])
            return first
        first_reason = first_reason or f"file {number}: {problems[0]}"
    raise ValueError(f"{folder}: no map can be read: {first_reason}.")


def _doubt(found: ExportedMap) -> None:
    """Warn of numbers that cannot be what they are said to be."""
    if found.unit and found.map_type != "reserve" and found.high > HIGHEST[found.unit]:
        found.verdict.warn(
            f"reaches {found.high:.4g} {found.unit}, above {HIGHEST[found.unit]:g}: is it in "
            "another unit? Then say so by --unit"
        )
    for _, text in doubts_of_study({found.map_type: found}, found.unit):
        found.verdict.warn(text)


# === All that is decided before maps are put together ===


def _planned(
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
    found_files = list_files(folder, tell)
    secret = b""
    if not keep_ids:
        secret, path, is_new = load_key(Path(key) if key else None)
        made = "made just now; keep it" if is_new else "as before"
        tell(f"Ids are replaced by pseudonyms; their key is {path} ({made}).")
    table = read_clinical(clinical, columns, traits, tell) if clinical else None
    given = {Path(path).resolve() for path in (clinical, key, series, *profiles) if path}
    given_names = {path.name for path in given}
    # Resolving a path asks the disk, which takes long where there are many.
    paths = [
        path for path in found_files if path.name not in given_names or path.resolve() not in given
    ]
    files = [path.name if path == folder else path.relative_to(folder).as_posix() for path in paths]
    reading = Reading(
        profiles=used,
        unit=unit,
        study_heading=columns.study_id if columns else "",
        series=read_series_table(series) if series else {},
    )
    read = read_files(paths, reading, store, jobs=jobs, show_progress=show_progress)
    unusable = [study for _, study, _ in table.refused] if table else []
    everyone = table.patients | dict.fromkeys(unusable, "") if table else {}
    maps, how = tied_to_table(read.maps, everyone)
    if how:
        tell(how)
    if table is None:
        tell("No clinical table: every study is without labels, and of a patient of its own "
             "unless its files name the patient.")  # fmt: skip
        table = without_table({m.study: m.ids.get("patient_id") or m.study for m in maps})
    rows = {study: Verdict() for study in table.patients}
    for study, reason in table.excluded.items():
        rows[study].refuse(f"excluded: {reason}")
    eligible = [study for study in table.patients if study not in table.excluded]
    matched = match_maps(maps, eligible, table.patients, rows, (*table.excluded, *unusable))
    plan = Plan(table, Read(maps, read.problems), matched, rows, store, files, keep_ids)
    if not matched.studies or strict:
        report = plan.report()
        refused = report[report["status"] == REFUSED]
        if not matched.studies:
            told = "; ".join(reasons(refused[refused["kind"] == "file"], most=3)).rstrip(".")
            hint = f" Do the study ids in the files stand in {table.name}?" if table.name else ""
            n_holding = len({found.file for found in maps})
            return replace(plan, problem=(
                f"{folder}: No study has all its maps. {n_holding} of {len(files)} files hold "
                f"maps.{hint if n_holding else ''} {told}."
            ))  # fmt: skip
        if len(refused):
            told = listing(f"{where(row)}: {row['reason']}" for _, row in refused.iterrows())
            return replace(plan, problem=f"Nothing was imported (strict): {told}.")

    def called(kind: str, id: str) -> str:
        return id if keep_ids else pseudonym(secret, kind, id)

    stated = {"tracer": tracer, "stress_agent": stress_agent, "software": software}
    origin = provenance(table.table, matched.studies, used, stated)
    found = [m for maps in matched.studies.values() for m in maps.values()]
    told = ", ".join(f"{p}: {n} maps" for p, n in Counter(m.profile for m in found).items())
    for line in (*table.described(matched.studies), *mixtures(origin), f"Read with profile {told}"):
        tell(line)
    counts = Counter(m.size for m in found)
    if size is None and len(counts) > 1:
        told = ", ".join(f"{size} x {size} ({n} maps)" for size, n in sorted(counts.items()))
        tell(f"Maps of several sizes are resampled to {RASTER} x {RASTER}: {told}")
    return replace(
        plan,
        size=size or (RASTER if len(counts) > 1 else found[0].size),
        names={s: called("study", s) for s in matched.studies},
        patients={s: called("patient", table.patients[s]) for s in matched.studies},
        origin=origin,
    )


def read_series_table(path: str | Path) -> dict[str, str]:
    """Map type of DICOM series: UID, number or description, in small letters -> map type.

    The table has the columns `series` and `map` (rest, stress or reserve). FileNotFoundError: no
    such file. ValueError: a column is absent, a series is listed twice, or a map type is none.
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


# === Putting maps together ===


def _parts(plan: Plan, tell: Callable[[str], None]) -> Iterator[Cohort]:
    """The cohort, some studies at a time; ends with what is to be said about flow reserve."""
    studies = list(plan.matched.studies)
    disagree: list[str] = []
    sources: Counter[str] = Counter()
    for start in range(0, len(studies), _PART):
        cohort = _cohort(plan, studies[start : start + _PART], disagree)
        if plan.clinical.wants_mfr and "impaired_mfr_source" in cohort.clinical:
            sources.update(filter(None, cohort.clinical["impaired_mfr_source"]))
        yield cohort
    if disagree:
        tell(f"Sources disagree about MFR < 2.0 in {len(disagree)} studies: {listing(disagree)}")
    if sources:
        told = ", ".join(f"{source} ({n} studies)" for source, n in sources.most_common())
        tell(f"{IMPAIRED_MFR} from: {told}")


def _cohort(plan: Plan, studies: list[str], disagree: list[str]) -> Cohort:
    """The cohort of some studies under their new names."""
    matched, size = plan.matched, plan.size
    maps = {}
    for map_type in matched.map_types:
        stack = pixels_of([matched.studies[study][map_type] for study in studies], plan.store)
        stack = [m if len(m) == size else disc_resampled(m, size) for m in stack]
        maps[map_type] = np.stack(stack).astype(np.float32, copy=False)
    index = pd.Index([plan.names[study] for study in studies], name="study_id")
    table = plan.clinical.table.loc[studies].set_axis(index)
    labelled = [trait for trait in plan.clinical.traits if trait != IMPAIRED_MFR]
    described = table.drop(columns=[*plan.clinical.traits, *PROVENANCE], errors="ignore")
    # Finite, not negative, not too high and of one patient: as read, and as matched.
    cohort = of_checked_maps(
        maps=maps,
        traits=table[labelled],
        patients=pd.Series([plan.patients[s] for s in studies], index=index, name="patient_id"),
        clinical=pd.concat([described, plan.origin.loc[studies].set_axis(index)], axis=1),
        truth=pd.DataFrame(index=index),
        unit=matched.unit,
        **of_cohort(plan.origin),
    )
    is_flow = cohort.unit == "mL/min/g" and {"rest", "stress"} <= cohort.maps.keys()
    has_answers = is_flow or {IMPAIRED_MFR, "mfr"} & set(table.columns)
    if not plan.clinical.wants_mfr or not has_answers:
        return cohort
    label, source, odd = impaired_mfr(table, cohort.global_mfr() if is_flow else None)
    disagree += odd
    original = dict(zip(index, studies, strict=True))
    for name in odd:
        plan.rows[original[name]].warn("sources disagree about MFR < 2.0")
    traits = cohort.traits.copy()
    traits.insert(0, IMPAIRED_MFR, label)
    clinical = cohort.clinical.assign(impaired_mfr_source=source)
    return replace(cohort, traits=traits, clinical=clinical)


@contextmanager
def _link_file(link: str | Path | None) -> Iterator[Path | None]:
    """A file that gets its name at the end of the block, where one is asked for.

    FileExistsError: there is a file of this name, which is never overwritten.
    """
    if link and Path(link).exists():
        raise FileExistsError(f"{link} exists; choose another file.")
    with new_file(link) if link else nullcontext() as partial:
        yield partial


def _write_link(plan: Plan, path: Path | None) -> None:
    """Who is who, and the names of the files."""
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
    files = [{"files": k, "file_name": name} for k, name in enumerate(plan.files, start=1)]
    if path:
        write_private(path, csv_text(pd.concat([pd.DataFrame(rows), pd.DataFrame(files)])))
