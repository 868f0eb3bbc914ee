"""The record of one polar map on its way from an export file to the cohort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

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

    Whoever reads a file fills what the file says: `values` to `bits`, "" for what it does not say.
    `mapfiles` turns the numbers into a map in the frame of polarnet and measures it, `reading` lets
    the pixels wait in a store, and `matching` gives the verdict.

    Attributes
    ----------
    values
        As in the file: an array, or a list of rings that differ in length. Then the map, (size,
        size) float32 in `unit`, anterior up and septum left, 0 outside the disc. None while the
        pixels wait in the store.
    study
        Id as the file, its name or, for DICOM, the row of the table gives it.
    map_type
        "rest", "stress" or "reserve".
    unit
        As the file says, "1" for numbers without unit. Then "mL/min/g" or "percent", or "" for a
        reserve.
    problem
        Why the numbers cannot be used, "" for nothing.
    note
        What the user should know, "" for nothing.
    ids
        Of a DICOM file: accession, study_uid, patient_id.
    origin
        manufacturer, model, software_version, tracer, stress_agent.
    source
        "" for numbers of a text or array, "DICOM" for those of an image, `cohort.RECOVERED` for
        those read from colours.
    bits
        Of a picture that says no unit itself, and has 8 bits at most or reaches the top of its
        range; else 0.
    unit_in_file
        As written by the file, the profile or the user.
    shape
        Of the numbers in the file, for people to read: "48 x 48", "20 rings", "17 segments".
    profile
        Name of the profile that the file was read with.
    low, high, mean
        Over the disc, in `unit`.
    lowest_segment
        Mean of the lowest segment, in `unit`.
    top
        Highest number as it stands in the file.
    lost
        Segments that are exactly 0.
    zeros
        Share of the disc that is exactly 0.
    file
        Number of the file in the sorted list, from 1.
    folder, digest
        Fingerprints of the folder that the file lies in, and of the pixels.
    size, start
        The map has size * size pixels; where in the store they begin.
    verdict
        What becomes of the map.
    """

    values: Any
    study: str = ""
    map_type: str = ""
    unit: str = ""
    problem: str = ""
    note: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    bits: int = 0

    unit_in_file: str = ""
    shape: str = ""
    profile: str = ""
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    lowest_segment: float = 0.0
    top: float = 0.0
    lost: Sequence[int] = ()
    zeros: float = 0.0

    file: int = 0
    folder: str = ""
    digest: str = ""
    size: int = 0
    start: int = 0
    verdict: Verdict = field(default_factory=Verdict)

    def facts(self) -> dict[str, Any]:
        """All of it as JSON can hold it, without `values` and `verdict`."""
        return {name: getattr(self, name) for name in _FACTS}


_FACTS: Final = tuple(f.name for f in fields(ExportedMap) if f.name not in ("values", "verdict"))
