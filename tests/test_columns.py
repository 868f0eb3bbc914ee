import time

import numpy as np
import pandas as pd
import pytest

from polarnet.readers.clinic.coding import apply_column_map, describe_codings
from polarnet.readers.clinic.columnfile import load_column_map
from polarnet.readers.clinic.columns import ColumnMap, TraitCoding
from polarnet.readers.clinic.suggestion import suggest_column_map
from polarnet.readers.identity import is_date, names_a_person

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
missing: ["k.A.", 99]
decimal_comma: true
"""


def table_of(text):
    """A table as `as_table` gives it, first line of the file first."""
    header, *rows = [line.split(";") for line in text.splitlines()]
    cells = [[cell.strip() for cell in row] for row in rows]
    return pd.DataFrame(cells, columns=header, index=range(2, len(rows) + 2), dtype=str)


@pytest.fixture
def load(tmp_path):
    """A column map out of YAML text."""

    def load_text(text):
        (tmp_path / "map.yaml").write_text(text, encoding="utf-8")
        return load_column_map(tmp_path / "map.yaml")

    return load_text


def mapped(text=CLINIC, columns=None, **changes):
    """The table of this text, mapped; the map has ids alone, but for the changes."""
    columns = columns or ColumnMap(study_id="Untersuchung", patient_id="PatNr", **changes)
    return apply_column_map(table_of(text), columns, "clinic.csv")


def refusal(call, *arguments, **changes):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (each caller compares the text)
        call(*arguments, **changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# === The map's file ===


def test_the_map_says_what_stands_in_the_file(load):
    columns = load(MAP)
    assert columns.study_id == "Untersuchung"
    assert columns.traits["sex"] == TraitCoding("Geschlecht", one=("w", "F"), zero=("m", "M"))
    assert columns.traits["smoking"].one == ("ja",)
    assert columns.traits["diabetes"].rule == ">= 48"
    assert columns.exclude["prior bypass"].values == ("ja", "1")
    assert columns.missing == ("k.A.", "99")
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
     ("clinical: {age: 2020-01-01}", "a date where text should stand"),
     ("missing: [[a]]", "a list where text"), ("missing: [2020-13-45]", "is not YAML"),
     ("clinical: {1: c}", "1 names in clinical are no text")],
)  # fmt: skip
def test_a_map_that_cannot_be_is_refused(load, line, text):
    assert text in refusal(load, f"study_id: a\npatient_id: b\n{line}\n")


def test_files_that_are_no_map_are_refused(load, tmp_path):
    assert "must hold lines like" in refusal(load, "- a\n")
    assert "is not YAML" in refusal(load, "a: [\n")
    assert "is not YAML" in refusal(load, "a: " + "[" * 5000)
    assert "larger than 1 MB" in refusal(load, "#" * 2**20 + "\n")
    with pytest.raises(FileNotFoundError, match="No column map"):
        load_column_map(tmp_path / "none.yaml")


def test_a_map_that_unfolds_without_end_is_refused_at_once(load):
    """Ten lines, each ten times the one before: 10^10 cells."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
    start = time.monotonic()
    assert "aliases" in refusal(load, "\n".join([*lines, "missing: *a9"]))
    assert time.monotonic() - start < 1


# === Columns that name a person ===


@pytest.mark.parametrize(
    "column",
    ["Name", "Nachname", "Vorname", "Patientenname", "PATIENT NAME", "Surname", "first_name",
     "nom", "Prénom", "nom de naissance", "Achternaam", "voornaam", "Apellidos", "nombre",
     "Cognome", "Nome", "Geburtsdatum", "geb.", "Geb.-Dat.", "date_of_birth", "DOB",
     "BirthYear", "Date de naissance", "geboortedatum", "Fecha de nacimiento", "data di nascita",
     "Straße", "Strasse", "PLZ", "Wohnort", "address", "Adresse", "dirección", "postcode",
     "Telefon", "telefoon", "teléfono", "phone", "Mobilnummer", "E-Mail", "Versichertennummer",
     "AHV-Nr", "NHS number", "NHSNumber", "MRN", "ssn", "BSN", "Sozialversicherungsnr.",
     "code postal", "Krankenhaus-Nr.", "hospital no", "hospital_number", "Fallnummer",
     "Accession Number", "PatNr", "patient_id", "Initials", "passport"],
)  # fmt: skip
def test_columns_that_name_a_person_are_known(column):
    assert names_a_person(column)


@pytest.mark.parametrize(
    "column",
    ["genome", "hospital stay", "Hospital LOS", "Tracername", "ManufacturerModelName",
     "Software name", "Gerätename", "nom du traceur", "sex assigned at birth", "birth weight",
     "BMI", "age", "Alter", "EF rest", "initial MBF", "hypertension", "Raucher", "ornament",
     "economic status", "capacity", "velocity", "pre-nominal", "ACE inhibitor", "PPI", "statin",
     "national guideline", "Gebiet", "handedness", "mobility", "insurance type", "previous MI",
     "dyslipidemia", "anomaly", "total calcium", "patient position", "number of vessels"],
)  # fmt: skip
def test_columns_that_name_no_person_are_left_alone(column):
    assert not names_a_person(column)


# === The map, applied ===


def test_a_table_is_translated_as_the_map_says(load):
    """By hand from CLINIC and MAP; 99 and k.A. are missing, 47,9 is below 48."""
    result = mapped(columns=load(MAP))
    nan = np.nan
    expected = pd.DataFrame(
        {
            "patient_id": ["1", "1", "2", "3"],
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
    assert result.excluded.to_dict() == {
        "U1": "", "U2": "prior bypass", "U3": "prior bypass", "U4": "",
    }  # fmt: skip
    assert result.refused == []
    assert repr(result) == "MappedTable(4 studies, 2 of them excluded, 0 rows refused)"


def _kept(found):
    return found.table[(found.excluded == "").to_numpy()]


def test_what_one_and_zero_mean_is_told_with_counts_of_what_is_kept(load):
    """U2 and U3 are excluded; U1 and U4 are left."""
    columns = load(MAP)
    assert describe_codings(_kept(mapped(columns=columns)), columns) == [
        "sex: 1 coded 1 mean Geschlecht = w, F; 0 coded 0 mean m, M; 1 not recorded",
        "diabetes: 1 coded 1 mean HbA1c >= 48; 0 coded 0 mean < 48; 1 not recorded",
        "smoking: 1 coded 1 mean Raucher = ja; 0 coded 0 mean nein, ex; 1 not recorded",
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


def test_values_that_the_map_does_not_explain_are_told_per_column():
    text = "Untersuchung;PatNr;x;y\n" + "".join(
        f"s{k};{k};{x};{y}\n"
        for k, (x, y) in enumerate([("d", "48"), ("d", "hoch"), ("Anna Meier", "49"), ("ja", "")])
    )
    message = refusal(
        mapped,
        text,
        traits={
            "sex": TraitCoding("x", one=("ja",), zero=("nein",)),
            "dm": TraitCoding("y", rule="> 48"),
        },
    )
    assert message == (
        "clinic.csv: x (sex) has cells that its coding does not explain: 'd' (2), "
        "1 other value (not shown, it may identify patients); y (dm) has cells that its coding "
        "does not explain: 'hoch' (1). "
        "Mend the table or the column map."
    )


@pytest.mark.parametrize("n", [8, 9, 20, 21])
def test_many_unexplained_values_are_counted_and_very_many_never_shown(n):
    text = "Untersuchung;PatNr;x\n" + "".join(f"s{k};{k};w{k:02d}\n" for k in range(n))
    message = refusal(mapped, text, traits={"x": TraitCoding("x", one=("a",), zero=("b",))})
    assert message.count("'w") == (8 if n <= 20 else 0)
    assert ("1 more values" in message) == (n == 9)
    assert ("21 different values" in message) == (n == 21)


NAMES = ["Maier", "Dr. Anna Meier", "Hans Huber", "Bob", "Prof", "meier hans", "4711000",
         "Ö. Åkesson", "12.03.1950", "hochgradigverdickt", "MEIER"]  # fmt: skip


@pytest.mark.parametrize("cell", NAMES)
def test_a_cell_that_may_be_a_name_is_counted_and_not_repeated(cell):
    text = f"Untersuchung;PatNr;x\na;1;{cell}\nb;2;no\n"
    message = refusal(mapped, text, traits={"x": TraitCoding("x", one=("a",), zero=("no",))})
    assert "1 value (not shown" in message
    assert cell not in message
    suggested = suggest_column_map(table_of(text.replace(";x", ";Raucher")))
    assert "# found: 'no', 1 other value (not shown" in suggested.replace('"no"', "'no'")
    assert cell not in suggested


@pytest.mark.parametrize(
    "cell", ["2", "T2D", "Former", "hoch", ">89", "ex", "Nein", "?", "1,5", "1=Yes", "0, no"]
)
def test_short_codes_and_words_that_name_nobody_are_repeated(cell):
    message = refusal(mapped, f"Untersuchung;PatNr;x\na;1;{cell}\n",
                      traits={"x": TraitCoding("x", one=("a",), zero=("b",))})  # fmt: skip
    assert f"'{cell}' (1)" in message


@pytest.mark.parametrize("n", [12, 14])
def test_problems_of_many_columns_are_counted(n):
    names = [f"x{k}" for k in range(n)]
    text = f"Untersuchung;PatNr;{';'.join(names)}\na;1{';?' * n}\n"
    message = refusal(
        mapped, text, traits={x: TraitCoding(x, one=("a",), zero=("b",)) for x in names}
    )
    assert message.count("does not explain") == 12
    assert ("and 2 more columns. Mend" in message) == (n == 14)


def test_rows_without_a_clear_id_are_refused_by_line_and_never_repeated():
    ids = ["U1", "12-Mar", "", "Mar-12", "2026-12-03 00:00:00", "U2", "1,23E+11", "U2", "-",
           "u1", "U3", "U4", "\u00dc", "U\u0308", "NA"]  # fmt: skip
    patients = ["1"] * 10 + ["", "3. Mrz", "1", "1", "1"]
    text = "Untersuchung;PatNr\n" + "".join(
        f"{study};{patient}\n" for study, patient in zip(ids, patients, strict=True)
    )
    result = mapped(text)
    assert result.table.index.tolist() == ["U1", "u1", "NA"]
    reasons = dict(result.refused)
    assert list(reasons) == [3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15]
    for line in (3, 5, 6):
        assert reasons[line].startswith("study id is a date")
    assert reasons[4] == reasons[10] == "no study id"
    assert reasons[7] == "study id given twice, also in line 9"
    assert reasons[9] == "study id given twice, also in line 7"
    assert reasons[8].startswith("study id was rounded")
    assert reasons[12] == "no patient id"
    assert reasons[13].startswith("patient id is a date")
    assert reasons[14] == "study id given twice, also in line 15"


@pytest.mark.parametrize(
    "cell", ["12-Mar", "Mar-12", "12. Mrz", "12-mrt", "12-mars", "août-12", "2026-12-03", "10:30",
             "03.12.2026", "3/12/26", "3-12-2026", "May-2024", "12-Dec-2026"]
)  # fmt: skip
def test_what_a_spreadsheet_makes_of_ids_is_known(cell):
    assert is_date(cell)


@pytest.mark.parametrize(
    "cell", ["MAR-12", "Mark-12", "2024-012", "2024-12", "S12-3", "1-2-3", "01-02-33", "12", "DEC3",
             "Set-1", "1.5", "Mar-123", "12345-67-8"]
)  # fmt: skip
def test_ids_that_resemble_dates_stay_ids(cell):
    assert not is_date(cell)


def test_rows_that_are_refused_need_no_explanation():
    result = mapped(
        "Untersuchung;PatNr;x\na;1;ja\n;2;???\n",
        traits={"x": TraitCoding("x", one=("ja",), zero=("nein",))},
    )
    assert result.table["x"].tolist() == [1]


def test_all_columns_that_are_absent_are_named_with_their_nearest():
    columns = ColumnMap(study_id="Untersuchng", patient_id="PatNr", clinical={"bmi": "xyz"})
    message = refusal(mapped, CLINIC, columns)
    assert message.startswith(
        "clinic.csv has no column Untersuchng (study_id, did you mean Untersuchung?), "
        "xyz (clinical bmi)."
    )
    assert "Raucher" not in message


def test_a_flow_reserve_is_a_positive_number():
    text = "Untersuchung;PatNr;m\na;1;2,5\nb;2;Maier\nc;3;-1\nd;4;inf\ne;5;0\n"
    message = refusal(mapped, text, mfr="m")
    assert "m (mfr) is no number in line 3, 5" in message
    assert "m (mfr) is not above 0 in line 4, 6" in message
    assert "Maier" not in message


def test_points_and_commas_in_one_table_are_refused():
    text = "Untersuchung;PatNr;m;a\na;1;2,5;1.5\n"
    message = refusal(mapped, text, mfr="m", clinical={"a": "a"})
    assert "1 numbers have a comma" in message
    assert "decimal_comma in the column map" in message


def test_numbers_in_the_other_way_never_become_text():
    text = "Untersuchung;PatNr;m;a\na;1;2,5;1.5\nb;2;2;7\n"
    message = refusal(mapped, text, mfr="m", clinical={"a": "a"}, decimal_comma=True)
    assert "a (clinical a) is no finite number with a decimal comma in line 2" in message
    assert "in line 3" in refusal(
        mapped, "Untersuchung;PatNr;a\na;1;1\nb;2;inf\n", clinical={"a": "a"}
    )


THOUSANDS = "Untersuchung;PatNr;bnp\na;1;1,234\nb;2;12,500\nc;3;875\n"


@pytest.mark.parametrize("delimiter", [",", "\t", ""])
def test_commas_that_may_separate_thousands_are_asked_about(delimiter):
    """NT-proBNP of 1,234 ng/L is 1234, and a flow reserve of 1,234 is below 2."""
    columns = ColumnMap(study_id="Untersuchung", patient_id="PatNr", clinical={"bnp": "bnp"})
    with pytest.raises(ValueError, match=r"bnp has numbers .* decimal_comma: false or true"):
        apply_column_map(table_of(THOUSANDS), columns, "a", delimiter)
    result = apply_column_map(table_of(THOUSANDS), columns, "a", ";")
    assert result.table["bnp"].tolist() == [1.234, 12.5, 875]
    result = apply_column_map(table_of(THOUSANDS + "d;4;2,5\n"), columns, "a", delimiter)
    assert result.table["bnp"].tolist() == [1.234, 12.5, 875, 2.5]


@pytest.mark.parametrize(("decimal_comma", "first"), [(False, 1234), (True, 1.234)])
def test_what_the_map_says_of_commas_is_done(decimal_comma, first):
    result = mapped(THOUSANDS, clinical={"bnp": "bnp"}, decimal_comma=decimal_comma,
                    traits={"high": TraitCoding("bnp", rule="> 1000")})  # fmt: skip
    assert result.table["bnp"]["a"] == first
    assert result.table["high"]["a"] == (first > 1000)


def test_a_number_with_two_commas_never_becomes_text():
    text = "Untersuchung;PatNr;a\na;1;2,5\nb;2;1,234,567\n"
    assert "a (clinical a) is no finite" in refusal(mapped, text, clinical={"a": "a"})


@pytest.mark.parametrize("cell", ["=1+1", "+41 79", "@ward", "- keine"])
def test_a_formula_is_refused_where_it_would_be_taken_over(cell):
    text = f"Untersuchung;PatNr;dm;note\na;1;1;{cell}\nb;2;0;x\n"
    coding = TraitCoding("dm", one=("1",), zero=("0",))
    assert mapped(text, traits={"dm": coding}).table["dm"].tolist() == [1, 0]
    for used in ({"clinical": {"note": "note"}}, {"provenance": {"tracer": "note"}},
                 {"split": "note"}):  # fmt: skip
        message = refusal(mapped, text, **used)
        assert "note (" in message
        assert "begin like one (= + - @), in line 2" in message
        assert cell not in message
    assert "study_id" in refusal(mapped, text.replace("a;1", f"{cell};1"))


def test_plus_and_minus_can_be_coded():
    text = "Untersuchung;PatNr;dm\na;1;+\nb;2;-\nc;3;+++\n"
    coding = TraitCoding("dm", one=("+", "+++"), zero=("-",))
    assert mapped(text, traits={"dm": coding}).table["dm"].tolist() == [1, 0, 1]


def test_a_name_that_a_spreadsheet_would_compute_is_refused():
    with pytest.raises(ValueError, match="1 names begin like a formula"):
        ColumnMap(study_id="a", patient_id="b", clinical={"=cmd()": "c"})


@pytest.mark.parametrize(
    "day", ["12MAR2024", "12mar24", "Mar 12, 2024", "March 12 2024", "20240312", "12-MAR-2024",
            "2024/03/12", "20240312101500", "1 day, 2:00:00"]
)  # fmt: skip
def test_days_of_registries_are_not_taken_over(day):
    message = refusal(mapped, f"Untersuchung;PatNr;a\na;1;{day}\n", clinical={"a": "a"})
    assert "holds dates in line 2" in message


@pytest.mark.parametrize("id", ["20240312", "12MAR2024"])
def test_ids_that_resemble_the_days_of_registries_stay_ids(id):
    assert mapped(f"Untersuchung;PatNr\n{id};1\n").table.index.tolist() == [id]


@pytest.mark.parametrize("value", ["20241399", "123456", "1950", "Mark 12", "2024031"])
def test_numbers_that_are_no_days_are_taken_over(value):
    assert not mapped(f"Untersuchung;PatNr;a\na;1;{value}\n", clinical={"a": "a"}).table.empty


def test_dates_are_not_taken_over():
    text = "Untersuchung;PatNr;a\na;1;50\nb;2;1950-03-04\n"
    message = refusal(mapped, text, clinical={"a": "a"})
    assert "holds dates in line 3" in message
    assert "1950" not in message
