"""From a folder of exports and a clinical table to a cohort, with an account of everything met."""

import hashlib
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from polarnet.cohort import Cohort, of_checked_maps, write_cohorts
from polarnet.files import check_vacant, csv_text, new_file, write_csv
from polarnet.ids import listing
from polarnet.readers.account import of_cohort, summary
from polarnet.readers.clinicaltable import impaired_mfr
from polarnet.readers.columnmap import PROVENANCE
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.geometry import disc_resampled
from polarnet.readers.identity import write_private
from polarnet.readers.mapfiles import read_maps
from polarnet.readers.planning import PROFILES, Plan, make_plan, read_series_table
from polarnet.readers.profiles import Reading, load_profiles
from polarnet.readers.reading import list_files, pixels_of
from polarnet.traits import IMPAIRED_MFR

_KEPT_SECONDS: Final = 7 * 24 * 3600
"""How long what was read waits for an interrupted import to be run again (our choice)."""

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
        _private_file(link) as write_link,
    ):
        plan = make_plan(Path(folder), clinical, Path(temporary), said, **settings)
        if plan.problem:
            raise ValueError(plan.problem)
        cohort = Cohort.concat(_parts(plan, said))
        write_link(plan)
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
    `import_report.csv`, one row for each of them. Run an interrupted import again to resume it.

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
    reports: list[pd.DataFrame] = []

    def beside(partial: Path) -> None:
        reports.append(plan.account())
        write_csv(reports[0], partial / "import_report.csv")
        if draw:
            some = np.unique(np.linspace(0, len(plan.names) - 1, 60).astype(int))
            drawn = _cohort(plan, [list(plan.names)[k] for k in some], [])
            draw(drawn, len(plan.names), partial / "contact_sheet.png")
        # Before there is a cohort: nobody could tell whose its studies are.
        write_link(plan)

    with _private_file(link) as write_link, _waiting_place(out) as place:
        check_vacant(out)
        plan = make_plan(folder, clinical, place, tell, show_progress=show_progress, **settings)
        if plan.problem:
            path = out.with_name(f"{out.name}_import_report.csv")
            write_csv(plan.account(), path)
            raise ValueError(f"{plan.problem} Every file and row is accounted for in {path}.")
        cohort = write_cohorts(_parts(plan, tell), out, beside)
    if link:
        tell(f"{link} ties pseudonyms to ids and file names: keep it private.")
    for line in (*summary(reports[0]), *plan.matched.doubts):
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
            return found[0]
        first_reason = first_reason or f"file {number} {problems[0]}"
    raise ValueError(f"{folder}: no map can be read: {first_reason}.")


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
    origin, stated = plan.origin.loc[studies].set_axis(index), of_cohort(plan.origin)
    # Finite, not negative, not too high and of one patient: as read, and as matched.
    cohort = of_checked_maps(
        maps=maps,
        traits=table[labelled],
        patients=pd.Series([plan.patients[s] for s in studies], index=index, name="patient_id"),
        clinical=pd.concat([described, origin], axis=1),
        truth=pd.DataFrame(index=index),
        unit=matched.unit,
        tracer=stated["tracer"],
        stress_agent=stated["stress_agent"],
        software=stated["software"],
    )
    if not plan.clinical.wants_mfr:
        return cohort
    is_flow = cohort.unit == "mL/min/g" and {"rest", "stress"} <= cohort.maps.keys()
    if not is_flow and not {IMPAIRED_MFR, "mfr"} & set(table.columns):
        return cohort
    label, source, odd = impaired_mfr(table, cohort.global_mfr() if is_flow else None)
    disagree += odd
    original = dict(zip(index, studies, strict=True))
    for name in odd:
        plan.rows[original[name]].warn("sources disagree about MFR < 2.0")
    traits = cohort.traits.copy()
    traits.insert(0, IMPAIRED_MFR, label)
    return replace(
        cohort, traits=traits, clinical=cohort.clinical.assign(impaired_mfr_source=source)
    )


@contextmanager
def _private_file(link: str | Path | None) -> Iterator[Callable[[Plan], None]]:
    """What writes the table of who is who; at the end the file gets its name, if one is asked for.

    FileExistsError: there is a file of this name, which is never overwritten.
    """
    if not link:
        yield lambda plan: None
        return
    _check_absent(Path(link))
    with new_file(link) as partial:
        yield lambda plan: write_private(partial, csv_text(_link_table(plan)))
        _check_absent(Path(link))


def _check_absent(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists; choose another file.")


def _link_table(plan: Plan) -> pd.DataFrame:
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
    return pd.concat([pd.DataFrame(rows), pd.DataFrame(files)])


@contextmanager
def _waiting_place(out: Path) -> Iterator[Path]:
    """Where what was read waits until the import is finished: in the user's own cache.

    ValueError: another import to the same cohort folder is running; a killed one keeps nobody out.
    """
    places = user_cache_path("polarnet", appauthor=False) / "import"
    places.mkdir(parents=True, exist_ok=True, mode=0o700)
    for place in places.iterdir():
        # It holds study ids; nobody comes back for one that was left behind long ago.
        with suppress(OSError):  # another import may be tidying up
            if time.time() - place.stat().st_mtime > _KEPT_SECONDS:
                place.unlink() if place.suffix == ".lock" else shutil.rmtree(place)
    place = places / hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:16]
    lock = FileLock(place.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"Another import to {out} is running. Wait until it has ended, or choose another --out."
        ) from None
    except (OSError, NotImplementedError):
        pass  # some file systems have no locks: there, fingerprints keep pixels and ids together
    try:
        yield place
    except Exception:
        # What waits there names studies; only an interrupted import will come back for it.
        shutil.rmtree(place, ignore_errors=True)
        raise
    else:
        shutil.rmtree(place, ignore_errors=True)
    finally:
        lock.release()
