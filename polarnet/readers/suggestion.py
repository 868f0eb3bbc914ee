"""What the columns of a clinical table may be: without a column map, and for a first one."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
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

_BOX_HEADING: Final = re.compile(
    r"___\w+$|\(choice ?=.*\)|(^|_|\b)complete\??$", re.IGNORECASE
)  # fmt: skip
"""Of one box of several, or of what says whether a form was filled, as REDCap calls them."""


def candidates(headings: Iterable[str]) -> dict[str, list[str]]:
    """Columns that may be each of the things we look for; no column is two of them."""
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


def _recorded(cells: Iterable[str]) -> list[str]:
    return [cell for cell in cells if not is_missing(cell)]


def _are_boxes(heading: str, cells: Iterable[str]) -> bool:
    """Whether a column is one box of several: on a form that nobody filled it is not ticked."""
    of_cells = any(cell_key(_word(cell)) in _BOX_KEYS for cell in cells)
    return of_cells or _BOX_HEADING.search(heading.strip()) is not None


def _word(cell: str) -> str:
    """The word behind a number, as in '1=yes' and '0, No'."""
    match = re.fullmatch(r"\d+ ?[=,:.)-] ?([^\W\d_]+)", cell)
    return match[1] if match else cell


# === Without a column map ===


def default_columns(
    table: pd.DataFrame,
    traits: Sequence[str] | None,
    name: str,
    tell: Callable[[str], None],
) -> ColumnMap:
    """The map of a table whose columns are called as the cohort calls them.

    Beside ids, labels, mfr, split and provenance, only numbers under a well-known heading are
    taken over: text, dates and numbers of another name may identify a patient.
    """
    if absent := [column for column in ("study_id", "patient_id") if column not in table]:
        raise ValueError(
            f"{name} has no column {' and no column '.join(absent)}. Call it so in the first line, "
            "or say by a column map which columns are what."
        )
    used = ("study_id", "patient_id", "mfr", "split", *PROVENANCE)
    others = [column for column in table if column not in used]
    if absent := [t for t in traits or () if t not in others and t != IMPAIRED_MFR]:
        raise ValueError(f"{name} has no column {listing(absent)} for a trait.")
    rows = ~(table["study_id"].map(is_missing) | table["patient_id"].map(is_missing))
    is_trait = {c: _is_label(c, table[c]) if traits is None else c in traits for c in others}
    numbers = [c for c in others if not is_trait[c] and _is_known_number(c, table[c][rows])]
    if left := [c for c in others if not is_trait[c] and c not in numbers]:
        tell(
            "Left out, because without a column map only labels of 0 and 1 and plain numbers "
            f"under well-known names such as age are taken over: columns {listing(left)}. Name "
            "those that are needed in a column map; --suggest-columns writes a first one"
        )
    try:
        return ColumnMap(
            study_id="study_id",
            patient_id="patient_id",
            mfr="mfr" if "mfr" in table else "",
            split="split" if "split" in table else "",
            traits={c: TraitCoding(c, one=("1",), zero=("0",)) for c in others if is_trait[c]},
            clinical={column: column for column in numbers},
            provenance={column: column for column in PROVENANCE if column in table},
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}.") from None


def _is_label(heading: str, cells: pd.Series) -> bool:
    """Whether a column is a trait; where four in five values are 0 or 1, the others are slips."""
    # One in capitals is refused by the column map, which says how to write it.
    is_known = heading.lower() in TRAITS
    if is_known or _are_boxes(heading, ()) or is_formula(heading):
        return is_known
    recorded = _recorded(cells)
    n_binary = sum(cell in ("0", "1", "0.0", "1.0", "0,0", "1,0") for cell in recorded)
    return bool(recorded) and n_binary >= 0.8 * len(recorded)  # our choice


def _is_known_number(heading: str, cells: pd.Series) -> bool:
    """Whether a column holds numbers, not days, under a well-known heading, units around it."""
    words, recorded = header_words(heading).split(), _recorded(cells)
    is_well_known = len(words) <= 8 and any(
        "".join(words[start:end]) in _WELL_KNOWN
        and _BEFORE.issuperset(words[:start])
        and _BEHIND.issuperset(words[end:])
        for start in range(len(words))
        for end in range(start + 1, len(words) + 1)
    )
    if not is_well_known or names_a_person(heading) or any(map(tells_a_day, recorded)):
        return False
    n_numbers = sum(is_number(cell) or has_thousands(cell) for cell in recorded)
    return n_numbers > len(recorded) / 2 or not recorded


# === A first column map ===

_SUGGESTED: Final = 6  # with more values than this, a column's cells never enter a suggestion
_UNFILLED: Final = "a box is not ticked either where the form was never filled: is that a no?"


def suggest_column_map(table: pd.DataFrame) -> str:
    """A first column map, guessed from the headings of a table of text: YAML, to be edited.

    What is not certain stands as a comment. No cell of a column with more than six different
    values is repeated. ValueError: the first line holds numbers or dates.
    """
    headings = [str(column) for column in table.columns]
    if any(map(is_date, headings)) or sum(map(is_number, headings)) > len(headings) / 2:
        raise ValueError("The first line of the table holds values, not the names of columns.")
    found = candidates(headings)

    def lines_of(*names: str) -> list[str]:
        return [line for what in names for line in _lines(table, what, found[what])]

    lines = [
        "# Which column of the table is what. Check every line; those with # are questions.",
        *(line.lstrip() for line in lines_of("study_id", "patient_id", "mfr")),
        *("traits:", *lines_of(*TRAITS)),
        *("clinical:", *lines_of("age", "bmi")),
        *("provenance:", *lines_of("tracer", "stress_agent")),
        *("exclude:", *lines_of("prior bypass", "artefact")),
    ]
    codes = {c: _missing_codes(table[c]) for trait in TRAITS for c in found[trait]}
    asked = [f"{_scalar(c)}: [{_scalars(cells)}]" for c, cells in codes.items() if cells]
    if asked:
        lines.append(f"# missing: {{{', '.join(asked)}}}    # do these mean: not recorded?")
    others = [h for h in headings if not any(h in some for some in found.values())]
    persons = [heading for heading in others if names_a_person(heading)]
    unused = [heading for heading in others if heading not in persons]
    if len(others) == len(headings):
        # The first line of a table without headings is a patient's.
        lines.append("# No name in the first line is known. Does it hold the names of columns?")
        unused = persons = []
    lines += [f"# Not used: {_scalars(unused)}"] if unused else []
    lines += [f"# Left out, may name a person: {_scalars(persons)}"] if persons else []
    return "\n".join(lines) + "\n"


def _lines(table: pd.DataFrame, what: str, found: Sequence[str]) -> list[str]:
    """Lines for one thing that we look for; a comment where something is to be asked."""
    if not found and what.endswith("_id"):
        named = "the examination" if what == "study_id" else "the patient"
        return [f"# {what}:    # which column tells {named}?"]
    lines = []
    for column in found:
        said, question = _entry(what, column, table[column])
        question = question or ("or another of these?" if len(found) > 1 else "")
        line = f"{what}: {said}"
        lines.append(f"  # {line}    # {question}" if question else f"  {line}")
    return lines


def _entry(what: str, column: str, cells: pd.Series) -> tuple[str, str]:
    """A column and how it is coded, and what is to be asked about it ("" for nothing)."""
    values = sorted({cell for cell in cells if cell})
    recorded = _recorded(values)
    if what in ("study_id", "patient_id", *PROVENANCE):
        is_twice = what == "study_id" and cells[cells != ""].duplicated().any()
        return _scalar(column), "some occur twice: is it the examination?" if is_twice else ""
    if what in ("mfr", "age", "bmi"):
        few = sum(map(is_number, recorded)) < len(recorded) / 2
        return _scalar(column), "it holds no numbers: is it something else?" if few else ""
    if what in TRAITS and re.search(r"hb ?a1c", header_words(column)):
        question = "48 where it is in mmol/mol, 6.5 where it is in %"
        return f'{{column: {_scalar(column)}, rule: ">= 48"}}', question
    codes = _missing_codes(values)
    answers = [value for value in recorded if value not in codes]
    found = _answers(answers, what)
    if _has_many(values):
        found, question = None, "which values, or which rule?"
    elif found:
        question = _UNFILLED if _are_boxes(column, found[1]) else ""
    elif answers in (["0", "1"], ["1", "2"]):
        found, question = ([answers[0]], [answers[1]]), f"{' or '.join(answers)}?"
    else:
        question = f"found: {shown_values(recorded, _scalar) or 'nothing'}"
    one, zero = map(_scalars, found or ((), ()))
    coded = f"one: [{one}], zero: [{zero}]" if what in TRAITS else f"values: [{one}]"
    return f"{{column: {_scalar(column)}, {coded}}}", question


def _answers(values: Sequence[str], what: str) -> tuple[list[str], list[str]] | None:
    """The cells that mean 1 and 0, where both occur and nothing else does."""
    pairs = _FEMALE_MALE if what == "sex" else _YES_NO
    different = {cell_key(value): value for value in values}.values()
    keys = {value: cell_key(_word(value)) for value in different}
    # One pair of answers; or mixed, as F, f and Female, but for letters that others must tell.
    alone = _CELLS["told by the others"]
    mixed = [[word for word in words if word not in alone] for words in zip(*pairs, strict=True)]
    for ones, zeros in [*(([one], [zero]) for one, zero in pairs), mixed]:
        sides = [{cell_key(word) for word in words} for words in (ones, zeros)]
        one, zero = ([v for v, key in keys.items() if key in side] for side in sides)
        if one and zero and len(one) + len(zero) == len(keys):
            return one, zero
    return None


def _missing_codes(cells: Iterable[str]) -> list[str]:
    """Those of a column's cells that may mean: not recorded; none of a column with many values."""
    values = sorted(set(cells))
    codes = [value for value in values if value.casefold() in _MAYBE_MISSING]
    return [] if _has_many(values) else codes


def _has_many(values: Collection[str]) -> bool:
    """Whether there are too many different cells for any to be repeated."""
    return sum(value.casefold() not in _MAYBE_MISSING for value in values) > _SUGGESTED


def _scalars(texts: Iterable[str]) -> str:
    return ", ".join(map(_scalar, texts))


def _scalar(text: str) -> str:
    """Text as YAML in one line, in quotes where YAML would take it for something else."""
    if re.fullmatch(r"\w+( \w+)*", text) and yaml.safe_load(text) == text:
        return text
    # A JSON string is YAML too; what is not printable may be a line end.
    return json.dumps(text, ensure_ascii=not text.isprintable())
