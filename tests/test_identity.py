import pytest

from polarnet.readers.identity import is_date, names_a_person, tells_a_day


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


@pytest.mark.parametrize(
    "cell",
    ["2024-03-12T10:33:00Z", "3/12/2024 10:15 AM", "2024/03/12 10:15", "12.03.2024, 10:15",
     "12-Mar-1954 10:15:00", "12. März 1954 10:15", "12-03-54", "12032024", "born 12.03.1954"],
)  # fmt: skip
def test_a_day_beside_a_time_or_words_is_a_day(cell):
    assert tells_a_day(cell)


@pytest.mark.parametrize("cell", ["2.54", "120/80", "1.2.3", "12-14", "99.5", "1234567", "R2024"])
def test_numbers_and_versions_are_no_days(cell):
    assert not tells_a_day(cell)
