"""What became of every file and every row that was met."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from polarnet.readers.clinic.clinical import Clinical
from polarnet.readers.matching import READ, REFUSED, Matched, Verdict
from polarnet.readers.reading import ReadFile

COLUMNS: Final = (
    "kind", "number", "status", "reason", "study_id", "map_type", "unit", "unit_in_file",
    "lowest", "highest", "shape", "profile", "name",
)  # fmt: skip
"""Of import_report.csv. `number`: of a file in the list sorted by path, from 1, or the line of a
row in the table. `lowest`, `highest`: over the disc, in `unit`."""

_SHOWN: Final = 20
"""Refusals named one by one on the screen; the rest are counted."""


def account(
    matched: Matched,
    files: Sequence[ReadFile],
    rows: dict[str, Verdict],
    clinical: Clinical,
    names: dict[str, str],
    paths: Sequence[Path] | None,
    folder: Path,
) -> pd.DataFrame:
    """One row for every map, every problem of a file, and every row of the table.

    Parameters
    ----------
    names
        Study id -> name in the cohort; a study that is not in it is not named.
    paths
        The files, to be named; None where names of files may be those of people.
    """

    def named(number: int) -> str:
        if paths is None:
            return ""
        path = paths[number - 1]
        return path.name if path == folder else path.relative_to(folder).as_posix()

    in_cohort = {
        (found.file, found.map_type, found.chunk, found.start): study
        for study, maps in matched.studies.items()
        for found in maps.values()
    }
    lines: list[dict[str, Any]] = [
        {"kind": "file", "number": file.number, "status": REFUSED, "reason": problem,
         "name": named(file.number)}
        for file in files
        for problem in file.problems
    ]  # fmt: skip
    for found, verdict in matched.maps:
        study = in_cohort.get((found.file, found.map_type, found.chunk, found.start))
        lines.append(
            {
                "kind": "file",
                "number": found.file,
                "status": verdict.status,
                "reason": "; ".join(verdict.reasons),
                "study_id": names.get(study, "") if study else "",
                "map_type": found.map_type,
                "unit": found.unit,
                "unit_in_file": found.unit_text,
                "lowest": round(found.low, 4),
                "highest": round(found.high, 4),
                "shape": found.shape,
                "profile": found.profile,
                "name": named(found.file),
            }
        )
    lines.sort(key=lambda line: line["number"])
    for line, reason in clinical.refused:
        lines.append({"kind": "row", "number": line, "status": REFUSED, "reason": reason})
    for study, verdict in rows.items() if clinical.name else ():
        lines.append(
            {
                "kind": "row",
                "number": clinical.lines[study],
                "status": verdict.status,
                "reason": "; ".join(verdict.reasons),
                "study_id": names.get(study, ""),
            }
        )
    return pd.DataFrame(lines, columns=list(COLUMNS))


def summary(report: pd.DataFrame) -> list[str]:
    """The account in a few lines: counts, and the first refusals."""
    lines = []
    for kind, what in (("file", "maps and files"), ("row", "rows of the table")):
        of_kind = report[report["kind"] == kind]
        if len(of_kind):
            counts = of_kind["status"].value_counts()
            told = ", ".join(
                f"{counts[s]} {s}" for s in ("read", "warned", "refused") if s in counts
            )
            lines.append(f"{len(of_kind)} {what}: {told}")
    refused = report[report["status"] != READ]
    for reason, n in Counter(refused["reason"]).most_common(_SHOWN):
        first = refused[refused["reason"] == reason].iloc[0]
        where = f"{'file' if first['kind'] == 'file' else 'line'} {first['number']}"
        where = str(first["name"]) if pd.notna(first["name"]) and first["name"] else where
        more = f" and {n - 1} more" if n > 1 else ""
        lines.append(f"  {first['status']}: {where}{more}: {reason}")
    return lines
