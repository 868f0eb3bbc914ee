"""Whose, of what and from where is a DICOM image? Never a name, a date or a place."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from polarnet.ids import normal_id
from polarnet.readers.dicom.numbers import of_frame
from polarnet.readers.identity import header_words, tells_a_day
from polarnet.readers.words import is_formula

IDS: Final = {"accession": "AccessionNumber", "study_uid": "StudyInstanceUID",
              "patient_id": "PatientID"}  # fmt: skip
"""What may tie a file to a row of the clinical table: our word for it, and its keyword."""

_STATES: Final = (
    ("rest", Code("128975004", "SCT", "")),
    ("stress", Code("109091", "DCM", "")),
    ("stress", Code("432655005", "SCT", "")),
    ("stress", Code("434161005", "SCT", "")),
    ("rest", Code("122791", "DCM", "")),
    ("stress", Code("122792", "DCM", "")),
)
"""Resting, stress and peak stress state (CID 3102, 3207); PET perfusion, rest only and stress only
(CID 3106). Compared as codes, which knows the older names (SRT) of SNOMED's."""

_STATE_PLACES: Final = (
    "AcquisitionContextSequence", "PatientPhysiologicalStateSequence",
    "PatientPhysiologicalStateCodeSequence", "PerformedProtocolCodeSequence",
    "ProcedureCodeSequence",
)  # fmt: skip

_TEXTS: Final = (
    "SeriesDescription", "ProtocolName", "ContentLabel", "ContentDescription", "ImageComments",
    "AcquisitionProtocolName",
)  # fmt: skip
"""Texts that may say rest or stress. The study's own description names both."""

_TRACERS: Final = (
    ("Rb-82", Code("79197006", "SCT", "")),
    ("Rb-82", Code("129503007", "SCT", "")),
    ("N-13 ammonia", Code("129508003", "SCT", "")),
    ("N-13", Code("21576001", "SCT", "")),
    ("O-15 water", Code("129505000", "SCT", "")),
    ("F-18 flurpiridaz", Code("126718", "DCM", "")),
)
"""Tracers of perfusion (CID 3107, 4020, 4021); any other keeps its code's meaning."""

_AGENTS: Final = (
    ("adenosine", Code("108502004", "SCT", "")),
    ("A2A agonist", Code("432062000", "SCT", "")),
    ("dipyridamole", Code("66859009", "SCT", "")),
    ("dobutamine", Code("26523005", "SCT", "")),
)
"""Stress agents (CID 3204)."""


def identity(header: Dataset) -> dict[str, str]:
    """Accession number, study UID and patient id, "" where there is none."""
    return {name: _text(header.get(keyword)) for name, keyword in IDS.items()}


def series_keys(header: Dataset) -> list[str]:
    """What a user's table may call the series: UID, description, number."""
    keywords = ("SeriesInstanceUID", "SeriesDescription", "SeriesNumber")
    ids = (normal_id(_text(header.get(keyword))) for keyword in keywords)
    return [id.casefold() for id in ids if id]


def origin(header: Dataset) -> dict[str, str]:
    """What is known of program, tracer and stress agent."""
    facts = {
        "manufacturer": _text(header.get("Manufacturer")),
        "model": _text(header.get("ManufacturerModelName")),
        "software_version": _text(header.get("SoftwareVersions")),
        "tracer": _first_code(
            header,
            "RadiopharmaceuticalInformationSequence",
            ("RadiopharmaceuticalCodeSequence", "RadionuclideCodeSequence"),
            _TRACERS,
            "Radiopharmaceutical",
        ),
        "stress_agent": _first_code(
            header,
            "InterventionDrugInformationSequence",
            ("InterventionDrugCodeSequence",),
            _AGENTS,
            "InterventionDrugName",
        )
        or _first_code(header, "InterventionSequence", ("InterventionDrugCodeSequence",), _AGENTS),
    }
    # A spreadsheet would compute the first, and the second is no fact of a program.
    return {
        name: text
        for name, text in facts.items()
        if text and not is_formula(text) and not tells_a_day(text)
    }


def map_type_of(
    header: Dataset,
    frame: int,
    words: str,
    is_reserve: bool,
    known: Mapping[str, Iterable[str]],
    unit: str = "",
) -> str:
    """Rest, stress or reserve.

    Parameters
    ----------
    words
        What the frame says of itself.
    is_reserve
        Whether its numbers have the code of flow reserve.
    known
        Map type -> words or phrases for it.
    unit
        Of the numbers, "1" for none, "" where it is not known: of "MFR adenosine", numbers without
        unit are the reserve.

    Returns
    -------
    "" where nothing says it.

    Raises
    ------
    ValueError: two things say differently.
    """
    if is_reserve:
        return "reserve"
    coded = _coded_state(header, frame)
    labels = [
        _text(item.get("FrameLabel")) for item in of_frame(header, frame, "FrameContentSequence")
    ]
    own = _in_words([words, *labels], known)
    told = own or _in_words([_text(header.get(keyword)) for keyword in _TEXTS], known)
    if unit and len(told) > 1:
        told = told & ({"reserve"} if unit == "1" else {"rest", "stress"})
    if len(told & own) > 1 or (len(told) > 1 and not coded):
        raise ValueError(f"is described as {' and '.join(sorted(told))} at once")
    said = next(iter(told)) if len(told) == 1 else ""
    if coded and said in ("rest", "stress") and coded != said:
        raise ValueError(f"is coded as {coded} and described as {said}")
    # The reserve of a patient under stress is still a reserve.
    return said if said == "reserve" else coded or said


def _coded_state(header: Dataset, frame: int) -> str:
    """Rest or stress by a code, "" where there is none, or one of each."""
    states = {
        state
        for place in _STATE_PLACES
        for item in of_frame(header, frame, place)
        if _is_of(item, frame) and (state := _state_within(item))
    }
    return states.pop() if len(states) == 1 else ""


def _is_of(item: Dataset, frame: int) -> bool:
    """Whether an item of the acquisition context is about a frame, or about all of them."""
    # The second is the older one, now retired (PS3.3, C.7.6.14).
    numbers = item.get("ReferencedFrameNumber", item.get("ReferencedFrameNumbers"))
    several = hasattr(numbers, "__iter__") and not isinstance(numbers, str)
    return numbers is None or str(frame + 1) in map(str, numbers if several else [numbers])


def _state_within(item: Dataset) -> str:
    """State that an item, or one a level below it, is coded as."""
    below = [
        code
        for keyword in ("ConceptCodeSequence", "PatientPhysiologicalStateCodeSequence")
        for code in item.get(keyword) or ()
    ]
    return next((word for code in (item, *below) if (word := _named(code, _STATES))), "")


def _in_words(texts: Iterable[str], known: Mapping[str, Iterable[str]]) -> set[str]:
    """Map types whose words occur in texts, as whole words."""
    plain = " ".join(header_words(text) for text in texts)
    return {
        map_type
        for map_type, words in known.items()
        if any(re.search(rf"\b{re.escape(header_words(word))}\b", plain) for word in words)
    }


def _first_code(
    header: Dataset,
    sequence: str,
    keywords: Sequence[str],
    names: Sequence[tuple[str, Code]],
    text: str = "",
) -> str:
    """Our word for the first code within the first item of a sequence, or its own, or its text."""
    for item in list(header.get(sequence) or ())[:1]:
        for keyword in keywords:
            for code in item.get(keyword) or ():
                return _named(code, names) or _text(code.get("CodeMeaning"))
        return _text(item.get(text)) if text else ""
    return ""


def _named(item: Dataset, names: Sequence[tuple[str, Code]]) -> str:
    """Our word for a code, "" for one that is not among them."""
    code = Code(_text(item.get("CodeValue")), _text(item.get("CodingSchemeDesignator")), "")
    return next((word for word, known in names if code == known), "")


def _text(value: Any) -> str:
    """Text of an attribute in one line, several values joined."""
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return " ".join(" ".join(str(part).split()) for part in parts if part is not None)[:64]
