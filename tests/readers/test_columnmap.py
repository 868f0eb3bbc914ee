"""The column map's file."""

import time

import pytest
from clinic_tables import CLINIC_MAP, refusal

from polarnet.readers.columnmap import ColumnMap, TraitCoding, load_column_map

IDS = "study_id: a\npatient_id: b\n"


def test_the_map_says_what_stands_in_the_file(load):
    columns = load(CLINIC_MAP)
    assert columns.study_id == "Untersuchung"
    assert columns.traits["sex"] == TraitCoding("Geschlecht", one=("w", "F"), zero=("m", "M"))
    assert columns.traits["smoking"].one == ("ja",)
    assert columns.traits["diabetes"].rule == ">= 48"
    assert columns.exclude["prior bypass"].values == ("ja", "1")
    assert columns.missing == ("k.A.",)
    assert columns.missing_in == {"Alter": ("99",)}
    assert columns.decimal_comma is True


def test_ids_alone_are_a_map_and_sections_may_be_empty(load):
    columns = load("study_id: a\npatient_id: 12\ntraits:\n  # sex: ?\nclinical:\n")
    assert columns == ColumnMap(study_id="a", patient_id="12")


def test_missing_is_written_by_column_or_with_a_star_for_all(load):
    columns = load(IDS + 'clinical: {x: X, y: Y}\nmissing: {"*": [k.A.], X: 9, Y: [-1]}')
    assert columns.missing == ("k.A.",)
    assert columns.missing_in == {"X": ("9",), "Y": ("-1",)}
    coded = "traits: {t: {column: T, one: [1], zero: [9]}}\nclinical: {x: X}\nmissing: {X: ['9']}"
    assert load(IDS + coded).missing_in == {"X": ("9",)}


def test_words_in_quotes_stay_words(load):
    columns = load(IDS + "traits: {smoking: {column: x, one: ['yes', ja], zero: ['no', \"off\"]}}")
    assert columns.traits["smoking"].zero == ("no", "off")


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
        "map.yaml: unknown key 'patiend_id'; did you mean 'patient_id'?",
        "patient_id is missing",
        "unknown key 'traits sex colum'; did you mean 'column'?",
        "traits smoking: needs either one and zero",
        "traits diabetes: rule 'more than 3' must be one of",
        "traits hypertension: 1 stands in one and in zero",
        "traits dyslipidemia must be like {column:",
        "unknown key 'provenance trazer'; did you mean 'tracer'?",
        "exclude artefact: values is missing",
        "decimal_comma must be true or false",
    ):
        assert text in message


@pytest.mark.parametrize(
    "line",
    ["traits: {smoking: {column: x, one: [yes], zero: [no]}}",
     "traits: {smoking: {column: x, one: on, zero: 'no'}}",
     "exclude: {bypass: {column: x, values: [True]}}", "missing: [off]", "split: no"],
)  # fmt: skip
def test_words_that_yaml_takes_for_true_or_false_need_quotes(load, line):
    message = refusal(load, f"{IDS}{line}\n")
    assert "put quotes around yes, no" in message
    assert "empty cell" not in message


@pytest.mark.parametrize(
    "coding",
    ["one: [a], zero: [b], rule: '> 1'", "one: [a], rule: '> 1'", "zero: [a]", "rule: '48'",
     "rule: '>= 6,5'", "one: [ja], zero: [' JA ']", "one: [a], zero: ['']"],
)  # fmt: skip
def test_a_coding_is_values_or_a_rule_and_says_one_thing(load, coding):
    message = refusal(load, f"{IDS}traits: {{x: {{column: c, {coding}}}}}\n")
    assert message.startswith("map.yaml: traits x: ")


CODED = "traits: {a: {column: c, one: [1], zero: [0, 9]}}"


@pytest.mark.parametrize(
    ("line", "text"),
    [("traits: {a: {column: c, one: [1], zero: [0]}}\nclinical: {a: d}", "a is a trait and"),
     ("clinical: {mfr: c, age: d}", "cannot be called mfr"),
     ("clinical: {'=cmd()': c}", "1 names begin like a formula"),
     ("traits: {Sex: {column: c, one: [1], zero: [0]}}", "lower case: Sex"),
     (f"{CODED}\nmissing: ['9,0']", "9 is coded, and in"),
     (f"{CODED}\nmissing: {{c: ['9']}}", "9 is coded, and in missing"),
     ("clinical: {x: X}\nmissing: {x: [9]}", "no column 'x' is used in the map; did you mean 'X'"),
     ("clinical: {x: X}\nmissing: {Xx: [9]}", "'Xx' is used in the map; did you mean 'X'"),
     ("clinical: {x: b}", "clinical x: b is the column of an id"),
     ("clinical: {x: Nachname, y: d}", "clinical x: Nachname may name a person"),
     ("clinical: {surname: c}", "clinical surname: c may name a person"),
     ("provenance: {model: PatNr}", "provenance model: PatNr may name a person"),
     ("exclude: {x: {column: Vorname, values: [a]}}", "exclude x: Vorname may name"),
     ("study_id: c", "study_id given twice"), ("clinical: {age: c, age: d}", "age given twice"),
     ("clinical: &x {age: c}\nmissing: *x", "aliases"), ("clinical: [age]", "clinical must hold"),
     ("missing: [[a]]", "a list where text"),
     ("clinical: {~: c}", "1 names in clinical are no text")],
)  # fmt: skip
def test_a_map_that_cannot_be_is_refused(load, line, text):
    assert text in refusal(load, f"{IDS}{line}\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "must hold lines like"), ("a: [\n", "is not YAML"),
     ("a: " + "[" * 1000, "is not YAML"), ("#" * 2**18 + "\n", "larger than 256 kB")],
)  # fmt: skip
def test_files_that_are_no_map_are_refused(load, text, message):
    assert message in refusal(load, text)


def test_a_map_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="No column map"):
        load_column_map(tmp_path / "none.yaml")


def test_a_map_that_unfolds_without_end_is_refused_at_once(load):
    """Ten lines, each ten times the one before: 10^10 cells."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    start = time.process_time()
    assert "aliases" in refusal(load, "\n".join([*lines, "missing: *a9"]))
    assert time.process_time() - start < 10
