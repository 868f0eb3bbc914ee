import time

import numpy as np
import pandas as pd
import pytest
from clinic_tables import mapped, refusal

from polarnet.readers.columnmap import ColumnMap, TraitCoding, load_column_map

CLINIC = """\
Untersuchung;PatNr;Geschlecht;HbA1c;Raucher;Alter;Global MFR;Tracer;CABG;Gruppe;Befund
U1;1;w;48;Ja;60;2,5;Rb-82;nein;train;o. B.
U2;1; F ;47,9;ex;61;1,5;Rb-82;1.0;train;
U3;2;m;k.A.;nein;99;-;;JA;val;Narbe
U4;3;;;;71;3;N-13;;test;-
"""

MAP = """\
study_id: Untersuchung
patient_id: PatNr
mfr: Global MFR
traits:
  sex: {column: Geschlecht, one: [w, F], zero: [m, M]}
  diabetes: {column: HbA1c, rule: ">= 48"}
  smoking: {column: Raucher, one: ja, zero: [nein, ex]}
clinical:
  age: Alter
  finding: Befund
provenance:
  tracer: Tracer
exclude:
  prior bypass: {column: CABG, values: ["ja", 1]}
  artefact: {column: Raucher, values: [nein]}
split: Gruppe
missing: {"*": "k.A.", Alter: [99]}
decimal_comma: true
"""


# === The map's file ===


def test_the_map_says_what_stands_in_the_file(load):
    columns = load(MAP)
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
    message = refusal(load, f"study_id: a\npatient_id: b\n{line}\n")
    assert "put quotes around yes, no" in message
    assert "empty cell" not in message


def test_words_in_quotes_stay_words(load):
    columns = load(
        "study_id: a\npatient_id: b\n"
        "traits: {smoking: {column: x, one: ['yes', ja], zero: ['no', \"off\"]}}"
    )
    assert columns.traits["smoking"].zero == ("no", "off")


@pytest.mark.parametrize(
    "coding",
    ["one: [a], zero: [b], rule: '> 1'", "one: [a], rule: '> 1'", "zero: [a]", "rule: '48'",
     "rule: '>= 6,5'", "one: [ja], zero: [' JA ']", "one: [a], zero: ['']"],
)  # fmt: skip
def test_a_coding_is_values_or_a_rule_and_says_one_thing(load, coding):
    message = refusal(load, f"study_id: a\npatient_id: b\ntraits: {{x: {{column: c, {coding}}}}}\n")
    assert message.startswith("map.yaml: traits x: ")


@pytest.mark.parametrize(
    ("line", "text"),
    [("traits: {a: {column: c, one: [1], zero: [0]}}\nclinical: {a: d}", "a is a trait and"),
     ("clinical: {mfr: c, age: d}", "cannot be called mfr"),
     ("traits: {Sex: {column: c, one: [1], zero: [0]}}", "lower case: Sex"),
     ("traits: {a: {column: c, one: [1], zero: [0, 9]}}\nmissing: ['9,0']", "9 is coded, and in"),
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
    assert text in refusal(load, f"study_id: a\npatient_id: b\n{line}\n")


def test_files_that_are_no_map_are_refused(load, tmp_path):
    assert "must hold lines like" in refusal(load, "- a\n")
    assert "is not YAML" in refusal(load, "a: [\n")
    assert "is not YAML" in refusal(load, "a: " + "[" * 1000)
    assert "larger than 256 kB" in refusal(load, "#" * 2**18 + "\n")
    with pytest.raises(FileNotFoundError, match="No column map"):
        load_column_map(tmp_path / "none.yaml")


def test_a_map_that_unfolds_without_end_is_refused_at_once(load):
    """Ten lines, each ten times the one before: 10^10 cells."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    start = time.process_time()
    assert "aliases" in refusal(load, "\n".join([*lines, "missing: *a9"]))
    assert time.process_time() - start < 10


# === The map, applied ===


def test_a_table_is_translated_as_the_map_says(load):
    """By hand from CLINIC and MAP; 99 and k.A. are missing, 47,9 is below 48."""
    result = mapped(CLINIC, columns=load(MAP))
    nan = np.nan
    expected = pd.DataFrame(
        {
            "sex": [1, 1, 0, nan],
            "diabetes": [1, 0, nan, nan],
            "smoking": [1, 0, 0, nan],
            "mfr": [2.5, 1.5, nan, 3],
            "age": [60, 61, nan, 71],
            "finding": ["o. B.", nan, "Narbe", nan],
            "tracer": ["Rb-82", "Rb-82", "", "N-13"],
            "split": ["train", "train", "val", "test"],
        },
        index=pd.Index(["U1", "U2", "U3", "U4"], name="study_id"),
    )
    pd.testing.assert_frame_equal(
        result.table, expected, check_dtype=False, check_column_type=False, check_index_type=False
    )
    assert result.traits == ["sex", "diabetes", "smoking"]
    assert result.table["mfr"].dtype == result.table["sex"].dtype == np.float64
    assert result.patients == {"U1": "1", "U2": "1", "U3": "2", "U4": "3"}
    assert result.excluded == {"U2": "prior bypass", "U3": "prior bypass"}
    assert result.refused == []
    assert repr(result) == "Clinical(4 studies, 2 of them excluded, 0 rows refused)"


def test_what_one_and_zero_mean_is_told_with_counts_of_what_is_kept(load):
    """U2 and U3 are excluded; U1 and U4 are left."""
    columns = load(MAP)
    assert mapped(CLINIC, columns=columns).described(["U1", "U4"])[:3] == [
        "sex: 1 coded 1 (female) mean Geschlecht = w, F; 0 coded 0 mean m, M; 1 not recorded",
        "diabetes: 1 coded 1 (diagnosis or treatment) mean HbA1c >= 48; 0 coded 0 mean < 48; "
        "1 not recorded",
        "smoking: 1 coded 1 (current smoker) mean Raucher = ja; 0 coded 0 mean nein, ex; "
        "1 not recorded",
    ]


@pytest.mark.parametrize(
    ("rule", "labels"),
    [(">= 48", [1, 1, 0]), ("> 48", [1, 0, 0]), ("<48", [0, 0, 1]), ("<= 48.0", [0, 1, 1]),
     ("== 48", [0, 1, 0]), (">= -1", [1, 1, 1])],
)  # fmt: skip
def test_rules_compare_as_they_read(rule, labels):
    text = "Untersuchung;PatNr;x\na;1;49\nb;2;48\nc;3;47,5\n"
    result = mapped(text, traits={"t": TraitCoding("x", rule=rule)})
    assert result.table["t"].tolist() == labels


def test_a_cell_means_the_same_in_capitals_with_zeros_or_with_a_comma():
    text = "Untersuchung;PatNr;x;y\na;1;JÄ;1\nb;2;ja\u0308;1.0\nc;3;n;0,0\nd;4;N;2\n"
    codings = {
        "x": TraitCoding("x", one=("jä",), zero=("n",)),
        "y": TraitCoding("y", one=("1.0",), zero=("0", "2,0")),
    }
    result = mapped(text, traits=codings)
    assert result.table["x"].tolist() == [1, 1, 0, 0]
    assert result.table["y"].tolist() == [1, 1, 0, 0]


def test_an_empty_cell_is_never_zero():
    text = "Untersuchung;PatNr;x\n" + "".join(
        f"s{k};{k};{cell}\n" for k, cell in enumerate(["", "-", "n/a", "k.A.", "nein"])
    )
    result = mapped(text, traits={"x": TraitCoding("x", one=("ja",), zero=("nein",))})
    assert result.table["x"].isna().tolist() == [True] * 4 + [False]


def test_a_cell_that_is_coded_is_not_missing():
    text = "Untersuchung;PatNr;x\na;1;-\nb;2;x\n"
    result = mapped(text, traits={"x": TraitCoding("x", one=("x",), zero=("-",))})
    assert result.table["x"].tolist() == [0, 1]


def test_all_columns_that_are_absent_are_named_with_their_nearest():
    columns = ColumnMap(study_id="Untersuchng", patient_id="PatNr", clinical={"bmi": "xyz"})
    message = refusal(mapped, CLINIC, columns)
    assert message.startswith(
        "clinic.csv has no column Untersuchng (study_id, did you mean Untersuchung?), "
        "xyz (clinical bmi)."
    )
    assert "Raucher" not in message
