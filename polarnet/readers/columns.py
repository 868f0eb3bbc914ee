"""Which column of the clinic's table is which trait or variable, and how is it coded?"""

import difflib
import json
import operator
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from polarnet.cohort.checks import listing
from polarnet.readers.sheets import is_missing, is_number, parse_number, uses_decimal_comma
from polarnet.traits import TRAITS

MAX_MAP_BYTES: Final = 2**20
"""Largest column map (our choice; one of a hundred columns has 10 kB)."""

PROVENANCE: Final = (
    "manufacturer", "model", "software_version", "software", "tracer", "stress_agent",
)  # fmt: skip
"""What a table may say of each study's origin."""

_KEYS: Final = (
    "study_id", "patient_id", "mfr", "traits", "clinical", "provenance", "exclude", "split",
    "missing", "decimal_comma",
)  # fmt: skip

_RESERVED: Final = ("study_id", "patient_id", "mfr", "split", *PROVENANCE)
"""Names that a trait or clinical variable cannot have in the cohort."""

_RULE: Final = re.compile(r"(>=|<=|==|>|<)\s*([+-]?\d+(?:\.\d+)?)", re.ASCII)

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq,
}  # fmt: skip

_OPPOSITE: Final = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "==": "!="}

_CELL_SHOWN: Final = 12
"""Characters of an unexplained cell that a message repeats (our choice)."""

_VALUES_SHOWN: Final = 8
"""Unexplained values that a message repeats (our choice)."""

_TELLING: Final = 20
"""With more unexplained values than this, a column may identify people: none is repeated."""

_SUGGESTED: Final = 6
"""With more values than this, a column's cells never enter a suggestion."""

_MONTH: Final = (
    r"(jan(uary|uar|uari|v|vier)?|ene(ro)?|gen(naio)?|feb(ruary|ruar|ruari|rero|braio)?|fev(r|rier)?"
    r"|mar(ch|s|z|zo)?|mrz|mrt|maart|apr(il|ile)?|avr(il)?|abr(il)?|may(o)?|mai|mei|mag(gio)?"
    r"|jun(e|i|io)?|juin|giu(gno)?|jul(y|i|io)?|juil(let)?|lug(lio)?|aug(ust|ustus)?|aout|ago(sto)?"
    r"|sep(t|tember|tembre|tiembre)?|set(tembre)?|oct(ober|obre|ubre)?|okt(ober)?|ott(obre)?"
    r"|nov(ember|embre|iembre)?|dec(ember|embre)?|dez(ember)?|dic(iembre|embre)?)\.?"
)

_DATE: Final = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}([ t]\d{1,2}:\d{2}(:\d{2})?(\.\d+)?)?"
    r"|\d{1,2}(?P<mark>[./])\d{1,2}(?P=mark)(\d{2}|\d{4})( \d{1,2}:\d{2}(:\d{2})?)?"
    r"|\d{1,2}-\d{1,2}-\d{4}"
    r"|\d{1,2}:\d{2}(:\d{2})?"
)
"""Days and times of day in numbers."""

_MONTH_DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]{{1,2}}{_MONTH}([-. /]{{1,2}}(\d{{2}}|\d{{4}}))?"
    rf"|{_MONTH}[-. /]{{1,2}}(\d{{2}}|\d{{4}})"
)
"""What a spreadsheet makes of an id such as MAR-12 or 1-2, in six languages."""

_ROUNDED: Final = re.compile(r"\d[.,]\d+e\+\d+")
"""What a spreadsheet makes of an id of more than eleven digits."""


# === Columns that name a person ===

_PERSON: Final = re.compile(
    r"""
    \b(
      # name, in English, German, French, Dutch, Spanish, Italian
      \w*names? | (pre)?noms? | \w*naam | nombres? | apellidos? | (cog)?nome | cognom\w* | initials
    | initialen | initiales | iniciales | iniziali
      # birth
    | \w*birth(?!\ ?weight)\w* | \w*geburt\w* | geb(\ ?dat\w*)? | naissance | \w*geboorte\w* | dob
    | ddn | nacimiento | nascita
      # where they live, how they are reached
    | address\w* | adress\w* | adres(se)? | anschrift | direccion | indirizzo | \w*strasse | street
    | straat | rue | calle | plz | postleitzahl | zip(\ ?code)? | post(al)?\ ?code | code\ postal
    | codigo\ postal | city | wohnort | woonplaats | ville | ciudad | \w*phone\w* | tele?foo?n\w*
    | tel | handy\w* | mobil\w*\ ?(nr|nummer|number) | fax | e?\ ?mail | courriel | correo
      # numbers that belong to them
    | mrn | ssn | bsn | nhs | ahv\w* | kv(nr|\ nr|nummer) | sv\ ?(nr|nummer) | nss | nhc | dni | nif
    | insee | burgerservice\w* | \w*versicher\w* | sozialversicher\w* | securite\ sociale
    | seguridad\ social | social\ security | codice\ fiscale | tessera\ sanitaria
    | historia\ clinica | passport\w* | national\ id | iban | \w*insurance\ (no|nr|number|id)
    | hospital\ ?(no|nr|num|number|id|nummer) | (fall|aufnahme|krankenhaus)\ ?(nr|nummer)
    | accession\w* | pat(ient(en)?)?s?\ ?(id|nr|no|num|number|nummer)
    )\b
    """,
    re.VERBOSE,
)

_THING: Final = re.compile(
    r"(manufacturer|hersteller|fabricant|fabrikant|fabricante|model|modell?o|modele|software|tracer"
    r"|traceur|trazador|scanner|device|gerat|apparaat|camera|agent|agens|product|produkt|drug"
    r"|medication|protocol|protokoll|version|radiopharm)"
)
"""What may have a name without being a person."""


def names_a_person(column: str) -> bool:
    """True where a column's heading promises names, birth dates, addresses or hospital numbers.

    >>> [names_a_person(c) for c in ("Nachname", "PatNr", "genome", "Software name")]
    [True, True, False, False]
    """
    words = header_words(column)
    if re.search(r"\b(sex|gender)\b.*\bat birth\b", words):
        return False
    found = [match[0] for match in _PERSON.finditer(words)]
    if _THING.search(words):
        found = [word for word in found if not re.search(r"(name|nom|naam|nombre|nome)s?$", word)]
    return bool(found)


def header_words(column: str) -> str:
    """A heading in small letters without accents, its words apart.

    >>> header_words("PatNr (Straße)")
    'pat nr strasse'
    """
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", column)
    letters = unicodedata.normalize("NFKD", parts.casefold())
    plain = "".join(c for c in letters if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", plain))


# === The map ===


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
                f"rule '{self.rule[:_CELL_SHOWN]}' must be one of {' '.join(_COMPARE)} and a "
                'number with a decimal point, as ">= 48"'
            )
        if not all((*self.one, *self.zero)):
            raise ValueError("an empty cell means: not recorded, never 0 or 1")
        if both := [value for value in self.one if _key(value) in map(_key, self.zero)]:
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
        Further cells that mean: not recorded.
    decimal_comma
        Whether numbers are written as 2,54. None: the table decides.

    Raises
    ------
    ValueError: a name is taken twice or reserved, a column names a person, or a cell is coded
        and missing; all of it at once.
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


def _name_problems(columns: ColumnMap) -> list[str]:
    """Names that the cohort cannot hold beside one another."""
    named = [*columns.traits, *columns.clinical]
    problems = [
        f"{name} is a trait and clinical" for name in columns.traits if name in columns.clinical
    ]
    if reserved := [name for name in named if name in _RESERVED]:
        problems.append(f"traits and clinical variables cannot be called {listing(reserved)}")
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
    missing = {_key(value) for value in columns.missing}
    return [
        f"traits {name}: {listing(both)} is coded, and in missing"
        for name, coding in columns.traits.items()
        if (both := [v for v in (*coding.one, *coding.zero) if _key(v) in missing])
    ]


def _key(cell: str) -> str | float:
    """What two cells have in common that mean the same: 1, 1.0 and 1,0; Ja and ja."""
    text = unicodedata.normalize("NFC", cell.strip())
    return float(text.replace(",", ".")) if is_number(text) else text.casefold()


# === The map's file ===


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
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No column map {path}.")
    if path.stat().st_size > MAX_MAP_BYTES:
        raise ValueError(f"{path.name} is larger than 1 MB. Is it a column map?")
    try:
        settings = yaml.load(path.read_text(encoding="utf-8-sig"), _PlainLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} is not YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:  # a date such as 2020-13-45
        raise ValueError(f"{path.name} is not YAML: {error}. Put quotes around it.") from None
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


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML that takes no key twice, and no aliases, which can unfold without end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not read here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            given = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = [str(key) for key, n in Counter(given).items() if n > 1]
            raise yaml.constructor.ConstructorError(
                None, None, f"{listing(twice)} given twice", node.start_mark
            )
        return mapping


@dataclass(frozen=True)
class _MapReader:
    """Turns the file's content into the parts of a map, and notes what cannot be."""

    problems: list[str]

    def parts(self, settings: dict) -> dict[str, Any]:
        """Arguments of ColumnMap."""
        self.known(settings, _KEYS, "")
        parts: dict[str, Any] = {}
        for key in ("study_id", "patient_id"):
            parts[key] = self.heading(settings.get(key), key)
        for key in ("mfr", "split"):
            parts[key] = self.heading(settings[key], key) if settings.get(key) is not None else ""
        parts["traits"] = {
            name: coding
            for name, value in self.section(settings, "traits").items()
            if (coding := self.coding(value, f"traits {name}")) is not None
        }
        for key in ("clinical", "provenance"):
            section = self.section(settings, key)
            parts[key] = {n: self.heading(value, f"{key} {n}") for n, value in section.items()}
        self.known(parts["provenance"], PROVENANCE, "provenance ")
        parts["exclude"] = {
            reason: exclusion
            for reason, value in self.section(settings, "exclude").items()
            if (exclusion := self.exclusion(value, f"exclude {reason}")) is not None
        }
        parts["missing"] = self.cells(settings.get("missing"), "missing")
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

    def section(self, settings: dict, key: str) -> dict[str, Any]:
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

    def coding(self, value: Any, place: str) -> TraitCoding | None:
        """Column and coding of a trait."""
        if not self.is_mapping(value, place, "{column: Raucher, one: [ja], zero: [nein]}"):
            return None
        n_before = len(self.problems)
        self.known(value, ("column", "one", "zero", "rule"), f"{place} ")
        parts: dict[str, Any] = {
            "column": self.heading(value.get("column"), f"{place} column"),
            "one": self.cells(value.get("one"), f"{place} one"),
            "zero": self.cells(value.get("zero"), f"{place} zero"),
            "rule": str(value.get("rule") or "").strip(),
        }
        if len(self.problems) > n_before:
            return None
        try:
            return TraitCoding(**parts)
        except ValueError as error:
            self.problems.append(f"{place}: {error}")
        return None

    def exclusion(self, value: Any, place: str) -> Exclusion | None:
        """Column and cells of a reason to leave studies out."""
        if not self.is_mapping(value, place, "{column: CABG, values: [ja]}"):
            return None
        self.known(value, ("column", "values"), f"{place} ")
        cells = self.cells(value.get("values"), f"{place} values")
        if value.get("values") in (None, []):
            self.problems.append(f"{place}: values is missing")
        return Exclusion(self.heading(value.get("column"), f"{place} column"), cells)

    def is_mapping(self, value: Any, place: str, example: str) -> bool:
        """Whether there are keys and values; noted if not."""
        if not isinstance(value, dict):
            self.problems.append(f"{place} must be like {example}")
        return isinstance(value, dict)

    def heading(self, value: Any, place: str) -> str:
        """The name of one column."""
        if value is None or value == "":
            self.problems.append(f"{place} is missing: give the heading of a column")
            return ""
        return self.text(value, place).strip()

    def cells(self, value: Any, place: str) -> tuple[str, ...]:
        """A list of cells; a single one may stand without brackets."""
        if value is None:
            return ()
        values = value if isinstance(value, list) else [value]
        return tuple(self.text(cell, place).strip() for cell in values)

    def text(self, value: Any, place: str) -> str:
        """Text or a number, as text."""
        if isinstance(value, bool):
            # YAML reads all of yes, no, on, off as true or false: the word itself is lost.
            self.problems.append(f"{place}: put quotes around yes, no, on, off, true and false")
        elif not isinstance(value, str | int | float):
            # Dates, lists, mappings; never repeated here, however long they are.
            self.problems.append(f"{place}: a {type(value).__name__} where text should stand; put "
                                 "quotes around it")  # fmt: skip
        else:
            return str(value)
        return ""


# === The map, applied ===


@dataclass(frozen=True, repr=False, eq=False)
class MappedTable:
    """A table in the words of a cohort.

    Attributes
    ----------
    table
        Index study_id (text); patient_id, one column a trait (1.0, 0.0, NaN), mfr (no unit),
        clinical variables (numbers, or text and NaN), provenance and split (text, "" for not
        recorded). Excluded studies are in it.
    traits
        Columns that are traits.
    excluded
        study_id -> first reason that applies, "" for none.
    refused
        Line of the file and reason of each row that cannot be used.
    """

    table: pd.DataFrame
    traits: list[str]
    excluded: pd.Series
    refused: list[tuple[int, str]]

    def __repr__(self) -> str:
        n_excluded = int((self.excluded != "").sum())
        return (
            f"MappedTable({len(self.table)} studies, {n_excluded} of them excluded, "
            f"{len(self.refused)} rows refused)"
        )


def apply_column_map(table: pd.DataFrame, columns: ColumnMap, name: str) -> MappedTable:
    """Translate a table.

    Parameters
    ----------
    table
        Cells as text; the index is the line in the file (`as_table`).
    name
        Of the file, for messages.

    Raises
    ------
    ValueError: a column is absent; a cell is not explained by its trait's coding; a flow reserve
        is no positive number; numbers have commas and points; or a clinical column holds dates.
        All of it is listed, without what may identify a patient.
    """
    _check_columns(table, columns, name)
    refused = _refused_rows(table, columns)
    usable = table.drop(index=[line for line, _ in refused])
    problems: list[str] = []
    cells = _Cells(
        table=usable,
        missing=frozenset(map(_key, columns.missing)),
        decimal_comma=_decimal_comma(usable, columns, problems),
        problems=problems,
    )
    ids = [_id(cell) for cell in usable[columns.study_id]]
    parts: dict[str, Any] = {"patient_id": [_id(cell) for cell in usable[columns.patient_id]]}
    parts |= {trait: cells.trait(trait, coding) for trait, coding in columns.traits.items()}
    parts |= {"mfr": cells.flow_reserve(columns.mfr)} if columns.mfr else {}
    parts |= {name: cells.variable(name, column) for name, column in columns.clinical.items()}
    parts |= {name: cells.text(column) for name, column in columns.provenance.items()}
    parts |= {"split": cells.text(columns.split)} if columns.split else {}
    if problems:
        raise ValueError(f"{name}: {'; '.join(problems)}. Mend the table or the column map.")
    index = pd.Index(ids, name="study_id", dtype=object)
    return MappedTable(
        table=pd.DataFrame(parts, index=index),
        traits=list(columns.traits),
        excluded=pd.Series(
            cells.reasons(columns.exclude), index=index, dtype=object, name="excluded"
        ),
        refused=refused,
    )


def _check_columns(table: pd.DataFrame, columns: ColumnMap, name: str) -> None:
    """Raise ValueError with every column that the map names and the table lacks."""
    headings = {heading.casefold(): heading for heading in table.columns}
    absent = []
    for place, column in columns.columns().items():
        if column not in table.columns:
            # The nearest only: the first line of a table without headings is a patient's.
            near = difflib.get_close_matches(column.casefold(), headings, n=1)
            hint = f", did you mean {headings[near[0]]}?" if near else ""
            absent.append(f"{column} ({place}{hint})")
    if absent:
        raise ValueError(
            f"{name} has no column {listing(absent)}. Compare the column map with the first line "
            "of the table."
        )


def _id(cell: str) -> str:
    # One accented letter has two spellings in Unicode; macOS and Windows differ in theirs.
    return unicodedata.normalize("NFC", cell.strip())


def _refused_rows(table: pd.DataFrame, columns: ColumnMap) -> list[tuple[int, str]]:
    """Lines that cannot be told to be a study of a patient, and why."""
    reasons: dict[int, str] = {}
    lines: dict[str, list[int]] = {}
    rows = zip(table.index, table[columns.study_id], table[columns.patient_id], strict=True)
    for line, study, patient in rows:
        reason = _id_problem(study, "study id") or _id_problem(patient, "patient id")
        if reason:
            reasons[line] = reason
        else:
            lines.setdefault(_id(study), []).append(line)
    for same in lines.values():
        for line in same if len(same) > 1 else []:
            others = [other for other in same if other != line]
            reasons[line] = f"study id given twice, also in line {listing(others)}"
    return sorted(reasons.items())


def _id_problem(cell: str, what: str) -> str:
    """Why a cell is no id; the text does not repeat it."""
    if cell.strip() in ("", "-"):  # a study may well be called NA
        return f"no {what}"
    if is_date(cell):
        return f"{what} is a date; spreadsheets make dates of ids, format the column as text"
    if _ROUNDED.fullmatch(cell.strip().casefold()):
        return f"{what} was rounded by a spreadsheet; format the column as text"
    return ""


def is_date(cell: str) -> bool:
    """True for a day or a time of day, as spreadsheets write them.

    >>> [is_date(cell) for cell in ("12-Mar", "Mar-12", "2026-12-03", "MAR-12", "2026-12")]
    [True, True, True, False, False]
    """
    letters = unicodedata.normalize("NFKD", cell.strip())
    text = "".join(c for c in letters if not unicodedata.combining(c))
    # In capitals it is what the clinic typed; a spreadsheet would have written Mar-12.
    by_month = not text.isupper() and _MONTH_DATE.fullmatch(text.lower()) is not None
    return by_month or _DATE.fullmatch(text.lower()) is not None


def _decimal_comma(table: pd.DataFrame, columns: ColumnMap, problems: list[str]) -> bool:
    """As the map says, else as the columns of numbers are written."""
    if columns.decimal_comma is not None:
        return columns.decimal_comma
    named = [coding.column for coding in columns.traits.values() if coding.rule]
    named += [columns.mfr] if columns.mfr else []
    named += columns.clinical.values()
    try:
        return uses_decimal_comma(cell for column in named for cell in table[column])
    except ValueError as error:
        problems.append(f"{error}, or say decimal_comma in the column map")
        return False


@dataclass(frozen=True)
class _Cells:
    """Columns of the usable rows, translated one by one; what cannot be is noted."""

    table: pd.DataFrame
    missing: frozenset[str | float]
    decimal_comma: bool
    problems: list[str]

    def is_missing(self, cell: str) -> bool:
        """By our words for it, or by the user's."""
        return is_missing(cell) or _key(cell) in self.missing

    def trait(self, name: str, coding: TraitCoding) -> list[float]:
        """1.0, 0.0, or NaN for not recorded."""
        meaning = {_key(cell): 1.0 for cell in coding.one}
        meaning |= {_key(cell): 0.0 for cell in coding.zero}
        labels = []
        unexplained: Counter[str] = Counter()
        for cell in self.table[coding.column]:
            label = meaning.get(_key(cell), np.nan)
            if np.isnan(label) and not self.is_missing(cell):
                try:
                    label = self.by_rule(cell, coding)
                except ValueError:
                    unexplained[cell] += 1
            labels.append(label)
        if unexplained:
            self.problems.append(f"{coding.column} ({name}) has {_some_values(unexplained)}")
        return labels

    def by_rule(self, cell: str, coding: TraitCoding) -> float:
        """1.0 or 0.0; ValueError where there is no rule, or no number."""
        if not coding.rule:
            raise ValueError
        return float(coding.holds(parse_number(cell, self.decimal_comma)))

    def flow_reserve(self, column: str) -> list[float]:
        """The user's own MFR; positive, or NaN for not recorded."""
        values, odd = self.numbers(column)
        negative = [line for line, v in zip(self.table.index, values, strict=True) if v <= 0]
        if odd:
            self.problems.append(f"{column} (mfr) is no number in line {listing(odd)}")
        if negative:
            self.problems.append(f"{column} (mfr) is not above 0 in line {listing(negative)}")
        return values

    def numbers(self, column: str) -> tuple[list[float], list[int]]:
        """Numbers of a column, NaN for not recorded, and the lines that hold something else."""
        values, odd = [], []
        for line, cell in self.table[column].items():
            value = np.nan
            if not self.is_missing(cell):
                try:
                    value = parse_number(cell, self.decimal_comma)
                except ValueError:
                    odd.append(line)
            values.append(value)
        return values, odd

    def variable(self, name: str, column: str) -> list[Any]:
        """Numbers where all recorded cells are numbers, else text and NaN."""
        values, odd = self.numbers(column)
        cells = self.table[column]
        if dates := [line for line, cell in cells.items() if is_date(cell)]:
            # A birth date in disguise, or a number that a spreadsheet took for one.
            self.problems.append(
                f"{column} (clinical {name}) holds dates in line {listing(dates)}; dates are not "
                "taken over"
            )
        if not odd:
            return values
        if all(self.is_missing(cell) or _looks_numeric(cell) for cell in cells):
            # As text it would silently be lost to every analysis.
            usual = "comma" if self.decimal_comma else "point"
            self.problems.append(
                f"{column} (clinical {name}) is no finite number with a decimal {usual} in line "
                f"{listing(odd)}"
            )
        return [np.nan if self.is_missing(cell) else cell for cell in cells]

    def text(self, column: str) -> list[str]:
        """Text, "" for not recorded."""
        return ["" if self.is_missing(cell) else cell for cell in self.table[column]]

    def reasons(self, exclude: Mapping[str, Exclusion]) -> list[str]:
        """First reason to leave each study out, or ""."""
        reasons = [""] * len(self.table)
        for reason, exclusion in exclude.items():
            values = set(map(_key, exclusion.values))
            for row, cell in enumerate(self.table[exclusion.column]):
                if not reasons[row] and _key(cell) in values:
                    reasons[row] = reason
        return reasons


def _looks_numeric(cell: str) -> bool:
    """True for a number, also an infinite one."""
    return is_number(cell) or re.fullmatch(r"[+-]?inf(inity)?", cell, re.IGNORECASE) is not None


def _some_values(unexplained: Counter[str]) -> str:
    """Values that a coding does not explain, with counts, unless they may identify people."""
    n_values, n_cells = len(unexplained), unexplained.total()
    if n_values > _TELLING:
        return (
            f"{n_cells} cells that its coding does not explain, with {n_values} different values "
            "(not shown, because so many may identify patients)"
        )
    shown = [
        f"'{cell[:_CELL_SHOWN]}{'...' if len(cell) > _CELL_SHOWN else ''}' ({n})"
        for cell, n in unexplained.most_common(_VALUES_SHOWN)
    ]
    more = f" and {n_values - _VALUES_SHOWN} more values" if n_values > _VALUES_SHOWN else ""
    return f"cells that its coding does not explain: {', '.join(shown)}{more}"


def describe_codings(mapped: MappedTable, columns: ColumnMap) -> list[str]:
    """What 1 and 0 mean, one line a trait, with counts of the studies that are not excluded."""
    kept = mapped.table[(mapped.excluded == "").to_numpy()]
    lines = []
    for trait, coding in columns.traits.items():
        one, zero = coding.meaning()
        n_one, n_zero = int((kept[trait] == 1).sum()), int((kept[trait] == 0).sum())
        lines.append(
            f"{trait}: {n_one} coded 1 mean {one}; {n_zero} coded 0 mean {zero}; "
            f"{len(kept) - n_one - n_zero} not recorded"
        )
    return lines


# === A first map to edit ===

_HEADINGS: Final = {
    "patient_id": r"\bpat(ien\w*|nr)?\b|\bpacient\w*|\bsubject\b|\bproband\w*|\bmrn\b|\bpid\b",
    "stress_agent": r"stress (agent|agens)|stressor|vasodilat\w*|pharmak\w*"
    r"|agente? (de )?(stress|estres)|belastungs(mittel|substanz)",
    "tracer": r"tracer|radiopharm\w*|radiofarm\w*|traceur|trazador",
    "study_id": r"stud(y|ie\w*)\b|exam\w*|\bscan\b|accession|untersuchung\w*|etude|onderzoek\w*"
    r"|estudio",
    "prior bypass": r"\bcabg\b|bypass|\bacb\b|\bacvb\b|pontage",
    "artefact": r"arti?e?fa[ck]t\w*",
    "mfr": r"\b(mfr|cfr|mpr)\b|(flow|fluss|perfusion\w*) ?reserve|reserve (coronaire|de flux)"
    r"|reserva (coronaria|de flujo)",
    "sex": r"\bsex\w*|\bgender\b|geschlecht|geslacht|\bgenero\b|\bgenre\b",
    "diabetes": r"diab\w*|\bdm2?\b|hb ?a1c",
    "hypertension": r"hypert[eo]n\w*|bluthochdruck|\bhta\b|\bhtn\b|hoge bloeddruk|hipertens\w*",
    "dyslipidemia": r"d[yi]slipid\w*|hyperlipid\w*|h[yi]perch?ol\w*|fettstoffw\w*",
    "smoking": r"smok\w*|rauch\w*|nikotin\w*|taba[ckgq]\w*|fum(eu|a)\w*|\bro(ken|ker|okt)\b",
    "age": r"\bage\b|\balter\b|leeftijd|\bedad\b",
    "bmi": r"\bbmi\b|\bimc\b|body mass",
}  # fmt: skip
"""Words in headings, without accents, in English, German, French, Dutch and Spanish."""

_UNLIKELY: Final = {
    "patient_id": r"\b(date|datum|fecha|age|alter)\b",
    "study_id": r"\b(date|datum|fecha|time|zeit|type|typ|name)\b|datum|untersucher",
    "tracer": r"dos[ei]s?|activ|aktiv|\bmbq\b",
    "stress_agent": r"dos[ei]s?|\bmg\b",
    "mfr": r"\b(lad|rca|lcx|cx|seg\w*|\d+)\b",
    "hypertension": r"pulm",
    "smoking": r"nicht|\bnon\b|never|\bex\b|former|ehemal|\bpack|jahre|years",
    "diabetes": r"(dauer|duration|seit|since)",
    "age": r"diagnos",
}
"""Words beside them that mean something else."""

_YES_NO: Final = (
    ("ja", "nein"), ("ja", "nee"), ("yes", "no"), ("oui", "non"), ("si", "no"), ("sí", "no"),
    ("j", "n"), ("y", "n"), ("o", "n"), ("true", "false"), ("wahr", "falsch"), ("1", "0"),
)  # fmt: skip

_FEMALE_MALE: Final = (
    ("w", "m"), ("f", "m"), ("f", "h"), ("weiblich", "männlich"), ("female", "male"),
    ("frau", "mann"), ("femme", "homme"), ("vrouw", "man"), ("mujer", "hombre"),
    ("femenino", "masculino"), ("féminin", "masculin"), ("woman", "man"),
)  # fmt: skip
"""Not h and m, nor v and m: one of them is female in one language and male in another."""


def suggest_column_map(table: pd.DataFrame) -> str:
    """A first column map, guessed from headings, to be edited.

    Parameters
    ----------
    table
        Cells as text; the index is the line in the file (`as_table`).

    Returns
    -------
    YAML text. What is not certain stands as a comment; where nothing is, `load_column_map` reads
    it as it is. No cell of a column with more than six different values is repeated.

    Raises
    ------
    ValueError: the first line holds numbers or dates, where headings should be.
    """
    headings = [str(column) for column in table.columns]
    if any(map(is_date, headings)) or sum(map(is_number, headings)) > len(headings) / 2:
        raise ValueError("The first line of the table holds values, not the names of columns.")
    guess = _Guess(table, _candidates(headings))
    lines = [
        "# Which column of the table is what. Check every line; those with # are questions.",
        guess.identity("study_id", "which column names the examination?", is_unique=True),
        guess.identity("patient_id", "which column tells who the patient is?", is_unique=False),
        *guess.plain("mfr", ""),
        "traits:",
        *[line for trait in TRAITS for line in guess.coded(trait)],
        "clinical:",
        *guess.plain("age", "  "),
        *guess.plain("bmi", "  "),
        "provenance:",
        *guess.plain("tracer", "  "),
        *guess.plain("stress_agent", "  "),
        "exclude:",
        *guess.coded("prior bypass"),
        *guess.coded("artefact"),
    ]
    others = [h for h in headings if h not in {c for some in guess.columns.values() for c in some}]
    persons = [heading for heading in others if names_a_person(heading)]
    unused = [heading for heading in others if heading not in persons]
    for text, some in (("Not used", unused), ("Left out, may name a person", persons)):
        lines += [f"# {text}: {', '.join(map(_scalar, some))}"] if some else []
    return "\n".join(lines) + "\n"


def _candidates(headings: Sequence[str]) -> dict[str, list[str]]:
    """Columns that may be each of the things we look for; no column is two of them."""
    candidates: dict[str, list[str]] = {what: [] for what in _HEADINGS}
    for heading in headings:
        words = header_words(heading)
        for what, pattern in _HEADINGS.items():
            is_likely = what not in _UNLIKELY or not re.search(_UNLIKELY[what], words)
            # Hospital numbers may be ids, because ids are replaced; names never are.
            is_id = what.endswith("_id") and not re.search(r"name|naam|nom\b|nombre", words)
            is_allowed = is_id or not names_a_person(heading)
            if re.search(pattern, words) and is_likely and is_allowed:
                candidates[what].append(heading)
                break
    return candidates


@dataclass(frozen=True)
class _Guess:
    """Lines of a first map; a line that is not certain is a comment."""

    table: pd.DataFrame
    columns: Mapping[str, list[str]]

    def identity(self, what: str, question: str, *, is_unique: bool) -> str:
        """The line of an id."""
        found = self.columns[what]
        if not found:
            return f"# {what}:    # {question}"
        if len(found) > 1:
            return f"# {what}: {_scalar(found[0])}    # or {', '.join(map(_scalar, found[1:]))}?"
        cells = [cell for cell in self.table[found[0]] if not is_missing(cell)]
        if is_unique and len(set(cells)) < len(cells):
            return f"# {what}: {_scalar(found[0])}    # but some occur twice: {question}"
        return f"{what}: {_scalar(found[0])}"

    def plain(self, what: str, indent: str) -> list[str]:
        """Lines of a column that needs no coding."""
        found = self.columns[what]
        sign = "# " if len(found) > 1 else ""
        return [f"{indent}{sign}{what}: {_scalar(column)}" for column in found]

    def coded(self, what: str) -> list[str]:
        """Lines of a trait, or of a reason to exclude."""
        found = self.columns.get(what, [])
        lines = []
        for column in found:
            line, question = self.coding(what, column)
            question = question or ("or another of these?" if len(found) > 1 else "")
            lines.append(f"  # {line}    # {question}" if question else f"  {line}")
        return lines

    def coding(self, what: str, column: str) -> tuple[str, str]:
        """A line, and what is to be asked about it ("" for nothing)."""
        is_trait = what in TRAITS
        start = f"{what}: {{column: {_scalar(column)}, "
        values = sorted({cell for cell in self.table[column] if cell})
        if is_trait and re.search(r"hb ?a1c", header_words(column)):
            return start + 'rule: ">= 48"}', "48 where it is in mmol/mol, 6.5 where it is in %"
        if len(values) > _SUGGESTED:
            if is_trait and sum(map(is_number, values)) > len(values) / 2:
                return start + 'rule: ">= 0"}', "numbers: above which does it count?"
            return start + ("one: [], zero: []}" if is_trait else "values: []}"), "which values?"
        recorded = [value for value in values if not is_missing(value)]
        pair = _pair(recorded, _FEMALE_MALE if what == "sex" else _YES_NO)
        if pair:
            one, zero = map(_scalar, pair)
            coding = f"one: [{one}], zero: [{zero}]" if is_trait else f"values: [{one}]"
            return start + coding + "}", ""
        shown = ", ".join(map(_scalar, recorded))
        if sorted(recorded) in (["1", "2"], ["0", "1"]):
            one, zero = map(_scalar, recorded)
            coding = f"one: [{one}], zero: [{zero}]" if is_trait else f"values: [{one}]"
            return start + coding + "}", f"{' or '.join(recorded)}?"
        coding = "one: [], zero: []}" if is_trait else "values: []}"
        return start + coding, f"found: {shown}" if shown else "nothing recorded"


def _pair(values: Sequence[str], pairs: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The cells that mean 1 and 0, where both occur and nothing else does."""
    by_key = {_key(value): value for value in values}
    for one, zero in pairs:
        if by_key.keys() == {_key(one), _key(zero)}:
            return by_key[_key(one)], by_key[_key(zero)]
    return None


def _scalar(text: str) -> str:
    """Text as YAML in one line, in quotes where YAML would take it for something else."""
    if re.fullmatch(r"\w+( \w+)*", text) and yaml.safe_load(text) == text:
        return text
    # A JSON string is YAML too; what is not printable may be a line end.
    return json.dumps(text, ensure_ascii=not text.isprintable())
