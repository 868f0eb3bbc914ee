"""What may identify a person is known, and pseudonyms stand in its place."""

import os
import re
import stat
import subprocess
import sys

import pytest

from polarnet.readers.identity import is_date, load_key, names_a_person, pseudonym, tells_a_day

KEY = bytes(range(32))
HEX = KEY.hex()


PERSONS = """Name|Nachname|Vorname|Patientenname|PATIENT NAME|Surname|first_name|nom|Prénom
nom de naissance|Achternaam|voornaam|Apellidos|nombre|Cognome|Nome|Geburtsdatum|geb.|Geb.-Dat.
date_of_birth|DOB|BirthYear|Date de naissance|geboortedatum|Fecha de nacimiento|data di nascita
Straße|Strasse|PLZ|Wohnort|address|Adresse|dirección|postcode|Telefon|telefoon|teléfono|phone
Mobilnummer|E-Mail|Versichertennummer|AHV-Nr|NHS number|NHSNumber|MRN|ssn|BSN
Sozialversicherungsnr.|code postal|Krankenhaus-Nr.|hospital no|hospital_number|Fallnummer
Accession Number|PatNr|patient_id|Initials|passport"""

NOBODY = """genome|hospital stay|Hospital LOS|Tracername|ManufacturerModelName|Software name
Gerätename|nom du traceur|sex assigned at birth|birth weight|BMI|age|Alter|EF rest|initial MBF
hypertension|Raucher|ornament|economic status|capacity|velocity|pre-nominal|ACE inhibitor|PPI
statin|national guideline|Gebiet|handedness|mobility|insurance type|previous MI|dyslipidemia
anomaly|total calcium|patient position|number of vessels"""

SPOILT_IDS = """12-Mar|Mar-12|12. Mrz|12-mrt|12-mars|août-12|2026-12-03|10:30|03.12.2026|3/12/26
3-12-2026|May-2024|12-Dec-2026"""

IDS = (
    """MAR-12|Mark-12|2024-012|2024-12|S12-3|1-2-3|01-02-33|12|DEC3|Set-1|1.5|Mar-123|12345-67-8"""
)

DAYS = """2024-03-12T10:33:00Z|3/12/2024 10:15 AM|2024/03/12 10:15|12.03.2024, 10:15
12-Mar-1954 10:15:00|12. März 1954 10:15|12-03-54|12032024|born 12.03.1954"""

NO_DAYS = "2.54|120/80|1.2.3|12-14|99.5|1234567|R2024"


@pytest.mark.parametrize(
    ("tells", "texts", "is_so"),
    [
        pytest.param(names_a_person, PERSONS, True, id="columns that name a person"),
        pytest.param(names_a_person, NOBODY, False, id="columns that name nobody"),
        pytest.param(is_date, SPOILT_IDS, True, id="what a spreadsheet makes of ids"),
        pytest.param(is_date, IDS, False, id="ids that resemble dates"),
        pytest.param(tells_a_day, DAYS, True, id="a day beside a time or words"),
        pytest.param(tells_a_day, NO_DAYS, False, id="numbers and versions"),
    ],
)
def test_what_may_identify_a_person_is_known_and_nothing_else(tells, texts, is_so):
    assert [text for text in re.split(r"[|\n]", texts) if tells(text) != is_so] == []


def test_a_pseudonym_is_the_hmac_of_kind_and_id():
    r"""Known answers of OpenSSL 3.0, first 60 bits in base32.

    printf 'patient\0004711' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f -binary |
        base32 | cut -c1-12 | tr A-Z a-z
    gives pzfskxbnwisa; with 'study\0004711' it gives 3vqyabqbukb7.
    """
    assert pseudonym(KEY, "patient", "4711") == "Ppzfskxbnwisa"
    assert pseudonym(KEY, "study", "4711") == "S3vqyabqbukb7"
    for id in ("", "  ", "\t"):
        with pytest.raises(ValueError, match="empty study id"):
            pseudonym(KEY, "study", id)


def test_pseudonyms_differ_by_kind_key_and_id_and_are_safe_file_names():
    def patient(id, key=KEY):
        return pseudonym(key, "patient", id)

    for one, other in ((" M\u00fc1\t", "Mu\u03081"), ("1", "1.0"), ("A B", "A\u00a0 B"),
                       ("x", "x\u200b")):  # fmt: skip
        assert patient(one) == patient(other)
    assert patient("a1") != patient("A1")
    assert patient("007") != patient("7")
    assert patient("1")[1:] != pseudonym(KEY, "study", "1")[1:]
    assert patient("1") != patient("1", KEY[::-1])
    thousand = {patient(str(k)) for k in range(1000)}
    assert len(thousand) == 1000
    assert all(len(name) == 13 and set(name[1:]) <= set("abcdefghijklmnopqrstuvwxyz234567")
               for name in thousand)  # fmt: skip


def test_the_first_call_makes_a_key_for_its_owner_and_the_second_finds_it(tmp_path):
    path = tmp_path / "Schlüssel und mehr" / "pseudonym.key"
    before = os.umask(0)
    try:
        first, where, is_new = load_key(path)
    finally:
        os.umask(before)
    second, _, is_new_again = load_key(path)
    assert (where, is_new, is_new_again) == (path, True, False)
    assert first == second
    assert len(first) == 32
    assert path.read_bytes() == first.hex().encode() + b"\n"
    assert load_key(tmp_path / "other")[0] != first
    if os.name != "nt":  # Windows has no modes
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_path_the_key_is_in_the_users_configuration(tmp_path, monkeypatch):
    def folder(name, appauthor):
        assert (name, appauthor) == ("polarnet", False)
        return tmp_path / "config"

    monkeypatch.setattr("polarnet.readers.identity.user_config_path", folder)
    assert load_key(None)[1:] == (tmp_path / "config" / "pseudonym.key", True)


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_key_that_an_editor_saved_is_read(tmp_path, end):
    (tmp_path / "key").write_bytes((HEX + end).encode())
    assert load_key(tmp_path / "key")[0] == KEY


@pytest.mark.parametrize(
    "content",
    [b"", HEX[:-1].encode() + b"\n", HEX.encode() * 2, b"g" * 64 + b"\n", b"\0" * 65,
     HEX.encode() + b" \n"],
)  # fmt: skip
def test_a_damaged_key_is_refused_and_left_alone(tmp_path, content):
    """A trailing space is no line end: it may be a cut in the middle of a longer file."""
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a key") as caught:
        load_key(path)
    assert path.read_bytes() == content
    assert HEX[:20] not in str(caught.value)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), NotImplementedError()])
def test_a_key_is_read_where_nothing_can_be_written_or_locked(tmp_path, monkeypatch, error):
    made, path, _ = load_key(tmp_path / "key")

    def refused(*_):
        raise error

    monkeypatch.setattr("polarnet.readers.identity.FileLock", refused)
    assert load_key(path) == (made, path, False)
    for other in (tmp_path / "other", tmp_path):
        with pytest.raises(ValueError, match="cannot be read or made"):
            load_key(other)


def test_processes_at_once_end_with_one_key(tmp_path):
    """Three processes wait for a common moment before each asks for the key."""
    code = (
        "import sys, time; from polarnet.readers.identity import load_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "key, _, is_new = load_key(sys.argv[1]); print(key.hex(), is_new)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "key")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert len({key for key, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == ["False", "False", "True"]


@pytest.mark.parametrize("name", ["secrets.token_hex", "os.fsync"])
def test_an_interrupted_first_import_leaves_no_half_of_a_key(tmp_path, monkeypatch, name):
    """Half a key would be refused for ever after."""

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            load_key(tmp_path / "key")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    assert load_key(tmp_path / "key")[2]
