import pandas as pd
import pytest
from clinic_tables import refusal, table_of

from polarnet.readers.coding import apply_column_map
from polarnet.readers.columnmap import TraitCoding
from polarnet.readers.suggestion import suggest_column_map


def test_a_table_without_doubt_gives_a_map_that_can_be_used_as_it_is(load):
    table = table_of(
        "Untersuchungs-Nr;PatNr;Geschlecht;Diabetes;Hypertonie;Raucher;Alter;BMI;MFR global;Tracer"
        ";Stress-Agens;ACB-OP (Bypass);Artefakt\n"
        "U1;1;w;ja;1;J;50;24;2,1;Rb-82;Regadenoson;nein;0\n"
        "U3;2;m;Ja;0;N;60;25;1,9;N-13;Adenosin;ja;1\n"
        "U2;2;m;nein;0;N;60;25;1,9;N-13;Adenosin;ja;1\n"
    )
    text = suggest_column_map(table)
    assert "# " not in text.split("\n", 1)[1]
    columns = load(text)
    assert (columns.study_id, columns.patient_id) == ("Untersuchungs-Nr", "PatNr")
    assert columns.mfr == "MFR global"
    assert columns.traits == {
        "sex": TraitCoding("Geschlecht", one=("w",), zero=("m",)),
        "diabetes": TraitCoding("Diabetes", one=("ja",), zero=("nein",)),
        "hypertension": TraitCoding("Hypertonie", one=("1",), zero=("0",)),
        "smoking": TraitCoding("Raucher", one=("J",), zero=("N",)),
    }
    assert columns.clinical == {"age": "Alter", "bmi": "BMI"}
    assert columns.provenance == {"tracer": "Tracer", "stress_agent": "Stress-Agens"}
    assert {reason: e.values for reason, e in columns.exclude.items()} == {
        "prior bypass": ("ja",), "artefact": ("1",),
    }  # fmt: skip
    assert apply_column_map(table, columns, "a").table["diabetes"].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("headings", "yes", "no"),
    [("study_id;patient_id;gender;smoker;age", "yes", "no"),
     ("Étude;N° patient;Sexe;Tabagisme;Âge", "oui", "non"),
     ("Onderzoek;Patiëntnummer;Geslacht;Roker;Leeftijd", "ja", "nee"),
     ("Estudio;Paciente;Sexo;Fumador;Edad", "sí", "no")],
)  # fmt: skip
def test_headings_of_five_languages_are_understood(load, headings, yes, no):
    study, patient, sex, smoking, age = headings.split(";")
    columns = load(suggest_column_map(table_of(f"{headings}\na;1;f;{yes};50\nb;2;m;{no};60\n")))
    assert (columns.study_id, columns.patient_id) == (study, patient)
    assert columns.traits["sex"] == TraitCoding(sex, one=("f",), zero=("m",))
    assert columns.traits["smoking"] == TraitCoding(smoking, one=(yes,), zero=(no,))
    assert columns.clinical == {"age": age}


@pytest.mark.parametrize(
    ("cells", "question"),
    [("1;2", '# sex: {column: Sex, one: ["1"], zero: ["2"]}    # 1 or 2?'),
     ("0;1", '# sex: {column: Sex, one: ["0"], zero: ["1"]}    # 0 or 1?'),
     ("h;m", "# sex: {column: Sex, one: [], zero: []}    # found: h, m"),
     ("f;f", "# sex: {column: Sex, one: [], zero: []}    # found: f")],
)  # fmt: skip
def test_what_is_not_certain_is_a_question(load, cells, question):
    first, second = cells.split(";")
    text = suggest_column_map(table_of(f"study id;patient id;Sex\na;1;{first}\nb;2;{second}\n"))
    assert question in text
    assert load(text).traits == {}


def test_words_beside_the_known_ones_make_another_column():
    text = suggest_column_map(
        table_of("study id;study date;patient id;Nichtraucher;MFR LAD;Patient name;CFR;CABG;ACB\n"
                 "a;x;1;ja;2;Maier;2;ja;nein\nb;x;2;nein;2;Beier;2;nein;ja\n")
    )  # fmt: skip
    assert "study_id: study id\n" in text
    assert "patient_id: patient id\n" in text
    assert "mfr: CFR\n" in text
    assert "smoking" not in text
    assert text.count("# prior bypass") == 2
    assert "# Not used: study date, Nichtraucher, MFR LAD\n" in text
    assert "# Left out, may name a person: Patient name\n" in text


def test_ids_that_occur_twice_or_are_not_there_are_questions():
    text = suggest_column_map(table_of("study id;x\na;1\na;2\n"))
    assert "# study_id: study id    # but some occur twice" in text
    assert "# patient_id:    # which column" in text


def test_cells_of_a_column_with_more_than_six_values_are_never_written():
    rows = "".join(f"s{k};{k};w{k};{k};x{min(k, 5)}\n" for k in range(1, 8))
    text = suggest_column_map(table_of("study id;patient id;Sex;HbA1c;Raucher\n" + rows))
    assert "w1" not in text
    assert "# sex: {column: Sex, one: [], zero: []}    # which values?" in text
    assert '# diabetes: {column: HbA1c, rule: ">= 48"}' in text
    assert "found: x1, x2, x3, x4, x5" in text
    rows = "".join(f"s{k};{k};v{k % 7}\n" for k in range(20))
    assert "v1" not in suggest_column_map(table_of("study id;patient id;Sex\n" + rows))


NOT_SUGGESTED = [
    "Family history of diabetes", "Diabetes Familienanamnese", "FH diabetes", "FHx_DM",
    "Mother with diabetes", "Siblings: hypertension", "Diabetes medication", "Antidiabetic drug",
    "Diabetes-Therapie", "Diabetes drugs", "Antidiabetika", "Lipid-lowering (dyslipidemia)",
    "Gestational diabetes", "Pre-diabetes", "Prediabetes", "Diabetes insipidus",
    "Diabetic retinopathy", "Diabetic foot", "No diabetes", "non-diabetic", "kein Diabetes",
    "Diabetes_date", "Diabetes type", "Hypertensive response", "Portal hypertension",
    "ocular hypertension", "Pulmonary hypertension", "Nonsmoker", "Nichtraucher", "Ex-smoker",
    "former smoker", "Stopped smoking", "smoking cessation", "passive smoking", "ever smoked",
    "Smoking counselling by", "Gastric bypass", "Magenbypass", "Cardiopulmonary bypass time",
    "Bypass surgeon", "CFR date", "Mfr model", "Age at menopause", "age at diagnosis", "Age group",
    "sexual dysfunction", "BMI category",
]  # fmt: skip


@pytest.mark.parametrize("heading", NOT_SUGGESTED)
def test_what_is_no_diagnosis_of_the_patient_is_not_suggested(load, heading):
    """A family, a drug, the opposite or another disease: as the trait, it would be wrong labels."""
    text = suggest_column_map(table_of(f"study id;patient id;{heading}\na;1;yes\nb;2;no\n"))
    assert f"# Not used: {heading}" in text or f'# Not used: "{heading}"' in text
    columns = load(text)
    assert (columns.traits, columns.exclude, columns.mfr, columns.clinical) == ({}, {}, "", {})


@pytest.mark.parametrize(
    ("heading", "trait"),
    [("T2DM", "diabetes"), ("NIDDM", "diabetes"), ("IDDM", "diabetes"), ("DM2", "diabetes"),
     ("HBP", "hypertension"), ("High blood pressure", "hypertension"), ("aHT", "hypertension"),
     ("HLP", "dyslipidemia"), ("HLD", "dyslipidemia"), ("high cholesterol", "dyslipidemia"),
     ("Tobacco use", "smoking"), ("Smoking (yes/no)", "smoking"),
     ("Impaired MFR", "impaired_mfr")],
)  # fmt: skip
def test_other_words_for_the_traits_are_understood(load, heading, trait):
    text = suggest_column_map(table_of(f"study id;patient id;{heading}\na;1;yes\nb;2;no\n"))
    assert load(text).traits == {trait: TraitCoding(heading, one=("yes",), zero=("no",))}


@pytest.mark.parametrize(
    ("heading", "cells", "one", "zero"),
    [("Sesso", "Women;Men", ("Women",), ("Men",)),
     ("Sex", "F;f;Female;M;male", ("F", "Female"), ("M", "male")),
     ("Sex", "2=female;1=male", ("2=female",), ("1=male",)),
     ("Smoker", "0, No;1, Yes", ("1, Yes",), ("0, No",)),
     ("Diabetes", "Yes;y;no;N", ("Yes", "y"), ("N", "no"))],
)  # fmt: skip
def test_one_answer_in_several_spellings_is_one_answer(load, heading, cells, one, zero):
    rows = "".join(f"s{k};{k};{cell}\n" for k, cell in enumerate(cells.split(";")))
    (coding,) = load(suggest_column_map(table_of(f"study id;patient id;{heading}\n{rows}"))
                     ).traits.values()  # fmt: skip
    keys = [{cell.casefold() for cell in cells} for cells in (coding.one, coding.zero)]
    assert keys == [{cell.casefold() for cell in cells} for cells in (one, zero)]


def test_codes_that_often_mean_not_recorded_are_asked_about(load):
    text = suggest_column_map(
        table_of("study id;patient id;Sex;DM;HTN\na;1;m;1;0\nb;2;f;99;-9\nc;3;9;0;1\n")
    )
    assert (
        '# missing: {Sex: ["9"], DM: ["99"], HTN: ["-9"]}    # do these mean: not recorded?' in text
    )
    assert load(text).traits["diabetes"] == TraitCoding("DM", one=("1",), zero=("0",))
    assert load(text).missing == ()


def test_a_manufacturer_is_no_flow_reserve(load):
    text = suggest_column_map(table_of("study id;patient id;MFR\na;1;GE\nb;2;Siemens\n"))
    assert "# mfr: MFR    # it holds no numbers" in text
    assert load(text).mfr == ""


@pytest.mark.parametrize(
    ("heading", "is_patient"),
    [("Patient", True), ("PatNr", True), ("MRN", True), ("Patient No.", True), ("pat_id", True),
     ("Patienten-Code", True), ("Subject number", True), ("Hospital No", True),
     ("record_id", True), ("Patient Sex", False), ("Patient Weight", False),
     ("Patient Group", False), ("Patient Position", False), ("pat.karno", False),
     ("redcap_event_name", False), ("Patient name", False)],
)  # fmt: skip
def test_the_patient_is_told_by_an_id_and_by_nothing_else(heading, is_patient):
    text = suggest_column_map(table_of(f"study id;{heading}\na;1\nb;2\n"))
    assert ("\npatient_id: " in text) == is_patient


def test_odd_headings_and_cells_cannot_break_out_of_their_line(load):
    table = pd.DataFrame(
        {"study id": ["a", "b"], "patient: id": ["1", "2"], "sex\nmissing: [x]": ["f", "m"],
         "Raucher": ["yes", "no"], "Diabetes": ["x\u2028y: z", "#"]},
        index=[2, 3], dtype=str,
    )  # fmt: skip
    columns = load(suggest_column_map(table))
    assert columns.patient_id == "patient: id"
    assert columns.traits["sex"].column == "sex\nmissing: [x]"
    assert columns.traits["smoking"].one == ("yes",)
    assert columns.missing == ()


def test_a_table_without_headings_gives_no_map():
    for text in ("Maier;1950-01-01;x\na;b;c\n", "Maier;1;2\na;b;c\n"):
        message = refusal(suggest_column_map, table_of(text))
        assert "not the names of columns" in message
        assert "Maier" not in message


def test_where_no_name_is_known_none_is_repeated(load):
    """The first line of a table without headings, which are a patient's cells."""
    text = suggest_column_map(table_of("S001;Maier Hans;w;ja;Bern\nS002;Beier;m;nein;Basel\n"))
    assert "No name in the first line is known" in text
    assert "Maier" not in text


@pytest.mark.parametrize(
    ("heading", "ticked", "empty"),
    [("Comorbidities (choice=Diabetes mellitus)", "Checked", "Unchecked"),
     ("diabetes___1", "1", "0"),
     ("Diabetes", "Selected", "Not selected"), ("Diabetes", "angekreuzt", "nicht angekreuzt"),
     ("Diabetes", "Genannt", "Nicht genannt"), ("Diabète", "coché", "non coché"),
     ("Diabetes", "checked", "UNCHECKED")],
)  # fmt: skip
def test_a_box_that_is_not_ticked_is_a_question_and_never_a_no(load, heading, ticked, empty):
    text = suggest_column_map(
        table_of(f"study id;patient id;{heading}\na;1;{ticked}\nb;2;{empty}\nc;3;{empty}\n")
    )
    assert "is that a no?" in text
    assert load(text).traits == {}


@pytest.mark.parametrize(
    ("heading", "cells", "unfilled"),
    [("Complete?", ("Complete", "Incomplete"), "Incomplete"),
     ("demographics_complete", ("2", "0"), '"0"'), ("form_1_complete", ("1", "0"), '"0"')],
)  # fmt: skip
def test_the_column_that_tells_of_unfilled_forms_is_pointed_to(load, heading, cells, unfilled):
    rows = f"a;1;0;{cells[0]}\nb;2;1;{cells[1]}\n"
    text = suggest_column_map(table_of(f"study id;patient id;comorbid___1;{heading}\n{rows}"))
    assert "# Boxes: comorbid___1." in text
    assert "# form not filled: {column: " in text
    assert f"values: [{unfilled}]}}" in text
    assert load(text).exclude == {}


def test_a_table_without_boxes_is_not_asked_about_forms():
    text = suggest_column_map(table_of("study id;patient id;DM;x_complete\na;1;0;1\nb;2;1;0\n"))
    assert "ox" not in text.replace("x_complete", "")
