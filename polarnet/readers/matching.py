"""Maps and the clinical table: which map belongs to which study, and which studies are complete."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polarnet.cohort import HIGHEST
from polarnet.ids import normal_id
from polarnet.readers.exportedmap import ExportedMap, Verdict
from polarnet.readers.plausibility import (
    doubts_of_cohort,
    doubts_of_study,
    doubts_of_unit,
    is_full_scale,
)
from polarnet.traits import MAP_TYPES

_ENOUGH: Final = 0.5
"""A map type is taken if at least this share of the studies has it (our choice)."""

_SHOWN: Final = 5
"""Files that a reason names; the rest are counted."""

_TIES: Final = {
    ("accession", "study"): "accession number = study id",
    ("study_uid", "study"): "study instance UID = study id",
    ("patient_id", "study"): "patient id = study id",
    ("patient_id", "patient"): "patient id, of patients with a single row",
}
"""Attributes of DICOM files that may tell the row of the table, in the order in which they are
tried; the study id of DICOM, often 1 for everybody, is not."""

_OTHER_PATIENT: Final = (
    "its file names another patient than the row of its study: is it the right one?"
)

MapsOfStudy = dict[str, ExportedMap]
"""Map type -> map."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Complete studies (study id -> its maps, in the order of the table), their unit ("mL/min/g" or
    "percent"), the map types of each, and lines about values that cannot be or hardly can be.
    """

    studies: dict[str, MapsOfStudy]
    unit: str
    map_types: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def tied_to_table(
    maps: Sequence[ExportedMap], patients: Mapping[str, str]
) -> tuple[list[ExportedMap], str]:
    """The maps, those of DICOM files with the study id of their row, or their study UID where there
    is none; and what decided, in one line, "" where there are no DICOM maps. One attribute decides
    for all. `patients`: study id -> patient id of all rows, empty where there is no table.
    """
    dicom = [found for found in maps if found.ids]
    if not dicom:
        return list(maps), ""
    rows = {way: _rows(way[1], patients) for way in _TIES}
    n_met = {way: sum(_folded(m.ids[way[0]]) in rows[way] for m in dicom) for way in _TIES}
    way = max(n_met, key=lambda one: n_met[one])
    if n_met[way]:
        how = f"DICOM files belong to rows by {_TIES[way]}: {n_met[way]} of {len(dicom)} maps"
    else:
        how = "No accession number, study UID or patient id of the DICOM files is in the table."

    def study_of(found: ExportedMap) -> str:
        return rows[way].get(_folded(found.ids[way[0]]), found.ids["study_uid"])

    tied = [replace(found, study=study_of(found)) if found.ids else found for found in maps]
    is_same = [_is_same_patient(found, patients) for found in tied]
    # Where no patient id is that of the row, patients have other ids in the table.
    if n_met[way] and True in is_same:
        tied = [
            replace(found, note="; ".join(filter(None, (found.note, _OTHER_PATIENT))))
            if same is False
            else found
            for found, same in zip(tied, is_same, strict=True)
        ]
    return tied, how if n_met[way] or patients else ""


def _rows(kind: str, patients: Mapping[str, str]) -> dict[str, str]:
    """What an attribute may be -> study id of the row; patients of several rows tell none."""
    if kind == "study":
        return {_folded(study): study for study in patients if study.strip()}
    rows: dict[str, list[str]] = defaultdict(list)
    for study, patient in patients.items():
        rows[_folded(patient)].append(study)
    return {patient: few[0] for patient, few in rows.items() if patient and len(few) == 1}


def _is_same_patient(found: ExportedMap, patients: Mapping[str, str]) -> bool | None:
    """Whether a DICOM map has the patient id of its row; None where one of them has none."""
    patient = _folded(patients.get(found.study, "")) if found.ids else ""
    return _folded(found.ids["patient_id"]) == patient if patient else None


def _folded(id: str) -> str:
    return normal_id(id).casefold()


def match_maps(
    maps: Sequence[ExportedMap],
    studies: Sequence[str],
    patients: Mapping[str, str],
    rows: Mapping[str, Verdict],
    excluded: Collection[str] = (),
) -> Matched:
    """Put maps and studies together; every map gets its verdict, and so does every row.

    `studies` has the ids of the table that may be used, in its order, `excluded` those that are to
    be left out, and `patients` study id -> patient id.
    """
    units = Counter(found.unit for found in maps if found.unit)
    unit = units.most_common(1)[0][0] if units else "mL/min/g"
    owned, met = _owned(maps, studies, excluded, unit)
    _refuse_twins(owned, patients)
    for by_type in owned.values():
        _refuse_contradictions(by_type)
    left = {
        study: {m: kept for m in by_type if (kept := _kept_one(m, by_type[m], rows[study]))}
        for study, by_type in owned.items()
    }
    doubts = _doubted(left, rows, unit)
    map_types = _common_types(left.values(), unit)
    complete: dict[str, MapsOfStudy] = {}
    for study, of_study in left.items():
        if lacking := [m for m in map_types if m not in of_study]:
            none = f"no {' and no '.join(lacking)} map" if of_study else "no map"
            none = "its maps are refused" if not of_study and study in met else none
            if not rows[study].is_refused:
                rows[study].refuse(none)
            for found in of_study.values():
                found.verdict.refuse(f"its study has {none}")
            continue
        complete[study] = {m: of_study[m] for m in map_types}
        for map_type, found in of_study.items():
            if map_type not in map_types:
                found.verdict.warn(f"not needed: the cohort holds {' and '.join(map_types)}")
    return Matched(complete, unit, map_types, doubts)


def _owned(
    maps: Sequence[ExportedMap], studies: Sequence[str], excluded: Collection[str], unit: str
) -> tuple[dict[str, dict[str, list[ExportedMap]]], set[str | None]]:
    """Study -> map type -> maps that may be used; and the studies that any map was found of."""
    # Rows that are left out count too: their maps are not those of a namesake.
    everyone = dict.fromkeys((*studies, *excluded))
    folded = defaultdict(list)
    for one in everyone:
        folded[one.casefold()].append(one)
    numbers = {one.lstrip("0") for one in everyone if one.isdigit()}
    owned: dict[str, dict[str, list[ExportedMap]]] = {study: {} for study in studies}
    met = set()
    for found in maps:
        study, verdict = found.study if found.study in everyone else None, found.verdict
        if study is None and len(alike := folded[found.study.casefold()]) == 1:
            study = alike[0]
            verdict.warn("its study id is written in other case than in the table")
        met.add(study)
        if found.note:
            verdict.warn(found.note)
        if study is None:
            lost = found.study.isdigit() and found.study.lstrip("0") in numbers
            hint = "; one differs by leading zeros alone: format the ids as text" if lost else ""
            verdict.refuse(f"no row of the table has its study id{hint}")
        elif study not in owned:
            verdict.refuse("its study is excluded, or its row refused")
        elif found.unit not in ("", unit):
            verdict.refuse(f"is in {found.unit}, the other maps in {unit}")
        elif found.map_type != "reserve" and found.high > HIGHEST[unit]:
            verdict.refuse(_too_high(found, unit))
        else:
            owned[study].setdefault(found.map_type, []).append(found)
    return owned, met


def _too_high(found: ExportedMap, unit: str) -> str:
    hint = " Is it in mL/min/100g? Then say so by --unit." if unit == "mL/min/g" else ""
    if found.lowest_segment < HIGHEST[unit] / 2:
        # No unit is wrong where most of the map is right.
        hint = " Elsewhere it does not: is a number a code for a missing one, or without its point?"
    if is_full_scale(found.top):
        hint = " Is it a share, or a picture scaled to its own maximum? Neither is flow."
    return f"reaches {found.high:.4g} {unit}, above {HIGHEST[unit]:g}.{hint}"


def _refuse_twins(
    owned: Mapping[str, Mapping[str, list[ExportedMap]]], patients: Mapping[str, str]
) -> None:
    """The same pixels under two patients: nobody can say whose they are."""
    owners: dict[tuple[str, str], list[tuple[str, ExportedMap]]] = defaultdict(list)
    for study, by_type in owned.items():
        for found in (found for several in by_type.values() for found in several):
            owners[found.map_type, found.digest].append((patients[study], found))
    for same in owners.values():
        if len({patient for patient, _ in same}) > 1:
            numbers = sorted({found.file for _, found in same})
            for _, found in same:
                others = [n for n in numbers if n != found.file] or [found.file]
                told = ", ".join(map(str, others[:_SHOWN]))
                more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
                found.verdict.refuse(
                    f"pixel for pixel the same as under another patient (file {told}{more})"
                )


def _refuse_contradictions(by_type: Mapping[str, list[ExportedMap]]) -> None:
    """Maps of one study that cannot be of one study."""
    maps = _not_refused(found for several in by_type.values() for found in several)
    digests = {m: {found.digest for found in several} for m, several in by_type.items()}
    if digests.get("rest", set()) & digests.get("stress", set()):
        for found in maps:
            found.verdict.refuse("rest and stress of its study are the same map")
    elif len({found.folder for found in maps}) > 1:
        for found in maps:
            found.verdict.warn(
                "maps of its study lie in different folders: are they of one patient?"
            )


def _kept_one(map_type: str, several: list[ExportedMap], row: Verdict) -> ExportedMap | None:
    """One map of a type for a study: copies are left out, contradictions refused."""
    left = _not_refused(several)
    if len({found.digest for found in left}) > 1:
        numbers = ", ".join(str(found.file) for found in left)
        for found in left:
            found.verdict.refuse(
                f"{len(left)} different {map_type} maps of one study (files {numbers})"
            )
        row.warn(f"{len(left)} different {map_type} maps")
        return None
    for copy in left[1:]:
        copy.verdict.refuse(f"the same map as file {left[0].file}")
    return left[0] if left else None


def _not_refused(maps: Iterable[ExportedMap]) -> list[ExportedMap]:
    return [found for found in maps if not found.verdict.is_refused]


def _doubted(
    left: dict[str, MapsOfStudy], rows: Mapping[str, Verdict], unit: str
) -> tuple[str, ...]:
    """Warn of what hardly can be, take out of `left` what cannot be; lines for the user."""
    doubts = {study: doubts_of_study(of, unit) for study, of in left.items()}
    if unit == "mL/min/g":
        by_type = {m: [of[m] for of in left.values() if m in of] for m in MAP_TYPES}
        for map_type, top, doubt in doubts_of_cohort(by_type):
            for study, of in left.items():
                if map_type in of and of[map_type].top == top:
                    doubts[study].append(doubt)
    n_studies = sum(map(bool, left.values()))
    n_warned = n_refused = 0
    for study, of_study in doubts.items():
        is_certain = any(certain for certain, _ in of_study)
        n_refused += is_certain
        n_warned += bool(of_study) and not is_certain
        # What is certain last, because the last reason is the one that is told.
        for certain, reason in sorted(of_study, key=lambda doubt: doubt[0]):
            for verdict in (rows[study], *(found.verdict for found in left[study].values())):
                (verdict.refuse if certain else verdict.warn)(reason)
        if is_certain:
            left[study] = {}
    lines = []
    if n_refused or n_warned:
        lines = [f"Plausible values? Of {n_studies} studies {n_refused} refused, {n_warned} warned "
                 "of"]  # fmt: skip
    if unit == "mL/min/g":
        lines += doubts_of_unit(
            {m: [of[m] for of in left.values() if m in of] for m in MAP_TYPES[:2]}
        )
    return tuple(lines)


def _common_types(left: Collection[MapsOfStudy], unit: str) -> tuple[str, ...]:
    """Map types that most studies have; reserve only where it cannot be computed."""
    having = Counter(m for of_study in left for m in of_study)
    n = sum(map(bool, left))
    types = [m for m in MAP_TYPES if n and having[m] >= _ENOUGH * n]
    if {"rest", "stress"} <= set(types) or unit == "percent":
        types = [m for m in types if m != "reserve"]
    return tuple(types or [m for m, _ in having.most_common(1)] or MAP_TYPES[:2])
