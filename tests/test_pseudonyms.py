import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from polarnet.readers.pseudonyms import Pseudonyms, load_key

KEY = bytes(range(32))
HEX = KEY.hex()


def test_a_pseudonym_is_the_hmac_of_domain_and_id():
    r"""Known answers of OpenSSL 3.0, first 60 bits in base32.

    printf 'patient\0004711' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102...1f -binary |
        base32 | cut -c1-12 | tr A-Z a-z
    gives pzfskxbnwisa; with 'study\0004711' it gives 3vqyabqbukb7.
    """
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.patient("4711") == "Ppzfskxbnwisa"
    assert pseudonyms.study("4711") == "S3vqyabqbukb7"


def test_one_id_in_two_spellings_is_one_patient():
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.patient(" M\u00fc1\t") == pseudonyms.patient("Mu\u03081")
    assert pseudonyms.patient("a1") != pseudonyms.patient("A1")


def test_patients_and_studies_of_one_number_cannot_be_told_to_be_so():
    pseudonyms = Pseudonyms(KEY)
    assert pseudonyms.patient("1")[1:] != pseudonyms.study("1")[1:]


def test_another_key_gives_other_pseudonyms():
    assert Pseudonyms(KEY).patient("1") != Pseudonyms(KEY[::-1]).patient("1")


def test_a_thousand_ids_stay_a_thousand_safe_file_names():
    names = {Pseudonyms(KEY).study(str(k)) for k in range(1000)}
    assert len(names) == 1000
    assert all(len(name) == 13 and set(name[1:]) <= set("abcdefghijklmnopqrstuvwxyz234567")
               for name in names)  # fmt: skip


@pytest.mark.parametrize("id", ["", "  ", "\t"])
def test_an_empty_id_has_no_pseudonym(id):
    with pytest.raises(ValueError, match="empty study id"):
        Pseudonyms(KEY).study(id)


def test_the_key_is_never_shown():
    shown = repr(Pseudonyms(KEY)) + str(Pseudonyms(KEY))
    assert shown == "Pseudonyms()Pseudonyms()"


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes, but 5"):
        Pseudonyms(b"short")


def test_the_first_call_makes_a_key_and_the_second_finds_it(tmp_path):
    path = tmp_path / "Schlüssel und mehr" / "pseudonym.key"
    first, where, is_new = load_key(path)
    second, _, is_new_again = load_key(path)
    assert (where, is_new, is_new_again) == (path, True, False)
    assert first.key == second.key
    assert path.read_bytes() == first.key.hex().encode() + b"\n"


def test_two_new_keys_differ(tmp_path):
    assert load_key(tmp_path / "a")[0].key != load_key(tmp_path / "b")[0].key


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_only_its_owner_can_read_the_key(tmp_path):
    before = os.umask(0)
    try:
        _, path, _ = load_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_path_the_key_is_in_the_users_configuration(tmp_path, monkeypatch):
    def folder(name, appauthor):
        assert (name, appauthor) == ("polarnet", False)
        return tmp_path / "config"

    monkeypatch.setattr("polarnet.readers.pseudonyms.user_config_path", folder)
    assert load_key(None)[1:] == (tmp_path / "config" / "pseudonym.key", True)


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_a_key_that_an_editor_saved_is_read(tmp_path, end):
    """A trailing space is no line end: it may be a cut in the middle of a longer file."""
    path = tmp_path / "key"
    path.write_bytes((HEX + end).encode())
    if end == " \n":
        with pytest.raises(ValueError, match="not a key"):
            load_key(path)
    else:
        assert load_key(path)[0].key == KEY


@pytest.mark.parametrize(
    "content", [b"", HEX[:-1].encode() + b"\n", HEX.encode() * 2, b"g" * 64 + b"\n", b"\0" * 65]
)
def test_a_damaged_key_is_refused_and_left_alone(tmp_path, monkeypatch, content):
    monkeypatch.setattr("polarnet.readers.pseudonyms._PATIENCE", 0.1)
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a key") as caught:
        load_key(path)
    assert path.read_bytes() == content
    assert HEX[:20] not in str(caught.value)


def test_a_folder_is_no_key(tmp_path):
    with pytest.raises(ValueError, match="cannot be read or made"):
        load_key(tmp_path)


def test_a_key_that_another_process_is_writing_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("polarnet.readers.pseudonyms._PATIENCE", 300.0)  # on a busy machine
    path = tmp_path / "key"
    path.write_bytes(b"")

    def write_slowly():
        for part in (HEX[:40], HEX[40:], "\n"):
            time.sleep(0.03)
            with path.open("a") as file:
                file.write(part)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    pseudonyms, _, is_new = load_key(path)
    writer.join()
    assert (pseudonyms.key, is_new) == (KEY, False)


def test_processes_at_once_end_with_one_key(tmp_path):
    """Three processes wait for a common moment before each asks for the key."""
    code = (
        "import sys, time; from polarnet.readers.pseudonyms import load_key\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "pseudonyms, _, is_new = load_key(sys.argv[1]); print(pseudonyms.key.hex(), is_new)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "key")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert len({key for key, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == ["False", "False", "True"]


def test_an_interrupted_first_import_leaves_no_half_of_a_key(tmp_path, monkeypatch):
    """Half a key would be refused for ever after."""

    def interrupted(*_):
        raise KeyboardInterrupt

    for name in ("secrets.token_hex", "os.fsync", "os.link"):
        with monkeypatch.context() as patch:
            patch.setattr(name, interrupted)
            with pytest.raises(KeyboardInterrupt):
                load_key(tmp_path / "key")
        assert list(tmp_path.iterdir()) == []
    assert load_key(tmp_path / "key")[2]


def test_a_key_is_made_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr("os.link", refuse)
    first, path, is_new = load_key(tmp_path / "key")
    assert is_new
    assert load_key(path)[0] == first
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
