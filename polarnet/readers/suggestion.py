"""What the columns of a clinical table may be: without a column map, and for a first one."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import yaml

from polarnet.ids import listing
from polarnet.readers.columnmap import PROVENANCE, ColumnMap, TraitCoding
from polarnet.readers.identity import header_words, is_date, names_a_person, tells_a_day
from polarnet.readers.words import (
    cell_key,
    entry,
    has_thousands,
    is_formula,
    is_missing,
    is_number,
    section,
    shown_values,
)
from polarnet.traits import IMPAIRED_MFR, TRAITS

# === Words of headings and cells ===


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    joined = "|".join(words)
    for name in ("patient", "number"):
        joined = joined.replace(name.upper(), entry(name)[0])
    return re.compile(joined)


_COLUMNS: Final = {what: _pattern(words) for what, words in section("columns").items()}
_UNLESS: Final = {what: _pattern(words) for what, words in section("unless").items()}
_NOT_THE_DIAGNOSIS: Final = _pattern(entry("not the diagnosis"))
_NEGATED: Final = _pattern(entry("negated"))
_WELL_KNOWN: Final = frozenset(entry("well known"))
_BEFORE: Final = frozenset(entry("before"))
_BEHIND: Final = frozenset(entry("behind"))

_CELLS: Final = section("cells")
_MAYBE_MISSING: Final = frozenset(_CELLS["maybe not recorded"])
_BOXES: Final = [words.split("/") for words in _CELLS["ticked/not ticked"]]
_YES_NO: Final = [*(words.split("/") for words in _CELLS["yes/no"]), *_BOXES]
_FEMALE_MALE: Final = [words.split("/") for words in _CELLS["female/male"]]
_BOX_KEYS: Final = {cell_key(word) for pair in _BOXES for word in pair}

_LONGEST_HEADING: Final = 8
"""Words of a heading that may be well known (our choice)."""


def candidates(headings: Sequence[str]) -> dict[str, list[str]]:
    """Columns that may be each of the things we look for; no column is two of them.

    >>> [what for what, found in candidates(["Patient Sex", "PatNr"]).items() if found]
    ['patient_id', 'sex']
    """
    found: dict[str, list[str]] = {what: [] for what in _COLUMNS}
    for heading in headings:
        words = header_words(heading)
        for what, pattern in _COLUMNS.items():
            # Hospital numbers may be ids, because ids are replaced; names never are.
            is_id = what.endswith("_id") and not re.search(r"name|naam|nom\b|nombre", words)
            is_allowed = is_id or not names_a_person(heading)
            if pattern.search(words) and is_allowed and not _is_another(what, words):
                found[what].append(heading)
                break
    return found


def _is_another(what: str, words: str) -> bool:
    """Whether words beside the known ones make it another thing."""
    others = [_UNLESS[what]] if what in _UNLESS else []
    if what in TRAITS:
        # "Smoking (yes/no)" says how it is coded; "no diabetes" is the opposite of the trait.
        is_coding = re.search(r"\b(yes|ja|oui|si)\b", words) is not None
        others += [_NOT_THE_DIAGNOSIS, *([] if is_coding else [_NEGATED])]
    return any(other.search(words) for other in others)


def is_same_thing(long: str, short: str) -> bool:
    """Whether a heading with its group before it says the same as the heading alone.

    >>> [is_same_thing(f"{group}: Diabetes", "Diabetes") for group in ("Risks", "Family history")]
    [True, False]
    """
    if short in ("study_id", "patient_id"):
        return True
    meant = [[what for what, found in candidates([h]).items() if found] for h in (long, short)]
    return meant[0] == meant[1] and names_a_person(long) == names_a_person(short)


def _answers(
    values: Sequence[str], *, is_sex: bool
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The cells that mean 1 and 0, where both occur and nothing else does."""
    pairs = _FEMALE_MALE if is_sex else _YES_NO
    different = {cell_key(value): value for value in values}.values()
    keys = {value: cell_key(_word(value)) for value in different}
    # One pair of answers; or mixed, as F, f and Female, but for letters that others must tell.
    alone = _CELLS["told by the others"]
    mixed = [[word for word in words if word not in alone] for words in zip(*pairs, strict=True)]
    for ones, zeros in [*(([one], [zero]) for one, zero in pairs), mixed]:
        sides = [{cell_key(word) for word in words} for words in (ones, zeros)]
        one, zero = (tuple(v for v, key in keys.items() if key in side) for side in sides)
        if one and zero and len(one) + len(zero) == len(keys):
            return one, zero
    return None


def _word(cell: str) -> str:
    """The word behind a number, as in '1=yes' and '0, No'."""
    match = re.fullmatch(r"\d+ ?[=,:.)-] ?([^\W\d_]+)", cell)
    return match[1] if match else cell


def _are_boxes(heading: str, cells: Iterable[str]) -> bool:
    """Whether a column is one box of several, by its heading (dm___1) or by its cells."""
    of_cells = any(cell_key(_word(cell)) in _BOX_KEYS for cell in cells)
    return of_cells or re.search(r"___\w+$|\(choice ?=.*\)", heading) is not None


def _tells_completeness(heading: str, cells: Iterable[str]) -> bool:
    """Whether a column says whether a form was filled, as REDCap's demographics_complete does."""
    keys = {cell_key(cell) for cell in cells if cell.strip()}
    is_named = re.search(r"(^|_|\b)complete\??$", heading.strip(), re.IGNORECASE) is not None
    return is_named and keys <= {0.0, 1.0, 2.0, "incomplete", "unverified", "complete"}


def _missing_codes(values: Iterable[str]) -> list[str]:
    """Those of a column's cells that may mean: not recorded."""
    return [value for value in values if value.casefold() in _MAYBE_MISSING]


# === Without a column map ===

_IDS: Final = ("study_id", "patient_id")

_MEANT_AS_TRAIT: Final = 0.8
"""A column with this share of 0 and 1 among its values is taken for a trait (our choice)."""


def default_columns(
    table: pd.DataFrame,
    traits: Sequence[str] | None,
    name: str,
    tell: Callable[[str], None],
) -> ColumnMap:
    """The map of a table whose columns are called as the cohort calls them.

    Beside ids, labels, mfr, split and provenance, only numbers under a well-known heading are
    taken over. Text, dates and numbers of another name may identify a patient; a column map can
    name them. Where `traits` does not say which columns are traits, they are those of the paper and
    columns of 0 and 1. `tell` receives one line for what is left out.

    Raises
    ------
    ValueError: a column is absent, or its name is written in capitals.
    """
    for column in _IDS:
        if column not in table:
            raise ValueError(
                f"{name} has no column {column}. Call it so in the first line, or say by a column "
                "map which columns are what: --suggest-columns writes a first one."
            )
    others = [column for column in table if column not in (*_IDS, "mfr", "split", *PROVENANCE)]
    if traits is not None:
        if absent := [trait for trait in traits if trait not in others and trait != IMPAIRED_MFR]:
            raise ValueError(f"{name} has no column {listing(absent)} for a trait.")
    elif cased := [c for c in others if c not in TRAITS and c.lower() in TRAITS]:
        raise ValueError(f"{name}: write the trait columns in lower case: {listing(cased)}.")
    studies = ~(table["study_id"].map(is_missing) | table["patient_id"].map(is_missing))
    kinds = {column: _kind(column, table[column], studies, traits) for column in others}
    by_kind = {kind: [c for c in others if kinds[c] == kind] for kind in kinds.values()}
    for kind, why in _LEFT_OUT.items():
        if kind in by_kind:
            tell(f"Left out, because {why.format(listing(by_kind[kind]))}")
    labelled = traits if traits is not None else by_kind.get("trait", ())
    try:
        return ColumnMap(
            study_id="study_id",
            patient_id="patient_id",
            mfr="mfr" if "mfr" in table else "",
            split="split" if "split" in table else "",
            traits={t: TraitCoding(t, one=("1",), zero=("0",)) for t in labelled if t in others},
            clinical={column: column for column in by_kind.get("number", ())},
            provenance={column: column for column in PROVENANCE if column in table},
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}.") from None


_LEFT_OUT: Final = {
    "box": "a box on a form that nobody filled is 0 too: columns {}. Name in a column map those of "
    "which 0 means no",
    "person": "they may name a person: columns {}",
    "unknown": "without a column map only labels of 0 and 1 and well-known numbers such as age are "
    "taken over: columns {}. Name those that are needed in a column map; --suggest-columns writes "
    "a first one",
    "no number": "not all of their cells are plain numbers: columns {}",
}
"""Kind of a column -> why columns of it are not taken over."""


def _kind(heading: str, cells: pd.Series, studies: pd.Series, traits: Sequence[str] | None) -> str:
    """What a column is taken for: "trait", "number", or one of the kinds that are left out."""
    if heading in (TRAITS if traits is None else traits):
        return "trait"
    recorded = _recorded(cells)
    if traits is None:
        # A box of a form, or what says whether the form was filled.
        if _are_boxes(heading, ()) or _tells_completeness(heading, cells):
            return "box"
        # Where nearly all values are 0 or 1, the others must be slips.
        n_binary = sum(cell in ("0", "1", "0.0", "1.0", "0,0", "1,0") for cell in recorded)
        is_meant = bool(recorded) and n_binary / len(recorded) >= _MEANT_AS_TRAIT
        if is_meant and not is_formula(heading):
            return "trait"
    if names_a_person(heading):
        return "person"
    if not _is_well_known(heading):
        return "unknown"
    # Most are numbers and none is a day; the other cells are an error.
    recorded = _recorded(cells[studies])
    n_numbers = sum(is_number(cell) or has_thousands(cell) for cell in recorded)
    is_numeric = n_numbers > len(recorded) / 2 or not recorded
    return "number" if is_numeric and not any(map(tells_a_day, recorded)) else "no number"


def _recorded(cells: Iterable[str]) -> list[str]:
    return [cell for cell in cells if not is_missing(cell)]


def _is_well_known(heading: str) -> bool:
    """True for the heading of a number that needs no explanation, words and units around it."""
    words = header_words(heading).split()
    return len(words) <= _LONGEST_HEADING and any(
        "".join(words[start:end]) in _WELL_KNOWN
        and _BEFORE.issuperset(words[:start])
        and _BEHIND.issuperset(words[end:])
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
    )


# === A first column map ===

_SUGGESTED: Final = 6
"""With more values than this, a column's cells never enter a suggestion."""

_ROOM_FOR_MISSING: Final = 3
"""So many more may be codes for: not recorded."""

_UNFILLED: Final = "a box is not ticked either where the form was never filled: is that a no?"

_RECORD: Final = r"^record (id|no|number)$"
"""REDCap's id of a record: of a patient, or of an examination."""


def suggest_column_map(table: pd.DataFrame) -> str:
    """A first column map, guessed from the headings of a table of text: YAML, to be edited.

    What is not certain stands as a comment; where nothing is, `load_column_map` reads it as it is.
    No cell of a column with more than six different values is repeated.

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
    if len(others) == len(headings):
        # The first line of a table without headings is a patient's.
        lines.append("# No name in the first line is known. Does it hold the names of columns?")
        return "\n".join(lines) + "\n"
    persons = [heading for heading in others if names_a_person(heading)]
    unused = [heading for heading in others if heading not in persons]
    for text, some in (("Not used", unused), ("Left out, may name a person", persons)):
        lines += [f"# {text}: {_scalars(some)}"] if some else []
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
        line = f"{what}: {_scalar(found[0])}"
        if len(found) > 1:
            return f"# {line}    # or {_scalars(found[1:])}?"
        cells = _recorded(self.table[found[0]])
        if is_unique and len(set(cells)) < len(cells):
            return f"# {line}    # but some occur twice: {question}"
        return line

    def plain(self, what: str, indent: str, *, is_number_wanted: bool = True) -> list[str]:
        """Lines of a column that needs no coding."""
        found = self.columns[what]
        lines = []
        for column in found:
            line = f"{what}: {_scalar(column)}"
            recorded = _recorded(self.table[column])
            if is_number_wanted and sum(map(is_number, recorded)) < len(recorded) / 2:
                lines.append(f"{indent}# {line}    # it holds no numbers: is it something else?")
            else:
                lines.append(f"{indent}{'# ' if len(found) > 1 else ''}{line}")
        return lines

    def missing(self) -> list[str]:
        """A question about cells of coded columns that often mean: not recorded."""
        cells = {
            column: codes
            for trait in TRAITS
            for column in self.columns.get(trait, ())
            if not _has_many(values := sorted(set(self.table[column])))
            and (codes := _missing_codes(values))
        }
        shown = ", ".join(f"{_scalar(c)}: [{_scalars(codes)}]" for c, codes in cells.items())
        return [f"# missing: {{{shown}}}    # do these mean: not recorded?"] if cells else []

    def forms(self) -> list[str]:
        """What is to be asked where columns are boxes of forms, filled or not."""
        columns = {str(c): [cell for cell in self.table[c] if cell] for c in self.table.columns}
        filled = {c: cells for c, cells in columns.items() if _tells_completeness(c, cells)}
        boxes = [c for c, cells in columns.items() if _are_boxes(c, cells) and c not in filled]
        if not boxes:
            return []
        told = _scalars(boxes)
        lines = [f"  # Boxes: {told}. On a form that nobody filled they are not ticked either: 0."]
        for column, cells in filled.items():
            unfilled = [v for v in dict.fromkeys(cells) if cell_key(v) in (0.0, "incomplete")]
            lines.append(
                f"  # form not filled: {{column: {_scalar(column)}, "
                f"values: [{_scalars(unfilled or ['Incomplete'])}]}}    # leave these studies out?"
            )
        return lines

    def coded(self, what: str) -> list[str]:
        """Lines of a trait, or of a reason to exclude."""
        found = self.columns.get(what, [])
        lines = []
        for column in found:
            coding, question = self.coding(what, column)
            line = f"{what}: {{column: {_scalar(column)}, {coding}}}"
            question = question or ("or another of these?" if len(found) > 1 else "")
            lines.append(f"  # {line}    # {question}" if question else f"  {line}")
        return lines

    def coding(self, what: str, column: str) -> tuple[str, str]:
        """How a column is coded, and what is to be asked about it ("" for nothing)."""
        is_trait = what in TRAITS
        values = sorted({cell for cell in self.table[column] if cell})
        if is_trait and re.search(r"hb ?a1c", header_words(column)):
            return 'rule: ">= 48"', "48 where it is in mmol/mol, 6.5 where it is in %"

        def coded(one: Sequence[str], zero: Sequence[str]) -> str:
            ones, zeros = _scalars(one), _scalars(zero)
            return f"one: [{ones}], zero: [{zeros}]" if is_trait else f"values: [{ones}]"

        recorded = _recorded(values)
        codes = _missing_codes(recorded)
        answers = [value for value in recorded if value not in codes]
        if _has_many(values):
            if is_trait and sum(map(is_number, values)) > len(values) / 2:
                return 'rule: ">= 0"', "numbers: above which does it count?"
            return coded([], []), "which values?"
        if found := _answers(answers, is_sex=what == "sex"):
            return coded(*found), _UNFILLED if _are_boxes(column, found[1]) else ""
        if recorded == ["+"] and "-" in values:
            return coded(["+"], ["-"]), "- means no, or not recorded?"
        if answers in (["1", "2"], ["0", "1"]):
            return coded(answers[:1], answers[1:]), f"{' or '.join(answers)}?"
        shown = shown_values(recorded, _scalar)
        return coded([], []), f"found: {shown}" if shown else "nothing recorded"


def _has_many(values: Collection[str]) -> bool:
    """Whether there are too many different cells for any to be repeated."""
    n_codes = min(len(_missing_codes(values)), _ROOM_FOR_MISSING)
    return len(values) - n_codes > _SUGGESTED


def _scalars(texts: Iterable[str]) -> str:
    return ", ".join(map(_scalar, texts))


def _scalar(text: str) -> str:
    """Text as YAML in one line, in quotes where YAML would take it for something else."""
    if re.fullmatch(r"\w+( \w+)*", text) and yaml.safe_load(text) == text:
        return text
    # A JSON string is YAML too; what is not printable may be a line end.
    return json.dumps(text, ensure_ascii=not text.isprintable())
