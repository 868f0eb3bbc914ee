"""The column map's file: YAML, checked key by key."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from polarnet.files import read_yaml
from polarnet.ids import normal_text
from polarnet.readers.clinic.columns import PROVENANCE, ColumnMap, Exclusion, TraitCoding

_KEYS: Final = (
    "study_id", "patient_id", "mfr", "traits", "clinical", "provenance", "exclude", "split",
    "missing", "decimal_comma",
)  # fmt: skip


EVERY_COLUMN: Final = "*"
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
        parts["missing"], parts["missing_in"] = self.missing(settings.get("missing"))
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

    def missing(self, value: Any) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
        """Cells that mean not recorded: in all columns (a list), and column by column."""
        if not isinstance(value, dict):
            return self.cells(value, "missing"), {}
        by_column = {
            self.heading(column, "missing"): self.cells(cells, f"missing {str(column)[:40]}")
            for column, cells in value.items()
        }
        return by_column.pop(EVERY_COLUMN, ()), by_column

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
        return normal_text(self.text(value, place))

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
