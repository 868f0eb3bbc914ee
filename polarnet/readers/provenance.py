"""Where each study's maps come from: program, tracer, stress agent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from polarnet.cohort import RECOVERED
from polarnet.readers.clinic.columns import PROVENANCE
from polarnet.readers.matching import Matched
from polarnet.readers.profiles import Profile

OF_COHORT: Final = ("tracer", "stress_agent", "software")
"""What a cohort states as a whole; several values are joined."""

_NOT_STATED: Final = "not stated"


def provenance(
    table: pd.DataFrame,
    matched: Matched,
    profiles: Sequence[Profile],
    stated: Mapping[str, str],
) -> pd.DataFrame:
    """Origin of every complete study.

    Parameters
    ----------
    table
        Index study_id; its columns of provenance win over all else.
    profiles
        In use; what they say counts where neither the user nor the file says it.
    stated
        By the user, for the whole cohort.

    Returns
    -------
    Index study_id of the table; a column for each thing that is known of any study, `profile` and
    `unit_in_file`.
    """
    by_name = {profile.name: profile for profile in profiles}
    studies = list(matched.studies)
    columns: dict[str, list[str]] = {}
    for name in PROVENANCE:
        cells = dict(table[name]) if name in table else dict.fromkeys(studies, "")
        columns[name] = [
            str(cells[study])
            or stated.get(name, "")
            or _joined(
                found.origin.get(name, "") or getattr(by_name[found.profile], name, "")
                for found in matched.studies[study].values()
            )
            for study in studies
        ]
    # Last, so that nothing anybody states can hide it.
    columns["software"] = [
        ", ".join(filter(None, (software, RECOVERED if _is_recovered(matched, study) else "")))
        for software, study in zip(columns["software"], studies, strict=True)
    ]
    known = {name: values for name, values in columns.items() if any(values)}
    known["profile"] = [_joined(m.profile for m in matched.studies[s].values()) for s in studies]
    known["unit_in_file"] = [
        _joined(m.unit_text for m in matched.studies[s].values()) for s in studies
    ]
    return pd.DataFrame(known, index=pd.Index(studies, name="study_id"))


def _is_recovered(matched: Matched, study: str) -> bool:
    return any(found.source == RECOVERED for found in matched.studies[study].values())


def of_cohort(origin: pd.DataFrame) -> dict[str, str]:
    """Tracer, stress agent and software of a whole cohort, "" where nobody says."""
    return {name: _joined(sorted(origin[name])) if name in origin else "" for name in OF_COHORT}


def mixtures(origin: pd.DataFrame) -> list[str]:
    """A line for everything in which the studies differ: nothing is mixed in silence."""
    lines = []
    for name in origin:
        counts = origin[name].replace("", _NOT_STATED).value_counts()
        if len(counts) > 1 and name != "profile":
            told = ", ".join(f"{value} ({n} studies)" for value, n in counts.items())
            lines.append(f"Studies differ in {str(name).replace('_', ' ')}: {told}")
    return lines


def _joined(values: Iterable[str]) -> str:
    """Different values that are not empty, in their order."""
    return " + ".join(dict.fromkeys(value for value in values if value))
