"""Which numbers, in which unit, do the stored pixels of a DICOM image stand for?

In this order: a Real World Value Mapping with a unit of flow; Units of a PT image with its
rescaling; rescaling with the unit that the user states. Never by Image Type, for which there is no
value that means polar map.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from polarnet.readers.dicom.file import finite
from polarnet.readers.units import conversion

_PT_UNITS: Final = {"MLMING": "ml/min/g", "MLMINML": "ml/min/ml", "PCNT": "percent", "NONE": "1"}
"""Units (0054,1001) that a polar map may have (PS3.3, C.8.9.1.1.3)."""

_OTHER_UNITS: Final = (
    "CNTS", "NONE", "CM2", "CM2ML", "PCNT", "CPS", "BQML", "MGMINML", "UMOLMINML", "MLG", "1CM",
    "UMOLML", "PROPCNTS", "PROPCPS", "MLML", "GML", "STDDEV", "SUV",
)  # fmt: skip
"""Terms that a message may repeat; what else stands there may be anything."""

_COUNTS: Final = ("CNTS", "PROPCNTS", "CPS", "PROPCPS", "BQML")
"""Units of pictures of activity: a polar map only where the user says that they are percent."""

_FLOW_RESERVE: Final = (("122217", "DCM"),)
"""Coronary Flow reserve (CID 3620)."""


@dataclass(frozen=True, eq=False)
class FrameNumbers:
    """Numbers of one frame.

    Attributes
    ----------
    values
        (rows, columns) float64; NaN where a stored value stands for nothing.
    unit
        As in the file; "1" for numbers without unit; "" where the user must say.
    is_reserve
        Whether a code says that it is flow reserve.
    words
        What the frame says of itself, to tell rest from stress.
    """

    values: np.ndarray
    unit: str
    is_reserve: bool
    words: str


def numbers_of_frame(header: Dataset, stored: np.ndarray, frame: int, stated: str) -> FrameNumbers:
    """Numbers of one frame.

    Parameters
    ----------
    stored
        Stored values of that frame, (rows, columns).
    frame
        From 0.
    stated
        Unit as stated by the user, or "".

    Raises
    ------
    ValueError: there is no way to numbers with a unit, or there are several.
    """
    mappings = _mappings(header, frame)
    with_unit = [m for m in mappings if _unit_of(m) == "1" or _is_known(_unit_of(m))]
    if len({_said(m) for m in with_unit}) > 1:
        flows = [m for m in with_unit if _unit_of(m) != "1"]
        with_unit = flows if len(flows) == 1 else with_unit
        if len(with_unit) > 1:
            raise ValueError("has several real world value mappings: which one is meant?")
    if with_unit:
        mapping = with_unit[0]
        return FrameNumbers(
            values=_mapped(mapping, stored),
            unit=_unit_of(mapping),
            is_reserve=_is_reserve(mapping),
            words=f"{mapping.get('LUTLabel', '')} {mapping.get('LUTExplanation', '')}",
        )
    unit = str(header.get("Units", "") or "").strip().upper()
    if unit in _PT_UNITS:
        return FrameNumbers(_rescaled(header, stored, frame), _PT_UNITS[unit], False, "")
    if mappings:
        raise ValueError("maps its values to a unit that is none of flow")
    if "PerFrameFunctionalGroupsSequence" in header:
        raise ValueError("has lost the mapping of its values to a unit")
    if unit and not (stated and conversion(stated)[0] == "percent" and unit in _COUNTS):
        shown = f"the unit {unit}" if unit in _OTHER_UNITS else "a unit"
        raise ValueError(f"has {shown}, which is no unit of flow")
    if not stated:
        raise ValueError("says no unit of flow; if it is a polar map, state it by --unit")
    return FrameNumbers(_rescaled(header, stored, frame), "", False, "")


def _mappings(header: Dataset, frame: int) -> list[Dataset]:
    """Mappings of a frame; of NM images, older editions have them one level deeper."""
    deeper = header.get("ReferencedImageRealWorldValueMappingSequence") or []
    return of_frame(header, frame, "RealWorldValueMappingSequence") or [
        mapping for item in deeper for mapping in item.get("RealWorldValueMappingSequence") or ()
    ]


def of_frame(header: Dataset, frame: int, keyword: str) -> list[Dataset]:
    """Items of a sequence that count for a frame: its own, those of all frames, of the image."""
    own = list(header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1]
    shared = list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    return next((list(found) for g in (*own, *shared, header) if (found := g.get(keyword))), [])


def _unit_of(mapping: Dataset) -> str:
    codes = mapping.get("MeasurementUnitsCodeSequence")
    return str(codes[0].get("CodeValue", "") or "").strip() if codes else ""


def _said(mapping: Dataset) -> str:
    """All that a mapping says, to be compared with that of another."""
    keywords = (
        "LUTLabel", "LUTExplanation", "RealWorldValueSlope", "RealWorldValueIntercept",
        "RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped",
        "DoubleFloatRealWorldValueFirstValueMapped", "DoubleFloatRealWorldValueLastValueMapped",
        "RealWorldValueLUTData",
    )  # fmt: skip
    return repr([_unit_of(mapping), *(str(mapping.get(keyword)) for keyword in keywords)])


def _is_known(unit: str) -> bool:
    """Whether a code is a unit that a cohort can have."""
    try:
        return bool(conversion(unit)[0])
    except ValueError:
        return False


def _is_reserve(mapping: Dataset) -> bool:
    for item in mapping.get("QuantityDefinitionSequence") or ():
        for concept in item.get("ConceptCodeSequence") or ():
            code = str(concept.get("CodeValue", "")), str(concept.get("CodingSchemeDesignator", ""))
            if code in _FLOW_RESERVE:
                return True
    return False


def _mapped(mapping: Dataset, stored: np.ndarray) -> np.ndarray:
    """Stored, not rescaled, values through a mapping (PS3.3, C.7.6.16.2.11.1)."""
    first, last = (
        _either(mapping, f"RealWorldValue{end}ValueMapped",
                f"DoubleFloatRealWorldValue{end}ValueMapped")
        for end in ("First", "Last")
    )  # fmt: skip
    if last < first:
        raise ValueError("has a real world value mapping of no values")
    if (table := mapping.get("RealWorldValueLUTData")) is not None:
        entries = np.atleast_1d(np.asarray(table, float))
        if stored.dtype.kind not in "iu" or len(entries) != last - first + 1:
            raise ValueError("has a real world value table of another length than it says")
        place = np.clip(stored.astype(np.int64) - int(first), 0, len(entries) - 1)
        values = entries[place]
    else:
        slope = _slope(mapping.get("RealWorldValueSlope"), "real world value slope")
        intercept = finite(mapping.get("RealWorldValueIntercept"), "real world value intercept")
        values = slope * stored.astype(float) + intercept
    if stored.dtype.kind == "f":
        # Written as a double, the last value may lie a step below the same pixel in single.
        steps = np.nextafter(np.array([first, last], stored.dtype), [-np.inf, np.inf])
        first, last = float(steps[0]), float(steps[1])
    return np.where((stored >= first) & (stored <= last), values, np.nan)


def _either(mapping: Dataset, keyword: str, other: str) -> float:
    value = mapping.get(keyword)
    return finite(mapping.get(other) if value is None else value, "real world value range")


def _rescaled(header: Dataset, stored: np.ndarray, frame: int) -> np.ndarray:
    """Stored values through Rescale Slope and Intercept."""
    groups = of_frame(header, frame, "PixelValueTransformationSequence")
    place = groups[0] if groups else header
    slope: Any = place.get("RescaleSlope")
    if slope is None:
        raise ValueError("has no rescale slope, so nothing says what its values are")
    intercept = finite(place.get("RescaleIntercept", 0), "rescale intercept")
    return _slope(slope, "rescale slope") * stored.astype(float) + intercept


def _slope(value: Any, what: str) -> float:
    """A slope above 0: 0 makes every map flat, and a negative one turns it round."""
    slope = finite(value, what)
    if slope <= 0:
        raise ValueError(f"has a {what} of {slope:g}, expected more than 0")
    return slope
