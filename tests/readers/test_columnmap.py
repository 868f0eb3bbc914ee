"""The column map's file."""

import time

import pytest
from clinic_tables import CLINIC_MAP, refusal

from polarnet.readers.columnmap import ColumnMap, Exclusion, TraitCoding, load_column_map

IDS = "study_id: a\npatient_id: b\n"


def test_the_map_says_what_stands_in_the_file(load):
    assert load(CLINIC_MAP) == ColumnMap(
        study_id="Untersuchung",
        patient_id="PatNr",
        mfr="Global MFR",
        split="Gruppe",
        traits={
            "sex": TraitCoding("Geschlecht", one=("w", "F"), zero=("m", "M")),
            "diabetes": TraitCoding("HbA1c", rule=">= 48"),
            "smoking": TraitCoding("Raucher", one=("ja",), zero=("nein", "ex")),
        },
        clinical={"age": "Alter", "finding": "Befund"},
        provenance={"tracer": "Tracer"},
        exclude={
            "prior bypass": Exclusion("CABG", ("ja", "1")),
            "artefact": Exclusion("Raucher", ("nein",)),
        },
        missing={"*": ("k.A.",), "Alter": ("99",)},
        decimal_comma=True,
    )


@pytest.mark.parametrize(
    ("lines", "parts"),
    [("traits:\n  # sex: ?\nclinical:\n", {}),
     ("clinical: {x: X, y: Y}\nmissing: {'*': [k.A.], X: 9, Y: [-1]}",
      {"clinical": {"x": "X", "y": "Y"}, "missing": {"*": ("k.A.",), "X": ("9",), "Y": ("-1",)}}),
     ("missing: [k.A., '?']", {"missing": {"*": ("k.A.", "?")}}),
     ("clinical: {x: 12}\nmissing: {12: 09}",
      {"clinical": {"x": "12"}, "missing": {"12": ("09",)}}),
     ("traits: {smoking: {column: x, one: ['yes', ja], zero: ['no', \"off\"]}}",
      {"traits": {"smoking": TraitCoding("x", ("yes", "ja"), ("no", "off"))}}),
     ("traits: {t: {column: T, one: [1], zero: [9]}}\nclinical: {x: X}\nmissing: {X: ['9']}",
      {"traits": {"t": TraitCoding("T", ("1",), ("9",))}, "clinical": {"x": "X"},
       "missing": {"X": ("9",)}})],
    ids=["empty sections", "missing by column", "missing for all", "numbers", "words", "coded"],
)  # fmt: skip
def test_lists_words_and_numbers_are_read_as_they_are_written(load, lines, parts):
    assert load(IDS + lines) == ColumnMap(study_id="a", patient_id="b", **parts)


def test_everything_that_is_wrong_with_a_map_is_told_at_once(load):
    message = refusal(
        load,
        """
study_id: a
patiend_id: b
traits:
  sex: {colum: x, one: [w], zero: [m]}
  smoking: {column: x, one: [ja]}
  diabetes: {column: x, rule: "more than 3"}
  hypertension: {column: x, one: [1], zero: [0, 1.0]}
  dyslipidemia: x
provenance: {trazer: t}
exclude: {artefact: {column: c}}
decimal_comma: "yes"
""",
    )
    for text in (
        "map.yaml: unknown setting 'patiend_id'; did you mean 'patient_id'?",
        "patient_id is missing",
        "unknown setting 'traits sex colum'; did you mean 'column'?",
        "traits smoking: needs either one and zero",
        "traits diabetes: rule 'more than 3' must be one of",
        "traits hypertension: 1 stands in one and in zero",
        "traits dyslipidemia must be like {column:",
        "unknown setting 'provenance trazer'; did you mean 'tracer'?",
        "exclude artefact: values is missing",
        "decimal_comma must be true or false",
    ):
        assert text in message


CODING = "traits: {{x: {{column: c, {}}}}}"
CODED = "traits: {a: {column: c, one: [1], zero: [0, 9]}}"
QUOTES = "put quotes around yes, no"


@pytest.mark.parametrize(
    ("line", "text"),
    [(CODING.format("one: [yes], zero: [no]"), QUOTES),
     (CODING.format("one: on, zero: 'no'"), QUOTES), ("missing: [off]", QUOTES),
     ("exclude: {bypass: {column: x, values: [True]}}", QUOTES), ("split: no", QUOTES),
     *[(CODING.format(coding), "map.yaml: traits x: ") for coding in
       ("one: [a], zero: [b], rule: '> 1'", "one: [a], rule: '> 1'", "zero: [a]", "rule: '48'",
        "rule: '>= 6,5'", "one: [ja], zero: [' JA ']", "one: [a], zero: ['']")],
     ("traits: {a: {column: c, one: [1], zero: [0]}}\nclinical: {a: d}", "a is a trait and"),
     ("clinical: {mfr: c, age: d}", "cannot be called mfr"),
     ("clinical: {'=cmd()': c}", "1 names begin like a formula"),
     ("traits: {Sex: {column: c, one: [1], zero: [0]}}", "lower case: Sex"),
     (f"{CODED}\nmissing: ['9,0']", "9 is coded, and in"),
     (f"{CODED}\nmissing: {{c: ['9']}}", "9 is coded, and in missing"),
     ("clinical: {x: X}\nmissing: {Xx: [9]}", "'Xx' is used in the map; did you mean 'X'"),
     ("clinical: {x: X}\nmissing: [99]", "missing: a number may be a value; name the columns"),
     ("clinical: {x: b}", "clinical x: b is the column of an id"),
     ("clinical: {x: Nachname, y: d}", "clinical x: Nachname may name a person"),
     ("clinical: {surname: c}", "clinical surname: c may name a person"),
     ("provenance: {model: PatNr}", "provenance model: PatNr may name a person"),
     ("exclude: {x: {column: Vorname, values: [a]}}", "exclude x: Vorname may name"),
     ("study_id: c", "study_id given twice"), ("clinical: {age: c, age: d}", "age given twice"),
     ("clinical: &x {age: c}\nmissing: *x", "aliases"), ("clinical: [age]", "clinical must hold"),
     ("missing: [[a]]", "a list where text"), ("clinical: {~: c}", "with names that are text")],
)  # fmt: skip
def test_a_map_that_cannot_be_is_refused(load, line, text):
    message = refusal(load, f"{IDS}{line}\n")
    assert text in message
    assert text != QUOTES or "empty cell" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "must hold lines like"), ("a: [\n", "is not YAML"),
     ("a: " + "[" * 1000, "is not YAML"), ("#" * 2**18 + "\n", "larger than 256 kB")],
)  # fmt: skip
def test_files_that_are_no_map_are_refused(load, tmp_path, text, message):
    assert message in refusal(load, text)
    with pytest.raises(FileNotFoundError, match=r"none\.yaml"):
        load_column_map(tmp_path / "none.yaml")


def test_a_map_that_unfolds_without_end_is_refused_at_once(load):
    """Ten lines, each ten times the one before: 10^10 cells."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    start = time.process_time()
    assert "aliases" in refusal(load, "\n".join([*lines, "missing: *a9"]))
    assert time.process_time() - start < 10
