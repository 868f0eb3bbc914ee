"""The studies of a cohort: maps, labels and what else is known, row by row."""

import html
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from polarnet.anatomy import disc_mask, disc_mean, segment_means
from polarnet.cohort.checks import UNITS, listing, map_problems, table_problems
from polarnet.cohort.files import TRUTH_PREFIX, Piece, read_folder, write_folder
from polarnet.cohort.stack import MapStack, low_rest_pixels
from polarnet.cohort.study import Study
from polarnet.traits import MAP_TYPES

PHANTOM = "polarnet phantom"
"""Software named by studies that were simulated."""

RECOVERED = "recovered-from-colour"
"""Part of the software of studies whose numbers were read from the colours of a screen."""

_STATED = ("unit", "tracer", "stress_agent", "software")
_TABLES = ("traits", "clinical", "truth")
_BATCH = 1024  # maps in memory at once where a whole cohort is gone through


@dataclass(frozen=True, eq=False)
class Cohort:
    """Studies side by side: one row of every table, one map of every stack, is one study.

    Attributes
    ----------
    maps
        Map type -> (n, size, size) float32: "rest" and "stress" in `unit`, "reserve" without
        unit, computed where it is looked at. 0 outside the disc.
    traits
        Index study_id, one column a trait: 1.0, 0.0, or NaN where it was not recorded.
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

    maps: Mapping[str, np.ndarray | MapStack]
    traits: pd.DataFrame
    patients: pd.Series
    clinical: pd.DataFrame
    truth: pd.DataFrame
    unit: str
    tracer: str = ""
    stress_agent: str = ""
    software: str = ""
    # True for rows of a cohort, or of a folder, whose pixels were looked at before.
    pixels_checked: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        self._check_shapes()
        problems = table_problems(self.traits, self.patients)
        if not self.pixels_checked:
            problems += map_problems(self._measured(), self.patients, self.unit)
        if problems:
            raise ValueError("Not a sound cohort: " + "; ".join(problems))
        maps = self._measured() if self.pixels_checked else self._masked()
        if self.unit == "mL/min/g" and {"rest", "stress"} <= maps.keys():
            maps["reserve"] = _reserve(maps["stress"], maps["rest"])
        as_set = {
            "maps": {m: maps[m] for m in MAP_TYPES if m in maps},
            # Checked above: what is no number now is an empty cell.
            "traits": self.traits.apply(pd.to_numeric, errors="coerce").astype(float),
            "pixels_checked": True,
        }
        for name, value in as_set.items():
            object.__setattr__(self, name, value)

    def _check_shapes(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(
                f"Unit must be one of {', '.join(UNITS)}, but '{self.unit}' was given."
            )
        shapes = {map_type: stack.shape for map_type, stack in self._measured().items()}
        n = len(self.patients)
        if not shapes or n == 0:
            raise ValueError("A cohort needs at least one study and one map type.")
        if unknown := [map_type for map_type in shapes if map_type not in MAP_TYPES]:
            raise ValueError(f"Unknown map type {listing(unknown)}; use {', '.join(MAP_TYPES)}.")
        size = next(iter(shapes.values()))[-1]
        if any(shape != (n, size, size) for shape in shapes.values()):
            raise ValueError(f"Every stack must have shape ({n}, {size}, {size}), got {shapes}.")
        if self.unit == "percent" and "reserve" in shapes:
            raise ValueError("Relative counts in percent have no flow reserve; leave reserve out.")
        for name in _TABLES:
            if not getattr(self, name).index.equals(self.patients.index):
                raise ValueError(f"Table '{name}' must have the same study ids, in order.")

    def _masked(self) -> dict[str, np.ndarray | MapStack]:
        """Measured maps in float32, 0 outside the disc; maps on disk are left as they are."""
        return {
            map_type: stack if isinstance(stack, MapStack | np.memmap) else _cut_out(stack)
            for map_type, stack in self._measured().items()
        }

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, row: int) -> Study:
        return Study(
            study_id=str(self.patients.index[row]),
            patient_id=str(self.patients.iloc[row]),
            maps={m: np.asarray(stack[row]) for m, stack in self.maps.items()},
            traits=self.traits.iloc[row],
            clinical=self.clinical.iloc[row],
            unit=self.unit,
        )

    def __repr__(self) -> str:
        kind = "Phantom cohort (not patients)" if self.is_phantom else "Cohort"
        kind += f" ({RECOVERED})" if self.is_recovered else ""
        return (
            f"{kind}: {len(self)} studies of {self.patients.nunique()} patients; "
            f"{', '.join(self.maps)}, {self.size} x {self.size}, {self.unit}; "
            f"traits {', '.join(self.traits.columns) or 'none'}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>" + self.trait_counts().to_html()

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

    def trait_counts(self) -> pd.DataFrame:
        """Studies coded 1, coded 0 and not recorded, one row a trait."""
        return pd.DataFrame(
            {
                "coded 1": (self.traits == 1).sum(),
                "coded 0": (self.traits == 0).sum(),
                "not recorded": self.traits.isna().sum(),
            }
        )

    def select(self, rows: np.ndarray) -> "Cohort":
        """The cohort of the studies at these positions (integers or a mask); nothing is read.

        Maps held in memory are copied; maps on disk stay there.
        """
        rows = np.arange(len(self))[rows]
        maps = {m: _select(stack, rows) for m, stack in self._measured().items()}
        tables: dict[str, Any] = {
            name: getattr(self, name).iloc[rows] for name in (*_TABLES, "patients")
        }
        return replace(self, maps=maps, **tables)

    def count_guarded(self) -> int:
        """Pixels inside the disc whose rest flow was too low for a flow reserve to be formed."""
        if "reserve" not in self.maps or "rest" not in self.maps:
            return 0
        return int(self._in_batches(low_rest_pixels, "rest").sum())

    def global_means(self, map_type: str) -> pd.Series:
        """Mean of each study's map over the disc, in the unit of the map."""
        means = self._in_batches(disc_mean, map_type)
        return pd.Series(means, index=self.patients.index, name=map_type)

    def segment_means(self, map_type: str) -> np.ndarray:
        """Mean of each study's map in the 17 AHA segments, shape (n, 17), in its unit."""
        return self._in_batches(segment_means, map_type)

    def global_mfr(self) -> pd.Series:
        """Mean stress MBF over the disc / mean rest MBF over the disc, one value a study.

        Raises
        ------
        ValueError: the cohort has relative counts, or lacks rest or stress maps.
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

    def _in_batches(self, of_maps: Callable[[np.ndarray], np.ndarray], map_type: str) -> np.ndarray:
        """A function of every map, with few maps in memory at once."""
        stack = self.maps[map_type]
        starts = range(0, len(self), _BATCH)
        return np.concatenate([of_maps(stack[start : start + _BATCH]) for start in starts])

    def save(self, folder: str | Path) -> Path:
        """Write the cohort folder: whole, or not at all.

        Raises
        ------
        FileExistsError: the folder exists and is not empty.
        """
        write_folder(Path(folder), self.pieces())
        return Path(folder)

    def pieces(self) -> Iterator[Piece]:
        """The studies in order, some at a time, as a cohort folder holds them."""
        table = pd.concat(
            [
                self.patients.rename("patient_id"),
                self.traits,
                self.clinical,
                self.truth.add_prefix(TRUTH_PREFIX),
            ],
            axis=1,
        )
        facts = {name: getattr(self, name) for name in _STATED} | {
            name: list(getattr(self, name).columns) for name in _TABLES
        }
        for start in range(0, len(self), _BATCH):
            rows = slice(start, start + _BATCH)
            maps = {map_type: stack[rows] for map_type, stack in self._measured().items()}
            yield maps, table.iloc[rows], facts

    def _measured(self) -> dict[str, np.ndarray | MapStack]:
        """The maps that are stored; a reserve computed from two others is not."""
        return {
            map_type: stack
            for map_type, stack in self.maps.items()
            if not (isinstance(stack, MapStack) and stack.rest is not None)
        }


def read_cohort(folder: str | Path, verify: bool = False) -> Cohort:
    """Open a cohort folder; the maps stay on disk until they are looked at.

    Parameters
    ----------
    folder
        Written by `Cohort.save` or `polarnet import`.
    verify
        Also read every map and compare it with the checksum it was written with.

    Returns
    -------
    Cohort whose maps are memory maps of shape (n, size, size), float32.

    Raises
    ------
    FileNotFoundError: the folder is not a cohort.
    ValueError: a file is missing, cut short or changed, or the edited table is unsound.
    """
    return cohort_from_table(*read_folder(Path(folder), verify), pixels_checked=True)


def cohort_from_table(
    maps: Mapping[str, np.ndarray],
    table: pd.DataFrame,
    facts: Mapping[str, Any],
    pixels_checked: bool,
) -> Cohort:
    """The cohort of a table and facts as a cohort folder holds them."""
    truth = table[[TRUTH_PREFIX + name for name in facts["truth"]]]
    return Cohort(
        maps=maps,
        traits=table[facts["traits"]],
        patients=table["patient_id"],
        clinical=table.drop(columns=["patient_id", *facts["traits"], *truth.columns]),
        truth=truth.rename(columns=lambda name: name.removeprefix(TRUTH_PREFIX)),
        pixels_checked=pixels_checked,
        **{name: facts[name] for name in _STATED},
    )


def _select(stack: np.ndarray | MapStack, rows: np.ndarray) -> np.ndarray | MapStack:
    """Rows of a stack: copied from memory, referred to on disk."""
    if isinstance(stack, MapStack):
        return stack.select(rows)
    return MapStack(stack, rows) if isinstance(stack, np.memmap) else stack[rows]


def _cut_out(stack: np.ndarray) -> np.ndarray:
    """A stack in float32, 0 outside the disc; no copy of one that is so already."""
    disc = disc_mask(stack.shape[-1])
    if stack.dtype == np.float32 and not stack[:, ~disc].any():
        return stack
    return np.where(disc, stack, 0).astype(np.float32)


def _reserve(stress: np.ndarray | MapStack, rest: np.ndarray | MapStack) -> MapStack:
    """Flow reserve of two stacks with the same rows."""
    if isinstance(stress, MapStack) and isinstance(rest, MapStack):
        return MapStack(stress.values, stress.rows, rest.values)
    return MapStack(np.asanyarray(stress), np.arange(len(stress)), np.asanyarray(rest))
