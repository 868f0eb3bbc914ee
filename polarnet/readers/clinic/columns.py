"""Which column of the clinic's table is which trait or variable, and how is it coded?"""

import difflib
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from polarnet.ids import listing
from polarnet.readers.identity import names_a_person
from polarnet.readers.words import is_formula, is_number
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

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq,
}  # fmt: skip

_OPPOSITE: Final = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "==": "!="}

CELL_SHOWN: Final = 12
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
                f"rule '{self.rule[:CELL_SHOWN]}' must be one of {' '.join(_COMPARE)} and a "
                'number with a decimal point, as ">= 48"'
            )
        if not all((*self.one, *self.zero)):
            raise ValueError("an empty cell means: not recorded, never 0 or 1")
        if both := [value for value in self.one if cell_key(value) in map(cell_key, self.zero)]:
            raise ValueError(f"{listing(both)} stands in one and in zero")

    def holds(self, value: float) -> bool:
        """Whether a number meets the rule."""
        sign, threshold = self._parts()
        return _COMPARE[sign](value, threshold)

    def meaning(self) -> tuple[str, str]:
        """What 1 means, and what 0 means."""
        if not self.rule:
            return f"{self.column} = {', '.join(self.one)}", ", ".join(self.zero)
        sign, threshold = self._parts()
        return f"{self.column} {sign} {threshold:g}", f"{_OPPOSITE[sign]} {threshold:g}"

    def _parts(self) -> tuple[str, float]:
        match = _RULE.fullmatch(self.rule)
        if match is None:
            raise ValueError(f"{self.column} has no rule.")
        return match[1], float(match[2])


@dataclass(frozen=True)
class Exclusion:
    """A reason to leave studies out: the column has one of these cells."""

    column: str
    values: tuple[str, ...]


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
        if place in ("study_id", "patient_id"):
            continue
        if column in ids:
            problems.append(f"{place}: {column} is the column of an id")
        elif names_a_person(column) or (
            place.startswith("clinical ") and names_a_person(place[9:])
        ):
            problems.append(f"{place}: {column} may name a person; leave it out")
    return problems


def _missing_problems(columns: ColumnMap) -> list[str]:
    """Cells that are said to be missing, and to mean something."""
    problems = [
        f"traits {name}: {listing(both)} is coded, and in missing"
        for name, coding in columns.traits.items()
        if (
            both := [
                v
                for v in (*coding.one, *coding.zero)
                if cell_key(v) in columns.missing_keys(coding.column)
            ]
        )
    ]
    used = list(dict.fromkeys(columns.columns().values()))
    for column in columns.missing_in:
        if column not in used:
            named = columns.columns()
            near = [named[place] for place in named if place.endswith(f" {column}")]
            near = near or difflib.get_close_matches(column, used, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            problems.append(f"missing: no column '{column}' is used in the map{hint}")
    return problems


def cell_key(cell: str) -> str | float:
    """What two cells have in common that mean the same: 1, 1.0 and 1,0; Ja and ja."""
    text = unicodedata.normalize("NFC", cell.strip())
    return float(text.replace(",", ".")) if is_number(text) else text.casefold()
