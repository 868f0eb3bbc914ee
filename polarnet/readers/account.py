"""The account of an import: what became of every file and row, and where the maps come from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.cohort import RECOVERED
from polarnet.readers.coding import Clinical
from polarnet.readers.columnmap import PROVENANCE
from polarnet.readers.exportedmap import READ, REFUSED, WARNED, ExportedMap, Verdict
from polarnet.readers.profiles import Profile
from polarnet.readers.reading import Read

COLUMNS: Final = (
    "kind", "number", "status", "reason", "study_id", "map_type", "unit", "unit_in_file",
    "lowest", "highest", "shape", "profile", "name",
)  # fmt: skip
"""Of import_report.csv. `number`: of a file in the list sorted by path, from 1, or the line of a
row in the table. `lowest`, `highest`: over the disc, in `unit`."""

_SHOWN: Final = 20
"""Refusals named one by one on the screen; the rest are counted."""


def account(
    read: Read,
    studies: Mapping[str, Mapping[str, ExportedMap]],
    rows: Mapping[str, Verdict],
    clinical: Clinical,
    names: Mapping[str, str],
    files: Sequence[str] = (),
) -> pd.DataFrame:
    """One row for every map, every problem of a file, and every row of the table.

    `studies` are those of the cohort and `names` their ids in it; a study that is not in `names` is
    not named. `files` has the names of the files; empty where they may be those of people.
    """
    in_cohort = {found: names.get(s, "") for s, maps in studies.items() for found in maps.values()}
    lines: list[dict[str, Any]] = [
        {"number": number, "status": REFUSED, "reason": problem}
        for number, problem in read.problems
    ]
    for found in read.maps:
        lines.append(
            {
                "number": found.file,
                **_told(found.verdict),
                "study_id": in_cohort.get(found, ""),
                "map_type": found.map_type,
                "unit": found.unit,
                "unit_in_file": found.unit_in_file,
                "lowest": round(found.low, 4),
                "highest": round(found.high, 4),
                "shape": found.shape,
                "profile": found.profile,
            }
        )
    lines.sort(key=lambda line: line["number"])
    for line in lines:
        line |= {"kind": "file", "name": files[line["number"] - 1] if files else ""}
    lines += [
        {"kind": "row", "number": line, "status": REFUSED, "reason": reason}
        for line, reason in clinical.refused
    ]
    lines += [
        {"kind": "row", "number": clinical.lines[s], **_told(row), "study_id": names.get(s, "")}
        for s, row in rows.items()
        if clinical.name
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _told(verdict: Verdict) -> dict[str, str]:
    return {"status": verdict.status, "reason": "; ".join(verdict.reasons)}


def summary(report: pd.DataFrame) -> list[str]:
    """The account in a few lines: counts, and the first refusals."""
    lines = []
    for kind, what in (("file", "maps and files"), ("row", "rows of the table")):
        of_kind = report[report["kind"] == kind]
        if len(of_kind):
            counts = of_kind["status"].value_counts()
            told = ", ".join(f"{counts[s]} {s}" for s in (READ, WARNED, REFUSED) if s in counts)
            lines.append(f"{len(of_kind)} {what}: {told}")
    odd = report[report["status"] != READ]
    for reason, n in Counter(odd["reason"]).most_common(_SHOWN):
        first = odd[odd["reason"] == reason].iloc[0]
        where = f"{'file' if first['kind'] == 'file' else 'line'} {first['number']}"
        where = str(first["name"]) if pd.notna(first["name"]) and first["name"] else where
        more = f" and {n - 1} more" if n > 1 else ""
        lines.append(f"  {first['status']}: {where}{more}: {reason}")
    return lines


def refusals(
    read: Read, rows: Mapping[str, Verdict], clinical: Clinical, files: Sequence[str] = ()
) -> list[str]:
    """Everything that is left out, one text each; files are named where `files` allows it."""

    def named(number: int) -> str:
        return Path(files[number - 1]).name if files else f"file {number}"

    refused = [found for found in read.maps if found.verdict.is_refused]
    return [
        *(f"{named(number)} {problem}" for number, problem in read.problems),
        *(f"{named(found.file)}: {found.verdict.reasons[-1]}" for found in refused),
        *(f"line {line}: {reason}" for line, reason in clinical.refused),
        *(
            f"line {clinical.lines[study]}: {row.reasons[-1]}"
            for study, row in rows.items()
            if row.is_refused and study in clinical.lines
        ),
    ]


def provenance(
    table: pd.DataFrame,
    studies: Mapping[str, Mapping[str, ExportedMap]],
    profiles: Sequence[Profile],
    stated: Mapping[str, str],
) -> pd.DataFrame:
    """Origin of every study: a column for each thing that is known of any, `profile` and
    `unit_in_file`; index study_id of the table.

    The table wins over what the user states for the whole cohort, that over the file, and the file
    over the profile that it was read with.
    """
    by_name = {profile.name: profile for profile in profiles}
    in_table = {name: dict(table[name]) for name in PROVENANCE if name in table}

    def origin(study: str, name: str) -> str:
        maps = studies[study].values()
        said = str(in_table[name][study]) if name in in_table else ""
        said = said or stated.get(name, "") or _joined(
            m.origin.get(name, "") or getattr(by_name[m.profile], name, "") for m in maps
        )  # fmt: skip
        # Last, so that nothing anybody states can hide it.
        is_recovered = name == "software" and any(m.source == RECOVERED for m in maps)
        return ", ".join(filter(None, (said, RECOVERED if is_recovered else "")))

    columns = {name: [origin(study, name) for study in studies] for name in PROVENANCE}
    known = {name: values for name, values in columns.items() if any(values)}
    for name in ("profile", "unit_in_file"):
        known[name] = [
            _joined(getattr(m, name) for m in maps.values()) for maps in studies.values()
        ]
    return pd.DataFrame(known, index=pd.Index(list(studies), name="study_id"))


def of_cohort(origin: pd.DataFrame) -> dict[str, str]:
    """Tracer, stress agent and software of a whole cohort, "" where nobody says."""
    names = ("tracer", "stress_agent", "software")
    return {name: _joined(sorted(origin[name])) if name in origin else "" for name in names}


def mixtures(origin: pd.DataFrame) -> list[str]:
    """A line for everything in which the studies differ: nothing is mixed in silence."""
    lines = []
    for name in origin.columns.drop("profile"):
        counts = origin[name].replace("", "not stated").value_counts()
        if len(counts) > 1:
            told = ", ".join(f"{value} ({n} studies)" for value, n in counts.items())
            lines.append(f"Studies differ in {str(name).replace('_', ' ')}: {told}")
    return lines


def _joined(values: Iterable[str]) -> str:
    """Different values that are not empty, in their order."""
    return " + ".join(dict.fromkeys(value for value in values if value))
