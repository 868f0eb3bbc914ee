"""Plan and account of an import: every file and row, and where the maps come from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.cohort import RECOVERED
from polarnet.readers.clinicaltable import Clinical
from polarnet.readers.columnmap import PROVENANCE
from polarnet.readers.exportedmap import READ, REFUSED, WARNED, Verdict
from polarnet.readers.matching import MapsOfStudy, Matched
from polarnet.readers.profiles import Profile
from polarnet.readers.reading import Read

COLUMNS: Final = (
    "kind", "number", "status", "reason", "study_id", "map_type", "unit", "unit_in_file",
    "lowest", "highest", "shape", "profile", "name",
)  # fmt: skip
"""Of import_report.csv. `number`: of a file in the list sorted by path, from 1, or the line of a
row in the table. `lowest`, `highest`: over the disc, in `unit`."""

_OF_MAP: Final = ("map_type", "unit", "unit_in_file", "shape", "profile")

_SHOWN: Final = 20  # reasons that are told on the screen; the rest are in the report


@dataclass(frozen=True, eq=False)
class Plan:
    """What an import will be: the table, what was read, the complete studies, and the verdict of
    every row. Studies are called by their id in the table.
    """

    clinical: Clinical
    read: Read
    matched: Matched
    rows: dict[str, Verdict]
    store: Path  # where pixels wait
    files: list[str]  # names, in the order of their numbers
    keeps_ids: bool  # whether ids and names of files may be seen
    problem: str = ""  # why there can be no cohort; then all below is empty
    size: int = 0  # rows of a map
    names: dict[str, str] = field(default_factory=dict)  # study -> its id in the cohort
    patients: dict[str, str] = field(default_factory=dict)  # study -> patient id in the cohort
    origin: pd.DataFrame = field(default_factory=pd.DataFrame)  # see `provenance`

    def report(self) -> pd.DataFrame:
        """One row for every map, every problem of a file, and every row of the table."""
        in_cohort = {
            found: self.names.get(study, "")
            for study, maps in self.matched.studies.items()
            for found in maps.values()
        }
        lines: list[dict[str, Any]] = [
            {"number": number, "status": REFUSED, "reason": problem}
            for number, problem in self.read.problems
        ]
        lines += [
            {
                "number": found.file,
                **_told(found.verdict),
                "study_id": in_cohort.get(found, ""),
                "lowest": round(found.low, 4),
                "highest": round(found.high, 4),
                **{name: getattr(found, name) for name in _OF_MAP},
            }
            for found in self.read.maps
        ]
        lines.sort(key=lambda line: line["number"])
        for line in lines:
            name = self.files[line["number"] - 1] if self.keeps_ids else ""
            line |= {"kind": "file", "name": name}
        lines += [
            {"kind": "row", "number": line, "status": REFUSED, "reason": reason}
            for line, _, reason in self.clinical.refused
        ]
        lines += [
            {"kind": "row", "number": number, **_told(self.rows[study]),
             "study_id": self.names.get(study, "")}
            for study, number in self.clinical.lines.items()
        ]  # fmt: skip
        return pd.DataFrame(lines, columns=list(COLUMNS))


def _told(verdict: Verdict) -> dict[str, str]:
    return {"status": verdict.status, "reason": "; ".join(verdict.reasons)}


def summary(report: pd.DataFrame) -> list[str]:
    """The account in a few lines: counts, and the commonest reasons."""
    lines = []
    for kind, what in (("file", "maps and files"), ("row", "rows of the table")):
        of_kind = report[report["kind"] == kind]
        if len(of_kind):
            counts = of_kind["status"].value_counts()
            told = ", ".join(f"{counts[s]} {s}" for s in (READ, WARNED, REFUSED) if s in counts)
            lines.append(f"{len(of_kind)} {what}: {told}")
    return lines + [f"  {line}" for line in reasons(report[report["status"] != READ], _SHOWN)]


def reasons(report: pd.DataFrame, most: int) -> list[str]:
    """The commonest reasons of some rows of the report, each with the first file or line."""
    lines = []
    for reason, n in Counter(report["reason"]).most_common(most):
        first = report[report["reason"] == reason].iloc[0]
        more = f" and {n - 1} more" if n > 1 else ""
        lines.append(f"{first['status']}: {where(first)}{more}: {reason}")
    return lines


def where(row: pd.Series) -> str:
    """The file or line that a row of the report is about."""
    number = f"{'file' if row['kind'] == 'file' else 'line'} {row['number']}"
    return str(row["name"]) if pd.notna(row["name"]) and row["name"] else number


def provenance(
    table: pd.DataFrame,
    studies: Mapping[str, MapsOfStudy],
    profiles: Sequence[Profile],
    stated: Mapping[str, str],
) -> pd.DataFrame:
    """Origin of every study: a column for each thing that is known of any, `profile` and
    `unit_in_file`; index study_id of the table.

    The table wins over what the user states for the whole cohort, that over the file, and the file
    over the profile that it was read with.
    """
    by_name = {profile.name: profile for profile in profiles}
    known: dict[str, list[str]] = {}
    for name in PROVENANCE:
        values = []
        for study, maps in studies.items():
            said = str(table.loc[study, name]) if name in table else ""
            said = said or stated.get(name, "") or _joined(
                m.origin.get(name, "") or getattr(by_name[m.profile], name, "")
                for m in maps.values()
            )  # fmt: skip
            # Last, so that nothing anybody states can hide it.
            is_recovered = any(m.source == RECOVERED for m in maps.values())
            recovered = RECOVERED if is_recovered and name == "software" else ""
            values.append(", ".join(filter(None, (said, recovered))))
        known |= {name: values} if any(values) else {}
    for name in ("profile", "unit_in_file"):
        known[name] = [_joined(getattr(m, name) for m in of.values()) for of in studies.values()]
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
