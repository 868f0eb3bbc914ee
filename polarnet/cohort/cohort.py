"""The studies of a cohort: maps, labels and what else is known, row by row."""

import html
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mask, disc_mean, segment_means
from polarnet.cohort.folder import (
    STATED,
    TRUTH_PREFIX,
    Piece,
    of_one_kind,
    read_folder,
    write_folder,
)
from polarnet.cohort.split import SPLITS, drawn_folds, drawn_split, stated_split
from polarnet.cohort.stack import (
    BATCH,
    REST_FLOOR,
    TWINS,
    Stack,
    find_twins,
    map_problems,
    measured,
    select_maps,
    stacks_of,
)
from polarnet.cohort.studytables import as_labels, rows_of, table_problems, tables_of
from polarnet.display import Result
from polarnet.ids import listing

PHANTOM = "polarnet phantom"
"""Software named by studies that were simulated."""

RECOVERED = "recovered-from-colour"
"""Part of the software of studies whose numbers were read from the colours of a screen."""

_TABLES = ("traits", "clinical", "truth")


@dataclass(frozen=True, eq=False, repr=False)
class Study(Result):
    """One examination.

    Attributes
    ----------
    maps
        Map type -> array of shape (size, size), float32; 0 outside the disc.
    traits, clinical
        Trait -> 1.0, 0.0 or NaN (not recorded); and whatever else the table says of this study.
    unit
        Of rest and stress: "mL/min/g" or "percent". Reserve has none.
    """

    study_id: str
    patient_id: str
    maps: Mapping[str, np.ndarray]
    traits: pd.Series
    clinical: pd.Series
    unit: str

    @property
    def summary(self) -> pd.Series:
        """Mean of each map, and each label."""
        means = {
            f"{map_type}, mean": f"{float(disc_mean(values)):.2f}"
            + ("" if map_type == "reserve" else f" {self.unit}")
            for map_type, values in self.maps.items()
        }
        labels = {
            str(trait): "not recorded" if pd.isna(label) else f"{label:.0f}"
            for trait, label in self.traits.items()
        }
        return pd.Series(means | labels, name=f"Study {self.study_id}")


@dataclass(frozen=True, eq=False)
class Cohort:
    """Studies side by side: one row of every table, one map of every stack, is one study.

    Ids are text in their normal form: 1.0 and "1" are one id. `traits` may be a Series with a
    name, `patients` a list in the order of the studies, `clinical` and `truth` None.

    Attributes
    ----------
    maps
        Map type -> (n, size, size) float32: "rest" and "stress" in `unit`, "reserve" without
        unit, computed where it is looked at. 0 outside the disc.
    traits
        Index study_id, one column per trait: 1.0, 0.0, or NaN where it was not recorded.
    patients
        study_id -> patient_id.
    clinical
        Index study_id: age, BMI and the user's other columns. May have no columns.
    truth
        Phantom only: what was planted. Otherwise without columns.
    unit
        "mL/min/g", or "percent" for relative counts.
    tracer, stress_agent, software
        As stated by the user; empty where not stated.

    Raises
    ------
    ValueError: a study_id occurs twice, tables or stacks do not match, a map has NaN or negative
        values inside the disc, a trait is neither 0, 1 nor empty, or two patients share a map;
        all offenders are listed.
    """

    maps: Mapping[str, Stack]
    traits: pd.DataFrame
    patients: pd.Series
    clinical: pd.DataFrame
    truth: pd.DataFrame
    unit: str
    tracer: str = ""
    stress_agent: str = ""
    software: str = ""

    # === Form and soundness ===

    def __post_init__(self) -> None:
        self._settle(pixels=True, twins=True)

    def check(self, *, pixels: bool = True) -> None:
        """Check the cohort again, as when it was made.

        Labels that were added as text or as True and False become 1.0 and 0.0. With `pixels`, every
        pixel is looked at, on disk too. ValueError: the cohort is no longer sound, or its studies
        were renamed or sorted.
        """
        self._settle(pixels=pixels, twins=False)

    def _settle(self, *, pixels: bool, twins: bool) -> None:
        """Bring tables and maps to their form, and raise for everything that is wrong."""
        known: pd.Index | None = getattr(self, "_study_ids", None)
        tables = tables_of(self.patients, **{name: getattr(self, name) for name in _TABLES})
        ids = tables["patients"].index
        if known is not None and not ids.equals(known):
            raise ValueError(
                "The studies of this cohort were renamed or put into another order, its maps were "
                "not. Use cohort[...] to choose or sort, or make a new Cohort."
            )
        maps = stacks_of(self.maps, self.unit, len(ids), cut=pixels)
        problems = table_problems(tables["traits"], tables["patients"])
        if pixels:
            problems += map_problems(maps, tables["patients"], self.unit, twins=twins)
        if problems:
            raise ValueError("Not a sound cohort: " + "; ".join(problems))
        tables["traits"] = tables["traits"].apply(as_labels)
        for name, table in tables.items():
            # A table that is as it should be stays the one that the user may hold.
            if known is None or not table.equals(getattr(self, name)):
                object.__setattr__(self, name, table)
        object.__setattr__(self, "maps", maps)
        object.__setattr__(self, "_study_ids", ids)

    # === Choosing studies ===

    def __len__(self) -> int:
        return len(self.patients)

    @overload
    def __getitem__(self, key: int | str) -> Study: ...

    @overload
    def __getitem__(self, key: slice | Sequence[Any] | np.ndarray | pd.Series) -> "Cohort": ...

    def __getitem__(self, key: Any) -> "Study | Cohort":
        """One study by position or id; a cohort by a slice, a mask, or several of either.

        `cohort[5]` and `cohort["S001"]` are a Study; `cohort[:5]`, `cohort[["S001", "S002"]]` and
        `cohort[cohort.traits["sex"] == 1]` are a Cohort. A mask that is a Series is aligned by its
        index.
        """
        row = rows_of(self.patients.index, key)
        if not isinstance(row, int):
            return self.select(row)
        return Study(
            study_id=str(self.patients.index[row]),
            patient_id=str(self.patients.iloc[row]),
            maps={m: np.asarray(stack[row]) for m, stack in self.maps.items()},
            traits=self.traits.iloc[row],
            clinical=self.clinical.iloc[row],
            unit=self.unit,
        )

    def select(self, rows: Any) -> "Cohort":
        """The cohort of some studies, chosen as in `cohort[...]`; maps on disk stay there.

        KeyError, IndexError: ids or positions that the cohort does not have. ValueError: a mask
        does not fit, a study is asked for twice, or none is.
        """
        chosen = np.atleast_1d(rows_of(self.patients.index, rows))
        maps = {m: select_maps(stack, chosen) for m, stack in measured(self.maps).items()}
        tables = {name: getattr(self, name).iloc[chosen] for name in ("patients", *_TABLES)}
        return self._with(maps=maps, **tables)

    def first_studies(self) -> "Cohort":
        """The cohort of the first study of each patient; later ones are left out."""
        return self.select(~self.patients.duplicated().to_numpy())

    def folds(self, k: int = 5, *, seed: int) -> Iterator[tuple["Cohort", "Cohort"]]:
        """Cross-validation: k pairs of cohorts (rest, held out) that share no patient, balanced on
        the traits like `split_by_patient`. ValueError: fewer patients than folds.
        """
        self.check(pixels=False)
        for held_out in drawn_folds(self.traits, self.patients, k, seed=seed):
            yield self.select(~held_out), self.select(held_out)

    def with_traits(self, names: Iterable[str]) -> "Cohort":
        """The cohort with clinical columns of these names made traits, as far as each of their
        cells is 0, 1 or empty. Other names are passed over.
        """
        moved = [
            name
            for name in dict.fromkeys(names)
            if name in self.clinical and not np.isinf(as_labels(self.clinical[name])).any()
        ]
        if not moved:
            return self
        traits = pd.concat([self.traits, self.clinical[moved]], axis=1)
        return self._with(traits=traits, clinical=self.clinical.drop(columns=moved))

    def _with(self, **changes: Any) -> "Cohort":
        """The same cohort with other tables, or maps that were looked at before."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return of_checked_maps(**parts | changes)

    @staticmethod
    def concat(parts: Iterable["Cohort"]) -> "Cohort":
        """The studies of several cohorts as one, in memory; the same patient_id is one patient.

        ValueError: there is no part; parts differ in map types, size, columns, unit or provenance;
        a study occurs twice, or two patients share a map.
        """
        pieces = list(of_one_kind(_pieces(parts)))
        maps, _, facts = pieces[0]
        stacks = {m: np.concatenate([piece[0][m] for piece in pieces]) for m in maps}
        table = pd.concat([table for _, table, _ in pieces])
        return _cohort_of(stacks, table, facts)

    # === What it says ===

    def __repr__(self) -> str:
        kind = "Phantom cohort (not patients)" if self.is_phantom else "Cohort"
        kind += f" ({RECOVERED})" if self.is_recovered else ""
        return (
            f"{kind}: {len(self)} studies of {self.patients.nunique()} patients; "
            f"{', '.join(self.maps)}, {self.size} x {self.size}, {self.unit}; "
            f"traits {', '.join(self.traits.columns) or 'none'}"
        )

    def _repr_html_(self) -> str:
        traits = self.traits
        counts = {"coded 1": traits == 1, "coded 0": traits == 0, "not recorded": traits.isna()}
        table = pd.DataFrame({name: found.sum() for name, found in counts.items()})
        return f"<p>{html.escape(repr(self))}</p>" + table.to_html()

    @property
    def size(self) -> int:
        """Rows (and columns) of a map."""
        return next(iter(self.maps.values())).shape[-1]

    @property
    def is_phantom(self) -> bool:
        """True where the studies were simulated."""
        return self.software == PHANTOM

    @property
    def is_recovered(self) -> bool:
        """True where the numbers of any study were read from the colours of a screen."""
        return RECOVERED in self.software

    def count_guarded(self) -> int:
        """Pixels inside the disc whose rest flow was too low for a flow reserve to be formed."""
        if "reserve" not in self.maps or "rest" not in self.maps:
            return 0
        disc = disc_mask(self.size)
        return int(self.in_batches(lambda rest: (rest[:, disc] < REST_FLOOR).sum(1), "rest").sum())

    def global_means(self, map_type: str) -> pd.Series:
        """Mean of each study's map over the disc, in the unit of the map."""
        means = self.in_batches(disc_mean, map_type)
        return pd.Series(means, index=self.patients.index, name=map_type)

    def segment_means(self, map_type: str) -> np.ndarray:
        """Mean of each study's map in the 17 AHA segments, shape (n, 17), in its unit."""
        return self.in_batches(segment_means, map_type)

    def global_mfr(self) -> pd.Series:
        """Mean stress MBF over the disc / mean rest MBF over the disc, one value per study.

        ValueError: the cohort has relative counts, lacks rest or stress maps, or has a rest of 0.
        """
        if self.unit != "mL/min/g" or not {"rest", "stress"} <= self.maps.keys():
            raise ValueError(
                f"Flow reserve needs rest and stress maps in mL/min/g; this cohort has "
                f"{', '.join(self.maps)} in {self.unit}."
            )
        rest = self.global_means("rest")
        if (rest <= 0).any():
            raise ValueError(f"Mean rest flow is 0: {listing(rest.index[rest <= 0])}.")
        return (self.global_means("stress") / rest).rename("mfr")

    def in_batches(self, of_maps: Callable[[np.ndarray], np.ndarray], map_type: str) -> np.ndarray:
        """Apply a function to every map, with few maps (n, size, size) in memory at a time."""
        stack = self.maps[map_type]
        starts = range(0, len(self), BATCH)
        return np.concatenate([of_maps(stack[start : start + BATCH]) for start in starts])

    # === On disk ===

    def save(self, folder: str | Path) -> Path:
        """Write the cohort folder: whole, or not at all.

        FileExistsError: the folder is not empty. ValueError: the cohort is no longer sound.
        """
        write_folder(Path(folder), _pieces([self]))
        return Path(folder)


def split_by_patient(
    cohort: Cohort, val: float = 0.15, test: float = 0.15, *, seed: int
) -> tuple[Cohort, Cohort, Cohort]:
    """Training, validation and test cohorts that share no patient.

    A column `split` in `cohort.clinical` ("train", "val" or "test" in each row) is honoured;
    otherwise patients are drawn so that every trait, and how often it was recorded, is balanced
    (iterative stratification; Sechidis, Tsoumakas, Vlahavas, ECML PKDD 2011:145-158).

    Parameters
    ----------
    val, test
        Shares of the patients, each in (0, 1).
    seed
        Same cohort, shares and seed: same split.

    Raises
    ------
    ValueError: a share is out of range, there are too few patients, or the `split` column has other
        words in it, leaves a split empty, or puts one patient in two.
    """
    cohort.check(pixels=False)
    if "split" in cohort.clinical:
        part = stated_split(cohort.clinical["split"], cohort.patients)
    else:
        part = drawn_split(cohort.traits, cohort.patients, val, test, seed=seed)
    train, validation, held_out = (cohort.select(part == name) for name in SPLITS)
    return train, validation, held_out


def read_cohort(folder: str | Path, verify: bool = False) -> Cohort:
    """Open a cohort folder; the maps stay on disk until they are looked at, as memory maps of shape
    (n, size, size), float32.

    Parameters
    ----------
    folder
        Written by `Cohort.save` or `polarnet import`.
    verify
        Also read every map and compare it with the checksum it was written with.

    Raises
    ------
    FileNotFoundError: the folder is not a cohort.
    ValueError: a file is missing, cut short or changed, or the edited table is unsound.
    """
    return _cohort_of(*read_folder(Path(folder), verify))


def write_cohorts(
    parts: Iterable[Cohort], folder: str | Path, beside: Callable[[Path], None] | None = None
) -> Cohort:
    """Write the studies of several cohorts to one folder, with one part in memory at a time, and
    open it. `beside` is given the folder, while it is made, to write further files into it.

    FileExistsError: the folder exists and is not empty. ValueError: as for `Cohort.concat`.
    """
    write_folder(Path(folder), _pieces(parts), beside)
    return read_cohort(folder)


def of_checked_maps(**parts: Any) -> Cohort:
    """A cohort of maps that were looked at before, so that nothing is read; tables are checked."""
    cohort = object.__new__(Cohort)
    for name, value in parts.items():
        object.__setattr__(cohort, name, value)
    cohort._settle(pixels=False, twins=False)
    return cohort


def _pieces(parts: Iterable[Cohort]) -> Iterator[Piece]:
    """The studies of every part, some at a time, as a cohort folder holds them, as long as no map
    comes up again under another patient."""
    owners: dict[str, dict[bytes, tuple[str, str]]] = {}
    for part in parts:
        if not isinstance(part, Cohort):
            raise ValueError(f"Give a list of cohorts to join; a {type(part).__name__} is none.")
        part.check()
        truth = part.truth.add_prefix(TRUTH_PREFIX)
        patients = part.patients.rename("patient_id")
        table = pd.concat([patients, part.traits, part.clinical, truth], axis=1)
        names = ["study_id", *table.columns]
        if twice := [name for name in dict.fromkeys(names) if not name or names.count(name) > 1]:
            raise ValueError(
                "Columns of a cohort need names of their own across traits and clinical; rename "
                f"or drop {listing(map(repr, twice))}."
            )
        facts = {name: getattr(part, name) for name in ("unit", *STATED)}
        facts |= {name: list(getattr(part, name).columns) for name in _TABLES}
        for start in range(0, len(part), BATCH):
            rows = slice(start, start + BATCH)
            maps = {map_type: stack[rows] for map_type, stack in measured(part.maps).items()}
            for map_type, values in maps.items():
                known = owners.setdefault(map_type, {})
                if twins := find_twins(values, part.patients.iloc[rows], known):
                    raise ValueError(f"{map_type} {TWINS}: {listing(twins)}.")
            yield maps, table.iloc[rows], facts


def _cohort_of(
    maps: Mapping[str, np.ndarray], table: pd.DataFrame, facts: Mapping[str, Any]
) -> Cohort:
    """The cohort of checked maps, and of a table and facts as a cohort folder holds them."""
    truth = table[[TRUTH_PREFIX + name for name in facts["truth"]]]
    return of_checked_maps(
        maps=maps,
        traits=table[facts["traits"]],
        patients=table["patient_id"],
        clinical=table.drop(columns=["patient_id", *facts["traits"], *truth.columns]),
        truth=truth.rename(columns=lambda name: name.removeprefix(TRUTH_PREFIX)),
        **{name: facts[name] for name in ("unit", *STATED)},
    )
