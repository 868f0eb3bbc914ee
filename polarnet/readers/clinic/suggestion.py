"""A first column map, guessed from the headings of a table, to be edited."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
import yaml

from polarnet.readers.clinic.answers import are_boxes, missing_codes, pair, tells_completeness
from polarnet.readers.clinic.columns import cell_key
from polarnet.readers.clinic.words import candidates
from polarnet.readers.identity import header_words, is_date, names_a_person
from polarnet.readers.words import is_missing, is_number, shown_values
from polarnet.traits import TRAITS

_SUGGESTED: Final = 6
"""With more values than this, a column's cells never enter a suggestion."""

_ROOM_FOR_MISSING: Final = 3
"""So many more may be codes for: not recorded."""

_UNFILLED: Final = "a box is not ticked either where the form was never filled: is that a no?"

_RECORD: Final = r"^record (id|no|number)$"
"""REDCap's id of a record: of a patient, or of an examination."""


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
    guess = _Guess(table, candidates(headings))
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
        *guess.plain("tracer", "  ", is_number_wanted=False),
        *guess.plain("stress_agent", "  ", is_number_wanted=False),
        "exclude:",
        *guess.coded("prior bypass"),
        *guess.coded("artefact"),
        *guess.forms(),
        *guess.missing(),
    ]
    found = {column for some in guess.columns.values() for column in some}
    others = [h for h in headings if h not in found]
    persons = [heading for heading in others if names_a_person(heading)]
    unused = [heading for heading in others if heading not in persons]
    if len(others) == len(headings):
        # The first line of a table without headings is a patient's.
        lines.append("# No name in the first line is known. Does it hold the names of columns?")
        return "\n".join(lines) + "\n"
    for text, some in (("Not used", unused), ("Left out, may name a person", persons)):
        lines += [f"# {text}: {', '.join(map(_scalar, some))}"] if some else []
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Guess:
    """Lines of a first map; a line that is not certain is a comment."""

    table: pd.DataFrame
    columns: Mapping[str, list[str]]

    def identity(self, what: str, question: str, *, is_unique: bool) -> str:
        """The line of an id."""
        found = self.columns[what]
        if not found:
            records = [c for c in self.table.columns if re.search(_RECORD, header_words(c))]
            hint = f" {_scalar(records[0])}, if it is unique?" if is_unique and records else ""
            return f"# {what}:    # {question}{hint}"
        if len(found) > 1:
            return f"# {what}: {_scalar(found[0])}    # or {', '.join(map(_scalar, found[1:]))}?"
        cells = [cell for cell in self.table[found[0]] if not is_missing(cell)]
        if is_unique and len(set(cells)) < len(cells):
            return f"# {what}: {_scalar(found[0])}    # but some occur twice: {question}"
        return f"{what}: {_scalar(found[0])}"

    def plain(self, what: str, indent: str, *, is_number_wanted: bool = True) -> list[str]:
        """Lines of a column that needs no coding."""
        found = self.columns[what]
        lines = []
        for column in found:
            line = f"{what}: {_scalar(column)}"
            if is_number_wanted and not self.has_numbers(column):
                lines.append(f"{indent}# {line}    # it holds no numbers: is it something else?")
            else:
                lines.append(f"{indent}{'# ' if len(found) > 1 else ''}{line}")
        return lines

    def has_numbers(self, column: str) -> bool:
        """Whether most recorded cells are numbers; true where none is recorded."""
        recorded = [cell for cell in self.table[column] if not is_missing(cell)]
        return sum(map(is_number, recorded)) >= len(recorded) / 2

    def missing(self) -> list[str]:
        """A question about cells of coded columns that often mean: not recorded."""
        cells = {
            column: codes
            for trait in TRAITS
            for column in self.columns.get(trait, ())
            if not self.has_many(values := sorted(set(self.table[column])))
            and (codes := missing_codes(values))
        }
        shown = ", ".join(
            f"{_scalar(column)}: [{', '.join(map(_scalar, codes))}]"
            for column, codes in cells.items()
        )
        return [f"# missing: {{{shown}}}    # do these mean: not recorded?"] if cells else []

    def forms(self) -> list[str]:
        """What is to be asked where columns are boxes of forms, filled or not."""
        columns = {str(c): [cell for cell in self.table[c] if cell] for c in self.table.columns}
        filled = {c: cells for c, cells in columns.items() if tells_completeness(c, cells)}
        boxes = [c for c, cells in columns.items() if are_boxes(c, cells) and c not in filled]
        if not boxes:
            return []
        told = ", ".join(map(_scalar, boxes))
        lines = [f"  # Boxes: {told}. On a form that nobody filled they are not ticked either: 0."]
        for column, cells in filled.items():
            unfilled = [v for v in dict.fromkeys(cells) if cell_key(v) in (0.0, "incomplete")]
            values = ", ".join(map(_scalar, unfilled or ["Incomplete"]))
            lines.append(
                f"  # form not filled: {{column: {_scalar(column)}, values: [{values}]}}"
                "    # leave these studies out?"
            )
        return lines

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
        recorded = [value for value in values if not is_missing(value)]
        codes = missing_codes(recorded)
        answers = [value for value in recorded if value not in codes]
        empty = "one: [], zero: []}" if is_trait else "values: []}"
        if self.has_many(values):
            if is_trait and sum(map(is_number, values)) > len(values) / 2:
                return start + 'rule: ">= 0"}', "numbers: above which does it count?"
            return start + empty, "which values?"
        if found := pair(answers, is_sex=what == "sex"):
            question = _UNFILLED if are_boxes(column, found[1]) else ""
            return start + _coding(*found, is_trait=is_trait), question
        if recorded == ["+"] and "-" in values:
            return start + _coding(["+"], ["-"], is_trait=is_trait), "- means no, or not recorded?"
        if answers in (["1", "2"], ["0", "1"]):
            one, zero = answers
            return start + _coding([one], [zero], is_trait=is_trait), f"{' or '.join(answers)}?"
        shown = shown_values(recorded, _scalar)
        return start + empty, f"found: {shown}" if shown else "nothing recorded"

    def has_many(self, values: Collection[str]) -> bool:
        """Whether there are too many different cells for any to be repeated."""
        n_codes = min(len(missing_codes(values)), _ROOM_FOR_MISSING)
        return len(values) - n_codes > _SUGGESTED


def _coding(one: Iterable[str], zero: Iterable[str], *, is_trait: bool) -> str:
    """Cells that mean 1 and 0, or those that exclude."""
    ones, zeros = (", ".join(map(_scalar, cells)) for cells in (one, zero))
    return f"one: [{ones}], zero: [{zeros}]}}" if is_trait else f"values: [{ones}]}}"


def _scalar(text: str) -> str:
    """Text as YAML in one line, in quotes where YAML would take it for something else."""
    if re.fullmatch(r"\w+( \w+)*", text) and yaml.safe_load(text) == text:
        return text
    # A JSON string is YAML too; what is not printable may be a line end.
    return json.dumps(text, ensure_ascii=not text.isprintable())
