"""The column map: which column of the clinic's table is what, and its YAML file."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from polarnet.files import read_yaml
from polarnet.ids import listing, normal_text
from polarnet.readers.identity import names_a_person
from polarnet.readers.words import cell_key, is_formula
from polarnet.traits import TRAITS

PROVENANCE: Final = (
    "manufacturer", "model", "software_version", "software", "tracer", "stress_agent",
)  # fmt: skip
"""What a table may say of each study's origin."""

_RESERVED: Final = (
    "study_id", "patient_id", "mfr", "split", "profile", "unit_in_file", "impaired_mfr_source",
    *PROVENANCE,
)  # fmt: skip
"""Names that a trait or clinical variable cannot have in the cohort."""

_RULE: Final = re.compile(r"(>=|<=|==|>|<)\s*([+-]?\d+(?:\.\d+)?)", re.ASCII)

_COMPARE: Final[dict[str, tuple[Callable[[float, float], bool], str]]] = {
    ">=": (operator.ge, "<"), ">": (operator.gt, "<="), "<=": (operator.le, ">"),
    "<": (operator.lt, ">="), "==": (operator.eq, "!="),
}  # fmt: skip
"""Sign of a rule -> its comparison, and the sign of the opposite."""

_RULE_SHOWN: Final = 12
"""Characters of a wrong rule that a message repeats (our choice)."""


@dataclass(frozen=True)
class TraitCoding:
    """How one column says whether a trait is present.

    Attributes
    ----------
    column
        Heading in the user's table.
    one, zero
        Cells that mean 1 and 0; both or neither.
    rule
        In their place: `>=`, `>`, `<=`, `<` or `==` and a number in the column's unit; 1 where it
        holds.

    Raises
    ------
    ValueError: neither or both ways are given, the rule is none, or a cell means 1 and 0.
    """

    column: str
    one: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    rule: str = ""

    def __post_init__(self) -> None:
        by_values, by_rule = bool(self.one and self.zero), bool(self.rule)
        if by_values == by_rule or (self.rule and (self.one or self.zero)):
            raise ValueError('needs either one and zero (lists of cells), or rule (as ">= 48")')
        if self.rule and not _RULE.fullmatch(self.rule):
            raise ValueError(
                f"rule '{self.rule[:_RULE_SHOWN]}' must be one of {' '.join(_COMPARE)} and a "
                'number with a decimal point, as ">= 48"'
            )
        if not all((*self.one, *self.zero)):
            raise ValueError("an empty cell means: not recorded, never 0 or 1")
        if both := [value for value in self.one if cell_key(value) in map(cell_key, self.zero)]:
            raise ValueError(f"{listing(both)} stands in one and in zero")

    def holds(self, value: float) -> bool:
        """Whether a number meets the rule."""
        sign, threshold = _RULE.findall(self.rule)[0]
        return _COMPARE[sign][0](value, float(threshold))

    def meaning(self) -> tuple[str, str]:
        """What 1 means, and what 0 means."""
        if not self.rule:
            return f"{self.column} = {', '.join(self.one)}", ", ".join(self.zero)
        sign, threshold = _RULE.findall(self.rule)[0]
        number = f"{float(threshold):g}"
        return f"{self.column} {sign} {number}", f"{_COMPARE[sign][1]} {number}"


@dataclass(frozen=True)
class Exclusion:
    """A reason to leave studies out: the column has one of these cells."""

    column: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values is missing")


@dataclass(frozen=True, kw_only=True)
class ColumnMap:
    """Which column of a table is what.

    Attributes
    ----------
    study_id, patient_id, mfr, split
        Headings in the user's table; mfr (the user's own flow reserve) and split may be "".
    traits
        Name in the cohort -> column and coding.
    clinical, provenance
        Name in the cohort -> column.
    exclude
        Reason -> column and cells.
    missing
        Further cells that mean: not recorded, in every column.
    missing_in
        Column -> such cells of that column alone.
    decimal_comma
        Whether numbers are written as 2,54. None: the table decides.

    Raises
    ------
    ValueError: a name is taken twice or reserved, a column names a person, a cell is coded and
        missing, or cells are missing in a column that is not used; all of it at once.
    """

    study_id: str
    patient_id: str
    mfr: str = ""
    traits: Mapping[str, TraitCoding] = field(default_factory=dict)
    clinical: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    exclude: Mapping[str, Exclusion] = field(default_factory=dict)
    split: str = ""
    missing: tuple[str, ...] = ()
    missing_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decimal_comma: bool | None = None

    def __post_init__(self) -> None:
        if problems := [*_name_problems(self), *_person_problems(self), *_missing_problems(self)]:
            raise ValueError("; ".join(problems))

    def columns(self) -> dict[str, str]:
        """What each column is used for, by its place in the map: 'clinical age' -> 'Alter'."""
        used = {"study_id": self.study_id, "patient_id": self.patient_id}
        used |= {"mfr": self.mfr} if self.mfr else {}
        used |= {f"traits {name}": coding.column for name, coding in self.traits.items()}
        used |= {f"clinical {name}": column for name, column in self.clinical.items()}
        used |= {f"provenance {name}": column for name, column in self.provenance.items()}
        used |= {f"exclude {name}": rule.column for name, rule in self.exclude.items()}
        return used | ({"split": self.split} if self.split else {})

    def columns_of_numbers(self) -> list[str]:
        """Headings of the columns that are, or may be, numbers: clinical ones, mfr and of rules."""
        by_rule = [coding.column for coding in self.traits.values() if coding.rule]
        return list(dict.fromkeys([*self.clinical.values(), *filter(None, [self.mfr]), *by_rule]))

    def missing_keys(self, column: str) -> frozenset[str | float]:
        """Keys of the cells of a column that mean: not recorded, beside our own words for it."""
        return frozenset(map(cell_key, (*self.missing, *self.missing_in.get(column, ()))))


def _name_problems(columns: ColumnMap) -> list[str]:
    """Names that the cohort cannot hold beside one another."""
    named = [*columns.traits, *columns.clinical]
    problems = [
        f"{name} is a trait and clinical" for name in columns.traits if name in columns.clinical
    ]
    if reserved := [name for name in named if name in _RESERVED]:
        problems.append(f"traits and clinical variables cannot be called {listing(reserved)}")
    if n_formulas := sum(map(is_formula, named)):
        problems.append(f"{n_formulas} names begin like a formula (= + - @)")
    if cased := [name for name in columns.traits if name not in TRAITS and name.lower() in TRAITS]:
        problems.append(f"write traits in lower case: {listing(cased)}")
    return problems


def _person_problems(columns: ColumnMap) -> list[str]:
    """Columns whose cells must not leave the clinic."""
    ids = (columns.study_id, columns.patient_id)
    problems = []
    for place, column in columns.columns().items():
        named = [column, place[9:]] if place.startswith("clinical ") else [column]
        if place in ("study_id", "patient_id"):
            continue
        if column in ids:
            problems.append(f"{place}: {column} is the column of an id")
        elif any(map(names_a_person, named)):
            problems.append(f"{place}: {column} may name a person; leave it out")
    return problems


def _missing_problems(columns: ColumnMap) -> list[str]:
    """Cells that are said to be missing, and to mean something; or in a column of no use."""
    problems = []
    for name, coding in columns.traits.items():
        missing = columns.missing_keys(coding.column)
        if both := [cell for cell in (*coding.one, *coding.zero) if cell_key(cell) in missing]:
            problems.append(f"traits {name}: {listing(both)} is coded, and in missing")
    used = columns.columns()
    for column in columns.missing_in:
        if column not in used.values():
            near = [used[place] for place in used if place.endswith(f" {column}")]
            near = near or difflib.get_close_matches(column, used.values(), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(f"missing: no column '{column}' is used in the map{hint}")
    return problems


# === The file ===

_KEYS: Final = (
    "study_id", "patient_id", "mfr", "traits", "clinical", "provenance", "exclude", "split",
    "missing", "decimal_comma",
)  # fmt: skip

_EVERY_COLUMN: Final = "*"
"""Stands in `missing` for all columns."""


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

    Examples
    --------
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
    if not path.is_file():
        raise FileNotFoundError(f"No column map {path}.")
    settings = read_yaml(path, has_numbers=False)
    if not isinstance(settings, dict):
        raise ValueError(f"{path.name} must hold lines like 'study_id: Untersuchung'.")
    reader = _MapReader([])
    parts = reader.parts(settings)
    problems = reader.problems
    if not problems:
        try:
            return ColumnMap(**parts)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(f"{path.name}: {'; '.join(problems)}.")


@dataclass(frozen=True)
class _MapReader:
    """Turns the file's content into the parts of a map, and notes what cannot be."""

    problems: list[str]

    def parts(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Arguments of ColumnMap."""
        self.known(settings, _KEYS, "")
        parts: dict[str, Any] = {}
        for key in ("study_id", "patient_id"):
            parts[key] = self.heading(settings.get(key), key)
        for key in ("mfr", "split"):
            parts[key] = self.heading(settings[key], key) if settings.get(key) is not None else ""
        for key in ("clinical", "provenance"):
            section = self.section(settings, key)
            parts[key] = {n: self.heading(value, f"{key} {n}") for n, value in section.items()}
        self.known(parts["provenance"], PROVENANCE, "provenance ")
        parts["traits"] = {
            name: self.part(TraitCoding, value, f"traits {name}",
                            "{column: Raucher, one: [ja], zero: [nein]}")
            for name, value in self.section(settings, "traits").items()
        }  # fmt: skip
        parts["exclude"] = {
            reason: self.part(Exclusion, value, f"exclude {reason}", "{column: CABG, values: [ja]}")
            for reason, value in self.section(settings, "exclude").items()
        }
        missing = settings.get("missing")
        by_column = missing if isinstance(missing, dict) else {_EVERY_COLUMN: missing}
        parts["missing_in"] = {
            self.heading(column, "missing"): self.cells(cells, f"missing of {str(column)[:40]}")
            for column, cells in by_column.items()
        }
        parts["missing"] = parts["missing_in"].pop(_EVERY_COLUMN, ())
        parts["decimal_comma"] = settings.get("decimal_comma")
        if parts["decimal_comma"] not in (True, False, None):
            self.problems.append("decimal_comma must be true or false")
        return parts

    def known(self, given: Iterable[object], known: Sequence[str], place: str) -> None:
        """Note keys that there are none of."""
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
                self.problems.append(f"unknown key '{place}{str(key)[:40]}'{hint}")

    def section(self, settings: dict[str, Any], key: str) -> dict[str, Any]:
        """A part with names of its own; empty where it is absent or all its lines are comments."""
        section = settings.get(key)
        if section is None:
            return {}
        if not isinstance(section, dict):
            self.problems.append(f"{key} must hold lines like 'name: column'")
            return {}
        if odd := [name for name in section if not isinstance(name, str) or not name.strip()]:
            self.problems.append(f"{len(odd)} names in {key} are no text; put quotes around them")
        return {name: value for name, value in section.items() if name not in odd}

    def part(self, kind: Callable[..., Any], value: Any, place: str, example: str) -> Any:
        """A coding, or a reason to exclude; None where it cannot be."""
        if not isinstance(value, dict):
            self.problems.append(f"{place} must be like {example}")
            return None
        n_before = len(self.problems)
        lists = ("one", "zero") if kind is TraitCoding else ("values",)
        rule = {"rule": str(value.get("rule") or "").strip()} if kind is TraitCoding else {}
        self.known(value, ("column", *lists, *rule), f"{place} ")
        heading = self.heading(value.get("column"), f"{place} column")
        cells = {key: self.cells(value.get(key), f"{place} {key}") for key in lists}
        if len(self.problems) > n_before:
            return None
        try:
            return kind(column=heading, **cells, **rule)
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
        return None

    def heading(self, value: Any, place: str) -> str:
        """The name of one column."""
        if value is None or value == "":
            self.problems.append(f"{place} is missing: give the heading of a column")
            return ""
        return normal_text(self.text(value, place))

    def cells(self, value: Any, place: str) -> tuple[str, ...]:
        """A list of cells; a single one may stand without brackets."""
        values = value if isinstance(value, list) else [] if value is None else [value]
        return tuple(self.text(cell, place).strip() for cell in values)

    def text(self, value: Any, place: str) -> str:
        """Text or a number, as text."""
        if isinstance(value, bool):
            # YAML reads all of yes, no, on, off as true or false: the word itself is lost.
            self.problems.append(f"{place}: put quotes around yes, no, on, off, true and false")
        elif not isinstance(value, str | int | float):
            # Dates, lists, mappings; never repeated here, however long they are.
            told = f"a {type(value).__name__} where text should stand; put quotes around it"
            self.problems.append(f"{place}: {told}")
        else:
            return str(value)
        return ""
