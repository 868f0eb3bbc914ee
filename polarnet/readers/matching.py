"""Maps and the clinical table: which map belongs to which study, and which studies are complete."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polarnet.cohort import HIGHEST
from polarnet.ids import listing, normal_id
from polarnet.readers.exportedmap import ExportedMap, Verdict
from polarnet.readers.plausibility import doubts_of_cohort, doubts_of_study, doubts_of_unit
from polarnet.traits import MAP_TYPES

_ENOUGH: Final = 0.5  # a map type is taken if this share of the studies has it (our choice)
_SHOWN: Final = 5  # files that a reason names; the rest are counted

_TIES: Final = {
    ("accession", "study"): "accession number = study id",
    ("study_uid", "study"): "study instance UID = study id",
    ("patient_id", "study"): "patient id = study id",
    ("patient_id", "patient"): "patient id, of patients with a single row",
}
"""Attributes of DICOM files that may tell the row of the table, in the order in which they are
tried; the study id of DICOM, often 1 for everybody, is not."""

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
    of_patient = defaultdict(list)
    for study, patient in patients.items():
        of_patient[_folded(patient)].append(study)
    rows = {
        "study": {_folded(study): study for study in patients if study.strip()},
        "patient": {p: few[0] for p, few in of_patient.items() if p and len(few) == 1},
    }
    n_met = {
        (name, kind): sum(_folded(found.ids[name]) in rows[kind] for found in dicom)
        for name, kind in _TIES
    }
    name, kind = way = max(n_met, key=lambda one: n_met[one])
    tied = [
        replace(f, study=rows[kind].get(_folded(f.ids[name]), f.ids["study_uid"])) if f.ids else f
        for f in maps
    ]
    if not n_met[way]:
        none = "No accession number, study UID or patient id of the DICOM files is in the table."
        return tied, none if patients else ""
    # Where no patient id is that of the row, patients have other ids in the table.
    named = [(f, patients.get(f.study, "")) if f.ids else (f, "") for f in tied]
    other = [p != "" and _folded(f.ids["patient_id"]) != _folded(p) for f, p in named]
    if sum(other) < sum(p != "" for _, p in named):
        doubt = "its file names another patient than the row of its study: is it the right one?"
        tied = [
            replace(f, note="; ".join(filter(None, (f.note, doubt)))) if is_other else f
            for f, is_other in zip(tied, other, strict=True)
        ]
    return tied, f"DICOM files belong to rows by {_TIES[way]}: {n_met[way]} of {len(dicom)} maps"


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
    left = {study: _kept(of_study, rows[study]) for study, of_study in owned.items()}
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
) -> tuple[dict[str, list[ExportedMap]], set[str]]:
    """Study -> maps that may be used; and the studies that any map was found of."""
    # Rows that are left out count too: their maps are not those of a namesake.
    everyone = dict.fromkeys((*studies, *excluded))
    folded = defaultdict(list)
    for one in everyone:
        folded[one.casefold()].append(one)
    numbers = {one.lstrip("0") for one in everyone if one.isdigit()}
    owned: dict[str, list[ExportedMap]] = {study: [] for study in studies}
    met = set()
    for found in maps:
        study, verdict = found.study, found.verdict
        if study not in everyone and len(alike := folded[study.casefold()]) == 1:
            study = alike[0]
            verdict.warn("its study id is written in other case than in the table")
        met.add(study)
        if found.note:
            verdict.warn(found.note)
        if study not in everyone:
            lost = study.isdigit() and study.lstrip("0") in numbers
            hint = "; one differs by leading zeros alone: format the ids as text" if lost else ""
            verdict.refuse(f"no row of the table has its study id{hint}")
        elif study not in owned:
            verdict.refuse("its study is excluded, or its row refused")
        elif found.unit not in ("", unit):
            verdict.refuse(f"is in {found.unit}, the other maps in {unit}")
        elif found.map_type != "reserve" and found.high > HIGHEST[unit]:
            hint = (
                " Is it in another unit? Then say so by --unit. Or was a picture scaled to its own "
                "maximum? That is no flow."
            )
            if found.lowest_segment < HIGHEST[unit] / 2:
                # No unit is wrong where most of the map is right.
                hint = (
                    " Elsewhere it does not: is a number a code for a missing one, or without its "
                    "point?"
                )
            verdict.refuse(f"reaches {found.high:.4g} {unit}, above {HIGHEST[unit]:g}.{hint}")
        else:
            owned[study].append(found)
    return owned, met


def _refuse_twins(owned: Mapping[str, Sequence[ExportedMap]], patients: Mapping[str, str]) -> None:
    """The same pixels under two patients: nobody can say whose they are."""
    owners: dict[tuple[str, str], list[tuple[str, ExportedMap]]] = defaultdict(list)
    for study, of_study in owned.items():
        for found in of_study:
            owners[found.map_type, found.digest].append((patients[study], found))
    for same in owners.values():
        if len({patient for patient, _ in same}) > 1:
            numbers = sorted({found.file for _, found in same})
            for _, found in same:
                others = [n for n in numbers if n != found.file] or [found.file]
                found.verdict.refuse(
                    "pixel for pixel the same as under another patient (file "
                    f"{listing(others, _SHOWN)})"
                )


def _kept(of_study: Iterable[ExportedMap], row: Verdict) -> MapsOfStudy:
    """One map of each type for a study: copies are left out, contradictions refused."""
    left = [found for found in of_study if not found.verdict.is_refused]
    by_type: dict[str, list[ExportedMap]] = {}
    for found in left:
        by_type.setdefault(found.map_type, []).append(found)
    digests = {m: {found.digest for found in some} for m, some in by_type.items()}
    if digests.get("rest", set()) & digests.get("stress", set()):
        for found in left:
            found.verdict.refuse("rest and stress of its study are the same map")
        return {}
    if len({found.folder for found in left}) > 1:
        for found in left:
            found.verdict.warn(
                "maps of its study lie in different folders: are they of one patient?"
            )
    kept = {}
    for map_type, (first, *others) in by_type.items():
        if len(digests[map_type]) == 1:
            kept[map_type] = first
            for copy in others:
                copy.verdict.refuse(f"the same map as file {first.file}")
            continue
        told = f"{1 + len(others)} different {map_type} maps"
        row.warn(told)
        numbers = ", ".join(str(found.file) for found in (first, *others))
        for found in (first, *others):
            found.verdict.refuse(f"{told} of one study (files {numbers})")
    return kept


def _doubted(
    left: dict[str, MapsOfStudy], rows: Mapping[str, Verdict], unit: str
) -> tuple[str, ...]:
    """Warn of what hardly can be, take out of `left` what cannot be; lines for the user."""
    doubts = {study: doubts_of_study(of, unit) for study, of in left.items()}

    def by_type() -> dict[str, list[ExportedMap]]:
        return {m: [of[m] for of in left.values() if m in of] for m in MAP_TYPES}

    if unit == "mL/min/g":
        for map_type, top, doubt in doubts_of_cohort(by_type()):
            for study, of in left.items():
                if map_type in of and of[map_type].top == top:
                    doubts[study].append(doubt)
    n_studies = sum(map(bool, left.values()))
    refused = {study for study, of_study in doubts.items() if any(c for c, _ in of_study)}
    for study, of_study in doubts.items():
        # What is certain last, because the last reason is the one that is told.
        for certain, reason in sorted(of_study, key=lambda doubt: doubt[0]):
            for verdict in (rows[study], *(found.verdict for found in left[study].values())):
                (verdict.refuse if certain else verdict.warn)(reason)
    left.update({study: {} for study in refused})
    lines = []
    if n_doubted := sum(map(bool, doubts.values())):
        told = f"{len(refused)} refused, {n_doubted - len(refused)} warned of"
        lines.append(f"Plausible values? Of {n_studies} studies {told}")
    return (*lines, *(doubts_of_unit(by_type()) if unit == "mL/min/g" else []))


def _common_types(left: Collection[MapsOfStudy], unit: str) -> tuple[str, ...]:
    """Map types that most studies have; reserve only where it cannot be computed."""
    having = Counter(m for of_study in left for m in of_study)
    n = sum(map(bool, left))
    types = [m for m in MAP_TYPES if n and having[m] >= _ENOUGH * n]
    if {"rest", "stress"} <= set(types) or unit == "percent":
        types = [m for m in types if m != "reserve"]
    return tuple(types or [m for m, _ in having.most_common(1)] or MAP_TYPES[:2])
