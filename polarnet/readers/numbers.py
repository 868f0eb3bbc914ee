"""Numbers of a file before they are a map, and how another process hands them over."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np


@dataclass(frozen=True, eq=False)
class Numbers:
    """Numbers of one map; what the file does not say is "".

    Attributes
    ----------
    values
        An array, or a list of rings that differ in length.
    study, map_type, unit
        As the file says; unit "1" for numbers without unit.
    problem
        Why they cannot be used.
    note
        What the user should know of them.
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
    """

    values: np.ndarray | list[np.ndarray]
    study: str = ""
    map_type: str = ""
    unit: str = ""
    problem: str = ""
    note: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    bits: int = 0


@dataclass(frozen=True)
class Asked:
    """What is known before a picture is opened.

    Attributes
    ----------
    unit
        As stated by the user, or "".
    words
        Map type -> words for it.
    series
        What the user's table says: UID, number or description of a series -> map type.
    scale
        Map type -> values at the ends of the colour bar; empty where nobody states them.
    disc, bar
        Where they are on the screen (see `recover_map`), or None.
    """

    unit: str = ""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    series: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    disc: tuple[float, float, float] | None = None
    bar: tuple[int, int, int, int] | None = None


_FACTS: Final = tuple(f.name for f in fields(Numbers) if f.name != "values")


def packed(several: Sequence[Numbers]) -> bytes:
    """Numbers as bytes, never as a pickle: whoever reads them trusts nothing in them."""
    arrays = [np.asarray(numbers.values, "<f8") for numbers in several]
    head = [
        {name: getattr(numbers, name) for name in _FACTS} | {"shape": values.shape}
        for numbers, values in zip(several, arrays, strict=True)
    ]
    return b"\n".join([json.dumps(head).encode(), b"".join(v.tobytes() for v in arrays)])


def unpacked(content: bytes) -> list[Numbers]:
    """What `packed` was given.

    >>> unpacked(packed([Numbers(np.ones((2, 2)), map_type="rest")]))[0].map_type
    'rest'
    """
    head, _, pixels = content.partition(b"\n")
    several, start = [], 0
    for facts in json.loads(head):
        shape: tuple[int, ...] = tuple(facts.pop("shape"))
        n = int(np.prod(shape))
        values = np.frombuffer(pixels, "<f8", n, start).reshape(shape)
        start += 8 * n
        parts: dict[str, Any] = {name: facts[name] for name in _FACTS}
        several.append(Numbers(values, **parts))
    return several
