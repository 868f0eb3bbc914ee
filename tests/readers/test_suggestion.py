"""A first column map of a clinical table, and what is taken over without one."""

import pandas as pd
import pytest
from clinic_tables import refusal, table_of

from polarnet.readers.clinicaltable import apply_column_map, read_clinical, suggest_columns
from polarnet.readers.columnmap import TraitCoding
from polarnet.readers.suggestion import suggest_column_map

# === A first column map ===


def suggested(heading, *cells):
    """The map suggested for ids and one more column, or several between semicolons."""
    rows = "".join(f"s{k};{k};{cell}\n" for k, cell in enumerate(cells))
    return suggest_column_map(table_of(f"study id;patient id;{heading}\n{rows}"))


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
    values = {reason: exclusion.values for reason, exclusion in columns.exclude.items()}
    assert values == {"prior bypass": ("ja",), "artefact": ("1",)}
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


BOX = "is that a no?"


@pytest.mark.parametrize(
    ("heading", "cells", "question"),
    [("Sex", "12", '# sex: {column: Sex, one: ["1"], zero: ["2"]}    # 1 or 2?'),
     ("Sex", "01", '# sex: {column: Sex, one: ["0"], zero: ["1"]}    # 0 or 1?'),
     ("Sex", "hm", "# sex: {column: Sex, one: [], zero: []}    # found: h, m"),
     ("Sex", "ff", "# sex: {column: Sex, one: [], zero: []}    # found: f"),
     # A manufacturer is no flow reserve.
     ("MFR", ["GE", "Siemens"], "# mfr: MFR    # it holds no numbers"),
     # A box that is not ticked is never a no.
     ("Comorbidities (choice=Diabetes mellitus)", ["Checked", "Unchecked"], BOX),
     ("diabetes___1", "10", BOX), ("Diabetes", ["Selected", "Not selected"], BOX),
     ("Diabetes", ["angekreuzt", "nicht angekreuzt"], BOX),
     ("Diabetes", ["Genannt", "Nicht genannt"], BOX), ("Diabète", ["coché", "non coché"], BOX),
     ("Diabetes", ["checked", "UNCHECKED"], BOX)],
)  # fmt: skip
def test_what_is_not_certain_is_a_question(load, heading, cells, question):
    text = suggested(heading, *cells)
    assert question in text
    assert (load(text).traits, load(text).mfr) == ({}, "")


def test_words_beside_the_known_ones_make_another_column():
    text = suggest_column_map(
        table_of("study id;study date;patient id;Nichtraucher;MFR LAD;Patient name;CFR;CABG;ACB\n"
                 "a;x;1;ja;2;Maier;2;ja;nein\nb;x;2;nein;2;Beier;2;nein;ja\n")
    )  # fmt: skip
    for line in ("study_id: study id\n", "patient_id: patient id\n", "mfr: CFR\n",
                 "# Not used: study date, Nichtraucher, MFR LAD\n",
                 "# Left out, may name a person: Patient name\n"):  # fmt: skip
        assert line in text
    assert "smoking" not in text
    assert text.count("# prior bypass") == 2


def test_ids_that_occur_twice_or_are_not_there_are_questions():
    text = suggest_column_map(table_of("study id;x\na;1\na;2\n"))
    assert "# study_id: study id    # some occur twice" in text
    assert "# patient_id:    # which column" in text


def test_cells_of_a_column_with_more_than_six_values_are_never_written():
    text = suggested("Sex;HbA1c;Raucher", *[f"w{k};{k};x{min(k, 5)}" for k in range(1, 8)])
    assert "w1" not in text
    assert "# sex: {column: Sex, one: [], zero: []}    # which values, or which rule?" in text
    assert '# diabetes: {column: HbA1c, rule: ">= 48"}' in text
    assert "found: x1, x2, x3, x4, x5" in text
    assert "v1" not in suggested("Sex", *[f"v{k % 7}" for k in range(20)])


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
    text = suggested(heading, "yes", "no")
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
    columns = load(suggested(heading, "yes", "no"))
    assert columns.traits == {trait: TraitCoding(heading, one=("yes",), zero=("no",))}


@pytest.mark.parametrize(
    ("heading", "cells", "one", "zero"),
    [("Sesso", "Women;Men", {"women"}, {"men"}),
     ("Sex", "F;f;Female;M;male", {"f", "female"}, {"m", "male"}),
     ("Sex", "2=female;1=male", {"2=female"}, {"1=male"}),
     ("Smoker", "0, No;1, Yes", {"1, yes"}, {"0, no"}),
     ("Diabetes", "Yes;y;no;N", {"yes", "y"}, {"n", "no"})],
)  # fmt: skip
def test_one_answer_in_several_spellings_is_one_answer(load, heading, cells, one, zero):
    (coding,) = load(suggested(heading, *cells.split(";"))).traits.values()
    assert [{cell.casefold() for cell in cells} for cells in (coding.one, coding.zero)] == [
        one,
        zero,
    ]


def test_codes_that_often_mean_not_recorded_are_asked_about(load):
    text = suggested("Sex;DM;HTN", "m;1;0", "f;99;-9", "9;0;1")
    assert (
        '# missing: {Sex: ["9"], DM: ["99"], HTN: ["-9"]}    # do these mean: not recorded?' in text
    )
    assert load(text).traits["diabetes"] == TraitCoding("DM", one=("1",), zero=("0",))
    assert load(text).missing == {}


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
    assert columns.missing == {}


def test_a_table_without_headings_gives_no_map_and_no_cell_is_repeated():
    for text in ("Maier;1950-01-01;x\na;b;c\n", "Maier;1;2\na;b;c\n"):
        message = refusal(suggest_column_map, table_of(text))
        assert "not the names of columns" in message
        assert "Maier" not in message
    text = suggest_column_map(table_of("S001;Maier Hans;w;ja;Bern\nS002;Beier;m;nein;Basel\n"))
    assert "No name in the first line is known" in text
    assert "Maier" not in text


# === Without a column map ===


@pytest.fixture
def taken(tmp_path):
    """What is taken over of columns beside the ids, without a column map, and what was told."""

    def read(columns, n=6):
        path = tmp_path / "clinical.csv"
        ids = {"study_id": [f"S{k}" for k in range(n)], "patient_id": [f"P{k}" for k in range(n)]}
        pd.DataFrame(ids | {name: cells * (n // 2) for name, cells in columns.items()}).to_csv(
            path, index=False
        )
        said = []
        return read_clinical(path, tell=said.append), said

    return read


LEFT = ("Left out, because without a column map only labels of 0 and 1 and plain numbers under "
        "well-known names such as age are taken over: columns {}. Name those that are needed in a "
        "column map; --suggest-columns writes a first one")  # fmt: skip


@pytest.mark.parametrize(
    ("heading", "cells"),
    [("ref", ["Dr. Anna Meier", "Dr. Bob"]), ("ward", ["Meier", "Huber"]),
     ("hosp", [4711000, 4711001]), ("ymd", [20240312, 20240313]), ("visit", [2023, 2024]),
     ("d2", ["12MAR2024", "13MAR2024"]), ("d3", ["Mar 12, 2024", "Mar 13, 2024"]),
     ("serial", [45363, 45364]), ("born", [1940, 1950]), ("call", ["+41 79", "x"]),
     ("=cmd()", [0, 1]), ("Surname", ["A", "B"]),
     *[("age", cells) for cells in ([20240312, 20240313], [">89", "50"], ["Meier", "Huber"],
                                    ["2024-03-12", "50"])],
     *[(heading, [0, 1]) for heading in ("comorbid___1", "Risks (choice=DM)", "form_complete")]],
)  # fmt: skip
def test_without_a_column_map_nothing_that_may_identify_is_taken_over(taken, heading, cells):
    """Names of physicians, hospital numbers, birth years; nor boxes, which nobody may have seen."""
    clinical, said = taken({heading: cells})
    assert clinical.table.empty
    assert said == [LEFT.format(heading)]


def test_without_a_column_map_a_trait_in_capitals_is_not_left_out_whatever_it_holds(taken):
    for cells in (["yes", "no"], [0, 1], [1, 2]):
        with pytest.raises(ValueError, match="write traits in lower case: Diabetes"):
            taken({"Diabetes": cells})


@pytest.mark.parametrize(
    "heading",
    ["age", "Age (years)", "BMI", "weight_kg", "Height [cm]", "Heart rate", "HR rest", "stress_HR",
     "SBP", "Systolic blood pressure", "restSBP", "LVEF", "LVEF (%)", "Ejection fraction",
     "NTproBNP", "NT-proBNP (ng/L)", "HbA1c", "eGFR", "LDL-C", "Creatinine (umol/L)", "CAC score"],
)  # fmt: skip
def test_well_known_numbers_are_taken_over(taken, heading):
    clinical, said = taken({heading: [60, 61.5]})
    assert clinical.table[heading].tolist() == [60, 61.5] * 3
    assert said == []


def test_labels_split_mfr_and_provenance_are_taken_over(taken):
    clinical, said = taken({"scar": [0, 1], "mfr": [2.1, 1.9], "split": ["train", "test"],
                            "tracer": ["Rb-82", "N-13"]})  # fmt: skip
    assert list(clinical.table) == ["scar", "mfr", "tracer", "split"]
    assert (clinical.traits, said) == (["scar"], [])


def test_labels_that_are_not_0_and_1_are_refused_with_the_way_to_a_column_map(taken):
    with pytest.raises(ValueError, match="--suggest-columns writes a first column map"):
        taken({"diabetes": ["Y", "N"]})


def test_a_row_of_units_leaves_numbers_what_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("study_id,patient_id,age\n,,years\nS1,P1,50\n")
    assert read_clinical(path).table["age"].tolist() == [50]


def test_a_sheet_before_the_table_is_told_of(tmp_path):
    """The first worksheet may be a data dictionary: the map then is about the wrong one."""
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        pd.DataFrame({"Variable": ["study_id"], "Meaning": ["scan"]}).to_excel(
            writer, sheet_name="Dictionary", index=False
        )
        pd.DataFrame({"study_id": ["S1"]}).to_excel(writer, sheet_name="Data", index=False)
    first = suggest_columns(tmp_path / "a.xlsx").splitlines()[0]
    assert first == "# a.xlsx: the first visible worksheet was read, 1 more were not"
