"""A first column map, guessed from the headings of a table, to be edited."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
import yaml

from polarnet.readers.clinic.columns import cell_key
from polarnet.readers.identity import header_words, is_date, names_a_person
from polarnet.readers.tables.cells import is_missing, is_number
from polarnet.traits import TRAITS

_SUGGESTED: Final = 6
"""With more values than this, a column's cells never enter a suggestion."""

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

_NOT_OF_THE_PATIENT: Final = (
    r"\bfam(il\w*)?\b|\bfh\b|heredit\w*|erblich\w*|\banti\w*|medi[ck]\w*|therap\w*|treat\w*|drug"
    r"|behand\w*|traitement|tratamiento"
)
"""Words beside a trait's that make it one of the family, or a drug: neither is the diagnosis."""

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
            unlikely = [_UNLIKELY[what]] if what in _UNLIKELY else []
            unlikely += [_NOT_OF_THE_PATIENT] if what in TRAITS else []
            is_likely = not any(re.search(other, words) for other in unlikely)
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
    by_value = {cell_key(value): value for value in values}
    for one, zero in pairs:
        if by_value.keys() == {cell_key(one), cell_key(zero)}:
            return by_value[cell_key(one)], by_value[cell_key(zero)]
    return None


def _scalar(text: str) -> str:
    """Text as YAML in one line, in quotes where YAML would take it for something else."""
    if re.fullmatch(r"\w+( \w+)*", text) and yaml.safe_load(text) == text:
        return text
    # A JSON string is YAML too; what is not printable may be a line end.
    return json.dumps(text, ensure_ascii=not text.isprintable())
