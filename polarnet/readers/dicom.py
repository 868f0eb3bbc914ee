"""The polar maps of a DICOM image: numbers, unit, map type, and where they come from.

Runs in the process apart. What is kept of the header is never a name, a date or a place.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from polarnet.ids import normal_id
from polarnet.readers.dicomfile import finite, is_screen, read_dataset, read_frames, whole
from polarnet.readers.exportedmap import ExportedMap
from polarnet.readers.identity import header_words, tells_a_day
from polarnet.readers.profiles import Reading
from polarnet.readers.screens import NO_SCALE, recovered
from polarnet.readers.units import conversion, is_unit
from polarnet.readers.words import is_formula, section

_PT_UNITS: Final = {"MLMING": "ml/min/g", "MLMINML": "ml/min/ml", "PCNT": "percent", "NONE": "1"}
"""Units (0054,1001) that a polar map may have (PS3.3, C.8.9.1.1.3)."""

_COUNTS: Final = ("CNTS", "PROPCNTS", "CPS", "PROPCPS", "BQML")
"""Units of pictures of activity: a polar map only where the user says that they are percent."""

_STATES: Final = {
    "rest": (codes.SCT.RestingState, codes.DCM.PETMyocardialPerfusionRestOnly),
    "stress": (
        codes.DCM.CardiacStressState, codes.SCT.CardiacStressState,
        codes.SCT.PeakCardiacStressState, codes.DCM.PETMyocardialPerfusionStressOnly,
    ),
}  # fmt: skip
"""States of the patient (CID 3102, 3207), and protocols of one state (CID 3106)."""

_STATE_PLACES: Final = (
    "AcquisitionContextSequence", "PatientPhysiologicalStateSequence",
    "PerformedProtocolCodeSequence", "ProcedureCodeSequence",
)  # fmt: skip

_TEXTS: Final = (
    "SeriesDescription", "ProtocolName", "ContentLabel", "ContentDescription", "ImageComments",
    "AcquisitionProtocolName",
)  # fmt: skip
"""Texts that may say rest or stress. The study's own description names both."""

_SUBSTANCES: Final = section("tracers and stress agents")
"""Our word for a tracer or an agent -> words for it in texts and the meanings of codes."""

_IDS: Final = {
    "accession": "AccessionNumber", "study_uid": "StudyInstanceUID", "patient_id": "PatientID",
}  # fmt: skip
"""What may tie a file to a row of the clinical table: our word for it, and its keyword."""


def read_dicom(path: Path, reading: Reading) -> list[ExportedMap]:
    """Maps of a DICOM file; ValueError: it holds none, and why."""
    header = read_dataset(path)
    if is_screen(header) and reading.screen is None:
        raise ValueError(NO_SCALE)
    stored = read_frames(header)
    ids, source = {name: _text(header.get(word)) for name, word in _IDS.items()}, origin(header)
    listed = next((reading.series[k] for k in series_keys(header) if k in reading.series), "")
    if is_screen(header):
        if stored.ndim == 3 or stored.dtype != np.uint8:
            raise ValueError("is a screen with a palette, or of more than 8 bits: save it as PNG")
        map_type = _decided(map_type_of(header, 0, "", False, reading.words), listed, header)
        return [replace(recovered(stored[0], map_type, reading), ids=ids, origin=source)]
    maps: list[ExportedMap] = []
    is_whole = stored.dtype.kind in "iu"
    n_bits = whole(header.get("BitsStored"), "number of stored bits") if is_whole else 64
    for frame, values in enumerate(stored):
        numbers, unit, is_reserve, words = numbers_of_frame(header, values, frame, reading.unit)
        map_type = map_type_of(header, frame, words, is_reserve, reading.words, unit)
        map_type = _decided(map_type, listed, header) if len(stored) == 1 else map_type
        if unit == "1" and map_type in ("rest", "stress"):
            raise ValueError(f"is described as {map_type}, but its numbers have no unit")
        if map_type == "reserve" and unit not in ("", "1"):
            raise ValueError(f"is described as reserve, but its numbers are {unit}")
        found = ExportedMap(
            np.asarray(numbers, float),
            map_type=map_type,
            unit="" if unit == "1" else unit,
            ids=ids,
            origin=source,
            source="DICOM",
            bits=0 if unit or n_bits > 8 else n_bits,
        )
        maps.append(found)
    if len(maps) > 1 and len({one.map_type for one in maps} - {""}) < len(maps):
        raise ValueError(f"is a volume of {len(maps)} frames, or does not say which is rest")
    return maps


def _decided(said: str, listed: str, header: Dataset) -> str:
    """Map type as the file says, else as the user's table of series; they never contradict."""
    if said and listed and said != listed:
        raise ValueError(
            f"says that it is {said}, and --series that its series is {listed}: name the series by "
            "UID or description where numbers mean different things"
        )
    if not said and not listed:
        number = str(header.get("SeriesNumber") or "none").strip()
        shown = number if number.isdigit() and len(number) <= 6 else "none"
        raise ValueError(
            f"does not say whether it is rest, stress or reserve (series number {shown}): list its "
            "series in a table, by --series"
        )
    return said or listed


# === Numbers and their unit ===


def numbers_of_frame(
    header: Dataset, stored: np.ndarray, frame: int, stated: str
) -> tuple[np.ndarray, str, bool, str]:
    """Numbers of a frame of `stored` pixels (rows, columns), NaN where these stand for nothing;
    their unit as in the file, "1" for none and "" where the user's was needed; whether a code says
    that it is flow reserve; what the frame says of itself. ValueError: no way to a unit, or two.
    """
    # In this order: a Real World Value Mapping with a unit of flow, Units of a PT image with its
    # rescaling, rescaling with the unit that the user states; never Image Type.
    mappings = _of_frame(header, frame, "RealWorldValueMappingSequence")
    with_unit = [m for m in mappings if _unit_of(m) == "1" or is_unit(_unit_of(m))]
    if any(mapping != with_unit[0] for mapping in with_unit):
        raise ValueError("has several real world value mappings: which one is meant?")
    if with_unit:
        mapping = with_unit[0]
        quantities = mapping.get("QuantityDefinitionSequence") or ()
        is_reserve = any(
            codes.DCM.CoronaryFlowReserve in _codes_in(item, "ConceptCodeSequence")
            for item in quantities
        )
        words = f"{mapping.get('LUTLabel', '')} {mapping.get('LUTExplanation', '')}"
        return _mapped(mapping, stored), _unit_of(mapping), is_reserve, words
    unit = str(header.get("Units", "") or "").strip().upper()
    if unit not in _PT_UNITS:
        if mappings:
            raise ValueError("maps its values to a unit that is none of flow")
        if "PerFrameFunctionalGroupsSequence" in header:
            raise ValueError("has lost the mapping of its values to a unit")
        if unit and not (stated and conversion(stated)[0] == "percent" and unit in _COUNTS):
            shown = f"the unit {unit}" if unit in _COUNTS else "a unit"  # it may be anything
            raise ValueError(f"has {shown}, which is no unit of flow")
        if not stated:
            raise ValueError("says no unit of flow; if it is a polar map, state it by --unit")
    if header.get("RescaleSlope") is None:
        raise ValueError("has no rescale slope, so nothing says what its values are")
    intercept = finite(header.get("RescaleIntercept", 0), "rescale intercept")
    values = _slope(header.RescaleSlope, "rescale slope") * stored.astype(float) + intercept
    return values, _PT_UNITS.get(unit, ""), False, ""


def _unit_of(mapping: Dataset) -> str:
    unit = mapping.get("MeasurementUnitsCodeSequence")
    return str(unit[0].get("CodeValue", "") or "").strip() if unit else ""


def _mapped(mapping: Dataset, stored: np.ndarray) -> np.ndarray:
    """Stored, not rescaled, values through a mapping (PS3.3, C.7.6.16.2.11.1)."""
    if "RealWorldValueLUTData" in mapping:
        raise ValueError("maps its values by a table: export them with a slope")
    kind = "" if "RealWorldValueFirstValueMapped" in mapping else "DoubleFloat"
    first, last = (
        finite(mapping.get(f"{kind}RealWorldValue{end}ValueMapped"), "real world value range")
        for end in ("First", "Last")
    )
    if last < first:
        raise ValueError("has a real world value mapping of no values")
    slope = _slope(mapping.get("RealWorldValueSlope"), "real world value slope")
    intercept = finite(mapping.get("RealWorldValueIntercept"), "real world value intercept")
    if stored.dtype.kind == "f":
        # Written as a double, the last value may lie a step below the same pixel in single.
        first, last = np.nextafter(np.array([first, last], stored.dtype), [-np.inf, np.inf])
    values = slope * stored.astype(float) + intercept
    return np.where((stored >= first) & (stored <= last), values, np.nan)


def _slope(value: Any, what: str) -> float:
    """A slope above 0: 0 makes every map flat, and a negative one turns it round."""
    slope = finite(value, what)
    if slope <= 0:
        raise ValueError(f"has a {what} of {slope:g}, expected more than 0")
    return slope


def _of_frame(header: Dataset, frame: int, keyword: str) -> list[Dataset]:
    """Items of a sequence that count for a frame: its own, those of all frames, of the image."""
    own = list(header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    return next((list(found) for g in (*own, *shared, header) if (found := g.get(keyword))), [])


# === Rest, stress or reserve ===


def map_type_of(
    header: Dataset,
    frame: int,
    words: str,
    is_reserve: bool,
    known: Mapping[str, Iterable[str]],
    unit: str = "",
) -> str:
    """Rest, stress or reserve, "" where nothing says it; ValueError: two things say differently.

    `words` are those of the frame itself, `known` is map type -> words for it. `unit` is "1" for
    none, "" where it is not known: of "MFR adenosine", numbers without unit are the reserve.
    """
    if is_reserve:
        return "reserve"
    coded = _coded_state(header, frame)
    labels = [
        _text(item.get("FrameLabel")) for item in _of_frame(header, frame, "FrameContentSequence")
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
        next((state for state, known in _STATES.items() if code in known), "")
        for place in _STATE_PLACES
        for item in _of_frame(header, frame, place)
        # An item about some of the frames is left out: what a frame says of itself tells.
        if "ReferencedFrameNumber" not in item
        for code in (_code(item), *_codes_in(item, "ConceptCodeSequence"),
                     *_codes_in(item, "PatientPhysiologicalStateCodeSequence"))
    } - {""}  # fmt: skip
    return states.pop() if len(states) == 1 else ""


def _in_words(texts: Iterable[str], known: Mapping[str, Iterable[str]]) -> set[str]:
    """Map types whose words occur in texts, as whole words."""
    plain = " ".join(header_words(text) for text in texts)
    return {
        map_type
        for map_type, words in known.items()
        if any(re.search(rf"\b{re.escape(header_words(word))}\b", plain) for word in words)
    }


# === Whose map, and from where ===


def series_keys(header: Dataset) -> list[str]:
    """What a user's table may call the series: UID, description, number."""
    keywords = ("SeriesInstanceUID", "SeriesDescription", "SeriesNumber")
    ids = (normal_id(_text(header.get(keyword))) for keyword in keywords)
    return [id.casefold() for id in ids if id]


def origin(header: Dataset) -> dict[str, str]:
    """What is known of program, tracer and stress agent."""
    tracer = next(iter(header.get("RadiopharmaceuticalInformationSequence") or ()), Dataset())
    agent = next(iter(header.get("InterventionDrugInformationSequence") or ()), Dataset())
    facts = {
        "manufacturer": _text(header.get("Manufacturer")),
        "model": _text(header.get("ManufacturerModelName")),
        "software_version": _text(header.get("SoftwareVersions")),
        "tracer": _substance(
            tracer,
            "RadiopharmaceuticalCodeSequence",
            "RadionuclideCodeSequence",
            "Radiopharmaceutical",
        ),
        "stress_agent": _substance(agent, "InterventionDrugCodeSequence", "InterventionDrugName"),
    }
    # A spreadsheet would compute the first, and the second is no fact of a program.
    return {
        name: text
        for name, text in facts.items()
        if text and not is_formula(text) and not tells_a_day(text)
    }


def _substance(item: Dataset, *keywords: str) -> str:
    """Our word for what the first attribute that is there names, by code or text, or its own."""
    for keyword in keywords:
        found = item.get(keyword)
        code = found[0] if found and not isinstance(found, str) else None
        if text := _text(code.get("CodeMeaning") if code is not None else found):
            words = f" {header_words(text)} "
            ours = (w for w, few in _SUBSTANCES.items() if any(f" {one} " in words for one in few))
            return next(ours, text)
    return ""


def _codes_in(item: Dataset, keyword: str) -> list[Code]:
    return [_code(code) for code in item.get(keyword) or ()]


def _code(item: Dataset) -> Code:
    return Code(_text(item.get("CodeValue")), _text(item.get("CodingSchemeDesignator")), "")


def _text(value: Any) -> str:
    """Text of an attribute in one line, several values joined."""
    if value is None:
        return ""
    parts = value if isinstance(value, list | tuple) or hasattr(value, "append") else [value]
    return " ".join(" ".join(str(part).split()) for part in parts if part is not None)[:64]
