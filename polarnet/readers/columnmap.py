"""The column map: which column of the clinic's table is what, and its YAML file."""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from polarnet.files import did_you_mean, read_yaml, shown, unknown_settings
from polarnet.ids import listing, normal_text
from polarnet.readers.identity import names_a_person
from polarnet.readers.words import cell_key, is_formula
from polarnet.traits import TRAITS

PROVENANCE: Final = (
    "manufacturer", "model", "software_version", "software", "tracer", "stress_agent",
)  # fmt: skip
"""What a table may say of each study's origin."""

EVERY_COLUMN: Final = "*"
"""Stands in `missing` for all columns."""

_RESERVED: Final = (
    "study_id", "patient_id", "mfr", "split", "profile", "unit_in_file", "impaired_mfr_source",
    *PROVENANCE,
)  # fmt: skip
"""Names that a trait or clinical variable cannot have in the cohort."""

_RULE: Final = re.compile(r"(>=|<=|==|>|<)\s*([+-]?\d+(?:\.\d+)?)", re.ASCII)

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq,
}  # fmt: skip


@dataclass(frozen=True)
class TraitCoding:
    """How one column says whether a trait is present: by cells, or by a rule for its number."""

    column: str  # heading in the user's table
    one: tuple[str, ...] = ()  # cells that mean 1
    zero: tuple[str, ...] = ()  # cells that mean 0
    rule: str = ""  # a comparison and a number in the column's unit; 1 where it holds

    def __post_init__(self) -> None:
        by_values, by_rule = bool(self.one and self.zero), bool(self.rule)
        if by_values == by_rule or (self.rule and (self.one or self.zero)):
            raise ValueError('needs either one and zero (lists of cells), or rule (as ">= 48")')
        if self.rule and not _RULE.fullmatch(self.rule):
            raise ValueError(
                f"rule {shown(self.rule)} must be one of {' '.join(_COMPARE)} and a number with a "
                'decimal point, as ">= 48"'
            )
        if not all((*self.one, *self.zero)):
            raise ValueError("an empty cell means: not recorded, never 0 or 1")
        if both := [value for value in self.one if cell_key(value) in map(cell_key, self.zero)]:
            raise ValueError(f"{listing(both)} stands in one and in zero")

    def holds(self, value: float) -> bool:
        """Whether a number meets the rule."""
        sign, number = _RULE.findall(self.rule)[0]
        return _COMPARE[sign](value, float(number))

    def meaning(self) -> tuple[str, str]:
        """What 1 means, and what 0 means."""
        if self.rule:
            return f"{self.column} {self.rule}", "that it is not"
        return f"{self.column} = {', '.join(self.one)}", ", ".join(self.zero)


class Exclusion(NamedTuple):
    """A reason to leave studies out: the column has one of these cells."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnMap:
    """Which column of a table is what.

    ValueError: a name is taken twice or reserved, a column names a person, a cell is coded and
    missing, or cells are missing in a column that is not used; all of it at once.
    """

    # Headings in the user's table; mfr is the user's own flow reserve.
    study_id: str
    patient_id: str
    mfr: str = ""
    split: str = ""
    # Name in the cohort -> column and coding, column, column; and reason -> column and cells.
    traits: Mapping[str, TraitCoding] = field(default_factory=dict)
    clinical: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    exclude: Mapping[str, Exclusion] = field(default_factory=dict)
    # Column, or "*" for every column -> further cells that mean: not recorded.
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # Whether numbers are written as 2,54. None: the table decides.
    decimal_comma: bool | None = None

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ValueError("; ".join(problems))

    def columns(self) -> dict[str, str]:
        """What each column is used for, by its place in the map: 'clinical age' -> 'Alter'."""
        return {
            **{place: getattr(self, place) for place in ("study_id", "patient_id")},
            **({"mfr": self.mfr} if self.mfr else {}),
            **{f"traits {name}": coding.column for name, coding in self.traits.items()},
            **{f"clinical {name}": column for name, column in self.clinical.items()},
            **{f"provenance {name}": column for name, column in self.provenance.items()},
            **{f"exclude {name}": exclusion.column for name, exclusion in self.exclude.items()},
            **({"split": self.split} if self.split else {}),
        }

    def columns_of_numbers(self) -> list[str]:
        """Headings of the columns that are, or may be, numbers: clinical ones, mfr and of rules."""
        by_rule = [coding.column for coding in self.traits.values() if coding.rule]
        return list(dict.fromkeys([*self.clinical.values(), *filter(None, [self.mfr]), *by_rule]))

    def missing_keys(self, column: str) -> frozenset[str | float]:
        """Keys of the cells of a column that mean: not recorded, beside our own words for it."""
        cells = [*self.missing.get(EVERY_COLUMN, ()), *self.missing.get(column, ())]
        return frozenset(map(cell_key, cells))

    def _problems(self) -> Iterator[str]:
        """What the cohort cannot hold, what must not leave the clinic, and what contradicts."""
        named, used = [*self.traits, *self.clinical], self.columns()
        for name in self.traits:
            if name in self.clinical:
                yield f"{name} is a trait and clinical"
            if name not in TRAITS and name.lower() in TRAITS:
                yield f"write traits in lower case: {name}"
        if reserved := [name for name in named if name in _RESERVED]:
            yield f"traits and clinical variables cannot be called {listing(reserved)}"
        if n_formulas := sum(map(is_formula, named)):
            yield f"{n_formulas} names begin like a formula (= + - @)"
        for place, column in list(used.items())[2:]:
            is_called_so = place.startswith("clinical ") and names_a_person(place[9:])
            if column in (self.study_id, self.patient_id):
                yield f"{place}: {column} is the column of an id"
            elif names_a_person(column) or is_called_so:
                yield f"{place}: {column} may name a person; leave it out"
        if any(isinstance(cell_key(c), float) for c in self.missing.get(EVERY_COLUMN, ())):
            yield (
                "missing: a number may be a value; name the columns in which it means not "
                'recorded, as missing: {HEADING: ["99"]}'
            )
        for name, coding in self.traits.items():
            missing = self.missing_keys(coding.column)
            if both := [cell for cell in (*coding.one, *coding.zero) if cell_key(cell) in missing]:
                yield f"traits {name}: {listing(both)} is coded, and in missing"
        for column in self.missing:
            if column not in (EVERY_COLUMN, *used.values()):
                hint = did_you_mean(column, used.values())
                yield f"missing: no column {shown(column)} is used in the map{hint}"


# === The file ===


def load_column_map(path: str | Path) -> ColumnMap:
    """Read a column map.

    Parameters
    ----------
    path
        YAML file with study_id and patient_id (headings of the table), and any of: mfr, traits,
        clinical, provenance, exclude, split, missing, decimal_comma.

    Raises
    ------
    FileNotFoundError: no such file.
    ValueError: it is too large or no YAML, or has keys, values or codings that cannot be; all
        of them are listed.

    Notes
    -----
    Such a file::

        study_id: Untersuchung
        patient_id: PatNr
        traits:
          sex: {column: Geschlecht, one: [w], zero: [m]}
          diabetes: {column: HbA1c, rule: ">= 48"}
        clinical:
          age: Alter
        exclude:
          prior bypass: {column: CABG, values: ["ja"]}
        missing: {"*": ["k.A."], HbA1c: ["99"]}
    """
    path = Path(path)
    settings = read_yaml(path, has_numbers=False)
    if not isinstance(settings, dict):
        raise ValueError(f"{path.name} must hold lines like 'study_id: Untersuchung'.")
    reader = _MapReader(settings, unknown_settings(settings, [f.name for f in fields(ColumnMap)]))
    parts = reader.parts()
    if not reader.problems:
        try:
            return ColumnMap(**parts)
        except ValueError as error:
            reader.problems.append(str(error))
    raise ValueError(f"{path.name}: {'; '.join(reader.problems)}.")


@dataclass(frozen=True)
class _MapReader:
    """Turns the file's content into the parts of a map, and notes what cannot be."""

    settings: dict[str, Any]
    problems: list[str]

    def parts(self) -> dict[str, Any]:
        """Arguments of ColumnMap."""
        of_one = {key: self.settings.get(key) for key in ("study_id", "patient_id", "mfr", "split")}
        single = {
            key: self.text(value, key)
            for key, value in of_one.items()
            if value is not None or key.endswith("_id")
        }
        named = {
            key: {n: self.text(value, f"{key} {n}") for n, value in self.section(key).items()}
            for key in ("clinical", "provenance")
        }
        self.problems.extend(unknown_settings(named["provenance"], PROVENANCE, "provenance "))
        coded = {
            key: {n: self.part(kind, value, f"{key} {n}") for n, value in self.section(key).items()}
            for key, kind in (("traits", TraitCoding), ("exclude", Exclusion))
        }
        given, decimal_comma = (self.settings.get(key) for key in ("missing", "decimal_comma"))
        by_column = given if isinstance(given, dict) else {EVERY_COLUMN: given} if given else {}
        missing = {
            self.text(column, "missing"): self.cells(cells, "missing")
            for column, cells in by_column.items()
        }
        if decimal_comma not in (True, False, None):
            self.problems.append("decimal_comma must be true or false")
        rest = {"missing": missing, "decimal_comma": decimal_comma}
        return {**single, **named, **coded, **rest}

    def section(self, key: str) -> dict[str, Any]:
        """A part with names of its own; empty where it is absent or all its lines are comments."""
        section = self.settings.get(key) or {}
        if isinstance(section, dict) and all(isinstance(n, str) and n.strip() for n in section):
            return section
        self.problems.append(f"{key} must hold lines like 'name: column', with names that are text")
        return {}

    def part(self, kind: Callable[..., Any], value: Any, place: str) -> Any:
        """A coding, or a reason to exclude; None where it cannot be."""
        if not isinstance(value, dict):
            example = "one: [ja], zero: [nein]" if kind is TraitCoding else "values: [ja]"
            self.problems.append(f"{place} must be like {{column: Heading, {example}}}")
            return None
        n_before = len(self.problems)
        known = list(kind.__annotations__)
        self.problems.extend(unknown_settings(value, known, f"{place} "))
        arguments: dict[str, Any] = {"column": self.text(value.get("column"), f"{place} column")}
        for name in known[1:]:
            cells = self.cells(value.get(name), f"{place} {name}")
            arguments[name] = ", ".join(cells) if name == "rule" else cells
        if not arguments.get("values", True):
            self.problems.append(f"{place}: values is missing")
        if len(self.problems) == n_before:
            try:
                return kind(**arguments)
            except ValueError as error:
                self.problems.append(f"{place}: {error}")
        return None

    def cells(self, value: Any, place: str) -> tuple[str, ...]:
        """A list of cells; a single one may stand without brackets."""
        values = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(self.text(cell, place, is_cell=True) for cell in values)

    def text(self, value: Any, place: str, *, is_cell: bool = False) -> str:
        """A cell, or the heading of a column; neither is ever repeated, however long it is."""
        if isinstance(value, str) and (value or is_cell):
            return value.strip() if is_cell else normal_text(value)
        if value is None or value == "":
            self.problems.append(f"{place} is missing: give the heading of a column")
        else:
            # YAML reads all of yes, no, on, off as true or false: the word itself is lost.
            self.problems.append(
                f"{place}: a {type(value).__name__} where text should stand; put quotes around "
                "yes, no, on, off, true and false"
            )
        return ""
