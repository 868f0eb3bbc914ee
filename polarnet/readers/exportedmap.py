"""The record of one polar map on its way from an export file to the cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

READ, WARNED, REFUSED = "read", "warned", "refused"


@dataclass
class Verdict:
    """What becomes of a map, or of a row of the clinical table."""

    status: str = READ
    reasons: list[str] = field(default_factory=list)

    def warn(self, reason: str) -> None:
        """Note something that the user should know."""
        self.reasons.append(reason)
        self.status = WARNED if self.status == READ else self.status

    def refuse(self, reason: str) -> None:
        """Leave it out, and say why."""
        self.reasons.append(reason)
        self.status = REFUSED

    @property
    def is_refused(self) -> bool:
        return self.status == REFUSED


@dataclass(frozen=True, eq=False)
class ExportedMap:
    """One polar map of an export file.

    Whoever reads a file fills what the file says, "" for what it does not say; `mapfiles` turns the
    numbers into a map in the frame of polarnet and measures it, `reading` lets the pixels wait in a
    store, and `matching` gives the verdict.
    """

    # What the file says.
    values: Any
    """As in the file: an array, or rings that differ in length. Then the map, (size, size) float32
    in `unit`, anterior up and septum left, 0 outside the disc; None while pixels wait."""
    study: str = ""
    map_type: str = ""
    unit: str = ""
    """As in the file, "1" for none. Then "mL/min/g" or "percent", or "" for a reserve."""
    problem: str = ""
    """Why the numbers cannot be used."""
    note: str = ""
    """What the user should know."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Of a DICOM file: accession, study_uid, patient_id."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """manufacturer, model, software_version, tracer, stress_agent."""
    source: str = ""
    """Empty for numbers of a text or array; else "DICOM", or `cohort.RECOVERED` from colours."""
    bits: int = 0
    """Of a picture of 8 bits at most that says no unit; else 0."""

    # What is measured on the map, over the disc and in `unit` if not said otherwise.
    unit_in_file: str = ""
    """As written by the file, the profile or the user."""
    shape: str = ""
    """Of the numbers in the file, for people: "48 x 48", "20 rings", "17 segments"."""
    profile: str = ""
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    lowest_segment: float = 0.0
    """Mean of the lowest segment."""
    top: float = 0.0
    """Highest number as it stands in the file."""
    lost: Sequence[int] = ()
    """Segments that are exactly 0."""
    zeros: float = 0.0
    """Share of the disc that is exactly 0."""

    # Where it waits.
    file: int = 0
    """Number of the file in the sorted list, from 1."""
    folder: str = ""
    digest: str = ""
    """Fingerprints of the folder that the file lies in, and of the pixels."""
    size: int = 0
    start: int = 0
    """The map has size * size pixels; where in the store they begin."""
    verdict: Verdict = field(default_factory=Verdict)
