"""Which map belongs to which study of the table, and which studies are complete."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from polarnet.cohort import HIGHEST
from polarnet.readers.plausibility import (
    Doubt,
    Levels,
    doubts_of_cohort,
    doubts_of_study,
    doubts_of_unit,
    is_full_scale,
)
from polarnet.readers.reading import ReadFile, ReadMap
from polarnet.traits import MAP_TYPES

READ, WARNED, REFUSED = "read", "warned", "refused"

_ENOUGH: Final = 0.5
"""A map type is taken if at least this share of the studies has it (our choice)."""


_SHOWN: Final = 5
"""Files that a reason names; the rest are counted."""


@dataclass
class Verdict:
    """What became of one map, one file without maps, or one row."""

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


@dataclass(frozen=True, eq=False)
class Matched:
    """Complete studies, and what became of everything.

    Attributes
    ----------
    studies
        Study id of the table -> map type -> map, in the order of the table.
    maps
        Every map that was found, and its verdict.
    unit
        "mL/min/g" or "percent".
    map_types
        Of every study.
    doubts
        Lines about values that cannot be or hardly can be: how many studies, and the whole cohort.
    """

    studies: dict[str, dict[str, ReadMap]]
    maps: list[tuple[ReadMap, Verdict]]
    unit: str
    map_types: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def match_maps(
    files: Sequence[ReadFile],
    studies: Sequence[str],
    patients: dict[str, str],
    rows: dict[str, Verdict],
    excluded: Collection[str] = (),
) -> Matched:
    """Put maps and studies together.

    Parameters
    ----------
    files
        As read.
    studies
        Study ids that the table has and that are not excluded, in its order.
    patients
        Study id -> patient id.
    rows
        Verdict of each of `studies`; completed here.
    excluded
        Study ids of the table that are to be left out.

    Returns
    -------
    What belongs together; without studies where none is complete.
    """
    # Rows that are left out count too: their maps are not those of a namesake.
    eligible = set(studies)
    everyone = dict.fromkeys((*studies, *excluded))
    folded = defaultdict(list)
    for one in everyone:
        folded[one.casefold()].append(one)
    numbers = {one.lstrip("0") for one in everyone if one.isdigit()}
    maps = [(found, Verdict()) for file in files for found in file.maps]
    unit = _usual_unit([found for found, _ in maps])
    owned: dict[str, dict[str, list[tuple[ReadMap, Verdict]]]] = {s: {} for s in studies}
    met = set()
    for found, verdict in maps:
        study = found.study if found.study in everyone else None
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
        elif study not in eligible:
            verdict.refuse("its study is excluded, or its row refused")
        elif found.unit not in ("", unit):
            verdict.refuse(f"is in {found.unit}, the other maps in {unit}")
        elif found.map_type != "reserve" and found.high > HIGHEST[unit]:
            verdict.refuse(_too_high(found, unit))
        else:
            owned[study].setdefault(found.map_type, []).append((found, verdict))
    _refuse_twins(owned, patients)
    for by_type in owned.values():
        _refuse_contradictions(by_type)
    left: dict[str, dict[str, tuple[ReadMap, Verdict]]] = {}
    for owner, by_type in owned.items():
        for map_type, several in by_type.items():
            _keep_one(map_type, several, rows[owner])
        left[owner] = {m: kept[0] for m, some in by_type.items() if (kept := _not_refused(some))}
    doubts = _doubted(left, rows, unit)
    map_types = _common_types(left, unit)
    complete: dict[str, dict[str, ReadMap]] = {}
    for owner, of_study in left.items():
        if lacking := [m for m in map_types if m not in of_study]:
            none = f"no {' and no '.join(lacking)} map" if of_study else "no map"
            none = "its maps are refused" if not of_study and owner in met else none
            if rows[owner].status != REFUSED:
                rows[owner].refuse(none)
            for _, verdict in of_study.values():
                verdict.refuse(f"its study has {none}")
            continue
        complete[owner] = {m: of_study[m][0] for m in map_types}
        for map_type, (_, verdict) in of_study.items():
            if map_type not in map_types:
                verdict.warn(f"not needed: the cohort holds {' and '.join(map_types)}")
    return Matched(complete, maps, unit, map_types, doubts)


def _usual_unit(maps: Sequence[ReadMap]) -> str:
    """The unit of most maps; flow where none has one."""
    units = Counter(found.unit for found in maps if found.unit)
    return units.most_common(1)[0][0] if units else "mL/min/g"


def _too_high(found: ReadMap, unit: str) -> str:
    hint = " Is it in mL/min/100g? Then say so by --unit." if unit == "mL/min/g" else ""
    if found.levels.lowest < HIGHEST[unit] / 2:
        # No unit is wrong where most of the map is right.
        hint = " Elsewhere it does not: is a number a code for a missing one, or without its point?"
    if is_full_scale(found.levels.top):
        hint = " Is it a share, or a picture scaled to its own maximum? Neither is flow."
    return f"reaches {found.high:.4g} {unit}, above {HIGHEST[unit]:g}.{hint}"


def _refuse_twins(
    owned: dict[str, dict[str, list[tuple[ReadMap, Verdict]]]], patients: dict[str, str]
) -> None:
    """The same pixels under two patients: nobody can say whose they are."""
    owners: dict[tuple[str, str], list[tuple[str, ReadMap, Verdict]]] = defaultdict(list)
    for study, of_study in owned.items():
        for map_type, several in of_study.items():
            for found, verdict in several:
                owners[map_type, found.digest].append((patients[study], found, verdict))
    for same in owners.values():
        if len({patient for patient, _, _ in same}) > 1:
            numbers = sorted({found.file for _, found, _ in same})
            for _, found, verdict in same:
                others = [n for n in numbers if n != found.file] or [found.file]
                told = ", ".join(map(str, others[:_SHOWN]))
                more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
                verdict.refuse(
                    f"pixel for pixel the same as under another patient (file {told}{more})"
                )


def _refuse_contradictions(by_type: dict[str, list[tuple[ReadMap, Verdict]]]) -> None:
    """Maps of one study that cannot be of one study."""
    maps = [pair for several in by_type.values() for pair in _not_refused(several)]
    digests = {m: {found.digest for found, _ in several} for m, several in by_type.items()}
    if digests.get("rest", set()) & digests.get("stress", set()):
        for _, verdict in maps:
            verdict.refuse("rest and stress of its study are the same map")
    elif len({found.folder for found, _ in maps}) > 1:
        for _, verdict in maps:
            verdict.warn("maps of its study lie in different folders: are they of one patient?")


def _doubted(
    left: dict[str, dict[str, tuple[ReadMap, Verdict]]], rows: dict[str, Verdict], unit: str
) -> tuple[str, ...]:
    """Warn of what hardly can be, take out of `left` what cannot be; lines for the user."""
    levels = {s: {m: found.levels for m, (found, _) in of.items()} for s, of in left.items()}
    doubts = {study: doubts_of_study(of, unit) for study, of in levels.items()}
    if unit == "mL/min/g":
        for study, some in _alike(levels).items():
            doubts[study] += some
    n_warned = n_refused = 0
    for study, of_study in doubts.items():
        is_certain = any(certain for certain, _ in of_study)
        n_refused += is_certain
        n_warned += bool(of_study) and not is_certain
        # What is certain last, because the last reason is the one that is told.
        for certain, reason in sorted(of_study, key=lambda doubt: doubt[0]):
            for verdict in (rows[study], *(verdict for _, verdict in left[study].values())):
                (verdict.refuse if certain else verdict.warn)(reason)
        if is_certain:
            left[study] = {}
    lines = []
    if n_refused or n_warned:
        n = sum(bool(of) for of in levels.values())
        lines = [f"Plausible values? Of {n} studies {n_refused} refused, {n_warned} warned of"]
    if unit == "mL/min/g":
        kept = [levels[study] for study, of in left.items() if of]
        lines += doubts_of_unit({m: [of[m] for of in kept if m in of] for m in MAP_TYPES[:2]})
    return tuple(lines)


def _alike(levels: dict[str, dict[str, Levels]]) -> dict[str, list[Doubt]]:
    """Studies whose maps end where most others do, and what to say of them."""
    by_type = {m: [of[m] for of in levels.values() if m in of] for m in MAP_TYPES}
    shared = doubts_of_cohort(by_type)
    return {
        study: [shared[m, of.top] for m, of in maps.items() if (m, of.top) in shared]
        for study, maps in levels.items()
    }


def _not_refused(several: list[tuple[ReadMap, Verdict]]) -> list[tuple[ReadMap, Verdict]]:
    return [(found, verdict) for found, verdict in several if verdict.status != REFUSED]


def _keep_one(map_type: str, several: list[tuple[ReadMap, Verdict]], row: Verdict) -> None:
    """One map of a type for a study: copies are left out, contradictions refused."""
    left = _not_refused(several)
    first = left[0][0] if left else None
    if first is None or len(left) == 1:
        return
    if all(found.digest == first.digest for found, _ in left):
        for _, verdict in left[1:]:
            verdict.refuse(f"the same map as file {first.file}")
        return
    numbers = ", ".join(str(found.file) for found, _ in left)
    for _, verdict in left:
        verdict.refuse(f"{len(left)} different {map_type} maps of one study (files {numbers})")
    row.warn(f"{len(left)} different {map_type} maps")


def _common_types(
    left: dict[str, dict[str, tuple[ReadMap, Verdict]]], unit: str
) -> tuple[str, ...]:
    """Map types that most studies have; reserve only where it cannot be computed."""
    having = Counter(m for of_study in left.values() for m in of_study)
    n = sum(bool(of_study) for of_study in left.values())
    types = [m for m in MAP_TYPES if n and having[m] >= _ENOUGH * n]
    if {"rest", "stress"} <= set(types) or unit == "percent":
        types = [m for m in types if m != "reserve"]
    return tuple(types or [m for m, _ in having.most_common(1)] or MAP_TYPES[:2])
